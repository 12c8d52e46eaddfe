//! Subscriptions: create, update, retrieve, query, delete (GS CIM 009 §5.8.1 to §5.8.5).

use axum::http::{HeaderValue, StatusCode, header};
use kenroku_ngsi_ld::{Fault, Names, NgsiError, check};
use serde_json::{Value, json};

use super::query::page_links;
use crate::door::{Reader, Space, Writer};
use crate::entities::Part;
use crate::http::{Answer, Call, Failed, Media, answer, created, empty};
use crate::subs::{self, SubRow, deliver, read};

const FORMS: [Media; 2] = [Media::Json, Media::LdJson];

fn id_of(call: &Call) -> Result<&str, NgsiError> {
    let id = call.param("id");
    check::uri(id, "the subscription's id")?;
    Ok(id)
}

fn missing(id: &str) -> NgsiError {
    NgsiError::not_found(format!("there is no subscription {}", check::short(id)))
}

/// The address of the words that a subscription is written in.
async fn words(call: &Call, space: &Space, names: &Names) -> Result<String, Failed> {
    Ok(match names.link() {
        Some(url) => url.to_owned(),
        None => call.broker.contexts.address_of(&call.app, space.tenant, &call.base(), names).await?,
    })
}

/// Checks what is asked and gives it full names.
async fn ready(call: &Call, space: &Space, doc: &mut Value, names: &Names) -> Result<(), Failed> {
    read::check(doc, names, call.app.env().now())?;
    if let Some(url) = doc.get("jsonldContext") {
        call.broker.contexts.names(&call.app, space.tenant, url).await?;
    }
    read::rename(doc, &|n| names.full(n).unwrap_or_else(|_| n.to_owned()));
    Ok(())
}

pub(super) async fn create(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local"]])?;
    let (mut doc, names) = call.document(&space, false).await?;
    let Value::Object(o) = &mut doc else {
        return Err(NgsiError::request("a subscription is a JSON object").into());
    };
    o.remove("@context");
    let id = match o.get("id") {
        None => format!("urn:ngsi-ld:Subscription:{}", call.app.env().uuid()),
        Some(v) => v.as_str().unwrap_or_default().to_owned(),
    };
    check::uri(&id, "the subscription's id")?;
    o.insert("id".to_owned(), Value::from(id.as_str()));
    ready(&call, &space, &mut doc, &names).await?;
    // Words that stand in several contexts get an address of their own (§5.8.1.4).
    let url = if names.link().is_none() { Some(words(&call, &space, &names).await?) } else { None };
    if let Value::Object(o) = &mut doc {
        if let Some(url) = url {
            o.entry("jsonldContext").or_insert_with(|| Value::from(url));
        }
        if !o.contains_key("timeInterval") {
            o.entry("notificationTrigger").or_insert_with(|| json!(["attributeCreated", "attributeUpdated"]));
        }
    }
    let context = Value::Array(names.given().to_vec());
    let mut tx = call.app.db().begin().await?;
    let now = call.app.env().now();
    if !subs::add(&mut tx, space.tenant, &id, &doc, &context, now).await? {
        return Err(
            NgsiError::new(Fault::AlreadyExists, format!("{} exists already", check::short(&id))).into()
        );
    }
    if let Some(s) = subs::get(&mut tx, space.tenant, &id).await? {
        deliver::next_tick(&call.app, &mut tx, space.tenant, &s)
            .await
            .map_err(|e| Failed::House(kenroku_http::Error::internal(&e)))?;
    }
    tx.commit().await?;
    Ok(created(&space, &format!("/ngsi-ld/v1/subscriptions/{id}")))
}

pub(super) async fn update(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local"]])?;
    let id = id_of(&call)?;
    let (part, names) = call.document(&space, true).await?;
    let mut tx = call.app.db().begin().await?;
    let old = subs::get(&mut tx, space.tenant, id).await?.ok_or_else(|| missing(id))?;
    drop(tx);
    let old_names = call.broker.contexts.names(&call.app, space.tenant, &old.context).await?;
    let mut doc = old.doc.clone();
    let Value::Object(part) = part else {
        return Err(NgsiError::request("a subscription is a JSON object").into());
    };
    // The part is checked as what it makes of the whole; its names are read with its own words.
    let mut given = Value::Object(part);
    let url = words(&call, &space, &names).await?;
    if let Value::Object(o) = &mut given {
        o.remove("@context");
        if o.is_empty() {
            return Err(NgsiError::data("the body changes nothing").into());
        }
        if o.get("id").is_some_and(|i| i != id) || o.get("type").is_some_and(|t| t != "Subscription") {
            return Err(NgsiError::data("id and type of a subscription cannot be changed").into());
        }
    }
    read::rename(&mut given, &|n| names.full(n).unwrap_or_else(|_| n.to_owned()));
    merge(&mut doc, &given);
    let new_words =
        given.get("q").is_some() || given.get("geoQ").is_some() || given.get("entities").is_some();
    let names = if new_words { names } else { old_names };
    let now = call.app.env().now();
    ready(&call, &space, &mut doc, &names).await?;
    if new_words
        && let Value::Object(o) = &mut doc
        && given.get("jsonldContext").is_none()
    {
        o.insert("jsonldContext".to_owned(), Value::from(url));
    }
    let context = Value::Array(names.given().to_vec());
    let mut tx = call.app.db().begin().await?;
    subs::put(&mut tx, space.tenant, id, &doc, &context, now).await?;
    if let Some(s) = subs::get(&mut tx, space.tenant, id).await? {
        deliver::next_tick(&call.app, &mut tx, space.tenant, &s)
            .await
            .map_err(|e| Failed::House(kenroku_http::Error::internal(&e)))?;
    }
    tx.commit().await?;
    Ok(empty(&space, StatusCode::NO_CONTENT))
}

