//! Revocation through a platform operator (プラットフォーム事業者, 公的個人認証法 §17) who is a verifier himself.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use kenroku_types::Timestamp;

use crate::revocation::{Answer, Certificate, Method, Reply, RevocationSource, SourceError, Status};
use crate::validity::Mode;

/// What an operator answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorAnswer {
    /// The state.
    pub status: Status,
    /// The moment it describes.
    pub as_of: Timestamp,
}

/// The connection to an operator. Each has an API of its own; an implementation authenticates both sides, sends the
/// certificate and reads the answer. It returns an error for every answer that is not a clear yes or no.
pub trait OperatorTransport: Send + Sync {
    /// Asks about one certificate.
    fn ask<'a>(&'a self, certificate: Certificate<'a>) -> Reply<'a, OperatorAnswer>;
}

/// An operator as a source.
pub struct PlatformOperator<T> {
    transport: T,
    name: Cow<'static, str>,
    max_age: Duration,
}

impl<T: OperatorTransport> PlatformOperator<T> {
    /// `name` for the record; answers older than `max_age` do not count in ordinary times.
    pub fn new(transport: T, name: impl Into<Cow<'static, str>>, max_age: Duration) -> Self {
        PlatformOperator { transport, name: name.into(), max_age }
    }
}

impl<T> fmt::Debug for PlatformOperator<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlatformOperator({})", self.name)
    }
}

impl<T: OperatorTransport> RevocationSource for PlatformOperator<T> {
    fn status<'a>(&'a self, of: Certificate<'a>, _: Mode<'a>, now: Timestamp) -> Reply<'a, Answer> {
        Box::pin(async move {
            let said = self.transport.ask(of).await?;
            if said.as_of > now.plus(Duration::from_secs(300)) {
                return Err(SourceError::Unusable("it describes the future"));
            }
            Ok(Answer {
                status: said.status,
                method: Method::Operator,
                as_of: said.as_of,
                next_update: None,
                max_age: self.max_age,
                source: self.name.clone(),
            })
        })
    }
}
