//! The quarantine as the desk works it off: by device and reason, row by row, and out of the way.

use kenroku_store::{Result, Sql, Tx, params, row, sql};
use kenroku_types::ids::DeviceId;
use kenroku_types::{Tenant, Timestamp};

use crate::model::Refused;

const GROUPS: &Sql = sql!(
    "select q.device, d.label, q.code, count(*), max(q.received_at) from snow_quarantine q
     left join snow_device d on d.tenant = q.tenant and d.id = q.device
     where q.tenant = $1 group by q.device, d.label, q.code order by max(q.received_at) desc, q.device, q.code limit $2"
);
const ROWS: &Sql = sql!(
    "select digest, raw, received_at from snow_quarantine where tenant = $1 and device = $2 and code = $3
     order by received_at desc, digest limit $4"
);
const DISMISS: &Sql =
    sql!("delete from snow_quarantine where tenant = $1 and device = $2 and code = $3 and digest = $4");
const DISMISS_ALL: &Sql =
    sql!("delete from snow_quarantine where tenant = $1 and device = $2 and code = $3 and received_at <= $4");

/// What one device sent and nobody could use, for one reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Which device.
    pub device: DeviceId,
    /// What the desk calls it.
    pub label: Option<String>,
    /// Why.
    pub why: Refused,
    /// Rows.
    pub rows: i64,
    /// When the last came.
    pub latest: Timestamp,
}
row!(Group { device, label, why, rows, latest });

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// By which it is known among those of its device.
    pub digest: Vec<u8>,
    /// As it came, cut to what the table keeps.
    pub raw: String,
    /// When.
    pub received_at: Timestamp,
}
row!(Kept { digest, raw, received_at });

/// What waits, the latest first.
pub async fn groups(tx: &mut Tx, tenant: Tenant, limit: i64) -> Result<Vec<Group>> {
    tx.all(GROUPS, params![tenant, limit]).await
}

/// The rows of one device and reason, the latest first.
pub async fn rows(
    tx: &mut Tx,
    tenant: Tenant,
    device: DeviceId,
    why: Refused,
    limit: i64,
) -> Result<Vec<Kept>> {
    tx.all(ROWS, params![tenant, device, why, limit]).await
}

/// Removes one row; whether it was there.
pub async fn dismiss(
    tx: &mut Tx,
    tenant: Tenant,
    device: DeviceId,
    why: Refused,
    digest: &[u8],
) -> Result<bool> {
    Ok(tx.execute(DISMISS, params![tenant, device, why, digest]).await? == 1)
}

/// Removes the rows of one device and reason that had come by a moment: what came later nobody has seen.
pub async fn dismiss_all(
    tx: &mut Tx,
    tenant: Tenant,
    device: DeviceId,
    why: Refused,
    seen: Timestamp,
) -> Result<u64> {
    tx.execute(DISMISS_ALL, params![tenant, device, why, seen]).await
}
