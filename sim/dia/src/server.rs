//! The server: addresses as documented, everything in memory.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::extract::{RawPathParams, RawQuery, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kenroku_oidc::jwk::{Alg, KeySet};
use kenroku_oidc::jws::{SigningKey, Unverified};
use kenroku_oidc::{b64_encode, sha256};
use kenroku_sim_card::der;
use kenroku_sim_card::people::{Resident, Sex};
use kenroku_sim_card::pki::{Pki, Purpose};
use kenroku_types::{Env, Timestamp};
use serde_json::{Value, json};
use url::Url;

use crate::page;
use crate::rules::{self, Params, Refusal};

const REALM: &str = "/api/realms/main";
const CODE_LIFE: Duration = Duration::from_secs(60);
const TOKEN_LIFE: Duration = Duration::from_secs(300);

/// A relying party that is registered.
#[derive(Clone, Debug)]
pub struct Client {
    /// `[0-9a-zA-Z]{1,255}`
    pub id: String,
    /// Where people are sent back, letter by letter.
    pub redirect_uri: String,
    /// Its public keys.
    pub keys: KeySet,
}

struct Code {
    client: String,
    redirect_uri: String,
    nonce: String,
    challenge: String,
    scope: String,
    resident: u32,
    until: Timestamp,
}

struct Token {
    client: String,
    /// Absent in tokens of the client itself.
    resident: Option<u32>,
    scope: String,
    until: Timestamp,
}

struct Transaction {
    client: String,
    digest: Vec<u8>,
    signed_by: Option<u32>,
}

#[derive(Default)]
struct Memory {
    codes: HashMap<String, Code>,
    tokens: HashMap<String, Token>,
    refresh: HashMap<String, Token>,
    assertions: HashSet<String>,
    transactions: HashMap<String, Transaction>,
    /// See [`DigitalAuthApp::swap_signer`].
    other_signer: Option<u32>,
}

/// The stand-in. Cheap to clone.
#[derive(Clone)]
pub struct DigitalAuthApp(Arc<Inner>);

struct Inner {
    env: Env,
    base: String,
    clients: Vec<Client>,
    key: SigningKey,
    /// Of the subjects, which only this server can compute.
    salt: String,
    pki: Pki,
    memory: Mutex<Memory>,
}

impl std::fmt::Debug for DigitalAuthApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DigitalAuthApp({})", self.0.base)
    }
}

/// What the page says when it signs somebody in.
const SIGN_IN: page::Words = page::Words {
    title: "デジタル認証アプリの代わり（模擬）",
    note: "実在しない方のなかから、ログインする方を選んでください。本物では、スマートフォンのアプリでマイナンバーカードを\
           読み取り、4桁の暗証番号を入れます。",
};
/// What it says when somebody signs.
const SIGN: page::Words = page::Words {
    title: "デジタル認証アプリの代わり（模擬）: 電子署名",
    note: "実在しない方のなかから、署名する方を選んでください。本物では、スマートフォンのアプリでマイナンバーカードを読み取り、\
           署名用パスワード（6〜16文字）を入れます。選ぶと、その方のカードが署名したことになります。",
};

/// The real server's answers, which are no problem documents.
pub(crate) struct Json(pub(crate) Value);

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], self.0.to_string()).into_response()
    }
}

pub(crate) fn json_error(status: StatusCode, (code, why): Refusal) -> Response {
    (status, Json(json!({ "error": code, "error_description": why }))).into_response()
}

pub(crate) fn bad(refusal: Refusal) -> Response {
    let status =
        if refusal.0 == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
    json_error(status, refusal)
}

