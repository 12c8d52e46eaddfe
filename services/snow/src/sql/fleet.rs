//! Vehicles, devices, assignments and events.

use std::collections::{HashMap, HashSet};

use kenroku_roads::model::SegmentId;
use kenroku_store::{Bulk, Col, Result, Sql, Tx, Val, params, row, sql};
use kenroku_types::ids::DeviceId;
use kenroku_types::{Tenant, Timestamp, id_kind};

use super::{loaded, stored};

id_kind! {
    /// A plough, grader or spreader.
    Vehicle => VehicleId;
    /// 出動.
    SnowEvent => SnowEventId;
}

/// A vehicle.
#[derive(Clone, Debug, PartialEq)]
pub struct VehicleRow {
    /// Key.
    pub id: VehicleId,
    /// What the desk calls it.
    pub label: String,
    /// プラウ, ロータリ, 散布 …
    pub kind: String,
    /// 模擬データ.
    pub simulated: bool,
}
row!(VehicleRow { id, label, kind, simulated });

/// A device with the vehicle it rides on now.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceRow {
    /// Key.
    pub id: DeviceId,
    /// What the desk calls it.
    pub label: String,
    /// Since when it is known.
    pub created_at: Timestamp,
    /// The vehicle's label.
    pub vehicle: Option<String>,
}
row!(DeviceRow { id, label, created_at, vehicle });

/// From when on (and until when) a device rides on a vehicle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assignment {
    /// Which device.
    pub device: DeviceId,
    /// From then on.
    pub since: Timestamp,
    /// Until then.
    pub until: Option<Timestamp>,
    /// The vehicle.
    pub vehicle: VehicleId,
}
row!(Assignment { device, since, until, vehicle });

/// 出動.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow {
    /// Key.
    pub id: SnowEventId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// One of the five levels.
    pub level: String,
    /// Snow depth at the decision, cm.
    pub depth_cm: Option<i64>,
    /// 模擬データ.
    pub simulated: bool,
}
row!(EventRow { id, started_at, ended_at, level, depth_cm, simulated });

const ADD_VEHICLE: &Sql = sql!(
    "insert into snow_vehicle (tenant, id, label, kind, simulated) values ($1, $2, $3, $4, $5)
     on conflict (tenant, id) do update set label = excluded.label, kind = excluded.kind"
);
const VEHICLES: &Sql =
    sql!("select id, label, kind, simulated from snow_vehicle where tenant = $1 order by label, id");
const ADD_DEVICE: &Sql = sql!(
    "insert into snow_device (tenant, id, label, simulated, created_at) values ($1, $2, $3, $4, $5)
     on conflict (tenant, id) do nothing"
);
const IS_DEVICE: &Sql = sql!("select 1 from snow_device where tenant = $1 and id = $2");
const DEVICES: &Sql = sql!(
    "select d.id, d.label, d.created_at, v.label from snow_device d
     left join snow_device_vehicle a on a.tenant = d.tenant and a.device = d.id and a.until is null
     left join snow_vehicle v on v.tenant = a.tenant and v.id = a.vehicle
     where d.tenant = $1 order by d.created_at desc, d.id"
);
const END_ASSIGNMENT: &Sql =
    sql!("update snow_device_vehicle set until = $3 where tenant = $1 and device = $2 and until is null");
const ASSIGN: &Sql = sql!(
    "insert into snow_device_vehicle (tenant, device, since, vehicle) values ($1, $2, $3, $4)
     on conflict (tenant, device, since) do update set vehicle = excluded.vehicle, until = null"
);
const ASSIGNMENTS: &Sql = sql!(
    "select device, since, until, vehicle from snow_device_vehicle where tenant = $1 order by device, since"
);
const CLEAR_ROUTE: &Sql = sql!("delete from snow_route where tenant = $1 and vehicle = $2");
const ROUTES: &Sql =
    sql!("select vehicle, segment from snow_route where tenant = $1 order by vehicle, ordinal");
static ROUTE: Bulk = Bulk::new(
    "snow_route",
    &[("tenant", Col::Uuid), ("vehicle", Col::Uuid), ("segment", Col::Int), ("ordinal", Col::Int)],
    "on conflict (tenant, vehicle, segment) do nothing",
);
const OPEN_EVENT: &Sql = sql!(
    "insert into snow_event (tenant, id, started_at, level, depth_cm, source, simulated)
     values ($1, $2, $3, $4, $5, $6, $7) on conflict (tenant, id) do nothing"
);
const END_EVENT: &Sql =
    sql!("update snow_event set ended_at = $3 where tenant = $1 and id = $2 and ended_at is null");
const CURRENT_EVENT: &Sql = sql!(
    "select id, started_at, ended_at, level, depth_cm, simulated from snow_event
     where tenant = $1 and started_at <= $2 and (ended_at is null or ended_at > $3)
     order by started_at desc, id desc limit 1"
);

const EVENTS: &Sql = sql!(
    "select tenant, id, started_at, ended_at, level, depth_cm, simulated from snow_event
     where started_at <= $1 and (ended_at is null or ended_at > $2) order by tenant, started_at, id
     /* @cross_tenant the joint map shows every source */"
);

