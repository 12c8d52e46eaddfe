//! The state of a segment as people see it.

use std::time::Duration;

use kenroku_roads::model::{Direction, Directions};
use kenroku_types::Timestamp;

use super::Cover;
use super::words::words;

/// A working fix not older than this means that work goes on.
pub const WORKING: Duration = Duration::from_secs(5 * 60);
/// Share of a direction that must be worked.
pub const ENOUGH: f32 = 0.8;

/// State of a segment, for both directions together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// 除雪済: enough of every required direction was worked.
    Cleared,
    /// 作業中: a working fix on it at most five minutes ago.
    Working,
    /// 一部: something was worked, but not enough.
    Partial,
    /// 未除雪: an event is on, its source reports, and nothing was worked.
    NotCleared,
    /// データなし: nothing known, because no event is on or its source is silent.
    NoData,
    /// 対象外: no direction needs clearing.
    OutOfScope,
}
words!(Status {
    Cleared = "done",
    Working = "doing",
    Partial = "part",
    NotCleared = "todo",
    NoData = "unknown",
    OutOfScope = "out",
});

/// What is known of one direction of a segment since the event began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DirState {
    /// The metres worked.
    pub cover: Cover,
    /// When it was last worked.
    pub last_work: Option<Timestamp>,
    /// How many times it was worked.
    pub passes: u32,
}

/// What [`status`] judges by.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Directions that must be worked.
    pub required: Directions,
    /// Metres.
    pub length_m: f32,
    /// Whether an event is on for whoever clears the segment.
    pub event: bool,
    /// Whether the source has been silent for too long.
    pub stale: bool,
    /// Forward and backward.
    pub dirs: [&'a DirState; 2],
    /// The time to judge at: now, or now minus the delay.
    pub at: Timestamp,
}

/// The state. A cleared segment whose source falls silent stays cleared with its time.
pub fn status(f: &Facts<'_>) -> Status {
    if f.required == Directions::None {
        return Status::OutOfScope;
    }
    let last = f.dirs.iter().filter_map(|d| d.last_work).max();
    if last.is_some_and(|t| t.plus(WORKING) >= f.at) {
        return Status::Working;
    }
    let ratio = |d: Direction| f.dirs[d.bit() as usize].cover.ratio(f.length_m);
    let mut required = [Direction::Forward, Direction::Backward].into_iter().filter(|&d| f.required.has(d));
    if required.all(|d| ratio(d) >= ENOUGH) {
        return Status::Cleared;
    }
    if last.is_some() {
        return Status::Partial;
    }
    if f.event && !f.stale { Status::NotCleared } else { Status::NoData }
}

/// How long ago the plough passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AgeBin {
    /// Less than an hour.
    H1,
    /// From one to less than three.
    H3,
    /// From three to less than six.
    H6,
    /// From six to less than twelve.
    H12,
    /// From twelve to less than twenty-four.
    H24,
    /// A day and more.
    Older,
}
words!(AgeBin { H1 = "h1", H3 = "h3", H6 = "h6", H12 = "h12", H24 = "h24", Older = "older" });

impl AgeBin {
    /// The bin of a time seen from `at`; a time after `at` is as good as now.
    pub fn of(last: Timestamp, at: Timestamp) -> AgeBin {
        const HOUR: i64 = 3_600_000_000;
        match at.since(last) {
            a if a < HOUR => AgeBin::H1,
            a if a < 3 * HOUR => AgeBin::H3,
            a if a < 6 * HOUR => AgeBin::H6,
            a if a < 12 * HOUR => AgeBin::H12,
            a if a < 24 * HOUR => AgeBin::H24,
            _ => AgeBin::Older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_secs(1_768_350_600);

    fn ago(minutes: u64) -> Timestamp {
        NOW.minus(Duration::from_secs(60 * minutes))
    }

    fn worked(metres: f32, minutes: u64) -> DirState {
        DirState { cover: [(0.0, metres)].into_iter().collect(), last_work: Some(ago(minutes)), passes: 1 }
    }

    fn judge(required: Directions, event: bool, stale: bool, a: &DirState, b: &DirState) -> Status {
        status(&Facts { required, length_m: 100.0, event, stale, dirs: [a, b], at: NOW })
    }

    #[test]
    fn every_state_by_its_rule() {
        let none = DirState::default();
        let both = Directions::Both;
        assert_eq!(judge(Directions::None, true, false, &worked(100.0, 1), &none), Status::OutOfScope);
        assert_eq!(judge(both, true, false, &none, &none), Status::NotCleared);
        assert_eq!(judge(both, true, true, &none, &none), Status::NoData, "a silent source");
        assert_eq!(judge(both, false, false, &none, &none), Status::NoData, "no event");
        assert_eq!(
            judge(both, true, false, &worked(100.0, 5), &none),
            Status::Working,
            "5 min 0 s is working"
        );
        assert_eq!(judge(both, true, false, &worked(100.0, 6), &none), Status::Partial, "one direction only");
        assert_eq!(judge(both, true, false, &worked(80.0, 6), &worked(80.0, 9)), Status::Cleared);
        assert_eq!(judge(both, true, false, &worked(79.9, 6), &worked(100.0, 9)), Status::Partial);
        assert_eq!(judge(Directions::Forward, true, false, &worked(90.0, 6), &none), Status::Cleared);
        assert_eq!(judge(Directions::Backward, true, false, &worked(90.0, 6), &none), Status::Partial);
        assert_eq!(
            judge(both, true, true, &worked(90.0, 600), &worked(90.0, 600)),
            Status::Cleared,
            "a silent source does not undo work"
        );
    }

    #[test]
    fn exactly_three_hours_are_three_to_six() {
        assert_eq!(AgeBin::of(ago(180), NOW), AgeBin::H6);
        assert_eq!(AgeBin::of(ago(179), NOW), AgeBin::H3);
        assert_eq!(AgeBin::of(ago(60), NOW), AgeBin::H3);
        assert_eq!(AgeBin::of(ago(0), NOW), AgeBin::H1);
        assert_eq!(AgeBin::of(ago(24 * 60), NOW), AgeBin::Older);
        assert_eq!(AgeBin::of(NOW.plus(Duration::from_secs(9)), NOW), AgeBin::H1);
    }

    proptest! {
        #[test]
        fn more_work_never_makes_it_worse(m in 0f32..100.0, more in 0f32..100.0, other in 0f32..100.0) {
            let rank = |s: Status| match s {
                Status::Cleared => 3, Status::Working => 2, Status::Partial => 1, _ => 0,
            };
            let mut a = worked(m, 30);
            let b = worked(other, 40);
            let before = rank(judge(Directions::Both, true, false, &a, &b));
            a.cover.add(50.0, more);
            prop_assert!(rank(judge(Directions::Both, true, false, &a, &b)) >= before);
        }
    }
}
