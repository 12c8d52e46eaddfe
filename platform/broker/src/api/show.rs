//! How answers with entities are shaped: representation, projection, linked entities (GS CIM 009 §4.5, §4.21, §6.3.7).

use std::collections::{BTreeMap, BTreeSet};

use kenroku_ngsi_ld::{Entity, Form, Kind, Names, NgsiError, View};
use kenroku_store::Tx;
use serde_json::{Map, Value, json};

use crate::door::Space;
use crate::http::{Call, Failed, Media};
use crate::sql;

/// Parameters that shape answers.
pub(super) const SHAPE: [&str; 14] = [
    "options",
    "format",
    "attrs",
    "pick",
    "omit",
    "lang",
    "datasetId",
    "geometryProperty",
    "join",
    "joinLevel",
    "containedBy",
    "jsonKeys",
    "expandValues",
    "splitEntities",
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
    projection: Projection,
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
        Some(other) => {
            return Err(NgsiError::request(format!(
                "“{}” is no format",
                kenroku_ngsi_ld::check::short(other)
            )));
        }
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

/// Members that are picked or left out, with those of the entities they lead to (§4.21).
#[derive(Clone, Debug, Default)]
pub(super) struct Members(BTreeMap<String, Option<Members>>);

impl Members {
    fn parse(text: &str, names: &Names) -> Result<Self, NgsiError> {
        let mut rest = text;
        let m = Self::list(&mut rest, names, 0)?;
        if rest.is_empty() { Ok(m) } else { Err(wrong(text)) }
    }

    fn list(rest: &mut &str, names: &Names, depth: u8) -> Result<Self, NgsiError> {
        let mut out = BTreeMap::new();
        if depth > 8 {
            return Err(wrong(rest));
        }
        loop {
            let end = rest.find([',', '|', '{', '}']).unwrap_or(rest.len());
            let word = rest[..end].trim();
            if word.is_empty() {
                return Err(wrong(rest));
            }
            let name = match word {
                "id" | "type" | "scope" | "expiresAt" => word.to_owned(),
                "createdAt" | "modifiedAt" => word.to_owned(),
                w => names.full(w)?,
            };
            *rest = &rest[end..];
            let mut inner = None;
            if let Some(r) = rest.strip_prefix('{') {
                *rest = r;
                inner = Some(Self::list(rest, names, depth + 1)?);
                *rest = rest.strip_prefix('}').ok_or_else(|| wrong(rest))?;
            }
            out.insert(name, inner);
            match rest.strip_prefix([',', '|']) {
                Some(r) => *rest = r,
                None => return Ok(Members(out)),
            }
        }
    }

    /// All of them.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }

    /// Those that nothing inside is said of: what is left out itself.
    pub(super) fn leaves(&self) -> BTreeSet<String> {
        self.0.iter().filter(|(_, inner)| inner.is_none()).map(|(n, _)| n.clone()).collect()
    }

    fn within(&self, name: &str) -> Option<Members> {
        self.0.get(name).cloned().flatten()
    }
}

fn wrong(text: &str) -> NgsiError {
    NgsiError::data(format!("“{}” is no list of members", kenroku_ngsi_ld::check::short(text)))
}

/// What is picked and what is left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Projection {
    pub pick: Option<Members>,
    pub omit: Option<Members>,
}

impl Projection {
    pub(super) fn read(call: &Call, names: &Names) -> Result<Self, NgsiError> {
        let one = |name: &str| call.query.get(name).map(|t| Members::parse(t, names)).transpose();
        let (pick, omit) = (one("pick")?, one("omit")?);
        let attrs = call.list("attrs");
        if !attrs.is_empty() {
            if pick.is_some() || omit.is_some() {
                return Err(NgsiError::data("attrs is not used together with pick or omit"));
            }
            let mut all: BTreeMap<String, Option<Members>> = BTreeMap::new();
            for a in attrs {
                all.insert(names.full(&a)?, None);
            }
            all.extend(["id", "type", "scope", "expiresAt"].map(|n| (n.to_owned(), None)));
            return Ok(Projection { pick: Some(Members(all)), omit: None });
        }
        if let (Some(p), Some(o)) = (&pick, &omit)
            && let Some(n) = o.leaves().iter().find(|n| p.0.contains_key(*n))
        {
            return Err(NgsiError::data(format!("{} is both picked and left out", names.brief(n))));
        }
        Ok(Projection { pick, omit })
    }

    /// What holds for the entities that an attribute leads to.
    fn within(&self, name: &str) -> Projection {
        Projection {
            pick: self.pick.as_ref().and_then(|p| p.within(name)),
            omit: self.omit.as_ref().and_then(|o| o.within(name)),
        }
    }
}

