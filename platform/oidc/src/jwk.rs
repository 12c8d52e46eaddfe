//! Keys: JWK and JWK Set (RFC 7517, RFC 7518 §6, RFC 8037), thumbprints (RFC 7638), each bound to one algorithm.

use std::fmt;

use ring::signature::{self, UnparsedPublicKey};
use serde_json::{Map, Value, json};

use crate::{b64, sha256};

/// A signature algorithm. There is no symmetric one and no `none`, so neither can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alg {
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
    /// Ed25519 (RFC 8037 §3.1). RFC 9864 names it `Ed25519`; both names are read, `EdDSA` is written.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3), for clients that take nothing else.
    Rs256,
}

impl Alg {
    /// Every one.
    pub const ALL: [Alg; 3] = [Alg::Es256, Alg::EdDsa, Alg::Rs256];

    /// Its name in a header.
    pub const fn name(self) -> &'static str {
        match self {
            Alg::Es256 => "ES256",
            Alg::EdDsa => "EdDSA",
            Alg::Rs256 => "RS256",
        }
    }

    /// Whether a header or metadata names this one.
    pub fn is_named(self, name: &str) -> bool {
        name == self.name() || (self == Alg::EdDsa && name == "Ed25519")
    }

    /// The algorithm of a name.
    pub fn named(name: &str) -> Option<Alg> {
        Alg::ALL.into_iter().find(|a| a.is_named(name))
    }
}

impl fmt::Display for Alg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It has a private part; sending one publishes it.
    #[error("the JWK contains private key material; register the public key only and discard this one")]
    Private,
    /// A symmetric key, or another kind than the algorithms here have.
    #[error("this kind of key is not taken; use EC P-256, OKP Ed25519 or RSA")]
    Kind,
    /// A member is missing, badly encoded or contradicts the kind.
    #[error("the JWK member {0} is missing or malformed")]
    Member(&'static str),
    /// RSA below 2048 or above 8192 bits (RFC 7518 §3.3).
    #[error("an RSA key needs 2048 to 8192 bits")]
    Size,
    /// `use`, `key_ops` or `alg` say that it is for something else.
    #[error("the JWK is not for signatures with its algorithm")]
    Use,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    /// Uncompressed point: 4, x, y.
    Ec([u8; 65]),
    Okp([u8; 32]),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

/// A public key that verifies one algorithm.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    alg: Alg,
    kid: Option<String>,
    material: Material,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.alg, self.thumbprint())
    }
}

/// Members that only private and symmetric keys have (RFC 7518 §6.2.2, §6.3.2, §6.4.1, RFC 8037 §2).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

