use kenroku_jsonld::{Context, Error, Limits, Processor, compact, expand};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Library, read};

#[test]
fn contexts_that_import_themselves_end() {
    let docs = Library::default()
        .with("https://c/self", json!({ "@context": ["https://c/self", { "a": "https://e/a" }] }))
        .with("https://c/one", json!({ "@context": "https://c/two" }))
        .with("https://c/two", json!({ "@context": ["https://c/one"] }));
    for url in ["https://c/self", "https://c/one"] {
        assert!(matches!(read(&json!(url), &docs).unwrap_err(), Error::Overflow(_)), "{url}");
    }
    let many: Vec<Value> = (0..100).map(|_| json!("https://c/fine")).collect();
    let docs = docs.with("https://c/fine", json!({ "@context": { "a": "https://e/a" } }));
    assert!(matches!(read(&json!(many), &docs).unwrap_err(), Error::Overflow(_)));
    assert!(read(&json!(many[..10]), &docs).is_ok());
}

#[test]
fn a_scoped_context_that_names_itself_ends() {
    let docs = Library::default().with(
        "https://c/s",
        json!({ "@context": { "a": { "@id": "https://e/a", "@context": "https://c/s" } } }),
    );
    let p = Processor::new(&docs, Limits::default());
    let c = p.process(&Context::empty(None), &json!("https://c/s"), None).unwrap();
    let doc = json!({ "a": { "a": { "a": 1 } } });
    assert!(expand(&p, &c, &doc).is_ok());
}

#[test]
fn what_is_too_deep_or_too_large_is_refused_at_once() {
    let mut deep = json!(1);
    for _ in 0..10_000 {
        deep = Value::Array(vec![deep]);
    }
    let docs = Library::default();
    let p = Processor::new(&docs, Limits::default());
    let c = p.process(&Context::empty(None), &json!({ "a": "https://e/a" }), None).unwrap();
    let doc = json!({ "a": null });
    assert!(expand(&p, &c, &doc).is_ok());
    let mut doc = serde_json::Map::new();
    doc.insert("a".to_owned(), deep);
    let doc = Value::Object(doc);
    assert_eq!(expand(&p, &c, &doc).unwrap_err(), Error::TooDeep(128));
    take_apart(doc);
    let chain: serde_json::Map<String, Value> =
        (0..2000).map(|i| (format!("t{i}"), json!(format!("t{}:x", i + 1)))).collect();
    assert!(matches!(
        read(&Value::Object(chain), &docs).unwrap_err(),
        Error::Overflow(_) | Error::Invalid { .. }
    ));
    let wide: serde_json::Map<String, Value> =
        (0..30_000).map(|i| (format!("t{i}"), json!("https://e/"))).collect();
    assert!(matches!(read(&Value::Object(wide), &docs).unwrap_err(), Error::Overflow(_)));
}

/// Drops a deep value level by level: all at once would need as many stack frames.
fn take_apart(mut v: Value) {
    loop {
        v = match v {
            Value::Array(mut a) => a.pop().unwrap_or_default(),
            Value::Object(mut o) => o.remove("a").unwrap_or_default(),
            _ => return,
        };
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("@id".to_owned()),
        Just("@type".to_owned()),
        Just("@value".to_owned()),
        Just("@list".to_owned()),
        Just("@set".to_owned()),
        Just("@context".to_owned()),
        Just("@vocab".to_owned()),
        Just("@container".to_owned()),
        Just("@language".to_owned()),
        Just("@reverse".to_owned()),
        Just("@nest".to_owned()),
        Just("@graph".to_owned()),
        Just("@index".to_owned()),
        Just("@protected".to_owned()),
        Just("@propagate".to_owned()),
        "[a-c:/@]{0,4}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c:/@]{0,6}".prop_map(Value::from),
        Just(json!("@id")),
        Just(json!("@list")),
        Just(json!("https://e/x")),
        Just(json!("@language")),
        Just(json!("@type")),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..5)
                .prop_map(|kv| Value::Object(kv.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_panics_and_everything_ends(context in any_json(), doc in any_json()) {
        let docs = Library::default();
        let p = Processor::new(&docs, Limits::default());
        if let Ok(c) = p.process(&Context::empty(Some("https://base.example/x/")), &context, None)
            && let Ok(e) = expand(&p, &c, &doc)
        {
            let _ = compact(&p, &c, &e);
        }
    }

    /// What is expanded stays as it is when it is expanded again without a context.
    #[test]
    fn expanded_documents_are_fixed_points(doc in any_json()) {
        let docs = Library::default();
        let p = Processor::new(&docs, Limits::default());
        let none = Context::empty(None);
        if let Ok(once) = expand(&p, &none, &doc) {
            let twice = expand(&p, &none, &once);
            prop_assert!(twice.is_ok(), "{once} → {twice:?}");
        }
    }

    #[test]
    fn names_survive_the_way_there_and_back(term in "[a-z]{1,8}", word in "[a-z]{1,8}") {
        let c = read(&json!({ "@vocab": "https://v.example/", term.as_str(): "https://e.example/x" }), &Library::default()).unwrap();
        for name in [term, word] {
            let full = c.expand_iri(&name, false, true).unwrap();
            prop_assert_eq!(c.compact_iri(&full), name);
        }
    }
}
