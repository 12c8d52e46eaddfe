//! Which road a vehicle was on: a hidden Markov model over satellite fixes (Newson and Krumm 2009).
//!
//! Hidden states are places on directed edges near a fix. How far the place is from the fix gives the emission
//! cost, how much the way between two places differs from the straight line gives the transition cost, both as
//! −ln p. The cheapest sequence wins (Viterbi).
//!
//! One code path serves both uses. **Online**: [`Matcher::push`] after each fix; what can no longer change
//! comes out as [`Pass`]es at once, the rest after [`Config::lag_fixes`] or [`Config::lag_secs`] at the
//! latest. **Batch**: [`match_track`], the same with no lag, for billing from the log. The state between two
//! pushes is a plain serialisable value, so a worker can put it down and another can take it up; how the fixes
//! are cut into batches never changes the passes.
//!
//! What it is not: it does not judge whether a vehicle worked or only drove, and it does not sort: fixes come
//! in order of time, and one that does not is counted and dropped.
//!
//! Ambiguity is data: where roads of two managers compete, a pass carries the runner-up and the margin.

mod model;
mod settle;

use std::collections::VecDeque;

use kenroku_types::Timestamp;
use serde::{Deserialize, Serialize};

use crate::geo::{self, Point};
use crate::graph::{Costs, Graph, Search};
use crate::model::{Direction, Manager, NetworkVersion, SegmentId};

use model::Step;

/// Names the rules that passes were made by. Raise it with every change that can alter a pass, so that billing
/// can tell why a recomputation differs.
pub const MATCHER_VERSION: &str = "1";

/// One position report.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fix {
    /// When.
    pub time: Timestamp,
    /// Where.
    pub point: Point,
    /// Horizontal dilution of precision, where the receiver tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hdop: Option<f32>,
    /// Course over ground, degrees clockwise from north.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heading_deg: Option<f32>,
    /// Speed over ground, m/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed_mps: Option<f32>,
}

impl Fix {
    /// A fix with nothing but time and place.
    pub const fn new(time: Timestamp, point: Point) -> Self {
        Fix { time, point, hdop: None, heading_deg: None, speed_mps: None }
    }
}

/// What the matcher believes about receivers and drivers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Least standard deviation of a fix, metres. Four times the HDOP when that is more.
    pub sigma_m: f64,
    /// Beyond this many σ the emission cost grows linearly: errors of receivers have heavy tails.
    pub tail_sigmas: f64,
    /// Scale of the difference between way and straight line, metres.
    pub beta_m: f64,
    /// What β grows by per metre of straight line: at long intervals the way is rarely the shortest.
    pub beta_per_m: f64,
    /// Radii to look for roads in, metres, one after the other until one can be reached.
    pub radii_m: [f64; 3],
    /// At most this many places per fix (each in one or two directions).
    pub max_places: usize,
    /// First bound of the search for a way: factor on the straight line, and metres more.
    pub reach: (f64, f64),
    /// Second bound, when the first found no way at all.
    pub far_reach: (f64, f64),
    /// What turning costs.
    pub costs: Costs,
    /// Weight of the extra cost (turning) against metres of difference.
    pub turn_weight: f64,
    /// Cost of a heading that is a right angle off, above 2 m/s.
    pub heading_cost: f64,
    /// Fixes nearer than this to the last kept one are dropped, metres.
    pub min_step_m: f64,
    /// Cost of a step from which on leaving out the fixes before it is considered.
    pub dear: f32,
    /// Cost of leaving out a fix as an outlier.
    pub outlier_cost: f32,
    /// At most this many fixes in a row are left out.
    pub max_outliers: usize,
    /// A longer silence than this ends the track, seconds.
    pub gap_secs: f64,
    /// A fix that cannot be reached and is farther than this from the last ends the track; nearer ones are dropped.
    pub unreachable_m: f64,
    /// Nobody drives faster, m/s.
    pub max_speed_mps: f64,
    /// A place is settled when this many later fixes have come …
    pub lag_fixes: usize,
    /// … over more than this many seconds.
    pub lag_secs: f64,
}

