//! The authorization endpoint, and the way back to it after signing in and agreeing.
//!
//! A request that must wait for the person lies in the database under a random id and belongs to one browser, by a
//! cookie: a link with somebody else's interaction leads nowhere (login CSRF, RFC 9700 §4.7).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::FromRequestParts as _;
use axum::http::HeaderValue;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use kenroku_access::Assurance;
use kenroku_http::{App, Path, Public};
use kenroku_oidc::authorize::{self as protocol, AuthorizationRequest, PAR_PREFIX, Refusal, ReturnPath};
use kenroku_oidc::jws::Unverified;
use kenroku_oidc::{Code, OAuthError, Params, redirect, sha256};
use kenroku_types::{Problem, Timestamp};
use kenroku_ui::Page;

use super::acting;
use super::answer::{Came, Fault, Outcome, inner, see_other, to_client};
use super::clients::Client;
use super::decide::{Facts, Next, decide};
use super::grants::{Agreed, NewGrant};
use super::provider::{Provider, Visit, missing, missing_client};
use super::sql::{self, InteractionId};
use crate::Identity;
use crate::delegation::DelegationRow;
use crate::model::PersonId;
use crate::session::Session;

/// How long a person may take over one authorization.
const PATIENCE: Duration = Duration::from_secs(1800);
/// How long a code may be on its way (RFC 6749 §4.1.2: at most 10 minutes).
const CODE_LIFE: Duration = Duration::from_secs(60);
/// The cookie that binds interactions to a browser.
const COOKIE_NAME: &str = "kr_oidc";

/// An authorization that is being worked on.
pub(super) struct Asked {
    pub op: Arc<Provider>,
    pub client: Arc<Client>,
    pub request: AuthorizationRequest,
    pub issuer: String,
    pub asked_at: Timestamp,
    /// The interaction in which it waits; `None` while nothing had to be asked.
    pub waiting: Option<InteractionId>,
    pub just_agreed: bool,
    /// By which delegation the person acts for somebody else, and what they agreed to for them.
    pub acting: Option<(DelegationRow, Agreed)>,
}

impl Asked {
    pub(super) fn path(&self) -> ReturnPath {
        ReturnPath {
            redirect_uri: self.request.redirect_uri.clone(),
            mode: self.request.response_mode,
            state: self.request.state.clone(),
        }
    }

    /// Attributes that the request asks for, of those that exist.
    pub(super) fn attributes(&self) -> Vec<String> {
        super::grants::attributes(&self.request.scope, &self.request.claims)
    }

    /// Answers the client with an error.
    pub(super) fn refuse(&self, page: Page, error: &OAuthError, came: Came) -> Response {
        let params = protocol::error_answer(error, self.request.state.as_deref(), &self.issuer);
        to_client(page, &self.path(), &params, came)
    }
}

/// GET
pub(super) async fn get(_: Public, v: Visit) -> Response {
    begin(&v, v.query(), false).await.unwrap_or_else(shown)
}

/// POST (Core §3.1.2.1). It comes from another site, so the browser sends no session along: the request is stored
/// and taken up by a GET.
pub(super) async fn post(_: Public, v: Visit, body: Bytes) -> Response {
    begin(&v, &String::from_utf8_lossy(&body), true).await.unwrap_or_else(shown)
}

/// An error that the person sees here: it is not known where the browser may be sent.
pub(super) fn shown(fault: Fault) -> Response {
    match fault {
        Fault::OAuth(e) => {
            let p = Problem::new(
                400,
                "identity.request-refused",
                "This service asked in a way that is not possible",
            )
            .detail(e.to_string())
            .next("Go back to the service and begin again; if it happens again, tell those who run it.");
            kenroku_http::Error::from(p).into_response()
        }
        Fault::Inner(p) => kenroku_http::Error(p).into_response(),
    }
}

