//! [`Snow`]: the module's service, put into the app once and shared by handlers, pages and the processor.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use kenroku_bus::Bus;
use kenroku_contracts::snow_overview::{ClearingState, SnowOverview, SnowSummary};
use kenroku_http::metrics::Sample;
use kenroku_roads::Roads;
use kenroku_roads::graph::Graph;
use kenroku_roads::model::NetworkError;
use kenroku_roads::model::{Crs, Network, Provenance, SegmentId};
use kenroku_store::{Db, Result, Tx};
use kenroku_types::ids::DeviceId;
use kenroku_types::{Env, MuniCode, Tenant, Timestamp};
use tokio::sync::Notify;

use crate::api::state::StateFile;
use crate::board::{Board, View};
use crate::model::{Area, Status};
use crate::processor::Fleet;
use crate::retention::{Keep, RemovedSoFar};
use crate::sql::fleet::{self, EventRow, SnowEventId, VehicleId};
use crate::sql::{log, matched};

/// What an installation decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How much later the public sees what happened. Who follows a plough by its live position endangers its
    /// driver; the prefecture decides.
    pub public_delay: Duration,
    /// How often the public's view is made anew; caches keep it as long.
    pub refresh: Duration,
    /// A source that sends nothing for this long is called silent.
    pub stale_after: Duration,
    /// How long what is kept.
    pub keep: Keep,
    /// Whose roads the 県道 are.
    pub prefecture: MuniCode,
}

impl Settings {
    /// The usual values: ten minutes of delay, a view a minute, silence after five minutes.
    pub const fn new(prefecture: MuniCode) -> Self {
        Settings {
            public_delay: Duration::from_secs(600),
            refresh: Duration::from_secs(60),
            stale_after: Duration::from_secs(300),
            keep: Keep::USUAL,
            prefecture,
        }
    }

    /// For a demonstration: what ploughs do is seen within seconds.
    #[must_use]
    pub const fn demo(mut self) -> Self {
        self.public_delay = Duration::from_secs(15);
        self.refresh = Duration::from_secs(5);
        self
    }
}

/// How long an event that ended is still shown.
const SHOWN_AFTER_END: Duration = Duration::from_secs(24 * 3600);
/// How long assignments and routes are kept before they are read again (they change in other processes too).
const FLEET_AGE: Duration = Duration::from_secs(30);

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Snow(Arc<Inner>);

type KnownFleet = (Duration, u64, Arc<Fleet>);

struct Inner {
    db: Db,
    bus: Bus,
    roads: Arc<Roads>,
    settings: Settings,
    wake: Notify,
    world: RwLock<World>,
    public: Mutex<Option<Public>>,
    fleets: Mutex<HashMap<Tenant, KnownFleet>>,
    fleet_version: AtomicU64,
    removed: RemovedSoFar,
    unmatched: AtomicI64,
}

/// The public's view, and the same as a file once somebody asked for it.
type Public = (Arc<View>, Option<Arc<StateFile>>);

/// The road network in use and what is known on it.
struct World {
    graph: Arc<Graph>,
    area: Area,
    board: Board,
}

impl World {
    fn new(graph: Arc<Graph>, prefecture: Tenant) -> Self {
        let area = Area::around(graph.network().nodes()).unwrap_or(Area::JAPAN);
        World { area, board: Board::new(graph.network().clone(), prefecture), graph }
    }
}

impl std::fmt::Debug for Snow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snow({})", self.network().version())
    }
}

impl Snow {
    /// The service on a database and the road network in use, which may still be missing and may change.
    ///
    /// # Errors
    /// Never for want of a network: then nothing is on the board until one is imported.
    pub fn new(
        db: Db,
        bus: Bus,
        roads: Arc<Roads>,
        settings: Settings,
    ) -> std::result::Result<Self, NetworkError> {
        let graph = match roads.graph() {
            Ok(graph) => graph,
            Err(_) => Arc::new(Graph::new(Arc::new(no_roads()?))),
        };
        let world = World::new(graph, Tenant::of(settings.prefecture));
        Ok(Snow(Arc::new(Inner {
            db,
            bus,
            roads,
            settings,
            wake: Notify::new(),
            world: RwLock::new(world),
            public: Mutex::default(),
            fleets: Mutex::default(),
            fleet_version: AtomicU64::new(0),
            removed: RemovedSoFar::default(),
            unmatched: AtomicI64::new(0),
        })))
    }

