//! What the token endpoint gives: access tokens (RFC 9068), ID tokens (Core §2), the answer (RFC 6749 §5.1).

use kenroku_types::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::b64;
use crate::jwk::Alg;
use crate::scope::Scopes;

/// `typ` of access tokens (RFC 9068 §2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";
/// `typ` of ID tokens.
pub const ID_TOKEN_TYPE: &str = "JWT";

/// Writes a NumericDate (RFC 7519 §2): whole seconds.
pub(crate) fn secs<S: Serializer>(t: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_i64(t.secs())
}

fn opt_secs<S: Serializer>(t: &Option<Timestamp>, s: S) -> Result<S::Ok, S::Error> {
    match t {
        Some(t) => s.serialize_some(&t.secs()),
        None => s.serialize_none(),
    }
}

/// The key to which a token is bound (RFC 9449 §6.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Thumbprint of the DPoP key.
    pub jkt: String,
}

/// Who acts for the person that `sub` names (RFC 8693 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Act<'a> {
    /// The one who acts, as this client knows them.
    pub sub: &'a str,
}

/// Claims of an access token (RFC 9068 §2.2).
#[derive(Clone, Debug, Serialize)]
pub struct AccessToken<'a> {
    /// Who issued it.
    pub iss: &'a str,
    /// The person as this client knows them, or the client itself (§2.2).
    pub sub: &'a str,
    /// For whom it is.
    pub aud: &'a str,
    /// To whom it was given.
    pub client_id: &'a str,
    /// What it allows.
    #[serde(skip_serializing_if = "Scopes::is_empty")]
    pub scope: &'a Scopes,
    /// Its name, for revocation.
    pub jti: &'a str,
    /// Made then.
    #[serde(serialize_with = "secs")]
    pub iat: Timestamp,
    /// Refused from then on.
    #[serde(serialize_with = "secs")]
    pub exp: Timestamp,
    /// When the person signed in (§2.2.1, RFC 9470 §6).
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "opt_secs")]
    pub auth_time: Option<Timestamp>,
    /// How (§2.2.1, RFC 9470 §6).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<&'a str>,
    /// Bound to this key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<&'a Confirmation>,
    /// The grant it stems from: ends when that ends. Private claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<&'a str>,
    /// Somebody else acts for `sub`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Act<'a>>,
}

/// Claims of an ID token (Core §2).
#[derive(Clone, Debug, Serialize)]
pub struct IdToken<'a> {
    /// Who issued it.
    pub iss: &'a str,
    /// The person as this client knows them.
    pub sub: &'a str,
    /// The client.
    pub aud: &'a str,
    /// Made then.
    #[serde(serialize_with = "secs")]
    pub iat: Timestamp,
    /// Refused from then on.
    #[serde(serialize_with = "secs")]
    pub exp: Timestamp,
    /// When the person signed in.
    #[serde(serialize_with = "secs")]
    pub auth_time: Timestamp,
    /// The request's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
    /// How surely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<&'a str>,
    /// By what (RFC 8176).
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub amr: &'a [String],
    /// The session, for logout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<&'a str>,
    /// Binds the access token to it (Core §3.1.3.6).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<&'a str>,
    /// Somebody else acts for `sub`: `auth_time`, `acr` and `amr` are theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Act<'a>>,
    /// Attributes that were asked for here and agreed to.
    #[serde(flatten)]
    pub attributes: Map<String, Value>,
}

/// `at_hash`: the left half of the hash that belongs to the algorithm (Core §3.1.3.6; SHA-512 for Ed25519).
pub fn at_hash(alg: Alg, access_token: &str) -> String {
    let of = match alg {
        Alg::Es256 | Alg::Rs256 => &ring::digest::SHA256,
        Alg::EdDsa => &ring::digest::SHA512,
    };
    let hash = ring::digest::digest(of, access_token.as_bytes());
    b64::encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}

/// The answer of the token endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct TokenAnswer {
    /// The access token.
    pub access_token: String,
    /// `Bearer` or `DPoP`.
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: u64,
    /// For the next access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Who the person is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// What was granted.
    #[serde(skip_serializing_if = "Scopes::is_empty")]
    pub scope: Scopes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_and_empty_claims_are_left_out() {
        let scope = Scopes::default();
        let t = AccessToken {
            iss: "https://o",
            sub: "s",
            aud: "https://o",
            client_id: "c",
            scope: &scope,
            jti: "j",
            iat: Timestamp::from_micros(1_999_999),
            exp: Timestamp::from_secs(601),
            auth_time: None,
            acr: None,
            cnf: None,
            gid: None,
            act: None,
        };
        let bare =
            r#"{"iss":"https://o","sub":"s","aud":"https://o","client_id":"c","jti":"j","iat":1,"exp":601}"#;
        assert_eq!(serde_json::to_string(&t).unwrap(), bare);
        let t = AccessToken { act: Some(Act { sub: "a" }), ..t };
        assert_eq!(serde_json::to_string(&t).unwrap(), bare.replace("601}", r#"601,"act":{"sub":"a"}}"#));
    }

    /// Core appendix A.3 (`id_token token`): the access token of that example and its hash.
    #[test]
    fn at_hash_of_the_standard() {
        assert_eq!(
            at_hash(Alg::Rs256, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
            "77QmUPtjPfzWtF2AnpK9RQ"
        );
    }
}
