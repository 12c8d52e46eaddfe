//! The kernel's own work by the clock: clearing away what has expired.

use kenroku_access::accounts::Accounts;
use kenroku_bus::{Done, Failed, Job, Running, Schedule, Work, Worker};
use kenroku_http::{App, idempotency};
use kenroku_vault::{FileWitness, Reseal, Vault};
use serde::{Deserialize, Serialize};

use crate::{HookError, ResealHook};

/// Removes kept answers, sessions and throttles that have expired.
#[derive(Serialize, Deserialize)]
struct ClearAway;

impl Job for ClearAway {
    const KIND: &'static str = "http.clear-away";
}

struct Clearing(App);

impl Work<ClearAway> for Clearing {
    async fn work(&self, run: &Running, _: ClearAway) -> Result<Done, Failed> {
        let accounts = self.0.get::<Accounts>().map_err(|e| Failed::never(e.0))?;
        let sessions = accounts.sweep().await.map_err(Failed::again)?;
        let mut tx = run.begin().await?;
        let answers = idempotency::purge(&mut tx, self.0.env().now()).await?;
        tracing::info!(sessions, answers, "cleared away what had expired");
        run.finish(tx).await
    }
}

/// Where checkpoints of the access log go; a service that the binary puts in when one is configured.
#[derive(Debug)]
pub struct LogWitness(pub FileWitness);

/// Seals new rows of the access log and hands the checkpoints to the witness.
#[derive(Serialize, Deserialize)]
struct SealLog;

impl Job for SealLog {
    const KIND: &'static str = "vault.seal-log";
}

struct Sealing(App);

impl Work<SealLog> for Sealing {
    async fn work(&self, run: &Running, _: SealLog) -> Result<Done, Failed> {
        let vault = self.0.get::<Vault>().map_err(|e| Failed::never(e.0))?;
        let witness = self.0.get::<LogWitness>().map_err(|e| Failed::never(e.0))?;
        while vault.seal_batch(&witness.0).await.map_err(Failed::again)?.more {}
        run.finish(run.begin().await?).await
    }
}

/// Goes on with whatever renewal of keys is under way.
#[derive(Serialize, Deserialize)]
struct Rotate;

impl Job for Rotate {
    const KIND: &'static str = "vault.rotate";
}

struct Rotating(App);

/// How the modules renew their sealed values, by module.
pub(crate) struct Reseals(pub(crate) Vec<(&'static str, ResealHook)>);

/// Pieces of a renewal at once.
const ROTATE_BUDGET: u64 = 1000;

impl Work<Rotate> for Rotating {
    async fn work(&self, run: &Running, _: Rotate) -> Result<Done, Failed> {
        let vault = self.0.get::<Vault>().map_err(|e| Failed::never(e.0))?;
        let hooks = self.0.get::<Reseals>().map_err(|e| Failed::never(e.0))?;
        let mut reseals = Vec::new();
        for (module, hook) in &hooks.0 {
            reseals.extend(hook(&self.0).map_err(|e| Failed::never(format!("module {module}: {e}")))?);
        }
        let reseals: Vec<&dyn Reseal> = reseals.iter().map(AsRef::as_ref).collect();
        loop {
            let report = vault.rotate(&reseals, ROTATE_BUDGET).await.map_err(Failed::again)?;
            if !report.retired_masters.is_empty() {
                tracing::info!(generations = ?report.retired_masters, "generations of the master wrap nothing any more");
            }
            if !report.more {
                break;
            }
        }
        run.finish(run.begin().await?).await
    }
}

/// Adds them to the worker.
pub(crate) fn add(worker: Worker, app: &App) -> Result<Worker, HookError> {
    let mut worker = worker
        .job::<ClearAway, _>(Clearing(app.clone()))
        .schedule(Schedule::new("http.clear-away", "17 * * * *", |_| ClearAway))
        .job::<Rotate, _>(Rotating(app.clone()))
        .schedule(Schedule::new("vault.rotate", "37 * * * *", |_| Rotate));
    if app.get::<LogWitness>().is_ok() {
        worker = worker.job::<SealLog, _>(Sealing(app.clone())).schedule(Schedule::new(
            "vault.seal-log",
            "* * * * *",
            |_| SealLog,
        ));
    } else {
        tracing::warn!(
            "vault.witness_folder is not set: whoever changes the access log in the database is not found out"
        );
    }
    Ok(worker)
}
