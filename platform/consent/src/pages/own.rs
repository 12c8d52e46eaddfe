//! `/my` and `/my/consents`: what is known of me, what I agreed to, one question a page.

use std::collections::BTreeSet;

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::{Assurance, Authz};
use kenroku_contracts::personal::Proxy;
use kenroku_http::{App, Form, Path, Query, Result};
use kenroku_types::Tenant;
use kenroku_types::ids::SubjectId;
use kenroku_ui::parts::{Step as MenuStep, Wrong};
use kenroku_ui::{Html, Page, Phrase};
use serde::Deserialize;

use super::{code_name, day, me, said};
use crate::consent::{Answer, Consent, Reply};
use crate::error::ConsentError;
use crate::model::{Answered, By, DataUse, RecordId, State, Step};
use crate::module::{AnswerOwn, ViewOwn, tenants};

#[derive(Template)]
#[template(path = "my.html")]
struct Home {
    page: Page,
    waiting: usize,
    /// What was handed on in a danger and is not read yet.
    unread: usize,
    menu: Vec<MenuStep>,
}

/// Whose consents a page shows, and who answers.
pub(super) struct Whose {
    pub subject: SubjectId,
    /// Where the pages lie: `/my`, or below the delegation.
    pub base: String,
    /// By which delegation somebody else answers.
    pub proxy: Option<Proxy>,
}

impl Whose {
    fn own(subject: SubjectId) -> Self {
        Whose { subject, base: "/my".to_owned(), proxy: None }
    }

    /// The trail of the page, with the person's name where it is somebody else's.
    fn trail(&self, page: Page) -> Page {
        let home = page.t("consent-my").phrase();
        let page = page.crumb(home, "/my").signed_in(true);
        match &self.proxy {
            None => page,
            Some(_) => {
                let title = page.t("consent-for").phrase();
                page.crumb(title, "/my/for")
            }
        }
    }

    fn list_title(&self, page: &Page) -> Phrase {
        match &self.proxy {
            None => page.t("consent-consents").phrase(),
            Some(p) => page.t("consent-for-one").with("name", p.name.clone()).phrase(),
        }
    }

    fn list_href(&self) -> String {
        format!("{}/consents", self.base)
    }
}

/// Everything of mine that is on one page: what waits, the ways on, what is held.
pub(crate) async fn home(authz: Authz<ViewOwn>, app: App, page: Page) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    let consent = app.get::<Consent>()?;
    let answers = consent.answers(&tenants(app.access()), subject).await?;
    let told = consent.told(&tenants(app.access()), subject).await?;
    let unread = told.iter().filter(|(t, ..)| t.seen_at.is_none()).count();
    let waiting = answers.iter().filter(|a| a.record.standing().state == State::Asked).count();
    let way = |title: &str, text: &str, href: &str| MenuStep {
        title: page.t(title).phrase(),
        text: page.t(text).phrase(),
        href: href.to_owned(),
        time: Phrase::default(),
    };
    let menu = vec![
        way("consent-consents", "consent-consents-text", "/my/consents"),
        way("consent-for", "consent-for-text", "/my/for"),
        way("consent-log", "consent-log-text", "/my/log"),
        way("consent-data", "consent-data-text", "/my/data"),
        way("consent-codes", "consent-codes-text", "/my/codes"),
        way("consent-told", "consent-told-text", "/my/told"),
        way("consent-cases-own", "consent-cases-own-text", "/my/cases"),
        way("consent-requests", "consent-requests-text", "/my/requests"),
        way("consent-proxies", "consent-proxies-text", "/id/delegations"),
        way("consent-leave", "consent-leave-text", "/my/leave"),
    ];
    let title = page.t("consent-my").phrase();
    let page = page.title(title).signed_in(true);
    Ok(Html(Home { page, waiting, unread, menu }).into_response())
}

#[derive(Template)]
#[template(path = "my-consents.html")]
struct List {
    page: Page,
    groups: Vec<(Phrase, Vec<Line>)>,
}

pub(super) struct Line {
    pub title: Phrase,
    pub who: String,
    pub state: Phrase,
    pub note: Phrase,
    pub href: String,
}

fn state_word(page: &Page, state: State) -> Phrase {
    match state {
        State::Asked => page.t("consent-state-asked"),
        State::Granted => page.t("consent-state-granted"),
        State::Refused => page.t("consent-state-refused"),
        State::Withdrawn => page.t("consent-state-withdrawn"),
        State::Expired => page.t("consent-state-expired"),
    }
    .phrase()
}

fn line(page: &Page, base: &str, a: &Answer) -> Line {
    let s = a.record.standing();
    let note = match s.until {
        Some(until) => page.t("consent-until").with("day", day(page, until)).phrase(),
        None => page.t("consent-since").with("day", day(page, a.record.changed_at)).phrase(),
    };
    Line {
        title: said(page, &a.agreement.now.terms.service),
        who: a.agreement.recipient.name.clone(),
        state: state_word(page, s.state),
        note,
        href: format!("{base}/consents/{}/{}", a.agreement.tenant, a.record.id),
    }
}

