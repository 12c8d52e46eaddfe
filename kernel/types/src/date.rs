//! [`JapaneseDate`]: a calendar date that reads and writes 和暦 as well as ISO 8601.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::clock::{civil_from_days, days_from_civil};
use crate::{JstDateTime, Timestamp};

/// A calendar date in Japan, from 1873-01-01 (明治6年, when the Gregorian calendar began: 太政官布告第337号)
/// to 9999-12-31.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JapaneseDate {
    days: i32,
}

/// An era name (元号法; earlier eras by 一世一元の詔).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Era {
    /// 令和, 平成 …
    pub kanji: &'static str,
    /// R, H, S, T, M as used on forms.
    pub letter: char,
    /// Romanised name.
    pub roman: &'static str,
    /// First day: year, month, day.
    start: (i32, u8, u8),
}

/// Newest first.
const ERAS: [Era; 5] = [
    Era { kanji: "令和", letter: 'R', roman: "Reiwa", start: (2019, 5, 1) },
    Era { kanji: "平成", letter: 'H', roman: "Heisei", start: (1989, 1, 8) },
    Era { kanji: "昭和", letter: 'S', roman: "Showa", start: (1926, 12, 25) },
    Era { kanji: "大正", letter: 'T', roman: "Taisho", start: (1912, 7, 30) },
    Era { kanji: "明治", letter: 'M', roman: "Meiji", start: (1868, 10, 23) },
];

/// Why a text or a set of numbers is not a date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a date; write 2026-01-14, 令和8年1月14日 or R8.1.14, from 1873 on")]
pub struct DateError;

impl JapaneseDate {
    /// From Gregorian year, month and day.
    pub fn new(year: i32, month: u8, day: u8) -> Result<Self, DateError> {
        if !(1873..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 {
            return Err(DateError);
        }
        let days = days_from_civil(year, month, day);
        if civil_from_days(days) != (year, month, day) {
            return Err(DateError);
        }
        Ok(JapaneseDate { days: i32::try_from(days).map_err(|_| DateError)? })
    }

    /// From era, year of the era (1 = 元年), month and day; the date must lie inside that era.
    pub fn in_era(era: Era, year: i32, month: u8, day: u8) -> Result<Self, DateError> {
        let date = Self::new(era.start.0 + year - 1, month, day)?;
        if year >= 1 && date.era() == era { Ok(date) } else { Err(DateError) }
    }

    /// The date on the wall in Japan at an instant.
    pub fn of(t: Timestamp) -> Result<Self, DateError> {
        let d = t.jst();
        Self::new(d.year, d.month, d.day)
    }

    /// Gregorian year, month, day.
    pub fn ymd(self) -> (i32, u8, u8) {
        civil_from_days(i64::from(self.days))
    }

    /// The first instant of this day in Japan.
    pub fn start(self) -> Timestamp {
        let (year, month, day) = self.ymd();
        JstDateTime { year, month, day, hour: 0, minute: 0, second: 0, weekday: 0 }.timestamp()
    }

    /// The day `n` days later (earlier when negative), or `None` outside the supported range.
    pub fn plus_days(self, n: i32) -> Option<Self> {
        let (y, m, d) = civil_from_days(i64::from(self.days) + i64::from(n));
        Self::new(y, m, d).ok()
    }

    /// Days from `earlier` to this date.
    pub fn days_since(self, earlier: JapaneseDate) -> i32 {
        self.days - earlier.days
    }

    /// 0 = Sunday … 6 = Saturday.
    pub fn weekday(self) -> u8 {
        (i64::from(self.days) + 4).rem_euclid(7) as u8
    }

    /// Completed years on `on` by 年齢計算ニ関スル法律: an age is reached at the end of the day before the
    /// birthday, so someone born on 1 April 2019 is six on 31 March 2025.
    pub fn legal_age(self, on: JapaneseDate) -> Option<i32> {
        let tomorrow = on.plus_days(1)?;
        let ((by, bm, bd), (y, m, d)) = (self.ymd(), tomorrow.ymd());
        let age = y - by - i32::from((m, d) < (bm, bd));
        (age >= 0 && on >= self).then_some(age)
    }

    /// The era this date lies in.
    pub fn era(self) -> Era {
        let ymd = self.ymd();
        ERAS.into_iter().find(|e| ymd >= e.start).unwrap_or(ERAS[ERAS.len() - 1])
    }

    /// Year of its era, 1 = 元年.
    pub fn era_year(self) -> i32 {
        self.ymd().0 - self.era().start.0 + 1
    }

    /// `令和8年1月14日`; the first year is written 元年.
    pub fn wareki(self) -> String {
        let (_, m, d) = self.ymd();
        match self.era_year() {
            1 => format!("{}元年{m}月{d}日", self.era().kanji),
            y => format!("{}{y}年{m}月{d}日", self.era().kanji),
        }
    }
}

impl fmt::Display for JapaneseDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (y, m, d) = self.ymd();
        write!(f, "{y:04}-{m:02}-{d:02}")
    }
}
impl fmt::Debug for JapaneseDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JapaneseDate({self})")
    }
}

