//! Transactions: what is undone, what is grouped, what a dropped future leaves behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kenroku_store::{Db, Engine, Error, LiteOptions, Migration, ModuleMigrations, Sql, params, sql};
use kenroku_types::{Rng, Tenant, Timestamp};

use crate::SCHEMA;

const T: Tenant = Tenant::SHARED;
const ADD: &Sql = sql!("insert into probe (tenant, id, n) values ($1, $2, $3)");
const READ: &Sql = sql!("select n from probe where tenant = $1 and id = $2");
const SET: &Sql = sql!("update probe set n = $3 where tenant = $1 and id = $2");
const COUNT: &Sql = sql!("select count(*) from probe where tenant = $1");
const IDS: &Sql = sql!("select id from probe where tenant = $1 order by id");

async fn count(db: &Db) -> i64 {
    db.read().await.unwrap().one::<(i64,)>(COUNT, params![T]).await.unwrap().0
}

#[kenroku_store::test(SCHEMA)]
async fn dropped_is_undone_and_committed_stays(db: Db) {
    let mut tx = db.begin().await.unwrap();
    tx.execute(ADD, params![T, 1, 1]).await.unwrap();
    drop(tx);
    assert_eq!(count(&db).await, 0);
    let woken = Arc::new(AtomicUsize::new(0));
    let mut tx = db.begin().await.unwrap();
    tx.execute(ADD, params![T, 1, 1]).await.unwrap();
    let w = Arc::clone(&woken);
    tx.after_commit(move || {
        w.fetch_add(1, Ordering::SeqCst);
    });
    assert_eq!(woken.load(Ordering::SeqCst), 0);
    tx.commit().await.unwrap();
    assert_eq!((count(&db).await, woken.load(Ordering::SeqCst)), (1, 1));
}

#[kenroku_store::test(SCHEMA)]
async fn readers_cannot_write(db: Db) {
    if db.engine() == Engine::Sqlite {
        let mut tx = db.read().await.unwrap();
        assert!(tx.execute(ADD, params![T, 1, 1]).await.is_err());
    }
    let mut tx = db.snapshot().await.unwrap();
    assert!(tx.execute(ADD, params![T, 1, 1]).await.is_err());
    drop(tx);
    let mut tx = db.begin().await.unwrap();
    tx.execute(ADD, params![T, 1, 1]).await.expect("a transaction may");
    tx.commit().await.unwrap();
}

#[kenroku_store::test(SCHEMA)]
async fn a_snapshot_does_not_move(db: Db) {
    db.ping().await.expect("the database answers");
    let mut snap = db.snapshot().await.unwrap();
    assert_eq!(snap.one::<(i64,)>(COUNT, params![T]).await.unwrap().0, 0);
    let mut tx = db.begin().await.unwrap();
    tx.execute(ADD, params![T, 1, 1]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(snap.one::<(i64,)>(COUNT, params![T]).await.unwrap().0, 0);
    drop(snap);
    assert_eq!(count(&db).await, 1);
}

/// Read, then write after another commit: the classic “database is locked” of deferred transactions.
#[kenroku_store::test(SCHEMA, concurrent)]
async fn racing_read_modify_writes_never_fail_on_the_embedded_engine(db: Db) {
    let mut tx = db.begin().await.unwrap();
    tx.execute(ADD, params![T, 1, 0]).await.unwrap();
    tx.commit().await.unwrap();
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                for _ in 0..25 {
                    let mut tx = db.begin().await.unwrap();
                    let (n,): (i64,) = tx.one(READ, params![T, 1]).await.unwrap();
                    tx.execute(SET, params![T, 1, n + 1]).await.unwrap();
                    tx.commit().await.unwrap();
                }
            })
        })
        .collect();
    for t in tasks {
        t.await.unwrap();
    }
    let (n,): (i64,) = db.read().await.unwrap().one(READ, params![T, 1]).await.unwrap();
    if db.engine() == Engine::Sqlite {
        assert_eq!(n, 400, "one writer: nothing is lost even without a version column");
    }
}

