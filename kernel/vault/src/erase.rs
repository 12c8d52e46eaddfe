//! Erasure: a person's keys are destroyed, and with them every copy of their data.
//!
//! The order matters. First the erasure is on the disk in the access log, then the keys go. A crash in between is
//! made up for by [`Vault::repeat_erasures`], which runs at every start; so is a key store that was restored from
//! a backup made before the erasure.

use kenroku_store::{Db, SqlBuilder, params};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Tenant, Timestamp};
use std::sync::PoisonError;
use std::time::Duration;
use uuid::Uuid;

use crate::disclosure::Disclosure;
use crate::error::{Error, Result};
use crate::field::RetentionClass;
use crate::log::LogKind;
use crate::sql::{self, LogRow};
use crate::vault::people;
use crate::{MAX_KEY_CACHE, Vault};

/// In the log: all classes of a person.
const ALL: &str = "*";
/// The key store is freed of traces at most this often: on PostgreSQL it reads the whole table.
const SCRUB_EVERY: Duration = Duration::from_secs(60);
/// Erasures that one question looks up.
const PAGE: usize = 500;

/// What an erasure promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// When the keys were destroyed.
    pub at: Timestamp,
    /// From when on no copy anywhere can be read, backups included.
    pub unreadable_after: Timestamp,
}

impl Vault {
    /// When an erasure made at `at` holds in every copy: the cache of other processes
    /// ([`MAX_KEY_CACHE`]), then the last backup of the key store
    /// ([`VaultOptions::key_backup_days`](crate::VaultOptions::key_backup_days)). Backups of the *data* may be kept
    /// as long as anybody likes.
    pub fn unreadable_after(&self, at: Timestamp) -> Timestamp {
        let days = Duration::from_secs(86_400 * u64::from(self.0.options.key_backup_days));
        at.plus(MAX_KEY_CACHE).plus(days)
    }

    /// Erases everything sealed for a person, for ever. What modules still store are bytes that nobody can read;
    /// they delete their rows in their own time. The log keeps its rows without the link to the person.
    ///
    /// # Errors
    /// [`Error::SubjectUnknown`]; [`Error::LogUnavailable`] (nothing was destroyed); as [`Vault::disclose`] for the
    /// purpose. Erasing somebody again returns the first erasure.
    pub async fn erase(&self, order: &Disclosure, subject: SubjectId) -> Result<Erasure> {
        let tenant = order.tenant();
        let log_ref = match self.living(order, subject).await? {
            Ok(log_ref) => log_ref,
            Err(at) => return Ok(self.erasure(at)),
        };
        self.record(order, subject, log_ref, ALL).await?;
        let at = self.destroy_all(tenant, subject).await?;
        self.scrub_soon().await;
        Ok(self.erasure(at))
    }

    /// Erases one retention class of a person, when its time is over. New values of the class get a new key.
    ///
    /// # Errors
    /// As [`Vault::erase`]; [`Error::Erased`] when all of the person was erased before.
    pub async fn erase_class(
        &self,
        order: &Disclosure,
        subject: SubjectId,
        class: &RetentionClass,
    ) -> Result<Erasure> {
        let log_ref = self.living(order, subject).await?.map_err(|_| Error::Erased)?;
        self.record(order, subject, log_ref, class.code).await?;
        let at = self.env().now();
        self.destroy_class(order.tenant(), subject, class.code, at).await?;
        self.scrub_soon().await;
        Ok(self.erasure(at))
    }

    fn erasure(&self, at: Timestamp) -> Erasure {
        Erasure { at, unreadable_after: self.unreadable_after(at) }
    }

    /// The person's name in the log, or when they were erased.
    async fn living(
        &self,
        order: &Disclosure,
        subject: SubjectId,
    ) -> Result<std::result::Result<Uuid, Timestamp>> {
        order.covers(&self.0.registry, &[])?;
        people(&[subject])?;
        // Not through the cache: another process may have been faster.
        let row: Option<(Option<Uuid>, Option<Timestamp>)> =
            self.keys().db.read().await?.opt(sql::SUBJECT, params![order.tenant(), subject]).await?;
        match row {
            None => Err(Error::SubjectUnknown),
            Some((_, Some(at))) => Ok(Err(at)),
            Some((log_ref, None)) => Ok(Ok(log_ref.ok_or(Error::SubjectUnknown)?)),
        }
    }

