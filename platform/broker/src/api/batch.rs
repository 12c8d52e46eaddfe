//! Batches of entities (GS CIM 009 §5.6.7 to §5.6.10, §5.6.20): each entity by itself, all in one transaction.

use axum::http::StatusCode;
use kenroku_http::App;
use kenroku_ngsi_ld::parse::{self, Reading};
use kenroku_ngsi_ld::{Entity, NgsiError, check, fragment};
use kenroku_store::Tx;
use kenroku_types::Tenant;
use serde_json::{Value, json};

use super::entities::reading;
use crate::door::{Space, Writer};
use crate::http::{Answer, Call, Failed, empty, fault_of, plain};
use crate::{entities, sql};

/// Most entities in one batch.
const MOST: usize = 10_000;

/// What became of the entities of a batch.
#[derive(Default)]
struct Results {
    success: Vec<String>,
    /// Those of them that were not there before.
    created: Vec<String>,
    errors: Vec<Value>,
}

impl Results {
    fn failed(&mut self, id: &str, why: &Failed) {
        self.errors.push(json!({ "entityId": id, "error": fault_of(why) }));
    }

    fn multi(&self, space: &Space) -> Answer {
        Ok(plain(space, StatusCode::MULTI_STATUS, &json!({ "success": self.success, "errors": self.errors })))
    }
}

fn items(value: &Value) -> Result<&Vec<Value>, NgsiError> {
    let all = value
        .as_array()
        .filter(|a| !a.is_empty())
        .ok_or_else(|| NgsiError::data("a batch is an array that is not empty"))?;
    if all.len() > MOST {
        return Err(NgsiError::data(format!("a batch has {MOST} entities at most")));
    }
    Ok(all)
}

/// The entities of the body; what cannot be read is an error of its own.
async fn read(
    call: &Call,
    space: &Space,
    how: Reading,
    results: &mut Results,
) -> Result<Vec<Entity>, Failed> {
    let (value, given) = call.json(false)?;
    let mut out = Vec::new();
    for doc in items(&value)? {
        let id = doc.get("id").or_else(|| doc.get("@id")).and_then(Value::as_str).unwrap_or_default();
        let one = async {
            let context = given.of(doc);
            if given.needs_context() && context.is_null() {
                return Err(Failed::from(NgsiError::data(
                    "with application/ld+json each entity has its @context",
                )));
            }
            if !given.in_body() && doc.get("@context").is_some() {
                return Err(NgsiError::data(
                    "an @context in the body needs the content type application/ld+json",
                )
                .into());
            }
            let names = call.broker.contexts.names(&call.app, space.tenant, &context).await?;
            let e = parse::fragment(doc, &names, how)?;
            if e.id.is_empty() {
                return Err(NgsiError::data("an entity has an id").into());
            }
            Ok(e)
        };
        match one.await {
            Ok(e) => out.push(e),
            Err(e @ (Failed::Ngsi(_) | Failed::Status(_))) => results.failed(id, &e),
            Err(e) => return Err(e),
        }
    }
    Ok(out)
}

