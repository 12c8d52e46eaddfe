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

use crate::areas::{Area, Areas};
use crate::geo::Point;
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
