//! Trust anchors: the self-signed CA certificates, pinned by hash, all generations of one kind under one name.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use der::asn1::ObjectIdentifier;
use der::referenced::OwnedToRef;
use der::{Decode, Encode};
use kenroku_types::Timestamp;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages, SubjectKeyIdentifier};
use x509_cert::{TbsCertificate, Version};

use crate::algorithm::{Algorithms, PublicKey, SignatureAlgorithm};
use crate::challenge::sha256;
use crate::kind::{Kind, KindName};
use crate::name::texts;
use crate::oid;
use crate::refusal::Refusal;
use crate::signed::{Signed, timestamp};
use crate::verify::Serial;

/// SHA-256 of a certificate's DER.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pin([u8; 32]);

impl Pin {
    /// Of these bytes.
    pub fn of(der: &[u8]) -> Self {
        Pin(sha256(der))
    }

    /// The hash.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_upper(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

impl FromStr for Pin {
    type Err = AnchorError;

    /// 64 hexadecimal digits; colons and blanks between them do not matter.
    fn from_str(s: &str) -> Result<Self, AnchorError> {
        let digits: String = s.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
        let mut out = [0; 32];
        hex::decode_to_slice(&digits, &mut out).map_err(|_| AnchorError::PinForm)?;
        Ok(Pin(out))
    }
}

/// Why a store of anchors cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// Not a SHA-256 in hexadecimal digits.
    #[error("a pin is 64 hexadecimal digits: the SHA-256 of the CA certificate's DER")]
    PinForm,
    /// No certificate at all.
    #[error("no CA certificate is given")]
    Empty,
    /// Its hash is not among the pins.
    #[error("the CA certificate with SHA-256 {0} is not pinned")]
    NotPinned(Pin),
    /// The same certificate, or the same key identifier, twice.
    #[error("two CA certificates have the same key identifier")]
    Duplicate,
    /// It is not a self-signed CA certificate of the profile.
    #[error("the CA certificate {pin} is not acceptable: {why}")]
    Certificate {
        /// Which.
        pin: Pin,
        /// What is wrong.
        why: &'static str,
    },
    /// Its key or signature is not acceptable.
    #[error("the CA certificate {pin} is not acceptable: {why}")]
    Refused {
        /// Which.
        pin: Pin,
        /// What is wrong.
        why: Refusal,
    },
    /// Its name is another than that of this kind and hierarchy.
    #[error("the CA certificate {pin} belongs to another hierarchy: expected O={organisation}, OU={unit}")]
    Name {
        /// Which.
        pin: Pin,
        /// The expected organisation.
        organisation: String,
        /// The expected first unit.
        unit: &'static str,
    },
    /// A test hierarchy cannot carry the production one's name, nor a production store the test policy.
    #[error("a test hierarchy and the production one must stay apart")]
    Mixed,
}

/// The organisation in the names of the production hierarchy.
const PRODUCTION: &str = "JPKI";

/// What is accepted from one hierarchy: its name, its policies, its algorithms.
#[derive(Clone, Debug)]
pub struct Profile<K: Kind> {
    organisation: String,
    policies: BTreeSet<ObjectIdentifier>,
    algorithms: Algorithms,
    kind: PhantomData<K>,
}

impl<K: Kind> Profile<K> {
    /// The real one: `O=JPKI` and the production policy.
    pub fn production() -> Self {
        Self::of(PRODUCTION, K::POLICY)
    }

    /// A test hierarchy under another organisation, with the test policy. Its certificates prove nothing about anyone.
    ///
    /// # Errors
    /// [`AnchorError::Mixed`] when the organisation is that of the production hierarchy.
    pub fn test(organisation: &str) -> Result<Self, AnchorError> {
        if organisation.trim().eq_ignore_ascii_case(PRODUCTION) {
            return Err(AnchorError::Mixed);
        }
        Ok(Self::of(organisation, K::TEST_POLICY))
    }

