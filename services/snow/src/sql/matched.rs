//! What the processor writes: cursor, trackers, passes, and the state of segments.

use std::collections::BTreeMap;

use kenroku_roads::model::{Direction, SegmentId};
use kenroku_store::{Bulk, Col, Result, Sql, SqlBuilder, Tx, Val, params, row, sql};
use kenroku_types::ids::DeviceId;
use kenroku_types::{Tenant, Timestamp};
use serde::{Deserialize, Serialize};

use super::fleet::{EventRow, SnowEventId, VehicleId};
use super::{loaded, stored};
use crate::model::{Rule, Task};

/// A part of a segment that a vehicle drove along, by one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct PassRow {
    /// When the device's track began.
    pub track: Timestamp,
    /// Its number within the track.
    pub n: u32,
    /// Where.
    pub segment: SegmentId,
    /// Which way.
    pub direction: Direction,
    /// Metres along the geometry where it begins.
    pub from_m: f32,
    /// Where it ends.
    pub to_m: f32,
    /// When it began.
    pub t0: Timestamp,
    /// When it ended.
    pub t1: Timestamp,
    /// On which vehicle the device rode.
    pub vehicle: Option<VehicleId>,
    /// What was being done.
    pub task: Option<Task>,
    /// Which rule decided.
    pub rule: Rule,
    /// By how much a road of another manager fits worse; small means 要確認.
    pub margin: Option<f32>,
}

/// A worked part of a segment and direction, as pages and state files count it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(f32, f32, i64, i64)", into = "(f32, f32, i64, i64)")]
pub struct Worked {
    /// Metres along the geometry.
    pub from_m: f32,
    /// Metres along the geometry.
    pub to_m: f32,
    /// When it began.
    pub t0: Timestamp,
    /// When it ended.
    pub t1: Timestamp,
}

impl From<(f32, f32, i64, i64)> for Worked {
    fn from((from_m, to_m, t0, t1): (f32, f32, i64, i64)) -> Self {
        Worked { from_m, to_m, t0: Timestamp::from_micros(t0), t1: Timestamp::from_micros(t1) }
    }
}
impl From<Worked> for (f32, f32, i64, i64) {
    fn from(w: Worked) -> Self {
        (w.from_m, w.to_m, w.t0.micros(), w.t1.micros())
    }
}

/// Where the vehicle works at this moment: not settled yet, shown to the desk and forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Where.
    pub segment: SegmentId,
    /// Which way.
    pub direction: Direction,
    /// What was worked.
    pub worked: Worked,
}

/// A device's track so far.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackerRow {
    /// Which device.
    pub device: DeviceId,
    /// On which vehicle it rode last.
    pub vehicle: Option<VehicleId>,
    /// When the track began.
    pub track: Timestamp,
    /// Passes written so far.
    pub passes: u32,
    /// Whether the track may go on.
    pub open: bool,
    /// The last fix.
    pub last_at: Timestamp,
    /// Where that was, 1e-7 degree.
    pub last_lon: i32,
    /// Where that was, 1e-7 degree.
    pub last_lat: i32,
    /// How the last part was judged.
    pub rule: Rule,
    /// Where it is now, as far as known.
    pub segment: Option<i64>,
    /// Work that is not settled, as JSON text: numbers come back as they were on every engine.
    pub live: String,
    /// The matcher's memory, as JSON text.
    pub state: String,
}
row!(TrackerRow {
    device,
    vehicle,
    track,
    passes,
    open,
    last_at,
    last_lon,
    last_lat,
    rule,
    segment,
    live,
    state
});

const CURSOR: &Sql = sql!("select pos, version from snow_cursor where tenant = $1");
const FIRST_CURSOR: &Sql =
    sql!("insert into snow_cursor (tenant, pos, version) values ($1, $2, 1) on conflict (tenant) do nothing");
const MOVE_CURSOR: &Sql =
    sql!("update snow_cursor set pos = $3, version = version + 1 where tenant = $1 and version = $2");