/// Failures of one entity are told in the answer; failures of the store end the batch.
fn told<T>(results: &mut Results, id: &str, r: Result<T, Failed>) -> Result<Option<T>, Failed> {
    match r {
        Ok(v) => Ok(Some(v)),
        Err(e @ Failed::Ngsi(_)) => {
            results.failed(id, &e);
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

async fn make(app: &App, tx: &mut Tx, tenant: Tenant, e: Entity) -> Result<Entity, Failed> {
    if e.types.is_empty() {
        return Err(NgsiError::data("an entity has a type").into());
    }
    entities::create(app, tx, tenant, e).await
}

pub(super) async fn create(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local", "options", "format"]])?;
    let mut results = Results::default();
    let all = read(&call, &space, reading(&call, false), &mut results).await?;
    let mut tx = call.app.db().begin().await?;
    for e in all {
        let id = e.id.clone();
        let r = make(&call.app, &mut tx, space.tenant, e).await;
        if told(&mut results, &id, r)?.is_some() {
            results.success.push(id);
        }
    }
    tx.commit().await?;
    if results.errors.is_empty() {
        return Ok(plain(&space, StatusCode::CREATED, &json!(results.success)));
    }
    results.multi(&space)
}

pub(super) async fn upsert(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local", "options", "format"]])?;
    let update = call.option("update");
    let mut results = Results::default();
    let all = read(&call, &space, reading(&call, false), &mut results).await?;
    let mut tx = call.app.db().begin().await?;
    let now = call.app.env().now();
    for e in all {
        let id = e.id.clone();
        let there = sql::exists(&mut tx, space.tenant, &id, now).await?;
        let r = if !there {
            make(&call.app, &mut tx, space.tenant, e).await.map(drop)
        } else {
            let f = |old: &mut Entity| {
                if update {
                    return Ok(fragment::append(old, &e, false, now));
                }
                Ok(fragment::replace(old, &e, now))
            };
            entities::change(&call.app, &mut tx, space.tenant, &id, f).await.map(drop)
        };
        if told(&mut results, &id, r)?.is_some() {
            if !there {
                results.created.push(id.clone());
            }
            results.success.push(id);
        }
    }
    tx.commit().await?;
    if !results.errors.is_empty() {
        return results.multi(&space);
    }
    if results.created.is_empty() {
        return Ok(empty(&space, StatusCode::NO_CONTENT));
    }
    Ok(plain(&space, StatusCode::CREATED, &json!(results.created)))
}

pub(super) async fn update(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local", "options", "format"]])?;
    let keep = call.option("noOverwrite");
    let mut results = Results::default();
    let all = read(&call, &space, reading(&call, true), &mut results).await?;
    let mut tx = call.app.db().begin().await?;
    let now = call.app.env().now();
    for e in all {
        let id = e.id.clone();
        let f = |old: &mut Entity| {
            let out = fragment::append(old, &e, keep, now);
            match out.not_updated.first() {
                Some((name, why)) => Err(NgsiError::data(format!("{name}: {why}"))),
                None => Ok(out),
            }
        };
        // What is kept because of noOverwrite is told; everything else of the entity is still written.
        let r = if keep {
            kept(&call, &mut tx, &space, &e).await
        } else {
            entities::change(&call.app, &mut tx, space.tenant, &id, f).await.map(drop)
        };
        if told(&mut results, &id, r)?.is_some() {
            results.success.push(id);
        }
    }
    tx.commit().await?;
    if results.errors.is_empty() { Ok(empty(&space, StatusCode::NO_CONTENT)) } else { results.multi(&space) }
}

async fn kept(call: &Call, tx: &mut Tx, space: &Space, e: &Entity) -> Result<(), Failed> {
    let now = call.app.env().now();
    let out =
        entities::change(&call.app, tx, space.tenant, &e.id, |old| Ok(fragment::append(old, e, true, now)))
            .await?;
    match out.not_updated.first() {
        Some((name, why)) => Err(NgsiError::data(format!("{name}: {why}")).into()),
        None => Ok(()),
    }
}

pub(super) async fn merge(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local", "options", "format", "observedAt", "lang"]])?;
    let observed = call.get("observedAt").map(check::time).transpose()?;
    let mut results = Results::default();
    let all = read(&call, &space, reading(&call, true), &mut results).await?;
    let mut tx = call.app.db().begin().await?;
    let now = call.app.env().now();
    for e in all {
        let id = e.id.clone();
        let f = |old: &mut Entity| Ok(fragment::merge(old, &e, observed, now));
        let r = entities::change(&call.app, &mut tx, space.tenant, &id, f).await;
        if told(&mut results, &id, r)?.is_some() {
            results.success.push(id);
        }
    }
    tx.commit().await?;
    if results.errors.is_empty() { Ok(empty(&space, StatusCode::NO_CONTENT)) } else { results.multi(&space) }
}

pub(super) async fn delete(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local"]])?;
    let (value, _) = call.json(false)?;
    let mut results = Results::default();
    let mut tx = call.app.db().begin().await?;
    for v in items(&value)? {
        let id = v.as_str().or_else(|| v.get("id").and_then(Value::as_str)).unwrap_or_default();
        let r = match check::uri(id, "the entity's id") {
            Ok(()) => entities::delete(&call.app, &call.broker, &mut tx, space.tenant, id).await,
            Err(e) => Err(e.into()),
        };
        if told(&mut results, id, r)?.is_some() {
            results.success.push(id.to_owned());
        }
    }
    tx.commit().await?;
    if results.errors.is_empty() { Ok(empty(&space, StatusCode::NO_CONTENT)) } else { results.multi(&space) }
}
