use kenroku_ngsi_ld::parse::{self, Reading};
use kenroku_ngsi_ld::{Entity, Names, fragment};
use kenroku_types::Timestamp;
use serde_json::{Value, json};

use crate::read;

const T0: Timestamp = Timestamp::from_secs(1_768_350_600);
const T1: Timestamp = Timestamp::from_secs(1_768_350_660);
const E: &str = "https://uri.etsi.org/ngsi-ld/default-context/";

fn car() -> Entity {
    let mut e = read(&json!({
        "id": "urn:x:1", "type": "Car",
        "speed": { "type": "Property", "value": 5, "unitCode": "KMH", "source": { "type": "Property", "value": "gps" } },
        "label": { "type": "LanguageProperty", "languageMap": { "ja": "車", "en": "car" } },
        "details": { "type": "Property", "value": { "a": 1, "b": 2 } },
    }))
    .unwrap();
    fragment::create(&mut e, T0);
    e
}

fn part(v: &Value) -> Entity {
    parse::fragment(v, &Names::default(), Reading { nulls: true, ..Reading::default() }).unwrap()
}

fn value(e: &Entity, name: &str) -> Value {
    e.instance(&format!("{E}{name}"), None).map_or(Value::Null, |a| a.value.clone())
}

/// §5.6.3
#[test]
fn appending_replaces_unless_it_must_not() {
    let f = part(&json!({ "speed": { "type": "Property", "value": 7 }, "new": 1 }));
    let mut e = car();
    let out = fragment::append(&mut e, &f, false, T1);
    assert_eq!((value(&e, "speed"), value(&e, "new")), (json!(7), json!(1)));
    assert!(out.not_updated.is_empty() && out.changes.len() == 2);
    assert_eq!(e.instance(&format!("{E}speed"), None).unwrap().created_at, Some(T0));
    assert_eq!(e.modified_at, Some(T1));
    let mut e = car();
    let out = fragment::append(&mut e, &f, true, T1);
    assert_eq!((value(&e, "speed"), value(&e, "new")), (json!(5), json!(1)));
    assert_eq!(out.not_updated.len(), 1);
}

/// §5.6.2
#[test]
fn updating_replaces_adds_and_removes() {
    let mut e = car();
    let out = fragment::update(
        &mut e,
        &part(&json!({ "speed": 9, "new": 1, "label": "urn:ngsi-ld:null", "none": "urn:ngsi-ld:null" })),
        T1,
    );
    assert_eq!(value(&e, "speed"), json!(9));
    assert_eq!((value(&e, "new"), value(&e, "label")), (json!(1), Value::Null));
    assert_eq!(out.not_updated.len(), 1);
}

/// §5.6.4
#[test]
fn parts_of_an_attribute_are_changed_and_the_rest_stays() {
    let mut e = car();
    let name = format!("{E}speed");
    let how = Reading { nulls: true, partial: true, ..Reading::default() };
    let p = parse::attribute(
        "speed",
        &json!({ "value": 6, "source": "urn:ngsi-ld:null" }),
        &Names::default(),
        how,
    )
    .unwrap();
    fragment::partial(&mut e, &name, &p[0], true, false, T1).unwrap();
    let a = e.instance(&name, None).unwrap();
    assert_eq!((a.value.clone(), a.unit_code.clone()), (json!(6), Some(json!("KMH"))));
    assert!(a.attrs.is_empty());
    let p = parse::attribute(
        "speed",
        &json!({ "type": "Relationship", "object": "urn:x:2" }),
        &Names::default(),
        how,
    )
    .unwrap();
    assert!(fragment::partial(&mut e, &name, &p[0], true, true, T1).is_err());
    assert!(fragment::partial(&mut e, &format!("{E}none"), &p[0], true, true, T1).is_err());
}

/// §5.6.17, §5.5.12
#[test]
fn merging_goes_into_values_and_null_removes() {
    let mut e = car();
    let f = part(&json!({
        "details": { "value": { "b": "urn:ngsi-ld:null", "c": 3 } },
        "label": { "languageMap": { "en": "urn:ngsi-ld:null", "fr": "voiture" } },
        "speed": "urn:ngsi-ld:null", "new": { "value": 1, "with": "urn:ngsi-ld:null" },
    }));
    let out = fragment::merge(&mut e, &f, Some(T1), T1);
    assert_eq!(value(&e, "details"), json!({ "a": 1, "c": 3 }));
    assert_eq!(value(&e, "label"), json!({ "ja": "車", "fr": "voiture" }));
    assert_eq!(value(&e, "speed"), Value::Null);
    let new = e.instance(&format!("{E}new"), None).unwrap();
    assert!(new.attrs.is_empty() && new.observed_at == Some(T1));
    assert_eq!(out.changes.iter().filter(|c| c.after.is_none()).count(), 1);
}

/// §5.6.18, §5.6.19, §5.6.5
#[test]
fn replacing_and_deleting_tell_what_became_of_each() {
    let mut e = car();
    let out =
        fragment::replace(&mut e, &read(&json!({ "id": "urn:x:1", "type": "Bus", "speed": 1 })).unwrap(), T1);
    assert_eq!(out.changes.len(), 3);
    assert_eq!((e.attrs.len(), e.created_at), (1, Some(T0)));
    assert!(fragment::delete(&mut e, &format!("{E}speed"), Some("urn:x:other"), false, T1).is_err());
    assert!(fragment::delete(&mut e, &format!("{E}speed"), None, false, T1).is_ok());
    assert!(fragment::delete(&mut e, &format!("{E}speed"), None, true, T1).is_err());
}
