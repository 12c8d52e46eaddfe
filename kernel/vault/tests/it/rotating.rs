//! Renewal of each level of keys while people read and write, and after it was cut off.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kenroku_store::{Db, Sql, params, sql};
use kenroku_types::Env;
use kenroku_types::ids::SubjectId;
use kenroku_vault::{
    Error, Field, MAX_KEY_CACHE, MasterKeys, RENEWAL_GRACE, Reseal, Resealer, Resealing, RotationReport,
    Sealed, Vault,
};
use uuid::Uuid;

use crate::world::*;

const OLD_VALUES: &Sql =
    sql!("select row, name from probe_person where tenant = $1 and subject = $2 order by row");
const RENEW: &Sql =
    sql!("update probe_person set name = $4 where tenant = $1 and subject = $2 and row = $3 and name = $5");
pub const REWRITE: &Sql =
    sql!("update probe_person set name = $4 where tenant = $1 and subject = $2 and row = $3");
const WRAPPED_BY: &Sql = sql!(
    "select wrapped_by, count(*) from vaultkey_data where tenant = $1 group by wrapped_by order by wrapped_by"
);
const TENANT_KEYS: &Sql =
    sql!("select version, master from vaultkey_tenant where tenant = $1 order by version");

/// What a module writes to have its values renewed.
pub struct Names(pub Db);
impl Reseal for Names {
    fn fields(&self) -> &[&'static Field] {
        &[&NAME]
    }
    fn reseal<'a>(&'a self, with: &'a Resealer, limit: u32) -> Resealing<'a> {
        Box::pin(async move {
            let (tenant, who) = (with.tenant(), with.subject());
            let rows: Vec<(Uuid, Sealed<String>)> =
                self.0.read().await?.all(OLD_VALUES, params![tenant, who]).await?;
            let mut renewed = Vec::new();
            for (row, old) in rows.into_iter().take(limit as usize) {
                if let Some(new) = with.renew(NAME.at(who, row), &old)? {
                    renewed.push((row, old, new));
                }
            }
            let mut tx = self.0.begin().await?;
            let mut n = 0;
            for (row, old, new) in &renewed {
                n += tx.execute(RENEW, params![tenant, who, *row, new, old]).await?;
            }
            tx.commit().await?;
            Ok(n)
        })
    }
}

/// A field of the module that nothing needs renewing in this test.
pub struct Nothing;
impl Reseal for Nothing {
    fn fields(&self) -> &[&'static Field] {
        &[&STATE, &PHONE]
    }
    fn reseal<'a>(&'a self, _: &'a Resealer, _: u32) -> Resealing<'a> {
        Box::pin(async { Ok(0) })
    }
}

pub struct Place {
    pub env: Env,
    db: Db,
    pub key_file: PathBuf,
    _dir: tempfile::TempDir,
}

pub async fn place(db: &Db) -> (Place, Vault) {
    let (env, dir) = (env(), tempfile::tempdir().unwrap());
    let key_file = dir.path().join("master.key");
    MasterKeys::create(&key_file, &env.rng).unwrap();
    let p = Place { env, db: db.clone(), key_file, _dir: dir };
    let v = p.vault().await;
    (p, v)
}

impl Place {
    pub async fn vault(&self) -> Vault {
        try_vault(&self.env, &self.db, &self.db, MasterKeys::load(&self.key_file).unwrap()).await.unwrap()
    }
    async fn names(&self, vault: &Vault, people: &[SubjectId]) {
        for p in people {
            assert_eq!(read(vault, &self.db, NOMI, *p).await.unwrap(), p.to_string());
        }
    }
    async fn pairs(&self, sql: &'static Sql) -> Vec<(i64, i64)> {
        self.db.read().await.unwrap().all(sql, params![NOMI]).await.unwrap()
    }
}

pub async fn some(p: &Place, vault: &Vault, n: usize) -> Vec<SubjectId> {
    let people: Vec<SubjectId> = (0..n).map(|_| p.env.id()).collect();
    for who in &people {
        store(vault, &p.db, NOMI, *who, &who.to_string()).await;
    }
    people
}

