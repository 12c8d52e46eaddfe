//! The network as a routable graph: directed edges in compressed rows, an R-tree over the straight pieces,
//! and a bounded one-to-many shortest-path search.
//!
//! An edge is a segment in one direction; its number is `2 × dense segment index + direction`, so no table is
//! needed to go from one to the other. Everything is flat arrays: 300,000 edges of five pieces each take
//! about 40 MB including the R-tree (see the test).

mod search;

use std::sync::Arc;

use rstar::{AABB, RTree, RTreeObject};
use serde::{Deserialize, Serialize};

use crate::geo::{self, Frame, Point};
use crate::model::{Direction, Network, Segment};

pub use search::{Costs, Place, Route, Search};

/// A segment in one direction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Edge(u32);

impl Edge {
    /// The edge of a dense segment index and a direction.
    pub const fn new(segment: u32, direction: Direction) -> Self {
        Edge(segment << 1 | direction.bit())
    }
    /// Dense index of its segment.
    pub const fn segment(self) -> u32 {
        self.0 >> 1
    }
    /// Direction along the segment.
    pub const fn direction(self) -> Direction {
        if self.0 & 1 == 0 { Direction::Forward } else { Direction::Backward }
    }
    /// The same segment the other way.
    #[must_use]
    pub const fn reverse(self) -> Self {
        Edge(self.0 ^ 1)
    }
}

/// One straight piece of a segment in the R-tree.
#[derive(Clone, Copy, Debug)]
struct Piece {
    a: Point,
    b: Point,
    segment: u32,
    /// Index of the piece's first point within its segment.
    at: u32,
}

impl RTreeObject for Piece {
    type Envelope = AABB<[i32; 2]>;
    fn envelope(&self) -> Self::Envelope {
        AABB::from_corners(halved(self.a), halved(self.b))
    }
}

/// Halved, because rstar adds two coordinates when it looks for a centre, and ±180° in 1e-7 degrees would
/// overflow there.
const fn halved(p: Point) -> [i32; 2] {
    [p.lon >> 1, p.lat >> 1]
}

/// A place on a segment near some point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    /// Dense segment index.
    pub segment: u32,
    /// Metres along the geometry.
    pub offset_m: f32,
    /// Metres from the point asked for.
    pub distance_m: f32,
    /// Direction of the geometry there, degrees clockwise from north.
    pub bearing_deg: f32,
}

/// The routable graph of one network version.
#[derive(Debug)]
pub struct Graph {
    network: Arc<Network>,
    out_start: Vec<u32>,
    out: Vec<Edge>,
    /// Metres from the segment's start to each of its points, all segments one after the other.
    along: Vec<f32>,
    along_start: Vec<u32>,
    /// Per segment: direction at its start and at its end, 256ths of a turn.
    bearings: Vec<[u8; 2]>,
    tree: RTree<Piece>,
}

impl Graph {
    /// Builds rows and index. Linear in the network but for the sorting of the R-tree.
    pub fn new(network: Arc<Network>) -> Self {
        let segments = network.segments();
        let edges = || {
            segments.iter().enumerate().flat_map(|(i, s)| {
                [(Direction::Forward, s.from), (Direction::Backward, s.to)]
                    .into_iter()
                    .filter(|&(d, _)| s.travel.has(d))
                    .map(move |(d, tail)| (tail, Edge::new(i as u32, d)))
            })
        };
        let mut out_start = vec![0u32; network.nodes().len() + 1];
        for (tail, _) in edges() {
            out_start[tail as usize + 1] += 1;
        }
        for i in 1..out_start.len() {
            out_start[i] += out_start[i - 1];
        }
        let mut fill = out_start.clone();
        let mut out = vec![Edge(0); out_start.last().copied().unwrap_or(0) as usize];
        for (tail, edge) in edges() {
            let at = &mut fill[tail as usize];
            out[*at as usize] = edge;
            *at += 1;
        }
        let points: usize = segments.iter().map(|s| s.points.len()).sum();
        let mut along = Vec::with_capacity(points);
        let mut along_start = Vec::with_capacity(segments.len() + 1);
        let mut bearings = Vec::with_capacity(segments.len());
        let mut pieces = Vec::with_capacity(points.saturating_sub(segments.len()));
        for (i, s) in segments.iter().enumerate() {
            along_start.push(along.len() as u32);
            let mut sum = 0.0;
            along.push(0.0);
            for (at, w) in s.points.windows(2).enumerate() {
                sum += geo::distance_m(w[0], w[1]);
                along.push(sum as f32);
                pieces.push(Piece { a: w[0], b: w[1], segment: i as u32, at: at as u32 });
            }
            let n = s.points.len();
            bearings.push([turn256(s.points[0], s.points[1]), turn256(s.points[n - 2], s.points[n - 1])]);
        }
        along_start.push(along.len() as u32);
        let tree = RTree::bulk_load(pieces);
        Graph { network, out_start, out, along, along_start, bearings, tree }
    }

