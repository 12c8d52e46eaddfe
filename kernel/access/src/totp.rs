//! One-time codes by time (RFC 6238): HMAC-SHA-1, six digits, steps of thirty seconds, which every authenticator app
//! knows. The secret lies sealed; a step is accepted once.

use ring::hmac;

/// Seconds of a step (RFC 6238 §4.1).
pub const STEP: i64 = 30;
/// Steps that a telephone's clock may be early or late (§5.2 recommends one).
const SLACK: i64 = 1;

/// The code of a step.
pub fn code(secret: &[u8], step: i64) -> u32 {
    digits(secret, step, 6)
}

fn digits(secret: &[u8], step: i64, n: u32) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    // RFC 4226 §5.3: the last four bits say where the four bytes begin.
    let at = usize::from(tag.last().copied().unwrap_or(0) & 15);
    let four: [u8; 4] = tag.get(at..at + 4).and_then(|b| b.try_into().ok()).unwrap_or_default();
    (u32::from_be_bytes(four) & 0x7fff_ffff) % 10u32.pow(n)
}

/// The step that `typed` belongs to at `unix` seconds, when it is later than `last`; the caller stores it, so that
/// nobody who looked over a shoulder can use the code again.
pub fn accepted(secret: &[u8], typed: &str, unix: i64, last: i64) -> Option<i64> {
    let typed: String = typed.chars().filter(|c| !c.is_whitespace()).map(half_width).collect();
    if typed.len() != 6 {
        return None;
    }
    let typed: u32 = typed.parse().ok()?;
    let now = unix.div_euclid(STEP);
    (now - SLACK..=now + SLACK).find(|step| *step > last && code(secret, *step) == typed)
}

fn half_width(c: char) -> char {
    match c {
        '０'..='９' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        c => c,
    }
}

/// The secret as apps take it by hand (RFC 4648 §6, no padding).
pub fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::new();
    for chunk in bytes.chunks(5) {
        let n = chunk.iter().fold(0u64, |n, b| (n << 8) | u64::from(*b)) << (8 * (5 - chunk.len()));
        for i in 0..(chunk.len() * 8).div_ceil(5) {
            out.push(char::from(LETTERS[(n >> (35 - 5 * i)) as usize & 31]));
        }
    }
    out
}

/// What an app reads from a QR code: the `otpauth` address that authenticator apps share. `issuer` is the name under
/// which the app lists it; letters of ASCII and spaces.
pub fn address(secret: &[u8], issuer: &str) -> String {
    let (issuer, key) = (issuer.replace(' ', "%20"), base32(secret));
    format!("otpauth://totp/{issuer}?secret={key}&issuer={issuer}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B (SHA-1, eight digits).
    #[test]
    fn agrees_with_the_published_values() {
        let secret = b"12345678901234567890";
        for (unix, want) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            assert_eq!(digits(secret, unix / STEP, 8), want, "{unix}");
        }
    }

    #[test]
    fn apps_read_the_secret_from_the_address() {
        // The secret of the example that authenticator apps document.
        let known = "otpauth://totp/Example%20ID?secret=JBSWY3DPEHPK3PXP&issuer=Example%20ID";
        assert_eq!(address(b"Hello!\xde\xad\xbe\xef", "Example ID"), known);
    }

    #[test]
    fn a_code_is_accepted_once_and_a_little_early_or_late() {
        let (secret, now) = (b"12345678901234567890", 1_111_111_111);
        let typed = |step: i64| format!("{:06}", code(secret, now / STEP + step));
        assert_eq!(accepted(secret, &typed(0), now, 0), Some(now / STEP));
        assert_eq!(accepted(secret, &typed(-1), now, 0), Some(now / STEP - 1));
        assert_eq!(accepted(secret, &typed(1), now, 0), Some(now / STEP + 1));
        assert_eq!(accepted(secret, &typed(0), now, now / STEP), None, "used");
        assert_eq!(accepted(secret, &typed(2), now, 0), None, "too early");
        let wide: String = typed(0).chars().map(|c| char::from_u32(c as u32 + 0xFEE0).unwrap()).collect();
        assert!(accepted(secret, &wide, now, 0).is_some(), "full width");
        for bad in ["", "12345", "1234567", "12345x", "-12345"] {
            assert_eq!(accepted(secret, bad, now, 0), None, "{bad}");
        }
    }

    /// RFC 4648 §10.
    #[test]
    fn base32_agrees_with_the_published_values() {
        for (plain, want) in
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foobar", "MZXW6YTBOI")]
        {
            assert_eq!(base32(plain.as_bytes()), want);
        }
    }
}
