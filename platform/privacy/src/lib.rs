//! What the law asks of whoever holds personal data (個人情報の保護に関する法律): the data officer's desk.
//!
//! **What it is.** Leaving and being erased ([`leave`]), requests of people about their data ([`request`]), the register
//! of purposes ([`purposes`]) and of personal information files ([`files`]), the workbook of breaches ([`breach`]), what was
//! received ([`received`]), tables made anonymous and their register ([`release`]), what is removed by the clock ([`purge`]); the clocks of the law ([`clock`]), and registers that
//! are only added to ([`book`]).
//!
//! **What it is not.** It holds no facts about people: what has to be erased, kept or removed lies in the modules, which
//! say so as [`Holder`](kenroku_vault::leave::Holder)s. Consents and what was handed on belong to platform/consent.
//!
//! **Invariants.**
//! - Nobody is erased before the waiting time is over, and an erasure that began is finished, however often it is killed.
//! - What a law keeps is named before somebody leaves, and again in the receipt.
//! - Entries of a book are only added; each carries the hash of the one before.
//! - A deadline is a pure function of dates ([`clock`]); nothing here reads a clock to count days.
//!
//! **How to add one more.** A holder: `Holder` in the module that holds the facts, put into `Holders` at its start. A
//! deadline: a function in [`clock`] with its article and a check value from a calendar. A register: a name in [`book`].

pub mod alarm;
pub mod book;
pub mod breach;
pub mod clock;
mod error;
mod explain;
pub mod files;
mod holder;
pub mod leave;
mod module;
mod pages;
mod privacy;
pub mod purge;
pub mod purposes;
pub mod received;
pub mod release;
pub mod request;
pub mod seed;
pub mod sheet;

pub use error::{PrivacyError, Result};
pub use module::{AskOwn, HandleRequests, KeepRegisters, LeaveOwn, PersonalData, ViewOwn, module};
pub use privacy::{Privacy, Rules, SECTOR};

use kenroku_store::{ModuleMigrations, migrations};

/// The tables.
pub const MIGRATIONS: ModuleMigrations =
    migrations!("privacy", ["0001_init", "0002_requests", "0003_registers", "0004_releases"]);

/// The texts.
pub const LOCALES: [kenroku_ui::LocaleFile; 3] = kenroku_ui::locales!("privacy", "../i18n");
