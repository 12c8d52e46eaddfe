//! `kenroku admin verify-log` on both engines: an edit, a deletion, another order and a cut are told at the exact row, by
//! the tenant that keeps the checkpoints and by the folder outside; the untouched log verifies before and after each.

use std::path::Path;
use std::process::Command;

use kenroku_access::{Granted, permission, resource_kind};
use kenroku_store::testing::FreshDatabase;
use kenroku_store::{Db, LiteOptions, PgOptions, SqlBuilder};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Env, Tenant};
use kenroku_vault::{
    Category, Disclosure, Field, FileWitness, KEY_TABLES, LOG_TABLES, LegalBasis, MasterKeys, ModuleVault,
    Purpose, RetentionClass, Vault, VaultOptions, VaultParts,
};

use crate::process::{kenroku, run};

resource_kind! {
    /// 試験
    Probe;
}
permission! {
    /// 試験のために開く
    Open = "probe.open" on Probe, view, personal;
}
const KEEP: RetentionClass =
    RetentionClass { code: "probe.keep", ja: "試験", days: None, source: "試験" };
const NAME: Field = Field::new("probe", "person", "name", "氏名", KEEP, Category::Person);
const WHY: Purpose = Purpose {
    code: "probe.why",
    ja: "試験",
    basis: LegalBasis::Statute("試験条例 第1条"),
    categories: &[Category::Person],
};
const T: Tenant = Tenant::SHARED;
const ROWS: usize = 40;

/// A log of forty rows under two checkpoints, and five rows after them.
async fn made(db: &Db, dir: &Path) {
    let env = Env::system();
    db.migrate(&[LOG_TABLES, KEY_TABLES], env.now()).await.unwrap();
    let parts = VaultParts {
        env: env.clone(),
        log: db.clone(),
        keys: db.clone(),
        master: MasterKeys::ephemeral(&env.rng),
        modules: vec![ModuleVault {
            module: "probe",
            purposes: vec![&WHY],
            fields: vec![&NAME],
            explanations: vec![],
        }],
        options: VaultOptions::default(),
    };
    let vault = Vault::start(parts).await.unwrap();
    let people: Vec<SubjectId> = (0..ROWS).map(|_| env.id()).collect();
    vault.sealer(T, &people, &[&NAME]).await.unwrap();
    let why = Disclosure::new(&Granted::<Open>::for_system("probe", T), &WHY);
    let outside = FileWitness::new(&dir.join("outside"), &dir.join("data")).unwrap();
    let inside = vault.tenant_witness(vec![T, Tenant::from_uuid(env.uuid())]);
    for half in people.chunks(ROWS / 2) {
        vault.disclose(&why, half, &[&NAME]).await.unwrap();
        vault.seal_batch(&outside).await.unwrap();
        vault.seal_batch(&inside).await.unwrap();
    }
    vault.disclose(&why, &people[..5], &[&NAME]).await.unwrap();
}

async fn sql(db: &Db, texts: &[&'static str]) {
    let mut tx = db.begin().await.unwrap();
    for text in texts {
        tx.execute_dyn(&SqlBuilder::new(text)).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn told(db: &Db, command: impl Fn() -> Command) {
    let verify = || {
        let (code, said, err) = run(&mut command());
        (code, format!("{said}{err}"))
    };
    let (code, said) = verify();
    assert!(code == 0 && said.matches("the log is as it was witnessed").count() == 2, "{code} {said}");
    assert!(said.contains("45 rows, 40 of them witnessed in 2 checkpoints"), "{said}");
    sql(db, &["create table kept as select * from vault_log"]).await;
    let cases: [(&str, &[&'static str], &[&str]); 4] = [
        ("edit", &["update vault_log set actor = 'staff:nobody' where seq = 7"], &["row 7: Edited"]),
        (
            "deletion, the gap closed",
            &[
                "delete from vault_log where seq = 9",
                "update vault_log set seq = -seq where seq > 9",
                "update vault_log set seq = -seq - 1 where seq < 0",
                "update vault_log_head set last = last - 1",
            ],
            &["row 9: Deleted"],
        ),
        (
            "another order",
            &[
                "update vault_log set seq = -3 where seq = 3",
                "update vault_log set seq = 3 where seq = 31",
                "update vault_log set seq = 31 where seq = -3",
            ],
            &["row 3: Moved", "row 31: Moved"],
        ),
        (
            "cut before the last checkpoint",
            &["delete from vault_log where seq > 25", "update vault_log_head set last = 25"],
            &["row 26: Truncated"],
        ),
    ];
    for (name, acts, found) in cases {
        sql(db, acts).await;
        let (code, said) = verify();
        assert_eq!(code, 65, "{name}: {said}");
        for f in found {
            assert_eq!(said.matches(f).count(), 2, "{name}: both witnesses tell “{f}”: {said}");
        }
        assert!(said.contains("do not delete anything"), "{name}: {said}");
        let put_back = ["delete from vault_log", "insert into vault_log select * from kept"];
        sql(db, &put_back).await;
        sql(db, &["update vault_log_head set last = 45"]).await;
        assert_eq!(verify().0, 0, "put back after: {name}");
    }
}

fn on(db: &Db, dir: &Path, command: impl Fn() -> Command) {
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    rt.block_on(async {
        made(db, dir).await;
        told(db, || {
            let mut c = command();
            c.args(["admin", "verify-log"]).env("KENROKU_VAULT__WITNESS_FOLDER", dir.join("outside"));
            c
        })
        .await;
    });
}

#[test]
fn what_was_done_to_the_log_is_told_at_its_row() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    let db = Db::open_sqlite(&dir.path().join("data/access-log.db"), LiteOptions::default()).unwrap();
    on(&db, dir.path(), || kenroku(dir.path()));
}

#[test]
fn on_postgresql_too_what_was_done_to_the_log_is_told_at_its_row() {
    let Some(conninfo) = kenroku_store::testing::postgres() else { return };
    let dir = tempfile::tempdir().unwrap();
    let main = FreshDatabase::new(&conninfo, "tampering");
    let db = Db::open_postgres(&PgOptions::new(format!("{conninfo} dbname={}", main.name))).unwrap();
    let host = conninfo.split_whitespace().find_map(|p| p.strip_prefix("host=")).unwrap();
    on(&db, dir.path(), || {
        let mut c = kenroku(dir.path());
        c.env("KENROKU_STORE__ENGINE", "postgres").env("KENROKU_STORE__HOST", host);
        c.env("KENROKU_STORE__USER", "postgres").env("KENROKU_STORE__DATABASE", &main.name);
        c
    });
}
