//! Entities as they are shown (GS CIM 009 §4.5.1, §4.5.4, §4.5.16, §6.3.7).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::Names;
use crate::model::{Attr, Entity, Kind};

/// How much stands in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Form {
    /// Everything is named.
    #[default]
    Normalized,
    /// What can be told from the value is left out.
    Concise,
    /// Values only.
    Simplified,
}

/// What is shown of an entity, and how.
#[derive(Clone, Debug)]
pub struct View<'n> {
    /// The words.
    pub names: &'n Names,
    /// How much.
    pub form: Form,
    /// With createdAt, modifiedAt, deletedAt.
    pub sys_attrs: bool,
    /// Only these members: full names of attributes, `id`, `type`, `scope`; `None` for all.
    pub pick: Option<BTreeSet<String>>,
    /// Not these.
    pub omit: BTreeSet<String>,
    /// Only this language of texts (BCP 47, by preference).
    pub lang: Option<String>,
    /// Only these instances; `@none` for those without.
    pub datasets: Option<BTreeSet<String>>,
}

impl<'n> View<'n> {
    /// Everything, in these words.
    pub fn new(names: &'n Names) -> Self {
        View {
            names,
            form: Form::Normalized,
            sys_attrs: false,
            pick: None,
            omit: BTreeSet::new(),
            lang: None,
            datasets: None,
        }
    }

    /// Whether a member is shown.
    pub fn shows(&self, name: &str) -> bool {
        self.pick.as_ref().is_none_or(|p| p.contains(name)) && !self.omit.contains(name)
    }

    fn shows_instance(&self, a: &Attr) -> bool {
        self.datasets.as_ref().is_none_or(|d| d.contains(a.dataset_id.as_deref().unwrap_or("@none")))
    }

    /// Names of types: one or a list.
    pub fn types(&self, types: &[String]) -> Value {
        match types {
            [one] => Value::String(self.names.brief(one)),
            all => all.iter().map(|t| Value::String(self.names.brief(t))).collect(),
        }
    }

    /// The entity, without `@context`.
    pub fn entity(&self, e: &Entity) -> Map<String, Value> {
        let mut out = self.head(e);
        for (name, all) in &e.attrs {
            if !self.shows(name) {
                continue;
            }
            if let Some(v) = self.instances(all) {
                out.insert(self.names.brief(name), v);
            }
        }
        out
    }

    /// The members of an entity that are no attributes.
    pub fn head(&self, e: &Entity) -> Map<String, Value> {
        let mut out = Map::new();
        if self.shows("id") {
            out.insert("id".to_owned(), Value::from(e.id.as_str()));
        }
        if self.shows("type") && !e.types.is_empty() {
            out.insert("type".to_owned(), self.types(&e.types));
        }
        if self.shows("scope") && !e.scope.is_empty() {
            let scope = match e.scope.as_slice() {
                [one] => Value::from(one.as_str()),
                all => all.into(),
            };
            out.insert("scope".to_owned(), scope);
        }
        if let Some(t) = e.expires_at.filter(|_| self.shows("expiresAt")) {
            out.insert("expiresAt".to_owned(), Value::from(t.to_string()));
        }
        if self.sys_attrs {
            let times =
                [("createdAt", e.created_at), ("modifiedAt", e.modified_at), ("deletedAt", e.deleted_at)];
            for (n, t) in times {
                out.extend(t.map(|t| (n.to_owned(), Value::from(t.to_string()))));
            }
        } else if let Some(t) = e.deleted_at {
            out.insert("deletedAt".to_owned(), Value::from(t.to_string()));
        }
        out
    }

    /// All instances of an attribute; `None` when none of them is shown.
    pub fn instances(&self, all: &[Attr]) -> Option<Value> {
        let shown: Vec<&Attr> = all.iter().filter(|a| self.shows_instance(a)).collect();
        match shown.as_slice() {
            [] => None,
            [one] => Some(self.attr(one)),
            several if self.form == Form::Simplified => {
                let by: Map<String, Value> = several
                    .iter()
                    .map(|a| (a.dataset_id.clone().unwrap_or_else(|| "@none".to_owned()), self.attr(a)))
                    .collect();
                Some(json!({ "dataset": by }))
            }
            several => Some(several.iter().map(|a| self.attr(a)).collect()),
        }
    }

    /// The value alone, in these words.
    pub fn content(&self, kind: Kind, v: &Value) -> Value {
        match (kind, v) {
            (Kind::VocabProperty, Value::String(s)) => Value::String(self.names.brief(s)),
            (Kind::VocabProperty, Value::Array(a)) => a
                .iter()
                .map(|v| v.as_str().map_or(Value::Null, |s| Value::String(self.names.brief(s))))
                .collect(),
            (Kind::ListRelationship, Value::Array(a)) if self.form != Form::Simplified => {
                a.iter().map(|v| json!({ "object": v })).collect()
            }
            _ => v.clone(),
        }
    }

