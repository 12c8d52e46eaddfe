//! [`TenantWitness`]: inside one installation each tenant keeps the checkpoints of another, and what the last comparisons
//! with each witness gave ([`Vault::check_log`]).
//!
//! What it finds: changes by whoever may change the rows of one tenant, and mistakes of every kind. Whoever may change
//! every table of the database can change the testimonies too: for that there is a witness outside.

use std::collections::BTreeMap;

use kenroku_store::{Db, params};
use kenroku_types::{Env, Tenant, Timestamp};

use crate::Vault;
use crate::checkpoint::{Checkpoint, MARK, SignedCheckpoint};
use crate::error::{Error, Result};
use crate::sql::{self, CheckRow, TestimonyRow};
use crate::verify::{LogReport, verify_log};
use crate::witness::{Answer, Follows, Testimony, TestimonyPage, Witness, follows};

/// Testimonies that one page reads.
const PAGE: u32 = 64;

/// Every tenant's checkpoints, kept by the next one in the order of their ids; the last one's by the first.
#[derive(Clone, Debug)]
pub struct TenantWitness {
    db: Db,
    env: Env,
    next: BTreeMap<Tenant, Tenant>,
}

impl TenantWitness {
    /// Over the access log's database. To read, the list of tenants may be empty.
    pub fn new(db: Db, env: Env, mut tenants: Vec<Tenant>) -> Self {
        tenants.sort();
        tenants.dedup();
        let following = tenants.iter().cycle().skip(1);
        let next = tenants.iter().zip(following).filter(|(a, b)| a != b).map(|(a, b)| (*a, *b)).collect();
        TenantWitness { db, env, next }
    }

    /// Who keeps the checkpoints of a tenant: whoever has begun to, otherwise the next in the list.
    async fn keeper(&self, of: Tenant) -> Result<Option<Tenant>> {
        let begun: Option<(Tenant,)> = self.db.read().await?.opt(sql::KEEPER, params![of]).await?;
        Ok(begun.map(|k| k.0).or_else(|| self.next.get(&of).copied()))
    }

    async fn newest(&self, keeper: Tenant, of: Tenant) -> Result<Option<Testimony>> {
        let row: Option<TestimonyRow> =
            self.db.read().await?.opt(sql::LAST_TESTIMONY, params![keeper, of]).await?;
        row.map(|r| r.testimony()).transpose()
    }
}

impl TestimonyRow {
    fn testimony(&self) -> Result<Testimony> {
        let damaged = || Error::Witness(format!("the testimony of checkpoint {} is damaged", self.number));
        let checkpoint = Checkpoint::parse(&self.body).ok_or_else(damaged)?;
        let (marks, rest) = self.marks.as_chunks::<MARK>();
        if !rest.is_empty() {
            return Err(damaged());
        }
        let signed = SignedCheckpoint { checkpoint, signature: self.signature.clone() };
        Ok(Testimony { signed, marks: marks.to_vec() })
    }
}

impl Witness for TenantWitness {
    fn publish<'a>(&'a self, t: &'a Testimony) -> Answer<'a, ()> {
        Box::pin(async move {
            let c = &t.signed.checkpoint;
            let alone =
                || Error::Witness(format!("there is no other tenant to keep the log of {}", c.tenant));
            let keeper = self.keeper(c.tenant).await?.ok_or_else(alone)?;
            if follows(self.newest(keeper, c.tenant).await?.as_ref(), t)? == Follows::Known {
                return Ok(());
            }
            let (body, marks) = (c.body(), t.marks.as_flattened());
            let row = params![
                keeper,
                c.tenant,
                c.number as i64,
                body,
                t.signed.signature.as_slice(),
                marks,
                self.env.now()
            ];
            let mut tx = self.db.begin().await?;
            tx.execute(sql::ADD_TESTIMONY, row).await?;
            Ok(tx.commit().await?)
        })
    }