impl Config {
    /// For following vehicles while they drive.
    pub const ONLINE: Config = Config {
        sigma_m: 4.07,
        tail_sigmas: 4.0,
        beta_m: 3.0,
        beta_per_m: 0.02,
        radii_m: [100.0, 150.0, 200.0],
        max_places: 16,
        reach: (1.5, 200.0),
        far_reach: (3.0, 2_000.0),
        costs: Costs { uturn_m: 120.0, dead_end_m: 20.0, turn_m: 30.0 },
        turn_weight: 0.5,
        heading_cost: 4.0,
        min_step_m: 5.0,
        dear: 50.0,
        outlier_cost: 20.0,
        max_outliers: 2,
        gap_secs: 300.0,
        unreachable_m: 500.0,
        max_speed_mps: 60.0,
        lag_fixes: 4,
        lag_secs: 30.0,
    };

    /// For a whole track at once. The window is bounded here too: a decision that thirty fixes have not
    /// overturned is right more often than what a later gap in the road data makes of it.
    pub const BATCH: Config = Config { lag_fixes: 30, lag_secs: 0.0, ..Config::ONLINE };
}

/// A vehicle drove along a part of a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pass {
    /// The segment.
    pub segment: SegmentId,
    /// Its dense index in the matcher's network.
    pub index: u32,
    /// Which way.
    pub direction: Direction,
    /// Where it came onto the segment, metres along the geometry: less than `to_m` forward, more backward.
    pub from_m: f32,
    /// Where it left it.
    pub to_m: f32,
    /// When it came.
    pub t0: Timestamp,
    /// When it left.
    pub t1: Timestamp,
    /// A road of another manager that fits nearly as well, where there is one within reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rival: Option<Rival>,
}

/// A competing road of another manager.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rival {
    /// Its segment.
    pub segment: SegmentId,
    /// Its manager.
    pub manager: Manager,
    /// By how much it is worse, −ln p: below about 3 a person should look (要確認).
    pub margin: f32,
}

/// What happened to the fixes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Fixes seen.
    pub fixes: u64,
    /// Used as a step of the model.
    pub kept: u64,
    /// Of those, left out again because the track is much more likely without them.
    pub outliers: u64,
    /// Too near to the last kept one.
    pub near: u64,
    /// Not later than the last one.
    pub late: u64,
    /// No road within reach.
    pub off_road: u64,
    /// No way from the last place.
    pub unreachable: u64,
    /// Times the track was cut.
    pub breaks: u64,
}

/// The state of matching one vehicle: put fixes in, get passes out. Serialisable between pushes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matcher {
    config: Config,
    network: NetworkVersion,
    /// The first step is settled (one place); the others are open.
    window: VecDeque<Step>,
    last_seen: Option<Timestamp>,
    open: Option<settle::Open>,
    counts: Counts,
}

/// A matcher cannot go on because the road network under it has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the matcher's state belongs to network {state}, but {graph} is loaded; start a new matcher and replay the last minutes"
)]
pub struct NetworkChanged {
    /// Version of the state.
    pub state: NetworkVersion,
    /// Version of the graph given.
    pub graph: NetworkVersion,
}

impl Matcher {
    /// A fresh state for one vehicle on one network version.
    pub fn new(config: Config, graph: &Graph) -> Self {
        Matcher {
            config,
            network: graph.network().version().clone(),
            window: VecDeque::new(),
            last_seen: None,
            open: None,
            counts: Counts::default(),
        }
    }

    /// What happened to the fixes so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The version of the network that the state belongs to.
    pub fn network(&self) -> &NetworkVersion {
        &self.network
    }

    /// Takes one fix and returns the passes that are final because of it. A pass is returned when the vehicle
    /// has left its segment, turned on it, or the track was cut; [`Matcher::provisional`] shows the rest.
    ///
    /// # Errors
    /// [`NetworkChanged`] when the state was made on another version of the network.
    pub fn push(&mut self, search: &mut Search<'_>, fix: Fix) -> Result<Vec<Pass>, NetworkChanged> {
        self.check(search.graph())?;
        let mut out = Vec::new();
        self.push_into(search, fix, &mut out);
        Ok(out)
    }

    /// Ends the track: everything still open is decided and returned. The matcher can take a new track then.
    ///
    /// # Errors
    /// [`NetworkChanged`] when the state was made on another version of the network.
    pub fn flush(&mut self, graph: &Graph) -> Result<Vec<Pass>, NetworkChanged> {
        self.check(graph)?;
        let mut out = Vec::new();
        self.close(graph, &mut out);
        self.last_seen = None;
        Ok(out)
    }

