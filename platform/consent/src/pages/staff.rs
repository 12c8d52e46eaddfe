//! `/staff/consent`: the agreements of my office with their chains, and the record of provisions (第三者提供記録).

use askama::Template;
use kenroku_access::Authz;
use kenroku_http::{App, Query, Result};
use kenroku_places::{Places, choose};
use kenroku_types::{Tenant, Timestamp};
use kenroku_ui::{Console, Html, Link, Page, Phrase};
use serde::Deserialize;

use super::{code_name, said};
use crate::consent::Consent;
use crate::module::{ManageAgreements, ViewProvisions};

/// Rows of a page.
const ROWS: u32 = 50;

pub(crate) fn console(page: Page, tenant: Tenant, at: &str) -> Result<Page> {
    let link = |key: &str, href: &str| Link::new(page.t(key), href).current(href == at);
    let menu = vec![
        page.staff_home(),
        link("consent-agreements", "/staff/consent"),
        link("consent-form-new", "/staff/consent/new"),
        link("consent-recipients", "/staff/consent/recipients"),
        link("consent-provisions", "/staff/consent/provisions"),
        link("consent-notices", "/staff/consent/notices"),
        link("consent-emergencies", "/staff/consent/emergencies"),
        link("consent-cases", "/staff/consent/cases"),
        link("consent-usage", "/staff/consent/usage"),
        link("consent-witness", "/staff/consent/witness"),
    ];
    let console = Console {
        name: page.t("consent-agreements").phrase(),
        place: choose::government_name(&page, Places::shared()?, tenant),
        leave: Some(page.sign_out()),
        menu,
        ..Console::default()
    };
    Ok(page.console(console))
}

#[derive(Template)]
#[template(path = "consent-agreements.html")]
pub(crate) struct Agreements {
    page: Page,
    rows: Vec<AgreementLine>,
    /// Dangers that nobody has confirmed.
    alarms: usize,
}

struct AgreementLine {
    href: String,
    title: Phrase,
    code: String,
    who: String,
    purpose: Phrase,
    items: Vec<Phrase>,
    /// On what it rests, where that is no consent.
    article: String,
    number: i64,
    ended: bool,
    broken: Option<i64>,
}

/// The agreements.
pub(crate) async fn agreements(
    authz: Authz<ManageAgreements>,
    app: App,
    page: Page,
) -> Result<Html<Agreements>> {
    let consent = app.get::<Consent>()?;
    let mut rows = Vec::new();
    for a in consent.agreements(authz.tenant()).await? {
        let broken = consent.verify_agreement(a.tenant, a.row.id).await?.err().map(|b| b.number);
        let terms = &a.now.terms;
        rows.push(AgreementLine {
            href: format!("/staff/consent/agreements/{}", a.row.id),
            title: said(&page, &terms.service),
            code: a.row.code.clone(),
            who: a.recipient.name.clone(),
            purpose: said(&page, &terms.purpose),
            items: terms.codes().map(|c| code_name(&page, &consent, c)).collect(),
            article: terms.article.clone(),
            number: a.row.number,
            ended: a.row.ended_at.is_some(),
            broken,
        });
    }
    let alarms = super::danger::alarms(&app, authz.tenant()).await?;
    let title = page.t("consent-agreements").phrase();
    let page = console(page.title(title), authz.tenant(), "/staff/consent")?;
    Ok(Html(Agreements { page, rows, alarms }))
}

#[derive(Template)]
#[template(path = "consent-provisions.html")]
pub(crate) struct Provisions {
    page: Page,
    rows: Vec<ProvisionLine>,
    next: String,
}

struct ProvisionLine {
    when: Phrase,
    who: String,
    address: String,
    service: Phrase,
    number: i64,
    items: Vec<Phrase>,
    subject: String,
    record: String,
}

/// Where the page begins.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Before {
    /// Microseconds; only provisions before this moment.
    #[serde(default)]
    before: Option<i64>,
}

/// The record of provisions.
pub(crate) async fn provisions(
    authz: Authz<ViewProvisions>,
    app: App,
    page: Page,
    Query(q): Query<Before>,
) -> Result<Html<Provisions>> {
    let (consent, tenant) = (app.get::<Consent>()?, authz.tenant());
    let before = Timestamp::from_micros(q.before.unwrap_or(i64::MAX));
    let found = consent.provisions(tenant, before, ROWS).await?;
    let next = match found.last() {
        Some(last) if found.len() == ROWS as usize => {
            format!("/staff/consent/provisions?before={}", last.at.micros())
        }
        _ => String::new(),
    };
    let mut rows = Vec::new();
    for p in found {
        let recipient = consent.recipient(tenant, p.recipient).await?;
        let mut tx = consent.db().read().await?;
        let revision = consent.revision(&mut tx, tenant, p.agreement, p.number).await?;
        rows.push(ProvisionLine {
            when: page.day_time(p.at),
            who: recipient.name,
            address: recipient.address,
            service: said(&page, &revision.terms.service),
            number: p.number,
            items: p.items().iter().map(|c| code_name(&page, &consent, c)).collect(),
            subject: p.subject.to_string(),
            record: p.record.to_string(),
        });
    }
    let title = page.t("consent-provisions").phrase();
    let page = console(page.title(title), tenant, "/staff/consent/provisions")?;
    Ok(Html(Provisions { page, rows, next }))
}
