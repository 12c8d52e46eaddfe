//! Requests at the door: the extractor with a router around it.

use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Request, StatusCode, header};
use axum::routing::{get, post};
use kenroku_access::{Access, Actor, Authz, Granted, LoadResource, Refusal, Resource, Visitor, testing};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Problem, Tenant};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::world::*;

fn door() -> Access {
    let known = [
        ("nomi-desk", staff(nomi(), &["snow-desk"])),
        ("kaga-desk", staff(kaga(), &["snow-desk"])),
        ("nomi-new", staff(nomi(), &[])),
        ("nomi-plough", device(nomi())),
        ("pref", staff(pref(), &["pref-admin"])),
        ("resident", resident(10)),
    ];
    testing::access(tree(), [snow(POLICIES)], known)
}

/// A request of 能美市's, number 5, that resident 10 made.
#[derive(Debug)]
struct Wish(Uuid);

impl Resource for Wish {
    type Kind = SnowRequest;
    fn tenant(&self) -> Tenant {
        nomi()
    }
    fn id(&self) -> Uuid {
        self.0
    }
    fn owner(&self) -> Option<SubjectId> {
        Some(SubjectId::from_uuid(id(10)))
    }
}

impl<S: Sync> LoadResource<S> for Wish {
    async fn load(parts: &mut Parts, _: &S, _: &Actor, _: &[Tenant]) -> Result<Option<Self>, Problem> {
        let n = parts.uri.path().rsplit('/').next().unwrap_or_default();
        let n: u128 = n.parse().map_err(|_| Problem::bad_request("the number of the request"))?;
        Ok((n == 5).then(|| Wish(id(n))))
    }
}

/// An application function below HTTP: the tenant comes from the proof.
fn live(proof: &Granted<ViewLive>) -> String {
    format!("live {}", proof.tenant())
}

fn app() -> Router {
    Router::new()
        .route("/live", get(|a: Authz<ViewLive>| async move { live(&a.granted) }))
        .route("/drivers", get(|_: Authz<ViewDrivers>| async { "drivers" }))
        .route("/fix", post(|a: Authz<PostFix>| async move { a.actor().to_string() }))
        .route("/wish/{id}", get(|a: Authz<ReadRequest, Wish>| async move { a.resource.0.to_string() }))
        .route("/public", get(|_: Authz<ViewPublic>| async { "public" }))
        .route("/home", get(|v: Visitor| async move { v.actor.to_string() }))
        .with_state(door())
}

async fn ask(method: &str, path: &str, auth: &str) -> (StatusCode, String) {
    let mut b = Request::builder().method(method).uri(path);
    if let Some(cookie) = auth.strip_prefix("cookie ") {
        b = b.header(header::COOKIE, format!("kr_session={cookie}"));
    } else if !auth.is_empty() {
        b = b.header(header::AUTHORIZATION, format!("Bearer {auth}"));
    }
    let response = app().oneshot(b.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn each_refusal_beside_the_same_call_that_succeeds() {
    let status = async |method: &'static str, path: &'static str, auth: &'static str| {
        ask(method, path, auth).await.0.as_u16()
    };
    assert_eq!(status("GET", "/live", "cookie nomi-desk").await, 200);
    assert_eq!(status("GET", "/live", "").await, 401);
    assert_eq!(status("GET", "/live", "cookie gone").await, 401);
    assert_eq!(status("GET", "/live", "cookie nomi-new").await, 403);
    assert_eq!(status("GET", "/live", "wrong-key").await, 401);

    assert_eq!(status("POST", "/fix", "nomi-plough").await, 200);
    assert_eq!(status("POST", "/fix", "nomi-desk").await, 403);

    // Hidden: refused and missing look the same.
    assert_eq!(status("GET", "/drivers", "cookie nomi-desk").await, 200);
    assert_eq!(
        ask("GET", "/drivers", "cookie nomi-new").await,
        ask("GET", "/wish/6", "cookie nomi-new").await
    );
    assert_eq!(status("GET", "/drivers", "cookie nomi-new").await, 404);

    assert_eq!(status("GET", "/public", "").await, 200);
    assert_eq!(ask("GET", "/home", "").await.1, "anonymous");
}

#[tokio::test]
async fn a_thing_from_the_path_is_loaded_before_the_policy_is_asked() {
    assert_eq!(ask("GET", "/wish/5", "cookie resident").await, (StatusCode::OK, id(5).to_string()));
    assert_eq!(ask("GET", "/wish/x", "cookie resident").await.0, StatusCode::BAD_REQUEST);
    // Somebody who is not signed in learns nothing of what exists.
    assert_eq!(ask("GET", "/wish/5", "").await, ask("GET", "/wish/6", "").await);
    // Another tenant's staff find nothing, and it looks like nothing.
    let foreign = ask("GET", "/wish/5", "cookie kaga-desk").await;
    assert_eq!(foreign, ask("GET", "/wish/6", "cookie kaga-desk").await);
    assert_eq!(foreign.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_refusal_is_a_problem_document_that_says_what_is_missing() {
    let (_, body) = ask("GET", "/live", "cookie nomi-new").await;
    let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(problem["code"], "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("snow.view-live"));
    let request = Request::builder().uri("/live").body(Body::empty()).unwrap();
    let response = app().oneshot(request).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    assert_eq!(response.extensions().get::<Problem>().unwrap().status, 401);
}

#[tokio::test]
async fn below_the_handlers_too() {
    let access = door();
    let everywhere = access.grants_within_reach::<ViewLive>(&staff(pref(), &["pref-admin"]));
    assert_eq!(everywhere.len(), 3);
    assert_eq!(access.grants_within_reach::<ViewLive>(&staff(nomi(), &["snow-desk"])).len(), 1);
    assert_eq!(access.grants_within_reach::<ViewLive>(&staff(nomi(), &[])).len(), 0);

    let plough = access.actor_of_key("nomi-plough").await.unwrap();
    assert_eq!(access.grant_at_home::<PostFix>(&plough).unwrap().tenant(), nomi());
    assert_eq!(access.actor_of_key("other").await.unwrap_err(), Refusal::KeyUnknown);
    assert_eq!(access.grant_at_home::<ViewLive>(&plough).unwrap_err(), Refusal::Forbidden("snow.view-live"));
}
