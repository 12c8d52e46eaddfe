//! The card: registering, proving anew and signing in all show a code that a reader takes, and wait for it.

use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kenroku_http::{App, Form, Json, Public, Query, RequestInfo, Result};
use kenroku_types::Problem;
use kenroku_ui::parts::Step;
use kenroku_ui::{Link, Page, Phrase};
use serde::{Deserialize, Serialize};

use super::{FormView, Me, RowView, View, device, inside, see_other, show_as, signed_in, site, told};
use crate::card::{Act, Outcome};
use crate::error::IdentityError;
use crate::model::{AccountClass, TicketId};
use crate::session::Proved;
use crate::ticket::{CLAIMED, Issued, Ticket, spaced};
use crate::upstream::Providers;
use crate::{Identity, card};

/// Names the ticket of a card between two pages; it opens nothing without the ticket's secret inside.
const COOKIE: &str = "kr-ticket";

/// Who are you to Ishikawa?
pub(super) async fn page(_: Public, page: Page) -> Response {
    let t = |key: &str| page.t(key).phrase();
    let step = |title: &str, text: &str, time: &str, href: &str| Step {
        title: t(title),
        text: t(text),
        time: t(time),
        href: href.to_owned(),
    };
    let card = "identity-time-5";
    let v = View {
        lead: t("identity-register-lead"),
        steps: vec![
            step(
                "identity-class-resident",
                "identity-class-resident-text",
                card,
                "/id/register/terms?act=register&class=resident",
            ),
            step(
                "identity-class-homecoming",
                "identity-class-homecoming-text",
                card,
                "/id/register/terms?act=register&class=homecoming",
            ),
            step(
                "identity-class-worker",
                "identity-class-worker-text",
                card,
                "/id/register/terms?act=register&class=worker",
            ),
            step(
                "identity-class-child",
                "identity-class-child-text",
                "identity-time-desk",
                "/id/register/terms?act=desk&class=child",
            ),
            step(
                "identity-class-no-card",
                "identity-class-no-card-text",
                "identity-time-desk",
                "/id/register/terms?act=desk&class=no-card",
            ),
        ],
        notes: vec![t("identity-never-number")],
        links: vec![Link::new(t("identity-have-one"), "/id/sign-in")],
        ..View::default()
    };
    let title = t("identity-register");
    show_as(StatusCode::OK, page, title, v)
}

#[derive(Default, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    act: String,
    #[serde(default)]
    class: String,
    #[serde(default)]
    next: String,
}

