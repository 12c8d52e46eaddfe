//! Public keys and signatures. The arithmetic is ring's; here stands only what is acceptable.

use der::asn1::{ObjectIdentifier, UintRef};
use der::{Decode, Reader, SliceReader};
use ring::signature as sig;
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use crate::oid;
use crate::refusal::Refusal;

/// Which algorithms are accepted. RSA-2048 with SHA-256 always; curves only where they were configured, because no
/// published document names those of the smartphone certificates yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Algorithms {
    pub elliptic_curves: bool,
}

/// How a certificate or list was signed by its CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureAlgorithm {
    RsaSha256,
    EcdsaSha256,
    EcdsaSha384,
}

impl SignatureAlgorithm {
    /// Reads it, parameters included: NULL for RSA (RFC 4055 §5), absent for ECDSA (RFC 5758 §3.2).
    pub fn read(id: AlgorithmIdentifierRef<'_>, allowed: Algorithms) -> Result<Self, Refusal> {
        let no_parameters = id.parameters.is_none();
        match id.oid {
            oid::SHA256_WITH_RSA if is_null(&id) => Ok(Self::RsaSha256),
            oid::ECDSA_SHA256 if allowed.elliptic_curves && no_parameters => Ok(Self::EcdsaSha256),
            oid::ECDSA_SHA384 if allowed.elliptic_curves && no_parameters => Ok(Self::EcdsaSha384),
            other => Err(Refusal::SignatureAlgorithm(other.to_string())),
        }
    }
}

fn is_null(id: &AlgorithmIdentifierRef<'_>) -> bool {
    id.parameters.is_some_and(|p| p.is_null())
}

/// A public key that is acceptable.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// Modulus (256 bytes); the exponent is [`EXPONENT`].
    Rsa2048(Vec<u8>),
    /// Uncompressed point.
    P256(Vec<u8>),
    /// Uncompressed point.
    P384(Vec<u8>),
}

const MODULUS_BYTES: usize = 256;
/// 65537.
const EXPONENT: [u8; 3] = [1, 0, 1];

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo; RSA must have exactly 2048 bits and the exponent 65537.
    pub fn read(info: SubjectPublicKeyInfoRef<'_>, allowed: Algorithms) -> Result<Self, Refusal> {
        let bits = info.subject_public_key.as_bytes().ok_or(Refusal::Malformed("public key"))?;
        match info.algorithm.oid {
            oid::RSA_ENCRYPTION if is_null(&info.algorithm) => {
                let (modulus, exponent) =
                    rsa_parts(bits).map_err(|_| Refusal::Malformed("RSA public key"))?;
                if modulus.len() != MODULUS_BYTES || modulus[0] & 0x80 == 0 {
                    return Err(Refusal::KeySize);
                }
                if exponent != EXPONENT {
                    return Err(Refusal::KeyExponent);
                }
                Ok(PublicKey::Rsa2048(modulus.to_vec()))
            }
            oid::EC_PUBLIC_KEY if allowed.elliptic_curves => {
                let curve = info.algorithm.parameters.and_then(|p| p.decode_as::<ObjectIdentifier>().ok());
                match curve {
                    Some(oid::P256) => Ok(PublicKey::P256(bits.to_vec())),
                    Some(oid::P384) => Ok(PublicKey::P384(bits.to_vec())),
                    _ => Err(Refusal::KeyAlgorithm("elliptic curve".to_owned())),
                }
            }
            other => Err(Refusal::KeyAlgorithm(other.to_string())),
        }
    }

    /// The algorithm with which a card's key of this type signs a challenge.
    pub fn natural_algorithm(&self) -> SignatureAlgorithm {
        match self {
            PublicKey::Rsa2048(_) => SignatureAlgorithm::RsaSha256,
            PublicKey::P256(_) => SignatureAlgorithm::EcdsaSha256,
            PublicKey::P384(_) => SignatureAlgorithm::EcdsaSha384,
        }
    }

    /// Whether the signature is this key's over the message. A key of another type than the algorithm's is a no.
    pub fn verifies(&self, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        use SignatureAlgorithm::{EcdsaSha256, EcdsaSha384, RsaSha256};
        let ec = |alg: &'static dyn sig::VerificationAlgorithm, point: &[u8]| {
            sig::UnparsedPublicKey::new(alg, point).verify(message, signature).is_ok()
        };
        match (self, algorithm) {
            // RSASSA-PKCS1-v1_5 by comparison with the one right encoding; nothing is recovered and searched.
            (PublicKey::Rsa2048(modulus), RsaSha256) => {
                sig::RsaPublicKeyComponents { n: modulus.as_slice(), e: EXPONENT.as_slice() }
                    .verify(&sig::RSA_PKCS1_2048_8192_SHA256, message, signature)
                    .is_ok()
            }
            (PublicKey::P256(point), EcdsaSha256) => ec(&sig::ECDSA_P256_SHA256_ASN1, point),
            (PublicKey::P384(point), EcdsaSha384) => ec(&sig::ECDSA_P384_SHA384_ASN1, point),
            _ => false,
        }
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PublicKey::Rsa2048(_) => "RSA-2048",
            PublicKey::P256(_) => "P-256",
            PublicKey::P384(_) => "P-384",
        })
    }
}

/// `RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }` (RFC 8017 §A.1.1).
fn rsa_parts(bytes: &[u8]) -> der::Result<(&[u8], &[u8])> {
    let mut reader = SliceReader::new(bytes)?;
    let parts = reader.sequence(|r| {
        let n = UintRef::decode(r)?;
        let e = UintRef::decode(r)?;
        Ok((n.as_bytes(), e.as_bytes()))
    })?;
    reader.finish(parts)
}
