//! The vault on both engines.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod apart;
mod consents;
mod erasing;
mod no_other_way;
mod opening;
mod rotating;
mod sealing;
mod searching;
mod secrets;
mod statements;
mod under_load;
mod world;
