//! DPoP (RFC 9449): a proof that the sender holds the key to which a token is bound.

use std::time::Duration;

use kenroku_types::Timestamp;
use ring::hmac;
use url::Url;

use crate::client_auth::UseOnce;
use crate::error::{Code, OAuthError};
use crate::jwk::PublicKey;
use crate::jws::Unverified;
use crate::{b64, same_secret, sha256};

/// A proof is taken so long after its `iat`; so long its `jti` is remembered.
pub const MAX_AGE: Duration = Duration::from_secs(300);
/// And so long before it, for clocks that run ahead.
pub const AHEAD: Duration = Duration::from_secs(60);
/// A nonce is given out for so long; it is taken for twice that.
pub const NONCE_SPAN: Duration = Duration::from_secs(180);

/// A proof that was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Thumbprint of its key: `jkt`.
    pub thumbprint: String,
    /// Its `jti` with the key's thumbprint: remember it, so that the proof serves once (§11.1).
    pub once: UseOnce,
    /// The server's nonce that it holds.
    pub nonce: Option<String>,
}

/// The request that a proof must be for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// The address as the client sees it, without query.
    pub url: &'a str,
    /// The access token that comes with it, at a protected resource.
    pub access_token: Option<&'a str>,
}

fn bad(why: &'static str) -> OAuthError {
    OAuthError::new(Code::InvalidDpopProof, why)
}

/// Checks a proof in every point of §4.3 but two: that its `jti` is new (a database knows), and its nonce
/// ([`Nonces::check`]).
///
/// # Errors
/// `invalid_dpop_proof`.
pub fn check(proof: &str, request: &Request<'_>, now: Timestamp) -> Result<Proof, OAuthError> {
    let token = Unverified::parse(proof).map_err(|_| bad("the DPoP header is not a signed JWT"))?;
    token.expect_type("dpop+jwt").map_err(|_| bad("typ of the proof must be dpop+jwt"))?;
    let jwk = token.header().jwk.as_ref().ok_or_else(|| bad("the proof has no jwk"))?;
    let key = PublicKey::from_jwk(jwk)
        .map_err(|_| bad("the jwk of the proof is not a public key for ES256, EdDSA or RS256"))?;
    let claims = token.verify(&key).map_err(|_| bad("the signature of the proof is not valid"))?;
    if claims.text("htm") != Some(request.method) {
        return Err(bad("htm is not the method of the request"));
    }
    if !claims.text("htu").is_some_and(|htu| same_address(htu, request.url)) {
        return Err(bad("htu is not the address of the request"));
    }
    let iat = claims.time("iat").ok_or_else(|| bad("the proof has no iat"))?;
    if iat.plus(MAX_AGE) <= now || iat > now.plus(AHEAD) {
        return Err(bad("the proof is stale or from the future"));
    }
    if let Some(token) = request.access_token {
        let ath = b64::encode(sha256(token.as_bytes()));
        if claims.text("ath") != Some(ath.as_str()) {
            return Err(bad("ath is not the hash of the access token"));
        }
    }
    let jti = claims.text("jti").filter(|j| !j.is_empty() && j.len() <= 255);
    let jti = jti.ok_or_else(|| bad("the proof has no jti"))?;
    let thumbprint = key.thumbprint();
    let once = UseOnce { id: format!("{thumbprint} {jti}"), until: iat.plus(MAX_AGE) };
    Ok(Proof { once, thumbprint, nonce: claims.text("nonce").map(ToOwned::to_owned) })
}

/// Equal without query and fragment, after the normalisation of RFC 3986 §6.2.2–3 (§4.3 point 9).
fn same_address(a: &str, b: &str) -> bool {
    let normal = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        url.set_query(None);
        url.set_fragment(None);
        Some(url)
    };
    matches!((normal(a), normal(b)), (Some(a), Some(b)) if a == b)
}

/// The server's nonces (§8): an HMAC of the time, so that every process with the same key knows them all and
/// nothing is stored.
pub struct Nonces(hmac::Key);

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces")
    }
}

