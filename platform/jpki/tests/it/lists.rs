//! Lists of revoked certificates.

use std::time::Duration;

use kenroku_jpki::revocation::Fixed;
use kenroku_jpki::{
    Auth, CardLists as _, Crl, CrlError, CrlFiles, FirstOf, Method, Mode, Reason, Refusal,
    RevocationSource as _, Sign, SourceError, ValidityChecked,
};
use kenroku_sim_card::der::{context, context_primitive, integer, oid, seq, tlv};
use kenroku_sim_card::pki::{Extension, List};
use kenroku_sim_card::{Purpose, Resident};
use kenroku_types::Timestamp;

use crate::world::{Ceremony, MIDDLE, NOW, RECENT, ready, verified, world};

const HOUR: Duration = Duration::from_secs(3600);

fn list() -> List {
    List {
        this_update: NOW.minus(HOUR),
        next_update: Some(NOW.plus(23 * HOUR)),
        number: vec![7],
        revoked: vec![(vec![1], NOW.minus(48 * HOUR), None)],
        extensions: Vec::new(),
    }
}

fn der(list: &List) -> Vec<u8> {
    world().pki.ca(Purpose::Auth, 3).list(list).unwrap()
}

fn load(list: &List) -> Result<Crl, CrlError> {
    Crl::load(&der(list), &world().auth)
}

fn files(lists: Vec<Crl>) -> CrlFiles {
    CrlFiles::new(lists, 26 * HOUR, "auth.crl")
}

fn check(list: &List, resident: u32, at: Timestamp) -> Result<ValidityChecked<Auth>, Refusal> {
    let files = files(vec![load(list).unwrap()]);
    let crypto = Ceremony::of::<Auth>(resident).at(at).verify::<Auth>().unwrap();
    ready(crypto.check_validity(&files, Mode::Strict, at))
}

#[test]
fn who_is_not_on_the_list_passes_and_who_is_does_not() {
    let mut l = list();
    let passed = check(&l, RECENT, NOW).unwrap();
    assert_eq!(
        (passed.method(), passed.as_of(), passed.source()),
        (Method::Crl, NOW.minus(HOUR), "auth.crl")
    );
    let since = NOW.minus(2 * HOUR);
    // Out of order, to see that the order of the file does not matter.
    l.revoked.insert(0, (Resident::new(RECENT).serial(Purpose::Auth), since, Some(3)));
    l.revoked.push((vec![0xFF; 20], since, None));
    let refusal = check(&l, RECENT, NOW).unwrap_err();
    assert_eq!(refusal, Refusal::Revoked { since: Some(since), reason: Reason::AffiliationChanged });
    assert!(check(&l, RECENT + 1, NOW).is_ok());
}

#[test]
fn an_empty_list_is_a_list() {
    let l = List { revoked: Vec::new(), ..list() };
    let crl = load(&l).unwrap();
    assert!(crl.is_empty() && crl.number() == Some(&[7]) && crl.this_update() == NOW.minus(HOUR));
    assert!(check(&l, RECENT, NOW).is_ok());
}

#[test]
fn a_long_list_finds_each() {
    let since = NOW.minus(HOUR);
    let revoked = |n: u32| (Resident::new(n).serial(Purpose::Auth), since, Some(5));
    let l = List { revoked: (0..1000).step_by(2).map(revoked).collect(), ..list() };
    assert_eq!(load(&l).unwrap().len(), 500);
    for n in [1, 3, 7, 501, 997] {
        assert!(check(&l, n, NOW).is_ok(), "{n}");
    }
    for n in [2, 4, 8, 502, 998] {
        assert!(matches!(check(&l, n, NOW), Err(Refusal::Revoked { .. })), "{n}");
    }
}

#[test]
fn a_stale_list_is_no_proof() {
    assert!(check(&list(), RECENT, NOW.plus(23 * HOUR)).is_ok());
    let promised = check(&list(), RECENT, NOW.plus(24 * HOUR)).unwrap_err();
    assert_eq!(promised, Refusal::StateStale, "a newer one was promised");
    let long = List { next_update: Some(NOW.plus(1000 * HOUR)), ..list() };
    assert!(check(&long, RECENT, NOW.plus(25 * HOUR)).is_ok());
    let aged = check(&long, RECENT, NOW.plus(26 * HOUR)).unwrap_err();
    assert_eq!(aged, Refusal::StateStale, "too old whatever it promises");
}

#[test]
fn the_list_of_another_generation_or_kind_does_not_count() {
    let files = files(vec![load(&list()).unwrap()]);
    let check = |resident| ready(verified::<Auth>(resident).check_validity(&files, Mode::Strict, NOW));
    assert!(check(RECENT).is_ok());
    assert_eq!(check(MIDDLE).unwrap_err(), Refusal::StateUnknown(SourceError::NotCovered));
    let sign = ready(verified::<Sign>(RECENT).check_validity(&files, Mode::Strict, NOW));
    assert_eq!(sign.unwrap_err(), Refusal::StateUnknown(SourceError::NotCovered));
}

#[test]
fn the_newest_of_several_lists_counts() {
    let revoked = vec![(Resident::new(RECENT).serial(Purpose::Auth), NOW.minus(2 * HOUR), None)];
    let old = List { this_update: NOW.minus(5 * HOUR), ..list() };
    let new = List { revoked, ..list() };
    for lists in [[&old, &new], [&new, &old]] {
        let files = files(lists.map(|l| load(l).unwrap()).into());
        let refusal = ready(verified::<Auth>(RECENT).check_validity(&files, Mode::Strict, NOW)).unwrap_err();
        assert!(matches!(refusal, Refusal::Revoked { .. }));
    }
}

