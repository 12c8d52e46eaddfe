//! Which CA certificates may be loaded.

use std::sync::Arc;

use kenroku_jpki::{AnchorError, Anchors, Auth, Pin, Profile, Refusal, Sign};
use kenroku_sim_card::keys::Key;
use kenroku_sim_card::pki::{Leaf, ORGANISATION, key_usage, oids, policies};
use kenroku_sim_card::{Ca, Purpose};

use crate::world::{Ceremony, RECENT, load, world};

fn try_load(profile: Profile<Auth>, cas: &[Ca]) -> Result<Anchors<Auth>, AnchorError> {
    let pins: Vec<Pin> = cas.iter().map(|c| Pin::of(&c.certificate)).collect();
    Anchors::load(profile, cas.iter().map(|c| c.certificate.as_slice()), &pins)
}

fn test() -> Profile<Auth> {
    Profile::test(ORGANISATION).unwrap()
}

fn made(key: &str, organisation: &str, change: impl FnOnce(Leaf) -> Leaf) -> Ca {
    Ca::make(Purpose::Auth, 3, organisation, Arc::new(Key::shipped(key).unwrap()), change).unwrap()
}

#[test]
fn three_generations_of_one_name_load() {
    let anchors = try_load(test(), &world().pki.auth).unwrap();
    assert_eq!(anchors.pins().count(), 3);
    assert!(!anchors.is_production());
}

#[test]
fn only_what_is_pinned() {
    let cas = &world().pki.auth;
    let pins = [Pin::of(&cas[0].certificate)];
    let der = |i: usize| cas[i].certificate.as_slice();
    assert!(Anchors::load(test(), [der(0)], &pins).is_ok());
    let other = Anchors::load(test(), [der(0), der(1)], &pins).unwrap_err();
    assert_eq!(other, AnchorError::NotPinned(Pin::of(der(1))));
    assert_eq!(Anchors::load(test(), [], &pins).unwrap_err(), AnchorError::Empty);
    assert_eq!(Anchors::load(test(), [der(0), der(0)], &pins).unwrap_err(), AnchorError::Duplicate);
}

#[test]
fn a_test_ca_never_enters_production_nor_the_reverse() {
    let real_name = made("odd-foreign", "JPKI", |l| l);
    assert!(try_load(Profile::production(), std::slice::from_ref(&real_name)).unwrap().is_production());
    assert!(matches!(try_load(Profile::production(), &world().pki.auth), Err(AnchorError::Name { .. })));
    assert!(matches!(try_load(test(), &[real_name]), Err(AnchorError::Name { .. })));
}

#[test]
fn test_and_production_certificates_stay_apart() {
    let real_name = made("odd-foreign", "JPKI", |l| l);
    let production = load::<Auth>(Profile::production(), std::slice::from_ref(&real_name));
    let with = |policy: &'static str| {
        Ceremony::of::<Auth>(RECENT).ca(&real_name).leaf(|mut l| {
            l.issuer = real_name.name.clone();
            l.with(policies(policy)).with(kenroku_sim_card::pki::authority_key(&real_name.key.id()))
        })
    };
    let policy = "1.2.392.200149.8.5.1.3.30";
    assert!(with(policy).verify_with(&production).is_ok());
    let test_policy = with(Purpose::Auth.test_policy()).verify_with(&production);
    assert_eq!(test_policy.unwrap_err(), Refusal::Policy);
    let simulated = Ceremony::of::<Auth>(RECENT).leaf(|l| l.with(policies(policy)));
    assert_eq!(simulated.verify_with(&production).unwrap_err(), Refusal::UnknownIssuer);
    assert_eq!(with(policy).verify::<Auth>().unwrap_err(), Refusal::Policy);
}

#[test]
fn a_policy_can_be_added_by_configuration() {
    let mobile = "1.2.392.200149.8.5.1.1.40";
    let phone = || Ceremony::of::<Auth>(RECENT).leaf(|l| l.with(policies(mobile)));
    assert_eq!(phone().verify::<Auth>().unwrap_err(), Refusal::Policy);
    let anchors = load(test().accept_policy(mobile).unwrap(), &world().pki.auth);
    assert!(phone().verify_with(&anchors).is_ok());
}

#[test]
fn the_anchors_of_the_other_kind_do_not_load() {
    assert!(matches!(try_load(test(), &world().pki.sign), Err(AnchorError::Name { .. })));
    let sign: Profile<Sign> = Profile::test(ORGANISATION).unwrap();
    let der = world().pki.auth[2].certificate.as_slice();
    assert!(matches!(Anchors::load(sign, [der], &[Pin::of(der)]), Err(AnchorError::Name { .. })));
}

#[test]
fn a_ca_must_be_one() {
    let load = |change: fn(Leaf) -> Leaf| try_load(test(), &[made("odd-foreign", ORGANISATION, change)]);
    assert!(load(|l| l).is_ok());
    let spoiled: [fn(Leaf) -> Leaf; 7] = [
        |l| l.without(oids::BASIC),
        |l| l.flip_critical(oids::BASIC),
        |l| l.without(oids::KEY_USAGE),
        |l| l.flip_critical(oids::KEY_USAGE),
        |l| l.with(key_usage(&[0, 5, 6])),
        |l| l.without(oids::SKI),
        |l| {
            l.flip_critical(oids::CRL_DP)
                .flip_critical(oids::SKI)
                .with(kenroku_sim_card::pki::Extension::new("1.2.3.4", true, vec![5, 0]))
        },
    ];
    for (i, change) in spoiled.into_iter().enumerate() {
        assert!(matches!(load(change), Err(AnchorError::Certificate { .. })), "{i}");
    }
    let not_self = |mut l: Leaf| {
        l.issuer = world().pki.sign[0].name.clone();
        l
    };
    assert!(matches!(load(not_self), Err(AnchorError::Certificate { why: "not self-signed", .. })));
    for (key, why) in [("odd-4096", Refusal::KeySize), ("odd-e3", Refusal::KeyExponent)] {
        let pin = |ca: &Ca| Pin::of(&ca.certificate);
        let ca = made(key, ORGANISATION, |l| l);
        assert_eq!(
            try_load(test(), std::slice::from_ref(&ca)).unwrap_err(),
            AnchorError::Refused { pin: pin(&ca), why }
        );
    }
}

#[test]
fn its_own_signature_must_be_right() {
    let mut ca = made("odd-foreign", ORGANISATION, |l| l);
    let last = ca.certificate.len() - 1;
    ca.certificate[last] ^= 1;
    let refused = try_load(test(), &[ca]).unwrap_err();
    assert!(matches!(refused, AnchorError::Refused { why: Refusal::IssuerSignature, .. }));
}