    async fn record(&self, order: &Disclosure, subject: SubjectId, log_ref: Uuid, what: &str) -> Result<()> {
        let row = self.row(order, LogKind::Erase, log_ref, what);
        self.0.log.append(vec![LogRow { basis: order.basis_for(subject)?, ..row }]).await
    }

    async fn destroy_all(&self, tenant: Tenant, subject: SubjectId) -> Result<Timestamp> {
        let at = self.env().now();
        let mut tx = self.keys().db.begin().await?;
        tx.execute(sql::MARK_ERASED, params![tenant, subject, at]).await?;
        tx.execute(sql::DESTROY_ALL, params![tenant, subject, at]).await?;
        tx.commit().await?;
        self.keys().forget(tenant, [subject]);
        Ok(at)
    }

    async fn destroy_class(
        &self,
        tenant: Tenant,
        subject: SubjectId,
        class: &str,
        at: Timestamp,
    ) -> Result<()> {
        let mut tx = self.keys().db.begin().await?;
        tx.execute(sql::LOCK_SUBJECT, params![tenant, subject]).await?;
        tx.execute(sql::DESTROY_CLASS, params![tenant, subject, class, at]).await?;
        tx.commit().await?;
        self.keys().forget(tenant, [subject]);
        Ok(())
    }

    /// Empties what the key store's engine keeps of overwritten rows. An erasure does not fail for it, and many
    /// erasures share one; [`Vault::seal_batch`](crate::Vault::seal_batch), which runs every minute, makes up for it.
    pub async fn scrub(&self) {
        let done = self.keys().db.scrub(&["vaultkey_data", "vaultkey_subject"]).await;
        let mut s = self.0.scrubbing.lock().unwrap_or_else(PoisonError::into_inner);
        s.last = Some(self.env().clock.monotonic());
        s.due = done.is_err();
        if let Err(e) = done {
            tracing::warn!(error = %e, "traces of destroyed keys could not be removed; trying again later");
        }
    }

    async fn scrub_soon(&self) {
        self.0.scrubbing.lock().unwrap_or_else(PoisonError::into_inner).due = true;
        self.scrub_if_due().await;
    }

    /// Scrubs when keys were destroyed since the last time and that was a while ago.
    pub(crate) async fn scrub_if_due(&self) {
        let now = self.env().clock.monotonic();
        let due = {
            let s = self.0.scrubbing.lock().unwrap_or_else(PoisonError::into_inner);
            s.due && s.last.is_none_or(|last| now.saturating_sub(last) >= SCRUB_EVERY)
        };
        if due {
            self.scrub().await;
        }
    }

    /// Destroys again whatever the log says was erased: after a crash, and after the key store was restored from
    /// a backup. Runs at every start. Returns how many people's keys it destroyed now.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn repeat_erasures(&self) -> Result<u64> {
        let mut repeated = 0;
        let tenants: Vec<(Tenant, i64)> = self.0.log.db.read().await?.all(sql::HEADS, &[]).await?;
        for (tenant, _) in tenants {
            let mut after = 0i64;
            loop {
                let page: Vec<(i64, Uuid, Timestamp, String)> = self
                    .0
                    .log
                    .db
                    .read()
                    .await?
                    .all(sql::ERASURES, params![tenant, after, PAGE as i64])
                    .await?;
                let Some(last) = page.last().map(|r| r.0) else { break };
                after = last;
                let refs: Vec<Uuid> = page.iter().map(|r| r.1).collect();
                let known = still_known(&self.keys().db, tenant, &refs).await?;
                for (_, log_ref, at, what) in &page {
                    let Some((_, subject)) = known.iter().find(|k| k.0 == *log_ref) else { continue };
                    if what == ALL {
                        self.destroy_all(tenant, *subject).await?;
                        repeated += 1;
                    } else {
                        self.destroy_class(tenant, *subject, what, *at).await?;
                    }
                }
            }
        }
        if repeated > 0 {
            tracing::warn!(repeated, "erasures were repeated: the key store is older than the access log");
            self.scrub().await;
        }
        Ok(repeated)
    }
}

/// Which of these names in the log still lead to a person.
async fn still_known(keys: &Db, tenant: Tenant, refs: &[Uuid]) -> Result<Vec<(Uuid, SubjectId)>> {
    let mut q = SqlBuilder::new("select log_ref, subject from vaultkey_subject where tenant = ");
    q.bind(tenant).push(" and log_ref in ").bind_list(refs.iter().copied());
    Ok(keys.read().await?.all_dyn(&q).await?)
}
