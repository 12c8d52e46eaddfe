//! How answers with entities are shaped: representation, projection, linked entities (GS CIM 009 §4.5, §4.21, §6.3.7).

use std::collections::BTreeSet;

use kenroku_ngsi_ld::{Entity, Form, Kind, Names, NgsiError, View};
use kenroku_store::Tx;
use serde_json::{Map, Value, json};

use crate::door::Space;
use crate::http::{Call, Failed, Media};
use crate::sql;

/// Parameters that shape answers.
pub(super) const SHAPE: [&str; 14] = [
    "options", "format", "attrs", "pick", "omit", "lang", "datasetId", "geometryProperty", "join", "joinLevel", "containedBy",
    "jsonKeys", "expandValues", "splitEntities",
];

/// How linked entities are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    No,
    Flat,
    Inline,
}

/// How an answer is shaped.
pub(super) struct Shape<'n> {
    pub view: View<'n>,
    join: Join,
    level: usize,
    contained_by: Vec<String>,
    geometry: String,
    dataset: Option<String>,
}

fn form(call: &Call) -> Result<Form, NgsiError> {
    match call.get("format") {
        Some("normalized") => return Ok(Form::Normalized),
        Some("concise") => return Ok(Form::Concise),
        Some("simplified" | "keyValues") => return Ok(Form::Simplified),
        Some(other) => return Err(NgsiError::request(format!("“{}” is no format", kenroku_ngsi_ld::check::short(other)))),
        None => {}
    }
    Ok(if call.option("keyValues") || call.option("simplified") {
        Form::Simplified
    } else if call.option("concise") {
        Form::Concise
    } else {
        Form::Normalized
    })
}

/// Members of an entity besides its attributes.
fn projected(list: &[String], names: &Names) -> Result<BTreeSet<String>, NgsiError> {
    list.iter()
        .map(|n| {
            // Attributes of linked entities stand in braces; the attribute itself is what is shown here.
            let n = n.split('{').next().unwrap_or(n).trim_end_matches('}');
            match n {
                "id" | "type" | "scope" | "expiresAt" => Ok(n.to_owned()),
                _ => names.full(n),
            }
        })
        .collect()
}

impl<'n> Shape<'n> {
    pub(super) fn read(call: &Call, names: &'n Names) -> Result<Self, NgsiError> {
        let mut view = View::new(names);
        view.form = form(call)?;
        view.sys_attrs = call.option("sysAttrs");
        view.lang = call.get("lang").map(ToOwned::to_owned);
        let (attrs, pick, omit) = (call.list("attrs"), call.list("pick"), call.list("omit"));
        if call.query.contains_key("pick") && pick.is_empty() || call.query.contains_key("omit") && omit.is_empty() {
            return Err(NgsiError::data("pick and omit name members of the entity"));
        }
        if !attrs.is_empty() && (!pick.is_empty() || !omit.is_empty()) {
            return Err(NgsiError::request("attrs is not used together with pick or omit"));
        }
        if !attrs.is_empty() {
            let mut set = projected(&attrs, names)?;
            set.extend(["id", "type", "scope", "expiresAt"].map(ToOwned::to_owned));
            view.pick = Some(set);
        } else if !pick.is_empty() {
            view.pick = Some(projected(&pick, names)?);
        }
        view.omit = projected(&omit, names)?;
        let datasets = call.list("datasetId");
        if !datasets.is_empty() {
            view.datasets = Some(datasets.into_iter().collect());
        }
        let join = match call.get("join") {
            None | Some("@none") => Join::No,
            Some("flat") => Join::Flat,
            Some("inline") => Join::Inline,
            Some(other) => return Err(NgsiError::request(format!("join is flat, inline or @none, not “{}”", kenroku_ngsi_ld::check::short(other)))),
        };
        let level = match call.number("joinLevel")? {
            Some(0) => return Err(NgsiError::data("joinLevel is 1 or more")),
            Some(_) if join == Join::No => return Err(NgsiError::data("joinLevel needs join")),
            Some(n) => n.min(8),
            None => 1,
        };
        let geometry = names.full(call.get("geometryProperty").unwrap_or("location"))?;
        let dataset = call.get("datasetId").map(ToOwned::to_owned);
        Ok(Shape { view, join, level, contained_by: call.list("containedBy"), geometry, dataset })
    }

