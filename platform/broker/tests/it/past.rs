use std::time::Duration;

use axum::http::Method;
use kenroku_store::Db;
use serde_json::{Value, json};

use crate::{Program, site};

fn history(id: &str) -> Value {
    let at = |minute: u32, v: f64| json!({ "type": "Property", "value": v, "observedAt": format!("2026-01-14T00:{minute:02}:00Z") });
    json!({ "id": id, "type": "Vehicle", "speed": [at(0, 10.0), at(10, 20.0), at(20, 60.0)] })
}

/// GS CIM 009 §5.6.11 to §5.6.16, §5.7.3, §5.7.4
#[kenroku_store::test(&[kenroku_broker::MIGRATIONS])]
async fn what_was_is_kept_asked_and_corrected(db: Db) {
    let p = Program::of(&site(db).await);
    assert_eq!(p.post("temporal/entities", &history("urn:x:1")).await, 201);
    assert_eq!(p.post("temporal/entities", &json!({ "id": "urn:x:1", "type": "Vehicle", "speed": [{ "type": "Property", "value": 25, "observedAt": "2026-01-14T00:10:00Z" }] })).await, 204);
    let all = p.get("temporal/entities/urn:x:1").await.json();
    assert_eq!(all["speed"].as_array().unwrap().len(), 3);
    let values = p.get("temporal/entities/urn:x:1?options=temporalValues&lastN=2").await.json();
    assert_eq!(
        values["speed"]["values"],
        json!([[60.0, "2026-01-14T00:20:00Z"], [25, "2026-01-14T00:10:00Z"]])
    );
    let aggregated = p.get("temporal/entities?type=Vehicle&timerel=after&timeAt=2026-01-13T00:00:00Z&options=aggregatedValues&aggrMethods=max,totalCount&aggrPeriodDuration=P1D").await.json();
    assert_eq!(aggregated[0]["speed"]["max"][0][0], json!(60.0));
    let by_post = json!({ "type": "Query", "entities": [{ "type": "Vehicle" }], "temporalQ": { "timerel": "between", "timeAt": "2026-01-14T00:05:00Z", "endTimeAt": "2026-01-14T00:15:00Z" } });
    let found = p.send(Method::POST, "temporal/entityOperations/query", &by_post).await.json();
    assert_eq!(found[0]["speed"].as_array().unwrap().len(), 1);
    assert_eq!(p.get("temporal/entities?type=Vehicle").await.status, 400);
    assert_eq!(
        p.post(
            "temporal/entities/urn:x:1/attrs",
            &json!({ "fuel": { "type": "Property", "value": 5, "observedAt": "2026-01-14T00:00:00Z" } })
        )
        .await,
        204
    );
    let instance = all["speed"][0]["instanceId"].as_str().unwrap();
    let at = format!("temporal/entities/urn:x:1/attrs/speed/{instance}");
    assert_eq!(p.send(Method::PATCH, &at, &json!({ "type": "Property", "value": 11 })).await.status, 204);
    let values = p.get("temporal/entities/urn:x:1?options=temporalValues&attrs=speed").await.json();
    assert_eq!(values["speed"]["values"][0][0], 11);
    assert_eq!(p.send(Method::DELETE, &at, &Value::Null).await.status, 204);
    assert_eq!(p.send(Method::DELETE, &at, &Value::Null).await.status, 404);
    assert_eq!(
        p.send(Method::DELETE, "temporal/entities/urn:x:1/attrs/fuel", &Value::Null).await.status,
        204
    );
    assert_eq!(p.send(Method::DELETE, "temporal/entities/urn:x:1", &Value::Null).await.status, 204);
    assert_eq!(p.send(Method::DELETE, "temporal/entities/urn:x:1", &Value::Null).await.status, 404);
}

/// §5.6: every change of an entity is in its history, and so is that an attribute was deleted.
#[kenroku_store::test(&[kenroku_broker::MIGRATIONS])]
async fn changes_are_remembered(db: Db) {
    let p = Program::of(&site(db).await);
    p.post(
        "entities",
        &json!({ "id": "urn:x:1", "type": "Car", "speed": { "type": "Property", "value": 1 } }),
    )
    .await;
    let later = || p.site.app().env().clock.advance(Duration::from_secs(1));
    later();
    p.send(Method::PATCH, "entities/urn:x:1/attrs/speed", &json!({ "value": 2 })).await;
    later();
    p.send(Method::DELETE, "entities/urn:x:1/attrs/speed", &Value::Null).await;
    let all = p.get("temporal/entities/urn:x:1").await.json();
    let values: Vec<&Value> = all["speed"].as_array().unwrap().iter().map(|i| &i["value"]).collect();
    assert_eq!(values, [&json!(1), &json!(2), &json!("urn:ngsi-ld:null")]);
    p.send(Method::DELETE, "entities/urn:x:1", &Value::Null).await;
    assert_eq!(p.get("temporal/entities/urn:x:1").await.status, 404);
}
