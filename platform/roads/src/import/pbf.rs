//! OpenStreetMap extracts in the PBF format (wiki.openstreetmap.org/wiki/PBF_Format).
//!
//! Read with our own few lines over [`wire`](super::wire) instead of a general library: an extract comes from
//! outside, and a decoder that first builds objects for every field can be made to take a hundred times the
//! memory of a block. Here only drivable roads are ever kept.

use std::collections::HashMap;
use std::io::Read as _;

use flate2::read::ZlibDecoder;

use super::wire::{Fields, Malformed, Packed, zigzag};
use super::{Builder, ImportError, Options, Report, Road, drivable};
use crate::geo::Point;
use crate::model::{Class, Directions, Network};

/// Most bytes of a block header, by the format's definition.
const MAX_HEADER: usize = 64 * 1024;
/// Most bytes of an unpacked block, by the format's definition.
const MAX_BLOCK: u64 = 32 * 1024 * 1024;
/// Most strings in a block. Real ones have some ten thousand.
const MAX_STRINGS: usize = 2_000_000;
/// All blocks together may unpack to this many times the file; real extracts come to about 2–4.
const MAX_RATIO: u64 = 50;

/// Imports the drivable roads of an extract.
///
/// # Errors
/// When the file is cut off, malformed, oversized, uses a rare compression, or holds no drivable road. Faults
/// of single objects are mended and counted in the report.
pub fn import(file: &[u8], options: &Options<'_>) -> Result<(Network, Report), ImportError> {
    let mut report = Report::default();
    let mut roads = Vec::new();
    blocks(file, |block| block.ways(&mut roads, &mut report))?;
    // Only now is it known which of the many nodes are needed.
    let mut places: HashMap<i64, Option<Point>> = HashMap::new();
    for (_, refs) in &roads {
        places.extend(refs.iter().map(|&n| (n, None)));
    }
    blocks(file, |block| block.nodes(&mut places, &mut report))?;
    let mut builder = Builder::new(options, report);
    for (mut road, refs) in roads {
        for node in refs {
            match places.get(&node).copied().flatten() {
                Some(p) => road.nodes.push((node, p)),
                None => builder.report.repair("nodes missing from the file left out of their road", || {
                    format!("way {} node {node}", road.object)
                }),
            }
        }
        builder.add(road);
    }
    builder.finish()
}

fn read_fields<'a>(
    bytes: &'a [u8],
    mut each: impl FnMut(u64, super::wire::Value<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    for field in Fields(bytes) {
        let (number, value) = field?;
        each(number, value)?;
    }
    Ok(())
}

