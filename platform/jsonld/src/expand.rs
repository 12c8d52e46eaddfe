//! Expansion (JSON-LD 1.1 API §5.1).

use serde_json::{Map, Value};

use crate::context::{How, Trail};
use crate::value::{add, has, into_list, is_graph, items};
use crate::{Container, Context, Error, Processor, Term, iri};

/// The document with every name as an IRI and every value in full.
///
/// # Errors
/// [`Error::Missing`] for a remote context that is not at hand, [`Error::TooDeep`], the standard's errors otherwise.
pub fn expand(processor: &Processor<'_>, context: &Context, document: &Value) -> Result<Value, Error> {
    let e = Expanding { processor };
    let mut out = e.element(context, None, document, 0, false)?;
    if let Value::Object(o) = &mut out
        && o.len() == 1
        && o.contains_key("@graph")
    {
        out = o.remove("@graph").unwrap_or_default();
    }
    Ok(Value::Array(into_list(out)))
}

struct Expanding<'p, 'd> {
    processor: &'p Processor<'d>,
}

type Node = Map<String, Value>;

impl Expanding<'_, '_> {
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
        from_map: bool,
    ) -> Result<Value, Error> {
        if depth > self.processor.limits().depth {
            return Err(Error::TooDeep(self.processor.limits().depth));
        }
        let term = property.and_then(|p| active.term(p));
        match element {
            Value::Null => Ok(Value::Null),
            Value::Array(all) => {
                let list = term.is_some_and(|t| t.container.has(Container::LIST));
                let mut out = Vec::with_capacity(all.len());
                for item in all {
                    let mut one = self.element(active, property, item, depth + 1, from_map)?;
                    if list && one.is_array() {
                        one = Value::Object(Map::from_iter([("@list".to_owned(), one)]));
                    }
                    match one {
                        Value::Array(more) => out.extend(more),
                        Value::Null => {}
                        other => out.push(other),
                    }
                }
                Ok(Value::Array(out))
            }
            Value::Object(o) => self.object(active, property, o, depth, from_map),
            scalar => {
                if property.is_none() || property == Some("@graph") {
                    return Ok(Value::Null);
                }
                let scoped = term.map(|t| self.scoped(active, t, true, true)).transpose()?.flatten();
                Ok(literal(scoped.as_ref().unwrap_or(active), property, scalar))
            }
        }
    }

    fn object(
        &self,
        active: &Context,
        property: Option<&str>,
        element: &Node,
        depth: usize,
        from_map: bool,
    ) -> Result<Value, Error> {
        let scope_term = property.and_then(|p| active.term(p)).cloned();
        let mut held;
        let mut active = active;
        if let Some(previous) = &active.previous
            && !from_map
            && !element.keys().any(|k| active.expand_iri(k, false, true).as_deref() == Some("@value"))
            && !(element.len() == 1
                && element.keys().any(|k| active.expand_iri(k, false, true).as_deref() == Some("@id")))
        {
            active = previous;
        }
        if let Some(t) = &scope_term
            && let Some(c) = self.scoped(active, t, true, true)?
        {
            held = c;
            active = &held;
        }
        if let Some(local) = element.get("@context") {
            held = self.processor.process(active, local, active.base.as_deref())?;
            active = &held;
        }
        let type_scope = active.clone();
        let mut current = active.clone();
        let mut input_type = None;
        for (key, value) in element {
            if current.expand_iri(key, false, true).as_deref() != Some("@type") {
                continue;
            }
            let mut names: Vec<&str> = items(value).iter().filter_map(Value::as_str).collect();
            input_type = names.last().and_then(|n| type_scope.expand_iri(n, true, true));
            names.sort_unstable();
            for name in names {
                if let Some(t) = type_scope.term(name)
                    && let Some(c) = self.scoped(&current, t, false, false)?
                {
                    current = c;
                }
            }
        }
        let mut result = Map::new();
        let frame = Frame { active: &current, type_scope: &type_scope, property, input_type, depth };
        self.entries(&frame, element, &mut result)?;
        finish(result, property)
    }

    fn entries(&self, f: &Frame<'_>, element: &Node, result: &mut Node) -> Result<(), Error> {
        let mut nests = Vec::new();
        for (key, value) in element {
            if key == "@context" {
                continue;
            }
            let Some(name) = f.active.expand_iri(key, false, true) else { continue };
            if iri::is_keyword(&name) {
                if name == "@nest" {
                    nests.push(key);
                } else {
                    self.keyword(f, &name, value, result)?;
                }
                continue;
            }
            if !name.contains(':') {
                continue;
            }
            self.property(f, key, &name, value, result)?;
        }
        for key in nests {
            let scoped =
                f.active.term(key).map(|t| self.scoped(f.active, t, true, true)).transpose()?.flatten();
            for nested in element.get(key).map(items).unwrap_or_default() {
                let Value::Object(o) = nested else {
                    return Err(Error::invalid("invalid @nest value", nested.to_string()));
                };
                if o.keys().any(|k| f.active.expand_iri(k, false, true).as_deref() == Some("@value")) {
                    return Err(Error::invalid("invalid @nest value", key));
                }
                let active = scoped.as_ref().unwrap_or(f.active);
                let deeper = Frame { active, depth: f.depth + 1, input_type: f.input_type.clone(), ..*f };
                if deeper.depth > self.processor.limits().depth {
                    return Err(Error::TooDeep(self.processor.limits().depth));
                }
                self.entries(&deeper, o, result)?;
            }
        }
        Ok(())
    }

    fn keyword(&self, f: &Frame<'_>, name: &str, value: &Value, result: &mut Node) -> Result<(), Error> {
        if f.property == Some("@reverse") {
            return Err(Error::invalid("invalid reverse property map", name));
        }
        if result.contains_key(name) && !matches!(name, "@included" | "@type") {
            return Err(Error::invalid("colliding keywords", name));
        }
        let wrong = |code| Error::invalid(code, value.to_string());
        let put = |result: &mut Node, v| {
            result.insert(name.to_owned(), v);
        };
        match name {
            "@id" => {
                let id = value.as_str().ok_or_else(|| wrong("invalid @id value"))?;
                put(result, f.active.expand_iri(id, true, false).map_or(Value::Null, Value::String));
            }
            "@type" => {
                let mut types = Vec::new();
                for t in items(value) {
                    let t = t.as_str().ok_or_else(|| wrong("invalid type value"))?;
                    types.extend(f.type_scope.expand_iri(t, true, true).map(Value::String));
                }
                match result.get_mut("@type") {
                    Some(Value::Array(old)) => old.extend(types),
                    Some(old) => {
                        let first = old.take();
                        types.insert(0, first);
                        *old = Value::Array(types);
                    }
                    None if value.is_array() => put(result, Value::Array(types)),
                    None => put(result, types.pop().unwrap_or_default()),
                }
            }
            "@graph" => {
                let v = self.element(f.active, Some("@graph"), value, f.depth + 1, false)?;
                put(result, Value::Array(into_list(v)));
            }
            "@included" => {
                if items(value).iter().any(|n| !n.is_object() || has(n, "@value") || has(n, "@list")) {
                    return Err(wrong("invalid @included value"));
                }
                let v = into_list(self.element(f.active, None, value, f.depth + 1, false)?);
                if v.iter().any(|n| !n.is_object() || has(n, "@value") || has(n, "@list") || has(n, "@set")) {
                    return Err(wrong("invalid @included value"));
                }
                add(result, "@included", Value::Array(v), true);
            }
            "@value" => {
                let json = f.input_type.as_deref() == Some("@json");
                if !json && (value.is_array() || value.is_object()) {
                    return Err(wrong("invalid value object value"));
                }
                put(result, value.clone());
            }
            "@language" => {
                let l = value.as_str().ok_or_else(|| wrong("invalid language-tagged string"))?;
                put(result, Value::String(l.to_ascii_lowercase()));
            }
            "@direction" => {
                if value != "ltr" && value != "rtl" {
                    return Err(wrong("invalid base direction"));
                }
                put(result, value.clone());
            }
            "@index" => {
                if !value.is_string() {
                    return Err(wrong("invalid @index value"));
                }
                put(result, value.clone());
            }
            "@list" => {
                if f.property.is_none_or(|p| p == "@graph") {
                    return Ok(());
                }
                let v = self.element(f.active, f.property, value, f.depth + 1, false)?;
                put(result, Value::Array(into_list(v)));
            }
            "@set" => {
                let v = self.element(f.active, f.property, value, f.depth + 1, false)?;
                put(result, v);
            }
            "@reverse" => self.reverse(f, value, result)?,
            _ => {}
        }
        Ok(())
    }

    fn reverse(&self, f: &Frame<'_>, value: &Value, result: &mut Node) -> Result<(), Error> {
        if !value.is_object() {
            return Err(Error::invalid("invalid @reverse value", value.to_string()));
        }
        let Value::Object(mut made) = self.element(f.active, Some("@reverse"), value, f.depth + 1, false)?
        else {
            return Ok(());
        };
        if let Some(Value::Object(back)) = made.remove("@reverse") {
            for (k, v) in back {
                add(result, &k, v, true);
            }
        }
        if made.is_empty() {
            return Ok(());
        }
        let Value::Object(map) = result.entry("@reverse").or_insert_with(|| Value::Object(Map::new())) else {
            return Ok(());
        };
        for (k, v) in made {
            for item in into_list(v) {
                if has(&item, "@value") || has(&item, "@list") {
                    return Err(Error::invalid("invalid reverse property value", &k));
                }
                add(map, &k, item, true);
            }
        }
        Ok(())
    }

    fn property(
        &self,
        f: &Frame<'_>,
        key: &str,
        name: &str,
        value: &Value,
        result: &mut Node,
    ) -> Result<(), Error> {
        let term = f.active.term(key).cloned().unwrap_or_default();
        let c = term.container;
        let mut expanded = match value {
            _ if term.kind.as_deref() == Some("@json") => Value::Object(Map::from_iter([
                ("@value".to_owned(), value.clone()),
                ("@type".to_owned(), Value::from("@json")),
            ])),
            Value::Object(map) if c.has(Container::LANGUAGE) => language_map(f.active, &term, map)?,
            Value::Object(map)
                if c.has(Container::INDEX) || c.has(Container::TYPE) || c.has(Container::ID) =>
            {
                self.index_map(f, key, &term, map)?
            }
            v => self.element(f.active, Some(key), v, f.depth + 1, false)?,
        };
        if expanded.is_null() {
            return Ok(());
        }
        if c.has(Container::LIST) && !has(&expanded, "@list") {
            expanded =
                Value::Object(Map::from_iter([("@list".to_owned(), Value::Array(into_list(expanded)))]));
        }
        if c.has(Container::GRAPH) && !c.has(Container::ID) && !c.has(Container::INDEX) {
            let each = into_list(expanded).into_iter().map(|v| {
                let inner = Value::Array(into_list(v));
                Value::Object(Map::from_iter([("@graph".to_owned(), inner)]))
            });
            expanded = Value::Array(each.collect());
        }
        if !term.reverse {
            add(result, name, expanded, true);
            return Ok(());
        }
        let Value::Object(map) = result.entry("@reverse").or_insert_with(|| Value::Object(Map::new())) else {
            return Ok(());
        };
        for item in into_list(expanded) {
            if has(&item, "@value") || has(&item, "@list") {
                return Err(Error::invalid("invalid reverse property value", key));
            }
            add(map, name, item, true);
        }
        Ok(())
    }

    fn index_map(&self, f: &Frame<'_>, key: &str, term: &Term, map: &Node) -> Result<Value, Error> {
        let c = term.container;
        let index_key = term.index.as_deref().unwrap_or("@index");
        let mut out = Vec::new();
        for (index, value) in map {
            let base = match &f.active.previous {
                Some(p) if c.has(Container::ID) || c.has(Container::TYPE) => p.as_ref(),
                _ => f.active,
            };
            let scoped = if c.has(Container::TYPE) {
                base.term(index).map(|t| self.scoped(base, t, false, false)).transpose()?.flatten()
            } else {
                None
            };
            let context = scoped.as_ref().unwrap_or(if c.has(Container::TYPE) { base } else { f.active });
            let none = f.active.expand_iri(index, false, true).as_deref() == Some("@none");
            let list = Value::Array(items(value).to_vec());
            for mut item in into_list(self.element(context, Some(key), &list, f.depth + 1, true)?) {
                if c.has(Container::GRAPH) && !is_graph(&item) {
                    item = Value::Object(Map::from_iter([("@graph".to_owned(), Value::Array(vec![item]))]));
                }
                let Value::Object(o) = &mut item else { continue };
                if c.has(Container::INDEX) && index_key != "@index" && !none {
                    let as_value = literal(f.active, Some(index_key), &Value::String(index.clone()));
                    let property = f.active.expand_iri(index_key, false, true).unwrap_or_default();
                    let mut all = vec![as_value];
                    all.extend(o.remove(&property).map(into_list).unwrap_or_default());
                    if o.contains_key("@value") {
                        return Err(Error::invalid("invalid value object", key));
                    }
                    o.insert(property, Value::Array(all));
                } else if c.has(Container::INDEX) && !none {
                    o.entry("@index").or_insert_with(|| Value::String(index.clone()));
                } else if c.has(Container::ID) && !none && !o.contains_key("@id") {
                    let id = f.active.expand_iri(index, true, false).unwrap_or_default();
                    o.insert("@id".to_owned(), Value::String(id));
                } else if c.has(Container::TYPE) && !none {
                    let kind = f.active.expand_iri(index, true, true).unwrap_or_default();
                    let mut all = vec![Value::String(kind)];
                    all.extend(o.remove("@type").map(into_list).unwrap_or_default());
                    o.insert("@type".to_owned(), Value::Array(all));
                }
                out.push(item);
            }
        }
        Ok(Value::Array(out))
    }
}

