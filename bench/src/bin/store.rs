//! The store's façade beside the raw driver, in one run: `cargo run --release -p kenroku-bench --bin store`.
//!
//! Both sides use the same file system, the same pragmas and the same table (a 250-byte document, key (tenant, id)).
//! The two alternate in short rounds, and the median round is shown, so that a busy neighbour hits both alike.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::time::{Duration, Instant};

use anyhow::Result;
use kenroku_store::{Bulk, Col, Db, LiteOptions, Migration, ModuleMigrations, Sql, Val, params, sql};
use kenroku_types::{Tenant, Timestamp};
use rusqlite::{Connection, params as raw};

const SCHEMA: &[ModuleMigrations] = &[ModuleMigrations {
    module: "bench",
    steps: &[Migration {
        name: "0001_init",
        text: "create table bench (tenant {uuid} not null, id {int} not null, n {int} not null, doc text not null,
               primary key (tenant, id)) {strict}",
        postgres: None,
    }],
}];
const GET: &Sql = sql!("select n, doc from bench where tenant = $1 and id = $2");
const SET: &Sql = sql!("update bench set n = $3 where tenant = $1 and id = $2");
static MANY: Bulk = Bulk::new(
    "bench",
    &[("tenant", Col::Uuid), ("id", Col::Int), ("n", Col::Int), ("doc", Col::Text)],
    "on conflict (tenant, id) do nothing",
);
const T: Tenant = Tenant::SHARED;
const ROWS: i64 = 100_000;
const ROUNDS: usize = 15;

fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    rt.block_on(async {
        let (ours, theirs) = (dir.path().join("ours.db"), dir.path().join("theirs.db"));
        let db = Db::open_sqlite(&ours, LiteOptions { durable: false, readers: 4, ..LiteOptions::default() })?;
        db.migrate(SCHEMA, Timestamp::EPOCH).await?;
        let raw_db = raw_open(&theirs, "off")?;
        raw_db.execute_batch(
            "create table bench (tenant blob not null, id integer not null, n integer not null, doc text not null,
             primary key (tenant, id)) strict",
        )?;
        let doc = format!("{{\"id\":\"urn:ngsi-ld:Probe:1\",\"pad\":\"{}\"}}", "x".repeat(210));
        fill(&db, &raw_db, &doc).await?;
        // Both begin with everything in the main file and an empty log and cache.
        drop((db, raw_db));
        for file in [&ours, &theirs] {
            raw_open(file, "off")?.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))?;
        }
        let db = Db::open_sqlite(&ours, LiteOptions { durable: false, readers: 4, ..LiteOptions::default() })?;
        let raw_db = raw_open(&theirs, "off")?;
        println!("| operation (SQLite, one caller, per second) | raw driver | façade | raw ÷ façade |");
        println!("|---|---|---|---|");
        point_reads(&db, &raw_db).await?;
        read_modify_writes(&db, &raw_db).await?;
        drop(db);
        println!();
        println!("| durable commits (synchronous=FULL, one row each) | per second | median wait |");
        println!("|---|---|---|");
        raw_durable(&dir.path().join("raw-full.db"))?;
        for callers in [1usize, 16, 64, 256] {
            durable(&dir.path().join(format!("full-{callers}.db")), callers).await?;
        }
        anyhow::Ok(())
    })
}

fn raw_open(path: &std::path::Path, synchronous: &str) -> Result<Connection> {
    let c = Connection::open(path)?;
    c.pragma_update(None, "journal_mode", "wal")?;
    c.pragma_update(None, "synchronous", synchronous)?;
    c.pragma_update(None, "foreign_keys", "on")?;
    c.pragma_update(None, "temp_store", "memory")?;
    c.pragma_update(None, "cache_size", -8192)?;
    Ok(c)
}

