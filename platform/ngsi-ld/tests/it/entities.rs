use kenroku_ngsi_ld::parse::{self, Reading};
use kenroku_ngsi_ld::{Fault, Form, Kind, Names, View};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{plough, read};

fn shown(doc: &Value, form: Form) -> Value {
    let names = Names::default();
    let e = read(doc).unwrap();
    let mut v = View::new(&names);
    v.form = form;
    Value::Object(v.entity(&e))
}

/// GS CIM 009 §4.5.1, §4.5.2 to §4.5.24: what is written is what was read.
#[test]
fn every_kind_of_attribute_comes_back_as_it_was() {
    assert_eq!(shown(&plough(), Form::Normalized), plough());
    let e = read(&plough()).unwrap();
    let kinds: std::collections::BTreeSet<Kind> = e.attrs.values().flatten().map(|a| a.kind).collect();
    assert_eq!(kinds.len(), 8);
}

/// §4.5.1 (concise) is read as what it stands for.
#[test]
fn concise_entities_mean_the_same() {
    let concise = shown(&plough(), Form::Concise);
    assert_eq!(concise["location"], json!({ "type": "Point", "coordinates": [136.55, 36.44] }));
    assert_eq!(concise["speed"][1], json!({ "value": 13, "datasetId": "urn:ngsi-ld:dataset:gps" }));
    assert_eq!(read(&concise).unwrap(), read(&plough()).unwrap());
}

/// §4.5.4
#[test]
fn simplified_entities_show_values_only() {
    let s = shown(&plough(), Form::Simplified);
    assert_eq!(s["speed"], json!({ "dataset": { "@none": 12.5, "urn:ngsi-ld:dataset:gps": 13 } }));
    assert_eq!(s["depot"], "urn:ngsi-ld:Depot:1");
    assert_eq!(s["label"], json!({ "languageMap": { "ja": "除雪車", "en": "plough" } }));
    assert_eq!(s["state"], json!({ "vocab": ["Clearing", "Spreading"] }));
}

/// §4.15
#[test]
fn a_text_is_shown_in_the_language_that_is_asked() {
    let names = Names::default();
    let e = read(&plough()).unwrap();
    let mut v = View::new(&names);
    for (asked, text, lang) in [
        ("en", "plough", "en"),
        ("fr;q=0.5,ja;q=0.9", "除雪車", "ja"),
        ("ja-JP", "除雪車", "ja"),
        ("fr", "plough", "en"),
    ] {
        v.lang = Some(asked.to_owned());
        assert_eq!(
            v.entity(&e)["label"],
            json!({ "type": "Property", "value": text, "lang": lang }),
            "{asked}"
        );
    }
}

/// §4.5.16
#[test]
fn features_have_the_geometry_that_is_asked() {
    let names = Names::default();
    let e = read(&plough()).unwrap();
    let f = View::new(&names).feature(&e, "https://uri.etsi.org/ngsi-ld/location", None);
    assert_eq!(f["geometry"]["type"], "Point");
    assert_eq!(f["properties"]["type"], "Vehicle");
    assert!(f["properties"].get("id").is_none());
    assert_eq!(View::new(&names).feature(&e, "https://e/none", None)["geometry"], Value::Null);
}

/// §4.6, §5.5.4: each beside the entity that is taken.
#[test]
fn wrong_entities_are_refused() {
    let base = || json!({ "id": "urn:x:1", "type": "T", "a": { "type": "Property", "value": 1 } });
    assert!(read(&base()).is_ok());
    let wrong = |change: fn(&mut Value)| {
        let mut v = base();
        change(&mut v);
        let e = read(&v).unwrap_err();
        assert_eq!(e.fault, Fault::BadRequestData, "{v}");
    };
    wrong(|v| v["id"] = json!("no uri"));
    wrong(|v| drop(v.as_object_mut().unwrap().remove("id")));
    wrong(|v| drop(v.as_object_mut().unwrap().remove("type")));
    wrong(|v| v["a b"] = json!(1));
    wrong(|v| v["a"] = json!(null));
    wrong(|v| v["a"] = json!({ "type": "Property" }));
    wrong(|v| v["a"] = json!({ "type": "Thing", "value": 1 }));
    wrong(|v| v["a"] = json!({ "type": "Property", "object": "urn:x:2" }));
    wrong(|v| v["a"] = json!({ "type": "Relationship", "object": "not a uri" }));
    wrong(|v| v["a"] = json!({ "type": "Property", "value": "urn:ngsi-ld:null" }));
    wrong(|v| v["a"] = json!({ "type": "Property", "value": null }));
    wrong(|v| v["a"] = json!({ "type": "Property", "value": 1, "observedAt": "yesterday" }));
    wrong(
        |v| v["a"] = json!({ "type": "GeoProperty", "value": { "type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]] } }),
    );
    wrong(|v| v["a"] = json!([{ "type": "Property", "value": 1 }, { "type": "Property", "value": 2 }]));
    wrong(|v| v["scope"] = json!("/a//b"));
}

#[test]
fn attributes_of_attributes_end_somewhere() {
    let mut a = json!({ "type": "Property", "value": 1 });
    for _ in 0..60 {
        a = json!({ "type": "Property", "value": 1, "of": a });
    }
    assert!(read(&json!({ "id": "urn:x:1", "type": "T", "a": a })).is_err());
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z「」:/@ ]{0,12}".prop_map(Value::from),
        Just(json!("urn:ngsi-ld:null")),
        Just(Value::Null),
        Just(json!("Property")),
        Just(json!("urn:x:1")),
    ];
    let key = prop_oneof![
        Just("type".to_owned()),
        Just("value".to_owned()),
        Just("object".to_owned()),
        Just("id".to_owned()),
        Just("languageMap".to_owned()),
        Just("observedAt".to_owned()),
        Just("datasetId".to_owned()),
        Just("dataset".to_owned()),
        Just("coordinates".to_owned()),
        "[a-z]{1,5}",
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..4)
                .prop_map(|kv| Value::Object(kv.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever is taken is written so that it is taken again and means the same, in full and in brief.
    #[test]
    fn what_is_taken_is_taken_again(a in any_value(), b in any_value()) {
        let doc = json!({ "id": "urn:x:1", "type": "T", "a": a, "b": b });
        if let Ok(e) = read(&doc) {
            for form in [Form::Normalized, Form::Concise] {
                let again = shown(&doc, form);
                prop_assert_eq!(&read(&again).unwrap(), &e, "{:?} {}", form, again);
            }
        }
        for how in [Reading { nulls: true, ..Reading::default() }, Reading { simplified: true, ..Reading::default() }, Reading { temporal: true, partial: true, ..Reading::default() }] {
            let _ = parse::fragment(&doc, &Names::default(), how);
        }
    }
}
