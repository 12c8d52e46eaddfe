//! `/my/data/bring`: taking everything along to another region in the concepts of PxR, and bringing it from there.

use askama::Template;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use kenroku_access::Authz;
use kenroku_http::{App, Form, RequestInfo, Result};
use kenroku_ui::parts::Wrong;
use kenroku_ui::{Html, Page, Phrase};
use serde::Deserialize;

use super::{data, me, said};
use crate::consent::Consent;
use crate::error::ConsentError;
use crate::module::{AnswerOwn, ViewOwn, tenants};
use crate::pxr;

#[derive(Template)]
#[template(path = "my-bring.html")]
struct Bring {
    page: Page,
    wrongs: Vec<Wrong>,
    /// The services that wait for an answer now; none before anything was brought.
    brought: Option<Vec<Phrase>>,
}

fn show(page: Page, wrongs: Vec<Wrong>, brought: Option<Vec<Phrase>>) -> Response {
    let t = |key: &str| page.t(key).phrase();
    let (home, data, title) = (t("consent-my"), t("consent-data"), t("consent-bring"));
    let page = page.crumb(home, "/my").crumb(data, "/my/data").title(title).signed_in(true);
    Html(Bring { page, wrongs, brought }).into_response()
}

/// The page.
pub(crate) async fn page(authz: Authz<ViewOwn>, page: Page) -> Result<Response> {
    me(&authz)?;
    Ok(show(page, Vec::new(), None))
}

/// Everything as a book.
pub(crate) async fn download(authz: Authz<ViewOwn>, app: App, info: RequestInfo) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    let consent = app.get::<Consent>()?;
    let facts = data::held(&app, &authz.granted, subject, &info).await?;
    let answers = consent.answers(&tenants(app.access()), subject).await?;
    let book = pxr::book(subject, &answers, &consent.delivered(subject).await?, &facts);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"my-book.json\"")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, serde_json::to_vec_pretty(&book).map_err(ConsentError::from)?).into_response())
}

/// The text of a book.
#[derive(Debug, Deserialize)]
pub(crate) struct Brought {
    #[serde(default)]
    book: String,
}

/// Puts what was brought to the person.
pub(crate) async fn bring(
    authz: Authz<AnswerOwn>,
    app: App,
    page: Page,
    Form(form): Form<Brought>,
) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    let consent = app.get::<Consent>()?;
    match pxr::read(&form.book) {
        Ok(book) => {
            let asked = consent.bring(&tenants(app.access()), subject, &book).await?;
            let names = asked.iter().map(|a| said(&page, &a.now.terms.service)).collect();
            Ok(show(page, Vec::new(), Some(names)))
        }
        Err(ConsentError::Input(_)) => {
            let text = page.t("consent-bring-wrong").phrase();
            Ok(show(page, vec![Wrong { field: "book".to_owned(), text }], None))
        }
        Err(e) => Err(e.into()),
    }
}
