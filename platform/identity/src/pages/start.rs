//! `/id/start`: at home with the sheet from a counter. User name and code, then a passkey or a password.

use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use kenroku_http::{App, Form, Json, Public, Query, RequestInfo, Result};
use kenroku_ui::parts::{Step, Wrong};
use kenroku_ui::{Link, Page, Phrase};
use serde::Deserialize;

use super::own::key_form;
use super::sign_in::{Begun, GoOn, no_site};
use super::{FieldView, FormView, Me, Passkey, View, device, see_other, show_as, signed_in, site, told};
use crate::Identity;
use crate::error::IdentityError;
use crate::model::TicketId;
use crate::session::Proved;
use crate::webauthn::Created;

/// The opened sheet of this browser: id and secret.
const COOKIE: &str = "kr-start";

fn held(headers: &HeaderMap) -> Option<(TicketId, String)> {
    let (id, secret) = super::cookie(headers, COOKIE)?.split_once('.')?;
    Some((id.parse().ok()?, secret.to_owned()))
}

fn held_or_over(headers: &HeaderMap) -> crate::Result<(TicketId, String)> {
    held(headers).ok_or(IdentityError::Over)
}

/// The form for what the sheet says.
pub(super) async fn page(_: Public, page: Page, Query(q): Query<Typed>) -> Response {
    // The QR code of the sheet brings the user name; the code is typed.
    form(page, StatusCode::OK, q.user.chars().take(20).collect(), Vec::new())
}

fn form(page: Page, status: StatusCode, user: String, wrongs: Vec<Wrong>) -> Response {
    let t = |key: &str| page.t(key).phrase();
    let mut name = FieldView::new("id-user", "user", t("identity-sheet-user"));
    (name.value, name.hint) = (user, t("identity-start-user-hint"));
    let mut code = FieldView::new("id-code", "code", t("identity-sheet-code"));
    code.hint = t("identity-start-code-hint");
    let v = View {
        lead: t("identity-start-lead"),
        wrongs,
        form: Some(FormView {
            action: "/id/start",
            method: "post",
            fields: vec![name, code],
            button: t("identity-next"),
            primary: true,
            ..FormView::default()
        }),
        notes: vec![t("identity-start-note")],
        links: vec![
            Link::new(t("identity-sign-in"), "/id/sign-in"),
            Link::new(t("identity-help"), "/id/help"),
        ],
        ..View::default()
    };
    let title = t("identity-start");
    show_as(status, page, title, v)
}

#[derive(Deserialize)]
pub(super) struct Typed {
    #[serde(default)]
    user: String,
    #[serde(default)]
    code: String,
}

pub(super) async fn open(
    _: Public,
    app: App,
    page: Page,
    info: RequestInfo,
    Form(typed): Form<Typed>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let issued = match identity.open_sheet(&typed.user, &typed.code, info.client).await {
        Ok(issued) => issued,
        Err(IdentityError::Refused) => {
            let wrong = Wrong { field: "id-user".to_owned(), text: page.t("identity-start-wrong").phrase() };
            let user = typed.user.chars().take(20).collect();
            return Ok(form(page, StatusCode::UNPROCESSABLE_ENTITY, user, vec![wrong]));
        }
        Err(e) => {
            let (status, wrong) = told(&page, e, "id-user")?;
            return Ok(form(page, status, String::new(), vec![wrong]));
        }
    };
    let mut to = see_other("/id/start/choose");
    let secure = if info.https { "; Secure" } else { "" };
    let (id, secret) = (issued.id, issued.secret);
    let cookie =
        format!("{COOKIE}={id}.{secret}; Path=/id/start; HttpOnly; SameSite=Lax; Max-Age=1800{secure}");
    if let Ok(v) = HeaderValue::from_str(&cookie) {
        to.headers_mut().append(SET_COOKIE, v);
    }
    Ok(to)
}

/// The first page again, which says that the time is over.
fn over(page: Page, e: IdentityError) -> Result<Response> {
    let (status, wrong) = told(&page, e, "id-user")?;
    Ok(form(page, status, String::new(), vec![wrong]))
}

/// Passkey or password?
pub(super) async fn choose(_: Public, app: App, page: Page, parts: Parts) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let opened = async {
        let (id, secret) = held_or_over(&parts.headers)?;
        identity.sheet_user(id, &secret).await
    };
    if let Err(e) = opened.await {
        return over(page, e);
    }
    let t = |key: &str| page.t(key).phrase();
    let v = View {
        lead: t("identity-start-choose-lead"),
        passkey: Some(Passkey {
            mode: "create",
            start: "/id/start/passkey/start",
            finish: "/id/start/passkey/finish",
            next: "/id".to_owned(),
            label: t("identity-passkeys-make"),
            note: t("identity-passkeys-note"),
        }),
        steps: vec![Step {
            title: t("identity-codes-add"),
            text: t("identity-start-password-text"),
            time: t("identity-time-5"),
            href: "/id/start/password".to_owned(),
        }],
        notes: vec![t("identity-start-later")],
        ..View::default()
    };
    let title = t("identity-start-choose");
    Ok(show_as(StatusCode::OK, page, title, v))
}

