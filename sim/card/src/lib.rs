//! 模擬マイナンバーカード: a software My Number card with its own public key infrastructure and 1,000 residents.
//!
//! **What it is.** [`Card`] answers APDUs as the 公的個人認証 and 券面事項入力補助 applications of a card are publicly
//! described to answer them, with PINs, tries and locks. [`pki`] is a test hierarchy: three generations of CAs under one
//! name for each of the two certificates, their lists of revoked certificates and an OCSP responder. [`people`] are
//! synthetic residents at real town names. [`vpcd`] puts a card into a virtual reader of pcscd; in a test the card is
//! simply called.
//!
//! **What it is not.** No real card was examined: everything is built from public descriptions and says 模擬 where it
//! shows. No certificate of it can pass for a real one: the organisation in its names is [`pki::ORGANISATION`], its
//! policies are those of test environments, and its keys are published in this very folder. It holds no 個人番号; where a
//! card keeps it there is a text saying so, and every attempt to read it is counted.
//!
//! **Invariants.** The same resident's card is the same bytes on every machine, except what its clock decides.
//! Tries that are used up stay used up until the right PIN, across resets.
//!
//! **How to add one more.** A further file of an application is a line in [`card`]; a further kind of malformed
//! certificate is a change to [`pki::Leaf`] in the test that needs it.

pub mod card;
pub mod der;
pub mod keys;
pub mod people;
pub mod pki;
pub mod vpcd;

pub use card::Card;
pub use people::Resident;
pub use pki::{Ca, Pki, Purpose};

/// The PIN of every 利用者証明用 key and of the 券面事項入力補助 application.
pub const PIN: &str = "1234";
/// The password of every 署名用 key.
pub const PASSWORD: &str = "ABC123";