async fn begin(v: &Visit, text: &str, posted: bool) -> Outcome<Response> {
    let (op, issuer) = (Arc::clone(&v.op), v.issuer.clone());
    let mut params = Params::parse(text)?;
    let now = op.env.now();
    let client = op.client(params.need("client_id")?).await?.filter(|c| c.is_active(now));
    let client = client.ok_or_else(missing_client)?;
    let pushed = params.get("request_uri").and_then(|u| u.strip_prefix(PAR_PREFIX)).map(ToOwned::to_owned);
    if let Some(id) = &pushed {
        // RFC 9126 §4: once, and only for the client that pushed it.
        let mut tx = op.db.begin().await?;
        let stored = sql::use_pushed(&mut tx, &sha256(id.as_bytes()), &client.id, now).await?;
        tx.commit().await?;
        let stored = stored.ok_or_else(|| {
            OAuthError::new(Code::InvalidRequestUri, "the pushed request is unknown, used or too old")
        })?;
        let stored: std::collections::BTreeMap<String, String> = serde_json::from_value(stored)?;
        params = Params::from_iter(stored);
    }
    let request = match check(&op, &client, &params, pushed.is_some()) {
        Ok(request) => request,
        Err(Refusal::Show(e)) => return Err(e.into()),
        Err(Refusal::Return(path, e)) => {
            let answer = protocol::error_answer(&e, path.state.as_deref(), &issuer);
            return Ok(to_client(v.page.clone(), &path, &answer, Came::Directly));
        }
    };
    let asked =
        Asked { op, client, request, issuer, asked_at: now, waiting: None, just_agreed: false, acting: None };
    if posted {
        let (id, cookie) = wait(v, &asked).await?;
        return Ok(with_cookie(see_other(&format!("/oidc/authorize/continue/{id}")), cookie));
    }
    let session = v.session().await?;
    step(v, asked, session, Came::Directly).await
}

/// Checks a request against its client.
pub(super) fn check(
    op: &Provider,
    client: &Client,
    params: &Params,
    pushed: bool,
) -> Result<AuthorizationRequest, Refusal> {
    let policy = protocol::Policy {
        known_scopes: &op.scopes,
        allowed_scopes: &client.policy.scopes,
        pkce_optional: client.policy.pkce_optional,
        pushed,
    };
    protocol::check(params, &client.metadata, &policy)
}

/// Does what comes next.
pub(super) async fn step(v: &Visit, asked: Asked, session: Option<Session>, came: Came) -> Outcome<Response> {
    let op = &asked.op;
    let (mut agreed, mut hint_fits, mut choose) = (None, None, false);
    if let Some(s) = &session {
        agreed = match &asked.acting {
            Some((_, agreed)) => Some(agreed.clone()),
            None => op.agreed(&asked.client, s.person, &asked.request, &asked.attributes()).await?,
        };
        choose = !acting::choices(v, &asked.client, s.person).await?.is_empty();
        if let Some(hint) = &asked.request.id_token_hint {
            let hinted = hinted_subject(op, hint, &asked.issuer).await?;
            let own = subject(&v.app, s.person, &asked.client).await?;
            hint_fits = Some(hinted.is_some_and(|h| h == own));
        }
    }
    let facts = Facts {
        session: session.as_ref(),
        asked_at: asked.asked_at,
        now: op.env.now(),
        hint_fits,
        agreed: agreed.is_some(),
        just_agreed: asked.just_agreed,
        choose,
    };
    match (decide(&asked.request, &facts), session) {
        (Next::Fail(e), _) => {
            finish(&asked).await?;
            Ok(asked.refuse(v.page.clone(), &e, came))
        }
        (Next::SignIn { need, fresh }, _) => {
            let (id, cookie) = wait(v, &asked).await?;
            Ok(with_cookie(see_other(&sign_in_path(id, need, fresh)), cookie))
        }
        (Next::Ask, _) => {
            let (id, cookie) = wait(v, &asked).await?;
            Ok(with_cookie(see_other(&format!("/oidc/consent/{id}")), cookie))
        }
        (Next::Issue, Some(s)) => {
            let agreed = agreed.ok_or_else(|| missing("the consent"))?;
            issue(v, &asked, &s, agreed, came).await
        }
        (Next::Issue, None) => Err(missing("the session")),
    }
}