    /// The passes that [`Matcher::flush`] would return now, without ending anything: what is known of the
    /// last seconds, for a live view. They may still change.
    ///
    /// # Errors
    /// [`NetworkChanged`] when the state was made on another version of the network.
    pub fn provisional(&self, graph: &Graph) -> Result<Vec<Pass>, NetworkChanged> {
        self.clone().flush(graph)
    }

    fn check(&self, graph: &Graph) -> Result<(), NetworkChanged> {
        let loaded = graph.network().version();
        if *loaded == self.network {
            return Ok(());
        }
        Err(NetworkChanged { state: self.network.clone(), graph: loaded.clone() })
    }

    fn push_into(&mut self, search: &mut Search<'_>, fix: Fix, out: &mut Vec<Pass>) {
        let graph = search.graph();
        self.counts.fixes += 1;
        if self.last_seen.is_some_and(|t| fix.time <= t) {
            self.counts.late += 1;
            return;
        }
        self.last_seen = Some(fix.time);
        let Some(last) = self.window.back() else {
            self.begin(graph, fix);
            return;
        };
        let secs = seconds(last.time, fix.time);
        let straight = geo::distance_m(last.point, fix.point);
        if secs > self.config.gap_secs {
            self.counts.breaks += 1;
            self.close(graph, out);
            self.begin(graph, fix);
            return;
        }
        if straight < self.config.min_step_m {
            self.counts.near += 1;
            return;
        }
        if let Some((drop, step)) = self.cheapest(search, fix) {
            self.counts.kept += 1;
            self.counts.outliers += drop as u64;
            self.window.truncate(self.window.len() - drop);
            self.window.push_back(step);
            self.settle(graph, out);
            return;
        }
        let Some(step) = self.config.radii_m.iter().find_map(|&r| Step::around(graph, &self.config, fix, r))
        else {
            self.counts.off_road += 1;
            return;
        };
        self.counts.unreachable += 1;
        if straight > self.config.unreachable_m {
            self.counts.breaks += 1;
            self.close(graph, out);
            self.counts.kept += 1;
            self.window.push_back(step);
        }
    }

    /// The step for `fix` that continues the window most cheaply, and how many of the window's last steps it
    /// leaves out as outliers: none as long as that is not dear.
    fn cheapest(&self, search: &mut Search<'_>, fix: Fix) -> Option<(usize, Step)> {
        let config = &self.config;
        let mut best: Option<(f32, usize, Step)> = None;
        // What the steps left out had cost themselves.
        let mut saved = 0.0;
        for drop in 0..=config.max_outliers.min(self.window.len() - 1) {
            let last = &self.window[self.window.len() - 1 - drop];
            let straight = geo::distance_m(last.point, fix.point);
            let secs = seconds(last.time, fix.time);
            let step = config.radii_m.iter().find_map(|&radius| {
                let mut step = Step::around(search.graph(), config, fix, radius)?;
                step.connect(search, config, last, straight, secs).then_some(step)
            });
            if let Some(step) = step {
                let rise = step.rise - saved + config.outlier_cost * drop as f32;
                if best.as_ref().is_none_or(|b| rise < b.0) {
                    best = Some((rise, drop, step));
                }
            }
            if best.as_ref().is_some_and(|b| b.0 + saved < config.dear) {
                break;
            }
            saved += last.rise;
        }
        best.map(|(_, drop, step)| (drop, step))
    }

    fn begin(&mut self, graph: &Graph, fix: Fix) {
        match self.config.radii_m.iter().find_map(|&r| Step::around(graph, &self.config, fix, r)) {
            Some(step) => {
                self.counts.kept += 1;
                self.window.push_back(step);
            }
            None => self.counts.off_road += 1,
        }
    }
}

/// Matches a whole track at once.
pub fn match_track(search: &mut Search<'_>, config: Config, track: &[Fix]) -> (Vec<Pass>, Counts) {
    let graph = search.graph();
    let mut matcher = Matcher::new(config, graph);
    let mut out = Vec::new();
    for &fix in track {
        matcher.push_into(search, fix, &mut out);
    }
    matcher.close(graph, &mut out);
    (out, matcher.counts)
}

fn seconds(a: Timestamp, b: Timestamp) -> f64 {
    b.micros().saturating_sub(a.micros()) as f64 / 1e6
}

#[cfg(test)]
mod tests;
