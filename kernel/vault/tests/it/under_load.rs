//! Fifty people are read and written while keys of every level are renewed and some of them are erased: no error for the
//! living, nothing readable of the erased, neither in the database, nor in copies of the data or of the key store taken
//! before, nor through the log. `KENROKU_SOAK_ROUNDS` sets how often (once when unset).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kenroku_store::{Db, Sql, SqlBuilder, params, sql};
use kenroku_types::ids::SubjectId;
use kenroku_vault::{Error, MAX_KEY_CACHE, MasterKeys, RENEWAL_GRACE, Reseal, Sealed};
use std::time::Duration;

use crate::rotating::{Names, Nothing, REWRITE, place, some};
use crate::world::*;

const CLIENTS: usize = 50;
const ERASED: usize = 10;
const WORDS: &Sql =
    sql!("select actor, permission, purpose, fields, basis from vault_log where tenant = $1 order by seq");

#[expect(clippy::disallowed_methods, reason = "the test runner is configured by the environment")]
fn rounds() -> u64 {
    std::env::var("KENROKU_SOAK_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(1)
}

async fn run(db: &Db, texts: &[&'static str]) {
    let mut tx = db.begin().await.unwrap();
    for text in texts {
        tx.execute_dyn(&SqlBuilder::new(text)).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// Where a person's erasure stands, for their client.
#[derive(Default)]
struct Fate {
    /// It may take effect from now on.
    begun: AtomicBool,
    /// It has, in the process that did it.
    done: AtomicBool,
    /// It has, everywhere: unwrapped keys are forgotten.
    everywhere: AtomicBool,
}

impl Fate {
    fn is(flag: &AtomicBool) -> bool {
        flag.load(Ordering::SeqCst)
    }
}

#[kenroku_store::test(SCHEMA, concurrent)]
async fn nobody_sees_an_error_and_the_erased_are_gone_from_every_copy(db: Db) {
    let (p, vault) = place(&db).await;
    for _ in 0..rounds() {
        let people = some(&p, &vault, CLIENTS).await;
        let other = p.vault().await;
        // A copy of the data and one of the key store, from before.
        let mut copy: Vec<(SubjectId, Sealed<String>)> = Vec::new();
        for who in &people {
            copy.push((*who, stored(&db, NOMI, *who).await));
            assert_eq!(read(&other, &db, NOMI, *who).await.unwrap(), who.to_string());
        }
        run(
            &db,
            &[
                "create table kept_master as select * from vaultkey_master",
                "create table kept_tenant as select * from vaultkey_tenant",
                "create table kept_subject as select * from vaultkey_subject",
                "create table kept_data as select * from vaultkey_data",
            ],
        )
        .await;

        let fates: Arc<Vec<Fate>> = Arc::new((0..CLIENTS).map(|_| Fate::default()).collect());
        let (stop, turns) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        // The clock of the test jumps between requests: none takes minutes.
        let time = Arc::new(tokio::sync::RwLock::new(()));
        let clients: Vec<_> = people
            .iter()
            .enumerate()
            .map(|(i, who)| {
                let here = i % 2 == 0;
                let vault = if here { vault.clone() } else { other.clone() };
                let (db, who, stop, turns) = (db.clone(), *who, Arc::clone(&stop), Arc::clone(&turns));
                let (time, fates) = (Arc::clone(&time), Arc::clone(&fates));
                tokio::spawn(async move {
                    let (fate, slot) = (&fates[i], NAME.at(who, who.uuid()));
                    while !stop.load(Ordering::SeqCst) {
                        let _request = time.read().await;
                        let over = Fate::is(if here { &fate.done } else { &fate.everywhere });
                        match read(&vault, &db, NOMI, who).await {
                            Ok(name) => {
                                assert_eq!(name, who.to_string());
                                assert!(!over, "read after the erasure");
                            }
                            Err(e) => {
                                assert!(Fate::is(&fate.begun), "{e}: this person lives");
                                assert_eq!(e, Error::Erased);
                            }
                        }
                        match vault.seal(NOMI, slot, &who.to_string()).await {
                            Ok(sealed) => {
                                let mut tx = db.begin().await.unwrap();
                                tx.execute(REWRITE, params![NOMI, who, who.uuid(), &sealed]).await.unwrap();
                                tx.commit().await.unwrap();
                            }
                            Err(e) => {
                                assert!(Fate::is(&fate.begun), "{e}: this person lives");
                                assert_eq!(e, Error::Erased);
                            }
                        }
                        turns.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();

        let order = staff(NOMI, &VISIT);
        let reseals: [&dyn Reseal; 2] = [&Names(db.clone()), &Nothing];
        vault.renew_tenant_key(NOMI).await.unwrap();
        MasterKeys::add_generation(&p.key_file, &p.env.rng).unwrap();
        let fresh = p.vault().await;
        for who in &people {
            fresh.renew_data_key(NOMI, *who, &KEEP).await.unwrap();
        }
        for (step, wait) in
            [Duration::ZERO, MAX_KEY_CACHE, RENEWAL_GRACE, MAX_KEY_CACHE].into_iter().enumerate()
        {
            let seen = turns.load(Ordering::SeqCst);
            let between = time.write().await;
            p.env.clock.advance(wait);
            if wait > Duration::ZERO {
                let done = fates.iter().filter(|f| Fate::is(&f.done));
                done.for_each(|f| f.everywhere.store(true, Ordering::SeqCst));
            }
            drop(between);
            // Some go in the middle of each step of the renewal.
            for i in (0..ERASED).filter(|i| i % 4 == step) {
                fates[i].begun.store(true, Ordering::SeqCst);
                vault.erase(&order, people[i]).await.unwrap();
                fates[i].done.store(true, Ordering::SeqCst);
                fresh.rotate(&reseals, 20).await.unwrap();
            }
            while fresh.rotate(&reseals, 20).await.unwrap().more {}
            while turns.load(Ordering::SeqCst) < seen + 60 {
                assert!(clients.iter().all(|c| !c.is_finished()), "somebody saw an error");
                tokio::task::yield_now().await;
            }
        }
        stop.store(true, Ordering::SeqCst);
        for c in clients {
            c.await.unwrap();
        }

        // Live, and by a process that knows nothing yet.
        p.env.clock.advance(MAX_KEY_CACHE);
        let late = p.vault().await;
        for (i, who) in people.iter().enumerate() {
            for v in [&vault, &other, &late] {
                let live = read(v, &db, NOMI, *who).await;
                match i < ERASED {
                    true => assert_eq!(live.unwrap_err(), Error::Erased),
                    false => assert_eq!(live.unwrap(), who.to_string()),
                }
            }
            assert_eq!(late.accesses(NOMI, *who, None, 1).await.unwrap().is_empty(), i < ERASED);
        }
        // The log names nobody.
        let words: Vec<(String, String, String, String, String)> =
            db.read().await.unwrap().all(WORDS, params![NOMI]).await.unwrap();
        let words = format!("{words:?}");
        assert!(people.iter().all(|who| !words.contains(&who.to_string())));
        // The copy of the data with today's keys.
        for (who, sealed) in &copy[..ERASED] {
            let old = late.open(&order, NAME.at(*who, who.uuid()), sealed).await;
            assert_eq!(old.unwrap_err(), Error::Erased);
        }
        // The copy of the data with the copy of the key store: the log remembers who was erased.
        run(
            &db,
            &[
                "delete from vaultkey_data",
                "delete from vaultkey_subject",
                "delete from vaultkey_tenant",
                "delete from vaultkey_master",
                "insert into vaultkey_master select * from kept_master",
                "insert into vaultkey_tenant select * from kept_tenant",
                "insert into vaultkey_subject select * from kept_subject",
                "insert into vaultkey_data select * from kept_data",
                "drop table kept_master",
                "drop table kept_tenant",
                "drop table kept_subject",
                "drop table kept_data",
            ],
        )
        .await;
        let restored = p.vault().await;
        for (i, (who, sealed)) in copy.iter().enumerate() {
            let old = restored.open(&order, NAME.at(*who, who.uuid()), sealed).await;
            match i < ERASED {
                true => assert_eq!(old.unwrap_err(), Error::Erased),
                false => assert_eq!(old.unwrap().into_value(), who.to_string()),
            }
        }
        // What this process still holds of the newer key store is forgotten before the next round.
        p.env.clock.advance(MAX_KEY_CACHE);
    }
}