/// All my consents.
pub(crate) async fn list(authz: Authz<ViewOwn>, app: App, page: Page) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    shown_list(&app, page, &Whose::own(subject)).await
}

/// The consents of somebody.
pub(super) async fn shown_list(app: &App, page: Page, whose: &Whose) -> Result<Response> {
    let consent = app.get::<Consent>()?;
    let all = tenants(app.access());
    let answers = consent.answers(&all, whose.subject).await?;
    let of = |state: fn(State) -> bool| -> Vec<Line> {
        answers
            .iter()
            .filter(|a| state(a.record.standing().state))
            .map(|a| line(&page, &whose.base, a))
            .collect()
    };
    let laws = match whose.proxy {
        None => super::law::lines(app, &page, whose.subject).await?,
        Some(_) => Vec::new(),
    };
    let groups = vec![
        (page.t("consent-group-asked").phrase(), of(|s| s == State::Asked)),
        (page.t("consent-group-granted").phrase(), of(|s| s == State::Granted)),
        (page.t("consent-group-over").phrase(), of(|s| !matches!(s, State::Asked | State::Granted))),
        (page.t("consent-group-law").phrase(), laws),
    ];
    let groups = groups.into_iter().filter(|(_, lines)| !lines.is_empty()).collect();
    let title = whose.list_title(&page);
    let page = whose.trail(page).title(title);
    Ok(Html(List { page, groups }).into_response())
}

#[derive(Template)]
#[template(path = "my-consent.html")]
struct One {
    page: Page,
    lead: Phrase,
    notice: Option<(&'static str, Phrase, Phrase)>,
    wrongs: Vec<Wrong>,
    facts: Vec<(Phrase, Phrase)>,
    items: Vec<Tick>,
    shown: i64,
    action: String,
    /// Whether a yes can be given now.
    open: bool,
    granted: bool,
    without: Phrase,
    steps: Vec<(Phrase, Phrase)>,
    broken: bool,
}

struct Tick {
    code: String,
    label: Phrase,
    required: bool,
    ticked: bool,
}

/// What the address says about what was just done.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Done {
    #[serde(default)]
    pub(super) done: String,
}

/// One consent: what is asked, by whom, for what, what stops without it; and the answer.
pub(crate) async fn one(
    authz: Authz<ViewOwn>,
    app: App,
    page: Page,
    Path((tenant, record)): Path<(Tenant, RecordId)>,
    Query(done): Query<Done>,
) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    shown(&app, page, &Whose::own(subject), (tenant, record), &done.done).await
}

