//! What a module can hand on about people: [`Source`]. The personal-data broker (platform/consent) asks the sources when
//! an agreement lets something leave; each opens with the [`Disclosure`] it is given.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use kenroku_types::ids::SubjectId;
use kenroku_types::{Problem, Tenant, Timestamp};
use serde_json::Value;

use crate::disclosure::Disclosure;
use crate::field::{Category, Field};

/// What a source's call returns.
pub type Reading<'a, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'a>>;

/// Something that can be known of a person and handed on: one line in an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Stable code, `module.words`: agreements keep it for ever.
    pub code: &'static str,
    /// Names in Japanese, easy Japanese and English, as the person reads them.
    pub names: [&'static str; 3],
    /// What sort of data.
    pub category: Category,
    /// The sealed field behind it; `None` where it is known without opening one.
    pub field: Option<&'static Field>,
}

/// One fact as it leaves: with where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Which item.
    pub code: &'static str,
    /// Its value.
    pub value: Value,
    /// Who says so: the module or the vendor.
    pub source: String,
    /// How it was proved, in the source's words (`jpki-sign`, `staff`, `self`); empty when it is not a proofed one.
    pub method: String,
    /// How surely: the assurance of the proof.
    pub assurance: String,
    /// When it was last proved or written.
    pub verified_at: Option<Timestamp>,
}

/// What the broker asks a source for. The consent was decided; whoever opens does it with this disclosure, whose row in
/// the access log names the recipient and the consent, and is durable before anything is opened.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Who reads, for what, by which consent.
    pub why: Disclosure,
    /// The person, by the source's own pseudonym.
    pub subject: SubjectId,
    /// The items, all of this source.
    pub items: Vec<&'static str>,
}

/// A module that can hand on facts about people.
pub trait Source: Send + Sync {
    /// The module's name, also the sector of its pseudonyms.
    fn module(&self) -> &'static str;

    /// What people call it, in Japanese, easy Japanese and English.
    fn names(&self) -> [&'static str; 3];

    /// In whose name it keeps them: where its rows in the access log lie.
    fn tenants(&self) -> Vec<Tenant>;

    /// What it can hand on.
    fn items(&self) -> &'static [Item];

    /// The facts, as far as they are known; opened through the vault with the consent named.
    fn read<'a>(&'a self, wanted: &'a Wanted) -> Reading<'a, Vec<Fact>>;
}

/// Every source of the installation; put in by the broker, filled by modules that start after it.
#[derive(Default)]
pub struct Sources(RwLock<Vec<Arc<dyn Source>>>);

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().iter().map(|s| s.module())).finish()
    }
}

impl Sources {
    /// Adds one.
    pub fn add(&self, source: Arc<dyn Source>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<dyn Source>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The item of this code with its source.
    pub fn find(&self, code: &str) -> Option<(Arc<dyn Source>, &'static Item)> {
        self.all().into_iter().find_map(|s| {
            let item = s.items().iter().find(|i| i.code == code)?;
            Some((s, item))
        })
    }
}
