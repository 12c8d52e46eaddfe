//! Client authentication (RFC 6749 §2.3, RFC 7523 §3, Core §9).

use std::time::Duration;

use base64::Engine as _;
use kenroku_types::Timestamp;
use zeroize::Zeroizing;

use crate::client::{AuthMethod, ClientMetadata};
use crate::error::{Code, OAuthError};
use crate::jwk::KeySet;
use crate::jws::Unverified;
use crate::params::Params;
use crate::same_secret;

/// `client_assertion_type` of RFC 7523 §2.2.
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// An assertion may be valid at most this long; so long its `jti` is remembered.
pub const MAX_ASSERTION: Duration = Duration::from_secs(600);
/// How far clocks may differ.
pub const SKEW: Duration = Duration::from_secs(60);

/// What a request shows, not yet checked.
pub enum Presented {
    /// Only its id.
    Id(String),
    /// Id and secret.
    Secret {
        /// The id.
        client: String,
        /// The secret.
        secret: Zeroizing<String>,
        /// Whether in the header or in the body.
        method: AuthMethod,
    },
    /// A signed assertion.
    Assertion {
        /// The id that it claims.
        client: String,
        /// The token.
        jwt: String,
    },
}

impl std::fmt::Debug for Presented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Presented({}, {})", self.client(), self.method().name())
    }
}

fn refused(why: &'static str) -> OAuthError {
    OAuthError::new(Code::InvalidClient, why)
}

impl Presented {
    /// Finds out how the request wants to prove whose it is.
    ///
    /// # Errors
    /// `invalid_request` for two methods at once (RFC 6749 §2.3), `invalid_client` for none or a malformed one.
    pub fn read(authorization: Option<&str>, params: &Params) -> Result<Self, OAuthError> {
        let id = params.get("client_id");
        let ways = [
            authorization.is_some(),
            params.get("client_secret").is_some(),
            params.get("client_assertion").is_some(),
        ];
        if ways.into_iter().filter(|w| *w).count() > 1 {
            return Err(OAuthError::new(Code::InvalidRequest, "use one way of client authentication"));
        }
        let found = if let Some(value) = authorization {
            let (client, secret) = basic(value)?;
            Presented::Secret { client, secret, method: AuthMethod::ClientSecretBasic }
        } else if let Some(secret) = params.get("client_secret") {
            let client = id.ok_or_else(|| refused("client_id is missing"))?.to_owned();
            let secret = Zeroizing::new(secret.to_owned());
            Presented::Secret { client, secret, method: AuthMethod::ClientSecretPost }
        } else if let Some(jwt) = params.get("client_assertion") {
            if params.get("client_assertion_type") != Some(JWT_BEARER) {
                return Err(refused("client_assertion_type is not the one of RFC 7523"));
            }
            let token =
                Unverified::parse(jwt).map_err(|_| refused("client_assertion is not a signed JWT"))?;
            let client =
                token.unverified_text("sub").ok_or_else(|| refused("client_assertion has no sub"))?;
            Presented::Assertion { client, jwt: jwt.to_owned() }
        } else {
            Presented::Id(id.ok_or_else(|| refused("the client did not say who it is"))?.to_owned())
        };
        if id.is_some_and(|id| id != found.client()) {
            return Err(refused("client_id is another than the one that authenticates"));
        }
        Ok(found)
    }

    /// The client that it claims to be.
    pub fn client(&self) -> &str {
        match self {
            Presented::Id(client)
            | Presented::Secret { client, .. }
            | Presented::Assertion { client, .. } => client,
        }
    }

    /// The method used.
    pub fn method(&self) -> AuthMethod {
        match self {
            Presented::Id(_) => AuthMethod::None,
            Presented::Secret { method, .. } => *method,
            Presented::Assertion { .. } => AuthMethod::PrivateKeyJwt,
        }
    }

    /// Checks it against what the client registered. An assertion must then still be used up (its `jti`), with
    /// one statement that only one request can win.
    ///
    /// # Errors
    /// `invalid_client`. The method must be the registered one: otherwise a client with a key could be attacked
    /// by its weaker secret.
    pub fn check(&self, known: &Known<'_>, now: Timestamp) -> Result<Option<UseOnce>, OAuthError> {
        if self.method() != known.metadata.token_endpoint_auth_method || self.client() != known.id {
            return Err(refused("this client authenticates in another way"));
        }
        match self {
            Presented::Id(_) => Ok(None),
            Presented::Secret { secret, .. } => match known.secret_hash {
                Some(hash) if same_secret(&crate::sha256(secret.as_bytes()), hash) => Ok(None),
                _ => Err(refused("client authentication failed")),
            },
            Presented::Assertion { jwt, .. } => assertion(jwt, known, now).map(Some),
        }
    }
}

