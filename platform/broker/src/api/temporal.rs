//! Entities over time (GS CIM 009 §5.6.11 to §5.6.16, §5.7.3, §5.7.4).

use std::collections::BTreeMap;

use axum::http::{HeaderValue, StatusCode, header};
use kenroku_ngsi_ld::parse::{self, Reading};
use kenroku_ngsi_ld::query::{NoLinks, Selection};
use kenroku_ngsi_ld::temporal::{Cut, Form, Method, Period, TemporalQ, TimeProperty, TimeRel, cut, show};
use kenroku_ngsi_ld::{Attr, Entity, Names, NgsiError, View};
use kenroku_store::Tx;
use kenroku_types::Tenant;
use serde_json::Value;
use uuid::Uuid;

use super::entities::id_of;
use super::query::{page_links, part, selection};
use super::show::{Members, Projection};
use crate::door::{Reader, Space, Writer};
use crate::http::{Answer, Call, Failed, Media, answer, created, empty};
use crate::sql;

const FORMS: [Media; 2] = [Media::Json, Media::LdJson];
/// Parameters of the time.
const WHEN: [&str; 8] = [
    "timerel",
    "timeAt",
    "endTimeAt",
    "timeproperty",
    "lastN",
    "aggrMethods",
    "aggrPeriodDuration",
    "options",
];
/// Parameters of the shape.
const SHAPE: [&str; 7] = ["attrs", "pick", "omit", "lang", "datasetId", "format", "local"];
const INSTANCE: &str = "urn:ngsi-ld:instance:";

fn nothing(id: &str) -> NgsiError {
    NgsiError::not_found(format!("there is no history of {}", kenroku_ngsi_ld::check::short(id)))
}

/// Writes instances into the history, each as an entry of its own.
async fn add(call: &Call, tx: &mut Tx, tenant: Tenant, e: &Entity) -> Result<(), Failed> {
    let now = call.app.env().now();
    for (name, all) in &e.attrs {
        for a in all {
            let mut a = a.clone();
            let instance = call.app.env().uuid();
            a.instance_id = Some(format!("{INSTANCE}{instance}"));
            a.created_at = Some(now);
            a.modified_at = Some(now);
            if a.observed_at.is_some() {
                // One value at one instant: a later statement corrects the earlier one (§5.6.11.4).
                for (i, o) in sql::instances_of(tx, tenant, &e.id, name).await? {
                    if o.observed_at == a.observed_at
                        && o.dataset_id == a.dataset_id
                        && o.deleted_at.is_none()
                    {
                        sql::delete_instance(tx, tenant, &e.id, name, i).await?;
                    }
                }
            }
            sql::add_instance(tx, tenant, &e.id, name, instance, &a).await?;
        }
    }
    Ok(())
}

fn reading() -> Reading {
    Reading { temporal: true, ..Reading::default() }
}

pub(super) async fn create(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local"]])?;
    let (doc, names) = call.document(&space, false).await?;
    let mut e = parse::entity(&doc, &names, reading())?;
    let now = call.app.env().now();
    let mut tx = call.app.db().begin().await?;
    let old = sql::past(&mut tx, space.tenant, &e.id).await?;
    let is_new = old.is_none();
    e.created_at = old.as_ref().and_then(|o| o.created_at).or(Some(now));
    e.modified_at = Some(now);
    if let Some(o) = old {
        for t in o.types {
            if !e.types.contains(&t) {
                e.types.push(t);
            }
        }
        if e.scope.is_empty() {
            e.scope = o.scope;
        }
    }
    sql::put_past(&mut tx, space.tenant, &e).await?;
    add(&call, &mut tx, space.tenant, &e).await?;
    tx.commit().await?;
    if is_new {
        Ok(created(&space, &format!("/ngsi-ld/v1/temporal/entities/{}", e.id)))
    } else {
        Ok(empty(&space, StatusCode::NO_CONTENT))
    }
}

pub(super) async fn delete(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local"]])?;
    let id = id_of(&call)?;
    let mut tx = call.app.db().begin().await?;
    if !sql::delete_past(&mut tx, space.tenant, id).await? {
        return Err(nothing(id).into());
    }
    tx.commit().await?;
    Ok(empty(&space, StatusCode::NO_CONTENT))
}

async fn head(tx: &mut Tx, tenant: Tenant, id: &str) -> Result<Entity, Failed> {
    Ok(sql::past(tx, tenant, id).await?.ok_or_else(|| nothing(id))?)
}