impl FromStr for JapaneseDate {
    type Err = DateError;

    /// Accepts `2026-01-14`, `2026/1/14`, `2026年1月14日`, `令和8年1月14日`, `令和元年5月1日`, `R8.1.14`, `20260114`,
    /// with full-width digits and letters too.
    fn from_str(s: &str) -> Result<Self, DateError> {
        if s.len() > 64 {
            return Err(DateError);
        }
        let text: String = s.trim().chars().map(half_width).collect();
        let text = text.replace("元年", "1年");
        let (era, rest) = match ERAS.iter().find_map(|e| {
            text.strip_prefix(e.kanji)
                .or_else(|| text.strip_prefix(e.letter))
                .or_else(|| text.strip_prefix(e.letter.to_ascii_lowercase()))
                .map(|rest| (*e, rest))
        }) {
            Some((era, rest)) => (Some(era), rest),
            None => (None, text.as_str()),
        };
        let mut parts = [0i32; 3];
        if era.is_none() && rest.len() == 8 && rest.bytes().all(|b| b.is_ascii_digit()) {
            parts = [number(&rest[..4])?, number(&rest[4..6])?, number(&rest[6..])?];
        } else {
            let rest = rest.strip_suffix('日').unwrap_or(rest);
            let mut fields = rest.split(['-', '/', '.', '年', '月']);
            for p in &mut parts {
                *p = number(fields.next().ok_or(DateError)?.trim())?;
            }
            if fields.next().is_some() {
                return Err(DateError);
            }
        }
        let (m, d) =
            (u8::try_from(parts[1]).map_err(|_| DateError)?, u8::try_from(parts[2]).map_err(|_| DateError)?);
        match era {
            Some(e) => Self::in_era(e, parts[0], m, d),
            None => Self::new(parts[0], m, d),
        }
    }
}

fn number(s: &str) -> Result<i32, DateError> {
    if s.is_empty() || s.len() > 4 || !s.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DateError);
    }
    s.parse().map_err(|_| DateError)
}

fn half_width(c: char) -> char {
    match c {
        '！'..='～' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        '　' => ' ',
        c => c,
    }
}

impl Serialize for JapaneseDate {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for JapaneseDate {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = std::borrow::Cow::<'de, str>::deserialize(d)?;
        s.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date(s: &str) -> JapaneseDate {
        s.parse().unwrap_or_else(|e| panic!("{s}: {e}"))
    }

    #[test]
    fn eras_change_on_their_days() {
        assert_eq!(date("2019-04-30").wareki(), "平成31年4月30日");
        assert_eq!(date("2019-05-01").wareki(), "令和元年5月1日");
        assert_eq!(date("1989-01-07").wareki(), "昭和64年1月7日");
        assert_eq!(date("1989-01-08").wareki(), "平成元年1月8日");
        assert_eq!(date("1926-12-24").wareki(), "大正15年12月24日");
        assert_eq!(date("1912-07-29").wareki(), "明治45年7月29日");
    }

    #[test]
    fn reads_what_people_write() {
        for s in ["令和8年1月14日", "R8.1.14", "ｒ８．１．１４", "2026/1/14", "2026年1月14日", "20260114"]
        {
            assert_eq!(date(s), date("2026-01-14"), "{s}");
        }
        assert_eq!(date("令和元年5月1日"), date("2019-05-01"));
    }

    #[test]
    fn refuses_days_that_never_were() {
        for s in [
            "2025-02-29",
            "平成31年5月1日",
            "令和元年4月30日",
            "1872-12-31",
            "2026-13-01",
            "2026-01",
            "",
            "R0.1.1",
        ] {
            assert!(s.parse::<JapaneseDate>().is_err(), "{s}");
        }
        assert!("2024-02-29".parse::<JapaneseDate>().is_ok());
    }

    #[test]
    fn an_age_is_reached_the_day_before_the_birthday() {
        let born = date("2019-04-01");
        assert_eq!(born.legal_age(date("2025-03-30")), Some(5));
        assert_eq!(born.legal_age(date("2025-03-31")), Some(6));
        assert_eq!(born.legal_age(date("2018-12-31")), None);
        assert_eq!(date("2024-02-29").legal_age(date("2025-02-28")), Some(1));
    }

    proptest! {
        #[test]
        fn wareki_round_trip(days in -35_000i32..100_000) {
            let d = date("1970-01-01").plus_days(days).unwrap();
            prop_assert_eq!(date(&d.wareki()), d);
            prop_assert_eq!(date(&d.to_string()), d);
        }
    }
}
