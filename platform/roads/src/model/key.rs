//! The stable key of a segment, and the hash that it and the network's version are made with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::geo::Point;

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
/// FNV-1a over 64 bits with a final mix (MurmurHash3's finaliser): the same on every platform and in every
/// release, which the hasher of the standard library does not promise. Not for secrets.
pub(super) struct StableHash(u64);

impl StableHash {
    pub(super) const fn new() -> Self {
        StableHash(0xcbf2_9ce4_8422_2325)
    }
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.0 = (self.0 ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    /// Length first, so that neighbouring texts cannot run into each other.
    pub(super) fn text(&mut self, s: &str) {
        self.bytes(&(s.len() as u64).to_le_bytes());
        self.bytes(s.as_bytes());
    }
    pub(super) fn finish64(&self) -> u64 {
        let mut x = self.0;
        x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        x ^ (x >> 33)
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_as_text() {
        let id = SegmentId::derive("x", 1, Point::new(0, 0), Point::new(1, 1), 0);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(id, SegmentId::derive("x", 1, Point::new(0, 0), Point::new(1, 1), 1));
        assert_eq!("+123456789abcdef".parse::<SegmentId>(), Err(SegmentIdError));
        assert_eq!("1".parse::<SegmentId>(), Err(SegmentIdError));
    }
}
