//! The search against looking at every node, small cells against every table, releases against their promises.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod brute;
mod cells;
mod release;
