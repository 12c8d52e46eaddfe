//! The negative matrix of certificates and signatures. `refused` first checks that the unchanged certificate passes.

use std::time::Duration;

use kenroku_jpki::{Auth, Challenge, ChallengeError, Refusal, Sign, TTL};
use kenroku_sim_card::der::{context, flags, integer, octets, oid, seq, tlv, yes};
use kenroku_sim_card::keys::{Hash, Key};
use kenroku_sim_card::pki::{Extension, authority_key, key_usage, oids, other_names, policies};
use kenroku_sim_card::{Ca, Purpose};
use kenroku_types::Timestamp;

use crate::world::{Ceremony, ENDED, MIDDLE, NOW, RECENT, load, refused, spent, text, verified, world};

#[test]
fn cards_of_every_living_generation_pass() {
    for resident in [RECENT, MIDDLE] {
        let auth = verified::<Auth>(resident);
        let place = auth.issuing_place().unwrap();
        assert_eq!(place.prefecture, "Ishikawa-ken");
        assert!(place.city.ends_with("-shi") || place.city.ends_with("-machi"));
        let sign = verified::<Sign>(resident);
        assert_ne!(auth.credential(), sign.credential());
    }
    let (recent, middle) = (verified::<Auth>(RECENT), verified::<Auth>(MIDDLE));
    assert_ne!(recent.credential().issuer(), middle.credential().issuer(), "one name, two CAs");
}

#[test]
fn a_credential_is_the_same_each_time_and_nobody_elses() {
    let id = verified::<Auth>(RECENT).credential();
    assert_eq!(id, verified::<Auth>(RECENT).credential());
    assert_eq!(id.to_bytes(), verified::<Auth>(RECENT).credential().to_bytes());
    assert_ne!(id.to_bytes(), verified::<Auth>(RECENT + 4).credential().to_bytes(), "same key, other person");
    assert_eq!(format!("{id:?} {:?}", verified::<Sign>(RECENT)), "CredentialId(…) VerifiedCrypto(sign)");
}

#[test]
fn a_generation_that_has_ended() {
    let then = Timestamp::from_secs(1_577_836_800);
    assert!(Ceremony::of::<Auth>(ENDED).at(then).verify::<Auth>().is_ok());
    assert_eq!(Ceremony::of::<Auth>(ENDED).verify::<Auth>().unwrap_err(), Refusal::IssuerExpired);
}

#[test]
fn outside_of_its_time() {
    let honest = Ceremony::of::<Auth>(RECENT);
    let (first, last) = (honest.leaf.not_before, honest.leaf.not_after);
    let at = |t| Ceremony::of::<Auth>(RECENT).at(t).verify::<Auth>();
    let second = Duration::from_secs(1);
    assert!(at(first).is_ok() && at(last).is_ok() && at(last.plus(second / 2)).is_ok());
    assert_eq!(at(first.minus(second)).unwrap_err(), Refusal::NotYetValid);
    assert_eq!(at(last.plus(second)).unwrap_err(), Refusal::Expired);
    assert_eq!(at(Timestamp::from_secs(1_600_000_000)).unwrap_err(), Refusal::IssuerNotYetValid);
}

#[test]
fn the_other_certificate_of_the_card() {
    let sign = Ceremony::of::<Sign>(RECENT);
    assert!(sign.verify::<Sign>().is_ok());
    assert_eq!(sign.verify_with(&world().auth).unwrap_err(), Refusal::KeyUsage);
    let auth = Ceremony::of::<Auth>(RECENT);
    assert!(auth.verify::<Auth>().is_ok());
    assert_eq!(auth.verify_with(&world().sign).unwrap_err(), Refusal::KeyUsage);
}

#[test]
fn the_other_certificate_in_disguise() {
    let disguised = Ceremony::of::<Sign>(RECENT)
        .leaf(|l| l.with(key_usage(&[0])).with(policies(Purpose::Auth.test_policy())));
    assert_eq!(disguised.verify_with(&world().auth).unwrap_err(), Refusal::UnknownIssuer);
}

