//! The log of positions, its stream position, and the quarantine.

use kenroku_roads::geo::Point;
use kenroku_store::{Bulk, Col, Result, Sql, Tx, Val, params, row, sql};
use kenroku_types::ids::DeviceId;
use kenroku_types::{Tenant, Timestamp};

use crate::model::{Refused, Task, Verdict};

const NEXT: &Sql = sql!(
    "insert into snow_stream (tenant, kind, pos) values ($1, $2, $3)
     on conflict (tenant, kind) do update set pos = snow_stream.pos + excluded.pos returning pos"
);
const ENDS: &Sql = sql!(
    "select tenant, pos from snow_stream where kind = $1 order by tenant /* @cross_tenant which sources have news */"
);
static FIX: Bulk = Bulk::new(
    "snow_fix",
    &[
        ("tenant", Col::Uuid),
        ("device", Col::Uuid),
        ("at", Col::Int),
        ("pos", Col::Int),
        ("lon", Col::Int),
        ("lat", Col::Int),
        ("speed", Col::Real),
        ("heading", Col::Real),
        ("hdop", Col::Real),
        ("work", Col::Bool),
        ("task", Col::Text),
        ("mock", Col::Bool),
        ("extra", Col::Json),
        ("received_at", Col::Int),
    ],
    "on conflict (tenant, device, at) do nothing",
);
static QUARANTINE: Bulk = Bulk::new(
    "snow_quarantine",
    &[
        ("tenant", Col::Uuid),
        ("device", Col::Uuid),
        ("digest", Col::Blob),
        ("code", Col::Text),
        ("raw", Col::Text),
        ("received_at", Col::Int),
    ],
    "on conflict (tenant, device, digest) do nothing",
);
const AFTER: &Sql = sql!(
    "select pos, device, at, lon, lat, speed, heading, hdop, work, task, mock from snow_fix
     where tenant = $1 and pos > $2 order by pos limit $3"
);
const BETWEEN: &Sql = sql!(
    "select pos, device, at, lon, lat, speed, heading, hdop, work, task, mock from snow_fix
     where tenant = $1 and device = $2 and at >= $3 and at <= $4 order by at"
);
const TIMES_BEFORE: &Sql =
    sql!("select at from snow_fix where tenant = $1 and device = $2 and at < $3 order by at desc limit $4");
const TIMES_AFTER: &Sql =
    sql!("select at from snow_fix where tenant = $1 and device = $2 and at > $3 order by at limit $4");
const COUNTS: &Sql = sql!(
    "select code, count(*), max(received_at) from snow_quarantine where tenant = $1 and received_at >= $2
     group by code order by code"
);
const NEWEST: &Sql = sql!(
    "select max(received_at) from snow_fix where tenant = $1
     and pos > (select max(pos) - 100 from snow_fix where tenant = $1)"
);

/// A fix of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedFix {
    /// Its place in the stream.
    pub pos: i64,
    /// Which device.
    pub device: DeviceId,
    /// When.
    pub at: Timestamp,
    lon: i32,
    lat: i32,
    /// m/s.
    pub speed: Option<f64>,
    /// Degrees.
    pub heading: Option<f64>,
    /// Dilution of precision.
    pub hdop: Option<f64>,
    /// Work signal.
    pub work: Option<bool>,
    /// Task.
    pub task: Option<Task>,
    /// Made up by the phone.
    pub mock: bool,
}
row!(LoggedFix { pos, device, at, lon, lat, speed, heading, hdop, work, task, mock });

impl LoggedFix {
    /// Where.
    pub const fn point(&self) -> Point {
        Point::new(self.lon, self.lat)
    }
}

/// A row that was not taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejected {
    /// Why.
    pub why: Refused,
    /// The row as it came, cut to what the table keeps.
    pub raw: String,
}

/// Gives out `n` positions of a stream; the last of them. The row stays locked until the transaction ends, so
/// positions become visible in their order.
pub async fn next_positions(tx: &mut Tx, tenant: Tenant, kind: &str, n: i64) -> Result<i64> {
    tx.one::<(i64,)>(NEXT, params![tenant, kind, n]).await.map(|(p,)| p)
}

