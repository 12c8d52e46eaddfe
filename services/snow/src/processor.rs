//! The processor: follows the log of positions and writes passes and states.
//!
//! Whatever it learns goes into one transaction together with the move of its cursor, so a crash at any moment
//! loses nothing and repeats nothing. Several processes may run it: the cursor's version lets one of them win.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use kenroku_contracts::snow_passes::{PassesSettled, SettledPass};
use kenroku_roads::graph::{Graph, Search};
use kenroku_roads::model::{Direction, SegmentId};
use kenroku_store::{Result, Tx};
use kenroku_types::ids::DeviceId;
use kenroku_types::{Tenant, Timestamp};

use crate::Snow;
use crate::sql::fleet::{self, Assignment, VehicleId};
use crate::sql::log::{self, LoggedFix, Side};
use crate::sql::matched::{self, PassRow, TrackerRow};
use crate::track::{Duty, GAP, Track};

/// Rows of the log per transaction.
const BATCH: i64 = 2_000;
/// A track is closed when nothing came for this long: the gap that ends it and some room for the network.
const CLOSE_AFTER: Duration = Duration::from_secs(330);

/// Assignments and roads of a tenant's vehicles.
#[derive(Debug, Default)]
pub struct Fleet {
    devices: HashMap<DeviceId, Vec<Assignment>>,
    routes: HashMap<VehicleId, HashSet<SegmentId>>,
}

impl Fleet {
    /// Reads them.
    pub async fn load(tx: &mut Tx, tenant: Tenant) -> Result<Self> {
        let mut devices: HashMap<DeviceId, Vec<Assignment>> = HashMap::new();
        for a in fleet::assignments(tx, tenant).await? {
            devices.entry(a.device).or_default().push(a);
        }
        Ok(Fleet { devices, routes: fleet::routes(tx, tenant).await? })
    }
}

/// The duty of one device.
struct OnDuty<'a>(&'a Fleet, DeviceId);

impl Duty for OnDuty<'_> {
    fn vehicle(&self, at: Timestamp) -> Option<VehicleId> {
        let list = self.0.devices.get(&self.1)?;
        list.iter().rev().find(|a| a.since <= at && a.until.is_none_or(|u| at < u)).map(|a| a.vehicle)
    }

    fn assigned(&self, vehicle: Option<VehicleId>, segment: SegmentId) -> bool {
        vehicle.and_then(|v| self.0.routes.get(&v)).is_some_and(|r| r.contains(&segment))
    }
}

/// What is to be done for one device.
struct Work {
    device: DeviceId,
    /// The track to go on with.
    track: Track,
    /// A part of the past to run again, and the tracks it replaces.
    again: Option<(Timestamp, Timestamp, Vec<LoggedFix>)>,
    fixes: Vec<LoggedFix>,
    close: bool,
}

/// What came of it.
struct Done {
    device: DeviceId,
    replaced: Option<(Timestamp, Timestamp)>,
    passes: Vec<PassRow>,
    tracker: Option<TrackerRow>,
}

impl Snow {
    /// Reads on in every tenant's log; whether more is waiting.
    ///
    /// # Errors
    /// When the database fails; nothing was moved then.
    pub async fn process(&self) -> Result<bool> {
        self.take_up_roads();
        let (mut more, mut waiting) = (false, 0);
        let ends = log::stream_ends(&mut self.db().read().await?, "fix").await?;
        for (tenant, end) in ends {
            let upto = self.process_tenant(tenant, end, &mut more).await?;
            waiting += end - upto;
        }
        self.unmatched(waiting);
        Ok(more)
    }

