//! The bus beside the raw engine, in one run: `cargo run --release -p kenroku-bench --bin bus [POSTGRES]`.
//!
//! POSTGRES is a connection string whose first schema of the search path is empty; without it only SQLite is measured,
//! durable (`synchronous=FULL`), in the folder for temporary files. The peer is one durable row per commit through the
//! raw driver: what a single publisher could do at best.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use kenroku_bus::{
    Bus, Consumer, Done, Enqueue, Event, Failed, Handle, Job, MIGRATIONS, Received, Running, Settings, Work,
    Worker,
};
use kenroku_store::{Db, LiteOptions, Migration, ModuleMigrations, PgOptions, Sql, Tx, params, sql};
use kenroku_types::{Env, Tenant, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc};

const SCHEMA: &[ModuleMigrations] = &[
    MIGRATIONS,
    ModuleMigrations {
        module: "bench",
        steps: &[Migration {
            name: "0001_init",
            text: "create table bench (tenant {uuid} not null, who text not null, n {int} not null,
                   primary key (tenant, who, n)) {strict}",
            postgres: None,
        }],
    },
];
const PUT: &Sql = sql!("insert into bench (tenant, who, n) values ($1, $2, $3)");
const T: Tenant = Tenant::SHARED;
const EVENTS: i64 = 5_000;
const JOBS: i64 = 2_000;

#[derive(Serialize, Deserialize)]
struct Passed {
    n: i64,
    segment: String,
}
impl Event for Passed {
    const NAME: &'static str = "bench.passed";
}

#[derive(Serialize, Deserialize)]
struct Tell {
    n: i64,
}
impl Job for Tell {
    const KIND: &'static str = "bench.tell";
}

