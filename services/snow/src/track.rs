//! Following one device along the roads: fixes in, judged passes out. Pure but for the road network.
//!
//! A *track* is a run of fixes without a silence of more than five minutes in the log. What a track gives depends
//! on its fixes alone, not on how they were cut into batches: after a crash, a late row or a change of the
//! network a track is simply run again from the log.

use std::collections::VecDeque;

use kenroku_roads::graph::{Graph, Search};
use kenroku_roads::matching::{Config, Fix, Matcher, Pass};
use kenroku_roads::model::SegmentId;
use kenroku_types::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::work::{Part, Sample, WORKING_KMH, divide};
use crate::model::{Rule, Task};
use crate::sql::fleet::VehicleId;
use crate::sql::log::LoggedFix;
use crate::sql::matched::{Live, PassRow, TrackerRow, Worked};
use crate::sql::stored;

/// A longer silence ends a track, microseconds. The matcher's own limit ([`Config::gap_secs`]).
pub const GAP: i64 = 300_000_000;

/// What the judgement asks of the outside: which vehicle, and whether a road is assigned to it.
pub trait Duty {
    /// The vehicle at a moment.
    fn vehicle(&self, at: Timestamp) -> Option<VehicleId>;
    /// Whether the vehicle is to clear the segment.
    fn assigned(&self, vehicle: Option<VehicleId>, segment: SegmentId) -> bool;
}

/// The memory between two batches.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    matcher: Matcher,
    samples: VecDeque<Sample>,
}

/// One device's track in progress.
#[derive(Debug)]
pub struct Track {
    memory: Memory,
    start: Timestamp,
    passes: u32,
    open: bool,
    last: Option<Sample>,
}

impl Track {
    /// A track that has not begun.
    pub fn new(graph: &Graph) -> Self {
        Track { memory: Memory::new(graph), start: Timestamp::EPOCH, passes: 0, open: false, last: None }
    }

    /// Takes up a track where it was put down. `None` when its memory cannot be used: it was made by another
    /// version of the program or of the network, and the track must be run again from the log.
    pub fn resume(row: &TrackerRow, graph: &Graph) -> Option<Self> {
        let memory: Memory = serde_json::from_str(&row.state).ok()?;
        if memory.matcher.network() != graph.network().version() {
            return None;
        }
        let last = memory.samples.back().copied()?;
        Some(Track { memory, start: row.track, passes: row.passes, open: row.open, last: Some(last) })
    }

    /// Takes fixes in order of time, all later than those before; the passes that are final because of them.
    pub fn run(&mut self, search: &mut Search<'_>, duty: &impl Duty, fixes: &[LoggedFix]) -> Vec<PassRow> {
        let mut out = Vec::new();
        for f in fixes {
            let begins = self.last.is_none_or(|l| !self.open || f.at.since(l.at) > GAP);
            if begins {
                self.finish(search.graph(), duty, &mut out);
                self.memory = Memory::new(search.graph());
                (self.start, self.passes, self.open) = (f.at, 0, true);
            }
            let sample = Sample {
                at: f.at,
                point: f.point(),
                speed: f.speed.map(|s| s as f32),
                work: f.work,
                task: f.task,
                mock: f.mock,
            };
            self.memory.keep(sample);
            self.last = Some(sample);
            let fix = Fix {
                hdop: f.hdop.map(|h| h as f32),
                heading_deg: f.heading.map(|h| h as f32),
                speed_mps: sample.speed,
                ..Fix::new(f.at, sample.point)
            };
            // The network was compared when the memory was made or taken up.
            let settled = self.memory.matcher.push(search, fix).unwrap_or_default();
            self.write(duty, settled, &mut out);
        }
        out
    }

    /// Ends the track, as a silence of more than five minutes does.
    pub fn finish(&mut self, graph: &Graph, duty: &impl Duty, out: &mut Vec<PassRow>) {
        if self.open {
            let settled = self.memory.matcher.flush(graph).unwrap_or_default();
            self.write(duty, settled, out);
            self.open = false;
        }
    }

