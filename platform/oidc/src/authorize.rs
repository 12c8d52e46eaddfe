//! The authorization request (RFC 6749 §4.1.1, Core §3.1.2.1, RFC 9126, RFC 7636, RFC 9449 §10).
//!
//! Two kinds of refusal must be told apart: until the client and its redirect address are known to belong
//! together, the error is shown to the person here ([`Refusal::Show`]); afterwards it goes back to the client.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::claims::ClaimsRequest;
use crate::client::{AUTHORIZATION_CODE, ClientMetadata};
use crate::error::{Code, OAuthError};
use crate::params::Params;
use crate::pkce;
use crate::scope::Scopes;

/// Prefix of the `request_uri` that a pushed request gets (RFC 9126 §2.2).
pub const PAR_PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// How the answer travels (OAuth 2.0 Multiple Response Types §2.1, OAuth 2.0 Form Post Response Mode 1.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirect address.
    #[default]
    Query,
    /// In a form that the browser posts to it.
    FormPost,
}

/// `prompt` (Core §3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Prompt {
    /// Show nothing; answer with an error instead.
    pub none: bool,
    /// Sign in anew.
    pub login: bool,
    /// Ask for consent anew.
    pub consent: bool,
    /// Let the person choose the account.
    pub select_account: bool,
}

/// A request that was found good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client_id: String,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// How it goes there.
    pub response_mode: ResponseMode,
    /// What is asked for, of what exists here.
    pub scope: Scopes,
    /// Given back as it came.
    pub state: Option<String>,
    /// Put into the ID token as it came.
    pub nonce: Option<String>,
    /// PKCE.
    pub code_challenge: Option<String>,
    /// How to treat the person.
    pub prompt: Prompt,
    /// Seconds since the last sign-in at most.
    pub max_age: Option<u32>,
    /// Wished contexts of authentication, best first.
    pub acr_values: Vec<String>,
    /// Whether one of them is demanded (`acr` as essential claim, Core §5.5.1.1).
    pub acr_essential: bool,
    /// Claims one by one.
    pub claims: ClaimsRequest,
    /// An ID token that says whom the client believes to be there.
    pub id_token_hint: Option<String>,
    /// Whom it believes to be there, in its own words.
    pub login_hint: Option<String>,
    /// Languages, best first.
    pub ui_locales: Vec<String>,
    /// Thumbprint of the key to which the code is bound (RFC 9449 §10).
    pub dpop_jkt: Option<String>,
}

/// Where and how the answer goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnPath {
    /// The redirect address.
    pub redirect_uri: String,
    /// The mode.
    pub mode: ResponseMode,
    /// The client's state.
    pub state: Option<String>,
}

/// Why a request is refused, and who is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The person, on a page of ours: it is not known where the browser may be sent.
    Show(OAuthError),
    /// The client, through the browser.
    Return(Box<ReturnPath>, OAuthError),
}

impl Refusal {
    /// What was wrong.
    pub fn error(&self) -> &OAuthError {
        match self {
            Refusal::Show(e) | Refusal::Return(_, e) => e,
        }
    }
}

/// What a client's requests are held to.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Scopes that exist here. Others are passed over (Core §3.1.2.1).
    pub known_scopes: &'a Scopes,
    /// Scopes that the operator allows this client.
    pub allowed_scopes: &'a Scopes,
    /// Whether PKCE may be left out: only confidential clients of old (RFC 9700 §2.1.1), one by one.
    pub pkce_optional: bool,
    /// Whether the parameters came by PAR.
    pub pushed: bool,
}

fn invalid(why: &'static str) -> OAuthError {
    OAuthError::new(Code::InvalidRequest, why)
}

/// Text parameters longer than this are refused.
const LONGEST: usize = 2048;

/// Checks a request against its client.
///
/// # Errors
/// [`Refusal`].
pub fn check(
    params: &Params,
    client: &ClientMetadata,
    policy: &Policy<'_>,
) -> Result<AuthorizationRequest, Refusal> {
    let client_id = params.need("client_id").map_err(Refusal::Show)?;
    // Core §3.1.2.1 requires redirect_uri even where RFC 6749 would not.
    let redirect_uri = params.need("redirect_uri").map_err(Refusal::Show)?;
    if !client.has_redirect(redirect_uri) {
        return Err(Refusal::Show(invalid("redirect_uri is not registered for this client")));
    }
    let state = params.get("state").map(ToOwned::to_owned);
    let mode = match params.get("response_mode") {
        Some("form_post") => ResponseMode::FormPost,
        _ => ResponseMode::Query,
    };
    let path = ReturnPath { redirect_uri: redirect_uri.to_owned(), mode, state };
    let request = rest(params, client, policy, client_id, &path);
    request.map_err(|e| Refusal::Return(Box::new(path), e))
}

