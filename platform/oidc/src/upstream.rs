//! The other side of the table: what a relying party sends to an upstream provider and checks in its answers
//! (Core §3.1, RFC 7636, RFC 9207, RFC 7523 §2.2).
//!
//! An [`Attempt`] is made for one sign-in and kept on the server. Its `state` finds it again, its `nonce` must stand in
//! the ID token, its verifier redeems the code. Whoever loads it for a callback must have deleted it with the same
//! statement: an attempt is good once.

use std::time::Duration;

use kenroku_types::{Rng, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::{Host, Url};

use crate::jwk::{Alg, KeySet};
use crate::jws::{Claims, JwsError, SigningKey, Unverified};
use crate::params::Params;
use crate::scope::Scopes;
use crate::{b64, same_secret, sha256};

/// How far clocks may differ.
pub const SKEW: Duration = Duration::from_secs(60);
/// An ID token straight from the token endpoint is not older than this.
pub const MAX_AGE: Duration = Duration::from_secs(600);
/// Life of a client assertion: short, it is made for one call.
const ASSERTION_LIFE: Duration = Duration::from_secs(60);

/// Why an upstream's answer is not taken. The texts are for the operator's log; a person is told to try again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// Its description of itself cannot be used.
    #[error("the provider's metadata cannot be used: {0}")]
    Metadata(&'static str),
    /// It answered with an error; the code is the provider's (RFC 6749 §4.1.2.1).
    #[error("the provider refused: {0}")]
    Refused(String),
    /// The answer does not belong to this attempt, or comes from somebody else.
    #[error("the answer does not belong to this attempt: {0}")]
    Foreign(&'static str),
    /// The ID token fails a check of Core §3.1.3.7.
    #[error("the ID token is not taken: {0}")]
    Token(&'static str),
}

type Result<T> = std::result::Result<T, UpstreamError>;

/// What we use of an upstream's metadata (OpenID Connect Discovery 1.0 §3, RFC 8414 §2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Its issuer, letter by letter what ID tokens must say.
    pub issuer: String,
    /// Where people are sent.
    pub authorization_endpoint: String,
    /// Where codes are redeemed.
    pub token_endpoint: String,
    /// Its keys.
    pub jwks_uri: String,
    /// Further claims.
    pub userinfo_endpoint: Option<String>,
    /// Where tokens are given back (RFC 7009), if it takes them.
    pub revocation_endpoint: Option<String>,
    /// Whether answers carry `iss` (RFC 9207 §3).
    pub names_itself: bool,
}

impl Metadata {
    /// Reads the document that was fetched for `issuer`.
    ///
    /// # Errors
    /// [`UpstreamError::Metadata`] when it speaks for another issuer (RFC 8414 §3.3), lacks what we need, sends us
    /// over plain HTTP to anywhere but this machine, or does not know PKCE with S256.
    pub fn read(issuer: &str, document: &Value) -> Result<Self> {
        let bad = UpstreamError::Metadata;
        if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err(bad("issuer is another than the configured one"));
        }
        let address = |name: &'static str| document.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let need = |name: &'static str, why| address(name).filter(|a| is_safe(a)).ok_or(bad(why));
        let methods = document.get("code_challenge_methods_supported").and_then(Value::as_array);
        // Absent means unknown (many providers leave it out and still check); present without S256 means no.
        if methods.is_some_and(|m| !m.iter().any(|m| m == "S256")) {
            return Err(bad("code_challenge_methods_supported lacks S256"));
        }
        Ok(Metadata {
            issuer: issuer.to_owned(),
            authorization_endpoint: need(
                "authorization_endpoint",
                "authorization_endpoint is missing or not https",
            )?,
            token_endpoint: need("token_endpoint", "token_endpoint is missing or not https")?,
            jwks_uri: need("jwks_uri", "jwks_uri is missing or not https")?,
            userinfo_endpoint: address("userinfo_endpoint").filter(|a| is_safe(a)),
            revocation_endpoint: address("revocation_endpoint").filter(|a| is_safe(a)),
            names_itself: document.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
        })
    }
}

fn is_safe(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let here = match url.host() {
        Some(Host::Ipv4(a)) => a.is_loopback(),
        Some(Host::Ipv6(a)) => a.is_loopback(),
        Some(Host::Domain(d)) => d == "localhost",
        None => return false,
    };
    url.fragment().is_none() && (url.scheme() == "https" || (url.scheme() == "http" && here))
}

/// How we are known at an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Our id there.
    pub client_id: String,
    /// Where it sends people back, letter by letter as registered.
    pub redirect_uri: String,
    /// What we ask for, `openid` among it.
    pub scopes: Scopes,
    /// Algorithms of its ID tokens that we take. A closed list: the token's header chooses nothing.
    pub algs: Vec<Alg>,
}

