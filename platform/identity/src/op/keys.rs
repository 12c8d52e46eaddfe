//! Signing keys: made here, sealed in the database, announced before they sign and published until nothing that they
//! signed is valid any more.
//!
//! A new key is published for [`ANNOUNCE`] before it signs, so that whoever keeps our key set has it by then; an old
//! one stays for [`LINGER`] after its last signature. Several processes that renew at once agree, because a key's
//! number is part of the primary key: the second insert does nothing.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use kenroku_oidc::jwk::{Alg, KeySet, PublicKey};
use kenroku_oidc::jws::SigningKey;
use kenroku_types::{Problem, Timestamp};

use super::provider::{Provider, T};
use super::sql;

/// How long a key is published before it signs.
pub const ANNOUNCE: Duration = Duration::from_secs(86_400);
/// How long after its last signature: longer than any token lives.
pub const LINGER: Duration = Duration::from_secs(2 * 86_400);
/// What the vault seals the keys for.
const PURPOSE: &str = "identity.op-key";

/// How old the ring in memory may be.
pub(super) struct Held;
impl Held {
    /// For signing and verifying.
    pub(super) const FRESH: Duration = Duration::from_secs(60);
}

/// The keys of a moment.
pub struct Ring {
    signing: HashMap<Alg, (Timestamp, Arc<SigningKey>)>,
    public: KeySet,
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ring({:?})", self.public)
    }
}

impl Ring {
    /// The key that signs with this algorithm now.
    pub fn signing(&self, alg: Alg) -> Option<&SigningKey> {
        self.signing.get(&alg).map(|(_, k)| k.as_ref())
    }

    /// Everything that may verify a token of ours.
    pub fn public(&self) -> &KeySet {
        &self.public
    }

    /// The algorithms for which there is a key.
    pub fn algs(&self) -> Vec<Alg> {
        Alg::ALL.into_iter().filter(|a| self.signing.contains_key(a)).collect()
    }
}

fn failed(e: &(dyn std::error::Error + 'static)) -> Problem {
    Problem::internal().because(e)
}

impl Provider {
    /// The ring, not older than `most`.
    pub(super) async fn keys(&self, most: Duration) -> Result<Arc<Ring>, Problem> {
        let now = self.env.clock.monotonic();
        let held = self.ring.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, ring)) = held
            && now.saturating_sub(at) < most
        {
            return Ok(ring);
        }
        let ring = Arc::new(self.load().await?);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&ring)));
        Ok(ring)
    }

    async fn load(&self) -> Result<Ring, Problem> {
        let now = self.env.now();
        let mut tx = self.db.read().await.map_err(Problem::from)?;
        let rows = sql::keys(&mut tx, now).await.map_err(Problem::from)?;
        drop(tx);
        let (mut signing, mut public) = (HashMap::new(), Vec::new());
        for row in rows {
            let key = PublicKey::from_jwk(&row.public).map_err(|e| failed(&e))?;
            public.push(key.with_kid(&row.kid));
            let Some(alg) = Alg::named(&row.alg) else { continue };
            let newer = |(from, _): &(Timestamp, Arc<SigningKey>)| *from >= row.active_from;
            if row.active_from > now || signing.get(&alg).is_some_and(newer) {
                continue;
            }
            let pkcs8 =
                self.vault.open_secret(T, PURPOSE, &row.kid, &row.sealed).await.map_err(Problem::from)?;
            let key = SigningKey::from_pkcs8(alg, &pkcs8).map_err(|e| failed(&e))?;
            signing.insert(alg, (row.active_from, Arc::new(key)));
        }
        Ok(Ring { signing, public: KeySet::new(public) })
    }

    /// Makes the first keys, and the next ones when it is time. For a job that runs every day; returns how many.
    ///
    /// # Errors
    /// When the database or the vault fails.
    pub async fn renew_keys(&self) -> Result<u32, Problem> {
        let mut made = 0;
        for alg in [Alg::Es256, Alg::EdDsa] {
            let now = self.env.now();
            let newest = self.newest(alg).await?;
            let from = match newest {
                None => now,
                Some((_, active)) if active.plus(self.settings.rotation) <= now => now.plus(ANNOUNCE),
                Some(_) => continue,
            };
            made += u32::from(self.add_key(alg, newest.map_or(1, |(n, _)| n + 1), from).await?);
        }
        self.forget_ring();
        Ok(made)
    }

    /// Replaces the keys of every algorithm at once: for an operator who fears that one was stolen. Tokens signed by
    /// the old ones are refused as soon as the processes have read the new ring (a minute).
    ///
    /// # Errors
    /// When the database or the vault fails.
    pub async fn replace_keys_now(&self) -> Result<(), Problem> {
        for alg in [Alg::Es256, Alg::EdDsa] {
            let number = self.newest(alg).await?.map_or(1, |(n, _)| n + 1);
            let now = self.env.now();
            if self.add_key(alg, number, now).await? {
                let mut tx = self.db.begin().await.map_err(Problem::from)?;
                sql::expire_keys(&mut tx, alg.name(), number, now).await.map_err(Problem::from)?;
                tx.commit().await.map_err(Problem::from)?;
            }
        }
        self.forget_ring();
        Ok(())
    }

    fn forget_ring(&self) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn newest(&self, alg: Alg) -> Result<Option<(u32, Timestamp)>, Problem> {
        let mut tx = self.db.read().await.map_err(Problem::from)?;
        sql::newest_key(&mut tx, alg.name()).await.map_err(Problem::from)
    }

    /// False when another process was first.
    async fn add_key(&self, alg: Alg, number: u32, from: Timestamp) -> Result<bool, Problem> {
        let (pkcs8, key) = SigningKey::generate(alg).map_err(|e| failed(&e))?;
        let sealed = self.vault.seal_secret(T, PURPOSE, key.kid(), &pkcs8).await.map_err(Problem::from)?;
        let row = sql::KeyRow {
            alg: alg.name().to_owned(),
            kid: key.kid().to_owned(),
            public: key.public().to_jwk(),
            sealed,
            active_from: from,
        };
        let mut tx = self.db.begin().await.map_err(Problem::from)?;
        let added = sql::add_key(&mut tx, &row, number).await.map_err(Problem::from)?;
        if added {
            sql::expire_keys(&mut tx, alg.name(), number, from.plus(LINGER)).await.map_err(Problem::from)?;
        }
        tx.commit().await.map_err(Problem::from)?;
        Ok(added)
    }
}
