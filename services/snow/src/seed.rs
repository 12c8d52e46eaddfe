//! Data for `kenroku demo`: an event that is on, ploughs with their roads, devices with known keys. All of it is
//! 模擬データ.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use kenroku_access::Granted;
use kenroku_access::accounts::{Accounts, KeyHolder, NewKey};
use kenroku_http::App;
use kenroku_module::HookError;
use kenroku_places::Places;
use kenroku_roads::model::{Direction, Manager, Network, Segment};
use kenroku_types::{Id, MuniCode, Tenant, Timestamp};

use crate::sql::fleet::{EventRow, VehicleRow};
use crate::{ManageDevices, Snow, ingest};

/// Where the demo's ploughs work: municipality, ploughs of the prefecture, ploughs of its own.
const AREAS: [(u32, usize, usize); 6] =
    [(17211, 9, 12), (17201, 3, 5), (17203, 2, 3), (17210, 2, 3), (17206, 1, 2), (17204, 1, 1)];
/// Kilometres that one plough is to clear.
const ROUTE_M: f32 = 12_000.0;
/// Fewer kilometres are no route.
const LEAST_M: f32 = 1_500.0;
const KINDS: [&str; 4] = ["truck", "grader", "dozer", "rotary"];

/// A plough of the demo.
#[derive(Clone, Debug)]
pub struct DemoPlough {
    /// Whose.
    pub tenant: Tenant,
    /// What the desk calls it.
    pub label: String,
    /// Its kind.
    pub kind: &'static str,
    /// The key of its device.
    pub key: String,
    /// Its tour: each road of its route once in each direction, as dense indexes.
    pub tour: Vec<(u32, Direction)>,
    number: u128,
}

/// The demo's ploughs on a network: the same for the same network.
pub fn fleet(network: &Network, prefecture: MuniCode) -> Vec<DemoPlough> {
    let mut out = Vec::new();
    for (code, ours, theirs) in AREAS {
        let Some(area) = MuniCode::new(code) else { continue };
        for (manager, owner, count) in
            [(Manager::Prefecture, prefecture, ours), (Manager::Municipality, area, theirs)]
        {
            let routes = routes(network, |s| s.municipality == Some(area) && s.manager == manager, count);
            for route in routes {
                let n = out.len();
                out.push(DemoPlough {
                    tenant: Tenant::of(owner),
                    label: format!("{}号車", 101 + n),
                    kind: KINDS[n % KINDS.len()],
                    key: format!("demo-{code}-{n:04}-0000-0000"),
                    tour: tour(network, &route),
                    number: n as u128,
                });
            }
        }
    }
    out
}

/// Groups of connected segments, each about as long as one plough's route.
fn routes(network: &Network, belongs: impl Fn(&Segment) -> bool, count: usize) -> Vec<Vec<u32>> {
    let mut at_node: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut left = BTreeMap::new();
    for (i, s) in network.segments().iter().enumerate().filter(|(_, s)| belongs(s)) {
        left.insert(i as u32, s);
        for node in [s.from, s.to] {
            at_node.entry(node).or_default().push(i as u32);
        }
    }
    let mut found = Vec::new();
    while found.len() < count
        && let Some((&first, _)) = left.first_key_value()
    {
        let (mut route, mut metres, mut next) = (Vec::new(), 0.0, VecDeque::from([first]));
        while let Some(i) = next.pop_front() {
            let Some(s) = left.get(&i).copied().filter(|_| metres < ROUTE_M) else { continue };
            left.remove(&i);
            route.push(i);
            metres += s.length_m;
            next.extend([s.from, s.to].iter().filter_map(|n| at_node.get(n)).flatten());
        }
        if metres >= LEAST_M {
            found.push(route);
        }
    }
    found
}

