//! Active contexts and how local contexts change them (JSON-LD 1.1 API §4.1).

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use crate::define::{Defined, Defining, Term};
use crate::inverse::Inverse;
use crate::{Error, iri};

/// Where remote contexts are found. They are looked up, never fetched here.
pub trait Documents {
    /// The document at this address, or `None` when it is not at hand.
    fn get(&self, url: &str) -> Option<Arc<Value>>;
}

/// No remote document is at hand.
#[derive(Clone, Copy, Debug)]
pub struct NoDocuments;

impl Documents for NoDocuments {
    fn get(&self, _: &str) -> Option<Arc<Value>> {
        None
    }
}

/// How much a context or document may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Levels of remote contexts in remote contexts, and of values in documents.
    pub depth: usize,
    /// Terms in one active context.
    pub terms: usize,
    /// Remote documents read for one active context, repetitions included.
    pub remote: usize,
}

impl Default for Limits {
    /// 128 levels (what `serde_json` reads), 20,000 terms, 64 remote documents.
    fn default() -> Self {
        Limits { depth: 128, terms: 20_000, remote: 64 }
    }
}

/// An active context: what names mean.
#[derive(Clone, Debug, Default)]
pub struct Context {
    pub(crate) terms: HashMap<String, Arc<Term>>,
    pub(crate) vocab: Option<String>,
    pub(crate) base: Option<String>,
    /// The base that a reset goes back to.
    pub(crate) document: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) direction: Option<String>,
    /// What held before a context that does not propagate (type-scoped ones).
    pub(crate) previous: Option<Arc<Context>>,
    pub(crate) inverse: OnceLock<Inverse>,
}

impl Context {
    /// A context that knows no names; relative addresses are seen from `base`.
    pub fn empty(base: Option<&str>) -> Self {
        let base = base.map(ToOwned::to_owned);
        Context { document: base.clone(), base, ..Context::default() }
    }

    /// What a term means.
    pub fn term(&self, name: &str) -> Option<&Term> {
        self.terms.get(name).map(AsRef::as_ref)
    }

    /// How many terms it has.
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// IRI expansion (§5.2) with a finished context: `vocab` for names of properties and types, `relative` for ids. A name
    /// that means nothing stays as it is; `None` for what is ignored.
    pub fn expand_iri(&self, name: &str, relative: bool, vocab: bool) -> Option<String> {
        if iri::is_keyword(name) {
            return Some(name.to_owned());
        }
        if iri::looks_like_keyword(name) {
            return None;
        }
        if let Some(t) = self.terms.get(name) {
            match &t.iri {
                Some(k) if iri::is_keyword(k) => return Some(k.clone()),
                other if vocab => return other.clone(),
                _ => {}
            }
        }
        if let Some((prefix, suffix)) = split(name) {
            if prefix == "_" || suffix.starts_with("//") {
                return Some(name.to_owned());
            }
            if let Some(t) = self.terms.get(prefix).filter(|t| t.prefix)
                && let Some(front) = &t.iri
            {
                return Some(format!("{front}{suffix}"));
            }
            if iri::is_absolute(name) {
                return Some(name.to_owned());
            }
        }
        match &self.vocab {
            Some(v) if vocab => Some(format!("{v}{name}")),
            _ if relative => Some(iri::resolve(self.base.as_deref(), name)),
            _ => Some(name.to_owned()),
        }
    }

    /// What an attribute or type is called here: the term, else the part behind `@vocab`, else a compact IRI, else the IRI.
    pub fn compact_iri(&self, iri: &str) -> String {
        if let Some(term) = self.inverse().any(iri) {
            return term.to_owned();
        }
        if let Some(suffix) = self.vocab.as_deref().and_then(|v| iri.strip_prefix(v))
            && !suffix.is_empty()
            && !self.terms.contains_key(suffix)
        {
            return suffix.to_owned();
        }
        self.compact_by_prefix(iri, false).unwrap_or_else(|| iri.to_owned())
    }

