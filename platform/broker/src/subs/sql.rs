//! Statements of subscriptions.

use kenroku_store::{Result, Sql, Tx, params, row, sql};
use kenroku_types::{Tenant, Timestamp};
use serde_json::Value;

/// A subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct SubRow {
    /// Its id.
    pub id: String,
    /// What is asked, with full names.
    pub doc: Value,
    /// The words that answers use, as they stood in `@context`.
    pub context: Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
    /// How many notifications arrived.
    pub times_sent: i64,
    /// How many attempts failed.
    pub times_failed: i64,
    /// When something was last sent.
    pub last_notification: Option<Timestamp>,
    /// When something last arrived.
    pub last_success: Option<Timestamp>,
    /// When something last failed.
    pub last_failure: Option<Timestamp>,
}

struct Raw {
    id: String,
    doc: String,
    context: String,
    created_at: Timestamp,
    modified_at: Timestamp,
    times_sent: i64,
    times_failed: i64,
    last_notification: Option<Timestamp>,
    last_success: Option<Timestamp>,
    last_failure: Option<Timestamp>,
}
row!(Raw {
    id,
    doc,
    context,
    created_at,
    modified_at,
    times_sent,
    times_failed,
    last_notification,
    last_success,
    last_failure
});

impl From<Raw> for SubRow {
    fn from(r: Raw) -> Self {
        let json = |s: &str| serde_json::from_str(s).unwrap_or_default();
        SubRow {
            doc: json(&r.doc),
            context: json(&r.context),
            id: r.id,
            created_at: r.created_at,
            modified_at: r.modified_at,
            times_sent: r.times_sent,
            times_failed: r.times_failed,
            last_notification: r.last_notification,
            last_success: r.last_success,
            last_failure: r.last_failure,
        }
    }
}

const ADD: &Sql = sql!(
    "insert into broker_subscription (tenant, id, doc, context, created_at, modified_at, times_sent, times_failed)
     values ($1, $2, $3, $4, $5, $5, 0, 0) on conflict (tenant, id) do nothing"
);
const PUT: &Sql = sql!(
    "update broker_subscription set doc = $3, context = $4, modified_at = $5 where tenant = $1 and id = $2"
);
const GET: &Sql = sql!(
    "select id, doc, context, created_at, modified_at, times_sent, times_failed, last_notification, last_success, last_failure
     from broker_subscription where tenant = $1 and id = $2"
);
const ALL: &Sql = sql!(
    "select id, doc, context, created_at, modified_at, times_sent, times_failed, last_notification, last_success, last_failure
     from broker_subscription where tenant = $1 order by id"
);
const DELETE: &Sql = sql!("delete from broker_subscription where tenant = $1 and id = $2");
const ARRIVED: &Sql = sql!(
    "update broker_subscription set times_sent = times_sent + 1, last_notification = $3, last_success = $3
     where tenant = $1 and id = $2"
);
const FAILED: &Sql = sql!(
    "update broker_subscription set times_sent = times_sent + 1, times_failed = times_failed + 1, last_notification = $3,
     last_failure = $3 where tenant = $1 and id = $2"
);
const QUEUED: &Sql =
    sql!("update broker_subscription set last_notification = $3 where tenant = $1 and id = $2");

/// Adds one; `false` when the id is taken.
pub async fn add(
    tx: &mut Tx,
    tenant: Tenant,
    id: &str,
    doc: &Value,
    context: &Value,
    now: Timestamp,
) -> Result<bool> {
    Ok(tx.execute(ADD, params![tenant, id, doc.to_string(), context.to_string(), now]).await? > 0)
}

/// Replaces what is asked.
pub async fn put(
    tx: &mut Tx,
    tenant: Tenant,
    id: &str,
    doc: &Value,
    context: &Value,
    now: Timestamp,
) -> Result<()> {
    tx.execute(PUT, params![tenant, id, doc.to_string(), context.to_string(), now]).await.map(drop)
}

/// One.
pub async fn get(tx: &mut Tx, tenant: Tenant, id: &str) -> Result<Option<SubRow>> {
    Ok(tx.opt::<Raw>(GET, params![tenant, id]).await?.map(SubRow::from))
}

/// All, by id.
pub async fn all(tx: &mut Tx, tenant: Tenant) -> Result<Vec<SubRow>> {
    Ok(tx.all::<Raw>(ALL, params![tenant]).await?.into_iter().map(SubRow::from).collect())
}

/// Removes one.
pub async fn delete(tx: &mut Tx, tenant: Tenant, id: &str) -> Result<bool> {
    Ok(tx.execute(DELETE, params![tenant, id]).await? > 0)
}

/// Counts an attempt.
pub async fn sent(tx: &mut Tx, tenant: Tenant, id: &str, arrived: bool, now: Timestamp) -> Result<()> {
    tx.execute(if arrived { ARRIVED } else { FAILED }, params![tenant, id, now]).await.map(drop)
}

/// Notes that something was queued: throttling counts from here.
pub async fn queued(tx: &mut Tx, tenant: Tenant, id: &str, now: Timestamp) -> Result<()> {
    tx.execute(QUEUED, params![tenant, id, now]).await.map(drop)
}