/// A drive over every segment of a connected route, once in each direction, back to where it began.
fn tour(network: &Network, route: &[u32]) -> Vec<(u32, Direction)> {
    let segments = network.segments();
    let mut at_node: HashMap<u32, Vec<u32>> = HashMap::new();
    for &i in route {
        for node in [segments[i as usize].from, segments[i as usize].to] {
            at_node.entry(node).or_default().push(i);
        }
    }
    let Some(start) = route.first().map(|i| segments[*i as usize].from) else { return Vec::new() };
    let (mut out, mut driven, mut seen) = (Vec::new(), HashSet::new(), HashSet::from([start]));
    // Where we stand, and the way back from there.
    let mut stack: Vec<(u32, Option<(u32, Direction)>)> = vec![(start, None)];
    while let Some((node, back)) = stack.last().copied() {
        let onward = at_node.get(&node).and_then(|all| all.iter().copied().find(|i| !driven.contains(i)));
        let Some(i) = onward else {
            out.extend(back);
            stack.pop();
            continue;
        };
        driven.insert(i);
        let s = &segments[i as usize];
        let (d, end) =
            if s.from == node { (Direction::Forward, s.to) } else { (Direction::Backward, s.from) };
        out.push((i, d));
        if seen.insert(end) {
            stack.push((end, Some((i, d.reverse()))));
        } else {
            // A loop closes: turn round at its end.
            out.push((i, d.reverse()));
        }
    }
    out
}

/// A fixed id of the demo, so that seeding twice makes nothing twice.
fn id<K>(kind: u128, n: u128) -> Id<K> {
    Id::from_uuid(raw_id(kind, n))
}

fn raw_id(kind: u128, n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | (kind << 40) | n)
}

/// What a device sends when something is wrong with it: an hour ahead, without a fix, or in a form of its own.
fn unusable(number: u128, now: Timestamp) -> String {
    let row = |n: u64| {
        let at = |ahead: u64| now.plus(Duration::from_secs(ahead + 10 * n));
        match number % 3 {
            0 => format!(r#"{{"time":"{}","lat":36.44,"lon":136.5{n}}}"#, at(3600)),
            1 => format!(r#"{{"time":"{}","lat":0,"lon":0}}"#, at(0)),
            _ => format!(r#"{{"zeit":"{}","breite":36.4{n},"laenge":136.5}}"#, at(0)),
        }
    };
    (0..3 + number as u64 % 5).map(row).collect::<Vec<_>>().join("\n")
}

/// Writes the demo's data.
pub(crate) async fn demo(app: App) -> Result<String, HookError> {
    let snow = app.get::<Snow>().map_err(|e| e.0)?;
    let accounts = app.get::<Accounts>().map_err(|e| e.0)?;
    snow.follow().await?;
    let places = Places::shared()?;
    let network = snow.network();
    let ploughs = fleet(&network, places.prefecture().code);
    let now = snow.env().now();
    let started_at = now.minus(Duration::from_secs(9000));
    let mut tenants: Vec<Tenant> = ploughs.iter().map(|p| p.tenant).collect();
    tenants.sort_unstable();
    tenants.dedup();
    for (n, tenant) in tenants.iter().enumerate() {
        let event = EventRow {
            id: id(1, n as u128),
            started_at,
            ended_at: None,
            level: "alert".to_owned(),
            depth_cm: Some(35),
            simulated: true,
        };
        snow.open_event(*tenant, &event, "demo").await?;
    }
    for p in &ploughs {
        let mut route: Vec<_> = p.tour.iter().map(|(i, _)| network.segments()[*i as usize].id).collect();
        let mut once = HashSet::new();
        route.retain(|s| once.insert(*s));
        let vehicle = VehicleRow {
            id: id(2, p.number),
            label: p.label.clone(),
            kind: p.kind.to_owned(),
            simulated: true,
        };
        snow.add_vehicle(p.tenant, &vehicle, &route).await?;
        let since = now.minus(Duration::from_secs(100 * 3600));
        let label = format!("{}の端末", p.label);
        let device = id(3, p.number);
        snow.add_device(p.tenant, device, &label, true, Some((vehicle.id, since))).await?;
        let by: Granted<ManageDevices> = Granted::for_system("snow", p.tenant);
        let key = NewKey { holder: KeyHolder::Device(device), scopes: &[], label: &label, expires: None };
        accounts.adopt_key(&by, &key, &p.key).await?;
    }
    for p in ploughs.iter().step_by(7) {
        let rows = ingest::rows(unusable(p.number, now).as_bytes()).map_err(|e| e.to_string())?;
        snow.take_in(p.tenant, id(3, p.number), rows).await?;
    }
    Ok(format!("{} ploughs of {} governments, an event each (模擬データ)", ploughs.len(), tenants.len()))
}
