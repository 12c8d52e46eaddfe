//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a POST that is sent again, because its
//! answer was lost on the way, has its effect once and gets the first answer.
//!
//! The first request runs to its end even when the client goes away. Its answer is kept for
//! [`KEEP`], sealed under a key made from the `Idempotency-Key`, which is not stored: whoever holds only the
//! database cannot read it. Refused requests (4xx, 5xx) had no effect and free the key.
//!
//! When the process dies between the handler's commit and keeping the answer, a repetition runs the handler
//! again. A handler for which that must not happen takes [`Idempotency`] and records its answer in its own
//! transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use kenroku_store::{ModuleMigrations, Sql, Tx, migrations, params, sql};
use kenroku_types::{Env, Problem, Tenant, Timestamp};
use ring::{aead, hkdf};
use serde::Serialize;

use crate::{App, Error};

/// How long an answer is kept.
pub const KEEP: Duration = Duration::from_secs(24 * 3600);
/// Longer than any request takes: after this a request whose process died is run again.
const LEASE: Duration = Duration::from_secs(120);
/// Answers above this are not kept; their operations are repeated.
const MAX_ANSWER: usize = 256 * 1024;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Tells the caller that this is the answer of the first request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Headers of an answer that are kept with it.
const KEPT_HEADERS: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::LOCATION, header::ETAG, header::SET_COOKIE];

/// The tables of this crate.
pub const MIGRATIONS: ModuleMigrations = migrations!("http", ["0001_idempotency"]);

const CLAIM: &Sql = sql!(
    "insert into http_idempotency (tenant, key_hash, request_hash, started_at, expires_at)
     values ($1, $2, $3, $4, $5) on conflict do nothing"
);
const READ: &Sql = sql!(
    "select request_hash, started_at, expires_at, answer from http_idempotency where tenant = $1 and key_hash = $2"
);
const RECLAIM: &Sql = sql!(
    "update http_idempotency set request_hash = $3, started_at = $4, expires_at = $5, answer = null
     where tenant = $1 and key_hash = $2 and started_at = $6"
);
const KEEP_ANSWER: &Sql =
    sql!("update http_idempotency set answer = $4 where tenant = $1 and key_hash = $2 and started_at = $3");
const RELEASE: &Sql = sql!(
    "delete from http_idempotency where tenant = $1 and key_hash = $2 and started_at = $3 and answer is null"
);
const PURGE: &Sql = sql!(
    "delete from http_idempotency where expires_at < $1 /* @cross_tenant: the same term for everybody */"
);

/// The claim of one request on its key. Every handler can take it; without the header it does nothing.
#[derive(Clone, Default)]
pub struct Idempotency(Option<Arc<Claim>>);

struct Claim {
    env: Env,
    tenant: Tenant,
    key_hash: [u8; 32],
    seal: aead::LessSafeKey,
    started_at: Timestamp,
    recorded: AtomicBool,
}

/// Hash of the first request, when it started, when it expires, its sealed answer.
type Row = (Vec<u8>, Timestamp, Timestamp, Option<Vec<u8>>);

/// An answer in the form that is sealed: status, kept headers, body.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    #[serde(with = "base64_text")]
    body: Vec<u8>,
}

mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(bytes))
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(d)?).map_err(D::Error::custom)
    }
}

impl Idempotency {
    /// Keeps `body` as the answer in the handler's own transaction, and returns it: effect and answer are
    /// then both there or both not, whatever dies.
    ///
    /// # Errors
    /// What the database says.
    pub async fn record<T: Serialize>(
        &self,
        tx: &mut Tx,
        status: StatusCode,
        body: &T,
    ) -> Result<Response, Error> {
        let bytes = serde_json::to_vec(body).map_err(|e| Error::internal(&e))?;
        if let Some(claim) = &self.0 {
            let kept = Kept {
                status: status.as_u16(),
                headers: vec![("content-type".to_owned(), "application/json".to_owned())],
                body: bytes.clone(),
            };
            claim.keep(tx, &kept).await?;
            claim.recorded.store(true, Ordering::SeqCst);
        }
        let kind = HeaderValue::from_static("application/json");
        Ok((status, [(header::CONTENT_TYPE, kind)], bytes).into_response())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Idempotency {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Idempotency>().cloned().unwrap_or_default())
    }
}

