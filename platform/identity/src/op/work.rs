//! What runs in the background: clients are told of ended sessions, keys are renewed, what is over is removed.

use std::time::Duration;

use kenroku_access::accounts::Accounts;
use kenroku_bus::{Consumer, Done, Failed, Job, Running, Schedule, Work, Worker};
use kenroku_contracts::identity::SessionEnded;
use kenroku_http::App;
use serde::{Deserialize, Serialize};

use super::contracts::{LookAtContracts, Looking};
use super::logout::{EndedSessions, Messenger};
use super::provider::Provider;
use super::sql;

/// Renews keys and removes what is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tidy {}

impl Job for Tidy {
    const KIND: &'static str = "identity.op-tidy";
}

struct Tidier(Provider);

impl Work<Tidy> for Tidier {
    async fn work(&self, run: &Running, _: Tidy) -> Result<Done, Failed> {
        let op = &self.0;
        op.renew_keys().await.map_err(|e| Failed::again(e.to_string()))?;
        let now = op.env.now();
        let day = Duration::from_secs(86_400);
        let mut tx = run.begin().await?;
        sql::tidy(&mut tx, now.minus(day), now.minus(366 * day)).await?;
        run.finish(tx).await
    }
}

/// Adds the provider's work.
///
/// # Errors
/// When the provider was not started.
pub fn work(worker: Worker, app: &App) -> Result<Worker, kenroku_module::HookError> {
    let op = (*app.get::<Provider>().map_err(|e| e.0)?).clone();
    let accounts = app.get::<Accounts>().map_err(|e| e.0)?;
    let ended = EndedSessions::new(op.clone(), app.bus().clone());
    Ok(worker
        .consumer(Consumer::new("identity.ended-sessions").on::<SessionEnded, _>(ended))
        .job::<super::TellClient, _>(Messenger::new(op.clone())?)
        .job::<LookAtContracts, _>(Looking { op: op.clone(), accounts })
        .schedule(Schedule::new("identity.op-contracts", "40 6 * * *", |_| LookAtContracts {}))
        .job::<Tidy, _>(Tidier(op))
        .schedule(Schedule::new("identity.op-tidy", "20 3 * * *", |_| Tidy {})))
}
