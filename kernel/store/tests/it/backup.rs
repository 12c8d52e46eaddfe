//! Backup while others write, restore, and copies that are not backups.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kenroku_store::{
    Db, LiteOptions, PgOptions, Sql, params, restore_postgres, restore_sqlite, sql, testing,
};
use kenroku_types::{Tenant, Timestamp};

use crate::SCHEMA;

const T: Tenant = Tenant::SHARED;
const ADD: &Sql = sql!("insert into probe (tenant, id, n) values ($1, $2, $3)");
const ALL: &Sql = sql!("select id from probe where tenant = $1 order by id");
const WIPE: &Sql = sql!("delete from probe where tenant = $1");

async fn add(db: &Db, id: i64) {
    let mut tx = db.begin().await.unwrap();
    tx.execute(ADD, params![T, id, 0]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn ids(db: &Db) -> Vec<i64> {
    db.read().await.unwrap().all::<(i64,)>(ALL, params![T]).await.unwrap().into_iter().map(|r| r.0).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_backup_under_writes_restores() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let db =
        Db::open_sqlite(&path, LiteOptions { durable: false, readers: 4, ..LiteOptions::default() }).unwrap();
    db.migrate(SCHEMA, Timestamp::EPOCH).await.unwrap();
    for id in 0..200 {
        add(&db, id).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (db, stop) = (db.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut id = 1000;
            while !stop.load(Ordering::SeqCst) {
                add(&db, id).await;
                id += 1;
            }
            id
        })
    };
    let copy = dir.path().join("copy.bak");
    let mut seen = 0;
    let bytes = db
        .backup(&copy, &mut |done, all| {
            assert!(done <= all);
            seen += 1;
        })
        .await
        .unwrap();
    stop.store(true, Ordering::SeqCst);
    let last = writer.await.unwrap();
    assert!(bytes > 0 && seen > 0 && last > 1000);
    drop(db);

    let target = dir.path().join("restored/a.db");
    assert_eq!(restore_sqlite(&copy, &target).await.unwrap(), None);
    let back = Db::open_sqlite(&target, LiteOptions::default()).unwrap();
    let got = ids(&back).await;
    assert_eq!(got[..200], (0..200).collect::<Vec<_>>()[..], "everything from before the backup is there");
    let late: Vec<i64> = got[200..].to_vec();
    assert_eq!(
        late,
        (1000..1000 + late.len() as i64).collect::<Vec<_>>(),
        "the rest is a prefix: one moment in time"
    );
    drop(back);

    let kept = restore_sqlite(&copy, &target).await.unwrap().expect("the old database is kept");
    assert!(kept.exists());
    let junk = dir.path().join("junk");
    std::fs::write(&junk, vec![7u8; 5000]).unwrap();
    let e = restore_sqlite(&junk, &target).await.unwrap_err();
    assert!(e.to_string().contains("not a usable backup"), "{e}");
    let still = Db::open_sqlite(&target, LiteOptions::default()).unwrap();
    assert_eq!(ids(&still).await.len(), got.len(), "a refused restore changes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_backup_restores() {
    let Some(admin) = testing::postgres() else { return };
    let conninfo = testing::fresh_schema(&admin, "postgres_backup_restores").await;
    let options = PgOptions::new(conninfo);
    let db = Db::open_postgres(&options).unwrap();
    db.migrate(SCHEMA, Timestamp::EPOCH).await.unwrap();
    for id in 0..20 {
        add(&db, id).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy.dump");
    // A database of its own for this test: the dump takes all schemas it can see.
    let own = fresh_database(&admin).await;
    let db2 = Db::open_postgres(&PgOptions::new(own.clone())).unwrap();
    db2.migrate(SCHEMA, Timestamp::EPOCH).await.unwrap();
    for id in 0..20 {
        add(&db2, id).await;
    }
    assert!(db2.backup(&copy, &mut |_, _| {}).await.unwrap() > 0);
    let mut tx = db2.begin().await.unwrap();
    tx.execute(WIPE, params![T]).await.unwrap();
    tx.commit().await.unwrap();
    assert!(ids(&db2).await.is_empty());
    restore_postgres(&copy, &PgOptions::new(own)).await.unwrap();
    assert_eq!(ids(&db2).await, (0..20).collect::<Vec<_>>());
}

async fn fresh_database(admin: &str) -> String {
    let name = format!("backup_{}", std::process::id());
    let out = tokio::process::Command::new("psql")
        .args([
            "-d",
            admin,
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            &format!("drop database if exists {name}"),
            "-c",
            &format!("create database {name}"),
        ])
        .output()
        .await
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    format!("{admin} dbname={name}")
}
