//! [`Error`]: why something could not be sealed, opened, logged or checked. No message carries a value.

use kenroku_types::Problem;

/// What can go wrong in the vault.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The person's keys were destroyed: nobody can read this any more.
    #[error("the data of this person was erased")]
    Erased,
    /// Nothing was ever sealed for this person here.
    #[error("nothing is sealed for this person")]
    SubjectUnknown,
    /// The value was moved from another row, field or person, or altered.
    #[error("the sealed value does not belong here, or was altered")]
    NotAuthentic,
    /// Not a sealed value of a format this release knows.
    #[error("these bytes are not a sealed value of a known format")]
    Malformed,
    /// The key version it was sealed under does not exist (any more).
    #[error("the key version {0} of this sealed value does not exist")]
    KeyGone(u32),
    /// It opened, but holds something else than the type asks for.
    #[error("the sealed value holds something else than the code expects")]
    Content,
    /// The purpose does not cover the field's category of data.
    #[error("the purpose {purpose} does not cover {field}")]
    NotForPurpose {
        /// The purpose's code.
        purpose: &'static str,
        /// The field.
        field: String,
    },
    /// The permission opens no data of the field's legal class.
    #[error("the permission {permission} does not open {field}, which needs special care")]
    NotForPermission {
        /// The permission's id.
        permission: &'static str,
        /// The field.
        field: String,
    },
    /// The purpose rests on consent and none was named for this person.
    #[error("the purpose {0} needs the consent of every person it opens")]
    ConsentMissing(&'static str),
    /// The consent or entry named does not hold now, or is not this person's.
    #[error("what the purpose {0} rests on does not hold (any more)")]
    ConsentOver(&'static str),
    /// Nobody answers for consents of this kind, so nothing was opened.
    #[error("nobody answers for {0}, so nothing was opened")]
    NobodyAnswers(&'static str),
    /// The purpose is for the person's own eyes, and somebody else asked.
    #[error("the purpose {0} is for the person themself")]
    NotOwn(&'static str),
    /// A purpose or field that no module of this program declares.
    #[error("{0} is not declared by any module; list it in the module's value")]
    Undeclared(String),
    /// Two modules declare the same thing, or a declaration is incomplete.
    #[error("declaration: {0}")]
    Declaration(String),
    /// The reader was not disclosed this person or field.
    #[error("{0} was not disclosed to this reader")]
    NotDisclosed(String),
    /// The reader is older than the bound within which erasure takes effect.
    #[error("the disclosure is over; disclose again")]
    Over,
    /// The log cannot be written, so nothing was opened.
    #[error("the access log cannot be written, so nothing was opened: {0}")]
    LogUnavailable(String),
    /// The master key file is missing, readable by others, or not the one that wraps these keys.
    #[error("master key: {0}")]
    Master(String),
    /// The witness outside could not be written or read, or contradicts itself.
    #[error("witness: {0}")]
    Witness(String),
    /// A primitive refused its input; with checked lengths this does not happen.
    #[error("cryptography: {0}")]
    Crypto(&'static str),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A storage error that can be compared in tests.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct StoreError(#[from] pub kenroku_store::Error);

impl PartialEq for StoreError {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_string() == other.0.to_string()
    }
}

impl From<kenroku_store::Error> for Error {
    fn from(e: kenroku_store::Error) -> Self {
        Error::Store(StoreError(e))
    }
}

/// The result of a vault operation.
pub type Result<T> = std::result::Result<T, Error>;

impl From<Error> for Problem {
    fn from(e: Error) -> Problem {
        let p = match &e {
            Error::Erased => Problem::new(410, "vault.erased", "The data of this person was erased")
                .next("It cannot be brought back. Ask the person again if it is needed."),
            Error::SubjectUnknown => Problem::not_found(),
            Error::ConsentMissing(_) => {
                Problem::new(403, "vault.consent-missing", "The person has not agreed to this")
                    .next("Ask the person for consent, then try again.")
            }
            Error::ConsentOver(_) => {
                Problem::new(403, "vault.consent-over", "What this rests on does not hold any more")
                    .next("Ask the person for consent, then try again.")
            }
            Error::NobodyAnswers(_) => {
                Problem::unavailable("It cannot be told whether the consent holds, so nothing was opened.")
            }
            Error::NotOwn(_) | Error::NotForPurpose { .. } | Error::NotForPermission { .. } => {
                Problem::new(403, "vault.not-for-purpose", "This data may not be opened for this purpose")
                    .next("Ask the data officer which purpose covers it.")
            }
            Error::LogUnavailable(_) => {
                Problem::unavailable("The access log cannot be written, so nothing was opened.")
            }
            Error::Over => Problem::unavailable("The disclosure is over."),
            Error::Store(s) => Problem::from(s.0.clone()),
            _ => Problem::internal(),
        };
        p.because(&e)
    }
}
