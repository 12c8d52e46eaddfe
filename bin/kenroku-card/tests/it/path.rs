//! The whole path: simulated card → vpcd → real pcscd → PC/SC → the built companion → HTTP → verifier.

use std::io::Write as _;
use std::process::{Command, Stdio};

use kenroku_contracts::card::CardAct;
use kenroku_e2e::card_reader::{Place, VirtualReader, isolated};
use kenroku_sim_card::card::{SecretName, Token};
use kenroku_sim_card::{Card, Pki, Resident};

use crate::relying;

#[test]
fn a_card_in_a_reader_registers_and_signs_in() {
    match isolated("path::a_card_in_a_reader_registers_and_signs_in") {
        Place::Inside => {}
        Place::Passed => return,
        Place::Impossible(why) => return println!("{why}"),
    }
    let resident = Resident::new(3);
    let reader = VirtualReader::with(Card::of(&resident, &Pki::shipped().unwrap(), Token::Card).unwrap());
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

    let card = reader.card();
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
