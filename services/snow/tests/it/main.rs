//! The snow module on its tables and behind its interfaces.
#![expect(clippy::unwrap_used, reason = "tests")]

mod api;
mod desk;
mod pages;
mod pipeline;
mod refused;
mod retention;
mod world;

use kenroku_store::testing;

#[test]
fn texts_are_complete() {
    kenroku_ui::i18n::check(env!("CARGO_MANIFEST_DIR"), &kenroku_ui::locales!("snow", "../../i18n")).unwrap();
}

#[kenroku_store::test(&[kenroku_bus::MIGRATIONS, kenroku_snow::MIGRATIONS])]
async fn every_statement_can_be_prepared(db: kenroku_store::Db) {
    let own =
        |list: Vec<String>| list.into_iter().filter(|s| s.contains("services/snow")).collect::<Vec<_>>();
    assert_eq!(own(testing::prepare_all(&db).await.unwrap()), Vec::<String>::new());
    assert_eq!(own(testing::without_tenant()), Vec::<String>::new());
}
