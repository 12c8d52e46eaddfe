//! [`Backoff`]: how long to wait before the next attempt.

use std::time::Duration;

use kenroku_types::Rng;

/// Exponential back-off with jitter: the wait doubles from `first` up to `most`, and half of it is random, so that
/// what failed together does not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Longest wait after the first failure.
    pub first: Duration,
    /// Longest wait ever.
    pub most: Duration,
    /// After this many failures it is given up.
    pub attempts: u32,
}

impl Backoff {
    /// For events: 1 s … 5 min, given up after 8 attempts (about two minutes), because later events wait behind.
    pub const EVENTS: Backoff =
        Backoff { first: Duration::from_secs(1), most: Duration::from_secs(300), attempts: 8 };
    /// For jobs: 5 s … 1 h, given up after 12 attempts (about three hours).
    pub const JOBS: Backoff =
        Backoff { first: Duration::from_secs(5), most: Duration::from_secs(3600), attempts: 12 };

    /// The wait after failure number `attempt` (from 1).
    pub fn wait(&self, attempt: u32, rng: &Rng) -> Duration {
        let factor = 1u32 << attempt.saturating_sub(1).min(30);
        let most = self.first.saturating_mul(factor).min(self.most);
        let half = most / 2;
        half + Duration::from_micros(rng.below(half.as_micros().min(u128::from(u64::MAX)) as u64 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenroku_types::Rng;
    use proptest::prelude::*;

    #[test]
    fn doubles_then_stays() {
        let b = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(10), attempts: 8 };
        let rng = Rng::seeded(1);
        for (attempt, most) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (40, 10), (u32::MAX, 10)] {
            let w = b.wait(attempt, &rng);
            let most = Duration::from_secs(most);
            assert!(w >= most / 2 && w <= most, "attempt {attempt}: {w:?}");
        }
    }

    proptest! {
        #[test]
        fn stays_within_its_bounds(attempt in 0u32.., seed: u64) {
            let b = Backoff::JOBS;
            let w = b.wait(attempt, &Rng::seeded(seed));
            prop_assert!(w >= b.first / 2 && w <= b.most);
        }
    }
}