#[test]
fn somebody_elses_certificate() {
    let mine = Ceremony::of::<Auth>(RECENT);
    let theirs = Ceremony::of::<Auth>(RECENT + 1);
    let answer = |certificate: &[u8], signature: &[u8]| {
        world().auth.verify(certificate, &spent(&mine.text), signature, NOW)
    };
    assert!(answer(&mine.certificate(), &mine.signature()).is_ok());
    assert_eq!(answer(&theirs.certificate(), &mine.signature()).unwrap_err(), Refusal::Signature);
}

#[test]
fn key_usage_must_be_exact_and_critical() {
    assert_eq!(refused::<Auth>(|l| l.with(key_usage(&[0, 1]))), Refusal::KeyUsage);
    assert_eq!(refused::<Auth>(|l| l.with(key_usage(&[0, 2]))), Refusal::KeyUsage);
    assert_eq!(refused::<Auth>(|l| l.without(oids::KEY_USAGE)), Refusal::KeyUsage);
    assert_eq!(refused::<Auth>(|l| l.flip_critical(oids::KEY_USAGE)), Refusal::KeyUsage);
    assert_eq!(refused::<Sign>(|l| l.with(key_usage(&[0]))), Refusal::KeyUsage);
    assert_eq!(refused::<Sign>(|l| l.with(key_usage(&[0, 1, 3]))), Refusal::KeyUsage);
}

#[test]
fn the_policy_must_be_the_expected_one_alone_and_critical() {
    let production = "1.2.392.200149.8.5.1.3.30";
    assert_eq!(refused::<Auth>(|l| l.with(policies(production))), Refusal::Policy);
    assert_eq!(refused::<Auth>(|l| l.with(policies(Purpose::Sign.test_policy()))), Refusal::Policy);
    assert_eq!(refused::<Auth>(|l| l.without(oids::POLICIES)), Refusal::Policy);
    assert_eq!(refused::<Auth>(|l| l.flip_critical(oids::POLICIES)), Refusal::Policy);
    let both = [Purpose::Auth.test_policy(), production].map(|p| seq(&[oid(p)]));
    let both = Extension::new(oids::POLICIES, true, seq(&both));
    assert_eq!(refused::<Auth>(|l| l.with(both)), Refusal::Policy);
}

#[test]
fn a_ca_is_nobody() {
    let ca = |basic| Extension::new(oids::BASIC, true, basic);
    let ends = |basic| Ceremony::of::<Auth>(RECENT).leaf(|l| l.with(ca(basic))).verify::<Auth>();
    assert!(ends(seq(&[])).is_ok(), "CA:FALSE says nothing new");
    assert_eq!(ends(seq(&[yes()])).unwrap_err(), Refusal::IsCa);
    assert_eq!(refused::<Auth>(|l| l.with(key_usage(&[0, 5]))), Refusal::IsCa);
    let own_name = |mut l: kenroku_sim_card::pki::Leaf| {
        l.subject = l.issuer.clone();
        l
    };
    assert_eq!(refused::<Auth>(own_name), Refusal::SelfSigned);
}

#[test]
fn critical_extensions_must_be_known() {
    let extension = |critical| Extension::new("1.2.3.4", critical, octets(b"x"));
    let with = |critical| Ceremony::of::<Auth>(RECENT).leaf(|l| l.with(extension(critical))).verify::<Auth>();
    assert!(with(false).is_ok());
    assert_eq!(with(true).unwrap_err(), Refusal::UnknownCritical("1.2.3.4".into()));
    assert_eq!(
        refused::<Auth>(|l| l.flip_critical(oids::IAN)),
        Refusal::UnknownCritical(oids::IAN.to_owned()),
        "an extension that we do not read may not be critical"
    );
    let constraints = Extension::new("2.5.29.30", true, seq(&[]));
    assert_eq!(refused::<Auth>(|l| l.with(constraints)), Refusal::UnknownCritical("2.5.29.30".into()));
}

