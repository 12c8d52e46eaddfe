//! Errors in the shape of RFC 7644 §3.12.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kenroku_access::accounts::AccountError;
use kenroku_types::Problem;
use serde_json::json;

/// The media type of everything here (RFC 7644 §8.1).
pub(crate) const MEDIA: &str = "application/scim+json";

/// The words of RFC 7644 §3.12, table 9, that occur here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The filter cannot be read or is too long.
    InvalidFilter,
    /// The name is taken.
    Uniqueness,
    /// The attribute cannot be changed.
    Mutability,
    /// The body cannot be read.
    InvalidSyntax,
    /// There is no such attribute.
    InvalidPath,
    /// The path names nothing.
    NoTarget,
    /// The value is missing or does not fit.
    InvalidValue,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Kind::InvalidFilter => "invalidFilter",
            Kind::Uniqueness => "uniqueness",
            Kind::Mutability => "mutability",
            Kind::InvalidSyntax => "invalidSyntax",
            Kind::InvalidPath => "invalidPath",
            Kind::NoTarget => "noTarget",
            Kind::InvalidValue => "invalidValue",
        }
    }
}

/// A refusal, as the directory reads it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{detail}")]
pub struct ScimError {
    /// HTTP status.
    pub status: u16,
    /// Which of the known kinds, if it is one.
    pub kind: Option<Kind>,
    /// What is wrong and what is accepted; in English, for the log of the directory.
    pub detail: String,
    /// Seconds to wait.
    retry_after: Option<u32>,
}

impl ScimError {
    /// A refusal with this status.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        ScimError { status, kind: None, detail: detail.into(), retry_after: None }
    }

    /// A refusal of a known kind.
    pub fn of(kind: Kind, detail: impl Into<String>) -> Self {
        let status = if kind == Kind::Uniqueness { 409 } else { 400 };
        ScimError { kind: Some(kind), ..ScimError::new(status, detail) }
    }

    /// There is no such thing, or not for this key.
    pub fn not_found() -> Self {
        ScimError::new(404, "there is no such resource")
    }
}

impl From<Problem> for ScimError {
    fn from(p: Problem) -> Self {
        let detail =
            if p.detail.is_empty() { p.title.into_owned() } else { format!("{}: {}", p.title, p.detail) };
        ScimError { retry_after: p.retry_after, ..ScimError::new(p.status, detail) }
    }
}

impl From<kenroku_http::Error> for ScimError {
    fn from(e: kenroku_http::Error) -> Self {
        (*e.0).into()
    }
}

impl From<AccountError> for ScimError {
    fn from(e: AccountError) -> Self {
        let says = e.to_string();
        match e {
            AccountError::LoginTaken => ScimError::of(Kind::Uniqueness, "userName is taken"),
            AccountError::LoginForm | AccountError::Profile(_) => ScimError::of(Kind::InvalidValue, says),
            AccountError::Overseer(_) => {
                ScimError::new(403, format!("{says}; it needs access.provision-overseers"))
            }
            AccountError::NotFound => ScimError::not_found(),
            AccountError::Stale => ScimError::new(412, "it was changed in the meantime; read it again"),
            other => Problem::from(other).into(),
        }
    }
}

impl IntoResponse for ScimError {
    fn into_response(self) -> Response {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            // A string, by RFC 7644 §3.12.
            "status": self.status.to_string(),
            "detail": self.detail,
        });
        if let Some(kind) = self.kind {
            body["scimType"] = kind.word().into();
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, [(header::CONTENT_TYPE, MEDIA)], body.to_string()).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
