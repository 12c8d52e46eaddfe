//! What the companion at the card reader and the server say to each other (JSON over HTTPS).
//!
//! A browser page shows a short *ticket* that stands for one started ceremony. The companion exchanges the ticket for a
//! [`CardChallenge`], shows its text and whom it is for, lets the card sign, and posts a [`CardAnswer`]. The browser
//! goes on by itself when the server has accepted the answer.
//!
//! What is signed is never sent as bytes: both sides build it from the challenge's fields
//! (`kenroku_jpki::ToBeSigned`), so the companion cannot be made to sign what it has not shown.
//!
//! | operation | request | answer |
//! |---|---|---|
//! | `POST /api/identity/v1/card/challenges` | [`CardTicket`] | 200 [`CardChallenge`] |
//! | `POST /api/identity/v1/card/answers` | [`CardAnswer`] | 200 [`CardOutcome`] |
//!
//! Refusals are problem documents. Those of the verifier keep its code (`jpki.…`); further statuses: 404 the ticket or
//! session is unknown, 409 this person is registered already, 410 the ticket or session is used or too old, or the
//! signature certificate was revoked (moved, renamed, lost): prove again who you are, 503 the state of a
//! certificate cannot be learned at present.

use kenroku_types::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the person does with the card. The word is part of what is signed, so that a signature made for one act
/// cannot serve another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CardAct {
    /// 新規登録: proves who the person is; needs both certificates.
    Register,
    /// サインイン: needs the 利用者証明用 certificate only.
    SignIn,
    /// 再登録 after renewal of the card, a move or a new name; needs both certificates.
    Replace,
    /// 本人の確認 before a weighty step (linking another ID, delegating); needs the 利用者証明用 certificate only.
    StepUp,
}

impl CardAct {
    /// The word that is signed.
    pub const fn word(self) -> &'static str {
        match self {
            CardAct::Register => "register",
            CardAct::SignIn => "sign-in",
            CardAct::Replace => "replace",
            CardAct::StepUp => "step-up",
        }
    }

    /// Whether the 署名用 certificate, which carries the four attributes, is asked for too.
    pub const fn needs_signing(self) -> bool {
        matches!(self, CardAct::Register | CardAct::Replace)
    }
}

/// The short code that the browser page shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CardTicket {
    /// As typed: case, blanks and hyphens do not matter.
    #[schema(example = "K7QM-2X9A")]
    pub ticket: String,
}

/// What the card is asked to sign, field by field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CardChallenge {
    /// The ceremony, a UUID in its hyphenated lower-case form.
    pub session: String,
    /// What the person does.
    pub act: CardAct,
    /// Who asks: the public base URL of the service. The companion shows it, and refuses a challenge that names
    /// another server than the one it was given.
    #[schema(example = "https://id.pref.example")]
    pub relying_party: String,
    /// 32 random bytes as 64 lower-case hexadecimal digits.
    pub nonce: String,
    /// What the person is told they sign, shown word for word.
    pub text: String,
    /// From when on an answer comes too late (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// One certificate with the signature made by its key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CardSignature {
    /// The certificate: DER in base64 (RFC 4648 §4, padded).
    pub certificate: String,
    /// The signature over the bytes to be signed: base64, RSASSA-PKCS1-v1_5 with SHA-256.
    pub signature: String,
}

impl std::fmt::Debug for CardSignature {
    /// A 署名用 certificate carries name, birth, sex and address: never printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CardSignature(…)")
    }
}

/// Which thing held the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CardToken {
    /// マイナンバーカード (`JPKIAPICCTOKEN2`).
    Card,
    /// スマホ用電子証明書 on Android (`JPKIAPGPSETOKEN`).
    Android,
    /// The same on iPhone (`JPKIAPIOSTOKEN`).
    Iphone,
    /// None of these words.
    Other,
}

/// What the card answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CardAnswer {
    /// The challenge's session.
    pub session: String,
    /// What held the keys, as it says itself: a hint for statistics and help, never for a decision.
    pub token: CardToken,
    /// By the 利用者証明用 key. Always there.
    pub auth: CardSignature,
    /// By the 署名用 key. There exactly when the act needs it ([`CardAct::needs_signing`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<CardSignature>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CardOutcome {
    /// The state of the ceremony.
    pub state: CardState,
    /// One sentence for the person, in Japanese: what happened and where it goes on (usually: in the browser).
    pub message: String,
}

/// How far a ceremony is after the card's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CardState {
    /// Accepted; the browser that showed the ticket goes on.
    Done,
    /// Accepted, but a member of staff must look at it first (somebody very similar is registered already).
    Review,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_is_signed_is_the_word_that_is_sent() {
        for act in [CardAct::Register, CardAct::SignIn, CardAct::Replace, CardAct::StepUp] {
            assert_eq!(serde_json::to_value(act).unwrap(), act.word());
        }
    }

    #[test]
    fn a_certificate_is_not_printed() {
        let s = CardSignature { certificate: "MIIsecret".into(), signature: "c2ln".into() };
        assert!(!format!("{s:?}").contains("MII"));
    }
}
