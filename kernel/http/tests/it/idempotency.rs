use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use kenroku_access::Actor;
use kenroku_http::idempotency::{self, MIGRATIONS};
use kenroku_http::test::{Answer, TestApp};
use kenroku_http::{App, Idempotency, Json, Public, Result, Routes};
use kenroku_store::Db;
use kenroku_types::ids::DeviceId;
use kenroku_types::{Problem, Tenant};
use serde_json::{Value, json};
use tokio::sync::Notify;

const KEY: &str = "0197a3c0-5d3e-7c3a-8f00-000000000001";

#[derive(Default)]
struct Effects {
    count: AtomicU32,
    entered: Notify,
    go_on: Notify,
}

async fn act(_: Public, app: App, Json(v): Json<Value>) -> Result<(StatusCode, Json<Value>)> {
    let effects = app.get::<Effects>()?;
    if v["fail"] == true {
        return Err(Problem::bad_request("asked to").into());
    }
    if v["wait"] == true {
        effects.entered.notify_one();
        effects.go_on.notified().await;
    }
    let n = effects.count.fetch_add(1, Ordering::SeqCst) + 1;
    Ok((StatusCode::CREATED, Json(json!({ "effect": n }))))
}

async fn act_in_tx(_: Public, app: App, key: Idempotency) -> Result<Response> {
    let mut tx = app.db().begin().await?;
    let n = app.get::<Effects>()?.count.fetch_add(1, Ordering::SeqCst) + 1;
    let answer = key.record(&mut tx, StatusCode::ACCEPTED, &json!({ "effect": n })).await?;
    tx.commit().await?;
    Ok(answer)
}

fn on(db: Db) -> TestApp {
    let routes = Routes::new().post("/act", act).post("/act-in-tx", act_in_tx);
    TestApp::on(db, routes, |b| {
        b.put(Effects::default());
    })
}

async fn post(app: &TestApp, path: &str, key: &str, body: Value) -> Answer {
    app.post_json_with(path, &[("idempotency-key", key)], &body).await
}

#[kenroku_store::test(&[MIGRATIONS])]
async fn a_repetition_gets_the_first_answer_and_has_no_second_effect(db: Db) {
    let app = on(db);
    for path in ["/act", "/act-in-tx"] {
        let key = format!("{KEY}{}", path.len());
        let first = post(&app, path, &key, json!({})).await;
        let again = post(&app, path, &format!("\"{key}\""), json!({})).await;
        assert_eq!((first.status, first.json()), (again.status, again.json()), "{path}");
        assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
        let other = post(&app, path, &format!("{key}-2"), json!({})).await;
        assert_ne!(other.json(), first.json());
    }
}

#[kenroku_store::test(&[MIGRATIONS])]
async fn another_request_under_the_same_key_is_refused(db: Db) {
    let app = on(db);
    assert_eq!(post(&app, "/act", KEY, json!({"a": 1})).await.status, 201);
    let other = post(&app, "/act", KEY, json!({"a": 2})).await;
    assert_eq!((other.status.as_u16(), other.problem_code().as_str()), (422, "idempotency-key-reused"));
    let device = Actor::Device { id: DeviceId::from_uuid(Tenant::SHARED.uuid()), tenant: Tenant::SHARED };
    let other_caller = post(&app.acting(device), "/act", KEY, json!({"a": 2})).await;
    assert_eq!(other_caller.status, 201, "another caller's key is another key");
    for bad in ["short", "with space in the middle", &"x".repeat(129)] {
        assert_eq!(post(&app, "/act", bad, json!({})).await.problem_code(), "idempotency-key-invalid");
    }
}

#[kenroku_store::test(&[MIGRATIONS])]
async fn a_refused_request_frees_its_key(db: Db) {
    let app = on(db);
    assert_eq!(post(&app, "/act", KEY, json!({"fail": true})).await.status, 400);
    assert_eq!(post(&app, "/act", KEY, json!({})).await.status, 201);
}

#[kenroku_store::test(&[MIGRATIONS], concurrent)]
async fn a_concurrent_repetition_is_told_to_wait_and_a_lost_client_loses_nothing(db: Db) {
    let app = on(db);
    let effects: Arc<Effects> = app.app().get().unwrap();
    let first = tokio::spawn({
        let app = app.clone();
        async move { post(&app, "/act", KEY, json!({"wait": true})).await }
    });
    effects.entered.notified().await;
    let second = post(&app, "/act", KEY, json!({"wait": true})).await;
    assert_eq!((second.problem_code().as_str(), second.header("retry-after")), ("idempotency-running", "1"));
    // The client goes away; the work goes on, and the repetition gets its answer.
    first.abort();
    effects.go_on.notify_one();
    let answer = loop {
        let a = post(&app, "/act", KEY, json!({"wait": true})).await;
        if a.status == StatusCode::CREATED {
            break a;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((answer.json(), effects.count.load(Ordering::SeqCst)), (json!({"effect": 1}), 1));
}

#[kenroku_store::test(&[MIGRATIONS])]
async fn answers_expire_and_are_purged(db: Db) {
    let app = on(db.clone());
    assert_eq!(post(&app, "/act", KEY, json!({})).await.json()["effect"], 1);
    app.app().env().clock.advance(idempotency::KEEP + Duration::from_secs(1));
    assert_eq!(post(&app, "/act", KEY, json!({})).await.json()["effect"], 2);
    app.app().env().clock.advance(idempotency::KEEP + Duration::from_secs(1));
    let mut tx = db.begin().await.unwrap();
    assert_eq!(idempotency::purge(&mut tx, app.app().env().now()).await.unwrap(), 1);
    tx.commit().await.unwrap();
}
