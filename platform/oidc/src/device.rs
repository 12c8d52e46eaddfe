//! The device grant (RFC 8628): the code that a person types.

/// Letters that cannot be mistaken for each other and form no words (RFC 8628 §6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// 20⁸ ≈ 2³⁴·⁶ codes; with attempts throttled and codes alive for minutes nobody hits one (RFC 8628 §5.1).
const LENGTH: usize = 8;

/// A user code in canonical form from random numbers below 20.
pub fn user_code(mut below: impl FnMut(u64) -> u64) -> String {
    (0..LENGTH)
        .map(|_| {
            char::from(LETTERS[usize::try_from(below(LETTERS.len() as u64)).unwrap_or(0) % LETTERS.len()])
        })
        .collect()
}

/// As a person reads it: `BCDF-GHJK`.
pub fn shown(code: &str) -> String {
    match code.split_at_checked(LENGTH / 2) {
        Some((a, b)) => format!("{a}-{b}"),
        None => code.to_owned(),
    }
}

/// What a person typed, in canonical form: case, full-width letters, spaces and hyphens do not matter.
pub fn typed(text: &str) -> Option<String> {
    let code: String = text
        .chars()
        .map(|c| match c {
            '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' => {
                char::from_u32(c as u32 - 0xfee0).unwrap_or(c)
            }
            c => c,
        })
        .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '‐' | '－' | 'ー' | '−'))
        .map(|c| c.to_ascii_uppercase())
        .collect();
    let ok = code.len() == LENGTH && code.bytes().all(|b| LETTERS.contains(&b));
    ok.then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn however_it_is_typed() {
        for text in ["BCDF-GHJK", "bcdfghjk", " bcdf ghjk ", "ＢＣＤＦ－ｇｈｊｋ"] {
            assert_eq!(typed(text).as_deref(), Some("BCDFGHJK"), "{text}");
        }
        for text in ["", "BCDF-GHJ", "BCDF-GHJA", "BCDF-GHJK-L"] {
            assert_eq!(typed(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_code_can_be_typed(seed in any::<u64>()) {
            let mut x = seed;
            let code = user_code(|n| { x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1); (x >> 33) % n });
            prop_assert_eq!(typed(&shown(&code)), Some(code));
        }

        #[test]
        fn no_input_panics(text in ".{0,30}") {
            let _ = (typed(&text), shown(&text));
        }
    }
}
