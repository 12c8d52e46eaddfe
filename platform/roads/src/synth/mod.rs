//! A made-up road network over real place names, for demonstration and scale where no open road data exists.
//!
//! Roads run between town points that are *relative neighbours*: no third point is nearer to both of them than
//! they are to each other (Toussaint 1980). That graph has about the length, degree and shape of a country's
//! minor roads. Which roads are important follows from how many shortest paths use them. The result depends
//! only on the input: no randomness, the same network on every machine.
//!
//! Nothing here is a real road. Every segment is flagged [`simulated`](crate::model::Segment::simulated), the
//! provenance says 模擬データ, and route numbers read 模擬…, so that nobody mistakes one for a real one.

mod attributes;
mod neighbours;

use kenroku_types::MuniCode;

use crate::geo::{Frame, Point};
use crate::model::{Crs, Network, NetworkError, Provenance, Segment, SegmentId};

pub use attributes::{Shares, ishikawa_district};
pub use neighbours::{gabriel_pairs, relative_neighbour_pairs};

/// A named place that roads lead to.
#[derive(Clone, Debug, PartialEq)]
pub struct TownPoint {
    /// Where.
    pub point: Point,
    /// Its name, such as 旭台町 or 粟生町イ.
    pub name: String,
    /// The municipality whose list it is from.
    pub municipality: MuniCode,
}

/// Outline of a municipality: closed or open rings, in any order and orientation; a point is inside when it is
/// inside an odd number of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    /// The municipality.
    pub municipality: MuniCode,
    /// Rings.
    pub rings: Vec<Vec<Point>>,
}

/// What the synthetic network is made from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Places.
    pub towns: &'a [TownPoint],
    /// Outlines of the municipalities.
    pub areas: &'a [Area],
    /// District of a municipality; [`ishikawa_district`] for Ishikawa.
    pub district: fn(MuniCode) -> Option<&'static str>,
    /// Kilometres and route numbers per manager.
    pub shares: Shares,
}

/// No edge is this long or longer, in metres.
pub const LONGEST_M: f64 = 8_000.0;
/// How far from the outlines a road may lie, in degrees: they are simplified.
pub const BUFFER_DEG: f64 = 0.01;

/// The plane in which neighbours are decided: metres east and north at 36.8° N.
pub(crate) fn plane(p: Point) -> [f64; 2] {
    [p.lon_deg() * 111_320.0 * 36.8f64.to_radians().cos(), p.lat_deg() * 110_950.0]
}

/// Distinct places: towns are moved to the nearest 1e-4° (about ten metres) and merged where they meet; the
/// first one names the place.
fn distinct(towns: &[TownPoint]) -> Vec<(Point, &TownPoint)> {
    // Through the decimal text, because the published check values come from decimal rounding.
    let round = |deg: f64| format!("{deg:.4}").parse().unwrap_or(deg);
    let mut seen = std::collections::HashSet::new();
    towns
        .iter()
        .filter_map(|t| Some((Point::from_degrees(round(t.point.lon_deg()), round(t.point.lat_deg()))?, t)))
        .filter(|&(p, _)| seen.insert(p))
        .collect()
}

/// The distinct places of `towns` in the plane in which neighbours are decided, metres east and north.
pub fn plane_of(towns: &[TownPoint]) -> Vec<[f64; 2]> {
    distinct(towns).iter().map(|&(p, _)| plane(p)).collect()
}

/// Builds the synthetic network.
///
/// # Errors
/// Only when the input cannot give a network at all, such as places with the same coordinates up to rounding.
pub fn build(input: &Input<'_>) -> Result<Network, NetworkError> {
    let places = distinct(input.towns);
    let plane: Vec<[f64; 2]> = places.iter().map(|&(p, _)| plane(p)).collect();
    let areas = Areas::new(input.areas);
    let mut pairs = relative_neighbour_pairs(&plane);
    pairs.retain(|&(a, b)| {
        neighbours::distance(plane[a as usize], plane[b as usize]) < LONGEST_M
            && areas.covers(places[a as usize].0, places[b as usize].0)
    });
    let nodes: Vec<Point> = places.iter().map(|&(p, _)| p).collect();
    let mut segments = Vec::with_capacity(pairs.len());
    for &(a, b) in &pairs {
        let ((start, from), (end, to)) = (places[a as usize], places[b as usize]);
        let id = SegmentId::derive(SOURCE, 0, start, end, 0);
        let mut s = Segment::new(id, [start, end].into(), a, b);
        s.simulated = true;
        s.name = Some(format!("{} – {}", from.name, to.name).into());
        let middle = Point::new(mid(start.lon, end.lon), mid(start.lat, end.lat));
        // Between simplified outlines and in their coastal gaps the list that the place is from decides.
        s.municipality = Some(areas.containing(middle).unwrap_or(from.municipality));
        segments.push(s);
    }
    let districts = attributes::assign(input, &plane, &mut segments);
    let provenance = Provenance {
        source: SOURCE.to_owned(),
        attribution: "模擬データ（実在の道路ではありません）。地名の位置: Geolonia 住所データ (CC BY 4.0)、境界: 国土数値情報（国土交通省）を加工".to_owned(),
        licence: "CC-BY-4.0".to_owned(),
        simulated: true,
        crs: Crs::Wgs84,
    };
    Network::build(provenance, districts, nodes, segments)
}