/// Writes one row per event or job, and says when each is committed.
#[derive(Clone)]
struct Writes(&'static str, mpsc::UnboundedSender<i64>);
impl Handle<Passed> for Writes {
    async fn handle(&self, tx: &mut Tx, e: Received<Passed>) -> Result<(), Failed> {
        tx.execute(PUT, params![T, self.0, e.event.n]).await?;
        let (said, n) = (self.1.clone(), e.event.n);
        tx.after_commit(move || {
            let _ = said.send(n);
        });
        Ok(())
    }
}
impl Work<Tell> for Writes {
    async fn work(&self, run: &Running, job: Tell) -> Result<Done, Failed> {
        let mut tx = run.begin().await?;
        tx.execute(PUT, params![T, "job", job.n]).await?;
        let done = run.finish(tx).await?;
        let _ = self.1.send(job.n);
        Ok(done)
    }
}

fn main() -> Result<()> {
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    rt.block_on(async {
        println!("| what | per second | wait p50 | wait p95 |\n|---|---|---|---|");
        let dir = tempfile::tempdir()?;
        raw(&dir.path().join("raw.db"))?;
        let db = Db::open_sqlite(&dir.path().join("bus.db"), LiteOptions::default())?;
        measure("SQLite", db).await?;
        if let Some(conninfo) = std::env::args().nth(1) {
            measure("PostgreSQL", Db::open_postgres(&PgOptions::new(conninfo))?).await?;
        }
        Ok(())
    })
}

fn line(what: &str, n: i64, took: Duration, waits: &mut [Duration]) {
    waits.sort_unstable();
    let at = |p: usize| waits.get(waits.len() * p / 100).map_or(String::new(), |w| format!("{w:.1?}"));
    println!("| {what} | {:.0} | {} | {} |", n as f64 / took.as_secs_f64(), at(50), at(95));
}

fn raw(path: &std::path::Path) -> Result<()> {
    let c = rusqlite::Connection::open(path)?;
    c.pragma_update(None, "journal_mode", "wal")?;
    c.pragma_update(None, "synchronous", "full")?;
    c.execute_batch(
        "create table raw (tenant blob not null, id blob not null, payload text not null, primary key (tenant, id))",
    )?;
    let mut waits = Vec::new();
    let began = Instant::now();
    for n in 0..2_000u64 {
        let t = Instant::now();
        let id = [T.uuid().as_bytes().as_slice(), &n.to_be_bytes()].concat();
        c.execute(
            "insert into raw values (?1, ?2, ?3)",
            (T.uuid().as_bytes(), id, "{\"n\":1,\"segment\":\"x\"}"),
        )?;
        waits.push(t.elapsed());
    }
    line("SQLite, raw driver: one durable row per commit", 2_000, began.elapsed(), &mut waits);
    Ok(())
}

async fn publish(bus: &Bus, db: &Db, n: i64) -> Result<()> {
    let mut tx = db.begin().await?;
    bus.publish(&mut tx, T, &Passed { n, segment: "17211-01234".to_owned() }).await?;
    Ok(tx.commit().await?)
}

/// `n` calls of `f`, at most `callers` at a time.
async fn many<F, R>(what: String, n: i64, callers: usize, f: F) -> Result<()>
where
    F: Fn(i64) -> R,
    R: Future<Output = Result<()>> + Send + 'static,
{
    let turns = Arc::new(Semaphore::new(callers));
    let mut tasks = tokio::task::JoinSet::new();
    let began = Instant::now();
    for i in 0..n {
        let turn = Arc::clone(&turns).acquire_owned().await?;
        let call = f(i);
        tasks.spawn(async move {
            let t = Instant::now();
            let r = call.await;
            drop(turn);
            r.map(|()| t.elapsed())
        });
    }
    let mut waits = Vec::new();
    while let Some(r) = tasks.join_next().await {
        waits.push(r??);
    }
    line(&what, n, began.elapsed(), &mut waits);
    Ok(())
}

async fn measure(engine: &str, db: Db) -> Result<()> {
    db.migrate(SCHEMA, Timestamp::EPOCH).await?;
    let bus = Bus::local(Env::system());
    let call = |n| {
        let (bus, db) = (bus.clone(), db.clone());
        async move { publish(&bus, &db, n).await }
    };
    many(format!("{engine}, publish, one caller"), 1_000, 1, |i| call(EVENTS + i)).await?;
    many(format!("{engine}, publish, 64 callers"), EVENTS, 64, call).await?;

    let (said, mut heard) = mpsc::unbounded_channel();
    let work = |who, settings| {
        let w = Writes(who, said.clone());
        let c = Consumer::new(who).on::<Passed, _>(w.clone());
        Worker::new(bus.clone(), db.clone(), settings).consumer(c).job::<Tell, _>(w)
    };
    let all = EVENTS + 1_000;
    let t = Instant::now();
    work("one", Settings::default()).drain().await?;
    line(
        &format!("{engine}, number and handle a backlog, one row written per event"),
        all,
        t.elapsed(),
        &mut [],
    );
    let t = Instant::now();
    work("two", Settings { batch: 1, ..Settings::default() }).drain().await?;
    line(&format!("{engine}, the same, numbered already, one event per commit"), all, t.elapsed(), &mut []);
    while heard.try_recv().is_ok() {}

    many(format!("{engine}, enqueue, 64 callers"), JOBS, 64, |n| {
        let (bus, db) = (bus.clone(), db.clone());
        async move {
            let mut tx = db.begin().await?;
            bus.enqueue(&mut tx, T, &Tell { n }, Enqueue::now()).await?;
            Ok(tx.commit().await?)
        }
    })
    .await?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let t = Instant::now();
    let running =
        tokio::spawn(work("one", Settings { jobs_at_once: 16, ..Settings::default() }).run(async {
            let _ = stopped.await;
        }));
    for _ in 0..JOBS {
        heard.recv().await;
    }
    line(
        &format!("{engine}, claim, run and complete jobs, 16 at once, one row written each"),
        JOBS,
        t.elapsed(),
        &mut [],
    );

    let mut waits = Vec::new();
    let began = Instant::now();
    for n in 0..300 {
        let t = Instant::now();
        publish(&bus, &db, 2 * EVENTS + n).await?;
        while heard.recv().await != Some(2 * EVENTS + n) {}
        waits.push(t.elapsed());
    }
    line(&format!("{engine}, from publishing to handled, one at a time"), 300, began.elapsed(), &mut waits);
    let _ = stop.send(());
    running.await??;
    Ok(())
}
