//! Road data of others, made into a [`Network`].
//!
//! An importer reads a format into [`Road`]s; the [`Builder`] cuts them at junctions into segments. Input is
//! never trusted: what is broken as a whole is a typed error, what is broken in one object is left out or
//! mended and counted in the [`Report`] with its first examples, and nothing panics.
//!
//! To add a format, write a module with one function from bytes to `(Network, Report)` that feeds the builder.

pub mod geojson;
pub mod pbf;
mod wire;

use std::collections::HashMap;

use kenroku_types::MuniCode;
use serde::Serialize;

use crate::areas::{Area, Areas};
use crate::geo::{self, Point};
use crate::model::{
    Class, Directions, Manager, Network, NetworkError, Priority, Provenance, Segment, SegmentId,
};

/// What the importer is told besides the data.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// Source, attribution and terms of the data.
    pub provenance: Provenance,
    /// Outlines to find the municipality of a road by; may be empty.
    pub areas: &'a [Area],
    /// District of a municipality.
    pub district: fn(MuniCode) -> Option<&'static str>,
}

impl Options<'_> {
    /// For an extract of OpenStreetMap, outside any known municipality.
    pub fn openstreetmap() -> Self {
        Options {
            provenance: Provenance {
                source: "openstreetmap".to_owned(),
                attribution: "© OpenStreetMap contributors".to_owned(),
                licence: "ODbL-1.0".to_owned(),
                simulated: false,
                crs: crate::model::Crs::Wgs84,
            },
            areas: &[],
            district: |_| None,
        }
    }
}

/// Why a file cannot be imported at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The file ends in the middle.
    #[error("the file ends early, at byte {0}; fetch it again")]
    Truncated(u64),
    /// It is not what it should be.
    #[error("byte {at}: {what}; is this the right kind of file, and whole?")]
    Corrupt {
        /// Where, in the file.
        at: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A block is larger than the format allows, or all of them unpack to far more than a real extract does.
    #[error("byte {0}: the data unpacks to more than is reasonable; the file was refused")]
    TooBig(u64),
    /// A compression that is rarely used and not understood here.
    #[error("compressed with {0}, which is not supported; convert it with `osmium cat -f pbf`")]
    Compression(&'static str),
    /// The file needs something that is not understood here.
    #[error("the file requires the feature {0:?}, which is not supported")]
    Feature(String),
    /// Not JSON, or not of the form expected.
    #[error("not GeoJSON: {0}")]
    Json(String),
    /// No drivable road in it.
    #[error("there is no drivable road in the file")]
    NoRoads,
    /// The pieces do not fit together: a defect of the importer rather than of the data.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// What was read, and what had to be mended or left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Nodes seen.
    pub nodes: u64,
    /// Ways (lines) seen.
    pub ways: u64,
    /// Ways with any road class.
    pub roads: u64,
    /// Ways of a drivable class.
    pub drivable: u64,
    /// Their kilometres.
    pub drivable_km: f64,
    /// Segments made from them.
    pub segments: u64,
    /// Segments whose manager is assumed from their class, for want of better.
    pub managers_assumed: u64,
    /// What had to be mended or left out.
    pub repairs: Vec<Repair>,
}

/// One kind of repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repair {
    /// What was wrong and what was done.
    pub what: &'static str,
    /// How often.
    pub count: u64,
    /// The first objects it happened to.
    pub examples: Vec<String>,
}

/// Examples kept per kind of repair.
const EXAMPLES: usize = 5;

impl Report {
    pub(crate) fn repair(&mut self, what: &'static str, object: impl FnOnce() -> String) {
        let at = self.repairs.iter().position(|r| r.what == what).unwrap_or_else(|| {
            self.repairs.push(Repair { what, count: 0, examples: Vec::new() });
            self.repairs.len() - 1
        });
        let r = &mut self.repairs[at];
        r.count += 1;
        if r.examples.len() < EXAMPLES {
            r.examples.push(object());
        }
    }

