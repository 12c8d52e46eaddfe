//! Who a person is for others: the port that the personal-data broker stands on. What modules can hand on about people
//! is `kenroku_vault::share`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use kenroku_types::Problem;
use kenroku_types::ids::SubjectId;

/// What a port's call returns.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'a>>;

/// Turns one sector's name for a person into another's. Only the broker asks: whoever holds both names could join
/// what two services know.
pub trait Pseudonyms: Send + Sync {
    /// The person's pseudonym in `to`, made at the first question; `None` when `from` knows nobody by this one.
    fn translate<'a>(
        &'a self,
        from: &'a str,
        subject: SubjectId,
        to: &'a str,
    ) -> Answer<'a, Option<SubjectId>>;
}

/// How the port is put into the app. Absent: the installation has no いしかわID, and nothing is handed on.
#[derive(Clone)]
pub struct PseudonymsPort(pub Arc<dyn Pseudonyms>);

impl fmt::Debug for PseudonymsPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PseudonymsPort")
    }
}
