//! [`Linked`]: asks the holders, all at once, with a limit of time for the whole, and remembers who was silent.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use kenroku_bus::{Done, Failed, Job, Running, Work};
use kenroku_http::{App, Result};
use kenroku_outbound::{Answer, Caller, Outbound};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Clock, Tenant, Timestamp};
use kenroku_vault::Vault;
use serde::{Deserialize, Serialize};

use super::holders::{self, Beat, Holder, KEY};
use super::protocol::{self, Heartbeat, UsagePeriod, Usages};
use crate::Consent;
use crate::model::RecipientId;
use crate::module::tenants;

/// How long a page waits for all holders together.
pub const PATIENCE: Duration = Duration::from_millis(1_200);
/// How long a holder that was silent is not asked by pages.
const PEACE: Duration = Duration::from_secs(60);
/// How long the heartbeat waits.
const HEARTBEAT_PATIENCE: Duration = Duration::from_secs(8);
/// Rows that a page asks of one holder.
pub(crate) const ROWS: u32 = 100;

/// What one holder told, or `None`: 応答なし.
pub(crate) struct Told {
    pub holder: Holder,
    pub usages: Option<Usages>,
}

/// The holders as they are asked. Cheap to clone; put into the app by the module.
#[derive(Clone)]
pub struct Linked(Arc<Inner>);

struct Inner {
    out: OnceLock<Option<Outbound>>,
    silent: Mutex<HashMap<(Tenant, RecipientId), Duration>>,
    clock: Clock,
}

impl std::fmt::Debug for Linked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Linked")
    }
}

impl Linked {
    /// Asks nobody yet.
    pub fn new(clock: Clock) -> Self {
        Linked(Arc::new(Inner { out: OnceLock::new(), silent: Mutex::default(), clock }))
    }

    /// The client, made at the first question: an installation without holders reads no roots for it.
    fn out(&self) -> Option<&Outbound> {
        let made = || {
            Outbound::new().inspect_err(|e| tracing::error!(error = %e, "nobody outside can be asked")).ok()
        };
        self.0.out.get_or_init(made).as_ref()
    }

    fn left_in_peace(&self, key: (Tenant, RecipientId)) -> bool {
        let mut silent = self.0.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.0.clock.monotonic();
        silent.retain(|_, since| now.saturating_sub(*since) < PEACE);
        silent.contains_key(&key)
    }

    fn note(&self, key: (Tenant, RecipientId), answered: bool) {
        let mut silent = self.0.silent.lock().unwrap_or_else(PoisonError::into_inner);
        match answered {
            true => drop(silent.remove(&key)),
            false => drop(silent.insert(key, self.0.clock.monotonic())),
        }
    }

    /// Asks each holder about a person, by its own pseudonym; whoever asks is that person. In the order given; nobody
    /// waits longer than [`PATIENCE`].
    pub(crate) async fn find(
        &self,
        vault: &Vault,
        asked: Vec<(Tenant, Holder, SubjectId)>,
        now: Timestamp,
    ) -> Vec<Told> {
        let tasks: Vec<_> = asked
            .into_iter()
            .map(|(tenant, holder, subject)| {
                let key = (tenant, holder.recipient);
                let task = (!self.left_in_peace(key)).then(|| {
                    let (linked, vault, holder) = (self.clone(), vault.clone(), holder.clone());
                    tokio::spawn(async move {
                        let found =
                            within(PATIENCE, linked.find_one(&vault, tenant, &holder, subject, now)).await;
                        linked.note(key, found.is_some());
                        found
                    })
                });
                (holder, task)
            })
            .collect();
        let mut out = Vec::with_capacity(tasks.len());
        for (holder, task) in tasks {
            let usages = match task {
                Some(task) => task.await.ok().flatten(),
                None => None,
            };
            out.push(Told { holder, usages });
        }
        out
    }

    async fn find_one(
        &self,
        vault: &Vault,
        tenant: Tenant,
        holder: &Holder,
        subject: SubjectId,
        now: Timestamp,
    ) -> Option<Usages> {
        let query = format!(
            "v2/findUsage?userCode={subject}&periodStart={}&periodEnd={now}&offset=0&limit={ROWS}",
            holder.since
        );
        let subject = subject.to_string();
        let answer = self.ask(vault, tenant, holder, &query, &[("x-road-userid", &subject)]).await?;
        protocol::usages(answer.json, (holder.since, now), ROWS)
    }

