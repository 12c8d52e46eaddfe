//! For tests: both engines under one body, and checks over the registry of statements.
//!
//! `KENROKU_TEST_PG` names a private PostgreSQL cluster (`host=/path/to/socket user=… dbname=…`); the gate starts one.
//! Without it only SQLite is used and every test says so; with `CI` set that is a failure. Each test works in a
//! schema of its own.

#![expect(clippy::panic, reason = "a test ends by panicking")]

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError};

use kenroku_types::{Clock, Timestamp};

use crate::db::EngineOf;
use crate::error::Result;
use crate::lite::{Lite, LiteOptions};
use crate::pg::{Pg, PgOptions};
use crate::sql::{REGISTRY, Sql};
use crate::{Db, Engine, ModuleMigrations};

type Body = Pin<Box<dyn Future<Output = ()>>>;

/// Runs `body` on SQLite, then on PostgreSQL, and compares what every statement answered.
pub fn both(name: &str, migrations: &[ModuleMigrations], concurrent: bool, body: impl Fn(Db) -> Body) {
    let lite = on_sqlite(migrations, !concurrent, &body);
    let Some(conninfo) = postgres() else { return };
    let pg = on_postgres(name, &conninfo, migrations, !concurrent, &body);
    for (i, (a, b)) in lite.iter().zip(&pg).enumerate() {
        assert_eq!(a, b, "statement {i} of {name} answered differently (left SQLite, right PostgreSQL)");
    }
    assert_eq!(lite.len(), pg.len(), "{name} ran another number of statements on each engine");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap_or_else(|e| panic!("tokio runtime: {e}"))
}

fn run(db: Db, migrations: &[ModuleMigrations], body: &impl Fn(Db) -> Body) -> Vec<String> {
    runtime().block_on(async {
        db.migrate(migrations, Timestamp::EPOCH)
            .await
            .unwrap_or_else(|e| panic!("on {:?}: {e}", db.engine()));
        if let Some(t) = &db.inner().trace {
            t.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        eprintln!("engine: {:?}", db.engine());
        body(db.clone()).await;
        let trace = db.inner().trace.as_ref();
        trace
            .map(|t| std::mem::take(&mut *t.lock().unwrap_or_else(PoisonError::into_inner)))
            .unwrap_or_default()
    })
}

fn on_sqlite(migrations: &[ModuleMigrations], trace: bool, body: &impl Fn(Db) -> Body) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap_or_else(|e| panic!("temporary folder: {e}"));
    run(sqlite_in(dir.path(), trace), migrations, body)
}

fn sqlite_in(dir: &Path, trace: bool) -> Db {
    let options = LiteOptions { durable: false, ..LiteOptions::default() };
    let lite = Lite::open(&dir.join("test.db"), options, Clock::system()).unwrap_or_else(|e| panic!("{e}"));
    Db::from_engine(EngineOf::Lite(lite), trace)
}

/// A migrated embedded database in a temporary folder that lives as long as the value.
#[derive(Debug)]
pub struct TestDb {
    /// The database.
    pub db: Db,
    /// Its folder.
    pub dir: tempfile::TempDir,
}

/// A migrated embedded database, for tests above the repositories.
pub async fn sqlite(migrations: &[ModuleMigrations]) -> TestDb {
    let dir = tempfile::tempdir().unwrap_or_else(|e| panic!("temporary folder: {e}"));
    let db = sqlite_in(dir.path(), false);
    db.migrate(migrations, Timestamp::EPOCH).await.unwrap_or_else(|e| panic!("{e}"));
    TestDb { db, dir }
}

#[expect(clippy::disallowed_methods, reason = "the test runner is configured by the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// The private cluster's connection string, if there is one.
///
/// # Panics
/// When `CI` is set and there is none: nothing may be skipped there.
pub fn postgres() -> Option<String> {
    static SAID: OnceLock<()> = OnceLock::new();
    let found = variable("KENROKU_TEST_PG");
    if found.is_none() {
        assert!(
            variable("CI").is_none(),
            "KENROKU_TEST_PG is not set; run `make test`, which starts PostgreSQL"
        );
        SAID.get_or_init(|| {
            eprintln!("NOT RUN ON POSTGRESQL: KENROKU_TEST_PG is not set; `make test` starts one")
        });
    }
    found
}

/// A connection string for a fresh, empty schema of the private cluster.
pub async fn fresh_schema(conninfo: &str, name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let n = COUNT.fetch_add(1, Ordering::SeqCst);
    let hash =
        ring::digest::digest(&ring::digest::SHA256, format!("{name} {} {n}", std::process::id()).as_bytes());
    let schema = format!("t_{}", hex::encode(&hash.as_ref()[..12]));
    let (client, connection) = tokio_postgres::connect(conninfo, tokio_postgres::NoTls)
        .await
        .unwrap_or_else(|e| panic!("PostgreSQL: {e}"));
    let task = tokio::spawn(connection);
    client
        .batch_execute(&format!("create schema {schema}"))
        .await
        .unwrap_or_else(|e| panic!("PostgreSQL: {e}"));
    drop(client);
    let _ = task.await;
    format!("{conninfo} options='-c search_path={schema}'")
}

