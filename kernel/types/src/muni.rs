//! 全国地方公共団体コード: the code of a prefecture or municipality, with its check digit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A local government's code: five digits, or six with the check digit (総務省 全国地方公共団体コード;
/// check digit by the rule in its 改正一覧, weights 6 5 4 3 2, modulus 11). 能美市 is `17211` / `172111`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MuniCode(u32);

impl MuniCode {
    /// From the five-digit form as a number (17000 = 石川県).
    pub const fn new(code5: u32) -> Option<Self> {
        let pref = code5 / 1000;
        if pref >= 1 && pref <= 47 { Some(MuniCode(code5)) } else { None }
    }

    /// The two-digit prefecture part, 1–47 (JIS X 0401).
    pub const fn prefecture(self) -> u8 {
        (self.0 / 1000) as u8
    }

    /// Whether this names a prefecture itself (its last three digits are zero).
    pub const fn is_prefecture(self) -> bool {
        self.0.is_multiple_of(1000)
    }

    /// The five digits as a number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Five digits.
    pub fn code5(self) -> String {
        format!("{:05}", self.0)
    }

    /// Six digits, the last being the check digit.
    pub fn code6(self) -> String {
        format!("{:05}{}", self.0, self.check_digit())
    }

    /// The check digit, 0–9.
    pub const fn check_digit(self) -> u8 {
        let n = self.0;
        let sum = n / 10_000 * 6 + n / 1000 % 10 * 5 + n / 100 % 10 * 4 + n / 10 % 10 * 3 + n % 10 * 2;
        // For sums below 11 the rule says 11 − sum; modulo 11 gives the same digit.
        ((11 - sum % 11) % 10) as u8
    }
}

impl fmt::Debug for MuniCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MuniCode({:05})", self.0)
    }
}
impl fmt::Display for MuniCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:05}", self.0)
    }
}

/// Why a text is not a municipality code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MuniCodeError {
    /// Not five or six ASCII digits, or no such prefecture.
    #[error(
        "not a municipality code; write five digits, or six with the check digit, such as 17211 or 172111"
    )]
    Form,
    /// Six digits, but the last does not fit the first five.
    #[error("the check digit does not fit; {expected} would be right: a digit may be mistyped")]
    CheckDigit {
        /// The six-digit code with the right check digit.
        expected: String,
    },
}

impl FromStr for MuniCode {
    type Err = MuniCodeError;
    fn from_str(s: &str) -> Result<Self, MuniCodeError> {
        let b = s.as_bytes();
        if !(b.len() == 5 || b.len() == 6) || !b.iter().all(u8::is_ascii_digit) {
            return Err(MuniCodeError::Form);
        }
        let n = b[..5].iter().fold(0u32, |n, d| n * 10 + u32::from(d - b'0'));
        let code = MuniCode::new(n).ok_or(MuniCodeError::Form)?;
        if b.len() == 6 && b[5] - b'0' != code.check_digit() {
            return Err(MuniCodeError::CheckDigit { expected: code.code6() });
        }
        Ok(code)
    }
}
impl Serialize for MuniCode {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for MuniCode {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = std::borrow::Cow::<'de, str>::deserialize(d)?;
        s.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_codes_of_ishikawa() {
        // 総務省 全国地方公共団体コード: 石川県 and all nineteen municipalities.
        for code in [
            "170003", "172014", "172022", "172031", "172049", "172057", "172065", "172073", "172090",
            "172103", "172111", "172120", "173240", "173614", "173657", "173843", "173860", "174076",
            "174611", "174637",
        ] {
            let c: MuniCode = code.parse().unwrap_or_else(|e| panic!("{code}: {e}"));
            assert_eq!(c.code6(), code);
            assert_eq!(c.prefecture(), 17);
        }
        assert!("170003".parse::<MuniCode>().unwrap().is_prefecture());
    }

    #[test]
    fn refuses_what_is_not_a_code_beside_what_is() {
        assert!("17211".parse::<MuniCode>().is_ok());
        assert_eq!("1721".parse::<MuniCode>(), Err(MuniCodeError::Form));
        assert_eq!("48001".parse::<MuniCode>(), Err(MuniCodeError::Form));
        assert_eq!("１７２１１".parse::<MuniCode>(), Err(MuniCodeError::Form));
        assert_eq!(
            "172112".parse::<MuniCode>(),
            Err(MuniCodeError::CheckDigit { expected: "172111".to_owned() })
        );
    }

    proptest! {
        #[test]
        fn one_wrong_digit_never_passes(n in 1000u32..47_999, pos in 0usize..5, add in 1u8..10) {
            let code = MuniCode::new(n).unwrap();
            let mut six = code.code6().into_bytes();
            six[pos] = b'0' + (six[pos] - b'0' + add) % 10;
            let text = String::from_utf8(six).unwrap();
            // Check digit 1 stands for the remainders 0 and 10 alike, so only such a pair may pass unnoticed.
            if text.parse::<MuniCode>().is_ok() {
                prop_assert_eq!(code.check_digit(), 1);
            }
        }
    }
}
