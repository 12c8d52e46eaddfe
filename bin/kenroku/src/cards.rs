//! The demo believes the simulated My Number cards, and no other.

use std::sync::Arc;
use std::time::Duration;

use kenroku_identity::card::CardTrust;
use kenroku_jpki::{Anchors, Crl, CrlFiles, Kind, Pin, Profile};
use kenroku_sim_card::pki::{List, ORGANISATION};
use kenroku_sim_card::{Ca, Pki};
use kenroku_types::Timestamp;

/// How old the demo's own lists of revoked certificates may become: it makes them once, when it starts.
const A_YEAR: Duration = Duration::from_secs(366 * 86_400);

/// The simulated hierarchy as of `now`, nothing revoked.
pub fn simulated(now: Timestamp) -> anyhow::Result<CardTrust> {
    let pki = Pki::shipped()?;
    let (auth, sign) = (load(&pki.auth)?, load(&pki.sign)?);
    let mut lists = Vec::new();
    for ca in &pki.auth {
        lists.push(Crl::load(&list(ca, now)?, &auth)?);
    }
    for ca in &pki.sign {
        lists.push(Crl::load(&list(ca, now)?, &sign)?);
    }
    Ok(CardTrust { auth, sign, revocation: Arc::new(CrlFiles::new(lists, A_YEAR, "模擬データ")) })
}

fn load<K: Kind>(cas: &[Ca]) -> anyhow::Result<Anchors<K>> {
    let pins: Vec<Pin> = cas.iter().map(|c| Pin::of(&c.certificate)).collect();
    Ok(Anchors::load(Profile::test(ORGANISATION)?, cas.iter().map(|c| c.certificate.as_slice()), &pins)?)
}

fn list(ca: &Ca, now: Timestamp) -> anyhow::Result<Vec<u8>> {
    let nothing = List {
        number: vec![1],
        this_update: now,
        next_update: Some(now.plus(A_YEAR)),
        revoked: Vec::new(),
        extensions: Vec::new(),
    };
    Ok(ca.list(&nothing)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulated_hierarchy_is_no_production_one() {
        let trust = simulated(Timestamp::from_secs(1_768_350_600)).unwrap();
        assert!(!trust.auth.is_production() && !trust.sign.is_production());
    }
}
