//! Error pages: a problem document (RFC 9457) told to a person, with what to do next.
//!
//! Any layer may answer with `application/problem+json`; [`mount`](crate::mount) turns it into a page when the
//! request was made by a browser that wants one. The status and all other headers stay.

use askama::Template;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kenroku_types::Problem;

use crate::Page;
use crate::shell::html;

/// A problem document is small; more than this is passed on untouched in kind, but emptied.
const MAX_BODY: usize = 64 * 1024;

/// The page of a problem.
#[derive(Template)]
#[template(path = "kr/error.html")]
struct ErrorPage {
    page: Page,
    kind: &'static Kind,
    code: String,
    detail: String,
    retry_after: Option<u64>,
    errors: Vec<(String, String)>,
    /// Where to sign in and come back from, when that is what is missing.
    sign_in: Option<String>,
}

/// Keys of the words for one kind of problem.
struct Kind {
    status: u16,
    title: &'static str,
    text: &'static str,
}

/// What people read; a status not listed is told as the first of its class.
const KINDS: [Kind; 9] = [
    Kind { status: 400, title: "ui-error-400", text: "ui-error-400-text" },
    Kind { status: 401, title: "ui-error-401", text: "ui-error-401-text" },
    Kind { status: 403, title: "ui-error-403", text: "ui-error-403-text" },
    Kind { status: 404, title: "ui-error-404", text: "ui-error-404-text" },
    Kind { status: 409, title: "ui-error-409", text: "ui-error-409-text" },
    Kind { status: 413, title: "ui-error-413", text: "ui-error-413-text" },
    Kind { status: 429, title: "ui-error-429", text: "ui-error-429-text" },
    Kind { status: 500, title: "ui-error-500", text: "ui-error-500-text" },
    Kind { status: 503, title: "ui-error-503", text: "ui-error-503-text" },
];

fn kind(status: u16) -> &'static Kind {
    let class = if status >= 500 { &KINDS[7] } else { &KINDS[0] };
    KINDS.iter().find(|k| k.status == status).unwrap_or(class)
}

/// The page of a problem, for a handler that wants to answer with one itself.
pub fn page(problem: &Problem, mut page: Page) -> Response {
    if let Some(id) = &problem.request_id {
        page.request_id.clone_from(id);
    }
    render(
        ErrorPage {
            kind: kind(problem.status),
            code: problem.code.clone().into_owned(),
            detail: problem.detail.clone(),
            retry_after: problem.retry_after.map(u64::from),
            sign_in: None,
            errors: problem.errors.iter().map(|e| (e.pointer.clone(), e.detail.clone())).collect(),
            page,
        },
        problem.status,
    )
}

/// True when a browser navigates: it lists `text/html` and asks for no API.
pub(crate) fn wants_page(request: &Request) -> bool {
    let api = request.uri().path().starts_with("/api/") || request.uri().path().starts_with("/ngsi-ld/");
    !api && request.method() != Method::HEAD
        && request.headers().get_all(ACCEPT).iter().any(|v| v.to_str().is_ok_and(|v| v.contains("text/html")))
}

/// Replaces the body of a problem document by a page; any other response passes.
pub(crate) async fn page_for(response: Response, mut page: Page) -> Response {
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|t| t.as_bytes().starts_with(b"application/problem+json"));
    if !is_problem {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let problem: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    if let Some(id) = problem["request_id"].as_str() {
        page.request_id = id.to_owned();
    }
    let errors = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let body = render(
        ErrorPage {
            kind: kind(parts.status.as_u16()),
            code: text("code"),
            detail: text("detail"),
            retry_after: problem["retry_after"].as_u64(),
            sign_in: None,
            errors: errors
                .iter()
                .map(|e| {
                    (
                        e["pointer"].as_str().unwrap_or_default().to_owned(),
                        e["detail"].as_str().unwrap_or_default().to_owned(),
                    )
                })
                .collect(),
            page,
        },
        parts.status.as_u16(),
    );
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Response::from_parts(parts, body.into_body())
}

fn render(mut error: ErrorPage, status: u16) -> Response {
    error.page.title = error.page.t(error.kind.title).phrase();
    error.page.simulated = false;
    if status == 401 {
        error.sign_in = error.page.sign_in_and_back();
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match error.render() {
        Ok(body) => html(status, body),
        Err(e) => {
            tracing::error!(error = %e, "the error page failed");
            (status, Body::empty()).into_response()
        }
    }
}
