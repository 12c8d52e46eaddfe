use axum::http::Method;
use kenroku_store::Db;
use serde_json::{Value, json};

use crate::{Program, site};

fn plough(n: u32, speed: f64) -> Value {
    json!({
        "id": format!("urn:ngsi-ld:Vehicle:{n}"), "type": "Vehicle",
        "speed": { "type": "Property", "value": speed, "observedAt": "2026-01-14T00:30:00Z" },
        "location": { "type": "GeoProperty", "value": { "type": "Point", "coordinates": [136.5 + f64::from(n) / 100.0, 36.4] } },
        "depot": { "type": "Relationship", "object": "urn:ngsi-ld:Depot:1" },
    })
}

/// GS CIM 009 §5.6.1 to §5.6.6, §5.6.17 to §5.6.19
#[kenroku_store::test(&[kenroku_broker::MIGRATIONS])]
async fn entities_are_made_changed_and_deleted(db: Db) {
    let p = Program::of(&site(db).await);
    let made = p.send(Method::POST, "entities", &plough(1, 5.0)).await;
    assert_eq!(
        (made.status.as_u16(), made.header("location")),
        (201, "/ngsi-ld/v1/entities/urn:ngsi-ld:Vehicle:1")
    );
    let again = p.send(Method::POST, "entities/", &plough(1, 5.0)).await;
    assert_eq!(again.json()["type"], "https://uri.etsi.org/ngsi-ld/errors/AlreadyExists");
    let at = "entities/urn:ngsi-ld:Vehicle:1";
    let speed = async |p: &Program| p.get(&format!("{at}?options=keyValues")).await.json()["speed"].clone();
    assert_eq!(p.send(Method::PATCH, &format!("{at}/attrs/speed"), &json!({ "value": 6 })).await.status, 204);
    assert_eq!(speed(&p).await, 6);
    assert_eq!(
        p.send(Method::PATCH, &format!("{at}/attrs"), &json!({ "speed": 7, "plate": "x" })).await.status,
        204
    );
    assert_eq!(
        p.send(Method::POST, &format!("{at}/attrs?options=noOverwrite"), &json!({ "speed": 8, "new": 1 }))
            .await
            .status,
        207
    );
    assert_eq!(speed(&p).await, 7);
    assert_eq!(
        p.send(Method::PUT, &format!("{at}/attrs/speed"), &json!({ "type": "Property", "value": 9 }))
            .await
            .status,
        204
    );
    assert_eq!(
        p.send(Method::PUT, &format!("{at}/attrs/none"), &json!({ "type": "Property", "value": 9 }))
            .await
            .status,
        404
    );
    let merged = json!({ "speed": 10, "new": "urn:ngsi-ld:null" });
    assert_eq!(
        p.with(Method::PATCH, at, &merged, &[("content-type", "application/merge-patch+json")]).await.status,
        204
    );
    let now = p.get(&format!("{at}?options=sysAttrs")).await.json();
    assert_eq!((&now["speed"]["value"], now.get("new")), (&json!(10), None));
    assert!(now["speed"]["createdAt"].is_string());
    assert_eq!(p.send(Method::DELETE, &format!("{at}/attrs/plate"), &Value::Null).await.status, 204);
    assert_eq!(p.send(Method::DELETE, &format!("{at}/attrs/plate"), &Value::Null).await.status, 404);
    assert_eq!(p.send(Method::PUT, at, &json!({ "type": "Vehicle", "only": 1 })).await.status, 204);
    assert_eq!(
        p.get(&format!("{at}?format=simplified")).await.json(),
        json!({ "id": "urn:ngsi-ld:Vehicle:1", "type": "Vehicle", "only": 1 })
    );
    assert_eq!(p.send(Method::DELETE, at, &Value::Null).await.status, 204);
    assert_eq!(p.send(Method::DELETE, at, &Value::Null).await.status, 404);
    assert_eq!(p.get("types").await.json()["typeList"], json!([]));
}

