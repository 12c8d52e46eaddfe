//! Changing an entity by fragments (GS CIM 009 §5.6.2 to §5.6.5, §5.6.17 to §5.6.19).
//!
//! Each operation changes the entity in place and says what became of every instance: history and notifications are made
//! of these [`Change`]s.

use kenroku_types::Timestamp;
use serde_json::Value;

use crate::model::{Attr, Entity, Kind, NULL};

/// What became of one instance of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Full name of the attribute.
    pub name: String,
    /// As it was.
    pub before: Option<Attr>,
    /// As it is.
    pub after: Option<Attr>,
}

/// What an operation did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Full names of what was changed, each once.
    pub updated: Vec<String>,
    /// What was not, and why.
    pub not_updated: Vec<(String, &'static str)>,
    /// Instance by instance.
    pub changes: Vec<Change>,
}

impl Outcome {
    fn done(&mut self, name: &str, before: Option<Attr>, after: Option<Attr>) {
        if !self.updated.iter().any(|n| n == name) {
            self.updated.push(name.to_owned());
        }
        self.changes.push(Change { name: name.to_owned(), before, after });
    }

    fn refused(&mut self, name: &str, why: &'static str) {
        self.not_updated.push((name.to_owned(), why));
    }
}

/// Puts times on everything in a new entity and tells each instance as a change.
pub fn create(e: &mut Entity, now: Timestamp) -> Outcome {
    let mut out = Outcome::default();
    e.created_at = Some(now);
    e.modified_at = Some(now);
    for (name, all) in &mut e.attrs {
        for a in all {
            stamp(a, now, None);
            out.done(name, None, Some(a.clone()));
        }
    }
    out
}

fn stamp(a: &mut Attr, now: Timestamp, created: Option<Timestamp>) {
    a.created_at = Some(created.unwrap_or(now));
    a.modified_at = Some(now);
    a.instance_id = None;
    for inner in a.attrs.values_mut().flatten() {
        stamp(inner, now, None);
    }
}

/// Puts an instance in the place of the one with the same dataset.
fn put(e: &mut Entity, name: &str, mut a: Attr, now: Timestamp, out: &mut Outcome) {
    let all = e.attrs.entry(name.to_owned()).or_default();
    match all.iter_mut().find(|o| o.dataset_id == a.dataset_id) {
        Some(old) => {
            stamp(&mut a, now, old.created_at);
            let before = std::mem::replace(old, a.clone());
            out.done(name, Some(before), Some(a));
        }
        None => {
            stamp(&mut a, now, None);
            all.push(a.clone());
            out.done(name, None, Some(a));
        }
    }
    e.modified_at = Some(now);
}

fn take_out(e: &mut Entity, name: &str, dataset: Option<&str>, now: Timestamp, out: &mut Outcome) -> bool {
    let Some(all) = e.attrs.get_mut(name) else { return false };
    let Some(at) = all.iter().position(|a| a.dataset_id.as_deref() == dataset) else { return false };
    let old = all.remove(at);
    if all.is_empty() {
        e.attrs.remove(name);
    }
    e.modified_at = Some(now);
    out.done(name, Some(old), None);
    true
}

fn head(e: &mut Entity, f: &Entity, now: Timestamp, out: &mut Outcome) {
    let new: Vec<String> = f.types.iter().filter(|t| !e.types.contains(t)).cloned().collect();
    if !new.is_empty() {
        e.types.extend(new);
        e.modified_at = Some(now);
        out.updated.push("type".to_owned());
    }
    if !f.scope.is_empty() {
        if f.scope.iter().any(|s| s == NULL) {
            e.scope.clear();
        } else {
            e.scope.clone_from(&f.scope);
        }
        e.modified_at = Some(now);
        out.updated.push("scope".to_owned());
    }
    if f.expires_at.is_some() {
        e.expires_at = f.expires_at;
        e.modified_at = Some(now);
    }
}

