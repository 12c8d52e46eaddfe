//! Renewal of every level of keys while everybody goes on reading and writing.
//!
//! All state is in the key store, so a step that was cut off is taken up by the next [`Vault::rotate`], in whatever
//! process. Foreign keys refuse to drop a key that still wraps another, however the processes meet.
//!
//! - **Master:** [`MasterKeys::add_generation`](crate::MasterKeys::add_generation), give the file to every machine,
//!   restart (or let them read it again by themselves); `rotate` wraps the tenant keys anew and reports the
//!   generations that may leave the file.
//! - **Tenant key:** [`Vault::renew_tenant_key`]; `rotate` wraps the data keys anew and drops the old version.
//! - **Data key:** [`Vault::renew_data_key`]; when every process knows it new values use it, `rotate` asks the modules ([`Reseal`]) to renew
//!   old values and destroys the old version when none is left and [`RENEWAL_GRACE`] is over.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use kenroku_store::params;
use kenroku_types::ids::SubjectId;
use kenroku_types::{Tenant, Timestamp};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::field::{Field, RetentionClass};
use crate::sealed::Resealer;
use crate::sql::{self, DataKeyRow};
use crate::vault::people;
use crate::{MAX_KEY_CACHE, Vault};

/// An old data key is kept at least this long after the new one was made: by then every process uses the new one
/// (twice [`MAX_KEY_CACHE`]) and every transaction that used the old one is over.
pub const RENEWAL_GRACE: Duration = Duration::from_secs(600);

/// Rows per transaction.
const BATCH: u32 = 500;

/// What [`Reseal::reseal`] returns: how many values it renewed.
pub type Resealing<'a> = Pin<Box<dyn Future<Output = Result<u64>> + Send + 'a>>;

/// How a module renews its sealed values under a person's newest key. A field without one keeps its old keys for
/// ever, which is safe and only less tidy.
pub trait Reseal: Send + Sync {
    /// The fields it renews.
    fn fields(&self) -> &[&'static Field];

    /// Finds up to `limit` values of `with.subject()` that are not under the newest key, passes each through
    /// [`Resealer::renew`] and stores it with `… where value = $old`, so that a change by somebody else wins.
    /// Returns how many it renewed; 0 when none is left.
    fn reseal<'a>(&'a self, with: &'a Resealer, limit: u32) -> Resealing<'a>;
}

/// What one [`Vault::rotate`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotationReport {
    /// Tenant keys wrapped by the newest master.
    pub tenant_keys: u64,
    /// Generations of the master that wrap nothing any more: take them out of the file.
    pub retired_masters: Vec<u32>,
    /// Data keys wrapped by the newest tenant key.
    pub data_keys: u64,
    /// Old tenant keys dropped.
    pub dropped_tenant_keys: u64,
    /// Values sealed under the newest data key.
    pub values: u64,
    /// Old versions of data keys destroyed.
    pub destroyed: u64,
    /// Old versions that must wait: for the grace, or for a field that no [`Reseal`] covers.
    pub waiting: u64,
    /// There is more to do at once; call again.
    pub more: bool,
}

impl RotationReport {
    fn done(&self) -> u64 {
        self.tenant_keys + self.data_keys + self.values
    }
}

impl Vault {
    /// Makes a new key of a tenant. [`Vault::rotate`] moves everything to it.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Master`].
    pub async fn renew_tenant_key(&self, tenant: Tenant) -> Result<u32> {
        let (version, _) = self.keys().newest_tenant_key(tenant).await?;
        self.keys().add_tenant_key(tenant, version + 1).await?;
        self.keys().forget_tenant(tenant);
        Ok(self.keys().newest_tenant_key(tenant).await?.0)
    }

    /// Makes a new key for one class of one person. New values use it after [`MAX_KEY_CACHE`], when every process
    /// knows it.
    ///
    /// # Errors
    /// [`Error::SubjectUnknown`], [`Error::Erased`].
    pub async fn renew_data_key(
        &self,
        tenant: Tenant,
        subject: SubjectId,
        class: &RetentionClass,
    ) -> Result<u32> {
        let known = self.keys().subjects(tenant, &people(&[subject])?).await?;
        let known = known.get(&subject).ok_or(Error::SubjectUnknown)?;
        if known.erased_at.is_none() && known.newest(class.code).is_none() {
            return Err(Error::SubjectUnknown);
        }
        self.keys().add_version(tenant, subject, class.code).await
    }

