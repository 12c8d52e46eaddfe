//! What a term means, and how its definition is read (JSON-LD 1.1 API §4.2).

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::context::{How, Processor, Trail, split};
use crate::{Context, Error, iri};

/// How the values of a term are held: a set of `@list`, `@set`, `@language`, `@index`, `@id`, `@type`, `@graph`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Container(u8);

impl Container {
    /// An ordered list.
    pub const LIST: Container = Container(1);
    /// Always an array.
    pub const SET: Container = Container(2);
    /// A map by language.
    pub const LANGUAGE: Container = Container(4);
    /// A map by index.
    pub const INDEX: Container = Container(8);
    /// A map by id.
    pub const ID: Container = Container(16);
    /// A map by type.
    pub const TYPE: Container = Container(32);
    /// A graph of its own.
    pub const GRAPH: Container = Container(64);
    const NAMES: [(&'static str, Container); 7] = [
        ("@graph", Self::GRAPH),
        ("@id", Self::ID),
        ("@index", Self::INDEX),
        ("@language", Self::LANGUAGE),
        ("@list", Self::LIST),
        ("@set", Self::SET),
        ("@type", Self::TYPE),
    ];

    /// Whether all of `other` is in it.
    pub const fn has(self, other: Container) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is in it.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Container) -> Self {
        Container(self.0 | other.0)
    }

    /// The names in order, as the inverse context writes them.
    pub(crate) fn key(self) -> String {
        if self.is_none() {
            return "@none".to_owned();
        }
        Self::NAMES.iter().filter(|(_, c)| self.has(*c)).map(|(n, _)| *n).collect()
    }

    fn read(value: &Value) -> Result<Self, Error> {
        let wrong = || Error::invalid("invalid container mapping", value.to_string());
        let names: Vec<&str> = match value {
            Value::String(s) => vec![s],
            Value::Array(a) => a.iter().map(|v| v.as_str().ok_or_else(wrong)).collect::<Result<_, _>>()?,
            _ => return Err(wrong()),
        };
        let mut all = Container::default();
        for n in names {
            let (_, one) = Self::NAMES.iter().find(|(name, _)| *name == n).ok_or_else(wrong)?;
            all = all.with(*one);
        }
        let main = Container(all.0 & !Self::SET.0);
        let fine =
            matches!(main, Container(0) | Self::LANGUAGE | Self::INDEX | Self::ID | Self::TYPE | Self::GRAPH)
                || all == Self::LIST
                || main == Self::GRAPH.with(Self::ID)
                || main == Self::GRAPH.with(Self::INDEX);
        if fine { Ok(all) } else { Err(wrong()) }
    }
}

/// What a term means.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Term {
    /// The IRI or keyword; `None` when the term was set to `null`: what bears it is ignored.
    pub iri: Option<String>,
    /// `@id`, `@vocab`, `@json`, `@none` or the IRI of a type of values.
    pub kind: Option<String>,
    /// How values are held.
    pub container: Container,
    /// Language of strings; `Some(None)` for none.
    pub language: Option<Option<String>>,
    /// Base direction of strings; `Some(None)` for none.
    pub direction: Option<Option<String>>,
    /// Whether it names the opposite direction of a property.
    pub reverse: bool,
    /// Whether it may be the front part of compact IRIs.
    pub prefix: bool,
    /// Whether it may not be changed any more.
    pub protected: bool,
    /// Which property an index is written to.
    pub index: Option<String>,
    /// Below which term it is nested.
    pub nest: Option<String>,
    /// The context of what it holds.
    pub context: Option<Value>,
    /// Where that context stood.
    pub base: Option<String>,
    /// Whether the definition is one that is kept for the future and means nothing now.
    pub(crate) ignored: bool,
}

impl Term {
    fn same_but_protection(&self, other: &Term) -> bool {
        Term { protected: other.protected, ..self.clone() } == *other
    }
}

/// `false` while a term is being defined, `true` when done: finds circles.
pub(crate) type Defined = HashMap<String, bool>;