/// Appends attributes (§5.6.3): what is there is replaced unless `keep`.
pub fn append(e: &mut Entity, f: &Entity, keep: bool, now: Timestamp) -> Outcome {
    let mut out = Outcome::default();
    let mut f = f.clone();
    if keep && !f.scope.is_empty() && !f.scope.iter().any(|s| s == NULL) {
        // Where nothing may be overwritten, scopes are added to those that are there (§5.6.3.4).
        let mut all = e.scope.clone();
        all.extend(f.scope.drain(..).filter(|s| !e.scope.contains(s)));
        f.scope = all;
    }
    head(e, &f, now, &mut out);
    for (name, all) in f.attrs {
        for a in all {
            if a.is_null() {
                if !take_out(e, &name, a.dataset_id.as_deref(), now, &mut out) {
                    out.refused(&name, "there is no such attribute");
                }
            } else if keep && e.instance(&name, a.dataset_id.as_deref()).is_some() {
                out.refused(&name, "it exists already, and noOverwrite was asked");
            } else {
                put(e, &name, a, now, &mut out);
            }
        }
    }
    out
}

/// Updates attributes (§5.6.2): those that are there are replaced, others are added; a scope is only replaced.
pub fn update(e: &mut Entity, f: &Entity, now: Timestamp) -> Outcome {
    let mut out = Outcome::default();
    let mut f = f.clone();
    if e.scope.is_empty() && !f.scope.is_empty() {
        f.scope.clear();
        out.refused("scope", "the entity has no scope");
    }
    head(e, &f, now, &mut out);
    for (name, all) in &f.attrs {
        for a in all {
            if a.is_null() {
                if !take_out(e, name, a.dataset_id.as_deref(), now, &mut out) {
                    out.refused(name, "there is no such attribute");
                }
            } else {
                put(e, name, a.clone(), now, &mut out);
            }
        }
    }
    out
}

/// Changes parts of one attribute (§5.6.4). `has_value` says whether the fragment brought a value.
///
/// # Errors
/// Why it cannot be done.
pub fn partial(
    e: &mut Entity,
    name: &str,
    part: &Attr,
    has_value: bool,
    typed: bool,
    now: Timestamp,
) -> Result<Outcome, &'static str> {
    let mut out = Outcome::default();
    let dataset = part.dataset_id.as_deref();
    let Some(old) = e.instance(name, dataset).cloned() else { return Err("there is no such attribute") };
    if has_value && part.is_null() {
        take_out(e, name, dataset, now, &mut out);
        return Ok(out);
    }
    if typed && part.kind != old.kind {
        return Err("an update cannot change the kind of an attribute");
    }
    if has_value && part.kind != old.kind && !(old.kind == Kind::GeoProperty && part.kind == Kind::Property) {
        return Err("an update cannot change the kind of an attribute");
    }
    let new = merged(&old, part, has_value, false, now);
    put(e, name, new, now, &mut out);
    Ok(out)
}

/// `old` with everything that `part` says; values of objects are merged when `deep`.
fn merged(old: &Attr, part: &Attr, has_value: bool, deep: bool, now: Timestamp) -> Attr {
    let mut new = old.clone();
    if has_value {
        new.value = if deep && part.kind == old.kind {
            merge_value(&old.value, &part.value, part.kind)
        } else {
            part.value.clone()
        };
        new.kind = part.kind;
    }
    new.observed_at = part.observed_at.or(old.observed_at);
    new.unit_code = part.unit_code.clone().or_else(|| old.unit_code.clone());
    if !part.object_type.is_empty() {
        new.object_type.clone_from(&part.object_type);
    }
    new.value_type = part.value_type.clone().or_else(|| old.value_type.clone());
    for (name, all) in &part.attrs {
        for a in all {
            let list = new.attrs.entry(name.clone()).or_default();
            let at = list.iter().position(|o| o.dataset_id == a.dataset_id);
            match (at, a.is_null()) {
                (Some(i), true) => {
                    list.remove(i);
                }
                (Some(i), false) => {
                    let created = list[i].created_at;
                    list[i] = if deep { merged(&list[i], a, true, true, now) } else { a.clone() };
                    list[i].created_at = created;
                    list[i].modified_at = Some(now);
                }
                (None, true) => {}
                (None, false) => list.push(a.clone()),
            }
        }
        if new.attrs.get(name).is_some_and(Vec::is_empty) {
            new.attrs.remove(name);
        }
    }
    new
}

/// JSON merge (§5.5.12, after RFC 7396 with NGSI-LD Null): objects are merged, everything else is replaced.
fn merge_value(old: &Value, new: &Value, kind: Kind) -> Value {
    match (old, new) {
        (Value::Object(o), Value::Object(n)) if kind != Kind::GeoProperty => {
            let mut out = o.clone();
            for (k, v) in n {
                if v == NULL || (v.is_null() && kind == Kind::JsonProperty) {
                    out.remove(k);
                } else {
                    let merged = o.get(k).map_or_else(|| v.clone(), |before| merge_value(before, v, kind));
                    out.insert(k.clone(), merged);
                }
            }
            Value::Object(out)
        }
        _ => new.clone(),
    }
}

