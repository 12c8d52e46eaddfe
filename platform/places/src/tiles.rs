//! The base map as vector tiles (Mapbox Vector Tile 2.1), drawn from memory when asked for.
//!
//! Layers: `land` (one polygon feature per municipality), `boundary` (lines; `kind` is `municipality` where two
//! municipalities meet and `outline` along the coast and the borders of the prefecture), `place` (points;
//! `kind` is `municipality`, `town` or `part`). There is no water layer: what no `land` covers is sea or
//! another prefecture, and the data cannot tell which, so a style paints the background plainly.
//!
//! Vertices are rounded to a grid of the whole zoom level, not of the tile, so lines that two municipalities
//! or two tiles share stay together. The rounding is also the simplification: half a pixel at every zoom.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use kenroku_types::MuniCode;
use mvt::{GeomEncoder, GeomType, Layer};
use serde_json::json;

use crate::geometry::{Boundary, LatLng};
use crate::model::{DataError, Municipality, Places, Town};
use crate::vector::{self, EXTENT, project};

pub use crate::vector::{MAX_ZOOM, MIN_ZOOM, TileError};

/// The zoom level at which the first towns appear, more with each level, and all with their parts at the last.
const TOWNS_FROM: u8 = 10;
/// How far geometry reaches beyond the tile's edge, in units, so that no edge shows at the seam.
const BUFFER: i64 = 64;
/// Width of the grid that vertices are rounded to, in units: half a pixel of a tile shown 512 pixels wide.
const GRID: f64 = 4.0;
/// Changes when the same data is drawn differently.
const DRAWING: u64 = 1;

/// What must be shown with the map.
pub const ATTRIBUTION: &str =
    "「国土数値情報（行政区域データ）（国土交通省）を加工して作成」 Geolonia 住所データ（CC BY 4.0）";

/// Position in the Web Mercator square (EPSG:3857 scaled to 0…1 from the north-west corner).
type World = [f64; 2];

#[derive(Debug)]
struct Land {
    municipality: &'static Municipality,
    /// Per polygon its rings, none closed.
    polygons: Vec<Vec<Vec<World>>>,
    bbox: [f64; 4],
}

#[derive(Debug)]
struct Line {
    kind: &'static str,
    points: Vec<World>,
    bbox: [f64; 4],
}

#[derive(Debug)]
struct Point {
    at: World,
    min_zoom: u8,
    town: &'static Town,
}

/// Everything a tile is drawn from, projected once.
#[derive(Debug)]
pub struct BaseMap {
    places: &'static Places,
    land: Vec<Land>,
    lines: Vec<Line>,
    points: Vec<Point>,
}

