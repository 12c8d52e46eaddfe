//! The one-time link with which somebody sets up their password.

use askama::Template;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use kenroku_access::accounts::{AccountError, Accounts};
use kenroku_http::{App, Form, Op, Public, Query, Result, Routes};
use kenroku_types::Problem;
use kenroku_ui::parts::Wrong;
use kenroku_ui::{Html, Page};
use serde::Deserialize;

use crate::door::{refusal, see_other};

/// The page's address.
pub(crate) const ADDRESS: &str = "/staff/set-up";

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(Op::new(Method::GET, ADDRESS, form).rate(1.0, 30.0))
        .add(Op::new(Method::POST, ADDRESS, set_up).rate(1.0, 30.0))
}

#[derive(Template)]
#[template(path = "set-up.html")]
struct SetUp {
    page: Page,
    /// The sign-in name; `None` when the link is over.
    login: Option<String>,
    ticket: String,
    wrongs: Vec<Wrong>,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    ticket: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
}

async fn show(app: &App, page: Page, ticket: String, wrongs: Vec<Wrong>) -> Result<Html<SetUp>> {
    let login = match app.get::<Accounts>()?.set_up_name(&ticket).await {
        Ok(login) => Some(login),
        Err(AccountError::NotFound) => None,
        Err(e) => return Err(Problem::from(e).into()),
    };
    let title = page.t("staff-set-up").phrase();
    Ok(Html(SetUp { page: page.title(title), login, ticket, wrongs }))
}

async fn form(_: Public, app: App, page: Page, Query(q): Query<Asked>) -> Result<Html<SetUp>> {
    show(&app, page, q.ticket, Vec::new()).await
}

async fn set_up(_: Public, app: App, page: Page, Form(f): Form<Asked>) -> Result<Response> {
    let wrong = if f.password == f.again {
        match app.get::<Accounts>()?.set_up(&f.ticket, &f.password).await {
            Ok(()) => return Ok(see_other("/staff/sign-in")),
            Err(AccountError::NotFound) => {
                return Ok(show(&app, page, f.ticket, Vec::new()).await?.into_response());
            }
            Err(e) => refusal(&page, e, "staff-new", "staff-weak")?,
        }
    } else {
        let text = page.t("staff-again-wrong").phrase();
        (axum::http::StatusCode::UNPROCESSABLE_ENTITY, Wrong { field: "staff-again".to_owned(), text })
    };
    let (status, wrong) = wrong;
    Ok((status, show(&app, page, f.ticket, vec![wrong]).await?).into_response())
}
