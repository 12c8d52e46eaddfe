//! Passwords: what is accepted, how they are stored, how they are compared.
//!
//! PBKDF2-HMAC-SHA256 (RFC 8018 §5.2) from `ring`, 600,000 rounds (OWASP Password Storage Cheat Sheet), so that
//! no further library is needed. The rounds stand in each stored value; an older value is renewed when its owner
//! signs in.

use std::num::NonZeroU32;
use std::sync::Arc;

use kenroku_types::Rng;
use ring::pbkdf2;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;

use super::{AccountError, Result};

/// What new passwords are hashed with.
const ROUNDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(599_999);
/// A stored value with more would be an attack on our time.
const MAX_ROUNDS: u32 = 20_000_000;
const ALGORITHM: pbkdf2::Algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
/// Longest accepted input in bytes; a limit keeps the work bounded.
const MAX_BYTES: usize = 512;
/// Fewest characters. NIST SP 800-63B-4 §3.1.1.2 asks for 15 where a password is the only factor.
const MIN_CHARS: usize = 15;

/// The password work of one process: how hard, and how much of it at once.
#[derive(Clone, Debug)]
pub struct Passwords {
    rounds: NonZeroU32,
    /// Checks running at once.
    working: Arc<Semaphore>,
    /// Checks running or waiting; beyond that, callers are told to come back.
    queue: Arc<Semaphore>,
}

impl Default for Passwords {
    /// 600,000 rounds, two at once, 64 waiting.
    fn default() -> Self {
        Passwords::new(ROUNDS, 2, 64)
    }
}

impl Passwords {
    /// With other figures: tests use few rounds.
    pub fn new(rounds: NonZeroU32, at_once: usize, waiting: usize) -> Self {
        Passwords {
            rounds,
            working: Arc::new(Semaphore::new(at_once)),
            queue: Arc::new(Semaphore::new(at_once + waiting)),
        }
    }

    /// The stored form of a new password: `pbkdf2-sha256$rounds$salt$hash`, in hexadecimal.
    ///
    /// # Errors
    /// [`AccountError::Busy`].
    pub async fn hash(&self, password: &str, rng: &Rng) -> Result<String> {
        let (salt, text) = (rng.bytes::<16>(), normalised(password));
        let rounds = self.rounds;
        self.work(move || {
            let mut out = [0; 32];
            pbkdf2::derive(ALGORITHM, rounds, &salt, text.as_bytes(), &mut out);
            format!("pbkdf2-sha256${rounds}${}${}", hex::encode(salt), hex::encode(out))
        })
        .await
    }

    /// Whether `password` is the stored one. Without a stored one it takes as long and says no.
    ///
    /// # Errors
    /// [`AccountError::Busy`].
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<bool> {
        if password.len() > MAX_BYTES {
            return Ok(false);
        }
        let parsed = stored.and_then(parse);
        if stored.is_some() && parsed.is_none() {
            tracing::error!("a stored password cannot be read; its account cannot sign in until it is reset");
        }
        let real = parsed.is_some();
        let (rounds, salt, hash) = parsed.unwrap_or((self.rounds, vec![0; 16], vec![0; 32]));
        let text = normalised(password);
        self.work(move || pbkdf2::verify(ALGORITHM, rounds, &salt, text.as_bytes(), &hash).is_ok() && real)
            .await
    }

    /// Whether a stored password should be renewed.
    pub fn outdated(&self, stored: &str) -> bool {
        parse(stored).is_none_or(|(rounds, _, _)| rounds < self.rounds)
    }

    async fn work<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| AccountError::Busy)?;
        let turn = Arc::clone(&self.working).acquire_owned().await.map_err(|_| AccountError::Busy)?;
        // The permits move along: an impatient caller must not free a place while the work goes on.
        tokio::task::spawn_blocking(move || {
            let out = f();
            drop((place, turn));
            out
        })
        .await
        .map_err(|_| AccountError::Busy)
    }
}

/// The same password from any keyboard: full and half width, composed or not (NIST SP 800-63B-4 §3.1.1.2).
fn normalised(password: &str) -> String {
    password.nfkc().collect()
}

