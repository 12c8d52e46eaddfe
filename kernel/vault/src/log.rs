//! The access log: who opened what of whom, for which purpose, on which basis. A row is on the disk before the
//! plaintext leaves the vault; rows of calls that come together share one commit.
//!
//! A row names the person by a random reference that only the key store can resolve; erasing the person removes
//! that link, so the log keeps its numbers and hashes and tells nothing about them any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kenroku_store::{Db, params};
use kenroku_types::ids::RequestId;
use kenroku_types::{Tenant, Timestamp};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::aead::Canon;
use crate::error::{Error, Result};
use crate::merkle::{self, Hash};
use crate::sql::{self, LogRow};

/// Rows that one commit takes at most.
const GROUP: usize = 20_000;
/// How long a caller waits for its rows to be on the disk before it gives up, which opens nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a row of the log records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// Somebody read.
    Read,
    /// Keys were destroyed: all of a person's, or those of one retention class.
    Erase,
}

impl LogKind {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            LogKind::Read => "read",
            LogKind::Erase => "erase",
        }
    }
}

/// One row of the log, for the person's list of accesses and for the data officer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Whose log.
    pub tenant: Tenant,
    /// Number within the tenant, from 1, without gaps.
    pub seq: i64,
    /// The row's own id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// `read` or `erase`.
    pub kind: String,
    /// `staff:{id}`, `resident:{pseudonym}`, `client:{id}`, `device:{id}`, `system:{module}`.
    pub actor: String,
    /// The permission that was proved.
    pub permission: String,
    /// The purpose's code.
    pub purpose: String,
    /// Names of the fields, joined by commas.
    pub fields: String,
    /// `statute:…`, `consent:{id}`, `emergency:…`, `own`.
    pub basis: String,
    /// The request.
    pub request: Option<RequestId>,
}

impl From<LogRow> for LogEntry {
    fn from(r: LogRow) -> Self {
        LogEntry {
            tenant: r.tenant,
            seq: r.seq,
            id: r.id,
            at: r.at,
            kind: r.kind,
            actor: r.actor,
            permission: r.permission,
            purpose: r.purpose,
            fields: r.fields,
            basis: r.basis,
            request: r.request.map(RequestId::from_uuid),
        }
    }
}

impl LogRow {
    /// The leaf of this row: everything but its number, which is its place in the tree.
    pub(crate) fn leaf(&self) -> Hash {
        merkle::leaf(
            &Canon::new("kenroku-vault/log/1")
                .uuid(self.tenant.uuid())
                .uuid(self.id)
                .int(self.at.micros())
                .text(&self.kind)
                .text(&self.actor)
                .text(&self.permission)
                .text(&self.purpose)
                .uuid(self.subject_ref)
                .text(&self.fields)
                .text(&self.basis)
                .bytes(self.request.as_ref().map(|r| r.as_bytes().as_slice()).unwrap_or_default())
                .done(),
        )
    }
}

struct Waiting {
    rows: Vec<LogRow>,
    done: oneshot::Sender<Result<()>>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    flushing: bool,
}

/// Appends rows; calls that come while one commit is under way share the next.
#[derive(Clone)]
pub(crate) struct Log {
    pub db: Db,
    queue: Arc<Mutex<Queue>>,
}

impl Log {
    pub(crate) fn new(db: Db) -> Self {
        Log { db, queue: Arc::default() }
    }

    /// Returns when the rows (their numbers and hashes still to be filled) are on the disk.
    pub(crate) async fn append(&self, mut rows: Vec<LogRow>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        for r in &mut rows {
            r.hash = r.leaf().to_vec();
        }
        let (done, wait) = oneshot::channel();
        let start = {
            let mut q = self.queue();
            q.waiting.push(Waiting { rows, done });
            !std::mem::replace(&mut q.flushing, true)
        };
        if start {
            // A task of its own: a caller that gives up must not take the rows of others with it.
            let log = self.clone();
            tokio::spawn(async move { log.flush().await });
        }
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(Ok(r)) => r,
            Ok(Err(_)) => Err(Error::LogUnavailable("the writer stopped".to_owned())),
            Err(_) => Err(Error::LogUnavailable(
                "the database did not take it in time; disclose before beginning a transaction".to_owned(),
            )),
        }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn flush(&self) {
        loop {
            let group = {
                let mut q = self.queue();
                let (mut n, mut rows) = (0, 0);
                while n < q.waiting.len() && (n == 0 || rows + q.waiting[n].rows.len() <= GROUP) {
                    rows += q.waiting[n].rows.len();
                    n += 1;
                }
                if n == 0 {
                    q.flushing = false;
                    return;
                }
                q.waiting.drain(..n).collect::<Vec<_>>()
            };
            // Tenants in one order, so that two processes cannot block each other.
            let mut by_tenant: BTreeMap<Tenant, Vec<LogRow>> = BTreeMap::new();
            let mut callers = Vec::with_capacity(group.len());
            for w in group {
                callers.push(w.done);
                for r in w.rows {
                    by_tenant.entry(r.tenant).or_default().push(r);
                }
            }
            let result = self.write(by_tenant).await.map_err(|e| {
                tracing::error!(error = %e, "the access log could not be written; nothing is opened");
                Error::LogUnavailable(e.to_string())
            });
            for c in callers {
                let _ = c.send(result.clone());
            }
        }
    }

    async fn write(&self, by_tenant: BTreeMap<Tenant, Vec<LogRow>>) -> Result<()> {
        let mut tx = self.db.begin().await?;
        for (tenant, rows) in &by_tenant {
            let n = rows.len() as i64;
            let (last,): (i64,) = tx.one(sql::TAKE_NUMBERS, params![*tenant, n]).await?;
            let values: Vec<_> = rows
                .iter()
                .zip(last - n + 1..)
                .map(|(r, seq)| {
                    params![
                        r.tenant,
                        seq,
                        r.id,
                        r.at,
                        &r.kind,
                        &r.actor,
                        &r.permission,
                        &r.purpose,
                        r.subject_ref,
                        &r.fields,
                        &r.basis,
                        r.request,
                        &r.hash
                    ]
                    .to_vec()
                })
                .collect();
            tx.insert_many(&sql::LOG_ROWS, &values).await?;
        }
        Ok(tx.commit().await?)
    }
}
