//! The outbox and the order of events.
//!
//! **Why positions are given out afterwards.** A number taken while a transaction is open becomes visible when that
//! transaction commits, and with several PostgreSQL writers that is not the order of the numbers: a cursor that
//! reads “everything above 7” can step over a 6 that commits later. So a row is written without a position. A
//! short step of its own, which holds the one row of `bus_head` until it commits, numbers the rows that are
//! committed by then. Two such steps can never overlap, so positions become visible in their order and without
//! gaps, and an open transaction delays nobody but itself. Any worker may do the step.
//!
//! Rows numbered in one step are sorted by when they were written (`rowid`, or a sequence on PostgreSQL): if one
//! transaction committed before another published, its events come first.

use kenroku_store::{Db, Sql, SqlBuilder, Tx, params, sql, sql_pair};
use kenroku_types::ids::EventId;
use kenroku_types::{Tenant, Timestamp};

use crate::error::Result;
use crate::event::Stored;

/// Rows numbered in one transaction.
const NUMBER_AT_ONCE: i64 = 5_000;
/// Rows deleted in one transaction.
const DELETE_AT_ONCE: i64 = 2_000;

const WRITE: &Sql = sql!(
    "insert into bus_outbox (tenant, id, name, version, payload, made_at) values ($1, $2, $3, $4, $5, $6)"
);
const UNNUMBERED: &Sql = sql!(
    "select tenant from bus_outbox where pos is null limit 1 /* @cross_tenant: the order is one for all */"
);
const LOCK_HEAD: &Sql = sql_pair!(
    why: "a row lock on PostgreSQL, where a frozen holder must not stop the others; SQLite has one writer",
    sqlite: "select last, '15s' from bus_head where one = 1 /* @reference */",
    postgres: "select last, set_config('idle_in_transaction_session_timeout', '15s', true) from bus_head
        where one = 1 for update /* @reference */",
);
const NUMBER: &Sql = sql_pair!(
    why: "the order of writing is the rowid on SQLite, a sequence on PostgreSQL",
    sqlite: "update bus_outbox set pos = $1 + n.i from (
            select tenant, id, row_number() over (order by w) as i from (
                select tenant, id, rowid as w from bus_outbox where pos is null order by rowid limit $2) as a) as n
        where bus_outbox.tenant = n.tenant and bus_outbox.id = n.id",
    postgres: "update bus_outbox set pos = $1 + n.i from (
            select tenant, id, row_number() over (order by w) as i from (
                select tenant, id, ord as w from bus_outbox where pos is null order by ord limit $2) as a) as n
        where bus_outbox.tenant = n.tenant and bus_outbox.id = n.id",
);
const SET_HEAD: &Sql = sql!("update bus_head set last = $1 where one = 1 /* @reference */");
const DELETE: &Sql = sql!(
    "delete from bus_outbox where (tenant, id) in (
        select tenant, id from bus_outbox
        where pos <= (select coalesce(min(c.pos), 9223372036854775807) from bus_cursor c) and made_at < $1
        order by pos limit $2) /* @cross_tenant: retention is one for all */"
);

pub(crate) async fn write(
    tx: &mut Tx,
    tenant: Tenant,
    id: EventId,
    name: &str,
    version: u16,
    payload: String,
    at: Timestamp,
) -> Result<()> {
    tx.execute(WRITE, params![tenant, id, name, version, payload, at]).await?;
    Ok(())
}

/// Gives positions to everything committed; how many rows got one. Each transaction is short.
pub(crate) async fn number(db: &Db) -> Result<u64> {
    let mut all = 0;
    loop {
        // Without this glance every idle worker would write once a second.
        if db.read().await?.opt::<(Tenant,)>(UNNUMBERED, &[]).await?.is_none() {
            return Ok(all);
        }
        let mut tx = db.begin().await?;
        let (last,): (i64,) = tx.one(LOCK_HEAD, &[]).await?;
        let n = tx.execute(NUMBER, params![last, NUMBER_AT_ONCE]).await?;
        if n == 0 {
            tx.rollback().await?;
            return Ok(all);
        }
        tx.execute_one(SET_HEAD, params![last + i64::try_from(n).unwrap_or(i64::MAX)]).await?;
        tx.commit().await?;
        all += n;
    }
}

/// The events of these names in `(after, upto]`, in order.
pub(crate) async fn after(
    tx: &mut Tx,
    names: &[&'static str],
    after: i64,
    upto: i64,
    limit: usize,
) -> Result<Vec<Stored>> {
    let mut q = SqlBuilder::new(
        "select tenant, id, name, version, payload, made_at, pos from bus_outbox where pos > ",
    );
    q.bind(after).push(" and pos <= ").bind(upto).push(" and name in ").bind_list(names.iter().copied());
    q.push(" order by pos limit ").bind(i64::try_from(limit).unwrap_or(i64::MAX));
    q.push(" /* @cross_tenant: a consumer handles the events of all tenants */");
    Ok(tx.all_dyn(&q).await?)
}

/// Deletes rows older than `before` that every consumer has passed; how many.
pub(crate) async fn forget(db: &Db, before: Timestamp) -> Result<u64> {
    let mut all = 0;
    loop {
        let mut tx = db.begin().await?;
        let n = tx.execute(DELETE, params![before, DELETE_AT_ONCE]).await?;
        tx.commit().await?;
        all += n;
        if n < DELETE_AT_ONCE as u64 {
            return Ok(all);
        }
    }
}
