//! The pages: one question a page, what comes next always said, the same without JavaScript where WebAuthn needs none.

mod consents;
mod counter;
mod delegations;
mod developers;
mod disaster;
mod links;
mod own;
mod register;
mod review;
mod sign_in;
mod start;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kenroku_http::{App, Op, RequestInfo, Routes};
use kenroku_types::{JapaneseDate, Problem, Timestamp};
use kenroku_ui::parts::{Choice, Drawing, Step, Wrong};
use kenroku_ui::{Html, Link, Page, Phrase};

use crate::Identity;
use crate::error::IdentityError;
use crate::session::{Session, Started, current};
use crate::webauthn::Site;

/// All pages.
pub(crate) fn routes() -> Routes {
    // A ceremony costs a write: fewer at once than pages, per network.
    let slow = |op: Op| op.rate(2.0, 60.0);
    Routes::new()
        .get("/id", own::home)
        .get("/id/sign-in", sign_in::page)
        .add(slow(Op::new(Method::POST, "/id/sign-in/passkey/start", sign_in::passkey_start)))
        .add(slow(Op::new(Method::POST, "/id/sign-in/passkey/finish", sign_in::passkey_finish)))
        .get("/id/sign-in/password", sign_in::password_page)
        .add(slow(Op::new(Method::POST, "/id/sign-in/password", sign_in::password)))
        .add(slow(Op::new(Method::POST, "/id/sign-in/code", sign_in::code)))
        .post("/id/sign-out", sign_in::sign_out)
        .get("/id/help", sign_in::help)
        .get("/id/register", register::page)
        .get("/id/register/terms", register::terms)
        .add(slow(Op::new(Method::POST, "/id/card", register::begin)))
        .get("/id/card", register::waiting)
        .get("/id/card/state", register::state)
        .post("/id/card/done", register::done)
        .get("/id/profile", own::profile)
        .get("/id/history", own::history)
        .get("/id/devices", own::devices)
        .post("/id/devices/end", own::end_device)
        .get("/id/passkeys", own::passkeys)
        .add(slow(Op::new(Method::POST, "/id/passkeys/start", own::passkey_start)))
        .add(slow(Op::new(Method::POST, "/id/passkeys/finish", own::passkey_finish)))
        .post("/id/passkeys/remove", own::remove)
        .get("/id/passkeys/password", own::password_page)
        .add(slow(Op::new(Method::POST, "/id/passkeys/password", own::password)))
        .post("/id/passkeys/code", own::code)
        .add(slow(Op::new(Method::GET, "/id/upstream/go", links::go)))
        .add(slow(Op::new(Method::GET, "/id/upstream/back", links::back)))
        .get("/id/upstream/choose", links::choose_page)
        .add(slow(Op::new(Method::POST, "/id/upstream/choose", links::choose)))
        .get("/id/register/phone", register::phone)
        .get("/developers/id", developers::page)
        .get("/id/consents", consents::page)
        .post("/id/consents/withdraw", consents::withdraw)
        .get("/id/links", links::page)
        .get("/id/links/confirm", links::confirm_page)
        .post("/id/links/confirm", links::confirm)
        .post("/id/links/end", links::end)
        .get("/id/delegations", delegations::page)
        .get("/id/delegations/invite", delegations::invite_page)
        .post("/id/delegations/invite", delegations::invite)
        .post("/id/delegations/accept", delegations::accept)
        .post("/id/delegations/end", delegations::end)
        .post("/id/delegations/hand-over", delegations::hand_over)
        .get("/id/counter-code", delegations::counter_code_page)
        .post("/id/counter-code", delegations::counter_code)
        .get("/id/start", start::page)
        .add(slow(Op::new(Method::POST, "/id/start", start::open)))
        .get("/id/start/choose", start::choose)
        .add(slow(Op::new(Method::POST, "/id/start/passkey/start", start::passkey_start)))
        .add(slow(Op::new(Method::POST, "/id/start/passkey/finish", start::passkey_finish)))
        .get("/id/start/password", start::password_page)
        .add(slow(Op::new(Method::POST, "/id/start/password", start::password)))
        .post("/id/start/code", start::code)
        .add(Op::new(Method::GET, "/staff/identity/counter", counter::home).staff())
        .add(Op::new(Method::GET, "/staff/identity/counter/person", counter::person_page).staff())
        .add(Op::new(Method::POST, "/staff/identity/counter/person", counter::person).staff())
        .add(Op::new(Method::GET, "/staff/identity/counter/child", counter::child_page).staff())
        .add(Op::new(Method::POST, "/staff/identity/counter/child", counter::child).staff())
        .add(Op::new(Method::GET, "/staff/identity/counter/find", counter::find_page).staff())
        .add(Op::new(Method::POST, "/staff/identity/counter/find", counter::find).staff())
        .add(Op::new(Method::POST, "/staff/identity/counter/open", counter::open).staff())
        .add(Op::new(Method::POST, "/staff/identity/counter/recover", counter::recover).staff())
        .add(Op::new(Method::POST, "/staff/identity/counter/sheet", counter::sheet).staff())
        .add(Op::new(Method::POST, "/staff/identity/counter/move", counter::moved).staff())
        .add(Op::new(Method::POST, "/staff/identity/counter/guardian", counter::guardian).staff())
        .add(Op::new(Method::POST, "/staff/identity/counter/guardian/end", counter::end_guardian).staff())
        .add(Op::new(Method::GET, "/staff/identity/disaster", disaster::page).staff())
        .add(Op::new(Method::POST, "/staff/identity/disaster", disaster::declare).staff())
        .add(Op::new(Method::POST, "/staff/identity/disaster/end", disaster::end).staff())
        .add(Op::new(Method::GET, "/staff/identity/people", review::page).staff())
        .add(Op::new(Method::POST, "/staff/identity/people/decide", review::decide).staff())
}

