//! The companion with the simulated card: in process, and through a real pcscd.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod ceremony;
mod path;
mod relying;
mod support;
