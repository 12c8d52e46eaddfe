//! Erasure: nothing opens afterwards, from the live database, from a backup made before, or from the log.

use std::path::Path;
use std::time::Duration;

use kenroku_store::{Db, LiteOptions, Sql, params, restore_sqlite, sql};
use kenroku_types::ids::SubjectId;
use kenroku_vault::{Error, KEY_TABLES, LOG_TABLES, MAX_KEY_CACHE, MasterKeys, RetentionClass, Vault};

use crate::world::*;

const DAY: Duration = Duration::from_secs(86_400);
const LINKS: &Sql =
    sql!("select count(*) from vaultkey_subject where tenant = $1 and subject = $2 and log_ref is not null");
const LIVE_KEYS: &Sql =
    sql!("select count(*) from vaultkey_data where tenant = $1 and subject = $2 and wrapped is not null");
const KINDS: &Sql = sql!("select kind, fields from vault_log where tenant = $1 order by seq");

async fn count(db: &Db, sql: &'static Sql, who: SubjectId) -> i64 {
    db.read().await.unwrap().one::<(i64,)>(sql, params![NOMI, who]).await.unwrap().0
}

#[kenroku_store::test(SCHEMA)]
async fn the_erased_is_unreadable_and_the_rest_is_not(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let (gone, stays): (SubjectId, SubjectId) = (env.id(), env.id());
    for who in [gone, stays] {
        store(&vault, &db, NOMI, who, "名").await;
        store(&vault, &db, KANAZAWA, who, "名").await;
        assert_eq!(read(&vault, &db, NOMI, who).await.unwrap(), "名");
    }
    let nobody: SubjectId = env.id();
    let order = staff(NOMI, &VISIT);
    assert_eq!(vault.erase(&order, nobody).await.unwrap_err(), Error::SubjectUnknown);
    assert_eq!(
        vault.erase(&staff(NOMI, &AGREED), gone).await.unwrap_err(),
        Error::ConsentMissing("probe.agreed")
    );

    let reader = vault.disclose(&order, &[gone], &[&NAME]).await.unwrap();
    drop(reader);
    let erasure = vault.erase(&order, gone).await.unwrap();
    assert_eq!(erasure.at, env.now());
    assert_eq!(erasure.unreadable_after, env.now().plus(MAX_KEY_CACHE).plus(7 * DAY));
    env.clock.advance(DAY);
    assert_eq!(vault.erase(&order, gone).await.unwrap(), erasure, "again is the same");

    assert_eq!(read(&vault, &db, NOMI, gone).await.unwrap_err(), Error::Erased);
    assert_eq!(vault.sealer(NOMI, &[gone], &[&NAME]).await.err(), Some(Error::Erased), "nothing new either");
    assert_eq!(vault.sealer(NOMI, &[stays, gone], &[&NAME]).await.err(), Some(Error::Erased));
    assert_eq!(vault.renew_data_key(NOMI, gone, &KEEP).await.err(), Some(Error::Erased));
    assert!(vault.accesses(NOMI, gone, None, 10).await.unwrap().is_empty(), "the log leads to nobody");
    assert_eq!((count(&db, LINKS, gone).await, count(&db, LIVE_KEYS, gone).await), (0, 0));
    let kinds: Vec<(String, String)> = db.read().await.unwrap().all(KINDS, params![NOMI]).await.unwrap();
    assert_eq!(kinds.last().unwrap(), &("erase".to_owned(), "*".to_owned()));

    assert_eq!(read(&vault, &db, NOMI, stays).await.unwrap(), "名");
    assert_eq!(read(&vault, &db, KANAZAWA, gone).await.unwrap(), "名", "another tenant's own");
    assert_eq!(vault.accesses(NOMI, stays, None, 10).await.unwrap().len(), 2);
}

