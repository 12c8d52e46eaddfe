//! [`Job`]: something to be done later, once.

use kenroku_store::{Sql, Tx, params, row, sql, sql_pair, via};
use kenroku_types::ids::JobId;
use kenroku_types::{Tenant, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::wake::Wake;

/// What is to be done, with what it needs to know (names people only by `SubjectId`). A waiting job of the previous
/// release must still read: give new fields a default.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// `module.do-what`. Never changed, never used again for something else.
    const KIND: &'static str;
}

/// When and how a job is queued.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enqueue {
    at: Option<Timestamp>,
    unique: Option<String>,
    urgent: bool,
}

impl Enqueue {
    /// As soon as a worker is free.
    pub fn now() -> Self {
        Enqueue::default()
    }

    /// Not before `t`.
    pub fn at(t: Timestamp) -> Self {
        Enqueue { at: Some(t), ..Enqueue::default() }
    }

    /// At most one job of this kind, tenant and key, ended ones included until they are cleaned up.
    #[must_use]
    pub fn unique(mut self, key: impl Into<String>) -> Self {
        self.unique = Some(key.into());
        self
    }

    /// Before all jobs that are not urgent: somebody waits for it.
    #[must_use]
    pub fn urgent(mut self) -> Self {
        self.urgent = true;
        self
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// For its time or for a free worker.
    Waiting,
    /// A worker holds it.
    Running,
    /// Completed.
    Done,
    /// Given up; can be revived.
    Dead,
    /// Called off.
    Cancelled,
}
via!(JobState, String, |s| match s.as_str() {
    "waiting" => Ok(JobState::Waiting),
    "running" => Ok(JobState::Running),
    "done" => Ok(JobState::Done),
    "dead" => Ok(JobState::Dead),
    "cancelled" => Ok(JobState::Cancelled),
    _ => Err(format!("“{s}” is not a state of a job")),
});

/// A job as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    /// Whose.
    pub tenant: Tenant,
    /// Its id.
    pub id: JobId,
    /// Its kind.
    pub kind: String,
    /// Where it stands.
    pub state: JobState,
    /// How often it was begun.
    pub attempts: u32,
    /// When it may begin, or when its worker is taken for dead.
    pub due_at: Option<Timestamp>,
    /// What it said last.
    pub error: Option<String>,
    /// When it was queued.
    pub made_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}
row!(JobRow { tenant, id, kind, state, attempts, due_at, error, made_at, ended_at });

pub(crate) struct Claimed {
    pub tenant: Tenant,
    pub id: JobId,
    pub kind: String,
    pub payload: String,
    pub attempts: u32,
    pub fence: i64,
}
row!(Claimed { tenant, id, kind, payload, attempts, fence });

/// Jobs somebody waits for go through a lane of their own.
pub(crate) const LANES: [i64; 2] = [0, 1];

const INSERT: &Sql = sql!(
    "insert into bus_job (tenant, id, kind, payload, lane, state, due_at, attempts, fence, unique_key, made_at)
    values ($1, $2, $3, $4, $5, 'waiting', $6, 0, 0, $7, $8) on conflict (tenant, kind, unique_key) do nothing"
);
pub(crate) const CLAIM: &Sql = sql_pair!(
    why: "several PostgreSQL workers claim at once and pass by each other's rows; SQLite has one writer",
    sqlite: "update bus_job set state = 'running', fence = fence + 1, attempts = attempts + 1, due_at = $3
        where (tenant, id) in (
            select tenant, id from bus_job where lane = $1 and due_at <= $2 order by due_at limit $4)
        returning tenant, id, kind, payload, attempts, fence",
    postgres: "update bus_job set state = 'running', fence = fence + 1, attempts = attempts + 1, due_at = $3
        where (tenant, id) in (
            select tenant, id from bus_job where lane = $1 and due_at <= $2 order by due_at limit $4
            for update skip locked)
        returning tenant, id, kind, payload, attempts, fence",
);
pub(crate) const EXTEND: &Sql =
    sql!("update bus_job set due_at = $4 where tenant = $1 and id = $2 and fence = $3 and state = 'running'");
