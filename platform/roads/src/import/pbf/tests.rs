//! Hand-made files, whole and broken.

use std::io::Write as _;

use proptest::prelude::*;

use super::*;

fn varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn number(field: u64, n: u64, out: &mut Vec<u8>) {
    varint(field << 3, out);
    varint(n, out);
}

fn bytes(field: u64, b: &[u8], out: &mut Vec<u8>) {
    varint(field << 3 | 2, out);
    varint(b.len() as u64, out);
    out.extend(b);
}

fn packed(values: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut out = Vec::new();
    values.into_iter().for_each(|v| varint(v, &mut out));
    out
}

fn zz(n: i64) -> u64 {
    (n << 1 ^ n >> 63) as u64
}

/// Differences from one to the next, zigzag.
fn deltas(values: &[i64]) -> Vec<u8> {
    let mut last = 0;
    packed(values.iter().map(|&v| {
        let d = zz(v - last);
        last = v;
        d
    }))
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut z = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    z.write_all(data).unwrap();
    z.finish().unwrap()
}

/// A block around an already made Blob message.
fn block(kind: &[u8], blob: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    bytes(1, kind, &mut header);
    number(3, blob.len() as u64, &mut header);
    let mut out = (header.len() as u32).to_be_bytes().to_vec();
    out.extend(&header);
    out.extend(blob);
    out
}

fn zlib_block(kind: &[u8], data: &[u8]) -> Vec<u8> {
    let mut blob = Vec::new();
    number(2, data.len() as u64, &mut blob);
    bytes(3, &deflate(data), &mut blob);
    block(kind, &blob)
}

fn header(features: &[&str]) -> Vec<u8> {
    let mut h = Vec::new();
    features.iter().for_each(|f| bytes(4, f.as_bytes(), &mut h));
    zlib_block(b"OSMHeader", &h)
}

struct Way<'a> {
    id: u64,
    tags: &'a [(&'a str, &'a str)],
    refs: &'a [i64],
}