impl PublicKey {
    /// Reads a JWK.
    ///
    /// # Errors
    /// [`KeyError`]; a key with a private part is refused whole.
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        let map = jwk.as_object().ok_or(KeyError::Kind)?;
        let text = |name: &'static str| map.get(name).and_then(Value::as_str);
        let need = |name: &'static str| text(name).ok_or(KeyError::Member(name));
        if PRIVATE.iter().any(|m| map.contains_key(*m)) {
            return Err(KeyError::Private);
        }
        let (alg, material) = match (need("kty")?, text("crv")) {
            ("EC", Some("P-256")) => {
                let x: [u8; 32] = b64::array(need("x")?).ok_or(KeyError::Member("x"))?;
                let y: [u8; 32] = b64::array(need("y")?).ok_or(KeyError::Member("y"))?;
                let mut point = [4; 65];
                point[1..33].copy_from_slice(&x);
                point[33..].copy_from_slice(&y);
                (Alg::Es256, Material::Ec(point))
            }
            ("OKP", Some("Ed25519")) => {
                (Alg::EdDsa, Material::Okp(b64::array(need("x")?).ok_or(KeyError::Member("x"))?))
            }
            ("RSA", None) => {
                let n = b64::decode(need("n")?).ok_or(KeyError::Member("n"))?;
                let e = b64::decode(need("e")?).ok_or(KeyError::Member("e"))?;
                // RFC 7518 §2: Base64urlUInt has no leading zero octets.
                if n.first().is_none_or(|b| *b == 0) {
                    return Err(KeyError::Member("n"));
                }
                if e.first().is_none_or(|b| *b == 0) || e.len() > 4 {
                    return Err(KeyError::Member("e"));
                }
                let bits = n.len() * 8 - n.first().map_or(0, |b| b.leading_zeros() as usize);
                if !(2048..=8192).contains(&bits) {
                    return Err(KeyError::Size);
                }
                (Alg::Rs256, Material::Rsa { n, e })
            }
            _ => return Err(KeyError::Kind),
        };
        let ops_fit = match map.get("key_ops") {
            None => true,
            Some(ops) => ops.as_array().is_some_and(|o| o.iter().any(|op| op == "verify")),
        };
        if text("use").is_some_and(|u| u != "sig")
            || !ops_fit
            || text("alg").is_some_and(|a| !alg.is_named(a))
        {
            return Err(KeyError::Use);
        }
        Ok(PublicKey { alg, kid: text("kid").map(ToOwned::to_owned), material })
    }

    pub(crate) fn ec(point: [u8; 65]) -> Self {
        PublicKey { alg: Alg::Es256, kid: None, material: Material::Ec(point) }
    }

    pub(crate) fn okp(x: [u8; 32]) -> Self {
        PublicKey { alg: Alg::EdDsa, kid: None, material: Material::Okp(x) }
    }

    pub(crate) fn rsa(n: Vec<u8>, e: Vec<u8>) -> Self {
        PublicKey { alg: Alg::Rs256, kid: None, material: Material::Rsa { n, e } }
    }

    /// The only algorithm it verifies.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// The name that its owner gave it.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The same key under this name.
    #[must_use]
    pub fn with_kid(self, kid: impl Into<String>) -> Self {
        PublicKey { kid: Some(kid.into()), ..self }
    }

    /// The required members (RFC 7638 §3.2), in the order of the alphabet.
    fn members(&self) -> Vec<(&'static str, String)> {
        match &self.material {
            Material::Ec(point) => vec![
                ("crv", "P-256".to_owned()),
                ("kty", "EC".to_owned()),
                ("x", b64::encode(&point[1..33])),
                ("y", b64::encode(&point[33..])),
            ],
            Material::Okp(x) => {
                vec![("crv", "Ed25519".to_owned()), ("kty", "OKP".to_owned()), ("x", b64::encode(x))]
            }
            Material::Rsa { n, e } => {
                vec![("e", b64::encode(e)), ("kty", "RSA".to_owned()), ("n", b64::encode(n))]
            }
        }
    }

    /// The JWK as it is published.
    pub fn to_jwk(&self) -> Value {
        let mut map: Map<String, Value> =
            self.members().into_iter().map(|(k, v)| (k.to_owned(), Value::from(v))).collect();
        map.insert("use".to_owned(), json!("sig"));
        map.insert("alg".to_owned(), json!(self.alg.name()));
        if let Some(kid) = &self.kid {
            map.insert("kid".to_owned(), json!(kid));
        }
        Value::Object(map)
    }

    /// The SHA-256 thumbprint (RFC 7638 §3), base64url: `jkt` of DPoP, `kid` of our own keys.
    pub fn thumbprint(&self) -> String {
        let members: Vec<String> = self.members().iter().map(|(k, v)| format!("\"{k}\":\"{v}\"")).collect();
        b64::encode(sha256(format!("{{{}}}", members.join(",")).as_bytes()))
    }

    /// Whether this key signed the message.
    pub fn verify(&self, message: &[u8], sig: &[u8]) -> bool {
        match &self.material {
            Material::Ec(point) => UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                .verify(message, sig)
                .is_ok(),
            Material::Okp(x) => UnparsedPublicKey::new(&signature::ED25519, x).verify(message, sig).is_ok(),
            Material::Rsa { n, e } => signature::RsaPublicKeyComponents { n, e }
                .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, sig)
                .is_ok(),
        }
    }
}

/// The public keys of one party.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet(Vec<PublicKey>);

/// More keys than a client needs while it renews one.
const MOST_KEYS: usize = 20;