#[test]
fn no_extension_occurs_twice() {
    let twice = |mut l: kenroku_sim_card::pki::Leaf| {
        let again = l.extensions.iter().find(|e| e.oid == oids::POLICIES).cloned();
        l.extensions.extend(again);
        l
    };
    assert_eq!(refused::<Auth>(twice), Refusal::DuplicateExtension(oids::POLICIES.to_owned()));
}

const NAME: (&str, &str) = ("1.2.392.200149.8.5.5.1", "模擬　太郎");
const REST: [(&str, &str); 5] = [
    ("1.2.392.200149.8.5.5.4", "319900401"),
    ("1.2.392.200149.8.5.5.3", "1"),
    ("1.2.392.200149.8.5.5.5", "石川県能美市模擬町１"),
    ("1.2.392.200149.8.5.5.2", "00000"),
    ("1.2.392.200149.8.5.5.6", "0000000000"),
];

#[test]
fn unknown_attributes_are_tolerated_and_repeated_ones_are_not() {
    let with = |more: &[(&str, &str)]| {
        let all = [&[NAME][..], &REST, more].concat();
        Ceremony::of::<Sign>(RECENT).leaf(|l| l.with(other_names(&all))).verify::<Sign>()
    };
    assert!(with(&[]).is_ok());
    assert!(with(&[("1.2.392.200149.8.5.5.7", "旧氏"), ("1.2.392.200149.8.5.5.8", "モギ　タロウ")]).is_ok());
    assert_eq!(
        with(&[("1.2.392.200149.8.5.5.1", "別人　太郎")]).unwrap_err(),
        Refusal::DuplicateAttribute("1.2.392.200149.8.5.5.1".into())
    );
    let unknown = ("1.2.392.200149.8.5.5.9", "x");
    assert!(with(&[unknown]).is_ok());
    assert!(matches!(with(&[unknown, unknown]).unwrap_err(), Refusal::DuplicateAttribute(_)));
}

#[test]
fn attributes_must_be_there_and_well_formed() {
    for missing in 0..REST.len() {
        let mut rest = REST.to_vec();
        rest.remove(missing);
        let all = [&[NAME][..], &rest].concat();
        assert!(
            matches!(refused::<Sign>(|l| l.with(other_names(&all))), Refusal::Attributes(_)),
            "{missing}"
        );
    }
    assert!(matches!(refused::<Sign>(|l| l.without(oids::SAN)), Refusal::Attributes(_)));
    let mut wrong = REST;
    wrong[1].1 = "4";
    let all = [&[NAME][..], &wrong].concat();
    assert!(matches!(refused::<Sign>(|l| l.with(other_names(&all))), Refusal::Attributes(_)));
    let printable = seq(&[context(0, &[oid(NAME.0), context(0, &tlv(0x13, b"TARO"))].concat())]);
    let printable = Extension::new(oids::SAN, false, printable);
    assert_eq!(refused::<Sign>(|l| l.with(printable)), Refusal::Malformed("attribute"));
}

#[test]
fn keys_of_another_size_exponent_or_type() {
    let with = |key| Ceremony::of::<Auth>(RECENT).key(key).verify::<Auth>();
    assert!(with("card-auth-2").is_ok());
    assert_eq!(with("odd-1024").unwrap_err(), Refusal::KeySize);
    assert_eq!(with("odd-4096").unwrap_err(), Refusal::KeySize);
    assert_eq!(with("odd-e3").unwrap_err(), Refusal::KeyExponent);
    assert!(matches!(with("odd-p256").unwrap_err(), Refusal::KeyAlgorithm(_)));
}

