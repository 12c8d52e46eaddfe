//! The kernel's own work by the clock: clearing away what has expired, sealing and checking the access log, renewing keys.

use std::sync::Arc;

use kenroku_access::accounts::Accounts;
use kenroku_bus::{Done, Failed, Job, Running, Schedule, Work, Worker};
use kenroku_http::{App, idempotency};
use kenroku_vault::{Reseal, Vault, Witness};
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

/// Where checkpoints of the access log go, by name: `tenant` inside the installation, `file` when a folder is configured.
#[derive(Clone)]
pub struct LogWitnesses(pub Vec<(&'static str, Arc<dyn Witness>)>);

impl std::fmt::Debug for LogWitnesses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|w| w.0)).finish()
    }
}

/// The name of the witness inside the installation.
pub const TENANT_WITNESS: &str = "tenant";
/// The name of the witness in a folder outside.
pub const FILE_WITNESS: &str = "file";

/// Seals new rows of the access log and hands the checkpoints to every witness.
#[derive(Serialize, Deserialize)]
struct SealLog;

impl Job for SealLog {
    const KIND: &'static str = "vault.seal-log";
}

struct Sealing(App);

impl Work<SealLog> for Sealing {
    async fn work(&self, run: &Running, _: SealLog) -> Result<Done, Failed> {
        let vault = self.0.get::<Vault>().map_err(|e| Failed::never(e.0))?;
        let witnesses = self.0.get::<LogWitnesses>().map_err(|e| Failed::never(e.0))?;
        let mut failed = None;
        for (name, witness) in &witnesses.0 {
            // One that is away does not keep the others from it.
            loop {
                match vault.seal_batch(&**witness).await {
                    Ok(r) if r.more => {}
                    Ok(_) => break,
                    Err(e) => {
                        failed.get_or_insert(format!("witness {name}: {e}"));
                        break;
                    }
                }
            }
        }
        match failed {
            Some(why) => Err(Failed::again(why)),
            None => run.finish(run.begin().await?).await,
        }
    }
}

/// Compares the access log with every witness, so that a change is told without anybody asking.
#[derive(Serialize, Deserialize)]
struct CheckLog;

impl Job for CheckLog {
    const KIND: &'static str = "vault.check-log";
}

struct Checking(App);

impl Work<CheckLog> for Checking {
    async fn work(&self, run: &Running, _: CheckLog) -> Result<Done, Failed> {
        let vault = self.0.get::<Vault>().map_err(|e| Failed::never(e.0))?;
        let witnesses = self.0.get::<LogWitnesses>().map_err(|e| Failed::never(e.0))?;
        for (name, witness) in &witnesses.0 {
            vault.check_log(name, &**witness).await.map_err(Failed::again)?;
        }
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
    let witnesses = app.get::<LogWitnesses>().map_err(|e| e.0)?;
    if !witnesses.0.is_empty() {
        worker = worker
            .job::<SealLog, _>(Sealing(app.clone()))
            .schedule(Schedule::new("vault.seal-log", "* * * * *", |_| SealLog))
            .job::<CheckLog, _>(Checking(app.clone()))
            .schedule(Schedule::new("vault.check-log", "23 3 * * *", |_| CheckLog));
    }
    if witnesses.0.iter().all(|(name, _)| *name != FILE_WITNESS) {
        tracing::warn!(
            "vault.witness_folder is not set: whoever changes the whole database is not found out"
        );
    }
    Ok(worker)
}
