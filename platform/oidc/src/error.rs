//! [`OAuthError`]: errors with the codes that the standards register.

use std::borrow::Cow;

use serde::Serialize;

/// A registered error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// RFC 6749 §4.1.2.1, §5.2
    InvalidRequest,
    /// RFC 6749 §5.2
    InvalidClient,
    /// RFC 6749 §5.2
    InvalidGrant,
    /// RFC 6749 §4.1.2.1, §5.2
    UnauthorizedClient,
    /// RFC 6749 §5.2
    UnsupportedGrantType,
    /// RFC 6749 §4.1.2.1
    UnsupportedResponseType,
    /// RFC 6749 §4.1.2.1, §5.2
    InvalidScope,
    /// RFC 6749 §4.1.2.1; RFC 8628 §3.5
    AccessDenied,
    /// RFC 6749 §4.1.2.1
    ServerError,
    /// RFC 6749 §4.1.2.1
    TemporarilyUnavailable,
    /// Core §3.1.2.6
    LoginRequired,
    /// Core §3.1.2.6
    ConsentRequired,
    /// Core §3.1.2.6
    InteractionRequired,
    /// Core §3.1.2.6: request objects
    RequestNotSupported,
    /// Core §3.1.2.6: a `request_uri` that no pushed request made
    RequestUriNotSupported,
    /// RFC 9101 §7; RFC 9126: the pushed request is unknown or used up
    InvalidRequestUri,
    /// OpenID Connect Core Error Code unmet_authentication_requirements 1.0
    UnmetAuthenticationRequirements,
    /// RFC 9449 §5
    InvalidDpopProof,
    /// RFC 9449 §8, §9
    UseDpopNonce,
    /// RFC 6750 §3.1
    InvalidToken,
    /// RFC 6750 §3.1
    InsufficientScope,
    /// RFC 9470 §3
    InsufficientUserAuthentication,
    /// RFC 8628 §3.5
    AuthorizationPending,
    /// RFC 8628 §3.5
    SlowDown,
    /// RFC 8628 §3.5
    ExpiredToken,
    /// RFC 7591 §3.2.2
    InvalidRedirectUri,
    /// RFC 7591 §3.2.2
    InvalidClientMetadata,
}

impl Code {
    /// As it is written.
    pub const fn text(self) -> &'static str {
        match self {
            Code::InvalidRequest => "invalid_request",
            Code::InvalidClient => "invalid_client",
            Code::InvalidGrant => "invalid_grant",
            Code::UnauthorizedClient => "unauthorized_client",
            Code::UnsupportedGrantType => "unsupported_grant_type",
            Code::UnsupportedResponseType => "unsupported_response_type",
            Code::InvalidScope => "invalid_scope",
            Code::AccessDenied => "access_denied",
            Code::ServerError => "server_error",
            Code::TemporarilyUnavailable => "temporarily_unavailable",
            Code::LoginRequired => "login_required",
            Code::ConsentRequired => "consent_required",
            Code::InteractionRequired => "interaction_required",
            Code::RequestNotSupported => "request_not_supported",
            Code::RequestUriNotSupported => "request_uri_not_supported",
            Code::InvalidRequestUri => "invalid_request_uri",
            Code::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Code::InvalidDpopProof => "invalid_dpop_proof",
            Code::UseDpopNonce => "use_dpop_nonce",
            Code::InvalidToken => "invalid_token",
            Code::InsufficientScope => "insufficient_scope",
            Code::InsufficientUserAuthentication => "insufficient_user_authentication",
            Code::AuthorizationPending => "authorization_pending",
            Code::SlowDown => "slow_down",
            Code::ExpiredToken => "expired_token",
            Code::InvalidRedirectUri => "invalid_redirect_uri",
            Code::InvalidClientMetadata => "invalid_client_metadata",
        }
    }

    /// HTTP status of an answer that carries it (RFC 6749 §5.2, RFC 6750 §3.1, RFC 9470 §3).
    pub const fn status(self) -> u16 {
        match self {
            Code::InvalidClient | Code::InvalidToken | Code::InsufficientUserAuthentication => 401,
            Code::InsufficientScope => 403,
            Code::ServerError => 500,
            Code::TemporarilyUnavailable => 503,
            _ => 400,
        }
    }
}

/// An error as the caller sees it: the registered code and a sentence for the developer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", code.text())]
pub struct OAuthError {
    /// Which.
    pub code: Code,
    /// What was wrong, in English for developers; the standards allow printable ASCII without `"` and `\` only.
    pub description: Cow<'static, str>,
}

/// The JSON of an error answer (RFC 6749 §5.2).
#[derive(Debug, Serialize)]
pub struct ErrorBody<'a> {
    error: &'static str,
    error_description: &'a str,
}

impl OAuthError {
    /// An error; other characters than the standards allow in the description become `?`.
    pub fn new(code: Code, description: impl Into<Cow<'static, str>>) -> Self {
        let description = description.into();
        let bad = |c: char| !matches!(c, ' '..='~') || c == '"' || c == '\\';
        let description = if description.contains(bad) {
            Cow::Owned(description.chars().map(|c| if bad(c) { '?' } else { c }).collect())
        } else {
            description
        };
        OAuthError { code, description }
    }

    /// The JSON of the answer.
    pub fn body(&self) -> ErrorBody<'_> {
        ErrorBody { error: self.code.text(), error_description: &self.description }
    }

    /// The value of `WWW-Authenticate` at a protected resource (RFC 6750 §3, RFC 9449 §7.1).
    pub fn challenge(&self, scheme: &str) -> String {
        format!("{scheme} error=\"{}\", error_description=\"{}\"", self.code.text(), self.description)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_its_form_and_no_strange_characters() {
        let e = OAuthError::new(Code::InvalidGrant, "the “code” was used\nbefore");
        assert_eq!(
            serde_json::to_string(&e.body()).unwrap(),
            r#"{"error":"invalid_grant","error_description":"the ?code? was used?before"}"#
        );
        assert_eq!((e.code.status(), Code::InvalidClient.status()), (400, 401));
    }
}