#[test]
fn a_list_for_one_municipality_speaks_of_its_cards_only() {
    let ca = world().pki.ca(Purpose::Auth, 3);
    let place = Resident::new(RECENT).place;
    let scoped = List { extensions: vec![ca.scope((&place.0, &place.1))], ..list() };
    assert!(check(&scoped, RECENT, NOW).is_ok());
    let elsewhere = List { extensions: vec![ca.scope(("Ishikawa-ken", "Elsewhere-shi"))], ..list() };
    let refusal = check(&elsewhere, RECENT, NOW).unwrap_err();
    assert_eq!(refusal, Refusal::StateUnknown(SourceError::NotCovered));
}

#[test]
fn lists_that_would_answer_wrongly_are_not_loaded() {
    let with = |e: Extension| load(&List { extensions: vec![e], ..list() }).map(drop);
    let limited = |field: Vec<u8>| Extension::new("2.5.29.28", true, seq(&[field]));
    assert_eq!(with(limited(context_primitive(1, &[0xFF]))), Ok(()), "end certificates only: ours");
    for (field, why) in [
        (context_primitive(2, &[0xFF]), "CA certificates"),
        (context_primitive(3, &[1, 2]), "some reasons"),
        (context_primitive(4, &[0xFF]), "indirect"),
        (context_primitive(5, &[0xFF]), "attribute certificates"),
    ] {
        assert!(matches!(with(limited(field)), Err(CrlError::Scope(_))), "{why}");
    }
    let delta = Extension::new("2.5.29.27", true, integer(&[6]));
    assert_eq!(with(delta), Err(CrlError::UnknownCritical("2.5.29.27".into())));
    let unknown = |critical| with(Extension::new("1.2.3.4", critical, seq(&[])));
    assert_eq!(unknown(false), Ok(()));
    assert_eq!(unknown(true), Err(CrlError::UnknownCritical("1.2.3.4".into())));
    let twice = Extension::new("2.5.29.20", false, integer(&[8]));
    assert!(matches!(with(twice), Err(CrlError::Malformed(_))));
    let taken_back = List { revoked: vec![(vec![1], NOW, Some(8))], ..list() };
    assert!(matches!(load(&taken_back), Err(CrlError::Scope(_))));
    let endless = List { next_update: None, ..list() };
    assert_eq!(load(&endless).map(drop), Err(CrlError::Malformed("no nextUpdate")));
}

#[test]
fn only_its_ca_can_write_a_list() {
    let good = der(&list());
    let load = |der: &[u8]| Crl::load(der, &world().auth).map(drop);
    assert_eq!(load(&good), Ok(()));
    let mut tampered = good.clone();
    let last = tampered.len() - 1;
    tampered[last] ^= 1;
    assert_eq!(load(&tampered), Err(CrlError::Signature));
    let other_kind = world().pki.ca(Purpose::Sign, 3).list(&list()).unwrap();
    assert_eq!(load(&other_kind), Err(CrlError::UnknownIssuer));
    assert!(Crl::load(&other_kind, &world().sign).is_ok());
    let mut forger = world().pki.ca(Purpose::Auth, 3).clone();
    forger.key = kenroku_sim_card::keys::Key::shipped("odd-foreign").unwrap().into();
    assert_eq!(load(&forger.list(&list()).unwrap()), Err(CrlError::UnknownIssuer));
    for bad in [&[][..], &good[..good.len() - 1], &tlv(0x30, &[]), &context(0, &oid("1.2.3"))] {
        assert!(matches!(load(bad), Err(CrlError::Malformed(_))));
    }
}

#[test]
fn a_list_is_walked_in_portions_and_a_replaced_one_is_left_out() {
    let since = NOW.minus(2 * HOUR);
    let revoked = |serials: &[u8]| serials.iter().map(|s| (vec![*s], since, Some(1))).collect::<Vec<_>>();
    let old = List { this_update: NOW.minus(9 * HOUR), revoked: revoked(&[8, 9]), ..list() };
    let new = List { revoked: revoked(&[5, 1, 3]), ..list() };
    let other = Crl::load(
        &world().pki.ca(Purpose::Sign, 3).list(&List { revoked: revoked(&[2]), ..list() }).unwrap(),
        &world().sign,
    );
    let files = files(vec![load(&old).unwrap(), load(&new).unwrap(), other.unwrap()]);
    let serials = |from: usize, n: usize| {
        let all = files.portion(from, n);
        all.into_iter().map(|l| *l.credential.to_bytes().last().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(serials(0, 9), [1, 3, 5, 2], "sorted by number within a list; the old list is not there");
    assert_eq!((serials(0, 2), serials(2, 2), serials(4, 2)), (vec![1, 3], vec![5, 2], vec![]));
    let state = files.state(NOW);
    assert_eq!((state.lists, state.stale, state.covered.len()), (2, 0, 2));
    let late = files.state(NOW.plus(48 * HOUR));
    assert_eq!((late.lists, late.stale, late.covered.len()), (2, 2, 0), "old lists cover nobody");
    let sources = FirstOf::new(vec![Box::new(Fixed::good(NOW)), Box::new(files)]);
    assert_eq!(ready(sources.lists()).unwrap().portion(0, 9).len(), 4, "the first that has lists");
    assert!(ready(Fixed::silent().lists()).is_err(), "who answers one by one has none");
}
