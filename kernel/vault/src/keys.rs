//! The key store: tenant keys wrapped by the master, data keys per person and retention class wrapped by those,
//! and a cache of unwrapped keys that forgets.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use kenroku_store::{Db, SqlBuilder, Tx, params};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Env, Tenant, Timestamp};
use uuid::Uuid;

use crate::MAX_KEY_CACHE;
use crate::aead::{self, Canon, Secret};
use crate::error::{Error, Result};
use crate::master::MasterKeys;
use crate::sql::{self, DataKeyRow, SubjectRow, TenantKeyRow};

/// “Person” under which a tenant's own secrets are kept (search key, signing key), so that they are wrapped and
/// rotated like every other. No person has this id.
pub(crate) const OWN: SubjectId = SubjectId::from_uuid(Uuid::nil());
/// Secrets of [`OWN`].
pub(crate) const SIGNING: &str = "vault.sign";
pub(crate) const SEARCH: &str = "vault.search";
pub(crate) const SECRETS: &str = "vault.secrets";

/// How often a load or a creation starts again when another process changed the keys in between.
const ATTEMPTS: usize = 5;
/// People per question to the database.
const CHUNK: usize = 500;

/// What a process knows of one person: the keys that are not destroyed, and the name in the log.
pub(crate) struct SubjectKeys {
    pub log_ref: Option<Uuid>,
    pub erased_at: Option<Timestamp>,
    classes: BTreeMap<String, BTreeMap<u32, (Timestamp, Secret)>>,
}

impl SubjectKeys {
    pub(crate) fn newest(&self, class: &str) -> Option<(u32, &Secret)> {
        self.classes.get(class)?.last_key_value().map(|(v, (_, k))| (*v, k))
    }

    /// The key for new values: the newest that every process knows by now, so that none meets a value whose key
    /// is not yet in its cache. The first key of a class is used at once.
    pub(crate) fn for_sealing(&self, class: &str, now: Timestamp) -> Option<(u32, &Secret)> {
        let versions = self.classes.get(class)?;
        let known = versions.iter().rev().find(|(_, (made, _))| made.plus(MAX_KEY_CACHE) <= now);
        known.or_else(|| versions.first_key_value()).map(|(v, (_, k))| (*v, k))
    }

    pub(crate) fn version(&self, class: &str, version: u32) -> Option<&Secret> {
        self.classes.get(class)?.get(&version).map(|(_, k)| k)
    }
}

#[cfg(test)]
impl SubjectKeys {
    /// Versions 1 … n of one class.
    pub(crate) fn of(class: &str, keys: Vec<Secret>) -> Self {
        let versions = (1..).zip(keys.into_iter().map(|k| (Timestamp::EPOCH, k))).collect();
        let classes = BTreeMap::from([(class.to_owned(), versions)]);
        SubjectKeys { log_ref: None, erased_at: None, classes }
    }
}

#[derive(Default)]
struct Cache {
    /// Grows with every [`KeyStore::forget`]: what was read before must not be kept after.
    epoch: u64,
    subjects: HashMap<(Tenant, SubjectId), (Duration, Arc<SubjectKeys>)>,
    order: VecDeque<(Duration, (Tenant, SubjectId))>,
    tenants: HashMap<(Tenant, u32), (Duration, Arc<Secret>)>,
    newest: HashMap<Tenant, (Duration, u32)>,
}

impl Cache {
    /// Drops what is older than `ttl`, and the oldest beyond `most`.
    fn tidy(&mut self, now: Duration, ttl: Duration, most: usize) {
        while let Some((at, key)) = self.order.front().copied() {
            if now.saturating_sub(at) < ttl && self.subjects.len() <= most {
                break;
            }
            self.order.pop_front();
            if self.subjects.get(&key).is_some_and(|(t, _)| *t == at) {
                self.subjects.remove(&key);
            }
        }
        self.tenants.retain(|_, (at, _)| now.saturating_sub(*at) < ttl);
        self.newest.retain(|_, (at, _)| now.saturating_sub(*at) < ttl);
    }
}

