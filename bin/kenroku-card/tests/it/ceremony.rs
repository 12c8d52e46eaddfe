//! Ceremonies in process: every way they can end, and what the card was sent.

use kenroku_card::card::{Card, CardError, Tries};
use kenroku_card::ceremony::{self, Asked, CeremonyError, Person, Started};
use kenroku_card::channel::{Channel, ChannelError};
use kenroku_card::secret::{Password, Pin};
use kenroku_card::server::ServerError;
use kenroku_contracts::card::{CardAct, CardChallenge, CardOutcome, CardState, CardToken};
use kenroku_sim_card::card::{SecretName, Token};
use kenroku_sim_card::{Card as Simulated, PASSWORD, PIN, Pki, Resident};

use crate::relying::RelyingParty;

pub fn simulated(resident: u32, token: Token) -> Simulated {
    Simulated::of(&Resident::new(resident), &Pki::shipped().unwrap(), token).unwrap()
}

/// Answers as the test says, and remembers what was asked.
struct Scripted {
    agrees: bool,
    risks: bool,
    pin: &'static str,
    password: &'static str,
    asked: Vec<String>,
}

impl Scripted {
    fn new() -> Self {
        Scripted { agrees: true, risks: false, pin: PIN, password: PASSWORD, asked: Vec::new() }
    }
}

impl Person for Scripted {
    fn agrees(&mut self, server: &str, text: &str) -> Result<bool, CeremonyError> {
        self.asked.push(format!("agree {server} {text}"));
        Ok(self.agrees)
    }
    fn risks_last_try(&mut self, what: Asked) -> Result<bool, CeremonyError> {
        self.asked.push(format!("risk {what:?}"));
        Ok(self.risks)
    }
    fn pin(&mut self, tries: Tries) -> Result<Pin, CeremonyError> {
        self.asked.push(format!("pin {}", tries.0));
        Pin::new(self.pin.to_owned().into()).map_err(CeremonyError::from)
    }
    fn password(&mut self, tries: Tries) -> Result<Password, CeremonyError> {
        self.asked.push(format!("password {}", tries.0));
        Password::new(self.password.to_owned().into()).map_err(CeremonyError::from)
    }
}

const SERVER: &str = "https://id.pref.example";
const RESIDENT: u32 = 3;

struct Scene {
    party: RelyingParty,
    card: Card<Simulated>,
    person: Scripted,
}

impl Scene {
    fn new(resident: u32) -> Self {
        let card = Card::new(simulated(resident, Token::Card));
        Scene { party: RelyingParty::new(SERVER), card, person: Scripted::new() }
    }

    fn run(&mut self, started: Started) -> Result<CardOutcome, CeremonyError> {
        ceremony::run(started, "T", &self.party, &mut self.card, &mut self.person)
    }

    fn register(&mut self) -> Result<CardOutcome, CeremonyError> {
        self.party.open("T", CardAct::Register, |_| ());
        self.run(Started::Register)
    }

    fn sign_in(&mut self) -> Result<CardOutcome, CeremonyError> {
        self.party.open("T", CardAct::SignIn, |_| ());
        self.run(Started::SignIn)
    }

    fn challenged(&mut self, change: impl FnOnce(&mut CardChallenge)) -> Result<CardOutcome, CeremonyError> {
        self.party.open("T", CardAct::SignIn, change);
        self.run(Started::SignIn)
    }

    fn into_card(self) -> Simulated {
        self.card.into_channel()
    }
}

/// VERIFY commands that carried a secret.
fn given(card: &Simulated) -> usize {
    card.commands().iter().filter(|c| c[1] == 0x20 && c.len() > 4).count()
}

#[test]
fn a_resident_registers_and_signs_in() {
    let mut s = Scene::new(RESIDENT);
    let outcome = s.register().unwrap();
    assert_eq!(outcome.state, CardState::Done);
    assert_eq!(
        s.person.asked,
        [&format!("agree {SERVER} いしかわIDの手続きをします。"), "pin 3", "password 5"]
    );
    let name = Resident::new(RESIDENT).name;
    assert_eq!(s.party.people.lock().unwrap().values().collect::<Vec<_>>(), [&name]);
    s.sign_in().unwrap();
    assert_eq!(*s.party.signed_in.lock().unwrap(), [name]);
    {
        let answers = s.party.answers.lock().unwrap();
        assert!(answers[0].sign.is_some() && answers[1].sign.is_none());
        assert_eq!(answers[0].token, CardToken::Card);
    }
    let card = s.into_card();
    assert_eq!((given(&card), card.number_selected()), (3, 0));
}

#[test]
fn signing_in_touches_nothing_of_the_signature_key() {
    let mut s = Scene::new(RESIDENT);
    s.sign_in().unwrap();
    let chosen = |id: u8| move |c: &Vec<u8>| c.starts_with(&[0x00, 0xA4, 0x02, 0x0C, 0x02, 0x00, id]);
    let card = s.into_card();
    assert!(card.commands().iter().any(chosen(0x17)));
    for file in [0x01, 0x02, 0x1A, 0x1B] {
        assert!(!card.commands().iter().any(chosen(file)), "{file:02X}");
    }
}

#[test]
fn a_wrong_pin_is_given_once_and_the_next_start_says_what_is_left() {
    let mut s = Scene::new(RESIDENT);
    s.person.pin = "0000";
    let refused = s.sign_in().unwrap_err();
    assert!(matches!(refused, CeremonyError::Card(CardError::WrongSecret { left: 2 })), "{refused}");
    assert!(s.party.answers.lock().unwrap().is_empty());
    s.person.pin = PIN;
    s.sign_in().unwrap();
    assert_eq!(
        s.person.asked[1..],
        ["pin 3", &format!("agree {SERVER} いしかわIDの手続きをします。"), "pin 2"]
    );
    let card = s.into_card();
    assert_eq!((given(&card), card.tries(SecretName::Auth)), (2, 3));
}

