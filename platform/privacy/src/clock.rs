//! The clocks of the law: pure functions from dates to dates. Every one names its article.
//!
//! The first day is not counted (民法 §140) and a period whose last day is a day on which offices are closed ends on the
//! next open day (民法 §142). Whoever works by these dates is shown [`Due::work_by`] too: the last open day before the
//! period would end without that grace.

use kenroku_types::JapaneseDate;

/// The nth of a weekday (0 = Sunday) in a month.
fn nth(year: i32, month: u8, weekday: u8, n: u8) -> Option<JapaneseDate> {
    let first = JapaneseDate::new(year, month, 1).ok()?;
    let shift = (7 + weekday - first.weekday()) % 7 + 7 * (n - 1);
    first.plus_days(i32::from(shift))
}

/// The equinox by the formula that holds from 1980 to 2099; the day that counts is announced in the official gazette
/// each February for the year after (国民の祝日に関する法律 §2).
fn equinox(year: i32, base: f64) -> u8 {
    let years = f64::from(year - 1980);
    (base + 0.242_194 * years).floor() as u8 - ((year - 1980) / 4) as u8
}

/// Whether a day is named by 国民の祝日に関する法律 §2, as it stands since 2022.
fn named(date: JapaneseDate) -> bool {
    let (y, m, d) = date.ymd();
    match (m, d) {
        (1, 1) | (2, 11) | (2, 23) | (4, 29) | (5, 3..=5) | (8, 11) | (11, 3) | (11, 23) => true,
        (1, _) => nth(y, 1, 1, 2) == Some(date),
        (3, _) => d == equinox(y, 20.8431),
        (7, _) => nth(y, 7, 1, 3) == Some(date),
        (9, _) => d == equinox(y, 23.2488) || nth(y, 9, 1, 3) == Some(date),
        (10, _) => nth(y, 10, 1, 2) == Some(date),
        _ => false,
    }
}

/// Whether a day is a national holiday: named, in place of a named Sunday (§3(2)), or between two named days (§3(3)).
pub fn holiday(date: JapaneseDate) -> bool {
    if named(date) {
        return true;
    }
    let mut earlier = date;
    while let Some(before) = earlier.plus_days(-1).filter(|d| named(*d)) {
        if before.weekday() == 0 {
            return true;
        }
        earlier = before;
    }
    let around = [date.plus_days(-1), date.plus_days(1)];
    around.iter().all(|d| d.is_some_and(named))
}

/// Whether offices are closed: Saturday, Sunday, a holiday, 29 December to 3 January (地方自治法 §4の2(2); 行政機関の
/// 休日に関する法律 §1).
pub fn closed(date: JapaneseDate) -> bool {
    let (_, m, d) = date.ymd();
    matches!(date.weekday(), 0 | 6) || matches!((m, d), (12, 29..=31) | (1, 1..=3)) || holiday(date)
}

fn walk(from: JapaneseDate, step: i32) -> JapaneseDate {
    let mut date = from;
    // The longest row of closed days is shorter than a month.
    for _ in 0..31 {
        if !closed(date) {
            break;
        }
        date = date.plus_days(step).unwrap_or(date);
    }
    date
}

/// This day, or the next on which offices are open.
pub fn open_from(date: JapaneseDate) -> JapaneseDate {
    walk(date, 1)
}

/// This day, or the last before it on which offices are open.
pub fn open_until(date: JapaneseDate) -> JapaneseDate {
    walk(date, -1)
}

fn plus(date: JapaneseDate, days: u32) -> JapaneseDate {
    i32::try_from(days).ok().and_then(|n| date.plus_days(n)).unwrap_or(date)
}

/// The end of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// The last open day on which it is surely in time.
    pub work_by: JapaneseDate,
    /// The day on which the period ends by law.
    pub legal: JapaneseDate,
}

impl Due {
    fn at(last: JapaneseDate) -> Self {
        Due { work_by: open_until(last), legal: open_from(last) }
    }
}

/// A day `days` days after another, which is not counted itself.
pub fn within(from: JapaneseDate, days: u32) -> Due {
    Due::at(plus(from, days))
}

/// The longest period and the longest extension of §83, §94 and §102.
pub const DECISION_DAYS: u32 = 30;
/// By when a considerable part must be decided where the data are very many (§84).
pub const SPECIAL_DAYS: u32 = 60;

/// What moves the deadline of a decision on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// When the request arrived.
    pub received: JapaneseDate,
    /// The period: thirty days, or fewer where an ordinance says so (§108).
    pub days: u32,
    /// Days that the person needed to complete the request; they are not counted (§83(1), 但書).
    pub paused: u32,
    /// Whether the period was extended (§83(2), §94(2), §102(2)).
    pub extended: bool,
    /// The last day that was told to the person where a special rule holds (§84 very many data; §95, §103 very long).
    pub special: Option<JapaneseDate>,
}