    /// Does about `budget` pieces of whatever renewal is under way, on every level. For a job that calls it until
    /// [`RotationReport::more`] is false, and again every hour.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Master`]; whatever a [`Reseal`] returns.
    pub async fn rotate(&self, reseals: &[&dyn Reseal], budget: u64) -> Result<RotationReport> {
        let mut report = RotationReport::default();
        self.rotate_master(&mut report, budget).await?;
        self.rotate_tenants(&mut report, budget).await?;
        self.rotate_data(&mut report, reseals, budget).await?;
        report.more = report.more || report.done() >= budget;
        Ok(report)
    }

    async fn rotate_master(&self, report: &mut RotationReport, budget: u64) -> Result<()> {
        let keys = self.keys();
        let current = keys.master().current();
        while report.done() < budget {
            let rows: Vec<(Tenant, u32, u32, Vec<u8>)> = keys
                .db
                .read()
                .await?
                .all(sql::TENANT_KEYS_UNDER_OLD_MASTER, params![current, batch(report, budget)])
                .await?;
            if rows.is_empty() {
                return self.retire_masters(report, current).await;
            }
            let master = keys.master();
            let mut moved = Vec::with_capacity(rows.len());
            for (tenant, version, old, wrapped) in &rows {
                let key = master.unwrap(*old, *tenant, *version, wrapped)?;
                moved.push(master.wrap(current, *tenant, *version, &key, &keys.env.rng)?);
            }
            let mut tx = keys.db.begin().await?;
            for ((tenant, version, old, _), new) in rows.iter().zip(&moved) {
                report.tenant_keys += tx
                    .execute(sql::REWRAP_TENANT_KEY, params![*tenant, *version, *old, current, new])
                    .await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }

    async fn retire_masters(&self, report: &mut RotationReport, current: u32) -> Result<()> {
        let known: Vec<(u32, Vec<u8>)> = self.keys().db.read().await?.all(sql::MASTERS, &[]).await?;
        for (generation, _) in known.into_iter().filter(|(g, _)| *g < current) {
            let mut tx = self.keys().db.begin().await?;
            match tx.execute(sql::DROP_MASTER, params![generation]).await {
                Ok(_) => {
                    tx.commit().await?;
                    report.retired_masters.push(generation);
                }
                // Another process, which has not read the new file yet, has just used it.
                Err(kenroku_store::Error::Constraint(_)) => report.more = true,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    async fn rotate_tenants(&self, report: &mut RotationReport, budget: u64) -> Result<()> {
        let keys = self.keys();
        let tenants: Vec<(Tenant, u32)> = keys.db.read().await?.all(sql::TENANTS_WITH_OLD_KEYS, &[]).await?;
        for (tenant, _) in tenants {
            keys.forget_tenant(tenant);
            let (newest, tenant_key) = keys.newest_tenant_key(tenant).await?;
            while report.done() < budget {
                let rows: Vec<DataKeyRow> = keys
                    .db
                    .read()
                    .await?
                    .all(sql::DATA_KEYS_UNDER_OLD, params![tenant, newest, batch(report, budget)])
                    .await?;
                if rows.is_empty() {
                    self.drop_tenant_keys(report, tenant, newest).await?;
                    break;
                }
                let mut moved = Vec::with_capacity(rows.len());
                for r in &rows {
                    let subject = SubjectId::from_uuid(r.subject);
                    let Some(key) = keys.unwrap_data(tenant, r).await? else { continue };
                    let by = (newest, &*tenant_key);
                    moved.push((r, keys.wrap_data(tenant, by, subject, &r.class, r.version, &key)?));
                }
                let mut tx = keys.db.begin().await?;
                for (r, new) in &moved {
                    report.data_keys += tx
                        .execute(
                            sql::REWRAP_DATA_KEY,
                            params![tenant, r.subject, &r.class, r.version, r.wrapped_by, newest, new],
                        )
                        .await?;
                }
                tx.commit().await?;
            }
        }
        Ok(())
    }

    async fn drop_tenant_keys(&self, report: &mut RotationReport, tenant: Tenant, newest: u32) -> Result<()> {
        let mut tx = self.keys().db.begin().await?;
        match tx.execute(sql::DROP_TENANT_KEYS_BELOW, params![tenant, newest]).await {
            Ok(n) => {
                tx.commit().await?;
                report.dropped_tenant_keys += n;
            }
            // A process that still had the old key in its cache has just wrapped a new data key with it.
            Err(kenroku_store::Error::Constraint(_)) => report.more = true,
            Err(e) => return Err(e.into()),
        }
        self.keys().forget_tenant(tenant);
        Ok(())
    }

    async fn rotate_data(
        &self,
        report: &mut RotationReport,
        reseals: &[&dyn Reseal],
        budget: u64,
    ) -> Result<()> {
        let tenants: Vec<(Tenant,)> =
            self.keys().db.read().await?.all(sql::TENANTS_WITH_OLD_VERSIONS, &[]).await?;
        for (tenant,) in tenants {
            let mut after = Uuid::nil();
            loop {
                let people: Vec<(SubjectId, String)> = self
                    .keys()
                    .db
                    .read()
                    .await?
                    .all(sql::SUBJECTS_WITH_OLD_VERSIONS, params![tenant, after, BATCH])
                    .await?;
                // The last person of a page may go on in the next: take whole people only.
                let full = people.len() == BATCH as usize;
                let last = people.last().map(|p| p.0);
                let whole: Vec<_> = people
                    .iter()
                    .filter(|p| !full || Some(p.0) != last || people.first().map(|f| f.0) == last)
                    .collect();
                for (subject, class) in &whole {
                    if report.done() >= budget {
                        return Ok(());
                    }
                    self.renew_values(report, reseals, tenant, *subject, class).await?;
                }
                match whole.last() {
                    Some(p) if full => after = p.0.uuid(),
                    _ => break,
                }
            }
        }
        Ok(())
    }

    async fn renew_values(
        &self,
        report: &mut RotationReport,
        reseals: &[&dyn Reseal],
        tenant: Tenant,
        subject: SubjectId,
        class: &str,
    ) -> Result<()> {
        let began = self.env().now();
        let of_class = |f: &&Field| f.class.code == class;
        let uncovered = self
            .0
            .registry
            .fields()
            .filter(of_class)
            .any(|f| !reseals.iter().any(|r| r.fields().contains(&f)));
        let versions: Vec<(u32, Timestamp)> =
            self.keys().db.read().await?.all(sql::LIVE_VERSIONS, params![tenant, subject, class]).await?;
        let Some((newest, made)) = versions.last().copied() else { return Ok(()) };
        if made.plus(MAX_KEY_CACHE) > began {
            report.waiting += versions.len() as u64 - 1;
            return Ok(());
        }
        self.keys().forget(tenant, [subject]);
        let keys = self.keys().subjects(tenant, &BTreeSet::from([subject])).await?;
        let Some(keys) = keys.into_values().next().filter(|k| k.erased_at.is_none()) else { return Ok(()) };
        let with = Resealer { tenant, rng: self.env().rng.clone(), subject, keys };
        for r in reseals.iter().filter(|r| r.fields().iter().any(|f| f.class.code == class)) {
            loop {
                let n = r.reseal(&with, BATCH).await?;
                report.values += n;
                if n == 0 {
                    break;
                }
            }
        }
        if uncovered || made.plus(RENEWAL_GRACE) > began {
            report.waiting += versions.len() as u64 - 1;
            return Ok(());
        }
        let mut tx = self.keys().db.begin().await?;
        report.destroyed +=
            tx.execute(sql::DESTROY_BELOW, params![tenant, subject, class, newest, self.env().now()]).await?;
        tx.commit().await?;
        self.keys().forget(tenant, [subject]);
        Ok(())
    }
}

fn batch(report: &RotationReport, budget: u64) -> i64 {
    i64::try_from(budget.saturating_sub(report.done()).min(BATCH.into())).unwrap_or(1)
}