    fn of(organisation: &str, policy: ObjectIdentifier) -> Self {
        Profile {
            organisation: organisation.to_owned(),
            policies: BTreeSet::from([policy]),
            algorithms: Algorithms::default(),
            kind: PhantomData,
        }
    }

    /// Whether this is the production hierarchy.
    pub fn is_production(&self) -> bool {
        self.organisation == PRODUCTION
    }

    /// Accepts one more policy, such as that of smartphone certificates.
    ///
    /// # Errors
    /// [`AnchorError::Mixed`] when it is the test policy in production or the production policy in a test; also when it
    /// is the other kind's, or no OID at all.
    pub fn accept_policy(mut self, policy: &str) -> Result<Self, AnchorError> {
        let policy = ObjectIdentifier::new(policy).map_err(|_| AnchorError::Mixed)?;
        let test = [oid::POLICY_AUTH_TEST, oid::POLICY_SIGN_TEST];
        let production = [oid::POLICY_AUTH, oid::POLICY_SIGN];
        if test.contains(&policy) || production.contains(&policy) {
            return Err(AnchorError::Mixed);
        }
        self.policies.insert(policy);
        Ok(self)
    }

    /// Accepts P-256 with SHA-256 and P-384 with SHA-384 beside RSA-2048.
    #[must_use]
    pub fn accept_elliptic_curves(mut self) -> Self {
        self.algorithms.elliptic_curves = true;
        self
    }

    pub(crate) fn algorithms(&self) -> Algorithms {
        self.algorithms
    }

    pub(crate) fn accepts(&self, policy: &ObjectIdentifier) -> bool {
        self.policies.contains(policy)
    }
}

/// One CA certificate.
pub(crate) struct Anchor {
    pub pin: Pin,
    /// Its name in DER.
    pub subject: Vec<u8>,
    pub key_id: Vec<u8>,
    pub serial: Serial,
    pub key: PublicKey,
    /// The contents of its subjectPublicKey, which OCSP hashes.
    pub key_bits: Vec<u8>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

/// The pinned CAs of one kind of certificate. Stores of different kinds are different types.
#[derive(Clone)]
pub struct Anchors<K: Kind> {
    pub(crate) profile: Profile<K>,
    pub(crate) all: Vec<Arc<Anchor>>,
}

impl<K: Kind> fmt::Debug for Anchors<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pins: Vec<_> = self.pins().collect();
        f.debug_struct("Anchors").field("kind", &K::NAME).field("pins", &pins).finish()
    }
}

impl<K: Kind> Anchors<K> {
    /// Loads CA certificates (DER). Each must be pinned, self-signed, a CA, and bear the name of this kind and
    /// hierarchy. Expired generations may stay: their cards are then refused by name, and archived documents can
    /// still be verified at their time.
    ///
    /// # Errors
    /// The first certificate that is not acceptable, with its hash; [`AnchorError::Empty`] without any.
    pub fn load<'a>(
        profile: Profile<K>,
        certificates: impl IntoIterator<Item = &'a [u8]>,
        pins: &[Pin],
    ) -> Result<Self, AnchorError> {
        let mut all: Vec<Arc<Anchor>> = Vec::new();
        for der in certificates {
            let anchor = load(&profile, der, pins)?;
            if all.iter().any(|a| a.key_id == anchor.key_id) {
                return Err(AnchorError::Duplicate);
            }
            all.push(Arc::new(anchor));
        }
        if all.is_empty() {
            return Err(AnchorError::Empty);
        }
        Ok(Anchors { profile, all })
    }

    /// The hashes of the loaded certificates.
    pub fn pins(&self) -> impl Iterator<Item = Pin> + '_ {
        self.all.iter().map(|a| a.pin)
    }

    /// Whether they are of the production hierarchy.
    pub fn is_production(&self) -> bool {
        self.profile.is_production()
    }
}