impl<'n> Shape<'n> {
    pub(super) fn read(call: &Call, names: &'n Names) -> Result<Self, NgsiError> {
        let mut view = View::new(names);
        view.form = form(call)?;
        view.sys_attrs = call.option("sysAttrs");
        view.lang = call.get("lang").map(ToOwned::to_owned);
        let projection = Projection::read(call, names)?;
        let datasets = call.list("datasetId");
        if !datasets.is_empty() {
            view.datasets = Some(datasets.into_iter().collect());
        }
        let join = match call.get("join") {
            None | Some("@none") => Join::No,
            Some("flat") => Join::Flat,
            Some("inline") => Join::Inline,
            Some(other) => {
                return Err(NgsiError::request(format!(
                    "join is flat, inline or @none, not “{}”",
                    kenroku_ngsi_ld::check::short(other)
                )));
            }
        };
        let level = match call.number("joinLevel")? {
            Some(0) => return Err(NgsiError::data("joinLevel is 1 or more")),
            Some(_) if join == Join::No => return Err(NgsiError::data("joinLevel needs join")),
            Some(n) => n.min(8),
            None => 1,
        };
        let geometry = names.full(call.get("geometryProperty").unwrap_or("location"))?;
        let dataset = call.get("datasetId").map(ToOwned::to_owned);
        let mut shape = Shape {
            view,
            projection,
            join,
            level,
            contained_by: call.list("containedBy"),
            geometry,
            dataset,
        };
        shape.view = shape.view_of(&shape.projection);
        Ok(shape)
    }

    /// The view that a projection gives.
    fn view_of(&self, p: &Projection) -> View<'n> {
        View {
            pick: p.pick.as_ref().map(Members::names),
            omit: p.omit.as_ref().map(Members::leaves).unwrap_or_default(),
            ..self.view.clone()
        }
    }

    /// One entity, with those it links to.
    pub(super) async fn one(
        &self,
        call: &Call,
        space: &Space,
        tx: &mut Tx,
        e: &Entity,
        media: Media,
    ) -> Result<Value, Failed> {
        if media == Media::GeoJson {
            return Ok(Value::Object(self.view.feature(e, &self.geometry, self.dataset.as_deref())));
        }
        match self.join {
            Join::No => Ok(Value::Object(self.view.entity(e))),
            Join::Inline => {
                let mut seen = self.contained_by.clone();
                seen.push(e.id.clone());
                Ok(Value::Object(self.inline(call, space, tx, e, self.level, &seen, &self.projection).await?))
            }
            Join::Flat => {
                let all = self.flat(call, space, tx, std::slice::from_ref(e)).await?;
                Ok(if all.len() == 1 {
                    all.into_iter().next().unwrap_or_default()
                } else {
                    Value::Array(all)
                })
            }
        }
    }

    /// A list of entities.
    pub(super) async fn many(
        &self,
        call: &Call,
        space: &Space,
        tx: &mut Tx,
        all: &[Entity],
        media: Media,
    ) -> Result<Value, Failed> {
        if media == Media::GeoJson {
            let features: Vec<Value> = all
                .iter()
                .map(|e| Value::Object(self.view.feature(e, &self.geometry, self.dataset.as_deref())))
                .collect();
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

    async fn flat(
        &self,
        call: &Call,
        space: &Space,
        tx: &mut Tx,
        all: &[Entity],
    ) -> Result<Vec<Value>, Failed> {
        let mut seen: BTreeSet<String> =
            all.iter().map(|e| e.id.clone()).chain(self.contained_by.iter().cloned()).collect();
        let mut out: Vec<Value> = all.iter().map(|e| Value::Object(self.view.entity(e))).collect();
        let mut front: Vec<(Entity, Projection)> =
            all.iter().map(|e| (e.clone(), self.projection.clone())).collect();
        for _ in 0..self.level {
            let mut next = Vec::new();
            for (e, p) in &front {
                let view = self.view_of(p);
                for (name, links) in e.attrs.iter().filter(|(n, _)| view.shows(n)) {
                    let below = p.within(name);
                    for id in links.iter().flat_map(targets) {
                        if !seen.insert(id.clone()) {
                            continue;
                        }
                        if let Some(linked) = sql::get(tx, space.tenant, &id, call.app.env().now()).await? {
                            out.push(Value::Object(self.view_of(&below).entity(&linked)));
                            next.push((linked, below.clone()));
                        }
                    }
                }
            }
            front = next;
        }
        Ok(out)
    }

    async fn inline(
        &self,
        call: &Call,
        space: &Space,
        tx: &mut Tx,
        e: &Entity,
        level: usize,
        seen: &[String],
        p: &Projection,
    ) -> Result<Map<String, Value>, Failed> {
        let view = self.view_of(p);
        let mut out = view.entity(e);
        if level == 0 {
            return Ok(out);
        }
        for (name, all) in e.attrs.iter().filter(|(n, _)| view.shows(n)) {
            let below = p.within(name);
            let brief = self.view.names.brief(name);
            let links: Vec<_> = all
                .iter()
                .filter(|a| matches!(a.kind, Kind::Relationship | Kind::ListRelationship))
                .collect();
            for a in links {
                let mut found = Vec::new();
                for id in targets(a) {
                    if seen.contains(&id) {
                        continue;
                    }
                    let Some(linked) = sql::get(tx, space.tenant, &id, call.app.env().now()).await? else {
                        continue;
                    };
                    let mut inner = seen.to_vec();
                    inner.push(id.clone());
                    found.push(Value::Object(
                        Box::pin(self.inline(call, space, tx, &linked, level - 1, &inner, &below)).await?,
                    ));
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
