//! Subscriptions: what somebody wants to be told of, and telling it (GS CIM 009 §5.8, §5.2.12 to §5.2.15).
//!
//! A write asks [`told`] in its own transaction; each notification it gives is a job of the bus in that transaction, so
//! that none is lost and none is sent for what was rolled back. [`deliver`] sends them.

pub mod deliver;
pub mod read;
mod sql;
mod tell;

pub(crate) use tell::told;

pub use sql::SubRow;
pub(crate) use sql::{add, all, delete, get, put};

use kenroku_types::Timestamp;
use serde_json::Value;

/// Why an entity is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It is new.
    Created,
    /// It was changed.
    Updated,
    /// It is gone.
    Deleted,
}

impl SubRow {
    /// `active`, `paused` or `expired` (§5.2.12).
    pub fn status(&self, now: Timestamp) -> &'static str {
        let until = self
            .doc
            .get("expiresAt")
            .and_then(Value::as_str)
            .and_then(|t| kenroku_ngsi_ld::check::time(t).ok());
        if until.is_some_and(|t| t <= now) {
            "expired"
        } else if self.doc.get("isActive") == Some(&Value::Bool(false)) {
            "paused"
        } else {
            "active"
        }
    }
}