pub(super) async fn append(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local", "options"]])?;
    let id = id_of(&call)?;
    let (doc, names) = call.document(&space, false).await?;
    let mut part = parse::fragment(&doc, &names, reading())?;
    if part.attrs.is_empty() && part.types.is_empty() && part.scope.is_empty() {
        return Err(NgsiError::data("the body holds no attribute").into());
    }
    let mut tx = call.app.db().begin().await?;
    let mut e = head(&mut tx, space.tenant, id).await?;
    id.clone_into(&mut part.id);
    e.modified_at = Some(call.app.env().now());
    for t in &part.types {
        if !e.types.contains(t) {
            e.types.push(t.clone());
        }
    }
    if !part.scope.is_empty() {
        e.scope.clone_from(&part.scope);
    }
    sql::put_past(&mut tx, space.tenant, &e).await?;
    add(&call, &mut tx, space.tenant, &part).await?;
    tx.commit().await?;
    Ok(empty(&space, StatusCode::NO_CONTENT))
}

pub(super) async fn delete_attr(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local", "datasetId", "deleteAll"]])?;
    let id = id_of(&call)?;
    let names = call.names(&space).await?;
    let name = names.full(call.param("attr"))?;
    let all = call.flag("deleteAll")?;
    let dataset = call.get("datasetId");
    let mut tx = call.app.db().begin().await?;
    head(&mut tx, space.tenant, id).await?;
    let mut gone = 0;
    for (instance, a) in sql::instances_of(&mut tx, space.tenant, id, &name).await? {
        if all || a.dataset_id.as_deref() == dataset {
            sql::delete_instance(&mut tx, space.tenant, id, &name, instance).await?;
            gone += 1;
        }
    }
    if gone == 0 {
        return Err(NgsiError::not_found("the history has no such attribute").into());
    }
    tx.commit().await?;
    Ok(empty(&space, StatusCode::NO_CONTENT))
}

fn instance_of(call: &Call) -> Result<Uuid, NgsiError> {
    let id = call.param("instance");
    kenroku_ngsi_ld::check::uri(id, "the instance's id")?;
    let found = id.strip_prefix(INSTANCE).and_then(|u| u.parse().ok());
    found.ok_or_else(|| NgsiError::not_found("the history has no such instance"))
}

pub(super) async fn change_instance(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local"]])?;
    let id = id_of(&call)?;
    let (doc, names) = call.document(&space, true).await?;
    let name = names.full(call.param("attr"))?;
    let instance = instance_of(&call)?;
    // The body is the attribute itself, or an entity fragment with just this attribute.
    let brief = names.brief(&name);
    let inner = doc.get(call.param("attr")).or_else(|| doc.get(&brief)).unwrap_or(&doc);
    let one = inner.as_array().and_then(|a| a.first()).unwrap_or(inner);
    let new = parse::attribute(call.param("attr"), one, &names, Reading { partial: true, ..reading() })?;
    let mut tx = call.app.db().begin().await?;
    head(&mut tx, space.tenant, id).await?;
    let found = sql::instances_of(&mut tx, space.tenant, id, &name).await?;
    let (_, old) = found
        .into_iter()
        .find(|(i, _)| *i == instance)
        .ok_or_else(|| NgsiError::not_found("the history has no such instance"))?;
    let Some(new) = new.into_iter().next() else {
        return Err(NgsiError::data("the body holds no attribute").into());
    };
    let merged = Attr {
        instance_id: old.instance_id.clone(),
        created_at: old.created_at,
        modified_at: Some(call.app.env().now()),
        value: if new.value.is_null() { old.value.clone() } else { new.value.clone() },
        kind: if new.value.is_null() { old.kind } else { new.kind },
        observed_at: new.observed_at.or(old.observed_at),
        dataset_id: new.dataset_id.clone().or_else(|| old.dataset_id.clone()),
        unit_code: new.unit_code.clone().or_else(|| old.unit_code.clone()),
        attrs: if new.attrs.is_empty() { old.attrs.clone() } else { new.attrs.clone() },
        ..new
    };
    sql::delete_instance(&mut tx, space.tenant, id, &name, instance).await?;
    sql::add_instance(&mut tx, space.tenant, id, &name, instance, &merged).await?;
    tx.commit().await?;
    Ok(empty(&space, StatusCode::NO_CONTENT))
}

pub(super) async fn delete_instance(Writer(space): Writer, call: Call) -> Answer {
    call.allow(&[&["local"]])?;
    let id = id_of(&call)?;
    let names = call.names(&space).await?;
    let name = names.full(call.param("attr"))?;
    let instance = instance_of(&call)?;
    let mut tx = call.app.db().begin().await?;
    head(&mut tx, space.tenant, id).await?;
    if !sql::delete_instance(&mut tx, space.tenant, id, &name, instance).await? {
        return Err(NgsiError::not_found("the history has no such instance").into());
    }
    tx.commit().await?;
    Ok(empty(&space, StatusCode::NO_CONTENT))
}

