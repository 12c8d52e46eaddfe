//! A person's certificate: every rule that can be checked without its issuer.

use der::referenced::OwnedToRef;
use der::{Decode, Encode};
use kenroku_types::Timestamp;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints, KeyUsage,
    KeyUsages, SubjectAltName,
};
use x509_cert::{TbsCertificate, Version};

use crate::algorithm::{PublicKey, SignatureAlgorithm};
use crate::anchor::Profile;
use crate::attributes::{Values, ValuesError};
use crate::kind::Kind;
use crate::name::IssuingPlace;
use crate::oid;
use crate::refusal::Refusal;
use crate::signed::{Signed, timestamp};
use crate::verify::Serial;

/// Real ones have less than 2,000 bytes.
const MAX_BYTES: usize = 8 * 1024;

/// A certificate that keeps the rules for leaves. Nobody has vouched for it yet.
#[derive(Clone)]
pub(crate) struct Leaf<K: Kind> {
    pub serial: Serial,
    /// The issuer's name in DER.
    pub issuer: Vec<u8>,
    /// The issuer's key, as the certificate names it.
    pub issuer_key_id: Vec<u8>,
    pub issuer_serial: Option<Serial>,
    pub algorithm: SignatureAlgorithm,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    pub key: PublicKey,
    /// The names of the lists in which it would be revoked.
    pub points: Vec<GeneralName>,
    pub place: Option<IssuingPlace>,
    pub holder: K::Holder,
}

/// What the extensions say.
#[derive(Default)]
struct Extensions {
    issuer_key_id: Option<Vec<u8>>,
    issuer_serial: Option<Serial>,
    usage: Option<KeyUsage>,
    policies: Option<CertificatePolicies>,
    names: Values,
    points: Vec<GeneralName>,
    place: Option<IssuingPlace>,
}

impl<K: Kind> Leaf<K> {
    /// Reads and checks it; also what its issuer must have signed.
    pub fn read<'a>(der: &'a [u8], profile: &Profile<K>) -> Result<(Self, Signed<'a>), Refusal> {
        if der.len() > MAX_BYTES {
            return Err(Refusal::TooLong);
        }
        let signed = Signed::split(der).map_err(|_| Refusal::Malformed("certificate"))?;
        let tbs = TbsCertificate::from_der(signed.tbs).map_err(|_| Refusal::Malformed("certificate"))?;
        if tbs.version != Version::V3 {
            return Err(Refusal::Malformed("certificate version"));
        }
        // RFC 5280 §4.1.1.2: the algorithm that was signed is the one that is named outside.
        if tbs.signature.owned_to_ref() != signed.algorithm {
            return Err(Refusal::Malformed("signature algorithm"));
        }
        let algorithm = SignatureAlgorithm::read(signed.algorithm, profile.algorithms())?;
        if tbs.issuer == tbs.subject {
            return Err(Refusal::SelfSigned);
        }
        let said = Extensions::read(tbs.extensions.as_deref().unwrap_or_default())?;
        match said.usage {
            Some(usage) if usage.0.contains(KeyUsages::KeyCertSign) => return Err(Refusal::IsCa),
            Some(usage) if usage.0 == K::key_usage() => {}
            _ => return Err(Refusal::KeyUsage),
        }
        match said.policies.as_ref().map(|p| p.0.as_slice()) {
            Some([policy]) if profile.accepts(&policy.policy_identifier) => {}
            _ => return Err(Refusal::Policy),
        }
        let leaf = Leaf {
            serial: Serial::read(&tbs.serial_number)?,
            issuer: tbs.issuer.to_der().map_err(|_| Refusal::Malformed("issuer"))?,
            issuer_key_id: said.issuer_key_id.ok_or(Refusal::UnknownIssuer)?,
            issuer_serial: said.issuer_serial,
            algorithm,
            not_before: timestamp(tbs.validity.not_before),
            not_after: timestamp(tbs.validity.not_after),
            key: PublicKey::read(tbs.subject_public_key_info.owned_to_ref(), profile.algorithms())?,
            points: said.points,
            place: said.place,
            holder: K::holder(&said.names)?,
        };
        Ok((leaf, signed))
    }
}

impl Extensions {
    fn read(all: &[Extension]) -> Result<Self, Refusal> {
        let mut said = Extensions::default();
        for (i, e) in all.iter().enumerate() {
            if all[..i].iter().any(|before| before.extn_id == e.extn_id) {
                return Err(Refusal::DuplicateExtension(e.extn_id.to_string()));
            }
            said.take(e)?;
        }
        Ok(said)
    }

    fn take(&mut self, e: &Extension) -> Result<(), Refusal> {
        let value = e.extn_value.as_bytes();
        match e.extn_id {
            oid::KEY_USAGE => {
                if !e.critical {
                    return Err(Refusal::KeyUsage);
                }
                self.usage = Some(KeyUsage::from_der(value).map_err(|_| Refusal::Malformed("keyUsage"))?);
            }
            oid::CERTIFICATE_POLICIES => {
                if !e.critical {
                    return Err(Refusal::Policy);
                }
                let policies = CertificatePolicies::from_der(value);
                self.policies = Some(policies.map_err(|_| Refusal::Malformed("certificatePolicies"))?);
            }
            oid::BASIC_CONSTRAINTS => {
                let basic = BasicConstraints::from_der(value);
                if basic.map_err(|_| Refusal::Malformed("basicConstraints"))?.ca {
                    return Err(Refusal::IsCa);
                }
            }
            oid::SUBJECT_ALT_NAME => {
                let names =
                    SubjectAltName::from_der(value).map_err(|_| Refusal::Malformed("subjectAltName"))?;
                self.names = Values::collect(&names).map_err(|e| match e {
                    ValuesError::Duplicate(oid) => Refusal::DuplicateAttribute(oid.to_string()),
                    ValuesError::Form => Refusal::Malformed("attribute"),
                })?;
            }
            oid::AUTHORITY_KEY_ID => {
                let id = AuthorityKeyIdentifier::from_der(value);
                let id = id.map_err(|_| Refusal::Malformed("authorityKeyIdentifier"))?;
                self.issuer_key_id = id.key_identifier.map(|k| k.as_bytes().to_vec());
                self.issuer_serial =
                    id.authority_cert_serial_number.as_ref().map(Serial::read).transpose()?;
            }
            oid::CRL_DISTRIBUTION_POINTS => {
                let points = CrlDistributionPoints::from_der(value);
                let points = points.map_err(|_| Refusal::Malformed("cRLDistributionPoints"))?;
                self.place = IssuingPlace::read(&points);
                let names = points.0.into_iter().filter_map(|p| match p.distribution_point {
                    Some(DistributionPointName::FullName(names)) => Some(names),
                    _ => None,
                });
                self.points = names.flatten().collect();
            }
            // Its key's name says nothing that a check could rest on; it may be marked critical without harm.
            oid::SUBJECT_KEY_ID => {}
            _ if e.critical => return Err(Refusal::UnknownCritical(e.extn_id.to_string())),
            _ => {}
        }
        Ok(())
    }
}
