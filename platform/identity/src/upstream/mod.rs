//! IDs of elsewhere: デジタル認証アプリ, another region's ID (加賀市 and others), any OpenID Provider.
//!
//! Two things can be done with one: sign in with it, when it was linked before, and link it. A link is bound to the
//! session, the person, the upstream's issuer and subject, and the nonce of the very attempt (a link token without the
//! subject let one person's ID be tied to another's: CVE-2026-9087). What an upstream says about somebody is kept
//! beside the link with its source and time; it never becomes part of what was proved here.
//!
//! How to add one more: an entry in the file of `identity.upstreams`; no code.

mod link;
mod provider;
mod visit;

pub use link::{GivenBack, LABEL, LinkRow, Linked, SUBJECT, Sharer, TOKEN, TOLD, Told};
pub(crate) use link::{SignedElsewhere, SignedLink};
pub use provider::{Provider, Providers, UpstreamsError};
pub use visit::{Arrived, Pending};
