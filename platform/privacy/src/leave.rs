//! Leaving and being erased: a person asks, may come back for a while, and is then erased by every holder. What remains
//! is a receipt without the person, in a book that shows every change.

use kenroku_contracts::personal::Pseudonyms;
use kenroku_store::{Sql, coded, params, row, sql};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Tenant, Timestamp, id_kind};
use kenroku_vault::leave::Leaving;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::book::{self, Entry};
use crate::error::{PrivacyError, Result};
use crate::privacy::{Privacy, SECTOR};

id_kind! {
    /// Somebody's leaving. Random, not by time: whoever holds it may read the receipt.
    Leave => LeaveId;
}

coded! {
    /// Where it stands.
    LeaveState {
        /// The person may still come back.
        Waiting = "waiting",
        /// The person came back.
        Undone = "undone",
        /// Everything was erased.
        Erased = "erased",
    }
}

/// Somebody's leaving as it is stored.
#[derive(Clone, Debug)]
pub struct LeaveRow {
    /// Which.
    pub id: LeaveId,
    /// Whose; `None` once they are erased.
    pub subject: Option<SubjectId>,
    /// Where it stands.
    pub state: LeaveState,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// From when on the person is erased.
    pub due_at: Timestamp,
    /// When it was done or undone.
    pub done_at: Option<Timestamp>,
    /// Number of the receipt in its book.
    pub receipt: Option<i64>,
}
row!(LeaveRow { id, subject, state, asked_at, due_at, done_at, receipt });

/// What one holder erased, as the receipt tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The holder.
    pub module: String,
    /// Rows deleted or stripped of the person.
    pub gone: i64,
    /// Rows that a law keeps.
    pub kept: i64,
    /// From when on no copy can be read.
    pub unreadable_after: Option<Timestamp>,
}
row!(Part { module, gone, kept, unreadable_after });

/// What the receipt says. It names nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The leaving it belongs to; `None` when an erasure was repeated in a restored database.
    pub leaving: Option<LeaveId>,
    /// When it was asked.
    pub asked_at: Option<Timestamp>,
    /// When everything was done.
    pub done_at: Timestamp,
    /// Holder by holder.
    pub parts: Vec<Part>,
}

const T: Tenant = Tenant::SHARED;

const ADD: &Sql = sql!(
    "insert into privacy_leave (tenant, id, subject, state, asked_at, due_at) values ($1, $2, $3, 'waiting', $4, $5)"
);
const OF: &Sql = sql!(
    "select id, subject, state, asked_at, due_at, done_at, receipt from privacy_leave
     where tenant = $1 and subject = $2 and state = 'waiting'"
);
const BY_ID: &Sql = sql!(
    "select id, subject, state, asked_at, due_at, done_at, receipt from privacy_leave where tenant = $1 and id = $2"
);
const DUE: &Sql = sql!(
    "select id, subject, state, asked_at, due_at, done_at, receipt from privacy_leave
     where tenant = $1 and state = 'waiting' and due_at <= $2 order by due_at, id limit $3"
);
const UNDO: &Sql = sql!(
    "update privacy_leave set state = 'undone', subject = null, done_at = $3
     where tenant = $1 and subject = $2 and state = 'waiting' and not exists (
       select 1 from privacy_leave_part p where p.tenant = privacy_leave.tenant and p.leaving = privacy_leave.id)"
);
const DONE: &Sql = sql!(
    "update privacy_leave set state = 'erased', subject = null, done_at = $3, receipt = $4
     where tenant = $1 and id = $2 and state = 'waiting'"
);
const COUNTS: &Sql =
    sql!("select state, count(*) from privacy_leave where tenant = $1 group by state order by state");
const PART: &Sql = sql!(
    "insert into privacy_leave_part (tenant, leaving, module, gone, kept, unreadable_after, at)
     values ($1, $2, $3, $4, $5, $6, $7)"
);
const PARTS: &Sql = sql!(
    "select module, gone, kept, unreadable_after from privacy_leave_part
     where tenant = $1 and leaving = $2 order by at, module"
);

/// People whose erasure one run looks at.
const AT_ONCE: u32 = 50;
/// Erased people that one question to the key store brings.
const PAGE: u32 = 500;

