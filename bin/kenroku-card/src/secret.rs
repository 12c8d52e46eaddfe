//! What the person types. Neither can be copied, printed or used twice.

use std::fmt;

use zeroize::Zeroizing;

/// It has not the form of this secret, so it is not even sent to the card: that would cost a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// A PIN of another form.
    #[error("利用者証明用の暗証番号は数字4桁です")]
    Pin,
    /// A password of another form.
    #[error("署名用のパスワードは英大文字と数字で6文字から16文字です")]
    Password,
}

/// 利用者証明用の暗証番号: four digits.
pub struct Pin(Zeroizing<Vec<u8>>);

impl Pin {
    /// Takes what was typed.
    ///
    /// # Errors
    /// [`SecretError::Pin`] unless it is four ASCII digits.
    pub fn new(typed: Zeroizing<String>) -> Result<Self, SecretError> {
        let typed = typed.trim_end_matches(['\r', '\n']);
        if typed.len() != 4 || !typed.bytes().all(|b| b.is_ascii_digit()) {
            return Err(SecretError::Pin);
        }
        Ok(Pin(Zeroizing::new(typed.as_bytes().to_vec())))
    }
}

/// 署名用のパスワード: 6 to 16 letters and digits. Small letters become large ones, as the card knows no others.
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// Takes what was typed.
    ///
    /// # Errors
    /// [`SecretError::Password`] unless it has the form.
    pub fn new(typed: Zeroizing<String>) -> Result<Self, SecretError> {
        let typed = typed.trim_end_matches(['\r', '\n']);
        if !(6..=16).contains(&typed.len()) || !typed.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(SecretError::Password);
        }
        Ok(Password(Zeroizing::new(typed.to_ascii_uppercase().into_bytes())))
    }
}

/// Either, on its way to the card.
pub(crate) trait Secret {
    fn bytes(&self) -> &[u8];
}

impl Secret for Pin {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Secret for Password {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(…)")
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(s: &str) -> Zeroizing<String> {
        Zeroizing::new(s.to_owned())
    }

    #[test]
    fn what_cannot_be_right_never_reaches_the_card() {
        assert!(Pin::new(typed("1234\n")).is_ok());
        for bad in ["", "123", "12345", "12a4", "１２３４", " 123"] {
            assert_eq!(Pin::new(typed(bad)).unwrap_err(), SecretError::Pin, "{bad}");
        }
        assert_eq!(Password::new(typed("abc123\r\n")).unwrap().bytes(), b"ABC123");
        for bad in ["", "ABC12", "ABC-123", "ＡＢＣ１２３", "A2345678901234567"] {
            assert_eq!(Password::new(typed(bad)).unwrap_err(), SecretError::Password, "{bad}");
        }
        assert_eq!(format!("{:?}", Pin::new(typed("1234"))), "Ok(Pin(…))");
    }
}