/// The key of a request, if it has one.
///
/// # Errors
/// 400 `idempotency-key-invalid`.
pub(crate) fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    // The draft writes it as a structured string with quotes; many clients send it bare.
    let bare = value.to_str().unwrap_or("").trim().trim_matches('"');
    if (16..=128).contains(&bare.len()) && bare.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(Some(bare.to_owned()));
    }
    Err(Problem::new(400, "idempotency-key-invalid", "The Idempotency-Key cannot be used")
        .detail("It must have 16 to 128 visible ASCII characters.")
        .next("Send a fresh random UUID for each action, and the same one again when you repeat it."))
}

/// Runs `next` at most once for this key and caller.
pub(crate) async fn run(
    app: &App,
    who: &str,
    tenant: Tenant,
    key: &str,
    parts: Parts,
    body: Bytes,
    next: Next,
) -> Result<Response, Error> {
    let now = app.env().now();
    let request_hash = request_hash(&parts, &body);
    let (key_hash, seal) = keys(who, key)?;
    let claim = Arc::new(Claim {
        env: app.env().clone(),
        tenant,
        key_hash,
        seal,
        started_at: now,
        recorded: AtomicBool::new(false),
    });
    if let Some(answer) = claim.claim(app, &request_hash).await? {
        return Ok(answer);
    }
    let mut req = Request::from_parts(parts, Body::from(body));
    req.extensions_mut().insert(Idempotency(Some(claim.clone())));
    let app = app.clone();
    // A task of its own: when the client goes away this future is dropped, the work is not.
    let work = tokio::spawn(async move {
        let response = next.run(req).await;
        claim.settle(&app, response).await
    });
    match work.await {
        Ok(answer) => answer,
        Err(e) => {
            let mut problem = Problem::internal();
            problem.cause = e.to_string();
            Err(problem.into())
        }
    }
}

impl Claim {
    /// `None` when the key is ours now, otherwise the answer of the first request.
    async fn claim(&self, app: &App, request_hash: &[u8; 32]) -> Result<Option<Response>, Error> {
        let mut tx = app.db().begin().await?;
        let (now, expires) = (self.started_at, self.started_at.plus(KEEP));
        let claimed =
            tx.execute(CLAIM, params![self.tenant, &self.key_hash, request_hash, now, expires]).await?;
        if claimed == 1 {
            tx.commit().await?;
            return Ok(None);
        }
        let row: Option<Row> = tx.opt(READ, params![self.tenant, &self.key_hash]).await?;
        let Some((first_hash, started, expires_at, answer)) = row else { return Err(running().into()) };
        if expires_at >= now {
            if first_hash != request_hash {
                return Err(reused().into());
            }
            if let Some(sealed) = answer {
                return Ok(Some(self.open(sealed)?));
            }
            if started.plus(LEASE) >= now {
                return Err(running().into());
            }
        }
        let taken = tx
            .execute(RECLAIM, params![self.tenant, &self.key_hash, request_hash, now, expires, started])
            .await?;
        tx.commit().await?;
        if taken == 1 { Ok(None) } else { Err(running().into()) }
    }