pub(crate) struct KeyStore {
    pub db: Db,
    pub env: Env,
    master: RwLock<Arc<MasterKeys>>,
    cache: Mutex<Cache>,
    ttl: Duration,
    most: usize,
}

impl KeyStore {
    pub(crate) fn new(db: Db, env: Env, master: MasterKeys, ttl: Duration, most: usize) -> Self {
        let master = RwLock::new(Arc::new(master));
        KeyStore { db, env, master, cache: Mutex::default(), ttl, most }
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        let mut c = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        c.tidy(self.env.clock.monotonic(), self.ttl, self.most);
        c
    }

    /// Drops expired keys now; anything else that uses the cache does so as well.
    pub(crate) fn tidy(&self) {
        drop(self.cache());
    }

    /// Forgets a person at once.
    pub(crate) fn forget(&self, tenant: Tenant, subjects: impl IntoIterator<Item = SubjectId>) {
        let mut c = self.cache();
        c.epoch += 1;
        for s in subjects {
            c.subjects.remove(&(tenant, s));
        }
    }

    /// Forgets the keys of a tenant itself, after a rotation.
    pub(crate) fn forget_tenant(&self, tenant: Tenant) {
        let mut c = self.cache();
        c.epoch += 1;
        c.newest.remove(&tenant);
        c.tenants.retain(|(t, _), _| *t != tenant);
    }

    // --- master ---

