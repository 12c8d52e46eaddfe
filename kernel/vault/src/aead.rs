//! The primitives, all from ring: AES-256-GCM (NIST SP 800-38D), SHA-256, and one unambiguous encoding.
//!
//! **Why random nonces are safe here.** SP 800-38D §8.3 allows 2³² messages under one key with random 96-bit
//! nonces (the chance of any repetition then stays below 2⁻³²). A master key wraps some dozens of tenant keys; a
//! tenant key wraps one data key per person, class and version (10⁷ for a prefecture: chance 2⁻⁵⁰); a data key
//! seals the fields of one person. Each is renewed by rotation long before the bound.

use kenroku_types::Rng;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// 256 secret bits, overwritten when dropped. No `Debug`, no `Clone`.
pub(crate) struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    pub(crate) fn random(rng: &Rng) -> Self {
        let mut s = Zeroizing::new([0; 32]);
        rng.fill(s.as_mut_slice());
        Secret(s)
    }

    pub(crate) fn from_slice(b: &[u8]) -> Result<Self> {
        let mut s = Zeroizing::new([0; 32]);
        if b.len() != 32 {
            return Err(Error::Crypto("a key has 32 bytes"));
        }
        s.copy_from_slice(b);
        Ok(Secret(s))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Bytes of nonce and tag around a ciphertext.
pub(crate) const OVERHEAD: usize = NONCE_LEN + 16;

fn gcm(key: &Secret) -> Result<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key.bytes()).map(LessSafeKey::new).map_err(|_| Error::Crypto("key"))
}

/// Appends nonce ‖ ciphertext ‖ tag to `out`. The plaintext is encrypted in place there, so that no second copy
/// of it is left behind.
pub(crate) fn seal_into(out: &mut Vec<u8>, key: &Secret, rng: &Rng, aad: &[u8], plain: &[u8]) -> Result<()> {
    let nonce: [u8; NONCE_LEN] = rng.bytes();
    out.reserve_exact(plain.len() + OVERHEAD);
    out.extend_from_slice(&nonce);
    let at = out.len();
    out.extend_from_slice(plain);
    let tag = gcm(key)?
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(aad),
            out.get_mut(at..).unwrap_or_default(),
        )
        .map_err(|_| Error::Crypto("sealing"))?;
    out.extend_from_slice(tag.as_ref());
    Ok(())
}

/// Nonce ‖ ciphertext ‖ tag of `plain`.
pub(crate) fn seal(key: &Secret, rng: &Rng, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    seal_into(&mut out, key, rng, aad, plain)?;
    Ok(out)
}

/// The plaintext of nonce ‖ ciphertext ‖ tag.
pub(crate) fn open(key: &Secret, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or(Error::Malformed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::Malformed)?;
    let mut buf = Zeroizing::new(rest.to_vec());
    let n = gcm(key)?
        .open_in_place(nonce, Aad::from(aad), buf.as_mut_slice())
        .map_err(|_| Error::NotAuthentic)?
        .len();
    buf.truncate(n);
    Ok(buf)
}

/// An encoding in which different contents never give the same bytes: every part is led by its length.
pub(crate) struct Canon(Vec<u8>);

impl Canon {
    /// Starts with what the bytes are for, so that none made for one use can serve another.
    pub(crate) fn new(domain: &str) -> Self {
        Canon(Vec::with_capacity(160)).text(domain)
    }

    pub(crate) fn bytes(mut self, b: &[u8]) -> Self {
        self.0.extend_from_slice(&(b.len() as u64).to_be_bytes());
        self.0.extend_from_slice(b);
        self
    }

    pub(crate) fn text(self, t: &str) -> Self {
        self.bytes(t.as_bytes())
    }

    pub(crate) fn uuid(self, u: Uuid) -> Self {
        self.bytes(u.as_bytes())
    }

    pub(crate) fn int(self, i: i64) -> Self {
        self.bytes(&i.to_be_bytes())
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Galois/Counter Mode of Operation (McGrew, Viega), appendix B, test case 16: that the right algorithm is
    /// used the right way round, not that ring computes it.
    #[test]
    fn opens_the_published_vector() {
        let key = hex::decode("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308").unwrap();
        let aad = hex::decode("feedfacedeadbeeffeedfacedeadbeefabaddad2").unwrap();
        let sealed = hex::decode(
            "cafebabefacedbaddecaf888522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
        )
        .unwrap();
        let plain = hex::decode(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        )
        .unwrap();
        let key = Secret::from_slice(&key).unwrap();
        assert_eq!(open(&key, &aad, &sealed).unwrap().as_slice(), plain);
        assert_eq!(open(&key, b"other", &sealed), Err(Error::NotAuthentic));
    }

    #[test]
    fn seals_what_it_opens_and_refuses_the_rest() {
        let rng = Rng::seeded(1);
        let key = Secret::random(&rng);
        let sealed = seal(&key, &rng, b"here", b"words").unwrap();
        assert_eq!(open(&key, b"here", &sealed).unwrap().as_slice(), b"words");
        assert_eq!(open(&Secret::random(&rng), b"here", &sealed), Err(Error::NotAuthentic));
        for n in 0..sealed.len() {
            assert!(open(&key, b"here", &sealed[..n]).is_err(), "cut to {n}");
        }
        assert!(Secret::from_slice(&[0; 31]).is_err());
    }

    #[test]
    fn parts_cannot_run_into_each_other() {
        assert_ne!(Canon::new("d").text("ab").text("c").done(), Canon::new("d").text("a").text("bc").done());
    }
}
