//! What a client registers (RFC 7591, OpenID Connect Dynamic Client Registration 1.0), and what is refused.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Code, OAuthError};
use crate::jwk::{Alg, KeySet};
use crate::redirect::{self, ApplicationType};
use crate::scope::Scopes;

/// How a client proves who it is at the token endpoint (RFC 6749 §2.3.1, Core §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// It cannot: programs in browsers and on devices.
    None,
    /// Secret in the `Authorization` header.
    ClientSecretBasic,
    /// Secret in the body.
    ClientSecretPost,
    /// Signs a JWT with its own key (RFC 7523 §2.2).
    PrivateKeyJwt,
}

impl AuthMethod {
    /// Every one.
    pub const ALL: [AuthMethod; 4] = [
        AuthMethod::PrivateKeyJwt,
        AuthMethod::ClientSecretBasic,
        AuthMethod::ClientSecretPost,
        AuthMethod::None,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            AuthMethod::None => "none",
            AuthMethod::ClientSecretBasic => "client_secret_basic",
            AuthMethod::ClientSecretPost => "client_secret_post",
            AuthMethod::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Whether it rests on a secret that we hand out.
    pub const fn needs_secret(self) -> bool {
        matches!(self, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost)
    }
}

/// `authorization_code` (RFC 6749 §4.1)
pub const AUTHORIZATION_CODE: &str = "authorization_code";
/// `refresh_token` (RFC 6749 §6)
pub const REFRESH_TOKEN: &str = "refresh_token";
/// `client_credentials` (RFC 6749 §4.4)
pub const CLIENT_CREDENTIALS: &str = "client_credentials";
/// The device grant (RFC 8628 §3.4)
pub const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// The grants that exist here.
pub const GRANTS: [&str; 4] = [AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS, DEVICE_CODE];

fn code_only() -> Vec<String> {
    vec!["code".to_owned()]
}
fn authorization_code() -> Vec<String> {
    vec![AUTHORIZATION_CODE.to_owned()]
}
fn basic() -> AuthMethod {
    AuthMethod::ClientSecretBasic
}
fn es256() -> String {
    Alg::Es256.name().to_owned()
}
fn pairwise() -> String {
    "pairwise".to_owned()
}

/// A client's metadata. Members that are not understood are left out of what is registered (RFC 7591 §2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientMetadata {
    /// Where codes may be sent.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// How it proves itself.
    #[serde(default = "basic")]
    pub token_endpoint_auth_method: AuthMethod,
    /// What it may ask the token endpoint for.
    #[serde(default = "authorization_code")]
    pub grant_types: Vec<String>,
    /// `code`, the only one.
    #[serde(default = "code_only")]
    pub response_types: Vec<String>,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub client_name: String,
    /// Its page for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// Its privacy policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// Its terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// Scopes that it wants to be able to ask for.
    #[serde(default, skip_serializing_if = "Scopes::is_empty")]
    pub scope: Scopes,
    /// Whom to write to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    /// Its public keys, by value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Where it publishes them; instead of `jwks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// On a server, in a browser, or installed.
    #[serde(default)]
    pub application_type: ApplicationType,
    /// `pairwise`, the only one.
    #[serde(default = "pairwise")]
    pub subject_type: String,
    /// Not taken: the operator names a sector instead.
    #[serde(default, skip_serializing)]
    pub sector_identifier_uri: Option<String>,
    /// Algorithm of its ID tokens.
    #[serde(default = "es256")]
    pub id_token_signed_response_alg: String,
    /// `max_age` of requests that name none (seconds).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u32>,
    /// `auth_time` in every ID token. (It always is.)
    #[serde(default)]
    pub require_auth_time: bool,
    /// `acr_values` of requests that name none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_acr_values: Vec<String>,
    /// Where the browser may go after signing out (RP-Initiated Logout 1.0 §3.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    /// Where it is told that a session ended (Back-Channel Logout 1.0 §2.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// Whether it needs `sid` in that message. (It always is there.)
    #[serde(default)]
    pub backchannel_logout_session_required: bool,
    /// Every token is bound to a key (RFC 9449 §5.2).
    #[serde(default)]
    pub dpop_bound_access_tokens: bool,
    /// Authorization requests only by PAR (RFC 9126 §6).
    #[serde(default)]
    pub require_pushed_authorization_requests: bool,
}

/// What an installation allows.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Scopes that exist.
    pub scopes: &'a Scopes,
    /// Algorithms of ID tokens for which there is a key.
    pub id_token_algs: &'a [Alg],
    /// Redirect addresses with `http` on this machine: development and the demo.
    pub local_http: bool,
}

fn wrong(why: impl Into<std::borrow::Cow<'static, str>>) -> OAuthError {
    OAuthError::new(Code::InvalidClientMetadata, why)
}

impl ClientMetadata {
    /// Whether it may ask for this grant.
    pub fn may(&self, grant: &str) -> bool {
        self.grant_types.iter().any(|g| g == grant)
    }

    /// Whether it can keep a secret (RFC 6749 §2.1).
    pub fn is_confidential(&self) -> bool {
        self.token_endpoint_auth_method != AuthMethod::None
    }

