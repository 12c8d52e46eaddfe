//! 除雪: from the positions of ploughs to “is my road cleared?”.
//!
//! **What it is.** Devices on ploughs report positions ([`ingest`], [`osmand`]); the log of positions is matched
//! to roads and judged ([`processor`], [`track`]); what is known of each segment and direction since the event
//! (出動) began stands on the [`board`], which pages and state files read. The public sees it later than the
//! desk does, and never who drove.
//!
//! **What it is not.** It plans no routes, bills nobody and keeps no name of a person. It knows no other service:
//! what it learns goes out as events.
//!
//! **Invariants.**
//! - An acknowledged position is on the disk. A refused one is in the quarantine with its reason.
//! - Passes are a function of the log, assignments and the matcher's version; states are a function of passes.
//!   Order, repetition and lateness (48 hours) of the input do not change them.
//! - Driving clears nothing: a work signal does, or a plough's speed on a road assigned to it.
//! - 未除雪 is said only while an event is on and its source reports; otherwise データなし.
//! - The public's view holds nothing younger than the delay, and no plate, operator or contractor.
//!
//! **How to add one more.** A protocol: a file like [`osmand`] that makes [`ingest::Incoming`] rows, and its route.
//! A rule of work: a case in [`model::work`], its word, and its line in the three languages. A page: `pages/`.

pub mod api;
mod app;
pub mod board;
pub mod ingest;
pub mod model;
mod module;
pub mod osmand;
pub mod pages;
pub mod processor;
pub mod retention;
pub mod seed;
pub mod sql;
pub mod track;

pub use app::{Settings, Snow};
pub use module::{HandleRefused, ManageDevices, OperateEvent, SNOW_DESK, ViewLive, module, routes};
pub use sql::MIGRATIONS;
