//! Slowing down guessing: failures are counted by account name and by network, on the disk, for names that
//! exist and for names that do not.

use std::net::IpAddr;
use std::time::Duration;

use kenroku_store::{Sql, Tx, params, sql};
use kenroku_types::Timestamp;

use super::{AccountError, Result, seconds, sha256};

/// How failures of one kind are slowed down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Failures without a wait.
    pub free: u32,
    /// The first wait; each further failure doubles it.
    pub first: Duration,
    /// The longest wait. A short one: whoever blocks somebody else's account must not keep them out for long.
    pub longest: Duration,
    /// Failures are forgotten when none happened for so long.
    pub forget: Duration,
}

/// The limits of both kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleRules {
    /// Per account name.
    pub account: Limit,
    /// Per network (IPv4 /24, IPv6 /56): wider, because a whole town hall may come from one address.
    pub network: Limit,
}

impl Default for ThrottleRules {
    fn default() -> Self {
        let hour = Duration::from_secs(3600);
        ThrottleRules {
            account: Limit {
                free: 5,
                first: Duration::from_secs(2),
                longest: Duration::from_secs(900),
                forget: 24 * hour,
            },
            network: Limit {
                free: 40,
                first: Duration::from_secs(1),
                longest: Duration::from_secs(60),
                forget: hour,
            },
        }
    }
}

impl Limit {
    /// How long to wait after that many failures.
    pub fn wait(&self, failures: u32) -> Duration {
        let over = failures.saturating_sub(self.free);
        match over {
            0 => Duration::ZERO,
            n => self.first.saturating_mul(1u32.checked_shl(n - 1).unwrap_or(u32::MAX)).min(self.longest),
        }
    }
}

/// Counts an attempt unless it is blocked; then no row comes back.
const COUNT: &Sql = sql!(
    "insert into access_throttle (kind, key_hash, failures, last_at, blocked_until)
     values ($1, $2, 1, $3, 0)
     on conflict (kind, key_hash) do update set
       failures = case when access_throttle.last_at < $4 then 1 else access_throttle.failures + 1 end,
       last_at = excluded.last_at
     where access_throttle.blocked_until <= excluded.last_at
     returning failures -- @cross_tenant a guesser belongs to no tenant"
);
const BLOCK: &Sql = sql!(
    "update access_throttle set blocked_until = $3 where kind = $1 and key_hash = $2
     -- @cross_tenant a guesser belongs to no tenant"
);
const UNTIL: &Sql = sql!(
    "select blocked_until from access_throttle where kind = $1 and key_hash = $2
     -- @cross_tenant a guesser belongs to no tenant"
);
const CLEAR: &Sql = sql!(
    "delete from access_throttle where kind = $1 and key_hash = $2
     -- @cross_tenant a guesser belongs to no tenant"
);
const FORGIVE: &Sql = sql!(
    "update access_throttle set failures = failures - 1, blocked_until = 0
     where kind = $1 and key_hash = $2 and failures > 0
     -- @cross_tenant a guesser belongs to no tenant"
);
const SWEEP: &Sql =
    sql!("delete from access_throttle where last_at < $1 -- @cross_tenant old failures of anybody");

/// One attempt's two counters. Sign-ins that the kernel does not know (residents') count here too, under names of
/// their own.
#[derive(Clone, Debug)]
pub struct Attempt {
    account: [u8; 32],
    network: [u8; 32],
}

impl Attempt {
    /// An attempt at an account from an address.
    pub fn new(login: &str, from: IpAddr) -> Self {
        Attempt {
            account: sha256(&[b"account", login.as_bytes()]),
            network: sha256(&[b"network", &prefix(from)]),
        }
    }

    /// Counts the attempt as failed until it is known better.
    ///
    /// # Errors
    /// [`AccountError::TooManyAttempts`]: roll the transaction back.
    pub async fn count(&self, tx: &mut Tx, rules: &ThrottleRules, now: Timestamp) -> Result<()> {
        for (kind, hash, limit) in self.both(rules) {
            let since = now.minus(limit.forget);
            let counted: Option<(i64,)> = tx.opt(COUNT, params![kind, hash, now, since]).await?;
            let Some((failures,)) = counted else {
                let until: Option<(Timestamp,)> = tx.opt(UNTIL, params![kind, hash]).await?;
                let left = until.map_or(0, |(t,)| t.since(now));
                let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
                return Err(AccountError::TooManyAttempts(seconds(left)));
            };
            let wait = limit.wait(u32::try_from(failures).unwrap_or(u32::MAX));
            if !wait.is_zero() {
                tx.execute(BLOCK, params![kind, hash, now.plus(wait)]).await?;
            }
        }
        Ok(())
    }

    /// It was the right password after all: the account starts anew, the network has one failure less.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forgive(&self, tx: &mut Tx) -> Result<()> {
        tx.execute(CLEAR, params!["account", &self.account]).await?;
        tx.execute(FORGIVE, params!["network", &self.network]).await?;
        Ok(())
    }

    fn both<'a>(&'a self, rules: &'a ThrottleRules) -> [(&'static str, &'a [u8; 32], &'a Limit); 2] {
        [("network", &self.network, &rules.network), ("account", &self.account, &rules.account)]
    }
}

/// Removes counters that no longer matter.
pub(super) async fn sweep(tx: &mut Tx, rules: &ThrottleRules, now: Timestamp) -> Result<u64> {
    let oldest = now.minus(rules.account.forget.max(rules.network.forget));
    Ok(tx.execute(SWEEP, params![oldest]).await?)
}

/// The network of an address: /24 for IPv4, /56 for IPv6, what one line usually gets.
fn prefix(from: IpAddr) -> Vec<u8> {
    match from.to_canonical() {
        IpAddr::V4(a) => a.octets()[..3].to_vec(),
        IpAddr::V6(a) => a.octets()[..7].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let l = ThrottleRules::default().account;
        let secs: Vec<u64> =
            [0, 5, 6, 7, 8, 14, 15, 40, u32::MAX].iter().map(|n| l.wait(*n).as_secs()).collect();
        assert_eq!(secs, [0, 0, 2, 4, 8, 512, 900, 900, 900]);
    }

    #[test]
    fn addresses_of_one_line_count_together() {
        let p = |s: &str| prefix(s.parse().unwrap());
        assert_eq!(p("203.0.113.7"), p("203.0.113.200"));
        assert_ne!(p("203.0.113.7"), p("203.0.114.7"));
        assert_eq!(p("2001:db8:1:100::1"), p("2001:db8:1:1ff::2"));
        assert_eq!(p("::ffff:203.0.113.7"), p("203.0.113.7"));
    }
}
