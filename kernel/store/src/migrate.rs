//! Migrations: each module owns numbered steps; both engines run the same text with a few type aliases.
//!
//! **Expand, move, contract.** The previous release must keep working on the new schema: add columns with a
//! default, fill them, and remove the old ones a release later. A step that has shipped is never edited; its
//! checksum is stored and compared. After the first step, one index per step.
//!
//! Aliases: `{uuid}`, `{json}`, `{ts}`, `{int}`, `{bool}`, `{real}`, `{blob}`, and `{strict}` after the closing
//! parenthesis of a table (SQLite then refuses values of another type, as PostgreSQL does by itself).

use std::collections::HashMap;

use kenroku_types::Timestamp;

use crate::error::{Error, Result};
use crate::{Db, Engine, Sql, Tx, params, sql, sql_pair};

/// One step of a module's schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// `0001_init`: four digits, then words.
    pub name: &'static str,
    /// Text for both engines, or for SQLite of a pair.
    pub text: &'static str,
    /// PostgreSQL's text when the engines must differ.
    pub postgres: Option<&'static str>,
}

/// The steps of one module, oldest first.
#[derive(Clone, Copy, Debug)]
pub struct ModuleMigrations {
    /// The module's name; its tables begin with it.
    pub module: &'static str,
    /// Oldest first.
    pub steps: &'static [Migration],
}

/// Lists a module's steps, read from its folder `migrations/`:
/// `migrations!("snow", ["0001_init", "0002_pass", pair "0003_geo"])`; a pair has the files `NAME.sqlite.sql` and
/// `NAME.pg.sql`, every other step `NAME.sql`.
#[macro_export]
macro_rules! migrations {
    ($module:literal, [$($t:tt)*]) => {
        $crate::ModuleMigrations { module: $module, steps: $crate::migrations!(@steps [] $($t)*) }
    };
    (@steps [$($done:expr,)*]) => { &[$($done,)*] };
    (@steps [$($done:expr,)*] pair $n:literal $(, $($rest:tt)*)?) => {
        $crate::migrations!(@steps [$($done,)* $crate::Migration {
            name: $n,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/", $n, ".sqlite.sql")),
            postgres: Some(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/", $n, ".pg.sql"))),
        },] $($($rest)*)?)
    };
    (@steps [$($done:expr,)*] $n:literal $(, $($rest:tt)*)?) => {
        $crate::migrations!(@steps [$($done,)* $crate::Migration {
            name: $n,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/", $n, ".sql")),
            postgres: None,
        },] $($($rest)*)?)
    };
}

/// What a run did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct MigrationReport {
    /// `module/0001_init` of every step run now.
    pub applied: Vec<String>,
    /// Steps that had run before.
    pub present: usize,
}

const CREATE: &Sql = sql_pair!(
    why: "the list of steps exists before the aliases of migrations do",
    sqlite: "create table if not exists schema_migration (module text not null, name text not null, checksum text not null, applied_at integer not null, primary key (module, name)) strict -- @reference",
    postgres: "create table if not exists schema_migration (module text not null, name text not null, checksum text not null, applied_at bigint not null, primary key (module, name)) -- @reference",
);
const LOCK: &Sql = sql_pair!(
    why: "only PostgreSQL can have two migrating processes; SQLite's one writer is the lock",
    sqlite: "select 1 -- @reference",
    postgres: "select pg_advisory_xact_lock(5410265) -- @reference",
);
const LIST: &Sql =
    sql!("select module, name, checksum from schema_migration order by module, name -- @reference");
const RECORD: &Sql = sql!(
    "insert into schema_migration (module, name, checksum, applied_at) values ($1, $2, $3, $4) -- @reference"
);

pub(crate) fn expand(text: &str, e: Engine) -> String {
    let names = match e {
        Engine::Sqlite => [
            ("{uuid}", "blob"),
            ("{json}", "text"),
            ("{ts}", "integer"),
            ("{int}", "integer"),
            ("{bool}", "integer"),
            ("{real}", "real"),
            ("{blob}", "blob"),
            ("{strict}", "strict"),
        ],
        Engine::Postgres => [
            ("{uuid}", "uuid"),
            ("{json}", "jsonb"),
            ("{ts}", "bigint"),
            ("{int}", "bigint"),
            ("{bool}", "boolean"),
            ("{real}", "double precision"),
            ("{blob}", "bytea"),
            ("{strict}", ""),
        ],
    };
    names.iter().fold(text.to_owned(), |t, (from, to)| t.replace(from, to))
}

fn checksum(m: &Migration) -> String {
    let mut c = ring::digest::Context::new(&ring::digest::SHA256);
    c.update(m.text.as_bytes());
    c.update(m.postgres.unwrap_or_default().as_bytes());
    hex::encode(c.finish().as_ref())
}

impl Db {
    /// Brings the schema of all modules up to date. Safe to call from several processes at once; each step is a
    /// transaction of its own, so an interrupted run goes on where it stopped.
    pub async fn migrate(&self, modules: &[ModuleMigrations], now: Timestamp) -> Result<MigrationReport> {
        let mut report = MigrationReport::default();
        let mut tx = self.begin().await?;
        lock(&mut tx).await?;
        CREATE.mark(self.engine());
        tx.batch(CREATE.for_engine(self.engine())).await?;
        tx.commit().await?;
        for m in modules {
            for step in m.steps {
                let mut tx = self.begin().await?;
                lock(&mut tx).await?;
                let done = listed(&mut tx).await?;
                let sum = checksum(step);
                match done.get(&(m.module.to_owned(), step.name.to_owned())) {
                    Some(old) if *old == sum => {
                        report.present += 1;
                        tx.rollback().await?;
                    }
                    Some(_) => {
                        return Err(Error::Migration(format!(
                            "{}/{} was changed after it ran; restore the shipped file and put the change into a new step",
                            m.module, step.name
                        )));
                    }
                    None => {
                        let text = if self.engine() == Engine::Postgres {
                            step.postgres.unwrap_or(step.text)
                        } else {
                            step.text
                        };
                        tx.batch(&expand(text, self.engine()))
                            .await
                            .map_err(|e| Error::Migration(format!("{}/{}: {e}", m.module, step.name)))?;
                        tx.execute(RECORD, params![m.module, step.name, sum, now]).await?;
                        tx.commit().await?;
                        report.applied.push(format!("{}/{}", m.module, step.name));
                    }
                }
            }
        }
        Ok(report)
    }

    /// Steps of this program that have not run on this database. Empty means the schema is current.
    pub async fn pending(&self, modules: &[ModuleMigrations]) -> Result<Vec<String>> {
        let mut tx = self.read().await?;
        let done = listed(&mut tx).await.unwrap_or_default();
        Ok(modules
            .iter()
            .flat_map(|m| m.steps.iter().map(move |s| (m.module, s.name)))
            .filter(|(m, s)| !done.contains_key(&((*m).to_owned(), (*s).to_owned())))
            .map(|(m, s)| format!("{m}/{s}"))
            .collect())
    }
}

async fn lock(tx: &mut Tx) -> Result<()> {
    tx.execute(LOCK, &[]).await.map(drop)
}

async fn listed(tx: &mut Tx) -> Result<HashMap<(String, String), String>> {
    let rows: Vec<(String, String, String)> = tx.all(LIST, &[]).await?;
    Ok(rows.into_iter().map(|(m, n, c)| ((m, n), c)).collect())
}
