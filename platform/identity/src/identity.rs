//! [`Identity`]: the service that the pages, the OpenID Provider and other modules of the platform ask.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kenroku_access::accounts::{Passwords, ThrottleRules};
use kenroku_bus::Bus;
use kenroku_store::Db;
use kenroku_types::Env;
use kenroku_vault::Vault;

use crate::revocation::Counts;

/// The rules of the house.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The longest life of a session.
    pub absolute: Duration,
    /// The longest silence of one.
    pub idle: Duration,
    /// How long a card or a passkey may take; at most five minutes.
    pub ceremony: Duration,
    /// How failed sign-ins are slowed down.
    pub throttle: ThrottleRules,
    /// At which age a child's own account is handed over: at the end of that school year.
    pub hand_over_age: i32,
    /// The address of this site, such as `https://portal.example.jp`; empty to go by each request.
    pub origin: String,
    /// Whether the codes of simulated people are shown: in `kenroku demo` only.
    pub demo: bool,
}

impl Default for Rules {
    /// A day and an hour (NIST SP 800-63B-4 §2.2.3), five minutes, fifteen years.
    fn default() -> Self {
        Rules {
            absolute: Duration::from_secs(24 * 3600),
            idle: Duration::from_secs(3600),
            ceremony: Duration::from_secs(300),
            throttle: ThrottleRules::default(),
            hand_over_age: 15,
            origin: String::new(),
            demo: false,
        }
    }
}

/// People, their sign-ins and sessions. Cheap to clone; put into the app by the module.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    db: Db,
    env: Env,
    bus: Bus,
    vault: Vault,
    passwords: Passwords,
    rules: Rules,
    counts: Arc<Counts>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// Puts the parts together.
    pub fn new(db: Db, env: Env, bus: Bus, vault: Vault, passwords: Passwords, rules: Rules) -> Self {
        Identity(Arc::new(Inner { db, env, bus, vault, passwords, rules, counts: Arc::default() }))
    }

    /// The database.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// Clock and random source.
    pub fn env(&self) -> &Env {
        &self.0.env
    }

    /// Where events go.
    pub fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// Where attributes are opened.
    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// The rules of the house.
    pub fn rules(&self) -> &Rules {
        &self.0.rules
    }

    pub(crate) fn counts(&self) -> &Arc<Counts> {
        &self.0.counts
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }
}
