//! What a road segment is, and the network they form. Pure values, no IO.
//!
//! A *segment* is the piece of road between two junctions (or ends), with one manager and one class. State,
//! billing and the map all speak of segments and a [`Direction`] along them, so a segment's [`SegmentId`]
//! stays the same from import to import as long as its source does not change.

use std::fmt;
use std::str::FromStr;

use kenroku_types::MuniCode;
use serde::{Deserialize, Serialize};

use crate::geo::{self, Point};

/// The stable key of a segment: 64 bits derived from where it comes from (see [`SegmentId::derive`]), written
/// as 16 hexadecimal digits. Unlike the dense index it survives a new version of the network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(u64);

impl SegmentId {
    /// From a stored number.
    pub const fn from_u64(n: u64) -> Self {
        SegmentId(n)
    }

    /// The bare number, for the database.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The key of the segment that `source` (name of the data set), `object` (such as a way's id) and the two
    /// end points name. `salt` tells apart parallel segments that agree in all of it.
    pub fn derive(source: &str, object: i64, from: Point, to: Point, salt: u32) -> Self {
        let mut h = StableHash::new();
        h.bytes(source.as_bytes());
        h.bytes(&object.to_le_bytes());
        for p in [from, to] {
            h.bytes(&p.lon.to_le_bytes());
            h.bytes(&p.lat.to_le_bytes());
        }
        h.bytes(&salt.to_le_bytes());
        SegmentId(h.finish64())
    }
}

impl fmt::Debug for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SegmentId({self})")
    }
}
impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Why a text is not a segment's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a segment id; write 16 hexadecimal digits such as 00f3a1c2d4e5b697")]
pub struct SegmentIdError;

impl FromStr for SegmentId {
    type Err = SegmentIdError;
    fn from_str(s: &str) -> Result<Self, SegmentIdError> {
        if s.len() != 16 || !s.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(SegmentIdError);
        }
        u64::from_str_radix(s, 16).map(SegmentId).map_err(|_| SegmentIdError)
    }
}
impl Serialize for SegmentId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for SegmentId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = std::borrow::Cow::<'de, str>::deserialize(d)?;
        s.parse().map_err(serde::de::Error::custom)
    }
}

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

/// Coordinate reference system of the source. Kept as delivered and never shifted: JGD2011 and WGS 84 agree
/// within the accuracy of a plough's receiver, but a ledger must not move by being imported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Crs {
    /// EPSG:4326.
    Wgs84,
    /// EPSG:6668.
    Jgd2011,
}

impl Crs {
    /// The EPSG code.
    pub const fn epsg(self) -> u16 {
        match self {
            Crs::Wgs84 => 4326,
            Crs::Jgd2011 => 6668,
        }
    }
    /// From an EPSG code.
    pub const fn from_epsg(code: u16) -> Option<Self> {
        match code {
            4326 => Some(Crs::Wgs84),
            6668 => Some(Crs::Jgd2011),
            _ => None,
        }
    }
}

/// Where a network comes from and under which terms it may be shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Provenance {
    /// Name of the data set, part of every segment's key.
    pub source: String,
    /// Text that must stand beside every map of it.
    pub attribution: String,
    /// Licence, by SPDX id where there is one.
    pub licence: String,
    /// The whole network is 模擬データ.
    pub simulated: bool,
    /// Coordinate reference system.
    pub crs: Crs,
}

/// A whole road network, immutable once built. Position in [`Network::segments`] is the dense index used in
/// tiles and state files; it is only meaningful together with [`Network::version`].
#[derive(Clone, PartialEq, Debug)]
pub struct Network {
    version: NetworkVersion,
    provenance: Provenance,
    districts: Vec<String>,
    segments: Vec<Segment>,
    nodes: Vec<Point>,
}

/// Hash over everything in a network: equal content, equal version, on every machine.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NetworkVersion(String);

impl NetworkVersion {
    /// From its stored text.
    pub fn from_text(s: impl Into<String>) -> Self {
        NetworkVersion(s.into())
    }
    /// 16 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for NetworkVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why segments do not form a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Fewer than two points, or a length that is not positive.
    #[error("segment {0} has no extent; drop it or repair its geometry")]
    NoExtent(SegmentId),
    /// An end names no node, or the node is elsewhere.
    #[error("segment {0} does not end where its node is")]
    EndMismatch(SegmentId),
    /// Two segments with one key.
    #[error("two segments have the key {0}")]
    DuplicateId(SegmentId),
    /// A district index without a name.
    #[error("segment {0} names a district that does not exist")]
    UnknownDistrict(SegmentId),
    /// More than the index of an edge can count.
    #[error("too many segments ({0}); at most {max} are possible", max = Network::MAX_SEGMENTS)]
    TooMany(usize),
}

impl Network {
    /// Largest number of segments.
    pub const MAX_SEGMENTS: usize = 1 << 30;