pub(crate) struct Defining<'a, 'd> {
    pub processor: &'a Processor<'d>,
    pub local: &'a Map<String, Value>,
    pub base: Option<&'a str>,
    pub protected: bool,
    pub how: How,
    pub trail: &'a mut Trail,
}

const ENTRIES: [&str; 11] = [
    "@id",
    "@reverse",
    "@container",
    "@context",
    "@direction",
    "@index",
    "@language",
    "@nest",
    "@prefix",
    "@protected",
    "@type",
];

impl Defining<'_, '_> {
    pub(crate) fn term(
        &mut self,
        active: &mut Context,
        term: &str,
        defined: &mut Defined,
    ) -> Result<(), Error> {
        match defined.get(term) {
            Some(true) => return Ok(()),
            Some(false) => return Err(Error::invalid("cyclic IRI mapping", term)),
            None => {}
        }
        if term.is_empty() {
            return Err(Error::invalid("invalid term definition", "an empty term"));
        }
        if defined.values().filter(|done| !**done).count() > self.processor.limits().depth {
            return Err(Error::Overflow(term.chars().take(200).collect()));
        }
        defined.insert(term.to_owned(), false);
        let value = self.local.get(term).unwrap_or(&Value::Null);
        if iri::is_keyword(term) && !(term == "@type" && redefines_type(value)) {
            return Err(Error::invalid("keyword redefinition", term));
        }
        if iri::looks_like_keyword(term) && term != "@type" {
            return Ok(());
        }
        let old = active.terms.remove(term);
        let simple = value.is_string();
        let empty = Map::new();
        let object;
        let value = match value {
            Value::Null => {
                object = Map::from_iter([("@id".to_owned(), Value::Null)]);
                &object
            }
            Value::String(_) => {
                object = Map::from_iter([("@id".to_owned(), value.clone())]);
                &object
            }
            Value::Object(o) => o,
            _ => &empty,
        };
        if value.is_empty() && !self.local.get(term).is_some_and(Value::is_object) {
            return Err(Error::invalid("invalid term definition", term));
        }
        if let Some(k) = value.keys().find(|k| !ENTRIES.contains(&k.as_str())) {
            return Err(Error::invalid("invalid term definition", format!("{term}: {k}")));
        }
        let mut made = Term { protected: self.protected, ..Term::default() };
        match value.get("@protected") {
            None => {}
            Some(Value::Bool(b)) => made.protected = *b,
            Some(v) => return Err(Error::invalid("invalid @protected value", v.to_string())),
        }
        self.kind(active, &mut made, value, defined)?;
        if self.reverse(active, term, &mut made, value, defined)? {
            if made.ignored {
                defined.insert(term.to_owned(), true);
                return Ok(());
            }
            return finish(active, term, made, old, self.how, defined);
        }
        if !self.id(active, term, &mut made, value, simple, defined)? {
            defined.insert(term.to_owned(), true);
            return Ok(());
        }
        self.rest(active, term, &mut made, value, simple, defined)?;
        finish(active, term, made, old, self.how, defined)
    }

    /// An IRI while terms are still being defined: what it rests on is defined first.
    fn iri(
        &mut self,
        active: &mut Context,
        name: &str,
        defined: &mut Defined,
    ) -> Result<Option<String>, Error> {
        let needs = |n: &str, d: &Defined| self.local.contains_key(n) && d.get(n) != Some(&true);
        let whole = needs(name, defined);
        // What follows a scheme with “//” is no compact IRI (§5.2, step 6.2).
        let front = split(name).filter(|(_, s)| !s.starts_with("//")).map(|(p, _)| p.to_owned());
        let front = front.filter(|p| needs(p, defined));
        if whole && !iri::is_keyword(name) {
            self.term(active, name, defined)?;
        }
        if let Some(front) = front
            && !front.starts_with('@')
        {
            self.term(active, &front, defined)?;
        }
        Ok(active.expand_iri(name, false, true))
    }

