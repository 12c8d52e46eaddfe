//! Objections: the form beside a row of `/my/log`, my cases with their answers, and the data officer's list.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::Authz;
use kenroku_contracts::personal::PseudonymsPort;
use kenroku_http::{App, Form, Path, Result};
use kenroku_places::Places;
use kenroku_types::ids::SubjectId;
use kenroku_types::{Problem, Tenant};
use kenroku_ui::parts::Wrong;
use kenroku_ui::{Html, Page, Phrase};
use kenroku_vault::{LogEntry, Vault};
use serde::Deserialize;

use super::{log, me, staff};
use crate::Consent;
use crate::broker::SECTOR;
use crate::case::{CaseId, CaseState};
use crate::error::ConsentError;
use crate::module::{AnswerOwn, HandleCases, ViewOwn, tenants};

#[derive(Template)]
#[template(path = "my-object.html")]
struct Object {
    page: Page,
    facts: Vec<(Phrase, Phrase)>,
    action: String,
    wrongs: Vec<Wrong>,
}

/// The row of the access log, if it is about this person.
async fn entry(app: &App, subject: SubjectId, tenant: Tenant, seq: i64) -> Result<LogEntry> {
    let (consent, vault) = (app.get::<Consent>()?, app.get::<Vault>()?);
    let names = app.get::<PseudonymsPort>().map_err(|_| ConsentError::NoIdentity)?;
    for source in consent.sources().all() {
        if !source.tenants().contains(&tenant) {
            continue;
        }
        let Some(theirs) = names.0.translate(SECTOR, subject, source.module()).await? else { continue };
        let found = vault.accesses(tenant, theirs, Some(seq.saturating_add(1)), 1).await?;
        if let Some(e) = found.into_iter().find(|e| e.seq == seq) {
            return Ok(e);
        }
    }
    Err(Problem::not_found().into())
}

/// The question: what is wrong with this access?
pub(crate) async fn form(
    authz: Authz<ViewOwn>,
    app: App,
    page: Page,
    Path((tenant, seq)): Path<(Tenant, i64)>,
) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    let e = entry(&app, subject, tenant, seq).await?;
    shown(&app, page, subject, &e, Vec::new()).await
}

async fn shown(
    app: &App,
    page: Page,
    subject: SubjectId,
    e: &LogEntry,
    wrongs: Vec<Wrong>,
) -> Result<Response> {
    let facts = log::facts(app, &page, subject, e).await?;
    let action = format!("/my/log/{}/{}", e.tenant, e.seq);
    let t = |key: &str| page.t(key).phrase();
    let (home, list, title) = (t("consent-my"), t("consent-log"), t("consent-object"));
    let page = page.crumb(home, "/my").crumb(list, "/my/log").title(title).signed_in(true);
    Ok(Html(Object { page, facts, action, wrongs }).into_response())
}

/// What the person writes.
#[derive(Debug, Deserialize)]
pub(crate) struct Note {
    #[serde(default)]
    note: String,
}

/// Opens the case.
pub(crate) async fn object(
    authz: Authz<AnswerOwn>,
    app: App,
    page: Page,
    Path((tenant, seq)): Path<(Tenant, i64)>,
    Form(form): Form<Note>,
) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    let e = entry(&app, subject, tenant, seq).await?;
    let (consent, vault) = (app.get::<Consent>()?, app.get::<Vault>()?);
    let answers = consent.answers(&tenants(app.access()), subject).await?;
    let by = answers.iter().find(|a| e.basis == format!("consent:{}", a.record.id));
    // Whoever is responsible for the agreement answers; for what belongs to all, the prefecture.
    let office = match by {
        Some(a) => a.agreement.tenant,
        None if e.tenant == Tenant::SHARED => {
            Places::shared().map_err(|e| Problem::internal().because(&e))?.prefecture().tenant
        }
        None => e.tenant,
    };
    match consent.object(&vault, office, subject, &e, &form.note).await {
        Ok(_) | Err(ConsentError::Taken) => Ok(Redirect::to("/my/cases").into_response()),
        Err(ConsentError::Input(_)) => {
            let text = page.t("consent-object-empty").phrase();
            shown(&app, page, subject, &e, vec![Wrong { field: "note".to_owned(), text }]).await
        }
        Err(other) => Err(other.into()),
    }
}

#[derive(Template)]
#[template(path = "my-cases.html")]
struct Own {
    page: Page,
    rows: Vec<CaseView>,
}

struct CaseView {
    id: CaseId,
    /// Name of the answer's field on the page.
    field: String,
    version: i64,
    when: Phrase,
    about: Phrase,
    what: String,
    note: String,
    answer: Option<String>,
    open: bool,
}

fn view(page: &Page, c: crate::case::OpenCase) -> CaseView {
    CaseView {
        id: c.row.id,
        field: format!("answer-{}", c.row.id),
        version: c.row.version,
        when: page.day_time(c.row.created_at),
        about: page.t("consent-case-about").with("time", page.day_time(c.row.accessed_at)).phrase(),
        what: c.row.what,
        note: c.note,
        answer: c.answer,
        open: c.row.state == CaseState::Open,
    }
}

/// My cases.
pub(crate) async fn own(authz: Authz<ViewOwn>, app: App, page: Page) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    let (consent, vault) = (app.get::<Consent>()?, app.get::<Vault>()?);
    let all = tenants(app.access());
    let cases = consent.own_cases(&vault, &authz.granted, &all, subject).await?;
    let rows = cases.into_iter().map(|c| view(&page, c)).collect();
    let (home, title) = (page.t("consent-my").phrase(), page.t("consent-cases-own").phrase());
    let page = page.crumb(home, "/my").title(title).signed_in(true);
    Ok(Html(Own { page, rows }).into_response())
}

#[derive(Template)]
#[template(path = "consent-cases.html")]
pub(crate) struct Cases {
    page: Page,
    rows: Vec<CaseView>,
}

/// The cases of the data officer's office.
pub(crate) async fn list(authz: Authz<HandleCases>, app: App, page: Page) -> Result<Html<Cases>> {
    let (consent, vault) = (app.get::<Consent>()?, app.get::<Vault>()?);
    let cases = consent.cases(&vault, &authz.granted).await?;
    let rows = cases.into_iter().map(|c| view(&page, c)).collect();
    let title = page.t("consent-cases").phrase();
    let page = staff::console(page.title(title), authz.tenant(), "/staff/consent/cases")?;
    Ok(Html(Cases { page, rows }))
}

/// What the data officer answers.
#[derive(Debug, Deserialize)]
pub(crate) struct CaseAnswer {
    id: CaseId,
    version: i64,
    #[serde(default)]
    answer: String,
}

/// Answers a case.
pub(crate) async fn answer(
    authz: Authz<HandleCases>,
    app: App,
    Form(form): Form<CaseAnswer>,
) -> Result<Redirect> {
    let (consent, vault) = (app.get::<Consent>()?, app.get::<Vault>()?);
    consent.answer_case(&vault, &authz.granted, form.id, form.version, &form.answer).await?;
    Ok(Redirect::to("/staff/consent/cases"))
}
