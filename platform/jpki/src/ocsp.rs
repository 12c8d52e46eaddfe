//! The online protocol (RFC 6960): one question, one signed answer. The transport is injected.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use der::asn1::{AnyRef, BitStringRef, ContextSpecific, Null, OctetString};
use der::referenced::OwnedToRef;
use der::{Any, Decode, Encode, Reader, SliceReader, TagNumber};
use kenroku_types::{Rng, Timestamp};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use x509_cert::TbsCertificate;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, AlgorithmIdentifierRef};
use x509_ocsp::{
    CertId, CertStatus, OcspRequest, OcspResponse, OcspResponseStatus, Request, ResponseData, SingleResponse,
    TbsRequest, Version,
};

use crate::algorithm::{Algorithms, PublicKey, SignatureAlgorithm};
use crate::anchor::{Anchor, Pin};
use crate::oid;
use crate::revocation::{Answer, Certificate, Method, Reason, Reply, RevocationSource, SourceError, Status};
use crate::signed::{Signed, timestamp};
use crate::validity::Mode;

/// Carries a request to the responder and its answer back: HTTP POST with `application/ocsp-request` (RFC 6960
/// appendix A), over whatever line J-LIS prescribes. Where requests must be signed by the verifier, the transport
/// signs them: how is under the agreement with J-LIS.
pub trait OcspTransport: Send + Sync {
    /// DER of an OCSPRequest in, DER of an OCSPResponse out.
    fn ask(&self, request: Vec<u8>) -> Reply<'_, Vec<u8>>;
}

/// A responder as a source.
pub struct Ocsp<T> {
    transport: T,
    rng: Rng,
    name: Cow<'static, str>,
    max_age: Duration,
    needs_nonce: bool,
    responders: Vec<Pin>,
}

impl<T: OcspTransport> Ocsp<T> {
    /// `name` for the record, answers no older than `max_age`. Answers must repeat the request's nonce unless
    /// [`Ocsp::without_nonce`] says otherwise.
    pub fn new(transport: T, rng: Rng, name: impl Into<Cow<'static, str>>, max_age: Duration) -> Self {
        Ocsp { transport, rng, name: name.into(), max_age, needs_nonce: true, responders: Vec::new() }
    }

    /// For responders that answer without repeating the nonce: an old answer can then be replayed until it is too old.
    #[must_use]
    pub fn without_nonce(mut self) -> Self {
        self.needs_nonce = false;
        self
    }

    /// Accepts delegated responder certificates only when they have one of these hashes.
    #[must_use]
    pub fn pin_responders(mut self, pins: Vec<Pin>) -> Self {
        self.responders = pins;
        self
    }

    fn read(&self, response: &[u8], asked: &Asked<'_>, now: Timestamp) -> Result<Answer, SourceError> {
        let unusable = |_| SourceError::Unusable("not an OCSP response");
        let response = OcspResponse::from_der(response).map_err(unusable)?;
        if response.response_status != OcspResponseStatus::Successful {
            return Err(SourceError::Unavailable(format!(
                "the responder says {:?}",
                response.response_status
            )));
        }
        let bytes = response.response_bytes.ok_or(SourceError::Unusable("it is empty"))?;
        if bytes.response_type != oid::OCSP_BASIC {
            return Err(SourceError::Unusable("it is of another type"));
        }
        let basic = Basic::split(bytes.response.as_bytes()).map_err(unusable)?;
        self.authenticate(&basic, asked.issuer, now)?;
        let data = ResponseData::from_der(basic.tbs).map_err(unusable)?;
        self.check_nonce(data.response_extensions.as_deref().unwrap_or_default(), &asked.nonce)?;
        let one = data
            .responses
            .iter()
            .find(|r| asked.is_about(&r.cert_id))
            .ok_or(SourceError::Unusable("it answers another question"))?;
        if has_critical(data.response_extensions.as_deref()) || has_critical(one.single_extensions.as_deref())
        {
            return Err(SourceError::Unusable("it has an unknown critical extension"));
        }
        Ok(Answer {
            status: status(one)?,
            method: Method::Ocsp,
            as_of: timestamp(one.this_update.0.into()),
            next_update: one.next_update.map(|t| timestamp(t.0.into())),
            max_age: self.max_age,
            source: self.name.clone(),
        })
    }

