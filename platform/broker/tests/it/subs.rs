use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use axum::http::Method;
use kenroku_access::TenantTree;
use kenroku_module::test::TestSite;
use kenroku_store::Db;
use serde_json::{Value, json};

use crate::{Program, nomi};

/// Somebody who is told, at one address for all tests and engines; each test has a path of its own.
static EAR: LazyLock<String> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut got, mut chunk) = (Vec::new(), [0; 4096]);
            loop {
                let text = String::from_utf8_lossy(&got).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let length = head.lines().find_map(|l| {
                        l.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
                    });
                    if body.len() >= length.and_then(|l| l.parse().ok()).unwrap_or(0) {
                        break;
                    }
                }
                let n = stream.read(&mut chunk).unwrap();
                got.extend_from_slice(&chunk[..n]);
            }
            // Kept before it is answered: whoever sent it finds it here.
            TOLD.lock().unwrap().push(String::from_utf8_lossy(&got).into_owned());
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        }
    });
    address
});
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Everything that was told at this path since the last time.
fn heard(path: &str) -> Vec<String> {
    let mut told = TOLD.lock().unwrap();
    let (mine, others) = told.drain(..).partition(|t| t.starts_with(&format!("POST {path} ")));
    *told = others;
    mine
}

fn notification(told: &str) -> Value {
    serde_json::from_str(told.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// A site that may call this machine.
async fn site(db: Db) -> TestSite {
    let mut module = kenroku_broker::module();
    for s in module.settings.iter_mut().filter(|s| s.key == "broker.allow_private") {
        s.default = "true";
    }
    TestSite::on(db, TenantTree::new([(nomi(), None)]).unwrap(), [module]).await
}

fn wanted(id: &str, more: Value) -> Value {
    let mut s = json!({
        "id": id, "type": "Subscription", "entities": [{ "type": "Vehicle" }], "watchedAttributes": ["speed"], "q": "speed>10",
        "notification": { "attributes": ["speed"], "showChanges": true, "endpoint": {
            "uri": format!("{}/change", *EAR), "receiverInfo": [{ "key": "X-Told", "value": "yes" }] } },
    });
    s.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    s
}

/// GS CIM 009 §5.8: what matches is told once with its change, everything else is not, and each is counted.
#[kenroku_store::test(&[kenroku_broker::MIGRATIONS])]
async fn who_asked_is_told_of_what_they_asked(db: Db) {
    let site = site(db).await;
    let p = Program::of(&site);
    let later = |s: u64| site.app().env().clock.advance(Duration::from_secs(s));
    assert_eq!(p.post("subscriptions", &wanted("urn:s:1", json!({}))).await, 201);
    assert_eq!(p.post("subscriptions", &wanted("urn:s:1", json!({}))).await, 409);
    assert_eq!(p.post("subscriptions", &wanted("urn:s:2", json!({ "isActive": false }))).await, 201);
    assert_eq!(
        p.post(
            "subscriptions",
            &wanted("urn:s:3", json!({ "notificationTrigger": ["entityDeleted"], "throttling": 60 }))
        )
        .await,
        201
    );
    p.post("entities", &json!({ "id": "urn:x:1", "type": "Vehicle", "speed": 5, "name": "a" })).await;
    p.send(Method::PATCH, "entities/urn:x:1/attrs", &json!({ "speed": 20 })).await;
    p.send(Method::PATCH, "entities/urn:x:1/attrs", &json!({ "name": "b" })).await;
    p.post("entities", &json!({ "id": "urn:y:1", "type": "Other", "speed": 50 })).await;
    assert!(heard("/change").is_empty());
    site.work().await;
    let told = heard("/change");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].to_ascii_lowercase().contains("x-told: yes") && told[0].contains("json-ld#context"));
    let n = notification(&told[0]);
    assert_eq!((&n["type"], &n["subscriptionId"]), (&json!("Notification"), &json!("urn:s:1")));
    assert_eq!(
        n["data"],
        json!([{ "id": "urn:x:1", "type": "Vehicle", "speed": { "type": "Property", "value": 20, "previousValue": 5 } }])
    );
    let s = p.get("subscriptions/urn:s:1").await.json();
    assert_eq!(
        (&s["status"], &s["notification"]["timesSent"], &s["notification"]["status"]),
        (&json!("active"), &json!(1), &json!("ok"))
    );
    assert_eq!(p.get("subscriptions/urn:s:2").await.json()["status"], "paused");
    later(1);
    p.send(Method::DELETE, "entities/urn:x:1", &Value::Null).await;
    site.work().await;
    let told = heard("/change");
    assert_eq!(notification(&told[0])["data"][0]["speed"]["value"], "urn:ngsi-ld:null");
    assert_eq!(told.len(), 1);
    p.post("entities", &json!({ "id": "urn:x:2", "type": "Vehicle", "speed": 15 })).await;
    p.send(Method::DELETE, "entities/urn:x:2", &Value::Null).await;
    site.work().await;
    assert_eq!(heard("/change").len(), 1, "the first subscription alone: the third is throttled");
    assert_eq!(p.get("subscriptions?count=true").await.header("ngsild-results-count"), "3");
    assert_eq!(
        p.send(Method::PATCH, "subscriptions/urn:s:1", &json!({ "isActive": false })).await.status,
        204
    );
    assert_eq!(p.get("subscriptions/urn:s:1").await.json()["status"], "paused");
    assert_eq!(p.send(Method::DELETE, "subscriptions/urn:s:1", &Value::Null).await.status, 204);
    assert_eq!(p.send(Method::DELETE, "subscriptions/urn:s:1", &Value::Null).await.status, 404);
}

