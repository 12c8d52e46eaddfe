//! The published keys of the simulation. They protect nothing: anybody can read them here.

use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use rsa::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};
use rsa::{Pkcs1v15Sign, RsaPrivateKey};

use crate::der::{bits, null, octets, oid, seq};

/// A key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the simulated key {0} cannot be used")]
pub struct KeyError(&'static str);

/// What is hashed into a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// As the profile says.
    Sha256,
    /// As it must be refused.
    Sha1,
}

/// A private key with its public half.
pub struct Key {
    name: &'static str,
    secret: Secret,
    /// SubjectPublicKeyInfo.
    info: Vec<u8>,
    /// The contents of its subjectPublicKey.
    public: Vec<u8>,
}

enum Secret {
    Rsa(Box<RsaPrivateKey>),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.name)
    }
}

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_bytes!(concat!("../keys/", $name, ".der")).as_slice())),+]
    };
}

/// PKCS #8, made once with OpenSSL for this purpose.
static SHIPPED: [(&str, &[u8]); 20] = shipped![
    "ca-auth-1",
    "ca-auth-2",
    "ca-auth-3",
    "ca-sign-1",
    "ca-sign-2",
    "ca-sign-3",
    "card-auth-0",
    "card-auth-1",
    "card-auth-2",
    "card-auth-3",
    "card-sign-0",
    "card-sign-1",
    "card-sign-2",
    "card-sign-3",
    "odd-1024",
    "odd-4096",
    "odd-e3",
    "odd-foreign",
    "odd-p256",
    "odd-p384",
];

impl Key {
    /// One of the shipped keys: `ca-{auth,sign}-{1,2,3}`, `card-{auth,sign}-{0,1,2,3}`, and for refusals `odd-1024`,
    /// `odd-4096`, `odd-e3` (RSA of these forms), `odd-foreign` (a CA that nobody knows), `odd-p256`, `odd-p384`.
    ///
    /// # Errors
    /// When there is no key of this name.
    pub fn shipped(name: &str) -> Result<Self, KeyError> {
        let (name, pkcs8) = SHIPPED.iter().find(|(n, _)| *n == name).ok_or(KeyError("that was asked for"))?;
        let bad = KeyError(name);
        let (secret, info, public) = match *name {
            "odd-p256" | "odd-p384" => {
                let is_256 = *name == "odd-p256";
                let algorithm =
                    if is_256 { &ECDSA_P256_SHA256_ASN1_SIGNING } else { &ECDSA_P384_SHA384_ASN1_SIGNING };
                let pair =
                    EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &SystemRandom::new()).map_err(|_| bad)?;
                let curve = if is_256 { "1.2.840.10045.3.1.7" } else { "1.3.132.0.34" };
                let public = pair.public_key().as_ref().to_vec();
                let info = seq(&[seq(&[oid("1.2.840.10045.2.1"), oid(curve)]), bits(&public)]);
                (if is_256 { Secret::P256(pair) } else { Secret::P384(pair) }, info, public)
            }
            _ => {
                let key = RsaPrivateKey::from_pkcs8_der(pkcs8).map_err(|_| bad)?;
                let info = key.to_public_key().to_public_key_der().map_err(|_| bad)?.as_bytes().to_vec();
                // SEQUENCE { AlgorithmIdentifier (15 bytes), BIT STRING } with lengths of two bytes, of one below 128.
                let public = bit_string(&info).ok_or(bad)?.to_vec();
                (Secret::Rsa(Box::new(key)), info, public)
            }
        };
        Ok(Key { name, secret, info, public })
    }

    /// SubjectPublicKeyInfo in DER.
    pub fn info(&self) -> &[u8] {
        &self.info
    }

    /// SHA-1 of the public key: how certificates name keys (RFC 5280 §4.2.1.2 (1)).
    pub fn id(&self) -> Vec<u8> {
        sha1(&self.public)
    }

    /// AlgorithmIdentifier of signatures by this key.
    pub fn algorithm(&self, hash: Hash) -> Vec<u8> {
        match (&self.secret, hash) {
            (Secret::Rsa(_), Hash::Sha256) => seq(&[oid("1.2.840.113549.1.1.11"), null()]),
            (Secret::Rsa(_), Hash::Sha1) => seq(&[oid("1.2.840.113549.1.1.5"), null()]),
            (Secret::P256(_), _) => seq(&[oid("1.2.840.10045.4.3.2")]),
            (Secret::P384(_), _) => seq(&[oid("1.2.840.10045.4.3.3")]),
        }
    }

    /// Signs a message; curves with the hash that belongs to them.
    ///
    /// # Errors
    /// When the key cannot sign so much.
    pub fn sign(&self, hash: Hash, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.secret {
            Secret::Rsa(_) => self.sign_prepared(&digest_info(hash, message)),
            Secret::P256(pair) | Secret::P384(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message).map_err(|_| KeyError(self.name))?;
                Ok(signature.as_ref().to_vec())
            }
        }
    }

    /// RSASSA-PKCS1-v1_5 over what the caller prepared (a DigestInfo), as a card does it.
    ///
    /// # Errors
    /// When it is too long for the key, or the key is not RSA.
    pub fn sign_prepared(&self, prepared: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.secret {
            Secret::Rsa(key) => {
                key.sign(Pkcs1v15Sign::new_unprefixed(), prepared).map_err(|_| KeyError(self.name))
            }
            _ => Err(KeyError(self.name)),
        }
    }
}

/// `SEQUENCE { hash, digest }` (RFC 8017 §9.2).
pub fn digest_info(hash: Hash, message: &[u8]) -> Vec<u8> {
    let (name, digest) = match hash {
        Hash::Sha256 => ("2.16.840.1.101.3.4.2.1", digest::digest(&digest::SHA256, message)),
        Hash::Sha1 => ("1.3.14.3.2.26", digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, message)),
    };
    seq(&[seq(&[oid(name), null()]), octets(digest.as_ref())])
}

pub(crate) fn sha1(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec()
}

/// The contents of the BIT STRING that ends a SubjectPublicKeyInfo of an RSA key.
fn bit_string(info: &[u8]) -> Option<&[u8]> {
    let value = |bytes: &[u8]| -> Option<usize> {
        Some(match bytes.get(1)? {
            n @ 0..=0x7F => bytes.len().checked_sub(2).filter(|have| *have >= usize::from(*n)).map(|_| 2)?,
            n => 2 + usize::from(n & 0x7F),
        })
    };
    let inside = info.get(value(info)?..)?;
    let algorithm = 2 + usize::from(*inside.get(1)?);
    let string = inside.get(algorithm..)?;
    string.get(value(string)? + 1..)
}
