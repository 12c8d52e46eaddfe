//! Rules for all statements of the module.

use kenroku_identity::MIGRATIONS;
use kenroku_store::{Db, testing};

fn ours(list: Vec<String>) -> Vec<String> {
    list.into_iter().filter(|l| l.contains("platform/identity/src")).collect()
}

#[kenroku_store::test(&[MIGRATIONS])]
async fn every_statement_is_understood(db: Db) {
    assert_eq!(ours(testing::prepare_all(&db).await.unwrap()), Vec::<String>::new());
}

#[test]
fn every_statement_names_the_tenant_or_says_why_not() {
    assert_eq!(ours(testing::without_tenant()), Vec::<String>::new());
    assert_eq!(ours(testing::pairs()), Vec::<String>::new(), "one text for both engines");
}