impl BaseMap {
    /// The map of the embedded data, projected at the first call and shared from then on.
    ///
    /// # Errors
    /// As [`Places::shared`].
    pub fn shared() -> Result<&'static BaseMap, DataError> {
        static SHARED: OnceLock<BaseMap> = OnceLock::new();
        let places = Places::shared()?;
        Ok(SHARED.get_or_init(|| BaseMap::new(places)))
    }

    fn new(places: &'static Places) -> Self {
        let land = places.municipalities().iter().map(|municipality| {
            let ring = |r: &Vec<[f64; 2]>| r.iter().skip(1).map(|p| project(*p)).collect::<Vec<_>>();
            let polygons: Vec<Vec<Vec<World>>> =
                municipality.boundary.polygons.iter().map(|p| p.iter().map(ring).collect()).collect();
            let bbox = extent(polygons.iter().flatten().flatten());
            Land { municipality, polygons, bbox }
        });
        BaseMap { places, land: land.collect(), lines: lines(places), points: points(places) }
    }

    /// The bytes of a tile; empty where the prefecture is not. The same on every machine.
    ///
    /// # Errors
    /// [`TileError::NoSuchTile`] outside the zoom levels and beyond the edge of the world.
    pub fn tile(&self, z: u8, x: u32, y: u32) -> Result<Vec<u8>, TileError> {
        vector::exists(z, x, y)?;
        let view = View { z, x, y };
        let mut tile = mvt::Tile::new(EXTENT);
        for layer in [
            self.land_layer(tile.create_layer("land"), &view)?,
            self.boundary_layer(tile.create_layer("boundary"), &view)?,
            self.place_layer(tile.create_layer("place"), &view)?,
        ] {
            if layer.num_features() > 0 {
                tile.add_layer(layer)?;
            }
        }
        Ok(tile.to_bytes()?)
    }

    /// Names the data and the way it is drawn; part of the address of tiles, so that they may be kept forever.
    pub fn version(&self) -> String {
        format!("{:016x}", self.places.version().wrapping_add(DRAWING))
    }

    /// The TileJSON (3.0.0) of the map. The address of the tiles is a path, to be resolved against the address of
    /// this document (RFC 3986 §5); map libraries that fetch in a worker want that done before.
    pub fn tilejson(&self) -> serde_json::Value {
        let [w, s, e, n] = self
            .places
            .municipalities()
            .iter()
            .fold([180.0_f64, 90.0_f64, -180.0_f64, -90.0_f64], |[w, s, e, n], m| {
                [w.min(m.bbox[0]), s.min(m.bbox[1]), e.max(m.bbox[2]), n.max(m.bbox[3])]
            });
        let named = json!({ "code": "String", "name": "String", "name_kana": "String", "name_en": "String" });
        json!({
            "tilejson": "3.0.0",
            "name": "石川県の基図",
            "version": "1.0.0",
            "scheme": "xyz",
            "tiles": [format!("/map/base/{{z}}/{{x}}/{{y}}.mvt?v={}", self.version())],
            "attribution": ATTRIBUTION,
            "minzoom": MIN_ZOOM,
            "maxzoom": MAX_ZOOM,
            "bounds": [w, s, e, n],
            "center": [(w + e) / 2.0, (s + n) / 2.0, 8],
            "vector_layers": [
                { "id": "land", "minzoom": MIN_ZOOM, "maxzoom": MAX_ZOOM, "fields": named },
                { "id": "boundary", "minzoom": MIN_ZOOM, "maxzoom": MAX_ZOOM, "fields": { "kind": "String" } },
                {
                    "id": "place",
                    "minzoom": MIN_ZOOM,
                    "maxzoom": MAX_ZOOM,
                    "fields": {
                        "kind": "String", "code": "String", "name": "String", "name_kana": "String",
                        "name_en": "String", "town": "String"
                    }
                }
            ]
        })
    }

    fn land_layer(&self, mut layer: Layer, view: &View) -> Result<Layer, TileError> {
        for land in self.land.iter().filter(|l| view.sees(l.bbox)) {
            let mut geometry = GeomEncoder::new(GeomType::Polygon);
            let mut previous = None;
            for polygon in &land.polygons {
                for (i, ring) in polygon.iter().enumerate() {
                    let mut ring = clip_ring(ring.iter().map(|p| view.grid(*p)).collect());
                    let area = doubled_area(&ring);
                    if area == 0 {
                        // Without its outer ring a hole would be drawn as land.
                        if i == 0 {
                            break;
                        }
                        continue;
                    }
                    // MVT 2.1 §4.3.4.4: outer rings have positive area, inner rings negative.
                    if (area > 0) != (i == 0) {
                        ring.reverse();
                    }
                    // The encoder would run two rings together where one ends and the next begins.
                    if previous.is_some() && ring.first() == previous.as_ref() {
                        ring.rotate_left(1);
                    }
                    previous = ring.last().copied();
                    add_all(&mut geometry, &ring)?;
                }
            }
            if previous.is_none() {
                continue;
            }
            let mut feature = layer.into_feature(geometry.encode()?);
            feature.set_id(u64::from(land.municipality.code.number()));
            add_names(&mut feature, land.municipality);
            layer = feature.into_layer();
        }
        Ok(layer)
    }

    fn boundary_layer(&self, mut layer: Layer, view: &View) -> Result<Layer, TileError> {
        for kind in ["municipality", "outline"] {
            let mut geometry = GeomEncoder::new(GeomType::Linestring);
            let mut any = false;
            for line in self.lines.iter().filter(|l| l.kind == kind && view.sees(l.bbox)) {
                let points: Vec<Unit> = line.points.iter().map(|p| view.grid(*p)).collect();
                for run in clip_line(&points) {
                    add_all(&mut geometry, &run)?;
                    any = true;
                }
            }
            if any {
                let mut feature = layer.into_feature(geometry.encode()?);
                feature.add_tag_string("kind", kind);
                layer = feature.into_layer();
            }
        }
        Ok(layer)
    }

    fn place_layer(&self, mut layer: Layer, view: &View) -> Result<Layer, TileError> {
        for m in self.places.municipalities() {
            if let Some(geometry) = view.point(project([m.label.lng, m.label.lat]))? {
                let mut feature = layer.into_feature(geometry);
                feature.set_id(u64::from(m.code.number()));
                feature.add_tag_string("kind", "municipality");
                add_names(&mut feature, m);
                layer = feature.into_layer();
            }
        }
        for p in self.points.iter().filter(|p| p.min_zoom <= view.z) {
            if let Some(geometry) = view.point(p.at)? {
                let mut feature = layer.into_feature(geometry);
                // Rows begin after the range of municipality codes.
                feature.set_id(100_000 + u64::from(p.town.id.0));
                let (kind, name) =
                    if p.town.koaza.is_empty() { ("town", p.town.name) } else { ("part", p.town.koaza) };
                feature.add_tag_string("kind", kind);
                feature.add_tag_string("name", name);
                feature.add_tag_string("code", &p.town.municipality.code5());
                if kind == "part" {
                    feature.add_tag_string("town", p.town.name);
                }
                layer = feature.into_layer();
            }
        }
        Ok(layer)
    }
}