/// §5.8.6: by the clock, and what does not arrive is counted and tried again.
#[kenroku_store::test(&[kenroku_broker::MIGRATIONS])]
async fn the_clock_tells_too_and_failures_are_counted(db: Db) {
    let site = site(db).await;
    let p = Program::of(&site);
    let later = |s: u64| site.app().env().clock.advance(Duration::from_secs(s));
    p.post("entities", &json!({ "id": "urn:x:1", "type": "Vehicle", "speed": 5 })).await;
    let by_clock = json!({
        "id": "urn:s:1", "type": "Subscription", "entities": [{ "type": "Vehicle" }], "timeInterval": 10,
        "notification": { "format": "keyValues", "endpoint": { "uri": format!("{}/clock", *EAR), "accept": "application/ld+json" } },
    });
    assert_eq!(p.post("subscriptions", &by_clock).await, 201);
    site.work().await;
    assert!(heard("/clock").is_empty());
    later(11);
    site.work().await;
    let told = heard("/clock");
    assert_eq!(told.len(), 1);
    assert_eq!(notification(&told[0])["data"][0]["speed"], 5);
    assert!(
        notification(&told[0])["@context"].is_string()
            && notification(&told[0])["data"][0]["@context"].is_string()
    );
    let deaf =
        wanted("urn:s:2", json!({ "notification": { "endpoint": { "uri": "http://127.0.0.1:9/none" } } }));
    assert_eq!(p.post("subscriptions", &deaf).await, 201);
    p.send(Method::PATCH, "entities/urn:x:1/attrs", &json!({ "speed": 20 })).await;
    site.work().await;
    let s = p.get("subscriptions/urn:s:2").await.json();
    assert_eq!(
        (&s["notification"]["timesFailed"], &s["notification"]["status"]),
        (&json!(1), &json!("failed"))
    );
}

#[kenroku_store::test(&[kenroku_broker::MIGRATIONS])]
async fn wrong_subscriptions_are_refused(db: Db) {
    let p = Program::of(&site(db).await);
    assert_eq!(p.post("subscriptions", &wanted("urn:s:0", json!({}))).await, 201);
    for (wrong, status) in [
        (json!({ "type": "Wish" }), 400),
        (json!({ "entities": [] }), 400),
        (json!({ "entities": [{ "id": "urn:x:1" }] }), 400),
        (json!({ "q": "speed>" }), 400),
        (json!({ "throttling": -1 }), 400),
        (json!({ "throttling": 5, "timeInterval": 5 }), 400),
        (json!({ "expiresAt": "2020-01-01T00:00:00Z" }), 400),
        (json!({ "notificationTrigger": ["fullMoon"] }), 400),
        (json!({ "notification": {} }), 400),
        (json!({ "notification": { "endpoint": { "uri": "gopher://x" } } }), 422),
        (
            json!({ "notification": { "pick": ["a"], "attributes": ["a"], "endpoint": { "uri": "https://x.example/" } } }),
            400,
        ),
    ] {
        assert_eq!(p.post("subscriptions", &wanted("urn:s:1", wrong.clone())).await, status, "{wrong}");
    }
}
