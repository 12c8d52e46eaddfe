//! Sending notifications, and making those that come by the clock (§5.8.6, §6.3.8).

use std::time::Duration;

use kenroku_bus::{Done, Enqueue, Failed, Job, Running, Work, Worker};
use kenroku_http::App;
use kenroku_module::HookError;
use kenroku_outbound::Outbound;
use kenroku_store::Tx;
use kenroku_types::Tenant;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{SubRow, sql, tell};
use crate::{Broker, contexts, entities};

/// Most entities in a notification by the clock.
const MOST: usize = 1000;

/// A notification that waits to be sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Notify {
    /// For which subscription.
    pub subscription: String,
    /// In which form.
    pub accept: String,
    /// The address of its words.
    pub link: String,
    /// The notification.
    pub body: String,
}

impl Job for Notify {
    const KIND: &'static str = "broker.notify";
}

/// The next notification of a subscription that is told by the clock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tick {
    /// Which subscription.
    pub subscription: String,
    /// Its state: a changed subscription has ticks of its own.
    pub of: i64,
}

impl Job for Tick {
    const KIND: &'static str = "broker.tick";
}

/// Queues the next tick, if the subscription has any.
pub(crate) async fn next_tick(
    app: &App,
    tx: &mut Tx,
    tenant: Tenant,
    s: &SubRow,
) -> Result<(), kenroku_bus::Error> {
    let Some(seconds) = s.doc.get("timeInterval").and_then(Value::as_f64) else { return Ok(()) };
    let at = app.env().now().plus(Duration::from_secs_f64(seconds.clamp(1.0, 1e9)));
    let job = Tick { subscription: s.id.clone(), of: s.modified_at.micros() };
    app.bus().enqueue(tx, tenant, &job, Enqueue::at(at).urgent()).await.map(drop)
}

struct Sender {
    app: App,
    out: Outbound,
}

/// Adds the broker's work.
///
/// # Errors
/// When no client can be made.
pub fn work(worker: Worker, app: &App) -> Result<Worker, HookError> {
    Ok(worker
        .job::<Notify, _>(Sender { app: app.clone(), out: Outbound::new()? })
        .job::<Tick, _>(Clockwork(app.clone())))
}

fn headers(s: &SubRow, job: &Notify, named: Option<String>) -> Vec<(String, String)> {
    let mut out = vec![("content-type".to_owned(), job.accept.clone())];
    if job.accept != "application/ld+json" {
        let link = format!(
            "<{}>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"",
            job.link
        );
        out.push(("link".to_owned(), link));
    }
    out.extend(named.map(|n| ("ngsild-tenant".to_owned(), n)));
    let info = s.doc.get("notification").and_then(|n| n.get("endpoint")).and_then(|e| e.get("receiverInfo"));
    for pair in info.and_then(Value::as_array).into_iter().flatten() {
        if let (Some(k), Some(v)) =
            (pair.get("key").and_then(Value::as_str), pair.get("value").and_then(Value::as_str))
        {
            out.push((k.to_owned(), v.to_owned()));
        }
    }
    out
}

impl Work<Notify> for Sender {
    async fn work(&self, run: &Running, job: Notify) -> Result<Done, Failed> {
        let tenant = run.tenant();
        let broker = self.app.get::<Broker>().map_err(|_| Failed::never("the broker is not there"))?;
        let mut tx = run.db().read().await?;
        let found = sql::get(&mut tx, tenant, &job.subscription).await?;
        drop(tx);
        let Some(s) = found else { return run.finish(run.begin().await?).await };
        let uri = s.doc.pointer("/notification/endpoint/uri").and_then(Value::as_str).unwrap_or_default();
        let sent = if broker.settings.allow_private || contexts::is_public(uri).await {
            self.out
                .post_text(uri, &headers(&s, &job, None), job.body.clone())
                .await
                .map_err(|e| e.to_string())
        } else {
            Err("its address lies inside, which broker.allow_private forbids".to_owned())
        };
        let now = self.app.env().now();
        let arrived = matches!(&sent, Ok(status) if (200..300).contains(status));
        let mut tx = run.begin().await?;
        sql::sent(&mut tx, tenant, &s.id, arrived, now).await?;
        if arrived {
            return run.finish(tx).await;
        }
        tx.commit().await?;
        let why = sent.map_or_else(|e| e, |status| format!("it answered {status}"));
        Err(Failed::again(format!("{}: {why}", s.id)))
    }
}

struct Clockwork(App);

impl Work<Tick> for Clockwork {
    async fn work(&self, run: &Running, job: Tick) -> Result<Done, Failed> {
        let tenant = run.tenant();
        let app = &self.0;
        let broker = app.get::<Broker>().map_err(|_| Failed::never("the broker is not there"))?;
        let mut tx = run.begin().await?;
        let found = sql::get(&mut tx, tenant, &job.subscription).await?;
        let Some(s) = found.filter(|s| s.modified_at.micros() == job.of) else { return run.finish(tx).await };
        if s.status(app.env().now()) == "active" {
            let names = broker.contexts.names(app, tenant, &s.context).await.map_err(Failed::again)?;
            let target = tell::target(app, &broker, &mut tx, tenant, &s, &names).await;
            let mut data = Vec::new();
            let part = entities::Part { offset: 0, limit: MOST, count: false, order: Vec::new() };
            for sel in tell::selections(&s, &names).map_err(Failed::never)? {
                let found = entities::find(app, &mut tx, tenant, &sel, &part)
                    .await
                    .map_err(|_| Failed::again("the query failed"))?;
                data.extend(found.entities.iter().map(|e| tell::render(&s, &target, e)));
            }
            if !data.is_empty() {
                tell::queue(app, &mut tx, tenant, &s, &target, data)
                    .await
                    .map_err(|_| Failed::again("the notification was not written"))?;
            }
        }
        next_tick(app, &mut tx, tenant, &s).await.map_err(Failed::again)?;
        run.finish(tx).await
    }
}