#[kenroku_store::test(SCHEMA)]
async fn a_class_ends_without_the_others(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let who: SubjectId = env.id();
    let order = staff(NOMI, &VISIT);
    store(&vault, &db, NOMI, who, "名").await;
    let slot = PHONE.at(who, who.uuid());
    let phone = vault.seal(NOMI, slot, &"076".to_owned()).await.unwrap();
    let other: RetentionClass = RetentionClass { code: "probe.other", ..BRIEF };
    vault.erase_class(&order, who, &other).await.unwrap();
    assert_eq!(*vault.open(&order, slot, &phone).await.unwrap(), "076");

    vault.erase_class(&order, who, &BRIEF).await.unwrap();
    assert_eq!(vault.open(&order, slot, &phone).await.err(), Some(Error::KeyGone(1)));
    assert_eq!(read(&vault, &db, NOMI, who).await.unwrap(), "名");
    env.clock.advance(Duration::from_secs(60));
    let again = vault.seal(NOMI, slot, &"077".to_owned()).await.unwrap();
    assert_eq!(again.key_version(), 2, "a version is never used twice");
    assert_eq!(*vault.open(&order, slot, &again).await.unwrap(), "077");
    assert_eq!(vault.open(&order, slot, &phone).await.err(), Some(Error::KeyGone(1)));
    assert_eq!(vault.repeat_erasures().await.unwrap(), 0);
    assert_eq!(*vault.open(&order, slot, &again).await.unwrap(), "077", "repeating spares what came later");
    vault.erase(&order, who).await.unwrap();
    assert_eq!(vault.erase_class(&order, who, &BRIEF).await.err(), Some(Error::Erased));
}

/// Two vaults on the same databases are two processes.
#[kenroku_store::test(SCHEMA)]
async fn other_processes_follow_within_the_bound(db: Db) {
    let env = env();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.key");
    MasterKeys::create(&path, &env.rng).unwrap();
    let here = try_vault(&env, &db, &db, MasterKeys::load(&path).unwrap()).await.unwrap();
    let there = try_vault(&env, &db, &db, MasterKeys::load(&path).unwrap()).await.unwrap();
    let who: SubjectId = env.id();
    store(&here, &db, NOMI, who, "名").await;
    let sealed = stored(&db, NOMI, who).await;
    let slot = NAME.at(who, who.uuid());
    let why = staff(NOMI, &VISIT);
    assert_eq!(read(&there, &db, NOMI, who).await.unwrap(), "名");
    here.erase(&why, who).await.unwrap();
    assert_eq!(read(&here, &db, NOMI, who).await.unwrap_err(), Error::Erased, "at once here");
    // The worst case: from the cache at its last moment, held by a reader to its last.
    env.clock.advance(MAX_KEY_CACHE / 2 - Duration::from_micros(1));
    let late = there.disclose(&why, &[who], &[&NAME]).await.unwrap();
    env.clock.advance(MAX_KEY_CACHE / 2);
    assert!(late.open(slot, &sealed).is_ok());
    env.clock.advance(Duration::from_micros(1));
    assert_eq!(late.open(slot, &sealed).err(), Some(Error::Over));
    assert_eq!(read(&there, &db, NOMI, who).await.unwrap_err(), Error::Erased);
}

struct House {
    env: kenroku_types::Env,
    dir: tempfile::TempDir,
}

impl House {
    async fn open(&self, file: &str, keys: bool) -> Db {
        let options = LiteOptions { secure_delete: keys, ..LiteOptions::default() };
        let db = Db::open_sqlite(&self.dir.path().join(file), options).unwrap();
        let tables: &[_] = if keys { &[KEY_TABLES] } else { SCHEMA };
        db.migrate(tables, self.env.now()).await.unwrap();
        db
    }
    async fn vault(&self, log: &Db, keys: &Db) -> Vault {
        let master = MasterKeys::load(&self.dir.path().join("master.key")).unwrap();
        try_vault(&self.env, log, keys, master).await.unwrap()
    }
    /// Every byte of every file whose name begins so, journals included.
    fn bytes(&self, prefix: &str) -> Vec<u8> {
        let mut all = Vec::new();
        for f in std::fs::read_dir(self.dir.path()).unwrap() {
            let p = f.unwrap().path();
            if p.is_file() && p.file_name().unwrap().to_str().unwrap().starts_with(prefix) {
                all.extend(std::fs::read(p).unwrap());
            }
        }
        all
    }
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|w| w == part)
}

