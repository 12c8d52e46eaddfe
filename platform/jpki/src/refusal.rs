//! Why something was refused: one variant per rule, none of them with anything about the person.

use kenroku_types::{Problem, Timestamp};

use crate::attributes::AttributeError;
use crate::challenge::ChallengeError;
use crate::revocation::{Reason, SourceError};

/// Why a certificate, a signature or its state is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not the DER that RFC 5280 prescribes.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// Far longer than any certificate of this hierarchy.
    #[error("the certificate is too long")]
    TooLong,
    /// SHA-1 and everything else that is not accepted.
    #[error("the signature algorithm {0} is not accepted")]
    SignatureAlgorithm(String),
    /// Neither RSA nor a configured curve.
    #[error("the key algorithm {0} is not accepted")]
    KeyAlgorithm(String),
    /// Not exactly 2048 bits.
    #[error("the RSA key has not exactly 2048 bits")]
    KeySize,
    /// Not 65537.
    #[error("the RSA key's exponent is not 65537")]
    KeyExponent,
    /// A CA's certificate where a person's is expected.
    #[error("the certificate is a CA's")]
    IsCa,
    /// Signed by itself.
    #[error("the certificate is signed by itself")]
    SelfSigned,
    /// keyUsage is absent, not critical, or not exactly this kind's: the other certificate of the card was used.
    #[error("the certificate is not for this use")]
    KeyUsage,
    /// certificatePolicies is absent, not critical, or not exactly the expected policy.
    #[error("the certificate was not issued under the expected policy")]
    Policy,
    /// A critical extension that we do not understand (RFC 5280 §4.2).
    #[error("the critical extension {0} is not known")]
    UnknownCritical(String),
    /// The same extension twice (RFC 5280 §4.2).
    #[error("the extension {0} occurs twice")]
    DuplicateExtension(String),
    /// The same attribute twice: two readers could see two different people.
    #[error("the attribute {0} occurs twice")]
    DuplicateAttribute(String),
    /// The attributes cannot be read.
    #[error(transparent)]
    Attributes(#[from] AttributeError),
    /// No pinned CA has the name and key that the certificate names.
    #[error("no accepted CA issued the certificate")]
    UnknownIssuer,
    /// The CA that the certificate names did not sign it.
    #[error("the CA's signature on the certificate is wrong")]
    IssuerSignature,
    /// Not valid yet.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// Not valid any more.
    #[error("the certificate has expired")]
    Expired,
    /// The CA's own certificate is not valid yet.
    #[error("the CA's certificate is not valid yet")]
    IssuerNotYetValid,
    /// The CA's own certificate has expired: the card is of a generation that has ended.
    #[error("the CA's certificate has expired")]
    IssuerExpired,
    /// The signature is not this certificate's over this challenge.
    #[error("the signature does not fit the certificate and the text")]
    Signature,
    /// A document that begins like a challenge.
    #[error("the document begins like a sign-in challenge")]
    Domain,
    /// The challenge cannot be used.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
    /// Revoked by its CA.
    #[error("the certificate was revoked")]
    Revoked {
        /// Since when, if the source says so.
        since: Option<Timestamp>,
        /// Why.
        reason: Reason,
    },
    /// Nobody could be asked, or the answer cannot be trusted.
    #[error("the state of the certificate cannot be learned: {0}")]
    StateUnknown(SourceError),
    /// The newest data is older than allowed.
    #[error("the revocation data is too old")]
    StateStale,
    /// Registration while the revocation state was checked under disaster rules only.
    #[error("registration needs a full check of the certificates' state")]
    Relaxed,
    /// The two certificates of a registration answered different challenges.
    #[error("the two certificates did not sign the same challenge")]
    Mixed,
}

