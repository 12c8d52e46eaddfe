//! The addresses below `/scim/v2`, and the form of every answer.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kenroku_http::{App, Op, Path, RequestInfo, Routes};
use kenroku_module::Module;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{MEDIA, ScimError};
use crate::key::Directory;
use crate::{group, schemas, user};

/// Largest body, bytes: the members of a large group.
const BODY: usize = 2 << 20;

/// The module. Its permissions and policies are the kernel's.
pub fn module() -> Module {
    let users = Routes::new()
        .get("/scim/v2/Users", user::list)
        .add(op(Method::POST, "/scim/v2/Users", user::create))
        .get("/scim/v2/Users/{id}", user::read)
        .add(op(Method::PUT, "/scim/v2/Users/{id}", user::replace))
        .add(op(Method::PATCH, "/scim/v2/Users/{id}", user::change))
        .add(op(Method::DELETE, "/scim/v2/Users/{id}", user::remove));
    let groups = Routes::new()
        .get("/scim/v2/Groups", group::list)
        .add(op(Method::POST, "/scim/v2/Groups", group::create))
        .get("/scim/v2/Groups/{id}", group::read)
        .add(op(Method::PUT, "/scim/v2/Groups/{id}", group::replace))
        .add(op(Method::PATCH, "/scim/v2/Groups/{id}", group::change))
        .add(op(Method::DELETE, "/scim/v2/Groups/{id}", group::remove));
    let about = Routes::new()
        .get("/scim/v2/ServiceProviderConfig", provider)
        .get("/scim/v2/ResourceTypes", kinds)
        .get("/scim/v2/ResourceTypes/{id}", kind)
        .get("/scim/v2/Schemas", all_schemas)
        .get("/scim/v2/Schemas/{id}", one_schema);
    Module::new("scim").routes(users.merge(groups).merge(about))
}

fn op<H, T>(method: Method, path: &str, handler: H) -> Op
where
    H: axum::handler::Handler<T, App>,
    T: kenroku_http::routes::Guarded + 'static,
{
    Op::new(method, path, handler).body_limit(BODY)
}

async fn provider(_: Directory, base: Base) -> Response {
    answer(&schemas::provider(&base), None)
}

async fn kinds(_: Directory, base: Base) -> Result<Response, ScimError> {
    Ok(answer(&schemas::list("ResourceTypes", &base)?, None))
}

async fn kind(_: Directory, base: Base, Path(id): Path<String>) -> Result<Response, ScimError> {
    Ok(answer(&schemas::one("ResourceTypes", &id, &base)?, None))
}

async fn all_schemas(_: Directory, base: Base) -> Result<Response, ScimError> {
    Ok(answer(&schemas::list("Schemas", &base)?, None))
}

async fn one_schema(_: Directory, base: Base, Path(id): Path<String>) -> Result<Response, ScimError> {
    Ok(answer(&schemas::one("Schemas", &id, &base)?, None))
}

/// Where this server is, as the caller wrote it: addresses in answers lead back to it.
pub(crate) struct Base(String);

impl Base {
    /// The address of a list.
    pub fn of(&self, list: &str) -> String {
        format!("{}/scim/v2/{list}", self.0)
    }

    /// The address of one thing.
    pub fn at(&self, list: &str, id: &str) -> String {
        format!("{}/{id}", self.of(list))
    }
}

impl FromRequestParts<App> for Base {
    type Rejection = ScimError;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ScimError> {
        let info = RequestInfo::from_request_parts(parts, app).await.map_err(ScimError::from)?;
        let host = parts.headers.get(header::HOST).and_then(|v| v.to_str().ok());
        // Without a usable host the addresses are relative ones.
        let fits = |h: &&str| h.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b));
        let scheme = if info.https { "https" } else { "http" };
        Ok(Base(host.filter(fits).map(|h| format!("{scheme}://{h}")).unwrap_or_default()))
    }
}

/// The query string, refused in the shape of SCIM.
pub(crate) struct Answered<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Answered<T> {
    type Rejection = ScimError;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ScimError> {
        let query = kenroku_http::Query::<T>::from_request_parts(parts, app).await;
        query.map(|q| Answered(q.0)).map_err(ScimError::from)
    }
}

fn tagged(mut response: Response, version: Option<&str>) -> Response {
    if let Some(Ok(tag)) = version.map(HeaderValue::from_str) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// An answer with its version.
pub(crate) fn answer(body: &Value, version: Option<&str>) -> Response {
    tagged(([(header::CONTENT_TYPE, MEDIA)], body.to_string()).into_response(), version)
}

/// The answer to whoever made something (RFC 7644 §3.3).
pub(crate) fn created(body: &Value, version: &str) -> Response {
    let mut response = answer(body, Some(version));
    *response.status_mut() = StatusCode::CREATED;
    if let Some(Ok(at)) = body["meta"]["location"].as_str().map(HeaderValue::from_str) {
        response.headers_mut().insert(header::LOCATION, at);
    }
    response
}

/// Done, and nothing to say.
pub(crate) fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// Refuses a change to another version than the caller saw (RFC 7644 §3.14). Tags are compared weakly: each stands for
/// one state of the row.
pub(crate) fn if_match(headers: &HeaderMap, version: &str) -> Result<(), ScimError> {
    let bare = |t: &str| t.trim().trim_start_matches("W/").to_owned();
    let mut lists = headers.get_all(header::IF_MATCH).iter().filter_map(|v| v.to_str().ok()).peekable();
    if lists.peek().is_none()
        || lists.any(|l| l.split(',').any(|t| t.trim() == "*" || bare(t) == bare(version)))
    {
        return Ok(());
    }
    Err(ScimError::new(412, "it was changed in the meantime; read it again"))
}
