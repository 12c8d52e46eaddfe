//! [`Provider`]: the parts that the endpoints work with, and what is known of a request.

use std::fmt;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use kenroku_access::Assurance;
use kenroku_http::{App, RequestInfo};
use kenroku_oidc::client_auth::{Known, Presented, UseOnce};
use kenroku_oidc::dpop::{self, Nonces, Proof};
use kenroku_oidc::{Code, Params, Scopes, sha256};
use kenroku_store::{Db, Tx};
use kenroku_types::{Env, Problem, Tenant};
use kenroku_ui::Page;
use kenroku_vault::Vault;

use super::answer::{Fault, Outcome, finish, inner, refused};
use super::clients::{Client, Clients};
use super::keys::{Held, Ring};
use super::published::Published;
use super::sql;
use crate::session::{self, Session};

/// All rows are the prefecture's.
pub(super) const T: Tenant = Tenant::SHARED;

/// Scopes about a person that exist here (Core §5.4, §11). Ours: `residence`, the municipality alone; `account`, the
/// class of account and whether somebody is an adult; and what a service may do for a person, by the same words as
/// delegations ([`crate::delegation::Scope`]).
pub const SCOPES: &str =
    "account address bookings coupons health messages offline_access openid procedures profile residence";

/// How the provider is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer, such as `https://portal.example.jp`. Empty: the address of the request, on this machine only.
    pub issuer: String,
    /// Life of an access token.
    pub access: Duration,
    /// Life of a refresh token that is not used.
    pub refresh: Duration,
    /// Whether proofs of possession need our nonce (RFC 9449 §8).
    pub dpop_nonce: bool,
    /// How long a key signs.
    pub rotation: Duration,
    /// Whether clients may register redirect addresses with plain HTTP on this machine.
    pub local_http: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            issuer: String::new(),
            access: Duration::from_secs(600),
            refresh: Duration::from_secs(30 * 86_400),
            dpop_nonce: true,
            rotation: Duration::from_secs(90 * 86_400),
            local_http: false,
        }
    }
}

/// The provider. Cheap to clone; put into the app by the module.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

/// What it is made of, for the endpoints.
pub struct Inner {
    pub(super) db: Db,
    pub(super) env: Env,
    pub(super) vault: Vault,
    pub(super) settings: Settings,
    pub(super) scopes: Scopes,
    pub(super) nonces: Nonces,
    pub(super) ring: RwLock<Option<(Duration, Arc<Ring>)>>,
    pub(super) clients: Mutex<Clients>,
    pub(super) published: Published,
}

impl std::ops::Deref for Provider {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provider")
    }
}

impl Provider {
    /// Puts the parts together, and makes the first keys where there are none.
    ///
    /// # Errors
    /// When the database or the vault fails.
    pub async fn start(db: Db, env: Env, vault: Vault, settings: Settings) -> Result<Provider, Problem> {
        let secret = vault.shared_secret(T, "identity.dpop-nonce").await.map_err(Problem::from)?;
        let scopes = Scopes::parse(SCOPES).map_err(|e| Problem::internal().because(&e))?;
        let provider = Provider(Arc::new(Inner {
            db,
            env,
            vault,
            settings,
            scopes,
            nonces: Nonces::new(&secret),
            ring: RwLock::default(),
            clients: Mutex::default(),
            published: Published::default(),
        }));
        provider.renew_keys().await?;
        Ok(provider)
    }