    /// Signed by the CA that issued the certificate in question, or by a responder to whom it delegated this.
    fn authenticate(&self, basic: &Basic<'_>, issuer: &Anchor, now: Timestamp) -> Result<(), SourceError> {
        let algorithms = Algorithms { elliptic_curves: !matches!(issuer.key, PublicKey::Rsa2048(_)) };
        let algorithm =
            SignatureAlgorithm::read(basic.algorithm, algorithms).map_err(|_| SourceError::Signature)?;
        if self.responders.is_empty() && issuer.key.verifies(algorithm, basic.tbs, basic.signature) {
            return Ok(());
        }
        let delegated = basic
            .certificates
            .iter()
            .filter(|der| self.responders.is_empty() || self.responders.contains(&Pin::of(der)))
            .filter_map(|der| responder_key(der, issuer, algorithms, now));
        for key in delegated {
            if key.verifies(algorithm, basic.tbs, basic.signature) {
                return Ok(());
            }
        }
        Err(SourceError::Signature)
    }

    fn check_nonce(&self, extensions: &[Extension], nonce: &[u8]) -> Result<(), SourceError> {
        let repeated = extensions.iter().find(|e| e.extn_id == oid::OCSP_NONCE);
        let Some(repeated) = repeated else {
            let missing = SourceError::Unusable("it does not repeat the nonce");
            return if self.needs_nonce { Err(missing) } else { Ok(()) };
        };
        match OctetString::from_der(repeated.extn_value.as_bytes()) {
            Ok(value) if value.as_bytes() == nonce => Ok(()),
            _ => Err(SourceError::Unusable("it repeats another nonce")),
        }
    }
}

impl<T> fmt::Debug for Ocsp<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ocsp({})", self.name)
    }
}

impl<T: OcspTransport> RevocationSource for Ocsp<T> {
    fn status<'a>(&'a self, of: Certificate<'a>, _: Mode<'a>, now: Timestamp) -> Reply<'a, Answer> {
        Box::pin(async move {
            let asked = Asked::new(of, self.rng.bytes())
                .map_err(|_| SourceError::Unusable("the request cannot be written"))?;
            let request =
                asked.request().map_err(|_| SourceError::Unusable("the request cannot be written"))?;
            let response = self.transport.ask(request).await?;
            self.read(&response, &asked, now)
        })
    }
}

/// A question.
struct Asked<'a> {
    id: CertId,
    issuer: &'a Anchor,
    nonce: [u8; 32],
}

impl<'a> Asked<'a> {
    fn new(of: Certificate<'a>, nonce: [u8; 32]) -> der::Result<Self> {
        // SHA-1 finds the CA here and protects nothing; every responder knows it (RFC 5019 §2.1.1).
        let hash = |bytes: &[u8]| OctetString::new(digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref());
        let id = CertId {
            hash_algorithm: AlgorithmIdentifierOwned { oid: oid::SHA1, parameters: Some(Any::from(Null)) },
            issuer_name_hash: hash(&of.issuer.subject)?,
            issuer_key_hash: hash(&of.issuer.key_bits)?,
            serial_number: SerialNumber::new(of.serial.bytes())?,
        };
        Ok(Asked { id, issuer: of.issuer, nonce })
    }

    fn request(&self) -> der::Result<Vec<u8>> {
        let nonce = OctetString::new(self.nonce.as_slice())?.to_der()?;
        let nonce =
            Extension { extn_id: oid::OCSP_NONCE, critical: false, extn_value: OctetString::new(nonce)? };
        let request = OcspRequest {
            tbs_request: TbsRequest {
                version: Version::V1,
                requestor_name: None,
                request_list: vec![Request { req_cert: self.id.clone(), single_request_extensions: None }],
                request_extensions: Some(vec![nonce]),
            },
            optional_signature: None,
        };
        request.to_der()
    }

