//! The ID of another region: what any provider of a city might be, with a secret instead of a key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kenroku_oidc::jwk::Alg;
use kenroku_oidc::jws::SigningKey;
use kenroku_oidc::{b64_encode, sha256};
use kenroku_types::{Env, Timestamp};
use serde_json::json;

use crate::page;
use crate::rules::{self, Params, Refusal};
use crate::server::{Json, back, bad, json_error};

const LIFE: Duration = Duration::from_secs(300);

const WORDS: page::Words = page::Words {
    title: "となりまちID（模擬）",
    note: "ほかの地域のIDの代わりです。実在しない方のなかから、ログインする方を選んでください。",
};

/// Who has an ID there. The first is one that a family shares.
const PEOPLE: [(&str, &str, &str); 3] = [
    ("1001", "模擬　家族", "家族で一つ使っているID"),
    ("1002", "架空　花子", "となりまち 1丁目"),
    ("1003", "見本　太郎", "となりまち 2丁目"),
];

struct Visit {
    redirect_uri: String,
    nonce: String,
    challenge: String,
    person: String,
    until: Timestamp,
}

#[derive(Default)]
struct Memory {
    codes: HashMap<String, Visit>,
    /// Refresh tokens that are good.
    tokens: HashMap<String, String>,
    revoked: u32,
}

/// The provider. Cheap to clone.
#[derive(Clone)]
pub struct RegionId(Arc<Inner>);

struct Inner {
    env: Env,
    issuer: String,
    client: String,
    secret: String,
    redirect_uri: String,
    key: SigningKey,
    memory: Mutex<Memory>,
}

impl std::fmt::Debug for RegionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RegionId({})", self.0.issuer)
    }
}

impl RegionId {
    /// A provider that is reached at `issuer`, such as `http://127.0.0.1:8082`, with one client and its secret.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(env: Env, issuer: &str, client: &str, secret: &str, redirect_uri: &str) -> Result<Self> {
        let (_, key) = SigningKey::generate(Alg::EdDsa)?;
        Ok(RegionId(Arc::new(Inner {
            env,
            issuer: issuer.trim_end_matches('/').to_owned(),
            client: client.to_owned(),
            secret: secret.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            key,
            memory: Mutex::default(),
        })))
    }

    /// Its issuer.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// How many tokens it was given back.
    pub fn revoked(&self) -> u32 {
        self.memory().revoked
    }

    /// Its operations.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/authorize", get(authorize).post(chosen))
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .route("/jwks", get(jwks))
            .with_state(self.clone())
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn secret(&self) -> String {
        b64_encode(self.0.env.rng.bytes::<32>())
    }

    /// `client_secret_basic`, and nothing else.
    fn authenticate(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let value = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let pair = value.strip_prefix("Basic ").and_then(|b| STANDARD.decode(b).ok()).unwrap_or_default();
        let known = format!("{}:{}", self.0.client, self.0.secret);
        if pair == known.as_bytes() { Ok(()) } else { Err(("invalid_client", "the secret does not fit")) }
    }

    fn checked(&self, query: &str) -> Result<Params, Response> {
        let page = |why: &str| (StatusCode::BAD_REQUEST, Html(page::refused(why))).into_response();
        let p = rules::params(query).map_err(|(_, why)| page(why))?;
        let get = |name: &str| p.get(name).map(String::as_str).unwrap_or_default();
        if get("client_id") != self.0.client || get("redirect_uri") != self.0.redirect_uri {
            return Err(page("client_id または redirect_uri が登録と一致しません。"));
        }
        let fits = get("response_type") == "code"
            && get("scope").split(' ').any(|s| s == "openid")
            && get("code_challenge_method") == "S256";
        if fits {
            Ok(p)
        } else {
            Err(page("response_type、scope または code_challenge_method が違います。"))
        }
    }
}