/// Nodes (id, lon, lat in degrees) and ways in one block.
fn data(nodes: &[(i64, f64, f64)], ways: &[Way<'_>]) -> Vec<u8> {
    let mut strings: Vec<&str> = vec![""];
    let mut groups = Vec::new();
    let mut dense = Vec::new();
    let units = |v: f64| (v * 1e7).round() as i64;
    bytes(1, &deltas(&nodes.iter().map(|n| n.0).collect::<Vec<_>>()), &mut dense);
    bytes(8, &deltas(&nodes.iter().map(|n| units(n.2)).collect::<Vec<_>>()), &mut dense);
    bytes(9, &deltas(&nodes.iter().map(|n| units(n.1)).collect::<Vec<_>>()), &mut dense);
    let mut group = Vec::new();
    bytes(2, &dense, &mut group);
    groups.push(group);
    let mut group = Vec::new();
    for w in ways {
        let mut index = |s| {
            strings.push(s);
            strings.len() as u64 - 1
        };
        let (keys, values): (Vec<u64>, Vec<u64>) = w.tags.iter().map(|&(k, v)| (index(k), index(v))).unzip();
        let mut way = Vec::new();
        number(1, w.id, &mut way);
        bytes(2, &packed(keys), &mut way);
        bytes(3, &packed(values), &mut way);
        bytes(8, &deltas(w.refs), &mut way);
        bytes(3, &way, &mut group);
    }
    groups.push(group);
    let mut table = Vec::new();
    strings.iter().for_each(|s| bytes(1, s.as_bytes(), &mut table));
    let mut out = Vec::new();
    bytes(1, &table, &mut out);
    groups.iter().for_each(|g| bytes(2, g, &mut out));
    out
}

const NODES: [(i64, f64, f64); 4] =
    [(1, 136.50, 36.40), (2, 136.51, 36.40), (3, 136.52, 36.41), (7, 136.51, 36.39)];

fn small() -> Vec<u8> {
    let ways = [
        Way {
            id: 100,
            tags: &[("highway", "secondary"), ("name", "本通り"), ("oneway", "yes")],
            refs: &[1, 2, 3],
        },
        Way { id: 101, tags: &[("highway", "residential")], refs: &[2, 7] },
        Way { id: 102, tags: &[("highway", "footway")], refs: &[1, 7] },
        Way { id: 103, tags: &[("building", "yes")], refs: &[1, 2, 7, 1] },
    ];
    let mut file = header(&["OsmSchema-V0.6", "DenseNodes"]);
    file.extend(zlib_block(b"OSMData", &data(&NODES, &ways)));
    file
}

fn run(file: &[u8]) -> Result<(Network, Report), ImportError> {
    import(file, &Options::openstreetmap())
}

#[test]
fn a_small_file_is_read() {
    let (net, report) = run(&small()).unwrap();
    assert_eq!((report.nodes, report.ways, report.roads, report.drivable), (4, 4, 3, 2));
    assert_eq!((net.segments().len(), net.nodes().len()), (3, 4));
    let named: Vec<_> = net.segments().iter().filter(|s| s.name.as_deref() == Some("本通り")).collect();
    assert_eq!(named.len(), 2);
    assert!(named.iter().all(|s| s.travel == Directions::Forward && s.class == Class::Secondary));
    assert!(report.repairs.is_empty(), "{report:?}");
}

#[test]
fn a_road_with_missing_nodes_is_mended_and_counted() {
    let with = |refs| {
        let mut file = header(&[]);
        file.extend(zlib_block(
            b"OSMData",
            &data(&NODES, &[Way { id: 5, tags: &[("highway", "service")], refs }]),
        ));
        run(&file)
    };
    assert!(with(&[1, 2, 3]).unwrap().1.repairs.is_empty());
    let (net, report) = with(&[1, 99, 3]).unwrap();
    assert_eq!(net.segments().len(), 1);
    assert_eq!(report.count("nodes missing from the file left out of their road"), 1);
    assert_eq!(report.repairs[0].examples, ["way 5 node 99"]);
    assert_eq!(with(&[98, 99]), Err(ImportError::NoRoads));
}

#[test]
fn broken_files_are_typed_errors() {
    let good = small();
    assert!(run(&good).is_ok());
    assert_eq!(run(b""), Err(ImportError::Truncated(0)));
    assert_eq!(run(&good[..good.len() - 1]), Err(ImportError::Truncated(good.len() as u64 - 1)));
    assert!(matches!(run(b"\x89PNG\r\n\x1a\n0000"), Err(ImportError::Corrupt { at: 0, .. })));
    assert!(matches!(run(&block(b"Other", b"xx")), Err(ImportError::Corrupt { at: 0, .. })));
    let mut later = header(&["OsmSchema-V0.6", "HistoricalInformation"]);
    later.extend(&good);
    assert_eq!(run(&later), Err(ImportError::Feature("HistoricalInformation".to_owned())));
    let mut blob = Vec::new();
    bytes(7, b"zstd", &mut blob);
    assert_eq!(run(&block(b"OSMData", &blob)), Err(ImportError::Compression("Zstandard")));
    assert_eq!(run(&header(&[])), Err(ImportError::NoRoads));
}

#[test]
fn bombs_are_refused() {
    // One block that unpacks to more than a block may hold.
    let mut file = header(&[]);
    file.extend(zlib_block(b"OSMData", &vec![0x0a; MAX_BLOCK as usize + 1]));
    assert!(matches!(run(&file), Err(ImportError::TooBig(_))));
    // Many small ones whose sum is out of all proportion: strings that nobody uses.
    let mut table = Vec::new();
    bytes(1, &vec![b'a'; 8 << 20], &mut table);
    let mut data = Vec::new();
    bytes(1, &table, &mut data);
    let one = zlib_block(b"OSMData", &data);
    let mut file = header(&[]);
    (0..8).for_each(|_| file.extend(&one));
    assert!(matches!(run(&file), Err(ImportError::TooBig(_))));
    // A header that promises more than there may be.
    let mut lie = Vec::new();
    bytes(1, b"OSMData", &mut lie);
    number(3, u64::MAX, &mut lie);
    let mut file = (lie.len() as u32).to_be_bytes().to_vec();
    file.extend(&lie);
    assert_eq!(run(&file), Err(ImportError::TooBig(0)));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = run(&bytes);
    }

    #[test]
    fn no_damage_makes_it_panic(hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>(), whole in any::<bool>()) {
        let mut file = small();
        for (at, b) in hits {
            let at = at.index(file.len());
            file[at] ^= b;
        }
        let end = if whole { file.len() } else { cut.index(file.len()) };
        let _ = run(&file[..end]);
    }

    #[test]
    fn no_damage_inside_the_compression_makes_it_panic(hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let ways = [Way { id: 1, tags: &[("highway", "trunk"), ("maxspeed", "50"), ("lanes", "2")], refs: &[1, 2, 3, 7, 1] }];
        let mut inner = data(&NODES, &ways);
        for (at, b) in hits {
            let at = at.index(inner.len());
            inner[at] ^= b;
        }
        let mut file = header(&[]);
        file.extend(zlib_block(b"OSMData", &inner));
        let _ = run(&file);
    }
}
