use std::sync::Arc;

use kenroku_types::Rng;
use proptest::prelude::*;

use super::*;
use crate::geo::Frame;
use crate::model::{Network, Segment};
use crate::testing::{grid_network, line_network, network, provenance};

/// A fix every `secs` along the points, driving straight from one to the next at `mps`.
fn drive(points: &[Point], mps: f64, secs: f64, noise: f64, seed: u64) -> Vec<Fix> {
    let rng = Rng::seeded(seed);
    let mut out = Vec::new();
    let (mut t, mut due) = (0.0, 0.0);
    for w in points.windows(2) {
        let frame = Frame::at(w[0]);
        let [x, y] = frame.xy(w[1]);
        let length = x.hypot(y);
        let begin = t;
        t += length / mps;
        while due <= t {
            let part = (due - begin) * mps / length;
            let shake = || (rng.unit() + rng.unit() - 1.0) * noise;
            let p = frame.point([x * part + shake(), y * part + shake()]);
            out.push(Fix::new(Timestamp::from_micros((due * 1e6) as i64), p));
            due += secs;
        }
    }
    out
}

fn run(graph: &Graph, track: &[Fix]) -> Vec<Pass> {
    match_track(&mut Search::new(graph), Config::BATCH, track).0
}

/// (from node, to node) of each pass, in the direction driven.
fn ends(net: &Network, passes: &[Pass]) -> Vec<(u32, u32)> {
    let of = |p: &Pass| {
        let s = &net.segments()[p.index as usize];
        if p.direction == Direction::Forward { (s.from, s.to) } else { (s.to, s.from) }
    };
    passes.iter().map(of).collect()
}

#[test]
fn a_drive_through_a_town_gives_its_streets_in_order() {
    let net = Arc::new(grid_network(6, 6, 2));
    let graph = Graph::new(net.clone());
    let way = [0u32, 1, 2, 8, 14, 13, 19];
    let points: Vec<Point> = way.iter().map(|&n| net.nodes()[n as usize]).collect();
    let passes = run(&graph, &drive(&points, 8.0, 5.0, 6.0, 1));
    let want: Vec<(u32, u32)> = way.windows(2).map(|w| (w[0], w[1])).collect();
    assert_eq!(ends(&net, &passes), want);
    for p in &passes[1..passes.len() - 1] {
        let length = graph.length_m(p.index);
        assert!((p.to_m - p.from_m).abs() > length - 0.01, "whole streets in the middle: {p:?}");
        assert_eq!(p.direction == Direction::Forward, p.from_m < p.to_m);
    }
    assert!(passes.windows(2).all(|w| w[0].t0 <= w[0].t1 && w[0].t1 <= w[1].t0));
}

#[test]
fn a_plough_that_turns_passes_both_ways() {
    let net = Arc::new(line_network(&[(136.5, 36.4), (136.51, 36.4), (136.52, 36.4)]));
    let graph = Graph::new(net.clone());
    let n = net.nodes();
    let half = Point::new(1_365_150_000, 364_000_000);
    let passes = run(&graph, &drive(&[n[0], half, n[0]], 6.0, 10.0, 4.0, 5));
    assert_eq!(ends(&net, &passes), [(0, 1), (1, 2), (2, 1), (1, 0)]);
    let turned = graph.length_m(passes[1].index) / 2.0;
    let reached = (passes[1].to_m - passes[1].from_m).abs();
    assert!((reached - turned).abs() < 60.0, "{reached} of {turned}");
}

#[test]
fn the_wrong_way_of_a_one_way_road_is_not_driven() {
    // Two carriageways 20 m apart, joined at both ends.
    let nodes: Vec<Point> = [(0, 0), (100_000, 0), (100_000, 1_800), (0, 1_800)]
        .map(|(x, y)| Point::new(1_365_000_000 + x, 364_000_000 + y))
        .to_vec();
    let open = network(nodes.clone(), &[(0, 1), (1, 2), (2, 3), (3, 0)]);
    let one_way: Vec<Segment> = open
        .segments()
        .iter()
        .map(|s| Segment { travel: crate::model::Directions::Forward, ..s.clone() })
        .collect();
    let net = Arc::new(Network::build(provenance(), vec![], nodes.clone(), one_way).unwrap());
    let graph = Graph::new(net.clone());
    // Driven eastward, but reported a little nearer to the westward carriageway; away from the roads at the ends.
    let track: Vec<Fix> = drive(&nodes[..2], 14.0, 5.0, 0.0, 1)
        .into_iter()
        .map(|f| Fix { point: Point::new(f.point.lon, f.point.lat + 1_100), ..f })
        .filter(|f| (1_365_010_000..1_365_090_000).contains(&f.point.lon))
        .collect();
    assert_eq!(ends(&net, &run(&graph, &track)), [(0, 1)]);
    assert_ne!(ends(&open, &run(&Graph::new(Arc::new(open.clone())), &track)), [(0, 1)]);
}

