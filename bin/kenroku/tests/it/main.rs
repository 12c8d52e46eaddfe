//! The built binary from outside: its commands, exit codes and messages, and the server on a real port.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

mod card;
mod commands;
mod kill;
mod line;
mod power;
mod process;
mod server;
mod tampering;