async fn fill(db: &Db, raw_db: &Connection, doc: &str) -> Result<()> {
    let mut tx = db.begin().await?;
    let rows: Vec<[Val<'_>; 4]> = (0..ROWS).map(|i| [T.into(), i.into(), 0i64.into(), doc.into()]).collect();
    tx.insert_many(&MANY, &rows).await?;
    tx.commit().await?;
    raw_db.execute_batch("begin")?;
    for i in 0..ROWS {
        raw_db
            .prepare_cached("insert into bench (tenant, id, n, doc) values (?1, ?2, ?3, ?4)")?
            .execute(raw![T.uuid().as_bytes().as_slice(), i, 0, doc])?;
    }
    raw_db.execute_batch("commit")?;
    Ok(())
}

/// Different keys in an order no cache predicts.
fn key(i: i64) -> i64 {
    (i * 48_271) % ROWS
}

async fn point_reads(db: &Db, raw_db: &Connection) -> Result<()> {
    let n = 20_000;
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let t = Instant::now();
        for i in 0..n {
            let (v, doc): (i64, String) = raw_db
                .prepare_cached("select n, doc from bench where tenant = ?1 and id = ?2")?
                .query_row(raw![T.uuid().as_bytes().as_slice(), key(i)], |r| Ok((r.get(0)?, r.get(1)?)))?;
            std::hint::black_box((v, doc));
        }
        a.push(t.elapsed());
        let t = Instant::now();
        for i in 0..n {
            let mut tx = db.read().await?;
            let row: (i64, String) = tx.one(GET, params![T, key(i)]).await?;
            std::hint::black_box(row);
        }
        b.push(t.elapsed());
    }
    line("point read by key", n, a, b);
    Ok(())
}

async fn read_modify_writes(db: &Db, raw_db: &Connection) -> Result<()> {
    let n = 5_000;
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let t = Instant::now();
        for i in 0..n {
            raw_db.prepare_cached("begin immediate")?.execute([])?;
            let (v, doc): (i64, String) = raw_db
                .prepare_cached("select n, doc from bench where tenant = ?1 and id = ?2")?
                .query_row(raw![T.uuid().as_bytes().as_slice(), key(i)], |r| Ok((r.get(0)?, r.get(1)?)))?;
            std::hint::black_box(doc);
            raw_db.prepare_cached("update bench set n = ?3 where tenant = ?1 and id = ?2")?.execute(raw![
                T.uuid().as_bytes().as_slice(),
                key(i),
                v + 1
            ])?;
            raw_db.prepare_cached("commit")?.execute([])?;
        }
        a.push(t.elapsed());
        let t = Instant::now();
        for i in 0..n {
            let mut tx = db.begin().await?;
            let (v, doc): (i64, String) = tx.one(GET, params![T, key(i)]).await?;
            std::hint::black_box(doc);
            tx.execute_one(SET, params![T, key(i), v + 1]).await?;
            tx.commit().await?;
        }
        b.push(t.elapsed());
    }
    line("read, change, write one row (no fsync)", n, a, b);
    Ok(())
}

fn raw_durable(path: &std::path::Path) -> Result<()> {
    let c = raw_open(path, "full")?;
    c.execute_batch("create table t (id integer primary key, n integer)")?;
    let (n, t) = (300, Instant::now());
    for i in 0..n {
        c.prepare_cached("insert into t values (?1, 1)")?.execute([i])?;
    }
    let e = t.elapsed();
    println!(
        "| raw driver, 1 caller | {:.0} | {:.2} ms |",
        per_second(n, e),
        e.as_secs_f64() * 1e3 / n as f64
    );
    Ok(())
}

async fn durable(path: &std::path::Path, callers: usize) -> Result<()> {
    let db = Db::open_sqlite(path, LiteOptions::default())?;
    db.migrate(SCHEMA, Timestamp::EPOCH).await?;
    let each = if callers == 1 { 300 } else { 200 };
    let t = Instant::now();
    let tasks: Vec<_> = (0..callers as i64)
        .map(|c| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut waits = Vec::with_capacity(each);
                for i in 0..each as i64 {
                    let t = Instant::now();
                    let mut tx = db.begin().await?;
                    tx.insert_many(
                        &MANY,
                        &[[Val::from(T), (c * 1_000_000 + i).into(), 0i64.into(), "x".into()]],
                    )
                    .await?;
                    tx.commit().await?;
                    waits.push(t.elapsed());
                }
                kenroku_store::Result::Ok(waits)
            })
        })
        .collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await??);
    }
    let e = t.elapsed();
    waits.sort_unstable();
    println!(
        "| façade, {callers} callers | {:.0} | {:.2} ms |",
        per_second((callers * each) as i64, e),
        waits[waits.len() / 2].as_secs_f64() * 1e3
    );
    Ok(())
}

fn per_second(n: i64, d: Duration) -> f64 {
    n as f64 / d.as_secs_f64()
}

fn line(what: &str, n: i64, a: Vec<Duration>, b: Vec<Duration>) {
    let mut ratios: Vec<f64> = a.iter().zip(&b).map(|(a, b)| b.as_secs_f64() / a.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    let mid = |mut v: Vec<Duration>| {
        v.sort_unstable();
        per_second(n, v[v.len() / 2])
    };
    println!("| {what} | {:.0} | {:.0} | {:.2} |", mid(a), mid(b), ratios[ratios.len() / 2]);
}
