//! The access logs of others on the person's page, and ours on the pages of others: `findUsage`, `usagePeriod` and
//! `heartbeat` of the Estonian Andmejälgija protocol (version 1.6).
//!
//! **What it is.** The data officer registers for a recipient where its own log is asked ([`holders`]). The page だれが見たか
//! asks all that know the person, at once and within [`ask::PATIENCE`]; who does not answer is shown as 応答なし. The other way
//! round, a recipient with the person's yes to the item [`own::ITEM`] asks us the same questions ([`api`]).
//!
//! **What it is not.** It stores nothing of what others answer, and vouches for none of it: those rows were not witnessed
//! here, and the page says so.
//!
//! **Invariants.** A holder is asked only about people it already deals with, by its own pseudonym. No answer is longer
//! than what the outbound client reads, no text longer than [`protocol::LONGEST`]. A holder that was silent is left in
//! peace for a while: it delays one page, not all.
//!
//! **How to add one more.** A holder: the data officer's page. A field of the protocol: [`protocol`].

pub(crate) mod api;
pub(crate) mod ask;
pub(crate) mod holders;
pub(crate) mod own;
pub(crate) mod pages;
pub mod protocol;
pub(crate) mod witness;

pub use ask::Linked;
pub use holders::{Beat, Holder, NewHolder};
