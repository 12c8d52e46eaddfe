//! The vault on both engines.
#![expect(clippy::unwrap_used, reason = "tests")]

mod opening;
mod world;
