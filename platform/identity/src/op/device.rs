//! The device grant (RFC 8628): a kiosk or television shows a code, the person types it on their own telephone.

use std::time::Duration;

use askama::Template;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kenroku_http::Public;
use kenroku_oidc::claims::ClaimsRequest;
use kenroku_oidc::client::DEVICE_CODE;
use kenroku_oidc::{Code, Scopes, device, redirect, sha256};
use kenroku_ui::{Html, Page, Phrase};
use serde_json::json;

use super::answer::{Outcome, json as json_answer, refused, see_other};
use super::authorize::shown;
use super::grants::{self, GrantedClaims, NewGrant};
use super::provider::{Call, Visit, missing_client};
use super::sql;
use super::{acting, consent};

/// How often a device may ask (§3.2).
pub(super) const INTERVAL: Duration = Duration::from_secs(5);
/// How long a person has.
const LIFE: Duration = Duration::from_secs(600);

/// POST /oidc/device_authorization
pub(super) async fn begin(_: Public, call: Call) -> Response {
    let outcome = async {
        let client = call.client().await?;
        if !client.metadata.may(DEVICE_CODE) {
            return Err(refused(Code::UnauthorizedClient, "this client may not use the device grant"));
        }
        let op = &call.op;
        let scope = Scopes::parse(call.params.get("scope").unwrap_or("openid"))?.and(&op.scopes);
        if scope.is_empty() || !scope.is_within(&client.policy.scopes) {
            return Err(refused(
                Code::InvalidScope,
                "the operator has not allowed this scope to this client",
            ));
        }
        let until = op.env.now().plus(LIFE);
        let code = op.secret();
        let request = json!({ "scope": scope });
        for _ in 0..5 {
            let user_code = device::user_code(|n| op.env.rng.below(n));
            let mut tx = op.db.begin().await?;
            let hash = sha256(code.as_bytes());
            let fresh = sql::add_device(&mut tx, &hash, &user_code, &client.id, &request, until).await?;
            tx.commit().await?;
            if fresh {
                let user_code = device::shown(&user_code);
                let page = format!("{}/oidc/device", call.issuer);
                let answer = json!({
                    "device_code": code,
                    "user_code": user_code,
                    "verification_uri": page,
                    "verification_uri_complete": format!("{page}?user_code={user_code}"),
                    "expires_in": LIFE.as_secs(),
                    "interval": INTERVAL.as_secs(),
                });
                return Ok(json_answer(StatusCode::OK, &answer));
            }
        }
        Err(refused(Code::TemporarilyUnavailable, "try again"))
    };
    call.answer(outcome.await)
}

#[derive(Template)]
#[template(path = "op-device.html")]
struct Device {
    page: Page,
    code: String,
    wrong: Phrase,
    done: Phrase,
}

fn form(page: Page, code: &str, wrong: Phrase, done: Phrase) -> Response {
    let title = page.t("identity-op-device").phrase();
    let status = if wrong.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    (status, Html(Device { page: page.title(title), code: code.to_owned(), wrong, done })).into_response()
}

/// GET /oidc/device: type the code, or with a code what is asked.
pub(super) async fn page(_: Public, v: Visit) -> Response {
    let query = url::form_urlencoded::parse(v.query().as_bytes());
    let typed = query.into_owned().find(|(k, _)| k == "user_code").map(|(_, value)| value);
    let Some(typed) = typed.filter(|t| !t.is_empty()).map(|t| t.chars().take(40).collect::<String>()) else {
        return form(v.page, "", Phrase::default(), Phrase::default());
    };
    confirm(&v, &typed).await.unwrap_or_else(shown)
}

