//! Certificate revocation lists (RFC 5280 §5), read entry by entry: a nationwide list has millions.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use der::asn1::{ContextSpecific, UintRef};
use der::{Decode, Reader, SliceReader, Tag, TagNumber};
use kenroku_types::Timestamp;
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlReason, IssuingDistributionPoint};
use x509_cert::spki::AlgorithmIdentifierRef;
use x509_cert::time::Time;

use crate::algorithm::SignatureAlgorithm;
use crate::anchor::{Anchors, Pin};
use crate::kind::Kind;
use crate::oid;
use crate::refusal::Refusal;
use crate::revocation::{
    Answer, CardLists, Certificate, Listed, ListsState, Method, Reason, Reply, RevocationSource, SourceError,
    Status,
};
use crate::signed::{Signed, timestamp};
use crate::validity::Mode;
use crate::verify::{CredentialId, Serial};

/// Why a list is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlError {
    /// Not the DER of RFC 5280 §5.1.
    #[error("the list cannot be read: {0}")]
    Malformed(&'static str),
    /// A list of changes, for CAs, for some reasons only, or on behalf of another CA: it would answer wrongly.
    #[error("the list is not a full list of one CA's end certificates: {0}")]
    Scope(&'static str),
    /// A critical extension that we do not understand.
    #[error("the list has the unknown critical extension {0}")]
    UnknownCritical(String),
    /// No pinned CA has its name and key.
    #[error("no accepted CA issued the list")]
    UnknownIssuer,
    /// The CA did not sign it so.
    #[error("the CA's signature on the list is wrong")]
    Signature,
    /// Its signature algorithm is not accepted.
    #[error(transparent)]
    Algorithm(Refusal),
}

/// One entry: 40 bytes.
#[derive(Clone, Copy)]
struct Entry {
    serial: Serial,
    reason: Reason,
    since: Timestamp,
}

/// A verified list.
pub struct Crl {
    issuer: Pin,
    this_update: Timestamp,
    next_update: Timestamp,
    number: Option<Vec<u8>>,
    /// The distribution points it is for; `None`: all certificates of the CA.
    scope: Option<Vec<GeneralName>>,
    /// Sorted by serial number.
    entries: Vec<Entry>,
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crl")
            .field("issuer", &self.issuer)
            .field("this_update", &self.this_update)
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

/// The signed part.
struct List<'a> {
    issuer: &'a [u8],
    this_update: Time,
    next_update: Option<Time>,
    entries: Vec<Entry>,
    extensions: Extensions,
    algorithm: AlgorithmIdentifierRef<'a>,
}

impl Crl {
    /// Reads a list and verifies that one of the anchors signed it.
    ///
    /// # Errors
    /// [`CrlError`]; nothing of a list that is not accepted is used.
    pub fn load<K: Kind>(der: &[u8], anchors: &Anchors<K>) -> Result<Self, CrlError> {
        let signed = Signed::split(der).map_err(|_| CrlError::Malformed("not a list"))?;
        let list = List::read(signed.tbs)?;
        if list.algorithm != signed.algorithm {
            return Err(CrlError::Malformed("two different signature algorithms"));
        }
        let said = Said::read(&list.extensions)?;
        let issuer = anchors
            .all
            .iter()
            .find(|a| a.subject == list.issuer && Some(&a.key_id) == said.issuer_key_id.as_ref())
            .ok_or(CrlError::UnknownIssuer)?;
        let algorithm = SignatureAlgorithm::read(signed.algorithm, anchors.profile.algorithms())
            .map_err(CrlError::Algorithm)?;
        if !issuer.key.verifies(algorithm, signed.tbs, signed.signature) {
            return Err(CrlError::Signature);
        }
        let mut entries = list.entries;
        entries.sort_unstable_by_key(|e| e.serial);
        Ok(Crl {
            issuer: issuer.pin,
            this_update: timestamp(list.this_update),
            next_update: list.next_update.map(timestamp).ok_or(CrlError::Malformed("no nextUpdate"))?,
            number: said.number,
            scope: said.scope,
            entries,
        })
    }

    /// How many certificates it names.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The moment it describes.
    pub fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// Its number, big-endian without leading zeros; a newer list of the same CA and scope has a greater one.
    pub fn number(&self) -> Option<&[u8]> {
        self.number.as_deref()
    }

    fn covers(&self, certificate: &Certificate<'_>) -> bool {
        self.issuer == certificate.issuer.pin
            && self.scope.as_ref().is_none_or(|s| s.iter().any(|name| certificate.points.contains(name)))
    }

    fn status(&self, serial: &Serial) -> Status {
        match self.entries.binary_search_by_key(serial, |e| e.serial) {
            Ok(at) => match self.entries.get(at) {
                Some(e) => Status::Revoked { since: Some(e.since), reason: e.reason },
                None => Status::Good,
            },
            Err(_) => Status::Good,
        }
    }
}

impl<'a> List<'a> {
    fn read(tbs: &'a [u8]) -> Result<Self, CrlError> {
        let malformed = |_| CrlError::Malformed("not a list");
        let mut reader = SliceReader::new(tbs).map_err(malformed)?;
        // A refusal inside an entry has to leave through der's error type; it is kept here meanwhile.
        let mut refusal = None;
        let list = reader.sequence(|r| {
            // Version 2 is written 1; version 1 knows no extensions, and ours are needed.
            if u8::decode(r)? != 1 {
                return Err(Tag::Integer.value_error());
            }
            let algorithm = AlgorithmIdentifierRef::decode(r)?;
            let issuer = r.tlv_bytes()?;
            let this_update = Time::decode(r)?;
            let next_update = Option::<Time>::decode(r)?;
            let mut entries = Vec::new();
            if !r.is_finished() && r.peek_tag()? == Tag::Sequence {
                r.sequence(|r| {
                    while !r.is_finished() {
                        match entry(r)? {
                            Ok(e) => entries.push(e),
                            Err(e) => refusal = Some(e),
                        }
                    }
                    Ok(())
                })?;
            }
            let extensions = ContextSpecific::<Extensions>::decode_explicit(r, TagNumber::N0)?;
            let extensions = extensions.map(|e| e.value);
            Ok(List {
                issuer,
                this_update,
                next_update,
                entries,
                extensions: extensions.unwrap_or_default(),
                algorithm,
            })
        });
        let list = list.map_err(malformed)?;
        reader.finish(()).map_err(malformed)?;
        match refusal {
            Some(e) => Err(e),
            None => Ok(list),
        }
    }
}

fn entry<'a>(r: &mut impl Reader<'a>) -> der::Result<Result<Entry, CrlError>> {
    r.sequence(|r| {
        let serial =
            Serial::unsigned(UintRef::decode(r)?.as_bytes()).map_err(|_| Tag::Integer.value_error())?;
        let since = timestamp(Time::decode(r)?);
        let mut reason = Reason::Unspecified;
        if !r.is_finished() {
            for e in Extensions::decode(r)? {
                match e.extn_id {
                    oid::REASON_CODE => {
                        let code = CrlReason::from_der(e.extn_value.as_bytes())?;
                        if code == CrlReason::RemoveFromCRL {
                            return Ok(Err(CrlError::Scope(
                                "it takes entries back, as a list of changes does",
                            )));
                        }
                        reason = Reason::from_code(code as u8);
                    }
                    // certificateIssuer is among these: the entry would be another CA's.
                    _ if e.critical => return Ok(Err(CrlError::UnknownCritical(e.extn_id.to_string()))),
                    _ => {}
                }
            }
        }
        Ok(Ok(Entry { serial, reason, since }))
    })
}

