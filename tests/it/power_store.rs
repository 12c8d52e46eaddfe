//! Acknowledged means durable: the store under cut power. The same test, with syncing switched off, must lose
//! rows, or it proves nothing.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use kenroku_e2e::power::PowerCut;
use kenroku_store::{Db, LiteOptions, Migration, ModuleMigrations, Sql, params, sql};
use kenroku_types::{Rng, Tenant, Timestamp};

const SCHEMA: &[ModuleMigrations] = &[ModuleMigrations {
    module: "cut",
    steps: &[Migration {
        name: "0001_init",
        text: "create table cut (tenant {uuid} not null, id {int} not null, pad text not null, primary key (tenant, id)) {strict}",
        postgres: None,
    }],
}];
const ADD: &Sql = sql!("insert into cut (tenant, id, pad) values ($1, $2, $3)");
const ALL: &Sql = sql!("select id from cut where tenant = $1");
const T: Tenant = Tenant::SHARED;
/// Set in the process that writes until it is killed.
const CHILD: &str = "KENROKU_POWERCUT_CHILD";

#[expect(clippy::disallowed_methods, reason = "tests are set up by the environment")]
fn var(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn rounds(default: u64) -> u64 {
    var("KENROKU_SOAK_ROUNDS").and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Not a test of its own: when the harness starts this binary again, this writes until it is killed.
#[test]
fn child_writes_until_killed() {
    let Some(dir) = var(CHILD) else { return };
    let durable = var("KENROKU_POWERCUT_DURABLE").as_deref() == Some("1");
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    rt.block_on(async {
        let db = Db::open_sqlite(
            &Path::new(&dir).join("a.db"),
            LiteOptions { durable, readers: 2, ..LiteOptions::default() },
        )
        .unwrap();
        db.migrate(SCHEMA, Timestamp::EPOCH).await.unwrap();
        let first = i64::from(std::process::id()) << 24;
        let tasks: Vec<_> = (0..8i64)
            .map(|task| {
                let db = db.clone();
                tokio::spawn(async move {
                    for i in 0.. {
                        let id = first + task * 100_000 + i;
                        let mut tx = db.begin().await.unwrap();
                        tx.execute(ADD, params![T, id, "雪".repeat(100)]).await.unwrap();
                        tx.commit().await.unwrap();
                        // One write per line: the parent trusts whole lines only.
                        let mut out = std::io::stderr().lock();
                        out.write_all(format!("ack {id}\n").as_bytes()).unwrap();
                    }
                })
            })
            .collect();
        for t in tasks {
            t.await.unwrap();
        }
    });
}

/// Starts the writer, kills it after some acknowledgements, cuts the power; the acknowledged ids.
fn write_and_cut(power: &PowerCut, durable: bool, rng: &Rng) -> HashSet<i64> {
    let mut c = Command::new(std::env::current_exe().unwrap());
    c.args(["power_store::child_writes_until_killed", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, power.data())
        .env("KENROKU_POWERCUT_DURABLE", if durable { "1" } else { "0" })
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    power.arm(&mut c);
    let mut child = c.spawn().unwrap();
    let stop_after = 1 + rng.below(400);
    let mut acked = HashSet::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        if line.ends_with('\n')
            && let Some(id) = line.trim().strip_prefix("ack ")
        {
            acked.insert(id.parse().unwrap());
        }
        if acked.len() as u64 == stop_after {
            child.kill().unwrap();
        }
        line.clear();
    }
    child.wait().unwrap();
    assert!(!acked.is_empty(), "the writer never wrote");
    power.cut(rng, rng.below(101));
    acked
}

fn stored(power: &PowerCut) -> HashSet<i64> {
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    rt.block_on(async {
        let Ok(db) = Db::open_sqlite(&power.data().join("a.db"), LiteOptions::default()) else {
            return HashSet::new();
        };
        if db.migrate(SCHEMA, Timestamp::EPOCH).await.is_err() {
            return HashSet::new();
        }
        let mut tx = db.read().await.unwrap();
        let rows: Vec<(i64,)> = tx.all(ALL, params![T]).await.unwrap_or_default();
        rows.into_iter().map(|r| r.0).collect()
    })
}

#[test]
fn acknowledged_rows_survive_cut_power() {
    let fresh = Rng::system().u64();
    for seed in [20_260_114, fresh] {
        eprintln!("seed {seed}");
        let rng = Rng::seeded(seed);
        let power = PowerCut::new();
        let mut all = HashSet::new();
        for round in 0..rounds(3) {
            all.extend(write_and_cut(&power, true, &rng));
            let there = stored(&power);
            let lost: Vec<_> = all.difference(&there).collect();
            assert!(lost.is_empty(), "seed {seed}, round {round}: {} acknowledged rows are gone", lost.len());
        }
    }
}

#[test]
fn without_syncing_rows_are_lost_so_the_test_can_fail() {
    let rng = Rng::seeded(7);
    let lost = (0..20).any(|_| {
        let power = PowerCut::new();
        let acked = write_and_cut(&power, false, &rng);
        acked.difference(&stored(&power)).next().is_some()
    });
    assert!(lost, "twenty cuts without syncing lost nothing: the harness does not cut");
}