/// Secrets of one attempt to sign in at an upstream. Kept on the server only, good once.
#[derive(Clone, Serialize, Deserialize)]
pub struct Attempt {
    /// Finds the attempt again, and ties the answer to the browser that began it.
    pub state: String,
    /// Must stand in the ID token (Core §3.1.2.1).
    pub nonce: String,
    /// Redeems the code (RFC 7636 §4.1).
    verifier: String,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attempt(…)")
    }
}

/// What one request asks for beyond the registration.
#[derive(Clone, Debug, Default)]
pub struct Ask<'a> {
    /// Contexts of authentication, the best first.
    pub acr_values: &'a [&'a str],
    /// The person must have signed in within this time; zero asks anew.
    pub max_age: Option<Duration>,
    /// Languages of the provider's pages.
    pub ui_locales: &'a [&'a str],
    /// Further parameters of one provider, such as `sign_transaction_id`.
    pub extra: &'a [(&'a str, &'a str)],
}

impl Attempt {
    /// Fresh secrets: 256 bits each, base64url, so 43 characters of the narrowest alphabet that providers allow.
    pub fn new(rng: &Rng) -> Self {
        let secret = || b64::encode(rng.bytes::<32>());
        Attempt { state: secret(), nonce: secret(), verifier: secret() }
    }

    /// Where to send the browser.
    ///
    /// # Errors
    /// [`UpstreamError::Metadata`] when the endpoint is no address.
    pub fn address(&self, of: &Metadata, us: &Registration, ask: &Ask<'_>) -> Result<String> {
        let mut url = Url::parse(&of.authorization_endpoint)
            .map_err(|_| UpstreamError::Metadata("authorization_endpoint is no address"))?;
        let mut q = url.query_pairs_mut();
        q.append_pair("response_type", "code")
            .append_pair("client_id", &us.client_id)
            .append_pair("redirect_uri", &us.redirect_uri)
            .append_pair("scope", &us.scopes.to_string())
            .append_pair("state", &self.state)
            .append_pair("nonce", &self.nonce)
            .append_pair("code_challenge", &b64::encode(sha256(self.verifier.as_bytes())))
            .append_pair("code_challenge_method", "S256");
        if !ask.acr_values.is_empty() {
            q.append_pair("acr_values", &ask.acr_values.join(" "));
        }
        if let Some(age) = ask.max_age {
            q.append_pair("max_age", &age.as_secs().to_string());
        }
        if !ask.ui_locales.is_empty() {
            q.append_pair("ui_locales", &ask.ui_locales.join(" "));
        }
        for (name, value) in ask.extra {
            q.append_pair(name, value);
        }
        drop(q);
        Ok(url.into())
    }

