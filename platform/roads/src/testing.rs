//! Small networks for tests.

use kenroku_types::Rng;

use crate::geo::Point;
use crate::model::{Crs, Network, Provenance, Segment, SegmentId};

pub(crate) fn provenance() -> Provenance {
    Provenance {
        source: "test".to_owned(),
        attribution: "test".to_owned(),
        licence: "CC0-1.0".to_owned(),
        simulated: true,
        crs: Crs::Wgs84,
    }
}

pub(crate) fn point(p: (f64, f64)) -> Point {
    Point::from_degrees(p.0, p.1).expect("a point")
}

/// Nodes and the pairs of them that a road joins.
pub(crate) fn network(nodes: Vec<Point>, pairs: &[(u32, u32)]) -> Network {
    let segments = pairs
        .iter()
        .enumerate()
        .map(|(i, &(a, b))| {
            let (pa, pb) = (nodes[a as usize], nodes[b as usize]);
            let id = SegmentId::derive("test", i as i64, pa, pb, 0);
            Segment { simulated: true, ..Segment::new(id, [pa, pb].into(), a, b) }
        })
        .collect();
    Network::build(provenance(), vec![], nodes, segments).expect("a network")
}

/// One straight road through all points.
pub(crate) fn line_network(points: &[(f64, f64)]) -> Network {
    let nodes: Vec<Point> = points.iter().map(|&p| point(p)).collect();
    let pairs: Vec<(u32, u32)> = (1..nodes.len() as u32).map(|i| (i - 1, i)).collect();
    network(nodes, &pairs)
}

/// All points as the geometry of a single segment.
pub(crate) fn one_segment(points: &[(f64, f64)]) -> Network {
    let points: Box<[Point]> = points.iter().map(|&p| point(p)).collect();
    let nodes = vec![points[0], points[points.len() - 1]];
    let id = SegmentId::derive("test", 0, nodes[0], nodes[1], 0);
    Network::build(provenance(), vec![], nodes, vec![Segment::new(id, points, 0, 1)]).expect("a network")
}

/// A town of `w` × `h` junctions about 110 m apart, shaken a little by `seed`, near 36.4° N.
pub(crate) fn grid_network(w: u32, h: u32, seed: u64) -> Network {
    let rng = Rng::seeded(seed);
    let mut nodes = Vec::new();
    for y in 0..h {
        for x in 0..w {
            let [a, b] = rng.bytes::<2>();
            nodes.push(Point::new(
                1_365_000_000 + x as i32 * 12_000 + i32::from(a) * 8,
                364_000_000 + y as i32 * 10_000 + i32::from(b) * 8,
            ));
        }
    }
    let at = |x: u32, y: u32| y * w + x;
    let mut pairs = Vec::new();
    for y in 0..h {
        for x in 0..w {
            if x + 1 < w {
                pairs.push((at(x, y), at(x + 1, y)));
            }
            if y + 1 < h {
                pairs.push((at(x, y), at(x, y + 1)));
            }
        }
    }
    network(nodes, &pairs)
}