/// Commits, rollbacks, errors and dropped futures in random order, many at once: exactly the committed rows are
/// there afterwards, whoever committed for whom.
#[kenroku_store::test(SCHEMA, concurrent)]
async fn groups_keep_exactly_what_was_committed(db: Db) {
    let seed = Rng::system().u64();
    eprintln!("seed {seed}");
    let rng = Rng::seeded(seed);
    let tasks: Vec<_> = (0..24i64)
        .map(|task| {
            let (db, rng) = (db.clone(), rng.clone());
            tokio::spawn(async move {
                let mut committed = Vec::new();
                for i in 0..20i64 {
                    let id = task * 1000 + i;
                    let mut tx = db.begin().await.unwrap();
                    tx.execute(ADD, params![T, id, 0]).await.unwrap();
                    match rng.below(6) {
                        0 => drop(tx),
                        1 => {
                            assert!(matches!(
                                tx.execute(ADD, params![T, id, 0]).await,
                                Err(Error::Unique(_))
                            ));
                            drop(tx);
                        }
                        2 => {
                            // The caller gives up while the commit is under way: it may or may not have happened.
                            let _ = tokio::time::timeout(Duration::ZERO, tx.commit()).await;
                            committed.push((id, false));
                        }
                        3 => tx.rollback().await.unwrap(),
                        _ => {
                            tx.commit().await.unwrap();
                            committed.push((id, true));
                        }
                    }
                }
                committed
            })
        })
        .collect();
    let (mut sure, mut maybe) = (Vec::new(), Vec::new());
    for t in tasks {
        for (id, s) in t.await.unwrap() {
            if s { sure.push(id) } else { maybe.push(id) }
        }
    }
    // A commit given up on a closed connection is undone by the server a moment later; a later writer sees the end.
    let mut tx = db.begin().await.unwrap();
    tx.execute(ADD, params![T, 999_999, 0]).await.unwrap();
    tx.commit().await.unwrap();
    let there: Vec<i64> = db
        .read()
        .await
        .unwrap()
        .all::<(i64,)>(IDS, params![T])
        .await
        .unwrap()
        .into_iter()
        .map(|r| r.0)
        .collect();
    for id in &sure {
        assert!(there.contains(id), "seed {seed}: {id} was acknowledged and is gone");
    }
    for id in &there {
        assert!(
            *id == 999_999 || sure.contains(id) || maybe.contains(id),
            "seed {seed}: {id} was never committed"
        );
    }
}

/// A request that is dropped in the middle of its transaction leaves no open transaction in the pool.
#[kenroku_store::test(SCHEMA, concurrent)]
async fn a_cancelled_caller_leaves_nothing_open(db: Db) {
    for i in 0..12i64 {
        let mut tx = db.begin().await.unwrap();
        tx.execute(ADD, params![T, i, 0]).await.unwrap();
        let _ = tokio::time::timeout(Duration::ZERO, tx.all::<(i64,)>(IDS, params![T])).await;
        drop(tx);
    }
    assert_eq!(count(&db).await, 0);
    let mut tx = db.begin().await.unwrap();
    tx.execute(ADD, params![T, 1, 0]).await.expect("the writer is free");
    tx.commit().await.unwrap();
    assert_eq!(count(&db).await, 1);
}

#[kenroku_store::test]
async fn migrations_run_once_and_refuse_a_changed_step(db: Db) {
    let first = db.migrate(SCHEMA, Timestamp::EPOCH).await.unwrap();
    assert_eq!(first.applied, ["probe/0001_init"]);
    assert!(db.pending(SCHEMA).await.unwrap().is_empty());
    let again = db.migrate(SCHEMA, Timestamp::EPOCH).await.unwrap();
    assert_eq!((again.applied.len(), again.present), (0, 1));
    let changed = [ModuleMigrations {
        module: "probe",
        steps: &[Migration { name: "0001_init", text: "select 1", postgres: None }],
    }];
    let e = db.migrate(&changed, Timestamp::EPOCH).await.unwrap_err();
    assert!(e.to_string().contains("probe/0001_init was changed after it ran"), "{e}");
    let broken = [ModuleMigrations {
        module: "later",
        steps: &[Migration {
            name: "0001_init",
            text: "create table later (tenant {uuid}); create nonsense",
            postgres: None,
        }],
    }];
    let e = db.migrate(&broken, Timestamp::EPOCH).await.unwrap_err();
    assert!(e.to_string().contains("later/0001_init"), "{e}");
    assert_eq!(
        db.pending(&broken).await.unwrap(),
        ["later/0001_init"],
        "a failed step leaves nothing behind"
    );
}

#[test]
fn an_unusable_place_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"not a database, and long enough to have a header of sixteen bytes").unwrap();
    let e = Db::open_sqlite(&file.join("x.db"), LiteOptions::default()).unwrap_err();
    assert!(e.to_string().contains("cannot make the folder"), "{e}");
    assert!(Db::open_sqlite(&file, LiteOptions::default()).is_err());
    assert!(Db::open_sqlite(&dir.path().join("new/x.db"), LiteOptions::default()).is_ok());
}
