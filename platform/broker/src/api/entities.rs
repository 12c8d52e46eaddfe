//! Entities: create, delete, replace, merge, purge (GS CIM 009 §5.6.1, §5.6.6, §5.6.17, §5.6.18, §5.6.21).

use axum::http::StatusCode;
use kenroku_ngsi_ld::parse::{self, Reading};
use kenroku_ngsi_ld::{NgsiError, check, fragment};

use super::query::selection;
use crate::door::Writer;
use crate::entities;
use crate::http::{Answer, Call, created, empty};

/// The id in the path, which must be a URI.
pub(super) fn id_of(call: &Call) -> Result<&str, NgsiError> {
    let id = call.param("id");
    check::uri(id, "the entity's id")?;
    Ok(id)
}

/// How fragments are read for this request.
pub(super) fn reading(call: &Call, nulls: bool) -> Reading {
    let simplified = call.option("keyValues")
        || call.option("simplified")
        || matches!(call.get("format"), Some("keyValues" | "simplified"));
    Reading { nulls, simplified, ..Reading::default() }
}

pub(super) async fn create(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local", "options", "format"]])?;
    let (doc, names) = call.document(&space, false).await?;
    let e = parse::entity(&doc, &names, reading(&call, false))?;
    let mut tx = call.app.db().begin().await?;
    let e = entities::create(&call.app, &mut tx, space.tenant, e).await?;
    tx.commit().await?;
    Ok(created(&space, &format!("/ngsi-ld/v1/entities/{}", e.id)))
}

pub(super) async fn delete(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local", "type"]])?;
    let id = id_of(&call)?;
    let mut tx = call.app.db().begin().await?;
    entities::delete(&call.app, &call.broker, &mut tx, space.tenant, id).await?;
    tx.commit().await?;
    Ok(empty(&space, StatusCode::NO_CONTENT))
}

fn same_id(id: &str, of: &str) -> Result<(), NgsiError> {
    if of.is_empty() || of == id {
        Ok(())
    } else {
        Err(NgsiError::data("the id in the body is another than in the address"))
    }
}

pub(super) async fn replace(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local", "options", "format", "type"]])?;
    let id = id_of(&call)?;
    let (doc, names) = call.document(&space, false).await?;
    let new = parse::fragment(&doc, &names, reading(&call, false))?;
    same_id(id, &new.id)?;
    let mut tx = call.app.db().begin().await?;
    let now = call.app.env().now();
    entities::change(&call.app, &mut tx, space.tenant, id, |e| {
        if new.types.is_empty() {
            return Err(NgsiError::data("an entity has a type"));
        }
        Ok(fragment::replace(e, &new, now))
    })
    .await?;
    tx.commit().await?;
    Ok(empty(&space, StatusCode::NO_CONTENT))
}

pub(super) async fn merge(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local", "options", "format", "type", "observedAt", "lang"]])?;
    let id = id_of(&call)?;
    let (doc, names) = call.document(&space, true).await?;
    let observed = call.get("observedAt").map(check::time).transpose()?;
    let part = parse::fragment(&doc, &names, reading(&call, true))?;
    same_id(id, &part.id)?;
    let mut tx = call.app.db().begin().await?;
    let now = call.app.env().now();
    let lang = call.get("lang");
    entities::change(&call.app, &mut tx, space.tenant, id, |e| {
        let mut part = part;
        if let Some(lang) = lang {
            in_language(e, &mut part, lang);
        }
        Ok(fragment::merge(e, &part, observed, now))
    })
    .await?;
    tx.commit().await?;
    Ok(empty(&space, StatusCode::NO_CONTENT))
}

/// A bare text that is merged into a text of several languages is the one in `lang` (§5.6.17).
fn in_language(e: &kenroku_ngsi_ld::Entity, part: &mut kenroku_ngsi_ld::Entity, lang: &str) {
    use kenroku_ngsi_ld::Kind;
    for (name, all) in &mut part.attrs {
        for a in all {
            let old = e.instance(name, a.dataset_id.as_deref());
            if a.kind == Kind::Property
                && a.value.is_string()
                && !a.is_null()
                && old.is_some_and(|o| o.kind == Kind::LanguageProperty)
            {
                a.kind = Kind::LanguageProperty;
                a.value = serde_json::json!({ lang: a.value });
            }
        }
    }
}

/// Removes everything that a query finds, or some attributes of it.
pub(super) async fn purge(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[
        &[
            "id",
            "type",
            "idPattern",
            "attrs",
            "q",
            "georel",
            "geometry",
            "coordinates",
            "geoproperty",
            "scopeQ",
            "csf",
        ],
        &["local", "drop", "keep", "options", "datasetId", "lang"],
    ])?;
    let names = call.names(&space).await?;
    let s = selection(&call, &names, "broker.purge")?;
    let full = |list: Vec<String>| list.iter().map(|n| names.full(n)).collect::<Result<Vec<_>, _>>();
    let (dropped, kept) = (full(call.list("drop"))?, full(call.list("keep"))?);
    if !dropped.is_empty() && !kept.is_empty() {
        return Err(NgsiError::data("drop and keep are not used together").into());
    }
    let mut tx = call.app.db().begin().await?;
    let now = call.app.env().now();
    let part = entities::Part { offset: 0, limit: 10_000, count: false, order: Vec::new() };
    let found = entities::find(&call.app, &mut tx, space.tenant, &s, &part).await?;
    for e in found.entities {
        if dropped.is_empty() && kept.is_empty() {
            entities::delete(&call.app, &call.broker, &mut tx, space.tenant, &e.id).await?;
            continue;
        }
        entities::change(&call.app, &mut tx, space.tenant, &e.id, |e| {
            let mut out = fragment::Outcome::default();
            let names: Vec<String> = e.attrs.keys().cloned().collect();
            for n in names {
                let goes = if kept.is_empty() { dropped.contains(&n) } else { !kept.contains(&n) };
                if goes && let Ok(more) = fragment::delete(e, &n, None, true, now) {
                    out.changes.extend(more.changes);
                }
            }
            Ok(out)
        })
        .await?;
    }
    tx.commit().await?;
    Ok(empty(&space, StatusCode::NO_CONTENT))
}

/// What clients reach that leave out the id (§6.5.3): a mistake in their data, not in the method.
pub(super) async fn incomplete(_: Writer, _: Call) -> Answer {
    Err(NgsiError::data("the address names no entity, or no instance").into())
}