impl Course {
    /// By when the decision is due.
    pub fn due(&self) -> Due {
        let days = self.days.min(DECISION_DAYS) + self.paused;
        let last = plus(self.received, days + if self.extended { DECISION_DAYS } else { 0 });
        match self.special {
            Some(told) => Due::at(told.max(last)),
            None => Due::at(last),
        }
    }

    /// By when the notice of an extension must have left: within the first period.
    pub fn extend_by(&self) -> Due {
        Course { extended: false, special: None, ..*self }.due()
    }

    /// By when a considerable part must be decided, where §84 holds.
    pub fn first_part(&self) -> Due {
        within(self.received, SPECIAL_DAYS + self.paused)
    }
}

/// The deadlines of a breach (§68; 規則 §44, §45).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreachDue {
    /// 速報: without delay, that is from the third day …
    pub first_from: JapaneseDate,
    /// … to the fifth after it was known, whatever days these are.
    pub first_by: JapaneseDate,
    /// 確報: the thirtieth day, the sixtieth where somebody did it on purpose; the day it was known is the first. On a
    /// closed day: the next open one.
    pub full_by: JapaneseDate,
}

/// When a breach must be reported; `malicious` where it may have been done for a wrongful purpose (規則 §43 三).
pub fn breach(known: JapaneseDate, malicious: bool) -> BreachDue {
    let days = if malicious { 59 } else { 29 };
    BreachDue { first_from: plus(known, 3), first_by: plus(known, 5), full_by: open_from(plus(known, days)) }
}

/// The last day of `months` months counted from the day after (民法 §143): three for an appeal (行政不服審査法 §18),
/// six for a suit (行政事件訴訟法 §14). Without grace for closed days: it is told to people.
pub fn months_after(from: JapaneseDate, months: u8) -> Option<JapaneseDate> {
    let (y, m, d) = from.plus_days(1)?.ymd();
    let total = i32::from(m) - 1 + i32::from(months);
    let (year, month) = (y + total.div_euclid(12), u8::try_from(total.rem_euclid(12) + 1).ok()?);
    match JapaneseDate::new(year, month, d) {
        Ok(same) => same.plus_days(-1),
        // No such day in the last month: it ends with the month.
        Err(_) => {
            let (ny, nm) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            JapaneseDate::new(ny, nm, 1).ok()?.plus_days(-1)
        }
    }
}

/// The same day `years` later, the day before where there is none (29 February): the end of a span of years.
pub fn years_after(from: JapaneseDate, years: u8) -> Option<JapaneseDate> {
    let (y, m, d) = from.ymd();
    let year = y + i32::from(years);
    JapaneseDate::new(year, m, d).or_else(|_| JapaneseDate::new(year, m, d - 1)).ok()
}

/// How long the record of a provision or of its receipt is kept (規則 §21, §25).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// Made for each provision: three years from the record.
    Each,
    /// One record for a row of provisions: three years after the last.
    Bulk,
    /// A contract or another document stands in: one year after the last provision.
    Contract,
}

