//! Rules for all statements of the vault.

use kenroku_store::{Db, Sql, params, sql, testing};
use kenroku_types::Tenant;
use kenroku_types::ids::SubjectId;

use crate::apart::complaints;
use crate::world::*;

fn ours(list: Vec<String>) -> Vec<String> {
    list.into_iter().filter(|l| l.contains("kernel/vault/src")).collect()
}

#[kenroku_store::test(SCHEMA)]
async fn every_statement_is_understood(db: Db) {
    assert_eq!(ours(testing::prepare_all(&db).await.unwrap()), Vec::<String>::new());
}

#[test]
fn every_statement_names_the_tenant_or_says_why_not() {
    assert_eq!(ours(testing::without_tenant()), Vec::<String>::new());
    assert_eq!(ours(testing::pairs()), Vec::<String>::new(), "one text for both engines");
}

const FORGET: &Sql = sql!("update vault_checkpoint set witnessed_at = null where tenant = $1");

#[kenroku_store::test(SCHEMA, concurrent)]
async fn no_statement_finds_a_row_of_another_tenant(db: Db) {
    let env = env();
    let vault = vault(&env, &db).await;
    let people: Vec<SubjectId> = (0..4).map(|_| env.id()).collect();
    for tenant in [NOMI, KANAZAWA] {
        for who in &people {
            store(&vault, &db, tenant, *who, "名").await;
            read(&vault, &db, tenant, *who).await.unwrap();
        }
        vault.renew_data_key(tenant, people[0], &KEEP).await.unwrap();
        vault.erase(&staff(tenant, &VISIT), people[1]).await.unwrap();
    }
    let keeper = vault.tenant_witness(vec![NOMI, KANAZAWA]);
    vault.seal_batch(&keeper).await.unwrap();
    read(&vault, &db, NOMI, people[2]).await.unwrap();
    vault.seal_batch(&keeper).await.unwrap();
    vault.check_log("tenant", &keeper).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    tx.execute(FORGET, params![NOMI]).await.unwrap();
    tx.commit().await.unwrap();
    let nobody = Tenant::from_uuid(uuid::Uuid::from_u128(0x99));
    let wrong = complaints(&db, (NOMI, nobody), "kernel/vault/src", SCHEMA, &[]).await;
    assert_eq!(wrong, Vec::<String>::new());
    let same = complaints(&db, (NOMI, NOMI), "kernel/vault/src", SCHEMA, &[]).await;
    assert!(same.iter().any(|w| w.starts_with("finds")), "the check can fail");
}