#[test]
fn curves_where_they_are_configured() {
    let profile = kenroku_jpki::Profile::test(kenroku_sim_card::pki::ORGANISATION).unwrap();
    let curves = load::<Auth>(profile.accept_elliptic_curves(), &world().pki.auth);
    for key in ["odd-p256", "odd-p384"] {
        let mine = Ceremony::of::<Auth>(RECENT).key(key);
        assert!(mine.verify_with(&curves).is_ok());
        let mut other = Ceremony::of::<Auth>(RECENT).key(key);
        other.text = text(2, "別の文");
        let refusal = curves.verify(&mine.certificate(), &spent(&mine.text), &other.signature(), NOW);
        assert_eq!(refusal.unwrap_err(), Refusal::Signature);
    }
    assert!(Ceremony::of::<Auth>(RECENT).verify_with(&curves).is_ok(), "RSA stays accepted");
}

#[test]
fn sha1_is_over() {
    let sha1 = |mut l: kenroku_sim_card::pki::Leaf| {
        l.hash = Hash::Sha1;
        l
    };
    assert_eq!(refused::<Auth>(sha1), Refusal::SignatureAlgorithm("1.2.840.113549.1.1.5".into()));
    let c = Ceremony::of::<Auth>(RECENT);
    let weak = c.key.sign(Hash::Sha1, c.text.as_bytes()).unwrap();
    let refusal = world().auth.verify(&c.certificate(), &spent(&c.text), &weak, NOW);
    assert_eq!(refusal.unwrap_err(), Refusal::Signature);
}

#[test]
fn the_algorithm_outside_is_the_one_inside() {
    let c = Ceremony::of::<Auth>(RECENT);
    let good = c.certificate();
    let inner = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B];
    let at = good.windows(inner.len()).rposition(|w| w == inner).unwrap();
    let mut other = good.clone();
    other[at + 8] = 0x0C; // sha384WithRSAEncryption
    let verify = |der: &[u8]| world().auth.verify(der, &spent(&c.text), &c.signature(), NOW);
    assert!(verify(&good).is_ok());
    assert_eq!(verify(&other).unwrap_err(), Refusal::Malformed("signature algorithm"));
}

#[test]
fn a_foreign_ca_under_the_same_name() {
    let key = std::sync::Arc::new(Key::shipped("odd-foreign").unwrap());
    let foreign = Ca::make(Purpose::Auth, 3, kenroku_sim_card::pki::ORGANISATION, key, |l| l).unwrap();
    assert_eq!(foreign.name, world().pki.ca(Purpose::Auth, 3).name);
    let honest = Ceremony::of::<Auth>(RECENT);
    assert!(honest.verify::<Auth>().is_ok());
    let forged = Ceremony::of::<Auth>(RECENT).ca(&foreign);
    assert_eq!(forged.verify::<Auth>().unwrap_err(), Refusal::IssuerSignature);
    let named = forged.leaf(|l| l.with(authority_key(&foreign.key.id())));
    assert_eq!(named.verify::<Auth>().unwrap_err(), Refusal::UnknownIssuer);
}

#[test]
fn the_issuer_is_the_one_it_names() {
    let middle = world().pki.ca(Purpose::Auth, 2).key.id();
    assert_eq!(refused::<Auth>(|l| l.with(authority_key(&middle))), Refusal::IssuerSignature);
    assert_eq!(refused::<Auth>(|l| l.without(oids::AKI)), Refusal::UnknownIssuer);
    let key = world().pki.ca(Purpose::Auth, 3).key.id();
    let serial = |n: u8| {
        let parts = [tlv(0x80, &key), tlv(0x82, &[n])];
        Extension::new(oids::AKI, false, seq(&parts))
    };
    assert!(Ceremony::of::<Auth>(RECENT).leaf(|l| l.with(serial(3))).verify::<Auth>().is_ok());
    assert_eq!(refused::<Auth>(|l| l.with(serial(2))), Refusal::UnknownIssuer);
    let other_name = |mut l: kenroku_sim_card::pki::Leaf| {
        l.issuer = world().pki.ca(Purpose::Sign, 3).name.clone();
        l
    };
    assert_eq!(refused::<Auth>(other_name), Refusal::UnknownIssuer);
}