impl Privacy {
    /// Somebody leaves: nothing is erased before the waiting time is over. Asking again finds the first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn leave(&self, subject: SubjectId) -> Result<LeaveRow> {
        if let Some(row) = self.leaving(subject).await? {
            return Ok(row);
        }
        let now = self.env().now();
        let id = LeaveId::from_uuid(uuid::Builder::from_random_bytes(self.env().rng.bytes()).into_uuid());
        let mut tx = self.db().begin().await?;
        match tx.execute(ADD, params![T, id, subject, now, now.plus(self.rules().wait)]).await {
            Ok(_) => tx.commit().await?,
            // Twice at one moment: the other one counts.
            Err(kenroku_store::Error::Unique(_)) => tx.rollback().await?,
            Err(e) => return Err(e.into()),
        }
        tracing::info!("somebody leaves; the waiting time begins");
        self.leaving(subject).await?.ok_or(PrivacyError::Stale)
    }

    /// The leaving of a person that is not done yet.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn leaving(&self, subject: SubjectId) -> Result<Option<LeaveRow>> {
        Ok(self.db().read().await?.opt(OF, params![T, subject]).await?)
    }

    /// A leaving by its number, for whoever holds it, with its receipt.
    ///
    /// # Errors
    /// [`PrivacyError::NotFound`].
    pub async fn left(&self, id: LeaveId) -> Result<(LeaveRow, Option<(Entry, Receipt)>)> {
        let mut tx = self.db().read().await?;
        let found: Option<LeaveRow> = tx.opt(BY_ID, params![T, id]).await?;
        let row = found.ok_or(PrivacyError::NotFound)?;
        let receipt = match row.receipt {
            Some(number) => book::one(&mut tx, T, book::ERASURES, number).await?,
            None => None,
        };
        let receipt = receipt.map(|e| e.data().map(|r| (e, r))).transpose()?;
        Ok((row, receipt))
    }

    /// The person comes back. Once the erasure has begun there is nothing to come back to.
    ///
    /// # Errors
    /// [`PrivacyError::NotNow`].
    pub async fn stay(&self, subject: SubjectId) -> Result<()> {
        let mut tx = self.db().begin().await?;
        if tx.execute(UNDO, params![T, subject, self.env().now()]).await? == 0 {
            return Err(PrivacyError::NotNow);
        }
        Ok(tx.commit().await?)
    }

    /// How many wait, came back, were erased.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn leavings(&self) -> Result<Vec<(LeaveState, i64)>> {
        Ok(self.db().read().await?.all(COUNTS, params![T]).await?)
    }

    /// Erases everybody whose waiting time is over; how many.
    ///
    /// # Errors
    /// When a holder fails: the next run goes on with it.
    pub async fn erase_due(&self, names: &dyn Pseudonyms) -> Result<u64> {
        let mut done = 0;
        loop {
            let due: Vec<LeaveRow> =
                self.db().read().await?.all(DUE, params![T, self.env().now(), AT_ONCE]).await?;
            if due.is_empty() {
                return Ok(done);
            }
            for row in due {
                self.erase(names, &row).await?;
                done += 1;
            }
        }
    }

    async fn erase(&self, names: &dyn Pseudonyms, row: &LeaveRow) -> Result<()> {
        let subject = row.subject.ok_or(PrivacyError::Stale)?;
        let before: Vec<Part> = self.db().read().await?.all(PARTS, params![T, row.id]).await?;
        for holder in self.holders().all() {
            let module = holder.module();
            if before.iter().any(|p| p.module == module) {
                continue;
            }
            let part = self.erase_at(names, subject, &*holder).await?;
            let mut tx = self.db().begin().await?;
            let line =
                params![T, row.id, module, part.gone, part.kept, part.unreadable_after, self.env().now()];
            tx.execute(PART, line).await?;
            tx.commit().await?;
        }
        let mut tx = self.db().begin().await?;
        let parts: Vec<Part> = tx.all(PARTS, params![T, row.id]).await?;
        let now = self.env().now();
        let receipt = Receipt { leaving: Some(row.id), asked_at: Some(row.asked_at), done_at: now, parts };
        let number = book::append(&mut tx, T, book::ERASURES, &row.id.to_string(), &receipt, now).await?;
        tx.execute_one(DONE, params![T, row.id, now, number]).await?;
        tx.commit().await?;
        tracing::info!(receipt = number, "somebody was erased");
        Ok(())
    }

    /// One holder erases somebody that this module knows; nothing where the holder knows nobody of the kind.
    async fn erase_at(
        &self,
        names: &dyn Pseudonyms,
        subject: SubjectId,
        holder: &dyn kenroku_vault::leave::Holder,
    ) -> Result<Part> {
        let module = holder.module();
        let theirs = match module {
            SECTOR => Some(subject),
            other => names.translate(SECTOR, subject, other).await?,
        };
        let done = match theirs {
            Some(subject) => holder.erase(&Leaving { subject, tenants: self.tenants().to_vec() }).await?,
            None => Default::default(),
        };
        Ok(Part {
            module: module.to_owned(),
            gone: i64::try_from(done.rows).unwrap_or(i64::MAX),
            kept: i64::try_from(done.kept).unwrap_or(i64::MAX),
            unreadable_after: done.unreadable_after,
        })
    }

    /// Erases again whoever the key store says was erased and whom a restored database brought back. The key store has
    /// its own copies and remembers; how many were found.
    ///
    /// # Errors
    /// When a holder fails: the next run goes on with it.
    pub async fn repeat_erasures(&self, names: &dyn Pseudonyms) -> Result<u64> {
        // Whoever holds the pseudonyms is asked whether it knows one of the erased.
        let Some(root) = self.holders().all().into_iter().find(|h| h.last()) else { return Ok(0) };
        let (mut after, mut found) = (None, 0);
        loop {
            let page = self.vault().erased(T, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(*last);
            for erased in page {
                let Some(subject) = names.translate(root.module(), erased, SECTOR).await? else { continue };
                let mut parts = Vec::new();
                for holder in self.holders().all() {
                    parts.push(self.erase_at(names, subject, &*holder).await?);
                }
                let now = self.env().now();
                let receipt = Receipt { leaving: None, asked_at: None, done_at: now, parts };
                let mut tx = self.db().begin().await?;
                book::append(&mut tx, T, book::ERASURES, &Uuid::nil().to_string(), &receipt, now).await?;
                tx.commit().await?;
                found += 1;
                tracing::warn!("an erasure was repeated: the database is older than the key store");
            }
        }
    }
}
