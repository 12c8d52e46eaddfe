//! [`Cron`]: five fields in Japan time, “30 4 * * mon-fri”.
//!
//! The fields of POSIX crontab(5): minute 0–59, hour 0–23, day of month 1–31, month 1–12 or jan–dec, day of week 0–7 or
//! sun–sat (0 and 7 are Sunday). Each is `*`, or a list of values and ranges; `/n` after `*` or a range takes every
//! n-th. When both days are restricted (neither is `*`) either suffices, as POSIX says. Japan has no summer time, so
//! every local minute exists exactly once.

use std::fmt;
use std::str::FromStr;

use kenroku_types::{JapaneseDate, Timestamp};

/// Why a text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not five fields.
    #[error("write five fields: minute, hour, day of month, month, day of week; “{0}” has {1}")]
    Fields(String, usize),
    /// A field cannot be read.
    #[error(
        "“{text}” is not a {field}; write *, a value from {from} to {to}, a range 1-5, a step */10 or 1-10/2, or a list of those"
    )]
    Field {
        /// Which field.
        field: &'static str,
        /// As written.
        text: String,
        /// Smallest value.
        from: u8,
        /// Largest value.
        to: u8,
    },
    /// No such day exists.
    #[error("“{0}” never happens: no such day is in any year")]
    Never(String),
}

/// A schedule: sets of minutes, hours and days in Japan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// The day of the month, or the day of the week, is restricted.
    by_day: bool,
    by_weekday: bool,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// 29 February comes after eight years at the latest (2096–2104).
const SEARCH_DAYS: i32 = 366 * 9;

struct Field {
    name: &'static str,
    from: u8,
    to: u8,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", from: 0, to: 59, names: &[] },
    Field { name: "hour", from: 0, to: 23, names: &[] },
    Field { name: "day of month", from: 1, to: 31, names: &[] },
    Field { name: "month", from: 1, to: 12, names: &MONTHS },
    Field { name: "day of week", from: 0, to: 7, names: &WEEKDAYS },
];

impl Field {
    fn value(&self, s: &str) -> Option<u8> {
        let named = self.names.iter().position(|n| n.eq_ignore_ascii_case(s));
        let v = match named {
            Some(i) => u8::try_from(i).ok()? + self.from,
            None if s.is_empty() || s.len() > 2 || !s.bytes().all(|b| b.is_ascii_digit()) => return None,
            None => s.parse().ok()?,
        };
        (self.from..=self.to).contains(&v).then_some(v)
    }

    fn part(&self, s: &str) -> Option<u64> {
        let (range, step) = match s.split_once('/') {
            Some((r, n)) if n.len() <= 2 && n.bytes().all(|b| b.is_ascii_digit()) => {
                (r, Some(n.parse::<u8>().ok().filter(|n| *n > 0)?))
            }
            Some(_) => return None,
            None => (s, None),
        };
        let (a, b) = match range.split_once('-') {
            Some((a, b)) => (self.value(a)?, self.value(b)?),
            None if range == "*" => (self.from, self.to),
            // A step needs something to step through.
            None if step.is_some() => return None,
            None => (self.value(range)?, self.value(range)?),
        };
        if a > b {
            return None;
        }
        Some((a..=b).step_by(usize::from(step.unwrap_or(1))).fold(0, |set, v| set | 1 << v))
    }

