//! The API and the page as a client sees them.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use kenroku_http::openapi;
use kenroku_module::test::TestSite;
use kenroku_places::module;
use serde_json::Value;

async fn app() -> TestSite {
    TestSite::of([module()]).await
}

#[tokio::test]
async fn the_municipalities_come_with_codes_readings_and_tenants() {
    let answer = app().await.get("/api/places/v1/municipalities").await;
    assert_eq!(answer.status, StatusCode::OK);
    let json = answer.json();
    assert_eq!(json["prefecture"]["code6"], "170003");
    let all = json["municipalities"].as_array().unwrap();
    assert_eq!(all.len(), 19);
    let nomi = all.iter().find(|m| m["code"] == "17211").unwrap();
    assert_eq!(
        (&nomi["name"], &nomi["name_kana"], &nomi["name_en"]),
        (&"能美市".into(), &"のみし".into(), &"Nomi City".into())
    );
    assert_eq!((&nomi["towns"], &nomi["region"]), (&624.into(), &"加賀".into()));
    assert_eq!(nomi["tenant"], kenroku_types::Tenant::of("17211".parse().unwrap()).to_string());
    let tag = answer.header("etag").to_owned();
    let request = [("if-none-match", tag.as_str())];
    let again =
        app().await.request(Method::GET, "/api/places/v1/municipalities", &request, Body::empty()).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn a_search_answers_best_first() {
    // 寺井町 能美市, percent-encoded.
    let q = "%E5%AF%BA%E4%BA%95%E7%94%BA+%E8%83%BD%E7%BE%8E%E5%B8%82";
    let json = app().await.get(&format!("/api/places/v1/search?q={q}&limit=3")).await.json();
    let hits = json["hits"].as_array().unwrap();
    assert_eq!(hits.len(), 3);
    assert_eq!((&hits[0]["address"], &hits[0]["match"]), (&"能美市寺井町".into(), &"tokens".into()));
    assert_eq!(
        (&hits[0]["municipality"], &hits[0]["municipality_name"]),
        (&"17211".into(), &"能美市".into())
    );
    assert!(hits[0].get("koaza").is_none() && hits[1]["koaza"].is_string());
    assert!(hits[0]["lat"].as_f64().unwrap() > 36.0 && hits[0]["lng"].as_f64().unwrap() > 136.0);
    assert!(json["attribution"].as_str().unwrap().contains("Geolonia"));
    // The empty field of a form means everywhere; a code narrows.
    let narrowed = app().await.get("/api/places/v1/search?q=nomi&municipality=172111").await.json();
    assert_eq!(narrowed["hits"][0]["address"], "能美市");
    assert_eq!(app().await.get("/api/places/v1/search?q=nomi&municipality=").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_cannot_be_searched_is_refused_with_its_reason() {
    let long = format!("q={}", "a".repeat(201));
    for (query, code) in [
        ("", "places.query-empty"),
        ("q=%20", "places.query-empty"),
        (long.as_str(), "places.query-too-long"),
        ("q=nomi&municipality=17210x", "places.municipality-code"),
        ("q=nomi&municipality=172112", "places.municipality-code"),
        ("q=nomi&municipality=13101", "places.municipality-unknown"),
        ("q=nomi&limit=many", "query"),
    ] {
        let answer = app().await.get(&format!("/api/places/v1/search?{query}")).await;
        assert_eq!((answer.status.as_u16(), answer.problem_code().as_str()), (400, code), "{query}");
    }
    assert_eq!(app().await.get("/api/places/v1/search?q=nomi").await.status, StatusCode::OK);
}

#[tokio::test]
async fn tiles_carry_their_type_tag_and_lifetime() {
    let json = app().await.get("/map/base.json").await.json();
    let version = json["tiles"][0].as_str().unwrap().split_once("?v=").unwrap().1.to_owned();
    let answer = app().await.get(&format!("/map/base/8/225/99.mvt?v={version}")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/vnd.mapbox-vector-tile");
    assert!(answer.header("cache-control").contains("immutable"));
    assert!(answer.header("etag").contains("8-225-99"));
    let unversioned = app().await.get("/map/base/8/225/99.mvt").await;
    assert_eq!(unversioned.body, answer.body);
    assert!(!unversioned.header("cache-control").contains("immutable"));
    assert_eq!(app().await.get("/map/base/10/909/403.mvt").await.status, StatusCode::NO_CONTENT);
    for nothing in
        ["/map/base/3/0/0.mvt", "/map/base/8/225/99.png", "/map/base/8/-1/99.mvt", "/map/base/256/0/0.mvt"]
    {
        assert_eq!(app().await.get(nothing).await.problem_code(), "not-found", "{nothing}");
    }
}

#[test]
fn the_openapi_document_lists_the_parameters_of_a_search() {
    let document = openapi::to_json(&openapi::assemble(&module().routes, "0"));
    let document: Value = serde_json::from_str(&document).unwrap();
    let parameters = document["paths"]["/api/places/v1/search"]["get"]["parameters"].as_array().unwrap();
    let names: Vec<_> = parameters.iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["q", "limit", "municipality"]);
    assert!(parameters.iter().all(|p| p["in"] == "query" && p["required"] == false), "{parameters:?}");
}

async fn page(uri: &str) -> (StatusCode, String) {
    let answer = app().await.get(uri).await;
    (answer.status, answer.text())
}

#[tokio::test]
async fn the_page_works_without_a_query_with_one_and_with_a_bad_one() {
    let (status, start) = page("/places").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(start.matches("<option").count(), 20);
    assert_eq!(start.matches("href=\"/places?municipality=").count(), 19);
    assert!(!start.contains('⟦'), "a text is missing");

    let (_, found) = page("/places?q=%E5%AF%BA%E4%BA%95%E7%94%BA&municipality=").await;
    assert!(found.contains("<b lang=\"ja\">能美市寺井町</b>") && found.contains("名前が同じ"));
    let (_, nothing) = page("/places?q=qqqq").await;
    assert!(nothing.contains("見つかりませんでした"));

    let (_, bad) = page(&format!("/places?q={}", "a".repeat(300))).await;
    assert_eq!(bad.matches("href=\"/places?municipality=").count(), 19);
    assert!(bad.contains("200文字") && bad.contains("aria-invalid=\"true\""));
    // What was written comes back escaped and cut.
    let (_, escaped) = page("/places?q=%22%3E%3Cscript%3E").await;
    assert!(!escaped.contains("<script>") && bad.matches('a').count() < 1_500);
    assert_eq!(page("/places?municipality=13101").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_page_speaks_three_languages() {
    let (_, easy) = page("/places?lang=ja-x-yasashii").await;
    assert!(easy.contains("<ruby>能美市<rp>（</rp><rt>のみし</rt>") && !easy.contains('⟦'));
    let (_, english) = page("/places?lang=en&q=nomi").await;
    assert!(english.contains("Nomi City") && english.contains("same name") && !english.contains('⟦'));
}

#[tokio::test]
async fn a_list_goes_on_until_its_end() {
    let site = app().await;
    let mut address = "/places?municipality=17211".to_owned();
    let mut towns = Vec::new();
    loop {
        let html = site.get(&address).await.text();
        towns.extend(html.split("<b lang=\"ja\">").skip(1).map(|t| t.split('<').next().unwrap().to_owned()));
        let Some((_, next)) = html.split_once("rel=\"next\" href=\"") else { break };
        address = next.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    }
    let places = kenroku_places::Places::shared().unwrap();
    let all = places.towns_of("17211".parse().unwrap()).iter().filter(|t| t.koaza.is_empty());
    assert_eq!(towns.len(), all.count());
    assert_eq!(towns.iter().collect::<std::collections::HashSet<_>>().len(), towns.len());
}

#[test]
fn texts_are_complete() {
    kenroku_ui::i18n::check(env!("CARGO_MANIFEST_DIR"), &module().locales).unwrap();
}

#[test]
fn the_module_fits() {
    assert_eq!(kenroku_module::check(&[module()]), Vec::<String>::new());
}
