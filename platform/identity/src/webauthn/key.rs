//! Public keys of passkeys: COSE keys (RFC 9052 §7, RFC 9053, RFC 8230) and their signatures, checked by `ring`.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::cbor::Value;

/// The algorithms offered, best first (IANA COSE Algorithms): EdDSA, ES256, RS256.
pub const ALGORITHMS: [i64; 3] = [-8, -7, -257];

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// ECDSA on P-256 with SHA-256: the uncompressed point.
    Es256([u8; 65]),
    /// Ed25519.
    EdDsa([u8; 32]),
    /// RSASSA-PKCS1-v1_5 with SHA-256: modulus and exponent.
    Rs256(Vec<u8>, Vec<u8>),
}

impl Key {
    /// From a COSE key whose algorithm is one of [`ALGORITHMS`] and fits its type and curve.
    pub fn of(cose: &Value<'_>) -> Option<Key> {
        let int = |key| cose.at(key).and_then(Value::int);
        let bytes = |key| cose.at(key).and_then(Value::bytes);
        match (int(1)?, int(3)?) {
            (2, -7) if int(-1)? == 1 => {
                let mut point = [4; 65];
                point[1..33].copy_from_slice(bytes(-2).filter(|b| b.len() == 32)?);
                point[33..].copy_from_slice(bytes(-3).filter(|b| b.len() == 32)?);
                Some(Key::Es256(point))
            }
            (1, -8) if int(-1)? == 6 => Some(Key::EdDsa(bytes(-2)?.try_into().ok()?)),
            (3, -257) => {
                let (n, e) = (bytes(-1)?, bytes(-2)?);
                // ring takes 2048 to 8192 bits; leading zeros are not part of the number.
                let bare = |b: &[u8]| b.iter().copied().skip_while(|x| *x == 0).collect::<Vec<u8>>();
                Some(Key::Rs256(bare(n), bare(e)))
            }
            _ => None,
        }
    }

    /// Its algorithm.
    pub const fn algorithm(&self) -> i64 {
        match self {
            Key::EdDsa(_) => -8,
            Key::Es256(_) => -7,
            Key::Rs256(..) => -257,
        }
    }

    /// Whether it made this signature over this message.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Key::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            Key::EdDsa(point) => UnparsedPublicKey::new(&ED25519, point).verify(message, signature),
            Key::Rs256(n, e) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        }
        .is_ok()
    }
}
