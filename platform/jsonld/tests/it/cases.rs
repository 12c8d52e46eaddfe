use kenroku_jsonld::{Container, Context, Error, Limits, Processor, compact, expand};
use serde_json::{Value, json};

use crate::{Library, read};

fn code(local: Value) -> String {
    match read(&local, &Library::default()) {
        Err(Error::Invalid { code, .. }) => code.to_owned(),
        other => format!("{other:?}"),
    }
}

/// Expands, compacts with the same context, and gives both.
fn there_and_back(context: &Value, doc: &Value) -> (Value, Value) {
    let docs = Library::default();
    let p = Processor::new(&docs, Limits::default());
    let active = p.process(&Context::empty(None), context, None).unwrap();
    let expanded = expand(&p, &active, doc).unwrap();
    let compacted = compact(&p, &active, &expanded).unwrap();
    (expanded, compacted)
}

/// JSON-LD 1.1 §4.1, §9.15: terms, prefixes, `@vocab`, keywords aliased.
#[test]
fn names_become_iris_and_come_back() {
    let c = json!({
        "@vocab": "https://v.example/", "ex": "https://e.example/", "id": "@id", "type": "@type",
        "speed": "ex:speed", "seen": { "@id": "ex:seen", "@type": "ex:DateTime" }, "gone": null,
    });
    let a = read(&c, &Library::default()).unwrap();
    assert_eq!(a.expand_iri("speed", false, true).unwrap(), "https://e.example/speed");
    assert_eq!(a.expand_iri("ex:other", false, true).unwrap(), "https://e.example/other");
    assert_eq!(a.expand_iri("other", false, true).unwrap(), "https://v.example/other");
    assert_eq!(a.expand_iri("https://x.example/y", false, true).unwrap(), "https://x.example/y");
    assert_eq!(a.expand_iri("type", false, true).unwrap(), "@type");
    assert_eq!(a.expand_iri("gone", false, true), None);
    assert_eq!(a.term("seen").unwrap().kind.as_deref(), Some("https://e.example/DateTime"));
    for (iri, name) in [
        ("https://e.example/speed", "speed"),
        ("https://v.example/other", "other"),
        ("https://e.example/unknown", "ex:unknown"),
        ("https://x.example/y", "https://x.example/y"),
    ] {
        assert_eq!(a.compact_iri(iri), name);
    }
}

/// §4.2.2, the standard's error codes, each beside what is right.
#[test]
fn wrong_definitions_are_refused_by_their_codes() {
    assert_eq!(code(json!({ "a": "b:c", "b": "a:c" })), "cyclic IRI mapping");
    assert_eq!(code(json!({ "@id": "https://e.example/" })), "keyword redefinition");
    assert_eq!(code(json!({ "a": { "@id": 5 } })), "invalid IRI mapping");
    assert_eq!(
        code(json!({ "a": { "@id": "https://e/", "@container": "@bag" } })),
        "invalid container mapping"
    );
    assert_eq!(code(json!({ "a": { "@id": "https://e/", "@type": "word" } })), "invalid type mapping");
    assert_eq!(code(json!({ "a": { "@id": "https://e/", "@odd": 1 } })), "invalid term definition");
    assert_eq!(code(json!({ "@version": 1.0 })), "invalid @version value");
    assert_eq!(
        code(json!([{ "@protected": true, "a": "https://e/a" }, { "a": "https://e/b" }])),
        "protected term redefinition"
    );
    assert_eq!(
        code(json!([{ "@protected": true, "a": "https://e/a" }, null])),
        "invalid context nullification"
    );
    assert!(
        read(
            &json!([{ "@protected": true, "a": "https://e/a" }, { "a": "https://e/a" }]),
            &Library::default()
        )
        .is_ok()
    );
    assert!(read(&json!([{ "a": "https://e/a" }, null]), &Library::default()).unwrap().is_empty());
    let own = json!([{ "@protected": true, "a": "https://e/a" }]);
    let docs = Library::default();
    let p = Processor::new(&docs, Limits::default());
    let first = p.process(&Context::empty(None), &own, None).unwrap();
    assert!(p.process(&first, &json!({ "a": "https://e/b" }), None).is_err());
    let over = p.overriding().process(&first, &json!({ "a": "https://e/b" }), None).unwrap();
    assert_eq!(over.expand_iri("a", false, true).unwrap(), "https://e/b");
}

