//! What the tests share: the simulated hierarchy, loaded anchors, and ceremonies.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use kenroku_jpki::{
    Anchors, Auth, AuthAnchors, Challenge, Kind, Pin, Profile, Refusal, Sign, SignAnchors, SpentChallenge,
    ToBeSigned, VerifiedCrypto,
};
use kenroku_sim_card::keys::{Hash, Key};
use kenroku_sim_card::pki::{Leaf, ORGANISATION};
use kenroku_sim_card::{Ca, Pki, Purpose, Resident};
use kenroku_types::Timestamp;

/// 2026-01-14T09:30 in Japan.
pub const NOW: Timestamp = Timestamp::from_secs(1_768_350_600);
/// A resident whose certificates are of the newest generation.
pub const RECENT: u32 = 3;
/// Of the middle one.
pub const MIDDLE: u32 = 5;
/// Of the first one, which has ended.
pub const ENDED: u32 = 19;

pub struct World {
    pub pki: Pki,
    pub auth: AuthAnchors,
    pub sign: SignAnchors,
}

pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let pki = Pki::shipped().unwrap();
        let auth = load(Profile::test(ORGANISATION).unwrap(), &pki.auth);
        let sign = load(Profile::test(ORGANISATION).unwrap(), &pki.sign);
        World { pki, auth, sign }
    })
}

pub fn load<K: Kind>(profile: Profile<K>, cas: &[Ca]) -> Anchors<K> {
    let pins: Vec<Pin> = cas.iter().map(|c| Pin::of(&c.certificate)).collect();
    Anchors::load(profile, cas.iter().map(|c| c.certificate.as_slice()), &pins).unwrap()
}

/// The kinds with their simulated counterparts.
pub trait Simulated: Kind {
    const PURPOSE: Purpose;
    fn anchors(world: &World) -> &Anchors<Self>
    where
        Self: Sized;
}

impl Simulated for Auth {
    const PURPOSE: Purpose = Purpose::Auth;
    fn anchors(world: &World) -> &Anchors<Self> {
        &world.auth
    }
}

impl Simulated for Sign {
    const PURPOSE: Purpose = Purpose::Sign;
    fn anchors(world: &World) -> &Anchors<Self> {
        &world.sign
    }
}

pub fn text(nonce: u8, words: &str) -> ToBeSigned {
    ToBeSigned::new("sign-in", "https://id.pref.example", "session-1", &[nonce; 32], words).unwrap()
}

pub fn spent(t: &ToBeSigned) -> SpentChallenge {
    Challenge::new(t.clone(), NOW).spend(1, NOW).unwrap()
}

/// The certificate of a resident, changed before the CA signs it, with its key's signature over a challenge.
pub struct Ceremony {
    pub leaf: Leaf,
    pub key: Arc<Key>,
    pub ca: Ca,
    pub text: ToBeSigned,
    pub at: Timestamp,
}

impl Ceremony {
    pub fn of<K: Simulated>(resident: u32) -> Self {
        let resident = Resident::new(resident);
        let key = Arc::new(resident.key(K::PURPOSE).unwrap());
        Ceremony {
            leaf: resident.leaf(&world().pki, K::PURPOSE, &key),
            key,
            ca: world().pki.ca(K::PURPOSE, resident.generation).clone(),
            text: text(1, "いしかわIDにサインインします。"),
            at: NOW,
        }
    }

    pub fn leaf(mut self, change: impl FnOnce(Leaf) -> Leaf) -> Self {
        self.leaf = change(self.leaf);
        self
    }

    pub fn key(mut self, name: &str) -> Self {
        self.key = Arc::new(Key::shipped(name).unwrap());
        self.leaf.key = self.key.info().to_vec();
        self
    }

    pub fn ca(mut self, ca: &Ca) -> Self {
        self.ca = ca.clone();
        self
    }

    pub fn at(mut self, t: Timestamp) -> Self {
        self.at = t;
        self
    }

    pub fn certificate(&self) -> Vec<u8> {
        self.ca.issue(&self.leaf).unwrap()
    }

    pub fn signature(&self) -> Vec<u8> {
        self.key.sign(Hash::Sha256, self.text.as_bytes()).unwrap()
    }

    pub fn verify_with<K: Kind>(&self, anchors: &Anchors<K>) -> Result<VerifiedCrypto<K>, Refusal> {
        anchors.verify(&self.certificate(), &spent(&self.text), &self.signature(), self.at)
    }

    pub fn verify<K: Simulated>(&self) -> Result<VerifiedCrypto<K>, Refusal> {
        self.verify_with(K::anchors(world()))
    }
}

/// What an honest ceremony of this kind gives.
pub fn verified<K: Simulated>(resident: u32) -> VerifiedCrypto<K> {
    Ceremony::of::<K>(resident).verify().unwrap()
}

/// Passes as it is and is refused once changed.
#[track_caller]
pub fn refused<K: Simulated>(change: impl FnOnce(Leaf) -> Leaf) -> Refusal {
    let honest = Ceremony::of::<K>(RECENT);
    assert!(honest.verify::<K>().is_ok());
    honest.leaf(change).verify::<K>().unwrap_err()
}

/// The result of a future that has no reason to wait.
pub fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}