impl Refusal {
    /// The stable code, part of the contract.
    pub const fn code(&self) -> &'static str {
        match self {
            Refusal::Malformed(_) => "jpki.malformed",
            Refusal::TooLong => "jpki.too-long",
            Refusal::SignatureAlgorithm(_) => "jpki.signature-algorithm",
            Refusal::KeyAlgorithm(_) => "jpki.key-algorithm",
            Refusal::KeySize => "jpki.key-size",
            Refusal::KeyExponent => "jpki.key-exponent",
            Refusal::IsCa => "jpki.is-ca",
            Refusal::SelfSigned => "jpki.self-signed",
            Refusal::KeyUsage => "jpki.key-usage",
            Refusal::Policy => "jpki.policy",
            Refusal::UnknownCritical(_) => "jpki.unknown-critical",
            Refusal::DuplicateExtension(_) => "jpki.duplicate-extension",
            Refusal::DuplicateAttribute(_) => "jpki.duplicate-attribute",
            Refusal::Attributes(_) => "jpki.attributes",
            Refusal::UnknownIssuer => "jpki.unknown-issuer",
            Refusal::IssuerSignature => "jpki.issuer-signature",
            Refusal::NotYetValid => "jpki.not-yet-valid",
            Refusal::Expired => "jpki.expired",
            Refusal::IssuerNotYetValid => "jpki.issuer-not-yet-valid",
            Refusal::IssuerExpired => "jpki.issuer-expired",
            Refusal::Signature => "jpki.signature",
            Refusal::Domain => "jpki.domain",
            Refusal::Challenge(ChallengeError::Form(_)) => "jpki.challenge-form",
            Refusal::Challenge(ChallengeError::Used) => "jpki.challenge-used",
            Refusal::Challenge(ChallengeError::Late) => "jpki.challenge-late",
            Refusal::Revoked { .. } => "jpki.revoked",
            Refusal::StateUnknown(_) => "jpki.state-unknown",
            Refusal::StateStale => "jpki.state-stale",
            Refusal::Relaxed => "jpki.relaxed",
            Refusal::Mixed => "jpki.mixed",
        }
    }
}

impl From<Refusal> for Problem {
    /// 400 for what cannot be read, 410 for what has ended, 503 for what cannot be learned now, else 401.
    fn from(refusal: Refusal) -> Problem {
        let (status, title, next) = match &refusal {
            Refusal::Malformed(_) | Refusal::TooLong | Refusal::Challenge(ChallengeError::Form(_)) => (
                400,
                "The certificate or request cannot be read",
                "Use the newest version of the card program; tell the operator the request id if it happens again.",
            ),
            Refusal::Challenge(_) => {
                (410, "The request to sign has ended", "Begin again: the page gives a new code.")
            }
            Refusal::Revoked { .. } | Refusal::Expired | Refusal::IssuerExpired => (
                410,
                "The certificate is not valid any more",
                "Have the certificates of the card renewed at the municipal office, or register again with the new card.",
            ),
            Refusal::StateUnknown(_) | Refusal::StateStale | Refusal::Relaxed => (
                503,
                "The state of the certificate cannot be learned at present",
                "Try again later; at a counter, ask the staff.",
            ),
            Refusal::KeyUsage => (
                401,
                "The other certificate of the card is needed here",
                "Use the certificate that the page asks for.",
            ),
            _ => (
                401,
                "The card's answer is not accepted",
                "Try again; if it happens again, ask at the municipal office.",
            ),
        };
        let problem = Problem::new(status, refusal.code(), title).next(next).because(&refusal);
        if status == 503 { problem.retry_after(60) } else { problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_keeps_the_cause_for_the_log_only() {
        let p = Problem::from(Refusal::StateUnknown(SourceError::Unavailable("10.0.0.7 refused".into())));
        assert_eq!((p.status, p.code.as_ref(), p.retry_after), (503, "jpki.state-unknown", Some(60)));
        assert!(p.cause.contains("10.0.0.7") && p.detail.is_empty());
        assert_eq!(Problem::from(Refusal::Signature).status, 401);
        assert_eq!(Problem::from(ChallengeError::Late.into_refusal()).status, 410);
    }

    impl ChallengeError {
        fn into_refusal(self) -> Refusal {
            self.into()
        }
    }
}