fn load<K: Kind>(profile: &Profile<K>, der: &[u8], pins: &[Pin]) -> Result<Anchor, AnchorError> {
    let pin = Pin::of(der);
    let bad = |why| AnchorError::Certificate { pin, why };
    let refused = |why| AnchorError::Refused { pin, why };
    if !pins.contains(&pin) {
        return Err(AnchorError::NotPinned(pin));
    }
    let signed = Signed::split(der).map_err(|_| bad("not a certificate"))?;
    let tbs = TbsCertificate::from_der(signed.tbs).map_err(|_| bad("not a certificate"))?;
    if tbs.version != Version::V3 || tbs.signature.owned_to_ref() != signed.algorithm {
        return Err(bad("not version 3, or two different signature algorithms"));
    }
    if tbs.issuer != tbs.subject {
        return Err(bad("not self-signed"));
    }
    if texts(&tbs.subject, oid::ORGANISATION) != [profile.organisation.as_str()]
        || texts(&tbs.subject, oid::UNIT).first().map(String::as_str) != Some(K::CA_UNIT)
    {
        let organisation = profile.organisation.clone();
        return Err(AnchorError::Name { pin, organisation, unit: K::CA_UNIT });
    }
    let key_id = ca_extensions(&tbs).map_err(bad)?;
    let info = tbs.subject_public_key_info.owned_to_ref();
    let key = PublicKey::read(info, profile.algorithms).map_err(refused)?;
    let algorithm = SignatureAlgorithm::read(signed.algorithm, profile.algorithms).map_err(refused)?;
    if !key.verifies(algorithm, signed.tbs, signed.signature) {
        return Err(refused(Refusal::IssuerSignature));
    }
    Ok(Anchor {
        pin,
        subject: tbs.subject.to_der().map_err(|_| bad("its name cannot be written"))?,
        key_id,
        serial: Serial::read(&tbs.serial_number).map_err(refused)?,
        key,
        key_bits: tbs.subject_public_key_info.subject_public_key.raw_bytes().to_vec(),
        not_before: timestamp(tbs.validity.not_before),
        not_after: timestamp(tbs.validity.not_after),
    })
}

/// Checks the extensions of a CA; its key identifier.
fn ca_extensions(tbs: &TbsCertificate) -> Result<Vec<u8>, &'static str> {
    let (mut is_ca, mut may_sign, mut key_id) = (false, false, None);
    for e in tbs.extensions.iter().flatten() {
        let value = e.extn_value.as_bytes();
        match e.extn_id {
            oid::BASIC_CONSTRAINTS => {
                let basic =
                    BasicConstraints::from_der(value).map_err(|_| "basicConstraints cannot be read")?;
                is_ca = basic.ca && e.critical;
            }
            oid::KEY_USAGE => {
                let usage = KeyUsage::from_der(value).map_err(|_| "keyUsage cannot be read")?;
                may_sign = usage.0 == KeyUsages::KeyCertSign | KeyUsages::CRLSign && e.critical;
            }
            oid::SUBJECT_KEY_ID => {
                let id =
                    SubjectKeyIdentifier::from_der(value).map_err(|_| "the key identifier cannot be read")?;
                key_id = Some(id.0.as_bytes().to_vec());
            }
            // Which list revokes a CA, under which policy it works and what signed it (itself) says nothing here.
            oid::CRL_DISTRIBUTION_POINTS | oid::CERTIFICATE_POLICIES | oid::AUTHORITY_KEY_ID => {}
            _ if e.critical => return Err("a critical extension is not known"),
            _ => {}
        }
    }
    if !is_ca {
        return Err("critical basicConstraints with CA:TRUE is needed");
    }
    if !may_sign {
        return Err("critical keyUsage with exactly keyCertSign and cRLSign is needed");
    }
    key_id.filter(|id| !id.is_empty()).ok_or("a subject key identifier is needed")
}

