//! Networks in the database, and the module as a client sees it.

use axum::http::StatusCode;
use kenroku_module::test::TestSite;
use kenroku_roads::geo::Point;
use kenroku_roads::model::{Network, NetworkVersion, Segment};
use kenroku_roads::sql::{self, MIGRATIONS, StoreError};
use kenroku_roads::{Roads, RoadsError, app, import};
use kenroku_store::Db;
use kenroku_types::{Tenant, Timestamp};

/// Three roads in 能美市, with every kind of attribute.
fn ledger(name: &str) -> Network {
    let json = format!(
        r#"{{"type":"FeatureCollection","features":[
        {{"id":1,"properties":{{"manager":"県","class":"secondary","ref":"22","name":"{name}","lanes":2,"maxspeed":50,"layer":-1,"bridge":true,"sidewalk":"both"}},
          "geometry":{{"type":"LineString","coordinates":[[136.50,36.44],[136.505,36.441],[136.51,36.44],[136.52,36.44]]}}}},
        {{"id":2,"properties":{{"oneway":"-1","tunnel":true}},
          "geometry":{{"type":"LineString","coordinates":[[136.51,36.44],[136.51,36.45]]}}}}]}}"#
    );
    let areas = app::ishikawa_areas().unwrap();
    let mut options = import::Options::openstreetmap();
    options.areas = &areas;
    options.district = kenroku_roads::synth::ishikawa_district;
    import::geojson::import(json.as_bytes(), &options).unwrap().0
}

const NOW: Timestamp = Timestamp::from_micros(1_768_350_600_000_000);

#[kenroku_store::test(&[MIGRATIONS])]
async fn a_network_is_stored_switched_and_read_back(db: Db) {
    let (old, new) = (ledger("旧"), ledger("新"));
    let mut tx = db.begin().await.unwrap();
    for n in [&old, &new, &old] {
        sql::save(&mut tx, app::TENANT, n, NOW).await.unwrap();
    }
    assert_eq!(sql::active(&mut tx, app::TENANT).await.unwrap(), None);
    sql::activate(&mut tx, app::TENANT, old.version(), NOW).await.unwrap();
    sql::activate(&mut tx, app::TENANT, new.version(), NOW).await.unwrap();
    let unknown = NetworkVersion::from_text("0000000000000000");
    let refused = sql::activate(&mut tx, app::TENANT, &unknown, NOW).await;
    assert!(matches!(refused, Err(StoreError::Unknown(v)) if v == unknown));
    tx.commit().await.unwrap();

    let mut tx = db.read().await.unwrap();
    assert_eq!(sql::list(&mut tx, app::TENANT).await.unwrap().len(), 2);
    assert_eq!(sql::active(&mut tx, app::TENANT).await.unwrap().as_ref(), Some(new.version()));
    for n in [&old, &new] {
        let read = sql::load(&mut tx, app::TENANT, n.version()).await.unwrap().unwrap();
        assert_eq!(read.segments(), n.segments());
        assert_eq!(
            (read.version(), read.provenance(), read.districts()),
            (n.version(), n.provenance(), n.districts())
        );
    }
    // Another tenant sees nothing of it.
    let other = Tenant::of("17211".parse().unwrap());
    assert_eq!(sql::load(&mut tx, other, new.version()).await.unwrap(), None);
    assert_eq!(sql::active(&mut tx, other).await.unwrap(), None);
}

#[kenroku_store::test(&[MIGRATIONS])]
async fn the_network_in_use_is_exchanged_while_running(db: Db) {
    let (here, there) = (Roads::default(), Roads::default());
    assert!(matches!(here.graph(), Err(RoadsError::NoNetwork)));
    assert!(!here.refresh(&db).await.unwrap());
    let first = here.install(&db, ledger("一"), NOW).await.unwrap();
    // A second process sees it when it looks, and only once.
    assert!(there.refresh(&db).await.unwrap());
    assert!(!there.refresh(&db).await.unwrap());
    assert_eq!(there.graph().unwrap().network().version(), first.network().version());
    let second = there.install(&db, ledger("二"), NOW).await.unwrap();
    assert!(here.refresh(&db).await.unwrap());
    assert_eq!(here.graph().unwrap().network().version(), second.network().version());
    // Who held the old one still can.
    assert_eq!(first.network().segments().len(), 3);
}

async fn site(with: Option<Network>) -> TestSite {
    let site = TestSite::of([kenroku_roads::module()]).await;
    if let Some(network) = with {
        let app = site.app();
        app.get::<Roads>()
            .unwrap_or_else(|_| panic!("the service"))
            .install(app.db(), network, NOW)
            .await
            .unwrap();
    }
    site
}

