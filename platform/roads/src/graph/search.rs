//! The bounded one-to-many search: cheapest ways from one place on the network to several others.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

use super::{Edge, Graph};
use crate::geo::Frame;

/// What driving costs besides metres.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// Metres that turning back on an open road is worth.
    pub uturn_m: f32,
    /// Metres that turning back at a dead end is worth.
    pub dead_end_m: f32,
    /// Metres that a full turn of direction at a junction is worth; smaller angles cost their square.
    pub turn_m: f32,
}

/// A place on an edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// The edge.
    pub edge: Edge,
    /// Metres from the edge's own start, so in its direction.
    pub offset_m: f32,
}

/// How to get from one [`Place`] to another.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Route {
    /// Metres driven.
    pub length_m: f32,
    /// Metres plus the [`Costs`].
    pub cost_m: f32,
    /// Edges between that of the start and that of the goal, both excluded.
    pub via: Vec<Edge>,
}

#[derive(PartialEq)]
struct Queued {
    estimate: f32,
    node: u32,
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, o: &Self) -> Option<Ordering> {
        Some(self.cmp(o))
    }
}
impl Ord for Queued {
    // Reversed: BinaryHeap gives the greatest first. The node number makes ties deterministic.
    fn cmp(&self, o: &Self) -> Ordering {
        o.estimate.total_cmp(&self.estimate).then(o.node.cmp(&self.node))
    }
}

#[derive(Clone, Copy)]
struct Label {
    stamp: u32,
    cost: f32,
    length: f32,
    via: Edge,
    from: u32,
    settled: bool,
    goal: bool,
}

/// Scratch memory for searches over one graph; keep one per thread.
pub struct Search<'g> {
    graph: &'g Graph,
    labels: Vec<Label>,
    stamp: u32,
    heap: BinaryHeap<Queued>,
    /// Nodes settled since it was made: the work done, for tests and benchmarks.
    pub settled: u64,
}

impl<'g> Search<'g> {
    /// Scratch memory for `graph`: 28 bytes per node.
    pub fn new(graph: &'g Graph) -> Self {
        let blank =
            Label { stamp: 0, cost: 0.0, length: 0.0, via: Edge(0), from: 0, settled: false, goal: false };
        Search {
            graph,
            labels: vec![blank; graph.network.nodes().len()],
            stamp: 0,
            heap: BinaryHeap::new(),
            settled: 0,
        }
    }

