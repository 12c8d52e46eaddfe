//! A token bucket per client: so many requests at once, so many per second for long.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const SHARDS: usize = 16;
/// Buckets kept per shard before the full ones (idle clients) are dropped. If all are busy the table is
/// emptied: a flood from very many networks must not take memory, and is for the proxy in front to stop.
const MAX_PER_SHARD: usize = 8192;

/// Limits by an arbitrary key. Buckets of idle clients are forgotten.
pub struct RateLimiter {
    per_second: f64,
    burst: f64,
    hasher: RandomState,
    shards: [Mutex<HashMap<u64, Bucket>>; SHARDS],
}

struct Bucket {
    tokens: f64,
    at: Duration,
}

impl RateLimiter {
    /// `per_second` tokens flow in, at most `burst` are held. Both must be positive; 0 refuses everything.
    pub fn new(per_second: f64, burst: f64) -> Self {
        RateLimiter {
            per_second,
            burst,
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::new(HashMap::new())),
        }
    }

    /// Takes one token of `key` at the monotonic time `now`.
    ///
    /// # Errors
    /// The whole seconds after which one token will be there.
    pub fn take(&self, key: &impl Hash, now: Duration) -> Result<(), u32> {
        let h = self.hasher.hash_one(key);
        let mut shard = self.shards[h as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= MAX_PER_SHARD && !shard.contains_key(&h) {
            shard.retain(|_, b| self.filled(b, now) < self.burst);
            if shard.len() >= MAX_PER_SHARD {
                shard.clear();
            }
        }
        let bucket = shard.entry(h).or_insert(Bucket { tokens: self.burst, at: now });
        bucket.tokens = self.filled(bucket, now);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let wait = (1.0 - bucket.tokens) / self.per_second.max(1e-6);
        Err(wait.ceil().clamp(1.0, 3600.0) as u32)
    }

    fn filled(&self, b: &Bucket, now: Duration) -> f64 {
        (b.tokens + now.saturating_sub(b.at).as_secs_f64() * self.per_second).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_passes_then_the_rate_holds_and_others_are_not_touched() {
        let l = RateLimiter::new(2.0, 3.0);
        let t = Duration::from_secs(100);
        assert_eq!([(); 4].map(|()| l.take(&"a", t).is_ok()), [true, true, true, false]);
        assert_eq!(l.take(&"a", t), Err(1));
        assert_eq!(l.take(&"b", t), Ok(()));
        assert_eq!(l.take(&"a", t + Duration::from_millis(500)), Ok(()));
        assert!(l.take(&"a", t + Duration::from_millis(501)).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let l = RateLimiter::new(1.0, 2.0);
        for i in 0..(SHARDS * MAX_PER_SHARD * 2) {
            let _ = l.take(&i, Duration::ZERO);
        }
        let held: usize = l.shards.iter().map(|s| s.lock().unwrap().len()).sum();
        assert!(held <= SHARDS * MAX_PER_SHARD);
    }

    proptest! {
        #[test]
        fn never_more_than_burst_plus_flow(gaps in prop::collection::vec(0u64..3000, 1..200)) {
            let l = RateLimiter::new(1.0, 5.0);
            let (mut now, mut passed) = (Duration::ZERO, 0.0);
            for g in gaps {
                now += Duration::from_millis(g);
                passed += f64::from(u8::from(l.take(&1, now).is_ok()));
            }
            prop_assert!(passed <= 5.0 + now.as_secs_f64() + 1e-6);
        }
    }
}
