//! Tests of the whole.
#![expect(clippy::unwrap_used, reason = "tests")]

mod power_store;
