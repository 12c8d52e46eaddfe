//! `/staff/consent/notices`: what recipients have been told and have not acknowledged.

use std::collections::HashMap;

use askama::Template;
use axum::response::Redirect;
use kenroku_access::Authz;
use kenroku_http::{App, Form, Result};
use kenroku_ui::{Html, Page, Phrase};
use serde::Deserialize;

use super::staff;
use crate::consent::Consent;
use crate::error::ConsentError;
use crate::model::{NoticeId, What};
use crate::module::ManageAgreements;

const HERE: &str = "/staff/consent/notices";

#[derive(Template)]
#[template(path = "consent-notices.html")]
pub(crate) struct Notices {
    page: Page,
    rows: Vec<Line>,
}

struct Line {
    id: NoticeId,
    who: String,
    what: Phrase,
    since: Phrase,
    state: Phrase,
    record: String,
    /// Whether it can be pushed once more.
    pushes: bool,
}

/// The list, oldest first.
pub(crate) async fn list(authz: Authz<ManageAgreements>, app: App, page: Page) -> Result<Html<Notices>> {
    let (consent, tenant) = (app.get::<Consent>()?, authz.tenant());
    let recipients: HashMap<_, _> =
        consent.recipients(tenant).await?.into_iter().map(|r| (r.id, r)).collect();
    let t = |key: &str| page.t(key).phrase();
    let word = |what: What| match what {
        What::Grant => t("consent-step-grant"),
        What::Refuse => t("consent-step-refuse"),
        What::Withdraw => t("consent-step-withdraw"),
        What::Expire => t("consent-step-expire"),
        What::Renew => t("consent-step-renew"),
        What::Changed => t("consent-notice-changed"),
    };
    let mut rows = Vec::new();
    for n in consent.open_notices(tenant, 200).await? {
        let to = recipients.get(&n.recipient);
        let state = match (n.delivered_at, to.and_then(|r| r.push_url.as_ref())) {
            (Some(at), _) => page.t("consent-notice-taken").with("time", page.day_time(at)).phrase(),
            (None, Some(_)) => t("consent-notice-trying"),
            (None, None) => t("consent-notice-fetch"),
        };
        rows.push(Line {
            id: n.id,
            who: to.map(|r| r.name.clone()).unwrap_or_default(),
            what: word(n.step),
            since: page.day_time(n.created_at),
            state,
            record: n.record.to_string(),
            pushes: to.is_some_and(|r| r.push_url.is_some()),
        });
    }
    let title = t("consent-notices");
    let page = staff::console(page.title(title), tenant, HERE)?;
    Ok(Html(Notices { page, rows }))
}

/// Which one.
#[derive(Debug, Deserialize)]
pub(crate) struct Again {
    id: NoticeId,
}

/// Pushes it once more.
pub(crate) async fn again(
    authz: Authz<ManageAgreements>,
    app: App,
    Form(w): Form<Again>,
) -> Result<Redirect> {
    match app.get::<Consent>()?.push_again(&authz.granted, w.id).await {
        Ok(()) | Err(ConsentError::NotFound) => Ok(Redirect::to(HERE)),
        Err(e) => Err(e.into()),
    }
}
