//! The network as vector tiles (Mapbox Vector Tile 2.1), drawn from the graph when asked for.
//!
//! One layer, `roads`; a feature's id is the segment's dense index, which is how a state file is joined to it
//! (`setFeatureState`). Properties: `manager`, `class`, `name`, `ref`, `simulated`, and from [`KEYS_FROM`] on the
//! segment's `key`. The address of a tile names the network's version, so a tile never changes.

use kenroku_places::vector::{self, EXTENT};
use mvt::{GeomEncoder, GeomType};

use crate::geo::{Point, UNITS};
use crate::graph::Graph;
use crate::model::{Class, Network};

pub use kenroku_places::vector::{MAX_ZOOM, MIN_ZOOM, TileError};

/// The first zoom level whose features carry the segment's key: before, nobody can point at one road.
pub const KEYS_FROM: u8 = 12;
/// How far lines reach beyond the tile's edge, in units, so that wide strokes meet at the seam.
const BUFFER: f64 = 64.0;

/// Whether a class is drawn at a zoom level.
pub const fn shown(class: Class, z: u8) -> bool {
    z >= match class {
        Class::Motorway | Class::Trunk => MIN_ZOOM,
        Class::Primary => 7,
        Class::Secondary => 8,
        Class::Tertiary => 10,
        Class::Unclassified | Class::Residential => 11,
        Class::LivingStreet => 12,
        Class::Service => 13,
    }
}

/// The bytes of a tile; empty where no road is. The same for the same network on every machine.
///
/// # Errors
/// [`TileError::NoSuchTile`] outside the zoom levels and beyond the edge of the world.
pub fn tile(graph: &Graph, z: u8, x: u32, y: u32) -> Result<Vec<u8>, TileError> {
    vector::exists(z, x, y)?;
    let side = f64::from(1u32 << z);
    let margin = BUFFER / f64::from(EXTENT);
    let corner = |dx: f64, dy: f64| unproject([(f64::from(x) + dx) / side, (f64::from(y) + dy) / side]);
    let (nw, se) = (corner(-margin, -margin), corner(1.0 + margin, 1.0 + margin));
    let units = |p: Point| {
        let [wx, wy] = project(p);
        let unit = |world: f64, tile: u32| ((world * side - f64::from(tile)) * f64::from(EXTENT)).round();
        [unit(wx, x), unit(wy, y)]
    };
    let mut tile = mvt::Tile::new(EXTENT);
    let mut layer = tile.create_layer("roads");
    for index in graph.in_box(Point::new(nw.lon, se.lat), Point::new(se.lon, nw.lat)) {
        let s = &graph.network().segments()[index as usize];
        if !shown(s.class, z) {
            continue;
        }
        let mut geometry = GeomEncoder::new(GeomType::Linestring);
        let mut any = false;
        for run in runs(s.points.iter().map(|&p| units(p))) {
            for &[px, py] in &run {
                geometry.add_point(px as i32, py as i32)?;
            }
            geometry.complete_geom()?;
            any = true;
        }
        if !any {
            continue;
        }
        let mut feature = layer.into_feature(geometry.encode()?);
        feature.set_id(u64::from(index));
        feature.add_tag_string("manager", s.manager.word());
        feature.add_tag_string("class", s.class.word());
        for (key, value) in [("name", &s.name), ("ref", &s.route_no)] {
            if let Some(text) = value {
                feature.add_tag_string(key, text);
            }
        }
        feature.add_tag_bool("simulated", s.simulated);
        if z >= KEYS_FROM {
            feature.add_tag_string("key", &s.id.to_string());
        }
        layer = feature.into_layer();
    }
    if layer.num_features() == 0 {
        return Ok(Vec::new());
    }
    tile.add_layer(layer)?;
    Ok(tile.to_bytes()?)
}

/// The TileJSON (3.0.0) of a network; the address of the tiles is a path (RFC 3986 §5).
pub fn tilejson(network: &Network) -> serde_json::Value {
    let p = network.provenance();
    let all = || network.segments().iter().flat_map(|s| s.points.iter());
    let bound = |v: Option<i32>| f64::from(v.unwrap_or(0)) / UNITS;
    let (w, s) = (bound(all().map(|p| p.lon).min()), bound(all().map(|p| p.lat).min()));
    let (e, n) = (bound(all().map(|p| p.lon).max()), bound(all().map(|p| p.lat).max()));
    serde_json::json!({
        "tilejson": "3.0.0",
        "name": if p.simulated { "道路網（模擬データ）" } else { "道路網" },
        "version": "1.0.0",
        "scheme": "xyz",
        "tiles": [format!("/map/roads/{{z}}/{{x}}/{{y}}.mvt?v={}", network.version())],
        "attribution": p.attribution,
        "simulated": p.simulated,
        "network": network.version().as_str(),
        "minzoom": MIN_ZOOM,
        "maxzoom": MAX_ZOOM,
        "bounds": [w, s, e, n],
        "center": [(w + e) / 2.0, (s + n) / 2.0, 8],
        "vector_layers": [{
            "id": "roads",
            "minzoom": MIN_ZOOM,
            "maxzoom": MAX_ZOOM,
            "fields": {
                "manager": "String", "class": "String", "name": "String", "ref": "String",
                "simulated": "Boolean", "key": "String"
            }
        }]
    })
}