const WRAPPED: &Sql = sql!("select wrapped from vaultkey_data where tenant = $1 and subject = $2");
const LOG_REF: &Sql = sql!("select log_ref from vaultkey_subject where tenant = $1 and subject = $2");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_tell_nothing_after_their_time() {
    assert_eq!(LOG_TABLES.module, "vault");
    let house = House { env: env(), dir: tempfile::tempdir().unwrap() };
    let at = |name: &str| house.dir.path().join(name);
    MasterKeys::create(&at("master.key"), &house.env.rng).unwrap();
    let backups = at("backups");
    std::fs::create_dir(&backups).unwrap();
    let (gone, stays): (SubjectId, SubjectId) = (house.env.id(), house.env.id());
    let (erasure, old_wrapped, old_ref, key_backup) = {
        let (data, keys) = (house.open("data.db", false).await, house.open("keys.db", true).await);
        let vault = house.vault(&data, &keys).await;
        for (who, name) in [(gone, "消える人"), (stays, "残る人")] {
            store(&vault, &data, NOMI, who, name).await;
            read(&vault, &data, NOMI, who).await.unwrap();
        }
        data.backup(&at("data.bak"), &mut |_, _| {}).await.unwrap();
        let key_backup = vault.backup_keys(&backups).await.unwrap();
        let mut r = keys.read().await.unwrap();
        let (wrapped,): (Vec<u8>,) = r.one(WRAPPED, params![NOMI, gone]).await.unwrap();
        let (log_ref,): (uuid::Uuid,) = r.one(LOG_REF, params![NOMI, gone]).await.unwrap();
        drop(r);
        assert!(contains(&house.bytes("keys.db"), &wrapped));
        house.env.clock.advance(Duration::from_secs(60));
        let erasure = vault.erase(&staff(NOMI, &VISIT), gone).await.unwrap();
        vault.scrub().await;
        (erasure, wrapped, log_ref, key_backup)
    };
    let left = house.bytes("keys.db");
    assert!(!contains(&left, &old_wrapped), "no trace of the wrapped key in file or journal");
    assert!(!contains(&left, old_ref.as_bytes()), "nor of the link to the log");
    let log = house.bytes("data");
    assert!(contains(&log, old_ref.as_bytes()) && !contains(&log, "消える人".as_bytes()));

    // A backup of the data from before the erasure.
    restore_sqlite(&at("data.bak"), &at("old-data.db")).await.unwrap();
    let (old, keys) = (house.open("old-data.db", false).await, house.open("keys.db", true).await);
    let vault = house.vault(&house.open("data.db", false).await, &keys).await;
    assert_eq!(read(&vault, &old, NOMI, gone).await.unwrap_err(), Error::Erased);
    assert_eq!(read(&vault, &old, NOMI, stays).await.unwrap(), "残る人");
    assert!(vault.accesses(NOMI, gone, None, 10).await.unwrap().is_empty());
    drop((vault, keys));

    // A key store restored within its time has the key again, until the vault starts: the log remembers.
    restore_sqlite(&key_backup, &at("restored-keys.db")).await.unwrap();
    let keys = house.open("restored-keys.db", true).await;
    assert_eq!(count(&keys, LIVE_KEYS, gone).await, 1);
    let vault = house.vault(&house.open("data.db", false).await, &keys).await;
    assert_eq!(count(&keys, LIVE_KEYS, gone).await, 0);
    assert_eq!(read(&vault, &old, NOMI, gone).await.unwrap_err(), Error::Erased);
    assert_eq!(read(&vault, &old, NOMI, stays).await.unwrap(), "残る人");

    // When the promised day comes, the last backup that holds the key is gone.
    assert!(backup_exists(&key_backup));
    house.env.clock.set(erasure.unreadable_after);
    assert_eq!(vault.expire_key_backups(&backups).unwrap(), 1);
    assert!(!backup_exists(&key_backup));
    let fresh = vault.backup_keys(&backups).await.unwrap();
    assert!(backup_exists(&fresh));
    std::fs::write(backups.join("note.txt"), "left alone").unwrap();
    assert_eq!(vault.expire_key_backups(&backups).unwrap(), 0);
}

fn backup_exists(p: &Path) -> bool {
    p.exists()
}