    /// The shortest compact IRI, or `None`.
    pub(crate) fn compact_by_prefix(&self, iri: &str, valueless: bool) -> Option<String> {
        let mut best: Option<String> = None;
        for (name, front) in self.inverse().prefixes() {
            let Some(suffix) = iri.strip_prefix(front.as_str()).filter(|s| !s.is_empty()) else { continue };
            let candidate = format!("{name}:{suffix}");
            let free = match self.terms.get(&candidate) {
                None => true,
                Some(t) => valueless && t.iri.as_deref() == Some(iri),
            };
            let shorter =
                best.as_ref().is_none_or(|b| (candidate.len(), candidate.as_str()) < (b.len(), b.as_str()));
            if free && shorter {
                best = Some(candidate);
            }
        }
        best
    }

    pub(crate) fn inverse(&self) -> &Inverse {
        self.inverse.get_or_init(|| Inverse::of(self))
    }
}

/// The two parts around a colon that is not the first character.
pub(crate) fn split(name: &str) -> Option<(&str, &str)> {
    let at = name.char_indices().skip(1).find(|(_, c)| *c == ':')?.0;
    Some((&name[..at], &name[at + 1..]))
}

/// Makes active contexts.
#[derive(Clone, Copy)]
pub struct Processor<'d> {
    documents: &'d dyn Documents,
    limits: Limits,
    override_protected: bool,
}

impl std::fmt::Debug for Processor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Processor({:?})", self.limits)
    }
}

/// How a local context is taken in.
#[derive(Clone, Copy)]
pub(crate) struct How {
    pub override_protected: bool,
    pub propagate: bool,
    pub validate_scoped: bool,
}

/// The remote contexts on the way to here, and how many were read in all.
#[derive(Default)]
pub(crate) struct Trail {
    pub path: Vec<String>,
    pub read: usize,
    pub depth: usize,
}

impl<'d> Processor<'d> {
    /// With these documents and limits.
    pub fn new(documents: &'d dyn Documents, limits: Limits) -> Self {
        Processor { documents, limits, override_protected: false }
    }

