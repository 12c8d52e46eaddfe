//! Where the state of a certificate is learned: the trait, its answer, and how several sources are asked in turn.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin as Pinned;
use std::sync::Arc;
use std::time::Duration;

use kenroku_types::Timestamp;
use x509_cert::ext::pkix::name::GeneralName;

use crate::anchor::{Anchor, Pin};
use crate::kind::KindName;
use crate::validity::Mode;
use crate::verify::{CredentialId, Serial};

/// A certificate whose state is asked for.
#[derive(Clone, Copy)]
pub struct Certificate<'a> {
    pub(crate) kind: KindName,
    pub(crate) der: &'a [u8],
    pub(crate) serial: &'a Serial,
    pub(crate) issuer: &'a Anchor,
    pub(crate) points: &'a [GeneralName],
}

impl<'a> Certificate<'a> {
    /// Which of the two of a card.
    pub fn kind(&self) -> KindName {
        self.kind
    }

    /// The certificate itself. A 署名用 one contains the attributes.
    pub fn der(&self) -> &'a [u8] {
        self.der
    }

    /// Its serial number.
    pub fn serial(&self) -> &'a Serial {
        self.serial
    }

    /// The CA that issued it.
    pub fn issuer(&self) -> Pin {
        self.issuer.pin
    }
}

impl fmt::Debug for Certificate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, …)", self.kind.as_str())
    }
}

/// How the state was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// A certificate revocation list.
    Crl,
    /// The online protocol of RFC 6960.
    Ocsp,
    /// A platform operator (プラットフォーム事業者) who asked J-LIS.
    Operator,
    /// Decided by a test.
    Fixed,
}

impl Method {
    /// The word for storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Crl => "crl",
            Method::Ocsp => "ocsp",
            Method::Operator => "operator",
            Method::Fixed => "fixed",
        }
    }
}

/// Why a certificate was revoked (RFC 5280 §5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No reason is given, or one without a name.
    Unspecified,
    /// The key may be known to others: loss or theft.
    KeyCompromise,
    /// The CA's key may be known to others.
    CaCompromise,
    /// The attributes changed: a move, a new name.
    AffiliationChanged,
    /// Replaced by another.
    Superseded,
    /// Not needed any more: returned, or the holder died.
    CessationOfOperation,
    /// Suspended (一時停止).
    CertificateHold,
    /// A privilege was withdrawn.
    PrivilegeWithdrawn,
}

impl Reason {
    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            1 => Reason::KeyCompromise,
            2 => Reason::CaCompromise,
            3 => Reason::AffiliationChanged,
            4 => Reason::Superseded,
            5 => Reason::CessationOfOperation,
            6 => Reason::CertificateHold,
            9 => Reason::PrivilegeWithdrawn,
            _ => Reason::Unspecified,
        }
    }
}

/// What a source says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not revoked.
    Good,
    /// Revoked or suspended.
    Revoked {
        /// Since when, if it says so.
        since: Option<Timestamp>,
        /// Why.
        reason: Reason,
    },
}

/// An answer with its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The state.
    pub status: Status,
    /// How it was learned.
    pub method: Method,
    /// The moment it describes (thisUpdate).
    pub as_of: Timestamp,
    /// Until when newer data is promised (nextUpdate).
    pub next_update: Option<Timestamp>,
    /// How old it may be in ordinary times, as configured.
    pub max_age: Duration,
    /// Which source, for the record: a file name, a host.
    pub source: Cow<'static, str>,
}

/// How far another clock may be ahead of ours.
const SKEW: Duration = Duration::from_secs(5 * 60);

impl Answer {
    /// Whether it is new enough. Data from the future is not.
    pub fn is_fresh(&self, mode: Mode<'_>, now: Timestamp) -> bool {
        if self.as_of > now.plus(SKEW) {
            return false;
        }
        let within = |age: Duration| self.as_of.plus(age) >= now;
        match mode.disaster_at(now) {
            Some(disaster) => within(disaster.max_age().max(self.max_age)),
            None => within(self.max_age) && self.next_update.is_none_or(|t| now <= t),
        }
    }
}

/// Why a source gives no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It could not be reached, or it refused.
    #[error("no answer: {0}")]
    Unavailable(String),
    /// Its answer is not in the prescribed form, or answers another question.
    #[error("the answer cannot be used: {0}")]
    Unusable(&'static str),
    /// Its answer is not signed by whom it should be.
    #[error("the answer is not signed by the CA or its responder")]
    Signature,
    /// It does not know this certificate.
    #[error("the certificate is not covered by the source")]
    NotCovered,
}

/// A certificate that a list names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub credential: CredentialId,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: Reason,
}

/// What lists there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListsState {
    /// Lists in use; those that a newer one of the same CA and scope replaces do not count.
    pub lists: usize,
    /// Those of them that are too old.
    pub stale: usize,
    /// The CAs that have at least one fresh list.
    pub covered: Vec<Pin>,
}