#[test]
fn two_managers_side_by_side_leave_a_margin() {
    // Parallel roads 16 m apart, of the state and of the town, and fixes between them.
    let nodes: Vec<Point> = [(0, 0), (50_000, 0), (0, 1_440), (50_000, 1_440)]
        .map(|(x, y)| Point::new(1_365_000_000 + x, 364_000_000 + y))
        .to_vec();
    let base = network(nodes.clone(), &[(0, 1), (2, 3), (0, 2), (1, 3)]);
    let managed = |s: &Segment| {
        let manager = if s.points.iter().all(|p| p.lat == 364_000_000) {
            Manager::National
        } else {
            Manager::Municipality
        };
        Segment { manager, ..s.clone() }
    };
    let net = Arc::new(
        Network::build(provenance(), vec![], nodes.clone(), base.segments().iter().map(managed).collect())
            .unwrap(),
    );
    let graph = Graph::new(net);
    let margin = |north: i32| {
        let track: Vec<Fix> = drive(&nodes[..2], 8.0, 5.0, 0.0, 1)
            .into_iter()
            .map(|f| Fix { point: Point::new(f.point.lon, f.point.lat + north), ..f })
            .collect();
        let passes = run(&graph, &track);
        let longest = passes
            .into_iter()
            .max_by(|a, b| (a.to_m - a.from_m).abs().total_cmp(&(b.to_m - b.from_m).abs()))
            .unwrap();
        longest.rival.expect("another manager is near")
    };
    let (clear, close) = (margin(0), margin(650));
    assert_eq!((clear.manager, close.manager), (Manager::Municipality, Manager::Municipality));
    assert!(clear.margin > 3.0 && close.margin < clear.margin / 2.0, "{clear:?} {close:?}");
}

#[test]
fn silence_ends_a_track_and_a_late_fix_is_dropped() {
    let net = Arc::new(line_network(&[(136.5, 36.4), (136.51, 36.4)]));
    let graph = Graph::new(net.clone());
    let mut track = drive(net.nodes(), 6.0, 10.0, 0.0, 1);
    let half = track.len() / 2;
    let (_, calm) = match_track(&mut Search::new(&graph), Config::BATCH, &track);
    assert_eq!((calm.breaks, calm.late), (0, 0));
    let later =
        |f: &Fix, secs: i64| Fix { time: Timestamp::from_micros(f.time.micros() + secs * 1_000_000), ..*f };
    track.insert(half, track[0]);
    for f in &mut track[half + 1..] {
        *f = later(f, 301);
    }
    let (passes, counts) = match_track(&mut Search::new(&graph), Config::BATCH, &track);
    assert_eq!((counts.breaks, counts.late), (1, 1));
    assert_eq!(passes.len(), 2);
}

#[test]
fn far_from_every_road_there_are_no_passes() {
    let net = Arc::new(line_network(&[(136.5, 36.4), (136.51, 36.4)]));
    let graph = Graph::new(net);
    let sea = [Point::new(1_360_000_000, 370_000_000), Point::new(1_360_100_000, 370_000_000)];
    let (passes, counts) =
        match_track(&mut Search::new(&graph), Config::BATCH, &drive(&sea, 8.0, 10.0, 0.0, 1));
    assert!(passes.is_empty() && counts.off_road == counts.fixes);
}