async fn discovery(State(app): State<RegionId>) -> Json {
    let at = |path: &str| format!("{}/{path}", app.0.issuer);
    Json(json!({
        "issuer": app.0.issuer,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "revocation_endpoint": at("revoke"),
        "jwks_uri": at("jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "scopes_supported": ["openid", "profile"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn jwks(State(app): State<RegionId>) -> Json {
    Json(json!({ "keys": [app.0.key.public().to_jwk()] }))
}

async fn authorize(State(app): State<RegionId>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let people = PEOPLE.map(|(id, name, text)| (id.to_owned(), name.to_owned(), text.to_owned()));
    match app.checked(&query) {
        Ok(_) => Html(page::choose(&WORDS, &query, &app.0.client, &people)).into_response(),
        Err(answer) => answer,
    }
}

async fn chosen(State(app): State<RegionId>, body: String) -> Response {
    let Ok(form) = rules::params(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    let p = match app.checked(form.get("request").map(String::as_str).unwrap_or_default()) {
        Ok(p) => p,
        Err(answer) => return answer,
    };
    let get = |name: &str| p.get(name).cloned().unwrap_or_default();
    let (redirect_uri, state, iss) = (get("redirect_uri"), get("state"), app.0.issuer.as_str());
    let person = form.get("resident").cloned().unwrap_or_default();
    if !PEOPLE.iter().any(|(id, ..)| *id == person) {
        return back(&redirect_uri, &[("error", "access_denied"), ("state", &state), ("iss", iss)]);
    }
    let code = app.secret();
    let until = app.0.env.now().plus(LIFE);
    let visit = Visit {
        redirect_uri: redirect_uri.clone(),
        nonce: get("nonce"),
        challenge: get("code_challenge"),
        person,
        until,
    };
    app.memory().codes.insert(code.clone(), visit);
    back(&redirect_uri, &[("code", &code), ("state", &state), ("iss", iss)])
}

async fn token(State(app): State<RegionId>, headers: HeaderMap, body: String) -> Response {
    let redeemed = || -> Result<Response, Refusal> {
        app.authenticate(&headers)?;
        let p = rules::params(&body)?;
        let get = |name: &str| p.get(name).map(String::as_str).unwrap_or_default();
        let refuse = |why| ("invalid_grant", why);
        let now = app.0.env.now();
        let visit = app.memory().codes.remove(get("code")).filter(|v| v.until > now);
        let visit = visit.ok_or(refuse("the code is unknown, used or too old"))?;
        if visit.redirect_uri != get("redirect_uri")
            || b64_encode(sha256(get("code_verifier").as_bytes())) != visit.challenge
        {
            return Err(refuse("the code belongs to another request"));
        }
        let name = PEOPLE.iter().find(|(id, ..)| *id == visit.person).map_or("", |(_, name, _)| name);
        let claims = json!({
            "iss": app.0.issuer, "sub": visit.person, "aud": app.0.client, "nonce": visit.nonce, "name": name,
            "iat": now.secs(), "exp": now.plus(LIFE).secs(), "auth_time": now.secs(),
        });
        let id_token = app.0.key.sign("JWT", &claims).map_err(|_| ("server_error", "signing failed"))?;
        let refresh = app.secret();
        app.memory().tokens.insert(refresh.clone(), visit.person);
        Ok(Json(json!({
            "access_token": app.secret(), "token_type": "Bearer", "expires_in": LIFE.as_secs(),
            "refresh_token": refresh, "id_token": id_token,
        }))
        .into_response())
    };
    redeemed().unwrap_or_else(bad)
}

/// RFC 7009: 200 whether the token was known or not.
async fn revoke(State(app): State<RegionId>, headers: HeaderMap, body: String) -> Response {
    if let Err(refusal) = app.authenticate(&headers) {
        return json_error(StatusCode::UNAUTHORIZED, refusal);
    }
    let Ok(p) = rules::params(&body) else { return bad(("invalid_request", "a parameter is repeated")) };
    let mut memory = app.memory();
    if memory.tokens.remove(p.get("token").map(String::as_str).unwrap_or_default()).is_some() {
        memory.revoked += 1;
    }
    StatusCode::OK.into_response()
}