    /// The algorithm of its ID tokens.
    pub fn id_token_alg(&self) -> Alg {
        Alg::named(&self.id_token_signed_response_alg).unwrap_or(Alg::Es256)
    }

    /// Its public keys.
    ///
    /// # Errors
    /// `invalid_client_metadata` when there are none or one is not taken.
    pub fn keys(&self) -> Result<KeySet, OAuthError> {
        let jwks = self.jwks.as_ref().ok_or_else(|| wrong("jwks is missing"))?;
        KeySet::from_jwks(jwks).map_err(|e| wrong(e.to_string()))
    }

    /// Whether this redirect address is one of its own.
    pub fn has_redirect(&self, given: &str) -> bool {
        self.redirect_uris.iter().any(|r| redirect::matches(r, given, self.application_type))
    }

    /// The host that all its redirect addresses share (Core §8.1): its sector, unless the operator names one.
    pub fn sector(&self) -> Option<String> {
        let mut hosts = self.redirect_uris.iter().map(|r| redirect::host(r));
        let first = hosts.next()??;
        hosts.all(|h| h.as_deref() == Some(first.as_str())).then_some(first)
    }

    /// Checks it as a whole; on success it may be stored.
    ///
    /// # Errors
    /// `invalid_redirect_uri` or `invalid_client_metadata` (RFC 7591 §3.2.2), with the reason.
    pub fn check(&self, rules: &Rules<'_>) -> Result<(), OAuthError> {
        self.check_redirects(rules)?;
        if let Some(g) = self.grant_types.iter().find(|g| !GRANTS.contains(&g.as_str())) {
            return Err(wrong(format!("grant type {g:.80} does not exist here")));
        }
        let code = self.may(AUTHORIZATION_CODE);
        if (code && self.response_types != ["code"])
            || (!code && self.response_types.iter().any(|r| r != "code"))
        {
            return Err(wrong("response_types must be [code]"));
        }
        if self.may(REFRESH_TOKEN) && !code && !self.may(DEVICE_CODE) {
            return Err(wrong("refresh_token needs a grant that gives one"));
        }
        if self.may(CLIENT_CREDENTIALS) && !self.is_confidential() {
            // RFC 6749 §4.4: MUST only be used by confidential clients.
            return Err(wrong("client_credentials is for clients that authenticate"));
        }
        self.check_keys(rules.local_http)?;
        if self.subject_type != "pairwise" || self.sector_identifier_uri.is_some() {
            return Err(wrong("subject_type must be pairwise, without sector_identifier_uri"));
        }
        match Alg::named(&self.id_token_signed_response_alg) {
            Some(alg) if rules.id_token_algs.contains(&alg) => {}
            _ => return Err(wrong("id_token_signed_response_alg is not offered here")),
        }
        if !self.scope.is_within(rules.scopes) {
            return Err(wrong("scope names one that does not exist here"));
        }
        if self.client_name.chars().count() > 200 || self.contacts.iter().any(|c| c.len() > 200) {
            return Err(wrong("client_name and contacts have at most 200 characters"));
        }
        self.check_pages(rules)
    }

    /// Checks the keys, or the address where they are published.
    ///
    /// # Errors
    /// `invalid_client_metadata`: none where one is needed, one that is not taken, both ways at once (RFC 7591 §2), or
    /// an address that is not fetched.
    pub fn check_keys(&self, local_http: bool) -> Result<(), OAuthError> {
        match (&self.jwks, &self.jwks_uri) {
            (Some(_), Some(_)) => Err(wrong("register jwks or jwks_uri, not both")),
            (None, Some(at)) => redirect::check_fetched(at, local_http)
                .map_err(|_| wrong("jwks_uri must be an https address with the name of a server")),
            (None, None) if self.token_endpoint_auth_method != AuthMethod::PrivateKeyJwt => Ok(()),
            _ => self.keys().map(drop),
        }
    }

    fn check_redirects(&self, rules: &Rules<'_>) -> Result<(), OAuthError> {
        let bad = |why: String| OAuthError::new(Code::InvalidRedirectUri, why);
        if self.may(AUTHORIZATION_CODE) && self.redirect_uris.is_empty() {
            return Err(bad("redirect_uris is missing".to_owned()));
        }
        if self.redirect_uris.len() + self.post_logout_redirect_uris.len() > 50 {
            return Err(bad("too many redirect addresses".to_owned()));
        }
        for uri in self.redirect_uris.iter().chain(&self.post_logout_redirect_uris) {
            redirect::check_registered(uri, self.application_type, rules.local_http)
                .map_err(|e| bad(format!("{uri:.200}: {e}")))?;
        }
        Ok(())
    }

