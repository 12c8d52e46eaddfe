//! The whole of SCIM against staff accounts, on both engines.
#![expect(clippy::unwrap_used, reason = "tests")]

mod directories;
mod rules;
mod world;