/// Whole lists of revoked certificates: for comparing them with what is kept, instead of asking about each.
pub trait CardLists: Send + Sync {
    /// What there is at this moment.
    fn state(&self, now: Timestamp) -> ListsState;

    /// At most `n` entries after the first `from`, in an order that stays; fewer at the end. Entries of lists that are
    /// too old are among them: what was revoked stays revoked.
    fn portion(&self, from: usize, n: usize) -> Vec<Listed>;
}

impl<L: CardLists + ?Sized> CardLists for &L {
    fn state(&self, now: Timestamp) -> ListsState {
        (**self).state(now)
    }
    fn portion(&self, from: usize, n: usize) -> Vec<Listed> {
        (**self).portion(from, n)
    }
}

impl<L: CardLists + ?Sized> CardLists for Arc<L> {
    fn state(&self, now: Timestamp) -> ListsState {
        (**self).state(now)
    }
    fn portion(&self, from: usize, n: usize) -> Vec<Listed> {
        (**self).portion(from, n)
    }
}

/// An answer to come.
pub type Reply<'a, T> = Pinned<Box<dyn Future<Output = Result<T, SourceError>> + Send + 'a>>;

/// A source of revocation data.
///
/// It reports what it knows and how old that is; whether that is enough is decided by [`Answer::is_fresh`], in one
/// place for all sources. An error means “unknown”, which is never “good”.
pub trait RevocationSource: Send + Sync {
    /// The state of a certificate. `mode` matters only to sources that choose between several answers.
    fn status<'a>(&'a self, of: Certificate<'a>, mode: Mode<'a>, now: Timestamp) -> Reply<'a, Answer>;

    /// The lists themselves, from sources that hold some. Others answer about one certificate at a time.
    fn lists(&self) -> Reply<'_, Box<dyn CardLists + '_>> {
        let none = SourceError::Unusable("it answers about one certificate at a time");
        Box::pin(std::future::ready(Err(none)))
    }
}

/// Asks sources in order (for example OCSP, then the list on disk) until one gives a fresh answer. “Revoked” ends the
/// search however old it is: no other source can make it good again.
pub struct FirstOf(Vec<Box<dyn RevocationSource>>);

impl FirstOf {
    /// In this order.
    pub fn new(sources: Vec<Box<dyn RevocationSource>>) -> Self {
        FirstOf(sources)
    }
}

impl fmt::Debug for FirstOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FirstOf({} sources)", self.0.len())
    }
}

impl RevocationSource for FirstOf {
    fn status<'a>(&'a self, of: Certificate<'a>, mode: Mode<'a>, now: Timestamp) -> Reply<'a, Answer> {
        Box::pin(async move {
            let mut newest: Option<Answer> = None;
            let mut error = SourceError::Unavailable("no source is configured".to_owned());
            for source in &self.0 {
                match source.status(of, mode, now).await {
                    Ok(a) if matches!(a.status, Status::Revoked { .. }) || a.is_fresh(mode, now) => {
                        return Ok(a);
                    }
                    Ok(a) if newest.as_ref().is_none_or(|n| n.as_of < a.as_of) => newest = Some(a),
                    Ok(_) => {}
                    Err(e) => error = e,
                }
            }
            newest.ok_or(error)
        })
    }

    fn lists(&self) -> Reply<'_, Box<dyn CardLists + '_>> {
        Box::pin(async move {
            let mut error = SourceError::Unavailable("no source is configured".to_owned());
            for source in &self.0 {
                match source.lists().await {
                    Ok(lists) => return Ok(lists),
                    Err(e) => error = e,
                }
            }
            Err(error)
        })
    }
}

/// A source whose answers a test decides.
#[cfg(any(test, feature = "testing"))]
#[derive(Clone, Debug)]
pub struct Fixed {
    /// What it answers to every question.
    pub answer: Result<Answer, SourceError>,
}

#[cfg(any(test, feature = "testing"))]
impl Fixed {
    /// “Good” as of this moment.
    pub fn good(as_of: Timestamp) -> Self {
        Self::with(Status::Good, as_of)
    }

    /// Any state as of this moment, usable for a day.
    pub fn with(status: Status, as_of: Timestamp) -> Self {
        let max_age = Duration::from_secs(86_400);
        let answer = Answer {
            status,
            method: Method::Fixed,
            as_of,
            next_update: None,
            max_age,
            source: "test".into(),
        };
        Fixed { answer: Ok(answer) }
    }

    /// Nobody answers.
    pub fn silent() -> Self {
        Fixed { answer: Err(SourceError::Unavailable("test".to_owned())) }
    }
}

#[cfg(any(test, feature = "testing"))]
impl RevocationSource for Fixed {
    fn status<'a>(&'a self, _: Certificate<'a>, _: Mode<'a>, _: Timestamp) -> Reply<'a, Answer> {
        Box::pin(std::future::ready(self.answer.clone()))
    }
}