    pub(crate) fn master(&self) -> Arc<MasterKeys> {
        Arc::clone(&self.master.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Checks the file against what the key store was made with, and registers its newest generation.
    pub(crate) async fn register_master(&self) -> Result<()> {
        let master = self.master();
        let mut tx = self.db.begin().await?;
        let known: Vec<(u32, Vec<u8>)> = tx.all(sql::MASTERS, &[]).await?;
        for (generation, check) in &known {
            if !master.knows(*generation) {
                return Err(Error::Master(format!(
                    "generation {generation} is in use and not in the master key file; put it back"
                )));
            }
            if master.check_value(*generation)? != *check {
                return Err(Error::Master(format!(
                    "generation {generation} of the file is not the one this key store was made with"
                )));
            }
        }
        let current = master.current();
        let check = master.check_value(current)?;
        tx.execute(sql::ADD_MASTER, params![current, check, self.env.now()]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Reads the file again: a generation was added on another machine.
    pub(crate) async fn reload_master(&self) -> Result<()> {
        if let Some(path) = self.master().path() {
            let fresh = Arc::new(MasterKeys::load(path)?);
            *self.master.write().unwrap_or_else(PoisonError::into_inner) = fresh;
            self.register_master().await?;
        }
        Ok(())
    }

    // --- tenant keys ---

    async fn unwrap_tenant(&self, tenant: Tenant, row: &TenantKeyRow) -> Result<Arc<Secret>> {
        if !self.master().knows(row.master) {
            self.reload_master().await?;
        }
        let key = Arc::new(self.master().unwrap(row.master, tenant, row.version, &row.wrapped)?);
        let now = self.env.clock.monotonic();
        self.cache().tenants.insert((tenant, row.version), (now, Arc::clone(&key)));
        Ok(key)
    }

    /// A tenant key by version; `None` when a rotation removed it meanwhile.
    async fn tenant_key(&self, tenant: Tenant, version: u32) -> Result<Option<Arc<Secret>>> {
        if let Some((_, k)) = self.cache().tenants.get(&(tenant, version)) {
            return Ok(Some(Arc::clone(k)));
        }
        let row: Option<TenantKeyRow> =
            self.db.read().await?.opt(sql::TENANT_KEY, params![tenant, version]).await?;
        match row {
            Some(row) => self.unwrap_tenant(tenant, &row).await.map(Some),
            None => Ok(None),
        }
    }

    /// The newest tenant key; the first is made on first use.
    pub(crate) async fn newest_tenant_key(&self, tenant: Tenant) -> Result<(u32, Arc<Secret>)> {
        let cached = self.cache().newest.get(&tenant).map(|(_, v)| *v);
        if let Some(version) = cached
            && let Some(key) = self.tenant_key(tenant, version).await?
        {
            return Ok((version, key));
        }
        let epoch = self.cache().epoch;
        let mut row: Option<TenantKeyRow> =
            self.db.read().await?.opt(sql::NEWEST_TENANT_KEY, params![tenant]).await?;
        if row.is_none() {
            self.add_tenant_key(tenant, 1).await?;
            row = self.db.read().await?.opt(sql::NEWEST_TENANT_KEY, params![tenant]).await?;
        }
        let row = row.ok_or(Error::Crypto("a tenant key that was just made is missing"))?;
        let key = self.unwrap_tenant(tenant, &row).await?;
        let now = self.env.clock.monotonic();
        let mut c = self.cache();
        if c.epoch == epoch {
            c.newest.insert(tenant, (now, row.version));
        }
        Ok((row.version, key))
    }

    /// Makes a tenant key, unless somebody did already.
    pub(crate) async fn add_tenant_key(&self, tenant: Tenant, version: u32) -> Result<()> {
        match self.try_add_tenant_key(tenant, version).await {
            // Another process has retired this generation of the master.
            Err(Error::Store(e)) if matches!(e.0, kenroku_store::Error::Constraint(_)) => {
                self.reload_master().await?;
                self.try_add_tenant_key(tenant, version).await
            }
            r => r,
        }
    }

    async fn try_add_tenant_key(&self, tenant: Tenant, version: u32) -> Result<()> {
        let master = self.master();
        let generation = master.current();
        let wrapped =
            master.wrap(generation, tenant, version, &Secret::random(&self.env.rng), &self.env.rng)?;
        let mut tx = self.db.begin().await?;
        tx.execute(sql::ADD_TENANT_KEY, params![tenant, version, generation, wrapped, self.env.now()])
            .await?;
        Ok(tx.commit().await?)
    }

    // --- data keys ---

    pub(crate) fn wrap_data(
        &self,
        tenant: Tenant,
        by: (u32, &Secret),
        subject: SubjectId,
        class: &str,
        version: u32,
        key: &Secret,
    ) -> Result<Vec<u8>> {
        aead::seal(by.1, &self.env.rng, &aad(tenant, by.0, subject, class, version), key.bytes())
    }

    /// Unwraps a data key; `None` when its tenant key is gone, because a rotation wrapped it anew meanwhile.
    pub(crate) async fn unwrap_data(&self, tenant: Tenant, r: &DataKeyRow) -> Result<Option<Secret>> {
        let Some(by) = self.tenant_key(tenant, r.wrapped_by).await? else { return Ok(None) };
        let aad = aad(tenant, r.wrapped_by, SubjectId::from_uuid(r.subject), &r.class, r.version);
        Secret::from_slice(&aead::open(&by, &aad, &r.wrapped)?).map(Some)
    }

    /// What is known of these people; those who never had a key are absent.
    pub(crate) async fn subjects(
        &self,
        tenant: Tenant,
        subjects: &BTreeSet<SubjectId>,
    ) -> Result<BTreeMap<SubjectId, Arc<SubjectKeys>>> {
        let mut found = BTreeMap::new();
        let (epoch, missing) = {
            let c = self.cache();
            let mut missing = Vec::new();
            for s in subjects {
                match c.subjects.get(&(tenant, *s)) {
                    Some((_, k)) => drop(found.insert(*s, Arc::clone(k))),
                    None => missing.push(*s),
                }
            }
            (c.epoch, missing)
        };
        let mut attempt = 0;
        let mut loaded = BTreeMap::new();
        for chunk in missing.chunks(CHUNK) {
            let part = loop {
                match self.load(tenant, chunk).await? {
                    Some(part) => break part,
                    None if attempt < ATTEMPTS => attempt += 1,
                    None => return Err(Error::Crypto("the tenant key of a data key is missing")),
                }
            };
            loaded.extend(part);
        }
        let now = self.env.clock.monotonic();
        let mut c = self.cache();
        for (s, k) in loaded {
            let k = Arc::new(k);
            if c.epoch == epoch {
                c.subjects.insert((tenant, s), (now, Arc::clone(&k)));
                c.order.push_back((now, (tenant, s)));
            }
            found.insert(s, k);
        }
        Ok(found)
    }

    /// `None` when a tenant key went away between the two questions.
    async fn load(
        &self,
        tenant: Tenant,
        subjects: &[SubjectId],
    ) -> Result<Option<BTreeMap<SubjectId, SubjectKeys>>> {
        let mut q = SqlBuilder::new(
            "select s.subject, s.log_ref, s.erased_at, k.class, k.version, k.wrapped_by, k.wrapped, k.created_at \
             from vaultkey_subject s left join vaultkey_data k \
             on k.tenant = s.tenant and k.subject = s.subject and k.wrapped is not null where s.tenant = ",
        );
        q.bind(tenant).push(" and s.subject in ").bind_list(rounded(subjects));
        let rows: Vec<SubjectRow> = self.db.read().await?.all_dyn(&q).await?;
        let mut out: BTreeMap<SubjectId, SubjectKeys> = BTreeMap::new();
        for r in rows {
            let subject = SubjectId::from_uuid(r.subject);
            let keys = out.entry(subject).or_insert_with(|| SubjectKeys {
                log_ref: r.log_ref,
                erased_at: r.erased_at,
                classes: BTreeMap::new(),
            });
            if let (Some(class), Some(version), Some(wrapped_by), Some(wrapped), Some(made)) =
                (r.class, r.version, r.wrapped_by, r.wrapped, r.created_at)
            {
                let row = DataKeyRow { subject: r.subject, class, version, wrapped_by, wrapped };
                let Some(key) = self.unwrap_data(tenant, &row).await? else { return Ok(None) };
                keys.classes.entry(row.class).or_default().insert(version, (made, key));
            }
        }
        Ok(Some(out))
    }

    /// The keys of these people with a key for every class; what is missing is made and durable on return.
    pub(crate) async fn ensure(
        &self,
        tenant: Tenant,
        subjects: &BTreeSet<SubjectId>,
        classes: &BTreeSet<&'static str>,
    ) -> Result<BTreeMap<SubjectId, Arc<SubjectKeys>>> {
        let mut attempt = 0;
        loop {
            let found = self.subjects(tenant, subjects).await?;
            if found.values().any(|k| k.erased_at.is_some()) {
                return Err(Error::Erased);
            }
            let mut missing = Vec::new();
            for s in subjects {
                let known = found.get(s);
                for class in classes {
                    if known.is_none_or(|k| k.newest(class).is_none()) {
                        missing.push((*s, *class, known.is_some()));
                    }
                }
            }
            if missing.is_empty() {
                return Ok(found);
            }
            let made = self.create(tenant, &missing).await;
            self.forget(tenant, missing.iter().map(|m| m.0));
            attempt += 1;
            match made {
                Ok(()) if attempt < ATTEMPTS => {}
                // A rotation removed the tenant key that was just used, or two processes met.
                Err(Error::Store(e)) if attempt < ATTEMPTS && may_retry(&e.0) => self.forget_tenant(tenant),
                Ok(()) => return Err(Error::Crypto("a key that was just made is missing")),
                Err(e) => return Err(e),
            }
        }
    }

    async fn create(&self, tenant: Tenant, missing: &[(SubjectId, &'static str, bool)]) -> Result<()> {
        let (by, tenant_key) = self.newest_tenant_key(tenant).await?;
        let now = self.env.now();
        let subjects: BTreeSet<SubjectId> = missing.iter().map(|m| m.0).collect();
        let mut tx = self.db.begin().await?;
        let rows: Vec<_> = subjects
            .iter()
            .map(|s| {
                // Random and not a UUIDv7: it must not tell when the person was first seen.
                let log_ref = uuid::Builder::from_random_bytes(self.env.rng.bytes()).into_uuid();
                params![tenant, *s, log_ref, now].to_vec()
            })
            .collect();
        tx.insert_many(&sql::SUBJECTS, &rows).await?;
        lock_living(&mut tx, tenant, &subjects).await?;
        let mut keys = Vec::with_capacity(missing.len());
        for (subject, class, known) in missing {
            let version = 1 + if *known { highest(&mut tx, tenant, *subject, class).await? } else { 0 };
            let key = Secret::random(&self.env.rng);
            let wrapped = self.wrap_data(tenant, (by, &tenant_key), *subject, class, version, &key)?;
            keys.push(params![tenant, *subject, *class, version, by, wrapped, now].to_vec());
        }
        tx.insert_many(&sql::DATA_KEYS, &keys).await?;
        Ok(tx.commit().await?)
    }

    /// Adds a version of a data key; from now on new values use it.
    pub(crate) async fn add_version(&self, tenant: Tenant, subject: SubjectId, class: &str) -> Result<u32> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.try_add_version(tenant, subject, class).await {
                Err(Error::Store(e)) if attempt < ATTEMPTS && may_retry(&e.0) => self.forget_tenant(tenant),
                other => {
                    self.forget(tenant, [subject]);
                    return other;
                }
            }
        }
    }

    async fn try_add_version(&self, tenant: Tenant, subject: SubjectId, class: &str) -> Result<u32> {
        let (by, tenant_key) = self.newest_tenant_key(tenant).await?;
        let mut tx = self.db.begin().await?;
        lock_living(&mut tx, tenant, &BTreeSet::from([subject])).await?;
        let version = 1 + highest(&mut tx, tenant, subject, class).await?;
        let key = Secret::random(&self.env.rng);
        let wrapped = self.wrap_data(tenant, (by, &tenant_key), subject, class, version, &key)?;
        let row = params![tenant, subject, class, version, by, wrapped, self.env.now()].to_vec();
        tx.insert_many(&sql::DATA_KEYS, &[row]).await?;
        tx.commit().await?;
        Ok(version)
    }

    /// One of the tenant's own secrets, made on first use.
    pub(crate) async fn own(&self, tenant: Tenant, class: &'static str) -> Result<Arc<SubjectKeys>> {
        let keys = self.ensure(tenant, &BTreeSet::from([OWN]), &BTreeSet::from([class])).await?;
        keys.into_values().next().ok_or(Error::Crypto("the tenant's own key is missing"))
    }
}

fn may_retry(e: &kenroku_store::Error) -> bool {
    use kenroku_store::Error as E;
    matches!(e, E::Constraint(_) | E::Unique(_) | E::Busy(_))
}

async fn highest(tx: &mut Tx, tenant: Tenant, subject: SubjectId, class: &str) -> Result<u32> {
    Ok(tx.one::<(u32,)>(sql::HIGHEST_VERSION, params![tenant, subject, class]).await?.0)
}

/// Locks the people's rows until the end of the transaction, so that an erasure comes wholly before or wholly
/// after it; refuses when one of them is erased.
async fn lock_living(tx: &mut Tx, tenant: Tenant, subjects: &BTreeSet<SubjectId>) -> Result<()> {
    for s in subjects {
        match tx.execute_one(sql::LOCK_SUBJECT, params![tenant, *s]).await {
            Err(kenroku_store::Error::Stale) => return Err(Error::Erased),
            r => r?,
        }
    }
    Ok(())
}

/// Repeats the last person so that the list has one of few lengths: each length is a statement of its own.
fn rounded(subjects: &[SubjectId]) -> Vec<SubjectId> {
    let mut list = subjects.to_vec();
    if let Some(last) = subjects.last() {
        list.resize(list.len().next_power_of_two().min(CHUNK.max(list.len())), *last);
    }
    list
}

fn aad(tenant: Tenant, by: u32, subject: SubjectId, class: &str, version: u32) -> Vec<u8> {
    Canon::new("kenroku-vault/data-key/1")
        .uuid(tenant.uuid())
        .int(by.into())
        .uuid(subject.uuid())
        .text(class)
        .int(version.into())
        .done()
}
