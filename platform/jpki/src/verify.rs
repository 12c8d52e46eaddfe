//! The chain and the signature: from bytes to [`VerifiedCrypto`].

use std::fmt;
use std::sync::Arc;

use kenroku_types::Timestamp;
use x509_cert::serial_number::SerialNumber;

use crate::anchor::{Anchor, Anchors, Pin};
use crate::attributes::Attributes;
use crate::challenge::{DOMAIN, SpentChallenge};
use crate::kind::{Kind, Sign};
use crate::leaf::Leaf;
use crate::name::IssuingPlace;
use crate::refusal::Refusal;
use crate::signed::{Signed, without_zeros};

/// The most octets of a serial number (RFC 5280 §4.1.2.2).
const MAX_SERIAL: usize = 20;

/// A certificate's serial number: unsigned, without leading zeros. It can be traced to a person: never printed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial {
    length: u8,
    bytes: [u8; MAX_SERIAL],
}

impl Serial {
    pub(crate) fn read(number: &SerialNumber) -> Result<Self, Refusal> {
        Self::of(number.as_bytes())
    }

    /// From the contents of an INTEGER.
    pub(crate) fn of(content: &[u8]) -> Result<Self, Refusal> {
        let malformed = Refusal::Malformed("serial number");
        if content.first().is_some_and(|b| b & 0x80 != 0) {
            return Err(malformed);
        }
        Self::unsigned(content)
    }

    /// From the magnitude.
    pub(crate) fn unsigned(magnitude: &[u8]) -> Result<Self, Refusal> {
        let digits = without_zeros(magnitude);
        let mut serial = Serial { length: 0, bytes: [0; MAX_SERIAL] };
        let target = serial.bytes.get_mut(..digits.len()).ok_or(Refusal::Malformed("serial number"))?;
        target.copy_from_slice(digits);
        serial.length = u8::try_from(digits.len()).map_err(|_| Refusal::Malformed("serial number"))?;
        Ok(serial)
    }

    /// Big-endian, without leading zeros.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Serial(…)")
    }
}

/// Which certificate of which CA, for ever: the CA by the hash of its certificate (its name is shared by all
/// generations), the certificate by its serial number. Keep only a keyed hash of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CredentialId {
    issuer: Pin,
    serial: Serial,
}

impl CredentialId {
    pub(crate) fn new(issuer: Pin, serial: Serial) -> Self {
        CredentialId { issuer, serial }
    }

    /// The CA.
    pub fn issuer(&self) -> Pin {
        self.issuer
    }

    /// Hash of the CA certificate followed by the serial number: the input of the keyed hash that is stored. Of one
    /// form for each credential, as the hash has a fixed length.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.issuer.bytes(), self.serial.bytes()].concat()
    }
}

impl fmt::Debug for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialId(…)")
    }
}

/// A certificate that a pinned CA issued, valid at the time, whose key signed the challenge. **Not yet enough for
/// anything**: whether it was revoked is unknown.
#[must_use = "the revocation state is unknown: call check_validity"]
pub struct VerifiedCrypto<K: Kind> {
    pub(crate) leaf: Leaf<K>,
    pub(crate) issuer: Arc<Anchor>,
    pub(crate) der: Vec<u8>,
    /// SHA-256 of what was signed.
    pub(crate) signed: [u8; 32],
    pub(crate) production: bool,
}

impl<K: Kind> fmt::Debug for VerifiedCrypto<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedCrypto({})", K::NAME.as_str())
    }
}

impl<K: Kind> VerifiedCrypto<K> {
    /// Which certificate.
    pub fn credential(&self) -> CredentialId {
        CredentialId { issuer: self.issuer.pin, serial: self.leaf.serial }
    }

    /// Its last instant.
    pub fn not_after(&self) -> Timestamp {
        self.leaf.not_after
    }

    /// Who issued the card, when the certificate says so.
    pub fn issuing_place(&self) -> Option<&IssuingPlace> {
        self.leaf.place.as_ref()
    }
}

