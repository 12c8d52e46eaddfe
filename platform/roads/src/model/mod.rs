//! What a road segment is, and the network they form. Pure values, no IO.
//!
//! A *segment* is the piece of road between two junctions (or ends), with one manager and one class. State,
//! billing and the map all speak of segments and a [`Direction`] along them, so a segment's [`SegmentId`]
//! stays the same from import to import as long as its source does not change.

mod key;
mod network;

use kenroku_types::MuniCode;
use serde::{Deserialize, Serialize};

use crate::geo::{self, Point};
use key::StableHash;

pub use key::{SegmentId, SegmentIdError};
pub use network::{Crs, Network, NetworkError, NetworkVersion, Provenance};

/// Along the segment's geometry, or against it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the first point of the geometry to the last.
    Forward,
    /// From the last point to the first.
    Backward,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Direction::Forward => Direction::Backward,
            Direction::Backward => Direction::Forward,
        }
    }

    /// 0 or 1, as in edge numbers and stored columns.
    pub const fn bit(self) -> u32 {
        match self {
            Direction::Forward => 0,
            Direction::Backward => 1,
        }
    }
}

/// A set of directions: those open to traffic, or those a clearing must cover.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Directions {
    /// Neither.
    None,
    /// Only along the geometry.
    Forward,
    /// Only against it.
    Backward,
    /// Both.
    Both,
}

impl Directions {
    /// Whether `d` is in the set.
    pub const fn has(self, d: Direction) -> bool {
        matches!(
            (self, d),
            (Directions::Both, _)
                | (Directions::Forward, Direction::Forward)
                | (Directions::Backward, Direction::Backward)
        )
    }
}

/// Who is responsible for the road (道路法 art. 12–16: 国, 都道府県, 市町村; expressways by their company).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Manager {
    /// 国: national highways in the state's direct charge.
    National,
    /// NEXCO and other expressway companies.
    Expressway,
    /// 県.
    Prefecture,
    /// 市町.
    Municipality,
    /// Private, forest, farm and port roads, or not known.
    Other,
}

/// Road class in the words of OpenStreetMap's `highway` tag, the lingua franca of road data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Expressway.
    Motorway,
    /// National trunk road.
    Trunk,
    /// 主要地方道 and the like.
    Primary,
    /// 一般県道 and the like.
    Secondary,
    /// Main municipal road.
    Tertiary,
    /// Other through road.
    Unclassified,
    /// Street with dwellings.
    Residential,
    /// Street where walkers go first.
    LivingStreet,
    /// Access to a site, alley.
    Service,
}

macro_rules! words {
    ($ty:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $ty {
            /// All values in order.
            pub const ALL: &'static [$ty] = &[$($ty::$variant),+];
            /// The word used in JSON, tiles and the database.
            pub const fn word(self) -> &'static str {
                match self { $($ty::$variant => $word),+ }
            }
            /// The value a word names.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some($ty::$variant),)+ _ => None }
            }
        }
    };
}
words!(Class {
    Motorway = "motorway",
    Trunk = "trunk",
    Primary = "primary",
    Secondary = "secondary",
    Tertiary = "tertiary",
    Unclassified = "unclassified",
    Residential = "residential",
    LivingStreet = "living_street",
    Service = "service",
});
words!(Manager {
    National = "national",
    Expressway = "expressway",
    Prefecture = "prefecture",
    Municipality = "municipality",
    Other = "other",
});
words!(Directions { None = "none", Forward = "forward", Backward = "backward", Both = "both" });

impl Manager {
    /// As people call it.
    pub const fn japanese(self) -> &'static str {
        match self {
            Manager::National => "国",
            Manager::Expressway => "NEXCO",
            Manager::Prefecture => "県",
            Manager::Municipality => "市町",
            Manager::Other => "その他",
        }
    }
}

/// How urgent clearing is. Lower is sooner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Priority(pub u8);

