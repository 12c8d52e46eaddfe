//! The interfaces for devices and for everybody.

use std::io::Write;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use kenroku_http::test::NOW;
use serde_json::{Value, json};

use crate::world::{KEY, both_ways, site};

const POSITIONS: &str = "/api/snow/v1/positions";

fn row(lat: f64, lon: f64, secs: u64) -> Value {
    json!({ "time": NOW.minus(Duration::from_secs(secs)).to_string(), "lat": lat, "lon": lon, "speed_kmh": 18.0 })
}

#[tokio::test]
async fn one_bad_row_costs_nothing_else() {
    let (site, ..) = site().await;
    let key = ("x-device-key", KEY);
    let fast = json!({ "time": NOW.to_string(), "lat": 36.44, "lon": 136.5, "speed_kmh": 300.0 });
    let rows =
        json!([row(36.44, 136.5, 30), row(0.0, 0.0, 20), fast, { "time": "soon" }, row(36.44, 136.501, 10)]);
    let answer = site.post_json_with(POSITIONS, &[key], &rows).await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!((&body["accepted"], &body["refused"]), (&json!(2), &json!(3)));
    let codes: Vec<&str> =
        body["rows"].as_array().unwrap().iter().map(|r| r["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["snow.no-fix", "snow.too-fast", "snow.row-malformed"]);
    let again = site.post_json_with(POSITIONS, &[key], &rows).await.json();
    assert_eq!((&again["accepted"], &again["duplicate"]), (&json!(0), &json!(2)));
}

#[tokio::test]
async fn lines_gzip_and_bearer_are_taken() {
    let (site, ..) = site().await;
    let lines = format!("{}\n{{\"lat\": NaN}}\n{}\n", row(36.44, 136.5, 30), row(36.44, 136.501, 20));
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(lines.as_bytes()).unwrap();
    let gz = gz.finish().unwrap();
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str()), ("content-encoding", "gzip")];
    let post = |body: Vec<u8>| site.request(Method::POST, POSITIONS, &headers, Body::from(body));
    let cut = gz[..gz.len() - 9].to_vec();
    assert_eq!(post(cut).await.problem_code(), "encoding-broken");
    let answer = post(gz).await.json();
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn refusals_are_problem_documents() {
    let (site, ..) = site().await;
    let rows = json!([row(36.44, 136.5, 30)]);
    assert_eq!(site.post_json(POSITIONS, &rows).await.status, 401);
    let wrong = site.post_json_with(POSITIONS, &[("x-device-key", "wrong")], &rows).await;
    assert_eq!((wrong.status.as_u16(), wrong.problem_code().as_str()), (401, "access.key-unknown"));
    let key = [("x-device-key", KEY)];
    // The policies are asked: neither a device of another service nor staff report for a plough.
    let other = kenroku_access::testing::device(crate::world::prefecture(), 99);
    assert_eq!(site.acting(other).post_json(POSITIONS, &rows).await.status, 404);
    let desk = crate::pages::desk(crate::world::prefecture());
    assert_eq!(site.acting(desk).post_json(POSITIONS, &rows).await.status, 404);
    let huge = site.request(Method::POST, POSITIONS, &key, Body::from(vec![b' '; 10 << 20])).await;
    assert_eq!((huge.status.as_u16(), huge.problem_code().as_str()), (413, "body-too-large"));
    let cut = site.request(Method::POST, POSITIONS, &key, Body::from("[{\"time\"")).await;
    assert_eq!((cut.status.as_u16(), cut.problem_code().as_str()), (400, "snow.batch-form"));
    assert_eq!(site.post_json_with(POSITIONS, &key, &rows).await.status, 200);
}

#[tokio::test]
async fn a_phone_with_the_free_app_is_understood() {
    let (site, snow, _) = site().await;
    let at = NOW.secs();
    let get = |query: String| {
        let site = site.clone();
        async move { site.get(&format!("/api/snow/v1/osmand?{query}")).await.status.as_u16() }
    };
    assert_eq!(get(format!("id={KEY}&lat=36.44&lon=136.5&timestamp={at}&speed=10")).await, 200);
    assert_eq!(get(format!("id=unknown&lat=36.44&lon=136.5&timestamp={at}")).await, 400);
    assert_eq!(get(format!("lat=36.44&lon=136.5&timestamp={at}")).await, 400);
    assert_eq!(
        get(format!("id={KEY}&lat=36.44&lon=136.5&timestamp={at}&speed=900")).await,
        200,
        "kept in quarantine"
    );
    let form = format!("deviceid={KEY}&location=36.44,136.501&timestamp={}&speed=-1", (at - 5) * 1000);
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let posted = site.request(Method::POST, "/api/snow/v1/osmand", &kind, Body::from(form)).await;
    assert_eq!(posted.status, 200);
    let message = |id: &str| {
        json!({ "device_id": id, "location": { "timestamp": NOW.minus(Duration::from_secs(9)).to_string(),
            "coords": { "latitude": 36.44, "longitude": 136.502, "speed": 4.0, "heading": -1 }, "mock": false } })
    };
    assert_eq!(site.post_json("/api/snow/v1/osmand", &message(KEY)).await.status, 200);
    assert_eq!(site.post_json("/api/snow/v1/osmand", &message("unknown")).await.status, 404);
    let mut tx = snow.db().read().await.unwrap();
    let logged = kenroku_snow::sql::log::after(&mut tx, crate::world::prefecture(), 0, 99).await.unwrap();
    assert_eq!(logged.len(), 3);
}

#[tokio::test]
async fn the_public_sees_the_road_later_and_never_the_plough() {
    let (site, snow, ids) = site().await;
    let rows: Vec<Value> = both_ways(30)
        .iter()
        .map(|r| json!({ "time": r.at.to_string(), "lat": r.lat, "lon": r.lon, "speed_kmh": r.speed_mps.map(|v| v * 3.6) }))
        .collect();
    let answer = site.post_json_with(POSITIONS, &[("x-device-key", KEY)], &rows).await.json();
    assert_eq!(answer["accepted"], json!(rows.len()));
    snow.settle().await.unwrap();
    let state = site.get("/api/snow/v1/state").await;
    assert!(state.header("cache-control").contains("max-age=60"));
    let index = snow.network().index_of(ids[0]).unwrap();
    let at = state.json()["at"].as_str().unwrap().parse::<kenroku_types::Timestamp>().unwrap();
    assert_eq!(at, NOW.minus(Duration::from_secs(600)));
    // The way back over the first piece ended 22 minutes ago; the last one is not decided before the silence.
    assert!(
        state.json()["states"]["part"].as_array().is_some()
            || state.json()["states"]["done"].as_array().is_some()
    );
    let tag = state.header("etag").to_owned();
    assert_eq!(site.get_with("/api/snow/v1/state", &[("if-none-match", &tag)]).await.status, 304);
    snow.env().clock.advance(Duration::from_secs(400));
    snow.settle().await.unwrap();
    let done = site.get("/api/snow/v1/state").await.json();
    assert!(done["states"]["done"].as_array().unwrap().contains(&json!(index)), "{done}");
    let list = site.get("/api/snow/v1/segments?limit=2&area=17211&state=done").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let next = format!(
        "/api/snow/v1/segments?limit=9&area=17211&state=done&cursor={}",
        list["next"].as_str().unwrap()
    );
    let rest = site.get(&next).await.json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 2);
    let pages = [
        "/snow",
        "/snow?area=17211",
        "/snow?area=17211&view=age",
        "/api/snow/v1/state",
        "/api/snow/v1/segments",
    ];
    let segment = format!("/snow/segments/{}", ids[0]);
    for page in pages.into_iter().chain([segment.as_str()]) {
        let answer = site.get(page).await;
        assert_eq!(answer.status, 200, "{page}");
        let text = answer.text();
        for secret in ["秘密", KEY, &crate::world::device().to_string()] {
            assert!(!text.contains(secret), "{page} holds {secret}");
        }
    }
}

#[tokio::test]
async fn the_state_file_travels_compressed() {
    let (site, ..) = site().await;
    let plain = site.get("/api/snow/v1/state").await;
    let packed = site.get_with("/api/snow/v1/state", &[("accept-encoding", "br, gzip")]).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed.body[..]), &mut text).unwrap();
    assert_eq!(text, plain.body);
}
