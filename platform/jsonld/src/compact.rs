//! Compaction (JSON-LD 1.1 API §6.1, §6.2, §6.3).

use serde_json::{Map, Value};

use crate::context::{How, Trail};
use crate::inverse::lang_dir;
use crate::value::{add, has, into_list, is_graph, is_simple_graph, items};
use crate::{Container, Context, Error, Processor, Term, iri};

type Node = Map<String, Value>;

/// An expanded document in the words of `context`; arrays of one value are written as the value. The `@context` itself
/// is not added: the caller knows how it is called.
///
/// # Errors
/// [`Error::TooDeep`]; those of scoped contexts; `IRI confused with prefix`.
pub fn compact(processor: &Processor<'_>, context: &Context, expanded: &Value) -> Result<Value, Error> {
    let c = Compacting { processor };
    let made = c.element(context, None, expanded, 0)?;
    Ok(match made {
        Value::Array(a) if a.is_empty() => Value::Object(Map::new()),
        Value::Array(a) => Value::Object(Map::from_iter([(c.name(context, "@graph"), Value::Array(a))])),
        other => other,
    })
}

struct Compacting<'p, 'd> {
    processor: &'p Processor<'d>,
}

impl Compacting<'_, '_> {
    fn name(&self, active: &Context, keyword: &str) -> String {
        active.inverse().any(keyword).unwrap_or(keyword).to_owned()
    }

    fn scoped(
        &self,
        active: &Context,
        term: &Term,
        propagate: bool,
        over: bool,
    ) -> Result<Option<Context>, Error> {
        let Some(local) = &term.context else { return Ok(None) };
        let how = How { override_protected: over, propagate, validate_scoped: true };
        self.processor.take(active, local, term.base.as_deref(), &mut Trail::default(), how).map(Some)
    }

    fn element(
        &self,
        active: &Context,
        property: Option<&str>,
        element: &Value,
        depth: usize,
    ) -> Result<Value, Error> {
        if depth > self.processor.limits().depth {
            return Err(Error::TooDeep(self.processor.limits().depth));
        }
        match element {
            Value::Array(all) => {
                let mut out = Vec::new();
                for item in all {
                    let one = self.element(active, property, item, depth + 1)?;
                    if !one.is_null() {
                        out.push(one);
                    }
                }
                let c = property.and_then(|p| active.term(p)).map(|t| t.container).unwrap_or_default();
                let keep = matches!(property, Some("@graph" | "@set"))
                    || c.has(Container::LIST)
                    || c.has(Container::SET);
                Ok(if out.len() == 1 && !keep { out.remove(0) } else { Value::Array(out) })
            }
            Value::Object(o) => self.object(active, property, o, depth),
            scalar => Ok(scalar.clone()),
        }
    }

    fn object(
        &self,
        active: &Context,
        property: Option<&str>,
        element: &Node,
        depth: usize,
    ) -> Result<Value, Error> {
        let scope_term = property.and_then(|p| active.term(p)).cloned();
        let mut active = active.clone();
        if let Some(previous) = active.previous.clone()
            && !element.contains_key("@value")
            && !(element.len() == 1 && element.contains_key("@id"))
        {
            active = Context::clone(&previous);
        }
        if let Some(t) = &scope_term
            && let Some(c) = self.scoped(&active, t, true, true)?
        {
            active = c;
        }
        if element.contains_key("@value") || element.contains_key("@id") {
            let v = self.value(&active, property, element);
            if !v.is_object() || scope_term.as_ref().is_some_and(|t| t.kind.as_deref() == Some("@json")) {
                return Ok(v);
            }
        }
        if let Some(list) = element.get("@list")
            && scope_term.as_ref().is_some_and(|t| t.container.has(Container::LIST))
        {
            let mut out = self.element(&active, property, list, depth + 1)?;
            if !out.is_array() {
                out = Value::Array(vec![out]);
            }
            return Ok(out);
        }
        let type_scope = active.clone();
        if let Some(types) = element.get("@type") {
            let mut names: Vec<String> = items(types)
                .iter()
                .filter_map(Value::as_str)
                .map(|t| self.iri(&type_scope, t, None, true, false))
                .collect();
            names.sort_unstable();
            for n in names {
                if let Some(t) = type_scope.term(&n)
                    && let Some(c) = self.scoped(&active, t, false, false)?
                {
                    active = c;
                }
            }
        }
        let mut result = Map::new();
        let inside_reverse = property == Some("@reverse");
        for (name, value) in element {
            match name.as_str() {
                "@id" => {
                    let id = value
                        .as_str()
                        .map_or(Value::Null, |v| Value::String(self.iri(&active, v, None, false, false)));
                    result.insert(self.name(&active, "@id"), id);
                }
                "@type" => {
                    let names: Vec<Value> = items(value)
                        .iter()
                        .filter_map(Value::as_str)
                        .map(|t| Value::String(self.iri(&type_scope, t, None, true, false)))
                        .collect();
                    let alias = self.name(&active, "@type");
                    let keep = active.term(&alias).is_some_and(|t| t.container.has(Container::SET));
                    for n in names {
                        add(&mut result, &alias, n, keep);
                    }
                }
                "@reverse" => self.reverse(&active, value, &mut result, depth)?,
                "@index"
                    if property
                        .and_then(|p| active.term(p))
                        .is_some_and(|t| t.container.has(Container::INDEX)) => {}
                "@direction" | "@index" | "@language" | "@value" => {
                    result.insert(self.name(&active, name), value.clone());
                }
                _ => self.property(&active, name, value, &mut result, inside_reverse, depth)?,
            }
        }
        Ok(Value::Object(result))
    }

