//! Bands of numbers, counted exactly: in floating point 0.3 would fall below the band that begins at 0.3.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::HierarchyError;

/// A number with six decimal places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Decimal(i64);

const ONE: i64 = 1_000_000;

/// Why a text is not a [`Decimal`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a number with at most six decimal places, such as 12 or -0.5")]
pub struct DecimalError;

impl Decimal {
    /// A whole number; the greatest there is when it is beyond 9.2 × 10¹².
    pub fn whole(n: i64) -> Self {
        Decimal(n.saturating_mul(ONE))
    }

    /// Near enough for distances between values.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / ONE as f64
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let (minus, digits) = text.strip_prefix('-').map_or((false, text), |d| (true, d));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let number = |t: &str| t.bytes().all(|b| b.is_ascii_digit()) && !t.is_empty();
        if !number(whole) || !number(part) || part.len() > 6 {
            return Err(DecimalError);
        }
        let whole: i64 = whole.parse().map_err(|_| DecimalError)?;
        let part: i64 = format!("{part:0<6}").parse().map_err(|_| DecimalError)?;
        let sum = whole.checked_mul(ONE).and_then(|w| w.checked_add(part)).ok_or(DecimalError)?;
        Ok(Decimal(if minus { -sum } else { sum }))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, sign) = (self.0.unsigned_abs(), if self.0 < 0 { "-" } else { "" });
        let (whole, part) = (n / ONE as u64, n % ONE as u64);
        if part == 0 {
            return write!(f, "{sign}{whole}");
        }
        write!(f, "{sign}{whole}.{}", format!("{part:06}").trim_end_matches('0'))
    }
}

impl Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Whole(i64),
            Float(f64),
            Text(String),
        }
        let text = match Written::deserialize(d)? {
            Written::Whole(n) => n.to_string(),
            // The shortest text of a float is what a person wrote in the file.
            Written::Float(x) => x.to_string(),
            Written::Text(t) => t,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How bands are named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `30〜34歳`
    Ages,
    /// `30以上35未満`
    Numbers,
}

/// Nested bands.
pub struct Bands {
    style: Style,
    start: Decimal,
    widths: Vec<Decimal>,
    bottom: Option<Decimal>,
    top: Option<Decimal>,
}

impl Bands {
    pub fn new(
        style: Style,
        start: Decimal,
        widths: Vec<Decimal>,
        bottom: Option<Decimal>,
        top: Option<Decimal>,
    ) -> Result<Self, HierarchyError> {
        let nested = widths.windows(2).all(|w| w[1] > w[0] && w[0].0 > 0 && w[1].0 % w[0].0 == 0);
        if widths.is_empty() || widths[0].0 <= 0 || !nested {
            return Err(HierarchyError::Steps(
                "each width must be a multiple of the one before, such as [5, 10, 20]",
            ));
        }
        if let (Some(bottom), Some(top)) = (bottom, top)
            && bottom >= top
        {
            return Err(HierarchyError::Steps("bottom must be below top"));
        }
        Ok(Bands { style, start, widths, bottom, top })
    }

    /// The band's name on each level.
    pub fn labels(&self, n: Decimal) -> Vec<String> {
        self.widths.iter().map(|w| self.label(n, *w)).collect()
    }

    fn label(&self, n: Decimal, width: Decimal) -> String {
        if let Some(top) = self.top.filter(|t| n >= *t) {
            return match self.style {
                Style::Ages => format!("{top}歳以上"),
                Style::Numbers => format!("{top}以上"),
            };
        }
        if let Some(bottom) = self.bottom.filter(|b| n < *b) {
            return format!("{bottom}未満");
        }
        // In 128 bits no band can leave the range of numbers.
        let (x, start, width) = (i128::from(n.0), i128::from(self.start.0), i128::from(width.0));
        let low = (x - start).div_euclid(width) * width + start;
        let clamp = |v: i128| Decimal(v.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64);
        let (mut low, mut high) = (clamp(low), clamp(low + width));
        if let Some(top) = self.top {
            high = high.min(top);
        }
        if let Some(bottom) = self.bottom {
            low = low.max(bottom);
        }
        match self.style {
            Style::Ages => {
                let last = Decimal(high.0 - ONE);
                if last == low { format!("{low}歳") } else { format!("{low}〜{last}歳") }
            }
            Style::Numbers => format!("{low}以上{high}未満"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_written_exactly() {
        for (text, written) in
            [("12", "12"), ("-0.5", "-0.5"), ("0.100000", "0.1"), ("007", "7"), ("-0", "0")]
        {
            assert_eq!(text.parse::<Decimal>().unwrap().to_string(), written);
        }
        for text in ["", "-", ".5", "1.", "1e3", "0.1234567", "1,000", "9999999999999999"] {
            assert_eq!(text.parse::<Decimal>(), Err(DecimalError), "{text}");
        }
    }
}