/// What a page shows, in the order of the template; what is empty is left out.
#[derive(Default)]
pub(crate) struct View {
    lead: Phrase,
    notice: Option<(&'static str, Phrase, Phrase)>,
    wrongs: Vec<Wrong>,
    code: String,
    /// The same for a camera.
    qr: Option<Drawing>,
    facts: Vec<(Phrase, Phrase)>,
    passkey: Option<Passkey>,
    form: Option<FormView>,
    /// A link that looks like the button it is: it leads to another site, which no form of ours may.
    go: Option<(String, Phrase)>,
    wait: &'static str,
    rows_title: Phrase,
    rows: Vec<RowView>,
    /// Rows of another kind, under a heading of their own.
    more_title: Phrase,
    more_lead: Phrase,
    more: Vec<RowView>,
    steps: Vec<Step>,
    /// Whether the steps are ways in order of ease.
    ladder: bool,
    actions: Vec<Action>,
    notes: Vec<Phrase>,
    links: Vec<Link>,
}

/// The button of a passkey ceremony.
struct Passkey {
    mode: &'static str,
    start: &'static str,
    finish: &'static str,
    next: String,
    label: Phrase,
    note: Phrase,
}

#[derive(Default)]
struct FormView {
    action: &'static str,
    method: &'static str,
    id: &'static str,
    hidden: Vec<(&'static str, String)>,
    fields: Vec<FieldView>,
    checks: Vec<(Phrase, &'static str, Vec<Choice>, &'static str)>,
    button: Phrase,
    primary: bool,
}

struct FieldView {
    id: &'static str,
    label: Phrase,
    name: &'static str,
    value: String,
    hint: Phrase,
    kind: &'static str,
    autocomplete: &'static str,
}

impl FieldView {
    fn new(id: &'static str, name: &'static str, label: Phrase) -> Self {
        FieldView {
            id,
            label,
            name,
            value: String::new(),
            hint: Phrase::default(),
            kind: "text",
            autocomplete: "off",
        }
    }
}

struct RowView {
    title: Phrase,
    lines: Vec<Phrase>,
    action: Option<Action>,
}

struct Action {
    action: &'static str,
    hidden: Vec<(&'static str, String)>,
    label: Phrase,
}

#[derive(Template)]
#[template(path = "id.html")]
struct Shown {
    page: Page,
    v: View,
}

/// Dresses a view; every page but the first has the way back: to one's own page, or to the portal for visitors.
fn show(page: Page, title: Phrase, v: View) -> Response {
    let (home, href) = match page.signed_in {
        true => (page.t("identity-home").phrase(), "/id"),
        false => (page.t("identity-portal").phrase(), "/"),
    };
    Html(Shown { page: page.crumb(home, href).title(title), v }).into_response()
}

/// A day that lies far from today: with its year.
fn day(page: &Page, t: Timestamp) -> Phrase {
    JapaneseDate::of(t).map_or_else(|_| page.day_time(t), |date| page.date(date))
}

/// The same with a status other than 200.
fn show_as(status: StatusCode, page: Page, title: Phrase, v: View) -> Response {
    let mut response = show(page, title, v);
    *response.status_mut() = status;
    response
}

fn see_other(to: &str) -> Response {
    let location = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/id"));
    let headers = [(LOCATION, location), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Where somebody may be sent after signing in: the allow-list. Anything else leads to their own page.
pub(crate) fn inside(next: &str) -> &str {
    let clean = next.len() <= 512
        && next.bytes().all(|b| b.is_ascii_graphic())
        && !next.contains("//")
        && !next.contains('\\')
        && !next.contains("..")
        && !next.starts_with("/id/sign-");
    let below = |root: &str| {
        next.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    };
    let known = next == "/"
        || below("/id")
        || below("/my")
        || below("/snow")
        || below("/oidc/device")
        || next.strip_prefix("/oidc/authorize/continue/").is_some_and(|rest| !rest.is_empty());
    if clean && known { next } else { "/id" }
}

/// The session of the request as an argument; absent for visitors.
struct Me(Option<Session>);

impl FromRequestParts<App> for Me {
    type Rejection = kenroku_http::Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, kenroku_http::Error> {
        Ok(Me(current(app, parts).await?))
    }
}

impl Me {
    /// The session, for pages whose permission has let a resident in.
    fn session(self) -> Result<Session, kenroku_http::Error> {
        self.0.ok_or_else(|| Problem::unauthenticated().into())
    }
}

/// What a change of keys or delegations asks for beyond a session: a proof of the last quarter of an hour.
const FRESH: i64 = 15 * 60 * 1_000_000;

/// The way to a fresh proof, when the session's is too old for a weighty change.
fn stale(identity: &Identity, s: &Session, back: &str) -> Option<Response> {
    let old = identity.env().now().since(s.sign_in.at) > FRESH;
    old.then(|| see_other(&format!("/id/sign-in?fresh=1&next={back}")))
}

/// For whom passkeys are made: the configured address, or the one of this request.
fn site(identity: &Identity, info: &RequestInfo, parts: &Parts) -> Option<Site> {
    let configured = &identity.rules().origin;
    if !configured.is_empty() {
        return Site::of_origin(configured);
    }
    let host = parts.headers.get(header::HOST).and_then(|v| v.to_str().ok())?;
    Site::of_origin(&format!("{}://{host}", if info.https { "https" } else { "http" }))
}

/// Starts the session's cookies and leads on.
fn signed_in(
    app: &App,
    parts: &Parts,
    started: &Started,
    mut to: Response,
) -> kenroku_http::Result<Response> {
    started.set_cookies(&*app.get::<kenroku_access::Access>()?, parts, to.headers_mut());
    Ok(to)
}

/// What is wrong in words of the page's language, with the status; other errors are passed on.
fn told(page: &Page, e: IdentityError, field: &str) -> Result<(StatusCode, Wrong), kenroku_http::Error> {
    let (status, text) = match &e {
        IdentityError::Refused => (StatusCode::UNPROCESSABLE_ENTITY, page.t("identity-refused").phrase()),
        IdentityError::TooManyAttempts(s) => (
            StatusCode::TOO_MANY_REQUESTS,
            page.t("identity-wait").with("minutes", s.div_ceil(60).to_string()).phrase(),
        ),
        IdentityError::Busy => (StatusCode::SERVICE_UNAVAILABLE, page.t("identity-busy").phrase()),
        IdentityError::Over => (StatusCode::GONE, page.t("identity-over").phrase()),
        IdentityError::LastCredential => (StatusCode::CONFLICT, page.t("identity-last").phrase()),
        IdentityError::Input(_, "identity.login-form", _) => {
            (StatusCode::UNPROCESSABLE_ENTITY, page.t("identity-login-form").phrase())
        }
        IdentityError::Input(_, "identity.login-taken", _) => {
            (StatusCode::UNPROCESSABLE_ENTITY, page.t("identity-login-taken").phrase())
        }
        IdentityError::Input(_, "identity.weak-password", _) => {
            (StatusCode::UNPROCESSABLE_ENTITY, page.t("identity-weak-password").phrase())
        }
        IdentityError::Input(_, "identity.scope", _) => {
            (StatusCode::UNPROCESSABLE_ENTITY, page.t("identity-scope-none").phrase())
        }
        _ => return Err(e.into()),
    };
    Ok((status, Wrong { field: field.to_owned(), text }))
}

/// Several words one after the other, each with its readings.
fn listed(page: &Page, words: impl Iterator<Item = Phrase>) -> Phrase {
    words.reduce(|a, b| page.t("identity-list").with("a", a).with("b", b).phrase()).unwrap_or_default()
}

/// How a class of account is called.
fn class_name(page: &Page, class: crate::model::AccountClass) -> Phrase {
    use crate::model::AccountClass as C;
    match class {
        C::Resident => page.t("identity-kind-resident"),
        C::Homecoming => page.t("identity-kind-homecoming"),
        C::Worker => page.t("identity-kind-worker"),
        C::Child => page.t("identity-kind-child"),
        C::NoCard => page.t("identity-kind-no-card"),
    }
    .phrase()
}

/// How a way to sign in is called.
fn way_name(page: &Page, code: &str) -> Phrase {
    match code {
        "passkey" => page.t("identity-way-passkey"),
        "jpki-auth" => page.t("identity-way-card"),
        "jpki-sign" => page.t("identity-way-card-sign"),
        "password-otp" | "password" => page.t("identity-way-password"),
        "totp" => page.t("identity-way-code"),
        "linked" | "unlinked" => page.t("identity-way-elsewhere"),
        _ => page.t("identity-way-other"),
    }
    .phrase()
}

/// The value of one of our cookies.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    lines.flat_map(|l| l.split(';')).find_map(|c| c.trim().strip_prefix(name)?.strip_prefix('='))
}

/// A value inside a query: what would end or join it is encoded.
fn encoded(path: &str) -> String {
    path.replace('%', "%25").replace('&', "%26").replace('#', "%23").replace('+', "%2B").replace('?', "%3F")
}

/// The name of the device of a request.
fn device(parts: &Parts) -> String {
    kenroku_http::request::device_name(&parts.headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_paths_of_this_site_are_followed() {
        for good in
            ["/", "/id", "/id/devices", "/snow?area=17211", "/snow/segments/1", "/oidc/authorize/continue/x"]
        {
            assert_eq!(inside(good), good);
        }
        for bad in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/id//evil.example",
            "/idx",
            "/snowball",
            "/staff",
            "/oidc/authorize/continue/",
            "/oidc/token",
            "/id/sign-out",
            "/id/../staff",
            "javascript:alert(1)",
            "/id\r\nSet-Cookie: a=b",
            "/snow?x=\u{3042}",
        ] {
            assert_eq!(inside(bad), "/id", "{bad}");
        }
    }
}