    fn reverse(&self, active: &Context, value: &Value, result: &mut Node, depth: usize) -> Result<(), Error> {
        let Value::Object(mut made) = self.element(active, Some("@reverse"), value, depth + 1)? else {
            return Ok(());
        };
        let back: Vec<String> =
            made.keys().filter(|k| active.term(k).is_some_and(|t| t.reverse)).cloned().collect();
        for k in back {
            let keep = active.term(&k).is_some_and(|t| t.container.has(Container::SET));
            if let Some(v) = made.remove(&k) {
                add(result, &k, v, keep);
            }
        }
        if !made.is_empty() {
            result.insert(self.name(active, "@reverse"), Value::Object(made));
        }
        Ok(())
    }

    fn property(
        &self,
        active: &Context,
        name: &str,
        value: &Value,
        result: &mut Node,
        inside_reverse: bool,
        depth: usize,
    ) -> Result<(), Error> {
        let list = items(value);
        if list.is_empty() {
            let key = self.iri(active, name, Some(&Value::Array(Vec::new())), true, inside_reverse);
            let target = nest(active, &key, result)?;
            add(target, &key, Value::Array(Vec::new()), true);
            return Ok(());
        }
        for item in list {
            let key = self.iri(active, name, Some(item), true, inside_reverse);
            let c = active.term(&key).map(|t| t.container).unwrap_or_default();
            let mut as_array = c.has(Container::SET) || key == "@graph" || key == "@list";
            let inner = match item {
                Value::Object(o) if o.contains_key("@list") => o.get("@list").unwrap_or(item),
                Value::Object(o) if is_graph(item) => o.get("@graph").unwrap_or(item),
                other => other,
            };
            let mut made = self.element(active, Some(&key), inner, depth + 1)?;
            if has(item, "@list") {
                made = Value::Array(if made.is_array() { into_list(made) } else { vec![made] });
                if c.has(Container::LIST) {
                    nest(active, &key, result)?.insert(key, made);
                    continue;
                }
                let mut object = Map::from_iter([(self.name(active, "@list"), made)]);
                if let Some(i) = item.get("@index") {
                    object.insert(self.name(active, "@index"), i.clone());
                }
                made = Value::Object(object);
            }
            if is_graph(item) {
                made = match self.graph(active, &key, c, item, made, result, as_array)? {
                    Some(v) => v,
                    None => continue,
                };
            } else if c.has(Container::LANGUAGE)
                || c.has(Container::INDEX)
                || c.has(Container::ID)
                || c.has(Container::TYPE)
            {
                self.put_in_map(active, &key, c, item, made, result, as_array, depth)?;
                continue;
            }
            as_array |= made.as_array().is_some_and(Vec::is_empty);
            add(nest(active, &key, result)?, &key, made, as_array);
        }
        Ok(())
    }

