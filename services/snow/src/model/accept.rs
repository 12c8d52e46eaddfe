//! Which reports are taken into the log, and why the others are not.

use std::time::Duration;

use kenroku_roads::geo::Point;
use kenroku_types::Timestamp;

use super::words::words;
use super::{Report, Task};

/// A device's clock may be ahead by this much.
pub const CLOCK_AHEAD: Duration = Duration::from_secs(5 * 60);
/// Late reports are taken for this long, and the state is computed again.
pub const LATE: Duration = Duration::from_secs(48 * 3600);
/// No plough is faster, km/h.
pub const MAX_KMH: f64 = 120.0;
/// Longest text of what else a device sent, bytes.
pub const MAX_EXTRA: usize = 1024;

/// Why a row is not taken. It is kept in the quarantine with this word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refused {
    /// Not the form of a row.
    Malformed,
    /// The clock of the device is ahead.
    ClockAhead,
    /// Older than 48 hours.
    TooLate,
    /// Latitude and longitude zero: the receiver has no fix.
    NoFix,
    /// Not a place on the globe.
    NotAPlace,
    /// Far from every road of the network.
    Elsewhere,
    /// Faster than a plough can be.
    TooFast,
}
words!(Refused {
    Malformed = "snow.row-malformed",
    ClockAhead = "snow.clock-ahead",
    TooLate = "snow.too-late",
    NoFix = "snow.no-fix",
    NotAPlace = "snow.not-a-place",
    Elsewhere = "snow.elsewhere",
    TooFast = "snow.too-fast",
});

impl Refused {
    /// What was wrong and what would be taken.
    pub const fn detail(self) -> &'static str {
        match self {
            Refused::Malformed => "The row cannot be read; compare it with the operation in /openapi.json.",
            Refused::ClockAhead => "The time lies more than 5 minutes in the future; set the device's clock.",
            Refused::TooLate => "The time lies more than 48 hours back; such rows are counted but not used.",
            Refused::NoFix => "Latitude and longitude are 0: the receiver had no fix.",
            Refused::NotAPlace => "Latitude is −90…90 and longitude −180…180, in degrees.",
            Refused::Elsewhere => "The place is far from every road of this network.",
            Refused::TooFast => "Faster than 120 km/h: no plough is.",
        }
    }
}

/// Where reports are taken from: the box around the network with some room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    min: Point,
    max: Point,
}

impl Area {
    /// Room around the network, 1e-7 degree (half a degree, about 50 km).
    const ROOM: i32 = 5_000_000;

    /// Japan with its seas, where no network is known.
    pub const JAPAN: Area =
        Area { min: Point::new(1_220_000_000, 200_000_000), max: Point::new(1_540_000_000, 460_000_000) };

    /// The area around these places.
    pub fn around<'a>(points: impl IntoIterator<Item = &'a Point>) -> Option<Self> {
        let mut points = points.into_iter();
        let first = *points.next()?;
        let (min, max) = points.fold((first, first), |(lo, hi), p| {
            (
                Point::new(lo.lon.min(p.lon), lo.lat.min(p.lat)),
                Point::new(hi.lon.max(p.lon), hi.lat.max(p.lat)),
            )
        });
        let less = |v: i32| v.saturating_sub(Self::ROOM);
        let more = |v: i32| v.saturating_add(Self::ROOM);
        Some(Area {
            min: Point::new(less(min.lon), less(min.lat)),
            max: Point::new(more(max.lon), more(max.lat)),
        })
    }

    fn has(&self, p: Point) -> bool {
        (self.min.lon..=self.max.lon).contains(&p.lon) && (self.min.lat..=self.max.lat).contains(&p.lat)
    }
}

/// A report that is taken: what the log keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub point: Point,
    /// m/s.
    pub speed: Option<f32>,
    /// Degrees clockwise from north.
    pub heading: Option<f32>,
    /// Horizontal dilution of precision, from the accuracy where that is all there is.
    pub hdop: Option<f32>,
    /// The work signal.
    pub work: Option<bool>,
    /// What is being done.
    pub task: Option<Task>,
    /// Made up by the phone.
    pub mock: bool,
    /// What else the device sent.
    pub extra: Option<String>,
}