/// When, and how it is shown.
fn when(call: &Call) -> Result<(TemporalQ, Form), NgsiError> {
    let rel = match call.get("timerel") {
        Some(r) => Some(TimeRel::parse(r, call.get("timeAt"), call.get("endTimeAt"))?),
        None if call.get("timeAt").is_some() || call.get("endTimeAt").is_some() => {
            return Err(NgsiError::data("timeAt and endTimeAt need timerel"));
        }
        None => None,
    };
    let asked_for = call.get("timeproperty").map(TimeProperty::parse).transpose()?;
    let property = asked_for.unwrap_or_default();
    let last = call.number("lastN")?;
    if last == Some(0) {
        return Err(NgsiError::data("lastN is 1 or more"));
    }
    // The parameter format says more than options (§6.3.12).
    let asked = |name: &str| call.get("format").map_or_else(|| call.option(name), |f| f == name);
    let form = if asked("aggregatedValues") {
        let methods = call.list("aggrMethods");
        if methods.is_empty() {
            return Err(NgsiError::data("aggregatedValues needs aggrMethods"));
        }
        let methods = methods.iter().map(|m| Method::parse(m)).collect::<Result<Vec<_>, _>>()?;
        let period = call.get("aggrPeriodDuration").map(Period::parse).transpose()?.unwrap_or(Period::Whole);
        let micros = match period {
            Period::Whole => None,
            Period::Micros(m) => Some(m),
        };
        Form::Aggregated(methods, micros)
    } else if asked("temporalValues") || asked("simplified") || asked("keyValues") {
        Form::Values
    } else {
        Form::Instances
    };
    Ok((TemporalQ { rel, property, last, only_with: asked_for.is_some() }, form))
}

fn view<'n>(call: &Call, names: &'n Names) -> Result<View<'n>, NgsiError> {
    let mut v = View::new(names);
    v.sys_attrs = call.option("sysAttrs");
    if call.option("concise") || call.get("format") == Some("concise") {
        v.form = kenroku_ngsi_ld::Form::Concise;
    }
    v.lang = call.get("lang").map(ToOwned::to_owned);
    let p = Projection::read(call, names)?;
    v.pick = p.pick.as_ref().map(Members::names);
    v.omit = p.omit.as_ref().map(Members::leaves).unwrap_or_default();
    let datasets = call.list("datasetId");
    if !datasets.is_empty() {
        v.datasets = Some(datasets.into_iter().collect());
    }
    Ok(v)
}

async fn with_history(tx: &mut Tx, tenant: Tenant, mut e: Entity, q: &TemporalQ) -> Result<Entity, Failed> {
    for (name, a) in sql::instances(tx, tenant, &e.id).await? {
        e.attrs.entry(name).or_default().push(a);
    }
    q.apply(&mut e);
    Ok(e)
}

pub(super) async fn retrieve(Reader(space): Reader, call: Call) -> Answer {
    call.allow(&[&WHEN, &SHAPE])?;
    call.known_forms(true)?;
    let id = id_of(&call)?;
    let media = call.accept(&FORMS)?;
    let names = call.names(&space).await?;
    let (q, form) = when(&call)?;
    let view = view(&call, &names)?;
    let mut tx = call.app.db().snapshot().await?;
    let e = head(&mut tx, space.tenant, id).await?;
    let mut all = [with_history(&mut tx, space.tenant, e, &q).await?];
    let cut = if matches!(form, Form::Aggregated(..)) {
        None
    } else {
        cut(&mut all, &q, call.broker.settings.instances)
    };
    let [e] = all;
    let shown = show(&view, &e, &q, &form)?;
    if shown.is_empty() {
        return Err(NgsiError::not_found("nothing of the entity is left").into());
    }
    if !call.list("attrs").is_empty() && !e.attrs.keys().any(|n| view.shows(n)) && q.rel.is_none() {
        return Err(NgsiError::not_found("the history has none of these attributes").into());
    }
    let mut r = answer(&call, &space, &names, media, Value::Object(shown)).await?;
    told_cut(&mut r, cut);
    Ok(r)
}

/// 206 with the range that is told (§6.3.10).
fn told_cut(r: &mut axum::response::Response, cut: Option<Cut>) {
    let Some(c) = cut else { return };
    *r.status_mut() = StatusCode::PARTIAL_CONTENT;
    let size = c.size.map_or_else(|| "*".to_owned(), |n| n.to_string());
    if let Ok(v) = HeaderValue::from_str(&format!("date-time {}-{}/{size}", c.from, c.to)) {
        r.headers_mut().insert(header::CONTENT_RANGE, v);
    }
}

