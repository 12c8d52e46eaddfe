//! Consent on both engines: agreements, answers, the broker, the pages; a probe module holds the facts.
#![expect(clippy::unwrap_used, reason = "tests")]

mod answers;
#[path = "../../../../kernel/vault/tests/it/apart.rs"]
mod apart;
mod broker;
mod exchange;
mod pages;
mod sequences;
mod statements;
mod tenants;
mod trust;
mod usage;
mod world;
