use std::collections::BTreeMap;

use kenroku_ngsi_ld::query::{GeoQ, GeoRel, Links, NoLinks, Order, Q, ScopeQ, TypeQ, order, pattern};
use kenroku_ngsi_ld::{Entity, Names};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{names, plough, read};

fn asked(q: &str) -> bool {
    let e = read(&plough()).unwrap();
    Q::parse(q, &Names::default()).unwrap().matches(&e, &NoLinks)
}

/// §4.9, with what is true beside what is not.
#[test]
fn conditions_hold_or_do_not() {
    for (yes, no) in [
        ("speed==12.5", "speed==12"),
        ("speed==13", "speed==14"),
        ("speed>12;speed<14", "speed>20"),
        ("speed==10..13", "speed==20..30"),
        ("speed==1,2,13", "speed==1,2"),
        ("speed!=99", "depot!=urn:ngsi-ld:Depot:1"),
        ("speed.accuracy==0.5", "speed.accuracy==0.6"),
        ("speed.observedAt>=2026-01-14T00:00:00Z", "speed.observedAt>2026-01-15T00:00:00Z"),
        ("speed.unitCode==\"KMH\"", "speed.unitCode==\"MMT\""),
        ("depot==urn:ngsi-ld:Depot:1", "depot==urn:ngsi-ld:Depot:2"),
        ("depot==\"urn:ngsi-ld:Depot:1\"", "depot==\"urn:ngsi-ld:Depot:2\""),
        ("crew==urn:ngsi-ld:Person:2", "crew==urn:ngsi-ld:Person:3"),
        ("label[ja]==\"除雪車\"", "label[en]==\"除雪車\""),
        ("label[*]==\"plough\"", "label[*]==\"car\""),
        ("state==Clearing", "state==Parked"),
        ("note[deep.x]==1", "note[deep.x]==2"),
        ("note[type]==\"anything\"", "note[kind]==\"anything\""),
        ("label[en]~=^pl.*h$", "label[en]~=^x"),
        ("label[en]!~=^x", "label[en]!~=plough"),
        ("none|speed", "none"),
        ("(speed>20|depot);label", "(speed>20|none);label"),
        ("speed;none|label", "speed;(none|other)"),
    ] {
        assert!(asked(yes), "{yes}");
        assert!(!asked(no), "{no}");
    }
}

#[test]
fn wrong_queries_are_refused() {
    for wrong in [
        "",
        "speed==",
        "speed=5",
        "(speed",
        "speed)",
        "speed==\"x",
        "a b",
        ";",
        "speed>true",
        "speed==1..\"x\"",
        "a[b",
        "a{T}",
        "a~=(",
        "|a",
    ] {
        assert!(Q::parse(wrong, &Names::default()).is_err(), "{wrong}");
    }
    let deep = format!("{}a{}", "(".repeat(500), ")".repeat(500));
    assert!(Q::parse(&deep, &Names::default()).is_err());
    assert!(Q::parse(&"a;".repeat(50_000), &Names::default()).is_err());
    assert!(
        pattern("(a+)+$").is_ok()
            && pattern("a{1000}{1000}{1000}").is_err()
            && pattern("(").is_err()
            && pattern("a**").is_err()
    );
}

struct Depots(BTreeMap<String, Entity>);

impl Links for Depots {
    fn entity(&self, id: &str) -> Option<Entity> {
        self.0.get(id).cloned()
    }
}

#[test]
fn what_is_linked_can_be_asked() {
    let e = read(&plough()).unwrap();
    let depot = read(&json!({ "id": "urn:ngsi-ld:Depot:1", "type": "Depot", "city": "Nomi" })).unwrap();
    let links = Depots(BTreeMap::from([(depot.id.clone(), depot)]));
    let ask = |q: &str| Q::parse(q, &Names::default()).unwrap().matches(&e, &links);
    assert!(ask("depot{Depot}.city==\"Nomi\""));
    assert!(!ask("depot{Shop}.city==\"Nomi\"") && !ask("depot{Depot}.city==\"Kaga\""));
    assert!(!Q::parse("depot{Depot}.city==\"Nomi\"", &Names::default()).unwrap().matches(&e, &NoLinks));
}