    fn tenants(&self) -> Answer<'_, Vec<Tenant>> {
        Box::pin(async move {
            let rows: Vec<(Tenant,)> = self.db.read().await?.all(sql::KEPT_FOR, &[]).await?;
            Ok(rows.into_iter().map(|r| r.0).collect())
        })
    }

    fn testimonies(&self, tenant: Tenant, from: u64) -> Answer<'_, TestimonyPage> {
        Box::pin(async move {
            let Some(keeper) = self.keeper(tenant).await? else { return Ok(TestimonyPage::default()) };
            let rows: Vec<TestimonyRow> = self
                .db
                .read()
                .await?
                .all(sql::TESTIMONIES, params![keeper, tenant, from as i64, PAGE])
                .await?;
            let next = rows.last().filter(|_| rows.len() == PAGE as usize).map(|r| r.number as u64);
            let testimonies = rows.iter().map(TestimonyRow::testimony).collect::<Result<_>>()?;
            Ok(TestimonyPage { testimonies, next })
        })
    }

    fn last(&self, tenant: Tenant) -> Answer<'_, Option<u64>> {
        Box::pin(async move {
            let Some(keeper) = self.keeper(tenant).await? else { return Ok(None) };
            let newest = self.newest(keeper, tenant).await?;
            Ok(newest.map(|t| t.signed.checkpoint.number))
        })
    }
}

/// Where a tenant's log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogState {
    /// Rows.
    pub rows: u64,
    /// The newest checkpoint.
    pub sealed: Option<Sealing>,
    /// How the last comparisons came out, by the witness's name.
    pub checks: Vec<LogCheck>,
}

/// A checkpoint in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealing {
    /// Its number.
    pub number: u64,
    /// Rows that it covers.
    pub size: u64,
    /// When it was made.
    pub at: Timestamp,
}

/// How the last comparison with a witness came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogCheck {
    /// The witness, by the name given to [`Vault::check_log`].
    pub witness: String,
    /// When.
    pub at: Timestamp,
    /// Rows that were there.
    pub rows: u64,
    /// Rows under the last checkpoint that the witness held.
    pub witnessed_rows: u64,
    /// What did not agree.
    pub findings: u64,
    /// The first of it: the number of the row and what happened to it.
    pub first: Option<(i64, String)>,
}

impl Vault {
    /// A witness in this installation: each tenant keeps the checkpoints of another.
    pub fn tenant_witness(&self, tenants: Vec<Tenant>) -> TenantWitness {
        TenantWitness::new(self.0.log.db.clone(), self.env().clone(), tenants)
    }

    /// Compares the whole log with a witness and writes down how it came out, for [`Vault::log_state`].
    ///
    /// # Errors
    /// As [`verify_log`].
    pub async fn check_log(&self, name: &str, witness: &dyn Witness) -> Result<LogReport> {
        let db = &self.0.log.db;
        let report = verify_log(db, witness, &mut |_, _| {}).await?;
        let mut tx = db.begin().await?;
        for (tenant, t) in &report.tenants {
            let first = t.findings.first();
            let (row, what) = (
                first.map(|f| f.seq),
                first.map_or_else(String::new, |f| format!("{:?}: {}", f.what, f.detail)),
            );
            let found = t.findings.len() as i64 + t.more_findings as i64;
            let (rows, witnessed) = (t.rows as i64, t.witnessed_rows as i64);
            let values = params![*tenant, name, self.env().now(), rows, witnessed, found, row, what];
            tx.execute(sql::SET_CHECK, values).await?;
            if let Some(f) = first {
                tracing::error!(%tenant, witness = name, row = f.seq, what = ?f.what, findings = found, "the access log was changed");
            }
        }
        tx.commit().await?;
        Ok(report)
    }

    /// Where a tenant's log stands.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn log_state(&self, tenant: Tenant) -> Result<LogState> {
        let mut tx = self.0.log.db.read().await?;
        let head: Option<(i64,)> = tx.opt(sql::HEAD, params![tenant]).await?;
        let newest: Option<sql::CheckpointRow> = tx.opt(sql::LAST_CHECKPOINT, params![tenant]).await?;
        let sealed = newest.and_then(|c| c.signed()).map(|s| {
            let c = s.checkpoint;
            Sealing { number: c.number, size: c.size, at: c.at }
        });
        let rows: Vec<CheckRow> = tx.all(sql::CHECKS, params![tenant]).await?;
        let check = |r: CheckRow| LogCheck {
            witness: r.witness,
            at: r.at,
            rows: r.rows as u64,
            witnessed_rows: r.witnessed_rows as u64,
            findings: r.findings as u64,
            first: r.first_row.map(|n| (n, r.first_what)),
        };
        Ok(LogState {
            rows: head.map_or(0, |h| h.0) as u64,
            sealed,
            checks: rows.into_iter().map(check).collect(),
        })
    }
}
