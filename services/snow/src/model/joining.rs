//! When a new observation continues a vehicle's track: the rule of Finland's Digitraffic maintenance tracking
//! (v1, `gap.minutes = 5`, `linestring.observationgap.km = 0.5`), so that exports agree with that schema.

use kenroku_roads::geo::{self, Point};
use kenroku_types::Timestamp;

use super::Task;

/// Whole minutes of silence that are still joined.
const GAP_MINUTES: i64 = 5;
/// Metres that are no longer joined.
const GAP_M: f64 = 500.0;
/// A speed that no vehicle on duty has, km/h.
const MAX_KMH: f64 = 140.0;

/// Where a track or an observation begins or ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct End {
    /// When.
    pub time: Timestamp,
    /// Where.
    pub point: Point,
}

/// Whether the observation that begins at `next` may be combined with the unfinished track that ended at `last`.
pub fn may_combine(last: End, next: End) -> bool {
    let micros = next.time.since(last.time);
    // Places are exact to a centimetre; what is half a kilometre to the decimetre is half a kilometre.
    let metres = (geo::distance_m(last.point, next.point) * 10.0).round() / 10.0;
    micros >= 0 && micros / 60_000_000 <= GAP_MINUTES && metres < GAP_M && slow_enough(metres, micros)
}

fn slow_enough(metres: f64, micros: i64) -> bool {
    metres == 0.0 || (micros > 0 && metres / (micros as f64 / 1e6) * 3.6 < MAX_KMH)
}

/// What an observation does to the track before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// No task: the track before is finished, nothing new begins. `extend`: its end moves to the new place.
    Transition {
        /// Whether the two may be combined.
        extend: bool,
    },
    /// Another track begins, unconnected.
    New {
        /// Whether the one before still gets the new place as its end.
        extend: bool,
    },
    /// The same track goes on.
    Same,
}

/// Judges an observation against the unfinished track before it, if any.
pub fn step(before: Option<(End, Option<Task>)>, next: End, task: Option<Task>) -> Step {
    let extend = before.is_some_and(|(last, _)| may_combine(last, next));
    match (before, task) {
        (_, None) => Step::Transition { extend },
        (Some((_, old)), Some(new)) if extend && old == Some(new) => Step::Same,
        (_, Some(_)) => Step::New { extend },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(millis: u64, metres_north: f64) -> End {
        let lat = 36.45 + metres_north / geo::degree_m(36.45).1;
        End {
            time: Timestamp::from_secs(1_768_350_600).plus(Duration::from_millis(millis)),
            point: Point::from_degrees(136.45, lat).unwrap(),
        }
    }

    #[test]
    fn whole_minutes_are_counted() {
        assert!(may_combine(at(0, 0.0), at(359_000, 10.0)), "5 min 59 s joins");
        assert!(!may_combine(at(0, 0.0), at(360_000, 10.0)), "6 min 0 s splits");
        assert!(may_combine(at(0, 0.0), at(0, 0.0)), "the same moment joins");
        assert!(!may_combine(at(1, 0.0), at(0, 0.0)), "an earlier one does not");
    }

    #[test]
    fn half_a_kilometre_splits() {
        assert!(may_combine(at(0, 0.0), at(60_000, 490.0)));
        assert!(!may_combine(at(0, 0.0), at(60_000, 500.0)));
    }

    #[test]
    fn impossible_speed_splits() {
        assert!(may_combine(at(0, 0.0), at(11_000, 420.0)), "137 km/h");
        assert!(!may_combine(at(0, 0.0), at(10_000, 400.0)), "144 km/h");
    }

    #[test]
    fn a_change_of_task_begins_another_track() {
        let before = Some((at(0, 0.0), Some(Task::Ploughing)));
        assert_eq!(step(before, at(10_000, 30.0), Some(Task::Ploughing)), Step::Same);
        assert_eq!(step(before, at(10_000, 30.0), Some(Task::Salting)), Step::New { extend: true });
        assert_eq!(step(before, at(400_000, 30.0), Some(Task::Ploughing)), Step::New { extend: false });
        assert_eq!(step(before, at(10_000, 30.0), None), Step::Transition { extend: true });
        assert_eq!(step(None, at(0, 0.0), Some(Task::Ploughing)), Step::New { extend: false });
    }
}