fn rest(
    params: &Params,
    client: &ClientMetadata,
    policy: &Policy<'_>,
    client_id: &str,
    path: &ReturnPath,
) -> Result<AuthorizationRequest, OAuthError> {
    if params.iter().any(|(name, v)| v.len() > LONGEST && name != "claims" && name != "id_token_hint") {
        return Err(invalid("a parameter is too long"));
    }
    // Core §6: request objects are not supported; a request_uri of ours was resolved before.
    if params.get("request").is_some() {
        return Err(OAuthError::new(
            Code::RequestNotSupported,
            "send the parameters themselves, or push them (RFC 9126)",
        ));
    }
    if params.get("request_uri").is_some() {
        return Err(OAuthError::new(
            Code::RequestUriNotSupported,
            "only a request_uri of the PAR endpoint is taken",
        ));
    }
    if client.require_pushed_authorization_requests && !policy.pushed {
        return Err(invalid("this client pushes its requests (RFC 9126)"));
    }
    match params.need("response_type")? {
        "code" if client.may(AUTHORIZATION_CODE) => {}
        "code" => return Err(OAuthError::new(Code::UnauthorizedClient, "this client may not use codes")),
        _ => return Err(OAuthError::new(Code::UnsupportedResponseType, "response_type must be code")),
    }
    if !matches!(params.get("response_mode"), None | Some("query" | "form_post")) {
        return Err(invalid("response_mode must be query or form_post"));
    }
    let code_challenge = match (params.get("code_challenge"), params.get("code_challenge_method")) {
        (Some(challenge), method) => {
            pkce::check_challenge(challenge, method)?;
            Some(challenge.to_owned())
        }
        (None, Some(_)) => return Err(invalid("code_challenge is missing")),
        (None, None) if policy.pkce_optional && client.is_confidential() => None,
        (None, None) => return Err(invalid("PKCE is required: code_challenge is missing")),
    };
    let claims = params.get("claims").map_or_else(|| Ok(ClaimsRequest::default()), ClaimsRequest::parse)?;
    let (acr_values, acr_essential) = acr(params, client, &claims);
    let words = |name: &str| -> Vec<String> {
        params.get(name).unwrap_or("").split(' ').filter(|w| !w.is_empty()).map(ToOwned::to_owned).collect()
    };
    let text = |name: &str| params.get(name).map(ToOwned::to_owned);
    let dpop_jkt = match params.get("dpop_jkt") {
        Some(jkt) if crate::b64::array::<32>(jkt).is_none() => {
            return Err(invalid("dpop_jkt is not the thumbprint of a key"));
        }
        jkt => jkt.map(ToOwned::to_owned),
    };
    Ok(AuthorizationRequest {
        client_id: client_id.to_owned(),
        redirect_uri: path.redirect_uri.clone(),
        response_mode: path.mode,
        scope: scope(params, policy)?,
        state: path.state.clone(),
        nonce: text("nonce"),
        code_challenge,
        prompt: prompt(params.get("prompt"))?,
        max_age: max_age(params.get("max_age"))?.or(client.default_max_age),
        acr_values,
        acr_essential,
        claims,
        id_token_hint: text("id_token_hint"),
        login_hint: text("login_hint"),
        ui_locales: words("ui_locales"),
        dpop_jkt,
    })
}

fn scope(params: &Params, policy: &Policy<'_>) -> Result<Scopes, OAuthError> {
    let asked = Scopes::parse(params.get("scope").unwrap_or(""))?.and(policy.known_scopes);
    if asked.is_empty() {
        return Err(OAuthError::new(Code::InvalidScope, "scope names nothing that exists here"));
    }
    if asked.is_within(policy.allowed_scopes) {
        Ok(asked)
    } else {
        Err(OAuthError::new(Code::InvalidScope, "the operator has not allowed this scope to this client"))
    }
}