    /// How often a kind of repair was made.
    pub fn count(&self, what: &str) -> u64 {
        self.repairs.iter().find(|r| r.what == what).map_or(0, |r| r.count)
    }
}

/// One line of road as its source has it, before it is cut at junctions.
#[derive(Clone, Debug)]
pub(crate) struct Road {
    /// Its number in the source; part of the key of its segments.
    pub object: i64,
    /// Node number (equal numbers meet) and place.
    pub nodes: Vec<(i64, Point)>,
    pub class: Class,
    pub link: bool,
    pub manager: Option<Manager>,
    pub travel: Directions,
    pub name: Option<Box<str>>,
    pub route_no: Option<Box<str>>,
    pub lanes: Option<u8>,
    pub maxspeed_kmh: Option<u8>,
    pub layer: i8,
    pub bridge: bool,
    pub tunnel: bool,
    pub sidewalk: bool,
}

impl Road {
    pub fn new(object: i64, class: Class) -> Self {
        Road {
            object,
            nodes: Vec::new(),
            class,
            link: false,
            manager: None,
            travel: Directions::Both,
            name: None,
            route_no: None,
            lanes: None,
            maxspeed_kmh: None,
            layer: 0,
            bridge: false,
            tunnel: false,
            sidewalk: false,
        }
    }

    /// Reads one OpenStreetMap tag. Values that cannot be read count as repairs.
    pub fn tag(&mut self, key: &str, value: &str, report: &mut Report) {
        let object = self.object;
        let mut unread = |what| report.repair(what, || format!("{object}: {key}={value}"));
        match key {
            "name" if !value.is_empty() => self.name = Some(value.into()),
            "ref" if !value.is_empty() => self.route_no = Some(value.into()),
            "oneway" => match value {
                "yes" | "true" | "1" => self.travel = Directions::Forward,
                "-1" | "reverse" => self.travel = Directions::Backward,
                "no" | "false" | "0" | "alternating" | "reversible" => self.travel = Directions::Both,
                _ => unread("oneway not understood, taken as two-way"),
            },
            "lanes" => match value.parse() {
                Ok(n) => self.lanes = Some(n),
                Err(_) => unread("number of lanes not understood, left out"),
            },
            "maxspeed" => match speed(value) {
                Some(v) => self.maxspeed_kmh = Some(v),
                None if value.contains(':') || matches!(value, "none" | "walk" | "signals") => {}
                None => unread("speed limit not understood, left out"),
            },
            "layer" => match value.parse() {
                Ok(n) => self.layer = n,
                Err(_) => unread("layer not understood, taken as 0"),
            },
            "bridge" => self.bridge = value != "no",
            "tunnel" => self.tunnel = value != "no",
            "sidewalk" => self.sidewalk = matches!(value, "both" | "left" | "right" | "yes"),
            _ => {}
        }
    }
}

/// `50`, `50 km/h` or `30 mph`, in km/h.
fn speed(value: &str) -> Option<u8> {
    let number = value.split_whitespace().next()?;
    let n: f64 = number.parse().ok()?;
    let kmh = match value[number.len()..].trim() {
        "" | "km/h" | "kmh" => n,
        "mph" => n * 1.609_344,
        _ => return None,
    };
    (kmh > 0.0 && kmh <= 255.0).then(|| kmh.round() as u8)
}

/// Class and whether it is a slip road, from OpenStreetMap's `highway`; `None` for what is not drivable.
pub(crate) fn drivable(highway: &str) -> Option<(Class, bool)> {
    if let Some(main) = highway.strip_suffix("_link") {
        let class = Class::from_word(main)?;
        return (class <= Class::Tertiary).then_some((class, true));
    }
    Class::from_word(highway).map(|c| (c, false))
}

/// Who usually manages a road of a class in Japan. A ledger knows better, and says so.
const fn usual_manager(class: Class) -> Manager {
    match class {
        Class::Motorway => Manager::Expressway,
        Class::Trunk => Manager::National,
        Class::Primary | Class::Secondary => Manager::Prefecture,
        Class::Tertiary | Class::Unclassified | Class::Residential | Class::LivingStreet => {
            Manager::Municipality
        }
        Class::Service => Manager::Other,
    }
}

