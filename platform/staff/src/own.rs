//! `/staff/own`: one's own account: password, one-time code, where one is signed in, what happened.

use askama::Template;
use axum::response::{IntoResponse, Response};
use kenroku_access::accounts::{AccountError, Accounts, HistoryRow, SessionRow, StaffRow};
use kenroku_access::{Actor, RoleId, Visitor};
use kenroku_http::{App, Form, RequestInfo, Result, Routes};
use kenroku_types::{Problem, Tenant};
use kenroku_ui::parts::Wrong;
use kenroku_ui::{Html, Page, Phrase};
use serde::Deserialize;

use crate::door::{refusal, see_other};
use crate::{console, role_names, seed};

/// The page's address.
pub(crate) const ADDRESS: &str = "/staff/own";

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get(ADDRESS, page_of)
        .post("/staff/own/password", password)
        .post("/staff/own/code", code)
        .post("/staff/own/end", end)
}

#[derive(Template)]
#[template(path = "own.html")]
struct Own {
    page: Page,
    login: String,
    has_code: bool,
    fresh: seed::Shown,
    sessions: Vec<SessionLine>,
    history: Vec<HistoryLine>,
    wrongs: Vec<Wrong>,
}

pub(crate) struct SessionLine {
    pub since: Phrase,
    pub seen: Phrase,
    pub device: Phrase,
    pub how: Phrase,
}

pub(crate) struct HistoryLine {
    pub at: Phrase,
    pub what: Phrase,
    pub by: String,
    pub note: String,
}

pub(crate) fn session_line(page: &Page, s: SessionRow) -> SessionLine {
    SessionLine {
        since: page.day_time(s.signed_in_at),
        seen: page.day_time(s.seen_at),
        device: if s.device.is_empty() {
            page.t("staff-device-unknown").phrase()
        } else {
            Phrase::text(&s.device)
        },
        how: page
            .t(if s.assurance == "password-otp" { "staff-by-code" } else { "staff-by-password" })
            .phrase(),
    }
}

/// A line for people: roles and colleagues by their names.
pub(crate) fn history_line(app: &App, page: &Page, people: &[StaffRow], h: HistoryRow) -> HistoryLine {
    let named = people.iter().find(|r| h.by == format!("staff:{}", r.id)).map(|r| r.name.clone());
    let note = if h.what == "made" || h.what == "roles" {
        let roles: Vec<RoleId> = h.note.split_whitespace().map(|r| RoleId::stored(r.to_owned())).collect();
        role_names(app, page, &roles)
    } else {
        h.note
    };
    let key = match h.what.as_str() {
        "in" => "staff-did-in",
        "made" => "staff-did-made",
        "roles" => "staff-did-roles",
        "profile" => "staff-did-profile",
        "stopped" => "staff-did-stopped",
        "reopened" => "staff-did-reopened",
        "removed" => "staff-did-removed",
        "password" => "staff-did-password",
        "ticket" => "staff-did-ticket",
        "code" => "staff-did-code",
        "code-removed" => "staff-did-code-removed",
        "ended" => "staff-did-ended",
        "sealed" => "staff-did-sealed",
        "break-glass" => "staff-did-break-glass",
        _ => "staff-did-act",
    };
    HistoryLine { at: page.day_time(h.at), what: page.t(key).phrase(), by: named.unwrap_or(h.by), note }
}

/// Whose page it is; an emergency account has none.
async fn me(visitor: &Visitor, app: &App) -> Result<Option<(Tenant, StaffRow)>> {
    let Actor::Staff { tenant, .. } = &visitor.actor else { return Ok(None) };
    match app.get::<Accounts>()?.own_account(&visitor.actor).await {
        Ok(row) => Ok(Some((*tenant, row))),
        Err(AccountError::NotFound) => Ok(None),
        Err(e) => Err(Problem::from(e).into()),
    }
}