/// Adds or renames a vehicle.
pub async fn add_vehicle(tx: &mut Tx, tenant: Tenant, v: &VehicleRow) -> Result<()> {
    tx.execute(ADD_VEHICLE, params![tenant, v.id, &v.label, &v.kind, v.simulated]).await.map(drop)
}

/// All vehicles of a tenant.
pub async fn vehicles(tx: &mut Tx, tenant: Tenant) -> Result<Vec<VehicleRow>> {
    tx.all(VEHICLES, params![tenant]).await
}

/// Registers a device; whether it was new.
pub async fn add_device(
    tx: &mut Tx,
    tenant: Tenant,
    id: DeviceId,
    label: &str,
    simulated: bool,
    now: Timestamp,
) -> Result<bool> {
    Ok(tx.execute(ADD_DEVICE, params![tenant, id, label, simulated, now]).await? == 1)
}

/// Whether a device is one of this module.
pub async fn is_device(tx: &mut Tx, tenant: Tenant, id: DeviceId) -> Result<bool> {
    Ok(tx.opt::<(i64,)>(IS_DEVICE, params![tenant, id]).await?.is_some())
}

/// All devices of a tenant, newest first.
pub async fn devices(tx: &mut Tx, tenant: Tenant) -> Result<Vec<DeviceRow>> {
    tx.all(DEVICES, params![tenant]).await
}

/// Puts a device on a vehicle from `since` on; what it rode on before ends then.
pub async fn assign(
    tx: &mut Tx,
    tenant: Tenant,
    device: DeviceId,
    vehicle: VehicleId,
    since: Timestamp,
) -> Result<()> {
    tx.execute(END_ASSIGNMENT, params![tenant, device, since]).await?;
    tx.execute(ASSIGN, params![tenant, device, since, vehicle]).await.map(drop)
}

/// Every assignment of a tenant.
pub async fn assignments(tx: &mut Tx, tenant: Tenant) -> Result<Vec<Assignment>> {
    tx.all(ASSIGNMENTS, params![tenant]).await
}

/// Sets the segments a vehicle is to clear, in their order.
pub async fn set_route(
    tx: &mut Tx,
    tenant: Tenant,
    vehicle: VehicleId,
    segments: &[SegmentId],
) -> Result<()> {
    tx.execute(CLEAR_ROUTE, params![tenant, vehicle]).await?;
    let rows: Vec<[Val<'_>; 4]> = segments
        .iter()
        .enumerate()
        .map(|(i, s)| [tenant.into(), vehicle.into(), stored(*s).into(), (i as i64).into()])
        .collect();
    tx.insert_many(&ROUTE, &rows).await.map(drop)
}

/// The segments of every vehicle of a tenant.
pub async fn routes(tx: &mut Tx, tenant: Tenant) -> Result<HashMap<VehicleId, HashSet<SegmentId>>> {
    let rows: Vec<(VehicleId, i64)> = tx.all(ROUTES, params![tenant]).await?;
    let mut routes: HashMap<VehicleId, HashSet<SegmentId>> = HashMap::new();
    for (vehicle, segment) in rows {
        routes.entry(vehicle).or_default().insert(loaded(segment));
    }
    Ok(routes)
}

/// Begins an event; whether it was new.
pub async fn open_event(tx: &mut Tx, tenant: Tenant, e: &EventRow, source: &str) -> Result<bool> {
    let values = params![tenant, e.id, e.started_at, &e.level, e.depth_cm, source, e.simulated];
    Ok(tx.execute(OPEN_EVENT, values).await? == 1)
}

/// Ends an event; whether it was on.
pub async fn end_event(tx: &mut Tx, tenant: Tenant, id: SnowEventId, at: Timestamp) -> Result<bool> {
    Ok(tx.execute(END_EVENT, params![tenant, id, at]).await? == 1)
}

/// The event in force at `now`: the latest one that has begun and did not end before `ended_after`.
pub async fn current_event(
    tx: &mut Tx,
    tenant: Tenant,
    now: Timestamp,
    ended_after: Timestamp,
) -> Result<Option<EventRow>> {
    tx.opt(CURRENT_EVENT, params![tenant, now, ended_after]).await
}

/// The events in force of all tenants, by the same rule as [`current_event`].
pub async fn events(
    tx: &mut Tx,
    now: Timestamp,
    ended_after: Timestamp,
) -> Result<HashMap<Tenant, EventRow>> {
    type Row = (Tenant, SnowEventId, Timestamp, Option<Timestamp>, String, Option<i64>, bool);
    let rows: Vec<Row> = tx.all(EVENTS, params![now, ended_after]).await?;
    let event = |(tenant, id, started_at, ended_at, level, depth_cm, simulated): Row| {
        (tenant, EventRow { id, started_at, ended_at, level, depth_cm, simulated })
    };
    // Ordered by their beginning: the latest of a tenant stays.
    Ok(rows.into_iter().map(event).collect())
}
