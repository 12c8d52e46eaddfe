//! Signing in: a ladder of ways, each leading to the same place.

use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use kenroku_access::{Access, Assurance};
use kenroku_contracts::identity::EndReason;
use kenroku_http::{App, Form, Json, Public, Query, RequestInfo, Result};
use kenroku_ui::parts::Step;
use kenroku_ui::{Link, Page, Phrase};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    FieldView, FormView, Me, Passkey, View, device, encoded, inside, see_other, show_as, signed_in, site,
    told,
};
use crate::disaster::Declared;
use crate::error::IdentityError;
use crate::model::TicketId;
use crate::session::{Proved, clear_cookies};
use crate::webauthn::Got;
use crate::{After, CodeStep, Identity};

/// What leads here: where to go on, how sure it must be (an `acr`), and whether it must be proved now.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wish {
    #[serde(default)]
    next: String,
    #[serde(default)]
    need: String,
    #[serde(default)]
    fresh: String,
}

impl Wish {
    fn need(&self) -> Assurance {
        Assurance::ALL.into_iter().find(|a| a.acr() == Some(self.need.as_str())).unwrap_or_default()
    }

    fn query(&self) -> String {
        let need = self.need().acr().unwrap_or("");
        format!("?next={}&need={need}&fresh=1", encoded(inside(&self.next)))
    }
}

pub(super) async fn page(
    _: Public,
    app: App,
    page: Page,
    me: Me,
    parts: Parts,
    Query(wish): Query<Wish>,
) -> Result<Response> {
    let next = inside(&wish.next).to_owned();
    if let Me(Some(s)) = &me
        && wish.fresh != "1"
        && s.reaches(wish.need())
    {
        return Ok(see_other(&next));
    }
    let elsewhere = super::links::ways(&app, &page, &wish.next, wish.need());
    let disaster = app.get::<Identity>()?.disaster().await?;
    let service = crate::op::service_waiting(&app, &parts, &next).await;
    Ok(choices(page, &wish, elsewhere, service, disaster))
}

/// The way back to the service that sent somebody here.
fn back_to_service(page: &Page, next: &str) -> Option<Link> {
    Some(Link::new(page.t("identity-back-to-service").phrase(), crate::op::cancel_path(next)?))
}

fn choices(
    page: Page,
    wish: &Wish,
    elsewhere: Vec<Step>,
    service: Option<String>,
    disaster: Option<Declared>,
) -> Response {
    let t = |key: &str| page.t(key).phrase();
    let (need, query) = (wish.need(), wish.query());
    let lead = match service {
        Some(name) => page.t("identity-sign-in-for").with("service", name).phrase(),
        None => t("identity-sign-in-lead"),
    };
    let mut v = View { lead, ..View::default() };
    if need > Assurance::PasswordOtp {
        v.notice = Some(("info", t("identity-need"), t("identity-need-text")));
    }
    if let Some(d) = disaster {
        if let Some((_, _, text)) = v.notice.take() {
            v.notes.push(text);
        }
        v.notice = Some(super::disaster::notice(&page, &d));
    }
    if need <= Assurance::Passkey {
        v.passkey = Some(Passkey {
            mode: "get",
            start: "/id/sign-in/passkey/start",
            finish: "/id/sign-in/passkey/finish",
            next: inside(&wish.next).to_owned(),
            label: t("identity-sign-in-passkey"),
            note: t("identity-sign-in-passkey-text"),
        });
    }
    v.steps.push(Step {
        title: t("identity-sign-in-card"),
        text: t("identity-sign-in-card-text"),
        time: t("identity-time-2"),
        // Only the certificate for signatures proves more than the one for signing in.
        href: format!(
            "/id/register/terms{query}&act={}",
            if need > Assurance::JpkiAuth { "replace" } else { "sign-in" }
        ),
    });
    v.steps.extend(elsewhere);
    if need <= Assurance::PasswordOtp {
        v.steps.push(Step {
            title: t("identity-sign-in-password"),
            text: t("identity-sign-in-password-text"),
            time: t("identity-time-1"),
            href: format!("/id/sign-in/password{query}"),
        });
    }
    v.links = vec![
        Link::new(t("identity-register-link"), "/id/register"),
        Link::new(t("identity-start-link"), "/id/start"),
        Link::new(t("identity-help"), "/id/help"),
    ];
    v.links.extend(back_to_service(&page, inside(&wish.next)));
    let title = t("identity-sign-in");
    show_as(StatusCode::OK, page, title, v)
}