    fn write(&mut self, duty: &impl Duty, settled: Vec<Pass>, out: &mut Vec<PassRow>) {
        let Some(end) = settled.last().map(|p| p.t1) else { return };
        for pass in settled {
            for (part, task, vehicle) in self.judged(duty, &pass) {
                let n = self.passes;
                self.passes += 1;
                out.push(PassRow {
                    track: self.start,
                    n,
                    segment: pass.segment,
                    direction: pass.direction,
                    from_m: part.from_m,
                    to_m: part.to_m,
                    t0: part.t0,
                    t1: part.t1,
                    vehicle,
                    task,
                    rule: part.rule,
                    margin: pass.rival.map(|r| r.margin),
                });
            }
        }
        // The next pass begins where this one ended: keep the sample at or before that.
        while self.memory.samples.get(1).is_some_and(|s| s.at <= end) {
            self.memory.samples.pop_front();
        }
    }

    fn judged(&self, duty: &impl Duty, pass: &Pass) -> Vec<(Part, Option<Task>, Option<VehicleId>)> {
        let samples = &self.memory.samples;
        let from = samples.partition_point(|s| s.at <= pass.t0).saturating_sub(1);
        let to = (samples.partition_point(|s| s.at < pass.t1) + 1).min(samples.len());
        let around: Vec<Sample> = samples.range(from..to.max(from)).copied().collect();
        let vehicle = duty.vehicle(pass.t0);
        let whole =
            Part { from_m: pass.from_m, to_m: pass.to_m, t0: pass.t0, t1: pass.t1, rule: Rule::Driving };
        let task = around.iter().rev().find_map(|s| s.task);
        let parts = divide(whole, &around, duty.assigned(vehicle, pass.segment));
        parts.into_iter().map(|p| (p, task, vehicle)).collect()
    }

    /// What is to be kept until the next batch. `None` before the first fix.
    pub fn row(
        &self,
        graph: &Graph,
        duty: &impl Duty,
        device: kenroku_types::ids::DeviceId,
    ) -> Option<TrackerRow> {
        let last = self.last?;
        let open =
            if self.open { self.memory.matcher.provisional(graph).unwrap_or_default() } else { Vec::new() };
        let mut live = Vec::new();
        let (mut rule, mut segment) = (Rule::Driving, None);
        for pass in &open {
            for (p, ..) in self.judged(duty, pass) {
                (rule, segment) = (p.rule, Some(stored(pass.segment)));
                if p.rule.clears() {
                    let worked = Worked { from_m: p.from_m, to_m: p.to_m, t0: p.t0, t1: p.t1 };
                    live.push(Live { segment: pass.segment, direction: pass.direction, worked });
                }
            }
        }
        Some(TrackerRow {
            device,
            vehicle: duty.vehicle(last.at),
            track: self.start,
            passes: self.passes,
            open: self.open,
            last_at: last.at,
            last_lon: last.point.lon,
            last_lat: last.point.lat,
            rule,
            segment,
            live: serde_json::to_string(&live).unwrap_or_default(),
            state: serde_json::to_string(&self.memory).unwrap_or_default(),
        })
    }
}

impl Memory {
    fn new(graph: &Graph) -> Self {
        Memory { matcher: Matcher::new(Config::ONLINE, graph), samples: VecDeque::new() }
    }

    /// Keeps a sample. Of a long stop only its two ends are kept, so that memory does not grow with it.
    fn keep(&mut self, new: Sample) {
        let n = self.samples.len();
        if n >= 2 {
            let (a, b) = (self.samples[n - 2], self.samples[n - 1]);
            if stands(&a, &b) && stands(&b, &new) {
                self.samples[n - 1] = new;
                return;
            }
        }
        self.samples.push_back(new);
    }
}

fn stands(a: &Sample, b: &Sample) -> bool {
    let same = (a.work, a.task, a.mock) == (b.work, b.task, b.mock);
    let secs = b.at.since(a.at) as f64 / 1e6;
    same && kenroku_roads::geo::distance_m(a.point, b.point) * 3.6 < WORKING_KMH.start() * secs
}
