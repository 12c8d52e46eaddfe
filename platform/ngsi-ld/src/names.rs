//! The words of a request: its @context with the core context behind it (GS CIM 009 §4.4, §5.5.7).

use std::cell::Cell;
use std::sync::{Arc, LazyLock};

use kenroku_jsonld::{Context, Documents, Limits, Processor};
use serde_json::{Value, json};

use crate::NgsiError;

/// The version that answers name.
pub const CORE: &str = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld";
const FRONT: &str = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context";
/// Names of the standard begin with this.
pub(crate) const NGSI: &str = "https://uri.etsi.org/ngsi-ld/";

/// The texts of the core context that are built in, by version.
pub const CORE_VERSIONS: [(&str, &str); 8] = [
    ("1.0", include_str!("../contexts/core-1.0.json")),
    ("1.3", include_str!("../contexts/core-1.3.json")),
    ("1.4", include_str!("../contexts/core-1.4.json")),
    ("1.5", include_str!("../contexts/core-1.5.json")),
    ("1.6", include_str!("../contexts/core-1.6.json")),
    ("1.7", include_str!("../contexts/core-1.7.json")),
    ("1.8", include_str!("../contexts/core-1.8.json")),
    ("1.9", include_str!("../contexts/core-1.9.json")),
];

/// The text of a core context by its address; `None` for an address that only looks like one.
pub fn core_url(url: &str) -> Option<&'static str> {
    let version = match url.strip_prefix(FRONT)?.strip_suffix(".jsonld")? {
        "" => "1.8",
        rest => rest.strip_prefix("-v")?,
    };
    CORE_VERSIONS.iter().find(|(v, _)| *v == version).map(|(_, text)| *text)
}

/// Whether this is the address of a core context.
pub fn is_core(url: &str) -> bool {
    core_url(url).is_some()
}

/// The caller's documents, with nothing for what is built in: the core context is taken in last, once.
struct WithoutCore<'d>(&'d dyn Documents, Cell<bool>);

impl Documents for WithoutCore<'_> {
    fn get(&self, url: &str) -> Option<Arc<Value>> {
        // The signature vocabulary is named by a scoped context of version 1.9 only; its terms never reach names here.
        if is_core(url) {
            self.1.set(true);
        }
        if is_core(url) || url == "https://w3id.org/security/data-integrity/v2" {
            return Some(Arc::new(json!({ "@context": {} })));
        }
        self.0.get(url)
    }
}

static CORE_TEXT: LazyLock<Value> = LazyLock::new(|| {
    let text = CORE_VERSIONS.last().map_or("{}", |(_, t)| *t);
    serde_json::from_str::<Value>(text)
        .ok()
        .and_then(|mut v| v.get_mut("@context").map(Value::take))
        .unwrap_or_default()
});

static CORE_NAMES: LazyLock<Arc<Context>> = LazyLock::new(|| {
    let docs = WithoutCore(&kenroku_jsonld::NoDocuments, Cell::new(false));
    let made =
        Processor::new(&docs, Limits::default()).overriding().process(&Context::default(), &CORE_TEXT, None);
    Arc::new(made.unwrap_or_default())
});

/// The words of a request.
#[derive(Clone, Debug)]
pub struct Names {
    context: Arc<Context>,
    /// The contexts as the caller named them, without the core context.
    given: Vec<Value>,
    /// Whether one of them brings the core context with it.
    with_core: bool,
}

impl Default for Names {
    fn default() -> Self {
        Names { context: CORE_NAMES.clone(), given: Vec::new(), with_core: false }
    }
}

