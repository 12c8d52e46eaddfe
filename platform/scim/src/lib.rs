//! SCIM 2.0 (RFC 7643, RFC 7644): the organisation's own directory (Microsoft Entra ID, Okta, a personnel system)
//! makes, changes, stops and removes the accounts of its staff here.
//!
//! **What it is.** `/scim/v2/{ServiceProviderConfig,ResourceTypes,Schemas,Users,Groups}`: users are the staff accounts
//! of kernel/access, groups are the roles of the key's tenant. [`filter`] reads filters and paths, [`patch`] reads
//! changes; both are pure.
//!
//! **What it is not.** It keeps nothing of its own, knows no residents, and never carries a password or another secret:
//! who was made by a directory sets up a password by the one-time link that an administrator hands out. No bulk
//! requests, no sorting, no `/Me`.
//!
//! **Invariants.**
//! - A key reaches the accounts of its own tenant and no others; emergency accounts are never seen.
//! - Roles that watch over others, and everybody who has one, need a key with `access.provision-overseers`.
//! - Removed accounts are not found, and their names are free (RFC 7644 §3.6); their numbers stay for the logs.
//! - Whoever is made inactive is signed out by the next request.
//! - Filters and paths are bounded in length and depth before they are looked at.
//! - Attributes that are not kept are taken and ignored (RFC 7644 §3.3); names of attributes that nobody knows are
//!   refused in changes.
//!
//! **How to add one more attribute.** A column in kernel/access, a field of `Profile`, a line each in
//! `user::resource`, `patch::set` and `schemas.rs`.

mod api;
mod error;
pub mod filter;
mod group;
mod key;
pub mod patch;
mod query;
mod schemas;
mod user;

pub use api::module;
pub use error::{Kind, ScimError};