/// The first day on which the record need not be kept any more. `last` is the day of the (last) provision.
pub fn record_until(kind: RecordKind, last: JapaneseDate) -> Option<JapaneseDate> {
    years_after(last, if kind == RecordKind::Contract { 1 } else { 3 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> JapaneseDate {
        text.parse().unwrap()
    }

    #[test]
    fn holidays_are_those_of_the_official_calendar() {
        // 内閣府「国民の祝日について」, 2026 and 2027.
        let year = |y: i32| -> Vec<String> {
            let first = JapaneseDate::new(y, 1, 1).unwrap();
            let days = (0..366).map(|n| first.plus_days(n).unwrap()).filter(|d| d.ymd().0 == y);
            days.filter(|d| holiday(*d)).map(|d| d.to_string()[5..].to_owned()).collect()
        };
        assert_eq!(
            year(2026).join(" "),
            "01-01 01-12 02-11 02-23 03-20 04-29 05-03 05-04 05-05 05-06 07-20 08-11 09-21 09-22 09-23 10-12 11-03 11-23"
        );
        assert_eq!(
            year(2027).join(" "),
            "01-01 01-11 02-11 02-23 03-21 03-22 04-29 05-03 05-04 05-05 07-19 08-11 09-20 09-23 10-11 11-03 11-23"
        );
    }

    #[test]
    fn offices_close_over_new_year() {
        assert_eq!(open_from(day("2026-12-29")), day("2027-01-04"));
        assert_eq!(open_until(day("2027-01-03")), day("2026-12-28"));
        assert!(!closed(day("2026-12-28")));
    }

    fn course(received: &str) -> Course {
        Course { received: day(received), days: 30, paused: 0, extended: false, special: None }
    }

    #[test]
    fn a_decision_is_due_after_thirty_days_and_sixty_when_extended() {
        // 1 April 2026 + 30 = Friday, 1 May.
        let c = course("2026-04-01");
        assert_eq!(c.due(), Due { work_by: day("2026-05-01"), legal: day("2026-05-01") });
        // 3 April + 30 = 3 May, a Sunday and holiday; 4, 5 and 6 May are holidays too.
        assert_eq!(course("2026-04-03").due(), Due { work_by: day("2026-05-01"), legal: day("2026-05-07") });
        assert_eq!(Course { extended: true, ..c }.due().legal, day("2026-06-01"), "31 May is a Sunday");
        assert_eq!(Course { paused: 4, ..c }.due().legal, day("2026-05-07"), "5 May is a holiday");
        assert_eq!(Course { days: 15, ..c }.due().legal, day("2026-04-16"), "an ordinance");
        assert_eq!(Course { days: 90, ..c }.due(), c.due(), "an ordinance can only shorten it");
        assert_eq!(Course { extended: true, ..c }.extend_by(), c.due());
        assert_eq!(c.first_part().legal, day("2026-06-01"));
        assert_eq!(Course { special: Some(day("2026-09-30")), ..c }.due().legal, day("2026-09-30"));
    }

    #[test]
    fn a_breach_is_reported_in_five_and_thirty_or_sixty_days() {
        let b = breach(day("2026-04-01"), false);
        assert_eq!((b.first_from, b.first_by), (day("2026-04-04"), day("2026-04-06")));
        assert_eq!(b.full_by, day("2026-04-30"), "the day it was known is the first of thirty");
        // The sixtieth day is 30 May, a Saturday.
        assert_eq!(breach(day("2026-04-01"), true).full_by, day("2026-06-01"));
    }

    #[test]
    fn months_end_where_the_calendar_ends() {
        assert_eq!(months_after(day("2026-11-30"), 3), Some(day("2027-02-28")));
        assert_eq!(months_after(day("2026-11-29"), 3), Some(day("2027-02-28")));
        assert_eq!(months_after(day("2026-01-31"), 3), Some(day("2026-04-30")));
        assert_eq!(months_after(day("2026-04-10"), 6), Some(day("2026-10-10")));
        assert_eq!(years_after(day("2024-02-29"), 1), Some(day("2025-02-28")));
        assert_eq!(record_until(RecordKind::Each, day("2026-04-01")), Some(day("2029-04-01")));
        assert_eq!(record_until(RecordKind::Bulk, day("2024-02-29")), Some(day("2027-02-28")));
        assert_eq!(record_until(RecordKind::Contract, day("2026-04-01")), Some(day("2027-04-01")));
    }

    fn any_day() -> impl Strategy<Value = JapaneseDate> {
        (0..27_000i32).prop_map(|n| JapaneseDate::new(2022, 1, 1).unwrap().plus_days(n).unwrap())
    }

    proptest! {
        #[test]
        fn deadlines_lie_on_open_days_and_never_shrink(
            from in any_day(), days in 1..=30u32, paused in 0..40u32, extended: bool, later in 0..10i32,
        ) {
            let c = Course { received: from, days, paused, extended, special: None };
            let due = c.due();
            prop_assert!(!closed(due.legal) && !closed(due.work_by) && due.work_by <= due.legal);
            prop_assert!(due.legal.days_since(from) >= i32::try_from(days + paused).unwrap());
            prop_assert!(due.legal.days_since(due.work_by) <= 12, "closed days in a row");
            let longer = Course { extended: true, ..c };
            prop_assert!(longer.due() >= due);
            let next = Course { received: from.plus_days(later).unwrap(), ..c };
            prop_assert!(next.due() >= due);
            prop_assert!(c.extend_by() <= due);
            for malicious in [false, true] {
                let b = breach(from, malicious);
                prop_assert!(b.first_from < b.first_by && b.first_by < b.full_by && !closed(b.full_by));
            }
        }

        #[test]
        fn three_months_are_as_long_as_the_calendar_says(from in any_day(), n in 1..=12u8) {
            let end = months_after(from, n).unwrap();
            let days = end.days_since(from);
            prop_assert!((28 * i32::from(n)..=31 * i32::from(n)).contains(&days), "{days}");
            prop_assert!(months_after(from.plus_days(1).unwrap(), n).unwrap() >= end);
            prop_assert!(years_after(from, 3).unwrap().days_since(from) >= 1095);
        }
    }
}