impl Names {
    /// From what stood in `@context` or a `Link` header; `documents` are those that were fetched.
    ///
    /// # Errors
    /// As [`Processor::process`].
    pub fn read(given: &Value, documents: &dyn Documents) -> Result<Self, kenroku_jsonld::Error> {
        let list = match given {
            Value::Array(a) => a.clone(),
            Value::Null => Vec::new(),
            other => vec![other.clone()],
        };
        let own: Vec<Value> = list.into_iter().filter(|v| !v.as_str().is_some_and(is_core)).collect();
        if own.is_empty() {
            return Ok(Names::default());
        }
        let docs = WithoutCore(documents, Cell::new(false));
        let limits = Limits::default();
        // A context may take words of the core context apart from redefining them: they are known from the start.
        let mut first = Context::clone(&CORE_NAMES);
        first =
            Processor::new(&docs, limits).overriding().process(&first, &Value::Array(own.clone()), None)?;
        let context = Processor::new(&docs, limits).overriding().process(&first, &CORE_TEXT, None)?;
        Ok(Names { context: Arc::new(context), given: own, with_core: docs.1.get() })
    }

    /// The active context.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// What stands in `@context` of an answer.
    pub fn to_json(&self) -> Value {
        if self.given.is_empty() {
            return Value::from(CORE);
        }
        let mut all = self.given.clone();
        if !self.with_core {
            all.push(Value::from(CORE));
        }
        if all.len() == 1 { all.remove(0) } else { Value::Array(all) }
    }

    /// The address for a `Link` header, when there is just one context and it has one.
    pub fn link(&self) -> Option<&str> {
        match self.given.as_slice() {
            [] => Some(CORE),
            [Value::String(url)] => Some(url),
            _ => None,
        }
    }

    /// The contexts besides the core context.
    pub fn given(&self) -> &[Value] {
        &self.given
    }

    /// The full name of an attribute or type.
    ///
    /// # Errors
    /// [`crate::Fault::BadRequestData`] for a name that may not be one (§4.6.2).
    pub fn full(&self, name: &str) -> Result<String, NgsiError> {
        if !crate::check::is_name(name) {
            return Err(NgsiError::data(format!("“{}” is not a name", crate::check::short(name))));
        }
        match self.context.expand_iri(name, false, true) {
            Some(n) if n.contains(':') || n.starts_with('@') => Ok(n),
            _ => Err(NgsiError::data(format!(
                "“{}” means nothing in this @context",
                crate::check::short(name)
            ))),
        }
    }

    /// What a full name is called here.
    pub fn brief(&self, iri: &str) -> String {
        self.context.compact_iri(iri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenroku_jsonld::NoDocuments;

    #[test]
    fn every_core_context_is_read_and_only_exact_addresses_are() {
        for (version, text) in CORE_VERSIONS {
            let v: Value = serde_json::from_str(text).unwrap();
            let docs = WithoutCore(&NoDocuments, Cell::new(false));
            let made = Processor::new(&docs, Limits::default())
                .process(&Context::default(), &v["@context"], None)
                .unwrap();
            assert_eq!(
                made.expand_iri("observedAt", false, true).unwrap(),
                "https://uri.etsi.org/ngsi-ld/observedAt",
                "{version}"
            );
            assert!(is_core(&format!("{FRONT}-v{version}.jsonld")));
        }
        assert!(is_core(&format!("{FRONT}.jsonld")));
        assert!(
            !is_core(&format!("{FRONT}-non-existing.jsonld")) && !is_core(&format!("{FRONT}-v1.2.jsonld"))
        );
    }

    #[test]
    fn words_of_the_core_context_stay_what_they_are() {
        let own = json!([{ "Vehicle": "https://example.org/Vehicle", "observedAt": "https://evil.example/", "type": "https://evil.example/t" }, CORE]);
        let n = Names::read(&own, &NoDocuments).unwrap();
        assert_eq!(n.full("Vehicle").unwrap(), "https://example.org/Vehicle");
        assert_eq!(n.full("observedAt").unwrap(), "https://uri.etsi.org/ngsi-ld/observedAt");
        assert_eq!(n.full("type").unwrap(), "@type");
        assert_eq!(n.full("speed").unwrap(), "https://uri.etsi.org/ngsi-ld/default-context/speed");
        assert_eq!(n.brief("https://example.org/Vehicle"), "Vehicle");
        assert_eq!(n.brief("https://uri.etsi.org/ngsi-ld/default-context/speed"), "speed");
        assert_eq!(Names::default().brief("https://example.org/Vehicle"), "https://example.org/Vehicle");
        assert_eq!(n.to_json().as_array().unwrap().len(), 2);
    }
}
