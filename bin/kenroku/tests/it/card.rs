//! A resident with a card: the demo as it is built, a simulated card in the virtual reader of a real pcscd, the companion's
//! code between them, and the browser's side by plain HTTP.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use kenroku_card::card::{Card, Tries};
use kenroku_card::ceremony::{self, Asked, CeremonyError, Person, Started};
use kenroku_card::reader::Reader;
use kenroku_card::secret::{Password, Pin};
use kenroku_card::server::Http;
use kenroku_contracts::card::CardState;
use kenroku_e2e::card_reader::{Place, VirtualReader, isolated};
use kenroku_sim_card::card::Token;
use kenroku_sim_card::{PASSWORD, PIN, Pki, Resident};

use crate::process::kenroku;

/// A resident of the simulation whom the demo's own people do not use.
const RESIDENT: u32 = 903;

#[test]
fn a_card_in_a_reader_makes_an_id_and_signs_in() {
    match isolated("card::a_card_in_a_reader_makes_an_id_and_signs_in") {
        Place::Inside => {}
        Place::Passed => return,
        Place::Impossible(why) => return println!("{why}"),
    }
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path());
    let resident = Resident::new(RESIDENT);
    assert!(resident.can_sign() && resident.generation == 3);
    let pki = Pki::shipped().unwrap();
    let reader = VirtualReader::with(kenroku_sim_card::Card::of(&resident, &pki, Token::Card).unwrap());

    let (_, welcome) = demo.ceremony("act=register&class=resident", Started::Register);
    assert!(welcome.contains("いしかわIDができました"), "{welcome}");

    let (session, _) = demo.ceremony("act=sign-in", Started::SignIn);
    let profile = demo.get("/id/profile", &session);
    let (family, given) = resident.name.split_once('\u{3000}').unwrap();
    for shown in [family, given, &resident.address] {
        assert!(profile.contains(shown), "{shown}: {profile}");
    }
    assert!(!demo.get("/id/profile", "").contains(&resident.address), "only with the session");
    assert_eq!(reader.card().number_selected(), 0);
}

/// The demo, until this is dropped.
struct Demo {
    child: Child,
    addr: String,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Demo {
    fn start(dir: &std::path::Path) -> Self {
        let mut child =
            kenroku(dir).arg("demo").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let (mut said, mut buf) = (String::new(), [0u8; 4096]);
        while !said.contains("Ctrl-C") {
            let n = out.read(&mut buf).unwrap();
            assert!(n > 0, "the demo ended: {said}");
            said.push_str(&String::from_utf8_lossy(&buf[..n]));
        }
        // Somebody must read on, or the demo stops when the pipe is full.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        let rest = said.split_once("http://localhost:").unwrap().1;
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Demo { child, addr: format!("127.0.0.1:{port}") }
    }

    /// One request as a browser makes it; the answer with its head.
    fn send(&self, method: &str, path: &str, cookies: &str, body: &str) -> String {
        let mut s = TcpStream::connect(&self.addr).unwrap();
        let (addr, length) = (&self.addr, body.len());
        write!(
            s,
            "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nOrigin: http://{addr}\r\nAccept: text/html\r\nCookie: {cookies}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        s.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, path: &str, cookies: &str) -> String {
        self.send("GET", path, cookies, "")
    }

    /// Begins at the page, lets the card answer, goes on at the page: the session's cookies and where it led.
    fn ceremony(&self, form: &str, started: Started) -> (String, String) {
        let ticket = cookies(&self.send("POST", "/id/card", "", form));
        let code = ticket.rsplit('.').next().unwrap().to_owned();
        assert_eq!(code.len(), 8, "{ticket}");
        let server = Http::new(&format!("http://{}", self.addr), None).unwrap();
        let reader = Reader::wait(None, std::time::Duration::from_secs(30)).unwrap();
        let outcome = ceremony::run(started, &code, &server, &mut Card::new(reader), &mut Resolute).unwrap();
        assert_eq!(outcome.state, CardState::Done, "{}", outcome.message);
        let done = self.send("POST", "/id/card/done", &ticket, "");
        let session = cookies(&done);
        let to = done.lines().find_map(|l| l.strip_prefix("location: ")).unwrap_or("/id").trim().to_owned();
        let page = self.get(&to, &session);
        (session, page)
    }
}

fn cookies(answer: &str) -> String {
    let set = answer.lines().filter_map(|l| l.strip_prefix("set-cookie: "));
    set.filter_map(|c| c.split(';').next()).collect::<Vec<_>>().join("; ")
}

/// Somebody who agrees and knows the secrets.
struct Resolute;

impl Person for Resolute {
    fn agrees(&mut self, _: &str, text: &str) -> Result<bool, CeremonyError> {
        Ok(text.contains("いしかわID"))
    }
    fn risks_last_try(&mut self, _: Asked) -> Result<bool, CeremonyError> {
        Ok(false)
    }
    fn pin(&mut self, _: Tries) -> Result<Pin, CeremonyError> {
        Pin::new(PIN.to_owned().into()).map_err(CeremonyError::from)
    }
    fn password(&mut self, _: Tries) -> Result<Password, CeremonyError> {
        Password::new(PASSWORD.to_owned().into()).map_err(CeremonyError::from)
    }
}
