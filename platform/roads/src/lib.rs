//! The road network, and which road a vehicle was on.
pub mod areas;
pub mod benchmark;
pub mod geo;
pub mod graph;
pub mod import;
pub mod matching;
pub mod model;
pub mod synth;
#[cfg(test)]
mod testing;