impl DigitalAuthApp {
    /// A stand-in that is reached at `base`, such as `http://127.0.0.1:8081`. Its subjects follow from `salt`, which
    /// only it should know: one that starts again with the same names everybody as before.
    ///
    /// # Errors
    /// When no key can be made, or a client is registered against the rules.
    pub fn new(env: Env, base: &str, clients: Vec<Client>, salt: &str) -> Result<Self> {
        for c in &clients {
            anyhow::ensure!(rules::is_client_id(&c.id), "client_id {} is not [0-9a-zA-Z]{{1,255}}", c.id);
            anyhow::ensure!((1..=255).contains(&c.redirect_uri.len()), "redirect_uri is longer than 255");
        }
        let (_, key) = SigningKey::generate(Alg::Es256)?;
        let base = base.trim_end_matches('/').to_owned();
        let salt = salt.to_owned();
        let inner = Inner { env, base, clients, key, salt, pki: Pki::shipped()?, memory: Mutex::default() };
        Ok(DigitalAuthApp(Arc::new(inner)))
    }

    /// Its issuer.
    pub fn issuer(&self) -> String {
        format!("{}{REALM}", self.0.base)
    }

    /// Its operations.
    pub fn router(&self) -> Router {
        let at = |path: &str| format!("{REALM}{path}");
        Router::new()
            .route(&at("/.well-known/openid-configuration"), get(discovery))
            .route(&at("/protocol/openid-connect/auth"), get(authorize).post(chosen))
            .route(&at("/protocol/openid-connect/token"), post(token))
            .route(&at("/protocol/openid-connect/userinfo"), get(userinfo))
            .route(&at("/protocol/openid-connect/certs"), get(certs))
            .route("/api/sign-transactions", post(begin_signing))
            .route("/api/sign-transactions/{id}/result", get(signing_result))
            .with_state(self.clone())
    }

    /// The next transaction is signed by this resident, whoever signs in: what a relying party must notice, should
    /// the real server ever let one person's signature come back with another's sign-in.
    pub fn swap_signer(&self, resident: u32) {
        self.memory().other_signer = Some(resident);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn secret(&self) -> String {
        b64_encode(self.0.env.rng.bytes::<32>())
    }

    fn now(&self) -> Timestamp {
        self.0.env.now()
    }

    /// The client of a request, when the redirect address is its own: only then may errors go there.
    fn client(&self, p: &Params) -> Result<&Client, &'static str> {
        let get = |name: &str| p.get(name).map(String::as_str).unwrap_or_default();
        let id = get("client_id");
        if !rules::is_client_id(id) {
            return Err("client_id は [0-9a-zA-Z]{1,255} です。");
        }
        let client = self.0.clients.iter().find(|c| c.id == id).ok_or("登録されていない client_id です。")?;
        if get("redirect_uri") != client.redirect_uri {
            return Err("redirect_uri が登録と一致しません。");
        }
        Ok(client)
    }

    /// 事業者ごとの識別子: nobody can compute one client's from another's.
    fn subject(&self, client: &str, resident: u32) -> String {
        b64_encode(sha256(format!("{}|{client}|{resident}", self.0.salt).as_bytes()))
    }

    fn authenticate(&self, p: &Params, headers: &HeaderMap) -> Result<&Client, Refusal> {
        let refuse = |why| ("invalid_client", why);
        let assertion = rules::client_authentication(p, headers.contains_key(AUTHORIZATION))?;
        let token = Unverified::parse(assertion).map_err(|_| refuse("client_assertion is no JWT"))?;
        let id = token.unverified_text("iss").unwrap_or_default();
        let client = self.0.clients.iter().find(|c| c.id == id).ok_or(refuse("unknown client"))?;
        let claims = token.verify_with(&client.keys).map_err(|_| refuse("the signature does not fit"))?;
        if claims.text("sub") != Some(&client.id) {
            return Err(refuse("sub must be the client_id"));
        }
        let endpoint = format!("{}{REALM}/protocol/openid-connect/token", self.0.base);
        if claims.audiences() != [endpoint.as_str()] {
            return Err(refuse("aud must be the token endpoint"));
        }
        if claims.time("exp").is_none_or(|t| t <= self.now()) {
            return Err(refuse("client_assertion has expired"));
        }
        let jti = claims.text("jti").filter(|j| !j.is_empty()).ok_or(refuse("jti is missing"))?;
        if !self.memory().assertions.insert(format!("{id}|{jti}")) {
            return Err(refuse("jti was used before"));
        }
        Ok(client)
    }

