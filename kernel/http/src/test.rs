//! [`TestApp`]: a module's operations without a network, for API tests.
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use kenroku_http::{Public, Routes, test::TestApp};
//! async fn hello(_: Public) -> &'static str { "hello" }
//! let app = TestApp::new(Routes::new().get("/hello", hello)).await;
//! assert_eq!(app.get("/hello").await.text(), "hello");
//! assert_eq!(app.get("/nothing").await.problem_code(), "not-found");
//! # Ok(()) }
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use kenroku_access::{Access, Actor, Authenticator, Policies, TenantTree, WebRules};
use kenroku_store::Db;
use kenroku_store::testing::{TestDb, sqlite};
use kenroku_types::{Env, Timestamp};
use serde::Serialize;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::idempotency::MIGRATIONS;
use crate::request::Peer;
use crate::{App, AppBuilder, Routes, Settings};

/// 2026-01-14 09:30 in Japan, a snowy morning: where test clocks stand.
pub const NOW: Timestamp = Timestamp::from_secs(1_768_350_600);

/// Operations behind the whole boundary, called in the process.
#[derive(Clone)]
pub struct TestApp {
    app: App,
    router: Router,
    keys: TestKeys,
    bearer: Option<String>,
    peer: Peer,
    /// Removed with the last clone.
    dir: Option<Arc<tempfile::TempDir>>,
}

/// Keys that stand for any actor a test wants to be.
#[derive(Clone, Default)]
pub struct TestKeys(Arc<Mutex<HashMap<String, Actor>>>);

impl TestKeys {
    fn issue(&self, actor: Actor) -> String {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("test-key-{}", held.len());
        held.insert(key.clone(), actor);
        format!("Bearer {key}")
    }
}

impl Authenticator for TestKeys {
    fn session<'a>(&'a self, token: &'a str, _: &'a str) -> kenroku_access::Answer<'a, Option<Actor>> {
        self.key(token)
    }

    fn key<'a>(&'a self, key: &'a str) -> kenroku_access::Answer<'a, Option<Actor>> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        Box::pin(async move { Ok(found) })
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, whole.
    pub body: Bytes,
}

impl TestApp {
    /// On a clock that stands at [`NOW`], a seeded random source and an embedded database with this crate's
    /// tables.
    pub async fn new(routes: Routes) -> Self {
        Self::build(routes, |_| {}).await
    }

    /// The same, with services or settings put in by `fill`.
    pub async fn build(routes: Routes, fill: impl FnOnce(&mut AppBuilder)) -> Self {
        let TestDb { db, dir } = sqlite(&[MIGRATIONS]).await;
        Self::on(db, routes, fill).keep(dir)
    }

    /// On a database of the caller's (`#[kenroku_store::test]`).
    ///
    /// # Panics
    /// When the operations cannot be served together.
    #[expect(clippy::panic, reason = "a test cannot go on without its routes")]
    pub fn on(db: Db, routes: Routes, fill: impl FnOnce(&mut AppBuilder)) -> Self {
        let policies = Policies::new(TenantTree::default(), []).unwrap_or_else(|e| panic!("{e}"));
        let keys = TestKeys::default();
        let access = Access::new(policies, keys.clone(), WebRules::default());
        let mut builder = App::builder(Env::fixed(NOW, 1), Settings::default(), db, access);
        fill(&mut builder);
        let app = builder.build();
        match routes.into_router(&app) {
            Ok(router) => Self::of(app, router, keys),
            Err(e) => panic!("{e}"),
        }
    }

    /// Around a finished service whose access knows `keys`.
    pub fn of(app: App, router: Router, keys: TestKeys) -> Self {
        TestApp { app, router, keys, bearer: None, peer: Peer::default(), dir: None }
    }

    /// Keeps a temporary folder for as long as this lives.
    #[must_use]
    pub fn keep(mut self, dir: tempfile::TempDir) -> Self {
        self.dir = Some(Arc::new(dir));
        self
    }

    /// The same operations, called by this actor.
    #[must_use]
    pub fn acting(&self, actor: Actor) -> Self {
        TestApp { bearer: Some(self.keys.issue(actor)), ..self.clone() }
    }

    /// The same operations, called from another address or by another listener.
    #[must_use]
    pub fn from(&self, peer: Peer) -> Self {
        TestApp { peer, ..self.clone() }
    }

    /// The state, to look at services and to move the clock.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// GET.
    pub async fn get(&self, uri: &str) -> Answer {
        self.send(Request::get(uri).body(Body::empty())).await
    }

    /// GET with headers.
    pub async fn get_with(&self, uri: &str, headers: &[(&str, &str)]) -> Answer {
        self.request(Method::GET, uri, headers, Body::empty()).await
    }

    /// POST of a JSON document.
    pub async fn post_json(&self, uri: &str, body: &impl Serialize) -> Answer {
        self.post_json_with(uri, &[], body).await
    }

    /// POST of a JSON document with headers.
    pub async fn post_json_with(&self, uri: &str, headers: &[(&str, &str)], body: &impl Serialize) -> Answer {
        let bytes = serde_json::to_vec(body).unwrap_or_default();
        let headers = [headers, &[("content-type", "application/json")]].concat();
        self.request(Method::POST, uri, &headers, Body::from(bytes)).await
    }

    /// POST of a form's fields, as this site's own page sends it.
    pub async fn post_form(&self, uri: &str, headers: &[(&str, &str)], fields: &str) -> Answer {
        let own = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
        let headers = [headers, &own].concat();
        self.request(Method::POST, uri, &headers, Body::from(fields.to_owned())).await
    }

    /// Any request.
    pub async fn request(&self, method: Method, uri: &str, headers: &[(&str, &str)], body: Body) -> Answer {
        let mut req = Request::builder().method(method).uri(uri).header(header::HOST, "kenroku.test");
        for (name, value) in headers {
            req = req.header(*name, *value);
        }
        self.send(req.body(body)).await
    }

    #[expect(clippy::panic, reason = "a test cannot go on with a malformed request")]
    async fn send(&self, req: Result<Request<Body>, axum::http::Error>) -> Answer {
        let mut req = req.unwrap_or_else(|e| panic!("malformed test request: {e}"));
        req.extensions_mut().insert(self.peer);
        if let Some(Ok(v)) = self.bearer.as_deref().map(HeaderValue::from_str) {
            req.headers_mut().insert(header::AUTHORIZATION, v);
        }
        let response = match self.router.clone().oneshot(req).await {
            Ok(r) => r,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_else(|e| panic!("the body broke off: {e}"));
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A header's value; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }

    /// The `code` of a problem document; empty when it is none.
    pub fn problem_code(&self) -> String {
        if !self.header("content-type").starts_with(crate::boundary::PROBLEM_JSON) {
            return String::new();
        }
        self.json()["code"].as_str().unwrap_or("").to_owned()
    }
}