fn prompt(text: Option<&str>) -> Result<Prompt, OAuthError> {
    let mut p = Prompt::default();
    for word in text.unwrap_or("").split(' ').filter(|w| !w.is_empty()) {
        match word {
            "none" => p.none = true,
            "login" => p.login = true,
            "consent" => p.consent = true,
            "select_account" => p.select_account = true,
            _ => return Err(invalid("prompt must be of none, login, consent, select_account")),
        }
    }
    if p.none && (p.login || p.consent || p.select_account) {
        return Err(invalid("prompt=none stands alone"));
    }
    Ok(p)
}

fn max_age(text: Option<&str>) -> Result<Option<u32>, OAuthError> {
    text.map(|t| t.parse().map_err(|_| invalid("max_age is not a number of seconds"))).transpose()
}

/// `acr` as a claim wins over `acr_values` (Core §5.5.1.1), which wins over the client's default.
fn acr(params: &Params, client: &ClientMetadata, claims: &ClaimsRequest) -> (Vec<String>, bool) {
    if let Some(wanted) = claims.id_token.get("acr").filter(|w| !w.values.is_empty()) {
        let values = wanted.values.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
        return (values, wanted.essential);
    }
    match params.get("acr_values") {
        Some(text) => (text.split(' ').filter(|w| !w.is_empty()).map(ToOwned::to_owned).collect(), false),
        None => (client.default_acr_values.clone(), false),
    }
}

/// The parameters of an answer that carries an error (RFC 6749 §4.1.2.1, RFC 9207 §2).
pub fn error_answer<'a>(
    error: &'a OAuthError,
    state: Option<&'a str>,
    issuer: &'a str,
) -> Vec<(&'a str, &'a str)> {
    let mut out = vec![("error", error.code.text()), ("error_description", &*error.description)];
    out.extend(state.map(|s| ("state", s)));
    out.push(("iss", issuer));
    out
}

