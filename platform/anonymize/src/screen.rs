//! A last look at what is to be published: values that look as if they named somebody.
//!
//! It finds what its patterns know and proves nothing when it finds nothing; a person answers for the columns.

use serde::Serialize;

use crate::table::Column;

/// What values look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Looks {
    /// Twelve digits with the check digit of a 個人番号 (番号法施行令 §8, 総務省令第85号 §5).
    MyNumber,
    /// An e-mail address.
    Email,
    /// A telephone number of Japan.
    Phone,
    /// Long texts, hardly any twice.
    FreeText,
}

impl Looks {
    /// In Japanese.
    pub fn ja(self) -> &'static str {
        match self {
            Looks::MyNumber => "個人番号の形をした値",
            Looks::Email => "メールアドレスの形をした値",
            Looks::Phone => "電話番号の形をした値",
            Looks::FreeText => "自由記述と思われる文章",
        }
    }
}

/// Something found in a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which column.
    pub column: String,
    /// What its values look like.
    pub looks: Looks,
    /// How many different values.
    pub values: usize,
}

/// Looks through a column.
pub fn screen(column: &Column) -> Vec<Finding> {
    let count = |looks, f: fn(&str) -> bool| Finding {
        column: column.name().to_owned(),
        looks,
        values: column.values().iter().filter(|v| f(v)).count(),
    };
    let values = column.values();
    let letters: usize = values.iter().map(|v| v.chars().count()).sum();
    let long = letters > values.len() * 20 && values.len() * 2 > column.codes().len();
    let mut found = vec![
        count(Looks::MyNumber, my_number),
        count(Looks::Email, email),
        count(Looks::Phone, phone),
        Finding {
            column: column.name().to_owned(),
            looks: Looks::FreeText,
            values: if long { values.len() } else { 0 },
        },
    ];
    found.retain(|f| f.values > 0);
    found
}

fn my_number(value: &str) -> bool {
    let digits: Vec<u32> =
        value.chars().filter(|c| !matches!(c, ' ' | '-')).filter_map(|c| c.to_digit(10)).collect();
    if digits.len() != 12 || value.chars().any(|c| !c.is_ascii_digit() && !matches!(c, ' ' | '-')) {
        return false;
    }
    let weigh = |(i, d): (usize, &u32)| d * (if i < 6 { i as u32 + 2 } else { i as u32 - 4 });
    let rest = digits[..11].iter().rev().enumerate().map(weigh).sum::<u32>() % 11;
    digits[11] == if rest <= 1 { 0 } else { 11 - rest }
}

fn email(value: &str) -> bool {
    let Some((name, host)) = value.trim().split_once('@') else { return false };
    !name.is_empty() && host.contains('.') && !value.trim().contains(char::is_whitespace)
}

fn phone(value: &str) -> bool {
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let only = value.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '(' | ')' | '+' | ' '));
    let hyphens = value.matches('-').count() == 2;
    let begins = value.starts_with('0') || value.starts_with("+81");
    only && begins && (digits == 11 || (digits == 10 && hyphens) || (value.starts_with('+') && digits >= 11))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_somebody_is_found_and_what_does_not_is_not() {
        assert!(my_number("123456789018"), "check digit by hand: 212 mod 11 = 3, 11 − 3 = 8");
        assert!(my_number("1234 5678 9018"));
        assert!(!my_number("123456789019"));
        assert!(!my_number("1234567890181"));
        assert!(email("a.b@example.jp"));
        assert!(!email("9時@会議室"));
        assert!(phone("076-225-1111") && phone("09012345678") && phone("+81-76-225-1111"));
        assert!(!phone("0123456789") && !phone("2026-01-14"));
        let looks = |values: &[&str]| -> Vec<Looks> {
            screen(&Column::new("x", values.iter().copied())).into_iter().map(|f| f.looks).collect()
        };
        assert_eq!(looks(&["風邪", "骨折"]), []);
        assert_eq!(looks(&["風邪", "連絡は a@example.jp"]), [], "only whole values are looked at");
        assert_eq!(looks(&["風邪", "a@example.jp"]), [Looks::Email]);
        assert_eq!(
            looks(&["雪の日に転んで右の手首を折り、夜になってから救急外来を受診した。"]),
            [Looks::FreeText]
        );
    }
}
