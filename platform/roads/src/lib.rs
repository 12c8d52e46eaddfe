//! The road network, and which road a vehicle was on.
pub mod geo;
pub mod graph;
pub mod model;
pub mod synth;
#[cfg(test)]
mod testing;
