//! Retrieving and querying entities (GS CIM 009 §5.7.1, §5.7.2).

use std::collections::BTreeMap;

use axum::http::{HeaderValue, header};
use kenroku_ngsi_ld::query::{GeoQ, Order, Q, ScopeQ, Selection, TypeQ, pattern};
use kenroku_ngsi_ld::{Fault, Names, NgsiError, check};
use serde_json::Value;

use super::entities::id_of;
use super::show::{SHAPE, Shape};
use crate::door::{Reader, Space};
use crate::entities::{self, Part};
use crate::http::{Answer, Call, Failed, Media, answer};

/// Entities on a page when nothing is said.
const LIMIT: usize = 20;
const ALL: [Media; 3] = [Media::Json, Media::LdJson, Media::GeoJson];
/// Parameters that choose.
const CHOOSE: [&str; 20] = [
    "id",
    "type",
    "idPattern",
    "attrs",
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
    "local",
    "orderBy",
    "collation",
    "entityMap",
    "entityMapLifetime",
    "options",
];

pub(super) async fn retrieve(Reader(space): Reader, call: Call) -> Answer {
    call.allow(&[&SHAPE, &["local", "type", "entityMap"]])?;
    call.known_forms(false)?;
    let id = id_of(&call)?;
    let media = call.accept(&ALL)?;
    let names = call.names(&space).await?;
    let shape = Shape::read(&call, &names)?;
    let mut tx = call.app.db().read().await?;
    let e = entities::one(&call.app, &mut tx, space.tenant, id).await?;
    let wanted = call.list("attrs");
    if !wanted.is_empty() && !e.attrs.keys().any(|n| shape.view.shows(n)) {
        return Err(NgsiError::not_found("the entity has none of these attributes").into());
    }
    if shape.view.entity(&e).is_empty() {
        return Err(NgsiError::not_found("the entity has none of these members").into());
    }
    let body = shape.one(&call, &space, &mut tx, &e, media).await?;
    answer(&call, &space, &names, media, body).await
}

/// What a request's parameters choose.
pub(super) fn selection(call: &Call, names: &Names, why: &str) -> Result<Selection, NgsiError> {
    let full = |list: Vec<String>| list.iter().map(|n| names.full(n)).collect::<Result<Vec<_>, _>>();
    let mut s = Selection { ids: call.list("id"), attrs: full(call.list("attrs"))?, ..Selection::default() };
    if s.attrs.iter().any(|a| a.starts_with('@')) {
        return Err(NgsiError::data("id and type are no attributes"));
    }
    s.ids.iter().try_for_each(|i| check::uri(i, "the id"))?;
    s.id_pattern = call.get("idPattern").map(pattern).transpose()?;
    s.types = call.get("type").map(|t| TypeQ::parse(t, names)).transpose()?;
    s.q = call.get("q").map(|q| Q::parse(q, names)).transpose()?;
    s.scope = call.get("scopeQ").map(ScopeQ::parse).transpose()?;
    s.geo = geo(
        call.get("georel"),
        call.get("geometry"),
        call.get("coordinates").map(Value::from).as_ref(),
        call.get("geoproperty"),
        names,
    )?;
    let says = s.types.is_some()
        || !s.attrs.is_empty()
        || s.q.is_some()
        || s.geo.is_some()
        || call.flag("local")?
        || call.get("entityMap").is_some();
    // Purging needs to be told what as well; there an id or a scope says enough.
    if !says && !(why == "broker.purge" && (!s.ids.is_empty() || s.scope.is_some() || s.id_pattern.is_some()))
    {
        return Err(NgsiError::data(
            "a query names at least one of type, attrs, q, georel, or says local=true",
        ));
    }
    Ok(s)
}

pub(crate) fn geo(
    rel: Option<&str>,
    geometry: Option<&str>,
    coordinates: Option<&Value>,
    property: Option<&str>,
    names: &Names,
) -> Result<Option<GeoQ>, NgsiError> {
    match (rel, geometry, coordinates) {
        (None, None, None) => Ok(None),
        (None, Some(_), Some(_)) => Ok(None),
        (Some(r), Some(g), Some(c)) => {
            GeoQ::parse(r, g, c, names.full(property.unwrap_or("location"))?).map(Some)
        }
        _ => Err(NgsiError::data("a geoquery has georel, geometry and coordinates")),
    }
}

/// Which part of the answers is asked for.
pub(super) fn part(call: &Call, names: &Names) -> Result<Part, NgsiError> {
    let count = call.flag("count")?;
    let limit = call.number("limit")?.unwrap_or(LIMIT);
    if limit == 0 && !count {
        return Err(NgsiError::data("limit is 1 or more, or 0 together with count=true"));
    }
    let most = call.broker.settings.page;
    if limit > most {
        return Err(NgsiError::new(
            Fault::TooManyResults,
            format!("at most {most} entities stand on one page"),
        ));
    }
    let from = match (call.get("geometry"), call.get("coordinates")) {
        (Some("Point"), Some(c)) => {
            let v: Value =
                serde_json::from_str(c).map_err(|_| NgsiError::data("coordinates are a JSON array"))?;
            check::reference(&v)?
        }
        _ => None,
    };
    let order = call.get("orderBy").map(|o| Order::parse(o, names, from)).transpose()?.unwrap_or_default();
    Ok(Part { offset: call.number("offset")?.unwrap_or(0), limit, count, order })
}

pub(super) async fn query(Reader(space): Reader, call: Call) -> Answer {
    call.allow(&[&CHOOSE, &SHAPE])?;
    call.known_forms(false)?;
    let media = call.accept(&ALL)?;
    let names = call.names(&space).await?;
    let s = selection(&call, &names, "query")?;
    respond(&space, &call, &names, &s, media).await
}

