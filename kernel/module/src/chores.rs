//! The kernel's own work by the clock: clearing away what has expired.

use kenroku_access::accounts::Accounts;
use kenroku_bus::{Done, Failed, Job, Running, Schedule, Work, Worker};
use kenroku_http::{App, idempotency};
use serde::{Deserialize, Serialize};

use crate::HookError;

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

/// Adds them to the worker.
pub(crate) fn add(worker: Worker, app: &App) -> Result<Worker, HookError> {
    let schedule = Schedule::new("http.clear-away", "17 * * * *", |_| ClearAway);
    Ok(worker.job::<ClearAway, _>(Clearing(app.clone())).schedule(schedule))
}