pub(crate) const DONE: &Sql = sql!(
    "update bus_job set state = 'done', due_at = null, error = null, ended_at = $4
    where tenant = $1 and id = $2 and fence = $3 and state = 'running'"
);
pub(crate) const PUT_OFF: &Sql = sql!(
    "update bus_job set state = 'waiting', due_at = $4, attempts = $5, error = $6
    where tenant = $1 and id = $2 and fence = $3 and state = 'running'"
);
pub(crate) const GIVE_UP: &Sql = sql!(
    "update bus_job set state = 'dead', due_at = null, ended_at = $4, error = $5
    where tenant = $1 and id = $2 and fence = $3 and state = 'running'"
);
pub(crate) const DUE: &Sql = sql!(
    "select count(*), coalesce(min(due_at), 0) from (
        select due_at, tenant from bus_job where lane in (0, 1) and due_at <= $1 order by due_at limit 10000) as due
    /* @cross_tenant: a measure of the installation */"
);
const NEXT: &Sql = sql!(
    "select due_at from bus_job where lane = $1 and due_at is not null order by due_at limit 1
    /* @cross_tenant: workers serve all tenants */"
);
const CANCEL: &Sql = sql!(
    "update bus_job set state = 'cancelled', due_at = null, fence = fence + 1, ended_at = $3
    where tenant = $1 and id = $2 and state in ('waiting', 'running')"
);
const REVIVE: &Sql = sql!(
    "update bus_job set state = 'waiting', due_at = $3, attempts = 0, ended_at = null
    where tenant = $1 and id = $2 and state in ('dead', 'cancelled')"
);
// It can still be revived until old jobs are cleaned away.
const DISCARD: &Sql = sql!(
    "update bus_job set state = 'cancelled', ended_at = $3 where tenant = $1 and id = $2 and state = 'dead'"
);
const GET: &Sql = sql!(
    "select tenant, id, kind, state, attempts, due_at, error, made_at, ended_at from bus_job
    where tenant = $1 and id = $2"
);
const DEAD: &Sql = sql!(
    "select tenant, id, kind, state, attempts, due_at, error, made_at, ended_at from bus_job
    where state = 'dead' and ended_at is not null order by ended_at, id limit $1
    /* @cross_tenant: the operator sees all */"
);
pub(crate) const FORGET: &Sql = sql!(
    "delete from bus_job where (tenant, id) in (
        select tenant, id from bus_job where state in ('done', 'cancelled') and ended_at < $1 limit 2000)
    /* @cross_tenant: retention is one for all */"
);

pub(crate) async fn insert(
    tx: &mut Tx,
    tenant: Tenant,
    id: JobId,
    kind: &str,
    payload: String,
    how: Enqueue,
    now: Timestamp,
) -> Result<bool> {
    let lane = if how.urgent { LANES[0] } else { LANES[1] };
    let at = how.at.unwrap_or(now);
    let n = tx.execute(INSERT, params![tenant, id, kind, payload, lane, at, how.unique, now]).await?;
    Ok(n == 1)
}

impl Bus {
    /// One job, if it is (still) there.
    pub async fn job(&self, tx: &mut Tx, tenant: Tenant, id: JobId) -> Result<Option<JobRow>> {
        Ok(tx.opt(GET, params![tenant, id]).await?)
    }

    /// The jobs given up, oldest first.
    pub async fn dead_jobs(&self, tx: &mut Tx, limit: u32) -> Result<Vec<JobRow>> {
        Ok(tx.all(DEAD, params![limit]).await?)
    }

    /// Calls a job off. A running one is stopped at its next sign of life and can no longer complete.
    pub async fn cancel(&self, tx: &mut Tx, tenant: Tenant, id: JobId) -> Result<()> {
        match tx.execute(CANCEL, params![tenant, id, self.env().now()]).await? {
            1 => Ok(()),
            _ => Err(Error::NotThere("job")),
        }
    }

    /// Takes a dead job off the list of those given up; it is deleted when jobs that ended so long ago are.
    pub async fn discard_job(&self, tx: &mut Tx, tenant: Tenant, id: JobId) -> Result<()> {
        match tx.execute(DISCARD, params![tenant, id, self.env().now()]).await? {
            1 => Ok(()),
            _ => Err(Error::NotThere("dead job")),
        }
    }

    /// Queues a dead or cancelled job again, with all its attempts.
    pub async fn revive(&self, tx: &mut Tx, tenant: Tenant, id: JobId) -> Result<()> {
        let n = tx.execute(REVIVE, params![tenant, id, self.env().now()]).await?;
        self.wake_after(tx, Wake::Jobs);
        if n == 1 { Ok(()) } else { Err(Error::NotThere("job")) }
    }
}

/// When the next job is due, whether that is past or to come.
pub(crate) async fn next_due(tx: &mut Tx) -> kenroku_store::Result<Option<Timestamp>> {
    let mut next = None;
    for lane in LANES {
        let due: Option<(Timestamp,)> = tx.opt(NEXT, params![lane]).await?;
        next = due.map(|d| next.map_or(d.0, |n: Timestamp| n.min(d.0))).or(next);
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenroku_store::Db;
    use kenroku_types::Id;

    const AT: fn(i64) -> Timestamp = Timestamp::from_secs;

    async fn claim(tx: &mut Tx, now: i64, lease: i64) -> Option<Claimed> {
        tx.opt(CLAIM, params![0, AT(now), AT(now + lease), 1]).await.unwrap()
    }

    #[kenroku_store::test(&[crate::MIGRATIONS])]
    async fn a_lease_is_extended_by_its_holder_only(db: Db) {
        let (tenant, id): (Tenant, JobId) = (Tenant::SHARED, Id::from_uuid(Tenant::SHARED.uuid()));
        let mut tx = db.begin().await.unwrap();
        tx.execute(INSERT, params![tenant, id, "probe.job", "{}", 0, AT(0), None::<String>, AT(0)])
            .await
            .unwrap();
        let held = claim(&mut tx, 10, 30).await.expect("it is due");
        let extend = params![tenant, id, held.fence, AT(100)];
        assert_eq!(tx.execute(EXTEND, extend).await.unwrap(), 1);
        assert!(claim(&mut tx, 50, 30).await.is_none(), "the lease was extended beyond");
        let taken = claim(&mut tx, 101, 30).await.expect("the lease ran out");
        assert!(taken.fence > held.fence);
        assert_eq!(tx.execute(EXTEND, extend).await.unwrap(), 0, "the old holder extends nothing");
    }
}
