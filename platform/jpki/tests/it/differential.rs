//! A second parser (x509-parser) must see the same certificates as we do.

use kenroku_jpki::{Auth, Sign};
use kenroku_sim_card::{Purpose, Resident};
use proptest::prelude::*;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::world::{Ceremony, NOW, Simulated, spent, world};

/// What the other parser and its verifier say: serial number and last second, when the CA signed it.
fn other(der: &[u8], purpose: Purpose, generation: u8) -> Option<(Vec<u8>, i64)> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    let ca = &world().pki.ca(purpose, generation).certificate;
    let (_, ca) = X509Certificate::from_der(ca).ok()?;
    certificate.verify_signature(Some(ca.public_key())).ok()?;
    let serial = certificate.tbs_certificate.serial.to_bytes_be();
    rest.is_empty().then(|| (serial, certificate.validity().not_after.timestamp()))
}

fn same<K: Simulated>(resident: &Resident) {
    let ceremony = Ceremony::of::<K>(resident.number);
    let der = ceremony.certificate();
    let (serial, last) = other(&der, K::PURPOSE, resident.generation).unwrap();
    let ours = ceremony.verify::<K>().unwrap();
    assert_eq!(ours.credential().to_bytes()[32..], serial, "{}", resident.number);
    assert_eq!(ours.not_after().secs(), last);
}

#[test]
fn both_parsers_agree_on_honest_certificates() {
    for resident in Resident::all().step_by(13).filter(|r| r.generation > 1 && r.can_sign()) {
        same::<Auth>(&resident);
        same::<Sign>(&resident);
    }
}

proptest! {
    /// Whatever a byte does, we accept nothing that the other refuses.
    #[test]
    fn we_are_never_the_more_lenient(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let ceremony = Ceremony::of::<Auth>(3);
        let mut der = ceremony.certificate();
        let at = at.index(der.len());
        der[at] = byte;
        let ours = world().auth.verify(&der, &spent(&ceremony.text), &ceremony.signature(), NOW);
        if ours.is_ok() {
            prop_assert!(other(&der, Purpose::Auth, 3).is_some());
        }
    }
}
