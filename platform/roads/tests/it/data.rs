//! The folder of test data that is not in the repository, and what is read from it.

use std::path::{Path, PathBuf};

use kenroku_roads::areas::Area;
use kenroku_roads::geo::Point;
use kenroku_roads::synth::TownPoint;
use kenroku_types::MuniCode;

/// The folder named by `KENROKU_TEST_DATA`, relative names counting from the root of the repository; `None`,
/// said loudly, when it is unset.
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no configuration file; this variable is the contract"
)]
pub fn folder(what: &str) -> Option<PathBuf> {
    let Some(set) = std::env::var_os("KENROKU_TEST_DATA") else {
        eprintln!("NOT CHECKED: {what}: KENROKU_TEST_DATA is not set");
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must set KENROKU_TEST_DATA");
        return None;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Some(root.join(set))
}

/// Town points and outlines of Ishikawa.
pub fn ishikawa(folder: &Path) -> (Vec<TownPoint>, Vec<Area>) {
    let read = |p: PathBuf| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(&p).unwrap_or_else(|e| panic!("{}: {e}", p.display()))).unwrap()
    };
    let outlines = read(folder.join("municipal/boundaries/ishikawa_municipalities.geojson"));
    let point =
        |v: &serde_json::Value| Point::from_degrees(v[0].as_f64().unwrap(), v[1].as_f64().unwrap()).unwrap();
    let ring = |r: &serde_json::Value| -> Vec<Point> { r.as_array().unwrap().iter().map(point).collect() };
    let mut areas = Vec::new();
    let mut towns = Vec::new();
    for f in outlines["features"].as_array().unwrap() {
        let p = &f["properties"];
        let municipality: MuniCode = p["code5"].as_str().unwrap().parse().unwrap();
        let coordinates = f["geometry"]["coordinates"].as_array().unwrap();
        let rings = match f["geometry"]["type"].as_str().unwrap() {
            "Polygon" => coordinates.iter().map(ring).collect(),
            _ => coordinates.iter().flat_map(|p| p.as_array().unwrap()).map(ring).collect(),
        };
        areas.push(Area { municipality, rings });
        let file = format!("{}{}.json", p["county"].as_str().unwrap(), p["name"].as_str().unwrap());
        for t in read(folder.join("municipal/towns").join(file)).as_array().unwrap() {
            // Two records have no coordinates.
            let (Some(lng), Some(lat)) = (t["lng"].as_f64(), t["lat"].as_f64()) else { continue };
            towns.push(TownPoint {
                point: Point::from_degrees(lng, lat).unwrap(),
                name: format!("{}{}", t["town"].as_str().unwrap(), t["koaza"].as_str().unwrap()),
                municipality,
            });
        }
    }
    (towns, areas)
}