    /// Checks the answer that the browser brought and gives the code.
    ///
    /// # Errors
    /// [`UpstreamError::Foreign`] for another `state` or issuer (mix-up, RFC 9700 §4.4), [`UpstreamError::Refused`].
    pub fn answer<'a>(&self, of: &Metadata, params: &'a Params) -> Result<&'a str> {
        let state = params.get("state").unwrap_or_default();
        if !same_secret(state.as_bytes(), self.state.as_bytes()) {
            return Err(UpstreamError::Foreign("state"));
        }
        // RFC 9207 §2.4: compared when it is there, and it must be there when the provider says that it sends it.
        match params.get("iss") {
            Some(iss) if iss == of.issuer => {}
            None if !of.names_itself => {}
            _ => return Err(UpstreamError::Foreign("iss")),
        }
        if let Some(error) = params.get("error") {
            let printable = |c: &char| c.is_ascii_graphic();
            return Err(UpstreamError::Refused(error.chars().filter(printable).take(64).collect()));
        }
        params.get("code").ok_or(UpstreamError::Foreign("there is no code"))
    }

    /// The form that redeems the code; client authentication is added to it.
    pub fn redeem(&self, us: &Registration, code: &str) -> Vec<(&'static str, String)> {
        vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("redirect_uri", us.redirect_uri.clone()),
            ("client_id", us.client_id.clone()),
            ("code_verifier", self.verifier.clone()),
        ]
    }

    /// Checks an ID token (Core §3.1.3.7) and says who it is about.
    ///
    /// # Errors
    /// [`UpstreamError::Token`].
    pub fn person(
        &self,
        token: &str,
        keys: &KeySet,
        of: &Metadata,
        us: &Registration,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Person> {
        let bad = UpstreamError::Token;
        let token = Unverified::parse(token).map_err(|_| bad("it is not a signed JWT"))?;
        if !us.algs.iter().any(|a| a.is_named(&token.header().alg)) {
            return Err(bad("its algorithm is not one that was agreed"));
        }
        let claims = token.verify_with(keys).map_err(|_| bad("its signature is not valid"))?;
        if claims.text("iss") != Some(of.issuer.as_str()) {
            return Err(bad("iss"));
        }
        // Audiences that we do not trust must lead to refusal (point 3), and we trust only ourselves.
        if claims.audiences() != [us.client_id.as_str()]
            || claims.get("azp").is_some_and(|a| a != us.client_id.as_str())
        {
            return Err(bad("aud"));
        }
        if claims.time("exp").is_none_or(|t| t.plus(SKEW) <= now) {
            return Err(bad("exp"));
        }
        if claims.time("iat").is_none_or(|t| t > now.plus(SKEW) || t.plus(MAX_AGE) <= now) {
            return Err(bad("iat"));
        }
        let nonce = claims.text("nonce").unwrap_or_default();
        if !same_secret(nonce.as_bytes(), self.nonce.as_bytes()) {
            return Err(bad("nonce"));
        }
        let auth_time = claims.time("auth_time");
        if let Some(age) = ask.max_age
            && auth_time.is_none_or(|t| t > now.plus(SKEW) || t.plus(age + SKEW + MAX_AGE) <= now)
        {
            return Err(bad("auth_time"));
        }
        // Core §2: at most 255 ASCII characters. An empty or missing one would tie the link to nobody.
        let sub = claims.text("sub").filter(|s| !s.is_empty() && s.len() <= 255 && s.is_ascii());
        let sub = sub.ok_or(bad("sub"))?.to_owned();
        Ok(Person { issuer: of.issuer.clone(), sub, auth_time, claims })
    }
}

/// Who an upstream says it is: the pair of issuer and subject, nothing less (Core §5.7).
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Who says it.
    pub issuer: String,
    /// The person as that issuer names them to us.
    pub sub: String,
    /// When they signed in there.
    pub auth_time: Option<Timestamp>,
    claims: Claims,
}