fn add_names(feature: &mut mvt::Feature, m: &Municipality) {
    feature.add_tag_string("code", &m.code.code5());
    feature.add_tag_string("name", m.name);
    feature.add_tag_string("name_kana", m.kana);
    feature.add_tag_string("name_en", &m.english_name());
}

fn add_all(geometry: &mut GeomEncoder<i32>, points: &[Unit]) -> Result<(), TileError> {
    for [x, y] in points {
        geometry.add_point(*x as i32, *y as i32)?;
    }
    geometry.complete_geom()?;
    Ok(())
}

fn extent<'a>(points: impl Iterator<Item = &'a World>) -> [f64; 4] {
    let start = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    points.fold(start, |[w, n, e, s], [x, y]| [w.min(*x), n.min(*y), e.max(*x), s.max(*y)])
}

/// A position in units from the tile's north-west corner.
type Unit = [i64; 2];

/// Which tile is drawn.
struct View {
    z: u8,
    x: u32,
    y: u32,
}

impl View {
    fn sees(&self, [w, n, e, s]: [f64; 4]) -> bool {
        let scale = f64::from(1u32 << self.z);
        let margin = BUFFER as f64 / f64::from(EXTENT);
        let overlaps = |low: f64, high: f64, at: u32| {
            low * scale <= f64::from(at) + 1.0 + margin && high * scale >= f64::from(at) - margin
        };
        overlaps(w, e, self.x) && overlaps(n, s, self.y)
    }

    fn units(&self, p: World, grid: f64) -> Unit {
        let side = f64::from(1u32 << self.z) * f64::from(EXTENT);
        let on_grid = |v: f64, tile: u32| {
            ((v * side / grid).round() * grid) as i64 - i64::from(tile) * i64::from(EXTENT)
        };
        [on_grid(p[0], self.x), on_grid(p[1], self.y)]
    }

    fn grid(&self, p: World) -> Unit {
        self.units(p, GRID)
    }

    /// A point, if it lies in this very tile: the same label must not come with two tiles.
    fn point(&self, p: World) -> Result<Option<mvt::GeomData>, TileError> {
        let at = self.units(p, 1.0);
        if !at.iter().all(|v| (0..i64::from(EXTENT)).contains(v)) {
            return Ok(None);
        }
        Ok(Some(GeomEncoder::new(GeomType::Point).point(at[0] as i32, at[1] as i32)?.encode()?))
    }
}

const LOW: i64 = -BUFFER;
const HIGH: i64 = EXTENT as i64 + BUFFER;

/// Cuts a ring at the tile's four sides, one after the other (Sutherland and Hodgman 1974).
fn clip_ring(mut ring: Vec<Unit>) -> Vec<Unit> {
    for (axis, limit, keep_below) in [(0, LOW, false), (0, HIGH, true), (1, LOW, false), (1, HIGH, true)] {
        let inside = |p: Unit| if keep_below { p[axis] <= limit } else { p[axis] >= limit };
        let mut out = Vec::with_capacity(ring.len() + 4);
        let mut from = ring.last().copied();
        for to in ring {
            if let Some(from) = from.filter(|f| inside(*f) != inside(to)) {
                out.push(cut(from, to, axis, limit));
            }
            if inside(to) {
                out.push(to);
            }
            from = Some(to);
        }
        ring = out;
    }
    ring.dedup();
    while ring.len() > 1 && ring.first() == ring.last() {
        ring.pop();
    }
    ring
}

/// Where a segment meets the line on which one coordinate has the value `limit`.
fn cut(a: Unit, b: Unit, axis: usize, limit: i64) -> Unit {
    let t = (limit - a[axis]) as f64 / (b[axis] - a[axis]) as f64;
    let other = 1 - axis;
    let mut p = [0; 2];
    p[axis] = limit;
    p[other] = a[other] + ((b[other] - a[other]) as f64 * t).round() as i64;
    p
}

