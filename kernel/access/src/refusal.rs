//! [`Refusal`]: why somebody was turned away, and how it looks from outside.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kenroku_types::Problem;

/// Why a request was turned away before its handler ran.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Nobody is signed in, and this needs somebody.
    #[error("sign-in needed")]
    SignInNeeded,
    /// The key is unknown, expired or revoked; which of them is not told.
    #[error("the key is not valid")]
    KeyUnknown,
    /// The permission of that id was not given.
    #[error("not allowed: {0}")]
    Forbidden(&'static str),
    /// There is no such thing, or not for them.
    #[error("not found")]
    NotFound,
    /// Something failed while finding out.
    #[error("{0}")]
    Failed(Box<Problem>),
}

impl From<Problem> for Refusal {
    fn from(p: Problem) -> Refusal {
        Refusal::Failed(Box::new(p))
    }
}

impl From<Refusal> for Problem {
    fn from(r: Refusal) -> Problem {
        match r {
            Refusal::SignInNeeded => Problem::unauthenticated(),
            Refusal::KeyUnknown => Problem::new(401, "access.key-unknown", "The key is not valid")
                .next("Check the key; ask whoever issued it for a new one if it has expired or was revoked."),
            Refusal::Forbidden(permission) => {
                Problem::forbidden().detail(format!("It needs the permission {permission}."))
            }
            Refusal::NotFound => Problem::not_found(),
            Refusal::Failed(p) => *p,
        }
    }
}

impl IntoResponse for Refusal {
    /// The problem document (RFC 9457 §3). It is also put into the response's extensions as a [`Problem`], so
    /// that the HTTP layer can add the request id or show a page instead.
    fn into_response(self) -> Response {
        let problem = Problem::from(self);
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §11.6.1: a 401 names a way to authenticate.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(problem);
        response
    }
}