async fn show(visitor: &Visitor, app: &App, page: Page, wrongs: Vec<Wrong>) -> Result<Response> {
    let Some((tenant, row)) = me(visitor, app).await? else { return Ok(see_other("/staff")) };
    let accounts = app.get::<Accounts>()?;
    let sessions = accounts.own_sessions(&visitor.actor).await.map_err(Problem::from)?;
    let history = accounts.own_history(&visitor.actor).await.map_err(Problem::from)?;
    let has_code = accounts.has_code(tenant, row.id).await.map_err(Problem::from)?;
    let title = page.t("staff-own").phrase();
    let frame = console(&page, tenant, ("staff-own", ADDRESS));
    let sessions = sessions.into_iter().map(|s| session_line(&page, s)).collect();
    let history =
        history.into_iter().map(|h| history_line(app, &page, std::slice::from_ref(&row), h)).collect();
    let fresh = seed::Shown::new(&page, seed::fresh(app));
    let page = page.title(title).console(frame);
    Ok(Html(Own { page, login: row.login, has_code, fresh, sessions, history, wrongs }).into_response())
}

async fn page_of(visitor: Visitor, app: App, page: Page) -> Result<Response> {
    let Actor::Staff { .. } = visitor.actor else { return Ok(see_other("/staff/sign-in")) };
    show(&visitor, &app, page, Vec::new()).await
}

#[derive(Deserialize)]
struct NewPassword {
    #[serde(default)]
    old: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
}

async fn told(visitor: &Visitor, app: &App, page: Page, e: AccountError, field: &str) -> Result<Response> {
    let (status, wrong) = refusal(&page, e, field, "staff-old-wrong")?;
    let mut response = show(visitor, app, page, vec![wrong]).await?;
    *response.status_mut() = status;
    Ok(response)
}

async fn password(
    visitor: Visitor,
    app: App,
    page: Page,
    info: RequestInfo,
    Form(f): Form<NewPassword>,
) -> Result<Response> {
    if f.password != f.again {
        let text = page.t("staff-again-wrong").phrase();
        let wrong = Wrong { field: "staff-again".to_owned(), text };
        return show(&visitor, &app, page, vec![wrong]).await;
    }
    let accounts = app.get::<Accounts>()?;
    match accounts.change_own_password(&visitor.actor, info.client, &f.old, &f.password).await {
        Ok(()) => Ok(see_other("/staff/sign-in")),
        Err(e @ AccountError::WeakPassword(_)) => told(&visitor, &app, page, e, "staff-new").await,
        Err(e) => told(&visitor, &app, page, e, "staff-old").await,
    }
}

#[derive(Deserialize)]
struct NewCode {
    #[serde(default)]
    password: String,
    #[serde(default)]
    seed: String,
    #[serde(default)]
    code: String,
}

async fn code(
    visitor: Visitor,
    app: App,
    page: Page,
    info: RequestInfo,
    Form(f): Form<NewCode>,
) -> Result<Response> {
    let Some((tenant, row)) = me(&visitor, &app).await? else { return Ok(see_other("/staff")) };
    let Some((step, sealed)) = seed::taken_up(&app, tenant, row.id, &f.seed, &f.code).await? else {
        let text = page.t("staff-code-wrong").phrase();
        let wrong = Wrong { field: "staff-code".to_owned(), text };
        return show(&visitor, &app, page, vec![wrong]).await;
    };
    let accounts = app.get::<Accounts>()?;
    match accounts.set_own_code(&visitor.actor, info.client, &f.password, &sealed, step).await {
        Ok(()) => Ok(see_other(ADDRESS)),
        Err(e) => told(&visitor, &app, page, e, "staff-code-password").await,
    }
}

async fn end(visitor: Visitor, app: App) -> Result<Response> {
    app.get::<Accounts>()?.sign_out_everywhere(&visitor.actor).await.map_err(Problem::from)?;
    Ok(see_other("/staff/sign-in"))
}
