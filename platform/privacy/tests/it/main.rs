//! The data officer's desk on both engines: erasure across modules, and what the law asks for in writing.
#![expect(clippy::unwrap_used, reason = "tests")]

mod leave;
mod registers;
mod releases;
mod requests;
mod world;
