//! What every module removes by the clock, and the report of it: which rule removed how much, when, and what is overdue.

use std::time::Duration;

use kenroku_store::{Sql, params, row, sql};
use kenroku_types::{Tenant, Timestamp};
use kenroku_vault::leave::Purged;

use crate::error::Result;
use crate::privacy::Privacy;

/// A line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeRow {
    /// When it ran.
    pub at: Timestamp,
    /// The rule.
    pub rule: String,
    /// Rows removed.
    pub removed: i64,
    /// Rows whose time was over and that stayed.
    pub overdue: i64,
}
row!(PurgeRow { at, rule, removed, overdue });

/// How long the report is kept.
const KEPT: Duration = Duration::from_secs(1_827 * 86_400);

const ADD: &Sql = sql!(
    "insert into privacy_purge (tenant, id, at, rule, removed, overdue) values ($1, $2, $3, $4, $5, $6)"
);
const LATEST: &Sql = sql!(
    "select at, rule, removed, overdue from privacy_purge where tenant = $1 order by at desc, rule limit $2"
);
const FORGET: &Sql = sql!("delete from privacy_purge where tenant = $1 and at < $2");

impl Privacy {
    /// Lets every holder remove what has outlived its span, and writes down what they did: one report for the
    /// installation, for the rules are the same for all of its governments.
    ///
    /// # Errors
    /// When a holder fails; what the others removed is written down.
    pub async fn purge(&self) -> Result<Vec<Purged>> {
        let now = self.env().now();
        let (mut done, mut failed) = (Vec::new(), None);
        for holder in self.holders().all() {
            match holder.purge(self.tenants(), now).await {
                Ok(lines) => done.extend(lines),
                Err(e) => failed = Some(e),
            }
        }
        let mut tx = self.db().begin().await?;
        for p in &done {
            let (removed, overdue) =
                (i64::try_from(p.removed).unwrap_or(i64::MAX), i64::try_from(p.overdue).unwrap_or(i64::MAX));
            let row = params![Tenant::SHARED, self.env().uuid(), now, p.rule.code, removed, overdue];
            tx.execute(ADD, row).await?;
        }
        tx.execute(FORGET, params![Tenant::SHARED, now.minus(KEPT)]).await?;
        tx.commit().await?;
        match failed {
            Some(e) => Err(e.into()),
            None => Ok(done),
        }
    }

    /// The last lines of the report, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn purges(&self, limit: u32) -> Result<Vec<PurgeRow>> {
        Ok(self.db().read().await?.all(LATEST, params![Tenant::SHARED, limit]).await?)
    }
}