    /// One entity, with those it links to.
    pub(super) async fn one(&self, call: &Call, space: &Space, tx: &mut Tx, e: &Entity, media: Media) -> Result<Value, Failed> {
        if media == Media::GeoJson {
            return Ok(Value::Object(self.view.feature(e, &self.geometry, self.dataset.as_deref())));
        }
        match self.join {
            Join::No => Ok(Value::Object(self.view.entity(e))),
            Join::Inline => {
                let mut seen = self.contained_by.clone();
                seen.push(e.id.clone());
                Ok(Value::Object(self.inline(call, space, tx, e, self.level, &seen).await?))
            }
            Join::Flat => {
                let all = self.flat(call, space, tx, std::slice::from_ref(e)).await?;
                Ok(if all.len() == 1 { all.into_iter().next().unwrap_or_default() } else { Value::Array(all) })
            }
        }
    }

    /// A list of entities.
    pub(super) async fn many(&self, call: &Call, space: &Space, tx: &mut Tx, all: &[Entity], media: Media) -> Result<Value, Failed> {
        if media == Media::GeoJson {
            let features: Vec<Value> =
                all.iter().map(|e| Value::Object(self.view.feature(e, &self.geometry, self.dataset.as_deref()))).collect();
            return Ok(json!({ "type": "FeatureCollection", "features": features }));
        }
        if self.join == Join::Flat {
            return Ok(Value::Array(self.flat(call, space, tx, all).await?));
        }
        let mut out = Vec::with_capacity(all.len());
        for e in all {
            out.push(self.one(call, space, tx, e, media).await?);
        }
        Ok(Value::Array(out))
    }

    async fn flat(&self, call: &Call, space: &Space, tx: &mut Tx, all: &[Entity]) -> Result<Vec<Value>, Failed> {
        let mut seen: BTreeSet<String> = all.iter().map(|e| e.id.clone()).chain(self.contained_by.iter().cloned()).collect();
        let mut out: Vec<Value> = all.iter().map(|e| Value::Object(self.view.entity(e))).collect();
        let mut front: Vec<Entity> = all.to_vec();
        for _ in 0..self.level {
            let mut next = Vec::new();
            for e in &front {
                for id in e.attrs.iter().filter(|(n, _)| self.view.shows(n)).flat_map(|(_, all)| all).flat_map(|a| targets(a)) {
                    if !seen.insert(id.clone()) {
                        continue;
                    }
                    if let Some(linked) = sql::get(tx, space.tenant, &id, call.app.env().now()).await? {
                        out.push(Value::Object(self.view.entity(&linked)));
                        next.push(linked);
                    }
                }
            }
            front = next;
        }
        Ok(out)
    }

    async fn inline(&self, call: &Call, space: &Space, tx: &mut Tx, e: &Entity, level: usize, seen: &[String]) -> Result<Map<String, Value>, Failed> {
        let mut out = self.view.entity(e);
        if level == 0 {
            return Ok(out);
        }
        for (name, all) in e.attrs.iter().filter(|(n, _)| self.view.shows(n)) {
            let brief = self.view.names.brief(name);
            let links: Vec<_> = all.iter().filter(|a| matches!(a.kind, Kind::Relationship | Kind::ListRelationship)).collect();
            for a in links {
                let mut found = Vec::new();
                for id in targets(a) {
                    if seen.contains(&id) {
                        continue;
                    }
                    let Some(linked) = sql::get(tx, space.tenant, &id, call.app.env().now()).await? else { continue };
                    let mut inner = seen.to_vec();
                    inner.push(id.clone());
                    found.push(Value::Object(Box::pin(self.inline(call, space, tx, &linked, level - 1, &inner)).await?));
                }
                if found.is_empty() {
                    continue;
                }
                let list = a.kind == Kind::ListRelationship;
                let simplified = self.view.form == Form::Simplified;
                let (member, value) = match (list, found.len()) {
                    (true, _) => ("entityList", Value::Array(found)),
                    (false, 1) => ("entity", found.remove(0)),
                    (false, _) => ("entity", Value::Array(found)),
                };
                let Some(shown) = out.get_mut(&brief) else { continue };
                put(shown, a.dataset_id.as_deref(), simplified, member, value);
            }
        }
        Ok(out)
    }
}

fn put(shown: &mut Value, dataset: Option<&str>, simplified: bool, member: &str, value: Value) {
    match shown {
        Value::Array(all) if !simplified => {
            for one in all.iter_mut().filter(|o| o.get("datasetId").and_then(Value::as_str) == dataset) {
                put(one, dataset, simplified, member, value.clone());
            }
        }
        whole if simplified => {
            *whole = if member == "entityList" { json!({ "entityList": value }) } else { value };
        }
        Value::Object(o) => {
            o.insert(member.to_owned(), value);
        }
        _ => {}
    }
}

fn targets(a: &kenroku_ngsi_ld::Attr) -> Vec<String> {
    if !matches!(a.kind, Kind::Relationship | Kind::ListRelationship) {
        return Vec::new();
    }
    match &a.value {
        Value::String(s) => vec![s.clone()],
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
        _ => Vec::new(),
    }
}
