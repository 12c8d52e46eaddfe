//! Checks against data that may not be shipped, and of the parts together.

mod data;
mod synth;
