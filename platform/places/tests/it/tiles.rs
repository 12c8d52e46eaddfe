//! The base map: what the tiles hold and that they hold together.

use std::collections::{HashMap, HashSet};

use kenroku_places::tiles::{MAX_ZOOM, MIN_ZOOM};
use kenroku_places::{BaseMap, LatLng, Places, TileError};
use proptest::prelude::*;

use crate::mvt_reader::{Feature, Layer, read};

const EXTENT: i64 = 4096;
const BUFFER: i64 = 64;

fn map() -> &'static BaseMap {
    BaseMap::shared().unwrap()
}

/// The tile that a position lies in.
fn tile_of(p: LatLng, z: u8) -> (u32, u32) {
    let side = f64::from(1u32 << z);
    let y = (1.0 - p.lat.to_radians().tan().asinh() / std::f64::consts::PI) / 2.0;
    (((p.lng + 180.0) / 360.0 * side) as u32, (y * side) as u32)
}

fn layers(z: u8, (x, y): (u32, u32)) -> HashMap<String, Layer> {
    let tile = map().tile(z, x, y).unwrap();
    read(&tile).into_iter().map(|l| (l.name.clone(), l)).collect()
}

fn doubled_area(ring: &[[i64; 2]]) -> i64 {
    let next = ring.iter().cycle().skip(1);
    ring.iter().zip(next).map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum()
}

fn nomi() -> LatLng {
    Places::shared().unwrap().by_name("能美市").unwrap().label
}

#[test]
fn the_coarsest_tile_holds_the_whole_prefecture() {
    let layers = layers(5, (28, 12));
    let land = &layers["land"];
    assert_eq!((land.features.len(), land.extent), (19, 4096));
    let nomi = land.features.iter().find(|f| f.id == 17211).unwrap();
    assert_eq!((nomi.tag("name"), nomi.tag("name_en")), (Some("能美市"), Some("Nomi City")));
    assert_eq!(layers["place"].features.len(), 19);
    // 4,186 km² (国土地理院 全国都道府県市区町村別面積調). At 36.8°N a unit of this tile is 244.6 m wide.
    let area: i64 = land.features.iter().flat_map(|f| &f.parts).map(|r| doubled_area(r)).sum();
    let unit_km = 40_075.017 / 32.0 / 4096.0 * 36.8_f64.to_radians().cos();
    let km2 = area as f64 / 2.0 * unit_km * unit_km;
    assert!((km2 / 4_186.0 - 1.0).abs() < 0.02, "{km2}");
}

#[test]
fn the_finest_tiles_hold_every_town_exactly_once() {
    let places = Places::shared().unwrap();
    let tiles: HashSet<(u32, u32)> = places.towns().iter().map(|t| tile_of(t.at, MAX_ZOOM)).collect();
    let mut seen = HashSet::new();
    for tile in tiles {
        for f in &layers(MAX_ZOOM, tile)["place"].features {
            assert!(seen.insert(f.id), "{f:?} stands in two tiles");
        }
    }
    assert_eq!(seen.len(), 8_835 + 19);
}

#[test]
fn more_towns_appear_with_every_level() {
    let count = |z| layers(z, tile_of(nomi(), z))["place"].features.iter().filter(|f| is_town(f)).count();
    assert_eq!(count(9), 0);
    // A tile covers a quarter of the area of the level before, and has at most one new town per sixteenth.
    for z in 10..MAX_ZOOM {
        assert!((4..=80).contains(&count(z)), "level {z}: {}", count(z));
    }
}

fn is_town(f: &Feature) -> bool {
    f.tag("kind") == Some("town")
}

#[test]
fn shared_lines_are_drawn_once() {
    let layers = layers(5, (28, 12));
    let kinds: Vec<_> = layers["boundary"].features.iter().map(|f| f.tag("kind").unwrap()).collect();
    assert_eq!(kinds, ["municipality", "outline"]);
    let mut seen = HashSet::new();
    for z in [9, 12] {
        for f in &self::layers(z, tile_of(nomi(), z))["boundary"].features {
            for edge in f.parts.iter().flat_map(|p| p.windows(2)) {
                let mut ends = [edge[0], edge[1]];
                ends.sort_unstable();
                assert!(seen.insert((z, ends)), "{ends:?} is drawn twice");
            }
        }
    }
}