/// Twice the area by the surveyor's formula; positive when clockwise on the screen (y points down).
fn doubled_area(ring: &[Unit]) -> i64 {
    let next = ring.iter().cycle().skip(1);
    ring.iter().zip(next).map(|([x1, y1], [x2, y2])| x1 * y2 - x2 * y1).sum()
}

/// The parts of a line within the tile.
fn clip_line(points: &[Unit]) -> Vec<Vec<Unit>> {
    let mut runs: Vec<Vec<Unit>> = Vec::new();
    for pair in points.windows(2) {
        let Some([a, b]) = clip_segment([pair[0], pair[1]]) else { continue };
        if a == b {
            continue;
        }
        match runs.last_mut().filter(|run| run.last() == Some(&a)) {
            Some(run) => run.push(b),
            None => runs.push(vec![a, b]),
        }
    }
    runs
}

fn clip_segment(mut s: [Unit; 2]) -> Option<[Unit; 2]> {
    for axis in 0..2 {
        if s[0][axis].max(s[1][axis]) < LOW || s[0][axis].min(s[1][axis]) > HIGH {
            return None;
        }
        for end in 0..2 {
            let v = s[end][axis];
            if !(LOW..=HIGH).contains(&v) {
                s[end] = cut(s[0], s[1], axis, v.clamp(LOW, HIGH));
            }
        }
    }
    Some(s)
}

/// Every edge of the municipalities once, as lines as long as their kind does not change.
fn lines(places: &Places) -> Vec<Line> {
    type Edge = [[u64; 2]; 2];
    let edge = |a: &[f64; 2], b: &[f64; 2]| -> Edge {
        let mut ends = [a.map(f64::to_bits), b.map(f64::to_bits)];
        ends.sort_unstable();
        ends
    };
    let mut uses: HashMap<Edge, u32> = HashMap::new();
    let rings = || places.municipalities().iter().flat_map(|m| Boundary::rings(&m.boundary));
    for pair in rings().flat_map(|r| r.windows(2)) {
        *uses.entry(edge(&pair[0], &pair[1])).or_default() += 1;
    }
    let mut drawn: HashSet<Edge> = HashSet::new();
    let mut lines: Vec<Line> = Vec::new();
    for ring in rings() {
        let mut current: Option<Line> = None;
        for pair in ring.windows(2) {
            let edge = edge(&pair[0], &pair[1]);
            let kind = if uses.get(&edge).is_some_and(|n| *n > 1) { "municipality" } else { "outline" };
            let fresh = drawn.insert(edge);
            if current.as_ref().is_some_and(|line| !fresh || line.kind != kind) {
                lines.extend(current.take());
            }
            if fresh {
                let line = current.get_or_insert_with(|| Line {
                    kind,
                    points: vec![project(pair[0])],
                    bbox: [0.0; 4],
                });
                line.points.push(project(pair[1]));
            }
        }
        lines.extend(current);
    }
    for line in &mut lines {
        line.bbox = extent(line.points.iter());
    }
    lines
}

/// The towns with the zoom level each appears at: at each level one more town in every cell of a quarter tile
/// that has none yet, those with the most parts first; the last level has all.
fn points(places: &'static Places) -> Vec<Point> {
    let mut parts: HashMap<(MuniCode, &str), usize> = HashMap::new();
    for t in places.towns() {
        *parts.entry((t.municipality, t.name)).or_default() += 1;
    }
    let at = |p: LatLng| project([p.lng, p.lat]);
    let mut points: Vec<Point> =
        places.towns().iter().map(|town| Point { at: at(town.at), min_zoom: MAX_ZOOM, town }).collect();
    let mut order: Vec<usize> = (0..points.len()).filter(|i| points[*i].town.koaza.is_empty()).collect();
    order.sort_by_key(|i| {
        let town = points[*i].town;
        (std::cmp::Reverse(parts.get(&(town.municipality, town.name)).copied()), town.id)
    });
    for z in TOWNS_FROM..MAX_ZOOM {
        let cells = f64::from(1u32 << (z + 2));
        let cell = |p: &Point| [(p.at[0] * cells) as u32, (p.at[1] * cells) as u32];
        let mut taken: HashSet<[u32; 2]> = points.iter().filter(|p| p.min_zoom < z).map(cell).collect();
        for i in &order {
            if points[*i].min_zoom > z && taken.insert(cell(&points[*i])) {
                points[*i].min_zoom = z;
            }
        }
    }
    points
}
