//! いしかわID on both engines.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod op;
