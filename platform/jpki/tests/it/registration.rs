//! From verified signatures to a registration: the revocation state, disaster mode, both certificates together.

use std::time::Duration;

use kenroku_jpki::revocation::Fixed;
use kenroku_jpki::{
    Auth, Certificate, DisasterMode, FirstOf, Method, Mode, OperatorAnswer, OperatorTransport,
    PlatformOperator, Profile, Proofing, Reason, Refusal, RevocationSource, Sign, SourceError, Status,
    ValidityChecked,
};
use kenroku_sim_card::people::{WITH_SUBSTITUTE, WITH_UNKNOWN_BIRTH};
use kenroku_sim_card::{Ca, Resident};

use crate::world::{Ceremony, NOW, RECENT, Simulated, load, ready, text, verified, world};

const HOUR: Duration = Duration::from_secs(3600);
const REVOKED: Status = Status::Revoked { since: None, reason: Reason::KeyCompromise };

fn checked<K: Simulated>(resident: u32) -> ValidityChecked<K> {
    ready(verified::<K>(resident).check_validity(&Fixed::good(NOW), Mode::Strict, NOW)).unwrap()
}

fn check(source: &dyn RevocationSource, mode: Mode<'_>) -> Result<ValidityChecked<Auth>, Refusal> {
    ready(verified::<Auth>(RECENT).check_validity(source, mode, NOW))
}

fn disaster() -> DisasterMode {
    DisasterMode::declare("地震で県内の回線が切れている", NOW, 48 * HOUR, 72 * HOUR).unwrap()
}

#[test]
fn a_registration_has_both_certificates_and_the_attributes() {
    let proofing = Proofing::new(checked::<Auth>(RECENT), checked::<Sign>(RECENT)).unwrap();
    let resident = Resident::new(RECENT);
    let attributes = proofing.attributes();
    assert_eq!(attributes.name.as_str(), resident.name);
    assert_eq!(attributes.birth.exact(), Some(resident.birth));
    assert_eq!(attributes.address.as_str(), resident.address);
    assert_eq!(attributes.address.split_prefecture().unwrap().0, "石川県");
    assert_ne!(proofing.auth().credential(), proofing.sign().credential());
    assert_eq!((proofing.sign().method(), proofing.sign().as_of()), (Method::Fixed, NOW));
    let printed = format!("{proofing:?} {attributes:?}");
    assert!(!printed.contains(&resident.name) && !printed.contains("石川"), "{printed}");
}

#[test]
fn everybody_who_has_a_living_card_can_register() {
    // Four keys take turns, so every fortieth resident still meets each of them in other company.
    for n in (0..1000).step_by(41) {
        let resident = Resident::new(n);
        if resident.generation == 1 {
            continue;
        }
        let auth = checked::<Auth>(n);
        if resident.can_sign() {
            assert!(Proofing::new(auth, checked::<Sign>(n)).is_ok(), "{n}");
        }
    }
}

#[test]
fn substitutes_and_unknown_dates_come_through() {
    let name = checked::<Sign>(WITH_SUBSTITUTE).attributes().name.clone();
    assert_eq!(name.substituted(), [1]);
    let birth = checked::<Sign>(WITH_UNKNOWN_BIRTH).attributes().birth;
    assert_eq!((birth.exact(), birth.parts().2), (None, None));
}

#[test]
fn both_must_have_signed_the_same_challenge() {
    let mut other = Ceremony::of::<Sign>(RECENT);
    other.text = text(9, "いしかわIDにサインインします。");
    let other = other.verify::<Sign>().unwrap();
    let other = ready(other.check_validity(&Fixed::good(NOW), Mode::Strict, NOW)).unwrap();
    assert_eq!(Proofing::new(checked::<Auth>(RECENT), other).unwrap_err(), Refusal::Mixed);
}

#[test]
fn a_test_card_and_a_real_one_make_no_person() {
    let key = kenroku_sim_card::keys::Key::shipped("odd-foreign").unwrap();
    let real = Ca::make(kenroku_sim_card::Purpose::Auth, 3, "JPKI", key.into(), |l| l).unwrap();
    let anchors = load::<Auth>(Profile::production(), std::slice::from_ref(&real));
    let auth = Ceremony::of::<Auth>(RECENT).ca(&real).leaf(|mut l| {
        l.issuer = real.name.clone();
        l.with(kenroku_sim_card::pki::policies("1.2.392.200149.8.5.1.3.30"))
            .with(kenroku_sim_card::pki::authority_key(&real.key.id()))
    });
    let auth = auth.verify_with(&anchors).unwrap();
    let auth = ready(auth.check_validity(&Fixed::good(NOW), Mode::Strict, NOW)).unwrap();
    assert!(auth.is_production());
    assert_eq!(Proofing::new(auth, checked::<Sign>(RECENT)).unwrap_err(), Refusal::Mixed);
}