    /// The network it was built from.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The segment of an edge.
    pub fn segment(&self, edge: Edge) -> &Segment {
        &self.network.segments()[edge.segment() as usize]
    }

    /// Metres from the segment's start to each of its points.
    pub fn along(&self, segment: u32) -> &[f32] {
        &self.along
            [self.along_start[segment as usize] as usize..self.along_start[segment as usize + 1] as usize]
    }

    /// Metres of a segment, by the same sum as the offsets of [`Near`].
    pub fn length_m(&self, segment: u32) -> f32 {
        self.along[self.along_start[segment as usize + 1] as usize - 1]
    }

    /// The point at metres along a segment.
    pub fn point_at(&self, segment: u32, offset_m: f32) -> Point {
        let along = self.along(segment);
        let points = &self.network.segments()[segment as usize].points;
        let i = along.partition_point(|&m| m <= offset_m).clamp(1, points.len() - 1);
        let (a, b) = (points[i - 1], points[i]);
        let len = along[i] - along[i - 1];
        let t = if len > 0.0 { f64::from(((offset_m - along[i - 1]) / len).clamp(0.0, 1.0)) } else { 0.0 };
        let mix = |a: i32, b: i32| a.wrapping_add((f64::from(b.wrapping_sub(a)) * t).round() as i32);
        Point::new(mix(a.lon, b.lon), mix(a.lat, b.lat))
    }

    /// Number of directed edges.
    pub fn edge_count(&self) -> usize {
        self.out.len()
    }

    fn tail(&self, e: Edge) -> u32 {
        let s = self.segment(e);
        if e.direction() == Direction::Forward { s.from } else { s.to }
    }

    fn head(&self, e: Edge) -> u32 {
        self.tail(e.reverse())
    }

    fn leaving(&self, node: u32) -> &[Edge] {
        &self.out[self.out_start[node as usize] as usize..self.out_start[node as usize + 1] as usize]
    }

    /// Angle between arriving on `a` and leaving on `b`: 0 straight on, 128 back.
    fn turn(&self, a: Edge, b: Edge) -> u8 {
        let end = |e: Edge, last: bool| {
            let [first_b, last_b] = self.bearings[e.segment() as usize];
            match (e.direction(), last) {
                (Direction::Forward, false) => first_b,
                (Direction::Forward, true) => last_b,
                (Direction::Backward, false) => last_b.wrapping_add(128),
                (Direction::Backward, true) => first_b.wrapping_add(128),
            }
        };
        (end(b, false).wrapping_sub(end(a, true)) as i8).unsigned_abs()
    }