fn parse(stored: &str) -> Option<(NonZeroU32, Vec<u8>, Vec<u8>)> {
    let mut parts = stored.split('$');
    let (kind, rounds, salt, hash) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if kind != "pbkdf2-sha256" || parts.next().is_some() {
        return None;
    }
    let rounds = rounds.parse().ok().and_then(NonZeroU32::new).filter(|r| r.get() <= MAX_ROUNDS)?;
    Some((rounds, hex::decode(salt).ok()?, hex::decode(hash).ok()?))
}

/// Whether a new password may be used: long, not the login name, not one character repeated. No rules about
/// kinds of characters and no expiry (NIST SP 800-63B-4 §3.1.1.2).
///
/// # Errors
/// [`AccountError::WeakPassword`] with what is needed.
pub fn check(password: &str, login: &str) -> Result<()> {
    let text = normalised(password);
    if text.chars().count() < MIN_CHARS {
        return Err(AccountError::WeakPassword("needs at least 15 characters; a sentence works well"));
    }
    if password.len() > MAX_BYTES {
        return Err(AccountError::WeakPassword("is longer than 512 bytes"));
    }
    let lower = text.to_lowercase();
    if lower.replace(login, "").chars().count() < MIN_CHARS / 2 {
        return Err(AccountError::WeakPassword("consists mostly of the login name"));
    }
    let mut seen: Vec<char> = lower.chars().collect();
    seen.sort_unstable();
    seen.dedup();
    if seen.len() < 5 {
        return Err(AccountError::WeakPassword("repeats too few different characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick() -> Passwords {
        Passwords::new(NonZeroU32::new(10).unwrap(), 1, 1)
    }

    #[tokio::test]
    async fn the_right_password_passes_and_nothing_else() {
        let (p, rng) = (quick(), Rng::seeded(1));
        let stored = p.hash("雪の朝に歩く人たち 二〇二六", &rng).await.unwrap();
        assert!(p.verify("雪の朝に歩く人たち 二〇二六", Some(&stored)).await.unwrap());
        assert!(!p.verify("雪の朝に歩く人たち 二〇二七", Some(&stored)).await.unwrap());
        assert!(!p.verify("", None).await.unwrap());
        assert_ne!(stored, p.hash("雪の朝に歩く人たち 二〇二六", &rng).await.unwrap(), "the salt differs");
    }

    #[tokio::test]
    async fn full_width_input_is_the_same_password() {
        let p = quick();
        let stored = p.hash("correct horse 123", &Rng::seeded(2)).await.unwrap();
        assert!(p.verify("ｃｏｒｒｅｃｔ　ｈｏｒｓｅ　１２３", Some(&stored)).await.unwrap());
    }

    #[tokio::test]
    async fn damaged_values_never_match() {
        let p = quick();
        for bad in
            ["", "x", "pbkdf2-sha256$0$00$00", "pbkdf2-sha256$99999999$00$00", "pbkdf2-sha256$10$zz$00"]
        {
            assert!(!p.verify("anything at all", Some(bad)).await.unwrap(), "{bad}");
            assert!(p.outdated(bad));
        }
    }

    /// RFC 7914 §11, second vector for PBKDF2-HMAC-SHA-256: 80,000 rounds, of which the first 32 bytes.
    #[tokio::test]
    async fn agrees_with_the_published_vector() {
        let hash = "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56";
        let stored = format!("pbkdf2-sha256$80000${}${hash}", hex::encode("NaCl"));
        assert!(quick().verify("Password", Some(&stored)).await.unwrap());
        assert!(!quick().outdated(&stored));
    }

    #[tokio::test]
    async fn a_full_queue_says_so() {
        let p = Passwords::new(NonZeroU32::new(10).unwrap(), 1, 0);
        let place = Arc::clone(&p.queue).try_acquire_owned().unwrap();
        assert_eq!(p.verify("x", None).await, Err(AccountError::Busy));
        drop(place);
        assert_eq!(p.verify("x", None).await, Ok(false));
    }

    #[test]
    fn weak_passwords_are_named() {
        assert_eq!(check("雪の朝に歩く人たち、二〇二六年", "yuki"), Ok(()));
        for bad in ["short", "aaaaaaaaaaaaaaaaaaaa", "yuki.taroyuki.taroyuki", "ababababababababab"] {
            assert!(matches!(check(bad, "yuki.taro"), Err(AccountError::WeakPassword(_))), "{bad}");
        }
        assert!(check(&"長い".repeat(200), "yuki").is_err());
    }
}
