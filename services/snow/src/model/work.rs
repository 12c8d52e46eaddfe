//! Working or only driving: which rule decides, and for which part of a pass.

use std::ops::RangeInclusive;

use kenroku_roads::geo;
use kenroku_roads::geo::Point;
use kenroku_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::Task;
use super::words::words;

/// Speeds at which a plough works, km/h.
pub const WORKING_KMH: RangeInclusive<f64> = 2.0..=35.0;

/// Which rule decided whether a part of a pass was work. Shown wherever the pass is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The blade, PTO or operator said work.
    Signal,
    /// No signal, but a working speed on a road assigned to the vehicle.
    Route,
    /// The blade, PTO or operator said no work.
    SignalOff,
    /// Work of another kind than clearing (salting, patrol).
    OtherTask,
    /// 走行（不明）: neither signal nor assigned road at a working speed.
    Driving,
    /// The phone said that the position was made up.
    Mock,
}
words!(Rule {
    Signal = "signal",
    Route = "route",
    SignalOff = "signal-off",
    OtherTask = "other-task",
    Driving = "driving",
    Mock = "mock",
});

impl Rule {
    /// Whether a road worked by this rule counts as cleared.
    pub const fn clears(self) -> bool {
        matches!(self, Rule::Signal | Rule::Route)
    }
}

/// What of a fix matters for the judgement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub point: Point,
    /// Reported speed, m/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<f32>,
    /// The work signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<bool>,
    /// What is being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// Made up by the phone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mock: bool,
}

/// Judges the way from one sample to the next.
fn judge(a: &Sample, b: &Sample, assigned: bool) -> Judged {
    let metres = geo::distance_m(a.point, b.point);
    let secs = b.at.since(a.at) as f64 / 1e6;
    // Noise moves a standing vehicle by metres, so the receiver's own speed is asked first.
    let kmh =
        b.speed.map_or_else(|| if secs > 0.0 { metres / secs * 3.6 } else { 0.0 }, |s| f64::from(s) * 3.6);
    let rule = if a.mock || b.mock {
        Rule::Mock
    } else if b.task.is_some_and(|t| !t.clears_road()) {
        Rule::OtherTask
    } else {
        match b.work {
            Some(true) => Rule::Signal,
            Some(false) => Rule::SignalOff,
            None if assigned && WORKING_KMH.contains(&kmh) => Rule::Route,
            None => Rule::Driving,
        }
    };
    Judged { t1: b.at, metres, rule, standing: b.work.is_none() && kmh < *WORKING_KMH.start() }
}

struct Judged {
    t1: Timestamp,
    metres: f64,
    rule: Rule,
    standing: bool,
}

/// A part of a pass by one rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Metres along the geometry where it begins.
    pub from_m: f32,
    /// Where it ends; less than `from_m` against the geometry.
    pub to_m: f32,
    /// When it began.
    pub t0: Timestamp,
    /// When it ended.
    pub t1: Timestamp,
    /// Which rule decided.
    pub rule: Rule,
}

