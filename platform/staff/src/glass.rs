//! `/staff/break-glass`: the emergency account is used. It is open to everybody who can reach the staff pages, and needs
//! the credential from the safe and a reason; guesses are slowed down like passwords.

use std::sync::atomic::Ordering;

use askama::Template;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use kenroku_access::accounts::{AccountError, Accounts, BREAK_GLASS_LASTS};
use kenroku_contracts::staff::BreakGlassUsed;
use kenroku_http::request::device_name;
use kenroku_http::{App, Form, Op, Public, RequestInfo, Result, Routes};
use kenroku_types::Problem;
use kenroku_ui::parts::Wrong;
use kenroku_ui::{Html, Page};
use serde::Deserialize;

use crate::Uses;
use crate::door::{refusal, signed_in};

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(Op::new(Method::GET, "/staff/break-glass", form).staff())
        .add(Op::new(Method::POST, "/staff/break-glass", open).staff().rate(0.2, 10.0))
}

#[derive(Template)]
#[template(path = "break-glass.html")]
struct Glass {
    page: Page,
    login: String,
    reason: String,
    wrongs: Vec<Wrong>,
}

#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    login: String,
    #[serde(default)]
    credential: String,
    #[serde(default)]
    reason: String,
}

fn show(page: Page, f: Asked, wrongs: Vec<Wrong>) -> Html<Glass> {
    let title = page.t("staff-glass").phrase();
    let cut = |text: &str, most: usize| text.chars().take(most).collect();
    Html(Glass { page: page.title(title), login: cut(&f.login, 64), reason: cut(&f.reason, 500), wrongs })
}

async fn form(_: Public, page: Page) -> Html<Glass> {
    show(page, Asked::default(), Vec::new())
}

async fn open(
    _: Public,
    app: App,
    page: Page,
    info: RequestInfo,
    parts: Parts,
    Form(f): Form<Asked>,
) -> Result<Response> {
    match used(&app, &info, &parts, &f).await? {
        Ok(token) => {
            let ends = app.env().now().plus(BREAK_GLASS_LASTS);
            signed_in(&app, &parts, &token, ends, "/staff")
        }
        Err(e) => {
            let field = if e == AccountError::Words { "staff-reason" } else { "staff-login" };
            let (status, wrong) = refusal(&page, e, field, "staff-glass-wrong")?;
            Ok((status, show(page, f, vec![wrong])).into_response())
        }
    }
}

/// Compares, then opens, raises the alarm and publishes the event in one transaction.
async fn used(
    app: &App,
    info: &RequestInfo,
    parts: &Parts,
    f: &Asked,
) -> Result<std::result::Result<String, AccountError>> {
    let accounts = app.get::<Accounts>()?;
    let seal = match accounts.check_seal(&f.login, &f.credential, info.client).await {
        Ok(seal) => seal,
        Err(e) => return Ok(Err(e)),
    };
    let mut tx = app.db().begin().await.map_err(Problem::from)?;
    let broken =
        match accounts.break_seal_within(&mut tx, &seal, &f.reason, &device_name(&parts.headers)).await {
            Ok(broken) => broken,
            Err(e) => {
                tx.rollback().await.map_err(Problem::from)?;
                return Ok(Err(e));
            }
        };
    let event = BreakGlassUsed { alarm: broken.alarm.uuid(), staff: broken.id };
    app.bus().publish(&mut tx, broken.tenant, &event).await.map_err(Problem::from)?;
    tx.commit().await.map_err(Problem::from)?;
    app.get::<Uses>()?.0.fetch_add(1, Ordering::Relaxed);
    Ok(Ok(broken.token))
}