/// The person as this client knows them (Core §8.1).
pub(super) async fn subject(app: &App, person: PersonId, client: &Client) -> Outcome<String> {
    let sector = format!("client:{}", client.policy.sector);
    Ok(app.get::<Identity>()?.subject(person, &sector).await?.uuid().simple().to_string())
}

/// Where the person signs in for this; afterwards they come back to the interaction.
fn sign_in_path(id: InteractionId, need: Assurance, fresh: bool) -> String {
    let next = format!("/oidc/authorize/continue/{id}");
    let fresh = if fresh { "1" } else { "0" };
    redirect::with_query(
        "/id/sign-in",
        &[("next", &next), ("need", need.acr().unwrap_or("")), ("fresh", fresh)],
    )
}

/// The code, on its way to the client.
async fn issue(v: &Visit, asked: &Asked, session: &Session, agreed: Agreed, came: Came) -> Outcome<Response> {
    let op = &asked.op;
    let (issuer, client) = (&asked.issuer, &asked.client);
    let by = asked.acting.as_ref().map(|(d, _)| d);
    let (scope, claims) = (asked.request.scope.clone(), agreed.within(&asked.request));
    let reach = acting::reach(v, client, session.person, by, scope, claims).await?;
    let grant = op.new_grant(NewGrant { issuer, client, session, reach })?;
    let code = op.secret();
    let now = op.env.now();
    let request = serde_json::json!({
        "redirect_uri": asked.request.redirect_uri,
        "code_challenge": asked.request.code_challenge,
        "nonce": asked.request.nonce,
        "dpop_jkt": asked.request.dpop_jkt,
    });
    let mut tx = op.db.begin().await?;
    if let Some(id) = asked.waiting
        && !sql::end_interaction(&mut tx, id, now).await?
    {
        tx.rollback().await?;
        return Err(over());
    }
    acting::store(&mut tx, op, client, &grant).await?;
    sql::add_code(&mut tx, &sha256(code.as_bytes()), &grant, &request, now.plus(CODE_LIFE)).await?;
    tx.commit().await?;
    let answer = protocol::code_answer(&code, asked.request.state.as_deref(), &asked.issuer);
    Ok(to_client(v.page.clone(), &asked.path(), &answer, came))
}

/// The interaction is over; an error goes to the client.
pub(super) async fn finish(asked: &Asked) -> Outcome<()> {
    if let Some(id) = asked.waiting {
        let mut tx = asked.op.db.begin().await?;
        let won = sql::end_interaction(&mut tx, id, asked.op.env.now()).await?;
        tx.commit().await?;
        if !won {
            return Err(over());
        }
    }
    Ok(())
}

fn over() -> Fault {
    inner(
        Problem::new(410, "identity.over", "This was begun too long ago, or is done already")
            .next("Go back to the service and begin again."),
    )
}

/// The subject of an ID token of ours, which may have expired (Core §3.1.2.1).
pub(super) async fn hinted_subject(op: &Provider, hint: &str, issuer: &str) -> Outcome<Option<String>> {
    let ring = op.ring().await?;
    let Ok(token) = Unverified::parse(hint) else { return Ok(None) };
    let Ok(claims) = token.verify_with(ring.public()) else { return Ok(None) };
    let own = token.expect_type("JWT").is_ok() && claims.text("iss") == Some(issuer);
    Ok(own.then(|| claims.text("sub").map(ToOwned::to_owned)).flatten())
}

/// Stores the request until the person is done, unless it is stored already.
async fn wait(v: &Visit, asked: &Asked) -> Outcome<(InteractionId, Option<HeaderValue>)> {
    if let Some(id) = asked.waiting {
        return Ok((id, None));
    }
    let op = &asked.op;
    let (browser, cookie) = match browser(v)? {
        Some(known) => (known, None),
        None => {
            let fresh = op.secret();
            let cookie = cookie(v, &fresh)?;
            (fresh, Some(cookie))
        }
    };
    let (id, now) = (op.env.id(), asked.asked_at);
    let request = serde_json::to_value(&asked.request)?;
    let mut tx = op.db.begin().await?;
    sql::add_interaction(&mut tx, id, &sha256(browser.as_bytes()), &request, now, now.plus(PATIENCE)).await?;
    tx.commit().await?;
    Ok((id, cookie))
}

