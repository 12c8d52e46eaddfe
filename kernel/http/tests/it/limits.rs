use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Method;
use kenroku_http::request::Peer;
use kenroku_http::test::TestApp;
use kenroku_http::{Listener, Op, Public, RequestInfo, Routes, Settings};

async fn size(_: Public, body: Bytes) -> String {
    body.len().to_string()
}
async fn never(_: Public) -> &'static str {
    std::future::pending().await
}
async fn who(_: Public, info: RequestInfo) -> String {
    info.client.to_string()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    e.write_all(data).unwrap();
    e.finish().unwrap()
}

async fn app_with(settings: Settings) -> TestApp {
    let post = |path, f: fn(Op) -> Op| f(Op::new(Method::POST, path, size));
    let routes = Routes::new()
        .add(post("/size", |op| op))
        .add(post("/large", |op| op.body_limit(3_000_000)))
        .add(post("/stream", Op::streaming))
        .add(Op::new(Method::GET, "/never", never).timeout(Duration::from_millis(1)))
        .add(Op::new(Method::GET, "/code", who).rate(1.0, 2.0))
        .add(Op::new(Method::GET, "/staff", who).staff())
        .add(Op::new(Method::GET, "/metrics", who).admin())
        .get("/who", who);
    TestApp::build(routes, |b| *b.settings_mut() = settings).await
}

async fn app() -> TestApp {
    app_with(Settings::default()).await
}

async fn post(app: &TestApp, path: &str, encoding: &str, body: Vec<u8>) -> (u16, String) {
    let a = app.request(Method::POST, path, &[("content-encoding", encoding)], Body::from(body)).await;
    (a.status.as_u16(), if a.status.is_success() { a.text() } else { a.problem_code() })
}

#[tokio::test]
async fn bodies_are_bounded_as_sent_and_as_decoded() {
    let app = app().await;
    let mib = 1024 * 1024;
    assert_eq!(post(&app, "/size", "identity", vec![0; mib]).await, (200, mib.to_string()));
    assert_eq!(post(&app, "/size", "identity", vec![0; mib + 1]).await, (413, "body-too-large".into()));
    assert_eq!(post(&app, "/large", "identity", vec![0; mib + 1]).await.0, 200);
    assert_eq!(post(&app, "/stream", "identity", vec![0; 2 * mib]).await.0, 200);
    assert_eq!(post(&app, "/size", "gzip", gzip(&vec![0; 10_000_000])).await, (200, "10000000".into()));
    assert_eq!(post(&app, "/size", "gzip", gzip(&vec![0; 10_000_001])).await, (413, "body-too-large".into()));
    let mut cut = gzip(b"some words that are sent");
    cut.truncate(12);
    assert_eq!(post(&app, "/size", "gzip", cut).await, (400, "encoding-broken".into()));
    assert_eq!(post(&app, "/size", "br", vec![1]).await, (415, "content-encoding".into()));
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let a = app().await.get("/never").await;
    assert_eq!(
        (a.status.as_u16(), a.problem_code().as_str(), a.header("retry-after")),
        (503, "timeout", "5")
    );
}

#[tokio::test]
async fn rates_are_limited_per_network_and_recover() {
    let proxied = Settings {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        rate_per_second: 1.0,
        rate_burst: 3.0,
        ..Settings::default()
    };
    let app = app_with(proxied).await;
    let from = |ip: &'static str, path: &'static str| {
        let app = app.clone();
        async move { app.get_with(path, &[("x-forwarded-for", ip)]).await }
    };
    for n in 0..3 {
        assert_eq!(from("203.0.113.1", "/who").await.status, 200, "{n}");
    }
    let refused = from("203.0.113.99", "/who").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1"));
    assert_eq!(from("198.51.100.1", "/who").await.text(), "198.51.100.1");
    app.app().env().clock.advance(Duration::from_secs(2));
    assert_eq!(from("203.0.113.1", "/who").await.status, 200);
    // The operation's own limit also holds for those exempt from the general one.
    let codes = [app.get("/code").await, app.get("/code").await, app.get("/code").await];
    assert_eq!(codes.map(|a| a.status.as_u16()), [200, 200, 429]);
}

#[tokio::test]
async fn listeners_know_only_their_operations() {
    let app = app_with(Settings { separate_staff: true, separate_admin: true, ..Settings::default() }).await;
    let by = |listener: Listener, path: &'static str| {
        let app = app.clone();
        async move {
            let addr = SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 9);
            app.from(Peer { addr, listener }).get(path).await.status.as_u16()
        }
    };
    for (path, expected) in
        [("/who", [200, 200, 404]), ("/staff", [404, 200, 404]), ("/metrics", [404, 404, 200])]
    {
        let got = [
            by(Listener::Public, path).await,
            by(Listener::Staff, path).await,
            by(Listener::Admin, path).await,
        ];
        assert_eq!(got, expected, "{path}");
    }
    let one_address = app_with(Settings::default()).await;
    assert_eq!(one_address.get("/staff").await.status, 200);
    assert_eq!(one_address.get("/metrics").await.status, 200, "this machine may read it");
    let far = Peer { addr: "203.0.113.1:9".parse().unwrap(), listener: Listener::Public };
    assert_eq!(one_address.from(far).get("/metrics").await.status, 404);
}
