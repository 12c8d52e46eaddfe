//! The bus on both engines.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod consumers;
mod jobs;
mod line;
mod model;
mod nats;
mod order;
mod processes;
mod schedules;

use kenroku_bus::{Bus, Event, MIGRATIONS, Settings, Worker};
use kenroku_store::{Db, Migration, ModuleMigrations, Sql, params, sql};
use kenroku_types::{Env, Tenant, Timestamp};
use serde::{Deserialize, Serialize};

/// The bus and a table that tells how often each fact had an effect.
pub(crate) const SCHEMA: &[ModuleMigrations] = &[
    MIGRATIONS,
    ModuleMigrations {
        module: "probe",
        steps: &[Migration {
            name: "0001_init",
            text: "create table probe_effect (tenant {uuid} not null, who text not null, n {int} not null,
                     times {int} not null, turn {int} not null, primary key (tenant, who, n)) {strict};
                   create table probe_fact (tenant {uuid} not null, n {int} not null, primary key (tenant, n)) {strict};",
            postgres: None,
        }],
    },
];

pub(crate) const T: Tenant = Tenant::SHARED;
/// 2026-01-14 09:30 in Japan.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_768_350_600);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cleared {
    pub(crate) n: i64,
}
impl Event for Cleared {
    const NAME: &'static str = "probe.cleared";
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Blocked {
    pub(crate) n: i64,
}
impl Event for Blocked {
    const NAME: &'static str = "probe.blocked";
}

const EFFECT: &Sql = sql!(
    "insert into probe_effect (tenant, who, n, times, turn)
    values ($1, $2, $3, 1, (select count(*) from probe_effect where tenant = $1 and who = $2))
    on conflict (tenant, who, n) do update set times = probe_effect.times + 1"
);
/// The same with a given turn: for many rows.
pub(crate) const EFFECT_AT: &Sql = sql!(
    "insert into probe_effect (tenant, who, n, times, turn) values ($1, $2, $3, 1, $4)
    on conflict (tenant, who, n) do update set times = probe_effect.times + 1"
);
const EFFECTS: &Sql =
    sql!("select n, times from probe_effect where tenant = $1 and who = $2 order by turn, n");

/// Writes down that `who` did `n` once more.
pub(crate) async fn effect(tx: &mut kenroku_store::Tx, who: &str, n: i64) -> kenroku_store::Result<()> {
    tx.execute(EFFECT, params![T, who, n]).await.map(drop)
}

/// What `who` did, in the order in which it was done first, and how often.
pub(crate) async fn effects(db: &Db, who: &str) -> Vec<(i64, i64)> {
    db.read().await.unwrap().all(EFFECTS, params![T, who]).await.unwrap()
}

/// Each once.
pub(crate) fn once(ns: impl IntoIterator<Item = i64>) -> Vec<(i64, i64)> {
    ns.into_iter().map(|n| (n, 1)).collect()
}

pub(crate) fn bus() -> Bus {
    Bus::local(Env::fixed(START, 7))
}

pub(crate) fn worker(bus: &Bus, db: &Db) -> Worker {
    Worker::new(bus.clone(), db.clone(), Settings::default())
}

pub(crate) async fn publish(bus: &Bus, db: &Db, n: i64) {
    let mut tx = db.begin().await.unwrap();
    bus.publish(&mut tx, T, &Cleared { n }).await.unwrap();
    tx.commit().await.unwrap();
}

/// Every statement reads on both engines and names the tenant or says why not.
#[kenroku_store::test(SCHEMA)]
async fn every_statement_prepares(db: Db) {
    assert_eq!(kenroku_store::testing::prepare_all(&db).await.unwrap(), Vec::<String>::new());
    assert_eq!(kenroku_store::testing::without_tenant(), Vec::<String>::new());
    let own: Vec<_> =
        kenroku_store::testing::pairs().into_iter().filter(|p| p.starts_with("kernel/bus")).collect();
    assert_eq!(own.len(), 4, "pairs are counted: {own:#?}");
}

#[expect(clippy::disallowed_methods, reason = "tests are configured by the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// A fresh seed, printed, or the one in `KENROKU_TEST_SEED`.
pub(crate) fn seed() -> u64 {
    let seed = variable("KENROKU_TEST_SEED")
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(|| kenroku_types::Rng::system().u64());
    eprintln!("seed {seed}: run again with KENROKU_TEST_SEED={seed}");
    seed
}
