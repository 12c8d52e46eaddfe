//! Time as a value: [`Timestamp`] (UTC microseconds), [`Clock`] (injected), Japan time at the edge.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant: microseconds since 1970-01-01T00:00:00Z. This is the form in the database; RFC 3339 is the
/// form at the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Japan Standard Time is UTC+9 all year (no summer time since 1952), so no time-zone database is needed.
pub const JST_OFFSET_SECONDS: i64 = 9 * 3600;

/// 9999-12-31T23:59:59Z, the last instant RFC 3339 can write.
const MAX_MICROS: i64 = 253_402_300_799_000_000;
/// 0001-01-01T00:00:00Z.
const MIN_MICROS: i64 = -62_135_596_800_000_000;

impl Timestamp {
    /// The epoch, 1970-01-01T00:00:00Z.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// From UTC microseconds, clamped to what RFC 3339 can express (years 1–9999).
    pub const fn from_micros(us: i64) -> Self {
        if us > MAX_MICROS {
            Timestamp(MAX_MICROS)
        } else if us < MIN_MICROS {
            Timestamp(MIN_MICROS)
        } else {
            Timestamp(us)
        }
    }

    /// From whole UTC seconds.
    pub const fn from_secs(s: i64) -> Self {
        Self::from_micros(s.saturating_mul(1_000_000))
    }

