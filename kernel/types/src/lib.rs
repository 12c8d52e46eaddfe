//! Values every other crate speaks in: ids, tenants, time, dates, money, problems.
//!
//! **What it is.** Small, pure newtypes with their parsing rules and check digits. Everything here is
//! cheap to copy, cannot hold an invalid value, and says in its documentation which standard or law its
//! form comes from.
//!
//! **What it is not.** It does no IO except reading the system clock and the system's random source, and
//! both only behind [`Clock`] and [`Rng`], so that every other crate can be run on a fixed clock and seed.
//! It knows no service, no municipality by name, and no database.
//!
//! **How to add one more.** A new kind of id is one line in [`ids`]. A new value type is a module here when
//! at least two crates need it; otherwise it belongs to the crate that owns the concept. Give it `FromStr`,
//! `Display`, serde through its text form, and an error that says what was wrong and what is accepted.

pub mod clock;
pub mod date;
pub mod env;
pub mod ids;
pub mod money;
pub mod muni;
pub mod problem;
pub mod rng;
pub mod tenant;

pub use clock::{Clock, JstDateTime, Timestamp};
pub use date::JapaneseDate;
pub use env::Env;
pub use ids::Id;
pub use money::Yen;
pub use muni::MuniCode;
pub use problem::Problem;
pub use rng::Rng;
pub use tenant::Tenant;
