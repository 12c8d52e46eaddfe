//! Blind indexes.

use std::borrow::Cow;

use kenroku_store::{Db, Sql, params, sql};
use kenroku_types::ids::SubjectId;
use kenroku_vault::search::{BlindIndex, Peppered};
use kenroku_vault::{MasterKeys, Vault};

use crate::world::*;

struct Phone(&'static str);
impl Peppered for Phone {
    const WHY: &'static str = "people who lost their password are found by their number";
    fn canonical(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0.as_bytes())
    }
}

const ECHO: &Sql =
    sql!("select wrapped from vaultkey_data where tenant = $1 and 1 = 0 /* @reference: a column of bytes */");
const PUT: &Sql = sql!("insert into probe_person (tenant, subject, row, name) values ($1, $2, $3, $4)");
const FIND: &Sql = sql!("select subject, name from probe_person where tenant = $1 and name = $2");

async fn card(v: &Vault, t: kenroku_types::Tenant, id: SubjectId) -> BlindIndex {
    v.blind_index(t, &NAME, &id).await.unwrap()
}

#[kenroku_store::test(SCHEMA)]
async fn indexes_find_and_do_not_join(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let (a, b): (SubjectId, SubjectId) = (env.id(), env.id());
    let index = card(&vault, NOMI, a).await;
    assert_eq!(index, card(&vault, NOMI, a).await);
    assert_ne!(index, card(&vault, NOMI, b).await);
    assert_ne!(index, card(&vault, KANAZAWA, a).await, "tenants cannot be joined");
    assert_ne!(index, vault.blind_index(NOMI, &PHONE, &a).await.unwrap(), "nor fields");
    assert_eq!(format!("{index:?}"), "BlindIndex(…)");

    let mut tx = db.begin().await.unwrap();
    tx.execute(PUT, params![NOMI, a, a.uuid(), index]).await.unwrap();
    let found: Vec<(SubjectId, BlindIndex)> = tx.all(FIND, params![NOMI, index]).await.unwrap();
    assert_eq!(found, vec![(a, index)]);
    assert!(tx.all::<(BlindIndex,)>(ECHO, params![NOMI]).await.unwrap().is_empty());
    tx.commit().await.unwrap();
}

#[kenroku_store::test(SCHEMA)]
async fn what_can_be_enumerated_needs_the_pepper(db: Db) {
    let env = env();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.key");
    MasterKeys::create(&path, &env.rng).unwrap();
    let first = try_vault(&env, &db, &db, MasterKeys::load(&path).unwrap()).await.unwrap();
    let number = first.peppered_index(NOMI, &PHONE, &Phone("0761551111")).await.unwrap();
    assert_ne!(number, first.peppered_index(NOMI, &PHONE, &Phone("0761551112")).await.unwrap());

    // A new generation of the master changes no index; another pepper does.
    MasterKeys::add_generation(&path, &env.rng).unwrap();
    let second = try_vault(&env, &db, &db, MasterKeys::load(&path).unwrap()).await.unwrap();
    assert_eq!(number, second.peppered_index(NOMI, &PHONE, &Phone("0761551111")).await.unwrap());
    let text = std::fs::read_to_string(&path).unwrap();
    let pepper = text.lines().find(|l| l.starts_with("pepper")).unwrap();
    let other = format!("pepper {}", "ab".repeat(32));
    std::fs::write(&path, text.replace(pepper, &other)).unwrap();
    let third = try_vault(&env, &db, &db, MasterKeys::load(&path).unwrap()).await.unwrap();
    assert_ne!(number, third.peppered_index(NOMI, &PHONE, &Phone("0761551111")).await.unwrap());
    let id: SubjectId = env.id();
    assert_eq!(card(&first, NOMI, id).await, card(&third, NOMI, id).await, "ids do not depend on it");
}