    fn graph(
        &self,
        active: &Context,
        key: &str,
        c: Container,
        item: &Value,
        made: Value,
        result: &mut Node,
        as_array: bool,
    ) -> Result<Option<Value>, Error> {
        let by_id = c.has(Container::GRAPH.with(Container::ID));
        let by_index = c.has(Container::GRAPH.with(Container::INDEX)) && is_simple_graph(item);
        if by_id || by_index {
            let map_key = if by_id {
                item.get("@id").and_then(Value::as_str).map(|i| self.iri(active, i, None, false, false))
            } else {
                item.get("@index").and_then(Value::as_str).map(ToOwned::to_owned)
            };
            let map_key = map_key.unwrap_or_else(|| self.name(active, "@none"));
            let target = nest(active, key, result)?;
            if let Value::Object(map) = target.entry(key).or_insert_with(|| Value::Object(Map::new())) {
                add(map, &map_key, made, as_array);
            }
            return Ok(None);
        }
        if c.has(Container::GRAPH) && is_simple_graph(item) {
            return Ok(Some(match made {
                Value::Array(a) if a.len() > 1 => {
                    Value::Object(Map::from_iter([(self.name(active, "@included"), Value::Array(a))]))
                }
                other => other,
            }));
        }
        let mut object = Map::from_iter([(self.name(active, "@graph"), made)]);
        if let Some(i) = item.get("@id").and_then(Value::as_str) {
            object.insert(self.name(active, "@id"), Value::String(self.iri(active, i, None, false, false)));
        }
        if let Some(i) = item.get("@index") {
            object.insert(self.name(active, "@index"), i.clone());
        }
        Ok(Some(Value::Object(object)))
    }

    fn put_in_map(
        &self,
        active: &Context,
        key: &str,
        c: Container,
        item: &Value,
        mut made: Value,
        result: &mut Node,
        as_array: bool,
        depth: usize,
    ) -> Result<(), Error> {
        let text = |k: &str| item.get(k).and_then(Value::as_str).map(ToOwned::to_owned);
        let map_key = if c.has(Container::LANGUAGE) {
            let language = text("@language");
            if let Some(v) = item.get("@value") {
                made = v.clone();
            }
            language
        } else if c.has(Container::INDEX) {
            let property = active.term(key).and_then(|t| t.index.clone());
            match property {
                None => text("@index"),
                Some(p) => {
                    let full = active.expand_iri(&p, false, true).unwrap_or_default();
                    let name = self.iri(active, &full, None, true, false);
                    let mut first = None;
                    if let Value::Object(o) = &mut made
                        && let Some(v) = o.remove(&name)
                    {
                        let mut all = into_list(v);
                        if !all.is_empty() && all[0].is_string() {
                            first = all.remove(0).as_str().map(ToOwned::to_owned);
                        }
                        for v in all {
                            add(o, &name, v, false);
                        }
                    }
                    first
                }
            }
        } else if c.has(Container::ID) {
            let id = self.name(active, "@id");
            made.as_object_mut().and_then(|o| o.remove(&id)).and_then(|v| v.as_str().map(ToOwned::to_owned))
        } else {
            let alias = self.name(active, "@type");
            let mut first = None;
            if let Value::Object(o) = &mut made {
                let mut all = o.remove(&alias).map(into_list).unwrap_or_default();
                if !all.is_empty() {
                    first = all.remove(0).as_str().map(ToOwned::to_owned);
                }
                for v in all {
                    add(o, &alias, v, false);
                }
                let id = self.name(active, "@id");
                if o.len() == 1 && o.contains_key(&id) {
                    let only = Value::Object(Map::from_iter([("@id".to_owned(), item["@id"].clone())]));
                    made = self.element(active, Some(key), &only, depth + 1)?;
                }
            }
            first
        };
        let map_key = map_key.unwrap_or_else(|| self.name(active, "@none"));
        let target = nest(active, key, result)?;
        if let Value::Object(map) = target.entry(key).or_insert_with(|| Value::Object(Map::new())) {
            add(map, &map_key, made, as_array);
        }
        Ok(())
    }

    /// IRI compaction (§6.2).
    fn iri(&self, active: &Context, var: &str, value: Option<&Value>, vocab: bool, reverse: bool) -> String {
        if vocab && active.inverse().knows(var) {
            let s = Sought::of(self, active, value, reverse);
            if let Some(t) = active.inverse().select(var, &s.containers, s.by_type, &s.preferred) {
                return t.to_owned();
            }
        }
        if iri::is_keyword(var) {
            return var.to_owned();
        }
        if vocab
            && let Some(suffix) = active.vocab.as_deref().and_then(|v| var.strip_prefix(v))
            && !suffix.is_empty()
            && active.term(suffix).is_none()
        {
            return suffix.to_owned();
        }
        if let Some(found) = active.compact_by_prefix(var, value.is_none()) {
            return found;
        }
        if vocab { var.to_owned() } else { iri::relative(active.base.as_deref(), var) }
    }