    /// Our name in tokens. Without a setting it is the address that was called, and only on names that stand for
    /// this machine (RFC 6761: `localhost`, `.test`): elsewhere whoever calls could choose it.
    pub(super) fn issuer(&self, info: &RequestInfo, headers: &HeaderMap) -> Outcome<String> {
        if !self.settings.issuer.is_empty() {
            return Ok(self.settings.issuer.clone());
        }
        let host = headers.get(axum::http::header::HOST).and_then(|v| v.to_str().ok()).unwrap_or("");
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let own = matches!(name, "localhost" | "127.0.0.1" | "[::1]") || name.ends_with(".test");
        if !own || !host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b)) {
            return Err(inner(
                Problem::new(503, "identity.no-issuer", "The provider has no name")
                    .next("Set identity.origin to the address of this site."),
            ));
        }
        Ok(format!("{}://{host}", if info.https { "https" } else { "http" }))
    }

    /// Uses something up; false when it was used before.
    pub(super) async fn once(&self, tx: &mut Tx, kind: &str, use_once: &UseOnce) -> Outcome<bool> {
        let hash = sha256(use_once.id.as_bytes());
        Ok(sql::add_once(tx, kind, &hash, use_once.until).await?)
    }

    /// A random text with 256 bits.
    pub(super) fn secret(&self) -> String {
        kenroku_oidc::b64_encode(self.env.rng.bytes::<32>())
    }

    /// The key ring, at most [`Held::FRESH`] old.
    pub(super) async fn ring(&self) -> Outcome<Arc<Ring>> {
        Ok(self.keys(Held::FRESH).await?)
    }
}

/// A request to an endpoint for programs.
pub(super) struct Call {
    pub app: App,
    pub op: Arc<Provider>,
    pub parts: Parts,
    pub params: Params,
    pub issuer: String,
}

impl FromRequest<App> for Call {
    type Rejection = Response;

    async fn from_request(req: Request, app: &App) -> Result<Self, Response> {
        let (parts, body) = req.into_parts();
        let nonce = nonce_for(app, &parts);
        // The pipeline has bounded it.
        let body = axum::body::to_bytes(body, usize::MAX).await;
        let body = body.map_err(|_| refused(Code::InvalidRequest, "the body broke off"));
        body.and_then(|b| Call::read(app, parts, &b)).map_err(|e| finish(Err(e), nonce))
    }
}

impl Call {
    /// Reads it.
    pub(super) fn read(app: &App, parts: Parts, body: &[u8]) -> Outcome<Call> {
        let op = app.get::<Provider>()?;
        let info = parts.extensions.get::<RequestInfo>().ok_or_else(|| missing("the boundary"))?;
        let issuer = op.issuer(info, &parts.headers)?;
        let kind =
            parts.headers.get(axum::http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim();
        if !body.is_empty() && !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(refused(Code::InvalidRequest, "send application/x-www-form-urlencoded"));
        }
        let text =
            std::str::from_utf8(body).map_err(|_| refused(Code::InvalidRequest, "the body is not UTF-8"))?;
        Ok(Call { app: app.clone(), params: Params::parse(text)?, op, parts, issuer })
    }

    /// The answer, open to scripts of any site, with the nonce for the next proof where the request spoke of DPoP.
    pub(super) fn answer(&self, outcome: Outcome<Response>) -> Response {
        finish(outcome, self.nonce())
    }

    /// The nonce for the answer, when the request spoke of DPoP.
    pub(super) fn nonce(&self) -> Option<String> {
        nonce_for(&self.app, &self.parts)
    }

    /// The address that was called.
    pub(super) fn url(&self) -> String {
        format!("{}{}", self.issuer, self.parts.uri.path())
    }

    fn header(&self, name: &str) -> Outcome<Option<&str>> {
        let mut all = self.parts.headers.get_all(name).iter();
        match (all.next(), all.next()) {
            (None, _) => Ok(None),
            (Some(v), None) => {
                v.to_str().map(Some).map_err(|_| refused(Code::InvalidRequest, "a header is not readable"))
            }
            _ => Err(refused(Code::InvalidRequest, "a header is repeated")),
        }
    }

