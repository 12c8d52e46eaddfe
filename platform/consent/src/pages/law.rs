//! What is handed on without a yes: agreements that rest on a law, and dangers. The person sees each with its article.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::Authz;
use kenroku_http::{App, Path, Result};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Problem, Tenant};
use kenroku_ui::{Html, Page, Phrase};

use super::own::Line;
use super::{code_name, day, me, said};
use crate::consent::Consent;
use crate::model::{AgreementId, LawfulBasis};
use crate::module::{AnswerOwn, ViewOwn, tenants};

/// Provisions that are looked through.
const ROWS: u32 = 500;

/// The agreements that need no yes and by which something of this person was handed on, newest first.
pub(super) async fn lines(app: &App, page: &Page, subject: SubjectId) -> Result<Vec<Line>> {
    let consent = app.get::<Consent>()?;
    let mut out: Vec<(AgreementId, Line)> = Vec::new();
    for (tenant, p) in consent.provisions_of(&tenants(app.access()), subject, ROWS).await? {
        if out.iter().any(|(id, _)| *id == p.agreement) {
            continue;
        }
        let a = consent.agreement(&mut consent.db().read().await?, tenant, p.agreement).await?;
        if a.now.terms.basis == LawfulBasis::Consent {
            continue;
        }
        let line = Line {
            title: said(page, &a.now.terms.service),
            who: a.recipient.name.clone(),
            state: Phrase::text(&a.now.terms.article),
            note: page.t("consent-law-last").with("day", day(page, p.at)).phrase(),
            href: format!("/my/law/{tenant}/{}", a.row.id),
        };
        out.push((p.agreement, line));
    }
    Ok(out.into_iter().map(|(_, line)| line).collect())
}

#[derive(Template)]
#[template(path = "my-law.html")]
struct One {
    page: Page,
    lead: Phrase,
    facts: Vec<(Phrase, Phrase)>,
    items: Vec<Phrase>,
    given: Vec<(Phrase, Phrase)>,
}

/// One agreement that needs no yes: who, what for, by which article, and what was handed on about me.
pub(crate) async fn one(
    authz: Authz<ViewOwn>,
    app: App,
    page: Page,
    Path((tenant, id)): Path<(Tenant, AgreementId)>,
) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    let consent = app.get::<Consent>()?;
    let a = consent.agreement(&mut consent.db().read().await?, tenant, id).await?;
    let terms = &a.now.terms;
    if terms.basis == LawfulBasis::Consent {
        return Err(Problem::not_found().into());
    }
    let names = |codes: &mut dyn Iterator<Item = &str>| -> Vec<Phrase> {
        codes.map(|c| code_name(&page, &consent, c)).collect()
    };
    let mut given = Vec::new();
    for (_, p) in consent.provisions_of(&[tenant], subject, ROWS).await? {
        if p.agreement == id {
            let items = names(&mut p.items().iter().map(String::as_str));
            let words: Vec<String> = items.iter().map(Phrase::plain).collect();
            given.push((page.day_time(p.at), Phrase::text(&words.join("、"))));
        }
    }
    let t = |key: &str| page.t(key).phrase();
    let facts = vec![
        (t("consent-who"), Phrase::text(&a.recipient.name)),
        (t("consent-purpose"), said(&page, &terms.purpose)),
        (t("consent-article"), Phrase::text(&terms.article)),
        (t("consent-keeps"), page.t("consent-keeps-days").with("n", terms.retention_days).phrase()),
        (t("consent-address"), Phrase::text(&a.recipient.address)),
    ];
    let lead = match terms.basis {
        LawfulBasis::VitalInterest => t("consent-law-danger-lead"),
        _ => t("consent-law-lead"),
    };
    let items = names(&mut terms.codes());
    let title = said(&page, &terms.service);
    let (home, list) = (t("consent-my"), t("consent-consents"));
    let page = page.crumb(home, "/my").crumb(list, "/my/consents").title(title).signed_in(true);
    Ok(Html(One { page, lead, facts, items, given }).into_response())
}

#[derive(Template)]
#[template(path = "my-told.html")]
struct Told {
    page: Page,
    rows: Vec<ToldView>,
    unread: bool,
}

struct ToldView {
    when: Phrase,
    who: String,
    what: String,
    article: &'static str,
    reason: String,
    fresh: bool,
}

/// What was handed on about me in a danger.
pub(crate) async fn told(authz: Authz<ViewOwn>, app: App, page: Page) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    let consent = app.get::<Consent>()?;
    let rows = consent.told(&tenants(app.access()), subject).await?;
    let view = |(t, e, a): (crate::emergency::ToldRow, crate::emergency::EmergencyRow, crate::Agreement)| {
        let names: Vec<String> = t.items().iter().map(|c| code_name(&page, &consent, c).plain()).collect();
        ToldView {
            when: page.day_time(t.at),
            who: a.recipient.name,
            what: names.join("、"),
            article: e.article.citation(),
            reason: e.reason,
            fresh: t.seen_at.is_none(),
        }
    };
    let rows: Vec<ToldView> = rows.into_iter().map(view).collect();
    let unread = rows.iter().any(|r| r.fresh);
    let (home, title) = (page.t("consent-my").phrase(), page.t("consent-told").phrase());
    let page = page.crumb(home, "/my").title(title).signed_in(true);
    Ok(Html(Told { page, rows, unread }).into_response())
}

/// I have read it.
pub(crate) async fn read(authz: Authz<AnswerOwn>, app: App) -> Result<Redirect> {
    let (subject, _) = me(&authz)?;
    app.get::<Consent>()?.read_told(&tenants(app.access()), subject).await?;
    Ok(Redirect::to("/my/told"))
}