/// §5.6.7 to §5.6.10, §5.6.20, §5.6.21
#[kenroku_store::test(&[kenroku_broker::MIGRATIONS])]
async fn batches_tell_each_by_itself(db: Db) {
    let p = Program::of(&site(db).await);
    let made =
        p.send(Method::POST, "entityOperations/create", &json!([plough(1, 1.0), plough(2, 2.0)])).await;
    assert_eq!((made.status.as_u16(), made.json().as_array().unwrap().len()), (201, 2));
    let some = p
        .send(
            Method::POST,
            "entityOperations/create",
            &json!([plough(2, 2.0), plough(3, 3.0), { "id": "no" }]),
        )
        .await;
    assert_eq!(some.status, 207);
    assert_eq!(some.json()["success"], json!(["urn:ngsi-ld:Vehicle:3"]));
    assert_eq!(some.json()["errors"].as_array().unwrap().len(), 2);
    let upserted = p
        .send(
            Method::POST,
            "entityOperations/upsert?options=update",
            &json!([{ "id": "urn:ngsi-ld:Vehicle:3", "type": "Vehicle", "x": 1 }, plough(4, 4.0)]),
        )
        .await;
    assert_eq!((upserted.status.as_u16(), upserted.json()), (201, json!(["urn:ngsi-ld:Vehicle:4"])));
    assert_eq!(
        p.post("entityOperations/update", &json!([{ "id": "urn:ngsi-ld:Vehicle:1", "speed": 11 }])).await,
        204
    );
    assert_eq!(
        p.post("entityOperations/update", &json!([{ "id": "urn:ngsi-ld:Vehicle:9", "speed": 11 }])).await,
        207
    );
    assert_eq!(
        p.post("entityOperations/merge", &json!([{ "id": "urn:ngsi-ld:Vehicle:1", "speed": 12 }])).await,
        204
    );
    assert_eq!(
        p.post("entityOperations/delete", &json!(["urn:ngsi-ld:Vehicle:1", "urn:ngsi-ld:Vehicle:9"])).await,
        207
    );
    assert_eq!(
        p.send(Method::DELETE, "entities?type=Vehicle&q=speed==2&drop=speed", &Value::Null).await.status,
        204
    );
    assert_eq!(p.send(Method::DELETE, "entities?type=Vehicle&keep=a&drop=b", &Value::Null).await.status, 400);
    assert!(p.get("entities/urn:ngsi-ld:Vehicle:2").await.json().get("speed").is_none());
    assert_eq!(p.send(Method::DELETE, "entities?type=Vehicle", &Value::Null).await.status, 204);
    assert_eq!(p.get("entities?type=Vehicle").await.json(), json!([]));
}

/// §5.7.2, §6.3.10
#[kenroku_store::test(&[kenroku_broker::MIGRATIONS])]
async fn queries_choose_count_and_page(db: Db) {
    let p = Program::of(&site(db).await);
    let all: Vec<Value> = (1..=7).map(|n| plough(n, f64::from(n))).collect();
    p.post("entityOperations/create", &json!(all)).await;
    p.post("entities", &json!({ "id": "urn:ngsi-ld:Depot:1", "type": "Depot", "city": "Nomi", "speed": 1 }))
        .await;
    let ids = async |q: &str| -> Vec<String> {
        let a = p.get(&format!("entities?{q}")).await;
        assert_eq!(a.status, 200, "{q}: {}", a.text());
        a.json()
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["id"].as_str().unwrap().rsplit(':').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids("type=Vehicle&q=speed%3E%3D6").await, ["6", "7"]);
    assert_eq!(ids("type=Vehicle,Depot&limit=3&offset=5").await, ["5", "6", "7"]);
    assert_eq!(ids("attrs=city").await, ["1"]);
    assert_eq!(ids("type=Vehicle&idPattern=.*:[23]$").await, ["2", "3"]);
    assert_eq!(ids("type=Vehicle&id=urn:ngsi-ld:Vehicle:4,urn:ngsi-ld:Vehicle:9").await, ["4"]);
    assert_eq!(
        ids("type=Vehicle&georel=near%3BmaxDistance%3D%3D1000&geometry=Point&coordinates=[136.52,36.4]")
            .await,
        ["1", "2", "3"]
    );
    assert_eq!(ids("type=Vehicle&q=depot%7BDepot%7D.city%3D%3D%22Nomi%22&limit=2").await, ["1", "2"]);
    assert_eq!(ids("type=Vehicle&orderBy=speed%3Bdesc&limit=2&offset=1").await, ["6", "5"]);
    let page = p.get("entities?type=Vehicle&limit=2&offset=2&count=true").await;
    assert_eq!(page.header("ngsild-results-count"), "7");
    let links: Vec<String> =
        page.headers.get_all("link").iter().map(|v| v.to_str().unwrap().to_owned()).collect();
    assert!(links.iter().any(|l| l.contains("offset=4") && l.contains("rel=\"next\"")), "{links:?}");
    assert!(links.iter().any(|l| l.contains("offset=0") && l.contains("rel=\"prev\"")), "{links:?}");
    let by_post = json!({ "type": "Query", "entities": [{ "type": "Vehicle", "idPattern": ".*:1$" }, { "type": "Depot" }] });
    assert_eq!(
        p.send(Method::POST, "entityOperations/query", &by_post).await.json().as_array().unwrap().len(),
        2
    );
    let joined = p.get("entities/urn:ngsi-ld:Vehicle:1?join=inline").await.json();
    assert_eq!(joined["depot"]["entity"]["city"]["value"], "Nomi");
    let geo = p
        .with(Method::GET, "entities?type=Vehicle", &Value::Null, &[("accept", "application/geo+json")])
        .await
        .json();
    assert_eq!(
        (&geo["type"], &geo["features"][0]["geometry"]["type"]),
        (&json!("FeatureCollection"), &json!("Point"))
    );
    for wrong in [
        "entities",
        "entities?type=Vehicle&limit=-1",
        "entities?type=Vehicle&q=%3D",
        "entities?type=Vehicle&what=1",
        "entities?type=Vehicle&georel=within",
    ] {
        assert_eq!(p.get(wrong).await.status, 400, "{wrong}");
    }
}

