//! The boundary: every request crosses it once on the way in and once on the way out.
//!
//! In: request id, general rate limit. Out: panics and problems become RFC 9457 documents, security headers are
//! set, one log line is written, the histogram is fed.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use kenroku_access::Https;
use kenroku_types::Problem;

use crate::error::carry;
use crate::request::{Peer, RequestInfo};
use crate::{App, Error, net, pipeline, security};

/// Echo of the request's id.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Pattern in logs and metrics of what matched no route, so that no path of a client is ever written down.
const UNMATCHED: &str = "(none)";

/// The media type of problem documents (RFC 9457 §3).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Puts the boundary around a router, and a 404 under it for what matches no route.
pub(crate) fn around(router: Router<App>, app: &App) -> Router<App> {
    router
        .fallback(|| async { Error::from(Problem::not_found()) })
        .layer(axum::middleware::from_fn_with_state(app.clone(), cross))
}

async fn cross(State(app): State<App>, mut req: Request, next: Next) -> Response {
    let started = app.env().clock.monotonic();
    let peer = req.extensions().get::<Peer>().copied().unwrap_or_default();
    let info = RequestInfo::read(req.headers(), peer, app.settings(), app.env());
    let method = req.method().clone();
    let route = req.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str).to_owned();
    req.extensions_mut().insert(Https(info.https));
    req.extensions_mut().insert(info.clone());

    let _in_flight = app.metrics().begin();
    let mut response = match admit(&app, &req, &info) {
        Ok(()) => answer(req, next).await,
        Err(problem) => carry(problem),
    };
    let cause = finish(&mut response, &info).await;
    let took = app.env().clock.monotonic().saturating_sub(started);
    app.metrics().record(&method, &route, response.status(), took);
    log(&info, &method, &route, response.status(), took, cause.as_deref());
    response
}

/// What is refused before any handler runs.
fn admit(app: &App, req: &Request, info: &RequestInfo) -> Result<(), Problem> {
    let settings = app.settings();
    if !settings.rate_exempt.iter().any(|n| n.contains(info.client)) {
        let now = app.env().clock.monotonic();
        app.rates().take(&net::client_network(info.client), now).map_err(pipeline::too_many)?;
    }
    if let Some(address) = req.uri().path_and_query()
        && address.as_str().len() > settings.header_limit / 2
    {
        return Err(Problem::new(414, "uri-too-long", "The address is too long")
            .next("Send long parameters in the body."));
    }
    Ok(())
}

/// Runs the handler; a panic is a 500 for this request and nothing more.
async fn answer(req: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(req)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .map(|s| (*s).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned());
            let mut problem = Problem::internal();
            problem.cause = format!("panic: {}", text.as_deref().unwrap_or("(no message)"));
            carry(problem)
        }
    }
}

/// Gives problems their form and every answer its headers. Returns what only the log may know.
async fn finish(response: &mut Response, info: &RequestInfo) -> Option<String> {
    let mut cause = None;
    if let Some(mut problem) = problem_of(response) {
        problem.request_id = Some(info.id.to_string());
        cause = Some(problem.cause.clone()).filter(|c| !c.is_empty());
        dress(response, &problem);
    } else if is_foreign_problem(response) {
        add_request_id(response, info).await;
    }
    if let Ok(id) = HeaderValue::from_str(&info.id) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    security::set_headers(response.headers_mut(), info.https);
    cause
}

/// The problem that a handler, the kernel or axum itself left in the answer.
fn problem_of(response: &mut Response) -> Option<Problem> {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Some(problem);
    }
    // axum's own refusals are plain text with nothing in them that helps the caller.
    let bare = match response.headers().get(header::CONTENT_TYPE) {
        None => true,
        Some(kind) => kind.as_bytes().starts_with(b"text/plain"),
    };
    match response.status() {
        s if !bare || !(s.is_client_error() || s.is_server_error()) => None,
        StatusCode::NOT_FOUND => Some(Problem::not_found()),
        StatusCode::METHOD_NOT_ALLOWED => {
            let allowed = response.headers().get(header::ALLOW).and_then(|v| v.to_str().ok()).unwrap_or("");
            Some(
                Problem::new(405, "method", "This address does not take that method")
                    .detail(format!("It takes {allowed}."))
                    .next("Use one of the methods in Allow."),
            )
        }
        s if s.is_server_error() => Some(Problem::internal()),
        s => Some(Problem::new(s.as_u16(), "bad-request", "The request could not be understood")),
    }
}

fn is_foreign_problem(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|k| k.as_bytes().starts_with(PROBLEM_JSON.as_bytes()))
}

/// A problem document that a handler wrote itself gets the request id too.
async fn add_request_id(response: &mut Response, info: &RequestInfo) {
    let body = std::mem::replace(response.body_mut(), Body::empty());
    let Ok(bytes) = to_bytes(body, 1024 * 1024).await else { return };
    let patched = match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&bytes) {
        Ok(mut document) => {
            document.insert("request_id".to_owned(), serde_json::Value::from(&*info.id));
            serde_json::to_vec(&document).unwrap_or_default()
        }
        Err(_) => bytes.to_vec(),
    };
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(patched);
}

/// Replaces the body by the problem document; headers that the handler set stay.
fn dress(response: &mut Response, problem: &Problem) {
    let kept: HeaderMap = std::mem::take(response.headers_mut());
    let body = serde_json::to_vec(problem).unwrap_or_default();
    *response = (response.status(), body).into_response();
    let headers = response.headers_mut();
    for (name, value) in &kept {
        if name != header::CONTENT_LENGTH {
            headers.insert(name.clone(), value.clone());
        }
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if let Some(seconds) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// The one log line of a request. It holds the route's pattern, never the path, the query, a header or a body:
/// those may name a person (docs/logging.md).
fn log(
    info: &RequestInfo,
    method: &Method,
    route: &str,
    status: StatusCode,
    took: Duration,
    cause: Option<&str>,
) {
    let (request, status, ms) = (&*info.id, status.as_u16(), took.as_secs_f64() * 1e3);
    let ms = (ms * 1000.0).round() / 1000.0;
    if status >= 500 {
        tracing::error!(target: "http", request, %method, route, status, ms, cause = cause.unwrap_or(""), "request failed");
    } else if let Some(cause) = cause {
        tracing::info!(target: "http", request, %method, route, status, ms, cause, "request");
    } else {
        tracing::info!(target: "http", request, %method, route, status, ms, "request");
    }
}
