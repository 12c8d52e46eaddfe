//! What stands between the router and a handler: the guard against forged cross-site requests, the listener's
//! audience, the operation's own rate, the body within its bounds and decoded, and the time limit.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use kenroku_access::ForModule;
use kenroku_types::{Problem, Tenant};

use crate::rate::RateLimiter;
use crate::request::{Listener, RequestInfo};
use crate::routes::Audience;
use crate::{App, Error, idempotency, net, security};

/// What an operation sets for itself.
#[derive(Default)]
pub(crate) struct Limits {
    pub body: Option<usize>,
    pub timeout: Option<Duration>,
    pub streaming: bool,
    pub cross_site: bool,
    pub rate: Option<Arc<RateLimiter>>,
}

pub(crate) struct OpLimits {
    pub audience: Audience,
    pub module: &'static str,
    pub limits: Limits,
}

/// Runs one request through its operation's limits.
pub(crate) async fn run(State((app, op)): State<(App, Arc<OpLimits>)>, req: Request, next: Next) -> Response {
    let limit = op.limits.timeout.unwrap_or(app.settings().timeout);
    match tokio::time::timeout(limit, within(&app, &op, req, next)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => error.into_response(),
        Err(_) => Error::from(
            Problem::new(503, "timeout", "This took too long")
                .detail(format!("The limit is {} seconds.", limit.as_secs()))
                .next("Try again after the time given in Retry-After, with less at once if you can.")
                .retry_after(5),
        )
        .into_response(),
    }
}

async fn within(app: &App, op: &OpLimits, mut req: Request, next: Next) -> Result<Response, Error> {
    req.extensions_mut().insert(ForModule(op.module));
    if !op.limits.cross_site {
        security::refuse_cross_site(req.method(), req.headers(), &app.settings().origins)?;
    }
    if let Some(info) = req.extensions().get::<RequestInfo>() {
        if !heard(op.audience, info, app) {
            return Err(Problem::not_found().into());
        }
        if let Some(rate) = &op.limits.rate {
            rate.take(&net::client_network(info.client), app.env().clock.monotonic()).map_err(too_many)?;
        }
    }
    if op.limits.streaming || !carries_body(req.method()) {
        return Ok(next.run(unlimited(req)).await);
    }
    let (mut parts, body) = req.into_parts();
    let sent_limit = op.limits.body.unwrap_or(app.settings().body_limit);
    let raw = collect(&parts.headers, body, sent_limit).await?;
    let bytes = decode(&mut parts.headers, raw, sent_limit.max(app.settings().decoded_limit))?;
    let key = if parts.method == Method::POST { idempotency::key_of(&parts.headers)? } else { None };
    match key {
        Some(key) => {
            let actor = app.access().authenticate(&mut parts).await.map_err(Problem::from)?;
            let tenant = actor.scope().tenant().unwrap_or(Tenant::SHARED);
            idempotency::run(app, &actor.to_string(), tenant, &key, parts, bytes, next).await
        }
        None => Ok(next.run(unlimited(Request::from_parts(parts, Body::from(bytes)))).await),
    }
}

/// Whether the operation exists for whoever came in by this listener.
fn heard(audience: Audience, info: &RequestInfo, app: &App) -> bool {
    let settings = app.settings();
    match (audience, info.listener) {
        (Audience::Everybody, Listener::Admin) => false,
        (Audience::Everybody, _) => true,
        (Audience::Staff, Listener::Public) => !settings.separate_staff,
        (Audience::Staff, listener) => listener == Listener::Staff,
        (Audience::Admin, Listener::Admin) => true,
        (Audience::Admin, _) => !settings.separate_admin && info.client.is_loopback(),
    }
}

/// The refusal of a rate limit.
pub(crate) fn too_many(wait: u32) -> Problem {
    Problem::new(429, "too-many-requests", "Too many requests")
        .next("Wait as long as Retry-After says; send larger batches less often.")
        .retry_after(wait)
}

fn carries_body(method: &Method) -> bool {
    !method.is_safe()
}

/// The bounds are ours; axum's general one would cut what an operation allows.
fn unlimited(mut req: Request) -> Request {
    DefaultBodyLimit::disable().apply(&mut req);
    req
}