/// §5.7.5 to §5.7.10
#[kenroku_store::test(&[kenroku_broker::MIGRATIONS])]
async fn types_and_attributes_are_told(db: Db) {
    let p = Program::of(&site(db).await);
    p.post("entities", &plough(1, 1.0)).await;
    assert_eq!(
        p.get("types?details=true").await.json()[0]["attributeNames"],
        json!(["depot", "location", "speed"])
    );
    let one = p.get("types/Vehicle").await.json();
    assert_eq!((&one["entityCount"], one["attributeDetails"].as_array().unwrap().len()), (&json!(1), 3));
    assert_eq!(p.get("attributes").await.json()["attributeList"], json!(["depot", "location", "speed"]));
    assert_eq!(p.get("attributes/depot").await.json()["attributeTypes"], json!(["Relationship"]));
    assert_eq!(
        (p.get("types/None").await.status.as_u16(), p.get("attributes/none").await.status.as_u16()),
        (404, 404)
    );
    assert_eq!(p.get("info/conformance").await.status, 200);
    assert_eq!(p.get("info/sourceIdentity").await.json()["type"], "ContextSourceIdentity");
}

/// §5.13, §6.3.5
#[kenroku_store::test(&[kenroku_broker::MIGRATIONS])]
async fn contexts_are_hosted_and_what_cannot_be_read_is_told_at_once(db: Db) {
    let p = Program::of(&site(db).await);
    let context = json!({ "@context": { "Plough": "https://example.org/Plough" } });
    let made = p.send(Method::POST, "jsonldContexts", &context).await;
    assert_eq!(made.status, 201);
    let at = made.header("location").to_owned();
    let id = at.rsplit('/').next().unwrap().to_owned();
    let link = format!(
        "<http://here{at}>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\""
    );
    let body = json!({ "id": "urn:x:1", "type": "Plough" });
    let headers = [("content-type", "application/json"), ("link", link.as_str())];
    assert_eq!(p.with(Method::POST, "entities", &body, &headers).await.status, 201);
    assert_eq!(p.get("entities/urn:x:1").await.json()["type"], "https://example.org/Plough");
    let both = json!({ "@context": [{ "a": "https://example.org/a" }, { "Plough": "https://example.org/Plough" }], "id": "urn:x:2", "type": "Plough", "a": 1 });
    assert_eq!(
        p.with(Method::POST, "entities", &both, &[("content-type", "application/ld+json")]).await.status,
        201
    );
    assert_eq!(p.get(&format!("jsonldContexts/{id}")).await.json(), context);
    assert_eq!(p.get(&format!("jsonldContexts/{id}?details=true")).await.json()["kind"], "Hosted");
    assert_eq!(p.get("jsonldContexts?kind=Hosted").await.json().as_array().unwrap().len(), 1);
    assert_eq!(p.get("jsonldContexts?kind=Odd").await.status, 400);
    let query = json!({ "@context": [{ "a": "https://example.org/a" }, { "b": "https://example.org/b" }], "type": "Query", "entities": [{ "type": "https://example.org/Plough" }] });
    let found = p
        .with(
            Method::POST,
            "entityOperations/query",
            &query,
            &[("content-type", "application/ld+json"), ("host", "here")],
        )
        .await;
    assert!(found.headers.get_all("link").iter().any(|l| l.to_str().unwrap().contains("/jsonldContexts/")));
    assert_eq!(p.send(Method::DELETE, &format!("jsonldContexts/{id}"), &Value::Null).await.status, 204);
    assert_eq!(
        p.send(Method::DELETE, &format!("jsonldContexts/{id}?reload=true"), &Value::Null).await.status,
        404
    );
    let inside = json!({ "@context": "http://127.0.0.1:9/none.jsonld", "id": "urn:x:3", "type": "T" });
    let refused = p.with(Method::POST, "entities", &inside, &[("content-type", "application/ld+json")]).await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["type"].clone()),
        (504, json!("https://uri.etsi.org/ngsi-ld/errors/LdContextNotAvailable"))
    );
    let unknown = json!({ "@context": "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-non-existing.jsonld", "id": "urn:x:3", "type": "T" });
    assert!(
        p.with(Method::POST, "entities", &unknown, &[("content-type", "application/ld+json")])
            .await
            .status
            .is_server_error()
    );
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep = format!("{{\"id\":\"urn:x:4\",\"type\":\"T\",\"a\":{deep}}}");
    let all = [("ngsild-tenant", "172111"), ("content-type", "application/json")];
    assert_eq!(p.site.request(Method::POST, "/ngsi-ld/v1/entities", &all, deep.into()).await.status, 400);
}