    /// Keeps what the handler answered, or frees the key when it had no effect.
    async fn settle(&self, app: &App, response: Response) -> Result<Response, Error> {
        if self.recorded.load(Ordering::SeqCst) {
            return Ok(response);
        }
        let status = response.status();
        if !(status.is_success() || status.is_redirection()) {
            self.release(app).await?;
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.map_err(|e| Error::internal(&e))?;
        if body.len() > MAX_ANSWER {
            self.release(app).await?;
            return Ok(Response::from_parts(parts, Body::from(body)));
        }
        let text = |n: &HeaderName| parts.headers.get(n).and_then(|v| v.to_str().ok());
        let headers =
            KEPT_HEADERS.iter().filter_map(|n| Some((n.to_string(), text(n)?.to_owned()))).collect();
        let kept = Kept { status: status.as_u16(), headers, body: body.to_vec() };
        let mut tx = app.db().begin().await?;
        self.keep(&mut tx, &kept).await?;
        tx.commit().await?;
        Ok(Response::from_parts(parts, Body::from(body)))
    }

    async fn release(&self, app: &App) -> Result<(), Error> {
        let mut tx = app.db().begin().await?;
        tx.execute(RELEASE, params![self.tenant, &self.key_hash, self.started_at]).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn keep(&self, tx: &mut Tx, kept: &Kept) -> Result<(), Error> {
        let plain = serde_json::to_vec(kept).map_err(|e| Error::internal(&e))?;
        let sealed = self.seal(plain)?;
        let written =
            tx.execute(KEEP_ANSWER, params![self.tenant, &self.key_hash, self.started_at, sealed]).await?;
        // Somebody took the key over because we were thought dead: our effect must not be the second one.
        if written == 1 { Ok(()) } else { Err(running().into()) }
    }

    fn seal(&self, mut plain: Vec<u8>) -> Result<Vec<u8>, Error> {
        let nonce: [u8; aead::NONCE_LEN] = self.env.rng.bytes();
        let aad = aead::Aad::from(self.key_hash);
        self.seal
            .seal_in_place_append_tag(aead::Nonce::assume_unique_for_key(nonce), aad, &mut plain)
            .map_err(|_| sealing())?;
        Ok([&nonce[..], &plain].concat())
    }

    fn open(&self, mut sealed: Vec<u8>) -> Result<Response, Error> {
        let (nonce, text) = sealed.split_at_mut_checked(aead::NONCE_LEN).ok_or_else(sealing)?;
        let nonce = aead::Nonce::try_assume_unique_for_key(nonce).map_err(|_| sealing())?;
        let aad = aead::Aad::from(self.key_hash);
        let plain = self.seal.open_in_place(nonce, aad, text).map_err(|_| sealing())?;
        let kept: Kept = serde_json::from_slice(plain).map_err(|e| Error::internal(&e))?;
        let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
        let mut response = (status, kept.body).into_response();
        response.headers_mut().remove(header::CONTENT_TYPE);
        for (name, value) in kept.headers {
            if let (Ok(n), Ok(v)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().insert(n, v);
            }
        }
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }
}

/// Removes answers that are older than [`KEEP`]; run it now and then.
///
/// # Errors
/// What the database says.
pub async fn purge(tx: &mut Tx, now: Timestamp) -> kenroku_store::Result<u64> {
    tx.execute(PURGE, params![now]).await
}

/// Two requests with one key must be the same request: method, address, kind and content.
fn request_hash(parts: &Parts, body: &[u8]) -> [u8; 32] {
    let kind = parts.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let address = parts.uri.path_and_query().map_or("", |p| p.as_str());
    hash(&[parts.method.as_str().as_bytes(), address.as_bytes(), kind, body])
}

/// SHA-256 over parts with their lengths, so that shifting a byte from one to the next changes it.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut c = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        c.update(&(part.len() as u64).to_be_bytes());
        c.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(c.finish().as_ref());
    out
}

/// What names the row, and what seals the answer: both from caller and key, neither from the other.
fn keys(who: &str, key: &str) -> Result<([u8; 32], aead::LessSafeKey), Error> {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"kenroku http idempotency 1")
        .extract(&hash(&[who.as_bytes(), key.as_bytes()]));
    let mut name = [0; 32];
    let okm = prk.expand(&[b"row"], hkdf::HKDF_SHA256).map_err(|_| sealing())?;
    okm.fill(&mut name).map_err(|_| sealing())?;
    let okm = prk.expand(&[b"seal"], &aead::AES_256_GCM).map_err(|_| sealing())?;
    Ok((name, aead::LessSafeKey::new(aead::UnboundKey::from(okm))))
}

fn running() -> Problem {
    Problem::new(409, "idempotency-running", "The first request with this key is still running")
        .next("Send the same request again after the time given in Retry-After.")
        .retry_after(1)
}

fn reused() -> Problem {
    Problem::new(422, "idempotency-key-reused", "This key was used for another request")
        .next("Send a fresh key with each new action.")
}

fn sealing() -> Error {
    let mut problem = Problem::internal();
    "sealing a kept answer failed".clone_into(&mut problem.cause);
    problem.into()
}
