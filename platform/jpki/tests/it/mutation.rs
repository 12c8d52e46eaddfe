//! Damaged input is refused and never panics. Everything signed is covered, so any change at all must be refused.

use kenroku_jpki::revocation::{Reply, SourceError};
use kenroku_jpki::{Anchors, Auth, Crl, Mode, Ocsp, OcspTransport, Pin, Profile, Sign};
use kenroku_sim_card::pki::{List, ORGANISATION, OcspAnswer, OcspState};
use kenroku_sim_card::{Purpose, Resident};
use kenroku_types::Rng;
use proptest::prelude::*;

use crate::world::{Ceremony, NOW, RECENT, ready, spent, verified, world};

/// One change to a string of bytes.
#[derive(Clone, Debug)]
enum Damage {
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    Truncate(prop::sample::Index),
    Repeat(prop::sample::Index, usize),
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let index = any::<prop::sample::Index>;
    let one = prop_oneof![
        4 => (index(), any::<u8>()).prop_map(|(i, b)| Damage::Set(i, b)),
        1 => (index(), prop::collection::vec(any::<u8>(), 1..5)).prop_map(|(i, b)| Damage::Insert(i, b)),
        1 => (index(), 1..20usize).prop_map(|(i, n)| Damage::Remove(i, n)),
        1 => index().prop_map(Damage::Truncate),
        1 => (index(), 1..60usize).prop_map(|(i, n)| Damage::Repeat(i, n)),
    ];
    prop::collection::vec(one, 1..4)
}

fn apply(bytes: &[u8], all: &[Damage]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for d in all {
        let len = out.len().max(1);
        match d {
            Damage::Set(i, b) => {
                if let Some(x) = out.get_mut(i.index(len)) {
                    *x = *b;
                }
            }
            Damage::Insert(i, b) => {
                let at = i.index(len).min(out.len());
                out.splice(at..at, b.iter().copied());
            }
            Damage::Remove(i, n) => {
                let at = i.index(len).min(out.len());
                out.drain(at..(at + n).min(out.len()));
            }
            Damage::Truncate(i) => out.truncate(i.index(len)),
            Damage::Repeat(i, n) => {
                let at = i.index(len).min(out.len());
                let piece = out[at..(at + n).min(out.len())].to_vec();
                out.splice(at..at, piece);
            }
        }
    }
    out
}

/// A responder that plays back bytes.
struct Playback(Vec<u8>);

impl OcspTransport for Playback {
    fn ask(&self, _: Vec<u8>) -> Reply<'_, Vec<u8>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}

fn ocsp() -> Vec<u8> {
    let ca = world().pki.ca(Purpose::Auth, 3);
    let answer = OcspAnswer {
        serial: &Resident::new(RECENT).serial(Purpose::Auth),
        state: OcspState::Good,
        this_update: NOW,
        next_update: None,
        nonce: None,
        signer: &ca.key,
        certificate: None,
    };
    ca.ocsp(&answer).unwrap()
}

fn ask(response: Vec<u8>) -> bool {
    let source = Ocsp::new(Playback(response), Rng::seeded(1), "test", std::time::Duration::from_secs(60));
    let source = source.without_nonce();
    ready(verified::<Auth>(RECENT).check_validity(&source, Mode::Strict, NOW)).is_ok()
}

fn list() -> Vec<u8> {
    let revoked = (0..9u8).map(|n| (vec![1, n], NOW, Some(n % 7))).collect();
    let list =
        List { this_update: NOW, next_update: Some(NOW), number: vec![1], revoked, extensions: Vec::new() };
    world().pki.ca(Purpose::Auth, 3).list(&list).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn certificates(changes in damage()) {
        let c = Ceremony::of::<Sign>(RECENT);
        let good = sign_certificate();
        let bad = apply(good, &changes);
        let accepted = world().sign.verify(&bad, &spent(&c.text), sign_signature(), NOW).is_ok();
        prop_assert!(!accepted || bad == *good);
    }

    #[test]
    fn lists(changes in damage()) {
        let good = shared(&LIST, list);
        let bad = apply(good, &changes);
        prop_assert!(Crl::load(&bad, &world().auth).is_err() || bad == *good);
    }

    #[test]
    fn answers(changes in damage()) {
        let good = shared(&OCSP, ocsp);
        let bad = apply(good, &changes);
        prop_assert!(!ask(bad.clone()) || bad == *good);
    }

    #[test]
    fn anchors(changes in damage()) {
        // Pinned whatever it is, so that the parser sees it.
        let bad = apply(&world().pki.auth[2].certificate, &changes);
        let profile = Profile::<Auth>::test(ORGANISATION).unwrap();
        let accepted = Anchors::load(profile, [bad.as_slice()], &[Pin::of(&bad)]).is_ok();
        prop_assert!(!accepted || bad == world().pki.auth[2].certificate);
    }
}

use std::sync::OnceLock;

static LIST: OnceLock<Vec<u8>> = OnceLock::new();
static OCSP: OnceLock<Vec<u8>> = OnceLock::new();
static CERTIFICATE: OnceLock<Vec<u8>> = OnceLock::new();
static SIGNATURE: OnceLock<Vec<u8>> = OnceLock::new();

fn shared(cell: &'static OnceLock<Vec<u8>>, make: fn() -> Vec<u8>) -> &'static Vec<u8> {
    cell.get_or_init(make)
}

fn sign_certificate() -> &'static Vec<u8> {
    shared(&CERTIFICATE, || Ceremony::of::<Sign>(RECENT).certificate())
}

fn sign_signature() -> &'static Vec<u8> {
    shared(&SIGNATURE, || Ceremony::of::<Sign>(RECENT).signature())
}

#[test]
fn undamaged_they_pass() {
    let c = Ceremony::of::<Sign>(RECENT);
    assert!(world().sign.verify(sign_certificate(), &spent(&c.text), sign_signature(), NOW).is_ok());
    assert!(Crl::load(&list(), &world().auth).is_ok());
    assert!(ask(ocsp()));
    assert!(!ask(Vec::new()));
    let silent = SourceError::Unavailable(String::new());
    assert_ne!(silent, SourceError::Signature);
}
