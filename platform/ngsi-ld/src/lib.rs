//! NGSI-LD (ETSI GS CIM 009) without a server: entities, their representations, fragments and query languages.
//!
//! **What it is.** [`Entity`] is an entity with full names; [`parse`] reads one from any representation, [`View`] writes
//! one in any; [`fragment`] holds the operations that change one; [`query`] holds the languages that choose among them.
//! [`Names`] are the words of a request: its @context with the core context behind it.
//!
//! **What it is not.** No storage, no HTTP, no clock: times are arguments.
//!
//! **Invariants.**
//! - The core context wins over every other (GS CIM 009 §4.4): its terms cannot be redefined.
//! - Whatever [`parse`] accepts, [`View`] writes so that it is accepted again and means the same.
//! - Parsers take time linear in their input and refuse what is nested deeper than they say.
//!
//! **How to add one more.** A kind of attribute: a case of [`Kind`] with the name of its value. A relation or operator of
//! a query: a case of its enum, its spelling in the parser, its meaning in the evaluator, and a line in the test of
//! round trips.

pub mod check;
pub mod error;
pub mod fragment;
mod model;
mod names;
pub mod parse;
pub mod query;
pub mod temporal;
mod view;

pub use error::{Fault, NgsiError};
pub use model::{Attr, Attrs, Entity, Kind, NULL};
pub use names::{CORE, CORE_VERSIONS, Names, core_url, is_core};
pub use view::{Form, View};