    /// The text of a language map in the asked language, and which one it is (§4.15).
    fn in_language(&self, map: &Value) -> Option<(Value, String)> {
        let asked = self.lang.as_deref()?;
        let map = map.as_object()?;
        for range in preferences(asked) {
            if range == "*" {
                break;
            }
            let exact = map.iter().find(|(k, _)| k.eq_ignore_ascii_case(&range));
            let base = |s: &str| s.split('-').next().unwrap_or_default().to_ascii_lowercase();
            let near = || map.iter().find(|(k, _)| base(k) == base(&range));
            if let Some((k, v)) = exact.or_else(near) {
                return Some((v.clone(), k.clone()));
            }
        }
        let any =
            map.get_key_value("@none").or_else(|| map.get_key_value("en")).or_else(|| map.iter().next());
        any.map(|(k, v)| (v.clone(), k.clone()))
    }

    /// One instance.
    pub fn attr(&self, a: &Attr) -> Value {
        let mut kind = a.kind;
        let mut value = self.content(a.kind, &a.value);
        let mut lang = None;
        if a.kind == Kind::LanguageProperty
            && let Some((v, l)) = self.in_language(&a.value)
        {
            kind = Kind::Property;
            value = v;
            lang = Some(l);
        }
        if self.form == Form::Simplified {
            return match kind {
                Kind::Property | Kind::GeoProperty | Kind::Relationship => value,
                k => json!({ k.member(): value }),
            };
        }
        let concise = self.form == Form::Concise;
        if concise
            && a.is_bare()
            && lang.is_none()
            && !self.sys_attrs
            && match kind {
                Kind::Property => !value.is_object() && !is_list_of_objects(&value),
                Kind::GeoProperty => true,
                _ => false,
            }
        {
            return value;
        }
        let mut out = Map::new();
        if !concise {
            out.insert("type".to_owned(), Value::from(kind.name()));
        }
        if !(value.is_null() && a.deleted_at.is_some()) {
            out.insert(kind.member().to_owned(), value);
        }
        out.extend(lang.map(|l| ("lang".to_owned(), Value::String(l))));
        if let Some((k, v)) = &a.previous {
            out.insert(k.previous().to_owned(), self.content(*k, v));
        }
        out.extend(a.observed_at.map(|t| ("observedAt".to_owned(), Value::from(t.to_string()))));
        out.extend(a.unit_code.clone().map(|u| ("unitCode".to_owned(), u)));
        out.extend(a.dataset_id.clone().map(|d| ("datasetId".to_owned(), Value::String(d))));
        if !a.object_type.is_empty() {
            out.insert("objectType".to_owned(), self.types(&a.object_type));
        }
        out.extend(
            a.value_type.as_deref().map(|t| ("valueType".to_owned(), Value::String(self.names.brief(t)))),
        );
        out.extend(a.instance_id.clone().map(|i| ("instanceId".to_owned(), Value::String(i))));
        if self.sys_attrs {
            out.extend(a.created_at.map(|t| ("createdAt".to_owned(), Value::from(t.to_string()))));
            out.extend(a.modified_at.map(|t| ("modifiedAt".to_owned(), Value::from(t.to_string()))));
        }
        out.extend(a.deleted_at.map(|t| ("deletedAt".to_owned(), Value::from(t.to_string()))));
        for (name, all) in &a.attrs {
            let inner = View { datasets: None, ..self.clone() };
            out.extend(inner.instances(all).map(|v| (self.names.brief(name), v)));
        }
        Value::Object(out)
    }

    /// The entity as a GeoJSON feature (§4.5.16); `geometry` is the full name of the attribute that gives its geometry, with
    /// the dataset that is meant.
    pub fn feature(&self, e: &Entity, geometry: &str, dataset: Option<&str>) -> Map<String, Value> {
        let all = e.attrs.get(geometry).map(Vec::as_slice).unwrap_or_default();
        let chosen = all
            .iter()
            .filter(|a| a.kind == Kind::GeoProperty)
            .find(|a| a.dataset_id.as_deref() == dataset)
            .or_else(|| all.iter().find(|a| a.kind == Kind::GeoProperty && dataset.is_none()));
        let mut properties = self.entity(e);
        properties.remove("id");
        let mut out = Map::new();
        out.insert("id".to_owned(), Value::from(e.id.as_str()));
        out.insert("type".to_owned(), Value::from("Feature"));
        out.insert("geometry".to_owned(), chosen.map_or(Value::Null, |a| a.value.clone()));
        out.insert("properties".to_owned(), Value::Object(properties));
        out
    }
}

fn is_list_of_objects(v: &Value) -> bool {
    v.as_array().is_some_and(|a| a.iter().any(Value::is_object))
}

/// The language ranges of an `Accept-Language`-like text, most wanted first (RFC 9110 §12.5.4).
fn preferences(asked: &str) -> Vec<String> {
    let mut all: Vec<(String, f32)> = asked
        .split(',')
        .filter_map(|part| {
            let mut it = part.split(';');
            let range = it.next()?.trim().to_owned();
            let q = it.find_map(|p| p.trim().strip_prefix("q=").and_then(|q| q.parse().ok())).unwrap_or(1.0);
            (!range.is_empty()).then_some((range, q))
        })
        .collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.into_iter().map(|(r, _)| r).collect()
}
