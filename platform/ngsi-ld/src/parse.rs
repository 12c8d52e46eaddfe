//! Entities and fragments from JSON, in normalized, concise and simplified form (GS CIM 009 §4.5, §5.2.4).

use kenroku_types::Timestamp;
use serde_json::{Map, Value};

use crate::check::{looks_like_geometry, short};
use crate::model::{Attr, Attrs, Entity, Kind, NULL};
use crate::names::NGSI;
use crate::{Names, NgsiError, check};

/// Levels of attributes of attributes.
const LEVELS: usize = 16;

/// What is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// `NGSI-LD Null` is understood as “remove” (fragments of update and merge).
    pub nulls: bool,
    /// Values stand without their kind (`options=keyValues`, `format=simplified`).
    pub simplified: bool,
    /// Several instances of the same dataset are allowed (temporal representation).
    pub temporal: bool,
    /// Attributes may leave out their value: only what is there is changed (partial update).
    pub partial: bool,
}

/// What a member of an attribute or entity means.
enum Member {
    Id,
    Type,
    Core(String),
    Attr(String),
}

fn member(key: &str, names: &Names) -> Result<Member, NgsiError> {
    Ok(match key {
        "id" | "@id" => Member::Id,
        "type" | "@type" => Member::Type,
        _ => {
            let full = names.full(key)?;
            match full.as_str() {
                "@id" => Member::Id,
                "@type" => Member::Type,
                f => match f.strip_prefix(NGSI).filter(|n| CORE_MEMBERS.contains(n)) {
                    Some(n) => Member::Core(n.to_owned()),
                    None => Member::Attr(full),
                },
            }
        }
    })
}

/// Members of entities and attributes that are no attributes, by the names of the core context's IRIs.
const CORE_MEMBERS: [&str; 37] = [
    "hasValue",
    "hasObject",
    "hasLanguageMap",
    "hasVocab",
    "hasJSON",
    "hasValueList",
    "hasObjectList",
    "hasObjectType",
    "hasValueType",
    "observedAt",
    "unitCode",
    "datasetId",
    "createdAt",
    "modifiedAt",
    "deletedAt",
    "instanceId",
    "scope",
    "expiresAt",
    "hasPreviousValue",
    "hasPreviousObject",
    "hasPreviousLanguageMap",
    "hasPreviousVocab",
    "hasPreviousJson",
    "hasPreviousValueList",
    "hasPreviousObjectList",
    "lang",
    "entity",
    "entityList",
    "hasDataset",
    "ngsildproof",
    "hasValues",
    "hasObjects",
    "hasVocabs",
    "hasValueLists",
    "hasObjectLists",
    "notifiedAt",
    "hasLanguageMaps",
];

