//! [`PrivacyError`]: what can go wrong at the data officer's desk.

use kenroku_types::Problem;

/// What can go wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PrivacyError {
    /// There is nothing of the kind in this tenant.
    #[error("not found")]
    NotFound,
    /// Something cannot be stored as it is: field and reason each.
    #[error("{} fields cannot be stored as they are", .0.len())]
    Input(Vec<(&'static str, String)>),
    /// The step cannot follow where the matter stands.
    #[error("this cannot follow where it stands now")]
    NotNow,
    /// A rule of the law or of the house forbids the step; its code.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// Somebody else was first.
    #[error("it was changed in between")]
    Stale,
    /// The installation has no いしかわID.
    #[error("the installation has no identity module")]
    NoIdentity,
    /// Something below failed.
    #[error("{0}")]
    Inner(Box<Problem>),
}

/// The result of an operation.
pub type Result<T> = std::result::Result<T, PrivacyError>;

impl From<kenroku_store::Error> for PrivacyError {
    fn from(e: kenroku_store::Error) -> Self {
        match e {
            kenroku_store::Error::Stale | kenroku_store::Error::Unique(_) => PrivacyError::Stale,
            other => PrivacyError::Inner(Box::new(other.into())),
        }
    }
}

impl From<kenroku_vault::Error> for PrivacyError {
    fn from(e: kenroku_vault::Error) -> Self {
        PrivacyError::Inner(Box::new(e.into()))
    }
}

impl From<serde_json::Error> for PrivacyError {
    fn from(e: serde_json::Error) -> Self {
        PrivacyError::Inner(Box::new(Problem::internal().because(&e)))
    }
}

impl From<Problem> for PrivacyError {
    fn from(p: Problem) -> Self {
        PrivacyError::Inner(Box::new(p))
    }
}

impl From<PrivacyError> for Problem {
    fn from(e: PrivacyError) -> Problem {
        match e {
            PrivacyError::NotFound => Problem::not_found(),
            PrivacyError::Input(faults) => {
                let p = Problem::new(422, "privacy.input", "This cannot be stored as it is")
                    .next("Correct the fields named and send it again.");
                faults.into_iter().fold(p, |p, (field, why)| p.field(field, "privacy.input", why))
            }
            PrivacyError::NotNow => {
                Problem::new(409, "privacy.not-now", "This cannot follow where it stands now")
                    .next("Look at how it stands, then decide again.")
            }
            PrivacyError::Refused(why) => {
                Problem::new(409, format!("privacy.{why}"), "This step is not allowed now")
                    .next("Look at how it stands and at what is missing, then decide again.")
            }
            PrivacyError::Stale => Problem::conflict("It was changed in between."),
            PrivacyError::NoIdentity => Problem::unavailable("This installation has no いしかわID."),
            PrivacyError::Inner(p) => *p,
        }
    }
}