/// Merges a fragment (§5.6.17).
pub fn merge(e: &mut Entity, f: &Entity, observed_at: Option<Timestamp>, now: Timestamp) -> Outcome {
    let mut out = Outcome::default();
    head(e, f, now, &mut out);
    for (name, all) in &f.attrs {
        for a in all {
            let dataset = a.dataset_id.as_deref();
            if a.is_null() {
                take_out(e, name, dataset, now, &mut out);
                continue;
            }
            let mut new = match e.instance(name, dataset) {
                // A simplified value says nothing of the kind: what is there keeps its own.
                Some(old) => {
                    let mut a = a.clone();
                    if a.kind == Kind::Property && a.is_bare() && old.kind != Kind::Property {
                        adopt(&mut a, old);
                    }
                    merged(old, &a, true, true, now)
                }
                None => without_nulls(a.clone()),
            };
            if a.observed_at.is_none()
                && let Some(t) = observed_at
                && (new.observed_at.is_some() || e.instance(name, dataset).is_none())
            {
                new.observed_at = Some(t);
            }
            put(e, name, new, now, &mut out);
        }
    }
    out
}

/// Gives a bare value the kind of what it changes, where it fits.
fn adopt(a: &mut Attr, old: &Attr) {
    let fits = match old.kind {
        Kind::Relationship => a.value.as_str().is_some_and(crate::check::is_uri),
        Kind::VocabProperty => a.value.is_string(),
        Kind::JsonProperty => true,
        Kind::ListProperty => a.value.is_array(),
        Kind::LanguageProperty => a.value.is_object(),
        _ => false,
    };
    if fits {
        a.kind = old.kind;
    }
}

fn without_nulls(mut a: Attr) -> Attr {
    a.attrs.retain(|_, all| {
        all.retain(|x| !x.is_null());
        !all.is_empty()
    });
    if let Value::Object(o) = &mut a.value {
        o.retain(|_, v| v != NULL);
    }
    a
}

/// Replaces one attribute (§5.6.19): all its instances when the fragment holds several.
///
/// # Errors
/// When it is not there.
pub fn replace_attr(
    e: &mut Entity,
    name: &str,
    new: &[Attr],
    now: Timestamp,
) -> Result<Outcome, &'static str> {
    let mut out = Outcome::default();
    for a in new {
        if e.instance(name, a.dataset_id.as_deref()).is_none() {
            return Err("there is no such attribute");
        }
        put(e, name, a.clone(), now, &mut out);
    }
    Ok(out)
}

/// Replaces the whole entity (§5.6.18).
pub fn replace(e: &mut Entity, new: &Entity, now: Timestamp) -> Outcome {
    let mut out = Outcome::default();
    let old = std::mem::take(&mut e.attrs);
    for (name, all) in &new.attrs {
        for a in all {
            let mut a = a.clone();
            let before = old.get(name).and_then(|o| o.iter().find(|x| x.dataset_id == a.dataset_id)).cloned();
            stamp(&mut a, now, before.as_ref().and_then(|b| b.created_at));
            e.attrs.entry(name.clone()).or_default().push(a.clone());
            out.done(name, before, Some(a));
        }
    }
    for (name, all) in old {
        for a in all {
            if e.instance(&name, a.dataset_id.as_deref()).is_none() {
                out.done(&name, Some(a), None);
            }
        }
    }
    if !new.types.is_empty() {
        e.types.clone_from(&new.types);
    }
    e.scope.clone_from(&new.scope);
    e.expires_at = new.expires_at;
    e.modified_at = Some(now);
    out
}

/// Deletes an attribute (§5.6.5): one instance, or all of them.
///
/// # Errors
/// When it is not there.
pub fn delete(
    e: &mut Entity,
    name: &str,
    dataset: Option<&str>,
    all: bool,
    now: Timestamp,
) -> Result<Outcome, &'static str> {
    let mut out = Outcome::default();
    if all {
        for a in e.attrs.remove(name).ok_or("there is no such attribute")? {
            out.done(name, Some(a), None);
        }
        e.modified_at = Some(now);
    } else if !take_out(e, name, dataset, now, &mut out) {
        return Err("there is no such attribute");
    }
    Ok(out)
}
