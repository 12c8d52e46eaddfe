//! 公的個人認証 (JPKI): the relying party's verifier of My Number card certificates.
//!
//! **What it is.** A pure library: certificates, signatures, revocation data and the time go in, a typed verdict comes
//! out. No sockets, no files, no clock, no database; what must be fetched is fetched by a transport that the
//! caller injects. It implements the duties of a 利用者証明検証者 and 署名検証者 (公的個人認証法 §36, §17) towards the
//! certificates' technical form: 公的個人認証サービス プロファイル仕様書, RFC 5280, RFC 6960, RFC 8017.
//!
//! **What it is not.** No general X.509 path builder: the hierarchy has one tier, a self-signed CA and its leaves, and
//! everything else is refused. It keeps no nonces, sessions or people; `platform/identity` does. It never sees a
//! 個人番号. It is not certified by anyone; becoming a verifier needs the 届出 to J-LIS (行政機関等) or a 主務大臣認定.
//!
//! **The way of a verification.** Each step is a type that only the step before can make:
//!
//! ```text
//! Challenge ──spend──▶ SpentChallenge ─┐
//! certificate + signature ─────────────┼─Anchors<K>::verify──▶ VerifiedCrypto<K>
//!                                      │        ──check_validity(source, mode)──▶ ValidityChecked<K>
//!                                      │
//!             ValidityChecked<Auth> + ValidityChecked<Sign> ──Proofing::new──▶ Proofing (registration)
//! ```
//!
//! **Invariants.**
//! - The 利用者証明用 and 署名用 hierarchies are different types ([`Anchors<Auth>`](Anchors), [`Anchors<Sign>`](Anchors)):
//!   a certificate of one can never be verified by the other, and only `Sign` yields attributes.
//! - All CA generations carry one name. The issuer is the pinned CA whose subject key identifier the leaf names *and*
//!   whose key made the signature; the name alone decides nothing.
//! - A production store loads no test CA, and a test store no production CA.
//! - Bytes that were signed are verified as they came, never re-encoded.
//! - Nothing passes whose revocation state is unknown. Only sign-in, only while a declared [`DisasterMode`] lasts, may
//!   use older revocation data; registration never.
//! - No input panics; a refusal says which rule was broken and nothing about the person.
//! - What identifies a person (attributes, serial numbers) is never printed by `Debug`.
//!
//! **How to add one more.** A rule for leaves goes into `leaf.rs` with a [`Refusal`] of its own and a row in
//! `tests/it/matrix.rs` beside the honest certificate that passes. A further source of revocation data implements
//! [`RevocationSource`]. A further key type is an arm in `algorithm.rs`, off unless a [`Profile`] allows it.

mod algorithm;
mod anchor;
pub mod attributes;
mod challenge;
mod crl;
mod kind;
mod leaf;
mod name;
mod ocsp;
mod oid;
mod operator;
mod refusal;
pub mod revocation;
mod signed;
mod validity;
mod verify;

pub use anchor::{AnchorError, Anchors, Pin, Profile, PublishedCa, published};
pub use attributes::Attributes;
pub use challenge::{Challenge, ChallengeError, NONCE_BYTES, SpentChallenge, TTL, ToBeSigned};
pub use crl::{Crl, CrlError, CrlFiles};
pub use kind::{Auth, Kind, KindName, Sign};
pub use name::IssuingPlace;
pub use ocsp::{Ocsp, OcspTransport};
pub use operator::{OperatorAnswer, OperatorTransport, PlatformOperator};
pub use refusal::Refusal;
pub use revocation::{
    Answer, CardLists, Certificate, FirstOf, Listed, ListsState, Method, Reason, RevocationSource,
    SourceError, Status,
};
pub use validity::{DisasterError, DisasterMode, Mode, Proofing, ValidityChecked};
pub use verify::{CredentialId, Serial, VerifiedCrypto, VerifiedDocument};

/// The anchors of the 利用者証明用 certificates.
pub type AuthAnchors = Anchors<Auth>;
/// The anchors of the 署名用 certificates.
pub type SignAnchors = Anchors<Sign>;
