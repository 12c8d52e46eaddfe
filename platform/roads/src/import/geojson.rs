//! Road ledgers as GeoJSON (RFC 7946): a FeatureCollection of LineStrings or MultiLineStrings.
//!
//! Properties are named as in our own export and tiles: `manager` (a word of [`Manager`] or 国, 県, 市町, NEXCO),
//! `class` (a word of [`Class`]), and the OpenStreetMap keys `name`, `ref`, `oneway`, `lanes`, `maxspeed`,
//! `layer`, `bridge`, `tunnel`, `sidewalk`. What is absent is assumed as for an extract. Lines meet where they
//! share a vertex.

use serde_json::Value;

use super::{Builder, ImportError, Options, Report, Road, drivable};
use crate::geo::Point;
use crate::model::{Class, Manager, Network};

/// Imports a FeatureCollection.
///
/// # Errors
/// When it is not JSON, not a FeatureCollection, or holds no usable line. Faults of single features are counted.
pub fn import(file: &[u8], options: &Options<'_>) -> Result<(Network, Report), ImportError> {
    let json: Value = serde_json::from_slice(file).map_err(|e| ImportError::Json(e.to_string()))?;
    let features = json["features"].as_array().filter(|_| json["type"] == "FeatureCollection");
    let features = features.ok_or_else(|| ImportError::Json("a FeatureCollection is needed".to_owned()))?;
    let mut builder = Builder::new(options, Report::default());
    for (n, f) in features.iter().enumerate() {
        let report = &mut builder.report;
        report.ways += 1;
        let empty = Vec::new();
        let geometry = &f["geometry"];
        let lines: Vec<&Value> = match geometry["type"].as_str() {
            Some("LineString") => vec![&geometry["coordinates"]],
            Some("MultiLineString") => geometry["coordinates"].as_array().unwrap_or(&empty).iter().collect(),
            _ => {
                report.repair("features that are no lines left out", || format!("feature {n}"));
                continue;
            }
        };
        let p = &f["properties"];
        let class = p["class"].as_str().or(p["highway"].as_str());
        let (class, link) = match class {
            None => (Class::Unclassified, false),
            Some(c) => match drivable(c) {
                Some(found) => found,
                None => {
                    report.repair("lines of a class that is not drivable left out", || {
                        format!("feature {n}: {c}")
                    });
                    continue;
                }
            },
        };
        report.roads += 1;
        // The feature's own id where it has one, so that keys stay when features are added or sorted anew.
        let own = f["id"].as_i64().or(p["id"].as_i64());
        let mut road = Road::new(own.unwrap_or(n as i64), class);
        road.link = link;
        road.manager = match p["manager"].as_str() {
            None => None,
            Some(word) => {
                let found =
                    Manager::from_word(word).or(Manager::ALL.iter().copied().find(|m| m.japanese() == word));
                if found.is_none() {
                    report.repair("manager not understood, assumed from the class", || {
                        format!("feature {n}: {word}")
                    });
                }
                found
            }
        };
        for key in ["name", "ref", "oneway", "lanes", "maxspeed", "layer", "bridge", "tunnel", "sidewalk"] {
            match &p[key] {
                Value::String(s) => road.tag(key, s, report),
                Value::Number(v) => road.tag(key, &v.to_string(), report),
                Value::Bool(b) => road.tag(key, if *b { "yes" } else { "no" }, report),
                _ => {}
            }
        }
        for line in lines {
            let mut part = road.clone();
            for c in line.as_array().unwrap_or(&empty) {
                let place =
                    c[0].as_f64().zip(c[1].as_f64()).and_then(|(lon, lat)| Point::from_degrees(lon, lat));
                match place {
                    // Lines meet where they share a place, so the place is the node.
                    Some(p) => part.nodes.push((i64::from(p.lon) << 32 | i64::from(p.lat) & 0xffff_ffff, p)),
                    None => builder
                        .report
                        .repair("vertices that are no places left out", || format!("feature {n}")),
                }
            }
            builder.report.nodes += part.nodes.len() as u64;
            builder.report.drivable += 1;
            builder.add(part);
        }
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<(Network, Report), ImportError> {
        import(text.as_bytes(), &Options::openstreetmap())
    }

    #[test]
    fn a_ledger_is_read() {
        let (net, report) = run(r#"{"type":"FeatureCollection","features":[
            {"type":"Feature","id":7,"properties":{"manager":"県","class":"secondary","ref":"22","oneway":false,"lanes":2},
             "geometry":{"type":"LineString","coordinates":[[136.5,36.4],[136.51,36.4,12.0],[136.52,36.4]]}},
            {"type":"Feature","id":8,"properties":{"name":"枝道"},
             "geometry":{"type":"MultiLineString","coordinates":[[[136.51,36.4],[136.51,36.41]]]}}]}"#)
        .unwrap();
        assert_eq!((net.segments().len(), report.drivable, report.managers_assumed), (3, 2, 1));
        assert_eq!(
            net.segments().iter().filter(|s| s.manager == Manager::Prefecture && s.lanes == Some(2)).count(),
            2
        );
        assert!(report.repairs.is_empty(), "{report:?}");
    }

    #[test]
    fn faults_are_counted_or_typed() {
        let (_, report) = run(r#"{"type":"FeatureCollection","features":[
            {"geometry":{"type":"LineString","coordinates":[[136.5,36.4],[136.5,"x"],[999,0],[136.51,36.4]]},"properties":{"manager":"?","lanes":[]}},
            {"geometry":{"type":"Point","coordinates":[1,2]}},
            {"geometry":{"type":"LineString","coordinates":[[1,2],[3,4]]},"properties":{"class":"footway"}},
            {"geometry":{"type":"LineString","coordinates":7}},
            null]}"#)
        .unwrap();
        assert_eq!(report.count("vertices that are no places left out"), 2);
        assert_eq!(report.count("features that are no lines left out"), 2);
        assert_eq!(report.count("lines of a class that is not drivable left out"), 1);
        assert_eq!(report.count("roads of fewer than two points left out"), 1);
        assert_eq!(report.count("manager not understood, assumed from the class"), 1);
        assert!(matches!(run("{"), Err(ImportError::Json(_))));
        assert!(matches!(run(r#"{"type":"Feature"}"#), Err(ImportError::Json(_))));
        assert_eq!(run(r#"{"type":"FeatureCollection","features":[]}"#), Err(ImportError::NoRoads));
    }
}
