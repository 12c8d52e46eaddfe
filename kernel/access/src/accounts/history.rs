//! What happened with an account, kept beside it: signing in, changes by others. The label of whoever did it stands
//! in each line, so that it reads by itself.

use std::time::Duration;

use kenroku_store::{Sql, Tx, params, row, sql};
use kenroku_types::ids::StaffId;
use kenroku_types::{Tenant, Timestamp};

use super::{Accounts, Result};
use crate::kernel::ViewStaff;
use crate::{Actor, Granted};

/// A line of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// When.
    pub at: Timestamp,
    /// What: `in`, `made`, `roles`, `profile`, `stopped`, `reopened`, `removed`, `password`, `ticket`,
    /// `code`, `code-removed`, `ended`; of emergency accounts `sealed`, `break-glass`, `act`.
    pub what: String,
    /// Who did it, as a log label.
    pub by: String,
    /// More about it: the roles that hold now, the device, the reason, the act.
    pub note: String,
}
row!(HistoryRow { at, what, by, note });

const ADD: &Sql = sql!(
    "insert into access_history (tenant, staff, id, at, what, by_whom, note) values ($1, $2, $3, $4, $5, $6, $7)"
);
const LIST: &Sql = sql!(
    "select at, what, by_whom, note from access_history where tenant = $1 and staff = $2
     order by at desc, id desc limit 100"
);
const FORGET: &Sql = sql!("delete from access_history where at < $1 -- @cross_tenant one span for everybody");

/// How long lines are kept: three years.
const KEPT: Duration = Duration::from_secs(1096 * 86_400);

pub(super) async fn forget(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    Ok(tx.execute(FORGET, params![now.minus(KEPT)]).await?)
}

impl Accounts {
    /// Adds a line about what `by` did.
    pub(super) async fn note(
        &self,
        tx: &mut Tx,
        tenant: Tenant,
        id: StaffId,
        what: &str,
        by: &Actor,
        note: &str,
    ) -> Result<()> {
        self.note_as(tx, tenant, id, what, &by.to_string(), note).await
    }

    /// The same with a label that is known already.
    pub(super) async fn note_as(
        &self,
        tx: &mut Tx,
        tenant: Tenant,
        id: StaffId,
        what: &str,
        by: &str,
        note: &str,
    ) -> Result<()> {
        tx.execute(ADD, params![tenant, id, self.0.env.uuid(), self.0.env.now(), what, by, note]).await?;
        Ok(())
    }

    /// Adds a line about what the account's owner did.
    pub(super) async fn note_own(
        &self,
        tx: &mut Tx,
        tenant: Tenant,
        id: StaffId,
        what: &str,
        note: &str,
    ) -> Result<()> {
        self.note_as(tx, tenant, id, what, &format!("staff:{id}"), note).await
    }

    /// The last hundred lines of one's own account, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn own_history(&self, actor: &Actor) -> Result<Vec<HistoryRow>> {
        let Some((tenant, id)) = super::ticket::own_label(actor) else { return Ok(Vec::new()) };
        Ok(self.0.db.read().await?.all(LIST, params![tenant, id]).await?)
    }

    /// The last hundred lines of an account of the tenant, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn staff_history(&self, by: &Granted<ViewStaff>, id: StaffId) -> Result<Vec<HistoryRow>> {
        Ok(self.0.db.read().await?.all(LIST, params![by.tenant(), id]).await?)
    }
}
