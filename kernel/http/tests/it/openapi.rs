use kenroku_http::{Json, Page, PageQuery, Public, Query, Routes, op, openapi};
use serde::Serialize;

#[derive(Serialize, utoipa::ToSchema)]
struct Road {
    name: String,
}

/// Lists the roads.
#[utoipa::path(get, path = "/api/test/v1/roads", tag = "test", params(PageQuery), responses((status = 200, body = Page<Road>)))]
async fn roads(_: Public, Query(page): Query<PageQuery>) -> Json<Page<Road>> {
    let rows = vec![Road { name: "8".into() }, Road { name: "157".into() }];
    Json(Page::of(rows, page.limit(), |r| r.name.clone()))
}

mod inner {
    use super::*;
    #[utoipa::path(post, path = "/api/test/v1/roads", responses((status = 204)))]
    pub async fn add(_: Public) {}
}

#[tokio::test]
async fn operations_are_served_documented_and_listed_from_one_declaration() {
    let routes = || Routes::new().add(op!(roads)).add(op!(inner::add).body_limit(10)).add(op!(more::put));
    let doc = openapi::assemble(&routes(), "0.1.0");
    let text = openapi::to_json(&doc);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let item = &json["paths"]["/api/test/v1/roads"];
    assert_eq!(item["get"]["x-permission"], "public");
    assert_eq!(item["get"]["parameters"][0]["name"], "limit");
    assert!(item["post"].is_object() && item["put"].is_object());
    assert!(json["components"]["schemas"]["Road"].is_object());
    assert!(routes().coverage().contains("GET    /api/test/v1/roads"));
    let app = kenroku_http::test::TestApp::new(routes()).await;
    let a = app.get("/api/test/v1/roads?limit=1").await;
    assert_eq!(a.json()["items"][0]["name"], "8");
    let next = a.json()["next"].as_str().unwrap().to_owned();
    assert!(app.get(&format!("/api/test/v1/roads?cursor={next}")).await.status.is_success());
}

mod more {
    use super::*;
    #[utoipa::path(put, path = "/api/test/v1/roads", responses((status = 204)))]
    pub async fn put(_: Public) {}
}