#[test]
fn the_last_try_needs_a_word_of_consent() {
    let mut s = Scene::new(RESIDENT);
    s.person.pin = "0000";
    assert!(s.sign_in().is_err() && s.sign_in().is_err());
    s.person.asked.clear();
    assert!(matches!(s.sign_in(), Err(CeremonyError::Declined)));
    assert!(s.person.asked.iter().any(|a| a.starts_with("risk")));
    assert!(!s.person.asked.iter().any(|a| a.starts_with("pin")), "declined before typing");
    (s.person.risks, s.person.pin) = (true, PIN);
    s.sign_in().unwrap();
    assert_eq!(s.into_card().tries(SecretName::Auth), 3);
}

#[test]
fn a_locked_card_is_told_before_anything_is_typed() {
    let mut s = Scene::new(RESIDENT);
    (s.person.pin, s.person.risks) = ("0000", true);
    assert!(matches!(s.sign_in(), Err(CeremonyError::Card(CardError::WrongSecret { left: 2 }))));
    assert!(matches!(s.sign_in(), Err(CeremonyError::Card(CardError::WrongSecret { left: 1 }))));
    assert!(matches!(s.sign_in(), Err(CeremonyError::Card(CardError::Blocked))));
    s.person.asked.clear();
    assert!(matches!(s.sign_in(), Err(CeremonyError::Card(CardError::Blocked))));
    assert_eq!(s.person.asked.len(), 1, "only what is signed was shown: {:?}", s.person.asked);
    assert_eq!(given(&s.into_card()), 3);
}

#[test]
fn a_wrong_password_leaves_the_pin_alone() {
    let mut s = Scene::new(RESIDENT);
    s.person.password = "WRONG99";
    let refused = s.register().unwrap_err();
    assert!(matches!(refused, CeremonyError::Card(CardError::WrongSecret { left: 4 })), "{refused}");
    assert!(s.party.answers.lock().unwrap().is_empty(), "half a registration is none");
    let card = s.into_card();
    assert_eq!((card.tries(SecretName::Sign), card.tries(SecretName::Auth)), (4, 3));
}

#[test]
fn a_card_without_signature_certificate_says_so_before_a_secret_is_typed() {
    let child = Resident::all().find(|r| !r.can_sign() && r.generation == 3).unwrap().number;
    let mut s = Scene::new(child);
    assert!(matches!(s.register(), Err(CeremonyError::Card(CardError::NoSignCertificate))));
    assert_eq!(s.person.asked.len(), 1);
    s.sign_in().unwrap();
}

#[test]
fn what_is_not_as_shown_is_not_signed() {
    let mut s = Scene::new(RESIDENT);
    s.challenged(|_| ()).unwrap();
    let sent = |s: &Scene| s.party.answers.lock().unwrap().len();
    assert_eq!(sent(&s), 1);
    let other = s.challenged(|c| c.relying_party = "https://evil.example".to_owned()).unwrap_err();
    assert!(matches!(other, CeremonyError::OtherServer(_)));
    assert!(matches!(s.challenged(|c| c.act = CardAct::Register), Err(CeremonyError::OtherAct)));
    let hidden = s.challenged(|c| c.text = "同意\u{202E}します".to_owned());
    assert!(matches!(hidden, Err(CeremonyError::Text(_))));
    assert!(matches!(s.challenged(|c| c.nonce = "5a".to_owned()), Err(CeremonyError::Text(_))));
    assert!(matches!(s.challenged(|c| c.session = "a\nb".to_owned()), Err(CeremonyError::Text(_))));
    s.person.agrees = false;
    assert!(matches!(s.challenged(|_| ()), Err(CeremonyError::Declined)));
    assert_eq!(sent(&s), 1);
    s.party.open("T", CardAct::SignIn, |_| ());
    assert!(matches!(s.run(Started::Register), Err(CeremonyError::OtherAct)));
    assert_eq!(given(&s.into_card()), 1);
}

#[test]
fn an_unknown_ticket_ends_before_the_card_is_touched() {
    let mut s = Scene::new(RESIDENT);
    let refused = s.run(Started::SignIn).unwrap_err();
    assert!(matches!(refused, CeremonyError::Server(ServerError::Refused { status: 404, .. })), "{refused}");
    assert!(s.into_card().commands().is_empty());
}

#[test]
fn a_card_of_an_ended_generation_is_refused_by_the_server() {
    let mut s = Scene::new(19);
    let refused = s.sign_in().unwrap_err();
    assert!(matches!(refused, CeremonyError::Server(ServerError::Refused { status: 410, .. })), "{refused}");
}

#[test]
fn phones_give_their_certificate_after_the_pin() {
    for (token, name) in [(Token::Android, CardToken::Android), (Token::Iphone, CardToken::Iphone)] {
        let mut s = Scene::new(RESIDENT);
        s.card = Card::new(simulated(RESIDENT, token));
        s.sign_in().unwrap();
        assert_eq!(s.party.answers.lock().unwrap()[0].token, name);
    }
}

/// A thing that is no My Number card.
struct Foreign;

impl Channel for Foreign {
    fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, ChannelError> {
        Ok(vec![0x6A, 0x82])
    }
}

#[test]
fn another_card_is_recognised_as_another() {
    assert!(matches!(Card::new(Foreign).jpki().map(drop), Err(CardError::NotThisCard)));
    assert!(matches!(Card::new(Foreign).support().map(drop), Err(CardError::NotThisCard)));
    assert!(Card::new(simulated(RESIDENT, Token::Card)).jpki().is_ok());
}
