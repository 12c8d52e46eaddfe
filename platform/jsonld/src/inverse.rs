//! From IRIs back to terms (JSON-LD 1.1 API §4.3, §4.5).

use std::collections::HashMap;

use crate::Context;

/// What was defined for an IRI and a container, by type or language.
#[derive(Debug, Default, Clone)]
pub(crate) struct Choices {
    by_language: HashMap<String, String>,
    by_type: HashMap<String, String>,
    any: Option<String>,
}

/// The inverse of a context.
#[derive(Debug, Default, Clone)]
pub(crate) struct Inverse {
    iris: HashMap<String, HashMap<String, Choices>>,
    /// For each IRI the term that a name is written with when nothing is known of its value.
    any: HashMap<String, String>,
    prefixes: Vec<(String, String)>,
}

impl Inverse {
    pub(crate) fn of(context: &Context) -> Self {
        let default_language = lang_dir(context.language.as_deref(), context.direction.as_deref());
        let mut names: Vec<&String> = context.terms.keys().collect();
        names.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        let mut made = Inverse::default();
        for name in names {
            let Some(term) = context.terms.get(name) else { continue };
            let Some(iri) = &term.iri else { continue };
            if term.prefix {
                made.prefixes.push((name.clone(), iri.clone()));
            }
            if !term.reverse {
                made.any.entry(iri.clone()).or_insert_with(|| name.clone());
            }
            let choices = made.iris.entry(iri.clone()).or_default().entry(term.container.key()).or_default();
            choices.any.get_or_insert_with(|| name.clone());
            let mut put = |by_type: bool, key: &str| {
                let map = if by_type { &mut choices.by_type } else { &mut choices.by_language };
                map.entry(key.to_owned()).or_insert_with(|| name.clone());
            };
            match (&term.kind, &term.language, &term.direction) {
                _ if term.reverse => put(true, "@reverse"),
                (Some(k), ..) if k == "@none" => {
                    put(false, "@any");
                    put(true, "@any");
                }
                (Some(k), ..) => put(true, k),
                (None, Some(l), Some(d)) => put(false, &lang_dir(l.as_deref(), d.as_deref())),
                (None, Some(l), None) => put(false, &lang_dir(l.as_deref(), None)),
                (None, None, Some(d)) => put(false, &lang_dir(None, d.as_deref())),
                (None, None, None) => {
                    put(false, &default_language);
                    put(false, "@none");
                    put(true, "@none");
                }
            }
        }
        made
    }

    /// The shortest term for this IRI, whatever its values are.
    pub(crate) fn any(&self, iri: &str) -> Option<&str> {
        self.any.get(iri).map(String::as_str)
    }

    pub(crate) fn prefixes(&self) -> &[(String, String)] {
        &self.prefixes
    }

    /// Term selection (§4.5).
    pub(crate) fn select(
        &self,
        iri: &str,
        containers: &[String],
        by_type: bool,
        preferred: &[String],
    ) -> Option<&str> {
        let by_container = self.iris.get(iri)?;
        for c in containers {
            let Some(choices) = by_container.get(c) else { continue };
            let map = if by_type { &choices.by_type } else { &choices.by_language };
            if let Some(found) = preferred.iter().find_map(|p| map.get(p)) {
                return Some(found);
            }
        }
        None
    }

    pub(crate) fn knows(&self, iri: &str) -> bool {
        self.iris.contains_key(iri)
    }
}

/// How a language and direction are written as one key (§4.3, step 3.14).
pub(crate) fn lang_dir(language: Option<&str>, direction: Option<&str>) -> String {
    match (language, direction) {
        (None, None) => "@null".to_owned(),
        (Some(l), None) => l.to_ascii_lowercase(),
        (l, Some(d)) => format!("{}_{d}", l.unwrap_or_default()).to_ascii_lowercase(),
    }
}