/// Divides a pass (`whole`, its rule is not read) by what the samples around it say. `samples` are in order of
/// time and reach from the last one before the pass to the first one after it; `assigned` says whether the road
/// is one that the vehicle is to clear. A pass without samples is [`Rule::Driving`].
///
/// A stop takes the rule of what came before it (or after it, at the start): standing is neither work nor driving.
pub fn divide(whole: Part, samples: &[Sample], assigned: bool) -> Vec<Part> {
    let mut judged: Vec<Judged> = samples
        .windows(2)
        .filter(|w| w[1].at > whole.t0 && (w[0].at < whole.t1 || w[0].at <= whole.t0))
        .map(|w| judge(&w[0], &w[1], assigned))
        .collect();
    let moving = judged.iter().find(|j| !j.standing).map(|j| j.rule);
    let Some(mut rule) = moving.or(judged.first().map(|j| j.rule)) else {
        return vec![Part { rule: Rule::Driving, ..whole }];
    };
    for j in &mut judged {
        if j.standing {
            j.rule = rule;
        }
        rule = j.rule;
    }
    let total: f64 = judged.iter().map(|j| j.metres).sum();
    let (mut out, mut done) = (Vec::<Part>::new(), 0.0);
    let (mut from_m, mut t0) = (whole.from_m, whole.t0);
    for (i, j) in judged.iter().enumerate() {
        done += j.metres;
        let last = i + 1 == judged.len();
        let share = if total > 0.0 { (done / total) as f32 } else { 1.0 };
        let to_m = if last { whole.to_m } else { whole.from_m + (whole.to_m - whole.from_m) * share };
        let t1 = if last { whole.t1 } else { j.t1.min(whole.t1) };
        match out.last_mut() {
            Some(p) if p.rule == j.rule => (p.to_m, p.t1) = (to_m, t1),
            _ => out.push(Part { from_m, to_m, t0, t1, rule: j.rule }),
        }
        (from_m, t0) = (to_m, t1);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const START: Timestamp = Timestamp::from_secs(1_768_350_600);

    /// Samples every ten seconds, going north by `metres` each, with the given signals.
    fn drive(metres: f64, signals: &[Option<bool>]) -> Vec<Sample> {
        signals
            .iter()
            .enumerate()
            .map(|(i, work)| Sample {
                at: START.plus(Duration::from_secs(10 * i as u64)),
                point: Point::from_degrees(136.4, 36.4 + metres * i as f64 / geo::degree_m(36.4).1).unwrap(),
                speed: None,
                work: *work,
                task: None,
                mock: false,
            })
            .collect()
    }

    fn whole(seconds: u64, metres: f32) -> Part {
        let t1 = START.plus(Duration::from_secs(seconds));
        Part { from_m: 0.0, to_m: metres, t0: START, t1, rule: Rule::Driving }
    }

    fn rules(parts: &[Part]) -> Vec<Rule> {
        parts.iter().map(|p| p.rule).collect()
    }

    #[test]
    fn a_signal_wins_over_speed_and_road() {
        let on = drive(150.0, &[Some(true); 4]);
        assert_eq!(
            rules(&divide(whole(30, 450.0), &on, false)),
            [Rule::Signal],
            "54 km/h with the blade down"
        );
        let off = drive(50.0, &[Some(false); 4]);
        assert_eq!(rules(&divide(whole(30, 150.0), &off, true)), [Rule::SignalOff]);
    }

    #[test]
    fn without_a_signal_speed_and_road_decide() {
        let at =
            |kmh: f64, assigned| rules(&divide(whole(30, 99.0), &drive(kmh / 0.36, &[None; 4]), assigned));
        assert_eq!(at(20.0, true), [Rule::Route]);
        assert_eq!(at(20.0, false), [Rule::Driving], "not an assigned road");
        assert_eq!(at(34.9, true), [Rule::Route]);
        assert_eq!(at(36.0, true), [Rule::Driving], "too fast to plough");
        assert_eq!(at(1.0, true), [Rule::Driving], "standing all the time");
        assert!(!Rule::Driving.clears() && Rule::Route.clears());
    }

    #[test]
    fn raising_the_blade_divides_the_pass_where_it_happened() {
        let s = drive(50.0, &[Some(true), Some(true), Some(true), Some(false), Some(false)]);
        let parts = divide(whole(40, 200.0), &s, true);
        assert_eq!(rules(&parts), [Rule::Signal, Rule::SignalOff]);
        assert!((parts[0].to_m - 100.0).abs() < 1.0 && parts[1].from_m == parts[0].to_m);
        assert_eq!(parts[1].to_m, 200.0);
    }

    #[test]
    fn a_stop_belongs_to_what_came_before() {
        let mut s = drive(50.0, &[None; 5]);
        (s[2].point, s[3].point) = (s[1].point, s[1].point);
        assert_eq!(
            rules(&divide(whole(40, 100.0), &s, true)),
            [Rule::Route, Rule::Driving],
            "the last leap is 54 km/h"
        );
        s[4].speed = Some(5.0);
        assert_eq!(rules(&divide(whole(40, 100.0), &s, true)), [Rule::Route]);
    }

    #[test]
    fn other_tasks_and_made_up_places_clear_nothing() {
        let mut s = drive(50.0, &[Some(true); 3]);
        s.iter_mut().for_each(|s| s.task = Some(Task::Salting));
        assert_eq!(rules(&divide(whole(20, 100.0), &s, true)), [Rule::OtherTask]);
        s.iter_mut().for_each(|s| s.mock = true);
        assert_eq!(rules(&divide(whole(20, 100.0), &s, true)), [Rule::Mock]);
        assert!(divide(whole(20, 100.0), &[], true)[0].rule == Rule::Driving);
    }

    proptest! {
        #[test]
        fn parts_join_up_to_the_whole(signals in prop::collection::vec(any::<Option<bool>>(), 0..9), back in any::<bool>(), step in 0f64..120.0) {
            let s = drive(step, &signals);
            let mut w = whole(10 * signals.len().saturating_sub(1).max(1) as u64, 300.0);
            if back {
                (w.from_m, w.to_m) = (w.to_m, w.from_m);
            }
            let parts = divide(w, &s, true);
            prop_assert_eq!((parts[0].from_m, parts[0].t0), (w.from_m, w.t0));
            let last = parts[parts.len() - 1];
            prop_assert_eq!((last.to_m, last.t1), (w.to_m, w.t1));
            prop_assert!(parts.windows(2).all(|p| p[0].to_m == p[1].from_m && p[0].t1 == p[1].t0 && p[0].rule != p[1].rule));
        }
    }
}
