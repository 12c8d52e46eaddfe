//! What the documents allow a request to be. Every rule refuses alone.

use std::collections::BTreeMap;

/// Parameters of a request, each once.
pub type Params = BTreeMap<String, String>;

/// A refusal: the OAuth error code and what was wrong.
pub type Refusal = (&'static str, &'static str);

/// The scopes that exist. `openid` must be among those asked for.
pub const SCOPES: [&str; 6] = ["openid", "name", "address", "birthdate", "gender", "sign"];

/// Reads a query or a form; a parameter that comes twice is refused.
///
/// # Errors
/// `invalid_request`.
pub fn params(text: &str) -> Result<Params, Refusal> {
    let mut all = Params::new();
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        if all.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(("invalid_request", "a parameter is repeated"));
        }
    }
    Ok(all)
}

/// `[0-9a-zA-Z]{1,255}`
pub fn is_client_id(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// 1 to 255 characters of `\x20`–`\x7E`
pub fn is_printable(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|b| (0x20..=0x7e).contains(&b))
}

/// An authorization request, once client and redirect address are known to belong together.
///
/// # Errors
/// The error that goes back to the client.
pub fn authorization(p: &Params) -> Result<(), Refusal> {
    let get = |name: &str| p.get(name).map(String::as_str).unwrap_or_default();
    if get("response_type") != "code" {
        return Err(("unsupported_response_type", "response_type must be code"));
    }
    let scopes: Vec<&str> = get("scope").split(' ').filter(|s| !s.is_empty()).collect();
    if !scopes.contains(&"openid") || scopes.iter().any(|s| !SCOPES.contains(s)) {
        return Err(("invalid_scope", "scope must hold openid and nothing unknown"));
    }
    if !is_printable(get("state")) {
        return Err(("invalid_request", "state is required: 1 to 255 printable characters"));
    }
    if !is_printable(get("nonce")) {
        return Err(("invalid_request", "nonce is required: 1 to 255 printable characters"));
    }
    if get("code_challenge_method") != "S256" {
        return Err(("invalid_request", "code_challenge_method must be S256"));
    }
    let challenge = get("code_challenge");
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    if challenge.len() != 43 || !challenge.bytes().all(unreserved) {
        return Err(("invalid_request", "code_challenge must be the base64url of a SHA-256"));
    }
    let transaction = p.get("sign_transaction_id");
    if transaction.is_some() && !scopes.contains(&"sign") {
        return Err(("invalid_request", "sign_transaction_id needs the scope sign"));
    }
    if scopes.contains(&"sign") && transaction.is_none() {
        return Err(("invalid_request", "the scope sign needs a sign_transaction_id"));
    }
    if transaction.is_some_and(|t| uuid::Uuid::parse_str(t).is_err()) {
        return Err(("invalid_request", "sign_transaction_id must be a UUID"));
    }
    Ok(())
}

/// How a client authenticates: `private_key_jwt` and nothing else.
///
/// # Errors
/// `invalid_client`.
pub fn client_authentication(p: &Params, has_header: bool) -> Result<&str, Refusal> {
    const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    if has_header || p.contains_key("client_secret") {
        return Err(("invalid_client", "only private_key_jwt is accepted"));
    }
    if p.get("client_assertion_type").map(String::as_str) != Some(JWT_BEARER) {
        return Err(("invalid_client", "client_assertion_type is missing"));
    }
    p.get("client_assertion").map(String::as_str).ok_or(("invalid_client", "client_assertion is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Params {
        [
            ("response_type", "code"),
            ("scope", "openid name birthdate"),
            ("state", "s"),
            ("nonce", "n"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into()
    }

    #[test]
    fn each_rule_refuses_alone() {
        assert_eq!(authorization(&good()), Ok(()));
        let uuid = "0190b7a4-0000-7000-8000-000000000000";
        let long = "x".repeat(256);
        let signing = [("scope", "openid sign"), ("sign_transaction_id", uuid)];
        let with = |changes: &[(&str, &str)]| {
            let mut p = good();
            p.extend(changes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
            authorization(&p).map_err(|e| e.0)
        };
        assert_eq!(with(&signing), Ok(()));
        for (change, code) in [
            (&[("response_type", "token")][..], "unsupported_response_type"),
            (&[("scope", "name")], "invalid_scope"),
            (&[("scope", "openid email")], "invalid_scope"),
            (&[("state", "")], "invalid_request"),
            (&[("state", &long)], "invalid_request"),
            (&[("nonce", "雪")], "invalid_request"),
            (&[("nonce", "")], "invalid_request"),
            (&[("code_challenge", "short")], "invalid_request"),
            (&[("code_challenge_method", "plain")], "invalid_request"),
            (&[("sign_transaction_id", uuid)], "invalid_request"),
            (&[("scope", "openid sign")], "invalid_request"),
            (&[("scope", "openid sign"), ("sign_transaction_id", "7")], "invalid_request"),
        ] {
            assert_eq!(with(change), Err(code), "{change:?}");
        }
        assert_eq!(params("a=1&b=2").map(|p| p.len()), Ok(2));
        assert!(params("a=1&a=1").is_err());
        assert!(is_client_id("abc123") && !is_client_id("abc-123") && !is_client_id(""));
    }

    #[test]
    fn clients_authenticate_with_a_key_only() {
        let form = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b.c";
        assert_eq!(client_authentication(&params(form).unwrap(), false), Ok("a.b.c"));
        assert!(client_authentication(&params(form).unwrap(), true).is_err());
        for other in ["client_secret=x", "client_assertion=a.b.c", &format!("{form}&client_secret=x")] {
            assert!(client_authentication(&params(other).unwrap(), false).is_err(), "{other}");
        }
    }
}