/// Unpacks block after block.
fn blocks(
    file: &[u8],
    mut each: impl FnMut(&Block<'_>) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let mut at = 0usize;
    let mut unpacked = 0u64;
    let mut buffer = Vec::new();
    let take = |at: &mut usize, n: usize| -> Result<&[u8], ImportError> {
        let end = at
            .checked_add(n)
            .filter(|&e| e <= file.len())
            .ok_or(ImportError::Truncated(file.len() as u64))?;
        let part = &file[*at..end];
        *at = end;
        Ok(part)
    };
    while at < file.len() {
        let here = at as u64;
        let corrupt = |what| ImportError::Corrupt { at: here, what };
        let n = take(&mut at, 4)?.iter().fold(0usize, |n, &b| n << 8 | usize::from(b));
        if n > MAX_HEADER {
            return Err(corrupt("the block header is too long"));
        }
        let (mut kind, mut size): (&[u8], u64) = (&[], 0);
        read_fields(take(&mut at, n)?, |number, value| {
            match number {
                1 => kind = value.bytes()?,
                3 => size = value.varint()?,
                _ => {}
            }
            Ok(())
        })
        .map_err(|_| corrupt("the block header is malformed"))?;
        if size > MAX_BLOCK + 64 * 1024 {
            return Err(ImportError::TooBig(here));
        }
        let blob = take(&mut at, size as usize)?;
        if kind != b"OSMHeader" && kind != b"OSMData" {
            // The format tells readers to skip kinds they do not know, but the first block has to be known.
            if here == 0 {
                return Err(corrupt("this is not an OpenStreetMap PBF file"));
            }
            continue;
        }
        let (mut raw, mut zlib, mut other) = (None, None, None);
        read_fields(blob, |number, value| {
            match number {
                1 => raw = Some(value.bytes()?),
                3 => zlib = Some(value.bytes()?),
                4 => other = Some("LZMA"),
                5 => other = Some("bzip2"),
                6 => other = Some("LZ4"),
                7 => other = Some("Zstandard"),
                _ => {}
            }
            Ok(())
        })
        .map_err(|_| corrupt("the block is malformed"))?;
        let data: &[u8] = match (raw, zlib, other) {
            (Some(raw), ..) => raw,
            (None, Some(zlib), _) => {
                buffer.clear();
                ZlibDecoder::new(zlib)
                    .take(MAX_BLOCK + 1)
                    .read_to_end(&mut buffer)
                    .map_err(|_| corrupt("the block's compression is broken"))?;
                &buffer
            }
            (None, None, Some(name)) => return Err(ImportError::Compression(name)),
            (None, None, None) => return Err(corrupt("the block is empty")),
        };
        unpacked += data.len() as u64;
        if data.len() as u64 > MAX_BLOCK
            || unpacked > (file.len() as u64).saturating_mul(MAX_RATIO) + MAX_BLOCK
        {
            return Err(ImportError::TooBig(here));
        }
        if kind == b"OSMHeader" {
            check_header(data).map_err(|e| e.unwrap_or(corrupt("the file header is malformed")))?;
        } else {
            let malformed = |_| corrupt("the block's content is malformed");
            each(&Block::read(data, here).map_err(malformed)?)?;
        }
    }
    if file.is_empty() { Err(ImportError::Truncated(0)) } else { Ok(()) }
}

/// `Err(None)`: malformed.
fn check_header(data: &[u8]) -> Result<(), Option<ImportError>> {
    for field in Fields(data) {
        let (number, value) = field.map_err(|_| None)?;
        if number == 4 {
            let feature = value.bytes().map_err(|_| None)?;
            if feature != b"OsmSchema-V0.6" && feature != b"DenseNodes" {
                return Err(Some(ImportError::Feature(
                    String::from_utf8_lossy(feature).chars().take(80).collect(),
                )));
            }
        }
    }
    Ok(())
}

/// A PrimitiveBlock.
struct Block<'a> {
    strings: Vec<&'a [u8]>,
    groups: Vec<&'a [u8]>,
    granularity: i64,
    lat_offset: i64,
    lon_offset: i64,
    at: u64,
}

impl<'a> Block<'a> {
    fn read(data: &'a [u8], at: u64) -> Result<Self, Malformed> {
        let mut b = Block {
            strings: Vec::new(),
            groups: Vec::new(),
            granularity: 100,
            lat_offset: 0,
            lon_offset: 0,
            at,
        };
        read_fields(data, |number, value| {
            match number {
                1 => read_fields(value.bytes()?, |number, value| {
                    if number == 1 {
                        b.strings.push(value.bytes()?);
                    }
                    if b.strings.len() > MAX_STRINGS { Err(Malformed) } else { Ok(()) }
                })?,
                2 => b.groups.push(value.bytes()?),
                17 => b.granularity = value.varint()? as i64,
                19 => b.lat_offset = value.varint()? as i64,
                20 => b.lon_offset = value.varint()? as i64,
                _ => {}
            }
            if b.groups.len() > MAX_STRINGS { Err(Malformed) } else { Ok(()) }
        })?;
        Ok(b)
    }

    fn corrupt(&self) -> impl Fn(Malformed) -> ImportError + use<> {
        let at = self.at;
        move |_| ImportError::Corrupt { at, what: "an object in the block is malformed" }
    }

    fn ways(&self, roads: &mut Vec<(Road, Vec<i64>)>, report: &mut Report) -> Result<(), ImportError> {
        for group in &self.groups {
            read_fields(group, |number, value| {
                if number == 3 {
                    report.ways += 1;
                    roads.extend(self.way(value.bytes()?, report)?);
                }
                Ok(())
            })
            .map_err(self.corrupt())?;
        }
        Ok(())
    }