    /// Segments whose pieces lie in the box from `min` to `max`; each once, in ascending order.
    pub fn in_box(&self, min: Point, max: Point) -> Vec<u32> {
        let mut found: Vec<u32> = self
            .tree
            .locate_in_envelope_intersecting(AABB::from_corners(halved(min), halved(max)))
            .map(|p| p.segment)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Places within `radius_m` of a point, nearest first: one per segment, or several where a segment comes
    /// near more than once (a hairpin).
    pub fn near(&self, p: Point, radius_m: f64, out: &mut Vec<Near>) {
        out.clear();
        let frame = Frame::at(p);
        let [ux, uy] = frame.units(radius_m);
        let min = Point::new(p.lon.saturating_sub(ux), p.lat.saturating_sub(uy));
        let max = Point::new(p.lon.saturating_add(ux), p.lat.saturating_add(uy));
        let limit = radius_m * radius_m;
        let mut hits: Vec<(u32, u32, f64, f64)> = Vec::new();
        for piece in self.tree.locate_in_envelope_intersecting(AABB::from_corners(halved(min), halved(max))) {
            let (t, d2) = geo::nearest_on_piece([0.0, 0.0], frame.xy(piece.a), frame.xy(piece.b));
            if d2 <= limit {
                hits.push((piece.segment, piece.at, t, d2));
            }
        }
        hits.sort_unstable_by_key(|&(segment, at, ..)| (segment, at));
        let mut i = 0;
        while i < hits.len() {
            let mut best = hits[i];
            let mut j = i + 1;
            while j < hits.len() && hits[j].0 == hits[i].0 && hits[j].1 == hits[j - 1].1 + 1 {
                if hits[j].3 < best.3 {
                    best = hits[j];
                }
                j += 1;
            }
            let (segment, at, t, d2) = best;
            let along = &self.along(segment)[at as usize..];
            let points = &self.network.segments()[segment as usize].points[at as usize..];
            let [x, y] = {
                let (a, b) = (frame.xy(points[0]), frame.xy(points[1]));
                [b[0] - a[0], b[1] - a[1]]
            };
            out.push(Near {
                segment,
                offset_m: along[0] + (along[1] - along[0]) * t as f32,
                distance_m: d2.sqrt() as f32,
                bearing_deg: x.atan2(y).to_degrees().rem_euclid(360.0) as f32,
            });
            i = j;
        }
        out.sort_by(|a, b| {
            a.distance_m
                .total_cmp(&b.distance_m)
                .then(a.segment.cmp(&b.segment))
                .then(a.offset_m.total_cmp(&b.offset_m))
        });
    }
}

fn turn256(a: Point, b: Point) -> u8 {
    let [x, y] = Frame::at(a).xy(b);
    ((x.atan2(y) / std::f64::consts::TAU * 256.0).round() as i32).rem_euclid(256) as u8
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::grid_network;

    #[test]
    fn a_hairpin_is_near_twice() {
        let net = Arc::new(crate::testing::one_segment(&[
            (0.0, 0.0),
            (0.002, 0.0),
            (0.002, 0.0002),
            (0.0, 0.0002),
        ]));
        let g = Graph::new(net);
        let mut near = Vec::new();
        g.near(Point::from_degrees(0.001, 0.0001).unwrap(), 15.0, &mut near);
        assert_eq!(near.len(), 2);
        assert!(
            near.iter().any(|n| (n.bearing_deg - 90.0).abs() < 0.1)
                && near.iter().any(|n| (n.bearing_deg - 270.0).abs() < 0.1)
        );
        g.near(Point::from_degrees(0.001, 0.01).unwrap(), 15.0, &mut near);
        assert!(near.is_empty());
    }

    #[test]
    fn a_place_on_a_segment_is_found_again() {
        let net = Arc::new(grid_network(5, 5, 3));
        let g = Graph::new(net.clone());
        let mut near = Vec::new();
        for s in 0..net.segments().len() as u32 {
            for part in [0.1, 0.5, 0.9] {
                let offset = g.length_m(s) * part;
                g.near(g.point_at(s, offset), 5.0, &mut near);
                let hit = near.iter().find(|n| n.segment == s).expect("the segment itself");
                assert!((hit.offset_m - offset).abs() < 0.1 && hit.distance_m < 0.05, "{hit:?} {offset}");
            }
        }
    }
}
