//! The whole path: simulated card → vpcd → real pcscd → PC/SC → the built companion → HTTP → verifier.
//!
//! vpcd listens on all interfaces of the machine and there is one pcscd per machine, so everything runs in network and mount
//! namespaces of its own: this test starts itself again inside them. Where a machine forbids namespaces (some
//! containers do) the test says so and ends; what remains proved there is everything but pcscd and vpcd themselves, by the
//! tests beside it.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kenroku_contracts::card::CardAct;
use kenroku_sim_card::card::{SecretName, Token};
use kenroku_sim_card::{Card, Pki, Resident, vpcd};

use crate::relying;

const INSIDE: &str = "KENROKU_CARD_INSIDE";
const RESIDENT: u32 = 3;

#[expect(clippy::disallowed_methods, reason = "how the second half of the test knows where it is")]
fn set(name: &str) -> bool {
    std::env::var(name).is_ok_and(|v| !v.is_empty())
}

/// `unshare` with what this user needs for namespaces of his own.
fn unshare(command: &[&str]) -> Command {
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0");
    let mut c = Command::new("unshare");
    if !root {
        c.args(["--user", "--map-root-user"]);
    }
    c.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--"]).args(command);
    c
}

#[test]
fn a_card_in_a_reader_registers_and_signs_in() {
    if set(INSIDE) {
        return inside();
    }
    let prepare = "mount -t tmpfs tmpfs /run && mkdir /run/pcscd && ip link set lo up";
    let probe = unshare(&["sh", "-c", prepare]).output();
    match probe {
        Ok(o) if o.status.success() => {}
        other => {
            println!("no namespaces on this machine, so pcscd cannot be isolated: {other:?}");
            return;
        }
    }
    let installed =
        ["/usr/sbin/pcscd", "/etc/reader.conf.d/vpcd"].iter().all(|p| std::path::Path::new(p).exists());
    if !installed {
        assert!(!set("CI"), "apt-get install pcscd vsmartcard-vpcd");
        println!("pcscd and vpcd are not installed: apt-get install pcscd vsmartcard-vpcd");
        return;
    }
    let this = std::env::current_exe().unwrap();
    let again = format!(
        "{prepare} && exec \"$0\" --exact path::a_card_in_a_reader_registers_and_signs_in --nocapture"
    );
    let status =
        unshare(&["sh", "-c", &again, this.to_str().unwrap()]).env(INSIDE, "1").stdin(Stdio::null()).status();
    assert!(status.unwrap().success(), "the path failed; its output stands above");
}

/// A process that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "pcscd has no way to tell that its reader is there")]
fn reader_line(pcscd: &mut Running) -> TcpStream {
    for _ in 0..600 {
        if let Ok(line) = TcpStream::connect("127.0.0.1:35963") {
            return line;
        }
        if let Some(status) = pcscd.0.try_wait().unwrap() {
            panic!("pcscd ended with {status}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("vpcd did not listen within a minute");
}

fn inside() {
    let mut pcscd = Command::new("/usr/sbin/pcscd");
    pcscd.arg("--foreground").stdout(Stdio::null()).stderr(Stdio::null());
    let mut pcscd = Running(pcscd.spawn().unwrap());
    let resident = Resident::new(RESIDENT);
    let card = Card::of(&resident, &Pki::shipped().unwrap(), Token::Card).unwrap();
    let card = Arc::new(Mutex::new(card));
    let line = reader_line(&mut pcscd);
    let in_reader = Arc::clone(&card);
    std::thread::spawn(move || vpcd::serve(&in_reader, line));

    let party = relying::serve();
    party.open("REG", CardAct::Register, |_| ());
    let out = companion(&party.name, "register", "REG", "はい\n1234\nABC123\n");
    assert!(out.contains("登録しました"), "{out}");
    assert_eq!(party.people.lock().unwrap().values().collect::<Vec<_>>(), [&resident.name]);

    party.open("WRONG", CardAct::SignIn, |_| ());
    let out = companion(&party.name, "sign-in", "WRONG", "はい\n0000\n");
    assert!(out.contains("あと2回"), "{out}");
    party.open("IN", CardAct::SignIn, |_| ());
    let out = companion(&party.name, "sign-in", "IN", "はい\n1234\n");
    assert!(out.contains("あと2回まで") && out.contains("サインインしました"), "{out}");
    assert_eq!(*party.signed_in.lock().unwrap(), [resident.name]);

    let card = card.lock().unwrap();
    assert_eq!((card.number_selected(), card.tries(SecretName::Auth)), (0, 3));
    assert!(!card.commands().is_empty());
}

/// Runs the built companion; what it printed.
fn companion(server: &str, act: &str, ticket: &str, typed: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kenroku-card"))
        .args([act, "--server", server, "--ticket", ticket, "--stdin", "--wait", "30"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    [output.stdout, output.stderr].iter().map(|b| String::from_utf8_lossy(b).into_owned()).collect()
}
