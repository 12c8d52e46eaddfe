//! `/staff/consent/danger`: declaring and ending a danger; `/staff/consent/emergencies`: the data officer's alarm.

use std::time::Duration;

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::{Authz, Granted, Permission};
use kenroku_http::{App, Form, Result};
use kenroku_types::{Problem, Tenant};
use kenroku_ui::parts::{Choice, Wrong};
use kenroku_ui::{Console, Html, Page, Phrase};
use kenroku_vault::ConsentId;
use serde::Deserialize;

use super::{code_name, said, staff};
use crate::consent::Consent;
use crate::emergency::{Article, EmergencyRow};
use crate::error::ConsentError;
use crate::model::{AgreementId, LawfulBasis};
use crate::module::{DeclareEmergency, ViewEmergencies};

const HERE: &str = "/staff/consent/danger";
const OFFICER: &str = "/staff/consent/emergencies";
/// What can be chosen, in hours.
const HOURS: [u64; 4] = [6, 12, 24, 72];

#[derive(Template)]
#[template(path = "consent-danger.html")]
struct View {
    page: Page,
    lead: Phrase,
    wrongs: Vec<Wrong>,
    rows: Vec<Line>,
    /// The button of each row that has one: where it goes and what it says.
    action: &'static str,
    button: Phrase,
    /// The form that declares; none on the officer's page.
    form: Option<Declare>,
}

struct Declare {
    agreements: Vec<Choice>,
    articles: Vec<Choice>,
    hours: Vec<Choice>,
    reason: String,
}

struct Line {
    id: ConsentId,
    title: Phrase,
    who: String,
    article: &'static str,
    reason: String,
    by: String,
    since: Phrase,
    state: Phrase,
    items: String,
    people: i64,
    open: bool,
    /// Nobody has confirmed it yet.
    alarm: bool,
}

async fn lines(app: &App, page: &Page, tenant: Tenant, officer: bool) -> Result<Vec<Line>> {
    let consent = app.get::<Consent>()?;
    let now = consent.env().now();
    let all = consent.emergencies(tenant).await?;
    let line = |(e, a, people): (EmergencyRow, crate::Agreement, i64)| {
        let holds = e.holds(now);
        let end = e.ended_at.unwrap_or(e.until);
        let key = if holds { "consent-danger-until" } else { "consent-danger-ended" };
        let names: Vec<String> = a.now.terms.codes().map(|c| code_name(page, &consent, c).plain()).collect();
        Line {
            id: e.id,
            title: said(page, &a.now.terms.service),
            who: a.recipient.name,
            article: e.article.citation(),
            reason: e.reason,
            by: e.declared_by,
            since: page.day_time(e.declared_at),
            state: page.t(key).with("time", page.day_time(end)).phrase(),
            items: names.join("、"),
            people,
            open: if officer { e.seen_at.is_none() } else { holds },
            alarm: officer && e.seen_at.is_none(),
        }
    };
    Ok(all.into_iter().map(line).collect())
}

/// How many dangers of a tenant the data officer has not confirmed.
pub(super) async fn alarms(app: &App, tenant: Tenant) -> Result<usize> {
    let all = app.get::<Consent>()?.emergencies(tenant).await?;
    Ok(all.iter().filter(|(e, ..)| e.seen_at.is_none()).count())
}

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Said {
    agreement: String,
    article: String,
    reason: String,
    hours: String,
}

async fn show<P: Permission>(
    by: &Granted<P>,
    app: &App,
    page: Page,
    s: &Said,
    wrongs: Vec<Wrong>,
) -> Result<Response> {
    let tenant = by.tenant();
    let rows = lines(app, &page, tenant, false).await?;
    let all = app.get::<Consent>()?.agreements(tenant).await?;
    let fits =
        all.iter().filter(|a| a.row.ended_at.is_none() && a.now.terms.basis == LawfulBasis::VitalInterest);
    let agreements = fits.map(|a| {
        let id = a.row.id.to_string();
        let label = format!("{}（{}）", said(&page, &a.now.terms.service).plain(), a.recipient.name);
        Choice::new(id.clone(), Phrase::text(&label), id == s.agreement)
    });
    let article = |a: &Article| Choice::new(a.code(), Phrase::text(a.citation()), a.code() == s.article);
    let hour = |h: u64| {
        let label = page.t("consent-danger-hours-n").with("n", h).phrase();
        Choice::new(h.to_string(), label, h.to_string() == s.hours)
    };
    let form = Declare {
        agreements: agreements.collect(),
        articles: Article::ALL.iter().map(article).collect(),
        hours: HOURS.into_iter().map(hour).collect(),
        reason: s.reason.clone(),
    };
    let t = |key: &str| page.t(key).phrase();
    let (title, lead, button) = (t("consent-danger"), t("consent-danger-lead"), t("consent-danger-end"));
    let (leave, menu) = (Some(page.sign_out()), vec![page.staff_home()]);
    let console = Console { name: title.clone(), leave, menu, ..Console::default() };
    let page = page.title(title).console(console);
    let action = "/staff/consent/danger/end";
    Ok(Html(View { page, lead, wrongs, rows, action, button, form: Some(form) }).into_response())
}