    fn bearer(&self, headers: &HeaderMap) -> Option<String> {
        let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
        value.strip_prefix("Bearer ").map(ToOwned::to_owned)
    }
}

fn attributes(resident: u32, scope: &str, into: &mut Value) {
    let r = Resident::new(resident);
    let has = |s: &str| scope.split(' ').any(|x| x == s);
    if has("name") {
        into["name"] = json!(r.name);
    }
    if has("address") {
        into["address"] = json!(r.address);
    }
    if has("birthdate") {
        let (y, m, d) = r.birth.ymd();
        into["birthdate"] = json!(format!("{y:04}{m:02}{d:02}"));
    }
    if has("gender") {
        into["gender"] = json!(match r.sex {
            Sex::Male => "1",
            Sex::Female => "2",
        });
    }
}

async fn discovery(State(app): State<DigitalAuthApp>) -> Json {
    let issuer = app.issuer();
    let at = |path: &str| format!("{issuer}/protocol/openid-connect/{path}");
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": at("auth"),
        "token_endpoint": at("token"),
        "userinfo_endpoint": at("userinfo"),
        "jwks_uri": at("certs"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "scopes_supported": rules::SCOPES,
        "code_challenge_methods_supported": ["S256"],
    }))
}

async fn certs(State(app): State<DigitalAuthApp>) -> Json {
    Json(json!({ "keys": [app.0.key.public().to_jwk()] }))
}

pub(crate) fn back(redirect_uri: &str, pairs: &[(&str, &str)]) -> Response {
    let Ok(mut url) = Url::parse(redirect_uri) else {
        return (StatusCode::BAD_REQUEST, Html(page::refused("redirect_uri"))).into_response();
    };
    url.query_pairs_mut().extend_pairs(pairs);
    (StatusCode::FOUND, [(LOCATION, String::from(url))]).into_response()
}

/// The checks of a request; `Err` is already the answer.
fn checked(app: &DigitalAuthApp, query: &str) -> Result<Params, Response> {
    let page = |why: &str| (StatusCode::BAD_REQUEST, Html(page::refused(why))).into_response();
    let p = rules::params(query).map_err(|(_, why)| page(why))?;
    let client = app.client(&p).map_err(page)?;
    if let Err((code, why)) = rules::authorization(&p) {
        let state = p.get("state").map(String::as_str).unwrap_or_default();
        let pairs = [("error", code), ("error_description", why), ("state", state)];
        return Err(back(&client.redirect_uri, &pairs));
    }
    Ok(p)
}

async fn authorize(State(app): State<DigitalAuthApp>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    match checked(&app, &query) {
        Ok(p) => {
            let words = if p.contains_key("sign_transaction_id") { SIGN } else { SIGN_IN };
            let client = p.get("client_id").map(String::as_str).unwrap_or_default();
            Html(page::choose(&words, &query, client, &page::residents())).into_response()
        }
        Err(answer) => answer,
    }
}

