//! Base64url without padding (RFC 4648 §5, RFC 7515 §2), strict: one text for one value.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The text of these bytes.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of a text; `None` for padding, white space, other alphabets and left-over bits.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// As [`decode`], of exactly `N` bytes.
pub(crate) fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_for_one_value() {
        assert_eq!(decode("AQAB"), Some(vec![1, 0, 1]));
        for other in ["AQAB=", "AQA B", "AQ==", "AR", "+/8A"] {
            assert_eq!(decode(other), None, "{other}");
        }
        assert_eq!(decode("AQ"), Some(vec![1]));
    }
}
