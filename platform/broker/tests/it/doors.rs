use axum::http::Method;
use kenroku_store::Db;
use serde_json::{Value, json};

use crate::{Program, client, kaga, nomi, site};

/// GS CIM 009 §4.14: who is of another tenant sees, counts and lists nothing of this one.
#[kenroku_store::test(&[kenroku_broker::MIGRATIONS])]
async fn nobody_reaches_what_is_anothers(db: Db) {
    let site = site(db).await;
    let own = Program::of(&site);
    let car = json!({ "id": "urn:x:1", "type": "Car", "speed": 1 });
    assert_eq!(own.post("entities", &car).await, 201);
    let stranger =
        Program { site: site.acting(client(kaga(), &["broker.read", "broker.write"])), tenant: "172065" };
    assert_eq!(stranger.get("entities/urn:x:1").await.status, 404);
    assert_eq!(stranger.get("entities?type=Car&count=true").await.header("ngsild-results-count"), "0");
    assert_eq!(stranger.get("types").await.json()["typeList"], json!([]));
    assert_eq!(stranger.get("temporal/entities/urn:x:1").await.status, 404);
    assert_eq!(stranger.post("entities", &car).await, 201);
    // With another's name at the door the key opens nothing.
    let masked = Program { site: stranger.site.clone(), tenant: "172111" };
    assert!(masked.get("entities/urn:x:1").await.status.is_client_error());
    assert!(masked.send(Method::DELETE, "entities/urn:x:1", &Value::Null).await.status.is_client_error());
    assert_eq!(own.get("entities/urn:x:1").await.status, 200);
    let lost = Program { site: own.site.clone(), tenant: "999999" };
    let answer = lost.get("entities/urn:x:1").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["type"], "https://uri.etsi.org/ngsi-ld/errors/NonexistentTenant");
}

#[kenroku_store::test(&[kenroku_broker::MIGRATIONS])]
async fn a_key_opens_what_it_was_issued_for(db: Db) {
    let site = site(db).await;
    let car = json!({ "id": "urn:x:1", "type": "Car", "speed": 1 });
    let reader = Program { site: site.acting(client(nomi(), &["broker.read"])), tenant: "172111" };
    let writer = Program { site: site.acting(client(nomi(), &["broker.write"])), tenant: "172111" };
    assert_eq!(reader.post("entities", &car).await, 403);
    assert_eq!(writer.post("entities", &car).await, 201);
    assert_eq!(writer.get("entities/urn:x:1").await.status, 403);
    assert_eq!(reader.get("entities/urn:x:1").await.status, 200);
    let nobody = site.get_with("/ngsi-ld/v1/entities/urn:x:1", &[("ngsild-tenant", "172111")]).await;
    assert_eq!(nobody.status, 401);
}
