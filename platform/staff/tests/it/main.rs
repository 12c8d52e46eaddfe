//! The pages of staff, as a browser meets them.
#![expect(clippy::unwrap_used, reason = "tests")]

mod emergency;
mod people;
mod world;
