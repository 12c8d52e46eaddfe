//! [`ConsentError`]: what can go wrong with agreements, answers and provisions.

use kenroku_types::{Problem, Timestamp};

/// What can go wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConsentError {
    /// There is nothing of the kind in this tenant.
    #[error("not found")]
    NotFound,
    /// The program that asks is not registered as a recipient, or its registration ended.
    #[error("this program is not registered as a recipient of personal data")]
    NotARecipient,
    /// Something cannot be stored as it is: field and reason each.
    #[error("{} fields cannot be stored as they are", .0.len())]
    Input(Vec<(&'static str, String)>),
    /// The code is taken.
    #[error("there is something of this name already")]
    Taken,
    /// The step cannot follow where the record stands.
    #[error("this cannot follow where it stands now")]
    NotNow,
    /// The person said no; from this moment on they may be asked again.
    #[error("the person said no and may be asked again from {0}")]
    TooSoon(Timestamp),
    /// The agreement was changed after the page was shown, or somebody else was first.
    #[error("it was changed in between")]
    Stale,
    /// Nothing of what was asked for may leave: the reason of the first item.
    #[error("nothing of it may leave: {0}")]
    Refused(&'static str),
    /// The installation has no いしかわID.
    #[error("the installation has no identity module")]
    NoIdentity,
    /// Something below failed.
    #[error("{0}")]
    Inner(Box<Problem>),
}

/// The result of an operation on consents.
pub type Result<T> = std::result::Result<T, ConsentError>;

impl From<kenroku_store::Error> for ConsentError {
    fn from(e: kenroku_store::Error) -> Self {
        match e {
            kenroku_store::Error::Stale => ConsentError::Stale,
            other => ConsentError::Inner(Box::new(other.into())),
        }
    }
}

impl From<kenroku_vault::Error> for ConsentError {
    fn from(e: kenroku_vault::Error) -> Self {
        ConsentError::Inner(Box::new(e.into()))
    }
}

impl From<kenroku_bus::Error> for ConsentError {
    fn from(e: kenroku_bus::Error) -> Self {
        ConsentError::Inner(Box::new(Problem::internal().because(&e)))
    }
}

impl From<serde_json::Error> for ConsentError {
    fn from(e: serde_json::Error) -> Self {
        ConsentError::Inner(Box::new(Problem::internal().because(&e)))
    }
}

impl From<Problem> for ConsentError {
    fn from(p: Problem) -> Self {
        ConsentError::Inner(Box::new(p))
    }
}

impl From<ConsentError> for Problem {
    fn from(e: ConsentError) -> Problem {
        match e {
            ConsentError::NotFound => Problem::not_found(),
            ConsentError::NotARecipient => Problem::new(
                403,
                "consent.not-a-recipient",
                "This program is not registered as a recipient of personal data",
            )
            .next("Ask the data officer of the office to register it, with the agreement it works under."),
            ConsentError::Input(faults) => {
                let p = Problem::new(422, "consent.input", "This cannot be stored as it is")
                    .next("Correct the fields named and send it again.");
                faults.into_iter().fold(p, |p, (field, why)| p.field(field, "consent.input", why))
            }
            ConsentError::Taken => {
                Problem::new(409, "consent.taken", "There is something of this name already")
                    .next("Choose another name, or change what is there.")
            }
            ConsentError::NotNow => {
                Problem::new(409, "consent.not-now", "This cannot follow where it stands now")
                    .next("Look at how it stands, then decide again.")
            }
            ConsentError::TooSoon(from) => {
                Problem::new(409, "consent.too-soon", "The person said no and may not be asked again yet")
                    .detail(format!("They may be asked again from {from}."))
                    .next("Ask again then. The person can say yes at any time on their own page.")
                    .field("earliest", "consent.too-soon", from.to_string())
            }
            ConsentError::Stale => Problem::conflict("It was changed in between."),
            ConsentError::Refused(why) => {
                Problem::new(403, format!("consent.{why}"), "Nothing of it may leave")
                    .detail(reason(why))
                    .next("Ask the person through POST /api/consent/v1/requests, or do without.")
            }
            ConsentError::NoIdentity => Problem::unavailable("This installation has no いしかわID."),
            ConsentError::Inner(p) => *p,
        }
    }
}

/// The reason in a sentence, for whoever writes the program that asked.
pub(crate) fn reason(why: &str) -> &'static str {
    match why {
        "agreement-ended" => "The agreement is over.",
        "not-in-agreement" => "The agreement does not name it.",
        "no-answer" => "The person was not asked, or has not answered.",
        "refused" => "The person said no.",
        "withdrawn" => "The person took the consent back.",
        "expired" => "The consent is over.",
        "outdated" => "The agreement asks for more than the person agreed to; ask again.",
        "not-declared" => "It is for a declared danger, and none is declared now.",
        "left-out" => "The person left it out.",
        _ => "It is not known.",
    }
}
