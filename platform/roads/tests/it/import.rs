//! Real extracts of OpenStreetMap against counts got independently by another program.

use kenroku_roads::import::{Options, pbf};
use proptest::prelude::*;

#[test]
fn real_extracts_have_their_check_values() {
    let Some(folder) = crate::data::folder("the import of real OpenStreetMap extracts") else { return };
    // File, nodes, ways, ways with a road class, drivable ways, their kilometres.
    for (name, nodes, ways, roads, drivable, km) in [
        ("liechtenstein-latest", 142_832, 15_247, 4_660, 2_388, 407.7),
        ("andorra", 69_644, 2_725, 1_615, 1_174, 412.7),
        ("Helsinki", 24_260, 5_130, 2_650, 1_002, 32.6),
    ] {
        let bytes = std::fs::read(folder.join(format!("osm/{name}.osm.pbf"))).unwrap();
        let (net, r) = pbf::import(&bytes, &Options::openstreetmap()).unwrap();
        eprintln!("{name}: {} segments, {:.1} km; {:?}", net.segments().len(), r.drivable_km, r.repairs);
        assert_eq!((r.nodes, r.ways, r.roads, r.drivable), (nodes, ways, roads, drivable), "{name}");
        // The check values count 110.54 km to a degree of latitude, where the ellipsoid has up to 111.2.
        assert!((r.drivable_km - km).abs() < 0.006 * km, "{name}: {}", r.drivable_km);
        assert!((net.total_km() - r.drivable_km).abs() < 0.001 * km);
        assert!(net.segments().len() as u64 > drivable && net.segments().iter().any(|s| s.name.is_some()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn no_damage_to_a_real_extract_makes_it_panic(
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        static FILE: std::sync::OnceLock<Option<Vec<u8>>> = std::sync::OnceLock::new();
        let file = FILE.get_or_init(|| {
            let folder = crate::data::folder("damage to a real extract")?;
            // The first blocks, so that a case is quick.
            Some(std::fs::read(folder.join("osm/Helsinki.osm.pbf")).unwrap()[..150_000].to_vec())
        });
        if let Some(file) = file {
            let mut bytes = file.clone();
            for (at, b) in hits {
                let at = at.index(bytes.len());
                bytes[at] ^= b;
            }
            let _ = pbf::import(&bytes[..cut.index(bytes.len())], &Options::openstreetmap());
        }
    }
}
