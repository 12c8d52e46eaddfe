//! Running jobs: claimed under a lease, kept by signs of life, completed once.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kenroku_store::{Db, Sql, Tx, Val, params};
use kenroku_types::Tenant;
use kenroku_types::ids::JobId;
use tokio::sync::watch;

use crate::bus::Bus;
use crate::error::{Failed, How};
use crate::job::{self, Claimed, Job, LANES};
use crate::metrics::Count;
use crate::worker::Settings;

/// Does jobs of one kind.
pub trait Work<J: Job>: Send + Sync + 'static {
    /// Does one job. It may take long and may speak to the outside; its own writes go into a transaction from
    /// [`Running::begin`] that [`Running::finish`] commits together with the job's completion. That is the only way
    /// to get a [`Done`].
    ///
    /// A worker may die between speaking to the outside and `finish`; then the job runs again. Give the outside
    /// [`Running::id`] as idempotency key.
    fn work(&self, run: &Running, job: J) -> impl Future<Output = Result<Done, Failed>> + Send;
}

/// Proof that a job is completed.
#[derive(Debug)]
pub struct Done(());

/// A job that this worker holds.
#[derive(Debug)]
pub struct Running {
    db: Db,
    bus: Bus,
    tenant: Tenant,
    id: JobId,
    attempt: u32,
    fence: i64,
}

impl Running {
    /// Whose job.
    pub fn tenant(&self) -> Tenant {
        self.tenant
    }

    /// The same at every attempt.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// From 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// For publishing and enqueueing.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The database.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// A transaction for the job's writes.
    pub async fn begin(&self) -> Result<Tx, Failed> {
        Ok(self.db.begin().await?)
    }

    /// Commits the writes and the completion together.
    ///
    /// # Errors
    /// When the job was taken over or cancelled meanwhile; then nothing is written.
    pub async fn finish(&self, mut tx: Tx) -> Result<Done, Failed> {
        let now = self.bus.env().now();
        if tx.execute(job::DONE, params![self.tenant, self.id, self.fence, now]).await? == 0 {
            tx.rollback().await?;
            return Err(Failed { how: How::Lost, why: "taken over or cancelled".to_owned() });
        }
        tx.commit().await?;
        Ok(Done(()))
    }
}

pub(crate) trait DynWork: Send + Sync {
    fn call<'a>(&'a self, run: &'a Running, payload: &'a str) -> BoxFuture<'a, Result<Done, Failed>>;
}

pub(crate) struct Typed<J, W>(pub W, pub PhantomData<fn() -> J>);

impl<J: Job, W: Work<J>> DynWork for Typed<J, W> {
    fn call<'a>(&'a self, run: &'a Running, payload: &'a str) -> BoxFuture<'a, Result<Done, Failed>> {
        Box::pin(async move {
            let job =
                serde_json::from_str(payload).map_err(|e| Failed::never(format!("not readable: {e}")))?;
            self.0.work(run, job).await
        })
    }
}

/// A job of a kind this program does not know waits for one that does.
const UNKNOWN_WAIT: Duration = Duration::from_secs(60);
/// After our own database did not answer.
const OUTAGE_WAIT: Duration = Duration::from_secs(2);

pub(crate) struct JobRunner {
    pub db: Db,
    pub bus: Bus,
    pub settings: Settings,
    pub kinds: BTreeMap<&'static str, Arc<dyn DynWork>>,
}

enum End {
    Finished(Result<Done, Failed>),
    Lost,
    Stopped,
}

impl JobRunner {
    /// Takes up to `n` due jobs.
    pub(crate) async fn claim(&self, n: usize) -> kenroku_store::Result<Vec<Claimed>> {
        let now = self.bus.env().now();
        let mut out = Vec::new();
        if n == 0 {
            return Ok(out);
        }
        // Without this glance every idle worker would write at every poll.
        if job::next_due(&mut self.db.read().await?).await?.is_none_or(|due| due > now) {
            return Ok(out);
        }
        let mut tx = self.db.begin().await?;
        for lane in LANES {
            let left = i64::try_from(n.saturating_sub(out.len())).unwrap_or(i64::MAX);
            if left > 0 {
                let lease = now.plus(self.settings.lease);
                out.extend(tx.all::<Claimed>(job::CLAIM, params![lane, now, lease, left]).await?);
            }
        }
        tx.commit().await?;
        Ok(out)
    }