/// Puts the members of `part` into `doc`; `notification` is merged, NGSI-LD Null and null remove.
fn merge(doc: &mut Value, part: &Value) {
    let (Value::Object(d), Value::Object(p)) = (doc, part) else { return };
    for (k, v) in p {
        if v.is_null() || v == kenroku_ngsi_ld::NULL {
            d.remove(k);
        } else if k == "notification" && d.get(k).is_some_and(Value::is_object) {
            if let Some(inner) = d.get_mut(k) {
                merge(inner, v);
            }
        } else {
            d.insert(k.clone(), v.clone());
        }
    }
}

/// A subscription as it is shown, in the words of the request.
fn shown(call: &Call, names: &Names, s: &SubRow) -> Value {
    let mut doc = s.doc.clone();
    read::rename(&mut doc, &|n| names.brief(n));
    let now = call.app.env().now();
    if let Value::Object(o) = &mut doc {
        o.insert("status".to_owned(), Value::from(s.status(now)));
        if call.option("sysAttrs") {
            o.insert("createdAt".to_owned(), Value::from(s.created_at.to_string()));
            o.insert("modifiedAt".to_owned(), Value::from(s.modified_at.to_string()));
        }
        if let Some(Value::Object(n)) = o.get_mut("notification") {
            if s.times_sent > 0 {
                n.insert("timesSent".to_owned(), json!(s.times_sent));
                n.insert("timesFailed".to_owned(), json!(s.times_failed));
                let failing = s.last_failure > s.last_success;
                n.insert("status".to_owned(), Value::from(if failing { "failed" } else { "ok" }));
            }
            for (k, t) in [
                ("lastNotification", s.last_notification),
                ("lastSuccess", s.last_success),
                ("lastFailure", s.last_failure),
            ] {
                n.extend(t.map(|t| (k.to_owned(), Value::from(t.to_string()))));
            }
        }
    }
    doc
}

pub(super) async fn retrieve(Reader(space): Reader, call: Call) -> Answer {
    call.allow(&[&["options", "local"]])?;
    let id = id_of(&call);
    let media = call.accept(&FORMS)?;
    let id = id?;
    let names = call.names(&space).await?;
    let mut tx = call.app.db().read().await?;
    let s = subs::get(&mut tx, space.tenant, id).await?.ok_or_else(|| missing(id))?;
    let body = shown(&call, &names, &s);
    answer(&call, &space, &names, media, body).await
}

pub(super) async fn query(Reader(space): Reader, call: Call) -> Answer {
    call.allow(&[&["options", "limit", "offset", "count", "local"]])?;
    let media = call.accept(&FORMS)?;
    let names = call.names(&space).await?;
    let part: Part = super::query::part(&call, &names)?;
    let mut tx = call.app.db().read().await?;
    let all = subs::all(&mut tx, space.tenant).await?;
    let page: Vec<Value> =
        all.iter().skip(part.offset).take(part.limit).map(|s| shown(&call, &names, s)).collect();
    let mut r = answer(&call, &space, &names, media, Value::Array(page)).await?;
    if part.count {
        r.headers_mut().insert("ngsild-results-count", HeaderValue::from(all.len()));
    }
    for l in page_links(&call, &part, all.len() > part.offset + part.limit) {
        if let Ok(v) = HeaderValue::from_str(&l) {
            r.headers_mut().append(header::LINK, v);
        }
    }
    Ok(r)
}

pub(super) async fn delete(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local"]])?;
    let id = id_of(&call)?;
    let mut tx = call.app.db().begin().await?;
    if !subs::delete(&mut tx, space.tenant, id).await? {
        return Err(missing(id).into());
    }
    tx.commit().await?;
    Ok(empty(&space, StatusCode::NO_CONTENT))
}