/// What will be read, before anything is.
pub(super) async fn terms(_: Public, app: App, page: Page, Query(c): Query<Choice>) -> Result<Response> {
    let t = |key: &str| page.t(key).phrase();
    let fact = |name: &str, value: &str| (t(name), t(value));
    let child = AccountClass::from_code(&c.class) == Some(AccountClass::Child);
    let Some(act) = Act::of(&c.act) else {
        let (lead, papers) = if child {
            ("identity-desk-child-lead", "identity-desk-child-papers")
        } else {
            ("identity-desk-lead", "identity-desk-papers")
        };
        let v = View {
            lead: t(lead),
            facts: vec![
                fact("identity-desk-where", "identity-desk-where-text"),
                fact("identity-desk-bring", papers),
                fact("identity-desk-then", "identity-desk-then-text"),
            ],
            links: vec![Link::new(t("identity-desk-contact"), "/about/contact")],
            ..View::default()
        };
        let title = t("identity-desk-title");
        return Ok(show_as(StatusCode::OK, page, title, v));
    };
    let signs = act != Act::SignIn;
    let disaster = match signs {
        true => None,
        false => app.get::<Identity>()?.disaster().await?,
    };
    let mut facts = vec![if signs {
        fact("identity-terms-read", "identity-terms-read-four")
    } else {
        fact("identity-terms-read", "identity-terms-read-none")
    }];
    if signs {
        facts.push(fact("identity-terms-why", "identity-terms-why-text"));
        facts.push(fact("identity-terms-who", "identity-terms-who-text"));
        facts.push(fact("identity-terms-until", "identity-terms-until-text"));
        facts.push(fact("identity-terms-secrets", "identity-terms-secrets-both"));
    } else {
        facts.push(fact("identity-terms-secrets", "identity-terms-secrets-auth"));
    }
    facts.push(fact("identity-terms-not", "identity-never-number"));
    let phone = app.get::<Providers>().is_ok_and(|p| p.all().iter().any(|p| p.sign_api.is_some()));
    let phone = phone && signs;
    let class: String = c.class.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(20).collect();
    let steps = phone.then(|| Step {
        title: t("identity-terms-phone"),
        text: t("identity-terms-phone-text"),
        time: t("identity-time-5"),
        href: format!(
            "/id/register/phone?act={}&class={class}&next={}",
            act.code(),
            super::encoded(inside(&c.next))
        ),
    });
    let v = View {
        steps: steps.into_iter().collect(),
        lead: if signs { t("identity-terms-lead") } else { t("identity-terms-lead-sign-in") },
        notice: disaster.map(|d| super::disaster::notice(&page, &d)),
        facts,
        form: Some(FormView {
            action: "/id/card",
            method: "post",
            hidden: vec![
                ("act", act.code().to_owned()),
                ("class", class),
                ("next", inside(&c.next).to_owned()),
            ],
            button: if signs { t("identity-terms-agree") } else { t("identity-next") },
            primary: true,
            ..FormView::default()
        }),
        notes: vec![t("identity-terms-refuse")],
        links: vec![Link::new(t("identity-sign-in"), "/id/sign-in")],
        ..View::default()
    };
    let title = match act {
        Act::Register => t("identity-register"),
        Act::Replace => t("identity-replace"),
        Act::SignIn => t("identity-sign-in-card"),
    };
    Ok(show_as(StatusCode::OK, page, title, v))
}

/// Issues the ticket and leads to the page that shows its code.
pub(super) async fn begin(
    _: Public,
    app: App,
    info: RequestInfo,
    me: Me,
    parts: Parts,
    Form(c): Form<Choice>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let act = Act::of(&c.act).unwrap_or(Act::SignIn);
    let class = AccountClass::from_code(&c.class).unwrap_or(AccountClass::Resident);
    let origin = origin(&identity, &info, &parts);
    let person = me.0.filter(|_| act == Act::Replace).map(|s| s.person);
    let issued = card::begin(&identity, act, class, person, inside(&c.next), &origin, false).await?;
    let mut to = see_other("/id/card");
    if let Ok(v) = HeaderValue::from_str(&ticket_cookie(&issued, info.https)) {
        to.headers_mut().append(SET_COOKIE, v);
    }
    Ok(to)
}

/// The name of this site, as whoever signs reads it.
pub(super) fn origin(identity: &Identity, info: &RequestInfo, parts: &Parts) -> String {
    let host = parts.headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or("localhost");
    match site(identity, info, parts) {
        Some(s) => s.origin,
        None => format!("{}://{host}", if info.https { "https" } else { "http" }),
    }
}

/// The ticket, for the browser that began it.
pub(super) fn ticket_cookie(issued: &Issued, https: bool) -> String {
    let secure = if https { "; Secure" } else { "" };
    let held = format!("{}.{}.{}", issued.id, issued.secret, issued.code);
    format!("{COOKIE}={held}; Path=/id; HttpOnly; SameSite=Lax; Max-Age=300{secure}")
}

