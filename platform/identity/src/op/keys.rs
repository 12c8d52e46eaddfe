//! Signing keys: made here, sealed in the database, announced before they sign and published until nothing that they
//! signed is valid any more. Only RSA keys come from outside: ring makes none, so the operator makes them with
//! `openssl genpkey` and imports them ([`Provider::import_key`]); the next one is imported in the same way.
//!
//! A new key is published for [`ANNOUNCE`] before it signs, so that whoever keeps our key set has it by then; an old
//! one stays for [`LINGER`] after its last signature. Several processes that renew at once agree, because a key's
//! number is part of the primary key: the second insert does nothing.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use kenroku_access::Granted;
use kenroku_oidc::jwk::{Alg, KeySet, PublicKey};
use kenroku_oidc::jws::SigningKey;
use kenroku_oidc::pem::{self, PemError};
use kenroku_types::{Problem, Timestamp};

use super::answer::{Outcome, inner};
use super::clients::for_realm;
use super::provider::{Provider, T};
use super::sql;
use crate::ManageClients;

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

    /// As [`Ring::signing`], for whoever cannot go on without.
    ///
    /// # Errors
    /// 503: the operator ended the imported key and has not imported the next one.
    pub(super) fn must_sign(&self, alg: Alg) -> Outcome<&SigningKey> {
        self.signing(alg).ok_or_else(|| {
            inner(
                Problem::new(503, "identity.no-key", "There is no key for the algorithm of this service")
                    .detail(format!("{alg} is registered for its ID tokens."))
                    .next("The operator has to import one."),
            )
        })
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

/// Why a key was not imported.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ImportError {
    /// It cannot be read.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// It is no RSA key of 2048 to 4096 bits (RFC 7518 §3.3 asks for at least 2048).
    #[error("this is no RSA key of 2048 to 4096 bits; openssl genpkey -algorithm RSA makes one")]
    Kind,
    /// It was imported before. A key that was replaced may have been stolen and does not come back.
    #[error("this key was imported before; make a new one")]
    Known,
    /// Something else.
    #[error("{0}")]
    Inner(Box<Problem>),
}

impl From<Problem> for ImportError {
    fn from(p: Problem) -> Self {
        ImportError::Inner(Box::new(p))
    }
}
impl From<kenroku_store::Error> for ImportError {
    fn from(e: kenroku_store::Error) -> Self {
        Problem::from(e).into()
    }
}

/// A key that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its name in the published set.
    pub kid: String,
    /// From when on it signs.
    pub signs_from: Timestamp,
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
            let (pkcs8, key) = SigningKey::generate(alg).map_err(|e| failed(&e))?;
            let number = newest.map_or(1, |(n, _)| n + 1);
            made += u32::from(self.add_key(&key, &pkcs8, number, from, from.plus(LINGER)).await?);
        }
        if let Some((_, active)) = self.newest(Alg::Rs256).await?
            && active.plus(self.settings.rotation) <= self.env.now()
        {
            tracing::warn!("the imported RS256 key is older than identity.key_life: import the next one");
        }
        self.forget_ring();
        Ok(made)
    }

    /// Takes the operator's RSA key, in PEM and PKCS #8, for clients that registered RS256. It is published for
    /// [`ANNOUNCE`] before it signs; the first one signs at once, and so does one that replaces a stolen one (`at_once`:
    /// what the others signed is refused from then on).
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn import_key(
        &self,
        by: &Granted<ManageClients>,
        pem: &str,
        at_once: bool,
    ) -> Result<Imported, ImportError> {
        for_realm(by)?;
        self.import_pkcs8(&pem::private_key(pem)?, at_once).await
    }

    pub(super) async fn import_pkcs8(&self, pkcs8: &[u8], at_once: bool) -> Result<Imported, ImportError> {
        let key = SigningKey::from_pkcs8(Alg::Rs256, pkcs8).map_err(|_| ImportError::Kind)?;
        let known = sql::has_key(&mut self.db.read().await?, key.kid()).await?;
        if known {
            return Err(ImportError::Known);
        }
        let signing = self.load().await?.signing(Alg::Rs256).is_some();
        let now = self.env.now();
        let from = if signing && !at_once { now.plus(ANNOUNCE) } else { now };
        let others_end = if at_once { now } else { from.plus(LINGER) };
        let number = self.newest(Alg::Rs256).await?.map_or(1, |(n, _)| n + 1);
        if !self.add_key(&key, pkcs8, number, from, others_end).await? {
            return Err(Problem::conflict("another key was imported at the same time").into());
        }
        self.forget_ring();
        Ok(Imported { kid: key.kid().to_owned(), signs_from: from })
    }

    /// Replaces the keys of every algorithm at once: for an operator who fears that one was stolen. Tokens signed by
    /// the old ones are refused as soon as the processes have read the new ring (a minute). Imported keys end; clients
    /// with RS256 wait for the operator to import the next one.
    ///
    /// # Errors
    /// When the database or the vault fails.
    pub async fn replace_keys_now(&self) -> Result<(), Problem> {
        let now = self.env.now();
        for alg in [Alg::Es256, Alg::EdDsa] {
            let number = self.newest(alg).await?.map_or(1, |(n, _)| n + 1);
            let (pkcs8, key) = SigningKey::generate(alg).map_err(|e| failed(&e))?;
            self.add_key(&key, &pkcs8, number, now, now).await?;
        }
        if let Some((newest, _)) = self.newest(Alg::Rs256).await? {
            let mut tx = self.db.begin().await?;
            sql::expire_keys(&mut tx, Alg::Rs256.name(), newest + 1, now).await?;
            tx.commit().await?;
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

    /// Adds a key, and lets the older ones of its algorithm end. False when another process was first.
    async fn add_key(
        &self,
        key: &SigningKey,
        pkcs8: &[u8],
        number: u32,
        from: Timestamp,
        others_end: Timestamp,
    ) -> Result<bool, Problem> {
        let sealed = self.vault.seal_secret(T, PURPOSE, key.kid(), pkcs8).await.map_err(Problem::from)?;
        let row = sql::KeyRow {
            alg: key.alg().name().to_owned(),
            kid: key.kid().to_owned(),
            public: key.public().to_jwk(),
            sealed,
            active_from: from,
        };
        let mut tx = self.db.begin().await.map_err(Problem::from)?;
        let added = sql::add_key(&mut tx, &row, number).await.map_err(Problem::from)?;
        if added {
            sql::expire_keys(&mut tx, &row.alg, number, others_end).await.map_err(Problem::from)?;
        }
        tx.commit().await.map_err(Problem::from)?;
        Ok(added)
    }
}