/// One consent of somebody.
pub(super) async fn shown(
    app: &App,
    page: Page,
    whose: &Whose,
    (tenant, record): (Tenant, RecordId),
    done: &str,
) -> Result<Response> {
    let (consent, subject) = (app.get::<Consent>()?, whose.subject);
    let a = consent.answer_of(tenant, subject, record).await?;
    let (steps, holds) = consent.steps(tenant, subject, record).await?;
    let (s, terms) = (a.record.standing(), &a.agreement.now.terms);
    let t = |key: &str| page.t(key).phrase();
    let covers = s.number == a.agreement.row.number
        || terms.asks_no_more_than(
            &consent
                .revision(&mut consent.db().read().await?, tenant, a.agreement.row.id, s.number)
                .await?
                .terms,
        );
    let ended = a.agreement.row.ended_at.is_some();
    let granted = s.state == State::Granted;
    let notice = match done {
        "grant" | "renew" if granted => Some(("done", t("consent-done-yes"), t("consent-done-yes-text"))),
        "withdraw" if s.state == State::Withdrawn => {
            let text = if a.untold { t("consent-done-untold") } else { t("consent-done-told") };
            Some(("done", t("consent-done-withdrawn"), text))
        }
        "refuse" if s.state == State::Refused => {
            Some(("done", t("consent-done-no"), t("consent-done-no-text")))
        }
        "changed" => Some(("error", t("consent-changed"), t("consent-changed-text"))),
        _ if granted && !covers => Some(("info", t("consent-outdated"), t("consent-outdated-text"))),
        _ if a.untold && s.state == State::Withdrawn => {
            Some(("info", t("consent-untold"), t("consent-untold-text")))
        }
        _ if ended => Some(("info", t("consent-ended"), t("consent-ended-text"))),
        _ => None,
    };
    let wrongs = match done {
        "missing" => vec![Wrong { field: "items".to_owned(), text: t("consent-missing") }],
        _ => Vec::new(),
    };
    let items = terms.items.iter().map(|i| Tick {
        label: code_name(&page, &consent, &i.code),
        required: i.required,
        ticked: if granted { s.items.contains(&i.code) } else { i.required },
        code: i.code.clone(),
    });
    let mut facts = vec![
        (t("consent-who"), Phrase::text(&a.agreement.recipient.name)),
        (t("consent-purpose"), said(&page, &terms.purpose)),
        (t("consent-state"), state_word(&page, s.state)),
    ];
    if let Some(until) = s.until {
        facts.push((t("consent-valid"), page.t("consent-until").with("day", day(&page, until)).phrase()));
    } else {
        facts.push((t("consent-valid"), page.t("consent-valid-days").with("n", terms.valid_days).phrase()));
    }
    facts.push((t("consent-keeps"), page.t("consent-keeps-days").with("n", terms.retention_days).phrase()));
    if !a.agreement.recipient.address.is_empty() {
        facts.push((t("consent-address"), Phrase::text(&a.agreement.recipient.address)));
    }
    let word = |step: Step| match step {
        Step::Draft => t("consent-step-draft"),
        Step::Grant => t("consent-step-grant"),
        Step::Refuse => t("consent-step-refuse"),
        Step::Withdraw => t("consent-step-withdraw"),
        Step::Expire => t("consent-step-expire"),
        Step::Renew => t("consent-step-renew"),
    };
    let told = |step: &Answered| match (&step.by, step.step) {
        (By::Proxy { .. }, Step::Grant | Step::Renew) => t("consent-step-proxy-yes"),
        (By::Proxy { .. }, Step::Refuse) => t("consent-step-proxy-no"),
        (By::Proxy { .. }, Step::Withdraw) => t("consent-step-proxy-withdraw"),
        (By::Clock, Step::Draft) => t("consent-step-anew"),
        _ => word(step.step),
    };
    let steps = steps.iter().rev().map(|(at, step)| (page.day_time(*at), told(step))).collect();
    let service = said(&page, &terms.service);
    let lead = match terms.data_use {
        DataUse::Using => page.t("consent-lead"),
        DataUse::Source => page.t("consent-lead-source"),
    };
    let lead = lead.with("who", a.agreement.recipient.name.clone()).phrase();
    let view = One {
        lead,
        notice,
        wrongs,
        facts,
        items: items.collect(),
        shown: a.agreement.row.number,
        action: format!("{}/consents/{tenant}/{record}", whose.base),
        open: !ended,
        granted,
        without: said(&page, &terms.without),
        steps,
        broken: holds.is_err(),
        page: whose.trail(page.clone()).crumb(whose.list_title(&page), whose.list_href()).title(service),
    };
    Ok(Html(view).into_response())
}

/// The answer.
pub(crate) async fn answer(
    authz: Authz<AnswerOwn>,
    app: App,
    page: Page,
    Path((tenant, record)): Path<(Tenant, RecordId)>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Redirect> {
    let (subject, assurance) = me(&authz)?;
    answered(&app, &page, &Whose::own(subject), assurance, (tenant, record), &fields).await
}

/// Takes somebody's answer.
pub(super) async fn answered(
    app: &App,
    page: &Page,
    whose: &Whose,
    assurance: Assurance,
    (tenant, record): (Tenant, RecordId),
    fields: &[(String, String)],
) -> Result<Redirect> {
    let (consent, subject) = (app.get::<Consent>()?, whose.subject);
    let one = |name: &str| fields.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
    let a = consent.answer_of(tenant, subject, record).await?;
    let granted = a.record.standing().state == State::Granted;
    let step = match one("answer") {
        "yes" if granted => Step::Renew,
        "yes" => Step::Grant,
        "withdraw" => Step::Withdraw,
        _ => Step::Refuse,
    };
    let mut items: BTreeSet<String> =
        fields.iter().filter(|(n, _)| n == "item").map(|(_, v)| v.clone()).collect();
    items.extend(a.agreement.now.terms.items.iter().filter(|i| i.required).map(|i| i.code.clone()));
    let reply = Reply {
        step,
        items,
        shown: one("shown").parse().unwrap_or_default(),
        by: whose.proxy.as_ref().map_or(By::Person, |p| By::Proxy {
            who: p.agent,
            mandate: p.mandate,
            until: p.until,
        }),
        assurance,
        locale: page.locale.tag(),
    };
    let done = match consent.answer(tenant, a.agreement.row.id, subject, reply).await {
        Ok(_) => step.code(),
        Err(ConsentError::Stale) => "changed",
        Err(ConsentError::Input(_)) => "missing",
        // Pressed twice: it stands as it was wanted, or the page shows how it stands.
        Err(ConsentError::NotNow) => step.code(),
        Err(e) => return Err(e.into()),
    };
    Ok(Redirect::to(&format!("{}/consents/{tenant}/{record}?done={done}", whose.base)))
}
