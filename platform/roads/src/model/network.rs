//! The whole network: its segments, where it comes from, and the version that names its content.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::key::StableHash;
use super::{Segment, SegmentId};
use crate::geo::Point;

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
}
