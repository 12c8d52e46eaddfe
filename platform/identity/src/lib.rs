//! いしかわID: one ID for the people of the prefecture, those who come home to it and those who work in it.
//!
//! **What it is.** People with their proofed attributes ([`person`]), what they sign in with ([`credential`],
//! [`webauthn`], [`totp`]), their sessions ([`session`]), the pseudonym that each module knows them by ([`subject`]),
//! who may act for whom ([`delegation`]), what leaves this module about somebody ([`claims`]), and the pages for all
//! of it. The OpenID Provider is the folder `op`.
//!
//! **What it is not.** It checks no certificate itself (platform/jpki) and speaks to no card reader (the companion
//! does). It never sees the 個人番号. It knows no service: those see a [`SubjectId`](kenroku_types::ids::SubjectId)
//! and ask for attributes by consent.
//!
//! **Invariants.**
//! - Every identifying attribute is sealed; what a person proved is kept with who proved it, how and when, and never
//!   merged with what another source says.
//! - Somebody is registered in one transaction or not at all; until then there is a ticket with an end.
//! - A challenge is consumed before the answer to it is looked at, whatever the answer is worth.
//! - A certificate's serial number is kept as a blind index only.
//! - Whether an account exists is told to nobody who is not in it: the same words, the same work.
//! - All rows belong to [`Tenant::SHARED`](kenroku_types::Tenant::SHARED): the ID is the prefecture's, not a city's. What
//!   clerks did ([`counter`]) belongs to the government whose counter it was.
//!
//! **How to add one more.** A way to sign in: a [`credential::Kind`], its check that ends in
//! [`session::start`], a step on the sign-in page. A claim: a [`claims::Claim`]. A class of account: a
//! [`model::AccountClass`] with what it may do. A page: a handler in `pages/` with one question. A table: key
//! (tenant, …) with [`Tenant::SHARED`](kenroku_types::Tenant::SHARED), the person as [`model::PersonId`] and never as a
//! `SubjectId`, sealed where it identifies; its statements in the file of its subject.

mod api;
pub mod card;
pub mod claims;
pub mod counter;
pub mod credential;
pub mod delegation;
pub mod disaster;
mod error;
mod explain;
mod identity;
pub mod leave;
pub mod model;
mod module;
pub mod op;
mod pages;
pub mod person;
mod proxies;
mod registers;
mod residents;
pub mod review;
pub mod revocation;
pub mod seed;
pub mod session;
pub mod sheet;
mod source;
pub mod subject;
pub mod ticket;
mod trust;
pub mod upstream;
mod ways;
pub mod webauthn;

use kenroku_store::{ModuleMigrations, migrations};

pub use error::{IdentityError, Result};
pub use identity::{Identity, Rules};
pub use kenroku_access::totp;
pub use module::{
    ChangeOwn, DeclareDisaster, ID_DESK, IshikawaId, ManageClients, RESIDENT_DESK, ReleaseClaims,
    ReviewPeople, ServeCounter, ViewOwn, module,
};
pub use residents::Residents;
pub use session::{area, areas_of_others};
pub use ways::{After, CodeStep};

/// The tables.
pub const MIGRATIONS: ModuleMigrations = migrations!(
    "identity",
    [
        "0001_init",
        "0002_op",
        "0003_upstream",
        "0004_op_act",
        "0005_counter",
        "0006_link_token",
        "0007_revocation"
    ]
);

/// The texts.
pub const LOCALES: [kenroku_ui::LocaleFile; 3] = kenroku_ui::locales!("identity", "../i18n");
