//! JWS in compact form (RFC 7515) and the claims of a JWT (RFC 7519), after the best practice of RFC 8725.

use std::fmt;

use kenroku_types::Timestamp;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaKeyPair;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::b64;
use crate::jwk::{Alg, KeySet, PublicKey};

/// Longest token that is read, in bytes.
pub const MAX_TOKEN: usize = 16 * 1024;

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Not three base64url parts of JSON, or too long.
    #[error("it is not a signed token in compact form")]
    Form,
    /// `crit` names something that is not understood (RFC 7515 §4.1.11).
    #[error("the header needs something that is not understood here")]
    Critical,
    /// `typ` is another kind of token (RFC 8725 §3.11).
    #[error("the token is of another type")]
    Type,
    /// No key fits its `alg` and `kid`, or none signed it.
    #[error("the signature is not valid")]
    Signature,
    /// The key could not be read or made.
    #[error("the key cannot be used")]
    Key,
}

/// The header members that mean something here (RFC 7515 §4.1). `jku`, `x5u` and `x5c` are never followed.
#[derive(Clone, Debug, Deserialize)]
pub struct Header {
    /// Compared with the key's, never obeyed.
    pub alg: String,
    /// What kind of token it is.
    #[serde(default)]
    pub typ: Option<String>,
    /// Which key signed it.
    #[serde(default)]
    pub kid: Option<String>,
    /// The key itself; only DPoP proofs may carry one.
    #[serde(default)]
    pub jwk: Option<Value>,
    #[serde(default)]
    crit: Option<Value>,
}

/// A token in its three parts, not yet to be believed.
#[derive(Debug)]
pub struct Unverified<'a> {
    header: Header,
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`JwsError::Form`], [`JwsError::Critical`].
    pub fn parse(token: &'a str) -> Result<Self, JwsError> {
        if token.len() > MAX_TOKEN {
            return Err(JwsError::Form);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwsError::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(JwsError::Form)?;
        let part = |text: &str| b64::decode(text).ok_or(JwsError::Form);
        let header: Header = serde_json::from_slice(&part(header)?).map_err(|_| JwsError::Form)?;
        if header.crit.is_some() {
            return Err(JwsError::Critical);
        }
        Ok(Unverified { header, signed, payload: part(payload)?, signature: part(signature)? })
    }

    /// Its header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// A text claim before verification, only to find out whose key must verify it.
    pub fn unverified_text(&self, name: &str) -> Option<String> {
        let claims: Map<String, Value> = serde_json::from_slice(&self.payload).ok()?;
        claims.get(name)?.as_str().map(ToOwned::to_owned)
    }

    /// Its claims, when this key signed it and its `alg` is the key's.
    ///
    /// # Errors
    /// [`JwsError::Signature`], [`JwsError::Form`].
    pub fn verify(&self, key: &PublicKey) -> Result<Claims, JwsError> {
        if !key.alg().is_named(&self.header.alg) || !key.verify(self.signed.as_bytes(), &self.signature) {
            return Err(JwsError::Signature);
        }
        serde_json::from_slice(&self.payload).map(Claims).map_err(|_| JwsError::Form)
    }

    /// Its claims, when one of these keys signed it.
    ///
    /// # Errors
    /// As [`Unverified::verify`].
    pub fn verify_with(&self, keys: &KeySet) -> Result<Claims, JwsError> {
        keys.candidates(&self.header.alg, self.header.kid.as_deref())
            .find_map(|k| self.verify(k).ok())
            .ok_or(JwsError::Signature)
    }

    /// Refuses another `typ`; a leading `application/` is left out in comparing (RFC 7515 §4.1.9).
    ///
    /// # Errors
    /// [`JwsError::Type`].
    pub fn expect_type(&self, typ: &str) -> Result<(), JwsError> {
        let own = self.header.typ.as_deref().unwrap_or("");
        let own = own.strip_prefix("application/").unwrap_or(own);
        if own.eq_ignore_ascii_case(typ) { Ok(()) } else { Err(JwsError::Type) }
    }
}

/// Verified claims.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// A claim.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A text claim.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// A NumericDate (RFC 7519 §2); fractions are cut off.
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        let v = self.get(name)?;
        let secs = v.as_i64().or_else(|| v.as_f64().filter(|f| f.abs() < 1e12).map(|f| f as i64))?;
        Some(Timestamp::from_secs(secs))
    }

    /// The audiences: `aud` is one text or a list (RFC 7519 §4.1.3).
    pub fn audiences(&self) -> Vec<&str> {
        match self.get("aud") {
            Some(Value::String(s)) => vec![s],
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// All of them.
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// A private key that signs with its one algorithm.
pub struct SigningKey {
    public: PublicKey,
    kid: String,
    pair: Pair,
    /// ring takes no other source for signatures; ECDSA mixes the key into its nonces, so that a weak one reveals
    /// nothing.
    rng: SystemRandom,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, {})", self.public.alg(), self.kid)
    }
}

