//! Deciding which places stand, and writing down the passes between them.

use kenroku_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::model::{NEVER, State, Step};
use super::{Matcher, Pass, Rival, seconds};
use crate::geo;
use crate::graph::{Edge, Graph};
use crate::model::Direction;

/// Passes shorter than this are a receiver's noise at a junction, metres.
const LEAST_PASS_M: f32 = 1.0;

/// Places on roads of two managers compete when they are farther apart than this, metres.
const APART_M: f64 = 5.0;

/// The pass that the vehicle is on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Open {
    edge: Edge,
    /// Along the edge's own direction.
    from: f32,
    to: f32,
    t0: Timestamp,
    t1: Timestamp,
    rival: Option<Rival>,
}

impl Matcher {
    /// Decides what can be decided: everything up to the step that all living sequences share, and what has
    /// waited too long.
    pub(super) fn settle(&mut self, graph: &Graph, out: &mut Vec<Pass>) {
        let Some(newest) = self.window.back() else { return };
        let mut alive: Vec<u8> = (0..newest.states.len() as u8).collect();
        let now = newest.time;
        let mut shared = None;
        for i in (0..self.window.len()).rev() {
            if alive.len() == 1 {
                shared = Some((i, alive[0]));
                break;
            }
            for s in &mut alive {
                *s = self.window[i].states[usize::from(*s)].parent;
            }
            alive.sort_unstable();
            alive.dedup();
        }
        if let Some((step, state)) = shared
            && step > 0
        {
            self.decide(graph, step, state, out);
            self.prune();
        }
        while self.window.get(1).is_some_and(|s| {
            self.window.len() > self.config.lag_fixes + 1 && seconds(s.time, now) > self.config.lag_secs
        }) {
            // The best sequence as known now decides; sequences that contradict it end here.
            let Some(best) = best_state(self.window.back()) else { return };
            let path = self.path_to(best);
            let chosen = path[1];
            self.decide(graph, 1, chosen, out);
            self.prune();
        }
    }

    /// Ends the track.
    pub(super) fn close(&mut self, graph: &Graph, out: &mut Vec<Pass>) {
        if let Some(best) = best_state(self.window.back()) {
            self.decide(graph, self.window.len() - 1, best, out);
        }
        if let Some(open) = self.open.take() {
            emit(graph, open, out);
        }
        self.window.clear();
    }

    /// The states of the sequence that ends in `last`, one per step of the window.
    fn path_to(&self, last: u8) -> Vec<u8> {
        let mut path = vec![last; self.window.len()];
        for i in (1..self.window.len()).rev() {
            path[i - 1] = self.window[i].states[usize::from(path[i])].parent;
        }
        path
    }

    /// Rules out the states that do not descend from the first step's only one: they must not come back when
    /// later steps are dropped as outliers.
    fn prune(&mut self) {
        let mut living = vec![true];
        for i in 1..self.window.len() {
            let step = &mut self.window[i];
            for s in &mut step.states {
                if !living.get(usize::from(s.parent)).copied().unwrap_or(false) {
                    s.score = NEVER;
                }
            }
            living = step.states.iter().map(|s| s.score < NEVER).collect();
        }
    }

    /// Makes `state` of step `upto` certain, with all before it, and drops those steps but the last.
    fn decide(&mut self, graph: &Graph, upto: usize, state: u8, out: &mut Vec<Pass>) {
        let mut path = vec![state; upto + 1];
        for i in (1..=upto).rev() {
            path[i - 1] = self.window[i].states[usize::from(path[i])].parent;
        }
        let rivals = self.rivals(graph, &path);
        // A first step on its own says where the track starts.
        for i in 1..=upto {
            let (before, here) = (&self.window[i - 1], &self.window[i]);
            let (a, b) = (&before.states[usize::from(path[i - 1])], &here.states[usize::from(path[i])]);
            let mut walk = Walk {
                graph,
                open: &mut self.open,
                out,
                t0: before.time,
                t1: here.time,
                driven: 0.0,
                total: 0.0,
            };
            walk.go(a, b, rivals[i - 1], rivals[i]);
        }
        self.window.drain(..upto);
        if let Some(first) = self.window.front_mut() {
            let mut kept = first.states[usize::from(state)].clone();
            kept.parent = 0;
            kept.via.clear();
            let columns = first.states.len();
            first.states = vec![kept];
            first.moves.clear();
            if let Some(second) = self.window.get_mut(1) {
                let width = second.states.len();
                debug_assert_eq!(second.moves.len(), width * columns);
                second.moves =
                    second.moves[usize::from(state) * width..(usize::from(state) + 1) * width].to_vec();
                for s in &mut second.states {
                    if s.parent == state {
                        s.parent = 0;
                    } else {
                        // Came from a place that is now known to be wrong.
                        s.parent = u8::MAX;
                        s.score = NEVER;
                    }
                }
            }
        }
    }