fn too_large(limit: usize) -> Problem {
    Problem::new(413, "body-too-large", "The body is too large")
        .detail(format!("At most {limit} bytes are taken here."))
        .next("Send it in several smaller requests.")
}

async fn collect(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Problem> {
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<usize>().ok());
    if declared.is_some_and(|n| n > limit) {
        return Err(too_large(limit));
    }
    let mut held = Vec::with_capacity(declared.unwrap_or(0).min(limit));
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|e| {
            Problem::new(400, "body-broken", "The body broke off").next("Send the request again.").because(&e)
        })?;
        if held.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        held.extend_from_slice(&chunk);
    }
    Ok(held.into())
}

/// Undoes `Content-Encoding` (RFC 9110 §8.4) with a bounded output, so that a small body cannot become a
/// huge one.
fn decode(headers: &mut HeaderMap, body: Bytes, limit: usize) -> Result<Bytes, Problem> {
    let encoding = match headers.get(header::CONTENT_ENCODING) {
        None => return Ok(body),
        Some(v) => v.to_str().unwrap_or("?").trim().to_ascii_lowercase(),
    };
    let decoded = match encoding.as_str() {
        "" | "identity" => Ok(body),
        "gzip" | "x-gzip" => bounded(flate2::bufread::MultiGzDecoder::new(&body[..]), limit, "gzip"),
        // RFC 9110 §8.4.1.2: “deflate” is the zlib format.
        "deflate" => bounded(flate2::bufread::ZlibDecoder::new(&body[..]), limit, "deflate"),
        other => {
            let named: String = other.chars().take(32).collect();
            Err(Problem::new(415, "content-encoding", "This Content-Encoding is not taken")
                .detail(format!("“{named}” is not gzip, deflate or identity"))
                .next("Send the body as gzip or unencoded."))
        }
    }?;
    headers.remove(header::CONTENT_ENCODING);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(decoded.len()));
    Ok(decoded)
}

fn bounded(decoder: impl Read, limit: usize, name: &str) -> Result<Bytes, Problem> {
    let mut out = Vec::new();
    decoder.take(limit as u64 + 1).read_to_end(&mut out).map_err(|e| {
        Problem::new(400, "encoding-broken", "The body cannot be decoded")
            .detail(format!("It is cut off or not valid {name}; nothing of it was used."))
            .next("Send the whole body again.")
            .because(&e)
    })?;
    if out.len() > limit {
        return Err(too_large(limit));
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut e = GzEncoder::new(Vec::new(), Compression::default());
        e.write_all(data).unwrap();
        e.finish().unwrap()
    }

    fn encoded(name: &'static str, body: Vec<u8>, limit: usize) -> Result<Bytes, Problem> {
        let mut headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_static(name))]);
        decode(&mut headers, body.into(), limit)
    }

    #[test]
    fn a_bomb_is_refused_and_the_same_body_within_bounds_is_not() {
        let zeros = vec![0; 100_000];
        let body = gzip(&zeros);
        assert!(body.len() < 1000);
        assert_eq!(encoded("gzip", body.clone(), 99_999).unwrap_err().code, "body-too-large");
        assert_eq!(encoded("gzip", body, 100_000).unwrap().len(), 100_000);
        let mut z = ZlibEncoder::new(Vec::new(), Compression::default());
        z.write_all(b"abc").unwrap();
        assert_eq!(&encoded("deflate", z.finish().unwrap(), 10).unwrap()[..], b"abc");
        assert_eq!(encoded("br", vec![1], 10).unwrap_err().status, 415);
    }

    proptest! {
        #[test]
        fn any_cut_of_gzip_is_refused_without_panic(data in prop::collection::vec(any::<u8>(), 1..400), cut in 0usize..400) {
            let whole = gzip(&data);
            let cut = cut % whole.len();
            prop_assert_eq!(&encoded("gzip", whole.clone(), 1000).unwrap()[..], &data[..]);
            if cut > 0 {
                let e = encoded("gzip", whole[..cut].to_vec(), 1000).unwrap_err();
                prop_assert_eq!((e.status, &*e.code), (400, "encoding-broken"));
            }
        }
    }
}