#[test]
fn a_tile_that_does_not_exist_is_refused_beside_one_that_does() {
    let is = |z, x, y| map().tile(z, x, y).map(|t| t.len());
    assert!(is(5, 28, 12).unwrap() > 1_000);
    // Tokyo: inside the world, outside the prefecture.
    assert_eq!(is(10, 909, 403).unwrap(), 0);
    for (z, x, y) in [(4, 14, 6), (15, 0, 0), (5, 32, 0), (5, 0, 32), (255, 0, 0), (5, u32::MAX, 0)] {
        assert!(matches!(is(z, x, y), Err(TileError::NoSuchTile { .. })), "{z}/{x}/{y}");
    }
}

#[test]
fn the_tilejson_names_the_layers_and_the_sources() {
    let json = map().tilejson();
    let tiles = json["tiles"][0].as_str().unwrap();
    assert!(tiles.starts_with("/map/base/{z}/{x}/{y}.mvt?v="), "{tiles}");
    assert!(json["attribution"].as_str().unwrap().contains("（国土交通省）を加工して作成」"));
    let ids: Vec<_> = json["vector_layers"].as_array().unwrap().iter().map(|l| l["id"].clone()).collect();
    assert_eq!(ids, ["land", "boundary", "place"]);
    let bounds: Vec<f64> = serde_json::from_value(json["bounds"].clone()).unwrap();
    assert!(bounds[0] > 136.0 && bounds[1] > 36.0 && bounds[2] < 137.5 && bounds[3] < 38.0, "{bounds:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_tile_is_well_formed(lat in 35.9f64..38.0, lng in 136.1f64..137.6, z in MIN_ZOOM..=MAX_ZOOM) {
        let (x, y) = tile_of(LatLng::new(lat, lng), z);
        let bytes = map().tile(z, x, y).unwrap();
        prop_assert_eq!(&bytes, &map().tile(z, x, y).unwrap());
        let within = |p: &[i64; 2]| p.iter().all(|v| (-BUFFER..=EXTENT + BUFFER).contains(v));
        for layer in read(&bytes) {
            for f in &layer.features {
                prop_assert!(f.parts.iter().flatten().all(within), "{:?}", f);
                prop_assert_eq!(f.kind, match layer.name.as_str() { "place" => 1, "boundary" => 2, _ => 3 });
                if layer.name == "land" {
                    prop_assert!(doubled_area(&f.parts[0]) > 0, "the first ring is an outer one");
                    prop_assert!(f.parts.iter().all(|r| r.len() >= 3 && doubled_area(r) != 0));
                }
            }
        }
    }

    #[test]
    fn land_covers_a_town_that_its_boundary_covers(row in 0usize..8_835, z in 8u8..=MAX_ZOOM) {
        let places = Places::shared().unwrap();
        let town = &places.towns()[row];
        let m = places.by_code(town.municipality).unwrap();
        // Rounding moves a line by at most half a grid cell.
        prop_assume!(m.boundary.contains(town.at) && m.boundary.edge_distance_m(town.at) > 400.0);
        let tile = tile_of(town.at, z);
        let side = f64::from(1u32 << z) * 4096.0;
        let px = (town.at.lng + 180.0) / 360.0 * side - f64::from(tile.0) * 4096.0;
        let py = (1.0 - town.at.lat.to_radians().tan().asinh() / std::f64::consts::PI) / 2.0 * side
            - f64::from(tile.1) * 4096.0;
        let layers = layers(z, tile);
        for f in &layers["land"].features {
            let mut inside = false;
            for ring in &f.parts {
                for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
                    let (x1, y1, x2, y2) = (a[0] as f64, a[1] as f64, b[0] as f64, b[1] as f64);
                    if (y1 > py) != (y2 > py) && px < (x2 - x1) * (py - y1) / (y2 - y1) + x1 {
                        inside = !inside;
                    }
                }
            }
            prop_assert_eq!(inside, f.tag("name") == Some(m.name), "{} in {:?}", places.address(town), f.tag("name"));
        }
    }
}