#[test]
fn a_tampered_text_or_another_nonce() {
    let c = Ceremony::of::<Auth>(RECENT);
    let check = |t| world().auth.verify(&c.certificate(), &spent(&t), &c.signature(), NOW);
    assert!(check(text(1, "いしかわIDにサインインします。")).is_ok());
    assert_eq!(check(text(1, "いしかわIDを消します。")).unwrap_err(), Refusal::Signature);
    assert_eq!(check(text(2, "いしかわIDにサインインします。")).unwrap_err(), Refusal::Signature);
}

#[test]
fn a_challenge_is_answered_once_and_in_time() {
    let challenge = || Challenge::new(text(1, "いしかわIDにサインインします。"), NOW);
    let answer = |claimed, at| challenge().spend(claimed, at).map_err(Refusal::from);
    let c = Ceremony::of::<Auth>(RECENT);
    let spent = answer(1, NOW).unwrap();
    assert!(world().auth.verify(&c.certificate(), &spent, &c.signature(), NOW).is_ok());
    assert_eq!(answer(0, NOW).unwrap_err(), Refusal::Challenge(ChallengeError::Used));
    assert_eq!(answer(1, NOW.plus(TTL)).unwrap_err(), Refusal::Challenge(ChallengeError::Late));
}

#[test]
fn what_is_no_certificate() {
    let c = Ceremony::of::<Auth>(RECENT);
    let verify = |der: &[u8]| world().auth.verify(der, &spent(&c.text), &c.signature(), NOW).map(drop);
    let good = c.certificate();
    assert_eq!(verify(&good), Ok(()));
    let longer = [good.as_slice(), &[0]].concat();
    for bad in [&[][..], &[0x30], &good[..good.len() - 1], &longer, b"-----BEGIN CERTIFICATE-----"] {
        assert_eq!(verify(bad).unwrap_err(), Refusal::Malformed("certificate"));
    }
    assert_eq!(verify(&vec![0x30; 9000]).unwrap_err(), Refusal::TooLong);
    assert!(matches!(
        refused::<Auth>(|mut l| {
            l.serial = vec![1; 21];
            l
        }),
        Refusal::Malformed(_)
    ));
    assert!(matches!(
        refused::<Auth>(|l| l.with(Extension::new(oids::KEY_USAGE, true, flags(&[0])[1..].to_vec()))),
        Refusal::Malformed("keyUsage")
    ));
}

#[test]
fn a_signature_of_another_length_is_none() {
    let c = Ceremony::of::<Auth>(RECENT);
    let s = c.signature();
    let verify = |s: &[u8]| world().auth.verify(&c.certificate(), &spent(&c.text), s, NOW).map(drop);
    assert_eq!(verify(&s), Ok(()));
    for bad in [&[][..], &s[1..], &[&[0], s.as_slice()].concat(), &integer(&s)] {
        assert_eq!(verify(bad), Err(Refusal::Signature));
    }
}

#[test]
fn documents_are_verified_at_their_time_and_are_no_challenges() {
    let c = Ceremony::of::<Sign>(ENDED);
    let then = Timestamp::from_secs(1_577_836_800);
    let document = "保育の申込書".as_bytes();
    let signature = c.key.sign(Hash::Sha256, document).unwrap();
    let sign = &world().sign;
    let verified = sign.verify_document(&c.certificate(), document, &signature, then).unwrap();
    assert!(verified.attributes().name.as_str().ends_with("０１９"));
    let now = sign.verify_document(&c.certificate(), document, &signature, NOW).unwrap_err();
    assert_eq!(now, Refusal::IssuerExpired);
    let other = sign.verify_document(&c.certificate(), b"x", &signature, then).unwrap_err();
    assert_eq!(other, Refusal::Signature);
    let challenge = sign.verify_document(&c.certificate(), c.text.as_bytes(), &c.signature(), then);
    assert_eq!(challenge.unwrap_err(), Refusal::Domain);
}