/// A CA certificate as it was published.
#[derive(Clone, Copy, Debug)]
pub struct PublishedCa {
    /// The name of the published file.
    pub file: &'static str,
    /// From when on it is valid.
    pub valid_from: &'static str,
    /// Its last day in Japan.
    pub valid_until: &'static str,
    /// Its serial number in hexadecimal digits.
    pub serial: &'static str,
    /// Its SHA-256, where a public source states it. Where not, the operator must learn it from J-LIS.
    pub sha256: Option<&'static str>,
}

/// The generations of the production CAs, oldest first, for comparison with what an operator configures
/// (jpki.go.jp/ca, public certificates).
pub const fn published(kind: KindName) -> &'static [PublishedCa; 3] {
    match kind {
        KindName::Auth => &PUBLISHED_AUTH,
        KindName::Sign => &PUBLISHED_SIGN,
    }
}

const PUBLISHED_AUTH: [PublishedCa; 3] = [
    PublishedCa {
        file: "authca01",
        valid_from: "2015-10-20",
        valid_until: "2025-10-19",
        serial: "01",
        sha256: Some("4DCFC4CA0AAF9FB2A3081B3F0C991C320B3ACC008667A341EEAEC5AF1D58CA7D"),
    },
    PublishedCa {
        file: "authca02",
        valid_from: "2019-09-14",
        valid_until: "2029-09-14",
        serial: "0133C349",
        sha256: None,
    },
    PublishedCa {
        file: "authca03",
        valid_from: "2023-07-16",
        valid_until: "2033-07-15",
        serial: "06D18006",
        sha256: Some("64114F29620C24ED2631D46476A040E7EE740D956089C00B036A6A8118C322B5"),
    },
];

const PUBLISHED_SIGN: [PublishedCa; 3] = [
    PublishedCa {
        file: "signca01",
        valid_from: "2015-10-20",
        valid_until: "2025-10-19",
        serial: "01",
        sha256: Some("19645405A1FE14377434BD55957628AC4038557C542403A2243F21C706FC9355"),
    },
    PublishedCa {
        file: "signca02",
        valid_from: "2019-09-14",
        valid_until: "2029-09-14",
        serial: "0132C4AB",
        sha256: Some("79679C33E4CC9319440F1AD120A597FF1844E2EF217063ADB176966FD5E6FBEB"),
    },
    PublishedCa {
        file: "signca03",
        valid_from: "2023-07-16",
        valid_until: "2033-07-15",
        serial: "067C6A21",
        sha256: Some("D227F6CDE11D35C5252178F106F843D24651944975413B539FA2FB68DBFA365F"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Auth, Sign};

    #[test]
    fn a_pin_reads_what_it_writes() {
        let pin = Pin::of(b"x");
        assert_eq!(pin.to_string().parse(), Ok(pin));
        let with_colons: Vec<String> = pin.bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(with_colons.join(":").parse(), Ok(pin));
        for bad in ["", "00", "zz", &"0".repeat(63), &"0".repeat(66)] {
            assert_eq!(bad.parse::<Pin>(), Err(AnchorError::PinForm), "{bad}");
        }
    }

    #[test]
    fn the_published_hashes_are_pins() {
        let all = published(KindName::Auth).iter().chain(published(KindName::Sign));
        let pins: BTreeSet<Pin> = all.filter_map(|c| c.sha256).map(|s| s.parse().unwrap()).collect();
        assert_eq!(pins.len(), 5);
    }

    #[test]
    fn production_and_test_stay_apart() {
        assert!(Profile::<Auth>::test("JPKI-TEST").is_ok());
        for name in ["JPKI", "jpki", " JPKI "] {
            assert_eq!(Profile::<Sign>::test(name).unwrap_err(), AnchorError::Mixed);
        }
        let mobile = "1.2.392.200149.8.5.1.1.40";
        assert!(Profile::<Sign>::production().accept_policy(mobile).is_ok());
        for policy in ["1.2.392.200149.8.5.1.0.20", "1.2.392.200149.8.5.1.3.30", "x"] {
            assert!(Profile::<Sign>::production().accept_policy(policy).is_err(), "{policy}");
        }
    }
}