    fn check_pages(&self, rules: &Rules<'_>) -> Result<(), OAuthError> {
        let pages = [&self.client_uri, &self.policy_uri, &self.tos_uri, &self.backchannel_logout_uri];
        for page in pages.into_iter().flatten() {
            redirect::check_registered(page, ApplicationType::Web, rules.local_http)
                .map_err(|_| wrong(format!("{page:.200} is not an https address")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules(scopes: &Scopes) -> Rules<'_> {
        Rules { scopes, id_token_algs: &[Alg::Es256, Alg::EdDsa], local_http: false }
    }

    fn check(mut change: impl FnMut(&mut Value)) -> Result<(), OAuthError> {
        let scopes = Scopes::parse("openid profile").unwrap();
        let mut j = json!({
            "redirect_uris": ["https://rp.example/cb"],
            "client_name": "例示サービス",
            "scope": "openid profile",
            "unknown_member": 1
        });
        change(&mut j);
        let m: ClientMetadata = serde_json::from_value(j).map_err(|e| wrong(e.to_string()))?;
        m.check(&rules(&scopes))
    }

    #[test]
    fn defaults_are_those_of_the_standard_except_the_algorithm() {
        assert_eq!(check(|_| ()), Ok(()));
        let m: ClientMetadata =
            serde_json::from_value(json!({ "redirect_uris": ["https://rp.example/cb"] })).unwrap();
        assert_eq!(m.token_endpoint_auth_method, AuthMethod::ClientSecretBasic);
        assert_eq!(
            (m.grant_types.as_slice(), m.id_token_alg()),
            ([AUTHORIZATION_CODE.to_owned()].as_slice(), Alg::Es256)
        );
        assert_eq!(m.sector().as_deref(), Some("rp.example"));
    }

    #[test]
    fn each_mistake_is_named() {
        type Change = fn(&mut Value);
        use Code::{InvalidClientMetadata as Meta, InvalidRedirectUri as Redirect};
        let cases: [(Code, Change); 13] = [
            (Redirect, |j| j["redirect_uris"] = json!([])),
            (Redirect, |j| j["redirect_uris"] = json!(["http://rp.example/cb"])),
            (Redirect, |j| j["post_logout_redirect_uris"] = json!(["https://rp.example/*"])),
            (Meta, |j| j["grant_types"] = json!(["implicit"])),
            (Meta, |j| j["grant_types"] = json!(["password"])),
            (Meta, |j| j["response_types"] = json!(["code", "token"])),
            (Meta, |j| j["subject_type"] = json!("public")),
            (Meta, |j| j["jwks_uri"] = json!("http://rp.example/jwks")),
            (Meta, |j| j["token_endpoint_auth_method"] = json!("private_key_jwt")),
            (Meta, |j| j["token_endpoint_auth_method"] = json!("client_secret_jwt")),
            (Meta, |j| j["id_token_signed_response_alg"] = json!("none")),
            (Meta, |j| j["scope"] = json!("openid admin")),
            (Meta, |j| j["backchannel_logout_uri"] = json!("http://rp.example/out")),
        ];
        for (n, (code, change)) in cases.into_iter().enumerate() {
            assert_eq!(check(change).unwrap_err().code, code, "case {n}");
        }
        let public = |j: &mut Value| {
            j["token_endpoint_auth_method"] = json!("none");
            j["grant_types"] = json!(["authorization_code", "client_credentials"]);
        };
        assert_eq!(check(public).unwrap_err().code, Meta);
    }

    #[test]
    fn keys_are_registered_by_value_or_by_address() {
        let of = |keys: Value| {
            check(|j| {
                j["token_endpoint_auth_method"] = json!("private_key_jwt");
                for (name, value) in keys.as_object().unwrap() {
                    j[name] = value.clone();
                }
            })
        };
        let key =
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        let set = json!({ "keys": [key] });
        let at = "https://rp.example/jwks";
        assert_eq!(of(json!({ "jwks": set })), Ok(()));
        assert_eq!(of(json!({ "jwks_uri": at })), Ok(()));
        for wrong in [json!({}), json!({ "jwks": set, "jwks_uri": at }), json!({ "jwks": { "keys": [] } })] {
            assert_eq!(of(wrong.clone()).unwrap_err().code, Code::InvalidClientMetadata, "{wrong}");
        }
        // Nothing is asked of a network that only we can reach.
        for inside in [
            "https://127.0.0.1/jwks",
            "https://[::1]/jwks",
            "https://10.0.0.1/jwks",
            "https://169.254.169.254/jwks",
            "https://localhost/jwks",
            "https://intranet/jwks",
            "https://rp.example/jwks#x",
            "https://u:p@rp.example/jwks",
            "file:///etc/passwd",
        ] {
            assert!(of(json!({ "jwks_uri": inside })).is_err(), "{inside}");
        }
        let mut m: ClientMetadata =
            serde_json::from_value(json!({ "jwks_uri": "http://127.0.0.1:9/jwks" })).unwrap();
        m.token_endpoint_auth_method = AuthMethod::PrivateKeyJwt;
        assert!(m.check_keys(true).is_ok() && m.check_keys(false).is_err(), "this machine, for development");
    }

    #[test]
    fn a_sector_is_one_host() {
        let two: ClientMetadata = serde_json::from_value(
            json!({ "redirect_uris": ["https://a.example/cb", "https://b.example/cb"] }),
        )
        .unwrap();
        assert_eq!(two.sector(), None);
    }
}