/// What is known of the client that a request claims to come from.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its id.
    pub id: &'a str,
    /// What it registered.
    pub metadata: &'a ClientMetadata,
    /// The keys that it publishes at its `jwks_uri`; absent for a client that registered its keys by value.
    pub keys: Option<&'a KeySet>,
    /// SHA-256 of its secret. Secrets are random with 256 bits, so a slow hash would add nothing.
    pub secret_hash: Option<&'a [u8]>,
    /// What an assertion may name as audience: our issuer, and the address that was called.
    pub audiences: &'a [&'a str],
}

/// A token that may be used once: remember `id` until `until`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UseOnce {
    /// Its `jti`.
    pub id: String,
    /// When it is refused anyway.
    pub until: Timestamp,
}

/// RFC 7523 §3
fn assertion(jwt: &str, known: &Known<'_>, now: Timestamp) -> Result<UseOnce, OAuthError> {
    let token = Unverified::parse(jwt).map_err(|_| refused("client_assertion is not a signed JWT"))?;
    let registered;
    let keys = match known.keys {
        Some(published) => published,
        None => {
            registered = known.metadata.keys().map_err(|_| refused("the client has no key registered"))?;
            &registered
        }
    };
    let claims =
        token.verify_with(keys).map_err(|_| refused("the signature of client_assertion is not valid"))?;
    if claims.text("iss") != Some(known.id) || claims.text("sub") != Some(known.id) {
        return Err(refused("iss and sub of client_assertion must be the client_id"));
    }
    // One audience that is ours: an assertion made for another server as well could be passed on to us.
    match claims.audiences().as_slice() {
        [one] if known.audiences.contains(one) => {}
        _ => return Err(refused("aud of client_assertion must be the issuer alone")),
    }
    let exp = claims.time("exp").ok_or_else(|| refused("client_assertion has no exp"))?;
    if exp.plus(SKEW) <= now {
        return Err(refused("client_assertion has expired"));
    }
    if exp > now.plus(MAX_ASSERTION) {
        return Err(refused("client_assertion is valid for too long: at most 10 minutes"));
    }
    if ["nbf", "iat"].iter().any(|c| claims.time(c).is_some_and(|t| t > now.plus(SKEW))) {
        return Err(refused("client_assertion is not valid yet"));
    }
    match claims.text("jti") {
        Some(id) if !id.is_empty() && id.len() <= 255 => {
            Ok(UseOnce { id: id.to_owned(), until: exp.plus(SKEW) })
        }
        _ => Err(refused("client_assertion has no jti")),
    }
}

/// `Basic`, both parts form-encoded before (RFC 6749 §2.3.1).
fn basic(value: &str) -> Result<(String, Zeroizing<String>), OAuthError> {
    let bad = || refused("the Authorization header is not Basic with client id and secret");
    let (scheme, rest) = value.split_once(' ').ok_or_else(bad)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(bad());
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(rest.trim()).map_err(|_| bad())?;
    let text = Zeroizing::new(String::from_utf8(bytes).map_err(|_| bad())?);
    let (id, secret) = text.split_once(':').ok_or_else(bad)?;
    Ok((form_decoded(id).ok_or_else(bad)?, Zeroizing::new(form_decoded(secret).ok_or_else(bad)?)))
}

