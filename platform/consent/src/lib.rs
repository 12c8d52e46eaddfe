//! Consent and the personal-data broker: what may be handed on about a person, to whom, for what, by the person's own
//! yes, and who did.
//!
//! **What it is.** Agreements (for what a recipient uses which items) in hash-chained revisions, people's answers to
//! them step by step, the one decision what may leave ([`model::decide`]), the broker that opens and hands on exactly
//! that ([`broker`]) and keeps the 第三者提供記録, and the resident's pages: my data, consents, who looked.
//!
//! **What it is not.** It holds no facts about people: those lie sealed in the modules that are
//! [`Source`](kenroku_vault::share::Source)s, and are opened there through the vault. It knows nobody's name. The
//! consents by which a service lets people sign in belong to the OpenID Provider (platform/identity).
//!
//! **Invariants.**
//! - Nothing leaves without a yes that names the item, holds now, and was given to words that asked for no less.
//! - A withdrawal takes effect with its commit: the decision is made again in the transaction that records a provision.
//! - Revisions and steps are only ever added; each carries the hash of the one before ([`chain`]).
//! - Recipients know people by pseudonyms of their own; whoever they do not know is as somebody who was not asked.
//! - A row belongs to the tenant that is responsible for the agreement.
//!
//! **How to add one more.** A fact that can be handed on: an [`Item`](kenroku_vault::share::Item) in the module
//! that holds it. A recipient and an agreement: the data officer's page. A reason to refuse: a [`model::Why`] with its
//! sentence in `error.rs` and its word in `i18n`. A step: [`model::Step`] and its place in
//! [`model::Standing::after`]. A table: `migrations/`, statements in `sql.rs`, the tenant first.

mod api;
pub mod broker;
pub mod case;
pub mod chain;
pub mod changes;
pub mod code;
mod consent;
pub mod delivery;
pub mod emergency;
mod ends;
mod error;
mod exchange;
mod explain;
mod holder;
mod inside;
pub mod model;
mod module;
mod pages;
pub mod push;
pub mod pxr;
pub mod registers;
pub mod seed;
pub mod sql;
pub mod usage;

pub use consent::{Agreement, Answer, Consent, NewRecipient, Reply, Revision};
pub use error::{ConsentError, Result};
pub use module::{
    AnswerOwn, DataSharing, DeclareEmergency, Deliver, HandleCases, ManageAgreements, Obtain,
    ViewEmergencies, ViewOwn, ViewProvisions, module,
};
pub use sql::MIGRATIONS;

/// The texts.
pub const LOCALES: [kenroku_ui::LocaleFile; 3] = kenroku_ui::locales!("consent", "../i18n");
