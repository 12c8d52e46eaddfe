//! The store on both engines.
#![expect(clippy::unwrap_used, reason = "tests")]

mod backup;
mod dialect;
mod transactions;

use kenroku_store::{Migration, ModuleMigrations};

/// A small schema for the tests.
pub const SCHEMA: &[ModuleMigrations] = &[ModuleMigrations {
    module: "probe",
    steps: &[Migration {
        name: "0001_init",
        text: "create table probe (tenant {uuid} not null, id {int} not null, name text, n {int}, x {real}, ok {bool},
                 doc {json}, raw {blob}, version {int} not null default 0, primary key (tenant, id)) {strict};
               create table probe_child (tenant {uuid} not null, id {int} not null, parent {int} not null,
                 primary key (tenant, id), foreign key (tenant, parent) references probe (tenant, id)) {strict};",
        postgres: None,
    }],
}];
