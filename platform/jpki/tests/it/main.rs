//! The verifier against the simulated hierarchy: every refusal beside the honest case that passes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod anchors;
mod differential;
mod lists;
mod matrix;
mod mutation;
mod online;
mod registration;
mod world;