/// What the list's own extensions say.
#[derive(Default)]
struct Said {
    issuer_key_id: Option<Vec<u8>>,
    number: Option<Vec<u8>>,
    scope: Option<Vec<GeneralName>>,
}

impl Said {
    fn read(extensions: &Extensions) -> Result<Self, CrlError> {
        let mut said = Said::default();
        for (i, e) in extensions.iter().enumerate() {
            if extensions[..i].iter().any(|before| before.extn_id == e.extn_id) {
                return Err(CrlError::Malformed("an extension occurs twice"));
            }
            let value = e.extn_value.as_bytes();
            match e.extn_id {
                oid::AUTHORITY_KEY_ID => {
                    let id = AuthorityKeyIdentifier::from_der(value)
                        .map_err(|_| CrlError::Malformed("authorityKeyIdentifier"))?;
                    said.issuer_key_id = id.key_identifier.map(|k| k.as_bytes().to_vec());
                }
                oid::CRL_NUMBER => {
                    let n = UintRef::from_der(value).map_err(|_| CrlError::Malformed("cRLNumber"))?;
                    said.number = Some(n.as_bytes().to_vec());
                }
                oid::ISSUING_DISTRIBUTION_POINT => {
                    let point = IssuingDistributionPoint::from_der(value)
                        .map_err(|_| CrlError::Malformed("issuingDistributionPoint"))?;
                    said.scope = scope(point)?;
                }
                // A list of changes marks itself so; it is critical (RFC 5280 §5.2.4) and ends here.
                _ if e.critical => return Err(CrlError::UnknownCritical(e.extn_id.to_string())),
                _ => {}
            }
        }
        Ok(said)
    }
}