/// Checks a report against the clock and the area.
///
/// # Errors
/// Why it is not taken.
pub fn check(r: Report, now: Timestamp, area: &Area) -> Result<Verdict, Refused> {
    if r.at > now.plus(CLOCK_AHEAD) {
        return Err(Refused::ClockAhead);
    }
    if r.at < now.minus(LATE) {
        return Err(Refused::TooLate);
    }
    // Around 0/0 lies open sea; receivers without a fix report exactly there.
    if r.lat.abs() < 1e-3 && r.lon.abs() < 1e-3 {
        return Err(Refused::NoFix);
    }
    let point = Point::from_degrees(r.lon, r.lat).ok_or(Refused::NotAPlace)?;
    if !area.has(point) {
        return Err(Refused::Elsewhere);
    }
    let known = |v: &f64| v.is_finite() && *v >= 0.0;
    let speed = r.speed_mps.filter(known);
    if speed.is_some_and(|s| s * 3.6 > MAX_KMH) {
        return Err(Refused::TooFast);
    }
    let hdop = r.hdop.filter(known).or(r.accuracy_m.filter(known).map(|m| m / 4.0));
    Ok(Verdict {
        at: r.at,
        point,
        speed: speed.map(|s| s as f32),
        heading: r.heading_deg.filter(|h| (0.0..=360.0).contains(h)).map(|h| h as f32),
        hdop: hdop.map(|h| h.min(100.0) as f32),
        work: r.work,
        task: r.task,
        mock: r.mock,
        extra: r.extra.filter(|e| e.len() <= MAX_EXTRA),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_768_350_600);

    fn area() -> Area {
        Area::around(&[Point::new(1_364_000_000, 363_000_000), Point::new(1_370_000_000, 375_000_000)])
            .unwrap()
    }

    fn judged(change: impl FnOnce(&mut Report)) -> Result<Verdict, Refused> {
        let mut r = Report::new(NOW, 36.44, 136.54);
        change(&mut r);
        check(r, NOW, &area())
    }

    #[test]
    fn refusals_beside_what_is_taken() {
        let s = Duration::from_secs;
        assert!(judged(|r| r.at = NOW.plus(s(300))).is_ok());
        assert_eq!(judged(|r| r.at = NOW.plus(s(301))), Err(Refused::ClockAhead));
        assert!(judged(|r| r.at = NOW.minus(s(47 * 3600))).is_ok());
        assert_eq!(judged(|r| r.at = NOW.minus(s(49 * 3600))), Err(Refused::TooLate));
        assert_eq!(judged(|r| (r.lat, r.lon) = (0.0, 0.0)), Err(Refused::NoFix));
        assert_eq!(judged(|r| r.lat = f64::NAN), Err(Refused::NotAPlace));
        assert_eq!(judged(|r| r.lat = 136.0), Err(Refused::NotAPlace));
        assert_eq!(judged(|r| (r.lat, r.lon) = (35.68, 139.76)), Err(Refused::Elsewhere), "Tokyo");
        assert!(judged(|r| r.speed_mps = Some(33.3)).is_ok());
        assert_eq!(judged(|r| r.speed_mps = Some(300.0 / 3.6)), Err(Refused::TooFast));
    }

    #[test]
    fn unknown_values_are_left_out_and_the_report_kept() {
        let v = judged(|r| (r.speed_mps, r.heading_deg) = (Some(-1.0), Some(-1.0))).unwrap();
        assert_eq!((v.speed, v.heading), (None, None));
        assert_eq!(judged(|r| r.heading_deg = Some(361.0)).unwrap().heading, None);
        assert_eq!(judged(|r| r.accuracy_m = Some(8.0)).unwrap().hdop, Some(2.0));
        assert!(judged(|r| r.mock = true).unwrap().mock);
    }
}
