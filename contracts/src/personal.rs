//! Who a person is for others: the port that the personal-data broker stands on. What modules can hand on about people
//! is `kenroku_vault::share`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use kenroku_bus::Event;
use kenroku_types::ids::SubjectId;
use kenroku_types::{Problem, Tenant, Timestamp, id_kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

id_kind! {
    /// A delegation (代理) by which somebody acts for another.
    Mandate => MandateId;
}

/// Somebody for whom another may decide what is handed on about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// By which delegation.
    pub mandate: MandateId,
    /// For whom, by the asker's pseudonyms.
    pub principal: SubjectId,
    /// Who, by the asker's pseudonyms.
    pub agent: SubjectId,
    /// The principal's name, which both sides agreed to show each other.
    pub name: String,
    /// Whether a guardian acts for a child, whose account is handed over at the end.
    pub child: bool,
    /// Until when.
    pub until: Timestamp,
}

/// Who may decide for whom what is handed on about them (代理).
pub trait Proxies: Send + Sync {
    /// Everybody for whom somebody may decide now, by the pseudonyms of `sector`.
    fn of<'a>(&'a self, sector: &'a str, agent: SubjectId) -> Answer<'a, Vec<Proxy>>;

    /// Whether a delegation is in force and lets decide about data.
    fn in_force<'a>(&'a self, mandate: MandateId) -> Answer<'a, bool>;
}

/// How the port is put into the app. Absent: nobody acts for anybody.
#[derive(Clone)]
pub struct ProxiesPort(pub Arc<dyn Proxies>);

impl fmt::Debug for ProxiesPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxiesPort")
    }
}

/// Facts about a person changed in the module that holds them. It carries no values: whoever may see them asks again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactsChanged {
    /// Where: the module's name, also the sector of `subject`.
    pub module: String,
    /// About whom, by that module's pseudonym.
    pub subject: SubjectId,
    /// The codes of the items.
    pub items: Vec<String>,
}

impl Event for FactsChanged {
    const NAME: &'static str = "personal.facts-changed";
}

/// A fact that the broker handed on.
#[derive(Clone, Debug, PartialEq)]
pub struct HandedFact {
    /// The item's code.
    pub item: String,
    /// Its value.
    pub value: Value,
    /// Who says so.
    pub source: String,
    /// When it was last proved or written.
    pub verified_at: Option<Timestamp>,
}

/// How one of our own modules learns what another holds about a person: by an agreement in its own name, like everybody
/// else, with the same decision, row in the log and record.
pub trait Facts: Send + Sync {
    /// What may leave now, of the items of an agreement of `office` that names `module` as recipient. `subject` is the
    /// module's own pseudonym. A refusal is a problem `consent.…`.
    fn facts<'a>(
        &'a self,
        module: &'static str,
        office: Tenant,
        agreement: &'a str,
        subject: SubjectId,
    ) -> Answer<'a, Vec<HandedFact>>;
}

/// How the port is put into the app. Absent: there is no broker, and modules learn nothing of each other.
#[derive(Clone)]
pub struct FactsPort(pub Arc<dyn Facts>);

impl fmt::Debug for FactsPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FactsPort")
    }
}
