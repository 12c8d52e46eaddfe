//! [`IdentityError`]: what can go wrong with people and their sign-ins.

use kenroku_access::accounts::AccountError;
use kenroku_types::Problem;

/// What can go wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum IdentityError {
    /// Whatever was wrong with a sign-in: it is not told.
    #[error("the sign-in was refused")]
    Refused,
    /// Too many failures; wait this many seconds.
    #[error("too many failed attempts; blocked for {0} s")]
    TooManyAttempts(u32),
    /// Too many sign-ins wait for their password to be checked.
    #[error("too many sign-ins at once")]
    Busy,
    /// The ticket is unknown, used or too old.
    #[error("this was begun too long ago, or is done already")]
    Over,
    /// Somebody with these attributes is registered already; an operator looks at it.
    #[error("somebody with these attributes is registered already")]
    Duplicate,
    /// The certificate for signatures is no longer valid: the person moved, was renamed or renewed the card.
    #[error("the registered attributes are no longer valid; prove them again")]
    ProveAgain,
    /// This credential belongs to somebody already.
    #[error("this is registered already")]
    CredentialTaken,
    /// The last way to sign in cannot be removed.
    #[error("the last way to sign in cannot be removed")]
    LastCredential,
    /// An input that cannot be used: field, code, what is wrong.
    #[error("{0}: {2}")]
    Input(&'static str, &'static str, String),
    /// Another provider, to which the person was sent, did not do its part.
    #[error("the other service did not answer as it should")]
    Elsewhere,
    /// There is nothing of the kind.
    #[error("not found")]
    NotFound,
    /// Somebody else changed it first.
    #[error("changed by somebody else")]
    Stale,
    /// Something below failed.
    #[error("{0}")]
    Inner(Box<Problem>),
}

/// The result of an operation on people.
pub type Result<T> = std::result::Result<T, IdentityError>;

impl From<kenroku_store::Error> for IdentityError {
    fn from(e: kenroku_store::Error) -> Self {
        match e {
            kenroku_store::Error::Stale => IdentityError::Stale,
            other => IdentityError::Inner(Box::new(other.into())),
        }
    }
}

impl From<kenroku_vault::Error> for IdentityError {
    fn from(e: kenroku_vault::Error) -> Self {
        IdentityError::Inner(Box::new(e.into()))
    }
}

impl From<kenroku_bus::Error> for IdentityError {
    fn from(e: kenroku_bus::Error) -> Self {
        IdentityError::Inner(Box::new(Problem::internal().because(&e)))
    }
}

impl From<kenroku_places::DataError> for IdentityError {
    fn from(e: kenroku_places::DataError) -> Self {
        IdentityError::Inner(Box::new(Problem::internal().because(&e)))
    }
}

impl From<serde_json::Error> for IdentityError {
    fn from(e: serde_json::Error) -> Self {
        IdentityError::Inner(Box::new(Problem::internal().because(&e)))
    }
}

impl From<AccountError> for IdentityError {
    fn from(e: AccountError) -> Self {
        match e {
            AccountError::SignInRefused => IdentityError::Refused,
            AccountError::TooManyAttempts(s) => IdentityError::TooManyAttempts(s),
            AccountError::Busy => IdentityError::Busy,
            AccountError::WeakPassword(why) => {
                IdentityError::Input("password", "identity.weak-password", why.to_owned())
            }
            other => IdentityError::Inner(Box::new(other.into())),
        }
    }
}

impl From<IdentityError> for Problem {
    fn from(e: IdentityError) -> Problem {
        let says = e.to_string();
        match e {
            IdentityError::Refused => Problem::new(401, "identity.refused", "The sign-in was refused")
                .next("Try again, or choose another way to sign in."),
            IdentityError::TooManyAttempts(seconds) => {
                Problem::new(429, "identity.too-many-attempts", "Too many failed attempts")
                    .next("Wait for the time given in Retry-After, then try again.")
                    .retry_after(seconds)
            }
            IdentityError::Busy => Problem::unavailable("Many people are signing in at this moment."),
            IdentityError::Over => {
                Problem::new(410, "identity.over", "This was begun too long ago, or is done")
                    .next("Begin again from the first page.")
            }
            IdentityError::Duplicate => Problem::new(
                409,
                "identity.duplicate",
                "Somebody with these attributes is registered already",
            )
            .next("Sign in to the ID you have; if you have none, an operator looks at it and tells you."),
            IdentityError::ProveAgain => {
                Problem::new(410, "identity.prove-again", "The registered attributes are no longer valid")
                    .next("Register again with the new card; everything you use stays with you.")
            }
            IdentityError::CredentialTaken => {
                Problem::new(409, "identity.taken", "This is registered already")
                    .next("Sign in with it, or use another one.")
            }
            IdentityError::LastCredential => {
                Problem::new(409, "identity.last-credential", "The last way to sign in cannot be removed")
                    .next("Add another way to sign in first.")
            }
            IdentityError::Input(field, code, detail) => {
                Problem::new(422, code, "This cannot be stored as it is")
                    .next("Correct the marked field and send it again.")
                    .field(field, code, detail)
            }
            IdentityError::Elsewhere => {
                Problem::new(502, "identity.elsewhere", "The other service did not answer as it should")
                    .next("Try again later, or sign in another way.")
            }
            IdentityError::NotFound => Problem::not_found(),
            IdentityError::Stale => Problem::conflict(says),
            IdentityError::Inner(p) => *p,
        }
    }
}