/// §4.17, §4.19
#[test]
fn types_and_scopes_are_chosen() {
    let n = names();
    let types = |s: &str, t: &[&str]| {
        let t: Vec<String> =
            t.iter().map(|t| format!("https://uri.etsi.org/ngsi-ld/default-context/{t}")).collect();
        TypeQ::parse(s, &n).unwrap().matches(&t)
    };
    assert!(types("A,B", &["B"]) && types("A|B", &["A"]) && types("(A;B),C", &["A", "B"]) && types("*", &[]));
    assert!(!types("A;B", &["A"]) && !types("(A;B),C", &["B"]));
    assert_eq!(TypeQ::parse("(A;B),C", &n).unwrap().any_of().unwrap().len(), 2);
    let scopes = |q: &str, s: &[&str]| {
        ScopeQ::parse(q).unwrap().matches(&s.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
    };
    assert!(
        scopes("/a/b", &["/a/b"])
            && scopes("/a/#", &["/a/b/c"])
            && scopes("/a/+/c", &["/a/b/c"])
            && scopes("/x,/a", &["/a"])
    );
    assert!(!scopes("/a", &["/a/b"]) && !scopes("/a/+", &["/a/b/c"]) && !scopes("/x;/a", &["/a"]));
    assert!(
        ScopeQ::parse("/a/#/b").is_err()
            && ScopeQ::parse("/a//b").is_err()
            && TypeQ::parse("A,", &n).is_err()
    );
}

fn geo(rel: &str, kind: &str, c: Value) -> bool {
    let e = read(&plough()).unwrap();
    GeoQ::parse(rel, kind, &c, "https://uri.etsi.org/ngsi-ld/location".to_owned()).unwrap().matches(&e)
}

/// §4.10: the plough stands at 136.55, 36.44.
#[test]
fn every_relation_of_geometries() {
    let square = |w: f64, s: f64, e: f64, n: f64| json!([[[w, s], [e, s], [e, n], [w, n], [w, s]]]);
    assert!(geo("near;maxDistance==2000", "Point", json!([136.56, 36.44])));
    assert!(!geo("near;maxDistance==500", "Point", json!([136.56, 36.44])));
    assert!(geo("near;minDistance==500", "Point", json!([136.56, 36.44])));
    assert!(!geo("near;minDistance==2000", "Point", json!([136.56, 36.44])));
    assert!(
        geo("within", "Polygon", square(136.0, 36.0, 137.0, 37.0))
            && !geo("within", "Polygon", square(0.0, 0.0, 1.0, 1.0))
    );
    assert!(
        geo("intersects", "Polygon", square(136.0, 36.0, 137.0, 37.0))
            && !geo("disjoint", "Polygon", square(136.0, 36.0, 137.0, 37.0))
    );
    assert!(
        geo("equals", "Point", json!([136.55, 36.44])) && !geo("equals", "Point", json!([136.55, 36.45]))
    );
    assert!(geo("disjoint", "Polygon", square(0.0, 0.0, 1.0, 1.0)));
    assert!(
        geo("contains", "Point", json!([136.55, 36.44]))
            && !geo("overlaps", "Polygon", square(136.0, 36.0, 137.0, 37.0))
    );
    for wrong in ["near", "near;maxDistance==x", "near;maxDistance==-1", "inside", "near;far==5"] {
        assert!(GeoRel::parse(wrong).is_err(), "{wrong}");
    }
    assert!(
        GeoQ::parse("within", "Polygon", &json!([[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]), "p".to_owned())
            .is_err()
    );
    assert!(GeoQ::parse("within", "Point", &json!("[1"), "p".to_owned()).is_err());
}

#[test]
fn answers_are_sorted_and_what_has_no_value_comes_last() {
    let car =
        |n: u32, v: Value| read(&json!({ "id": format!("urn:x:{n}"), "type": "T", "speed": v })).unwrap();
    let mut all = vec![
        car(1, json!(5)),
        car(2, json!(9)),
        read(&json!({ "id": "urn:x:3", "type": "T" })).unwrap(),
        car(4, json!(7)),
    ];
    let by = |s: &str| Order::parse(s, &Names::default(), None).unwrap();
    let ids = |all: &[Entity]| all.iter().map(|e| e.id[6..].to_owned()).collect::<String>();
    order(&mut all, &by("speed"));
    assert_eq!(ids(&all), "1423");
    order(&mut all, &by("speed;desc"));
    assert_eq!(ids(&all), "2413");
    order(&mut all, &by("id;desc"));
    assert_eq!(ids(&all), "4321");
    assert!(Order::parse("speed;sideways", &Names::default(), None).is_err());
    assert!(Order::parse("location;dist-asc", &Names::default(), None).is_err());
}

fn any_q() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        any::<i32>().prop_map(|n| n.to_string()),
        "[a-z]{1,6}".prop_map(|s| format!("\"{s}\\\"\"")),
        Just("true".to_owned()),
        Just("2026-01-14T00:30:00Z".to_owned()),
        Just("urn:x:1".to_owned()),
        Just("1..5".to_owned()),
        Just("1,2,\"x\"".to_owned()),
    ];
    let path = prop_oneof![
        "[a-z]{1,5}",
        "[a-z]{1,4}\\.[a-z]{1,4}",
        "[a-z]{1,4}\\[[a-z]{1,4}\\.[a-z]{1,3}\\]",
        Just("a{T}.b".to_owned())
    ];
    let term = prop_oneof![
        path.clone(),
        (path.clone(), prop_oneof![Just("=="), Just("!=")], value).prop_map(|(p, o, v)| format!("{p}{o}{v}")),
        (path, "[a-z]{1,4}").prop_map(|(p, v)| format!("{p}~={v}")),
    ];
    term.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|v| format!("({})", v.join(";"))),
            prop::collection::vec(inner, 2..4).prop_map(|v| format!("({})", v.join("|"))),
        ]
    })
}

proptest! {
    #[test]
    fn queries_written_again_are_the_same(text in any_q()) {
        let n = names();
        let once = Q::parse(&text, &n).unwrap();
        let again = Q::parse(&once.to_string(), &n).unwrap();
        prop_assert_eq!(once.to_string(), again.to_string());
    }

    #[test]
    fn types_and_scopes_written_again_are_the_same(a in "[A-C]{1,3}([,;|][A-C]{1,3}){0,4}", s in "/[a-c]{1,3}(/[a-c+]){0,3}([,;]/[a-c]{1,2}){0,3}") {
        let n = names();
        let t = TypeQ::parse(&a, &n).unwrap();
        prop_assert_eq!(&TypeQ::parse(&t.to_string(), &n).unwrap(), &t);
        if let Ok(q) = ScopeQ::parse(&s) {
            prop_assert_eq!(&ScopeQ::parse(&q.to_string()).unwrap(), &q);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-z0-9\"()\\[\\]{};|,.~=!<>:/+#*_ -]{0,60}") {
        let n = names();
        let e = read(&plough()).unwrap();
        if let Ok(q) = Q::parse(&text, &n) {
            let _ = q.matches(&e, &NoLinks);
        }
        let _ = TypeQ::parse(&text, &n);
        let _ = ScopeQ::parse(&text);
        let _ = GeoRel::parse(&text);
        let _ = Order::parse(&text, &n, None);
    }
}