/// A document that was signed with a 署名用 key at a certain time. It proves a signature, not a presence: nothing here
/// signs anybody in.
pub struct VerifiedDocument {
    leaf: Leaf<Sign>,
    issuer: Arc<Anchor>,
}

impl fmt::Debug for VerifiedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifiedDocument(…)")
    }
}

impl VerifiedDocument {
    /// Which certificate. Whether it was revoked when it signed is for the archive's own evidence to say.
    pub fn credential(&self) -> CredentialId {
        CredentialId { issuer: self.issuer.pin, serial: self.leaf.serial }
    }

    /// Who signed.
    pub fn attributes(&self) -> &Attributes {
        &self.leaf.holder
    }
}

impl<K: Kind> Anchors<K> {
    /// Verifies a certificate and the signature that its key made over the challenge.
    ///
    /// # Errors
    /// A [`Refusal`] that names the rule. The challenge stays spent.
    pub fn verify(
        &self,
        certificate: &[u8],
        challenge: &SpentChallenge,
        signature: &[u8],
        now: Timestamp,
    ) -> Result<VerifiedCrypto<K>, Refusal> {
        let message = challenge.to_be_signed();
        let (leaf, issuer) = self.signed_by_holder(certificate, message.as_bytes(), signature, now)?;
        Ok(VerifiedCrypto {
            leaf,
            issuer,
            der: certificate.to_vec(),
            signed: message.digest(),
            production: self.is_production(),
        })
    }

    fn signed_by_holder(
        &self,
        certificate: &[u8],
        message: &[u8],
        signature: &[u8],
        at: Timestamp,
    ) -> Result<(Leaf<K>, Arc<Anchor>), Refusal> {
        let (leaf, signed) = Leaf::read(certificate, &self.profile)?;
        let issuer = self.issuer_of(&leaf, &signed)?;
        within(at, issuer.not_before, issuer.not_after, Refusal::IssuerNotYetValid, Refusal::IssuerExpired)?;
        within(at, leaf.not_before, leaf.not_after, Refusal::NotYetValid, Refusal::Expired)?;
        if !leaf.key.verifies(leaf.key.natural_algorithm(), message, signature) {
            return Err(Refusal::Signature);
        }
        Ok((leaf, issuer))
    }

    /// The pinned CA with the name and the key that the certificate names, whose key did sign it.
    fn issuer_of(&self, leaf: &Leaf<K>, signed: &Signed<'_>) -> Result<Arc<Anchor>, Refusal> {
        let issuer = self
            .all
            .iter()
            .find(|a| a.subject == leaf.issuer && a.key_id == leaf.issuer_key_id)
            .filter(|a| leaf.issuer_serial.is_none_or(|s| s == a.serial))
            .ok_or(Refusal::UnknownIssuer)?;
        if !issuer.key.verifies(leaf.algorithm, signed.tbs, signed.signature) {
            return Err(Refusal::IssuerSignature);
        }
        Ok(Arc::clone(issuer))
    }
}

impl Anchors<Sign> {
    /// Verifies a signed document at the time of signing, for archives: the certificates must have been valid then.
    ///
    /// # Errors
    /// As [`Anchors::verify`]; [`Refusal::Domain`] when the document begins like a challenge, so that neither can be
    /// passed off as the other.
    pub fn verify_document(
        &self,
        certificate: &[u8],
        document: &[u8],
        signature: &[u8],
        signed_at: Timestamp,
    ) -> Result<VerifiedDocument, Refusal> {
        if document.starts_with(DOMAIN.as_bytes()) {
            return Err(Refusal::Domain);
        }
        let (leaf, issuer) = self.signed_by_holder(certificate, document, signature, signed_at)?;
        Ok(VerifiedDocument { leaf, issuer })
    }
}

/// Both ends belong to the period (RFC 5280 §4.1.2.5), which counts in seconds.
fn within(
    at: Timestamp,
    first: Timestamp,
    last: Timestamp,
    early: Refusal,
    late: Refusal,
) -> Result<(), Refusal> {
    if at < first {
        return Err(early);
    }
    if at.secs() > last.secs() {
        return Err(late);
    }
    Ok(())
}