    /// Processes until nothing is waiting, then brings the board up to date. For tests and start-up.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle(&self) -> Result<()> {
        while self.process().await? {}
        self.follow().await
    }

    /// Reads on in one log; how far. `more` becomes true when it is to be looked at again.
    async fn process_tenant(&self, tenant: Tenant, end: i64, more: &mut bool) -> Result<i64> {
        let now = self.env().now();
        let graph = self.graph();
        let mut tx = self.db().read().await?;
        let (pos, version) = matched::cursor(&mut tx, tenant).await?;
        let rows = if pos < end { log::after(&mut tx, tenant, pos, BATCH).await? } else { Vec::new() };
        let idle = matched::idle(&mut tx, tenant, now.minus(CLOSE_AFTER), 200).await?;
        if rows.is_empty() && idle.is_empty() {
            return Ok(end);
        }
        let upto = rows.last().map_or(pos, |r| r.pos);
        let mut by_device: BTreeMap<DeviceId, Vec<LoggedFix>> = BTreeMap::new();
        let read = !rows.is_empty();
        // A position may have been given out for a repeated row: the last one of the log need not be the end.
        let reached = if rows.len() as i64 == BATCH { upto } else { end };
        for row in rows {
            by_device.entry(row.device).or_default().push(row);
        }
        let mut work = Vec::with_capacity(by_device.len() + idle.len());
        for old in idle {
            if !by_device.contains_key(&old.device) {
                let device = old.device;
                work.push(plan(&mut tx, &graph, tenant, device, Some(old), Vec::new(), upto).await?);
            }
        }
        for (device, fixes) in by_device {
            let old = matched::tracker(&mut tx, tenant, device).await?;
            work.push(plan(&mut tx, &graph, tenant, device, old, fixes, upto).await?);
        }
        let fleet = self.fleet(&mut tx, tenant).await?;
        drop(tx);
        let network = graph.network().version().as_str().to_owned();
        let done = run(graph, fleet, work).await;
        self.write(tenant, version, upto, &done, &network).await?;
        // Once more after rows: tracks that ended long ago are closed then.
        *more |= read;
        Ok(reached)
    }

    async fn write(
        &self,
        tenant: Tenant,
        version: i64,
        upto: i64,
        done: &[Done],
        network: &str,
    ) -> Result<()> {
        let now = self.env().now();
        let mut tx = self.db().begin().await?;
        if !matched::move_cursor(&mut tx, tenant, version, upto).await? {
            // Another process did this work.
            return tx.rollback().await;
        }
        let mut touched = Vec::new();
        for d in done {
            if let Some((from, to)) = d.replaced {
                touched.extend(matched::delete_tracks(&mut tx, tenant, d.device, from, to).await?);
            }
            touched.extend(matched::places(&d.passes));
            self.announce(&mut tx, tenant, d, network).await?;
            matched::add_passes(&mut tx, tenant, d.device, &d.passes, network).await?;
        }
        if let Some(event) = self.event_in_force(&mut tx, tenant, now).await? {
            matched::renew_states(&mut tx, tenant, &event, &matched::distinct(touched)).await?;
        }
        let trackers: Vec<&TrackerRow> = done.iter().filter_map(|d| d.tracker.as_ref()).collect();
        if !trackers.is_empty() {
            let last = log::next_positions(&mut tx, tenant, "state", trackers.len() as i64).await?;
            for (i, t) in trackers.iter().rev().enumerate() {
                matched::save_tracker(&mut tx, tenant, t, last - i as i64).await?;
            }
        }
        tx.commit().await
    }
}

impl Snow {
    /// Tells other modules what was settled, in the transaction that settles it.
    async fn announce(&self, tx: &mut Tx, tenant: Tenant, done: &Done, network: &str) -> Result<()> {
        if done.passes.is_empty() && done.replaced.is_none() {
            return Ok(());
        }
        let pass = |p: &PassRow| SettledPass {
            track: p.track,
            n: p.n,
            segment: p.segment.to_string(),
            forward: p.direction == Direction::Forward,
            from_m: p.from_m,
            to_m: p.to_m,
            t0: p.t0,
            t1: p.t1,
            rule: p.rule.word().to_owned(),
            clears: p.rule.clears(),
        };
        let event = PassesSettled {
            device: done.device,
            network: network.to_owned(),
            replaces: done.replaced,
            passes: done.passes.iter().map(pass).collect(),
        };
        let published = self.bus().publish(tx, tenant, &event).await;
        published.map(drop).map_err(|e| kenroku_store::Error::Other(e.to_string()))
    }
}

