//! A simulated card in a virtual reader of a real pcscd, where nothing else of the machine can see it.
//!
//! vpcd listens on all interfaces and there is one pcscd per machine, so everything runs in network, mount and process
//! namespaces of its own: a test calls [`isolated`], which starts the same test again inside them. Where a machine
//! forbids namespaces (some containers do) the caller is told why; what then remains proved is everything but
//! pcscd and vpcd themselves, by the tests that call the card in process.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kenroku_sim_card::{Card, vpcd};

/// Set for the second run of a test.
const INSIDE: &str = "KENROKU_TEST_ISOLATED";

/// Where a test finds itself.
#[derive(Debug)]
pub enum Place {
    /// Inside: go on with what needs isolation.
    Inside,
    /// Outside, and the test has passed inside.
    Passed,
    /// Outside, and this machine has no inside, for this reason.
    Impossible(String),
}

#[expect(clippy::disallowed_methods, reason = "how the second run of a test knows where it is")]
fn is_set(name: &str) -> bool {
    std::env::var(name).is_ok_and(|v| !v.is_empty())
}

/// Starts the calling test again, isolated. `name` is its full path within its test binary.
///
/// # Panics
/// When it fails inside; also when `CI` is set and pcscd is not installed.
pub fn isolated(name: &str) -> Place {
    if is_set(INSIDE) {
        return Place::Inside;
    }
    if !["/usr/sbin/pcscd", "/etc/reader.conf.d/vpcd"].iter().all(|p| Path::new(p).exists()) {
        let missing = "pcscd and vpcd are missing: apt-get install pcscd vsmartcard-vpcd iproute2";
        assert!(!is_set("CI"), "{missing}");
        return Place::Impossible(missing.to_owned());
    }
    // /run is empty inside, so neither pcscd's socket nor anything else of the machine is there.
    let prepare = "mount -t tmpfs tmpfs /run && mkdir /run/pcscd && ip link set lo up";
    match unshare(&["sh", "-c", prepare]).output() {
        Ok(o) if o.status.success() => {}
        other => return Place::Impossible(format!("no namespaces on this machine: {other:?}")),
    }
    let this = std::env::current_exe().unwrap();
    let again = format!("{prepare} && exec \"$0\" --exact {name} --nocapture");
    let mut c = unshare(&["sh", "-c", &again, this.to_str().unwrap()]);
    let status = c.env(INSIDE, "1").stdin(Stdio::null()).status().unwrap();
    assert!(status.success(), "{name} failed inside; its output stands above");
    Place::Passed
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

/// A reader with a card in it, until this is dropped. Only [`Place::Inside`].
#[derive(Debug)]
pub struct VirtualReader {
    pcscd: Child,
    card: Arc<Mutex<Card>>,
}

impl VirtualReader {
    /// Starts pcscd and puts the card into its virtual reader.
    ///
    /// # Panics
    /// When pcscd does not start.
    pub fn with(card: Card) -> Self {
        let mut pcscd = Command::new("/usr/sbin/pcscd");
        let pcscd = pcscd.arg("--foreground").stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut reader =
            VirtualReader { pcscd: pcscd.expect("pcscd starts"), card: Arc::new(Mutex::new(card)) };
        let line = reader.line();
        let card = Arc::clone(&reader.card);
        std::thread::spawn(move || vpcd::serve(&card, line));
        reader
    }

    /// The card, to ask what was done with it.
    ///
    /// # Panics
    /// When another look at it panicked.
    pub fn card(&self) -> MutexGuard<'_, Card> {
        self.card.lock().unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "pcscd has no way to tell that its reader is there")]
    fn line(&mut self) -> TcpStream {
        for _ in 0..600 {
            if let Ok(line) = TcpStream::connect("127.0.0.1:35963") {
                return line;
            }
            assert!(self.pcscd.try_wait().unwrap().is_none(), "pcscd ended");
            std::thread::sleep(Duration::from_millis(100));
        }
        unreachable!("vpcd did not listen within a minute")
    }
}

impl Drop for VirtualReader {
    fn drop(&mut self) {
        let _ = self.pcscd.kill();
        let _ = self.pcscd.wait();
    }
}