#[derive(Deserialize)]
pub(super) struct Start {
    #[serde(default)]
    next: String,
}

/// What the browser gets for a ceremony.
#[derive(Serialize)]
pub(super) struct Begun {
    ticket: TicketId,
    secret: String,
    #[serde(rename = "publicKey")]
    public_key: Value,
}

impl Begun {
    pub(super) fn new((issued, public_key): (crate::ticket::Issued, Value)) -> Self {
        Begun { ticket: issued.id, secret: issued.secret, public_key }
    }
}

/// Where the browser goes on.
#[derive(Serialize)]
pub(super) struct GoOn {
    pub(super) location: String,
}

/// Passkeys cannot be used at this address.
pub(super) fn no_site() -> kenroku_http::Error {
    kenroku_types::Problem::new(
        422,
        "identity.no-passkeys-here",
        "Passkeys need HTTPS, or localhost for trying out",
    )
    .next("Open this site by its name over HTTPS.")
    .into()
}

pub(super) async fn passkey_start(
    _: Public,
    app: App,
    info: RequestInfo,
    parts: Parts,
    Json(start): Json<Start>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let site = site(&identity, &info, &parts).ok_or_else(no_site)?;
    let after = After { next: inside(&start.next).to_owned() };
    Ok(Json(Begun::new(identity.begin_passkey(&site, after).await?)).into_response())
}

#[derive(Deserialize)]
pub(super) struct Finish {
    ticket: TicketId,
    secret: String,
    answer: Got,
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
    let site = site(&identity, &info, &parts).ok_or_else(no_site)?;
    let (person, after) = identity.finish_passkey(&site, f.ticket, &f.secret, &f.answer).await?;
    let started = identity.start_session(person, Proved::PASSKEY, &device(&parts), me.0.as_ref()).await?;
    let location = inside(&after.next).to_owned();
    signed_in(&app, &parts, &started, Json(GoOn { location }).into_response())
}

fn password_form(page: Page, login: String, next: &str, wrongs: Vec<kenroku_ui::parts::Wrong>) -> View {
    let t = |key: &str| page.t(key).phrase();
    let mut name = FieldView::new("id-login", "login", t("identity-login"));
    (name.value, name.autocomplete) = (login, "username");
    let mut password = FieldView::new("id-password", "password", t("identity-password"));
    (password.kind, password.autocomplete) = ("password", "current-password");
    View {
        lead: t("identity-password-lead"),
        wrongs,
        form: Some(FormView {
            action: "/id/sign-in/password",
            method: "post",
            hidden: vec![("next", inside(next).to_owned())],
            fields: vec![name, password],
            button: t("identity-next"),
            primary: true,
            ..FormView::default()
        }),
        notes: vec![t("identity-password-after")],
        links: [Link::new(t("identity-help"), "/id/help")]
            .into_iter()
            .chain(back_to_service(&page, inside(next)))
            .collect(),
        ..View::default()
    }
}

