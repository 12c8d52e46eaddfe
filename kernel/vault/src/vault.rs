//! [`Vault`]: the door to everything sealed.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kenroku_store::{Db, params};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Env, Tenant, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::disclosure::{Disclosure, Explanation, ModuleVault, Purpose, Registry};
use crate::error::{Error, Result};
use crate::field::{Field, Slot};
use crate::keys::{KeyStore, OWN, SubjectKeys};
use crate::log::{Log, LogEntry, LogKind};
use crate::master::MasterKeys;
use crate::register::{Register, Registered, Registers};
use crate::sealed::{Opened, Reader, Sealed, Sealer};
use crate::sql::{self, LogRow};

/// Unwrapped keys are in use at most this long: within this time an erasure in one process takes effect in all.
/// One half is for the cache, the other for a [`Reader`] or [`Sealer`] that was made from it.
pub const MAX_KEY_CACHE: Duration = Duration::from_secs(30);

/// How the vault is run.
#[derive(Clone, Debug)]
pub struct VaultOptions {
    /// How long unwrapped keys are in use, at most [`MAX_KEY_CACHE`].
    pub key_cache: Duration,
    /// Of how many people at most.
    pub cached_people: usize,
    /// Days for which backups of the key store are kept. After that an erasure holds in every copy.
    pub key_backup_days: u32,
}

impl Default for VaultOptions {
    fn default() -> Self {
        VaultOptions { key_cache: MAX_KEY_CACHE, cached_people: 20_000, key_backup_days: 7 }
    }
}

/// What a vault is made of.
#[derive(Debug)]
pub struct VaultParts {
    /// Clock and randomness.
    pub env: Env,
    /// The database with the access log ([`LOG_TABLES`](crate::LOG_TABLES)). On SQLite give it a file of its own,
    /// so that reading never waits for a writer of the main file.
    pub log: Db,
    /// The key store ([`KEY_TABLES`](crate::KEY_TABLES)): a database of its own.
    pub keys: Db,
    /// The first level.
    pub master: MasterKeys,
    /// What the modules declare.
    pub modules: Vec<ModuleVault>,
    /// Bounds.
    pub options: VaultOptions,
}

/// The vault. Cheap to clone.
#[derive(Clone)]
pub struct Vault(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) keys: KeyStore,
    pub(crate) log: Log,
    pub(crate) registry: Registry,
    pub(crate) registers: Registers,
    pub(crate) options: VaultOptions,
    pub(crate) scrubbing: Mutex<Scrubbing>,
}

/// When the key store was last freed of traces, and whether keys were destroyed since.
#[derive(Default)]
pub(crate) struct Scrubbing {
    pub(crate) last: Option<Duration>,
    pub(crate) due: bool,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// Opens the vault: checks the declarations and the master key, and repeats erasures that a restored key
    /// store has forgotten.
    ///
    /// # Errors
    /// [`Error::Declaration`]; [`Error::Master`] when the file is not the one the key store was made with.
    pub async fn start(parts: VaultParts) -> Result<Vault> {
        let VaultParts { env, log, keys, master, modules, mut options } = parts;
        options.key_cache = options.key_cache.min(MAX_KEY_CACHE);
        let registry = Registry::new(&modules)?;
        let keys = KeyStore::new(keys, env, master, options.key_cache / 2, options.cached_people.max(1));
        keys.register_master().await?;
        let vault = Vault(Arc::new(Inner {
            keys,
            log: Log::new(log),
            registry,
            registers: Registers::default(),
            options,
            scrubbing: Mutex::default(),
        }));
        vault.repeat_erasures().await?;
        Ok(vault)
    }

    /// Who answers for entries of this kind, from now on; the first one stays. A module calls it when it starts.
    pub fn answers_for(&self, kind: Register, who: Arc<dyn Registered>) {
        self.0.registers.add(kind, who);
    }

    pub(crate) fn keys(&self) -> &KeyStore {
        &self.0.keys
    }

    /// Until when keys that are read now may be used.
    fn until(&self) -> Duration {
        self.env().clock.monotonic() + self.0.options.key_cache / 2
    }

    pub(crate) fn env(&self) -> &Env {
        &self.0.keys.env
    }

