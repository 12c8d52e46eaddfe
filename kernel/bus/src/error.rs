//! [`Error`]: what the bus says to its callers. [`Failed`]: what a handler says to the bus.

use kenroku_types::Problem;

/// Why the bus could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The database refused or did not answer.
    #[error(transparent)]
    Store(#[from] kenroku_store::Error),
    /// A payload cannot be written as JSON.
    #[error("the payload of {name} cannot be written as JSON: {why}")]
    Encode {
        /// Name of the event or kind of the job.
        name: &'static str,
        /// In serde's words.
        why: String,
    },
    /// There is no such row, or it is not in a state in which this can be done.
    #[error("there is no such {0}, or it is past this step already")]
    NotThere(&'static str),
    /// Two parts of the program use one name.
    #[error("{what} “{name}” is registered twice; every name is used once")]
    Twice {
        /// Consumer, job or schedule.
        what: &'static str,
        /// The name.
        name: &'static str,
    },
    /// A part of the worker stopped by itself, which is a bug of the bus: restart the process.
    #[error("a part of the worker stopped by itself: {0}")]
    Broken(String),
    /// A schedule's time cannot be read.
    #[error("schedule “{name}”: {why}")]
    Schedule {
        /// The schedule.
        name: &'static str,
        /// What is wrong with it.
        why: crate::cron::CronError,
    },
}

/// The result of asking the bus for something.
pub type Result<T> = std::result::Result<T, Error>;

impl From<Error> for Problem {
    fn from(e: Error) -> Problem {
        match e {
            Error::Store(e) => e.into(),
            Error::NotThere(_) => Problem::not_found(),
            e => Problem::internal().because(&e),
        }
    }
}

/// Why a handler or a job did not succeed. The text is kept with the event or job for the operator: no secrets and
/// no personal data in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Failed {
    pub(crate) how: How,
    pub(crate) why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// Worth another try later; counted.
    Again,
    /// Can never succeed: to the dead letters at once.
    Never,
    /// Our own database does not answer: not the event's fault, tried again without counting.
    Outage,
    /// The job was taken over or cancelled.
    Lost,
}

impl Failed {
    /// Worth another try later.
    pub fn again(why: impl std::fmt::Display) -> Self {
        Failed { how: How::Again, why: short(why) }
    }

    /// No repetition can help: goes to the dead letters at once.
    pub fn never(why: impl std::fmt::Display) -> Self {
        Failed { how: How::Never, why: short(why) }
    }
}

fn short(why: impl std::fmt::Display) -> String {
    why.to_string().chars().filter(|c| *c != '\0').take(500).collect()
}

impl From<kenroku_store::Error> for Failed {
    fn from(e: kenroku_store::Error) -> Self {
        use kenroku_store::Error as S;
        let how = match e {
            S::Busy(_) | S::Unreachable(_) | S::Unconfirmed(_) | S::Full => How::Outage,
            _ => How::Again,
        };
        Failed { how, why: short(e) }
    }
}

impl From<Error> for Failed {
    fn from(e: Error) -> Self {
        match e {
            Error::Store(e) => e.into(),
            e => Failed::again(e),
        }
    }
}

impl From<Problem> for Failed {
    fn from(p: Problem) -> Self {
        Failed::again(if p.cause.is_empty() {
            p.code.to_string()
        } else {
            format!("{}: {}", p.code, p.cause)
        })
    }
}
