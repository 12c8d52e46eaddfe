//! Stand-ins for IDs of elsewhere: the デジタル認証アプリ server, built from its public documents, and the ID of another
//! region. **模擬**: they authenticate nobody.
//!
//! **What it is.** [`DigitalAuthApp`]: an OpenID Provider with the addresses, parameters and refusals that the documents for implementers
//! describe, whose people are the residents of the simulated cards: who signs in here and who holds the card there
//! have the same four attributes. Instead of a phone and a card there is a page with names to press, as the sandbox's
//! test card function has. [`RegionId`]: an ordinary provider with a secret, that names itself in its answers (RFC 9207)
//! and takes tokens back (RFC 7009), as デジタル認証アプリ does not.
//!
//! **What it is not.** No provider for anything but simulated data: it keeps everything in memory and asks for no
//! proof. It shares no checking code with the relying party (platform/oidc `upstream`), so that both cannot be wrong
//! in the same way; signatures of tokens are the one exception.
//!
//! **Invariants.** What the documents say the real one refuses is refused here, with the error that they name where
//! they name one ([`rules`]). A code, an assertion and a signature transaction are good once.
//!
//! **How to add one more.** A rule: a check in [`rules`] with its test beside a request that passes.
//!
//! Source: developers.digital.go.jp, 「デジタル認証アプリサービス」 implement-guideline, authserver.

mod page;
mod region;
pub mod rules;
mod server;

pub use region::RegionId;
pub use server::{Client, DigitalAuthApp};