async fn respond(space: &Space, call: &Call, names: &Names, s: &Selection, media: Media) -> Answer {
    let shape = Shape::read(call, names)?;
    let part = part(call, names)?;
    let mut tx = call.app.db().snapshot().await?;
    let picked = shape.view.pick.as_ref().filter(|p| s.attrs.is_empty() && p.iter().all(|n| n.contains(':')));
    let narrowed = picked.map(|p| Selection { attrs: p.iter().cloned().collect(), ..s.clone() });
    let found =
        entities::find(&call.app, &mut tx, space.tenant, narrowed.as_ref().unwrap_or(s), &part).await?;
    let body = shape.many(call, space, &mut tx, &found.entities, media).await?;
    let mut r = answer(call, space, names, media, body).await?;
    if let Some(n) = found.count {
        r.headers_mut().insert("ngsild-results-count", HeaderValue::from(n));
    }
    for l in page_links(call, &part, found.more) {
        if let Ok(v) = HeaderValue::from_str(&l) {
            r.headers_mut().append(header::LINK, v);
        }
    }
    Ok(r)
}

/// Addresses of the pages before and behind (§6.3.10).
pub(super) fn page_links(call: &Call, part: &Part, more: bool) -> Vec<String> {
    let mut out = Vec::new();
    let mut add = |offset: usize, rel: &str| {
        let mut q: BTreeMap<&str, String> = call.query.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        q.insert("limit", part.limit.to_string());
        q.insert("offset", offset.to_string());
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(q).finish();
        out.push(format!(
            "<{}?{text}>;rel=\"{rel}\";type=\"application/ld+json\"",
            call.uri_path.trim_end_matches('/')
        ));
    };
    if part.offset > 0 {
        add(part.offset.saturating_sub(part.limit), "prev");
    }
    if more {
        add(part.offset + part.limit, "next");
    }
    out
}

/// Query by a document (§6.23): its members are the parameters.
pub(super) async fn by_post(Reader(space): Reader, mut call: Call) -> Answer {
    call.allow(&[&["limit", "offset", "count", "options", "local", "format", "lang"], &["pick", "omit"]])?;
    let media = call.accept(&ALL)?;
    let (doc, names) = call.document(&space, false).await?;
    if doc.get("type").and_then(Value::as_str) != Some("Query") {
        return Err(NgsiError::data("the type of the document is Query").into());
    }
    let all = from_document(&mut call, &doc, &names)?;
    respond_any(&space, &call, &names, &all, media).await
}

/// Turns a query document into parameters; `entities` becomes one selection for each of its items.
pub(super) fn from_document(call: &mut Call, doc: &Value, names: &Names) -> Result<Vec<Selection>, Failed> {
    let joined = |v: &Value| -> Option<String> {
        match v {
            Value::String(s) => Some(s.clone()),
            Value::Array(a) => Some(a.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
            Value::Number(n) => Some(n.to_string()),
            _ => None,
        }
    };
    for name in [
        "attrs",
        "q",
        "csf",
        "scopeQ",
        "lang",
        "pick",
        "omit",
        "datasetId",
        "join",
        "joinLevel",
        "containedBy",
        "orderBy",
    ] {
        if let Some(v) = doc.get(name).and_then(joined) {
            call.query.insert(name.to_owned(), v);
        }
    }
    if let Some(v) = doc.get("ordering").and_then(|o| o.get("orderBy")).and_then(joined) {
        call.query.insert("orderBy".to_owned(), v);
    }
    if let Some(g) = doc.get("geoQ") {
        for name in ["georel", "geometry", "geoproperty"] {
            if let Some(v) = g.get(name).and_then(Value::as_str) {
                call.query.insert(name.to_owned(), v.to_owned());
            }
        }
        if let Some(c) = g.get("coordinates") {
            let text = c.as_str().map_or_else(|| c.to_string(), ToOwned::to_owned);
            call.query.insert("coordinates".to_owned(), text);
        }
    }
    let Some(list) = doc.get("entities") else { return Ok(vec![selection(call, names, "query")?]) };
    let list = list
        .as_array()
        .filter(|a| !a.is_empty())
        .ok_or_else(|| NgsiError::data("entities is an array that is not empty"))?;
    let mut out = Vec::new();
    for item in list {
        for name in ["id", "type", "idPattern"] {
            match item.get(name).and_then(joined) {
                Some(v) => call.query.insert(name.to_owned(), v),
                None => call.query.remove(name),
            };
        }
        out.push(selection(call, names, "query")?);
    }
    Ok(out)
}

async fn respond_any(space: &Space, call: &Call, names: &Names, all: &[Selection], media: Media) -> Answer {
    if let [one] = all {
        return respond(space, call, names, one, media).await;
    }
    // Several selectors: each by itself, every entity once, in the order of their ids.
    let part = part(call, names)?;
    let whole = Part { offset: 0, limit: 10_000, count: false, order: Vec::new() };
    let mut tx = call.app.db().snapshot().await?;
    let mut by_id = BTreeMap::new();
    for s in all {
        for e in entities::find(&call.app, &mut tx, space.tenant, s, &whole).await?.entities {
            by_id.insert(e.id.clone(), e);
        }
    }
    let total = by_id.len();
    let page: Vec<_> = by_id.into_values().skip(part.offset).take(part.limit).collect();
    let shape = Shape::read(call, names)?;
    let body = shape.many(call, space, &mut tx, &page, media).await?;
    let mut r = answer(call, space, names, media, body).await?;
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
