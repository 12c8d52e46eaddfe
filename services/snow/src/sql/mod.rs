//! Statements and the rows they answer with. Everything takes a `&mut Tx`; nothing here decides.

pub mod fleet;
pub mod log;
pub mod matched;
pub mod refused;
pub mod retention;

use kenroku_store::{ModuleMigrations, migrations};

/// The module's tables.
pub const MIGRATIONS: ModuleMigrations = migrations!("snow", ["0001_init", "0002_device_keys"]);

/// A segment's key as the database keeps it: the same 64 bits, signed.
pub const fn stored(segment: kenroku_roads::model::SegmentId) -> i64 {
    segment.get() as i64
}

/// The inverse of [`stored`].
pub const fn loaded(segment: i64) -> kenroku_roads::model::SegmentId {
    kenroku_roads::model::SegmentId::from_u64(segment as u64)
}
