//! What modules say to each other: events and ports, types only.
//!
//! **What it is.** The vocabulary between modules that may not depend on one another. A *port* is a trait one
//! module implements and puts into the app under its type, and another asks for; an *event* is a versioned value
//! that travels through the outbox.
//!
//! **What it is not.** No logic, no storage, no HTTP.
//!
//! **How to add one more.** A file per topic. An event gets a name, a version, and keeps its old fields readable for
//! one release; a port says what an absent implementation means.

pub mod card;
pub mod consent;
pub mod identity;
pub mod personal;
pub mod signing;
pub mod snow_overview;
pub mod snow_passes;
pub mod staff;