    /// One that may redefine protected terms: for the core context, which wins over every other.
    #[must_use]
    pub fn overriding(self) -> Self {
        Processor { override_protected: true, ..self }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// `active`, changed by `local` (an object, an address, `null` or a list of them) that stood at `base`.
    ///
    /// # Errors
    /// [`Error::Missing`] for a remote context that is not at hand; the standard's errors otherwise.
    pub fn process(&self, active: &Context, local: &Value, base: Option<&str>) -> Result<Context, Error> {
        let how = How { override_protected: self.override_protected, propagate: true, validate_scoped: true };
        self.take(active, local, base, &mut Trail::default(), how)
    }

    pub(crate) fn take(
        &self,
        active: &Context,
        local: &Value,
        base: Option<&str>,
        trail: &mut Trail,
        mut how: How,
    ) -> Result<Context, Error> {
        trail.depth += 1;
        if trail.depth > self.limits.depth {
            return Err(Error::Overflow(trail.path.last().cloned().unwrap_or_default()));
        }
        let mut result = Context { inverse: OnceLock::new(), ..active.clone() };
        if let Value::Object(o) = local {
            match o.get("@propagate") {
                None => {}
                Some(Value::Bool(b)) => how.propagate = *b,
                Some(v) => return Err(Error::invalid("invalid @propagate value", v.to_string())),
            }
        }
        if !how.propagate && result.previous.is_none() {
            result.previous = Some(Arc::new(active.clone()));
        }
        let one = std::slice::from_ref(local);
        for context in local.as_array().map_or(one, Vec::as_slice) {
            result = match context {
                Value::Null => self.reset(&result, how)?,
                Value::String(url) => self.remote(&result, url, base, trail, how)?,
                Value::Object(o) => self.object(result, o, base, trail, how)?,
                other => return Err(Error::invalid("invalid local context", other.to_string())),
            };
        }
        trail.depth -= 1;
        Ok(result)
    }

    fn reset(&self, result: &Context, how: How) -> Result<Context, Error> {
        if !how.override_protected && result.terms.values().any(|t| t.protected) {
            return Err(Error::invalid("invalid context nullification", "null"));
        }
        let mut fresh = Context::empty(result.document.as_deref());
        if !how.propagate {
            fresh.previous = Some(Arc::new(result.clone()));
        }
        Ok(fresh)
    }

    fn remote(
        &self,
        result: &Context,
        url: &str,
        base: Option<&str>,
        trail: &mut Trail,
        how: How,
    ) -> Result<Context, Error> {
        let url = iri::resolve(base, url);
        if !iri::is_absolute(&url) {
            return Err(Error::Address(url.chars().take(200).collect()));
        }
        if !how.validate_scoped && trail.path.contains(&url) {
            return Ok(result.clone());
        }
        trail.read += 1;
        if trail.read > self.limits.remote || trail.path.contains(&url) {
            return Err(Error::Overflow(url));
        }
        let document = self.documents.get(&url).ok_or_else(|| Error::Missing(url.clone()))?;
        let inner = document.get("@context").ok_or_else(|| Error::InvalidRemote(url.clone()))?;
        trail.path.push(url.clone());
        let made = self.take(result, inner, Some(&url), trail, How { propagate: true, ..how });
        trail.path.pop();
        made
    }

    fn object(
        &self,
        mut result: Context,
        context: &Map<String, Value>,
        base: Option<&str>,
        trail: &mut Trail,
        how: How,
    ) -> Result<Context, Error> {
        match context.get("@version") {
            None => {}
            Some(v) if v.as_f64() == Some(1.1) => {}
            Some(v) => return Err(Error::invalid("invalid @version value", v.to_string())),
        }
        let merged;
        let context = match context.get("@import") {
            None => context,
            Some(Value::String(url)) => {
                merged = self.import(context, url, base, trail)?;
                &merged
            }
            Some(v) => return Err(Error::invalid("invalid @import value", v.to_string())),
        };
        if trail.path.is_empty() {
            match context.get("@base") {
                None => {}
                Some(Value::Null) => result.base = None,
                Some(Value::String(b)) => result.base = Some(iri::resolve(result.base.as_deref(), b)),
                Some(v) => return Err(Error::invalid("invalid base IRI", v.to_string())),
            }
        }
        match context.get("@vocab") {
            None => {}
            Some(Value::Null) => result.vocab = None,
            Some(Value::String(v)) => result.vocab = result.expand_iri(v, true, true),
            Some(v) => return Err(Error::invalid("invalid vocab mapping", v.to_string())),
        }
        match context.get("@language") {
            None => {}
            Some(Value::Null) => result.language = None,
            Some(Value::String(l)) => result.language = Some(l.to_ascii_lowercase()),
            Some(v) => return Err(Error::invalid("invalid default language", v.to_string())),
        }
        match context.get("@direction") {
            None => {}
            Some(Value::Null) => result.direction = None,
            Some(Value::String(d)) if d == "ltr" || d == "rtl" => result.direction = Some(d.clone()),
            Some(v) => return Err(Error::invalid("invalid base direction", v.to_string())),
        }
        let protected = match context.get("@protected") {
            None => false,
            Some(Value::Bool(b)) => *b,
            Some(v) => return Err(Error::invalid("invalid @protected value", v.to_string())),
        };
        if result.terms.len() + context.len() > self.limits.terms {
            return Err(Error::Overflow(format!("{} terms", result.terms.len() + context.len())));
        }
        let mut defined = Defined::new();
        let mut defining = Defining { processor: self, local: context, base, protected, how, trail };
        for term in context.keys().filter(|k| !SETTINGS.contains(&k.as_str())) {
            defining.term(&mut result, term, &mut defined)?;
        }
        Ok(result)
    }

    /// The context that `@import` names, with this one's own entries over it (§4.1, step 5.6).
    fn import(
        &self,
        context: &Map<String, Value>,
        url: &str,
        base: Option<&str>,
        trail: &mut Trail,
    ) -> Result<Map<String, Value>, Error> {
        let url = iri::resolve(base, url);
        trail.read += 1;
        if trail.read > self.limits.remote {
            return Err(Error::Overflow(url));
        }
        let document = self.documents.get(&url).ok_or_else(|| Error::Missing(url.clone()))?;
        let Some(Value::Object(inner)) = document.get("@context") else {
            return Err(Error::InvalidRemote(url));
        };
        if inner.contains_key("@import") {
            return Err(Error::invalid("invalid context entry", "@import"));
        }
        let mut merged = inner.clone();
        merged.extend(context.iter().filter(|(k, _)| *k != "@import").map(|(k, v)| (k.clone(), v.clone())));
        Ok(merged)
    }
}

/// Entries of a context that are no terms.
const SETTINGS: [&str; 8] =
    ["@base", "@direction", "@import", "@language", "@propagate", "@protected", "@version", "@vocab"];
