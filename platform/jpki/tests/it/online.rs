//! OCSP with a responder in the same process.

use std::time::Duration;

use der::{Decode, Encode};
use kenroku_jpki::revocation::Reply;
use kenroku_jpki::{Auth, Method, Mode, Ocsp, OcspTransport, Pin, Refusal, SourceError, ValidityChecked};
use kenroku_sim_card::der::{oid, seq, tlv};
use kenroku_sim_card::keys::{Key, KeyError};
use kenroku_sim_card::pki::{Extension, Leaf, OcspAnswer, OcspState, key_usage, oids};
use kenroku_sim_card::{Ca, Purpose};
use kenroku_types::{Rng, Timestamp};
use x509_ocsp::OcspRequest;

use crate::world::{Ceremony, NOW, RECENT, ready, verified, world};

const HOUR: Duration = Duration::from_secs(3600);

/// Answers honestly, except what a test changes.
struct Responder {
    change: fn(&mut OcspAnswer<'_>),
    signer: Option<(Key, Vec<u8>)>,
    spoil: fn(Vec<u8>) -> Vec<u8>,
}

impl Responder {
    fn honest() -> Self {
        Responder { change: |_| (), signer: None, spoil: |der| der }
    }

    fn changed(change: fn(&mut OcspAnswer<'_>)) -> Self {
        Responder { change, ..Self::honest() }
    }

    fn delegated(key: &str, ca: &Ca, change: impl FnOnce(Leaf) -> Leaf) -> Self {
        let key = Key::shipped(key).unwrap();
        let mut leaf = Ceremony::of::<Auth>(RECENT).leaf;
        leaf.key = key.info().to_vec();
        leaf.extensions = vec![key_usage(&[0]), eku("1.3.6.1.5.5.7.3.9")];
        let certificate = ca.issue(&change(leaf)).unwrap();
        Responder { signer: Some((key, certificate)), ..Self::honest() }
    }

    fn answer(&self, request: &[u8]) -> Result<Vec<u8>, KeyError> {
        let request = OcspRequest::from_der(request).unwrap();
        let [one] = request.tbs_request.request_list.as_slice() else { panic!("one question") };
        let nonce = &request.tbs_request.request_extensions.as_ref().unwrap()[0];
        let nonce = der::asn1::OctetString::from_der(nonce.extn_value.as_bytes()).unwrap();
        assert_eq!(nonce.as_bytes().len(), 32);
        let ca = world().pki.ca(Purpose::Auth, 3);
        assert_eq!(one.req_cert.issuer_key_hash.as_bytes(), ca.key.id());
        assert!(one.req_cert.to_der().is_ok());
        let mut answer = OcspAnswer {
            serial: one.req_cert.serial_number.as_bytes(),
            state: OcspState::Good,
            this_update: NOW,
            next_update: Some(NOW.plus(HOUR)),
            nonce: Some(nonce.as_bytes()),
            signer: self.signer.as_ref().map_or(&ca.key, |(key, _)| key),
            certificate: self.signer.as_ref().map(|(_, der)| der.as_slice()),
        };
        (self.change)(&mut answer);
        ca.ocsp(&answer).map(self.spoil)
    }
}

impl OcspTransport for Responder {
    fn ask(&self, request: Vec<u8>) -> Reply<'_, Vec<u8>> {
        let answer = self.answer(&request).map_err(|e| SourceError::Unavailable(e.to_string()));
        Box::pin(std::future::ready(answer))
    }
}

fn eku(purpose: &str) -> Extension {
    Extension::new("2.5.29.37", false, seq(&[oid(purpose)]))
}

fn source(responder: Responder) -> Ocsp<Responder> {
    Ocsp::new(responder, Rng::seeded(5), "ocsp.test", HOUR)
}

fn check_at(ocsp: &Ocsp<Responder>, at: Timestamp) -> Result<ValidityChecked<Auth>, Refusal> {
    ready(verified::<Auth>(RECENT).check_validity(ocsp, Mode::Strict, at))
}

fn check(responder: Responder) -> Result<ValidityChecked<Auth>, Refusal> {
    check_at(&source(responder), NOW)
}

fn error(responder: Responder) -> SourceError {
    match check(responder).unwrap_err() {
        Refusal::StateUnknown(e) => e,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_honest_answer_counts() {
    let good = check(Responder::honest()).unwrap();
    assert_eq!((good.method(), good.as_of(), good.source()), (Method::Ocsp, NOW, "ocsp.test"));
    let revoked = check(Responder::changed(|a| a.state = OcspState::Revoked(NOW.minus(HOUR)))).unwrap_err();
    assert!(matches!(revoked, Refusal::Revoked { since: Some(t), .. } if t == NOW.minus(HOUR)));
    assert_eq!(error(Responder::changed(|a| a.state = OcspState::Unknown)), SourceError::NotCovered);
}

#[test]
fn an_old_answer_does_not() {
    let ocsp = source(Responder::honest());
    assert!(check_at(&ocsp, NOW.plus(HOUR)).is_ok());
    assert_eq!(check_at(&ocsp, NOW.plus(HOUR + Duration::from_secs(1))).unwrap_err(), Refusal::StateStale);
    let old = Responder::changed(|a| (a.this_update, a.next_update) = (NOW.minus(2 * HOUR), None));
    assert_eq!(check(old).unwrap_err(), Refusal::StateStale);
    let future = Responder::changed(|a| a.this_update = NOW.plus(HOUR));
    assert_eq!(check(future).unwrap_err(), Refusal::StateStale);
}

#[test]
fn the_nonce_is_repeated() {
    let unusable = |r| matches!(error(r), SourceError::Unusable(_));
    assert!(check(Responder::honest()).is_ok());
    assert!(unusable(Responder::changed(|a| a.nonce = None)));
    assert!(unusable(Responder::changed(|a| a.nonce = Some(&[0; 32]))));
    let lenient = source(Responder::changed(|a| a.nonce = None)).without_nonce();
    assert!(check_at(&lenient, NOW).is_ok());
    let wrong = source(Responder::changed(|a| a.nonce = Some(&[0; 32]))).without_nonce();
    assert!(check_at(&wrong, NOW).is_err(), "a wrong one is wrong anyway");
}

#[test]
fn the_answer_is_about_the_question() {
    let other = Responder::changed(|a| a.serial = &[1, 2, 3]);
    assert_eq!(error(other), SourceError::Unusable("it answers another question"));
}

#[test]
fn the_answer_is_signed_by_the_ca_or_its_delegate() {
    let ca = world().pki.ca(Purpose::Auth, 3);
    assert!(check(Responder::delegated("odd-foreign", ca, |l| l)).is_ok());
    let spoiled: [fn(Leaf) -> Leaf; 6] = [
        |l| l.without("2.5.29.37"),
        |l| l.with(eku("1.3.6.1.5.5.7.3.1")),
        |l| l.with(key_usage(&[2])),
        |l| l.with(Extension::new(oids::BASIC, true, seq(&[tlv(1, &[0xFF])]))),
        |l| l.with(Extension::new("1.2.3.4", true, seq(&[]))),
        |mut l| {
            l.not_after = NOW.minus(HOUR);
            l
        },
    ];
    for (i, change) in spoiled.into_iter().enumerate() {
        assert_eq!(error(Responder::delegated("odd-foreign", ca, change)), SourceError::Signature, "{i}");
    }
    let middle = world().pki.ca(Purpose::Auth, 2);
    assert_eq!(error(Responder::delegated("odd-foreign", middle, |l| l)), SourceError::Signature);
    let mut nobody = Responder::delegated("odd-foreign", ca, |l| l);
    nobody.change = |a| a.certificate = None;
    assert_eq!(error(nobody), SourceError::Signature);
    // A resident's own certificate is no responder's.
    let resident = Ceremony::of::<Auth>(RECENT);
    let own = Responder {
        signer: Some((Key::shipped("card-auth-3").unwrap(), resident.certificate())),
        ..Responder::honest()
    };
    assert_eq!(error(own), SourceError::Signature);
}

#[test]
fn responders_can_be_pinned() {
    let ca = world().pki.ca(Purpose::Auth, 3);
    let responder = || Responder::delegated("odd-foreign", ca, |l| l);
    let pin = Pin::of(&responder().signer.unwrap().1);
    assert!(check_at(&source(responder()).pin_responders(vec![pin]), NOW).is_ok());
    let other = vec![Pin::of(b"another")];
    assert!(check_at(&source(responder()).pin_responders(other.clone()), NOW).is_err());
    assert!(check_at(&source(Responder::honest()).pin_responders(other), NOW).is_err());
}

#[test]
fn what_is_no_answer() {
    let spoiled = |spoil| error(Responder { spoil, ..Responder::honest() });
    assert!(matches!(spoiled(|_| Vec::new()), SourceError::Unusable(_)));
    assert!(matches!(spoiled(|_| seq(&[tlv(0x0A, &[3])])), SourceError::Unavailable(_)), "tryLater");
    let cut = |mut der: Vec<u8>| {
        der.pop();
        der
    };
    assert!(matches!(spoiled(cut), SourceError::Unusable(_)));
    let flipped = |mut der: Vec<u8>| {
        if let Some(last) = der.last_mut() {
            *last ^= 1;
        }
        der
    };
    assert_eq!(spoiled(flipped), SourceError::Signature);
}