/// Signing with an app on the phone: what will be signed, word for word, and what happens next.
pub(super) async fn phone(_: Public, app: App, page: Page, Query(c): Query<Choice>) -> Result<Response> {
    let act = Act::of(&c.act).filter(|act| *act != Act::SignIn).unwrap_or(Act::Register);
    let providers = app.get::<Providers>()?;
    let p = providers.all().iter().find(|p| p.sign_api.is_some()).ok_or_else(Problem::not_found)?;
    let t = |key: &str| page.t(key).phrase();
    let name = super::links::title(&page, p);
    let class: String = c.class.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(20).collect();
    let next = super::encoded(inside(&c.next));
    let v = View {
        lead: page.t("identity-phone-lead").with("name", name.clone()).phrase(),
        facts: vec![
            (t("identity-phone-text"), Phrase::text(act.says(true))),
            (t("identity-terms-secrets"), t("identity-phone-secret")),
            (t("identity-phone-then"), t("identity-phone-then-text")),
        ],
        go: Some((
            format!("/id/upstream/go?to={}&sign={}&class={class}&next={next}", p.name, act.code()),
            page.t("identity-phone-go").with("name", name).phrase(),
        )),
        notes: vec![t("identity-card-tries"), t("identity-phone-refuse")],
        links: vec![Link::new(
            t("identity-phone-reader"),
            format!("/id/register/terms?act={}&class={class}&next={next}", act.code()),
        )],
        ..View::default()
    };
    let title = page.t("identity-phone").phrase();
    Ok(show_as(StatusCode::OK, page, title, v))
}

/// The ticket that the browser holds: id, secret, code.
fn held(headers: &HeaderMap) -> Option<(TicketId, String, String)> {
    let mut parts = super::cookie(headers, COOKIE)?.split('.');
    let (id, secret, code) = (parts.next()?, parts.next()?, parts.next()?);
    Some((id.parse().ok()?, secret.to_owned(), code.to_owned()))
}

async fn looked(identity: &Identity, headers: &HeaderMap) -> crate::Result<(Ticket, String, String)> {
    let (id, secret, code) = held(headers).ok_or(IdentityError::Over)?;
    let ticket = identity.look(id, &secret).await?;
    Ok((ticket, secret, code))
}

fn is_open(identity: &Identity, ticket: &Ticket) -> bool {
    ticket.result.is_none() && ticket.expires_at > identity.env().now()
}

/// The code, and what to do with it.
pub(super) async fn waiting(_: Public, app: App, page: Page, parts: Parts) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    match looked(&identity, &parts.headers).await {
        Ok((ticket, _, code)) if is_open(&identity, &ticket) => {
            Ok(code_page(page, StatusCode::OK, &ticket, &code, false))
        }
        Ok(_) => Ok(ready_page(page)),
        Err(e) => over(page, e),
    }
}

fn code_page(page: Page, status: StatusCode, ticket: &Ticket, code: &str, early: bool) -> Response {
    let t = |key: &str| page.t(key).phrase();
    let line = |title: &str, text: &str| RowView { title: t(title), lines: vec![t(text)], action: None };
    let v = View {
        lead: t("identity-card-lead"),
        notice: early.then(|| ("info", t("identity-card-not-yet"), t("identity-card-not-yet-text"))),
        code: spaced(code),
        rows: vec![
            line("identity-card-1", "identity-card-1-text"),
            line("identity-card-2", "identity-card-2-text"),
            line("identity-card-3", "identity-card-3-text"),
        ],
        form: Some(FormView {
            action: "/id/card/done",
            method: "post",
            id: "kr-wait-form",
            button: t("identity-card-done"),
            primary: true,
            ..FormView::default()
        }),
        wait: "/id/card/state",
        notes: vec![
            page.t("identity-card-until").with("time", page.time(ticket.expires_at)).phrase(),
            t("identity-card-tries"),
        ],
        ..View::default()
    };
    let title = t("identity-card-title");
    show_as(status, page, title, v)
}

fn ready_page(page: Page) -> Response {
    let t = |key: &str| page.t(key).phrase();
    let v = View {
        lead: t("identity-card-ready"),
        form: Some(FormView {
            action: "/id/card/done",
            method: "post",
            button: t("identity-next"),
            primary: true,
            ..FormView::default()
        }),
        ..View::default()
    };
    let title = t("identity-card-title");
    show_as(StatusCode::OK, page, title, v)
}