/// The parameters of an answer that carries a code (RFC 6749 §4.1.2). `iss` names us, so that a client of several
/// providers does not send our code to another (RFC 9207, RFC 9700 §4.4).
pub fn code_answer<'a>(code: &'a str, state: Option<&'a str>, issuer: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut out = vec![("code", code)];
    out.extend(state.map(|s| ("state", s)));
    out.push(("iss", issuer));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn client(extra: Value) -> ClientMetadata {
        let mut j = json!({ "redirect_uris": ["https://rp.example/cb"] });
        j.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        serde_json::from_value(j).unwrap()
    }

    fn ask_with(
        change: &[(&str, &str)],
        client: &ClientMetadata,
        pkce_optional: bool,
    ) -> Result<AuthorizationRequest, Refusal> {
        let base = [
            ("client_id", "rp"),
            ("redirect_uri", "https://rp.example/cb"),
            ("response_type", "code"),
            ("scope", "openid profile"),
            ("state", "xyz"),
            ("nonce", "n"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let mut p = Params::from_iter(base);
        for (name, _) in change {
            p.remove(name);
        }
        let p = Params::from_iter(p.iter().chain(change.iter().copied()).collect::<Vec<_>>());
        let known = Scopes::parse("openid profile email offline_access").unwrap();
        let allowed = Scopes::parse("openid profile").unwrap();
        let policy = Policy { known_scopes: &known, allowed_scopes: &allowed, pkce_optional, pushed: false };
        check(&p, client, &policy)
    }

    fn ask(change: &[(&str, &str)]) -> Result<AuthorizationRequest, Refusal> {
        ask_with(change, &client(json!({})), false)
    }

    #[test]
    fn a_full_request() {
        let r = ask(&[
            ("prompt", "login consent"),
            ("max_age", "0"),
            ("acr_values", "urn:a urn:b"),
            ("ui_locales", "ja en"),
            ("display", "touch"),
            ("something_else", "1"),
            ("response_mode", "form_post"),
        ])
        .unwrap();
        assert_eq!((r.prompt.login, r.prompt.consent, r.prompt.none), (true, true, false));
        assert_eq!((r.max_age, r.response_mode), (Some(0), ResponseMode::FormPost));
        assert_eq!((r.acr_values.len(), r.acr_essential, r.ui_locales.len()), (2, false, 2));
        let again: AuthorizationRequest = serde_json::from_str(&serde_json::to_string(&r).unwrap()).unwrap();
        assert_eq!(again, r);
    }

    #[test]
    fn until_the_address_is_known_the_person_is_told() {
        for change in [
            [("client_id", "")],
            [("redirect_uri", "")],
            [("redirect_uri", "https://rp.example/cb/")],
            [("redirect_uri", "https://evil.example/cb")],
        ] {
            assert!(matches!(ask(&change), Err(Refusal::Show(_))), "{change:?}");
        }
        assert!(ask(&[]).is_ok());
    }

    #[test]
    fn afterwards_the_client_is_told_with_its_state() {
        use Code::{
            InvalidRequest, InvalidScope, RequestNotSupported, RequestUriNotSupported,
            UnsupportedResponseType,
        };
        let cases: [(&[(&str, &str)], Code); 17] = [
            (&[("response_type", "")], InvalidRequest),
            (&[("response_type", "token")], UnsupportedResponseType),
            (&[("response_type", "code id_token")], UnsupportedResponseType),
            (&[("response_mode", "fragment")], InvalidRequest),
            (&[("scope", "")], InvalidScope),
            (&[("scope", "unknown")], InvalidScope),
            (&[("scope", "openid email")], InvalidScope),
            (&[("code_challenge", "")], InvalidRequest),
            (&[("code_challenge", ""), ("code_challenge_method", "")], InvalidRequest),
            (&[("code_challenge_method", "plain")], InvalidRequest),
            (&[("code_challenge_method", "")], InvalidRequest),
            (&[("prompt", "none login")], InvalidRequest),
            (&[("prompt", "create")], InvalidRequest),
            (&[("max_age", "-1")], InvalidRequest),
            (&[("request", "e30.e30.")], RequestNotSupported),
            (&[("request_uri", "https://rp.example/r")], RequestUriNotSupported),
            (&[("claims", "[]")], InvalidRequest),
        ];
        for (change, code) in cases {
            match ask(change) {
                Err(Refusal::Return(path, e)) => {
                    assert_eq!((e.code, path.state.as_deref()), (code, Some("xyz")), "{change:?}");
                }
                other => panic!("{change:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn unknown_scopes_are_passed_over() {
        assert_eq!(ask(&[("scope", "openid other")]).unwrap().scope.to_string(), "openid");
    }

    #[test]
    fn without_pkce_only_confidential_clients_by_exception() {
        let none = [("code_challenge", ""), ("code_challenge_method", "")];
        let confidential = client(json!({}));
        let public = client(json!({ "token_endpoint_auth_method": "none" }));
        assert!(ask_with(&none, &confidential, true).is_ok());
        assert!(ask_with(&none, &confidential, false).is_err());
        assert!(ask_with(&none, &public, true).is_err());
        assert!(ask_with(&[], &public, false).is_ok());
    }

    #[test]
    fn pushed_only_when_registered_so() {
        let pushed = client(json!({ "require_pushed_authorization_requests": true }));
        assert_eq!(ask_with(&[], &pushed, false).unwrap_err().error().code, Code::InvalidRequest);
    }

    #[test]
    fn acr_as_a_claim_is_demanded() {
        let r = ask(&[
            ("claims", r#"{"id_token":{"acr":{"essential":true,"values":["urn:b"]}}}"#),
            ("acr_values", "urn:a"),
        ])
        .unwrap();
        assert_eq!((r.acr_values.as_slice(), r.acr_essential), (["urn:b".to_owned()].as_slice(), true));
        let by_default = client(json!({ "default_acr_values": ["urn:c"], "default_max_age": 60 }));
        let r = ask_with(&[], &by_default, false).unwrap();
        assert_eq!((r.acr_values.as_slice(), r.max_age), (["urn:c".to_owned()].as_slice(), Some(60)));
    }

    #[test]
    fn answers_name_the_issuer() {
        assert_eq!(code_answer("c", Some("s"), "https://o").last(), Some(&("iss", "https://o")));
        let e = invalid("x");
        assert_eq!(error_answer(&e, None, "https://o").last(), Some(&("iss", "https://o")));
    }

    proptest! {
        #[test]
        fn no_query_panics(query in ".{0,200}") {
            if let Ok(p) = Params::parse(&query) {
                let known = Scopes::default();
                let policy = Policy { known_scopes: &known, allowed_scopes: &known, pkce_optional: false, pushed: false };
                let _ = check(&p, &client(json!({})), &policy);
            }
        }
    }
}