    fn way(&self, bytes: &[u8], report: &mut Report) -> Result<Option<(Road, Vec<i64>)>, Malformed> {
        let (mut id, mut keys, mut values, mut refs) =
            (0, Packed::default(), Packed::default(), Packed::default());
        read_fields(bytes, |number, value| {
            match number {
                1 => id = value.varint()? as i64,
                2 => keys = Packed(value.bytes()?),
                3 => values = Packed(value.bytes()?),
                8 => refs = Packed(value.bytes()?),
                _ => {}
            }
            Ok(())
        })?;
        let mut tags = Vec::new();
        for (k, v) in keys.zip(values) {
            let text = |n: u64| {
                usize::try_from(n)
                    .ok()
                    .and_then(|n| self.strings.get(n))
                    .and_then(|s| std::str::from_utf8(s).ok())
            };
            match (text(k?), text(v?)) {
                (Some(k), Some(v)) => tags.push((k, v)),
                _ => report.repair("unreadable tags left out", || format!("way {id}")),
            }
        }
        let Some(&(_, highway)) = tags.iter().find(|(k, _)| *k == "highway") else { return Ok(None) };
        report.roads += 1;
        let Some((class, link)) = drivable(highway) else { return Ok(None) };
        report.drivable += 1;
        let mut road = Road::new(id, class);
        road.link = link;
        // One-way unless the tag says otherwise (wiki.openstreetmap.org/wiki/Key:oneway, implied).
        let round = tags.iter().any(|&(k, v)| k == "junction" && matches!(v, "roundabout" | "circular"));
        if round || class == Class::Motorway && !link {
            road.travel = Directions::Forward;
        }
        for (k, v) in tags {
            road.tag(k, v, report);
        }
        let mut node = 0i64;
        let refs = refs
            .map(|d| {
                node = node.wrapping_add(zigzag(d?));
                Ok(node)
            })
            .collect::<Result<_, _>>()?;
        Ok(Some((road, refs)))
    }

    fn nodes(
        &self,
        places: &mut HashMap<i64, Option<Point>>,
        report: &mut Report,
    ) -> Result<(), ImportError> {
        for group in &self.groups {
            read_fields(group, |number, value| {
                match number {
                    1 => {
                        let (mut id, mut lat, mut lon) = (0, 0, 0);
                        read_fields(value.bytes()?, |number, value| {
                            match number {
                                1 => id = zigzag(value.varint()?),
                                8 => lat = zigzag(value.varint()?),
                                9 => lon = zigzag(value.varint()?),
                                _ => {}
                            }
                            Ok(())
                        })?;
                        self.node(id, lat, lon, places, report);
                    }
                    2 => self.dense(value.bytes()?, places, report)?,
                    _ => {}
                }
                Ok(())
            })
            .map_err(self.corrupt())?;
        }
        Ok(())
    }

    fn dense(
        &self,
        bytes: &[u8],
        places: &mut HashMap<i64, Option<Point>>,
        report: &mut Report,
    ) -> Result<(), Malformed> {
        let [mut ids, mut lats, mut lons] = [Packed::default(); 3];
        read_fields(bytes, |number, value| {
            match number {
                1 => ids = Packed(value.bytes()?),
                8 => lats = Packed(value.bytes()?),
                9 => lons = Packed(value.bytes()?),
                _ => {}
            }
            Ok(())
        })?;
        let (mut id, mut lat, mut lon) = (0i64, 0i64, 0i64);
        for ((i, a), o) in ids.zip(lats).zip(lons) {
            id = id.wrapping_add(zigzag(i?));
            lat = lat.wrapping_add(zigzag(a?));
            lon = lon.wrapping_add(zigzag(o?));
            self.node(id, lat, lon, places, report);
        }
        Ok(())
    }

    fn node(
        &self,
        id: i64,
        lat: i64,
        lon: i64,
        places: &mut HashMap<i64, Option<Point>>,
        report: &mut Report,
    ) {
        report.nodes += 1;
        let Some(slot) = places.get_mut(&id) else { return };
        // Nanodegrees; wrapping is harmless because what is off the globe is refused next.
        let degrees =
            |offset: i64, n: i64| offset.wrapping_add(self.granularity.wrapping_mul(n)) as f64 * 1e-9;
        match Point::from_degrees(degrees(self.lon_offset, lon), degrees(self.lat_offset, lat)) {
            Some(p) => *slot = Some(p),
            None => report.repair("nodes off the globe left out", || format!("node {id}")),
        }
    }
}

#[cfg(test)]
mod tests;
