//! From a plough's report to the desk's board: `cargo run --release -p kenroku-bench --bin snow [VEHICLES] [SECONDS]`.
//!
//! Each vehicle reports one position every ten seconds, evenly spread, each in a request's own durable commit
//! (SQLite, `synchronous=FULL`) on the synthetic Ishikawa. Measured is the time from the call until the board that
//! staff pages read shows it, and how long the acknowledgement took. HTTP is not in it.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time and takes arguments")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use kenroku_bus::Bus;
use kenroku_roads::Roads;
use kenroku_roads::app::synthetic_ishikawa;
use kenroku_roads::graph::Graph;
use kenroku_roads::model::Direction;
use kenroku_sim::drive::Drive;
use kenroku_snow::ingest::Incoming;
use kenroku_snow::model::Report;
use kenroku_snow::sql::fleet::{EventRow, VehicleRow};
use kenroku_snow::sql::{log, matched};
use kenroku_snow::{Settings, Snow, seed};
use kenroku_store::{Db, LiteOptions};
use kenroku_types::{Env, Id, MuniCode, Rng, Tenant};

type Sent = Arc<Mutex<VecDeque<(i64, Instant)>>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).filter_map(|a| a.parse::<usize>().ok());
    let (vehicles, seconds) = (args.next().unwrap_or(800), args.next().unwrap_or(60));
    let dir = tempfile::tempdir()?;
    let db = Db::open_sqlite(&dir.path().join("snow.db"), LiteOptions::default())?;
    let env = Env::system();
    db.migrate(&[kenroku_bus::MIGRATIONS, kenroku_snow::MIGRATIONS], env.now()).await?;
    let prefecture = MuniCode::new(17000).context("the code of Ishikawa")?;
    let tenant = Tenant::of(prefecture);
    let graph = Arc::new(Graph::new(Arc::new(synthetic_ishikawa()?)));
    let roads = Roads::default();
    roads.swap(graph.clone());
    let snow = Snow::new(db, Bus::local(env.clone()), Arc::new(roads), Settings::new(prefecture))?;
    let event = EventRow {
        id: env.id(),
        started_at: env.now().minus(Duration::from_secs(60)),
        ended_at: None,
        level: "alert".to_owned(),
        depth_cm: None,
        simulated: true,
    };
    snow.open_event(tenant, &event, "bench").await?;
    let tours = seed::fleet(graph.network(), prefecture);
    let mut drives = Vec::new();
    for n in 0..vehicles {
        let tour = &tours[n % tours.len()].tour;
        let segments = graph.network().segments();
        let route: Vec<_> = tour.iter().map(|(i, _)| segments[*i as usize].id).collect();
        let vehicle =
            VehicleRow { id: env.id(), label: n.to_string(), kind: "truck".to_owned(), simulated: true };
        snow.add_vehicle(tenant, &vehicle, &route).await?;
        let device: Id<_> = env.id();
        let since = env.now().minus(Duration::from_secs(60));
        snow.add_device(tenant, device, "bench", true, Some((vehicle.id, since))).await?;
        let points = tour.iter().flat_map(|(i, d)| {
            let points = segments[*i as usize].points.iter().copied();
            if *d == Direction::Forward { points.collect::<Vec<_>>() } else { points.rev().collect() }
        });
        let points: Vec<_> = points.collect();
        drives.push((device, Drive::new(&points, env.now(), 10, Rng::seeded(n as u64))));
    }
    let running = snow.clone();
    let work = tokio::spawn(async move { running.run(std::future::pending()).await });

    let sent: Sent = Sent::default();
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let cpu = cpu_seconds();
    let start = Instant::now();
    let watcher = tokio::spawn(watch(snow.clone(), tenant, sent.clone()));
    let gap = Duration::from_secs(10).div_f64(vehicles as f64);
    let mut tasks = tokio::task::JoinSet::new();
    'drive: for round in 0.. {
        for (n, (device, drive)) in drives.iter_mut().enumerate() {
            let due = gap * (round * vehicles + n) as u32;
            if due > Duration::from_secs(seconds as u64) {
                break 'drive;
            }
            tokio::time::sleep(due.saturating_sub(start.elapsed())).await;
            let Some(r) = drive.next() else { continue };
            let mut report = Report::new(snow.env().now(), r.point.lat_deg(), r.point.lon_deg());
            (report.speed_mps, report.work) = (Some(r.speed_mps), r.work);
            let (snow, sent, acknowledged, device) =
                (snow.clone(), sent.clone(), acknowledged.clone(), *device);
            tasks.spawn(async move {
                let at = Instant::now();
                let row = Incoming { raw: String::new(), report: Ok(report) };
                let receipt = snow.take_in(tenant, device, vec![row]).await?;
                anyhow::ensure!(receipt.accepted == 1, "a report was not taken");
                let end = log::stream_ends(&mut snow.db().read().await?, "fix").await?;
                let pos = end.first().map_or(0, |(_, p)| *p);
                acknowledged.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.push(at.elapsed());
                // The position of this fix is at most the end of the stream now: waiting for that errs on the long side.
                sent.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.push_back((pos, at));
                Ok(())
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let wall = start.elapsed();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let used = cpu_seconds() - cpu;
    watcher.abort();
    work.abort();
    let mut acks = acknowledged.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.clone();
    let mut lags = SEEN.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.clone();
    println!(
        "{vehicles} vehicles, one report every 10 s, {} reports in {:.0} s",
        acks.len(),
        wall.as_secs_f64()
    );
    println!("{:<28} {:>9} {:>9} {:>9}", "", "p50 ms", "p95 ms", "p99 ms");
    for (name, all) in [("acknowledged (durable)", &mut acks), ("seen on the desk's board", &mut lags)] {
        all.sort_unstable();
        let at = |q: f64| all.get(((all.len() as f64 * q) as usize).min(all.len().saturating_sub(1)));
        let ms = |q: f64| at(q).map_or(f64::NAN, |d| d.as_secs_f64() * 1e3);
        println!("{name:<28} {:>9.0} {:>9.0} {:>9.0}", ms(0.5), ms(0.95), ms(0.99));
    }
    println!(
        "not seen: {}; processor time {:.1} % of one core",
        acks.len() - lags.len(),
        used / wall.as_secs_f64() * 100.0
    );
    Ok(())
}

static SEEN: Mutex<Vec<Duration>> = Mutex::new(Vec::new());

/// Notes when the board shows what was sent: its stream position has reached the end that was committed with the
/// cursor.
async fn watch(snow: Snow, tenant: Tenant, sent: Sent) -> Result<()> {
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut tx = snow.db().snapshot().await?;
        let (read, _) = matched::cursor(&mut tx, tenant).await?;
        let end = log::stream_ends(&mut tx, "state").await?.first().map_or(0, |(_, p)| *p);
        drop(tx);
        while snow.board(|b| b.sources.get(&tenant).map_or(0, |s| s.rev)) < end {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let now = Instant::now();
        let mut waiting = sent.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
        let mut seen = SEEN.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
        waiting.retain(|(pos, at)| {
            let shown = *pos <= read;
            if shown {
                seen.push(now - *at);
            }
            !shown
        });
    }
}

/// Processor time of this process so far, seconds (`/proc/self/stat`, a hundredth each).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
