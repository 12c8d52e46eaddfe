//! Hosting @contexts (GS CIM 009 §5.13).

use axum::http::StatusCode;
use kenroku_ngsi_ld::{Fault, NgsiError, is_core};
use serde_json::{Value, json};

use crate::contexts::HOSTED;
use crate::door::{Reader, Writer};
use crate::http::{Answer, Call, Media, created, empty, plain};
use crate::sql::{self, ContextRow};

pub(super) async fn add(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&[]])?;
    let value: Value =
        serde_json::from_slice(&call.body).map_err(|_| NgsiError::request("the body is not valid JSON"))?;
    let context = value.get("@context").ok_or_else(|| NgsiError::request("the body holds no @context"))?;
    if !(context.is_object() || context.is_array() || context.is_string()) {
        return Err(NgsiError::data("an @context is an object, an address or a list of them").into());
    }
    // What cannot be used is not kept.
    call.broker.contexts.names(&call.app, space.tenant, context).await?;
    let id = call.app.env().uuid().to_string();
    let row = ContextRow {
        url: format!("{}{HOSTED}{id}", call.base()),
        id: id.clone(),
        kind: "Hosted".to_owned(),
        body: json!({ "@context": context }).to_string(),
        created_at: call.app.env().now(),
        used_at: None,
        hits: 0,
    };
    let mut tx = call.app.db().begin().await?;
    sql::add_context(&mut tx, space.tenant, &row).await?;
    tx.commit().await?;
    Ok(created(&space, &format!("{HOSTED}{id}")))
}

fn details(call: &Call, c: &ContextRow) -> Value {
    let url = if c.kind == "Cached" { c.url.clone() } else { format!("{}{HOSTED}{}", call.base(), c.id) };
    let mut out = json!({
        "URL": url, "localId": c.id, "kind": c.kind, "createdAt": c.created_at.to_string(), "numberOfHits": c.hits,
    });
    if let (Some(t), Value::Object(o)) = (c.used_at, &mut out) {
        o.insert("lastUsage".to_owned(), Value::from(t.to_string()));
    }
    if c.kind == "Hosted"
        && let Value::Object(o) = &mut out
    {
        o.insert("extraInfo".to_owned(), Value::from(""));
    }
    out
}

pub(super) async fn list(Reader(space): Reader, call: Call) -> Answer {
    call.allow(&[&["details", "kind"]])?;
    let with = call.flag("details")?;
    let kind = call.get("kind");
    if let Some(k) = kind.filter(|k| !["Hosted", "Cached", "ImplicitlyCreated"].contains(k)) {
        return Err(NgsiError::data(format!(
            "“{}” is no kind of context: Hosted, Cached, ImplicitlyCreated",
            kenroku_ngsi_ld::check::short(k)
        ))
        .into());
    }
    let mut tx = call.app.db().read().await?;
    let all = sql::contexts(&mut tx, space.tenant).await?;
    let out: Vec<Value> = all
        .iter()
        .filter(|c| kind.is_none_or(|k| c.kind == k))
        .map(|c| {
            let d = details(&call, c);
            if with { d } else { d.get("URL").cloned().unwrap_or_default() }
        })
        .collect();
    Ok(plain(&space, StatusCode::OK, &Value::Array(out)))
}

/// A context by its id here or, if it was fetched, by where it comes from.
async fn one(
    call: &Call,
    tx: &mut kenroku_store::Tx,
    tenant: kenroku_types::Tenant,
) -> Result<ContextRow, crate::http::Failed> {
    let id = call.param("id").trim_end_matches('/');
    let id = id.rsplit_once(HOSTED).map_or(id, |(_, i)| i);
    let found = match sql::context(tx, tenant, id).await? {
        Some(c) => Some(c),
        None => sql::context_by_url(tx, tenant, id).await?,
    };
    Ok(found.ok_or_else(|| NgsiError::not_found("there is no such context"))?)
}

pub(super) async fn serve(Reader(space): Reader, call: Call) -> Answer {
    call.allow(&[&["details"]])?;
    let with = call.flag("details")?;
    call.accept(&[Media::Json, Media::LdJson])?;
    let mut tx = call.app.db().begin().await?;
    let c = one(&call, &mut tx, space.tenant).await?;
    if with {
        return Ok(plain(&space, StatusCode::OK, &details(&call, &c)));
    }
    if c.kind == "Cached" {
        return Err(NgsiError::new(
            Fault::OperationNotSupported,
            "a context of elsewhere is read there; ask for its details",
        )
        .into());
    }
    sql::used_context(&mut tx, space.tenant, &c.id, call.app.env().now()).await?;
    tx.commit().await?;
    Ok(plain(&space, StatusCode::OK, &serde_json::from_str(&c.body)?))
}

pub(super) async fn delete(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["reload"]])?;
    let reload = call.flag("reload")?;
    let mut tx = call.app.db().begin().await?;
    if is_core(call.param("id")) && !reload {
        return Err(NgsiError::data("the core context cannot be deleted").into());
    }
    let c = one(&call, &mut tx, space.tenant).await?;
    if reload {
        if c.kind != "Cached" {
            return Err(NgsiError::data("only contexts of elsewhere can be read again").into());
        }
        drop(tx);
        let fresh = call.broker.contexts.fetch(&c.url).await?;
        let mut tx = call.app.db().begin().await?;
        sql::renew_context(&mut tx, space.tenant, &c.id, &fresh.to_string(), call.app.env().now()).await?;
        tx.commit().await?;
    } else {
        sql::delete_context(&mut tx, space.tenant, &c.id).await?;
        tx.commit().await?;
    }
    call.broker.contexts.forget(space.tenant);
    Ok(empty(&space, StatusCode::NO_CONTENT))
}
