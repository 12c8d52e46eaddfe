//! Serves the component page with the strict policy of the product and a few tiles, for looking at it and for
//! the browser tests of this crate alone: `cargo run -p kenroku-ui --example design [address]`.

use axum::http::Request;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, body::Body};
use kenroku_ui::{Shell, Texts, assets, design, mount};
use mvt::{GeomEncoder, GeomType, Layer, Tile};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
    connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8090".to_owned());
    let pages = Router::new()
        .route("/", get(|| async { axum::response::Redirect::to("/design") }))
        .route("/map/base/{z}/{x}/{y}", get(base))
        .route("/map/roads/{z}/{x}/{y}", get(roads))
        .merge(design::routes())
        .merge(assets::routes());
    let shell = Shell::new(Texts::new(&[])?).simulated(true).sign_in("/design#forms");
    let app = mount(pages, shell).layer(middleware::from_fn(guard));
    let listener = tokio::net::TcpListener::bind(&address).await?;
    eprintln!("http://{}/design", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn guard(request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// One land area over the whole tile.
async fn base() -> Response {
    let geometry = GeomEncoder::new(GeomType::Polygon)
        .point(0, 0)
        .and_then(|g| g.point(4096, 0))
        .and_then(|g| g.point(4096, 4096))
        .and_then(|g| g.point(0, 4096))
        .and_then(|g| g.encode());
    tile("land", geometry.into_iter().map(|g| (1, g)))
}

/// Seven parallel lines over the sample map, drawn into every tile that they cross.
#[expect(clippy::disallowed_types, reason = "this sample does not stand on kenroku-http")]
async fn roads(axum::extract::Path((z, x, y)): axum::extract::Path<(u32, u32, String)>) -> Response {
    let y: u32 = y.trim_end_matches(".mvt").parse().unwrap_or(0);
    // Web Mercator in units of this tile.
    let place = |lng: f64, lat: f64| {
        let sin = lat.to_radians().sin();
        let north = 0.5 - ((1.0 + sin) / (1.0 - sin)).ln() / (4.0 * std::f64::consts::PI);
        let scale = f64::from(1u32 << z.min(22));
        let unit = |v: f64, tile: u32| ((v * scale - f64::from(tile)) * 4096.0) as i32;
        (unit(lng / 360.0 + 0.5, x), unit(north, y))
    };
    let lines = (1..=7u32).filter_map(|id| {
        let lat = 36.37 + 0.015 * f64::from(id);
        let points = [(136.42, lat), (136.5, lat - 0.006), (136.58, lat)].map(|(lng, lat)| place(lng, lat));
        let inside = |v: i32| (-64..4160).contains(&v);
        let crosses = points[0].0 < 4160 && points[2].0 > -64 && points.iter().any(|p| inside(p.1));
        let line =
            points.iter().try_fold(GeomEncoder::new(GeomType::Linestring), |g, (x, y)| g.point(*x, *y));
        let geometry = line.and_then(|g| g.encode()).ok()?;
        crosses.then_some((u64::from(id), geometry))
    });
    tile("roads", lines)
}

fn tile(name: &str, features: impl Iterator<Item = (u64, mvt::GeomData)>) -> Response {
    let mut tile = Tile::new(4096);
    let mut layer: Layer = tile.create_layer(name);
    for (id, geometry) in features {
        let mut feature = layer.into_feature(geometry);
        feature.set_id(id);
        feature.add_tag_string("name", &format!("区間{id}"));
        layer = feature.into_layer();
    }
    let bytes = tile.add_layer(layer).and_then(|()| tile.to_bytes()).unwrap_or_default();
    ([(CONTENT_TYPE, "application/vnd.mapbox-vector-tile")], bytes).into_response()
}