/// One piece of road between two junctions.
#[derive(Clone, PartialEq, Debug)]
pub struct Segment {
    /// Stable key.
    pub id: SegmentId,
    /// At least two points, no two neighbours equal.
    pub points: Box<[Point]>,
    /// Node index of the first point.
    pub from: u32,
    /// Node index of the last point.
    pub to: u32,
    /// Metres along the geometry.
    pub length_m: f32,
    /// Who is responsible.
    pub manager: Manager,
    /// Class.
    pub class: Class,
    /// A slip road of its class (`*_link`).
    pub link: bool,
    /// Route number or designation as signed.
    pub route_no: Option<Box<str>>,
    /// Name.
    pub name: Option<Box<str>>,
    /// Directions open to traffic.
    pub travel: Directions,
    /// Directions that a clearing must cover for the segment to count as cleared.
    pub required: Directions,
    /// Lanes in all.
    pub lanes: Option<u8>,
    /// Speed limit, km/h.
    pub maxspeed_kmh: Option<u8>,
    /// Stacking order of crossings (OpenStreetMap `layer`).
    pub layer: i8,
    /// On a bridge.
    pub bridge: bool,
    /// In a tunnel: no satellite fixes to be expected.
    pub tunnel: bool,
    /// Has a sidewalk that is cleared.
    pub sidewalk: bool,
    /// Municipality it lies in.
    pub municipality: Option<MuniCode>,
    /// 土木事務所 in charge of the area, as an index into [`Network::districts`].
    pub district: Option<u8>,
    /// How urgent clearing is.
    pub priority: Priority,
    /// Not a real road: 模擬データ.
    pub simulated: bool,
}

impl Segment {
    /// A two-way segment of unknown attributes between two nodes; importers fill in what they know.
    pub fn new(id: SegmentId, points: Box<[Point]>, from: u32, to: u32) -> Self {
        let length_m = geo::polyline_m(&points) as f32;
        Segment {
            id,
            points,
            from,
            to,
            length_m,
            manager: Manager::Other,
            class: Class::Unclassified,
            link: false,
            route_no: None,
            name: None,
            travel: Directions::Both,
            required: Directions::Both,
            lanes: None,
            maxspeed_kmh: None,
            layer: 0,
            bridge: false,
            tunnel: false,
            sidewalk: false,
            municipality: None,
            district: None,
            priority: Priority(3),
            simulated: false,
        }
    }
}
impl Segment {
    fn hash_into(&self, h: &mut StableHash) {
        h.bytes(&self.id.get().to_le_bytes());
        h.bytes(&(self.points.len() as u64).to_le_bytes());
        for p in &self.points {
            h.bytes(&p.lon.to_le_bytes());
            h.bytes(&p.lat.to_le_bytes());
        }
        h.bytes(&[
            self.manager as u8,
            self.class as u8,
            u8::from(self.link),
            self.travel as u8,
            self.required as u8,
            self.lanes.map_or(0, |n| n.saturating_add(1)),
            self.maxspeed_kmh.map_or(0, |n| n.saturating_add(1)),
            self.layer as u8,
            u8::from(self.bridge)
                | u8::from(self.tunnel) << 1
                | u8::from(self.sidewalk) << 2
                | u8::from(self.simulated) << 3,
            self.district.map_or(255, |d| d),
            self.priority.0,
        ]);
        h.bytes(&self.municipality.map_or(0, MuniCode::number).to_le_bytes());
        h.text(self.route_no.as_deref().unwrap_or(""));
        h.text(self.name.as_deref().unwrap_or(""));
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for &c in Class::ALL {
            assert_eq!(Class::from_word(c.word()), Some(c));
        }
        for &m in Manager::ALL {
            assert_eq!(Manager::from_word(m.word()), Some(m));
            assert_eq!(serde_json::to_string(&m).unwrap(), format!("\"{}\"", m.word()));
        }
        assert_eq!(Class::from_word("footway"), None);
    }
}
