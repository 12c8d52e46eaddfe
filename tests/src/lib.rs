//! Helpers for tests of the whole: the built binary, cut power, a card in a reader, real browsers.
//!
//! What it is not: a place for tests of one crate; those live beside its code. How to add one more: a file in
//! `tests/it/`, named in its `main.rs`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

pub mod card_reader;
pub mod power;