const TRACKER: &Sql = sql!(
    "select device, vehicle, track, passes, open, last_at, last_lon, last_lat, rule, segment, live, state
     from snow_tracker where tenant = $1 and device = $2"
);
const IDLE: &Sql = sql!(
    "select device, vehicle, track, passes, open, last_at, last_lon, last_lat, rule, segment, live, state
     from snow_tracker where tenant = $1 and open and last_at < $2 order by last_at, device limit $3"
);
const TRACKERS_SINCE: &Sql =
    sql!("select rev, device, last_at, live from snow_tracker where tenant = $1 and rev > $2 order by rev");
const SAVE_TRACKER: &Sql = sql!(
    "insert into snow_tracker (tenant, device, vehicle, track, passes, open, last_at, last_lon, last_lat, rule,
       segment, live, state, rev) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
     on conflict (tenant, device) do update set vehicle = excluded.vehicle, track = excluded.track,
       passes = excluded.passes, open = excluded.open, last_at = excluded.last_at, last_lon = excluded.last_lon,
       last_lat = excluded.last_lat, rule = excluded.rule, segment = excluded.segment, live = excluded.live,
       state = excluded.state, rev = excluded.rev"
);
const POSITIONS: &Sql = sql!(
    "select t.device, v.label, v.kind, t.last_at, t.rule, t.segment, d.label from snow_tracker t
     join snow_device d on d.tenant = t.tenant and d.id = t.device
     left join snow_vehicle v on v.tenant = t.tenant and v.id = t.vehicle
     where t.tenant = $1 order by t.last_at, t.device"
);
static PASS: Bulk = Bulk::new(
    "snow_pass",
    &[
        ("tenant", Col::Uuid),
        ("device", Col::Uuid),
        ("track", Col::Int),
        ("n", Col::Int),
        ("segment", Col::Int),
        ("dir", Col::Int),
        ("from_m", Col::Real),
        ("to_m", Col::Real),
        ("t0", Col::Int),
        ("t1", Col::Int),
        ("vehicle", Col::Uuid),
        ("task", Col::Text),
        ("rule", Col::Text),
        ("clears", Col::Bool),
        ("margin", Col::Real),
        ("matcher", Col::Text),
        ("network", Col::Text),
    ],
    "",
);
const PLACES_OF_TRACKS: &Sql = sql!(
    "select distinct segment, dir from snow_pass
     where tenant = $1 and device = $2 and track >= $3 and track <= $4 and clears order by segment, dir"
);
const DELETE_TRACKS: &Sql =
    sql!("delete from snow_pass where tenant = $1 and device = $2 and track >= $3 and track <= $4");
const WORKED: &Sql = sql!(
    "select from_m, to_m, t0, t1 from snow_pass
     where tenant = $1 and segment = $2 and dir = $3 and t0 >= $4 and clears
     order by t0, t1, from_m, to_m, device"
);
const WORKED_SINCE: &Sql = sql!(
    "select distinct segment, dir from snow_pass where tenant = $1 and t0 >= $2 and clears order by segment, dir"
);
const STATES_SINCE: &Sql = sql!(
    "select rev, event, segment, dir, parts from snow_segment_state where tenant = $1 and rev > $2 order by rev"
);
static STATE: Bulk = Bulk::new(
    "snow_segment_state",
    &[
        ("tenant", Col::Uuid),
        ("event", Col::Uuid),
        ("segment", Col::Int),
        ("dir", Col::Int),
        ("parts", Col::Text),
        ("rev", Col::Int),
    ],
    "on conflict (tenant, event, segment, dir) do update set parts = excluded.parts, rev = excluded.rev",
);

/// How far the log of a tenant was read, with the version that the next move must name.
pub async fn cursor(tx: &mut Tx, tenant: Tenant) -> Result<(i64, i64)> {
    Ok(tx.opt(CURSOR, params![tenant]).await?.unwrap_or((0, 0)))
}

/// Moves the cursor; whether nobody else moved it since `version` was read.
pub async fn move_cursor(tx: &mut Tx, tenant: Tenant, version: i64, pos: i64) -> Result<bool> {
    let changed = if version == 0 {
        tx.execute(FIRST_CURSOR, params![tenant, pos]).await?
    } else {
        tx.execute(MOVE_CURSOR, params![tenant, version, pos]).await?
    };
    Ok(changed == 1)
}

/// A device's track so far.
pub async fn tracker(tx: &mut Tx, tenant: Tenant, device: DeviceId) -> Result<Option<TrackerRow>> {
    tx.opt(TRACKER, params![tenant, device]).await
}

