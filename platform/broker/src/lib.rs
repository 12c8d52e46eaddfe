//! The data-linkage platform's broker: NGSI-LD (ETSI GS CIM 009 v1.8.1) over HTTP, on the house's store.
//!
//! **What it is.** The API below `/ngsi-ld/v1`: [`api`] has a file for each group of operations, [`entities`] the commands
//! they share, [`sql`] the statements, [`subs`] subscriptions and their notifications, [`contexts`] the @contexts that are hosted or remembered, [`door`] who may.
//!
//! **What it is not.** What an entity is and what a query means is platform/ngsi-ld; nothing here decides that.
//!
//! **Invariants.**
//! - A write, its index rows and its history stand in one transaction; an acknowledged one is on the disk.
//! - SQL narrows, [`kenroku_ngsi_ld::query::Selection::matches`] decides: both engines give the same answers.
//! - Every row and every statement has its tenant; a request speaks for one tenant only.
//!
//! **How to add one more.** An operation: a handler in its file of `api`, its line in [`api::routes`] with the query
//! parameters it knows (others are refused, §6.3.20), its line in docs/authz-coverage.txt.

pub mod api;
pub mod contexts;
pub mod door;
pub mod entities;
mod http;
mod module;
pub mod sql;
pub mod subs;

pub use module::{Broker, ReadEntities, Settings, WriteEntities, module};
pub use sql::MIGRATIONS;
