//! The store: one façade over embedded SQLite and PostgreSQL, with one SQL text for both.
//!
//! **What it is.** [`Db`] gives readers and transactions ([`Tx`]); statements are registered constants
//! ([`sql!`]); rows decode by position ([`FromRow`], [`row!`]); many rows go through [`Bulk`]; modules bring
//! [`migrations!`]; backup and restore work while the system runs.
//!
//! **What it is not.** No ORM, no query language of its own, no cache, no logic in the database. It knows no
//! table of any module.
//!
//! # Invariants
//! - This is the only crate that names a database driver.
//! - A committed transaction is on the disk (SQLite `synchronous=FULL`, PostgreSQL's default).
//! - Writers begin `IMMEDIATE`: a read-then-write never fails with “database is locked” because of a snapshot.
//! - A PostgreSQL connection never returns to the pool inside a transaction or statement, even when a future is
//!   dropped.
//! - `tenant` leads every key and every statement names it, or says `@reference` / `@cross_tenant` and why.
//! - SQL is static text, or [`SqlBuilder`] from static parts: input can never become SQL.
//!
//! # How to add a table
//! 1. `migrations/000N_words.sql` in your module; name it in `migrations!`. Types through the aliases
//!    (`{uuid}` `{json}` `{ts}` `{int}` `{bool}` `{real}` `{blob}`), `{strict}` at the end, `tenant` first in the key.
//!    In a module that has tables, write the step with the next number and never edit an old one: it is refused. The
//!    list is `MIGRATIONS` in the module's `sql.rs` or `sql/mod.rs` (platform/identity: `lib.rs`,
//!    its statements stand in the file of their subject, those of `op` in `op/sql.rs`), handed over by `Module::migrations`.
//! 2. In `sql.rs`: `const GET: &Sql = sql!("…$1…");`, a struct with [`row!`], a function over `&mut Tx`.
//! 3. A test with `#[kenroku_store::test(&[MIGRATIONS])]` (dev-dependency with the feature `testing`): it runs on
//!    both engines and compares every answer. Every statement must run in such a test; the gate counts it.
//!
//! # Where the engines differ
//! | topic | rule |
//! |---|---|
//! | `doc ->> 'n'` is an integer on SQLite, text on PostgreSQL | `cast(doc ->> 'n' as text)`, or a real column |
//! | booleans inside JSON | never filter on them |
//! | `sum(bigint)` is numeric on PostgreSQL | `cast(sum(x) as bigint)` at once: dividing first would round |
//! | a parameter used twice has one type on PostgreSQL | `cast($1 as text)` where it stands alone |
//! | `-0.0` loses its sign on SQLite | do not depend on it |
//! | NULL order | always `nulls first` / `nulls last` |
//! | `like` ignores ASCII case on SQLite | search a column normalised in Rust |
//! | `$1 is null or …` has no type on PostgreSQL | [`SqlBuilder`] |
//! | `where flag = 1` | bind real booleans |
//! | `insert … select … on conflict` | add `where true` |
//! | `max(a,b)` / `greatest` | `case` |

mod backup;
mod bulk;
mod db;
mod error;
mod lite;
mod migrate;
mod pg;
mod sql;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod value;

pub use backup::{Progress, restore_postgres, restore_sqlite};
pub use bulk::{Bulk, Col};
pub use db::{Db, Engine, Tx};
pub use error::{Error, Result};
pub use kenroku_store_macros::test;
pub use lite::LiteOptions;
pub use migrate::{Migration, MigrationReport, ModuleMigrations};
pub use pg::PgOptions;
pub use sql::{REGISTRY, Sql, SqlBuilder};
pub use value::{FromCol, FromRow, Raw, Row, Val};

#[doc(hidden)]
pub use linkme;
#[doc(hidden)]
pub use rusqlite::types as rusqlite_value;