    /// The parameters of the hash algorithm may be NULL or absent.
    fn is_about(&self, id: &CertId) -> bool {
        id.hash_algorithm.oid == self.id.hash_algorithm.oid
            && id.issuer_name_hash == self.id.issuer_name_hash
            && id.issuer_key_hash == self.id.issuer_key_hash
            && id.serial_number == self.id.serial_number
    }
}

fn status(one: &SingleResponse) -> Result<Status, SourceError> {
    match &one.cert_status {
        CertStatus::Good(_) => Ok(Status::Good),
        CertStatus::Revoked(info) => Ok(Status::Revoked {
            since: Some(timestamp(info.revocation_time.0.into())),
            reason: info.revocation_reason.map_or(Reason::Unspecified, |r| Reason::from_code(r as u8)),
        }),
        CertStatus::Unknown(_) => Err(SourceError::NotCovered),
    }
}

fn has_critical(extensions: Option<&[Extension]>) -> bool {
    extensions.unwrap_or_default().iter().any(|e| e.critical && e.extn_id != oid::OCSP_NONCE)
}

/// BasicOCSPResponse with the signed bytes as they came.
struct Basic<'a> {
    tbs: &'a [u8],
    algorithm: AlgorithmIdentifierRef<'a>,
    signature: &'a [u8],
    certificates: Vec<Vec<u8>>,
}

impl<'a> Basic<'a> {
    fn split(bytes: &'a [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(bytes)?;
        let basic = reader.sequence(|r| {
            let tbs = r.tlv_bytes()?;
            let algorithm = AlgorithmIdentifierRef::decode(r)?;
            let signature = BitStringRef::decode(r)?;
            let signature = signature.as_bytes().ok_or_else(|| der::Tag::BitString.value_error())?;
            let certs = ContextSpecific::<Vec<AnyRef<'a>>>::decode_explicit(r, TagNumber::N0)?;
            let certs = certs.map(|c| c.value).unwrap_or_default();
            let certificates = certs.iter().map(Encode::to_der).collect::<der::Result<_>>()?;
            Ok(Basic { tbs, algorithm, signature, certificates })
        })?;
        reader.finish(basic)
    }
}

/// The key of a delegated responder (RFC 6960 §4.2.2.2): its certificate is signed directly by the same CA, valid now,
/// and made for signing OCSP answers. Whether the responder itself was revoked is not asked; its certificate is short-lived
/// or pinned.
fn responder_key(der: &[u8], issuer: &Anchor, algorithms: Algorithms, now: Timestamp) -> Option<PublicKey> {
    let signed = Signed::split(der).ok()?;
    let tbs = TbsCertificate::from_der(signed.tbs).ok()?;
    let algorithm = SignatureAlgorithm::read(signed.algorithm, algorithms).ok()?;
    let from_issuer = tbs.signature.owned_to_ref() == signed.algorithm
        && tbs.issuer.to_der().ok()? == issuer.subject
        && issuer.key.verifies(algorithm, signed.tbs, signed.signature);
    let in_time = timestamp(tbs.validity.not_before) <= now && now <= timestamp(tbs.validity.not_after);
    if !from_issuer || !in_time {
        return None;
    }
    let mut may_answer = false;
    for e in tbs.extensions.iter().flatten() {
        let value = e.extn_value.as_bytes();
        match e.extn_id {
            oid::EXTENDED_KEY_USAGE => {
                may_answer = ExtendedKeyUsage::from_der(value).ok()?.0.contains(&oid::OCSP_SIGNING);
            }
            oid::KEY_USAGE if !KeyUsage::from_der(value).ok()?.0.contains(KeyUsages::DigitalSignature) => {
                return None;
            }
            oid::BASIC_CONSTRAINTS if BasicConstraints::from_der(value).ok()?.ca => return None,
            oid::KEY_USAGE | oid::BASIC_CONSTRAINTS | oid::CERTIFICATE_POLICIES => {}
            _ if e.critical => return None,
            _ => {}
        }
    }
    if !may_answer {
        return None;
    }
    PublicKey::read(tbs.subject_public_key_info.owned_to_ref(), algorithms).ok()
}
