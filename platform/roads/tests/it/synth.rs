//! The synthetic Ishikawa against figures got independently by another program.

use std::collections::BTreeSet;

use kenroku_roads::model::{Manager, Network};
use kenroku_roads::synth::{self, Input, Shares};

fn build() -> Option<Network> {
    let folder = crate::data::folder("the synthetic network of Ishikawa")?;
    let (towns, areas) = crate::data::ishikawa(&folder);
    let input =
        Input { towns: &towns, areas: &areas, district: synth::ishikawa_district, shares: Shares::ISHIKAWA };
    Some(synth::build(&input).unwrap())
}

#[test]
fn the_synthetic_ishikawa_has_its_check_values() {
    let Some(net) = build() else { return };
    let km = |m: Option<Manager>| {
        net.segments()
            .iter()
            .filter(|s| m.is_none_or(|m| s.manager == m))
            .map(|s| f64::from(s.length_m))
            .sum::<f64>()
            / 1000.0
    };
    eprintln!(
        "{} segments, {:.1} km; {:?}",
        net.segments().len(),
        km(None),
        Manager::ALL.iter().map(|&m| (m, km(Some(m)) as u32)).collect::<Vec<_>>()
    );
    assert_eq!(net.segments().len(), 11_245);
    // The check value 4,144 km is in the plane of the construction; on the ellipsoid it is a thousandth more.
    assert!((km(None) - 4_148.5).abs() < 1.0, "{}", km(None));
    assert!((km(Some(Manager::National)) - 201.2).abs() < 5.0);
    assert!((km(Some(Manager::Prefecture)) - 2_190.0).abs() < 10.0);
    let of = |m: Manager| net.segments().iter().filter(move |s| s.manager == m);
    let routes: BTreeSet<_> =
        of(Manager::Prefecture).map(|s| s.route_no.clone().expect("a number")).collect();
    assert_eq!(routes.len(), 223);
    assert!(net.segments().iter().all(|s| s.simulated && s.district.is_some() && s.municipality.is_some()));
    assert!(net.segments().iter().all(|s| s.route_no.as_ref().is_none_or(|r| r.starts_with("模擬"))));
    assert!(net.provenance().simulated && net.provenance().attribution.contains("模擬データ"));
    assert_eq!(net.districts().len(), 9);
    let munis: BTreeSet<_> = net.segments().iter().map(|s| s.municipality).collect();
    assert_eq!(munis.len(), 19);
}

#[test]
fn the_same_input_gives_the_same_version() {
    let (Some(a), Some(b)) = (build(), build()) else { return };
    assert_eq!(a.version(), b.version());
}

#[test]
fn the_gabriel_graph_of_the_same_points_has_its_check_values() {
    let Some(folder) = crate::data::folder("the Gabriel graph of Ishikawa") else { return };
    let (towns, _) = crate::data::ishikawa(&folder);
    let points = synth::plane_of(&towns);
    let pairs = synth::gabriel_pairs(&points);
    let length = |&(a, b): &(u32, u32)| {
        let (a, b) = (points[a as usize], points[b as usize]);
        (a[0] - b[0]).hypot(a[1] - b[1])
    };
    let kept: Vec<f64> = pairs.iter().map(length).filter(|&m| m < synth::LONGEST_M).collect();
    assert_eq!(points.len(), 8_832);
    // The check values 17,895 and 8,057 km are after eight more pairs that leave the coast were dropped.
    assert_eq!(kept.len(), 17_902);
}
