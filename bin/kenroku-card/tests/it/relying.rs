//! A relying party that verifies what the companion sends, in process and over HTTP.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kenroku_card::server::{Server, ServerError};
use kenroku_contracts::card::{
    CardAct, CardAnswer, CardChallenge, CardOutcome, CardSignature, CardState, CardTicket,
};
use kenroku_jpki::{
    Anchors, Auth, Challenge, Crl, CrlFiles, Kind, Mode, Pin, Profile, Proofing, Refusal, Sign, ToBeSigned,
    ValidityChecked,
};
use kenroku_sim_card::pki::{List, ORGANISATION};
use kenroku_sim_card::{Ca, Pki};
use kenroku_types::Timestamp;

/// Who registered, by the credential of the 利用者証明用 certificate.
type People = BTreeMap<Vec<u8>, String>;

pub struct RelyingParty {
    pub name: String,
    auth: Anchors<Auth>,
    sign: Anchors<Sign>,
    lists: CrlFiles,
    now: Timestamp,
    open: Mutex<BTreeMap<String, CardChallenge>>,
    pub people: Mutex<People>,
    pub signed_in: Mutex<Vec<String>>,
    pub answers: Mutex<Vec<CardAnswer>>,
}

fn anchors<K: Kind>(cas: &[Ca]) -> Anchors<K> {
    let pins: Vec<Pin> = cas.iter().map(|c| Pin::of(&c.certificate)).collect();
    let profile = Profile::test(ORGANISATION).unwrap();
    Anchors::load(profile, cas.iter().map(|c| c.certificate.as_slice()), &pins).unwrap()
}

impl RelyingParty {
    pub fn new(name: &str) -> Self {
        let pki = Pki::shipped().unwrap();
        // 2026-01-14T09:30 in Japan: the simulated cards of the newest generation are valid.
        let now = Timestamp::from_secs(1_768_350_600);
        let (auth, sign) = (anchors(&pki.auth), anchors(&pki.sign));
        let list = List {
            this_update: now,
            next_update: Some(now.plus(Duration::from_secs(3600))),
            number: vec![1],
            revoked: Vec::new(),
            extensions: Vec::new(),
        };
        let auth_lists = pki.auth.iter().map(|ca| Crl::load(&ca.list(&list).unwrap(), &auth).unwrap());
        let sign_lists = pki.sign.iter().map(|ca| Crl::load(&ca.list(&list).unwrap(), &sign).unwrap());
        let lists = auth_lists.chain(sign_lists).collect();
        let lists = CrlFiles::new(lists, Duration::from_secs(3600), "test");
        RelyingParty {
            name: name.to_owned(),
            auth,
            sign,
            lists,
            now,
            open: Mutex::default(),
            people: Mutex::default(),
            signed_in: Mutex::default(),
            answers: Mutex::default(),
        }
    }

    /// Opens a ceremony under a ticket.
    pub fn open(&self, ticket: &str, act: CardAct, change: impl FnOnce(&mut CardChallenge)) {
        let mut challenge = CardChallenge {
            session: format!("session-of-{ticket}"),
            act,
            relying_party: self.name.clone(),
            nonce: "5a".repeat(32),
            text: "いしかわIDの手続きをします。".to_owned(),
            expires_at: self.now.plus(Duration::from_secs(300)),
        };
        change(&mut challenge);
        self.open.lock().unwrap().insert(ticket.to_owned(), challenge);
    }

    fn accept(&self, answer: &CardAnswer) -> Result<CardOutcome, Refusal> {
        self.answers.lock().unwrap().push(answer.clone());
        let mut open = self.open.lock().unwrap();
        let ticket = open.iter().find(|(_, c)| c.session == answer.session).map(|(t, _)| t.clone());
        let Some(c) = ticket.and_then(|t| open.remove(&t)) else {
            return Err(kenroku_jpki::ChallengeError::Used.into());
        };
        let mut nonce = [0; 32];
        hex::decode_to_slice(&c.nonce, &mut nonce).unwrap();
        let text = ToBeSigned::new(c.act.word(), &c.relying_party, &c.session, &nonce, &c.text)?;
        let spent = Challenge::new(text, self.now).spend(1, self.now)?;
        let auth = self.checked(&self.auth, &answer.auth, &spent)?;
        let id = auth.credential().to_bytes();
        let message = match &answer.sign {
            Some(sign) => {
                let proofing = Proofing::new(auth, self.checked(&self.sign, sign, &spent)?)?;
                let name = proofing.attributes().name.as_str().to_owned();
                self.people.lock().unwrap().insert(id, name);
                "登録しました。画面に戻ってください。"
            }
            None => {
                let who = self.people.lock().unwrap().get(&id).cloned().unwrap_or_default();
                self.signed_in.lock().unwrap().push(who);
                "サインインしました。画面に戻ってください。"
            }
        };
        Ok(CardOutcome { state: CardState::Done, message: message.to_owned() })
    }

    fn checked<K: Kind>(
        &self,
        anchors: &Anchors<K>,
        signed: &CardSignature,
        spent: &kenroku_jpki::SpentChallenge,
    ) -> Result<ValidityChecked<K>, Refusal> {
        let bytes = |text: &str| STANDARD.decode(text).unwrap();
        let crypto =
            anchors.verify(&bytes(&signed.certificate), spent, &bytes(&signed.signature), self.now)?;
        ready(crypto.check_validity(&self.lists, Mode::Strict, self.now))
    }

    fn refused(status: u16, code: &str) -> ServerError {
        ServerError::Refused { status, code: code.to_owned(), title: String::new(), next: String::new() }
    }
}

/// A list in memory never waits.
fn ready<F: Future>(future: F) -> F::Output {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

impl Server for RelyingParty {
    fn name(&self) -> &str {
        &self.name
    }

    fn challenge(&self, ticket: &CardTicket) -> Result<CardChallenge, ServerError> {
        let open = self.open.lock().unwrap();
        open.get(&ticket.ticket).cloned().ok_or_else(|| Self::refused(404, "not-found"))
    }

    fn answer(&self, answer: &CardAnswer) -> Result<CardOutcome, ServerError> {
        self.accept(answer)
            .map_err(|r| Self::refused(kenroku_types::Problem::from(r.clone()).status, r.code()))
    }
}

/// Serves it on a port of this machine until the process ends.
pub fn serve() -> Arc<RelyingParty> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("http://{}", listener.local_addr().unwrap());
    let party = Arc::new(RelyingParty::new(&name));
    let served = Arc::clone(&party);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let _ = handle(&served, &connection);
        }
    });
    party
}

fn handle(party: &RelyingParty, mut connection: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    let (mut head, mut length) = (String::new(), 0);
    reader.read_line(&mut head)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let answer = if head.starts_with("POST /api/identity/v1/card/challenges ") {
        let ticket: CardTicket = serde_json::from_slice(&body)?;
        party.challenge(&ticket).map(|c| serde_json::to_string(&c).unwrap())
    } else if head.starts_with("POST /api/identity/v1/card/answers ") {
        let answer: CardAnswer = serde_json::from_slice(&body)?;
        party.answer(&answer).map(|o| serde_json::to_string(&o).unwrap())
    } else {
        Err(RelyingParty::refused(404, "not-found"))
    };
    let (status, text) = match answer {
        Ok(text) => (200, text),
        Err(ServerError::Refused { status, code, .. }) => {
            (status, serde_json::json!({"code": code, "title": "No.", "next": "Again."}).to_string())
        }
        Err(e) => (500, e.to_string()),
    };
    let length = text.len();
    write!(connection, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}")
}