pub(super) async fn password_page(_: Public, page: Page, Query(wish): Query<Wish>) -> Response {
    let title = page.t("identity-sign-in-password").phrase();
    let v = password_form(page.clone(), String::new(), &wish.next, Vec::new());
    show_as(StatusCode::OK, page, title, v)
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    #[serde(default)]
    login: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

pub(super) async fn password(
    _: Public,
    app: App,
    page: Page,
    info: RequestInfo,
    Form(c): Form<Credentials>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let after = After { next: inside(&c.next).to_owned() };
    match identity.begin_password(&c.login, &c.password, info.client, after).await {
        Ok(issued) => code_page(&identity, page, StatusCode::OK, &issued, Vec::new()).await,
        Err(e) => {
            let (status, wrong) = told(&page, e, "id-login")?;
            let title = page.t("identity-sign-in-password").phrase();
            let login = c.login.chars().take(64).collect();
            let v = password_form(page.clone(), login, &c.next, vec![wrong]);
            Ok(show_as(status, page, title, v))
        }
    }
}

async fn code_page(
    identity: &Identity,
    page: Page,
    status: StatusCode,
    issued: &crate::ticket::Issued,
    wrongs: Vec<kenroku_ui::parts::Wrong>,
) -> Result<Response> {
    let t = |key: &str| page.t(key).phrase();
    let demo = identity.demo_code(issued).await?;
    let mut code = FieldView::new("id-code", "code", t("identity-code"));
    code.autocomplete = "one-time-code";
    let v = View {
        lead: t("identity-code-lead"),
        wrongs,
        form: Some(FormView {
            action: "/id/sign-in/code",
            method: "post",
            hidden: vec![("ticket", issued.id.to_string()), ("secret", issued.secret.clone())],
            fields: vec![code],
            button: t("identity-sign-in-go"),
            primary: true,
            ..FormView::default()
        }),
        notes: demo
            .map(|code| page.t("identity-demo-code").with("code", code).phrase())
            .into_iter()
            .collect(),
        links: vec![Link::new(t("identity-help"), "/id/help")],
        ..View::default()
    };
    let title = t("identity-code-title");
    Ok(show_as(status, page, title, v))
}

#[derive(Deserialize)]
pub(super) struct Code {
    ticket: TicketId,
    #[serde(default)]
    secret: String,
    #[serde(default)]
    code: String,
}

pub(super) async fn code(
    _: Public,
    app: App,
    page: Page,
    info: RequestInfo,
    me: Me,
    parts: Parts,
    Form(c): Form<Code>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    match identity.finish_code(c.ticket, &c.secret, &c.code, info.client).await {
        Ok(CodeStep::Done(person, after)) => {
            let device = device(&parts);
            let started =
                identity.start_session(person, Proved::PASSWORD_OTP, &device, me.0.as_ref()).await?;
            signed_in(&app, &parts, &started, see_other(inside(&after.next)))
        }
        Ok(CodeStep::Again(issued)) => {
            let (status, wrong) = told(&page, IdentityError::Refused, "id-code")?;
            code_page(&identity, page, status, &issued, vec![wrong]).await
        }
        Err(e) => {
            let (status, wrong) = told(&page, e, "id-login")?;
            let title = page.t("identity-sign-in-password").phrase();
            let v = password_form(page.clone(), String::new(), "", vec![wrong]);
            Ok(show_as(status, page, title, v))
        }
    }
}

pub(super) async fn sign_out(_: Public, app: App, me: Me, parts: Parts) -> Result<Response> {
    if let Some(s) = me.0 {
        app.get::<Identity>()?.end_session(s.person, s.sid, EndReason::SignedOut).await?;
    }
    let mut response = see_other("/");
    clear_cookies(&*app.get::<Access>()?, &parts, response.headers_mut());
    Ok(response)
}

pub(super) async fn help(_: Public, page: Page) -> Response {
    let t = |key: &str| page.t(key).phrase();
    let step = |title: &str, text: &str, time: &str, href: &str| Step {
        title: t(title),
        text: t(text),
        time: t(time),
        href: href.to_owned(),
    };
    let v = View {
        lead: t("identity-help-lead"),
        ladder: true,
        steps: vec![
            step(
                "identity-help-card",
                "identity-help-card-text",
                "identity-time-2",
                "/id/register/terms?act=sign-in",
            ),
            step(
                "identity-help-new",
                "identity-help-new-text",
                "identity-time-5",
                "/id/register/terms?act=replace",
            ),
            step("identity-help-desk", "identity-help-desk-text", "identity-time-desk", "/about/contact"),
        ],
        notes: vec![t("identity-help-note")],
        ..View::default()
    };
    let title: Phrase = t("identity-help");
    show_as(StatusCode::OK, page, title, v)
}
