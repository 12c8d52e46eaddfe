//! Requests and answers of the API (GS CIM 009 §6.3).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts as _, RawPathParams, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kenroku_http::App;
use kenroku_ngsi_ld::{Fault, Names, NgsiError};
use serde_json::Value;

use crate::Broker;
use crate::door::Space;

/// What a handler gives.
pub(crate) type Answer = Result<Response, Failed>;

/// Why a handler did not.
#[derive(Debug)]
pub(crate) enum Failed {
    Ngsi(NgsiError),
    /// An answer that is told by its status alone.
    Status(StatusCode),
    /// Ours: to the log, not to the caller.
    House(kenroku_http::Error),
}

impl From<NgsiError> for Failed {
    fn from(e: NgsiError) -> Self {
        Failed::Ngsi(e)
    }
}

impl From<kenroku_store::Error> for Failed {
    fn from(e: kenroku_store::Error) -> Self {
        Failed::House(e.into())
    }
}

impl From<kenroku_http::Error> for Failed {
    fn from(e: kenroku_http::Error) -> Self {
        Failed::House(e)
    }
}

impl From<serde_json::Error> for Failed {
    fn from(e: serde_json::Error) -> Self {
        Failed::House(kenroku_http::Error::internal(&e))
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        match self {
            Failed::Ngsi(e) => problem(&e),
            Failed::Status(s) => s.into_response(),
            Failed::House(e) => e.into_response(),
        }
    }
}

/// The problem document of a mistake.
pub(crate) fn problem(e: &NgsiError) -> Response {
    let status = StatusCode::from_u16(e.fault.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut r = (status, e.to_json().to_string()).into_response();
    r.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    r
}

/// In what form an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    LdJson,
    GeoJson,
}

/// A request with everything that operations look at.
pub(crate) struct Call {
    pub path: BTreeMap<String, String>,
    pub query: BTreeMap<String, String>,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub app: App,
    pub broker: Arc<Broker>,
    pub uri_path: String,
}

impl FromRequest<App> for Call {
    type Rejection = Failed;

    async fn from_request(req: Request, app: &App) -> Result<Self, Failed> {
        let broker = app.get::<Broker>()?;
        let (mut parts, body) = req.into_parts();
        let params = RawPathParams::from_request_parts(&mut parts, app)
            .await
            .map_err(|_| Failed::Status(StatusCode::BAD_REQUEST))?;
        let path = params.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let mut query = BTreeMap::new();
        for (k, v) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            query
                .entry(k.into_owned())
                .and_modify(|old: &mut String| {
                    old.push(',');
                    old.push_str(&v);
                })
                .or_insert_with(|| v.to_string());
        }
        let body = axum::body::to_bytes(body, usize::MAX)
            .await
            .map_err(|_| Failed::Status(StatusCode::BAD_REQUEST))?;
        let uri_path = parts.uri.path().to_owned();
        Ok(Call { path, query, headers: parts.headers, body, app: app.clone(), broker, uri_path })
    }
}