/// §3.1, §4.1.5, §4.1.6: remote contexts, `@import`, and what is not at hand.
#[test]
fn remote_contexts_are_looked_up_and_missing_ones_are_named() {
    let docs = Library::default()
        .with("https://c.example/a.jsonld", json!({ "@context": ["b.jsonld", { "a": "https://e/a" }] }))
        .with("https://c.example/b.jsonld", json!({ "@context": { "b": "https://e/b" } }));
    let a = read(&json!("https://c.example/a.jsonld"), &docs).unwrap();
    assert_eq!(a.expand_iri("b", false, true).unwrap(), "https://e/b");
    let missing = read(&json!("https://c.example/none.jsonld"), &docs).unwrap_err();
    assert_eq!(missing, Error::Missing("https://c.example/none.jsonld".to_owned()));
    let imported =
        read(&json!({ "@import": "https://c.example/b.jsonld", "c": "https://e/c" }), &docs).unwrap();
    assert_eq!(imported.len(), 2);
    assert!(matches!(read(&json!("not an address"), &docs).unwrap_err(), Error::Address(_)));
}

/// §4.2.3, §4.3, §4.6: coercion and containers, written back as they came.
#[test]
fn documents_survive_the_way_there_and_back() {
    let c = json!({
        "ex": "https://e.example/", "id": "@id", "type": "@type",
        "knows": { "@id": "ex:knows", "@type": "@id" },
        "seen": { "@id": "ex:seen", "@type": "ex:DateTime" },
        "name": { "@id": "ex:name", "@container": "@language" },
        "path": { "@id": "ex:path", "@container": "@list" },
        "tags": { "@id": "ex:tags", "@container": "@set" },
        "by": { "@id": "ex:by", "@container": "@index" },
        "raw": { "@id": "ex:raw", "@type": "@json" },
        "word": { "@id": "ex:word", "@type": "@vocab" },
        "Red": "ex:Red", "Car": "ex:Car",
    });
    let doc = json!({
        "id": "urn:x:1", "type": "Car", "knows": "urn:x:2", "seen": "2026-01-01T00:00:00Z",
        "name": { "ja": "雪", "en": "snow" }, "path": [3, 1, 2], "tags": ["a"],
        "by": { "k1": { "id": "urn:x:3" }, "k2": { "id": "urn:x:4" } },
        "raw": { "any": [null, { "b": [] }] }, "word": "Red", "ex:speed": 5.5,
    });
    let (expanded, compacted) = there_and_back(&c, &doc);
    assert_eq!(compacted, doc);
    let node = &expanded[0];
    assert_eq!(node["@type"], json!(["https://e.example/Car"]));
    assert_eq!(node["https://e.example/knows"], json!([{ "@id": "urn:x:2" }]));
    assert_eq!(
        node["https://e.example/seen"],
        json!([{ "@value": "2026-01-01T00:00:00Z", "@type": "https://e.example/DateTime" }])
    );
    assert_eq!(
        node["https://e.example/path"],
        json!([{ "@list": [{ "@value": 3 }, { "@value": 1 }, { "@value": 2 }] }])
    );
    assert_eq!(node["https://e.example/word"], json!([{ "@id": "https://e.example/Red" }]));
    assert_eq!(node["https://e.example/raw"][0]["@type"], "@json");
    assert_eq!(node["https://e.example/name"].as_array().unwrap().len(), 2);
}

/// §4.1.8, §4.1.9: contexts that hold below a property or a type only.
#[test]
fn scoped_contexts_hold_where_they_stand() {
    let c = json!({
        "@vocab": "https://v.example/",
        "address": { "@id": "https://e/address", "@context": { "city": "https://e/address/city" } },
        "Shop": { "@id": "https://e/Shop", "@context": { "open": "https://e/shop/open" } },
    });
    let (expanded, _) = there_and_back(
        &c,
        &json!({ "@type": "Shop", "open": true, "city": 1, "address": { "city": "能美" }, "next": { "open": false } }),
    );
    let n = &expanded[0];
    assert_eq!(n["https://e/shop/open"], json!([{ "@value": true }]));
    assert_eq!(n["https://v.example/city"], json!([{ "@value": 1 }]));
    assert_eq!(n["https://e/address"][0]["https://e/address/city"], json!([{ "@value": "能美" }]));
    // A type's context does not reach into nodes below.
    assert_eq!(n["https://v.example/next"][0]["https://v.example/open"], json!([{ "@value": false }]));
}

#[test]
fn containers_are_sets() {
    let a = read(
        &json!({ "a": { "@id": "https://e/a", "@container": ["@set", "@index"] } }),
        &Library::default(),
    )
    .unwrap();
    let c = a.term("a").unwrap().container;
    assert!(c.has(Container::SET) && c.has(Container::INDEX) && !c.has(Container::LIST));
}