    /// Value compaction (§6.3).
    fn value(&self, active: &Context, property: Option<&str>, value: &Node) -> Value {
        let term = property.and_then(|p| active.term(p));
        let kind = term.and_then(|t| t.kind.as_deref());
        let indexed = value.contains_key("@index") && term.is_some_and(|t| t.container.has(Container::INDEX));
        let alone = value.len() == 1 || (value.len() == 2 && indexed);
        if let Some(id) = value.get("@id").and_then(Value::as_str) {
            return match kind {
                Some("@id") if alone => Value::String(self.iri(active, id, None, false, false)),
                Some("@vocab") if alone => Value::String(self.iri(active, id, None, true, false)),
                _ => Value::Object(value.clone()),
            };
        }
        let Some(inner) = value.get("@value") else { return Value::Object(value.clone()) };
        let own_type = value.get("@type").and_then(Value::as_str);
        let rest_is_index = value.keys().all(|k| {
            matches!(k.as_str(), "@value" | "@type" | "@language" | "@direction")
                || (k == "@index" && indexed)
        });
        if own_type.is_some() && own_type == kind && rest_is_index {
            return inner.clone();
        }
        let no_type = kind == Some("@none") || own_type.is_some();
        if !no_type && rest_is_index {
            if !inner.is_string() {
                return inner.clone();
            }
            let language = term.and_then(|t| t.language.clone()).unwrap_or_else(|| active.language.clone());
            let direction =
                term.and_then(|t| t.direction.clone()).unwrap_or_else(|| active.direction.clone());
            let own_language = value.get("@language").and_then(Value::as_str).map(str::to_ascii_lowercase);
            let own_direction = value.get("@direction").and_then(Value::as_str).map(ToOwned::to_owned);
            if kind.is_none_or(|k| k == "@id" || k == "@vocab")
                && own_language == language.map(|l| l.to_ascii_lowercase())
                && own_direction == direction
            {
                return inner.clone();
            }
        }
        let mut out = Map::new();
        for (k, v) in value {
            if k == "@index" && indexed {
                continue;
            }
            let v = match (k.as_str(), v.as_str()) {
                ("@type", Some(t)) => Value::String(self.iri(active, t, None, true, false)),
                _ => v.clone(),
            };
            out.insert(self.name(active, k), v);
        }
        Value::Object(out)
    }
}

/// Where the entry goes: the object itself or the one it is nested in.
fn nest<'r>(active: &Context, key: &str, result: &'r mut Node) -> Result<&'r mut Node, Error> {
    let Some(n) = active.term(key).and_then(|t| t.nest.clone()) else { return Ok(result) };
    if n != "@nest" && active.expand_iri(&n, false, true).as_deref() != Some("@nest") {
        return Err(Error::invalid("invalid @nest value", n));
    }
    match result.entry(n).or_insert_with(|| Value::Object(Map::new())) {
        Value::Object(o) => Ok(o),
        other => Err(Error::invalid("invalid @nest value", other.to_string())),
    }
}

/// What kind of term a value asks for (§6.2, step 4).
struct Sought {
    containers: Vec<String>,
    by_type: bool,
    preferred: Vec<String>,
}