fn over(page: Page, e: IdentityError) -> Result<Response> {
    let (status, wrong) = told(&page, e, "main")?;
    let t = |key: &str| page.t(key).phrase();
    let v = View {
        lead: wrong.text,
        links: vec![
            Link::new(t("identity-sign-in"), "/id/sign-in"),
            Link::new(t("identity-register"), "/id/register"),
            Link::new(t("identity-help"), "/id/help"),
        ],
        ..View::default()
    };
    let title = t("identity-card-over");
    Ok(show_as(status, page, title, v))
}

#[derive(Serialize)]
pub(super) struct State {
    done: bool,
}

/// Whether the reader is done, for the page that waits.
pub(super) async fn state(_: Public, app: App, parts: Parts) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let done = match looked(&identity, &parts.headers).await {
        Ok((ticket, ..)) => !is_open(&identity, &ticket),
        Err(_) => true,
    };
    Ok(Json(State { done }).into_response())
}

/// What came of it.
pub(super) async fn done(_: Public, app: App, page: Page, me: Me, parts: Parts) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let (ticket, secret, code) = match looked(&identity, &parts.headers).await {
        Ok(found) => found,
        Err(e) => return over(page, e),
    };
    if ticket.result.as_deref() == Some(CLAIMED) {
        return over(page, IdentityError::Over);
    }
    let Some(outcome) = ticket.result.as_deref().map(Outcome::of) else {
        if is_open(&identity, &ticket) {
            return Ok(code_page(page, StatusCode::OK, &ticket, &code, true));
        }
        return over(page, IdentityError::Over);
    };
    let (proved, to) = match outcome {
        Outcome::Registered => (Proved::CARD_SIGN, "/id?welcome=1".to_owned()),
        Outcome::Proved => {
            let next = card::next_of(&ticket)?;
            (Proved::CARD_SIGN, if next == "/id" { "/id/profile".to_owned() } else { next })
        }
        Outcome::SignedIn => (Proved::CARD, card::next_of(&ticket)?),
        other => return Ok(ended(page, other)),
    };
    match identity.claim(ticket.id, &secret, outcome.code()).await {
        Ok(person) => {
            let started = identity.start_session(person, proved, &device(&parts), me.0.as_ref()).await?;
            signed_in(&app, &parts, &started, see_other(inside(&to)))
        }
        Err(e) => over(page, e),
    }
}

/// The card was read, but nobody is signed in.
fn ended(page: Page, outcome: Outcome) -> Response {
    let t = |key: &str| page.t(key).phrase();
    let (title, text, links): (Phrase, Phrase, Vec<Link>) = match outcome {
        Outcome::Review => (
            t("identity-ended-review"),
            t("identity-ended-review-text"),
            vec![
                Link::new(t("identity-sign-in"), "/id/sign-in"),
                Link::new(t("identity-desk-contact"), "/about/contact"),
            ],
        ),
        Outcome::Unknown => (
            t("identity-ended-unknown"),
            t("identity-ended-unknown-text"),
            vec![
                Link::new(t("identity-register"), "/id/register"),
                Link::new(t("identity-replace"), "/id/register/terms?act=replace"),
            ],
        ),
        Outcome::Revoked => (
            t("identity-ended-revoked"),
            t("identity-ended-revoked-text"),
            vec![
                Link::new(t("identity-replace"), "/id/register/terms?act=replace"),
                Link::new(t("identity-desk-contact"), "/about/contact"),
            ],
        ),
        _ => (
            t("identity-ended-refused"),
            t("identity-ended-refused-text"),
            vec![Link::new(t("identity-sign-in"), "/id/sign-in"), Link::new(t("identity-help"), "/id/help")],
        ),
    };
    let v = View { lead: text, links, ..View::default() };
    show_as(StatusCode::OK, page, title, v)
}