/// The dangers and the form.
pub(crate) async fn page(authz: Authz<DeclareEmergency>, app: App, page: Page) -> Result<Response> {
    show(&authz.granted, &app, page, &Said::default(), Vec::new()).await
}

/// Declares one.
pub(crate) async fn declare(
    authz: Authz<DeclareEmergency>,
    app: App,
    page: Page,
    Form(s): Form<Said>,
) -> Result<Response> {
    let consent = app.get::<Consent>()?;
    let wrong = |field: &str, key: &str| Wrong { field: field.to_owned(), text: page.t(key).phrase() };
    let (Ok(agreement), Some(article)) = (s.agreement.parse::<AgreementId>(), Article::from_code(&s.article))
    else {
        let wrongs = vec![wrong("agreement", "consent-danger-wrong-choice")];
        return show(&authz.granted, &app, page, &s, wrongs).await;
    };
    let hours = s.hours.parse().ok().filter(|h| HOURS.contains(h)).unwrap_or_default();
    let lasting = Duration::from_secs(hours * 3_600);
    match consent.declare_emergency(&authz.granted, agreement, article, &s.reason, lasting).await {
        Ok(_) => Ok(Redirect::to(HERE).into_response()),
        Err(ConsentError::Input(faults)) => {
            let say = |(field, _): (&str, String)| match field {
                "reason" => wrong("reason", "consent-danger-wrong-reason"),
                _ => wrong("hours", "consent-danger-wrong-hours"),
            };
            let wrongs = faults.into_iter().map(say).collect();
            show(&authz.granted, &app, page, &s, wrongs).await
        }
        Err(ConsentError::NotNow) => {
            let wrongs = vec![wrong("agreement", "consent-danger-twice")];
            show(&authz.granted, &app, page, &s, wrongs).await
        }
        Err(e) => Err(e.into()),
    }
}

/// Which one.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    id: ConsentId,
}

/// Ends one.
pub(crate) async fn end(authz: Authz<DeclareEmergency>, app: App, Form(w): Form<Which>) -> Result<Redirect> {
    match app.get::<Consent>()?.end_emergency(&authz.granted, w.id).await {
        Ok(()) | Err(ConsentError::NotFound) => Ok(Redirect::to(HERE)),
        Err(e) => Err(e.into()),
    }
}

/// The data officer's page.
pub(crate) async fn officer(authz: Authz<ViewEmergencies>, app: App, page: Page) -> Result<Response> {
    let rows = lines(&app, &page, authz.tenant(), true).await?;
    let t = |key: &str| page.t(key).phrase();
    let (title, lead) = (t("consent-emergencies"), t("consent-emergencies-lead"));
    let button = t("consent-emergency-seen");
    let page = staff::console(page.title(title), authz.tenant(), OFFICER)?;
    let (wrongs, form) = (Vec::new(), None);
    Ok(Html(View { page, lead, wrongs, rows, action: OFFICER, button, form }).into_response())
}

/// The data officer confirms.
pub(crate) async fn confirm(
    authz: Authz<ViewEmergencies>,
    app: App,
    Form(w): Form<Which>,
) -> Result<Redirect> {
    match app.get::<Consent>()?.confirm_emergency(&authz.granted, w.id).await {
        Ok(()) => Ok(Redirect::to(OFFICER)),
        Err(ConsentError::NotFound) => Err(Problem::not_found().into()),
        Err(e) => Err(e.into()),
    }
}
