//! Keys that a service publishes at an address of its own (`jwks_uri`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use kenroku_identity::op::{NewClient, Policy, PublicKeys};
use kenroku_oidc::client_auth::JWT_BEARER;
use kenroku_oidc::jws::SigningKey;
use kenroku_store::Db;
use serde_json::{Value, json};

use super::world::*;

/// What the service's server says, and how often it was asked.
#[derive(Default)]
struct Site {
    answer: Mutex<Option<(u16, String)>>,
    asked: AtomicUsize,
}

impl Site {
    fn says(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = Some((status, body.to_owned()));
    }

    fn publishes(&self, keys: &[&SigningKey]) {
        let keys: Vec<Value> = keys.iter().map(|k| k.public().to_jwk()).collect();
        self.says(200, &json!({ "keys": keys }).to_string());
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }

    fn answer(&self) -> Response {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let (status, body) = self.answer.lock().unwrap().clone().unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        (status, [(header::LOCATION, "/other"), (header::CONTENT_TYPE, "application/json")], body)
            .into_response()
    }
}

/// Serves it on this machine; its address.
async fn serve(site: &Arc<Site>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}/jwks", listener.local_addr().unwrap());
    let site = Arc::clone(site);
    let router = axum::Router::new().fallback(move || {
        let site = Arc::clone(&site);
        async move { site.answer() }
    });
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    at
}

fn metadata(at: &str) -> Value {
    json!({
        "grant_types": ["client_credentials"],
        "response_types": [],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": at,
    })
}

/// The status of a token request signed with this key.
async fn ask(w: &World, key: &SigningKey) -> u16 {
    let now = w.site.app().env().now().secs();
    let jti = w.site.app().env().uuid().to_string();
    let claims = json!({ "iss": "rp", "sub": "rp", "aud": ISSUER, "jti": jti, "exp": now + 60 });
    let jwt = key.sign("JWT", &claims).unwrap();
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", jwt.as_str()),
    ];
    let answer = w.post("/oidc/token", &[], &fields).await;
    if answer.status != 200 {
        assert_eq!(answer.json()["error"], "invalid_client");
    }
    answer.status.as_u16()
}

#[kenroku_store::test(&[], concurrent)]
async fn keys_are_read_where_the_service_publishes_them_and_believed_for_ten_minutes(db: Db) {
    let (w, site) = (World::new(db).await, Arc::new(Site::default()));
    w.local_client("rp", metadata(&serve(&site).await), "api").await;
    let clock = w.site.app().env().clock.clone();
    let (own, next, foreign) = (key(), key(), key());
    site.publishes(&[&own]);
    let (a, b) = futures_util::future::join(ask(&w, &own), ask(&w, &own)).await;
    assert_eq!((a, b, site.asked()), (200, 200, 1), "two at once ask once");
    clock.advance(Duration::from_secs(599));
    assert_eq!((ask(&w, &own).await, site.asked()), (200, 0), "still believed");

    // The service renews its key: the new name is looked for, and the old one is worth nothing any more.
    site.publishes(&[&next]);
    assert_eq!((ask(&w, &next).await, site.asked()), (200, 1), "what none of the known keys signed");
    assert_eq!((ask(&w, &own).await, site.asked()), (401, 0), "strangers make nobody ask all the time");
    clock.advance(Duration::from_secs(10));
    assert_eq!((ask(&w, &foreign).await, site.asked()), (401, 1));
    assert_eq!((ask(&w, &next).await, site.asked()), (200, 0));
}

#[kenroku_store::test(&[], concurrent)]
async fn what_cannot_be_read_lets_nobody_in(db: Db) {
    let (w, site) = (World::new(db).await, Arc::new(Site::default()));
    w.local_client("rp", metadata(&serve(&site).await), "api").await;
    let clock = w.site.app().env().clock.clone();
    let own = key();
    let good = json!({ "keys": [own.public().to_jwk()] }).to_string();
    let mut private = own.public().to_jwk();
    private["d"] = json!("AA");
    let private = json!({ "keys": [private] }).to_string();
    let long = format!("{}{}", " ".repeat(256 * 1024), good);
    for (status, body) in
        [(500, &*good), (302, &*good), (200, "{}"), (200, "x"), (200, &*private), (200, &*long)]
    {
        site.says(200, &good);
        assert_eq!(ask(&w, &own).await, 200, "the honest one");
        site.asked();
        clock.advance(Duration::from_secs(600));
        site.says(status, body);
        let what: String = body.chars().take(40).collect();
        assert_eq!((ask(&w, &own).await, site.asked()), (401, 1), "{status} {what}");
        assert_eq!((ask(&w, &own).await, site.asked()), (401, 0), "and is not asked at once again");
        clock.advance(Duration::from_secs(10));
    }
}

#[kenroku_store::test(&[], concurrent)]
async fn an_address_inside_is_not_registered(db: Db) {
    let w = World::new(db).await;
    let register = |id: &'static str, at: &'static str| {
        let metadata = serde_json::from_value(metadata(at)).unwrap();
        let policy = Policy { scopes: scopes("api"), ..Policy::default() };
        let (op, id) = (&w.op, Some(id.to_owned()));
        async move {
            op.register_client(&World::by(), NewClient { id, secret: None, metadata, policy }).await.is_ok()
        }
    };
    assert!(register("rp", "https://rp.example/jwks").await);
    for inside in
        ["https://127.0.0.1/jwks", "https://10.1.2.3/jwks", "http://rp.example/jwks", "http://127.0.0.1/jwks"]
    {
        assert!(!register("evil", inside).await, "{inside}");
        let renewed = w.op.replace_client_keys(&World::by(), "rp", PublicKeys::At(inside.to_owned())).await;
        assert!(renewed.is_err(), "{inside}");
    }
    let moved = PublicKeys::At("https://keys.rp.example/".to_owned());
    assert!(w.op.replace_client_keys(&World::by(), "rp", moved).await.is_ok());
}