impl Person {
    /// A text claim of the ID token.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claims.text(name)
    }

    /// The claims of a userinfo answer.
    ///
    /// # Errors
    /// [`UpstreamError::Token`] when it is about somebody else (Core §5.3.2).
    pub fn userinfo(&self, answer: &Value) -> Result<Map<String, Value>> {
        match answer.as_object() {
            Some(claims) if claims.get("sub").and_then(Value::as_str) == Some(self.sub.as_str()) => {
                Ok(claims.clone())
            }
            _ => Err(UpstreamError::Token("userinfo is about somebody else")),
        }
    }
}

/// The signed assertion by which we authenticate (`private_key_jwt`, Core §9). `audience`: the token endpoint or the
/// issuer, as the provider wants it.
///
/// # Errors
/// When signing fails.
pub fn client_assertion(
    key: &SigningKey,
    client_id: &str,
    audience: &str,
    rng: &Rng,
    now: Timestamp,
) -> std::result::Result<String, JwsError> {
    let claims = json!({
        "iss": client_id, "sub": client_id, "aud": audience,
        "jti": b64::encode(rng.bytes::<16>()),
        "iat": now.secs(), "exp": now.plus(ASSERTION_LIFE).secs(),
    });
    key.sign("JWT", &claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_768_350_600);
    const ISS: &str = "https://id.example";

    fn metadata(change: impl FnOnce(&mut Value)) -> Result<Metadata> {
        let mut doc = json!({
            "issuer": ISS,
            "authorization_endpoint": "https://id.example/auth?tenant=a",
            "token_endpoint": "https://id.example/token",
            "jwks_uri": "https://id.example/certs",
            "code_challenge_methods_supported": ["plain", "S256"],
            "authorization_response_iss_parameter_supported": true,
        });
        change(&mut doc);
        Metadata::read(ISS, &doc)
    }

    fn us() -> Registration {
        Registration {
            client_id: "kenroku".to_owned(),
            redirect_uri: "https://portal.example/id/upstream/back".to_owned(),
            scopes: Scopes::parse("openid name").unwrap(),
            algs: vec![Alg::Es256],
        }
    }

    #[test]
    fn metadata_speaks_for_its_issuer_over_https() {
        assert!(metadata(|_| {}).is_ok());
        assert!(metadata(|d| d["token_endpoint"] = json!("http://127.0.0.1:9/token")).is_ok());
        let cases: [(&str, Value); 5] = [
            ("issuer", json!("https://id.example/")),
            ("token_endpoint", json!("http://id.example/token")),
            ("jwks_uri", Value::Null),
            ("authorization_endpoint", json!("javascript:alert(1)")),
            ("code_challenge_methods_supported", json!(["plain"])),
        ];
        for (name, value) in cases {
            assert!(metadata(|d| d[name] = value).is_err(), "{name}");
        }
    }

    #[test]
    fn a_request_carries_what_the_answer_is_checked_by() {
        let a = Attempt::new(&Rng::seeded(1));
        let ask = Ask { acr_values: &["aal3", "crl"], max_age: Some(Duration::ZERO), ..Ask::default() };
        let url = Url::parse(&a.address(&metadata(|_| {}).unwrap(), &us(), &ask).unwrap()).unwrap();
        let p = Params::parse(url.query().unwrap()).unwrap();
        assert_eq!(
            (p.get("tenant"), p.get("scope"), p.get("acr_values"), p.get("max_age")),
            (Some("a"), Some("name openid"), Some("aal3 crl"), Some("0"))
        );
        let verifier = a.redeem(&us(), "c").into_iter().find(|(n, _)| *n == "code_verifier").unwrap().1;
        crate::pkce::check_challenge(p.get("code_challenge").unwrap(), p.get("code_challenge_method"))
            .unwrap();
        crate::pkce::check_verifier(p.get("code_challenge"), Some(&verifier)).unwrap();
    }

    #[test]
    fn answers_of_others_are_refused_and_our_own_is_taken() {
        let (a, of) = (Attempt::new(&Rng::seeded(1)), metadata(|_| {}).unwrap());
        let silent =
            metadata(|d| d["authorization_response_iss_parameter_supported"] = json!(false)).unwrap();
        let params = |pairs: &[(&str, &str)]| pairs.iter().copied().collect::<Params>();
        let good = params(&[("state", &a.state), ("iss", ISS), ("code", "c1")]);
        assert_eq!(a.answer(&of, &good), Ok("c1"));
        let without = params(&[("state", &a.state), ("code", "c1")]);
        assert_eq!(a.answer(&silent, &without), Ok("c1"));
        assert_eq!(a.answer(&of, &without), Err(UpstreamError::Foreign("iss")));
        let other = params(&[("state", &a.state), ("iss", "https://evil.example"), ("code", "c1")]);
        assert_eq!(a.answer(&silent, &other), Err(UpstreamError::Foreign("iss")), "mix-up");
        let forged = params(&[("state", "x"), ("iss", ISS), ("code", "c1")]);
        assert_eq!(a.answer(&of, &forged), Err(UpstreamError::Foreign("state")));
        let error = params(&[("state", &a.state), ("iss", ISS), ("error", "access_denied\n<b>")]);
        assert_eq!(a.answer(&of, &error), Err(UpstreamError::Refused("access_denied<b>".to_owned())));
    }

    #[test]
    fn each_check_of_the_id_token_refuses_alone() {
        let (a, of) = (Attempt::new(&Rng::seeded(1)), metadata(|_| {}).unwrap());
        let (_, key) = SigningKey::generate(Alg::Es256).unwrap();
        let (_, other) = SigningKey::generate(Alg::Es256).unwrap();
        let (_, ed) = SigningKey::generate(Alg::EdDsa).unwrap();
        let keys =
            KeySet::from_jwks(&json!({ "keys": [key.public().to_jwk(), ed.public().to_jwk()] })).unwrap();
        let ask = Ask { max_age: Some(Duration::from_secs(60)), ..Ask::default() };
        let claims = json!({
            "iss": ISS, "aud": "kenroku", "sub": "s1", "nonce": a.nonce,
            "iat": NOW.secs(), "exp": NOW.secs() + 300, "auth_time": NOW.secs() - 5, "name": "模擬 花子",
        });
        let person = |key: &SigningKey, claims: &Value| {
            a.person(&key.sign("JWT", claims).unwrap(), &keys, &of, &us(), &ask, NOW)
        };
        let p = person(&key, &claims).unwrap();
        assert_eq!((p.issuer.as_str(), p.sub.as_str(), p.text("name")), (ISS, "s1", Some("模擬 花子")));
        assert!(p.userinfo(&json!({ "sub": "s1" })).is_ok() && p.userinfo(&json!({ "sub": "s2" })).is_err());
        assert!(p.userinfo(&json!({})).is_err());
        let changed = |name: &str, value: Value| {
            let mut c = claims.clone();
            c[name] = value;
            person(&key, &c)
        };
        assert!(changed("aud", json!(["kenroku"])).is_ok());
        let wrong: [(&str, Value); 13] = [
            ("iss", json!("https://id.example/")),
            ("aud", json!("other")),
            ("aud", json!(["kenroku", "other"])),
            ("azp", json!("other")),
            ("nonce", json!("x")),
            ("nonce", Value::Null),
            ("sub", json!("")),
            ("sub", Value::Null),
            ("sub", json!("雪")),
            ("exp", json!(NOW.secs() - 61)),
            ("iat", json!(NOW.secs() - 700)),
            ("iat", json!(NOW.secs() + 120)),
            ("auth_time", json!(NOW.secs() - 3600)),
        ];
        for (name, value) in wrong {
            assert!(changed(name, value.clone()).is_err(), "{name} = {value}");
        }
        assert_eq!(person(&other, &claims), Err(UpstreamError::Token("its signature is not valid")));
        assert_eq!(
            person(&ed, &claims),
            Err(UpstreamError::Token("its algorithm is not one that was agreed"))
        );
    }
}
