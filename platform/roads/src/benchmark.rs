//! The map-matching benchmark of Kubička et al. (2015, doi 10.1109/ivs.2015.7225829): real drives with their
//! road graph and true route, and how far passes are from the truth.
//!
//! The data is not part of this repository. What is here reads its form, for the tests and `bench`.

use std::collections::HashMap;
use std::sync::Arc;

use kenroku_types::Timestamp;

use crate::geo::Point;
use crate::graph::Graph;
use crate::matching::{Fix, Pass};
use crate::model::{Crs, Direction, Directions, Network, Provenance, Segment, SegmentId};

/// A text that is not of the benchmark's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct BenchmarkError(&'static str);

fn rows(text: &str, width: usize) -> Result<Vec<Vec<f64>>, BenchmarkError> {
    let number = |w: &str| w.parse::<f64>().map_err(|_| BenchmarkError("a number"));
    text.lines()
        .map(|l| l.split_whitespace().map(number).collect::<Result<Vec<_>, _>>())
        .map(|r| r.and_then(|r| if r.len() >= width { Ok(r) } else { Err(BenchmarkError("more columns")) }))
        .collect()
}

/// The error of Newson and Krumm (2009) in its parts: directed arcs as a multiset, in metres.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Of the true route.
    pub length: f64,
    /// Driven according to the matcher only.
    pub added: f64,
    /// Driven in truth only.
    pub missed: f64,
}

impl Score {
    /// Added and missed over true length.
    pub fn error(&self) -> f64 {
        if self.length > 0.0 { (self.added + self.missed) / self.length } else { 0.0 }
    }
}

/// A directed straight arc, by the indices of its nodes.
type Arc2 = (u32, u32);

/// A drive with its road graph and the truth.
#[derive(Debug)]
pub struct Track {
    /// The roads, joined to segments.
    pub network: Arc<Network>,
    /// Arcs of each piece of a segment, forward and backward.
    pieces: HashMap<SegmentId, Vec<Arc2>>,
    arc_m: HashMap<Arc2, f64>,
    /// All fixes.
    pub fixes: Vec<Fix>,
    route: Vec<Arc2>,
}

impl Track {
    /// From the texts of a track's four files.
    ///
    /// # Errors
    /// When a line is not what the benchmark writes.
    pub fn read(nodes: &str, arcs: &str, track: &str, route: &str) -> Result<Track, BenchmarkError> {
        let degrees = |r: &[f64]| Point::from_degrees(r[0], r[1]).ok_or(BenchmarkError("coordinates"));
        let mut seen = HashMap::new();
        let mut places = Vec::new();
        for row in rows(nodes, 2)? {
            let mut p = degrees(&row)?;
            // Two nodes in one place would make a road of no length: move one by a centimetre.
            while seen.insert(p, ()).is_some() {
                p.lon += 1;
            }
            places.push(p);
        }
        let nodes = places;
        let arcs: Vec<Arc2> = rows(arcs, 2)?.iter().map(|r| (r[0] as u32, r[1] as u32)).collect();
        if arcs.iter().any(|&(a, b)| a.max(b) as usize >= nodes.len()) {
            return Err(BenchmarkError("the number of a node"));
        }
        let track = rows(track, 3)?;
        let fixes: Vec<Fix> = track
            .iter()
            .map(|r| Ok(Fix::new(Timestamp::from_micros((r[2] * 1e6) as i64), degrees(r)?)))
            .collect::<Result<_, BenchmarkError>>()?;
        let route: Vec<Arc2> = rows(route, 1)?
            .iter()
            .map(|r| arcs.get(r[0] as usize).copied().ok_or(BenchmarkError("the number of an arc")))
            .collect::<Result<_, BenchmarkError>>()?;
        let first = track.first().ok_or(BenchmarkError("a fix"))?;
        let (mx, my) = (111_320.0 * first[1].to_radians().cos(), 110_540.0);
        let length = |&(a, b): &Arc2| {
            let (a, b) = (nodes[a as usize], nodes[b as usize]);
            ((a.lon_deg() - b.lon_deg()) * mx).hypot((a.lat_deg() - b.lat_deg()) * my)
        };
        let arc_m = arcs.iter().map(|a| (*a, length(a))).collect();
        let (network, pieces) = network_of(&nodes, &arcs)?;
        Ok(Track { network: Arc::new(network), pieces, arc_m, fixes, route })
    }

    /// The first fix, every n-th and the last.
    pub fn every(&self, n: usize) -> Vec<Fix> {
        let mut out: Vec<Fix> = self.fixes.iter().copied().step_by(n.max(1)).collect();
        if out.last() != self.fixes.last() {
            out.extend(self.fixes.last());
        }
        out
    }

