//! `/staff/consent/usage`: the recipients whose own log people see, and whether they answer.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::Authz;
use kenroku_http::{App, Form, Path, Result};
use kenroku_types::{JapaneseDate, Timestamp};
use kenroku_ui::parts::{Choice, State, Wrong};
use kenroku_ui::{Html, Page, Phrase};
use kenroku_vault::Vault;
use serde::Deserialize;

use super::ask::{self, Linked};
use super::holders::{Beat, Holder, NewHolder};
use crate::Consent;
use crate::error::ConsentError;
use crate::model::RecipientId;
use crate::module::ManageAgreements;
use crate::pages::staff;

#[derive(Template)]
#[template(path = "consent-usage.html")]
pub(crate) struct Usage {
    page: Page,
    rows: Vec<Line>,
    recipients: Vec<Choice>,
    form: New,
    wrongs: Vec<Wrong>,
}

struct Line {
    id: RecipientId,
    name: String,
    url: String,
    since: Phrase,
    /// How it is drawn.
    sign: State,
    state: Phrase,
    message: String,
    last: Phrase,
}

/// The form that registers where a recipient's log is asked.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct New {
    #[serde(default)]
    recipient: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    key: String,
    /// A day, `2026-04-01`; empty: what the holder says itself.
    #[serde(default)]
    since: String,
}

fn line(page: &Page, h: Holder) -> Line {
    let (sign, state) = match h.status {
        Beat::Never => (State::Todo, page.t("consent-usage-never")),
        Beat::Ok => (State::Done, page.t("consent-usage-ok")),
        Beat::Fail => (State::Part, page.t("consent-usage-fail")),
        Beat::Silent => (State::Unknown, page.t("consent-usage-silent")),
    };
    let last = match h.answered_at {
        Some(at) => page.day_time(at),
        None => page.t("consent-usage-not-yet").phrase(),
    };
    Line {
        id: h.recipient,
        name: h.name,
        url: h.url,
        since: page.day_time(h.since),
        sign,
        state: state.phrase(),
        message: h.message,
        last,
    }
}

async fn show(
    authz: &Authz<ManageAgreements>,
    app: &App,
    page: Page,
    form: New,
    wrongs: Vec<Wrong>,
) -> Result<Html<Usage>> {
    let (consent, tenant) = (app.get::<Consent>()?, authz.tenant());
    let rows = consent.usage_holders(tenant).await?.into_iter().map(|h| line(&page, h)).collect();
    let recipients = consent.recipients(tenant).await?.into_iter().map(|r| {
        let value = r.id.to_string();
        let on = value == form.recipient;
        Choice::new(value, Phrase::text(&r.name), on)
    });
    let recipients = recipients.collect();
    let title = page.t("consent-usage").phrase();
    let page = staff::console(page.title(title), tenant, "/staff/consent/usage")?;
    Ok(Html(Usage { page, rows, recipients, form, wrongs }))
}

/// The holders.
pub(crate) async fn list(authz: Authz<ManageAgreements>, app: App, page: Page) -> Result<Html<Usage>> {
    show(&authz, &app, page, New::default(), Vec::new()).await
}

/// Registers one, and asks it at once how it is.
pub(crate) async fn link(
    authz: Authz<ManageAgreements>,
    app: App,
    page: Page,
    Form(form): Form<New>,
) -> Result<Response> {
    let (consent, vault) = (app.get::<Consent>()?, app.get::<Vault>()?);
    let wrong = |field: &str| {
        let (field, text) = match field {
            "recipient" => ("u-recipient", page.t("consent-usage-wrong-recipient")),
            "url" => ("u-url", page.t("consent-usage-wrong-url")),
            "key" => ("u-key", page.t("consent-usage-wrong-key")),
            "since" => ("u-since", page.t("consent-usage-wrong-since")),
            _ => ("u-since", page.t("consent-usage-wrong-period")),
        };
        Wrong { field: field.to_owned(), text: text.phrase() }
    };
    let since = match form.since.trim() {
        "" => Some(None),
        day => day.parse::<JapaneseDate>().ok().map(|d| Some(d.start())),
    };
    let Ok(recipient) = form.recipient.parse::<RecipientId>() else {
        return Ok(show(&authz, &app, page.clone(), form, vec![wrong("recipient")]).await?.into_response());
    };
    let Some(since) = since else {
        return Ok(show(&authz, &app, page.clone(), form, vec![wrong("since")]).await?.into_response());
    };
    let new = |since: Timestamp| NewHolder { recipient, url: form.url.clone(), key: form.key.clone(), since };
    match consent.link_usage(&vault, &authz.granted, new(since.unwrap_or(app.env().now()))).await {
        Ok(()) => {}
        Err(ConsentError::Input(faults)) => {
            let wrongs = faults.iter().map(|(f, _)| wrong(f)).collect();
            return Ok(show(&authz, &app, page.clone(), form, wrongs).await?.into_response());
        }
        Err(e) => return Err(e.into()),
    }
    if since.is_none() {
        let linked = app.get::<Linked>()?;
        let made =
            consent.usage_holders(authz.tenant()).await?.into_iter().find(|h| h.recipient == recipient);
        let said = match &made {
            Some(h) => linked.period(&vault, authz.tenant(), h).await,
            None => None,
        };
        let Some(said) = said.filter(|p| p.period_start <= app.env().now()) else {
            consent.unlink_usage(&authz.granted, recipient).await?;
            return Ok(show(&authz, &app, page.clone(), form, vec![wrong("period")]).await?.into_response());
        };
        consent.link_usage(&vault, &authz.granted, new(said.period_start)).await?;
    }
    ask::heartbeats(&app, &[authz.tenant()]).await?;
    Ok(Redirect::to("/staff/consent/usage").into_response())
}

/// Asks it no more.
pub(crate) async fn unlink(
    authz: Authz<ManageAgreements>,
    app: App,
    Path(of): Path<RecipientId>,
) -> Result<Redirect> {
    app.get::<Consent>()?.unlink_usage(&authz.granted, of).await?;
    Ok(Redirect::to("/staff/consent/usage"))
}