struct Frame<'a> {
    active: &'a Context,
    type_scope: &'a Context,
    property: Option<&'a str>,
    input_type: Option<String>,
    depth: usize,
}

fn language_map(active: &Context, term: &Term, map: &Node) -> Result<Value, Error> {
    let direction = match &term.direction {
        Some(d) => d.clone(),
        None => active.direction.clone(),
    };
    let mut out = Vec::new();
    for (language, value) in map {
        for item in items(value) {
            match item {
                Value::Null => continue,
                Value::String(_) => {}
                other => return Err(Error::invalid("invalid language map value", other.to_string())),
            }
            let mut v = Map::from_iter([("@value".to_owned(), item.clone())]);
            if active.expand_iri(language, false, true).as_deref() != Some("@none") {
                v.insert("@language".to_owned(), Value::String(language.to_ascii_lowercase()));
            }
            if let Some(d) = &direction {
                v.insert("@direction".to_owned(), Value::String(d.clone()));
            }
            out.push(Value::Object(v));
        }
    }
    Ok(Value::Array(out))
}

/// Value expansion (§5.3).
fn literal(active: &Context, property: Option<&str>, value: &Value) -> Value {
    let term = property.and_then(|p| active.term(p));
    let kind = term.and_then(|t| t.kind.as_deref());
    if let (Some(k @ ("@id" | "@vocab")), Value::String(s)) = (kind, value) {
        let id = active.expand_iri(s, true, k == "@vocab").map_or(Value::Null, Value::String);
        return Value::Object(Map::from_iter([("@id".to_owned(), id)]));
    }
    let mut out = Map::from_iter([("@value".to_owned(), value.clone())]);
    match kind {
        Some(k) if !matches!(k, "@id" | "@vocab" | "@none") => {
            out.insert("@type".to_owned(), Value::from(k));
        }
        _ if value.is_string() => {
            let language = term.and_then(|t| t.language.clone()).unwrap_or_else(|| active.language.clone());
            let direction =
                term.and_then(|t| t.direction.clone()).unwrap_or_else(|| active.direction.clone());
            out.extend(language.map(|l| ("@language".to_owned(), Value::String(l))));
            out.extend(direction.map(|d| ("@direction".to_owned(), Value::String(d))));
        }
        _ => {}
    }
    Value::Object(out)
}

