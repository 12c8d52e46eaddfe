//! Removing what is older than it is kept, in pieces that hold up nobody who writes.

use kenroku_store::{Db, Result, Sql, Val, params, sql};
use kenroku_types::ids::DeviceId;
use kenroku_types::{Tenant, Timestamp};

use super::fleet::SnowEventId;

/// Rows per transaction.
const AT_ONCE: i64 = 5_000;

const DEVICES: &Sql = sql!(
    "select tenant, id from snow_device order by tenant, id /* @cross_tenant one rule for every government */"
);
// A position that the processor has not read yet stays, however old it is.
const POSITIONS: &Sql = sql!(
    "delete from snow_fix where tenant = $1 and device = $2 and at in (
       select f.at from snow_fix f where f.tenant = $1 and f.device = $2 and f.at < $3
       and f.pos <= coalesce((select c.pos from snow_cursor c where c.tenant = $1), 0) order by f.at limit $4)"
);
const PASSES: &Sql = sql!(
    "delete from snow_pass where tenant = $1 and device = $2 and (track, n) in (
       select p.track, p.n from snow_pass p where p.tenant = $1 and p.device = $2 and p.track < $3 and p.t1 < $3
       order by p.track, p.n limit $4)"
);
const TRACKERS: &Sql =
    sql!("delete from snow_tracker where tenant = $1 and device = $2 and last_at < $3 and not open");
const REFUSED: &Sql = sql!(
    "delete from snow_quarantine where tenant = $1 and device = $2 and digest in (
       select q.digest from snow_quarantine q where q.tenant = $1 and q.device = $2 and q.received_at < $3
       order by q.received_at limit $4)"
);
const ENDED: &Sql = sql!(
    "select e.tenant, e.id from snow_event e where e.ended_at < $1 and exists (
       select 1 from snow_segment_state s where s.tenant = e.tenant and s.event = e.id)
     order by e.tenant, e.id /* @cross_tenant one rule for every government */"
);
const STATES: &Sql = sql!(
    "delete from snow_segment_state where tenant = $1 and event = $2 and (segment, dir) in (
       select s.segment, s.dir from snow_segment_state s where s.tenant = $1 and s.event = $2 limit $3)"
);

/// Every device that ever was, revoked ones included: the log and the passes are by device.
pub async fn devices(db: &Db) -> Result<Vec<(Tenant, DeviceId)>> {
    db.read().await?.all(DEVICES, &[]).await
}

/// Events that ended before a moment and still have states.
pub async fn ended_before(db: &Db, before: Timestamp) -> Result<Vec<(Tenant, SnowEventId)>> {
    db.read().await?.all(ENDED, params![before]).await
}

/// Removes a device's positions from before a moment; how many.
pub async fn positions(db: &Db, tenant: Tenant, device: DeviceId, before: Timestamp) -> Result<u64> {
    whole(db, POSITIONS, params![tenant, device, before, AT_ONCE]).await
}

/// Removes the passes of a device's tracks that were over before a moment; how many.
pub async fn passes(db: &Db, tenant: Tenant, device: DeviceId, before: Timestamp) -> Result<u64> {
    whole(db, PASSES, params![tenant, device, before, AT_ONCE]).await
}

/// Removes a device's last track when it ended before a moment; how many.
pub async fn trackers(db: &Db, tenant: Tenant, device: DeviceId, before: Timestamp) -> Result<u64> {
    whole(db, TRACKERS, params![tenant, device, before]).await
}

/// Removes the rows of a device that were refused before a moment; how many.
pub async fn refused(db: &Db, tenant: Tenant, device: DeviceId, before: Timestamp) -> Result<u64> {
    whole(db, REFUSED, params![tenant, device, before, AT_ONCE]).await
}

/// Removes the states of an event; how many.
pub async fn states(db: &Db, tenant: Tenant, event: SnowEventId) -> Result<u64> {
    whole(db, STATES, params![tenant, event, AT_ONCE]).await
}

/// Deletes piece by piece until nothing is left.
async fn whole(db: &Db, statement: &'static Sql, values: &[Val<'_>]) -> Result<u64> {
    let mut removed = 0;
    loop {
        let mut tx = db.begin().await?;
        let n = tx.execute(statement, values).await?;
        if n == 0 {
            // Nothing to write: the disk need not hear of it.
            tx.rollback().await?;
            return Ok(removed);
        }
        tx.commit().await?;
        removed += n;
        if n < AT_ONCE as u64 {
            return Ok(removed);
        }
    }
}