    fn kind(
        &mut self,
        active: &mut Context,
        made: &mut Term,
        value: &Map<String, Value>,
        defined: &mut Defined,
    ) -> Result<(), Error> {
        let Some(v) = value.get("@type") else { return Ok(()) };
        let wrong = || Error::invalid("invalid type mapping", v.to_string());
        let name = v.as_str().ok_or_else(wrong)?;
        let kind = self.iri(active, name, defined)?.ok_or_else(wrong)?;
        if !matches!(kind.as_str(), "@id" | "@vocab" | "@json" | "@none") && !iri::is_absolute(&kind) {
            return Err(wrong());
        }
        made.kind = Some(kind);
        Ok(())
    }

    fn reverse(
        &mut self,
        active: &mut Context,
        term: &str,
        made: &mut Term,
        value: &Map<String, Value>,
        defined: &mut Defined,
    ) -> Result<bool, Error> {
        let Some(v) = value.get("@reverse") else { return Ok(false) };
        if value.contains_key("@id") || value.contains_key("@nest") {
            return Err(Error::invalid("invalid reverse property", term));
        }
        let name = v.as_str().ok_or_else(|| Error::invalid("invalid IRI mapping", term))?;
        if !iri::is_keyword(name) && iri::looks_like_keyword(name) {
            made.ignored = true;
            return Ok(true);
        }
        made.iri = self.iri(active, name, defined)?;
        if !made.iri.as_deref().is_some_and(|i| iri::is_absolute(i) || i.starts_with("_:")) {
            return Err(Error::invalid("invalid IRI mapping", term));
        }
        if let Some(c) = value.get("@container").filter(|c| !c.is_null()) {
            made.container = Container::read(c)?;
            if !matches!(made.container, Container::SET | Container::INDEX) {
                return Err(Error::invalid("invalid reverse property", term));
            }
        }
        made.reverse = true;
        Ok(true)
    }

    /// Sets the IRI; `false` when the term is to be ignored.
    fn id(
        &mut self,
        active: &mut Context,
        term: &str,
        made: &mut Term,
        value: &Map<String, Value>,
        simple: bool,
        defined: &mut Defined,
    ) -> Result<bool, Error> {
        let wrong = || Error::invalid("invalid IRI mapping", term);
        match value.get("@id") {
            Some(Value::Null) => {}
            Some(Value::String(name)) if name != term => {
                if !iri::is_keyword(name) && iri::looks_like_keyword(name) {
                    return Ok(false);
                }
                let expanded = self.iri(active, name, defined)?.ok_or_else(wrong)?;
                if !iri::is_keyword(&expanded) && !iri::is_absolute(&expanded) && !expanded.starts_with("_:")
                {
                    return Err(wrong());
                }
                if expanded == "@context" {
                    return Err(Error::invalid("invalid keyword alias", term));
                }
                if term.char_indices().skip(1).any(|(i, c)| c == ':' && i + 1 < term.len())
                    || term.contains('/')
                {
                    defined.insert(term.to_owned(), true);
                    if self.iri(active, term, defined)?.as_deref() != Some(&expanded) {
                        return Err(wrong());
                    }
                    defined.insert(term.to_owned(), false);
                }
                made.prefix = !term.contains([':', '/'])
                    && simple
                    && (iri::ends_like_prefix(&expanded) || expanded.starts_with("_:"));
                made.iri = Some(expanded);
            }
            Some(Value::String(_)) | None => {
                made.iri = Some(match split(term) {
                    Some((prefix, suffix)) => {
                        if self.local.contains_key(prefix) {
                            self.term(active, prefix, defined)?;
                        }
                        match active.terms.get(prefix).and_then(|t| t.iri.clone()) {
                            Some(front) => format!("{front}{suffix}"),
                            None => term.to_owned(),
                        }
                    }
                    None if term.contains('/') => iri::resolve(active.base.as_deref(), term),
                    None if term == "@type" => "@type".to_owned(),
                    None => format!("{}{term}", active.vocab.as_deref().ok_or_else(wrong)?),
                });
            }
            Some(_) => return Err(wrong()),
        }
        Ok(true)
    }

