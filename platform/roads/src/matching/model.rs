//! The hidden Markov model: places near a fix, and what it costs to be there and to get there.

use kenroku_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Config, Fix};
use crate::geo::Point;
use crate::graph::{Edge, Graph, Near, Place, Search};
use crate::model::Direction;

/// −ln of the normal density of a fix `d` metres from its road, without the constant; linear beyond
/// `tail` standard deviations.
pub(super) fn emission(d: f64, sigma: f64, tail: f64) -> f64 {
    let z = d / sigma;
    if z <= tail { 0.5 * z * z } else { tail * (z - 0.5 * tail) }
}

/// −ln of the exponential density of the difference between the way and the straight line, without the
/// constant.
pub(super) fn transition(way: f64, straight: f64, beta: f64) -> f64 {
    (way - straight).abs() / beta
}

/// The cost of what cannot be. Finite, because JSON knows no infinity.
pub(super) const NEVER: f32 = 1e30;

/// A place that a vehicle may be at, with the cheapest way it may have come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub edge: Edge,
    /// Metres from the edge's own start.
    pub offset: f32,
    /// Cost of the fix given this place.
    pub emission: f32,
    /// Cost of the cheapest sequence that ends here.
    pub score: f32,
    /// State of the step before on that sequence.
    pub parent: u8,
    /// Came from there without leaving the segment.
    pub on: bool,
    /// Otherwise: edges driven between the parent's and this one's.
    pub via: Vec<Edge>,
}

/// One kept fix with its states.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Step {
    pub time: Timestamp,
    pub point: Point,
    pub states: Vec<State>,
    /// By how much the cheapest sequence grew with this step.
    pub rise: f32,
    /// Transition costs from each state of the step before (row) to each here; `NEVER` where there is no way.
    pub moves: Vec<f32>,
}

impl Step {
    /// The places around a fix; `None` when there is no road within `radius` metres.
    pub fn around(graph: &Graph, config: &Config, fix: Fix, radius: f64) -> Option<Step> {
        let sigma = config.sigma_m.max(fix.hdop.map_or(0.0, |h| 4.0 * f64::from(h.clamp(0.0, 25.0))));
        let mut near: Vec<Near> = Vec::new();
        graph.near(fix.point, radius, &mut near);
        near.truncate(config.max_places);
        let mut states = Vec::with_capacity(near.len() * 2);
        for n in &near {
            let travel = graph.network().segments()[n.segment as usize].travel;
            for direction in [Direction::Forward, Direction::Backward] {
                if !travel.has(direction) {
                    continue;
                }
                let (offset, bearing) = match direction {
                    Direction::Forward => (n.offset_m, n.bearing_deg),
                    Direction::Backward => (graph.length_m(n.segment) - n.offset_m, n.bearing_deg + 180.0),
                };
                let mut cost = emission(f64::from(n.distance_m), sigma, config.tail_sigmas);
                if let (Some(heading), Some(speed)) = (fix.heading_deg, fix.speed_mps)
                    && speed > 2.0
                {
                    // 0 along the road, 1 across it, 2 against it.
                    let off = 1.0 - f64::from(heading - bearing).to_radians().cos();
                    cost += config.heading_cost * off;
                }
                states.push(State {
                    edge: Edge::new(n.segment, direction),
                    offset,
                    emission: cost as f32,
                    score: cost as f32,
                    parent: 0,
                    on: false,
                    via: Vec::new(),
                });
            }
        }
        (!states.is_empty()).then_some(Step {
            time: fix.time,
            point: fix.point,
            states,
            rise: 0.0,
            moves: Vec::new(),
        })
    }

    /// Works out how each place here is reached from those of the step before. Places that cannot be reached
    /// are removed; `false` (and nothing changed) when none can.
    pub fn connect(
        &mut self,
        search: &mut Search<'_>,
        config: &Config,
        last: &Step,
        straight: f64,
        secs: f64,
    ) -> bool {
        let reached = self.reach(search, config, last, straight, secs, config.reach)
            || self.reach(search, config, last, straight, secs, config.far_reach);
        if !reached {
            return false;
        }
        // Scores only matter by their differences; small numbers stay exact.
        let least = self.states.iter().map(|s| s.score).fold(NEVER, f32::min);
        self.rise = least;
        let keep: Vec<bool> = self.states.iter().map(|s| s.score < NEVER).collect();
        let columns = keep.len();
        let mut at = 0;
        self.moves.retain(|_| {
            at += 1;
            keep[(at - 1) % columns]
        });
        let mut at = 0;
        self.states.retain_mut(|s| {
            s.score -= least;
            at += 1;
            keep[at - 1]
        });
        true
    }