    /// Compares passes with the truth.
    pub fn score(&self, graph: &Graph, passes: &[Pass]) -> Score {
        let mut driven: Vec<Arc2> = Vec::new();
        for p in passes {
            let along = graph.along(p.index);
            let (lo, hi) = (p.from_m.min(p.to_m), p.from_m.max(p.to_m));
            let Some(arcs) = self.pieces.get(&p.segment) else { continue };
            let mut here: Vec<Arc2> = Vec::new();
            for (w, &(a, b)) in along.windows(2).zip(arcs) {
                let covered = hi.min(w[1]) - lo.max(w[0]);
                if covered > 1.0f32.min((w[1] - w[0]) / 2.0) {
                    here.push(if p.direction == Direction::Forward { (a, b) } else { (b, a) });
                }
            }
            if p.direction == Direction::Backward {
                here.reverse();
            }
            // A pass that goes on where the last one stopped does not drive the arc again.
            let skip = usize::from(!here.is_empty() && driven.last() == here.first());
            driven.extend(&here[skip..]);
        }
        let mut count: HashMap<Arc2, i64> = HashMap::new();
        for a in &self.route {
            *count.entry(*a).or_default() += 1;
        }
        for a in &driven {
            *count.entry(*a).or_default() -= 1;
        }
        let mut score =
            Score { length: self.route.iter().filter_map(|a| self.arc_m.get(a)).sum(), ..Score::default() };
        for (a, n) in count {
            let m = self.arc_m.get(&a).copied().unwrap_or(0.0) * n.unsigned_abs() as f64;
            if n > 0 { score.missed += m } else { score.added += m }
        }
        score
    }
}

/// Joins the straight arcs between junctions into segments, as an import of road data does.
fn network_of(
    nodes: &[Point],
    arcs: &[Arc2],
) -> Result<(Network, HashMap<SegmentId, Vec<Arc2>>), BenchmarkError> {
    let mut links: HashMap<Arc2, Directions> = HashMap::new();
    let mut beside: Vec<Vec<u32>> = vec![Vec::new(); nodes.len()];
    for &(a, b) in arcs {
        if a == b {
            continue;
        }
        let (key, along) = if a < b { ((a, b), Directions::Forward) } else { ((b, a), Directions::Backward) };
        links
            .entry(key)
            .and_modify(|d| {
                if *d != along {
                    *d = Directions::Both;
                }
            })
            .or_insert_with(|| {
                beside[a as usize].push(b);
                beside[b as usize].push(a);
                along
            });
    }
    let open = |a: u32, b: u32| -> (bool, bool) {
        let d = links[&(a.min(b), a.max(b))];
        let (f, r) = (d.has(Direction::Forward), d.has(Direction::Backward));
        if a < b { (f, r) } else { (r, f) }
    };
    let through = |n: u32| match beside[n as usize][..] {
        [a, b] => open(a, n) == open(n, b),
        _ => false,
    };
    let mut segments = Vec::new();
    let mut pieces = HashMap::new();
    let mut index = HashMap::new();
    let mut ends = Vec::new();
    let mut end = |n: u32| {
        *index.entry(n).or_insert_with(|| {
            ends.push(nodes[n as usize]);
            ends.len() as u32 - 1
        })
    };
    let mut done = std::collections::HashSet::new();
    // From every junction along each road; then what is left are rings without one.
    let starts = (0..nodes.len() as u32).filter(|&n| !through(n)).chain(0..nodes.len() as u32);
    for start in starts {
        for &second in &beside[start as usize] {
            if done.contains(&(start, second)) {
                continue;
            }
            let mut chain = vec![start, second];
            loop {
                let (before, at) = (chain[chain.len() - 2], chain[chain.len() - 1]);
                done.insert((before, at));
                done.insert((at, before));
                if !through(at) || at == start {
                    break;
                }
                let on = beside[at as usize]
                    .iter()
                    .copied()
                    .find(|&n| n != before)
                    .ok_or(BenchmarkError("two neighbours"))?;
                chain.push(on);
            }
            // A ring needs two ends that differ from each other's middle; the matcher copes with equal ends.
            let points: Box<[Point]> = chain.iter().map(|&n| nodes[n as usize]).collect();
            let (from, to) = (end(start), end(chain[chain.len() - 1]));
            let id = SegmentId::derive(
                "arcs",
                i64::from(start) << 32 | i64::from(second),
                points[0],
                points[points.len() - 1],
                0,
            );
            let mut s = Segment::new(id, points, from, to);
            s.travel = match open(start, second) {
                (true, true) => Directions::Both,
                (true, false) => Directions::Forward,
                _ => Directions::Backward,
            };
            pieces.insert(id, chain.windows(2).map(|w| (w[0], w[1])).collect());
            segments.push(s);
        }
    }
    let provenance = Provenance {
        source: "benchmark".to_owned(),
        attribution: "© OpenStreetMap contributors".to_owned(),
        licence: "test only".to_owned(),
        simulated: false,
        crs: Crs::Wgs84,
    };
    let network = Network::build(provenance, Vec::new(), ends, segments);
    Ok((network.map_err(|_| BenchmarkError("a network"))?, pieces))
}