/// What the device asks for, to somebody who signed in.
async fn confirm(v: &Visit, typed: &str) -> Outcome<Response> {
    let (op, page) = (&v.op, v.page.clone());
    let Some(session) = v.session().await? else {
        let back = redirect::with_query("/oidc/device", &[("user_code", typed)]);
        return Ok(see_other(&redirect::with_query("/id/sign-in", &[("next", &back)])));
    };
    let mut tx = op.db.read().await?;
    let found = match device::typed(typed) {
        Some(code) => sql::device_by_code(&mut tx, &code, op.env.now()).await?.map(|f| (code, f)),
        None => None,
    };
    drop(tx);
    let Some((code, (client, request))) = found else {
        let wrong = page.t("identity-op-device-wrong").phrase();
        return Ok(form(page, typed, wrong, Phrase::default()));
    };
    let client = op.client(&client).await?.ok_or_else(missing_client)?;
    let scope: Scopes = serde_json::from_value(request["scope"].clone())?;
    let attributes = grants::attributes(&scope, &ClaimsRequest::default());
    let question = consent::Question {
        client: &client,
        action: "/oidc/device".to_owned(),
        attributes: &attributes,
        scope: &scope,
        others: acting::shown(v, &client, session.person).await?,
        hidden: vec![("user_code", device::shown(&code))],
    };
    Ok(question.page(page, |_| false))
}

/// POST /oidc/device
pub(super) async fn decide(_: Public, v: Visit, body: Bytes) -> Response {
    let outcome = async {
        let (op, page) = (&v.op, v.page.clone());
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
        let typed = pairs.iter().find(|(k, _)| k == "user_code").map(|(_, v)| v.as_str()).unwrap_or("");
        let typed: String = typed.chars().take(40).collect();
        if !pairs.iter().any(|(k, _)| k == "decision") {
            return confirm(&v, &typed).await;
        }
        let wrong = page.t("identity-op-device-wrong").phrase();
        let (Some(code), Some(session)) = (device::typed(&typed), v.session().await?) else {
            return Ok(form(page, &typed, wrong, Phrase::default()));
        };
        let now = op.env.now();
        let mut tx = op.db.read().await?;
        let found = sql::device_by_code(&mut tx, &code, now).await?;
        drop(tx);
        let Some((client, request)) = found else {
            return Ok(form(page, &typed, wrong, Phrase::default()));
        };
        let client = op.client(&client).await?.ok_or_else(missing_client)?;
        let ticked = consent::ticked(&body);
        if !ticked.allow {
            let mut tx = op.db.begin().await?;
            sql::decide_device(&mut tx, &code, None, now).await?;
            tx.commit().await?;
            let done = page.t("identity-op-device-denied").phrase();
            return Ok(form(page, "", Phrase::default(), done));
        }
        let scope: Scopes = serde_json::from_value(request["scope"].clone())?;
        let attributes = grants::attributes(&scope, &ClaimsRequest::default());
        let decided = consent::decided(&attributes, &ticked, |_| false);
        let claims = GrantedClaims { userinfo: decided.yes.into_iter().collect(), id_token: Vec::new() };
        let by = match ticked.for_other.as_str() {
            "" => None,
            id => Some(acting::chosen(&v, &client, session.person, id).await?),
        };
        let reach = acting::reach(&v, &client, session.person, by.as_ref(), scope, claims).await?;
        let (issuer, client) = (v.issuer.as_str(), &*client);
        let grant = op.new_grant(NewGrant { issuer, client, session: &session, reach })?;
        // The television stays signed in when the telephone that allowed it signs out.
        let grant = sql::GrantRow { offline: true, ..grant };
        let mut tx = op.db.begin().await?;
        if !sql::decide_device(&mut tx, &code, Some(grant.id), now).await? {
            tx.rollback().await?;
            return Ok(form(page, &typed, wrong, Phrase::default()));
        }
        acting::store(&mut tx, op, client, &grant).await?;
        tx.commit().await?;
        let done = page.t("identity-op-device-done").phrase();
        Ok(form(page, "", Phrase::default(), done))
    };
    outcome.await.unwrap_or_else(shown)
}
