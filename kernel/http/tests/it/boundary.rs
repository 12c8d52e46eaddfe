use axum::body::Body;
use axum::http::{Method, StatusCode};
use kenroku_access::kernel::{OPERATOR, ViewMatrix};
use kenroku_access::{Actor, Assurance, Authz, SignIn};
use kenroku_http::test::TestApp;
use kenroku_http::{ETag, Error, Json, Op, Public, Query, RequestInfo, Result, Routes};
use kenroku_types::ids::StaffId;
use kenroku_types::{Problem, Tenant};
use serde_json::json;

async fn hello(_: Public) -> &'static str {
    "hello"
}
async fn panics(_: Public) -> &'static str {
    panic!("secret inside")
}
async fn fails(_: Public) -> Result<&'static str> {
    Err(Error::internal(&std::io::Error::other("password=hunter2")))
}
async fn gone(_: Public) -> Result<&'static str> {
    Err(Problem::new(410, "test.gone", "Gone").next("Look elsewhere.").into())
}
async fn echo(_: Public, Json(v): Json<serde_json::Value>) -> Json<serde_json::Value> {
    Json(v)
}
async fn id(_: Public, info: RequestInfo) -> String {
    info.id.to_string()
}
async fn number(_: Public, Query(q): Query<std::collections::BTreeMap<String, u8>>) -> String {
    format!("{q:?}")
}
async fn tagged(_: Public, headers: axum::http::HeaderMap) -> axum::response::Response {
    ETag::version(7).respond(&headers, "no-cache", || "body")
}
async fn own_document(_: Public) -> impl axum::response::IntoResponse {
    (StatusCode::IM_A_TEAPOT, [("content-type", "application/problem+json")], r#"{"code":"tea"}"#)
}

async fn app() -> TestApp {
    TestApp::new(
        Routes::new()
            .get("/hello", hello)
            .get("/panics", panics)
            .get("/fails", fails)
            .get("/gone/{name}", gone)
            .post("/echo", echo)
            .get("/id", id)
            .get("/number", number)
            .get("/tagged", tagged)
            .get("/own", own_document),
    )
    .await
}

#[tokio::test]
async fn every_answer_has_an_id_and_the_security_headers() {
    let a = app().await.get("/hello").await;
    assert_eq!((a.status, a.text().as_str()), (StatusCode::OK, "hello"));
    assert_eq!(a.header("x-request-id").len(), 32);
    assert!(a.header("content-security-policy").contains("object-src 'none'"));
    assert_eq!(a.header("x-content-type-options"), "nosniff");
    let seen = app().await.get("/id").await;
    assert_eq!(seen.text(), seen.header("x-request-id"));
}

#[tokio::test]
async fn problems_are_documents_with_the_request_id() {
    let a = app().await.get("/gone/taro").await;
    assert_eq!(a.header("content-type"), "application/problem+json");
    let doc = a.json();
    assert_eq!((doc["code"].as_str(), doc["status"].as_u64()), (Some("test.gone"), Some(410)));
    assert_eq!(doc["request_id"].as_str(), Some(a.header("x-request-id")));
    assert_eq!(app().await.get("/own").await.json()["request_id"].as_str().map(str::len), Some(32));
}

#[tokio::test]
async fn a_panic_and_an_internal_error_tell_nothing_and_the_server_goes_on() {
    let app = app().await;
    for path in ["/panics", "/fails"] {
        let a = app.get(path).await;
        assert_eq!((a.status.as_u16(), a.problem_code().as_str()), (500, "internal"));
        assert!(!a.text().contains("secret") && !a.text().contains("hunter2"));
    }
    assert_eq!(app.get("/hello").await.status, 200);
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_problems() {
    let app = app().await;
    assert_eq!(app.get("/none").await.problem_code(), "not-found");
    let a = app.post_json("/hello", &json!({})).await;
    assert_eq!((a.status.as_u16(), a.problem_code().as_str()), (405, "method"));
    assert!(a.header("allow").contains("GET"));
}

#[tokio::test]
async fn bodies_and_parameters_are_told_apart() {
    let app = app().await;
    assert_eq!(app.post_json("/echo", &json!({"a": 1})).await.json(), json!({"a": 1}));
    let broken = |kind: &'static str, body: &'static str| {
        let app = app.clone();
        async move { app.request(Method::POST, "/echo", &[("content-type", kind)], Body::from(body)).await }
    };
    assert_eq!(broken("application/json", "{").await.problem_code(), "json-syntax");
    assert_eq!(broken("text/plain", "{}").await.problem_code(), "media-type");
    assert_eq!(app.get("/number?n=300").await.problem_code(), "query");
    assert_eq!(app.get("/number?n=30").await.status, 200);
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let app = app().await;
    let first = app.get("/tagged").await;
    let again = app.get_with("/tagged", &[("if-none-match", first.header("etag"))]).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16(), again.body.len()), (200, 304, 0));
    assert_eq!(again.header("cache-control"), "no-cache");
}

#[tokio::test]
async fn forged_cross_site_forms_are_refused_and_own_ones_are_not() {
    let app = app().await;
    let send = |site: &'static str| {
        let app = app.clone();
        let headers = [("content-type", "application/json"), ("sec-fetch-site", site), ("cookie", "a=b")];
        async move { app.request(Method::POST, "/echo", &headers, Body::from("{}")).await }
    };
    assert_eq!(send("same-origin").await.status, 200);
    assert_eq!(send("cross-site").await.problem_code(), "cross-site");
}

#[tokio::test]
async fn an_operation_without_cookies_may_be_called_from_other_sites() {
    let op = |path| Op::new(Method::POST, path, echo);
    let app = TestApp::new(Routes::new().add(op("/open").cross_site()).add(op("/own"))).await;
    let headers = [("content-type", "application/json"), ("sec-fetch-site", "cross-site")];
    let post = |path| app.request(Method::POST, path, &headers, Body::from("{}"));
    assert_eq!(post("/open").await.status, 200);
    assert_eq!(post("/own").await.problem_code(), "cross-site");
}

#[tokio::test]
async fn permissions_are_declared_by_the_argument_and_refused_in_the_same_form() {
    async fn matrix(authz: Authz<ViewMatrix>) -> String {
        authz.tenant().to_string()
    }
    let routes = || Routes::new().get("/matrix", matrix);
    assert!(routes().coverage().ends_with("access.view-matrix\n"));
    let app = TestApp::new(routes()).await;
    let refused = app.get("/matrix").await;
    assert_eq!((refused.status.as_u16(), refused.problem_code().as_str()), (401, "unauthenticated"));
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    assert!(refused.json()["request_id"].is_string());
    let officer = Actor::Staff {
        id: StaffId::from_uuid(Tenant::SHARED.uuid()),
        tenant: Tenant::SHARED,
        roles: vec![OPERATOR],
        sign_in: SignIn { assurance: Assurance::Passkey, at: kenroku_http::test::NOW },
    };
    let seen = app.acting(officer).get("/matrix").await;
    assert_eq!((seen.status.as_u16(), seen.text()), (200, Tenant::SHARED.to_string()));
}