#[kenroku_store::test(SCHEMA)]
async fn a_tenant_key_is_renewed_in_steps(db: Db) {
    let (p, vault) = place(&db).await;
    let people = some(&p, &vault, 25).await;
    assert_eq!(vault.rotate(&[], 100).await.unwrap(), RotationReport::default(), "nothing was begun");
    assert_eq!(vault.renew_tenant_key(NOMI).await.unwrap(), 2);
    // Cut off after ten: another process, with nothing in memory, goes on.
    let r = vault.rotate(&[], 10).await.unwrap();
    assert_eq!((r.data_keys, r.dropped_tenant_keys, r.more), (10, 0, true));
    assert_eq!(p.pairs(WRAPPED_BY).await, vec![(1, 15), (2, 10)]);
    let other = p.vault().await;
    p.names(&other, &people).await;
    let r = other.rotate(&[], 100).await.unwrap();
    assert_eq!((r.data_keys, r.dropped_tenant_keys, r.more), (15, 1, false));
    assert_eq!(p.pairs(TENANT_KEYS).await, vec![(2, 1)]);
    // The first process still has the old tenant key in its cache; its new data key is refused and made again.
    let late = some(&p, &vault, 1).await;
    p.names(&vault, &late).await;
    p.names(&vault, &people).await;
    assert_eq!(p.pairs(WRAPPED_BY).await, vec![(2, 26)]);
}

#[kenroku_store::test(SCHEMA)]
async fn a_process_with_the_old_tenant_key_goes_on(db: Db) {
    let (p, vault) = place(&db).await;
    let people = some(&p, &vault, 3).await;
    let other = p.vault().await;
    p.names(&other, &people).await;
    assert_eq!(vault.renew_tenant_key(NOMI).await.unwrap(), 2);
    while vault.rotate(&[], 100).await.unwrap().more {}
    // `other` believes in version 1, which is gone.
    let late = some(&p, &other, 2).await;
    p.names(&vault, &late).await;
    p.env.clock.advance(MAX_KEY_CACHE);
    p.names(&other, &people).await;
    assert_eq!(p.pairs(WRAPPED_BY).await, vec![(2, 5)]);
}

#[kenroku_store::test(SCHEMA)]
async fn a_master_generation_is_renewed_and_leaves(db: Db) {
    let (p, vault) = place(&db).await;
    let people = some(&p, &vault, 3).await;
    assert_eq!(MasterKeys::add_generation(&p.key_file, &p.env.rng).unwrap(), 2);
    let new = p.vault().await;
    let r = new.rotate(&[], 100).await.unwrap();
    assert_eq!((r.tenant_keys, r.retired_masters, r.more), (1, vec![1], false));
    assert_eq!(p.pairs(TENANT_KEYS).await, vec![(1, 2)]);
    MasterKeys::remove_generation(&p.key_file, 1).unwrap();
    // A process that started with the old file reads it again when it meets the new generation.
    p.env.clock.advance(MAX_KEY_CACHE);
    p.names(&vault, &people).await;
    store(&vault, &db, KANAZAWA, people[0], "加賀").await;
    assert_eq!(read(&new, &db, KANAZAWA, people[0]).await.unwrap(), "加賀");
    let third = p.vault().await;
    p.names(&third, &people).await;
}

#[kenroku_store::test(SCHEMA)]
async fn a_data_key_is_renewed_and_the_old_one_destroyed(db: Db) {
    let (p, vault) = place(&db).await;
    let people = some(&p, &vault, 2).await;
    let who = people[0];
    let nobody: SubjectId = p.env.id();
    assert_eq!(vault.renew_data_key(NOMI, nobody, &KEEP).await.err(), Some(Error::SubjectUnknown));
    assert_eq!(
        vault.renew_data_key(NOMI, who, &BRIEF).await.err(),
        Some(Error::SubjectUnknown),
        "no such key"
    );
    assert_eq!(vault.renew_data_key(NOMI, who, &KEEP).await.unwrap(), 2);
    let old = stored(&db, NOMI, who).await;
    assert_eq!(old.key_version(), 1);
    p.names(&vault, &people).await;
    let slot = NAME.at(who, who.uuid());
    let version = async || vault.seal(NOMI, slot, &"新".to_owned()).await.unwrap().key_version();
    assert_eq!(version().await, 1, "other processes do not know the new key yet");
    assert_eq!(vault.rotate(&[&Names(db.clone())], 100).await.unwrap().waiting, 1);
    p.env.clock.advance(MAX_KEY_CACHE);
    assert_eq!(version().await, 2);

    // No module renews the field: the old key stays, and everything stays readable.
    p.env.clock.advance(RENEWAL_GRACE);
    let r = vault.rotate(&[&Names(db.clone())], 100).await.unwrap();
    assert_eq!((r.values, r.destroyed, r.waiting), (1, 0, 1), "one field of the class is not covered");
    assert_eq!(stored(&db, NOMI, who).await.key_version(), 2);
    let reseals: [&dyn Reseal; 2] = [&Names(db.clone()), &Nothing];
    let r = vault.rotate(&reseals, 100).await.unwrap();
    assert_eq!((r.values, r.destroyed, r.waiting), (0, 1, 0));
    p.names(&vault, &people).await;
    let e = vault.open(&staff(NOMI, &VISIT), slot, &old).await.unwrap_err();
    assert_eq!(e, Error::KeyGone(1), "an old copy of the value opens no more");

    // Within the grace the old key stays even if nothing uses it.
    assert_eq!(vault.renew_data_key(NOMI, who, &KEEP).await.unwrap(), 3);
    p.env.clock.advance(MAX_KEY_CACHE);
    let r = vault.rotate(&reseals, 100).await.unwrap();
    assert_eq!((r.values, r.destroyed, r.waiting), (1, 0, 1));
    p.env.clock.advance(RENEWAL_GRACE + Duration::from_secs(1));
    assert_eq!(vault.rotate(&reseals, 100).await.unwrap().destroyed, 1);
    p.names(&vault, &people).await;
}

