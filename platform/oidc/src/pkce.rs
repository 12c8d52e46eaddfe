//! PKCE (RFC 7636), method `S256` only: `plain` protects against nothing that TLS does not (RFC 9700 §2.1.1).

use crate::error::{Code, OAuthError};
use crate::{b64, same_secret, sha256};

/// Checks the `code_challenge` of a request: base64url of a SHA-256.
///
/// # Errors
/// `invalid_request`, also when `code_challenge_method` is missing: RFC 7636 §4.3 would read that as `plain`.
pub fn check_challenge(challenge: &str, method: Option<&str>) -> Result<(), OAuthError> {
    if method != Some("S256") {
        return Err(OAuthError::new(Code::InvalidRequest, "code_challenge_method must be S256"));
    }
    match b64::array::<32>(challenge) {
        Some(_) => Ok(()),
        None => Err(OAuthError::new(
            Code::InvalidRequest,
            "code_challenge must be the base64url of a SHA-256: 43 characters",
        )),
    }
}

/// Whether the verifier is the one of the challenge (RFC 7636 §4.6). A verifier without a challenge is a
/// downgrade and is refused too (RFC 9700 §4.8.2).
///
/// # Errors
/// `invalid_grant`.
pub fn check_verifier(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), OAuthError> {
    let fits = match (challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(v)) => {
            let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
            (43..=128).contains(&v.len())
                && v.bytes().all(unreserved)
                && same_secret(b64::encode(sha256(v.as_bytes())).as_bytes(), challenge.as_bytes())
        }
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err(OAuthError::new(Code::InvalidGrant, "code_verifier does not belong to the request of this code"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_pair_of_the_standard() {
        assert_eq!(check_challenge(CHALLENGE, Some("S256")), Ok(()));
        assert_eq!(check_verifier(Some(CHALLENGE), Some(VERIFIER)), Ok(()));
        assert_eq!(check_verifier(None, None), Ok(()));
    }

    #[test]
    fn no_downgrade() {
        for (challenge, method) in [
            (CHALLENGE, None),
            (CHALLENGE, Some("plain")),
            (CHALLENGE, Some("s256")),
            ("short", Some("S256")),
        ] {
            assert_eq!(check_challenge(challenge, method).unwrap_err().code, Code::InvalidRequest);
        }
        let long = "a".repeat(129);
        for (challenge, verifier) in [
            (Some(CHALLENGE), None),
            (None, Some(VERIFIER)),
            (Some(CHALLENGE), Some(CHALLENGE)),
            (Some(VERIFIER), Some(VERIFIER)),
            (Some(CHALLENGE), Some("short")),
            (Some(CHALLENGE), Some(long.as_str())),
        ] {
            assert_eq!(check_verifier(challenge, verifier).unwrap_err().code, Code::InvalidGrant);
        }
    }
}