    /// UTC microseconds.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole UTC seconds, rounded towards the past.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// `self - earlier` in microseconds; negative when `earlier` is later.
    pub const fn since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Adds a span, saturating at the ends of the representable range.
    #[must_use]
    pub fn plus(self, d: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Subtracts a span, saturating at the ends of the representable range.
    #[must_use]
    pub fn minus(self, d: Duration) -> Self {
        Self::from_micros(self.0.saturating_sub(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The wall clock in Japan at this instant.
    pub fn jst(self) -> JstDateTime {
        JstDateTime::of(self)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with microseconds only when they are not zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = JstDateTime::at_offset(*self, 0);
        write!(f, "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", d.year, d.month, d.day, d.hour, d.minute, d.second)?;
        let us = self.0.rem_euclid(1_000_000);
        if us != 0 {
            let text = format!("{us:06}");
            write!(f, ".{}", text.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// Why a text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is not a time; write RFC 3339, for example 2026-01-14T09:30:00+09:00")]
pub struct TimeError(String);

impl FromStr for Timestamp {
    type Err = TimeError;

    /// RFC 3339 with any offset. A date-time without an offset is taken as Japan time (docs/api-design.md).
    fn from_str(s: &str) -> Result<Self, TimeError> {
        let err = || TimeError(s.chars().take(64).collect());
        if let Ok(t) = s.parse::<jiff::Timestamp>() {
            return Ok(Timestamp::from_micros(t.as_microsecond()));
        }
        let civil: jiff::civil::DateTime = s.parse().map_err(|_| err())?;
        let offset = jiff::tz::Offset::from_seconds(JST_OFFSET_SECONDS as i32).map_err(|_| err())?;
        let t = offset.to_timestamp(civil).map_err(|_| err())?;
        Ok(Timestamp::from_micros(t.as_microsecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = std::borrow::Cow::<'de, str>::deserialize(d)?;
        s.parse().map_err(serde::de::Error::custom)
    }
}

/// The wall clock at a fixed offset from UTC, by default Japan's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JstDateTime {
    /// Proleptic Gregorian year.
    pub year: i32,
    /// 1–12.
    pub month: u8,
    /// 1–31.
    pub day: u8,
    /// 0–23.
    pub hour: u8,
    /// 0–59.
    pub minute: u8,
    /// 0–59.
    pub second: u8,
    /// 0 = Sunday … 6 = Saturday.
    pub weekday: u8,
}

impl JstDateTime {
    fn of(t: Timestamp) -> Self {
        Self::at_offset(t, JST_OFFSET_SECONDS)
    }

    fn at_offset(t: Timestamp, offset: i64) -> Self {
        let secs = t.secs() + offset;
        let (days, rest) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        JstDateTime {
            year,
            month,
            day,
            hour: (rest / 3600) as u8,
            minute: (rest % 3600 / 60) as u8,
            second: (rest % 60) as u8,
            weekday: (days + 4).rem_euclid(7) as u8,
        }
    }

    /// The instant of this wall-clock time in Japan.
    pub fn timestamp(&self) -> Timestamp {
        let days = days_from_civil(self.year, self.month, self.day);
        let secs = days * 86_400
            + i64::from(self.hour) * 3600
            + i64::from(self.minute) * 60
            + i64::from(self.second)
            - JST_OFFSET_SECONDS;
        Timestamp::from_secs(secs)
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant's published algorithm).
pub(crate) fn days_from_civil(y: i32, m: u8, d: u8) -> i64 {
    let y = i64::from(y) - i64::from(m <= 2);
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * ((i64::from(m) + 9) % 12) + 2) / 5 + i64::from(d) - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// The inverse of [`days_from_civil`].
pub(crate) fn civil_from_days(z: i64) -> (i32, u8, u8) {
    let z = z + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let d = (doy - (153 * mp + 2) / 5 + 1) as u8;
    let m = (if mp < 10 { mp + 3 } else { mp - 9 }) as u8;
    ((yoe + era * 400 + i64::from(m <= 2)) as i32, m, d)
}

/// Where “now” comes from. Clone it freely; clones of a fixed clock share its hand.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Clock(Source::System)
    }

    /// A clock that stands at `t` until [`Clock::advance`] or [`Clock::set`] moves it.
    pub fn fixed(t: Timestamp) -> Self {
        Clock(Source::Fixed(Arc::new(AtomicI64::new(t.micros()))))
    }

    /// The present instant.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system clock")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let us = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX));
                Timestamp::from_micros(us)
            }
            Source::Fixed(us) => Timestamp::from_micros(us.load(Ordering::SeqCst)),
        }
    }

    /// Nanoseconds on a clock that never goes back, for measuring spans. On a fixed clock it follows the hand.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the monotonic clock")]
    pub fn monotonic(&self) -> Duration {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        match &self.0 {
            Source::System => START.get_or_init(std::time::Instant::now).elapsed(),
            Source::Fixed(us) => Duration::from_micros(u64::try_from(us.load(Ordering::SeqCst)).unwrap_or(0)),
        }
    }

    /// Moves a fixed clock forward; the system clock is not moved.
    pub fn advance(&self, d: Duration) {
        if let Source::Fixed(us) = &self.0 {
            us.fetch_add(i64::try_from(d.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }

    /// Sets a fixed clock; the system clock is not moved.
    pub fn set(&self, t: Timestamp) {
        if let Source::Fixed(us) = &self.0 {
            us.store(t.micros(), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn writes_and_reads_rfc_3339() {
        let t = Timestamp::from_secs(1_768_350_600);
        assert_eq!(t.to_string(), "2026-01-14T00:30:00Z");
        assert_eq!("2026-01-14T09:30:00+09:00".parse::<Timestamp>().unwrap(), t);
        assert_eq!("2026-01-14T09:30:00".parse::<Timestamp>().unwrap(), t, "no zone means Japan");
        assert_eq!(Timestamp::from_micros(1_500_000).to_string(), "1970-01-01T00:00:01.5Z");
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn japan_time_and_weekday() {
        let d = Timestamp::from_secs(1_768_350_600).jst();
        assert_eq!((d.year, d.month, d.day, d.hour, d.minute, d.weekday), (2026, 1, 14, 9, 30, 3));
    }

    #[test]
    fn fixed_clock_moves_only_by_hand() {
        let c = Clock::fixed(Timestamp::EPOCH);
        let other = c.clone();
        c.advance(Duration::from_secs(5));
        assert_eq!(other.now(), Timestamp::from_secs(5));
    }

    proptest! {
        #[test]
        fn civil_days_round_trip(days in -700_000i64..2_900_000) {
            let (y, m, d) = civil_from_days(days);
            prop_assert_eq!(days_from_civil(y, m, d), days);
        }

        #[test]
        fn text_round_trip(us in MIN_MICROS..MAX_MICROS) {
            let t = Timestamp::from_micros(us);
            prop_assert_eq!(t.to_string().parse::<Timestamp>().unwrap(), t);
        }

        #[test]
        fn jst_round_trip(s in 0i64..4_000_000_000) {
            let t = Timestamp::from_secs(s);
            prop_assert_eq!(t.jst().timestamp(), t);
        }
    }
}