    /// For every decided step, the best place on a road of another manager and how much worse the best whole
    /// sequence through it is (differences of max-marginals over the window).
    fn rivals(&self, graph: &Graph, path: &[u8]) -> Vec<Option<Rival>> {
        let manager = |s: &State| graph.segment(s.edge).manager;
        let place = |s: &State| {
            let segment = s.edge.segment();
            let forward = s.edge.direction() == Direction::Forward;
            graph.point_at(segment, if forward { s.offset } else { graph.length_m(segment) - s.offset })
        };
        // At a junction roads of all managers are in the same place; that is no competition.
        let compete =
            |a: &State, b: &State| manager(a) != manager(b) && geo::distance_m(place(a), place(b)) > APART_M;
        let mut out = vec![None; path.len()];
        let contested = |i: usize| {
            let states = &self.window[i].states;
            states.iter().any(|s| compete(s, &states[usize::from(path[i])]))
        };
        if !(0..path.len()).any(contested) {
            return out;
        }
        // Cost from each state to the end of the window.
        let n = self.window.len();
        let mut after: Vec<Vec<f64>> = vec![Vec::new(); n];
        after[n - 1] = vec![0.0; self.window[n - 1].states.len()];
        for i in (0..n - 1).rev() {
            let next = &self.window[i + 1];
            let width = next.states.len();
            after[i] = (0..self.window[i].states.len())
                .map(|from| {
                    (0..width)
                        .map(|to| {
                            f64::from(next.moves[from * width + to])
                                + f64::from(next.states[to].emission)
                                + after[i + 1][to]
                        })
                        .fold(f64::INFINITY, f64::min)
                })
                .collect();
        }
        for (i, slot) in out.iter_mut().enumerate() {
            let states = &self.window[i].states;
            let through = |s: usize| f64::from(states[s].score) + after[i][s];
            let chosen = usize::from(path[i]);
            *slot = (0..states.len())
                .filter(|&s| compete(&states[s], &states[chosen]) && through(s) < f64::from(NEVER))
                .min_by(|&a, &b| through(a).total_cmp(&through(b)))
                .map(|s| Rival {
                    segment: graph.segment(states[s].edge).id,
                    manager: manager(&states[s]),
                    margin: (through(s) - through(chosen)).max(0.0) as f32,
                });
        }
        out
    }
}

fn best_state(step: Option<&Step>) -> Option<u8> {
    let states = &step?.states;
    (0..states.len()).min_by(|&a, &b| states[a].score.total_cmp(&states[b].score)).map(|i| i as u8)
}

fn nearer(a: Option<Rival>, b: Option<Rival>) -> Option<Rival> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.margin < a.margin { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// The drive from one decided place to the next, written into passes.
struct Walk<'a> {
    graph: &'a Graph,
    open: &'a mut Option<Open>,
    out: &'a mut Vec<Pass>,
    t0: Timestamp,
    t1: Timestamp,
    driven: f32,
    total: f32,
}

impl Walk<'_> {
    fn go(&mut self, a: &State, b: &State, rival_a: Option<Rival>, rival_b: Option<Rival>) {
        let length = |e: Edge| self.graph.length_m(e.segment());
        if b.on && a.edge == b.edge {
            self.total = (b.offset - a.offset).max(0.0);
            self.go_on(a.edge, a.offset, b.offset, rival_a);
        } else if b.on {
            // Turned on the segment, at the farther of the two places.
            let end = length(a.edge);
            self.total = (end - b.offset - a.offset).abs();
            self.go_on(a.edge, a.offset, (end - b.offset).max(a.offset), rival_a);
            self.enter(b.edge, b.offset.min(end - a.offset), b.offset, rival_b);
        } else {
            self.total =
                (length(a.edge) - a.offset) + b.via.iter().map(|&e| length(e)).sum::<f32>() + b.offset;
            self.go_on(a.edge, a.offset, length(a.edge), rival_a);
            for &e in &b.via {
                self.enter(e, 0.0, length(e), None);
            }
            self.enter(b.edge, 0.0, b.offset, rival_b);
        }
        // The receiver's time at the place, whatever rounding did on the way.
        if let Some(open) = self.open.as_mut() {
            open.t1 = self.t1;
            open.rival = nearer(open.rival, rival_b);
        }
    }

    fn time(&self) -> Timestamp {
        let part = if self.total > 0.0 { f64::from((self.driven / self.total).clamp(0.0, 1.0)) } else { 1.0 };
        let span = self.t1.micros().saturating_sub(self.t0.micros());
        Timestamp::from_micros(self.t0.micros().saturating_add((span as f64 * part) as i64))
    }

    /// On the edge that the vehicle is on.
    fn go_on(&mut self, edge: Edge, from: f32, to: f32, rival: Option<Rival>) {
        match self.open.as_mut() {
            Some(open) if open.edge == edge => {
                open.to = open.to.max(to);
                open.rival = nearer(open.rival, rival);
                self.driven += (to - from).max(0.0);
                let end = self.time();
                if let Some(open) = self.open.as_mut() {
                    open.t1 = end;
                }
            }
            _ => self.enter(edge, from, to.max(from), rival),
        }
    }

    /// On another edge, or on the same one anew.
    fn enter(&mut self, edge: Edge, from: f32, to: f32, rival: Option<Rival>) {
        let t0 = self.time();
        self.driven += (to - from).max(0.0);
        let next = Open { edge, from, to, t0, t1: self.time(), rival };
        if let Some(done) = self.open.replace(next) {
            emit(self.graph, done, self.out);
        }
    }
}

fn emit(graph: &Graph, open: Open, out: &mut Vec<Pass>) {
    if open.to - open.from < LEAST_PASS_M.min(graph.length_m(open.edge.segment()) / 2.0) {
        return;
    }
    let length = graph.length_m(open.edge.segment());
    let (from_m, to_m) = match open.edge.direction() {
        Direction::Forward => (open.from, open.to),
        Direction::Backward => (length - open.from, length - open.to),
    };
    out.push(Pass {
        segment: graph.segment(open.edge).id,
        index: open.edge.segment(),
        direction: open.edge.direction(),
        from_m,
        to_m,
        t0: open.t0,
        t1: open.t1,
        rival: open.rival,
    });
}