fn form_decoded(text: &str) -> Option<String> {
    if text.contains(['&', '=']) {
        return None;
    }
    let pair = format!("x={text}");
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, v)| v.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwk::Alg;
    use crate::jws::SigningKey;
    use serde_json::{Value, json};

    const NOW: Timestamp = Timestamp::from_secs(1_768_350_600);
    const AUD: [&str; 2] = ["https://id.example", "https://id.example/oidc/token"];

    fn metadata(method: &str, jwks: Value) -> ClientMetadata {
        serde_json::from_value(json!({ "token_endpoint_auth_method": method, "jwks": jwks })).unwrap()
    }

    fn basic_of(id: &str, secret: &str) -> String {
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
    }

    #[test]
    fn secrets_in_the_registered_place_only() {
        let m = metadata("client_secret_basic", Value::Null);
        let hash = crate::sha256(b"s3 cret");
        let known = Known { id: "rp", metadata: &m, keys: None, secret_hash: Some(&hash), audiences: &AUD };
        let none = Params::default();
        // RFC 6749 §2.3.1: the space is encoded before Base64.
        let right = Presented::read(Some(&basic_of("rp", "s3+cret")), &none).unwrap();
        assert_eq!(right.check(&known, NOW), Ok(None));
        let wrong = Presented::read(Some(&basic_of("rp", "other")), &none).unwrap();
        assert_eq!(wrong.check(&known, NOW).unwrap_err().code, Code::InvalidClient);
        let post = Params::from_iter([("client_id", "rp"), ("client_secret", "s3 cret")]);
        let post = Presented::read(None, &post).unwrap();
        assert_eq!(
            post.check(&known, NOW).unwrap_err().code,
            Code::InvalidClient,
            "registered for the header"
        );
        let bare = Presented::read(None, &Params::from_iter([("client_id", "rp")])).unwrap();
        assert_eq!(bare.check(&known, NOW).unwrap_err().code, Code::InvalidClient, "no proof");
    }

    #[test]
    fn one_way_and_one_identity() {
        let both = Params::from_iter([("client_id", "rp"), ("client_secret", "x")]);
        assert_eq!(
            Presented::read(Some(&basic_of("rp", "x")), &both).unwrap_err().code,
            Code::InvalidRequest
        );
        let other = Params::from_iter([("client_id", "other")]);
        assert_eq!(
            Presented::read(Some(&basic_of("rp", "x")), &other).unwrap_err().code,
            Code::InvalidClient
        );
        for bad in ["Basic", "Bearer x", "Basic !!", "Basic eA=="] {
            assert_eq!(
                Presented::read(Some(bad), &Params::default()).unwrap_err().code,
                Code::InvalidClient,
                "{bad}"
            );
        }
        assert_eq!(Presented::read(None, &Params::default()).unwrap_err().code, Code::InvalidClient);
    }

    #[test]
    fn assertions_and_everything_that_is_wrong_with_them() {
        let (_, key) = SigningKey::generate(Alg::Es256).unwrap();
        let (_, foreign) = SigningKey::generate(Alg::Es256).unwrap();
        let m = metadata("private_key_jwt", json!({ "keys": [key.public().to_jwk()] }));
        let known = Known { id: "rp", metadata: &m, keys: None, secret_hash: None, audiences: &AUD };
        let now = NOW.secs();
        let good =
            json!({ "iss": "rp", "sub": "rp", "aud": AUD[0], "jti": "a", "iat": now, "exp": now + 60 });
        let ask = |key: &SigningKey, claims: &Value| {
            let jwt = key.sign("JWT", claims).unwrap();
            let p = Params::from_iter([
                ("client_assertion", jwt.as_str()),
                ("client_assertion_type", JWT_BEARER),
            ]);
            Presented::read(None, &p)?.check(&known, NOW)
        };
        let used = ask(&key, &good).unwrap().unwrap();
        assert_eq!((used.id.as_str(), used.until), ("a", Timestamp::from_secs(now + 120)));
        assert_eq!(ask(&foreign, &good).unwrap_err().code, Code::InvalidClient);
        for (name, value) in [
            ("iss", json!("x")),
            ("sub", json!("x")),
            ("aud", json!("https://other.example")),
            ("aud", json!([AUD[0], "https://other.example"])),
            ("aud", Value::Null),
            ("exp", json!(now - 61)),
            ("exp", json!(now + 3600)),
            ("exp", Value::Null),
            ("nbf", json!(now + 120)),
            ("jti", Value::Null),
            ("jti", json!("")),
        ] {
            let mut claims = good.clone();
            claims[name] = value.clone();
            assert_eq!(ask(&key, &claims).unwrap_err().code, Code::InvalidClient, "{name} {value}");
        }
        let untyped = Params::from_iter([("client_assertion", key.sign("JWT", &good).unwrap())]);
        assert_eq!(Presented::read(None, &untyped).unwrap_err().code, Code::InvalidClient);
    }
}