#[test]
fn another_network_is_refused() {
    let (a, b) = (Arc::new(grid_network(3, 3, 1)), Arc::new(grid_network(3, 3, 2)));
    let (ga, gb) = (Graph::new(a.clone()), Graph::new(b));
    let mut matcher = Matcher::new(Config::ONLINE, &ga);
    let fix = Fix::new(Timestamp::from_micros(1), a.nodes()[0]);
    assert!(matcher.push(&mut Search::new(&ga), fix).is_ok());
    assert!(matcher.push(&mut Search::new(&gb), fix).is_err());
    assert!(matcher.flush(&gb).is_err());
}

/// Strange but possible: fixes that jump, stand, come late or twice.
fn wild() -> impl Strategy<Value = Vec<Fix>> {
    proptest::collection::vec((0i64..90, 0i32..70_000, 0i32..60_000, any::<bool>()), 2..60).prop_map(
        |steps| {
            let mut t = 0;
            steps
                .into_iter()
                .map(|(dt, x, y, late)| {
                    t += if late && dt < 5 { -dt } else { dt };
                    Fix::new(
                        Timestamp::from_micros(t * 1_000_000),
                        Point::new(1_365_000_000 + x, 364_000_000 + y),
                    )
                })
                .collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn restarts_between_fixes_change_nothing(seed in any::<u64>(), noise in 0.0f64..30.0, secs in 1.0f64..30.0, cuts in proptest::collection::vec(any::<bool>(), 300)) {
        let net = Arc::new(grid_network(6, 6, seed));
        let graph = Graph::new(net.clone());
        let way: Vec<Point> = [0usize, 1, 7, 8, 14, 13, 12, 6, 0].iter().map(|&n| net.nodes()[n]).collect();
        let track = drive(&way, 9.0, secs, noise, seed);
        let mut search = Search::new(&graph);
        let (mut through, mut cut) = (Matcher::new(Config::ONLINE, &graph), Matcher::new(Config::ONLINE, &graph));
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for (i, &fix) in track.iter().enumerate() {
            a.extend(through.push(&mut search, fix).unwrap());
            b.extend(cut.push(&mut search, fix).unwrap());
            if cuts[i % cuts.len()] {
                cut = serde_json::from_str(&serde_json::to_string(&cut).unwrap()).unwrap();
                prop_assert_eq!(&cut, &through);
            }
        }
        a.extend(through.flush(&graph).unwrap());
        b.extend(cut.flush(&graph).unwrap());
        prop_assert_eq!(a, b);
    }

    #[test]
    fn what_is_provisional_comes_true_when_the_track_ends(seed in any::<u64>()) {
        let net = Arc::new(grid_network(5, 5, seed));
        let graph = Graph::new(net.clone());
        let way: Vec<Point> = [0usize, 1, 6, 7, 12].iter().map(|&n| net.nodes()[n]).collect();
        let mut search = Search::new(&graph);
        let mut matcher = Matcher::new(Config::ONLINE, &graph);
        for fix in drive(&way, 9.0, 5.0, 8.0, seed) {
            matcher.push(&mut search, fix).unwrap();
        }
        prop_assert_eq!(matcher.provisional(&graph).unwrap(), matcher.flush(&graph).unwrap());
        prop_assert!(matcher.flush(&graph).unwrap().is_empty());
    }

    #[test]
    fn no_track_makes_it_panic_and_passes_keep_their_bounds(track in wild(), lag in 0usize..6) {
        let net = Arc::new(grid_network(6, 6, 9));
        let graph = Graph::new(net);
        let config = Config { lag_fixes: lag, lag_secs: 0.0, dear: 10.0, ..Config::ONLINE };
        let (passes, counts) = match_track(&mut Search::new(&graph), config, &track);
        for p in &passes {
            let length = graph.length_m(p.index);
            prop_assert!((0.0..=length + 0.01).contains(&p.from_m) && (0.0..=length + 0.01).contains(&p.to_m), "{:?}", p);
            prop_assert!(p.t0 <= p.t1);
        }
        prop_assert_eq!(counts.fixes as usize, track.len());
        // A fix that cannot be reached and begins a new track is counted as unreachable and as kept.
        let sum = counts.kept + counts.near + counts.late + counts.off_road + counts.unreachable;
        prop_assert!((counts.fixes..=counts.fixes + counts.breaks).contains(&sum), "{:?}", counts);
    }
}
