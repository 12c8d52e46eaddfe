//! いしかわID on both engines: people, ways to sign in, cards, delegations, pages; `op`: the OpenID Provider.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod cards;
mod counter;
mod delegations;
mod disaster;
mod op;
mod pages;
mod people;
mod revocation;
mod upstream;
mod ways;
mod world;