const fn usual_priority(class: Class) -> Priority {
    Priority(match class {
        Class::Motorway | Class::Trunk | Class::Primary => 1,
        Class::Secondary | Class::Tertiary => 2,
        _ => 3,
    })
}

/// Cuts roads at junctions into segments.
pub(crate) struct Builder<'a> {
    options: &'a Options<'a>,
    roads: Vec<Road>,
    pub report: Report,
}

impl<'a> Builder<'a> {
    pub fn new(options: &'a Options<'a>, report: Report) -> Self {
        Builder { options, roads: Vec::new(), report }
    }

    pub fn add(&mut self, mut road: Road) {
        let before = road.nodes.len();
        road.nodes.dedup_by_key(|&mut (_, p)| p);
        if road.nodes.len() < before {
            self.report.repair("repeated points dropped", || road.object.to_string());
        }
        let places: Vec<Point> = road.nodes.iter().map(|&(_, p)| p).collect();
        self.report.drivable_km += geo::polyline_m(&places) / 1000.0;
        if road.nodes.len() < 2 {
            self.report.repair("roads of fewer than two points left out", || road.object.to_string());
            return;
        }
        self.roads.push(road);
    }

    pub fn finish(mut self) -> Result<(Network, Report), ImportError> {
        // A node is a junction when roads meet there or one ends there; a road that touches itself meets itself.
        let mut uses: HashMap<i64, u32> = HashMap::new();
        for road in &self.roads {
            for &(node, _) in &road.nodes {
                *uses.entry(node).or_default() += 1;
            }
            for end in [road.nodes.first(), road.nodes.last()].into_iter().flatten() {
                *uses.entry(end.0).or_default() += 1;
            }
        }
        let areas = Areas::new(self.options.areas);
        let mut nodes: Vec<Point> = Vec::new();
        let mut numbers: HashMap<(i64, Point), u32> = HashMap::new();
        let mut number = |node: (i64, Point)| {
            *numbers.entry(node).or_insert_with(|| {
                nodes.push(node.1);
                nodes.len() as u32 - 1
            })
        };
        let mut districts: Vec<String> = Vec::new();
        let mut taken = std::collections::HashSet::new();
        let mut segments = Vec::new();
        for road in &self.roads {
            let last = road.nodes.len() - 1;
            let mut start = 0;
            for i in 1..=last {
                if i < last && uses.get(&road.nodes[i].0).copied().unwrap_or(0) < 2 {
                    continue;
                }
                let points: Box<[Point]> = road.nodes[start..=i].iter().map(|&(_, p)| p).collect();
                let (a, b) = (road.nodes[start], road.nodes[i]);
                start = i;
                let mut salt = 0;
                let id = loop {
                    let id = SegmentId::derive(&self.options.provenance.source, road.object, a.1, b.1, salt);
                    if taken.insert(id) {
                        break id;
                    }
                    salt += 1;
                };
                let mut s = Segment::new(id, points, number(a), number(b));
                if s.length_m <= 0.0 {
                    self.report.repair("pieces without length left out", || road.object.to_string());
                    continue;
                }
                s.municipality = areas.containing(s.points[s.points.len() / 2]);
                s.district = s.municipality.and_then(self.options.district).and_then(|name| {
                    let at = districts.iter().position(|d| d == name).unwrap_or_else(|| {
                        districts.push(name.to_owned());
                        districts.len() - 1
                    });
                    u8::try_from(at).ok()
                });
                if road.manager.is_none() {
                    self.report.managers_assumed += 1;
                }
                s.manager = road.manager.unwrap_or(usual_manager(road.class));
                s.priority = usual_priority(road.class);
                (s.class, s.link) = (road.class, road.link);
                (s.name, s.route_no) = (road.name.clone(), road.route_no.clone());
                (s.travel, s.required) = (road.travel, road.travel);
                (s.lanes, s.maxspeed_kmh, s.layer) = (road.lanes, road.maxspeed_kmh, road.layer);
                (s.bridge, s.tunnel, s.sidewalk) = (road.bridge, road.tunnel, road.sidewalk);
                s.simulated = self.options.provenance.simulated;
                segments.push(s);
            }
        }
        if segments.is_empty() {
            return Err(ImportError::NoRoads);
        }
        self.report.segments = segments.len() as u64;
        let network = Network::build(self.options.provenance.clone(), districts, nodes, segments)?;
        Ok((network, self.report))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Direction;

    fn road(object: i64, nodes: &[(i64, i32, i32)]) -> Road {
        let mut r = Road::new(object, Class::Residential);
        r.nodes = nodes.iter().map(|&(n, x, y)| (n, Point::new(x * 10_000, y * 10_000))).collect();
        r
    }

    fn build(roads: Vec<Road>) -> (Network, Report) {
        let options = Options::openstreetmap();
        let mut b = Builder::new(&options, Report::default());
        roads.into_iter().for_each(|r| b.add(r));
        b.finish().expect("a network")
    }

    #[test]
    fn roads_are_cut_where_they_meet_and_nowhere_else() {
        // 1 – 2 – 3 – 4 with a side road from 3; 2 only bends.
        let (net, _) = build(vec![
            road(10, &[(1, 0, 0), (2, 1, 1), (3, 2, 0), (4, 3, 0)]),
            road(11, &[(3, 2, 0), (5, 2, -1)]),
        ]);
        let mut sizes: Vec<usize> = net.segments().iter().map(|s| s.points.len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [2, 2, 3]);
        assert_eq!(net.nodes().len(), 4);
    }

    #[test]
    fn a_bridge_over_a_road_is_no_junction() {
        let (net, _) = build(vec![road(10, &[(1, 0, 0), (2, 2, 0)]), road(11, &[(3, 1, -1), (4, 1, 1)])]);
        assert_eq!(net.segments().len(), 2);
        assert_eq!(net.nodes().len(), 4);
    }

    #[test]
    fn rings_and_repeated_points_survive() {
        let (net, report) = build(vec![road(1, &[(1, 0, 0), (2, 1, 0), (2, 1, 0), (3, 1, 1), (1, 0, 0)])]);
        assert_eq!(net.segments().len(), 1);
        assert_eq!(net.segments()[0].from, net.segments()[0].to);
        assert_eq!(report.count("repeated points dropped"), 1);
    }

    #[test]
    fn tags_are_read_or_counted() {
        let mut report = Report::default();
        let mut r = road(7, &[]);
        for (k, v) in [
            ("oneway", "-1"),
            ("lanes", "2"),
            ("maxspeed", "30 mph"),
            ("bridge", "viaduct"),
            ("layer", "-2"),
            ("tunnel", "no"),
        ] {
            r.tag(k, v, &mut report);
        }
        assert!(r.travel.has(Direction::Backward) && !r.travel.has(Direction::Forward));
        assert_eq!(
            (r.lanes, r.maxspeed_kmh, r.layer, r.bridge, r.tunnel),
            (Some(2), Some(48), -2, true, false)
        );
        assert!(report.repairs.is_empty());
        for (k, v) in [
            ("oneway", "perhaps"),
            ("lanes", "two"),
            ("maxspeed", "fast"),
            ("maxspeed", "1e300"),
            ("layer", "99999"),
        ] {
            r.tag(k, v, &mut report);
        }
        assert_eq!(report.repairs.iter().map(|r| r.count).sum::<u64>(), 5);
        r.tag("maxspeed", "JP:urban", &mut report);
        assert_eq!(report.count("speed limit not understood, left out"), 2);
    }

    #[test]
    fn only_drivable_classes_are_roads_here() {
        assert_eq!(drivable("motorway_link"), Some((Class::Motorway, true)));
        assert_eq!(drivable("living_street"), Some((Class::LivingStreet, false)));
        for no in ["footway", "track", "service_link", "residential_link", "construction", ""] {
            assert_eq!(drivable(no), None, "{no}");
        }
    }
}