/// Decides how a device's new fixes are taken up.
async fn plan(
    tx: &mut Tx,
    graph: &Graph,
    tenant: Tenant,
    device: DeviceId,
    old: Option<TrackerRow>,
    mut fixes: Vec<LoggedFix>,
    upto: i64,
) -> Result<Work> {
    fixes.sort_by_key(|f| f.at);
    let close = fixes.is_empty();
    let Some(old) = old else {
        return Ok(Work { device, track: Track::new(graph), again: None, fixes, close });
    };
    let resumed = Track::resume(&old, graph);
    let late = |f: &LoggedFix| f.at <= old.last_at || (!old.open && f.at.since(old.last_at) <= GAP);
    let in_order = fixes.iter().position(|f| !late(f)).unwrap_or(fixes.len());
    let mut low = fixes[..in_order].first().map(|f| f.at);
    let mut high = fixes[..in_order].last().map(|f| f.at);
    if resumed.is_none() {
        low = Some(low.map_or(old.track, |l| l.min(old.track)));
        high = Some(high.map_or(old.last_at, |h| h.max(old.last_at)));
    }
    let (Some(low), Some(high)) = (low, high) else {
        let track = resumed.unwrap_or_else(|| Track::new(graph));
        return Ok(Work { device, track, again: None, fixes, close });
    };
    let from = run_edge(tx, tenant, device, Side::Before, low).await?;
    let to = run_edge(tx, tenant, device, Side::After, high).await?;
    let now = Timestamp::from_micros(i64::MAX);
    match resumed {
        // The late rows end before the track in progress begins: that one goes on undisturbed.
        Some(track) if to < old.track => {
            let mut past = log::between(tx, tenant, device, from, to).await?;
            past.retain(|f| f.pos <= upto);
            let rest = fixes.split_off(in_order);
            Ok(Work { device, track, again: Some((from, to, past)), fixes: rest, close })
        }
        _ => {
            let mut all = log::between(tx, tenant, device, from, now).await?;
            all.retain(|f| f.pos <= upto);
            Ok(Work {
                device,
                track: Track::new(graph),
                again: Some((from, now, Vec::new())),
                fixes: all,
                close,
            })
        }
    }
}

/// Where the run of fixes around a moment begins or ends.
async fn run_edge(
    tx: &mut Tx,
    tenant: Tenant,
    device: DeviceId,
    side: Side,
    at: Timestamp,
) -> Result<Timestamp> {
    const AT_ONCE: usize = 500;
    let mut edge = at;
    loop {
        let times = log::times(tx, tenant, device, side, edge, AT_ONCE as i64).await?;
        let full = times.len() == AT_ONCE;
        for t in times {
            if edge.since(t).abs() > GAP {
                return Ok(edge);
            }
            edge = t;
        }
        if !full {
            return Ok(edge);
        }
    }
}

/// Matches on a thread of its own: it is work for a processor, not for the network.
async fn run(graph: Arc<Graph>, fleet: Arc<Fleet>, work: Vec<Work>) -> Vec<Done> {
    let matched = tokio::task::spawn_blocking(move || {
        let mut search = Search::new(&graph);
        work.into_iter().map(|w| follow_device(&graph, &mut search, &fleet, w)).collect()
    });
    matched.await.unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()))
}

fn follow_device(graph: &Graph, search: &mut Search<'_>, fleet: &Fleet, mut w: Work) -> Done {
    let duty = OnDuty(fleet, w.device);
    let mut passes = Vec::new();
    let replaced = w.again.map(|(from, to, past)| {
        let mut track = Track::new(graph);
        passes.extend(track.run(search, &duty, &past));
        track.finish(graph, &duty, &mut passes);
        (from, to)
    });
    passes.extend(w.track.run(search, &duty, &w.fixes));
    if w.close {
        w.track.finish(graph, &duty, &mut passes);
    }
    Done { device: w.device, replaced, passes, tracker: w.track.row(graph, &duty, w.device) }
}
