use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kenroku_access::{Access, Policies, TenantTree, WebRules};
use kenroku_http::serve::{BindError, Bound, serve};
use kenroku_http::test::TestKeys;
use kenroku_http::{App, Listener, Public, Routes, Settings, health};
use kenroku_store::testing::{TestDb, sqlite};
use kenroku_types::Env;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};

/// Lets a handler stand still until the test says so.
struct Gate {
    entered: Notify,
    open: Notify,
}

async fn slow(_: Public, app: App) -> kenroku_http::Result<&'static str> {
    let gate = app.get::<Gate>()?;
    gate.entered.notify_one();
    gate.open.notified().await;
    Ok("done")
}

struct Server {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    gate: Arc<Gate>,
    running: tokio::task::JoinHandle<usize>,
    _dir: tempfile::TempDir,
}

async fn start(settings: Settings) -> Server {
    let gate = Arc::new(Gate { entered: Notify::new(), open: Notify::new() });
    let TestDb { db, dir } = sqlite(&[]).await;
    let policies = Policies::new(TenantTree::default(), []).unwrap();
    let access = Access::new(policies, TestKeys::default(), WebRules::default());
    let mut builder = App::builder(Env::system(), settings, db, access);
    builder.put_shared(gate.clone());
    let app = builder.build();
    let router = Routes::new().get("/slow", slow).merge(health::routes()).into_router(&app).unwrap();
    let bound = Bound::bind("127.0.0.1:0".parse().unwrap(), Listener::Public).await.unwrap();
    let addr = bound.addr().unwrap();
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn(async move { serve(&app, router, vec![bound], stopping).await });
    Server { addr, stop, gate, running, _dir: dir }
}

async fn send(addr: SocketAddr, text: &str) -> String {
    let mut s = TcpStream::connect(addr).await.unwrap();
    s.write_all(text.as_bytes()).await.unwrap();
    let mut out = String::new();
    let _ = s.read_to_string(&mut out).await;
    out
}

const READY: &str = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn stopping_finishes_running_requests_and_takes_no_new_ones() {
    let s = start(Settings::default()).await;
    assert!(send(s.addr, READY).await.starts_with("HTTP/1.1 200"));
    let running = tokio::spawn(send_owned(s.addr, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"));
    s.gate.entered.notified().await;
    s.stop.send(true).unwrap();
    while TcpStream::connect(s.addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    s.gate.open.notify_one();
    assert!(running.await.unwrap().ends_with("done"));
    assert_eq!(s.running.await.unwrap(), 0);
}

async fn send_owned(addr: SocketAddr, text: &'static str) -> String {
    send(addr, text).await
}

#[tokio::test]
async fn whoever_does_not_finish_in_time_is_cut_off_and_counted() {
    let s = start(Settings { drain: Duration::from_millis(10), ..Settings::default() }).await;
    let running = tokio::spawn(send_owned(s.addr, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"));
    s.gate.entered.notified().await;
    s.stop.send(true).unwrap();
    assert_eq!(s.running.await.unwrap(), 1);
    s.gate.open.notify_one();
    running.await.unwrap();
}

#[tokio::test]
async fn a_client_that_dribbles_its_head_is_dropped_and_an_oversized_head_is_refused() {
    let s = start(Settings { header_timeout: Duration::from_millis(50), ..Settings::default() }).await;
    let dropped = send(s.addr, "GET /readyz HTTP/1.1\r\nHos").await;
    assert!(!dropped.contains("200 OK"));
    let huge = format!("GET /readyz HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(40_000));
    assert!(send(s.addr, &huge).await.starts_with("HTTP/1.1 431"));
    assert!(send(s.addr, READY).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_taken_port_says_what_to_do() {
    let s = start(Settings::default()).await;
    let e = Bound::bind(s.addr, Listener::Public).await.err().unwrap();
    assert!(matches!(e, BindError::Taken(_)) && e.to_string().contains("another port"));
}