/// Open tracks whose last fix is older than `before`.
pub async fn idle(tx: &mut Tx, tenant: Tenant, before: Timestamp, limit: i64) -> Result<Vec<TrackerRow>> {
    tx.all(IDLE, params![tenant, before, limit]).await
}

/// Writes a device's track under a position of the stream `state`.
pub async fn save_tracker(tx: &mut Tx, tenant: Tenant, t: &TrackerRow, rev: i64) -> Result<()> {
    let values = params![
        tenant, t.device, t.vehicle, t.track, t.passes, t.open, t.last_at, t.last_lon, t.last_lat, t.rule,
        t.segment, &t.live, &t.state, rev,
    ];
    tx.execute(SAVE_TRACKER, values).await.map(drop)
}

/// Tracks that changed after a position: position, device, last fix, unsettled work.
pub async fn trackers_since(
    tx: &mut Tx,
    tenant: Tenant,
    rev: i64,
) -> Result<Vec<(i64, DeviceId, Timestamp, Vec<Live>)>> {
    let rows: Vec<(i64, DeviceId, Timestamp, String)> = tx.all(TRACKERS_SINCE, params![tenant, rev]).await?;
    Ok(rows
        .into_iter()
        .map(|(r, d, t, live)| (r, d, t, serde_json::from_str(&live).unwrap_or_default()))
        .collect())
}

/// Where a device was last, for the desk.
#[derive(Clone, Debug, PartialEq)]
pub struct PositionRow {
    /// Which device.
    pub device: DeviceId,
    /// The vehicle's label.
    pub vehicle: Option<String>,
    /// The vehicle's kind.
    pub kind: Option<String>,
    /// The last fix.
    pub last_at: Timestamp,
    /// How the last part was judged.
    pub rule: Rule,
    /// On which segment.
    pub segment: Option<i64>,
    /// The device's label.
    pub label: String,
}
row!(PositionRow { device, vehicle, kind, last_at, rule, segment, label });

/// Every device's last place, silent ones first.
pub async fn positions(tx: &mut Tx, tenant: Tenant) -> Result<Vec<PositionRow>> {
    tx.all(POSITIONS, params![tenant]).await
}

