//! [`Env`]: the clock and the random source, passed to whatever needs “now” or a fresh id.

use crate::{Clock, Id, Rng, Timestamp};

/// What a piece of code may know of the world besides its arguments. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Env {
    /// Where “now” comes from.
    pub clock: Clock,
    /// Where random bytes come from.
    pub rng: Rng,
}

impl Env {
    /// The machine's clock and random source.
    pub fn system() -> Self {
        Env { clock: Clock::system(), rng: Rng::system() }
    }

    /// A clock standing at `t` and a seeded source: everything made from it is reproducible.
    pub fn fixed(t: Timestamp, seed: u64) -> Self {
        Env { clock: Clock::fixed(t), rng: Rng::seeded(seed) }
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A fresh UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then random bits, so ids sort by creation.
    pub fn uuid(&self) -> uuid::Uuid {
        let millis = u64::try_from(self.now().micros() / 1000).unwrap_or(0);
        let random: [u8; 10] = self.rng.bytes();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// A fresh id of the kind the caller asks for.
    pub fn id<K>(&self) -> Id<K> {
        Id::from_uuid(self.uuid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn ids_are_version_7_and_sort_by_time() {
        let env = Env::fixed(Timestamp::from_secs(1_768_350_600), 3);
        let a = env.uuid();
        env.clock.advance(Duration::from_millis(1));
        let b = env.uuid();
        assert_eq!(a.get_version_num(), 7);
        assert!(a < b);
    }
}