/// A process whose cache is older than a class of data still reads it.
#[kenroku_store::test(SCHEMA)]
async fn a_key_made_elsewhere_is_found(db: Db) {
    let (p, vault) = place(&db).await;
    let who = some(&p, &vault, 1).await[0];
    let other = p.vault().await;
    p.names(&other, &[who]).await;
    let why = staff(NOMI, &VISIT);
    let slot = PHONE.at(who, who.uuid());
    let phone = vault.seal(NOMI, slot, &"076".to_owned()).await.unwrap();
    assert_eq!(*other.open(&why, slot, &phone).await.unwrap(), "076");
    vault.erase_class(&why, who, &BRIEF).await.unwrap();
    p.env.clock.advance(Duration::from_secs(1));
    let phone = vault.seal(NOMI, slot, &"077".to_owned()).await.unwrap();
    assert_eq!(phone.key_version(), 2);
    assert_eq!(
        *other.open_many(&why, &[(slot, &phone)]).await.unwrap()[0].as_ref().unwrap().as_str(),
        *"077"
    );
}

/// Fifty people read and write while every level is renewed, twice; nobody sees an error.
#[kenroku_store::test(SCHEMA, concurrent)]
async fn fifty_go_on_during_every_renewal(db: Db) {
    let (p, vault) = place(&db).await;
    let people = some(&p, &vault, 50).await;
    let other = p.vault().await;
    let (stop, turns) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    // The clock of the test jumps by minutes, which no request takes: it jumps between requests.
    let time = Arc::new(tokio::sync::RwLock::new(()));
    let clients: Vec<_> = people
        .iter()
        .enumerate()
        .map(|(i, who)| {
            let vault = if i % 2 == 0 { vault.clone() } else { other.clone() };
            let (db, who, stop, turns) = (db.clone(), *who, Arc::clone(&stop), Arc::clone(&turns));
            let time = Arc::clone(&time);
            tokio::spawn(async move {
                let slot = NAME.at(who, who.uuid());
                while !stop.load(Ordering::SeqCst) {
                    let _request = time.read().await;
                    assert_eq!(read(&vault, &db, NOMI, who).await.unwrap(), who.to_string());
                    let sealed = vault.seal(NOMI, slot, &who.to_string()).await.unwrap();
                    let mut tx = db.begin().await.unwrap();
                    tx.execute(REWRITE, params![NOMI, who, who.uuid(), &sealed]).await.unwrap();
                    tx.commit().await.unwrap();
                    turns.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let reseals: [&dyn Reseal; 2] = [&Names(db.clone()), &Nothing];
    for _ in 0..2 {
        vault.renew_tenant_key(NOMI).await.unwrap();
        MasterKeys::add_generation(&p.key_file, &p.env.rng).unwrap();
        let fresh = p.vault().await;
        for who in &people {
            fresh.renew_data_key(NOMI, *who, &KEEP).await.unwrap();
        }
        let mut destroyed = 0;
        // Caches of both processes end, then the grace, in the middle of the work.
        for step in [Duration::ZERO, MAX_KEY_CACHE, RENEWAL_GRACE, MAX_KEY_CACHE] {
            let seen = turns.load(Ordering::SeqCst);
            let between = time.write().await;
            p.env.clock.advance(step);
            drop(between);
            loop {
                let r = fresh.rotate(&reseals, 20).await.unwrap();
                destroyed += r.destroyed;
                if !r.more {
                    break;
                }
            }
            while turns.load(Ordering::SeqCst) < seen + 60 {
                assert!(clients.iter().all(|c| !c.is_finished()), "somebody saw an error");
                tokio::task::yield_now().await;
            }
        }
        assert!(destroyed >= 50, "{destroyed} old data keys were destroyed");
    }
    stop.store(true, Ordering::SeqCst);
    for c in clients {
        c.await.unwrap();
    }
    assert_eq!(p.pairs(TENANT_KEYS).await, vec![(3, 3)]);
    p.names(&p.vault().await, &people).await;
}