    /// One question; `None` when it is not answered well.
    async fn ask(
        &self,
        vault: &Vault,
        tenant: Tenant,
        holder: &Holder,
        question: &str,
        headers: &[(&'static str, &str)],
    ) -> Option<Answer> {
        let secret = vault.open_secret(tenant, KEY, &holder.recipient.to_string(), &holder.key).await;
        let secret =
            secret.inspect_err(|e| tracing::error!(error = %e, "the key of a holder does not open")).ok()?;
        let key = std::str::from_utf8(&secret).ok()?;
        let url = format!("{}/{question}", holder.url);
        match self.out()?.get_with(&url, Caller::Bearer(key), headers).await {
            Ok(a) if a.is_ok() => Some(a),
            Ok(a) => {
                tracing::warn!(holder = %holder.recipient, status = a.status, "a holder refuses to tell its log");
                None
            }
            Err(e) => {
                tracing::warn!(holder = %holder.recipient, error = %e, "a holder does not tell its log");
                None
            }
        }
    }

    /// Whether a holder is well; written down by the caller.
    pub(crate) async fn heartbeat(&self, vault: &Vault, tenant: Tenant, holder: &Holder) -> (Beat, String) {
        let asked = self.ask(vault, tenant, holder, "v2/heartbeat", &[]);
        let beat = within(HEARTBEAT_PATIENCE, asked).await;
        let said: Option<Heartbeat> = beat.and_then(|a| serde_json::from_value(a.json).ok());
        let (status, message) = match said {
            Some(h) if h.status == "OK" => (Beat::Ok, h.message),
            Some(h) if h.status == "FAIL" => (Beat::Fail, h.message),
            _ => (Beat::Silent, None),
        };
        self.note((tenant, holder.recipient), status == Beat::Ok);
        (status, message.unwrap_or_default())
    }

    /// From when on a holder has rows, in its own words.
    pub(crate) async fn period(&self, vault: &Vault, tenant: Tenant, holder: &Holder) -> Option<UsagePeriod> {
        let asked = self.ask(vault, tenant, holder, "v2/usagePeriod", &[]);
        serde_json::from_value(within(HEARTBEAT_PATIENCE, asked).await?.json).ok()
    }
}

/// What comes in time.
async fn within<T>(limit: Duration, asked: impl Future<Output = Option<T>>) -> Option<T> {
    tokio::time::timeout(limit, asked).await.ok().flatten()
}

/// Asks every holder for its heartbeat, all at once, and writes down how it went.
pub(crate) async fn heartbeats(app: &App, tenants: &[Tenant]) -> Result<()> {
    let (consent, vault, linked) = (app.get::<Consent>()?, app.get::<Vault>()?, app.get::<Linked>()?);
    let mut tasks = Vec::new();
    for tenant in tenants {
        for holder in consent.usage_holders(*tenant).await? {
            let (linked, vault, tenant) = ((*linked).clone(), (*vault).clone(), *tenant);
            tasks.push(tokio::spawn(async move {
                let beat = linked.heartbeat(&vault, tenant, &holder).await;
                (tenant, holder.recipient, beat)
            }));
        }
    }
    for task in tasks {
        let Ok((tenant, of, (status, message))) = task.await else { continue };
        let mut tx = consent.db().begin().await?;
        holders::beat(&mut tx, tenant, of, (status, &message), app.env().now()).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// The heartbeat by the clock.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pulse;

impl Job for Pulse {
    const KIND: &'static str = "consent.heartbeat";
}

/// Does it.
pub(crate) struct Feeling(pub App);

impl Work<Pulse> for Feeling {
    async fn work(&self, run: &Running, _: Pulse) -> std::result::Result<Done, Failed> {
        heartbeats(&self.0, &tenants(self.0.access())).await.map_err(|e| Failed::again(e.0))?;
        run.finish(run.begin().await?).await
    }
}
