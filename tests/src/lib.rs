//! Helpers for tests of the whole: the built binary, cut power, real browsers.
//!
//! What it is not: a place for tests of one crate; those live beside its code. How to add one more: a file in
//! `tests/it/`, named in its `main.rs`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

pub mod power;