/// Web Mercator in the unit square.
fn project(p: Point) -> [f64; 2] {
    vector::project([p.lon_deg(), p.lat_deg()])
}

/// The inverse, kept on the globe.
fn unproject([x, y]: [f64; 2]) -> Point {
    let lat = (std::f64::consts::PI * (1.0 - 2.0 * y)).sinh().atan().to_degrees();
    Point::from_degrees(((x - 0.5) * 360.0).clamp(-180.0, 180.0), lat.clamp(-90.0, 90.0)).unwrap_or_default()
}

/// The parts of a line within the buffered tile, each of two points or more, no two neighbours equal.
fn runs(points: impl Iterator<Item = [f64; 2]>) -> Vec<Vec<[f64; 2]>> {
    let mut out: Vec<Vec<[f64; 2]>> = Vec::new();
    let mut last: Option<[f64; 2]> = None;
    let mut joined = false;
    for p in points {
        if let Some(from) = last.filter(|&l| l != p) {
            match clip(from, p) {
                Some([a, b]) if a != b => {
                    match out.last_mut() {
                        Some(run) if joined && run.last() == Some(&a) => run.push(b),
                        _ => out.push(vec![a, b]),
                    }
                    joined = b == p;
                }
                _ => joined = false,
            }
        }
        last = Some(p);
    }
    out
}

/// The part of a straight piece within the buffered tile (Liang and Barsky 1984), rounded to units.
fn clip(a: [f64; 2], b: [f64; 2]) -> Option<[[f64; 2]; 2]> {
    let (low, high) = (-BUFFER, f64::from(EXTENT) + BUFFER);
    let (mut t0, mut t1) = (0.0f64, 1.0f64);
    for axis in 0..2 {
        let d = b[axis] - a[axis];
        for (toward, room) in [(-d, a[axis] - low), (d, high - a[axis])] {
            if toward == 0.0 {
                if room < 0.0 {
                    return None;
                }
            } else if toward < 0.0 {
                t0 = t0.max(room / toward);
            } else {
                t1 = t1.min(room / toward);
            }
        }
    }
    let at = |t: f64| [0, 1].map(|i| (a[i] + (b[i] - a[i]) * t).round());
    (t0 <= t1).then(|| [at(t0), at(t1)])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::grid_network;

    #[test]
    fn mercator_has_its_published_values() {
        // The corner of the square map (EPSG:3857), and Kanazawa station in tile 10/900/400 (asinh form).
        let top = project(Point::new(-1_800_000_000, 850_511_288));
        assert!(top[0].abs() < 1e-9 && top[1].abs() < 1e-7, "{top:?}");
        let p = Point::from_degrees(136.648, 36.578).unwrap();
        let [x, y] = project(p);
        assert_eq!(((x * 1024.0) as u32, (y * 1024.0) as u32), (900, 400));
        let back = unproject(project(p));
        assert!((back.lon - p.lon).abs() <= 1 && (back.lat - p.lat).abs() <= 1);
    }

    #[test]
    fn a_tile_is_the_same_every_time_and_empty_where_nothing_is() {
        let graph = Graph::new(Arc::new(grid_network(8, 8, 4)));
        let [x, y] = project(Point::new(1_365_000_000, 364_000_000)).map(|v| (v * 16384.0) as u32);
        let a = tile(&graph, 14, x, y).unwrap();
        assert!(!a.is_empty());
        assert_eq!(a, tile(&graph, 14, x, y).unwrap());
        assert!(tile(&graph, 14, x + 100, y).unwrap().is_empty());
        // Streets of no class worth showing from afar.
        assert!(tile(&graph, 8, x >> 6, y >> 6).unwrap().is_empty());
        assert!(matches!(tile(&graph, 15, 0, 0), Err(TileError::NoSuchTile { .. })));
        assert!(matches!(tile(&graph, 5, 32, 0), Err(TileError::NoSuchTile { .. })));
    }

    #[test]
    fn a_line_that_leaves_and_comes_back_is_two() {
        let line = [[10.0, 10.0], [5000.0, 10.0], [5000.0, 500.0], [10.0, 500.0]];
        let parts = runs(line.into_iter());
        assert_eq!(parts, [vec![[10.0, 10.0], [4160.0, 10.0]], vec![[4160.0, 500.0], [10.0, 500.0]]]);
        assert!(runs([[-500.0, 10.0], [-90.0, 4000.0]].into_iter()).is_empty());
        assert_eq!(
            runs([[1.0, 1.0], [1.0, 1.0], [2.0, 1.0], [3.0, 1.0]].into_iter()),
            [vec![[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]]]
        );
    }

    proptest! {
        #[test]
        fn clipped_lines_stay_within_the_buffer(points in proptest::collection::vec((-9000i32..14000, -9000i32..14000), 2..20)) {
            let parts = runs(points.iter().map(|&(x, y)| [f64::from(x), f64::from(y)]));
            for p in parts.iter().flatten().flatten() {
                prop_assert!((-64.0..=4160.0).contains(p));
            }
            prop_assert!(parts.iter().all(|r| r.len() >= 2 && r.windows(2).all(|w| w[0] != w[1])));
        }
    }
}