fn texts(v: &Value) -> Option<Vec<&str>> {
    match v {
        Value::String(s) => Some(vec![s]),
        Value::Array(a) if !a.is_empty() => a.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// Full names of types.
///
/// # Errors
/// When they are no names.
pub fn types(v: &Value, names: &Names) -> Result<Vec<String>, NgsiError> {
    let all = texts(v).ok_or_else(|| NgsiError::data("type is a name or a list of names"))?;
    let mut out = Vec::new();
    for t in all {
        let full = names.full(t)?;
        if full.starts_with('@') {
            return Err(NgsiError::data(format!("“{}” is no type", short(t))));
        }
        if !out.contains(&full) {
            out.push(full);
        }
    }
    Ok(out)
}

/// An entity as it is created: with id and type.
///
/// # Errors
/// [`crate::Fault::BadRequestData`] with what is wrong.
pub fn entity(doc: &Value, names: &Names, how: Reading) -> Result<Entity, NgsiError> {
    let e = fragment(doc, names, how)?;
    if e.id.is_empty() {
        return Err(NgsiError::data("an entity has an id"));
    }
    if e.types.is_empty() {
        return Err(NgsiError::data("an entity has a type"));
    }
    Ok(e)
}

/// A fragment of an entity: id and type may be missing.
///
/// # Errors
/// [`crate::Fault::BadRequestData`] with what is wrong.
pub fn fragment(doc: &Value, names: &Names, how: Reading) -> Result<Entity, NgsiError> {
    let Value::Object(o) = doc else { return Err(NgsiError::request("an entity is a JSON object")) };
    let mut e = Entity::default();
    for (key, value) in o {
        if key == "@context" {
            continue;
        }
        match member(key, names)? {
            Member::Id => {
                let id = value.as_str().ok_or_else(|| NgsiError::data("id is a URI"))?;
                check::uri(id, "the id")?;
                id.clone_into(&mut e.id);
            }
            Member::Type => e.types = types(value, names)?,
            Member::Core(n) => match n.as_str() {
                "scope" => e.scope = scopes(value, how)?,
                "expiresAt" => e.expires_at = Some(time(value, "expiresAt")?),
                "createdAt" | "modifiedAt" | "deletedAt" | "ngsildproof" | "notifiedAt" => {}
                _ => return Err(NgsiError::data(format!("“{}” is no attribute", short(key)))),
            },
            Member::Attr(name) => {
                let all = instances(key, value, names, how, 0)?;
                e.attrs.entry(name).or_default().extend(all);
            }
        }
    }
    Ok(e)
}

fn scopes(v: &Value, how: Reading) -> Result<Vec<String>, NgsiError> {
    if how.nulls && v == NULL {
        return Ok(vec![NULL.to_owned()]);
    }
    // In a temporal representation a scope has a history like an attribute; the newest is the one that holds.
    let v = match v {
        Value::Array(a) if a.iter().all(Value::is_object) && !a.is_empty() => {
            a.last().and_then(|l| l.get("value")).unwrap_or(v)
        }
        Value::Object(o) => o.get("value").unwrap_or(v),
        _ => v,
    };
    let all =
        texts(v).ok_or_else(|| NgsiError::data("scope is a path as /Ishikawa/Nomi, or a list of them"))?;
    match all.iter().find(|s| !check::is_scope(s)) {
        Some(wrong) => Err(NgsiError::data(format!("“{}” is not a scope", short(wrong)))),
        None => Ok(all
            .into_iter()
            .map(|s| if s.starts_with('/') { s.to_owned() } else { format!("/{s}") })
            .collect()),
    }
}

fn time(v: &Value, what: &str) -> Result<Timestamp, NgsiError> {
    let v = v.get("@value").unwrap_or(v);
    let text = v.as_str().ok_or_else(|| NgsiError::data(format!("{what} is a date and time")))?;
    check::time(text)
}

/// All instances that stand under one name.
///
/// # Errors
/// [`crate::Fault::BadRequestData`] with what is wrong.
pub fn instances(
    key: &str,
    value: &Value,
    names: &Names,
    how: Reading,
    level: usize,
) -> Result<Vec<Attr>, NgsiError> {
    if level > LEVELS {
        return Err(NgsiError::data(format!("attributes of attributes go {LEVELS} levels deep at most")));
    }
    if let Value::Array(all) = value
        && !how.simplified
        && !all.is_empty()
        && all.iter().all(|v| v.as_object().is_some_and(is_attribute))
    {
        let mut out: Vec<Attr> = Vec::with_capacity(all.len());
        for v in all {
            let a = one(key, v, names, how, level)?;
            if !how.temporal && out.iter().any(|o| o.dataset_id == a.dataset_id) {
                let which = a.dataset_id.as_deref().unwrap_or("no datasetId");
                return Err(NgsiError::data(format!(
                    "“{}” has two instances with {}",
                    short(key),
                    short(which)
                )));
            }
            out.push(a);
        }
        return Ok(out);
    }
    if let Value::Object(o) = value
        && let Some(Value::Object(by)) = o.get("dataset")
        && o.len() == 1
    {
        let mut out = Vec::new();
        for (dataset, v) in by {
            let mut a = one(key, v, names, how, level)?;
            if dataset != "@none" {
                check::uri(dataset, "the datasetId")?;
                a.dataset_id = Some(dataset.clone());
            }
            out.push(a);
        }
        return Ok(out);
    }
    Ok(vec![one(key, value, names, how, level)?])
}

const VALUES: [(&str, Kind); 7] = [
    ("value", Kind::Property),
    ("object", Kind::Relationship),
    ("languageMap", Kind::LanguageProperty),
    ("vocab", Kind::VocabProperty),
    ("json", Kind::JsonProperty),
    ("valueList", Kind::ListProperty),
    ("objectList", Kind::ListRelationship),
];

fn is_attribute(o: &Map<String, Value>) -> bool {
    o.get("type").or_else(|| o.get("@type")).and_then(Value::as_str).is_some_and(|t| Kind::named(t).is_some())
        || VALUES.iter().any(|(n, _)| o.contains_key(*n))
}

fn one(key: &str, value: &Value, names: &Names, how: Reading, level: usize) -> Result<Attr, NgsiError> {
    match value {
        Value::Null => Err(NgsiError::data(format!("“{}” is null; to remove it write {NULL}", short(key)))),
        Value::Object(o) if !how.simplified => {
            if o.get("type").is_none_or(|t| t.as_str().is_some_and(|t| Kind::named(t).is_none()))
                && looks_like_geometry(value)
            {
                check::geometry(value)?;
                return Ok(Attr::new(Kind::GeoProperty, value.clone()));
            }
            full(key, o, names, how, level)
        }
        Value::Object(o) => {
            let wrapped = o.len() == 1
                && o.keys().all(|k| k != "value" && k != "object" && VALUES.iter().any(|(n, _)| n == k));
            if wrapped {
                return full(key, o, names, how, level);
            }
            if looks_like_geometry(value) {
                check::geometry(value)?;
                return Ok(Attr::new(Kind::GeoProperty, value.clone()));
            }
            Ok(Attr::new(Kind::Property, value.clone()))
        }
        _ => {
            if value == NULL && !how.nulls {
                return Err(NgsiError::data(format!("{NULL} removes something and stands in updates only")));
            }
            Ok(Attr::new(Kind::Property, value.clone()))
        }
    }
}

/// An attribute whose members are named.
fn full(
    key: &str,
    o: &Map<String, Value>,
    names: &Names,
    how: Reading,
    level: usize,
) -> Result<Attr, NgsiError> {
    let wrong = |what: &str| NgsiError::data(format!("“{}”: {what}", short(key)));
    let mut declared = None;
    let mut found: Option<(Kind, &Value)> = None;
    let mut a = Attr::new(Kind::Property, Value::Null);
    for (k, v) in o {
        match member(k, names)? {
            Member::Type => {
                let t = v.as_str().ok_or_else(|| wrong("type is one name"))?;
                let t = t.strip_prefix(NGSI).unwrap_or(t);
                declared = Some(Kind::named(t).ok_or_else(|| wrong("its type is no kind of attribute"))?);
            }
            Member::Id => return Err(wrong("an attribute has no id")),
            Member::Attr(name) => {
                let inner = Reading { temporal: false, partial: false, ..how };
                a.attrs.entry(name).or_default().extend(instances(k, v, names, inner, level + 1)?);
            }
            Member::Core(n) => match n.as_str() {
                "observedAt" if how.nulls && v == NULL => {}
                "observedAt" => a.observed_at = Some(time(v, "observedAt")?),
                "unitCode" => {
                    if !v.is_string() {
                        return Err(wrong("unitCode is a text"));
                    }
                    a.unit_code = Some(v.clone());
                }
                "datasetId" => {
                    let id = v.as_str().ok_or_else(|| wrong("datasetId is a URI"))?;
                    check::uri(id, "the datasetId")?;
                    a.dataset_id = Some(id.to_owned());
                }
                "instanceId" => {
                    let id = v.as_str().ok_or_else(|| wrong("instanceId is a URI"))?;
                    a.instance_id = Some(id.to_owned()).filter(|_| how.temporal);
                }
                "hasObjectType" => a.object_type = types(v, names)?,
                "hasValueType" => {
                    a.value_type = Some(names.full(v.as_str().ok_or_else(|| wrong("valueType is a name"))?)?)
                }
                "createdAt" | "modifiedAt" | "deletedAt" | "notifiedAt" if how.temporal => {
                    if n == "deletedAt" {
                        a.deleted_at = Some(time(v, "deletedAt")?);
                    }
                }
                "createdAt" | "modifiedAt" | "deletedAt" | "notifiedAt" | "ngsildproof" | "entity"
                | "entityList" => {}
                "expiresAt" | "scope" => return Err(wrong("an attribute has no scope or expiry")),
                other => {
                    let kind = match other {
                        "hasValue" => Kind::Property,
                        "hasObject" => Kind::Relationship,
                        "hasLanguageMap" => Kind::LanguageProperty,
                        "hasVocab" => Kind::VocabProperty,
                        "hasJSON" => Kind::JsonProperty,
                        "hasValueList" => Kind::ListProperty,
                        "hasObjectList" => Kind::ListRelationship,
                        _ => return Err(wrong(&format!("{} may not stand here", short(k)))),
                    };
                    if found.is_some() {
                        return Err(wrong("it has values of two kinds"));
                    }
                    found = Some((kind, v));
                }
            },
        }
    }
    let Some((kind, raw)) = found else {
        if how.partial && declared.is_none_or(|_| true) {
            a.kind = declared.unwrap_or(Kind::Property);
            return Ok(a);
        }
        return Err(match declared {
            Some(k) => wrong(&format!("a {} has {}", k.name(), k.member())),
            None => wrong("it has no value"),
        });
    };
    let guessed = if kind == Kind::Property && looks_like_geometry(raw) { Kind::GeoProperty } else { kind };
    a.kind = match declared {
        None => guessed,
        Some(Kind::GeoProperty) if kind == Kind::Property => Kind::GeoProperty,
        Some(k) if k == kind => k,
        Some(k) => return Err(wrong(&format!("a {} has {}, not {}", k.name(), k.member(), kind.member()))),
    };
    a.value = content(a.kind, raw, names, how).map_err(|e| wrong(&e.detail))?;
    Ok(a)
}

/// The value of an attribute of this kind, checked, with full names where names stand in it.
fn content(kind: Kind, raw: &Value, names: &Names, how: Reading) -> Result<Value, NgsiError> {
    if raw.is_null() && kind != Kind::JsonProperty {
        return Err(NgsiError::data(format!("its value is null; to remove it write {NULL}")));
    }
    if raw == NULL {
        return if how.nulls {
            Ok(raw.clone())
        } else {
            Err(NgsiError::data(format!("{NULL} removes something and stands in updates only")))
        };
    }
    match kind {
        Kind::Property | Kind::JsonProperty => Ok(raw.clone()),
        Kind::GeoProperty => {
            // GeoJSON as a text is allowed too (§4.7.1).
            let parsed = raw.as_str().and_then(|s| serde_json::from_str(s).ok());
            let g = parsed.unwrap_or_else(|| raw.clone());
            check::geometry(&g)?;
            Ok(g)
        }
        Kind::Relationship => {
            let all = texts(raw).ok_or_else(|| NgsiError::data("object is a URI or a list of URIs"))?;
            all.iter().try_for_each(|u| check::uri(u, "the object"))?;
            Ok(raw.clone())
        }
        Kind::LanguageProperty => {
            let o = raw
                .as_object()
                .filter(|o| !o.is_empty())
                .ok_or_else(|| NgsiError::data("languageMap is an object"))?;
            let fine =
                |v: &Value| v.is_string() || v.as_array().is_some_and(|a| a.iter().all(Value::is_string));
            if !o.values().all(fine) {
                return Err(NgsiError::data("languageMap holds texts by language"));
            }
            if !how.nulls && o.values().any(|v| v == NULL) {
                return Err(NgsiError::data(format!("{NULL} removes something and stands in updates only")));
            }
            Ok(raw.clone())
        }
        Kind::VocabProperty => {
            let all = texts(raw).ok_or_else(|| NgsiError::data("vocab is a word or a list of words"))?;
            let mut full: Vec<Value> = all
                .into_iter()
                .filter_map(|w| names.context().expand_iri(w, true, true))
                .map(Value::String)
                .collect();
            Ok(if raw.is_string() { full.pop().unwrap_or_default() } else { Value::Array(full) })
        }
        Kind::ListProperty => {
            raw.is_array().then(|| raw.clone()).ok_or_else(|| NgsiError::data("valueList is an array"))
        }
        Kind::ListRelationship => {
            let all = raw.as_array().ok_or_else(|| NgsiError::data("objectList is an array"))?;
            let each = all.iter().map(|v| {
                let u = v.get("object").unwrap_or(v).as_str().unwrap_or_default();
                check::uri(u, "the object").map(|()| Value::from(u))
            });
            each.collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
    }
}

/// A single attribute as the body of an attribute resource.
///
/// # Errors
/// [`crate::Fault::BadRequestData`] with what is wrong.
pub fn attribute(key: &str, doc: &Value, names: &Names, how: Reading) -> Result<Vec<Attr>, NgsiError> {
    let doc = match doc {
        Value::Object(o) if o.contains_key("@context") => {
            let mut o = o.clone();
            o.remove("@context");
            &Value::Object(o)
        }
        other => other,
    };
    if doc.as_object().is_some_and(Map::is_empty) {
        return Err(NgsiError::data("the attribute is empty"));
    }
    instances(key, doc, names, how, 0)
}

/// Whether an object of attributes changes nothing.
pub fn is_empty(e: &Entity) -> bool {
    let attrs: &Attrs = &e.attrs;
    attrs.is_empty() && e.types.is_empty() && e.scope.is_empty() && e.expires_at.is_none()
}