fn is_secure(v: &Visit) -> bool {
    // The session cookie of the kernel knows whether this request may carry a cookie with the host prefix.
    let probe = v.app.access().web().clear_cookie(&v.parts, kenroku_access::Door::Residents);
    probe.is_some_and(|c| c.as_bytes().starts_with(b"__Host-"))
}

fn cookie_name(v: &Visit) -> String {
    if is_secure(v) { format!("__Host-{COOKIE_NAME}") } else { COOKIE_NAME.to_owned() }
}

fn cookie(v: &Visit, value: &str) -> Outcome<HeaderValue> {
    let secure = if is_secure(v) { "; Secure" } else { "" };
    let name = cookie_name(v);
    let age = PATIENCE.as_secs();
    HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}"))
        .map_err(|_| missing("a cookie value"))
}

fn browser(v: &Visit) -> Outcome<Option<String>> {
    let name = cookie_name(v);
    let lines = v.parts.headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok());
    let mut pairs = lines.flat_map(|l| l.split(';')).filter_map(|p| p.trim().split_once('='));
    Ok(pairs.find(|(n, value)| *n == name && value.len() == 43).map(|(_, value)| value.to_owned()))
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(value) = cookie {
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}

/// The way back to a service for somebody who was sent here to sign in and does not want to: `next` is where they
/// would go on.
pub(crate) fn cancel_path(next: &str) -> Option<String> {
    let id: InteractionId = next.strip_prefix("/oidc/authorize/continue/")?.parse().ok()?;
    Some(format!("/oidc/authorize/cancel/{id}"))
}

/// The name of the service for which this browser's person is to sign in; `None` when none is waiting.
pub(crate) async fn service_waiting(app: &App, parts: &Parts, next: &str) -> Option<String> {
    let id: InteractionId = next.strip_prefix("/oidc/authorize/continue/")?.parse().ok()?;
    let v = Visit::from_request_parts(&mut parts.clone(), app).await.ok()?;
    Some(waiting(&v, id).await.ok()?.client.name().to_owned())
}

/// The interaction of this id, when it belongs to this browser.
pub(super) async fn waiting(v: &Visit, id: InteractionId) -> Outcome<Asked> {
    let (op, issuer) = (Arc::clone(&v.op), v.issuer.clone());
    let now = op.env.now();
    let mut tx = op.db.read().await?;
    let row = sql::interaction(&mut tx, id, now).await?;
    drop(tx);
    let browser = browser(v)?.unwrap_or_default();
    let row = row.filter(|r| kenroku_oidc::same_secret(&sha256(browser.as_bytes()), &r.browser_hash));
    let row = row.ok_or_else(over)?;
    let request: AuthorizationRequest = serde_json::from_value(row.request)?;
    let client = op.client(&request.client_id).await?.filter(|c| c.is_active(now));
    let client = client.ok_or_else(missing_client)?;
    Ok(Asked {
        op,
        client,
        request,
        issuer,
        asked_at: row.created_at,
        waiting: Some(id),
        just_agreed: row.consented_at.is_some(),
        acting: None,
    })
}

/// GET after signing in.
pub(super) async fn resume(_: Public, v: Visit, Path(id): Path<InteractionId>) -> Response {
    let outcome = async {
        let asked = waiting(&v, id).await?;
        let session = v.session().await?;
        step(&v, asked, session, Came::ByForm).await
    };
    outcome.await.unwrap_or_else(shown)
}

/// GET when the person does not want to sign in.
pub(super) async fn cancel(_: Public, v: Visit, Path(id): Path<InteractionId>) -> Response {
    let outcome = async {
        let asked = waiting(&v, id).await?;
        finish(&asked).await?;
        let e = OAuthError::new(Code::AccessDenied, "the person did not want to sign in");
        Ok(asked.refuse(v.page.clone(), &e, Came::ByForm))
    };
    outcome.await.unwrap_or_else(shown)
}
