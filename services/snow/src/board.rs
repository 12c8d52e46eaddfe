//! The board: what is known of every segment, in memory, for pages and state files.
//!
//! It follows the tables by their stream positions, in the process that matches as in every other. A view is
//! computed for one moment: now for the desk, now minus the delay for the public.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use kenroku_roads::model::{Direction, Manager, Network, Segment, SegmentId};
use kenroku_types::ids::DeviceId;
use kenroku_types::{Tenant, Timestamp};

use crate::model::status::Facts;
use crate::model::{AgeBin, Cover, DirState, Status, status};
use crate::sql::fleet::EventRow;
use crate::sql::matched::{Live, Worked};

/// Whose data comes in, and how lately.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The event in force.
    pub event: Option<EventRow>,
    /// When a position last arrived.
    pub heard: Option<Timestamp>,
    pub(crate) fix_pos: i64,
    /// How far the board has followed the stream `state`.
    pub rev: i64,
}

/// Worked parts of one segment and direction, each with its source.
type BySource = Vec<(Tenant, Vec<Worked>)>;

/// Everything known, updated by `Snow::follow`.
#[derive(Debug)]
pub struct Board {
    network: Arc<Network>,
    prefecture: Tenant,
    /// By dense index and direction.
    parts: Vec<[BySource; 2]>,
    live: HashMap<(Tenant, DeviceId), Vec<Live>>,
    /// By tenant.
    pub sources: BTreeMap<Tenant, Source>,
}

impl Board {
    /// An empty board.
    pub fn new(network: Arc<Network>, prefecture: Tenant) -> Self {
        let parts = vec![[BySource::new(), BySource::new()]; network.segments().len()];
        Board { network, prefecture, parts, live: HashMap::new(), sources: BTreeMap::new() }
    }

    /// Sets what a source knows of a segment and direction.
    pub fn set(&mut self, tenant: Tenant, segment: SegmentId, dir: u32, parts: Vec<Worked>) {
        let Some(index) = self.network.index_of(segment) else { return };
        let Some(slot) = self.parts.get_mut(index as usize).and_then(|s| s.get_mut(dir as usize)) else {
            return;
        };
        slot.retain(|(t, _)| *t != tenant);
        if !parts.is_empty() {
            slot.push((tenant, parts));
        }
    }

    /// Sets the unsettled work of a device.
    pub fn set_live(&mut self, tenant: Tenant, device: DeviceId, live: Vec<Live>) {
        if live.is_empty() {
            self.live.remove(&(tenant, device));
        } else {
            self.live.insert((tenant, device), live);
        }
    }

    /// Forgets everything of a source: another event began.
    pub fn forget(&mut self, tenant: Tenant) {
        for slot in self.parts.iter_mut().flatten() {
            slot.retain(|(t, _)| *t != tenant);
        }
    }

    /// Who clears a segment, where that is a source that could report here.
    pub fn responsible(&self, s: &Segment) -> Option<Tenant> {
        match s.manager {
            Manager::Prefecture => Some(self.prefecture),
            Manager::Municipality => s.municipality.map(Tenant::of),
            Manager::National | Manager::Expressway | Manager::Other => None,
        }
    }

    /// Whether a source has been silent for too long.
    pub fn is_stale(&self, tenant: Tenant, now: Timestamp, after: Duration) -> bool {
        let heard = self.sources.get(&tenant).and_then(|s| s.heard);
        heard.is_none_or(|h| now > h.plus(after))
    }

