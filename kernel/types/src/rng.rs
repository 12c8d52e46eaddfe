//! Randomness as a value: the system's source in production, a seed in tests and simulations.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// A source of random bytes. Clones of a seeded source share its state.
#[derive(Clone)]
pub struct Rng(Source);

#[derive(Clone)]
enum Source {
    System,
    Seeded(u64, Arc<Mutex<ChaCha12Rng>>),
}

impl Rng {
    /// The operating system's cryptographic source.
    pub fn system() -> Self {
        Rng(Source::System)
    }

    /// A reproducible source. Never for keys.
    pub fn seeded(seed: u64) -> Self {
        Rng(Source::Seeded(seed, Arc::new(Mutex::new(ChaCha12Rng::seed_from_u64(seed)))))
    }

    /// The seed, when there is one: print it in every test that fails.
    pub fn seed(&self) -> Option<u64> {
        match &self.0 {
            Source::System => None,
            Source::Seeded(s, _) => Some(*s),
        }
    }

    /// Fills `out` with random bytes.
    ///
    /// # Panics
    /// When the operating system has no random source, which leaves nothing safe to do.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's source")]
    #[expect(clippy::expect_used, reason = "without randomness no key or id can be made safely")]
    pub fn fill(&self, out: &mut [u8]) {
        match &self.0 {
            Source::System => getrandom::fill(out).expect("the operating system gives random bytes"),
            Source::Seeded(_, rng) => rng.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(out),
        }
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A uniformly distributed 64-bit number.
    pub fn u64(&self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    /// A uniform number in `0..n` (0 when `n` is 0), without modulo bias.
    pub fn below(&self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let zone = u64::MAX - u64::MAX % n;
        loop {
            let x = self.u64();
            if x < zone {
                return x % n;
            }
        }
    }

    /// A uniform number in `[0, 1)`.
    pub fn unit(&self) -> f64 {
        (self.u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::System => f.write_str("Rng(system)"),
            Source::Seeded(s, _) => write!(f, "Rng(seed {s})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert_eq!(Rng::seeded(7).bytes::<32>(), Rng::seeded(7).bytes::<32>());
        assert_ne!(Rng::seeded(7).bytes::<32>(), Rng::seeded(8).bytes::<32>());
        assert_ne!(Rng::system().bytes::<32>(), Rng::system().bytes::<32>());
    }

    #[test]
    fn below_stays_below_and_reaches_all() {
        let r = Rng::seeded(1);
        let mut seen = [false; 7];
        for _ in 0..1000 {
            seen[r.below(7) as usize] = true;
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(r.below(0), 0);
        assert!((0.0..1.0).contains(&r.unit()));
    }
}