pub(super) async fn query(Reader(space): Reader, call: Call) -> Answer {
    call.allow(&[
        &WHEN,
        &SHAPE,
        &[
            "id",
            "type",
            "idPattern",
            "q",
            "csf",
            "georel",
            "geometry",
            "coordinates",
            "geoproperty",
            "scopeQ",
            "limit",
            "offset",
            "count",
            "orderBy",
            "collation",
        ],
    ])?;
    call.known_forms(true)?;
    let media = call.accept(&FORMS)?;
    let names = call.names(&space).await?;
    if call.get("timerel").is_none() {
        return Err(NgsiError::data("a query over time has timerel and timeAt").into());
    }
    let s = selection(&call, &names, "query")?;
    respond(&space, &call, &names, &[s], media).await
}

pub(super) async fn by_post(Reader(space): Reader, mut call: Call) -> Answer {
    call.allow(&[&["limit", "offset", "count", "options", "local", "format"]])?;
    let media = call.accept(&FORMS)?;
    let (doc, names) = call.document(&space, false).await?;
    if doc.get("type").and_then(Value::as_str) != Some("Query") {
        return Err(NgsiError::data("the type of the document is Query").into());
    }
    let mut put = |from: &Value, name: &str| {
        let text = match from.get(name) {
            Some(Value::String(s)) => Some(s.clone()),
            Some(Value::Number(n)) => Some(n.to_string()),
            Some(Value::Array(a)) => Some(a.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
            _ => None,
        };
        if let Some(t) = text {
            call.query.insert(name.to_owned(), t);
        }
    };
    match doc.get("temporalQ") {
        Some(t) => WHEN.iter().for_each(|n| put(t, n)),
        None => return Err(NgsiError::data("a query over time has a temporalQ").into()),
    }
    for n in ["aggrMethods", "aggrPeriodDuration"] {
        if let Some(p) = doc.get("aggrParams") {
            put(p, n);
        }
    }
    let all = super::query::from_document(&mut call, &doc, &names)?;
    respond(&space, &call, &names, &all, media).await
}

async fn respond(space: &Space, call: &Call, names: &Names, all: &[Selection], media: Media) -> Answer {
    let (q, form) = when(call)?;
    let view = view(call, names)?;
    let part = part(call, names)?;
    let mut tx = call.app.db().snapshot().await?;
    let mut found: BTreeMap<String, Entity> = BTreeMap::new();
    let mut after = String::new();
    loop {
        let heads = sql::pasts(&mut tx, space.tenant, &after, 500).await?;
        let Some(last) = heads.last() else { break };
        after.clone_from(&last.id);
        for e in heads {
            let may = all.iter().any(|s| {
                (s.ids.is_empty() || s.ids.contains(&e.id))
                    && s.id_pattern.as_ref().is_none_or(|p| p.is_match(&e.id))
                    && s.types.as_ref().is_none_or(|t| t.matches(&e.types))
            });
            if !may {
                continue;
            }
            let e = with_history(&mut tx, space.tenant, e, &q).await?;
            if !e.attrs.is_empty() && all.iter().any(|s| s.matches(&e, &NoLinks)) {
                found.insert(e.id.clone(), e);
            }
        }
    }
    let mut found: Vec<Entity> = found
        .into_values()
        .filter(|e| {
            view.datasets.is_none()
                || e.attrs.iter().any(|(n, a)| view.shows(n) && view.instances(a).is_some())
        })
        .collect();
    let total = found.len();
    kenroku_ngsi_ld::query::order(&mut found, &part.order);
    let mut shown: Vec<Entity> = found.into_iter().skip(part.offset).take(part.limit).collect();
    let cut = if matches!(form, Form::Aggregated(..)) {
        None
    } else {
        cut(&mut shown, &q, call.broker.settings.instances)
    };
    let mut page = Vec::new();
    for e in &shown {
        page.push(Value::Object(show(&view, e, &q, &form)?));
    }
    let mut r = answer(call, space, names, media, Value::Array(page)).await?;
    told_cut(&mut r, cut);
    if part.count {
        r.headers_mut().insert("ngsild-results-count", HeaderValue::from(total));
    }
    for l in page_links(call, &part, total > part.offset + part.limit) {
        if let Ok(v) = HeaderValue::from_str(&l) {
            r.headers_mut().append(header::LINK, v);
        }
    }
    Ok(r)
}
