//! What the card signs: a text that the person has read, bound to one ceremony.

use std::fmt;
use std::time::Duration;

use kenroku_types::Timestamp;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 32;

/// How long a challenge may be answered.
pub const TTL: Duration = Duration::from_secs(5 * 60);

/// The first line of everything we let a card sign. No other document may begin so.
pub(crate) const DOMAIN: &str = "kenroku-jpki/1\n";

/// The longest text shown, in characters.
const MAX_TEXT: usize = 2000;

/// Why a challenge cannot be made or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// A field has not its form.
    #[error("the challenge's {0} has not the prescribed form")]
    Form(&'static str),
    /// Another answer came first, or nobody asked.
    #[error("the challenge was answered before, or never issued")]
    Used,
    /// Older than [`TTL`], or issued in the future.
    #[error("the challenge is too old")]
    Late,
}

/// The bytes to be signed, as text: **what you see is what you sign**.
///
/// ```text
/// kenroku-jpki/1
/// act: sign-in
/// relying-party: https://id.pref.example
/// session: 0198c0de-0000-7000-8000-000000000001
/// nonce: 64 hexadecimal digits
///
/// 石川県のいしかわIDにサインインします。
/// ```
///
/// The fields before the text hold no line break, so two different challenges are never the same bytes. The text
/// holds no character that is invisible or turns the direction of writing, so it is what it looks like.
#[derive(Clone, PartialEq, Eq)]
pub struct ToBeSigned(String);

impl ToBeSigned {
    /// Builds it. `act` is a word such as `sign-in`; `relying_party` the base URL of who asks; `session` any printable
    /// ASCII without blanks.
    ///
    /// # Errors
    /// [`ChallengeError::Form`] with the name of the field.
    pub fn new(
        act: &str,
        relying_party: &str,
        session: &str,
        nonce: &[u8; NONCE_BYTES],
        text: &str,
    ) -> Result<Self, ChallengeError> {
        let is_word =
            |s: &str| (1..=32).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        let is_token = |s: &str| (1..=255).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_graphic());
        if !is_word(act) {
            return Err(ChallengeError::Form("act"));
        }
        if !is_token(relying_party) {
            return Err(ChallengeError::Form("relying party"));
        }
        if !is_token(session) {
            return Err(ChallengeError::Form("session"));
        }
        if text.trim().is_empty() || text.chars().count() > MAX_TEXT || text.chars().any(deceives) {
            return Err(ChallengeError::Form("text"));
        }
        let nonce = hex::encode(nonce);
        Ok(ToBeSigned(format!(
            "{DOMAIN}act: {act}\nrelying-party: {relying_party}\nsession: {session}\nnonce: {nonce}\n\n{text}"
        )))
    }

    /// What is signed, which is also what may be shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Their SHA-256, which a card puts into its DigestInfo.
    pub fn digest(&self) -> [u8; 32] {
        sha256(self.as_bytes())
    }
}

impl fmt::Debug for ToBeSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ToBeSigned({})", hex::encode(self.digest()))
    }
}

/// Characters that make a text look like another: controls, line and paragraph separators, what turns the direction of
/// writing or has no width (Unicode Technical Report 36, §2).
fn deceives(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E0FFF}')
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    out
}

/// A challenge as it was stored when it was issued.
#[derive(Clone, Debug)]
pub struct Challenge {
    to_be_signed: ToBeSigned,
    issued_at: Timestamp,
}

impl Challenge {
    /// From what the store kept.
    pub fn new(to_be_signed: ToBeSigned, issued_at: Timestamp) -> Self {
        Challenge { to_be_signed, issued_at }
    }

    /// From when on an answer comes too late.
    pub fn expires_at(&self) -> Timestamp {
        self.issued_at.plus(TTL)
    }

    /// Uses it up. `claimed` is the number of rows that **one conditional update** changed
    /// (`UPDATE … SET used_at = now WHERE session = … AND used_at IS NULL`), executed and committed before: of two
    /// answers at the same time one gets 1 and the other 0, and a challenge whose answer turned out wrong stays used.
    ///
    /// # Errors
    /// [`ChallengeError::Used`] unless exactly one row was claimed, [`ChallengeError::Late`] outside the [`TTL`].
    pub fn spend(self, claimed: u64, now: Timestamp) -> Result<SpentChallenge, ChallengeError> {
        if claimed != 1 {
            return Err(ChallengeError::Used);
        }
        if now < self.issued_at || now >= self.expires_at() {
            return Err(ChallengeError::Late);
        }
        Ok(SpentChallenge(self.to_be_signed))
    }
}

/// A challenge that cannot be used again: the only thing against which signatures are verified.
#[derive(Debug)]
pub struct SpentChallenge(ToBeSigned);

impl SpentChallenge {
    pub(crate) fn to_be_signed(&self) -> &ToBeSigned {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(text: &str) -> Result<ToBeSigned, ChallengeError> {
        ToBeSigned::new("sign-in", "https://id.pref.example", "s-1", &[7; 32], text)
    }

    #[test]
    fn what_is_signed_can_be_read() {
        let t = make("サインインします。\n二行目").unwrap();
        assert_eq!(
            t.as_str(),
            format!(
                "kenroku-jpki/1\nact: sign-in\nrelying-party: https://id.pref.example\nsession: s-1\nnonce: {}\n\nサインインします。\n二行目",
                "07".repeat(32)
            )
        );
    }

    #[test]
    fn a_text_that_deceives_is_refused() {
        assert!(make("金100円を支払う").is_ok());
        for bad in [
            "",
            " \n ",
            "a\u{202E}b",
            "a\u{200B}b",
            "a\tb",
            "a\rb",
            "a\u{2028}b",
            "a\u{FEFF}b",
            "a\u{E0041}b",
        ] {
            assert_eq!(make(bad), Err(ChallengeError::Form("text")), "{bad:?}");
        }
        assert!(make(&"あ".repeat(2000)).is_ok());
        assert!(make(&"あ".repeat(2001)).is_err());
    }

    #[test]
    fn no_field_can_reach_into_the_next() {
        let n = [0; 32];
        assert!(ToBeSigned::new("sign-in", "rp", "s", &n, "t").is_ok());
        for (act, rp, session, field) in [
            ("sign-in\nx", "rp", "s", "act"),
            ("Sign", "rp", "s", "act"),
            ("sign-in", "rp\nsession: x", "s", "relying party"),
            ("sign-in", "r p", "s", "relying party"),
            ("sign-in", "rp", "s\n", "session"),
            ("sign-in", "rp", "", "session"),
        ] {
            assert_eq!(ToBeSigned::new(act, rp, session, &n, "t"), Err(ChallengeError::Form(field)));
        }
    }

    #[test]
    fn a_challenge_is_used_once_and_in_time() {
        let issued = Timestamp::from_secs(1_800_000_000);
        let challenge = || Challenge::new(make("t").unwrap(), issued);
        let last = challenge().expires_at().minus(Duration::from_micros(1));
        assert!(challenge().spend(1, issued).is_ok());
        assert!(challenge().spend(1, last).is_ok());
        assert_eq!(challenge().spend(1, challenge().expires_at()).unwrap_err(), ChallengeError::Late);
        assert_eq!(
            challenge().spend(1, issued.minus(Duration::from_secs(1))).unwrap_err(),
            ChallengeError::Late
        );
        assert_eq!(challenge().spend(0, issued).unwrap_err(), ChallengeError::Used);
        assert_eq!(challenge().spend(2, issued).unwrap_err(), ChallengeError::Used);
    }
}
