//! Numbers, dates and times as people read them. The clock is Japan's; 和暦 stands where an office would use
//! it, and やさしい日本語 uses the Western year and 午前・午後.

use kenroku_types::{JapaneseDate, Timestamp};

use super::{Locale, Phrase};

const WEEKDAYS_JA: [&str; 7] = ["日", "月", "火", "水", "木", "金", "土"];
const WEEKDAYS_EASY: [&str; 7] =
    ["日《にち》", "月《げつ》", "火《か》", "水《すい》", "木《もく》", "金《きん》", "土《ど》"];
const WEEKDAYS_EN: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// `9時48分`, `午前9時48分` with readings, `9:48 am`.
pub fn time(locale: Locale, t: Timestamp) -> Phrase {
    let d = t.jst();
    let (h, m) = (d.hour, d.minute);
    let half = match h % 12 {
        0 => 12,
        h => h,
    };
    // 正午 is written 午後0時 in Japanese: noon is the zeroth hour of the afternoon.
    let easy = if h < 12 { "午前《ごぜん》" } else { "午後《ごご》" };
    Phrase::markup(
        locale,
        match locale {
            Locale::Ja => format!("{h}時{m:02}分"),
            Locale::Yasashii => format!("{easy}{}時《じ》{m}分《ふん》", h % 12),
            Locale::En => format!("{half}:{m:02} {}", if h < 12 { "am" } else { "pm" }),
        },
    )
}

/// `1月14日`, `14 January`: a day of this year.
pub fn day(locale: Locale, date: JapaneseDate) -> Phrase {
    let (_, m, d) = date.ymd();
    Phrase::markup(
        locale,
        match locale {
            Locale::Ja => format!("{m}月{d}日"),
            Locale::Yasashii => format!("{m}月《がつ》{d}日《にち》"),
            Locale::En => format!("{d} {}", month(m)),
        },
    )
}

/// `令和8年1月14日（水曜日）`, `2026年1月14日（水曜日）` with readings, `Wednesday, 14 January 2026`.
pub fn date(locale: Locale, date: JapaneseDate) -> Phrase {
    let (y, m, d) = date.ymd();
    let w = usize::from(date.weekday()) % 7;
    Phrase::markup(
        locale,
        match locale {
            Locale::Ja => format!("{}（{}曜日）", date.wareki(), WEEKDAYS_JA[w]),
            Locale::Yasashii => {
                format!("{y}年《ねん》{m}月《がつ》{d}日《にち》（{}曜日《ようび》）", WEEKDAYS_EASY[w])
            }
            Locale::En => format!("{}, {d} {} {y}", WEEKDAYS_EN[w], month(m)),
        },
    )
}

/// Day and time, `1月14日 9時48分`.
pub fn day_time(locale: Locale, t: Timestamp) -> Phrase {
    let clock = time(locale, t);
    match JapaneseDate::of(t) {
        Ok(date) => {
            let day = day(locale, date);
            let space = if locale == Locale::En { ", " } else { " " };
            Phrase::markup(locale, format!("{}{space}{}", day.source(), clock.source()))
        }
        Err(_) => clock,
    }
}

/// `2026-01-14T09:48:00+09:00` for `<time datetime>`.
pub fn machine(t: Timestamp) -> String {
    let d = t.jst();
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}+09:00", d.year, d.month, d.day, d.hour, d.minute, d.second)
}

/// A number in groups of three, with as many decimals as it was given.
pub fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |rest| ("−", rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let mut out = String::from(sign);
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(c);
    }
    if !part.is_empty() {
        out.push('.');
        out.push_str(part);
    }
    out
}

fn month(m: u8) -> &'static str {
    MONTHS_EN[usize::from(m.clamp(1, 12)) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: &str) -> Timestamp {
        s.parse().unwrap()
    }

    #[test]
    fn the_clock_is_read_as_people_say_it() {
        let t = at("2026-01-14T09:48:00+09:00");
        assert_eq!(time(Locale::Ja, t).plain(), "9時48分");
        assert_eq!(time(Locale::Yasashii, t).plain(), "午前9時48分");
        assert_eq!(time(Locale::En, t).plain(), "9:48 am");
        assert_eq!(time(Locale::Yasashii, at("2026-01-14T12:05:00+09:00")).plain(), "午後0時5分");
        assert_eq!(time(Locale::En, at("2026-01-14T00:05:00+09:00")).plain(), "12:05 am");
        assert!(time(Locale::Yasashii, t).to_string().contains("<rt>ごぜん</rt>"));
    }

    #[test]
    fn days_carry_their_era_in_japanese_only() {
        let d: JapaneseDate = "2026-01-14".parse().unwrap();
        assert_eq!(date(Locale::Ja, d).plain(), "令和8年1月14日（水曜日）");
        assert_eq!(date(Locale::Yasashii, d).plain(), "2026年1月14日（水曜日）");
        assert_eq!(date(Locale::En, d).plain(), "Wednesday, 14 January 2026");
        assert_eq!(day_time(Locale::En, at("2026-01-14T21:30:00+09:00")).plain(), "14 January, 9:30 pm");
        assert_eq!(machine(at("2026-01-14T00:30:00Z")), "2026-01-14T09:30:00+09:00");
    }

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(grouped("1124501"), "1,124,501");
        assert_eq!(grouped("999"), "999");
        assert_eq!(grouped("-1234.50"), "−1,234.50");
    }
}
