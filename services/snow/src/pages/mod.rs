//! The pages: the list with its map, one segment, the desk's board, its devices, what could not be used.

pub mod devices;
pub mod list;
pub mod refused;
pub mod segment;
pub mod staff;

use std::time::Duration;

use kenroku_roads::model::{Direction, Manager, Segment};
use kenroku_types::Timestamp;
use kenroku_ui::parts::{Age, State};
use kenroku_ui::{Page, Phrase};

use crate::board::{SegmentView, View};
use crate::model::{AgeBin, Status};

/// A state's colour and pattern.
pub const fn look(s: Status) -> State {
    match s {
        Status::Cleared => State::Done,
        Status::Working => State::Doing,
        Status::Partial => State::Part,
        Status::NotCleared => State::Todo,
        Status::NoData => State::Unknown,
        Status::OutOfScope => State::Out,
    }
}

/// A state's word.
pub fn word(page: &Page, s: Status) -> Phrase {
    let key = match s {
        Status::Cleared => "snow-state-done",
        Status::Working => "snow-state-doing",
        Status::Partial => "snow-state-part",
        Status::NotCleared => "snow-state-todo",
        Status::NoData => "snow-state-unknown",
        Status::OutOfScope => "snow-state-out",
    };
    page.t(key).phrase()
}

/// What a state means.
pub fn meaning(page: &Page, s: Status) -> Phrase {
    let key = match s {
        Status::Cleared => "snow-means-done",
        Status::Working => "snow-means-doing",
        Status::Partial => "snow-means-part",
        Status::NotCleared => "snow-means-todo",
        Status::NoData => "snow-means-unknown",
        Status::OutOfScope => "snow-means-out",
    };
    page.t(key).phrase()
}

/// An elapsed time's colour and pattern.
pub const fn age_look(age: Option<AgeBin>) -> Age {
    match age {
        Some(AgeBin::H1) => Age::H1,
        Some(AgeBin::H3) => Age::H3,
        Some(AgeBin::H6) => Age::H6,
        Some(AgeBin::H12) => Age::H12,
        Some(AgeBin::H24) => Age::H24,
        Some(AgeBin::Older) => Age::Older,
        None => Age::Never,
    }
}

/// An elapsed time's words.
pub fn age_word(page: &Page, age: Option<AgeBin>) -> Phrase {
    let key = match age {
        Some(AgeBin::H1) => "snow-age-h1",
        Some(AgeBin::H3) => "snow-age-h3",
        Some(AgeBin::H6) => "snow-age-h6",
        Some(AgeBin::H12) => "snow-age-h12",
        Some(AgeBin::H24) => "snow-age-h24",
        Some(AgeBin::Older) => "snow-age-older",
        None => "snow-age-none",
    };
    page.t(key).phrase()
}

/// Who is responsible, as a filter's choice.
pub fn manager_word(page: &Page, m: Manager) -> Phrase {
    let key = match m {
        Manager::National => "snow-manager-national",
        Manager::Expressway => "snow-manager-expressway",
        Manager::Prefecture => "snow-manager-prefecture",
        Manager::Municipality => "snow-manager-municipality",
        Manager::Other => "snow-manager-other",
    };
    page.t(key).phrase()
}

/// A segment's name: its own, its route's, or its number.
pub fn name(page: &Page, index: u32, s: &Segment) -> Phrase {
    match s.name.as_deref().or(s.route_no.as_deref()) {
        Some(name) => Phrase::text(name),
        None => page.ta("snow-unnamed", [("n", index)]).phrase(),
    }
}

/// Route and manager on one line.
pub fn route_line(page: &Page, s: &Segment) -> Phrase {
    let manager = manager_word(page, s.manager);
    match s.route_no.as_deref() {
        Some(route) => page.t("snow-route").with("route", route).with("manager", manager).phrase(),
        None => page.ta("snow-managed", [("manager", manager)]).phrase(),
    }
}

/// Where a direction leads: the place at its end where the name tells, else the compass.
pub fn heading(page: &Page, s: &Segment, d: Direction) -> Phrase {
    if let Some((from, to)) = s.name.as_deref().and_then(|n| n.split_once(" – ")) {
        let place = if d == Direction::Forward { to } else { from };
        return page.ta("snow-towards", [("place", Phrase::text(place))]).phrase();
    }
    let (a, b) = match (s.points.first(), s.points.last()) {
        (Some(a), Some(b)) if d == Direction::Forward => (a, b),
        (Some(a), Some(b)) => (b, a),
        _ => return page.t("snow-north").phrase(),
    };
    let (east, north) = (f64::from(b.lon - a.lon) * 0.8, f64::from(b.lat - a.lat));
    let key = match (east.abs() > north.abs(), east > 0.0, north > 0.0) {
        (true, true, _) => "snow-east",
        (true, false, _) => "snow-west",
        (false, _, true) => "snow-north",
        (false, _, false) => "snow-south",
    };
    page.t(key).phrase()
}

/// A direction and when it was last worked.
pub struct Way {
    /// Where it leads.
    pub to: Phrase,
    /// When, in words.
    pub when: Phrase,
}

/// The directions that need clearing, or both with “—” where none does.
pub fn ways(page: &Page, view: &View, s: &Segment, v: &SegmentView) -> Vec<Way> {
    let both = |key: &str| vec![Way { to: page.t("snow-both").phrase(), when: page.t(key).phrase() }];
    match v.status {
        Status::OutOfScope => return both("snow-none"),
        Status::NoData => return both("snow-unknown"),
        Status::NotCleared => return both("snow-not-yet"),
        Status::Cleared | Status::Working | Status::Partial => {}
    }
    [Direction::Forward, Direction::Backward]
        .into_iter()
        .filter(|d| s.required.has(*d))
        .map(|d| {
            let when = match v.dirs[d.bit() as usize].last_work {
                Some(t)
                    if v.status == Status::Working && t.plus(crate::model::status::WORKING) >= view.at =>
                {
                    page.t("snow-working-now").phrase()
                }
                Some(t) => moment(page, t, view.at),
                None => page.t("snow-not-yet").phrase(),
            };
            Way { to: heading(page, s, d), when }
        })
        .collect()
}

/// A time, with its day when that is another one.
pub fn moment(page: &Page, t: Timestamp, now: Timestamp) -> Phrase {
    let (a, b) = (t.jst(), now.jst());
    if (a.year, a.month, a.day) == (b.year, b.month, b.day) { page.time(t) } else { page.day_time(t) }
}

/// How long ago, in words.
pub fn ago(page: &Page, t: Timestamp, now: Timestamp) -> Phrase {
    let secs = now.since(t).max(0) / 1_000_000;
    match secs {
        0..60 => page.ta("snow-seconds-ago", [("n", secs)]),
        60..7200 => page.ta("snow-minutes-ago", [("n", secs / 60)]),
        _ => page.ta("snow-hours-ago", [("n", secs / 3600)]),
    }
    .phrase()
}

/// The delay in words; empty when there is none.
pub fn delay(page: &Page, d: Duration) -> Phrase {
    match d.as_secs() {
        0 => Phrase::default(),
        s if s < 120 => page.ta("snow-delay-seconds", [("n", s)]).phrase(),
        s => page.ta("snow-delay-minutes", [("n", s / 60)]).phrase(),
    }
}
