//! What holds for every SQL statement and every table of the whole program, on both engines.

use kenroku_module::migrations;
use kenroku_store::{Db, Engine, ModuleMigrations, REGISTRY, testing};

use crate::blessed;
use crate::modules::modules;

/// Everything the program keeps, in one database for once.
fn all() -> Vec<ModuleMigrations> {
    let mut all = migrations(&modules());
    all.extend([kenroku_vault::LOG_TABLES, kenroku_vault::KEY_TABLES]);
    all
}

fn snapshot(name: &str) -> String {
    format!("{}/../../docs/schema/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[kenroku_store::test(&all(), concurrent)]
async fn every_statement_is_understood(db: Db) {
    assert_eq!(testing::prepare_all(&db).await.unwrap(), Vec::<String>::new());
}

#[kenroku_store::test(&all(), concurrent)]
async fn the_schema_is_the_published_one(db: Db) {
    let name = if db.engine() == Engine::Sqlite { "sqlite.txt" } else { "postgres.txt" };
    blessed::check(&snapshot(name), &testing::schema(&db).await.unwrap());
}

#[test]
fn every_statement_names_the_tenant_or_says_why_not() {
    assert_eq!(testing::without_tenant(), Vec::<String>::new());
}

#[test]
fn the_pairs_are_the_published_ones() {
    let list = testing::pairs();
    blessed::check(
        &snapshot("pairs.txt"),
        &format!("{} statements differ between the engines.\n{}\n", list.len(), list.join("\n")),
    );
}

/// The gate compares this list with the statements that tests have run.
#[test]
#[expect(clippy::disallowed_methods, reason = "the gate names the folder by the environment")]
fn the_list_of_statements_is_written_for_the_gate() {
    let list: Vec<String> = REGISTRY.iter().map(|s| format!("{}:{}", s.file, s.line)).collect();
    assert!(list.len() > 50, "the registry holds only {} statements", list.len());
    if let Ok(dir) = std::env::var("KENROKU_SQL_COVERAGE") {
        std::fs::write(std::path::Path::new(&dir).join("all.txt"), list.join("\n") + "\n").unwrap();
    }
}