fn scope(point: IssuingDistributionPoint) -> Result<Option<Vec<GeneralName>>, CrlError> {
    if point.only_contains_ca_certs || point.only_contains_attribute_certs {
        return Err(CrlError::Scope("it is for other certificates"));
    }
    if point.only_some_reasons.is_some() {
        return Err(CrlError::Scope("it is for some reasons only"));
    }
    if point.indirect_crl {
        return Err(CrlError::Scope("it speaks for other CAs"));
    }
    match point.distribution_point {
        None => Ok(None),
        Some(DistributionPointName::FullName(names)) => Ok(Some(names)),
        Some(DistributionPointName::NameRelativeToCRLIssuer(_)) => {
            Err(CrlError::Scope("its name is relative"))
        }
    }
}

/// Lists from files, as a source. The caller reads the files and makes a new value when they change.
#[derive(Debug)]
pub struct CrlFiles {
    lists: Vec<Crl>,
    max_age: Duration,
    name: Cow<'static, str>,
}

impl CrlFiles {
    /// `max_age` counts from thisUpdate, in ordinary times; nextUpdate limits it too. `name` is for the record.
    pub fn new(lists: Vec<Crl>, max_age: Duration, name: impl Into<Cow<'static, str>>) -> Self {
        CrlFiles { lists, max_age, name: name.into() }
    }

    /// Of each CA and scope, the newest.
    fn newest(&self) -> impl Iterator<Item = &Crl> {
        let replaced = |l: &Crl| {
            let newer =
                |o: &&Crl| o.issuer == l.issuer && o.scope == l.scope && o.this_update > l.this_update;
            self.lists.iter().any(|o| newer(&o))
        };
        self.lists.iter().filter(move |l| !replaced(l))
    }

    fn answer(&self, list: &Crl, status: Status) -> Answer {
        Answer {
            status,
            method: Method::Crl,
            as_of: list.this_update,
            next_update: Some(list.next_update),
            max_age: self.max_age,
            source: self.name.clone(),
        }
    }

    fn find(&self, certificate: Certificate<'_>) -> Result<Answer, SourceError> {
        let covering = || self.lists.iter().filter(|l| l.covers(&certificate));
        let newest = covering().max_by_key(|l| l.this_update).ok_or(SourceError::NotCovered)?;
        Ok(self.answer(newest, newest.status(certificate.serial)))
    }
}

impl CardLists for CrlFiles {
    fn state(&self, now: Timestamp) -> ListsState {
        let mut state = ListsState::default();
        for list in self.newest() {
            state.lists += 1;
            if self.answer(list, Status::Good).is_fresh(Mode::Strict, now) {
                state.covered.push(list.issuer);
            } else {
                state.stale += 1;
            }
        }
        state
    }

    fn portion(&self, from: usize, n: usize) -> Vec<Listed> {
        let (mut skip, mut out) = (from, Vec::new());
        for list in self.newest() {
            let here = list.entries.get(skip.min(list.entries.len())..).unwrap_or_default();
            skip = skip.saturating_sub(list.entries.len());
            let entries = here.iter().take(n - out.len());
            out.extend(entries.map(|e| Listed {
                credential: CredentialId::new(list.issuer, e.serial),
                since: e.since,
                reason: e.reason,
            }));
            if out.len() == n {
                break;
            }
        }
        out
    }
}

impl RevocationSource for CrlFiles {
    fn status<'a>(&'a self, of: Certificate<'a>, _: Mode<'a>, _: Timestamp) -> Reply<'a, Answer> {
        Box::pin(std::future::ready(self.find(of)))
    }

    fn lists(&self) -> Reply<'_, Box<dyn CardLists + '_>> {
        Box::pin(std::future::ready(Ok(Box::new(self) as Box<dyn CardLists + '_>)))
    }
}
