//! The boundary seen from outside: one request in, one answer out, and the server on a real socket.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

mod boundary;
mod idempotency;
mod limits;
mod openapi;
mod server;
