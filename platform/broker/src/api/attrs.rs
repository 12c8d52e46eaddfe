//! Attributes of an entity (GS CIM 009 §5.6.2 to §5.6.5, §5.6.19).

use axum::http::StatusCode;
use kenroku_ngsi_ld::fragment::{self, Outcome};
use kenroku_ngsi_ld::parse::{self, Reading};
use kenroku_ngsi_ld::{Kind, NgsiError};
use serde_json::{Value, json};

use super::entities::{id_of, reading};
use crate::door::{Space, Writer};
use crate::entities;
use crate::http::{Answer, Call, empty, plain};

fn result(space: &Space, out: &Outcome) -> Answer {
    if out.not_updated.is_empty() {
        return Ok(empty(space, StatusCode::NO_CONTENT));
    }
    // Attributes are told by their full names (§5.2.18).
    let updated = &out.updated;
    let not: Vec<Value> =
        out.not_updated.iter().map(|(n, why)| json!({ "attributeName": n, "reason": why })).collect();
    Ok(plain(space, StatusCode::MULTI_STATUS, &json!({ "updated": updated, "notUpdated": not })))
}

pub(super) async fn append(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["options", "local", "format", "type"]])?;
    let id = id_of(&call)?;
    let (doc, names) = call.document(&space, false).await?;
    let part = parse::fragment(&doc, &names, reading(&call, false))?;
    let keep = call.option("noOverwrite");
    let mut tx = call.app.db().begin().await?;
    let now = call.app.env().now();
    let out = entities::change(&call.app, &mut tx, space.tenant, id, |e| {
        if parse::is_empty(&part) {
            return Err(NgsiError::data("the body holds no attribute"));
        }
        Ok(fragment::append(e, &part, keep, now))
    })
    .await?;
    tx.commit().await?;
    result(&space, &out)
}

pub(super) async fn update(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["options", "local", "format", "type"]])?;
    let id = id_of(&call)?;
    let (doc, names) = call.document(&space, true).await?;
    let part = parse::fragment(&doc, &names, reading(&call, true))?;
    let mut tx = call.app.db().begin().await?;
    let now = call.app.env().now();
    let out = entities::change(&call.app, &mut tx, space.tenant, id, |e| {
        if parse::is_empty(&part) {
            return Err(NgsiError::data("the body holds no attribute"));
        }
        Ok(fragment::update(e, &part, now))
    })
    .await?;
    tx.commit().await?;
    result(&space, &out)
}

/// Whether a body names a value of an attribute, and its kind.
fn says(doc: &Value) -> (bool, bool) {
    match doc {
        Value::Object(o) => (Kind::ALL.iter().any(|k| o.contains_key(k.member())), o.contains_key("type")),
        _ => (true, false),
    }
}

pub(super) async fn partial(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local", "options", "format", "type", "lang"]])?;
    let id = id_of(&call)?;
    let (doc, names) = call.document(&space, true).await?;
    let name = names.full(call.param("attr"))?;
    let how = Reading { partial: true, ..reading(&call, true) };
    let parts = parse::attribute(call.param("attr"), &doc, &names, how)?;
    let (has_value, typed) = says(&doc);
    let mut tx = call.app.db().begin().await?;
    let now = call.app.env().now();
    entities::change(&call.app, &mut tx, space.tenant, id, |e| {
        let mut out = Outcome::default();
        for part in &parts {
            if e.instance(&name, part.dataset_id.as_deref()).is_none() {
                return Err(NgsiError::not_found("the entity has no such attribute"));
            }
            let more = fragment::partial(e, &name, part, has_value, typed, now).map_err(NgsiError::data)?;
            out.changes.extend(more.changes);
        }
        Ok(out)
    })
    .await?;
    tx.commit().await?;
    Ok(empty(&space, StatusCode::NO_CONTENT))
}

pub(super) async fn replace(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local", "options", "format", "type"]])?;
    let id = id_of(&call)?;
    let (doc, names) = call.document(&space, false).await?;
    let name = names.full(call.param("attr"))?;
    let new = parse::attribute(call.param("attr"), &doc, &names, reading(&call, false))?;
    let mut tx = call.app.db().begin().await?;
    let now = call.app.env().now();
    entities::change(&call.app, &mut tx, space.tenant, id, |e| {
        fragment::replace_attr(e, &name, &new, now)
            .map_err(|_| NgsiError::not_found("the entity has no such attribute"))
    })
    .await?;
    tx.commit().await?;
    Ok(empty(&space, StatusCode::NO_CONTENT))
}

pub(super) async fn delete(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local", "datasetId", "deleteAll", "type"]])?;
    let id = id_of(&call)?;
    let names = call.names(&space).await?;
    let name =
        if call.param("attr") == "scope" { "scope".to_owned() } else { names.full(call.param("attr"))? };
    let (all, dataset) = (call.flag("deleteAll")?, call.get("datasetId"));
    let mut tx = call.app.db().begin().await?;
    let now = call.app.env().now();
    entities::change(&call.app, &mut tx, space.tenant, id, |e| {
        if name == "scope" {
            if e.scope.is_empty() {
                return Err(NgsiError::not_found("the entity has no scope"));
            }
            e.scope.clear();
            e.modified_at = Some(now);
            return Ok(Outcome::default());
        }
        fragment::delete(e, &name, dataset, all, now)
            .map_err(|_| NgsiError::not_found("the entity has no such attribute"))
    })
    .await?;
    tx.commit().await?;
    Ok(empty(&space, StatusCode::NO_CONTENT))
}