    /// Something that seals these fields of these people, whose keys are made on first use. It waits for the key
    /// store's disk only when a key is new; sealing itself does not wait.
    ///
    /// # Errors
    /// [`Error::Erased`] for somebody who was erased; [`Error::Undeclared`].
    pub async fn sealer(
        &self,
        tenant: Tenant,
        subjects: &[SubjectId],
        fields: &[&'static Field],
    ) -> Result<Sealer> {
        let (subjects, classes) = (people(subjects)?, fields.iter().map(|f| f.class.code).collect());
        for f in fields {
            self.0.registry.field(f)?;
        }
        let until = self.until();
        let keys = self.keys().ensure(tenant, &subjects, &classes).await?;
        let (rng, clock) = (self.env().rng.clone(), self.env().clock.clone());
        Ok(Sealer { tenant, rng, keys, fields: fields.to_vec(), clock, until })
    }

    /// Seals one value; see [`Vault::sealer`] for several.
    ///
    /// # Errors
    /// As [`Vault::sealer`].
    pub async fn seal<T: Serialize>(&self, tenant: Tenant, slot: Slot, value: &T) -> Result<Sealed<T>> {
        self.sealer(tenant, &[slot.subject], &[slot.field]).await?.seal(slot, value)
    }

    /// Discloses these fields of these people: checks purpose, permission and basis, writes one row per person
    /// into the access log, waits until they are on the disk, and only then gives a [`Reader`]. People for whom
    /// nothing is sealed get no row; their values do not open.
    ///
    /// Read the rows first and disclose then: the reader knows the keys of everything that was stored before.
    ///
    /// # Errors
    /// [`Error::NotForPurpose`], [`Error::NotForPermission`], [`Error::ConsentMissing`], [`Error::ConsentOver`],
    /// [`Error::NobodyAnswers`], [`Error::NotOwn`], [`Error::Undeclared`]; [`Error::LogUnavailable`] when the log cannot be written.
    pub async fn disclose(
        &self,
        disclosure: &Disclosure,
        subjects: &[SubjectId],
        fields: &[&'static Field],
    ) -> Result<Reader> {
        let people = people(subjects)?;
        let knows = |_: &SubjectId, k: &SubjectKeys| fields.iter().all(|f| k.newest(f.class.code).is_some());
        self.disclose_known(disclosure, people, fields, knows).await
    }

    /// `knows` tells whether the keys from the cache are enough; otherwise another process has made one since.
    async fn disclose_known(
        &self,
        disclosure: &Disclosure,
        people: BTreeSet<SubjectId>,
        fields: &[&'static Field],
        knows: impl Fn(&SubjectId, &SubjectKeys) -> bool,
    ) -> Result<Reader> {
        disclosure.covers(&self.0.registry, fields)?;
        let tenant = disclosure.tenant();
        let mut names: Vec<String> = fields.iter().map(|f| f.name()).collect();
        names.sort();
        names.dedup();
        let names = names.join(",");
        let mut bases = HashMap::with_capacity(people.len());
        for s in &people {
            bases.insert(*s, disclosure.basis_for(*s)?);
        }
        let asked: Vec<SubjectId> = people.iter().copied().collect();
        self.0.registers.ask(disclosure, &asked, fields).await?;
        let until = self.until();
        let mut keys = self.keys().subjects(tenant, &people).await?;
        let stale: BTreeSet<SubjectId> =
            keys.iter().filter(|(s, k)| k.erased_at.is_none() && !knows(s, k)).map(|(s, _)| *s).collect();
        if !stale.is_empty() {
            self.keys().forget(tenant, stale.iter().copied());
            keys.extend(self.keys().subjects(tenant, &stale).await?);
        }
        let rows = keys
            .iter()
            .filter_map(|(s, k)| {
                let row = self.row(disclosure, LogKind::Read, k.log_ref?, &names);
                Some(LogRow { basis: bases.remove(s).unwrap_or_default(), ..row })
            })
            .collect();
        self.0.log.append(rows).await?;
        let (keys, clock) = (keys.into_iter().collect(), self.env().clock.clone());
        Ok(Reader { tenant, keys, fields: fields.to_vec(), clock, until })
    }

    pub(crate) fn row(&self, d: &Disclosure, kind: LogKind, subject_ref: uuid::Uuid, fields: &str) -> LogRow {
        LogRow {
            tenant: d.tenant(),
            seq: 0,
            id: self.env().uuid(),
            at: self.env().now(),
            kind: kind.text().to_owned(),
            actor: d.actor(),
            permission: d.permission().to_owned(),
            purpose: d.purpose().code.to_owned(),
            subject_ref,
            fields: fields.to_owned(),
            basis: String::new(),
            request: d.request_id().map(|r| r.uuid()),
            hash: Vec::new(),
        }
    }

    /// Discloses and opens one value.
    ///
    /// # Errors
    /// As [`Vault::disclose`] and [`Reader::open`].
    pub async fn open<T: DeserializeOwned>(
        &self,
        disclosure: &Disclosure,
        slot: Slot,
        sealed: &Sealed<T>,
    ) -> Result<Opened<T>> {
        let knows =
            |_: &SubjectId, k: &SubjectKeys| k.version(slot.field.class.code, sealed.key_version()).is_some();
        let reader = self.disclose_known(disclosure, people(&[slot.subject])?, &[slot.field], knows).await?;
        reader.open(slot, sealed)
    }

    /// Discloses and opens many values with one commit of the log. Each value opens or fails by itself.
    ///
    /// # Errors
    /// As [`Vault::disclose`].
    pub async fn open_many<T: DeserializeOwned>(
        &self,
        disclosure: &Disclosure,
        values: &[(Slot, &Sealed<T>)],
    ) -> Result<Vec<Result<Opened<T>>>> {
        let subjects: Vec<SubjectId> = values.iter().map(|(s, _)| s.subject).collect();
        let mut fields: Vec<&'static Field> = Vec::new();
        let mut needed: HashMap<SubjectId, Vec<(&str, u32)>> = HashMap::new();
        for (s, sealed) in values {
            if !fields.iter().any(|f| **f == *s.field) {
                fields.push(s.field);
            }
            needed.entry(s.subject).or_default().push((s.field.class.code, sealed.key_version()));
        }
        let knows = |s: &SubjectId, k: &SubjectKeys| {
            needed.get(s).is_none_or(|n| n.iter().all(|(class, v)| k.version(class, *v).is_some()))
        };
        let reader = self.disclose_known(disclosure, people(&subjects)?, &fields, knows).await?;
        Ok(values.iter().map(|(slot, sealed)| reader.open(*slot, sealed)).collect())
    }

    /// Who opened this person's data, newest first; `before` is the number of the last row already seen. Nothing
    /// for somebody who was erased: the link is gone. Whoever shows it to others than the person needs a
    /// permission of their own for that.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn accesses(
        &self,
        tenant: Tenant,
        subject: SubjectId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<LogEntry>> {
        let keys = self.keys().subjects(tenant, &people(&[subject])?).await?;
        let Some(log_ref) = keys.get(&subject).and_then(|k| k.log_ref) else { return Ok(Vec::new()) };
        let rows: Vec<LogRow> = self
            .0
            .log
            .db
            .read()
            .await?
            .all(sql::LOG_OF_SUBJECT, params![tenant, log_ref, before.unwrap_or(i64::MAX), limit])
            .await?;
        Ok(rows.into_iter().map(LogEntry::from).collect())
    }

    /// Who opened this person's data within a time, both ends included: how many rows there are, and the
    /// newest of them, at most `limit`. As [`Vault::accesses`] otherwise.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn accesses_within(
        &self,
        tenant: Tenant,
        subject: SubjectId,
        (from, until): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<(u64, Vec<LogEntry>)> {
        let keys = self.keys().subjects(tenant, &people(&[subject])?).await?;
        let Some(log_ref) = keys.get(&subject).and_then(|k| k.log_ref) else { return Ok((0, Vec::new())) };
        let mut tx = self.0.log.db.read().await?;
        let (n,): (i64,) = tx.one(sql::LOG_COUNT_WITHIN, params![tenant, log_ref, from, until]).await?;
        let rows: Vec<LogRow> = tx.all(sql::LOG_WITHIN, params![tenant, log_ref, from, until, limit]).await?;
        Ok((n as u64, rows.into_iter().map(LogEntry::from).collect()))
    }

    /// When the first row of a tenant's log was written.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn log_begins(&self, tenant: Tenant) -> Result<Option<Timestamp>> {
        let row: Option<(Timestamp,)> =
            self.0.log.db.read().await?.opt(sql::LOG_BEGINS, params![tenant]).await?;
        Ok(row.map(|r| r.0))
    }

    /// A purpose by its code, as a log row names it.
    pub fn purpose(&self, code: &str) -> Option<&'static Purpose> {
        self.0.registry.purpose_of(code)
    }

    /// Every purpose that is declared, by its code.
    pub fn purposes(&self) -> Vec<&'static Purpose> {
        let mut all: Vec<_> = self.0.registry.purposes().collect();
        all.sort_unstable_by_key(|p| p.code);
        all
    }

    /// What the modules say about their purposes.
    pub fn explanations(&self) -> &[&'static Explanation] {
        self.0.registry.explanations()
    }

    /// Every field that is declared, by its name.
    pub fn fields(&self) -> Vec<Field> {
        let mut all: Vec<Field> = self.0.registry.fields().copied().collect();
        all.sort_unstable_by_key(Field::name);
        all
    }

    /// A field by its name, as a log row names it; `None` for one that no module has any more.
    pub fn field(&self, name: &str) -> Option<Field> {
        self.0.registry.fields().find(|f| f.name() == name).copied()
    }

    /// Drops unwrapped keys that are older than their bound. Every use of the vault does so too; a schedule calls
    /// this so that an idle process forgets as well.
    pub fn tidy(&self) {
        self.keys().tidy();
    }
}

/// The people without repetition; the id of the tenant's own keys is nobody's.
pub(crate) fn people(subjects: &[SubjectId]) -> Result<BTreeSet<SubjectId>> {
    if subjects.contains(&OWN) {
        return Err(Error::SubjectUnknown);
    }
    Ok(subjects.iter().copied().collect())
}