    /// The database.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// Where events are published.
    pub(crate) fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// Clock and random source.
    pub fn env(&self) -> &Env {
        self.0.bus.env()
    }

    /// The roads.
    pub fn graph(&self) -> Arc<Graph> {
        self.look(|w| w.graph.clone())
    }

    /// The roads.
    pub fn network(&self) -> Arc<Network> {
        self.look(|w| w.graph.network().clone())
    }

    /// What the installation decided.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What was removed since this process began.
    pub(crate) fn removed(&self) -> &RemovedSoFar {
        &self.0.removed
    }

    /// Notes how many positions wait to be matched.
    pub(crate) fn unmatched(&self, waiting: i64) {
        self.0.unmatched.store(waiting.max(0), Ordering::Relaxed);
    }

    /// What operators watch.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let mut all = self.0.removed.samples();
        all.push(Sample {
            name: "kenroku_snow_unmatched_positions",
            help: "Positions in the log that were not matched to roads yet, as this process last saw it.",
            counter: false,
            labels: Vec::new(),
            value: self.0.unmatched.load(Ordering::Relaxed) as f64,
        });
        all
    }

    pub(crate) fn area(&self) -> Area {
        self.look(|w| w.area)
    }

    /// Tells the processor that there is something to do.
    pub(crate) fn wake(&self) {
        self.0.wake.notify_one();
    }

    fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.0.world.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the board.
    pub fn board<T>(&self, look: impl FnOnce(&Board) -> T) -> T {
        self.look(|w| look(&w.board))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Board) -> T) -> T {
        change(&mut self.0.world.write().unwrap_or_else(PoisonError::into_inner).board)
    }

    /// Takes up the road network in use when it is another one; the board is then filled again from the tables.
    pub(crate) fn take_up_roads(&self) {
        let Ok(graph) = self.0.roads.graph() else { return };
        if graph.network().version() != self.network().version() {
            let world = World::new(graph, Tenant::of(self.settings().prefecture));
            *self.0.world.write().unwrap_or_else(PoisonError::into_inner) = world;
        }
    }

    /// What the desk sees: everything, now.
    pub fn live(&self) -> View {
        let now = self.env().now();
        self.board(|b| b.view(now, now, self.settings().stale_after, true))
    }

    /// What the desk of these governments sees: the roads that they clear as they are now, the others as
    /// everybody sees them.
    pub fn seen_by(&self, desks: &[Tenant]) -> View {
        let (mut view, public) = (self.live(), self.public());
        if view.network.version() != public.network.version() {
            return view;
        }
        self.board(|b| {
            let roads = view.network.segments().iter().zip(&mut view.segments).zip(&public.segments);
            for ((s, seen), open) in roads {
                if b.responsible(s).is_none_or(|t| !desks.contains(&t)) {
                    seen.clone_from(open);
                }
            }
        });
        view
    }

    /// What everybody sees: settled work, older than the delay, made anew once per [`Settings::refresh`].
    pub fn public(&self) -> Arc<View> {
        self.kept_public(|view, _| view.clone())
    }

    /// The same as a file.
    pub fn state_file(&self) -> Arc<StateFile> {
        self.kept_public(|view, file| file.get_or_insert_with(|| Arc::new(StateFile::of(self, view))).clone())
    }

    fn kept_public<T>(&self, take: impl FnOnce(&Arc<View>, &mut Option<Arc<StateFile>>) -> T) -> T {
        let now = self.env().now();
        let at = now.minus(self.settings().public_delay);
        let mut kept = self.0.public.lock().unwrap_or_else(PoisonError::into_inner);
        let network = self.network();
        let old = |v: &View| {
            v.at > at || at >= v.at.plus(self.settings().refresh) || v.network.version() != network.version()
        };
        if kept.as_ref().is_some_and(|(v, _)| old(v)) {
            *kept = None;
        }
        let (view, file) = kept.get_or_insert_with(|| {
            let view = self.board(|b| b.view(now, at, self.settings().stale_after, false));
            (Arc::new(view), None)
        });
        take(view, file)
    }

    /// Works until told to stop: processes what arrives, keeps the board up to date, closes silent tracks.
    /// Errors are logged and tried again.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let work = async {
            loop {
                let more = match self.process().await {
                    Ok(more) => more,
                    Err(e) => {
                        tracing::warn!(error = %e, "snow.process-failed");
                        false
                    }
                };
                if let Err(e) = self.follow().await {
                    tracing::warn!(error = %e, "snow.follow-failed");
                }
                if !more {
                    // Polling covers what other processes write.
                    let _ = tokio::time::timeout(Duration::from_secs(1), self.0.wake.notified()).await;
                    // A breath, so that a stream of single positions is taken up in batches.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = stop => {}
        }
    }

    /// Brings the board up to date with the tables.
    ///
    /// # Errors
    /// When the database fails; the board then stays as it was.
    pub async fn follow(&self) -> Result<()> {
        self.take_up_roads();
        let now = self.env().now();
        let mut tx = self.db().read().await?;
        let events = fleet::events(&mut tx, now, now.minus(SHOWN_AFTER_END)).await?;
        let states = log::stream_ends(&mut tx, "state").await?;
        let fixes = log::stream_ends(&mut tx, "fix").await?;
        self.change(|b| {
            for (tenant, event) in &events {
                b.sources.entry(*tenant).or_default().event.get_or_insert_with(|| event.clone());
            }
            for source in states.iter().chain(&fixes) {
                b.sources.entry(source.0).or_default();
            }
        });
        for (tenant, end) in fixes {
            let seen = self.board(|b| b.sources.get(&tenant).map_or(0, |s| s.fix_pos));
            if seen == end {
                continue;
            }
            let heard = log::newest_received(&mut tx, tenant).await?;
            self.change(|b| {
                if let Some(s) = b.sources.get_mut(&tenant) {
                    (s.fix_pos, s.heard) = (end, s.heard.max(heard));
                }
            });
        }
        let known: Vec<(Tenant, Option<EventRow>, i64)> =
            self.board(|b| b.sources.iter().map(|(t, s)| (*t, s.event.clone(), s.rev)).collect());
        for (tenant, before, mut rev) in known {
            let event = events.get(&tenant).cloned();
            let end = states.iter().find(|(t, _)| *t == tenant).map_or(0, |(_, e)| *e);
            let another = before.as_ref().map(|e| e.id) != event.as_ref().map(|e| e.id);
            if another {
                rev = 0;
            }
            let news = rev < end;
            let changed = if news { matched::states_since(&mut tx, tenant, rev).await? } else { Vec::new() };
            let trackers =
                if news { matched::trackers_since(&mut tx, tenant, rev).await? } else { Vec::new() };
            self.change(|b| {
                if another {
                    b.forget(tenant);
                }
                let id = event.as_ref().map(|e| e.id);
                for (r, of, segment, dir, parts) in changed {
                    rev = rev.max(r);
                    if Some(of) == id {
                        b.set(tenant, segment, dir, parts);
                    }
                }
                for (r, device, _, live) in trackers {
                    rev = rev.max(r);
                    b.set_live(tenant, device, live);
                }
                if let Some(s) = b.sources.get_mut(&tenant) {
                    (s.event, s.rev) = (event, rev);
                }
            });
        }
        Ok(())
    }

    /// Assignments and roads of a tenant's vehicles, read at most every half minute.
    pub(crate) async fn fleet(&self, tx: &mut Tx, tenant: Tenant) -> Result<Arc<Fleet>> {
        let (now, version) = (self.env().clock.monotonic(), self.0.fleet_version.load(Ordering::SeqCst));
        let known = self.0.fleets.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned();
        if let Some((read, of, fleet)) = known
            && of == version
            && now < read + FLEET_AGE
        {
            return Ok(fleet);
        }
        let fleet = Arc::new(Fleet::load(tx, tenant).await?);
        let entry = (now, version, fleet.clone());
        self.0.fleets.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant, entry);
        Ok(fleet)
    }

    /// The event in force of a tenant: the one that is on, or that ended within a day.
    pub(crate) async fn event_in_force(
        &self,
        tx: &mut Tx,
        tenant: Tenant,
        now: Timestamp,
    ) -> Result<Option<EventRow>> {
        fleet::current_event(tx, tenant, now, now.minus(SHOWN_AFTER_END)).await
    }

    /// Begins an event (出動) and counts the work done since its beginning.
    ///
    /// # Errors
    /// When the database fails, or another process keeps moving the cursor.
    pub async fn open_event(&self, tenant: Tenant, event: &EventRow, source: &str) -> Result<()> {
        let mut tx = self.db().begin().await?;
        fleet::open_event(&mut tx, tenant, event, source).await?;
        // A processor that judged by the event before must not commit after this.
        let (pos, version) = matched::cursor(&mut tx, tenant).await?;
        if !matched::move_cursor(&mut tx, tenant, version, pos).await? {
            tx.rollback().await?;
            return Err(kenroku_store::Error::Stale);
        }
        let places = matched::worked_since(&mut tx, tenant, event.started_at).await?;
        matched::renew_states(&mut tx, tenant, event, &places).await?;
        tx.commit().await?;
        self.wake();
        Ok(())
    }

    /// Ends an event; whether it was on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_event(&self, tenant: Tenant, id: SnowEventId) -> Result<bool> {
        let mut tx = self.db().begin().await?;
        let ended = fleet::end_event(&mut tx, tenant, id, self.env().now()).await?;
        tx.commit().await?;
        self.wake();
        Ok(ended)
    }

    /// Registers a vehicle with the segments it is to clear.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_vehicle(
        &self,
        tenant: Tenant,
        vehicle: &fleet::VehicleRow,
        route: &[SegmentId],
    ) -> Result<()> {
        let mut tx = self.db().begin().await?;
        fleet::add_vehicle(&mut tx, tenant, vehicle).await?;
        fleet::set_route(&mut tx, tenant, vehicle.id, route).await?;
        tx.commit().await?;
        self.fleet_changed();
        Ok(())
    }

    /// Assignments or routes changed: they are read again.
    pub(crate) fn fleet_changed(&self) {
        self.0.fleet_version.fetch_add(1, Ordering::SeqCst);
    }

    /// Registers a device and puts it on a vehicle from `since` on. Its key is the kernel's (`Accounts::issue_key`).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_device(
        &self,
        tenant: Tenant,
        device: DeviceId,
        label: &str,
        simulated: bool,
        rides: Option<(VehicleId, Timestamp)>,
    ) -> Result<()> {
        let mut tx = self.db().begin().await?;
        fleet::add_device(&mut tx, tenant, device, label, simulated, self.env().now()).await?;
        if let Some((vehicle, since)) = rides {
            fleet::assign(&mut tx, tenant, device, vehicle, since).await?;
        }
        tx.commit().await?;
        self.fleet_changed();
        Ok(())
    }
}

