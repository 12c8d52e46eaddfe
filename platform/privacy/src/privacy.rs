//! [`Privacy`]: the service that the pages and jobs ask.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kenroku_store::Db;
use kenroku_types::{Env, Tenant};
use kenroku_vault::Vault;
use kenroku_vault::leave::Holders;

/// Under which pseudonyms this module knows people.
pub const SECTOR: &str = "privacy";

/// The rules of the house.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long somebody who leaves may come back.
    pub wait: Duration,
    /// How fresh the sign-in of somebody who leaves must be.
    pub fresh: Duration,
    /// Days for a decision: thirty, or fewer where an ordinance says so (個人情報の保護に関する法律 §108).
    pub decision_days: u32,
}

impl Default for Rules {
    /// A week; five minutes; thirty days.
    fn default() -> Self {
        Rules { wait: Duration::from_secs(7 * 86_400), fresh: Duration::from_secs(300), decision_days: 30 }
    }
}

/// The data officer's desk. Cheap to clone; put into the app by the module.
#[derive(Clone)]
pub struct Privacy(Arc<Inner>);

struct Inner {
    db: Db,
    env: Env,
    vault: Vault,
    holders: Arc<Holders>,
    tenants: Vec<Tenant>,
    rules: Rules,
}

impl fmt::Debug for Privacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Privacy")
    }
}

impl Privacy {
    /// Puts the parts together; `tenants` are the governments of the installation.
    pub fn new(
        db: Db,
        env: Env,
        vault: Vault,
        holders: Arc<Holders>,
        tenants: Vec<Tenant>,
        rules: Rules,
    ) -> Self {
        Privacy(Arc::new(Inner { db, env, vault, holders, tenants, rules }))
    }

    /// The database.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// Clock and random source.
    pub fn env(&self) -> &Env {
        &self.0.env
    }

    /// Where sealed texts are opened.
    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// Who holds facts about people.
    pub fn holders(&self) -> &Holders {
        &self.0.holders
    }

    /// The governments of the installation.
    pub fn tenants(&self) -> &[Tenant] {
        &self.0.tenants
    }

    /// The rules of the house.
    pub fn rules(&self) -> Rules {
        self.0.rules
    }
}