/// An empty database of the private cluster, for a program that is given one by its name; dropped with this value.
#[derive(Debug)]
pub struct FreshDatabase {
    conninfo: String,
    /// Its name.
    pub name: String,
}

impl FreshDatabase {
    /// Makes one.
    pub fn new(conninfo: &str, purpose: &str) -> Self {
        let name = format!("t_{purpose}_{}", std::process::id());
        let made = FreshDatabase { conninfo: conninfo.to_owned(), name };
        made.say(&format!("create database {} template template0 encoding 'UTF8'", made.name));
        made
    }

    fn say(&self, statement: &str) {
        runtime().block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.conninfo, tokio_postgres::NoTls)
                .await
                .unwrap_or_else(|e| panic!("PostgreSQL: {e}"));
            let task = tokio::spawn(connection);
            client.batch_execute(statement).await.unwrap_or_else(|e| panic!("PostgreSQL: {e}"));
            drop(client);
            let _ = task.await;
        });
    }
}

impl Drop for FreshDatabase {
    fn drop(&mut self) {
        // A second panic would end the whole run without saying what the first was.
        if !std::thread::panicking() {
            self.say(&format!("drop database {} with (force)", self.name));
        }
    }
}

fn on_postgres(
    name: &str,
    conninfo: &str,
    migrations: &[ModuleMigrations],
    trace: bool,
    body: &impl Fn(Db) -> Body,
) -> Vec<String> {
    let conninfo = runtime().block_on(fresh_schema(conninfo, name));
    let mut options = PgOptions::new(conninfo);
    options.connections = 8;
    let pg = Pg::open(&options).unwrap_or_else(|e| panic!("{e}"));
    run(Db::from_engine(EngineOf::Pg(pg), trace), migrations, body)
}

/// Called once per statement, engine and process: with `KENROKU_SQL_COVERAGE` naming a folder, writes down that the
/// statement ran, so that the gate can tell which never did.
pub(crate) fn note_statement(s: &Sql, e: Engine) {
    use std::io::Write;
    let Some(dir) = variable("KENROKU_SQL_COVERAGE") else { return };
    let file = Path::new(&dir).join(format!("{}.tsv", std::process::id()));
    if let Ok(mut f) = std::fs::OpenOptions::new().create(true).append(true).open(file) {
        // One write a line: several threads append at once.
        let _ = f.write_all(format!("{e:?}\t{}:{}\n", s.file, s.line).as_bytes());
    }
}

/// Prepares every registered statement on a migrated database; the complaints, with their places.
pub async fn prepare_all(db: &Db) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for s in REGISTRY {
        let mut tx = db.begin().await?;
        let text = s.for_engine(db.engine());
        let r = if let Some(c) = tx.lite() {
            c.prepare(text).map(drop).map_err(|e| e.to_string())
        } else if let Some(p) = tx.pg() {
            p.client()?.prepare(text).await.map(drop).map_err(|e| crate::Error::from(e).to_string())
        } else {
            Ok(())
        };
        if let Err(e) = r {
            wrong.push(format!("{}:{} on {:?}: {e}", s.file, s.line, db.engine()));
        }
        drop(tx);
    }
    Ok(wrong)
}

/// Statements that neither name the tenant nor say why they need not.
pub fn without_tenant() -> Vec<String> {
    REGISTRY
        .iter()
        .filter(|s| !s.obeys_tenant_rule())
        .map(|s| format!("{}:{} {}", s.file, s.line, s.text()))
        .collect()
}

/// Statements with a text per engine, with the reason.
pub fn pairs() -> Vec<String> {
    let mut list: Vec<_> =
        REGISTRY.iter().filter(|s| s.is_pair()).map(|s| format!("{} — {}", s.file, s.why)).collect();
    list.sort();
    list
}

/// Tables, columns and indexes of a migrated database, one line each, for the committed snapshot.
pub async fn schema(db: &Db) -> Result<String> {
    let mut tx = db.read().await?;
    let text = match db.engine() {
        Engine::Sqlite => {
            "select tbl_name || ' ' || type || ' ' || name || ': ' || coalesce(sql, 'by the primary key') from sqlite_schema
             where name not like 'sqlite_%' order by tbl_name, type desc, name"
        }
        Engine::Postgres => {
            "select line from (
               select table_name as t, 1 as k, ordinal_position as o, cast(table_name || ' column ' || column_name || ': '
                 || data_type || case is_nullable when 'NO' then ' not null' else '' end
                 || coalesce(' default ' || column_default, '') as text) as line
               from information_schema.columns where table_schema = current_schema()
               union all
               select tablename, 2, 0, cast(tablename || ' index ' || indexname || ': '
                 || replace(indexdef, current_schema() || '.', '') as text)
               from pg_indexes where schemaname = current_schema()
             ) as s order by t, k, o, line"
        }
    };
    let rows: Vec<(String,)> = tx.query(text, &[], None, usize::MAX).await?;
    let squeeze = |l: String| l.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(rows.into_iter().map(|r| squeeze(r.0) + "\n").collect())
}
