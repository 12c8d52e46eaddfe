//! Words about IRIs and keywords (JSON-LD 1.1 §1.7, API §5.2).

use url::Url;

/// The keywords of JSON-LD 1.1.
const KEYWORDS: [&str; 23] = [
    "@base",
    "@container",
    "@context",
    "@default",
    "@direction",
    "@graph",
    "@id",
    "@import",
    "@included",
    "@index",
    "@json",
    "@language",
    "@list",
    "@nest",
    "@none",
    "@prefix",
    "@propagate",
    "@protected",
    "@reverse",
    "@set",
    "@type",
    "@value",
    "@version",
];

/// Whether it is a keyword (`@vocab` included).
pub fn is_keyword(s: &str) -> bool {
    s == "@vocab" || KEYWORDS.contains(&s)
}

/// Whether it only looks like one: `@` and letters. Such terms are ignored, they are kept for the future.
pub(crate) fn looks_like_keyword(s: &str) -> bool {
    s.strip_prefix('@').is_some_and(|r| !r.is_empty() && r.bytes().all(|b| b.is_ascii_alphabetic()))
}

/// Whether it begins with a scheme (RFC 3986 §3.1) and holds nothing that no IRI may hold.
pub fn is_absolute(s: &str) -> bool {
    let Some((scheme, rest)) = s.split_once(':') else { return false };
    !rest.is_empty()
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        && !rest.contains(|c: char| {
            c.is_whitespace()
                || c.is_control()
                || matches!(c, '<' | '>' | '"' | '{' | '}' | '|' | '\\' | '^' | '`')
        })
}

/// Whether an IRI of a simple term may serve as the front part of compact IRIs: it ends in a gen-delim (RFC 3986 §2.2).
pub(crate) fn ends_like_prefix(s: &str) -> bool {
    s.ends_with([':', '/', '?', '#', '[', ']', '@'])
}

/// `reference` seen from `base` (RFC 3986 §5); unchanged where there is no usable base.
pub(crate) fn resolve(base: Option<&str>, reference: &str) -> String {
    let Some(base) = base else { return reference.to_owned() };
    if is_absolute(reference) {
        return reference.to_owned();
    }
    Url::parse(base).and_then(|b| b.join(reference)).map_or_else(|_| reference.to_owned(), String::from)
}

/// An IRI as it is written in a document at `base`; unchanged where there is no base or nothing in common.
pub(crate) fn relative(base: Option<&str>, iri: &str) -> String {
    let both = base.and_then(|b| Some((Url::parse(b).ok()?, Url::parse(iri).ok()?)));
    let made = both.filter(|(b, i)| !i.cannot_be_a_base() && i.as_str() == iri && b.origin() == i.origin());
    match made.and_then(|(b, i)| b.make_relative(&i)) {
        // A first segment that reads as a keyword or scheme would not come back (RFC 3986 §4.2).
        Some(r) if looks_like_keyword(&r) || r.split('/').next().is_some_and(|s| s.contains(':')) => {
            format!("./{r}")
        }
        Some(r) => r,
        None => iri.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert!(is_absolute("urn:ngsi-ld:Vehicle:1") && is_absolute("https://例え.jp/x"));
        assert!(
            !is_absolute("speed")
                && !is_absolute("a b:c")
                && !is_absolute("1a:b")
                && !is_absolute("urn:a b")
                && !is_absolute("urn:")
        );
        assert_eq!(resolve(Some("http://a/b/c"), "../d"), "http://a/d");
        assert_eq!(resolve(None, "d"), "d");
        assert!(looks_like_keyword("@foo") && !looks_like_keyword("@foo1") && is_keyword("@vocab"));
    }
}