    /// The graph searched.
    pub fn graph(&self) -> &'g Graph {
        self.graph
    }

    fn label(&mut self, node: u32) -> &mut Label {
        let stamp = self.stamp;
        let l = &mut self.labels[node as usize];
        if l.stamp != stamp {
            *l = Label {
                stamp,
                cost: f32::INFINITY,
                length: 0.0,
                via: Edge(0),
                from: u32::MAX,
                settled: false,
                goal: false,
            };
        }
        l
    }

    /// Cheapest ways from `start` past the end of its edge to every goal, as far as they cost at most
    /// `limit_m`; `found` is called with the goal's number, metres and cost, and answers whether it wants the
    /// edges. Goals on the start's own edge are reached only by coming round to it again.
    ///
    /// Costs of turning depend on the edge that a node was reached by, and only the cheapest is kept per
    /// node: exact in metres, very nearly so in cost, at half the price of a search over edges.
    pub fn routes(
        &mut self,
        start: Place,
        goals: &[Place],
        costs: Costs,
        limit_m: f32,
        mut found: impl FnMut(usize, Route, &dyn Fn() -> Vec<Edge>),
    ) {
        let g = self.graph;
        let nodes = g.network.nodes();
        let origin = g.head(start.edge);
        let Some(first) = goals.first() else { return };
        // A* towards the circle that holds all goals: consistent, because no road is shorter than the straight.
        let frame = Frame::at(nodes[g.tail(first.edge) as usize]);
        let mut radius = 0.0f32;
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.labels.iter_mut().for_each(|l| l.stamp = 0);
            self.stamp = 1;
        }
        let mut open_goals = 0;
        for goal in goals {
            let tail = g.tail(goal.edge);
            let [x, y] = frame.xy(nodes[tail as usize]);
            radius = radius.max(x.hypot(y) as f32);
            let l = self.label(tail);
            if !l.goal {
                l.goal = true;
                open_goals += 1;
            }
        }
        let ahead = |node: u32| {
            let [x, y] = frame.xy(nodes[node as usize]);
            ((x as f32).hypot(y as f32) * 0.998 - radius).max(0.0)
        };
        let base = (g.length_m(start.edge.segment()) - start.offset_m).max(0.0);
        self.heap.clear();
        {
            let l = self.label(origin);
            (l.cost, l.length, l.via) = (base, base, start.edge);
        }
        self.heap.push(Queued { estimate: base + ahead(origin), node: origin });
        while let Some(Queued { estimate, node }) = self.heap.pop() {
            if estimate > limit_m || open_goals == 0 {
                break;
            }
            let here = *self.label(node);
            if here.settled {
                continue;
            }
            self.label(node).settled = true;
            self.settled += 1;
            if here.goal {
                open_goals -= 1;
            }
            let leaving = g.leaving(node);
            for &edge in leaving {
                let head = g.head(edge);
                let length = here.length + g.length_m(edge.segment());
                let cost = here.cost
                    + g.length_m(edge.segment())
                    + Self::turn_cost(g, costs, here.via, edge, leaving);
                let next = self.label(head);
                if !next.settled && cost < next.cost {
                    (next.cost, next.length, next.via, next.from) = (cost, length, edge, node);
                    let estimate = cost + ahead(head);
                    if estimate <= limit_m {
                        self.heap.push(Queued { estimate, node: head });
                    }
                }
            }
        }
        for (i, goal) in goals.iter().enumerate() {
            let tail = g.tail(goal.edge);
            let l = *self.label(tail);
            if !l.settled {
                continue;
            }
            let turn = Self::turn_cost(g, costs, l.via, goal.edge, g.leaving(tail));
            let route = Route {
                length_m: l.length + goal.offset_m,
                cost_m: l.cost + turn + goal.offset_m,
                via: Vec::new(),
            };
            let labels = &self.labels;
            found(i, route, &|| {
                let mut via = Vec::new();
                let mut at = tail;
                while at != origin {
                    via.push(labels[at as usize].via);
                    at = labels[at as usize].from;
                }
                via.reverse();
                via
            });
        }
    }

    fn turn_cost(g: &Graph, costs: Costs, a: Edge, b: Edge, leaving: &[Edge]) -> f32 {
        if b == a.reverse() {
            return if leaving.len() <= 1 { costs.dead_end_m } else { costs.uturn_m };
        }
        if costs.turn_m == 0.0 {
            return 0.0;
        }
        let t = f32::from(g.turn(a, b)) / 128.0;
        costs.turn_m * t * t
    }
}
#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::geo::Point;
    use crate::graph::Piece;
    use crate::model::{Direction, Network, Segment};
    use crate::testing::{grid_network, line_network};

    const PLAIN: Costs = Costs { uturn_m: 1000.0, dead_end_m: 10.0, turn_m: 0.0 };

    fn all(search: &mut Search<'_>, start: Place, goals: &[Place], limit: f32) -> Vec<Option<Route>> {
        let mut out = vec![None; goals.len()];
        search.routes(start, goals, PLAIN, limit, |i, r, via| out[i] = Some(Route { via: via(), ..r }));
        out
    }

    /// Lengths between all nodes by Floyd and Warshall: slow and plainly right.
    fn floyd(net: &Network) -> Vec<Vec<f32>> {
        let n = net.nodes().len();
        let mut d = vec![vec![f32::INFINITY; n]; n];
        for (i, row) in d.iter_mut().enumerate() {
            row[i] = 0.0;
        }
        for s in net.segments() {
            let (a, b) = (s.from as usize, s.to as usize);
            if s.travel.has(Direction::Forward) {
                d[a][b] = d[a][b].min(s.length_m);
            }
            if s.travel.has(Direction::Backward) {
                d[b][a] = d[b][a].min(s.length_m);
            }
        }
        for k in 0..n {
            for i in 0..n {
                for j in 0..n {
                    d[i][j] = d[i][j].min(d[i][k] + d[k][j]);
                }
            }
        }
        d
    }

    #[test]
    fn the_search_agrees_with_floyd_and_warshall() {
        let net = Arc::new(grid_network(6, 5, 7));
        let g = Graph::new(net.clone());
        let truth = floyd(&net);
        let free = Costs { uturn_m: 0.0, dead_end_m: 0.0, turn_m: 0.0 };
        let mut search = Search::new(&g);
        let edges: Vec<Edge> = (0..net.nodes().len() as u32).flat_map(|n| g.leaving(n).to_vec()).collect();
        for &from in &edges {
            let goals: Vec<Place> = edges.iter().map(|&edge| Place { edge, offset_m: 1.0 }).collect();
            let mut seen = 0;
            search.routes(Place { edge: from, offset_m: 0.0 }, &goals, free, 1e9, |i, r, via| {
                seen += 1;
                let want = g.length_m(from.segment())
                    + truth[g.head(from) as usize][g.tail(goals[i].edge) as usize]
                    + 1.0;
                assert!((r.length_m - want).abs() < 0.1, "{from:?} {:?}: {} {want}", goals[i], r.length_m);
                let sum: f32 = via().iter().map(|e| g.length_m(e.segment())).sum();
                assert!((sum + g.length_m(from.segment()) + 1.0 - want).abs() < 0.1);
            });
            assert_eq!(seen, goals.len());
        }
    }

    #[test]
    fn the_limit_bounds_the_work_and_what_is_found() {
        let net = Arc::new(grid_network(40, 40, 1));
        let g = Graph::new(net);
        let mut search = Search::new(&g);
        let start = Place { edge: g.leaving(0)[0], offset_m: 0.0 };
        let far = Place { edge: g.leaving(1599)[0], offset_m: 0.0 };
        assert_eq!(all(&mut search, start, &[far], 500.0), [None]);
        let narrow = search.settled;
        assert!(all(&mut search, start, &[far], 1e6)[0].is_some());
        assert!(narrow < 50, "{narrow}");
    }

    #[test]
    fn turning_back_costs_more_on_an_open_road_than_at_its_end() {
        // Two pieces in a row: 0 – 1 – 2.
        let net = Arc::new(line_network(&[(0.0, 0.0), (0.001, 0.0), (0.002, 0.0)]));
        let g = Graph::new(net.clone());
        let at = |lon: f64| {
            let mut near = Vec::new();
            g.near(Point::from_degrees(lon, 0.0).unwrap(), 20.0, &mut near);
            near[0].segment
        };
        let (s1, s2) = (at(0.0005), at(0.0015));
        let forward = |s: u32| {
            let seg = &net.segments()[s as usize];
            Edge::new(
                s,
                if seg.points[0].lon < seg.points[1].lon { Direction::Forward } else { Direction::Backward },
            )
        };
        let mut search = Search::new(&g);
        let start = Place { edge: forward(s1), offset_m: 0.0 };
        let back = Place { edge: forward(s1).reverse(), offset_m: 0.0 };
        let there = Place { edge: forward(s2), offset_m: 5.0 };
        let found = all(&mut search, start, &[back, there], 1e6);
        let len = g.length_m(s1);
        // Straight on: nothing added.
        let r = found[1].clone().unwrap();
        assert!(
            r.via.is_empty() && (r.cost_m - r.length_m).abs() < 1e-3 && (r.length_m - len - 5.0).abs() < 1e-3
        );
        // Back at the middle node: the dear turn, although the end of the road is 111 m on and cheap.
        let r = found[0].clone().unwrap();
        assert!((r.cost_m - r.length_m - 1000.0).abs() < 1.0, "{r:?}");
    }

    #[test]
    fn memory_of_300_000_edges_stays_below_100_mb() {
        // By size of the parts, for 150,000 two-way segments of five pieces each.
        let (segments, pieces, nodes) = (150_000usize, 750_000usize, 120_000usize);
        let edges = 2 * segments;
        let rows = 4 * (nodes + 1) + size_of::<Edge>() * edges;
        let along = 4 * (pieces + segments) + 4 * segments + 2 * segments;
        // rstar keeps nodes of six children; inner nodes add about a quarter of the leaves.
        let tree = size_of::<rstar::RTreeNode<Piece>>() * pieces * 5 / 4;
        let scratch = size_of::<Label>() * nodes;
        let geometry = 8 * (pieces + segments) + size_of::<Segment>() * segments;
        let total = rows + along + tree + scratch + geometry;
        assert!(total < 100_000_000, "{total}");
    }
}