    fn rest(
        &mut self,
        active: &mut Context,
        term: &str,
        made: &mut Term,
        value: &Map<String, Value>,
        _simple: bool,
        defined: &mut Defined,
    ) -> Result<(), Error> {
        if let Some(c) = value.get("@container") {
            made.container = Container::read(c)?;
            if made.container.has(Container::TYPE) {
                match made.kind.as_deref() {
                    None => made.kind = Some("@id".to_owned()),
                    Some("@id" | "@vocab") => {}
                    Some(other) => return Err(Error::invalid("invalid type mapping", other)),
                }
            }
        }
        if let Some(v) = value.get("@index") {
            let name = v.as_str().filter(|_| made.container.has(Container::INDEX));
            let name = name.ok_or_else(|| Error::invalid("invalid term definition", term))?;
            if !self.iri(active, name, defined)?.is_some_and(|i| iri::is_absolute(&i)) {
                return Err(Error::invalid("invalid term definition", term));
            }
            made.index = Some(name.to_owned());
        }
        if let Some(v) = value.get("@context") {
            made.context = Some(v.clone());
            made.base = self.base.map(ToOwned::to_owned);
            self.check_scoped(active, v)?;
        }
        if !value.contains_key("@type") {
            match value.get("@language") {
                None => {}
                Some(Value::Null) => made.language = Some(None),
                Some(Value::String(l)) => made.language = Some(Some(l.to_ascii_lowercase())),
                Some(v) => return Err(Error::invalid("invalid language mapping", v.to_string())),
            }
            match value.get("@direction") {
                None => {}
                Some(Value::Null) => made.direction = Some(None),
                Some(Value::String(d)) if d == "ltr" || d == "rtl" => made.direction = Some(Some(d.clone())),
                Some(v) => return Err(Error::invalid("invalid base direction", v.to_string())),
            }
        }
        match value.get("@nest") {
            None => {}
            Some(Value::String(n)) if n == "@nest" || !iri::is_keyword(n) => made.nest = Some(n.clone()),
            Some(v) => return Err(Error::invalid("invalid @nest value", v.to_string())),
        }
        match value.get("@prefix") {
            None => {}
            Some(_) if term.contains([':', '/']) => {
                return Err(Error::invalid("invalid term definition", term));
            }
            Some(Value::Bool(b)) => {
                made.prefix = *b;
                if *b && made.iri.as_deref().is_some_and(iri::is_keyword) {
                    return Err(Error::invalid("invalid term definition", term));
                }
            }
            Some(v) => return Err(Error::invalid("invalid @prefix value", v.to_string())),
        }
        Ok(())
    }

    /// A scoped context is tried out when it is defined (step 21.3): what is wrong with it is said at once.
    fn check_scoped(&mut self, active: &Context, scoped: &Value) -> Result<(), Error> {
        if self.trail.depth > 8 {
            // Scoped contexts within scoped contexts are judged when they are used.
            return Ok(());
        }
        let how = How { override_protected: true, propagate: true, validate_scoped: false };
        self.processor.take(active, scoped, self.base, self.trail, how).map(drop).map_err(|e| match e {
            Error::Invalid { about, .. } => Error::invalid("invalid scoped context", about),
            other => other,
        })
    }
}

fn redefines_type(value: &Value) -> bool {
    value.as_object().is_some_and(|o| {
        !o.is_empty()
            && o.iter().all(|(k, v)| match k.as_str() {
                "@container" => v == "@set",
                "@protected" => v.is_boolean(),
                _ => false,
            })
    })
}

fn finish(
    active: &mut Context,
    term: &str,
    mut made: Term,
    old: Option<Arc<Term>>,
    how: How,
    defined: &mut Defined,
) -> Result<(), Error> {
    if let Some(old) = old.filter(|o| o.protected && !how.override_protected) {
        if !old.same_but_protection(&made) {
            return Err(Error::invalid("protected term redefinition", term));
        }
        made = Term::clone(&old);
    }
    active.terms.insert(term.to_owned(), Arc::new(made));
    defined.insert(term.to_owned(), true);
    Ok(())
}
