//! What a module does when somebody leaves, and what it removes by the clock: [`Holder`]. platform/privacy asks every
//! holder: for the words before, for the erasure afterwards, and each night for what has outlived its span.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use kenroku_store::params;
use kenroku_types::ids::SubjectId;
use kenroku_types::{Tenant, Timestamp};

use crate::error::Result;
use crate::share::Reading;
use crate::{Vault, sql};

/// A text in Japanese, easy Japanese (with readings) and English.
pub type Said = [&'static str; 3];

/// What a module keeps although somebody left, because a law says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What.
    pub what: Said,
    /// Until when, in words.
    pub until: Said,
    /// Which law or rule says so, as cited.
    pub law: &'static str,
}

/// What a module tells somebody who thinks of leaving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// What is erased.
    pub erased: &'static [Said],
    /// What has to stay, and until when.
    pub kept: &'static [Kept],
    /// What stops working.
    pub stops: &'static [Said],
}

/// Who leaves, for one holder.
#[derive(Clone, Debug)]
pub struct Leaving {
    /// The person, by this holder's own pseudonym.
    pub subject: SubjectId,
    /// Every government whose rows may name the person.
    pub tenants: Vec<Tenant>,
}

/// What a holder erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Rows deleted or stripped of the person.
    pub rows: u64,
    /// Rows that a law keeps for a while.
    pub kept: u64,
    /// From when on no copy of what was sealed can be read; `None` where nothing was sealed.
    pub unreadable_after: Option<Timestamp>,
}

/// What one retention rule did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// The rule.
    pub rule: &'static Rule,
    /// Rows removed.
    pub removed: u64,
    /// Rows whose time is over and that are still there, because the job stops after a piece or could not.
    pub overdue: u64,
}

/// A span, as it is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable code, `module.words`.
    pub code: &'static str,
    /// What it removes.
    pub what: Said,
    /// Days after the matter is closed.
    pub days: u32,
    /// The law, ordinance or document schedule.
    pub law: &'static str,
}

/// A module that holds facts about people.
pub trait Holder: Send + Sync {
    /// The module's name, also the sector of its pseudonyms.
    fn module(&self) -> &'static str;

    /// What people call it.
    fn names(&self) -> Said;

    /// What leaving means here.
    fn notice(&self) -> Notice;

    /// Erases everything of a person that no law keeps. Must be safe to repeat: after a crash, and after a database
    /// was restored from a copy made before.
    fn erase<'a>(&'a self, leaving: &'a Leaving) -> Reading<'a, Erased>;

    /// Whether it holds the pseudonyms by which the others know the person, and is therefore asked last.
    fn last(&self) -> bool {
        false
    }

    /// Removes what has outlived its span, in pieces; one line for each rule, also when it removed nothing.
    fn purge<'a>(&'a self, _tenants: &'a [Tenant], _now: Timestamp) -> Reading<'a, Vec<Purged>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Every holder of the installation; the modules add themselves at their start.
#[derive(Default)]
pub struct Holders(RwLock<Vec<Arc<dyn Holder>>>);

impl fmt::Debug for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().iter().map(|h| h.module())).finish()
    }
}

impl Holders {
    /// Adds one.
    pub fn add(&self, holder: Arc<dyn Holder>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(holder);
    }

    /// All of them in the order in which they erase: whoever holds the pseudonyms comes last.
    pub fn all(&self) -> Vec<Arc<dyn Holder>> {
        let mut all = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        all.sort_by_key(|h| h.last());
        all
    }
}

impl Vault {
    /// People whose keys were destroyed, in order of their numbers, beginning after one: for repeating an erasure
    /// in a database that was restored from a copy made before it.
    ///
    /// # Errors
    /// [`Error::Store`](crate::Error::Store).
    pub async fn erased(
        &self,
        tenant: Tenant,
        after: Option<SubjectId>,
        limit: u32,
    ) -> Result<Vec<SubjectId>> {
        let after = after.unwrap_or(SubjectId::from_uuid(uuid::Uuid::nil()));
        let rows: Vec<(SubjectId,)> =
            self.keys().db.read().await?.all(sql::ERASED_PEOPLE, params![tenant, after, limit]).await?;
        Ok(rows.into_iter().map(|r| r.0).collect())
    }
}
