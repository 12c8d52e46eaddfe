//! [`Error`]: what can go wrong between a command and the disk, the same on both engines.

use kenroku_types::Problem;

/// A storage error. The variants are what callers act upon; everything else is [`Error::Other`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A row with this key exists already. Carries the constraint or the columns, never the values.
    #[error("a row with this key exists already ({0})")]
    Unique(String),
    /// The row breaks a rule of the table (CHECK, NOT NULL, FOREIGN KEY). Carries the rule's name.
    #[error("the row breaks a rule of the table ({0})")]
    Constraint(String),
    /// Somebody else changed or removed the row since it was read.
    #[error("the row was changed by somebody else since it was read")]
    Stale,
    /// The database is locked or has too many connections for now.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// No space left where the database lives.
    #[error("no space left for the database; free some space or move the data folder, then try again")]
    Full,
    /// The database cannot be reached or opened.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// A column does not hold what the code expects.
    #[error("column {column} cannot be read: {what}")]
    Decode {
        /// Zero-based position in the row.
        column: usize,
        /// Type found and type expected.
        what: String,
    },
    /// A migration is missing, changed or failed.
    #[error("migration: {0}")]
    Migration(String),
    /// A commit was not confirmed: it may or may not have happened.
    #[error("the commit was not confirmed: {0}")]
    Unconfirmed(String),
    /// Anything else, in the engine's words.
    #[error("database: {0}")]
    Other(String),
}

/// The result of a storage operation.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn other(e: impl std::fmt::Display) -> Self {
        Error::Other(e.to_string())
    }
}

impl From<Error> for Problem {
    fn from(e: Error) -> Problem {
        let problem = match &e {
            Error::Unique(_) => Problem::conflict("An entry with this key exists already."),
            Error::Stale => Problem::conflict("Somebody else changed it since it was loaded."),
            Error::Busy(_) | Error::Unreachable(_) | Error::Unconfirmed(_) => {
                Problem::unavailable("The database does not answer right now.")
            }
            Error::Full => Problem::new(507, "storage-full", "No space left to store this")
                .detail("Nothing of this request was stored.")
                .next("Tell the operator; send it again when there is space."),
            Error::Constraint(_) | Error::Decode { .. } | Error::Migration(_) | Error::Other(_) => {
                Problem::internal()
            }
        };
        problem.because(&e)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(e: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as C;
        match &e {
            rusqlite::Error::SqliteFailure(f, msg) => {
                let text = msg.clone().unwrap_or_else(|| f.to_string());
                match f.code {
                    C::ConstraintViolation => {
                        let unique = matches!(
                            f.extended_code,
                            rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
                                | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                        );
                        let what = text.rsplit(": ").next().unwrap_or_default().to_owned();
                        if unique { Error::Unique(what) } else { Error::Constraint(what) }
                    }
                    C::DatabaseBusy | C::DatabaseLocked => Error::Busy(text),
                    C::DiskFull => Error::Full,
                    C::CannotOpen | C::NotADatabase | C::PermissionDenied | C::ReadOnly => {
                        Error::Unreachable(text)
                    }
                    _ => Error::Other(text),
                }
            }
            _ => Error::other(e),
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(e: tokio_postgres::Error) -> Self {
        use tokio_postgres::error::SqlState as S;
        let Some(db) = e.as_db_error() else {
            let text = std::error::Error::source(&e).map_or_else(|| e.to_string(), |s| format!("{e}: {s}"));
            return if e.is_closed() || text.contains("connect") || text.contains("communicating") {
                Error::Unreachable(text)
            } else {
                Error::Other(text)
            };
        };
        let name = || db.constraint().unwrap_or_default().to_owned();
        match db.code() {
            &S::UNIQUE_VIOLATION => Error::Unique(name()),
            c if c.code().starts_with("23") => Error::Constraint(name()),
            &S::T_R_SERIALIZATION_FAILURE | &S::T_R_DEADLOCK_DETECTED | &S::LOCK_NOT_AVAILABLE => {
                Error::Busy(db.message().to_owned())
            }
            &S::TOO_MANY_CONNECTIONS | &S::QUERY_CANCELED => Error::Busy(db.message().to_owned()),
            &S::DISK_FULL => Error::Full,
            c if ["57P", "08", "28", "3D"].iter().any(|class| c.code().starts_with(class)) => {
                Error::Unreachable(db.message().to_owned())
            }
            _ => Error::Other(format!("{} ({})", db.message(), db.code().code())),
        }
    }
}

impl From<deadpool_postgres::PoolError> for Error {
    fn from(e: deadpool_postgres::PoolError) -> Self {
        match e {
            deadpool_postgres::PoolError::Backend(e) => match e.into() {
                Error::Other(text) => Error::Unreachable(text),
                known => known,
            },
            deadpool_postgres::PoolError::Timeout(_) => Error::Busy(
                "all connections are in use; raise store.postgres.connections or find who holds them"
                    .to_owned(),
            ),
            other => Error::Unreachable(other.to_string()),
        }
    }
}