async fn chosen(State(app): State<DigitalAuthApp>, body: String) -> Response {
    let Ok(form) = rules::params(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    let p = match checked(&app, form.get("request").map(String::as_str).unwrap_or_default()) {
        Ok(p) => p,
        Err(answer) => return answer,
    };
    let get = |name: &str| p.get(name).cloned().unwrap_or_default();
    let (redirect_uri, state) = (get("redirect_uri"), get("state"));
    let Some(resident) = form.get("resident").and_then(|r| r.parse::<u32>().ok()) else {
        return back(&redirect_uri, &[("error", "access_denied"), ("state", &state)]);
    };
    let (code, session) = (app.secret(), app.secret());
    let mut memory = app.memory();
    if let Some(id) = p.get("sign_transaction_id") {
        // Children's cards have no certificate for signatures.
        if !Resident::new(resident).can_sign() {
            return back(&redirect_uri, &[("error", "access_denied"), ("state", &state)]);
        }
        let signer = memory.other_signer.take().unwrap_or(resident);
        match memory.transactions.get_mut(id) {
            Some(t) if t.client == get("client_id") && t.signed_by.is_none() => t.signed_by = Some(signer),
            _ => {
                return back(&redirect_uri, &[("error", "invalid_request"), ("state", &state)]);
            }
        }
    }
    memory.codes.insert(
        code.clone(),
        Code {
            client: get("client_id"),
            redirect_uri: redirect_uri.clone(),
            nonce: get("nonce"),
            challenge: get("code_challenge"),
            scope: get("scope"),
            resident,
            until: app.now().plus(CODE_LIFE),
        },
    );
    drop(memory);
    back(&redirect_uri, &[("code", &code), ("state", &state), ("session_state", &session)])
}

async fn token(State(app): State<DigitalAuthApp>, headers: HeaderMap, body: String) -> Response {
    match grant(&app, &headers, &body) {
        Ok(answer) => Json(answer).into_response(),
        Err(refusal) => bad(refusal),
    }
}

fn grant(app: &DigitalAuthApp, headers: &HeaderMap, body: &str) -> Result<Value, Refusal> {
    let p = rules::params(body)?;
    let client = app.authenticate(&p, headers)?.id.clone();
    let get = |name: &str| p.get(name).map(String::as_str).unwrap_or_default();
    let until = app.now().plus(TOKEN_LIFE);
    match get("grant_type") {
        "client_credentials" => {
            let token = Token { client, resident: None, scope: "sign".to_owned(), until };
            let access = app.secret();
            app.memory().tokens.insert(access.clone(), token);
            Ok(json!({ "access_token": access, "token_type": "Bearer", "expires_in": TOKEN_LIFE.as_secs() }))
        }
        "authorization_code" => {
            let refuse = |why| ("invalid_grant", why);
            // Taken out before it is looked at: of two attempts one wins.
            let code = app.memory().codes.remove(get("code")).ok_or(refuse("the code is unknown or used"))?;
            if code.client != client || code.redirect_uri != get("redirect_uri") || code.until <= app.now() {
                return Err(refuse("the code belongs to another request or is too old"));
            }
            if b64_encode(sha256(get("code_verifier").as_bytes())) != code.challenge {
                return Err(refuse("code_verifier does not fit"));
            }
            tokens(app, client, code.resident, &code.scope, Some(&code.nonce))
        }
        "refresh_token" => {
            let old = app.memory().refresh.remove(get("refresh_token"));
            match old {
                Some(Token { client: c, resident: Some(resident), scope, until })
                    if c == client && until > app.now() =>
                {
                    tokens(app, client, resident, &scope, None)
                }
                _ => Err(("invalid_grant", "the refresh token is unknown or used")),
            }
        }
        _ => Err(("unsupported_grant_type", "use authorization_code, refresh_token or client_credentials")),
    }
}

fn tokens(
    app: &DigitalAuthApp,
    client: String,
    resident: u32,
    scope: &str,
    nonce: Option<&str>,
) -> Result<Value, Refusal> {
    let now = app.now();
    let mut claims = json!({
        "iss": app.issuer(), "sub": app.subject(&client, resident), "aud": client,
        "iat": now.secs(), "exp": now.plus(TOKEN_LIFE).secs(), "auth_time": now.secs(), "acr": "aal3",
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = json!(nonce);
    }
    attributes(resident, scope, &mut claims);
    let id_token = app.0.key.sign("JWT", &claims).map_err(|_| ("server_error", "signing failed"))?;
    let (access, refresh) = (app.secret(), app.secret());
    let token =
        |until| Token { client: client.clone(), resident: Some(resident), scope: scope.to_owned(), until };
    let mut memory = app.memory();
    memory.tokens.insert(access.clone(), token(now.plus(TOKEN_LIFE)));
    memory.refresh.insert(refresh.clone(), token(now.plus(TOKEN_LIFE * 6)));
    Ok(json!({
        "access_token": access, "token_type": "Bearer", "expires_in": TOKEN_LIFE.as_secs(),
        "refresh_token": refresh, "id_token": id_token, "scope": scope,
    }))
}

async fn userinfo(State(app): State<DigitalAuthApp>, headers: HeaderMap) -> Response {
    let memory = app.memory();
    let token = app.bearer(&headers).and_then(|t| memory.tokens.get(&t)).filter(|t| t.until > app.now());
    match token {
        Some(Token { client, resident: Some(resident), scope, .. }) => {
            let mut claims = json!({ "sub": app.subject(client, *resident) });
            attributes(*resident, scope, &mut claims);
            Json(claims).into_response()
        }
        _ => json_error(StatusCode::UNAUTHORIZED, ("invalid_token", "the access token is not valid")),
    }
}

/// The client of a token that was given to the client itself.
fn own_token(app: &DigitalAuthApp, headers: &HeaderMap) -> Option<String> {
    let memory = app.memory();
    let token = memory.tokens.get(&app.bearer(headers)?)?;
    (token.resident.is_none() && token.until > app.now()).then(|| token.client.clone())
}

/// `DigestInfo` of a SHA-256 that is given as such (RFC 8017 §9.2).
fn digest_info(sha256: &[u8]) -> Vec<u8> {
    let algorithm = der::seq(&[der::oid("2.16.840.1.101.3.4.2.1"), der::null()]);
    der::seq(&[algorithm, der::octets(sha256)])
}

async fn begin_signing(State(app): State<DigitalAuthApp>, headers: HeaderMap, body: String) -> Response {
    let Some(client) = own_token(&app, &headers) else {
        return json_error(StatusCode::UNAUTHORIZED, ("invalid_token", "client_credentials token needed"));
    };
    let digest = serde_json::from_str::<Value>(&body)
        .ok()
        .and_then(|v| STANDARD.decode(v.get("digest")?.as_str()?).ok())
        .filter(|d| d.len() == 32);
    let Some(digest) = digest else {
        return bad(("invalid_request", "digest must be the base64 of a SHA-256"));
    };
    let id = app.0.env.id::<kenroku_types::ids::RequestId>().uuid().to_string();
    app.memory().transactions.insert(id.clone(), Transaction { client, digest, signed_by: None });
    (StatusCode::CREATED, Json(json!({ "id": id }))).into_response()
}

async fn signing_result(
    State(app): State<DigitalAuthApp>,
    headers: HeaderMap,
    path: RawPathParams,
) -> Response {
    let Some(client) = own_token(&app, &headers) else {
        return json_error(StatusCode::UNAUTHORIZED, ("invalid_token", "client_credentials token needed"));
    };
    let id = path.iter().next().map(|(_, id)| id.to_owned()).unwrap_or_default();
    // The result is given once.
    let mut memory = app.memory();
    match memory.transactions.get(&id) {
        Some(t) if t.client == client && t.signed_by.is_some() => {}
        Some(t) if t.client == client => {
            return (StatusCode::ACCEPTED, Json(json!({ "status": "pending" }))).into_response();
        }
        _ => return json_error(StatusCode::NOT_FOUND, ("not_found", "no such transaction")),
    }
    let signed = memory.transactions.remove(&id).and_then(|t| {
        let resident = Resident::new(t.signed_by?);
        let credential = resident.credential(&app.0.pki, Purpose::Sign).ok()?;
        let signature = credential.key.sign_prepared(&digest_info(&t.digest)).ok()?;
        Some(json!({
            "status": "completed",
            "signature": STANDARD.encode(signature),
            "certificate": STANDARD.encode(credential.certificate),
        }))
    });
    match signed {
        Some(answer) => Json(answer).into_response(),
        None => json_error(StatusCode::INTERNAL_SERVER_ERROR, ("server_error", "signing failed")),
    }
}
