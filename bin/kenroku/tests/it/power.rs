//! Positions acknowledged over HTTP survive cut power, whenever it comes: the built binary, its real ingest, and a
//! disk that forgets whatever was not synced. That the harness finds losses is shown by its test over the store.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use kenroku_e2e::power::PowerCut;
use kenroku_store::{Db, LiteOptions, SqlBuilder};
use kenroku_types::{Clock, MuniCode, Rng, Tenant, Timestamp};

use crate::process::{Server, kenroku};

/// The key of the demo's first plough, which belongs to the prefecture.
const KEY: &str = "demo-17211-0000-0000-0000";

#[expect(clippy::disallowed_methods, reason = "tests are set up by the environment")]
fn rounds(default: u64) -> u64 {
    std::env::var("KENROKU_SOAK_ROUNDS").ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Lets `demo` make its roads, ploughs and keys, then ends it.
fn seed(power: &PowerCut) {
    let dir = power.data().parent().unwrap().to_owned();
    let mut child = kenroku(&dir).arg("demo").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let (mut said, mut buf) = (String::new(), [0u8; 4096]);
    while !said.contains("Ctrl-C") {
        let n = out.read(&mut buf).unwrap();
        assert!(n > 0, "the demo ended: {said}");
        said.push_str(&String::from_utf8_lossy(&buf[..n]));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Sends one batch; whether the server acknowledged all of it.
fn send(addr: &str, times: &[Timestamp]) -> bool {
    let rows: Vec<serde_json::Value> = times
        .iter()
        .map(|t| serde_json::json!({"time": t, "lat": 36.4512, "lon": 136.5531, "speed_kmh": 12, "work": true}))
        .collect();
    let body = serde_json::to_string(&rows).unwrap();
    let Ok(mut s) = TcpStream::connect(addr) else { return false };
    let head = format!(
        "POST /api/snow/v1/positions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    if s.write_all(head.as_bytes()).and_then(|()| s.write_all(body.as_bytes())).is_err() {
        return false;
    }
    let mut answer = String::new();
    if s.read_to_string(&mut answer).is_err() || !answer.starts_with("HTTP/1.1 200") {
        return false;
    }
    let receipt: serde_json::Value =
        serde_json::from_str(answer.split_once("\r\n\r\n").map_or("", |(_, b)| b)).unwrap_or_default();
    assert_eq!(receipt["accepted"], times.len(), "a good batch is taken whole: {answer}");
    true
}

/// Serves on the simulated disk, sends from three clients, kills and cuts after some acknowledgements.
fn send_and_cut(power: &PowerCut, rng: &Rng, next: &Arc<AtomicI64>) -> HashSet<Timestamp> {
    let dir = power.data().parent().unwrap().to_owned();
    let mut c = kenroku(&dir);
    power.arm(&mut c);
    let server = Server::start(c);
    let (acked, stop) = (Arc::new(Mutex::new(HashSet::new())), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let (addr, acked, stop, next) = (server.addr.clone(), acked.clone(), stop.clone(), next.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let first = next.fetch_add(4, Ordering::SeqCst);
                    let times: Vec<_> = (first..first + 4).map(Timestamp::from_secs).collect();
                    if send(&addr, &times) {
                        acked.lock().unwrap().extend(times);
                    } else {
                        break;
                    }
                }
            })
        })
        .collect();
    let enough = 4 + rng.below(120) as usize;
    while acked.lock().unwrap().len() < enough && clients.iter().any(|c| !c.is_finished()) {
        std::thread::yield_now();
    }
    drop(server);
    stop.store(true, Ordering::SeqCst);
    for c in clients {
        c.join().unwrap();
    }
    let acked = acked.lock().unwrap().clone();
    assert!(!acked.is_empty(), "nothing was acknowledged");
    power.cut(rng, rng.below(101));
    acked
}

fn stored(power: &PowerCut) -> HashSet<Timestamp> {
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    rt.block_on(async {
        let db = Db::open_sqlite(&power.data().join("kenroku.db"), LiteOptions::default()).unwrap();
        let mut tx = db.read().await.unwrap();
        let mut b = SqlBuilder::new("select at from snow_fix where tenant = ");
        b.bind(Tenant::of(MuniCode::new(17000).unwrap()));
        let rows: Vec<(Timestamp,)> = tx.all_dyn(&b).await.unwrap();
        rows.into_iter().map(|r| r.0).collect()
    })
}

#[test]
fn acknowledged_positions_survive_cut_power() {
    let power = PowerCut::new();
    seed(&power);
    let next = Arc::new(AtomicI64::new(Clock::system().now().secs() - 40 * 3600));
    let mut all = HashSet::new();
    for seed in [20_260_114, Rng::system().u64()] {
        eprintln!("seed {seed}");
        let rng = Rng::seeded(seed);
        for round in 0..rounds(2) {
            all.extend(send_and_cut(&power, &rng, &next));
            let there = stored(&power);
            let lost: Vec<_> = all.difference(&there).collect();
            assert!(lost.is_empty(), "seed {seed}, round {round}: acknowledged positions are gone: {lost:?}");
        }
    }
}