#[test]
fn what_is_unknown_or_revoked_is_refused() {
    assert!(check(&Fixed::good(NOW), Mode::Strict).is_ok());
    assert!(matches!(check(&Fixed::silent(), Mode::Strict).unwrap_err(), Refusal::StateUnknown(_)));
    let revoked = check(&Fixed::with(REVOKED, NOW), Mode::Strict).unwrap_err();
    assert_eq!(revoked, Refusal::Revoked { since: None, reason: Reason::KeyCompromise });
    let old = Fixed::good(NOW.minus(25 * HOUR));
    assert_eq!(check(&old, Mode::Strict).unwrap_err(), Refusal::StateStale);
}

#[test]
fn a_disaster_lets_people_sign_in_with_older_data_and_nobody_register() {
    let disaster = disaster();
    let relaxed = Mode::Disaster(&disaster);
    let old = Fixed::good(NOW.minus(70 * HOUR));
    assert_eq!(check(&old, Mode::Strict).unwrap_err(), Refusal::StateStale);
    let auth = check(&old, relaxed).unwrap();
    assert_eq!(auth.relaxed(), Some("地震で県内の回線が切れている"));
    let sign = ready(verified::<Sign>(RECENT).check_validity(&old, relaxed, NOW)).unwrap();
    assert_eq!(Proofing::new(auth, checked::<Sign>(RECENT)).unwrap_err(), Refusal::Relaxed);
    assert_eq!(Proofing::new(checked::<Auth>(RECENT), sign).unwrap_err(), Refusal::Relaxed);

    let fresh = check(&Fixed::good(NOW), relaxed).unwrap();
    assert_eq!(fresh.relaxed(), None, "fresh data is as good as ever");
    assert!(Proofing::new(fresh, checked::<Sign>(RECENT)).is_ok());
    assert_eq!(check(&Fixed::good(NOW.minus(73 * HOUR)), relaxed).unwrap_err(), Refusal::StateStale);
    assert!(matches!(check(&Fixed::silent(), relaxed).unwrap_err(), Refusal::StateUnknown(_)));
    let revoked = Fixed::with(REVOKED, NOW.minus(70 * HOUR));
    assert!(matches!(check(&revoked, relaxed).unwrap_err(), Refusal::Revoked { .. }));
}

#[test]
fn sources_are_asked_in_turn() {
    let of = |sources: Vec<Fixed>| {
        FirstOf::new(sources.into_iter().map(|s| Box::new(s) as Box<dyn RevocationSource>).collect())
    };
    let (fresh, old) = (|| Fixed::good(NOW), || Fixed::good(NOW.minus(60 * HOUR)));
    let revoked = || Fixed::with(REVOKED, NOW.minus(60 * HOUR));
    assert!(check(&of(vec![Fixed::silent(), fresh()]), Mode::Strict).is_ok());
    assert!(check(&of(vec![old(), fresh()]), Mode::Strict).is_ok());
    assert_eq!(check(&of(vec![old(), Fixed::silent()]), Mode::Strict).unwrap_err(), Refusal::StateStale);
    assert!(matches!(check(&of(vec![]), Mode::Strict).unwrap_err(), Refusal::StateUnknown(_)));
    assert!(matches!(
        check(&of(vec![revoked(), fresh()]), Mode::Strict).unwrap_err(),
        Refusal::Revoked { .. }
    ));
    let disaster = disaster();
    assert!(check(&of(vec![Fixed::silent(), old()]), Mode::Disaster(&disaster)).is_ok());
}

/// An operator who answers as the test says.
struct Says(Result<OperatorAnswer, SourceError>);

impl OperatorTransport for Says {
    fn ask<'a>(&'a self, of: Certificate<'a>) -> kenroku_jpki::revocation::Reply<'a, OperatorAnswer> {
        assert_eq!(format!("{of:?}"), "Certificate(auth, …)");
        assert!(!of.der().is_empty() && !of.serial().bytes().is_empty());
        assert!(world().auth.pins().any(|p| p == of.issuer()));
        Box::pin(std::future::ready(self.0.clone()))
    }
}

#[test]
fn a_platform_operator_can_be_asked() {
    let ask = |said| check(&PlatformOperator::new(Says(said), "事業者", HOUR), Mode::Strict);
    let answer = |status, as_of| Ok(OperatorAnswer { status, as_of });
    let good = ask(answer(Status::Good, NOW)).unwrap();
    assert_eq!((good.method(), good.source()), (Method::Operator, "事業者"));
    assert!(matches!(ask(answer(REVOKED, NOW)).unwrap_err(), Refusal::Revoked { .. }));
    assert_eq!(ask(answer(Status::Good, NOW.minus(2 * HOUR))).unwrap_err(), Refusal::StateStale);
    assert!(matches!(ask(answer(Status::Good, NOW.plus(HOUR))).unwrap_err(), Refusal::StateUnknown(_)));
    assert!(matches!(ask(Err(SourceError::NotCovered)).unwrap_err(), Refusal::StateUnknown(_)));
}