/// §6.3.4
#[kenroku_store::test(&[kenroku_broker::MIGRATIONS])]
async fn forms_that_are_not_spoken_are_refused(db: Db) {
    let p = Program::of(&site(db).await);
    let car = json!({ "id": "urn:x:1", "type": "Car" });
    assert_eq!(
        p.with(Method::POST, "entities", &car, &[("content-type", "application/xml")]).await.status,
        415
    );
    assert_eq!(
        p.with(Method::POST, "entities", &car, &[("content-type", "application/ld+json")]).await.status,
        400
    );
    assert_eq!(p.post("entities", &car).await, 201);
    assert_eq!(
        p.with(Method::GET, "entities/urn:x:1", &Value::Null, &[("accept", "text/html")]).await.status,
        406
    );
    let ld =
        p.with(Method::GET, "entities/urn:x:1", &Value::Null, &[("accept", "application/ld+json")]).await;
    assert!(ld.json()["@context"].as_str().unwrap().contains("core-context"));
    assert_eq!(p.send(Method::PATCH, "entities", &car).await.status, 400);
}

/// GS CIM 009 §5.13.5: a cached context is fetched again and takes the place of the old one, in its tenant only.
#[kenroku_store::test(&[kenroku_broker::MIGRATIONS])]
async fn a_renewed_context_takes_the_place_of_the_old_one(db: Db) {
    use kenroku_broker::sql::{ContextRow, add_context, context, renew_context};
    let (here, elsewhere) = (
        kenroku_types::Tenant::SHARED,
        kenroku_types::Tenant::of(kenroku_types::MuniCode::new(17211).unwrap()),
    );
    let old = ContextRow {
        id: "c1".to_owned(),
        url: "https://example.org/c".to_owned(),
        kind: "Cached".to_owned(),
        body: "{}".to_owned(),
        created_at: kenroku_types::Timestamp::from_micros(1),
        used_at: None,
        hits: 0,
    };
    let mut tx = db.begin().await.unwrap();
    add_context(&mut tx, here, &old).await.unwrap();
    let now = kenroku_types::Timestamp::from_micros(2);
    renew_context(&mut tx, elsewhere, "c1", "[1]", now).await.unwrap();
    assert_eq!(context(&mut tx, here, "c1").await.unwrap().unwrap().body, "{}", "another tenant's");
    renew_context(&mut tx, here, "c1", "[]", now).await.unwrap();
    let new = context(&mut tx, here, "c1").await.unwrap().unwrap();
    assert_eq!((new.body.as_str(), new.created_at), ("[]", now));
}
