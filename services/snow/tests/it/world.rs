//! A small world: four pieces of a straight prefectural road, a municipal side street, and ploughs on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kenroku_access::Granted;
use kenroku_access::accounts::{Accounts, KeyHolder, NewKey};
use kenroku_access::kernel::ManageKeys;
use kenroku_bus::Bus;
use kenroku_http::test::NOW;
use kenroku_module::Module;
use kenroku_module::test::TestSite;
use kenroku_roads::Roads;
use kenroku_roads::geo::{Point, degree_m};
use kenroku_roads::graph::Graph;
use kenroku_roads::model::{Crs, Manager, Network, Provenance, Segment, SegmentId};
use kenroku_snow::ingest::Incoming;
use kenroku_snow::model::Report;
use kenroku_snow::sql::fleet::{EventRow, VehicleRow};
use kenroku_snow::{Settings, Snow};
use kenroku_store::Db;
use kenroku_types::ids::DeviceId;
use kenroku_types::{Env, Id, MuniCode, Tenant, Timestamp};
use uuid::Uuid;

pub const KEY: &str = "0000-1111-2222-3333-4444";
/// Metres of one piece of the main road.
pub const PIECE: f64 = 300.0;

pub fn prefecture() -> Tenant {
    Tenant::of(MuniCode::new(17000).unwrap())
}

pub fn id<K>(n: u128) -> Id<K> {
    Id::from_uuid(Uuid::from_u128(0x0194_49a0_5d3e_7c3a_8f00_0000_0000_0000 + n))
}

pub fn device() -> DeviceId {
    id(1)
}

/// The place `east` metres along the main road and `north` metres beside it.
pub fn place(east: f64, north: f64) -> Point {
    let (mx, my) = degree_m(36.44);
    Point::from_degrees(136.5 + east / mx, 36.44 + north / my).unwrap()
}

/// Pieces 0–3 of the main road by position, and the side street.
pub fn roads() -> (Arc<Graph>, Vec<SegmentId>) {
    let mut nodes: Vec<Point> = (0..5).map(|i| place(PIECE * f64::from(i), 0.0)).collect();
    nodes.push(place(2.0 * PIECE, 400.0));
    let mut segments = Vec::new();
    let piece = |a: u32, b: u32| {
        let (p, q) = (nodes[a as usize], nodes[b as usize]);
        let mut s =
            Segment::new(SegmentId::derive("test", i64::from(a * 10 + b), p, q, 0), [p, q].into(), a, b);
        s.name = Some(format!("町{a} – 町{b}").into());
        s.municipality = MuniCode::new(17211);
        s.simulated = true;
        s
    };
    for i in 0..4 {
        let mut s = piece(i, i + 1);
        s.manager = Manager::Prefecture;
        s.route_no = Some("県道1号".into());
        segments.push(s);
    }
    let mut side = piece(2, 5);
    side.manager = Manager::Municipality;
    segments.push(side);
    let ids = segments.iter().map(|s| s.id).collect();
    let provenance = Provenance {
        source: "test".into(),
        attribution: "模擬データ".into(),
        licence: "CC0-1.0".into(),
        simulated: true,
        crs: Crs::Wgs84,
    };
    (Arc::new(Graph::new(Arc::new(Network::build(provenance, vec![], nodes, segments).unwrap()))), ids)
}

pub fn settings() -> Settings {
    Settings::new(MuniCode::new(17000).unwrap())
}

/// The service on a database, at [`NOW`]: each one a process of its own, with ids of its own.
pub fn snow(db: Db) -> (Snow, Vec<SegmentId>) {
    static PROCESSES: AtomicU64 = AtomicU64::new(1);
    let seed = PROCESSES.fetch_add(1, Ordering::SeqCst);
    let (graph, ids) = roads();
    let roads = Roads::default();
    roads.swap(graph);
    (Snow::new(db, Bus::local(Env::fixed(NOW, seed)), Arc::new(roads), settings()).unwrap(), ids)
}

/// An event since two hours, a vehicle that is to clear the main road, and its device.
pub async fn fill(snow: &Snow, ids: &[SegmentId]) {
    let event = EventRow {
        id: id(100),
        started_at: NOW.minus(Duration::from_secs(7200)),
        ended_at: None,
        level: "alert".into(),
        depth_cm: Some(30),
        simulated: true,
    };
    snow.open_event(prefecture(), &event, "test").await.unwrap();
    let vehicle =
        VehicleRow { id: id(10), label: "秘密の101号".into(), kind: "truck".into(), simulated: true };
    snow.add_vehicle(prefecture(), &vehicle, &ids[..4]).await.unwrap();
    let since = NOW.minus(Duration::from_secs(90 * 3600));
    snow.add_device(prefecture(), device(), "秘密の機器", true, Some((id(10), since))).await.unwrap();
}

/// Fixes every ten seconds from `from` to `to` metres along the main road at `kmh`, beginning `start`.
pub fn drive(start: Timestamp, from: f64, to: f64, kmh: f64) -> Vec<Report> {
    let step = kmh / 3.6 * 10.0;
    let n = ((to - from).abs() / step).ceil() as u32;
    (0..=n)
        .map(|i| {
            let east = if to > from {
                (from + step * f64::from(i)).min(to)
            } else {
                (from - step * f64::from(i)).max(to)
            };
            // A receiver is never exact.
            let p = place(east, if i % 2 == 0 { 2.0 } else { -3.0 });
            let mut r =
                Report::new(start.plus(Duration::from_secs(10 * u64::from(i))), p.lat_deg(), p.lon_deg());
            r.speed_mps = Some(kmh / 3.6);
            r
        })
        .collect()
}

pub fn incoming(reports: &[Report]) -> Vec<Incoming> {
    reports.iter().map(|r| Incoming { raw: String::new(), report: Ok(r.clone()) }).collect()
}

/// There and back over the whole main road at 20 km/h, `minutes` before [`NOW`].
pub fn both_ways(minutes: u64) -> Vec<Report> {
    let start = NOW.minus(Duration::from_secs(60 * minutes));
    let mut all = drive(start, 0.0, 4.0 * PIECE, 20.0);
    let turned = all.last().unwrap().at.plus(Duration::from_secs(10));
    all.extend(drive(turned, 4.0 * PIECE - 20.0, 0.0, 20.0));
    all
}

/// The whole module behind its interfaces, with this world in it.
pub async fn site() -> (TestSite, Arc<Snow>, Vec<SegmentId>) {
    let (_, ids) = roads();
    let network = Module::new("testroads").start(|b| {
        Box::pin(async move {
            let held = Roads::default();
            held.swap(roads().0);
            b.put(held);
            Ok(())
        })
    });
    let site = TestSite::of([network, kenroku_snow::module()]).await;
    let snow = site.app().get::<Snow>().unwrap();
    fill(&snow, &ids).await;
    let by: Granted<ManageKeys> = Granted::for_system("test", prefecture());
    let key =
        NewKey { holder: KeyHolder::Device(device()), scopes: &[], label: "秘密の機器", expires: None };
    site.app().get::<Accounts>().unwrap().adopt_key(&by, &key, KEY).await.unwrap();
    (site, snow, ids)
}
