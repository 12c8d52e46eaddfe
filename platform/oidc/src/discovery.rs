//! The provider's description of itself: OpenID Connect Discovery 1.0 §3 and RFC 8414 §2 in one document.

use serde_json::{Value, json};

use crate::client::{AuthMethod, GRANTS};
use crate::jwk::Alg;
use crate::scope::Scopes;

/// What there is to say.
#[derive(Clone, Copy, Debug)]
pub struct Provider<'a> {
    /// Our issuer, without a slash at its end.
    pub issuer: &'a str,
    /// Scopes that exist.
    pub scopes: &'a Scopes,
    /// Claims that can be had.
    pub claims: &'a [&'a str],
    /// Contexts of authentication, as `acr`.
    pub acr: &'a [&'a str],
    /// Algorithms of ID tokens for which there is a key.
    pub id_token_algs: &'a [Alg],
    /// Languages of the pages.
    pub ui_locales: &'a [&'a str],
}

/// The document for both well-known addresses.
pub fn document(p: &Provider<'_>) -> Value {
    let at = |path: &str| format!("{}{path}", p.issuer);
    let algs: Vec<&str> = Alg::ALL.iter().map(|a| a.name()).collect();
    let id_token_algs: Vec<&str> = p.id_token_algs.iter().map(|a| a.name()).collect();
    let methods: Vec<&str> = AuthMethod::ALL.iter().map(|m| m.name()).collect();
    let confidential: Vec<&str> =
        AuthMethod::ALL.iter().filter(|m| **m != AuthMethod::None).map(|m| m.name()).collect();
    let scopes: Vec<&str> = p.scopes.iter().collect();
    let mut claims = vec!["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid"];
    claims.extend(p.claims);
    json!({
        "issuer": p.issuer,
        "authorization_endpoint": at("/oidc/authorize"),
        "token_endpoint": at("/oidc/token"),
        "userinfo_endpoint": at("/oidc/userinfo"),
        "jwks_uri": at("/oidc/jwks"),
        "registration_endpoint": at("/oidc/register"),
        "introspection_endpoint": at("/oidc/introspect"),
        "revocation_endpoint": at("/oidc/revoke"),
        "end_session_endpoint": at("/oidc/logout"),
        "pushed_authorization_request_endpoint": at("/oidc/par"),
        "device_authorization_endpoint": at("/oidc/device_authorization"),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": GRANTS,
        "acr_values_supported": p.acr,
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": id_token_algs,
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algs,
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": algs,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algs,
        "dpop_signing_alg_values_supported": algs,
        "code_challenge_methods_supported": ["S256"],
        "claim_types_supported": ["normal"],
        "claims_supported": claims,
        "claims_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "require_pushed_authorization_requests": false,
        "authorization_response_iss_parameter_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "display_values_supported": ["page"],
        "ui_locales_supported": p.ui_locales,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_required_is_there_and_on_our_issuer() {
        let scopes = Scopes::parse("openid profile").unwrap();
        let d = document(&Provider {
            issuer: "https://id.example",
            scopes: &scopes,
            claims: &["name"],
            acr: &["urn:a"],
            id_token_algs: &[Alg::Es256],
            ui_locales: &["ja"],
        });
        // OpenID Connect Discovery 1.0 §3, members marked REQUIRED
        for name in [
            "issuer",
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "response_types_supported",
            "subject_types_supported",
            "id_token_signing_alg_values_supported",
        ] {
            assert!(d.get(name).is_some(), "{name}");
        }
        for (name, v) in d.as_object().unwrap() {
            if name.ends_with("_endpoint") || name == "jwks_uri" {
                assert!(v.as_str().unwrap().starts_with("https://id.example/oidc/"), "{name}");
            }
        }
        assert!(
            !d.to_string().contains("\"none\"")
                || d["id_token_signing_alg_values_supported"] == json!(["ES256"])
        );
    }
}