impl SigningKey {
    /// Makes a key; its PKCS #8 form (RFC 5958) is what is kept, sealed.
    ///
    /// # Errors
    /// [`JwsError::Key`] for RSA, which is imported and not made here, or when the system gives no randomness.
    pub fn generate(alg: Alg) -> Result<(Zeroizing<Vec<u8>>, SigningKey), JwsError> {
        let rng = SystemRandom::new();
        let document = match alg {
            Alg::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng),
            Alg::EdDsa => Ed25519KeyPair::generate_pkcs8(&rng),
            Alg::Rs256 => return Err(JwsError::Key),
        };
        let bytes = Zeroizing::new(document.map_err(|_| JwsError::Key)?.as_ref().to_vec());
        let key = Self::from_pkcs8(alg, &bytes)?;
        Ok((bytes, key))
    }

    /// Reads a key in PKCS #8 (DER).
    ///
    /// # Errors
    /// [`JwsError::Key`].
    pub fn from_pkcs8(alg: Alg, der: &[u8]) -> Result<Self, JwsError> {
        let rng = SystemRandom::new();
        let (pair, public) = match alg {
            Alg::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &rng)
                    .map_err(|_| JwsError::Key)?;
                let point = pair.public_key().as_ref().try_into().map_err(|_| JwsError::Key)?;
                (Pair::Ec(pair), PublicKey::ec(point))
            }
            Alg::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(der).map_err(|_| JwsError::Key)?;
                let x = pair.public_key().as_ref().try_into().map_err(|_| JwsError::Key)?;
                (Pair::Ed(pair), PublicKey::okp(x))
            }
            Alg::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| JwsError::Key)?;
                let parts: ring::rsa::PublicKeyComponents<Vec<u8>> = pair.public().into();
                (Pair::Rsa(Box::new(pair)), PublicKey::rsa(parts.n, parts.e))
            }
        };
        let kid = public.thumbprint();
        Ok(SigningKey { public: public.with_kid(&kid), kid, pair, rng })
    }

    /// Its name: its thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its algorithm.
    pub fn alg(&self) -> Alg {
        self.public.alg()
    }

    /// What verifies it.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A token of this type with these claims.
    ///
    /// # Errors
    /// [`JwsError::Form`] when the claims are no JSON, [`JwsError::Key`] when signing fails.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, JwsError> {
        let header = json!({ "alg": self.alg().name(), "typ": typ, "kid": self.kid });
        self.sign_with(&header, claims)
    }

    /// A token with a header of the caller's; its `alg` must be the key's.
    ///
    /// # Errors
    /// As [`SigningKey::sign`].
    pub fn sign_with(&self, header: &Value, claims: &impl Serialize) -> Result<String, JwsError> {
        if header.get("alg").and_then(Value::as_str) != Some(self.alg().name()) {
            return Err(JwsError::Key);
        }
        let claims = serde_json::to_vec(claims).map_err(|_| JwsError::Form)?;
        let mut token = b64::encode(header.to_string());
        token.push('.');
        token.push_str(&b64::encode(claims));
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        token.push_str(&b64::encode(signature));
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, JwsError> {
        Ok(match &self.pair {
            Pair::Ec(p) => p.sign(&self.rng, message).map_err(|_| JwsError::Key)?.as_ref().to_vec(),
            Pair::Ed(p) => p.sign(message).as_ref().to_vec(),
            Pair::Rsa(p) => {
                let mut out = vec![0; p.public().modulus_len()];
                p.sign(&RSA_PKCS1_SHA256, &self.rng, message, &mut out).map_err(|_| JwsError::Key)?;
                out
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn jwk(j: Value) -> PublicKey {
        PublicKey::from_jwk(&j).unwrap()
    }

    /// RFC 7515 appendix A.3
    fn es256() -> (PublicKey, &'static str) {
        (
            jwk(json!({
                "kty": "EC", "crv": "P-256",
                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
            })),
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        )
    }

    /// RFC 7515 appendix A.2
    fn rs256() -> (PublicKey, &'static str) {
        (
            jwk(json!({
                "kty": "RSA", "e": "AQAB",
                "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
            })),
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        )
    }

    #[test]
    fn tokens_of_the_standards_verify() {
        for (key, token) in [es256(), rs256()] {
            let claims = Unverified::parse(token).unwrap().verify(&key).unwrap();
            assert_eq!(
                (claims.text("iss"), claims.time("exp")),
                (Some("joe"), Some(Timestamp::from_secs(1_300_819_380)))
            );
        }
        // RFC 8037 appendix A.4; its payload is a sentence, not claims.
        let ed = jwk(
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }),
        );
        let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert_eq!(
            Unverified::parse(token).unwrap().verify(&ed),
            Err(JwsError::Form),
            "signed, but no claims"
        );
        let changed = token.replace("RXh", "RXg");
        assert_eq!(Unverified::parse(&changed).unwrap().verify(&ed), Err(JwsError::Signature));
    }

    /// RFC 8725 §2.1: the header must not choose the algorithm.
    #[test]
    fn the_key_decides_the_algorithm() {
        let (key, token) = rs256();
        assert!(Unverified::parse(token).unwrap().verify(&key).is_ok());
        let (_, rest) = token.split_once('.').unwrap();
        let body = rest.split('.').next().unwrap();
        for alg in ["none", "None", "HS256", "ES256", "PS256", ""] {
            let header = b64::encode(json!({ "alg": alg }).to_string());
            // What a library that obeys the header would accept: no signature, or an HMAC under the public key.
            let hmac = ring::hmac::sign(
                &ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.to_jwk().to_string().as_bytes()),
                format!("{header}.{body}").as_bytes(),
            );
            for signature in [String::new(), b64::encode(hmac.as_ref())] {
                let forged = format!("{header}.{body}.{signature}");
                let forged = Unverified::parse(&forged).unwrap();
                assert_eq!(forged.verify(&key), Err(JwsError::Signature), "{alg}");
                assert_eq!(
                    forged.verify_with(&KeySet::new([key.clone()])),
                    Err(JwsError::Signature),
                    "{alg}"
                );
            }
        }
    }

    #[test]
    fn what_is_signed_verifies_and_says_its_type() {
        for alg in [Alg::Es256, Alg::EdDsa] {
            let (pkcs8, key) = SigningKey::generate(alg).unwrap();
            let again = SigningKey::from_pkcs8(alg, &pkcs8).unwrap();
            assert_eq!(again.kid(), key.kid());
            let token = key.sign("at+jwt", &json!({ "sub": "a" })).unwrap();
            let read = Unverified::parse(&token).unwrap();
            assert_eq!(read.verify(again.public()).unwrap().text("sub"), Some("a"));
            assert_eq!(
                read.verify_with(&KeySet::new([key.public().clone()])).unwrap().text("sub"),
                Some("a")
            );
            assert_eq!((read.expect_type("AT+JWT"), read.expect_type("JWT")), (Ok(()), Err(JwsError::Type)));
            let (_, other) = SigningKey::generate(alg).unwrap();
            assert_eq!(read.verify(other.public()), Err(JwsError::Signature));
            assert!(key.sign_with(&json!({ "alg": "none" }), &json!({})).is_err());
        }
        assert!(SigningKey::generate(Alg::Rs256).is_err());
    }

    #[test]
    fn what_is_no_token() {
        let (_, key) = SigningKey::generate(Alg::EdDsa).unwrap();
        let critical = key.sign_with(&json!({ "alg": "EdDSA", "crit": ["b64"] }), &json!({})).unwrap();
        assert_eq!(Unverified::parse(&critical).unwrap_err(), JwsError::Critical);
        let long = "a".repeat(MAX_TOKEN + 1);
        for bad in ["", "a", "a.b", "..", "e30.e30.", "a.b.c.d", "{}.{}.x", &long] {
            assert_eq!(Unverified::parse(bad).unwrap_err(), JwsError::Form, "{bad:.20}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(text in "[A-Za-z0-9_.{}:\"-]{0,120}") {
            let _ = Unverified::parse(&text);
        }

        #[test]
        fn no_changed_letter_verifies(at in 0usize..190, to in "[A-Za-z0-9_-]") {
            let (key, token) = es256();
            let mut changed: Vec<char> = token.chars().collect();
            let at = at % changed.len();
            let to = to.chars().next().unwrap();
            prop_assume!(changed[at] != to && changed[at] != '.');
            changed[at] = to;
            let changed: String = changed.into_iter().collect();
            let ok = Unverified::parse(&changed).is_ok_and(|t| t.verify(&key).is_ok());
            prop_assert!(!ok, "{changed}");
        }
    }
}
