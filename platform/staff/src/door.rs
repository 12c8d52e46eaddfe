//! The door for staff: sign in in one or two steps, what one may do here, what must be seen, sign out.

use askama::Template;
use axum::http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kenroku_access::accounts::{AccountError, Accounts, Begun};
use kenroku_access::kernel::ViewAlarms;
use kenroku_access::{Access, ActorKind, Door, Target, Visitor};
use kenroku_http::request::device_name;
use kenroku_http::{App, Form, Op, Public, Query, RequestInfo, Result, Routes};
use kenroku_module::{Tool, Tools};
use kenroku_places::Places;
use kenroku_places::choose::government_name;
use kenroku_types::{Problem, Tenant, Timestamp};
use kenroku_ui::parts::Wrong;
use kenroku_ui::{Console, Html, Link, Page, Phrase};
use serde::Deserialize;

use crate::{own, seed};

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/staff", staff)
        .get("/staff/sign-in", form)
        .post("/staff/sign-in", sign_in)
        .add(Op::new(Method::POST, "/staff/sign-in/code", code).rate(1.0, 30.0))
        .post("/staff/sign-out", sign_out)
}

#[derive(Template)]
#[template(path = "sign-in.html")]
struct SignIn {
    page: Page,
    login: String,
    then: String,
    wrongs: Vec<Wrong>,
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage {
    page: Page,
    then: String,
    ticket: String,
    /// A new seed for whoever has none: in hexadecimal, and as apps take it.
    fresh: Option<seed::Shown>,
    wrongs: Vec<Wrong>,
}

#[derive(Template)]
#[template(path = "staff.html")]
struct Staff {
    page: Page,
    lead: Phrase,
    tools: Vec<Link>,
    alarms: usize,
    emergency: bool,
}

#[derive(Deserialize)]
struct Then {
    #[serde(default)]
    then: String,
}

#[derive(Deserialize)]
struct Credentials {
    #[serde(default)]
    login: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    then: String,
}

/// Only a path of this site is followed after signing in; anything else would lead people away.
fn inside(then: &str) -> &str {
    let own = then.starts_with("/staff") && !then.contains("//") && !then.contains('\\') && then.is_ascii();
    if own { then } else { "/staff" }
}

fn sign_in_page(page: Page, login: String, then: &str, wrongs: Vec<Wrong>) -> Html<SignIn> {
    let title = page.t("staff-sign-in").phrase();
    let home = page.t("staff-portal").phrase();
    Html(SignIn { page: page.crumb(home, "/").title(title), login, then: inside(then).to_owned(), wrongs })
}

async fn form(_: Public, page: Page, Query(q): Query<Then>) -> Html<SignIn> {
    sign_in_page(page, String::new(), &q.then, Vec::new())
}

/// How a refused sign-in is told; other errors pass.
pub(crate) fn refusal(
    page: &Page,
    e: AccountError,
    field: &str,
    wrong: &'static str,
) -> Result<(StatusCode, Wrong)> {
    let (status, text) = match e {
        AccountError::SignInRefused => (StatusCode::UNPROCESSABLE_ENTITY, page.t(wrong).phrase()),
        AccountError::TooManyAttempts(s) => {
            let minutes = s.div_ceil(60).to_string();
            (StatusCode::TOO_MANY_REQUESTS, page.t("staff-sign-in-wait").with("minutes", minutes).phrase())
        }
        AccountError::Busy => (StatusCode::SERVICE_UNAVAILABLE, page.t("staff-sign-in-busy").phrase()),
        AccountError::Words => (StatusCode::UNPROCESSABLE_ENTITY, page.t("staff-words").phrase()),
        AccountError::WeakPassword(_) => (StatusCode::UNPROCESSABLE_ENTITY, page.t("staff-weak").phrase()),
        other => return Err(Problem::from(other).into()),
    };
    Ok((status, Wrong { field: field.to_owned(), text }))
}

async fn sign_in(
    _: Public,
    app: App,
    page: Page,
    info: RequestInfo,
    parts: Parts,
    Form(c): Form<Credentials>,
) -> Result<Response> {
    let accounts = app.get::<Accounts>()?;
    let device = device_name(&parts.headers);
    match accounts.begin_sign_in(&c.login, &c.password, info.client, &device).await {
        Ok(Begun::In(token, session)) => signed_in(&app, &parts, &token, session.expires, inside(&c.then)),
        Ok(Begun::Code(ticket)) => Ok(code_page(page, ticket, &c.then, None, Vec::new()).into_response()),
        Ok(Begun::SetUpCode(ticket)) => {
            let fresh = Some(seed::fresh(&app));
            Ok(code_page(page, ticket, &c.then, fresh, Vec::new()).into_response())
        }
        Err(e) => {
            let (status, wrong) = refusal(&page, e, "staff-login", "staff-sign-in-wrong")?;
            let login = c.login.chars().take(64).collect();
            Ok((status, sign_in_page(page, login, &c.then, vec![wrong])).into_response())
        }
    }
}

fn code_page(
    page: Page,
    ticket: String,
    then: &str,
    fresh: Option<String>,
    wrongs: Vec<Wrong>,
) -> Html<CodePage> {
    let title = page.t("staff-code-title").phrase();
    let home = page.t("staff-portal").phrase();
    let fresh = fresh.map(|s| seed::Shown::new(&page, s));
    Html(CodePage {
        page: page.crumb(home, "/").title(title),
        then: inside(then).to_owned(),
        ticket,
        fresh,
        wrongs,
    })
}

/// The second step.
#[derive(Deserialize)]
struct Code {
    #[serde(default)]
    ticket: String,
    #[serde(default)]
    seed: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    then: String,
}

async fn code(
    _: Public,
    app: App,
    page: Page,
    info: RequestInfo,
    parts: Parts,
    Form(f): Form<Code>,
) -> Result<Response> {
    let accounts = app.get::<Accounts>()?;
    let fresh = Some(f.seed.clone()).filter(|s| !s.is_empty());
    let told = |page: Page, e: AccountError| -> Result<Response> {
        let (status, wrong) = refusal(&page, e, "staff-code", "staff-code-wrong")?;
        Ok((status, code_page(page, f.ticket.clone(), &f.then, fresh.clone(), vec![wrong])).into_response())
    };
    let who = match accounts.waiting(&f.ticket, info.client).await {
        Ok(who) => who,
        // The pause was too long: from the start.
        Err(AccountError::NotFound) => return Ok(see_other("/staff/sign-in")),
        Err(e) => return told(page, e),
    };
    // Whoever has a seed is never given another one here: the password alone must not replace it.
    let found = if who.seed.is_some() {
        seed::matches(&app, &who, &f.code).await?.map(|step| (step, None))
    } else {
        let taken = seed::taken_up(&app, who.tenant, who.id, &f.seed, &f.code).await?;
        taken.map(|(step, sealed)| (step, Some(sealed)))
    };
    let Some((step, sealed)) = found else { return told(page, AccountError::SignInRefused) };
    let device = device_name(&parts.headers);
    match accounts.finish_sign_in(&f.ticket, info.client, step, sealed.as_deref(), &device).await {
        Ok((token, session)) => signed_in(&app, &parts, &token, session.expires, inside(&f.then)),
        Err(AccountError::NotFound) => Ok(see_other("/staff/sign-in")),
        Err(e) => told(page, e),
    }
}

/// Sets the cookie of staff and goes on.
pub(crate) fn signed_in(
    app: &App,
    parts: &Parts,
    token: &str,
    ends: Timestamp,
    to: &str,
) -> Result<Response> {
    let left = u64::try_from(ends.since(app.env().now())).unwrap_or(0);
    let max_age = std::time::Duration::from_micros(left);
    let mut response = see_other(to);
    if let Some(cookie) = app.get::<Access>()?.web().set_cookie(parts, Door::Staff, token, max_age) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn sign_out(_: Public, app: App, parts: Parts) -> Result<Response> {
    let access = app.get::<Access>()?;
    if let Some(token) = access.web().session_token(&parts, Door::Staff) {
        app.get::<Accounts>()?.sign_out(token).await.map_err(Problem::from)?;
    }
    let mut response = see_other("/");
    if let Some(cookie) = access.web().clear_cookie(&parts, Door::Staff) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn staff(visitor: Visitor, app: App, page: Page) -> Result<Response> {
    let ActorKind::Staff = visitor.actor.kind() else {
        return Ok(see_other("/staff/sign-in"));
    };
    let tenant = visitor.actor.scope().tenant().unwrap_or(Tenant::SHARED);
    let place = Places::shared().map(|p| government_name(&page, p, tenant)).unwrap_or_default();
    let may = |t: &&Tool| {
        let whole = Target { kind: t.needs.on, id: tenant.uuid(), tenant, owner: None };
        app.access().decide(&visitor.actor, &t.needs, &whole).allowed
    };
    let tools = app.get::<Tools>()?;
    let mut tools: Vec<Link> =
        tools.0.iter().filter(may).map(|t| Link::new(page.t(t.title), t.href)).collect();
    tools.push(Link::new(page.t("staff-own"), own::ADDRESS));
    let seers = app.access().grants_within_reach::<ViewAlarms>(&visitor.actor);
    let alarms = app.get::<Accounts>()?.open_alarms(&seers).await.map_err(Problem::from)?.len();
    let title = page.t("staff-home").phrase();
    let console = Console {
        name: title.clone(),
        place,
        who: Phrase::default(),
        leave: Some(page.sign_out()),
        menu: tools.clone(),
    };
    let lead = page.t("staff-lead").phrase();
    let emergency = visitor.actor.is_break_glass();
    Ok(Html(Staff { page: page.title(title).console(console), lead, tools, alarms, emergency })
        .into_response())
}

pub(crate) fn see_other(to: &str) -> Response {
    let location = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, location), (CACHE_CONTROL, HeaderValue::from_static("no-store"))])
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_staff_are_followed() {
        assert_eq!(inside("/staff/snow?area=17211"), "/staff/snow?area=17211");
        for bad in
            ["https://example.com", "//example.com", "/staff//evil", "/snow", "", "/staff\\x", "javascript:1"]
        {
            assert_eq!(inside(bad), "/staff", "{bad}");
        }
    }
}
