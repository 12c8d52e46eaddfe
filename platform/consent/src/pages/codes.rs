//! `/my/codes`: a code that hands chosen items to one recipient, once, at a counter.

use std::collections::BTreeSet;

use askama::Template;
use axum::response::{IntoResponse, Response};
use kenroku_access::Authz;
use kenroku_http::{App, Form, Path, Result};
use kenroku_types::{Problem, Tenant};
use kenroku_ui::parts::{Step, Wrong};
use kenroku_ui::{Html, Page, Phrase};

use super::{code_name, me, said};
use crate::Consent;
use crate::code::LIFE;
use crate::consent::Agreement;
use crate::error::ConsentError;
use crate::model::{AgreementId, DataUse, LawfulBasis};
use crate::module::{AnswerOwn, ViewOwn, tenants};

#[derive(Template)]
#[template(path = "my-codes.html")]
struct Codes {
    page: Page,
    lead: Phrase,
    menu: Vec<Step>,
    wrongs: Vec<Wrong>,
    items: Vec<(String, Phrase, bool)>,
    action: String,
    code: String,
    minutes: u64,
}

fn empty(page: Page, title: Phrase, lead: Phrase) -> Codes {
    let home = page.t("consent-my").phrase();
    let page = page.crumb(home, "/my").title(title).signed_in(true);
    Codes {
        page,
        lead,
        menu: Vec::new(),
        wrongs: Vec::new(),
        items: Vec::new(),
        action: String::new(),
        code: String::new(),
        minutes: LIFE.as_secs() / 60,
    }
}

/// To whom?
pub(crate) async fn page(authz: Authz<ViewOwn>, app: App, page: Page) -> Result<Response> {
    me(&authz)?;
    let consent = app.get::<Consent>()?;
    let mut menu = Vec::new();
    for tenant in tenants(app.access()) {
        for a in consent.agreements(tenant).await? {
            if a.row.ended_at.is_none()
                && a.now.terms.basis == LawfulBasis::Consent
                && a.now.terms.data_use == DataUse::Using
            {
                menu.push(Step {
                    title: said(&page, &a.now.terms.service),
                    text: Phrase::text(&a.recipient.name),
                    time: Phrase::default(),
                    href: format!("/my/codes/{tenant}/{}", a.row.id),
                });
            }
        }
    }
    let (title, lead) = (page.t("consent-codes").phrase(), page.t("consent-codes-lead").phrase());
    Ok(Html(Codes { menu, ..empty(page, title, lead) }).into_response())
}

async fn agreement(consent: &Consent, tenant: Tenant, id: AgreementId) -> Result<Agreement> {
    Ok(consent.agreement(&mut consent.db().read().await?, tenant, id).await?)
}

fn form(page: Page, consent: &Consent, a: &Agreement, wrongs: Vec<Wrong>) -> Response {
    let items = a.now.terms.items.iter();
    let items = items.map(|i| (i.code.clone(), code_name(&page, consent, &i.code), i.required)).collect();
    let title = said(&page, &a.now.terms.service);
    let lead = page.t("consent-code-lead").with("who", a.recipient.name.clone()).phrase();
    let action = format!("/my/codes/{}/{}", a.tenant, a.row.id);
    Html(Codes { items, action, wrongs, ..empty(page, title, lead) }).into_response()
}

/// What?
pub(crate) async fn choose(
    authz: Authz<ViewOwn>,
    app: App,
    page: Page,
    Path((tenant, id)): Path<(Tenant, AgreementId)>,
) -> Result<Response> {
    me(&authz)?;
    let consent = app.get::<Consent>()?;
    let a = agreement(&consent, tenant, id).await?;
    if a.row.ended_at.is_some() {
        return Err(Problem::not_found().into());
    }
    Ok(form(page, &consent, &a, Vec::new()))
}

/// The code, shown this once.
pub(crate) async fn make(
    authz: Authz<AnswerOwn>,
    app: App,
    page: Page,
    Path((tenant, id)): Path<(Tenant, AgreementId)>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    let consent = app.get::<Consent>()?;
    let a = agreement(&consent, tenant, id).await?;
    let mut items: BTreeSet<String> =
        fields.into_iter().filter(|(n, _)| n == "item").map(|(_, v)| v).collect();
    items.extend(a.now.terms.items.iter().filter(|i| i.required).map(|i| i.code.clone()));
    match consent.share_once(&a, subject, &items).await {
        Ok(code) => {
            let title = page.t("consent-code-made").phrase();
            let lead = page.t("consent-code-made-lead").with("who", a.recipient.name.clone()).phrase();
            Ok(Html(Codes { code, ..empty(page, title, lead) }).into_response())
        }
        Err(ConsentError::Input(_)) => {
            let text = page.t("consent-missing").phrase();
            Ok(form(page, &consent, &a, vec![Wrong { field: "items".to_owned(), text }]))
        }
        Err(e) => Err(e.into()),
    }
}
