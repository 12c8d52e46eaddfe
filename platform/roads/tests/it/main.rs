//! Checks against data that may not be shipped, and of the parts together.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing helper of a test is a failing test")]

mod data;
mod import;
mod matching;
mod service;
mod synth;