    /// Runs a claimed job to its end, or until `stop` says to give it back.
    pub(crate) async fn run(&self, c: Claimed, mut stop: watch::Receiver<bool>) {
        let Some((kind, work)) = self.kinds.get_key_value(c.kind.as_str()) else {
            tracing::warn!(kind = c.kind, "no handler for this kind of job; left to a newer program");
            let at = self.bus.env().now().plus(UNKNOWN_WAIT);
            self.settle(job::PUT_OFF, &c, &[at.into(), (c.attempts - 1).into(), "unknown kind".into()]).await;
            return;
        };
        let kind: &'static str = kind;
        let end = if c.attempts > self.settings.jobs.attempts {
            // Claimed that often and never ended: it takes its workers down with it.
            End::Finished(Err(Failed::never("its worker died at every attempt")))
        } else {
            let run = Running {
                db: self.db.clone(),
                bus: self.bus.clone(),
                tenant: c.tenant,
                id: c.id,
                attempt: c.attempts,
                fence: c.fence,
            };
            let work = AssertUnwindSafe(work.call(&run, &c.payload)).catch_unwind();
            tokio::select! {
                biased;
                r = work => End::Finished(r.unwrap_or_else(|_| Err(Failed::again("the job panicked; the log has the place")))),
                () = self.keep(&c) => End::Lost,
                _ = stop.wait_for(|s| *s) => End::Stopped,
            }
        };
        self.end(kind, &c, end).await;
    }

    /// Keeps the lease; returns when it is lost.
    async fn keep(&self, c: &Claimed) {
        loop {
            tokio::time::sleep(self.settings.lease / 3).await;
            let until = self.bus.env().now().plus(self.settings.lease);
            let r = async {
                let mut tx = self.db.begin().await?;
                let n = tx.execute(job::EXTEND, params![c.tenant, c.id, c.fence, until]).await?;
                tx.commit().await?;
                kenroku_store::Result::Ok(n)
            };
            match r.await {
                Ok(0) => return,
                Ok(_) => {}
                Err(e) => tracing::warn!(job = %c.id, error = %e, "the lease could not be extended"),
            }
        }
    }

    async fn end(&self, kind: &'static str, c: &Claimed, end: End) {
        let env = self.bus.env();
        let count = |what| self.bus.metrics().add(what, kind, 1);
        match end {
            End::Finished(Ok(Done(()))) => count(Count::JobDone),
            End::Lost | End::Finished(Err(Failed { how: How::Lost, .. })) => {
                tracing::warn!(kind, job = %c.id, "job was taken over or cancelled");
                count(Count::JobLost);
            }
            End::Stopped => {
                let v = [env.now().into(), (c.attempts - 1).into(), Val::Null];
                self.settle(job::PUT_OFF, c, &v).await;
            }
            // Should the commit have happened after all, the job is no longer running and this changes nothing.
            End::Finished(Err(f)) if f.how == How::Outage => {
                let v = [env.now().plus(OUTAGE_WAIT).into(), (c.attempts - 1).into(), f.why.into()];
                self.settle(job::PUT_OFF, c, &v).await;
                self.bus.metrics().add(Count::Outage, "", 1);
            }
            End::Finished(Err(f)) => {
                count(Count::JobFailed);
                if f.how == How::Never || c.attempts >= self.settings.jobs.attempts {
                    tracing::error!(kind, job = %c.id, attempts = c.attempts, error = f.why, "job given up");
                    self.settle(job::GIVE_UP, c, &[env.now().into(), f.why.into()]).await;
                    count(Count::JobDead);
                } else {
                    tracing::warn!(kind, job = %c.id, attempts = c.attempts, error = f.why, "job failed");
                    let at = env.now().plus(self.settings.jobs.wait(c.attempts, &env.rng));
                    self.settle(job::PUT_OFF, c, &[at.into(), c.attempts.into(), f.why.into()]).await;
                }
            }
        }
    }

    /// Writes how it ended. When that fails the lease runs out and somebody takes the job over: nothing is lost.
    async fn settle(&self, sql: &'static Sql, c: &Claimed, values: &[Val<'_>]) {
        let r = async {
            let mut tx = self.db.begin().await?;
            let mut all = vec![Val::from(c.tenant), Val::from(c.id), Val::from(c.fence)];
            all.extend(values.iter().cloned());
            tx.execute(sql, &all).await?;
            tx.commit().await
        };
        if let Err(e) = r.await {
            tracing::warn!(job = %c.id, error = %e, "the end of a job could not be written; its lease runs out");
        }
    }
}