/// Removes the passes of tracks that began between two moments; the segments and directions that lose work.
pub async fn delete_tracks(
    tx: &mut Tx,
    tenant: Tenant,
    device: DeviceId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(i64, u32)>> {
    let touched = tx.all(PLACES_OF_TRACKS, params![tenant, device, from, to]).await?;
    tx.execute(DELETE_TRACKS, params![tenant, device, from, to]).await?;
    Ok(touched)
}

/// Writes passes.
pub async fn add_passes(
    tx: &mut Tx,
    tenant: Tenant,
    device: DeviceId,
    passes: &[PassRow],
    network: &str,
) -> Result<()> {
    let rows: Vec<[Val<'_>; 17]> = passes
        .iter()
        .map(|p| {
            [
                tenant.into(),
                device.into(),
                p.track.into(),
                p.n.into(),
                stored(p.segment).into(),
                p.direction.bit().into(),
                p.from_m.into(),
                p.to_m.into(),
                p.t0.into(),
                p.t1.into(),
                p.vehicle.into(),
                p.task.into(),
                p.rule.into(),
                p.rule.clears().into(),
                p.margin.into(),
                kenroku_roads::matching::MATCHER_VERSION.into(),
                network.into(),
            ]
        })
        .collect();
    tx.insert_many(&PASS, &rows).await.map(drop)
}

/// The segments and directions that were worked since a moment.
pub async fn worked_since(tx: &mut Tx, tenant: Tenant, since: Timestamp) -> Result<Vec<(i64, u32)>> {
    tx.all(WORKED_SINCE, params![tenant, since]).await
}

/// Computes the state of these segments and directions again from their passes, for the event in force.
pub async fn renew_states(
    tx: &mut Tx,
    tenant: Tenant,
    event: &EventRow,
    places: &[(i64, u32)],
) -> Result<()> {
    if places.is_empty() {
        return Ok(());
    }
    let n = places.len() as i64;
    let first = super::log::next_positions(tx, tenant, "state", n).await? - n + 1;
    let mut rows: Vec<[Val<'_>; 6]> = Vec::with_capacity(places.len());
    for (i, &(segment, dir)) in places.iter().enumerate() {
        let parts: Vec<(f64, f64, i64, i64)> =
            tx.all(WORKED, params![tenant, segment, dir, event.started_at]).await?;
        let parts: Vec<Worked> =
            parts.into_iter().map(|(a, b, t0, t1)| Worked::from((a as f32, b as f32, t0, t1))).collect();
        let parts = serde_json::to_string(&parts).unwrap_or_default();
        rows.push([
            tenant.into(),
            event.id.into(),
            segment.into(),
            dir.into(),
            parts.into(),
            (first + i as i64).into(),
        ]);
    }
    tx.insert_many(&STATE, &rows).await.map(drop)
}

/// States that changed after a position: position, event, segment, direction, worked parts.
pub async fn states_since(
    tx: &mut Tx,
    tenant: Tenant,
    rev: i64,
) -> Result<Vec<(i64, SnowEventId, SegmentId, u32, Vec<Worked>)>> {
    let rows: Vec<(i64, SnowEventId, i64, u32, String)> = tx.all(STATES_SINCE, params![tenant, rev]).await?;
    Ok(rows
        .into_iter()
        .map(|(r, e, s, d, parts)| (r, e, loaded(s), d, serde_json::from_str(&parts).unwrap_or_default()))
        .collect())
}

/// A pass of a segment, for its page.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentPass {
    /// 0 along the geometry, 1 against it.
    pub dir: u32,
    /// When it began.
    pub t0: Timestamp,
    /// When it ended.
    pub t1: Timestamp,
    /// Which rule decided.
    pub rule: Rule,
    /// Whether it counts.
    pub clears: bool,
    /// The vehicle's label: staff only.
    pub vehicle: Option<String>,
}
row!(SegmentPass { dir, t0, t1, rule, clears, vehicle });

/// The passes of a segment by these tenants' vehicles since a moment, newest first.
pub async fn passes_of(
    tx: &mut Tx,
    tenants: &[Tenant],
    segment: SegmentId,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<SegmentPass>> {
    let mut b = SqlBuilder::new(
        "select p.dir, p.t0, p.t1, p.rule, p.clears, v.label from snow_pass p
         left join snow_vehicle v on v.tenant = p.tenant and v.id = p.vehicle where p.tenant in ",
    );
    b.bind_list(tenants.iter().copied())
        .push(" and p.segment = ")
        .bind(stored(segment))
        .push(" and p.t0 >= ")
        .bind(since);
    b.push(" order by p.t1 desc, p.device, p.n limit ").bind(limit);
    tx.all_dyn(&b).await
}

/// All passes of a device in order, for comparing two runs.
pub async fn passes_by_device(tx: &mut Tx, tenant: Tenant, device: DeviceId) -> Result<Vec<String>> {
    const ALL: &Sql = sql!(
        "select track, n, segment, dir, from_m, to_m, t0, t1, rule, clears from snow_pass
         where tenant = $1 and device = $2 order by track, n"
    );
    type Row = (Timestamp, i64, i64, i64, f64, f64, Timestamp, Timestamp, String, bool);
    let rows: Vec<Row> = tx.all(ALL, params![tenant, device]).await?;
    Ok(rows
        .into_iter()
        .map(|(track, n, s, d, a, b, t0, t1, rule, clears)| {
            format!("{track} {n} {s} {d} {a:.2}-{b:.2} {t0} {t1} {rule} {clears}")
        })
        .collect())
}

/// The places of passes by segment: used where many are touched at once.
pub fn places(passes: &[PassRow]) -> impl Iterator<Item = (i64, u32)> + '_ {
    passes.iter().filter(|p| p.rule.clears()).map(|p| (stored(p.segment), p.direction.bit()))
}

/// Removes repetitions, in a fixed order.
pub fn distinct(places: impl IntoIterator<Item = (i64, u32)>) -> Vec<(i64, u32)> {
    let unique: BTreeMap<(i64, u32), ()> = places.into_iter().map(|p| (p, ())).collect();
    unique.into_keys().collect()
}