    /// The client, proved as it registered. Unknown clients get the same answer as wrong secrets.
    pub(super) async fn client(&self) -> Outcome<Arc<Client>> {
        let shown = Presented::read(self.header("authorization")?, &self.params)?;
        let now = self.op.env.now();
        let client = self.op.client(shown.client()).await?.filter(|c| c.is_active(now));
        let client = client.ok_or_else(|| refused(Code::InvalidClient, "client authentication failed"))?;
        let (url, issuer) = (self.url(), self.issuer.as_str());
        let token = format!("{issuer}/oidc/token");
        let keys = match (&client.metadata.jwks_uri, &shown) {
            (Some(at), Presented::Assertion { jwt, .. }) => {
                Some(self.op.published.keys(at, jwt, self.op.env.clock.monotonic()).await?)
            }
            _ => None,
        };
        let known = Known {
            id: &client.id,
            metadata: &client.metadata,
            keys: keys.as_deref(),
            secret_hash: client.secret_hash.as_deref(),
            audiences: &[issuer, &token, &url],
        };
        if let Some(once) = shown.check(&known, now)? {
            let once = UseOnce { id: format!("{} {}", client.id, once.id), ..once };
            let mut tx = self.op.db.begin().await?;
            let fresh = self.op.once(&mut tx, "assertion", &once).await?;
            tx.commit().await?;
            if !fresh {
                return Err(refused(Code::InvalidClient, "this client_assertion was used before"));
            }
        }
        Ok(client)
    }

    /// The proof of possession that came with the request, used up; `None` when there is none.
    pub(super) async fn proof(&self, access_token: Option<&str>) -> Outcome<Option<Proof>> {
        let Some(header) = self.header("dpop")? else { return Ok(None) };
        let url = self.url();
        let request = dpop::Request { method: self.parts.method.as_str(), url: &url, access_token };
        let now = self.op.env.now();
        let proof = dpop::check(header, &request, now)?;
        if self.op.settings.dpop_nonce {
            self.op.nonces.check(&proof, now)?;
        }
        let mut tx = self.op.db.begin().await?;
        let fresh = self.op.once(&mut tx, "proof", &proof.once).await?;
        tx.commit().await?;
        if !fresh {
            return Err(refused(Code::InvalidDpopProof, "this proof was used before"));
        }
        Ok(Some(proof))
    }
}

/// A person's request to a page: what every such handler works with.
pub(super) struct Visit {
    pub app: App,
    pub op: Arc<Provider>,
    pub page: Page,
    pub parts: Parts,
    pub issuer: String,
}

impl FromRequestParts<App> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let page = Page::from_request_parts(parts, app).await.map_err(|e| e.into_response())?;
        let read = || {
            let op = app.get::<Provider>()?;
            let info = parts.extensions.get::<RequestInfo>().ok_or_else(|| missing("the boundary"))?;
            let issuer = op.issuer(info, &parts.headers)?;
            Ok(Visit { app: app.clone(), op, page, parts: parts.clone(), issuer })
        };
        read().map_err(super::authorize::shown)
    }
}

impl Visit {
    /// Who is signed in with this browser.
    pub(super) async fn session(&self) -> Outcome<Option<Session>> {
        Ok(session::current(&self.app, &self.parts).await?)
    }

    /// The query as it came.
    pub(super) fn query(&self) -> &str {
        self.parts.uri.query().unwrap_or("")
    }
}

/// The nonce for the answer, when the request spoke of DPoP.
fn nonce_for(app: &App, parts: &Parts) -> Option<String> {
    let op = app.get::<Provider>().ok()?;
    parts.headers.contains_key("dpop").then(|| op.nonces.current(op.env.now()))
}

/// The assurance that an `acr` value names.
pub(super) fn assurance(acr: &str) -> Option<Assurance> {
    Assurance::ALL.into_iter().find(|a| a.acr() == Some(acr))
}

/// Every `acr` that can be had.
pub(super) fn acr_values() -> Vec<&'static str> {
    [Assurance::PasswordOtp, Assurance::Passkey, Assurance::JpkiAuth, Assurance::JpkiSign]
        .into_iter()
        .filter_map(Assurance::acr)
        .collect()
}

/// The client is unknown, stopped or out of contract: the person is told.
pub(super) fn missing_client() -> Fault {
    refused(Code::InvalidRequest, "client_id is not known here, or its contract is over")
}

/// Not an OAuth error but an accident: something that must be there is missing.
pub(super) fn missing(what: &'static str) -> Fault {
    let mut p = Problem::internal();
    p.cause = format!("{what} is missing");
    inner(p)
}
