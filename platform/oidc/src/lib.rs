//! The protocol of an OpenID Provider: what is read, checked and written, without any IO.
//!
//! **What it is.** JOSE over ring ([`jwk`], [`jws`]); the requests of OAuth 2.0 and OpenID Connect with every
//! check that needs no database ([`authorize`], [`client_auth`], [`dpop`], [`pkce`], [`redirect`], [`logout`]);
//! what a client may register ([`client`]); what goes out ([`token`], [`discovery`], [`error`]); and the other side,
//! what a relying party asks and checks ([`upstream`]).
//!
//! **What it is not.** No HTTP, no storage, no clock, no sessions, no consent: platform/identity has these. It
//! decrypts nothing (no JWE), fetches nothing (no `request_uri` of others at all; what stands at a `jwks_uri` is fetched by identity), and knows no symmetric
//! key: there is no HS256 to confuse with RS256.
//!
//! **Invariants.**
//! - A key knows its one algorithm. A token's header is compared with it and never chooses.
//! - The content of a token can be had only from a verified one; what must be looked at before (whose key is it?)
//!   is named `unverified_…`.
//! - A parameter given twice is an error (RFC 6749 §3.1), also where the standard leaves it open.
//! - A redirect goes only to an address registered letter by letter; until that is known, errors are shown here.
//! - Nothing panics on input.
//!
//! **How to add one more.** An algorithm: a case of [`jwk::Alg`] with its `verify` and `sign`, and a check value
//! from its standard. A grant or parameter: its field where it is parsed, its rule with the clause, a test of
//! refusal beside one of success; then [`discovery`].
//!
//! Sources: RFC 6749 (OAuth 2.0), RFC 9700 (its best current practice), OpenID Connect Core 1.0 (“Core”), and those
//! named in the modules.

pub mod authorize;
mod b64;
pub mod claims;
pub mod client;
pub mod client_auth;
pub mod device;
pub mod discovery;
pub mod dpop;
pub mod error;
pub mod jwk;
pub mod jws;
pub mod logout;
pub mod params;
pub mod pem;
pub mod pkce;
pub mod redirect;
pub mod scope;
pub mod token;
pub mod upstream;

pub use b64::{decode as b64_decode, encode as b64_encode};
pub use error::{Code, OAuthError};
pub use params::Params;
pub use scope::Scopes;

/// Compares secrets in a time that does not depend on where they differ.
pub fn same_secret(a: &[u8], b: &[u8]) -> bool {
    // Hashing first makes lengths equal and the position of a difference meaningless.
    let hash = |x: &[u8]| ring::digest::digest(&ring::digest::SHA256, x);
    hash(a).as_ref() == hash(b).as_ref()
}

/// SHA-256, the form in which secrets, codes and tokens are kept.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, data).as_ref());
    out
}
