//! The companion at a card reader: counters, kiosks, halls, homes.
//!
//! **What it is.** It takes a ticket that a browser page shows, asks the server what is to be signed, shows it, lets the
//! My Number card sign, and posts the answer. [`card`] speaks to the card's applications over any [`channel::Channel`]:
//! a reader ([`reader`], PC/SC) or, in tests and trials, the simulated card. [`ceremony`] is the order of steps.
//! A program of its own, so that the server links no card library.
//!
//! **What it is not.** No driver, no browser, no store: it keeps nothing when it ends. It decides nothing about the
//! person; the server verifies.
//!
//! **Invariants, each by type and not by care.**
//! - The 個人番号 cannot be read: the file that holds it has no name here ([`card`]), and files are chosen by name only.
//! - A secret is given to the card once: [`secret::Pin`] and [`secret::Password`] are consumed by the attempt and cannot be
//!   copied. How many tries are left is asked before, at no cost, and the last one needs a word of consent.
//! - The card signs only a [`kenroku_jpki::ToBeSigned`] that was built from what the person was shown.
//! - Secrets are wiped from memory after use and never printed; certificates are never printed.
//!
//! **How to add one more.** A further file of an application is a variant of its list of files in [`card`]; a further way to talk to
//! a card implements [`channel::Channel`]; a further act is a word in `kenroku_contracts::card`.

pub mod card;
pub mod ceremony;
pub mod channel;
pub mod reader;
pub mod secret;
pub mod server;
pub mod words;