/// The ends of all streams of a kind.
pub async fn stream_ends(tx: &mut Tx, kind: &str) -> Result<Vec<(Tenant, i64)>> {
    tx.all(ENDS, params![kind]).await
}

/// Appends fixes; how many were new. A fix of the same device and moment is already there.
pub async fn append(
    tx: &mut Tx,
    tenant: Tenant,
    device: DeviceId,
    fixes: &[Verdict],
    now: Timestamp,
) -> Result<u64> {
    if fixes.is_empty() {
        return Ok(0);
    }
    let n = fixes.len() as i64;
    let first = next_positions(tx, tenant, "fix", n).await? - n + 1;
    let rows: Vec<[Val<'_>; 14]> = fixes
        .iter()
        .enumerate()
        .map(|(i, f)| {
            [
                tenant.into(),
                device.into(),
                f.at.into(),
                (first + i as i64).into(),
                f.point.lon.into(),
                f.point.lat.into(),
                f.speed.into(),
                f.heading.into(),
                f.hdop.into(),
                f.work.into(),
                f.task.into(),
                f.mock.into(),
                f.extra.as_deref().map_or(Val::Null, |e| Val::Json(e.into())),
                now.into(),
            ]
        })
        .collect();
    tx.insert_many(&FIX, &rows).await
}

/// Keeps rows that were not taken. The same row sent again is kept once.
pub async fn quarantine(
    tx: &mut Tx,
    tenant: Tenant,
    device: DeviceId,
    rows: &[Rejected],
    now: Timestamp,
) -> Result<()> {
    let values: Vec<[Val<'_>; 6]> = rows
        .iter()
        .map(|r| {
            let digest = ring::digest::digest(&ring::digest::SHA256, r.raw.as_bytes());
            let digest = digest.as_ref()[..16].to_vec();
            [
                tenant.into(),
                device.into(),
                digest.into(),
                r.why.word().into(),
                r.raw.as_str().into(),
                now.into(),
            ]
        })
        .collect();
    tx.insert_many(&QUARANTINE, &values).await.map(drop)
}

/// The log from a position on.
pub async fn after(tx: &mut Tx, tenant: Tenant, pos: i64, limit: i64) -> Result<Vec<LoggedFix>> {
    tx.all(AFTER, params![tenant, pos, limit]).await
}

/// The log of a device between two moments, in order of time.
pub async fn between(
    tx: &mut Tx,
    tenant: Tenant,
    device: DeviceId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<LoggedFix>> {
    tx.all(BETWEEN, params![tenant, device, from, to]).await
}

/// Which fixes, seen from a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those before it.
    Before,
    /// Those after it.
    After,
}

/// Moments of a device's fixes on one side of another, the nearest first.
pub async fn times(
    tx: &mut Tx,
    tenant: Tenant,
    device: DeviceId,
    side: Side,
    at: Timestamp,
    limit: i64,
) -> Result<Vec<Timestamp>> {
    let statement = match side {
        Side::Before => TIMES_BEFORE,
        Side::After => TIMES_AFTER,
    };
    let rows: Vec<(Timestamp,)> = tx.all(statement, params![tenant, device, at, limit]).await?;
    Ok(rows.into_iter().map(|(t,)| t).collect())
}

/// How many rows of each kind were not taken since a moment, and when the last came.
pub async fn quarantine_counts(
    tx: &mut Tx,
    tenant: Tenant,
    since: Timestamp,
) -> Result<Vec<(Refused, i64, Timestamp)>> {
    tx.all(COUNTS, params![tenant, since]).await
}

/// When the newest fix was received.
pub async fn newest_received(tx: &mut Tx, tenant: Tenant) -> Result<Option<Timestamp>> {
    tx.one::<(Option<Timestamp>,)>(NEWEST, params![tenant]).await.map(|(t,)| t)
}
