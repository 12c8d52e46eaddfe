//! `/my/for`: deciding for somebody else (代理) what is handed on about them. Both see it; the chain says who.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::Authz;
use kenroku_contracts::personal::{MandateId, Proxy};
use kenroku_http::{App, Form, Path, Query, Result};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Problem, Tenant};
use kenroku_ui::parts::Step as MenuStep;
use kenroku_ui::{Html, Page, Phrase};

use super::own::{self, Done, Whose};
use super::{day, me};
use crate::broker::SECTOR;
use crate::consent::Consent;
use crate::model::RecordId;
use crate::module::{AnswerOwn, ViewOwn};

#[derive(Template)]
#[template(path = "my-for.html")]
struct List {
    page: Page,
    menu: Vec<MenuStep>,
}

async fn proxies(app: &App, agent: SubjectId) -> Result<Vec<Proxy>> {
    match app.get::<Consent>()?.proxies() {
        None => Ok(Vec::new()),
        Some(port) => Ok(port.of(SECTOR, agent).await?),
    }
}

/// For whom?
pub(crate) async fn list(authz: Authz<ViewOwn>, app: App, page: Page) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    let way = |p: &Proxy| MenuStep {
        title: Phrase::text(&p.name),
        text: page.t("consent-for-until").with("day", day(&page, p.until)).phrase(),
        time: Phrase::default(),
        href: format!("/my/for/{}/consents", p.mandate),
    };
    let menu = proxies(&app, subject).await?.iter().map(way).collect();
    let (home, title) = (page.t("consent-my").phrase(), page.t("consent-for").phrase());
    let page = page.crumb(home, "/my").title(title).signed_in(true);
    Ok(Html(List { page, menu }).into_response())
}

/// The delegation by which somebody may decide, as long as it is in force; nobody else's exists for them.
async fn whose(app: &App, agent: SubjectId, mandate: MandateId) -> Result<Whose> {
    let found = proxies(app, agent).await?.into_iter().find(|p| p.mandate == mandate);
    let p = found.ok_or_else(Problem::not_found)?;
    Ok(Whose { subject: p.principal, base: format!("/my/for/{mandate}"), proxy: Some(p) })
}

/// The consents of the person.
pub(crate) async fn consents(
    authz: Authz<ViewOwn>,
    app: App,
    page: Page,
    Path(mandate): Path<MandateId>,
) -> Result<Response> {
    let (agent, _) = me(&authz)?;
    own::shown_list(&app, page, &whose(&app, agent, mandate).await?).await
}

/// One of them.
pub(crate) async fn one(
    authz: Authz<ViewOwn>,
    app: App,
    page: Page,
    Path((mandate, tenant, record)): Path<(MandateId, Tenant, RecordId)>,
    Query(done): Query<Done>,
) -> Result<Response> {
    let (agent, _) = me(&authz)?;
    own::shown(&app, page, &whose(&app, agent, mandate).await?, (tenant, record), &done.done).await
}

/// The answer for them.
pub(crate) async fn answer(
    authz: Authz<AnswerOwn>,
    app: App,
    page: Page,
    Path((mandate, tenant, record)): Path<(MandateId, Tenant, RecordId)>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Redirect> {
    let (agent, assurance) = me(&authz)?;
    let whose = whose(&app, agent, mandate).await?;
    own::answered(&app, &page, &whose, assurance, (tenant, record), &fields).await
}