impl Sought {
    fn of(c: &Compacting<'_, '_>, active: &Context, value: Option<&Value>, reverse: bool) -> Sought {
        let mut containers: Vec<&str> = Vec::new();
        let mut by_type = false;
        let mut sought = "@null".to_owned();
        let indexed = value.is_some_and(|v| has(v, "@index"));
        if indexed && !value.is_some_and(is_graph) {
            containers.extend(["@index", "@index@set"]);
        }
        match value {
            _ if reverse => {
                by_type = true;
                "@reverse".clone_into(&mut sought);
                containers.push("@set");
            }
            Some(v) if has(v, "@list") => {
                if !indexed {
                    containers.push("@list");
                }
                let (t, s) = common(active, items(&v["@list"]));
                by_type = t;
                sought = s;
            }
            Some(v) if is_graph(v) => {
                if indexed {
                    containers.extend(["@graph@index", "@graph@index@set"]);
                }
                if has(v, "@id") {
                    containers.extend(["@graph@id", "@graph@id@set"]);
                }
                containers.extend(["@graph", "@graph@set", "@set"]);
                if !indexed {
                    containers.extend(["@graph@index", "@graph@index@set"]);
                }
                if !has(v, "@id") {
                    containers.extend(["@graph@id", "@graph@id@set"]);
                }
                containers.extend(["@index", "@index@set"]);
                by_type = true;
                "@id".clone_into(&mut sought);
            }
            Some(v) => {
                if has(v, "@value") {
                    let text = |k: &str| v.get(k).and_then(Value::as_str);
                    match (text("@language"), text("@direction"), text("@type")) {
                        (l, Some(d), _) if !indexed => {
                            sought = lang_dir(l, Some(d));
                            containers.extend(["@language", "@language@set"]);
                        }
                        (Some(l), None, _) if !indexed => {
                            sought = l.to_ascii_lowercase();
                            containers.extend(["@language", "@language@set"]);
                        }
                        (_, _, Some(t)) => {
                            by_type = true;
                            t.clone_into(&mut sought);
                        }
                        _ => {}
                    }
                } else {
                    by_type = true;
                    "@id".clone_into(&mut sought);
                    containers.extend(["@id", "@id@set", "@type", "@set@type"]);
                }
                containers.push("@set");
            }
            None => {}
        }
        containers.push("@none");
        if !indexed {
            containers.extend(["@index", "@index@set"]);
        }
        if value.is_some_and(|v| v.as_object().is_some_and(|o| o.len() == 1 && o.contains_key("@value"))) {
            containers.extend(["@language", "@language@set"]);
        }
        let mut preferred = Vec::new();
        if sought == "@reverse" {
            preferred.push("@reverse".to_owned());
        }
        let node_id = value.and_then(|v| v.get("@id")).and_then(Value::as_str);
        match node_id {
            Some(id) if sought == "@id" || sought == "@reverse" => {
                let name = c.iri(active, id, None, true, false);
                let by_vocab = active.term(&name).is_some_and(|t| t.iri.as_deref() == Some(id));
                let order = if by_vocab { ["@vocab", "@id", "@none"] } else { ["@id", "@vocab", "@none"] };
                preferred.extend(order.map(ToOwned::to_owned));
            }
            _ => {
                preferred.extend([sought, "@none".to_owned()]);
                if value.is_some_and(|v| v.get("@list").is_some_and(|l| items(l).is_empty())) {
                    by_type = true;
                }
            }
        }
        preferred.push("@any".to_owned());
        let tails: Vec<String> = preferred
            .iter()
            .filter_map(|p| {
                p.split_once('_').filter(|(_, d)| matches!(*d, "ltr" | "rtl")).map(|(_, d)| format!("_{d}"))
            })
            .collect();
        preferred.extend(tails);
        Sought { containers: containers.into_iter().map(ToOwned::to_owned).collect(), by_type, preferred }
    }
}

/// What all values of a list have in common (§6.2, step 4.7).
fn common(active: &Context, list: &[Value]) -> (bool, String) {
    let mut kind: Option<String> = None;
    let mut language: Option<String> = if list.is_empty() {
        Some(lang_dir(active.language.as_deref(), active.direction.as_deref()))
    } else {
        None
    };
    for v in list {
        let text = |k: &str| v.get(k).and_then(Value::as_str);
        let (l, t) = if has(v, "@value") {
            match (text("@direction"), text("@language"), text("@type")) {
                (Some(d), l, _) => (lang_dir(l, Some(d)), "@none".to_owned()),
                (None, Some(l), _) => (l.to_ascii_lowercase(), "@none".to_owned()),
                (None, None, Some(t)) => ("@none".to_owned(), t.to_owned()),
                _ => ("@null".to_owned(), "@none".to_owned()),
            }
        } else {
            ("@none".to_owned(), "@id".to_owned())
        };
        match &language {
            None => language = Some(l),
            Some(old) if *old != l && has(v, "@value") => language = Some("@none".to_owned()),
            Some(_) => {}
        }
        match &kind {
            None => kind = Some(t),
            Some(old) if *old != t => kind = Some("@none".to_owned()),
            Some(_) => {}
        }
    }
    let (language, kind) =
        (language.unwrap_or_else(|| "@none".to_owned()), kind.unwrap_or_else(|| "@none".to_owned()));
    if kind == "@none" { (false, language) } else { (true, kind) }
}