/// What stands in until roads are imported.
fn no_roads() -> std::result::Result<Network, NetworkError> {
    let provenance = Provenance {
        source: String::new(),
        attribution: String::new(),
        licence: String::new(),
        simulated: false,
        crs: Crs::Wgs84,
    };
    Network::build(provenance, Vec::new(), Vec::new(), Vec::new())
}

/// What the portal asks: the roads of a municipality, or of the prefecture.
#[derive(Debug)]
pub(crate) struct Overview(pub Snow);

impl SnowOverview for Overview {
    fn summary(&self, area: MuniCode) -> Option<SnowSummary> {
        let snow = &self.0;
        let view = snow.public();
        let prefecture = snow.settings().prefecture;
        let segments = view.network.segments().iter().enumerate();
        let here: Vec<u32> = segments
            .filter(|(_, s)| area == prefecture || s.municipality == Some(area))
            .map(|(i, _)| i as u32)
            .collect();
        if here.is_empty() {
            return None;
        }
        let sources = [Tenant::of(prefecture), Tenant::of(area)];
        let on = |t: &Tenant| {
            snow.board(|b| {
                b.sources.get(t).and_then(|s| s.event.as_ref()).is_some_and(|e| e.ended_at.is_none())
            })
        };
        Some(SnowSummary {
            counts: view.counts(&here).into_iter().map(|(s, n)| (clearing(s), n)).collect(),
            as_of: view.at,
            delay: snow.settings().public_delay,
            on_duty: sources.iter().any(on),
            simulated: view.network.provenance().simulated,
        })
    }
}

const fn clearing(s: Status) -> ClearingState {
    match s {
        Status::Cleared => ClearingState::Done,
        Status::Working => ClearingState::Doing,
        Status::Partial => ClearingState::Part,
        Status::NotCleared => ClearingState::Todo,
        Status::NoData => ClearingState::Unknown,
        Status::OutOfScope => ClearingState::Out,
    }
}