    fn set(&self, s: &str) -> Result<u64, CronError> {
        s.split(',').try_fold(0, |set, p| self.part(p).map(|p| set | p)).ok_or_else(|| CronError::Field {
            field: self.name,
            text: s.chars().take(40).collect(),
            from: self.from,
            to: self.to,
        })
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(s: &str) -> Result<Self, CronError> {
        let short: String = s.chars().take(80).collect();
        let parts: Vec<&str> = s.split_ascii_whitespace().collect();
        let Ok([minute, hour, day, month, weekday]) = <[&str; 5]>::try_from(parts.as_slice()) else {
            return Err(CronError::Fields(short, parts.len()));
        };
        let mut weekdays = FIELDS[4].set(weekday)?;
        weekdays = (weekdays | weekdays >> 7) & 0x7f;
        let cron = Cron {
            text: [minute, hour, day, month, weekday].join(" "),
            minutes: FIELDS[0].set(minute)?,
            hours: FIELDS[1].set(hour)?,
            days: FIELDS[2].set(day)?,
            months: FIELDS[3].set(month)?,
            weekdays,
            by_day: day != "*",
            by_weekday: weekday != "*",
        };
        cron.possible().then_some(cron).ok_or(CronError::Never(short))
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Cron {
    /// Whether any day of any year can match.
    fn possible(&self) -> bool {
        let longest = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        self.by_weekday
            || longest.iter().enumerate().any(|(i, days)| {
                self.months & 1 << (i + 1) != 0 && (1..=*days).any(|d| self.days & 1u64 << d != 0)
            })
    }

    fn matches_day(&self, d: JapaneseDate) -> bool {
        let (_, m, day) = d.ymd();
        let weekday = d.weekday();
        let (by_day, by_weekday) = (self.days & 1 << day != 0, self.weekdays & 1 << weekday != 0);
        let day = if self.by_day && self.by_weekday { by_day || by_weekday } else { by_day && by_weekday };
        self.months & 1 << m != 0 && day
    }

    /// The first instant after `t` at which it is due; `None` only at the end of the calendar (year 9999).
    pub fn next_after(&self, t: Timestamp) -> Option<Timestamp> {
        const MINUTE: i64 = 60;
        let jst = t.jst();
        let mut date = JapaneseDate::new(jst.year, jst.month, jst.day).ok()?;
        let mut after = Some((jst.hour, jst.minute));
        for _ in 0..SEARCH_DAYS {
            if self.matches_day(date) {
                let midnight = date.start();
                for h in (0..24u8).filter(|h| self.hours & 1 << h != 0) {
                    for m in (0..60u8).filter(|m| self.minutes & 1 << m != 0) {
                        if after.is_none_or(|a| (h, m) > a) {
                            let s = i64::from(h) * 3600 + i64::from(m) * MINUTE;
                            return Some(Timestamp::from_secs(midnight.secs() + s));
                        }
                    }
                }
            }
            after = None;
            date = date.plus_days(1)?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(s: &str) -> Timestamp {
        s.parse().unwrap()
    }

    fn next(cron: &str, after: &str) -> String {
        let t = cron.parse::<Cron>().unwrap().next_after(at(after)).unwrap();
        let d = t.jst();
        format!("{:04}-{:02}-{:02} {:02}:{:02}", d.year, d.month, d.day, d.hour, d.minute)
    }

    #[test]
    fn japan_time_and_strictly_later() {
        assert_eq!(next("30 4 * * *", "2026-01-14T04:29:59"), "2026-01-14 04:30");
        assert_eq!(next("30 4 * * *", "2026-01-14T04:30:00"), "2026-01-15 04:30");
        assert_eq!(next("0 0 * * *", "2025-12-31T14:59:59Z"), "2026-01-01 00:00");
        assert_eq!(next("* * * * *", "2026-01-14T04:30:00.000001"), "2026-01-14 04:31");
    }

    #[test]
    fn ranges_steps_lists_and_names() {
        assert_eq!(next("*/20 9-17/4 * * *", "2026-01-14T09:41:00"), "2026-01-14 13:00");
        assert_eq!(next("5,35 8 * * mon-fri", "2026-01-16T08:35:00"), "2026-01-19 08:05");
        assert_eq!(next("0 9 1 apr,Oct *", "2026-04-01T09:00:00"), "2026-10-01 09:00");
        assert_eq!(next("0 9 * * 7", "2026-01-14T00:00:00"), "2026-01-18 09:00");
        assert_eq!(next("0 9 * * 5-7", "2026-01-18T09:00:00"), "2026-01-23 09:00");
        assert_eq!(next("0 9 * * 0", "2026-01-14T00:00:00"), "2026-01-18 09:00");
    }

    #[test]
    fn days_that_are_rare_or_never() {
        assert_eq!(next("0 0 29 2 *", "2026-03-01T00:00:00"), "2028-02-29 00:00");
        assert_eq!(next("0 0 29 2 *", "2096-02-29T00:00:00"), "2104-02-29 00:00");
        assert_eq!(next("0 0 31 * *", "2026-01-31T00:00:00"), "2026-03-31 00:00");
        for never in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 30,31 feb *"] {
            assert_eq!(never.parse::<Cron>(), Err(CronError::Never(never.to_owned())));
        }
        assert!("0 0 29,30 2 *".parse::<Cron>().is_ok());
        assert!("0 0 30 2 mon".parse::<Cron>().is_ok(), "the Mondays of February");
    }

    #[test]
    fn either_day_suffices_when_both_are_restricted() {
        // crontab(5): “0 0 1,15 * 1” is the 1st, the 15th and every Monday.
        let mut t = "2026-01-14T12:00:00".to_owned();
        let mut seen = Vec::new();
        for _ in 0..5 {
            t = next("0 0 1,15 * 1", &t).replace(' ', "T") + ":00";
            seen.push(t[5..10].to_owned());
        }
        assert_eq!(seen, ["01-15", "01-19", "01-26", "02-01", "02-02"]);
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        for bad in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * * 8",
            "5/10 * * * *",
            "*/0 * * * *",
            "5-1 * * * *",
            "1,,2 * * * *",
            "a * * * *",
            "-1 * * * *",
            "* * * * fri-mon",
            "@daily",
            "1- * * * *",
            "+1 * * * *",
            "*/100 * * * *",
            "＊ * * * *",
        ] {
            assert!(bad.parse::<Cron>().is_err(), "{bad}");
        }
    }

    /// Another reading of the same rules, minute by minute.
    fn brute(fields: [&[u8]; 5], stars: (bool, bool), after: Timestamp, until: i64) -> Option<Timestamp> {
        let first = after.secs().div_euclid(60) + 1;
        (first..first + until).map(|m| Timestamp::from_secs(m * 60)).find(|t| {
            let d = t.jst();
            let (day, weekday) = (fields[2].contains(&d.day), fields[4].contains(&d.weekday));
            let date = match stars {
                (true, true) => true,
                (true, false) => weekday,
                (false, true) => day,
                (false, false) => day || weekday,
            };
            fields[0].contains(&d.minute)
                && fields[1].contains(&d.hour)
                && fields[3].contains(&d.month)
                && date
        })
    }

    fn list(from: u8, to: u8) -> impl Strategy<Value = (String, Vec<u8>)> {
        let all: Vec<u8> = (from..=to).collect();
        let some = proptest::collection::btree_set(from..=to, 1..4).prop_map(|s| {
            (s.iter().map(u8::to_string).collect::<Vec<_>>().join(","), s.into_iter().collect())
        });
        let range = (from..=to, from..=to, 1u8..9).prop_map(|(a, b, n)| {
            let (a, b) = (a.min(b), a.max(b));
            (format!("{a}-{b}/{n}"), (a..=b).filter(|v| (v - a) % n == 0).collect())
        });
        prop_oneof![Just(("*".to_owned(), all)), some, range]
    }

    proptest! {
        #[test]
        fn agrees_with_looking_at_every_minute(
            (mi, mis) in list(0, 59), (h, hs) in list(0, 23), (d, ds) in list(1, 31), (mo, mos) in list(1, 12),
            (w, ws) in list(0, 6), start in 1_700_000_000i64..1_900_000_000,
        ) {
            const DAYS: i64 = 70 * 24 * 60;
            let after = Timestamp::from_secs(start);
            let brute = brute([&mis, &hs, &ds, &mos, &ws], (d == "*", w == "*"), after, DAYS);
            match format!("{mi} {h} {d} {mo} {w}").parse::<Cron>() {
                Ok(c) => {
                    let own = c.next_after(after).filter(|t| t.secs() <= (after.secs().div_euclid(60) + DAYS) * 60);
                    prop_assert_eq!(own, brute, "{}", c);
                }
                Err(e) => {
                    prop_assert!(matches!(e, CronError::Never(_)), "{}", e);
                    prop_assert_eq!(brute, None);
                }
            }
        }

        #[test]
        fn never_panics(s in "\\PC{0,40}", t in -60_000_000_000i64..250_000_000_000) {
            if let Ok(c) = s.parse::<Cron>() {
                let _ = c.next_after(Timestamp::from_secs(t));
            }
        }
    }
}
