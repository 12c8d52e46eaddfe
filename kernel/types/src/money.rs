//! [`Yen`]: whole yen, checked.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount of money in whole yen. Japanese currency has no smaller unit in circulation (通貨の単位及び貨幣の
/// 発行等に関する法律 第2条), so there are no fractions and no rounding here; whoever divides says how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Yen(i64);

impl Yen {
    /// Nothing.
    pub const ZERO: Yen = Yen(0);

    /// An amount in whole yen; negative amounts are debts.
    pub const fn new(yen: i64) -> Self {
        Yen(yen)
    }

    /// The number of yen.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum, or `None` when it does not fit.
    pub fn plus(self, other: Yen) -> Option<Yen> {
        self.0.checked_add(other.0).map(Yen)
    }

    /// The difference, or `None` when it does not fit.
    pub fn minus(self, other: Yen) -> Option<Yen> {
        self.0.checked_sub(other.0).map(Yen)
    }

    /// `n` times this amount, or `None` when it does not fit.
    pub fn times(self, n: i64) -> Option<Yen> {
        self.0.checked_mul(n).map(Yen)
    }

    /// Splits into `n` parts that differ by at most one yen and add up exactly; the larger parts come first.
    /// Empty when `n` is 0.
    pub fn split(self, n: u32) -> Vec<Yen> {
        if n == 0 {
            return Vec::new();
        }
        let (q, r) = (self.0.div_euclid(i64::from(n)), self.0.rem_euclid(i64::from(n)));
        (0..i64::from(n)).map(|i| Yen(q + i64::from(i < r))).collect()
    }
}

impl fmt::Display for Yen {
    /// With thousands separators and the unit: `1,234円`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.unsigned_abs().to_string();
        let mut out = String::with_capacity(digits.len() * 4 / 3 + 4);
        if self.0 < 0 {
            out.push('-');
        }
        for (i, c) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                out.push(',');
            }
            out.push(c);
        }
        write!(f, "{out}円")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shows_thousands() {
        assert_eq!(Yen::new(1_234_567).to_string(), "1,234,567円");
        assert_eq!(Yen::new(-999).to_string(), "-999円");
        assert_eq!(Yen::new(i64::MIN).to_string(), "-9,223,372,036,854,775,808円");
    }

    #[test]
    fn overflow_is_none_beside_a_sum_that_fits() {
        assert_eq!(Yen::new(1).plus(Yen::new(2)), Some(Yen::new(3)));
        assert_eq!(Yen::new(i64::MAX).plus(Yen::new(1)), None);
    }

    proptest! {
        #[test]
        fn a_split_loses_no_yen(y in -1_000_000i64..1_000_000, n in 1u32..50) {
            let parts = Yen::new(y).split(n);
            prop_assert_eq!(parts.iter().map(|p| p.get()).sum::<i64>(), y);
            let (min, max) = (parts.iter().min().unwrap(), parts.iter().max().unwrap());
            prop_assert!(max.get() - min.get() <= 1);
        }
    }
}