impl Nonces {
    /// From a secret that all processes share.
    pub fn new(secret: &[u8; 32]) -> Self {
        Nonces(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    fn of(&self, span: i64) -> String {
        let tag = hmac::sign(&self.0, format!("dpop-nonce/1 {span}").as_bytes());
        b64::encode(&tag.as_ref()[..16])
    }

    fn span(now: Timestamp) -> i64 {
        now.secs().div_euclid(NONCE_SPAN.as_secs() as i64)
    }

    /// The nonce to use now.
    pub fn current(&self, now: Timestamp) -> String {
        self.of(Self::span(now))
    }

    /// Whether the proof holds the present nonce or the one before.
    ///
    /// # Errors
    /// `use_dpop_nonce`: answer with the header `DPoP-Nonce`.
    pub fn check(&self, proof: &Proof, now: Timestamp) -> Result<(), OAuthError> {
        let span = Self::span(now);
        let known =
            |n: &str| [span, span - 1].into_iter().any(|s| same_secret(n.as_bytes(), self.of(s).as_bytes()));
        match &proof.nonce {
            Some(nonce) if known(nonce) => Ok(()),
            _ => Err(OAuthError::new(
                Code::UseDpopNonce,
                "put the nonce of the DPoP-Nonce header into the proof",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwk::Alg;
    use crate::jws::SigningKey;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// RFC 9449 §4.1, figure 2: a proof for the token endpoint.
    const FIGURE_2: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

    #[test]
    fn the_proof_of_the_standard() {
        let request = Request { method: "POST", url: "https://server.example.com/token", access_token: None };
        let proof = check(FIGURE_2, &request, Timestamp::from_secs(1_562_262_616)).unwrap();
        // §6.1, figure 8: the jkt of that key.
        assert_eq!(proof.thumbprint, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
        assert!(proof.once.id.ends_with(" -BwC3ESc6acc2lTc"));
        // §4.3 and figure 13: the hash of that access token.
        assert_eq!(
            b64::encode(sha256(b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU")),
            "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
        );
    }

    #[test]
    fn everything_that_is_wrong_with_a_proof() {
        let (_, key) = SigningKey::generate(Alg::Es256).unwrap();
        let now = Timestamp::from_secs(1_768_350_600);
        let request =
            Request { method: "GET", url: "https://id.example/oidc/userinfo", access_token: Some("at") };
        let jwk = key.public().to_jwk();
        let header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": jwk });
        let claims = json!({
            "jti": "a", "htm": "GET", "htu": request.url, "iat": now.secs(), "ath": b64::encode(sha256(b"at"))
        });
        let ask = |h: &Value, c: &Value| check(&key.sign_with(h, c).unwrap(), &request, now);
        assert!(ask(&header, &claims).is_ok());
        let mut normalised = claims.clone();
        normalised["htu"] = json!("HTTPS://ID.example:443/oidc/userinfo?x=1#y");
        assert!(ask(&header, &normalised).is_ok());
        for (name, value) in [
            ("htm", json!("POST")),
            ("htu", json!("https://id.example/oidc/token")),
            ("htu", json!("http://id.example/oidc/userinfo")),
            ("iat", json!(now.secs() - 301)),
            ("iat", json!(now.secs() + 61)),
            ("iat", Value::Null),
            ("jti", Value::Null),
            ("ath", json!(b64::encode(sha256(b"other")))),
            ("ath", Value::Null),
        ] {
            let mut c = claims.clone();
            c[name] = value.clone();
            assert_eq!(ask(&header, &c).unwrap_err().code, Code::InvalidDpopProof, "{name} {value}");
        }
        let (_, other) = SigningKey::generate(Alg::Es256).unwrap();
        let mut private = jwk.clone();
        private["d"] = json!("AQAB");
        for (name, value) in
            [("typ", json!("JWT")), ("jwk", Value::Null), ("jwk", other.public().to_jwk()), ("jwk", private)]
        {
            let mut h = header.clone();
            h[name] = value;
            assert_eq!(ask(&h, &claims).unwrap_err().code, Code::InvalidDpopProof, "{name}");
        }
    }

    #[test]
    fn a_nonce_serves_for_two_spans_in_every_process() {
        let (a, b) = (Nonces::new(&[1; 32]), Nonces::new(&[1; 32]));
        let t = Timestamp::from_secs(1_800_000);
        let proof = |nonce: Option<String>| Proof {
            thumbprint: String::new(),
            once: UseOnce { id: String::new(), until: t },
            nonce,
        };
        let given = a.current(t);
        assert_eq!(b.check(&proof(Some(given.clone())), t.plus(NONCE_SPAN)), Ok(()));
        for (nonce, at) in [
            (Some(given), t.plus(2 * NONCE_SPAN)),
            (None, t),
            (Some("x".to_owned()), t),
            (Some(Nonces::new(&[2; 32]).current(t)), t),
        ] {
            assert_eq!(b.check(&proof(nonce), at).unwrap_err().code, Code::UseDpopNonce);
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(text in ".{0,100}") {
            let request = Request { method: "GET", url: &text, access_token: None };
            let _ = check(&text, &request, Timestamp::EPOCH);
            let _ = check(FIGURE_2, &request, Timestamp::from_secs(1_562_262_616));
        }
    }
}