    fn reach(
        &mut self,
        search: &mut Search<'_>,
        config: &Config,
        last: &Step,
        straight: f64,
        secs: f64,
        reach: (f64, f64),
    ) -> bool {
        let graph = search.graph();
        let limit = straight * reach.0 + reach.1;
        let fastest = config.max_speed_mps * secs + 100.0;
        let beta = config.beta_m + config.beta_per_m * straight;
        let columns = self.states.len();
        self.moves.clear();
        self.moves.resize(last.states.len() * columns, NEVER);
        let mut best: Vec<(f32, u8, bool, Vec<Edge>)> = vec![(NEVER, 0, false, Vec::new()); columns];
        let goals: Vec<Place> =
            self.states.iter().map(|s| Place { edge: s.edge, offset_m: s.offset }).collect();
        let cost_of = |length: f32, extra: f32| {
            if f64::from(length) > fastest {
                return NEVER;
            }
            (transition(f64::from(length), straight, beta)
                + f64::from(extra) * config.turn_weight / beta.min(20.0)) as f32
        };
        let mut others = Vec::with_capacity(columns);
        for (i, from) in last.states.iter().enumerate() {
            let row = i * columns;
            others.clear();
            for (j, to) in goals.iter().enumerate() {
                let on = if to.edge == from.edge {
                    let ahead = to.offset_m - from.offset;
                    // A little backward is the receiver's noise on a vehicle that stands or crawls.
                    if ahead >= 0.0 {
                        Some((ahead, 0.0))
                    } else if f64::from(-ahead) <= 2.0 * config.sigma_m + 0.2 * straight.min(50.0) {
                        Some((0.0, 0.0))
                    } else {
                        None
                    }
                } else if to.edge == from.edge.reverse() {
                    let there = graph.length_m(from.edge.segment()) - to.offset_m;
                    Some(((there - from.offset).abs(), config.costs.uturn_m))
                } else {
                    None
                };
                match on {
                    Some((length, extra)) => {
                        let cost = cost_of(length, extra);
                        self.moves[row + j] = cost;
                        let total = from.score + cost;
                        if total < best[j].0 {
                            best[j] = (total, i as u8, true, Vec::new());
                        }
                    }
                    None => others.push(j),
                }
            }
            if others.is_empty() {
                continue;
            }
            let wanted: Vec<Place> = others.iter().map(|&j| goals[j]).collect();
            let start = Place { edge: from.edge, offset_m: from.offset };
            let moves = &mut self.moves;
            search.routes(start, &wanted, config.costs, limit as f32, |k, route, via| {
                let j = others[k];
                let cost = cost_of(route.length_m, route.cost_m - route.length_m);
                moves[row + j] = cost;
                let total = from.score + cost;
                if total < best[j].0 {
                    best[j] = (total, i as u8, false, via());
                }
            });
        }
        let mut any = false;
        for (state, (total, parent, on, via)) in self.states.iter_mut().zip(best) {
            any |= total < NEVER;
            state.score = (total + state.emission).min(NEVER);
            state.parent = parent;
            state.on = on;
            state.via = via;
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_have_their_check_values() {
        // d 10 m, σ 4.07 m; a difference of 6 m with β 3 m.
        assert!((emission(10.0, 4.07, 4.0) - 3.018).abs() < 1e-3);
        assert!((transition(106.0, 100.0, 3.0) - 2.0).abs() < 1e-12);
        assert!((transition(94.0, 100.0, 3.0) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn the_tail_is_linear_and_meets_the_parabola() {
        let at = |d: f64| emission(d, 5.0, 4.0);
        assert!((at(20.0) - 8.0).abs() < 1e-12);
        assert!((at(40.0) - at(30.0) - (at(30.0) - at(20.0))).abs() < 1e-12);
        assert!(at(20.001) > at(20.0) && at(20.001) - at(20.0) < 1e-3);
    }
}