pub(super) async fn passkey_start(_: Public, app: App, info: RequestInfo, parts: Parts) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let (id, secret) = held_or_over(&parts.headers)?;
    let site = site(&identity, &info, &parts).ok_or_else(no_site)?;
    Ok(Json(Begun::new(identity.begin_sheet_passkey(&site, id, &secret).await?)).into_response())
}

#[derive(Deserialize)]
pub(super) struct Finish {
    ticket: TicketId,
    secret: String,
    answer: Created,
}

pub(super) async fn passkey_finish(
    _: Public,
    app: App,
    info: RequestInfo,
    me: Me,
    parts: Parts,
    Json(f): Json<Finish>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let (id, secret) = held_or_over(&parts.headers)?;
    let site = site(&identity, &info, &parts).ok_or_else(no_site)?;
    let label = device(&parts);
    let (start, ticket) = ((id, secret.as_str()), (f.ticket, f.secret.as_str()));
    let person = identity.finish_sheet_passkey(&site, start, ticket, &f.answer, &label).await?;
    let started = identity.start_session(person, Proved::PASSKEY, &label, me.0.as_ref()).await?;
    let to = Json(GoOn { location: "/id?welcome=1".to_owned() }).into_response();
    signed_in(&app, &parts, &started, to)
}

/// A password for the user name of the sheet.
pub(super) async fn password_page(_: Public, app: App, page: Page, parts: Parts) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    password_form(&identity, page, &parts, StatusCode::OK, Vec::new()).await
}

async fn password_form(
    identity: &Identity,
    page: Page,
    parts: &Parts,
    status: StatusCode,
    wrongs: Vec<Wrong>,
) -> Result<Response> {
    let opened = async {
        let (id, secret) = held_or_over(&parts.headers)?;
        identity.sheet_user(id, &secret).await
    };
    let user = match opened.await {
        Ok(user) => user,
        Err(e) => return over(page, e),
    };
    let t = |key: &str| page.t(key).phrase();
    let mut password = FieldView::new("id-password", "password", t("identity-password"));
    (password.kind, password.autocomplete, password.hint) =
        ("password", "new-password", t("identity-weak-password"));
    let v = View {
        lead: t("identity-start-password-lead"),
        wrongs,
        facts: vec![(t("identity-login"), Phrase::text(&user))],
        form: Some(FormView {
            action: "/id/start/password",
            method: "post",
            fields: vec![password],
            button: t("identity-next"),
            primary: true,
            ..FormView::default()
        }),
        ..View::default()
    };
    let title = t("identity-codes-add");
    Ok(show_as(status, page, title, v))
}

#[derive(Deserialize)]
pub(super) struct NewPassword {
    #[serde(default)]
    password: String,
}

pub(super) async fn password(
    _: Public,
    app: App,
    page: Page,
    parts: Parts,
    Form(f): Form<NewPassword>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let begun = async {
        let (id, secret) = held_or_over(&parts.headers)?;
        identity.begin_sheet_codes(id, &secret, &f.password).await
    };
    match begun.await {
        Ok((issued, key)) => {
            let hidden = vec![
                ("ticket", issued.id.to_string()),
                ("secret", issued.secret.clone()),
                ("key", hex::encode(key)),
            ];
            Ok(key_form(page, "/id/start/code", &key, hidden))
        }
        Err(e) => {
            let (status, wrong) = told(&page, e, "id-password")?;
            password_form(&identity, page, &parts, status, vec![wrong]).await
        }
    }
}

#[derive(Deserialize)]
pub(super) struct NewCode {
    ticket: TicketId,
    #[serde(default)]
    secret: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    code: String,
}

pub(super) async fn code(
    _: Public,
    app: App,
    page: Page,
    me: Me,
    parts: Parts,
    Form(f): Form<NewCode>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let key = hex::decode(&f.key).unwrap_or_default();
    let done = async {
        let (id, secret) = held_or_over(&parts.headers)?;
        let ticket = (f.ticket, f.secret.as_str());
        identity.finish_sheet_codes((id, &secret), ticket, &key, &f.code).await
    };
    match done.await {
        Ok(person) => {
            let device = device(&parts);
            let started =
                identity.start_session(person, Proved::PASSWORD_OTP, &device, me.0.as_ref()).await?;
            signed_in(&app, &parts, &started, see_other("/id?welcome=1"))
        }
        Err(e) => {
            let (status, wrong) = told(&page, e, "id-password")?;
            password_form(&identity, page, &parts, status, vec![wrong]).await
        }
    }
}