    /// The state of everything as it was at `at`, judged at `now` for silence. With `unsettled`, work that the
    /// matcher has not decided yet counts as covered; otherwise it only tells that work goes on.
    pub fn view(&self, now: Timestamp, at: Timestamp, stale_after: Duration, unsettled: bool) -> View {
        let mut live: HashMap<(u32, usize), Vec<Worked>> = HashMap::new();
        for l in self.live.values().flatten() {
            if let Some(index) = self.network.index_of(l.segment) {
                live.entry((index, l.direction.bit() as usize)).or_default().push(l.worked);
            }
        }
        let known: BTreeMap<Tenant, (bool, bool)> = self
            .sources
            .iter()
            .map(|(t, s)| {
                let on = s.event.as_ref().is_some_and(|e| e.started_at <= at);
                (*t, (on, self.is_stale(*t, now, stale_after)))
            })
            .collect();
        let segments = self.network.segments().iter().enumerate().map(|(i, s)| {
            let dir = |d: usize| {
                let mut state = DirState::default();
                for w in self.parts[i][d].iter().flat_map(|(_, parts)| parts).filter(|w| w.t0 <= at) {
                    state.last_work = state.last_work.max(Some(w.t1.min(at)));
                    if w.t1 <= at {
                        state.cover.add(w.from_m, w.to_m);
                        state.passes += 1;
                    }
                }
                for w in live.get(&(i as u32, d)).into_iter().flatten().filter(|w| w.t0 <= at) {
                    state.last_work = state.last_work.max(Some(w.t1.min(at)));
                    if unsettled && w.t1 <= at {
                        state.cover.add(w.from_m, w.to_m);
                    }
                }
                state
            };
            let (event, stale) =
                self.responsible(s).and_then(|t| known.get(&t)).copied().unwrap_or((false, true));
            let dirs = [dir(0), dir(1)];
            let facts = Facts {
                required: s.required,
                length_m: s.length_m,
                event,
                stale,
                dirs: [&dirs[0], &dirs[1]],
                at,
            };
            SegmentView { status: status(&facts), stale, dirs }
        });
        View { network: self.network.clone(), at, segments: segments.collect() }
    }

    /// Where ploughs of whom `shown` names were at work at `at`, on the roads, without saying which.
    pub fn ploughs(&self, at: Timestamp, shown: impl Fn(Tenant) -> bool) -> Vec<(u32, Direction, f32)> {
        let mut out = Vec::new();
        let place = |w: &Worked| {
            let span = w.t1.since(w.t0).max(1) as f32;
            w.from_m + (w.to_m - w.from_m) * (at.since(w.t0) as f32 / span)
        };
        for (i, dirs) in self.parts.iter().enumerate() {
            for (d, slot) in [Direction::Forward, Direction::Backward].into_iter().zip(dirs) {
                let parts = slot.iter().filter(|(t, _)| shown(*t)).flat_map(|(_, parts)| parts);
                let here = parts.filter(|w| w.t0 <= at && at < w.t1);
                out.extend(here.map(|w| (i as u32, d, place(w))));
            }
        }
        let live = self.live.iter().filter(|((t, _), _)| shown(*t)).flat_map(|(_, live)| live);
        let live = live.filter(|l| l.worked.t0 <= at && at < l.worked.t1);
        out.extend(
            live.filter_map(|l| self.network.index_of(l.segment).map(|i| (i, l.direction, place(&l.worked)))),
        );
        out
    }
}

/// One segment at the moment of a view.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentView {
    /// Its state.
    pub status: Status,
    /// Whether whoever clears it has been silent for too long.
    pub stale: bool,
    /// Forward and backward.
    pub dirs: [DirState; 2],
}

impl SegmentView {
    /// When a plough last worked on it, in any direction.
    pub fn last_work(&self) -> Option<Timestamp> {
        self.dirs.iter().filter_map(|d| d.last_work).max()
    }

    /// How long ago that was.
    pub fn age(&self, at: Timestamp) -> Option<AgeBin> {
        self.last_work().map(|t| AgeBin::of(t, at))
    }

    /// Share of a direction that was worked.
    pub fn ratio(&self, d: Direction, length_m: f32) -> f32 {
        self.dirs.get(d.bit() as usize).map_or(&Cover::NONE, |s| &s.cover).ratio(length_m)
    }
}

/// The state of every segment at one moment, by dense index.
#[derive(Clone, Debug)]
pub struct View {
    /// What the indices mean.
    pub network: Arc<Network>,
    /// The moment.
    pub at: Timestamp,
    /// One per segment.
    pub segments: Vec<SegmentView>,
}

impl View {
    /// The segment with its state.
    pub fn get(&self, index: u32) -> Option<(&Segment, &SegmentView)> {
        self.network.segments().get(index as usize).zip(self.segments.get(index as usize))
    }

    /// How many of these segments are in each state.
    pub fn counts<'a>(&self, indices: impl IntoIterator<Item = &'a u32>) -> BTreeMap<Status, usize> {
        let mut counts = BTreeMap::new();
        for i in indices {
            if let Some(s) = self.segments.get(*i as usize) {
                *counts.entry(s.status).or_insert(0) += 1;
            }
        }
        counts
    }
}