impl Call {
    pub fn param(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// Refuses parameters that the operation does not know (§6.3.20).
    pub fn allow(&self, known: &[&[&str]]) -> Result<(), NgsiError> {
        match self.query.keys().find(|k| !known.iter().any(|list| list.contains(&k.as_str()))) {
            Some(k) => Err(NgsiError::request(format!(
                "“{}” is no parameter of this operation",
                kenroku_ngsi_ld::check::short(k)
            ))),
            None => Ok(()),
        }
    }

    pub fn list(&self, name: &str) -> Vec<String> {
        self.get(name)
            .map(|v| v.split(',').filter(|s| !s.is_empty()).map(ToOwned::to_owned).collect())
            .unwrap_or_default()
    }

    pub fn flag(&self, name: &str) -> Result<bool, NgsiError> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(NgsiError::data(format!("{name} is true or false, not “{other}”"))),
        }
    }

    pub fn option(&self, name: &str) -> bool {
        self.get("options").is_some_and(|o| o.split(',').any(|x| x == name))
    }

    /// Refuses options and formats that nobody knows (§6.3.20).
    pub fn known_forms(&self, temporal: bool) -> Result<(), NgsiError> {
        let known = |o: &str| {
            matches!(o, "normalized" | "concise" | "keyValues" | "simplified" | "sysAttrs")
                || (temporal && matches!(o, "temporalValues" | "aggregatedValues"))
        };
        let options = self.list("options");
        match self.get("format").into_iter().chain(options.iter().map(String::as_str)).find(|o| !known(o)) {
            Some(o) => Err(NgsiError::request(format!(
                "“{}” is no format or option of this operation",
                kenroku_ngsi_ld::check::short(o)
            ))),
            None => Ok(()),
        }
    }

    pub fn number(&self, name: &str) -> Result<Option<usize>, NgsiError> {
        let Some(v) = self.get(name) else { return Ok(None) };
        v.parse().map(Some).map_err(|_| {
            NgsiError::request(format!(
                "{name} is a whole number, not “{}”",
                kenroku_ngsi_ld::check::short(v)
            ))
        })
    }

    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// The form that is wanted most of those that are offered (§6.3.4).
    pub fn accept(&self, offered: &[Media]) -> Result<Media, Failed> {
        let text = self.header(header::ACCEPT);
        if text.is_empty() {
            return Ok(Media::Json);
        }
        let mut best: Option<(f32, usize, Media)> = None;
        for part in text.split(',') {
            let mut it = part.split(';');
            let name = it.next().unwrap_or_default().trim();
            let q = it
                .find_map(|p| p.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()))
                .unwrap_or(1.0);
            let found = match name {
                "application/json" | "*/*" | "application/*" => Media::Json,
                "application/ld+json" => Media::LdJson,
                "application/geo+json" => Media::GeoJson,
                _ => continue,
            };
            // application/json is preferred among equals, wildcards come last.
            let rank = if name.contains('*') { 0 } else { 2 - found as usize % 3 };
            if offered.contains(&found) && q > 0.0 && best.is_none_or(|(bq, br, _)| (q, rank) > (bq, br)) {
                best = Some((q, rank, found));
            }
        }
        best.map(|(_, _, m)| m).ok_or(Failed::Status(StatusCode::NOT_ACCEPTABLE))
    }

    /// The address in a `Link` header that gives the @context (§6.3.5).
    fn link(&self) -> Option<String> {
        for v in self.headers.get_all(header::LINK) {
            for part in v.to_str().unwrap_or_default().split(",<") {
                let part = part.trim().trim_start_matches('<');
                let (url, rest) = part.split_once('>')?;
                if rest.contains("http://www.w3.org/ns/json-ld#context") {
                    return Some(url.to_owned());
                }
            }
        }
        None
    }

    /// How this server was called.
    pub fn base(&self) -> String {
        let host = self.header(header::HOST);
        if host.is_empty() { String::new() } else { format!("http://{host}") }
    }

    /// The words of a request without a body: from its `Link` header.
    pub async fn names(&self, space: &Space) -> Result<Arc<Names>, Failed> {
        let given = self.link().map_or(Value::Null, Value::String);
        Ok(self.broker.contexts.names(&self.app, space.tenant, &given).await?)
    }

    /// The body as JSON, with where its words come from.
    ///
    /// `merge`: `application/merge-patch+json` is taken too.
    pub fn json(&self, merge: bool) -> Result<(Value, Given), Failed> {
        let kind = self.header(header::CONTENT_TYPE);
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let ld = match kind.as_str() {
            "application/ld+json" => true,
            "application/json" => false,
            "application/merge-patch+json" if merge => false,
            _ => return Err(Failed::Status(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
        };
        let value: Value = serde_json::from_slice(&self.body).map_err(|e| {
            NgsiError::request(format!(
                "the body is not valid JSON: {}",
                kenroku_ngsi_ld::check::short(&e.to_string())
            ))
        })?;
        let link = self.link();
        let inside = |v: &Value| v.get("@context").is_some();
        let any = inside(&value) || value.as_array().is_some_and(|a| a.iter().any(inside));
        if ld && link.is_some() {
            return Err(NgsiError::data(
                "with application/ld+json the @context stands in the body, not in a Link header",
            )
            .into());
        }
        if ld && !inside(&value) && !value.is_array() {
            return Err(NgsiError::data("with application/ld+json the @context stands in the body").into());
        }
        if !ld && any && !value.is_array() && kind != "application/merge-patch+json" {
            return Err(NgsiError::data(
                "an @context in the body needs the content type application/ld+json",
            )
            .into());
        }
        Ok((value, Given { ld: ld || (any && kind == "application/merge-patch+json"), link }))
    }

    /// A body that is one document: with its words.
    pub async fn document(&self, space: &Space, merge: bool) -> Result<(Value, Arc<Names>), Failed> {
        let (value, given) = self.json(merge)?;
        let context = given.of(&value);
        let names = self.broker.contexts.names(&self.app, space.tenant, &context).await?;
        Ok((value, names))
    }
}

/// Where the words of a body come from.
pub(crate) struct Given {
    ld: bool,
    link: Option<String>,
}

impl Given {
    /// Whether each document must bring its own.
    pub fn needs_context(&self) -> bool {
        self.ld && self.link.is_none()
    }

    /// Whether contexts stand in the body.
    pub fn in_body(&self) -> bool {
        self.ld
    }

    /// The context of this document.
    pub fn of(&self, doc: &Value) -> Value {
        match &self.link {
            Some(url) => Value::String(url.clone()),
            None if self.ld => doc.get("@context").cloned().unwrap_or_default(),
            None => Value::Null,
        }
    }
}

/// An answer with a body in these words.
pub(crate) async fn answer(call: &Call, space: &Space, names: &Names, media: Media, body: Value) -> Answer {
    let mut body = body;
    let mut headers = HeaderMap::new();
    match media {
        Media::LdJson => {
            put_context(&mut body, names);
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/ld+json"));
        }
        Media::GeoJson if call.headers.get("prefer").is_none_or(|p| p.as_bytes() != b"body=json") => {
            put_context(&mut body, names);
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/geo+json"));
        }
        Media::Json | Media::GeoJson => {
            let kind = if media == Media::Json { "application/json" } else { "application/geo+json" };
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            let url = match names.link() {
                Some(url) => url.to_owned(),
                None => call.broker.contexts.address_of(&call.app, space.tenant, &call.base(), names).await?,
            };
            let link = format!(
                "<{url}>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\""
            );
            if let Ok(v) = HeaderValue::from_str(&link) {
                headers.append(header::LINK, v);
            }
        }
    }
    tenant_header(&mut headers, space);
    let mut r = Response::new(Body::from(body.to_string()));
    r.headers_mut().extend(headers);
    Ok(r)
}

/// Says whose data was meant (§6.3.14).
pub(crate) fn tenant_header(headers: &mut HeaderMap, space: &Space) {
    if let Some(v) = space.named.as_deref().and_then(|n| HeaderValue::from_str(n).ok()) {
        headers.insert("ngsild-tenant", v);
    }
}

fn put_context(body: &mut Value, names: &Names) {
    match body {
        Value::Object(o) => {
            o.insert("@context".to_owned(), names.to_json());
        }
        Value::Array(a) => a.iter_mut().for_each(|v| put_context(v, names)),
        _ => {}
    }
}

/// 201 with the address of what was made.
pub(crate) fn created(space: &Space, location: &str) -> Response {
    let mut r = StatusCode::CREATED.into_response();
    if let Ok(v) = HeaderValue::from_str(location) {
        r.headers_mut().insert(header::LOCATION, v);
    }
    tenant_header(r.headers_mut(), space);
    r
}

/// An answer without a body.
pub(crate) fn empty(space: &Space, status: StatusCode) -> Response {
    let mut r = status.into_response();
    tenant_header(r.headers_mut(), space);
    r
}

/// A JSON answer that has no words of its own (results of batches).
pub(crate) fn plain(space: &Space, status: StatusCode, body: &Value) -> Response {
    let mut r = (status, body.to_string()).into_response();
    r.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    tenant_header(r.headers_mut(), space);
    r
}

/// A mistake that belongs to one of many.
pub(crate) fn fault_of(f: &Failed) -> Value {
    match f {
        Failed::Ngsi(e) => e.to_json(),
        _ => NgsiError::new(Fault::InternalError, "it could not be done; ask the operator").to_json(),
    }
}