    /// Sorts the segments by key (so that the version and dense indices do not depend on the order of the
    /// source), checks them, and computes the version.
    ///
    /// # Errors
    /// When a segment is degenerate, ends off its nodes, or shares its key with another.
    pub fn build(
        provenance: Provenance,
        districts: Vec<String>,
        nodes: Vec<Point>,
        mut segments: Vec<Segment>,
    ) -> Result<Self, NetworkError> {
        if segments.len() > Self::MAX_SEGMENTS {
            return Err(NetworkError::TooMany(segments.len()));
        }
        segments.sort_by_key(|s| s.id);
        for pair in segments.windows(2) {
            if pair[0].id == pair[1].id {
                return Err(NetworkError::DuplicateId(pair[0].id));
            }
        }
        for s in &segments {
            let (Some(&first), Some(&last)) = (s.points.first(), s.points.last()) else {
                return Err(NetworkError::NoExtent(s.id));
            };
            if s.points.len() < 2 || !(s.length_m > 0.0 && s.length_m.is_finite()) {
                return Err(NetworkError::NoExtent(s.id));
            }
            if nodes.get(s.from as usize) != Some(&first) || nodes.get(s.to as usize) != Some(&last) {
                return Err(NetworkError::EndMismatch(s.id));
            }
            if s.district.is_some_and(|d| usize::from(d) >= districts.len()) {
                return Err(NetworkError::UnknownDistrict(s.id));
            }
        }
        let mut h = StableHash::new();
        h.text(&provenance.source);
        h.text(&provenance.attribution);
        h.text(&provenance.licence);
        h.bytes(&[u8::from(provenance.simulated)]);
        h.bytes(&provenance.crs.epsg().to_le_bytes());
        for d in &districts {
            h.text(d);
        }
        for s in &segments {
            s.hash_into(&mut h);
        }
        let version = NetworkVersion(format!("{:016x}", h.finish64()));
        Ok(Network { version, provenance, districts, segments, nodes })
    }

    /// Hash over the content.
    pub fn version(&self) -> &NetworkVersion {
        &self.version
    }
    /// Source and terms.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }
    /// Names of the 土木事務所 districts.
    pub fn districts(&self) -> &[String] {
        &self.districts
    }
    /// All segments, sorted by key; the position is the dense index.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }
    /// Junctions and ends.
    pub fn nodes(&self) -> &[Point] {
        &self.nodes
    }
    /// The dense index of a key.
    pub fn index_of(&self, id: SegmentId) -> Option<u32> {
        self.segments.binary_search_by_key(&id, |s| s.id).ok().map(|i| i as u32)
    }
    /// The segment with a key.
    pub fn get(&self, id: SegmentId) -> Option<&Segment> {
        self.index_of(id).map(|i| &self.segments[i as usize])
    }
    /// Kilometres of all segments.
    pub fn total_km(&self) -> f64 {
        self.segments.iter().map(|s| f64::from(s.length_m)).sum::<f64>() / 1000.0
    }
}

impl Segment {
    fn hash_into(&self, h: &mut StableHash) {
        h.bytes(&self.id.0.to_le_bytes());
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

/// FNV-1a over 64 bits with a final mix (MurmurHash3's finaliser): the same on every platform and in every
/// release, which the hasher of the standard library does not promise. Not for secrets.
struct StableHash(u64);

impl StableHash {
    const fn new() -> Self {
        StableHash(0xcbf2_9ce4_8422_2325)
    }
    fn bytes(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.0 = (self.0 ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    /// Length first, so that neighbouring texts cannot run into each other.
    fn text(&mut self, s: &str) {
        self.bytes(&(s.len() as u64).to_le_bytes());
        self.bytes(s.as_bytes());
    }
    fn finish64(&self) -> u64 {
        let mut x = self.0;
        x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        x ^ (x >> 33)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{line_network, provenance};

    #[test]
    fn the_version_depends_on_content_and_not_on_order() {
        let net = line_network(&[(0.0, 0.0), (0.001, 0.0), (0.002, 0.001)]);
        let mut back = net.segments().to_vec();
        back.reverse();
        let again = Network::build(provenance(), vec![], net.nodes().to_vec(), back.clone()).unwrap();
        assert_eq!(again.version(), net.version());
        back[0].name = Some("新しい名".into());
        let changed = Network::build(provenance(), vec![], net.nodes().to_vec(), back).unwrap();
        assert_ne!(changed.version(), net.version());
    }

    #[test]
    fn refuses_what_is_not_a_network_beside_what_is() {
        let net = line_network(&[(0.0, 0.0), (0.001, 0.0)]);
        let nodes = net.nodes().to_vec();
        let build = |segments| Network::build(provenance(), vec![], nodes.clone(), segments);
        let s = net.segments()[0].clone();
        assert!(build(vec![s.clone()]).is_ok());
        assert_eq!(build(vec![s.clone(), s.clone()]), Err(NetworkError::DuplicateId(s.id)));
        assert_eq!(build(vec![Segment { to: 0, ..s.clone() }]), Err(NetworkError::EndMismatch(s.id)));
        assert_eq!(build(vec![Segment { to: 9, ..s.clone() }]), Err(NetworkError::EndMismatch(s.id)));
        assert_eq!(
            build(vec![Segment { length_m: f32::NAN, ..s.clone() }]),
            Err(NetworkError::NoExtent(s.id))
        );
        assert_eq!(
            build(vec![Segment { district: Some(0), ..s.clone() }]),
            Err(NetworkError::UnknownDistrict(s.id))
        );
    }

    #[test]
    fn ids_round_trip_as_text() {
        let id = SegmentId::derive("x", 1, Point::new(0, 0), Point::new(1, 1), 0);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(id, SegmentId::derive("x", 1, Point::new(0, 0), Point::new(1, 1), 1));
        assert_eq!("+123456789abcdef".parse::<SegmentId>(), Err(SegmentIdError));
        assert_eq!("1".parse::<SegmentId>(), Err(SegmentIdError));
    }

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
