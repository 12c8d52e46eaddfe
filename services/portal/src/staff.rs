//! The door for staff: sign in, what one may do here, sign out.

use std::time::Duration;

use askama::Template;
use axum::http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use kenroku_access::accounts::{AccountError, Accounts};
use kenroku_access::{Access, ActorKind, Target, Visitor};
use kenroku_http::{App, Form, Public, Query, RequestInfo, Result, Routes};
use kenroku_module::{Tool, Tools};
use kenroku_places::Places;
use kenroku_places::choose::government_name;
use kenroku_types::Tenant;
use kenroku_ui::parts::Wrong;
use kenroku_ui::{Console, Html, Link, Page, Phrase};
use serde::Deserialize;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/staff", staff)
        .get("/staff/sign-in", form)
        .post("/staff/sign-in", sign_in)
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
#[template(path = "staff.html")]
struct Staff {
    page: Page,
    lead: Phrase,
    tools: Vec<Link>,
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
    let title = page.t("portal-sign-in").phrase();
    let home = page.t("portal-home").phrase();
    Html(SignIn { page: page.crumb(home, "/").title(title), login, then: inside(then).to_owned(), wrongs })
}

async fn form(_: Public, page: Page, Query(q): Query<Then>) -> Html<SignIn> {
    sign_in_page(page, String::new(), &q.then, Vec::new())
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
    let access = app.get::<Access>()?;
    let (token, session) = match accounts.sign_in(&c.login, &c.password, info.client).await {
        Ok(ok) => ok,
        Err(e @ (AccountError::SignInRefused | AccountError::TooManyAttempts(_) | AccountError::Busy)) => {
            let (status, text) = match e {
                AccountError::TooManyAttempts(s) => {
                    let minutes = s.div_ceil(60).to_string();
                    (
                        StatusCode::TOO_MANY_REQUESTS,
                        page.t("portal-sign-in-wait").with("minutes", minutes).phrase(),
                    )
                }
                AccountError::Busy => {
                    (StatusCode::SERVICE_UNAVAILABLE, page.t("portal-sign-in-busy").phrase())
                }
                _ => (StatusCode::UNPROCESSABLE_ENTITY, page.t("portal-sign-in-wrong").phrase()),
            };
            let wrongs = vec![Wrong { field: "staff-login".to_owned(), text }];
            return Ok((status, sign_in_page(page, c.login.chars().take(64).collect(), &c.then, wrongs))
                .into_response());
        }
        Err(e) => return Err(kenroku_types::Problem::from(e).into()),
    };
    let left = session.expires.since(app.env().now());
    let max_age = Duration::from_micros(u64::try_from(left).unwrap_or(0));
    let mut response = see_other(inside(&c.then));
    if let Some(cookie) = access.web().set_cookie(&parts, &token, max_age) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn sign_out(_: Public, app: App, parts: Parts) -> Result<Response> {
    let access = app.get::<Access>()?;
    if let Some(token) = access.web().session_token(&parts) {
        app.get::<Accounts>()?.sign_out(token).await.map_err(kenroku_types::Problem::from)?;
    }
    let mut response = see_other("/");
    if let Some(cookie) = access.web().clear_cookie(&parts) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn staff(visitor: Visitor, app: App, page: Page) -> Result<Response> {
    let ActorKind::Staff = visitor.actor.kind() else {
        return Ok(see_other("/staff/sign-in"));
    };
    let place = visitor
        .actor
        .scope()
        .tenant()
        .and_then(|t| Some(government_name(&page, Places::shared().ok()?, t)))
        .unwrap_or_default();
    let tenant = visitor.actor.scope().tenant().unwrap_or(Tenant::SHARED);
    let may = |t: &&Tool| {
        let whole = Target { kind: t.needs.on, id: tenant.uuid(), tenant, owner: None };
        app.access().decide(&visitor.actor, &t.needs, &whole).allowed
    };
    let tools = app.get::<Tools>()?;
    let tools: Vec<Link> = tools.0.iter().filter(may).map(|t| Link::new(page.t(t.title), t.href)).collect();
    let title = page.t("portal-staff").phrase();
    let console = Console {
        name: title.clone(),
        place,
        who: Phrase::default(),
        leave: Some(page.sign_out()),
        menu: tools.clone(),
    };
    let lead = page.t("portal-staff-lead").phrase();
    Ok(Html(Staff { page: page.title(title).console(console), lead, tools }).into_response())
}

fn see_other(to: &str) -> Response {
    let location = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, location), (CACHE_CONTROL, HeaderValue::from_static("no-store"))])
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn staff_are_offered_the_tools_they_may_open() {
        use kenroku_access::testing::staff;
        use kenroku_types::MuniCode;

        let site = kenroku_module::test::TestSite::of([crate::module()]).await;
        let operator = site.acting(staff(Tenant::SHARED, &["operator"])).get("/staff").await;
        assert!(operator.text().contains("href=\"/staff/bus\""), "{}", operator.text());
        let nomi = MuniCode::new(17211).map(Tenant::of).unwrap();
        let admin = site.acting(staff(nomi, &["muni-admin"])).get("/staff").await.text();
        assert!(admin.contains("能美市") && !admin.contains("href=\"/staff/bus\""), "{admin}");
        assert_eq!(site.get("/staff").await.status, 303);
    }

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