/// Steps 15 to 19 of §5.1.2: what a finished object is.
fn finish(mut result: Node, property: Option<&str>) -> Result<Value, Error> {
    if let Some(v) = result.get("@value") {
        let fine = result
            .keys()
            .all(|k| matches!(k.as_str(), "@value" | "@type" | "@language" | "@direction" | "@index"));
        if !fine
            || (result.contains_key("@type")
                && (result.contains_key("@language") || result.contains_key("@direction")))
        {
            return Err(Error::invalid("invalid value object", v.to_string()));
        }
        let kind = result.get("@type");
        if kind.is_some_and(|t| t == "@json") {
            return Ok(Value::Object(result));
        }
        if v.is_null() {
            return Ok(Value::Null);
        }
        if !v.is_string() && result.contains_key("@language") {
            return Err(Error::invalid("invalid language-tagged value", v.to_string()));
        }
        if let Some(t) = kind
            && !t.as_str().is_some_and(iri::is_absolute)
        {
            return Err(Error::invalid("invalid typed value", t.to_string()));
        }
    } else if let Some(t) = result.get_mut("@type") {
        if !t.is_array() {
            let one = t.take();
            *t = Value::Array(vec![one]);
        }
    } else if result.contains_key("@set") || result.contains_key("@list") {
        if result.keys().any(|k| !matches!(k.as_str(), "@set" | "@list" | "@index")) {
            return Err(Error::invalid("invalid set or list object", property.unwrap_or_default()));
        }
        if let Some(set) = result.remove("@set") {
            return Ok(set);
        }
    }
    if result.len() == 1 && result.contains_key("@language") {
        return Ok(Value::Null);
    }
    if property.is_none_or(|p| p == "@graph") {
        let lone_id = result.len() == 1 && result.contains_key("@id");
        if result.is_empty() || result.contains_key("@value") || result.contains_key("@list") || lone_id {
            return Ok(Value::Null);
        }
    }
    Ok(Value::Object(result))
}