#[tokio::test]
async fn segments_are_listed_by_page_and_filter() {
    let network = ledger("本通り");
    let site = site(Some(network.clone())).await;
    let get = async |path: &str| site.get(path).await;
    let about = get("/api/roads/v1/network").await.json();
    assert_eq!(
        (about["segments"].as_u64(), about["version"].as_str()),
        (Some(3), Some(network.version().as_str()))
    );

    let mut seen = Vec::new();
    let mut path = "/api/roads/v1/segments?limit=1".to_owned();
    loop {
        let page = get(&path).await.json();
        assert_eq!(page["network"], network.version().as_str());
        seen.extend(page["items"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/roads/v1/segments?limit=1&cursor={next}");
    }
    assert_eq!(seen, network.segments().iter().map(|s: &Segment| s.id.to_string()).collect::<Vec<_>>());

    let count = async |query: &str| {
        get(&format!("/api/roads/v1/segments?{query}")).await.json()["items"].as_array().unwrap().len()
    };
    assert_eq!(count("q=本通り").await, 2);
    assert_eq!(count("q=22&manager=prefecture").await, 2);
    assert_eq!(count("manager=national").await, 0);
    assert_eq!(count("bbox=136.509,36.445,136.511,36.446").await, 1);
    assert_eq!(count("bbox=136.6,36.445,136.7,36.446").await, 0);
    assert_eq!(count("municipality=172111").await, 3);
    assert_eq!(count("municipality=17201").await, 0);
    for bad in ["bbox=1,2,3", "bbox=2,1,1,3", "municipality=99", "manager=nobody", "cursor=x"] {
        let path = format!("/api/roads/v1/segments?{bad}");
        assert_eq!(get(&path).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let one = get(&format!("/api/roads/v1/segments/{}", seen[0])).await;
    assert_eq!((one.status, one.json()["id"].as_str()), (StatusCode::OK, Some(seen[0].as_str())));
    for no in ["0000000000000000", "x"] {
        assert_eq!(get(&format!("/api/roads/v1/segments/{no}")).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn tiles_are_kept_forever_only_under_their_version() {
    let network = ledger("本通り");
    let site = site(Some(network.clone())).await;
    let json = site.get("/map/roads.json").await.json();
    let address = json["tiles"][0].as_str().unwrap().to_owned();
    assert!(address.ends_with(network.version().as_str()));
    let world = |p: Point, z: u32| {
        let n = f64::from(1u32 << z);
        let sin = p.lat_deg().to_radians().sin();
        let y = 0.5 - ((1.0 + sin) / (1.0 - sin)).ln() / (4.0 * std::f64::consts::PI);
        (((p.lon_deg() / 360.0 + 0.5) * n) as u32, (y * n) as u32)
    };
    let (x, y) = world(network.nodes()[0], 14);
    let path = address.replace("{z}", "14").replace("{x}", &x.to_string()).replace("{y}", &y.to_string());
    let tile = site.get(&path).await;
    assert_eq!(tile.status, StatusCode::OK);
    assert!(tile.header("cache-control").contains("immutable"));
    let bare = path.split('?').next().unwrap();
    assert!(!site.get(bare).await.header("cache-control").contains("immutable"));
    assert_eq!(site.get("/map/roads/14/0/0.mvt").await.status, StatusCode::NO_CONTENT);
    for no in ["/map/roads/15/0/0.mvt", "/map/roads/5/32/0.mvt", "/map/roads/5/1/1.png"] {
        assert_eq!(site.get(no).await.status, StatusCode::NOT_FOUND, "{no}");
    }
}

#[tokio::test]
async fn without_a_network_the_answer_says_what_to_do() {
    let site = site(None).await;
    for path in
        ["/api/roads/v1/network", "/api/roads/v1/segments", "/map/roads.json", "/map/roads/8/225/99.mvt"]
    {
        let answer = site.get(path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(answer.json()["code"], "roads.no-network");
    }
}

#[test]
fn the_embedded_places_give_the_synthetic_network() {
    let network = app::synthetic_ishikawa().unwrap();
    assert_eq!(network.segments().len(), 11_245);
    assert!(network.provenance().simulated && network.segments().iter().all(|s| s.simulated));
    let plane: f64 = network
        .segments()
        .iter()
        .map(|s| {
            let (a, b) = (s.points[0], s.points[1]);
            let x = (a.lon_deg() - b.lon_deg()) * 111_320.0 * 36.8f64.to_radians().cos();
            x.hypot((a.lat_deg() - b.lat_deg()) * 110_950.0)
        })
        .sum();
    assert_eq!((plane / 1000.0).round(), 4_144.0);
}