impl KeySet {
    /// Reads a JWK Set. Keys of other kinds or uses are passed over (RFC 7517 §5); one with a private part is not.
    ///
    /// # Errors
    /// [`KeyError`] when there is no usable key, too many, or a private part.
    pub fn from_jwks(jwks: &Value) -> Result<Self, KeyError> {
        let all = jwks.get("keys").and_then(Value::as_array).ok_or(KeyError::Member("keys"))?;
        if all.len() > MOST_KEYS {
            return Err(KeyError::Member("keys"));
        }
        let mut keys = Vec::new();
        for jwk in all {
            match PublicKey::from_jwk(jwk) {
                Ok(key) => keys.push(key),
                // A set may hold keys for encryption or of later algorithms.
                Err(KeyError::Kind | KeyError::Use) if !is_symmetric(jwk) => {}
                Err(e) => return Err(e),
            }
        }
        if keys.is_empty() { Err(KeyError::Kind) } else { Ok(KeySet(keys)) }
    }

    /// A set of these.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        KeySet(keys.into_iter().collect())
    }

    /// The keys that may have signed a token with this header: the one of that name, or without a name all of
    /// that algorithm.
    pub fn candidates<'a>(
        &'a self,
        alg: &'a str,
        kid: Option<&'a str>,
    ) -> impl Iterator<Item = &'a PublicKey> {
        self.0
            .iter()
            .filter(move |k| k.alg.is_named(alg) && kid.is_none_or(|kid| k.kid.as_deref() == Some(kid)))
    }

    /// Each key.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter()
    }

    /// The JWK Set as it is published.
    pub fn to_jwks(&self) -> Value {
        json!({ "keys": self.0.iter().map(PublicKey::to_jwk).collect::<Vec<_>>() })
    }
}

fn is_symmetric(jwk: &Value) -> bool {
    jwk.get("kty").is_some_and(|k| k == "oct")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa_7638() -> Value {
        json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB",
            "alg": "RS256",
            "kid": "2011-04-29"
        })
    }

    #[test]
    fn thumbprints_of_the_standards() {
        // RFC 7638 §3.1
        let rsa = PublicKey::from_jwk(&rsa_7638()).unwrap();
        assert_eq!(rsa.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!((rsa.alg(), rsa.kid()), (Alg::Rs256, Some("2011-04-29")));
        // RFC 8037 appendix A.3
        let ed =
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        assert_eq!(
            PublicKey::from_jwk(&ed).unwrap().thumbprint(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn what_is_published_reads_back() {
        let key = PublicKey::from_jwk(&rsa_7638()).unwrap();
        assert_eq!(PublicKey::from_jwk(&key.to_jwk()).unwrap(), key);
        let set = KeySet::new([key.clone()]);
        assert_eq!(KeySet::from_jwks(&set.to_jwks()).unwrap(), set);
        assert_eq!(set.candidates("RS256", Some("2011-04-29")).count(), 1);
        assert_eq!(set.candidates("RS256", None).count(), 1);
        assert_eq!(set.candidates("RS256", Some("x")).count(), 0);
        for alg in ["ES256", "HS256", "none", "rs256"] {
            assert_eq!(set.candidates(alg, None).count(), 0, "{alg}");
        }
    }

    #[test]
    fn no_private_symmetric_short_or_misused_key() {
        let with = |name: &str, value: Value| {
            let mut j = rsa_7638();
            j[name] = value;
            PublicKey::from_jwk(&j).map(drop)
        };
        assert_eq!(with("ext", json!(true)), Ok(()), "unknown members are passed over");
        assert_eq!(with("d", json!("AQAB")), Err(KeyError::Private));
        assert_eq!(with("use", json!("enc")), Err(KeyError::Use));
        assert_eq!(with("alg", json!("HS256")), Err(KeyError::Use));
        assert_eq!(with("key_ops", json!(["sign"])), Err(KeyError::Use));
        assert_eq!(with("n", json!("AQAB")), Err(KeyError::Size));
        assert_eq!(with("e", json!("AAEAAQ")), Err(KeyError::Member("e")));
        assert_eq!(with("crv", json!("P-256")), Err(KeyError::Kind));
        let oct = json!({ "kty": "oct", "k": "AAAA" });
        assert_eq!(PublicKey::from_jwk(&oct), Err(KeyError::Private));
        assert!(KeySet::from_jwks(&json!({ "keys": [oct, rsa_7638()] })).is_err());
        let later = json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA" });
        assert!(KeySet::from_jwks(&json!({ "keys": [later, rsa_7638()] })).is_ok());
        assert!(KeySet::from_jwks(&json!({ "keys": [] })).is_err());
    }
}