const SOURCE: &str = "kenroku-synthetic";

fn mid(a: i32, b: i32) -> i32 {
    ((i64::from(a) + i64::from(b)) / 2) as i32
}

/// Outlines prepared for many questions.
struct Areas<'a> {
    parts: Vec<(MuniCode, [i32; 4], &'a [Vec<Point>])>,
}

impl<'a> Areas<'a> {
    fn new(areas: &'a [Area]) -> Self {
        let parts = areas
            .iter()
            .map(|a| {
                let all = || a.rings.iter().flatten();
                let edge = |v: Option<i32>| v.unwrap_or(0);
                let bounds = [
                    edge(all().map(|p| p.lon).min()),
                    edge(all().map(|p| p.lat).min()),
                    edge(all().map(|p| p.lon).max()),
                    edge(all().map(|p| p.lat).max()),
                ];
                (a.municipality, bounds, a.rings.as_slice())
            })
            .collect();
        Areas { parts }
    }

    fn containing(&self, p: Point) -> Option<MuniCode> {
        self.parts
            .iter()
            .find(|(_, [w, s, e, n], rings)| {
                (*w..=*e).contains(&p.lon) && (*s..=*n).contains(&p.lat) && inside(rings, p)
            })
            .map(|&(code, ..)| code)
    }

    /// Whether every place on the straight line lies in an outline or within [`BUFFER_DEG`] of one, looked at
    /// about every 60 metres.
    fn covers(&self, a: Point, b: Point) -> bool {
        let steps = (neighbours::distance(plane(a), plane(b)) / 60.0).ceil().max(1.0);
        (0..=steps as u32).all(|i| {
            let t = f64::from(i) / steps;
            let at = |a: i32, b: i32| a + (f64::from(b - a) * t).round() as i32;
            let p = Point::new(at(a.lon, b.lon), at(a.lat, b.lat));
            self.containing(p).is_some() || self.near(p)
        })
    }

    fn near(&self, p: Point) -> bool {
        let reach = (BUFFER_DEG * crate::geo::UNITS) as i32;
        let limit = f64::from(reach) * f64::from(reach);
        let xy = |q: Point| [f64::from(q.lon - p.lon), f64::from(q.lat - p.lat)];
        self.parts
            .iter()
            .filter(|(_, [w, s, e, n], _)| {
                (w - reach..=e + reach).contains(&p.lon) && (s - reach..=n + reach).contains(&p.lat)
            })
            .flat_map(|(.., rings)| rings.iter())
            .any(|ring| {
                sides(ring).any(|(a, b)| crate::geo::nearest_on_piece([0.0, 0.0], xy(a), xy(b)).1 <= limit)
            })
    }
}

fn sides(ring: &[Point]) -> impl Iterator<Item = (Point, Point)> + '_ {
    ring.iter().copied().zip(ring.iter().copied().cycle().skip(1))
}

/// Even-odd rule.
fn inside(rings: &[Vec<Point>], p: Point) -> bool {
    let frame = Frame::at(p);
    let mut odd = false;
    for (a, b) in rings.iter().flat_map(|r| sides(r)) {
        if (a.lat > p.lat) != (b.lat > p.lat) {
            let ([ax, ay], [bx, by]) = (frame.xy(a), frame.xy(b));
            if ax - ay * (bx - ax) / (by - ay) > 0.0 {
                odd = !odd;
            }
        }
    }
    odd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_is_even_odd() {
        let square = |lo: i32, hi: i32| {
            vec![Point::new(lo, lo), Point::new(hi, lo), Point::new(hi, hi), Point::new(lo, hi)]
        };
        let rings = [square(0, 100), square(40, 60)];
        assert!(inside(&rings, Point::new(10, 10)));
        assert!(!inside(&rings, Point::new(50, 50)));
        assert!(!inside(&rings, Point::new(110, 50)));
    }

    #[test]
    fn a_road_may_not_cross_open_water() {
        let code = MuniCode::new(17201).unwrap();
        let ring = |w: i32| {
            let (s, n, e) = (364_000_000, 365_000_000, w + 500_000);
            vec![Point::new(w, s), Point::new(e, s), Point::new(e, n), Point::new(w, n)]
        };
        // Two strips 0.03° apart: a line between them leaves the buffer in the middle, one along a strip does not.
        let areas = [Area { municipality: code, rings: vec![ring(1_365_000_000), ring(1_365_800_000)] }];
        let areas = Areas::new(&areas);
        let p = |lon: i32, lat: i32| Point::new(lon, lat);
        assert!(areas.covers(p(1_365_100_000, 364_100_000), p(1_365_100_000, 364_700_000)));
        assert!(!areas.covers(p(1_365_400_000, 364_500_000), p(1_365_900_000, 364_500_000)));
        assert!(areas.covers(p(1_365_400_000, 364_500_000), p(1_365_590_000, 364_500_000)));
    }
}
