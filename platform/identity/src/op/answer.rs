//! How endpoints answer: JSON that nobody keeps, errors with their registered codes, the way back to a client.

use askama::Template;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, LOCATION, REFRESH, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use kenroku_http::Public;
use kenroku_http::security::CONTENT_SECURITY_POLICY as OUR_POLICY;
use kenroku_oidc::authorize::{ResponseMode, ReturnPath};
use kenroku_oidc::{Code, OAuthError, redirect};
use kenroku_types::Problem;
use kenroku_ui::{Html, Page};
use serde::Serialize;

use crate::IdentityError;

/// Why an endpoint refuses.
#[derive(Debug)]
pub(super) enum Fault {
    /// With a registered code.
    OAuth(OAuthError),
    /// Something below failed: a problem document.
    Inner(Box<Problem>),
}

pub(super) type Outcome<T> = Result<T, Fault>;

/// A refusal with a registered code.
pub(super) fn refused(code: Code, why: impl Into<std::borrow::Cow<'static, str>>) -> Fault {
    Fault::OAuth(OAuthError::new(code, why))
}

/// Something below failed.
pub(super) fn inner(problem: impl Into<Problem>) -> Fault {
    Fault::Inner(Box::new(problem.into()))
}

impl Fault {
    /// For operations that speak in problem documents.
    pub(super) fn into_error(self) -> kenroku_http::Error {
        match self {
            Fault::OAuth(e) => Problem::bad_request(e.to_string()).into(),
            Fault::Inner(p) => kenroku_http::Error(p),
        }
    }
}

impl From<OAuthError> for Fault {
    fn from(e: OAuthError) -> Self {
        Fault::OAuth(e)
    }
}
macro_rules! below {
    ($($t:ty),+) => {$(
        impl From<$t> for Fault {
            fn from(e: $t) -> Self { inner(e) }
        }
    )+};
}
below!(kenroku_store::Error, kenroku_vault::Error, IdentityError, Problem);
impl From<kenroku_http::Error> for Fault {
    fn from(e: kenroku_http::Error) -> Self {
        Fault::Inner(e.0)
    }
}
impl From<kenroku_bus::Error> for Fault {
    fn from(e: kenroku_bus::Error) -> Self {
        inner(Problem::internal().because(&e))
    }
}
impl From<kenroku_oidc::jws::JwsError> for Fault {
    fn from(e: kenroku_oidc::jws::JwsError) -> Self {
        inner(Problem::internal().because(&e))
    }
}
impl From<serde_json::Error> for Fault {
    fn from(e: serde_json::Error) -> Self {
        inner(Problem::internal().because(&e))
    }
}

/// JSON that is not stored on the way (RFC 6749 §5.1).
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    (status, [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], bytes).into_response()
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Fault::OAuth(e) => {
                let status = StatusCode::from_u16(e.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
                let mut response = json(status, &e.body());
                if e.code == Code::InvalidClient {
                    // RFC 6749 §5.2: the scheme that the client may use.
                    response
                        .headers_mut()
                        .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"oidc\""));
                }
                response
            }
            Fault::Inner(p) => kenroku_http::Error(p).into_response(),
        }
    }
}

/// The answer of an endpoint that programs in browsers call: any site may read it, since no cookie counts here. With
/// `nonce`, the nonce for the next proof (RFC 9449 §8.2).
pub(super) fn finish(outcome: Outcome<Response>, nonce: Option<String>) -> Response {
    let mut response = outcome.unwrap_or_else(IntoResponse::into_response);
    let headers = response.headers_mut();
    open_to_all(headers);
    if let Some(value) = nonce.and_then(|n| HeaderValue::from_str(&n).ok()) {
        headers.insert(HeaderName::from_static("dpop-nonce"), value);
    }
    response
}

pub(super) fn open_to_all(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("DPoP-Nonce, WWW-Authenticate"));
    let corp = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(corp, HeaderValue::from_static("cross-origin"));
}

/// The question that a browser asks before a script of another site may call.
pub(super) async fn preflight(_: Public) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    open_to_all(headers);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers
        .insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type, dpop"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// 303 to a page of ours or, before any form was sent, to the client.
pub(super) fn see_other(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(location) => {
            let no_store = HeaderValue::from_static("no-store");
            (StatusCode::SEE_OTHER, [(LOCATION, location), (CACHE_CONTROL, no_store)]).into_response()
        }
        Err(_) => {
            kenroku_http::Error::from(Problem::bad_request("the address cannot be sent")).into_response()
        }
    }
}

/// The page that leads back to the client where a redirect will not do.
#[derive(Template)]
#[template(path = "op-return.html")]
struct Return {
    page: Page,
    action: String,
    post: bool,
    fields: Vec<(String, String)>,
}

/// How the browser came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// By a link or redirect.
    Directly,
    /// Perhaps by a form of ours: browsers apply `form-action` also to the redirects that follow a form, so another
    /// site is reached by a page of ours that leads on at once.
    ByForm,
}

/// Sends the browser back to the client with these parameters.
pub(super) fn to_client(page: Page, path: &ReturnPath, params: &[(&str, &str)], came: Came) -> Response {
    match (path.mode, came) {
        (ResponseMode::Query, Came::Directly) => see_other(&redirect::with_query(&path.redirect_uri, params)),
        (ResponseMode::Query, Came::ByForm) => {
            onward(page, &redirect::with_query(&path.redirect_uri, params))
        }
        (ResponseMode::FormPost, _) => {
            let fields = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let title = page.t("identity-op-return").phrase();
            let action = path.redirect_uri.clone();
            let mut response =
                Html(Return { page: page.title(title), action, post: true, fields }).into_response();
            let target = redirect::origin(&path.redirect_uri).unwrap_or_default();
            let policy = OUR_POLICY.replace("form-action 'self'", &format!("form-action 'self' {target}"));
            if let Ok(value) = HeaderValue::from_str(&policy) {
                response.headers_mut().insert(CONTENT_SECURITY_POLICY, value);
            }
            no_store(response)
        }
    }
}

/// A page that leads on to another site at once.
pub(super) fn onward(page: Page, to: &str) -> Response {
    let title = page.t("identity-op-return").phrase();
    let mut response =
        Html(Return { page: page.title(title), action: to.to_owned(), post: false, fields: Vec::new() })
            .into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("0; url={to}")) {
        response.headers_mut().insert(REFRESH, value);
    }
    no_store(response)
}

fn no_store(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The address of the next page holds the code: it is nobody's referrer.
    headers.insert(axum::http::header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Sends the form of [`Return`] by itself; without scripts the person presses its button.
pub(super) async fn form_post_script(_: Public) -> Response {
    let headers = [(CONTENT_TYPE, "text/javascript"), (CACHE_CONTROL, "public, max-age=86400")];
    (headers, "document.getElementById(\"op-return\").submit();\n").into_response()
}
