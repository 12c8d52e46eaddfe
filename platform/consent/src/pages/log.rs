//! `/my/log`, だれが見たか: every opening of my data in every module, newest first, with who, what, for what and why.

use std::collections::HashMap;

use askama::Template;
use axum::response::{IntoResponse, Response};
use kenroku_access::Authz;
use kenroku_contracts::personal::PseudonymsPort;
use kenroku_http::{App, Query, Result};
use kenroku_ui::{Html, Link, Page, Phrase};
use kenroku_vault::{LogEntry, Vault};
use serde::Deserialize;

use super::{me, said};
use crate::broker::SECTOR;
use crate::consent::{Answer, Consent};
use crate::error::ConsentError;
use crate::module::{ViewOwn, tenants};

/// Rows on the page, of each module and tenant at most.
const ROWS: u32 = 200;

#[derive(Template)]
#[template(path = "my-log.html")]
struct Log {
    page: Page,
    rows: Vec<Row>,
    tabs: Vec<Link>,
    /// Modules that did not answer.
    silent: Vec<String>,
}

struct Row {
    when: Phrase,
    machine: String,
    who: Phrase,
    what: Phrase,
    why: Phrase,
    href: String,
}

/// Whether to show what I looked at myself.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    own: bool,
}

/// The page.
pub(crate) async fn page(
    authz: Authz<ViewOwn>,
    app: App,
    page: Page,
    Query(which): Query<Which>,
) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    let (consent, vault) = (app.get::<Consent>()?, app.get::<Vault>()?);
    let names = app.get::<PseudonymsPort>().map_err(|_| ConsentError::NoIdentity)?;
    let answers = consent.answers(&tenants(app.access()), subject).await?;
    let by_consent: HashMap<String, &Answer> =
        answers.iter().map(|a| (format!("consent:{}", a.record.id), a)).collect();
    let (mut entries, mut silent) = (Vec::new(), Vec::new());
    for source in consent.sources().all() {
        let Some(theirs) = names.0.translate(SECTOR, subject, source.module()).await? else { continue };
        for tenant in source.tenants() {
            match vault.accesses(tenant, theirs, None, ROWS).await {
                Ok(rows) => entries.extend(rows),
                Err(e) => {
                    tracing::warn!(module = source.module(), error = %e, "the access log could not be read");
                    silent.push(source.module().to_owned());
                }
            }
        }
    }
    entries.retain(|e| (e.basis == "own") == which.own);
    entries.sort_by_key(|e: &LogEntry| std::cmp::Reverse((e.at, e.seq)));
    entries.truncate(ROWS as usize);
    let rows = entries.iter().map(|e| row(&page, &vault, e, by_consent.get(&e.basis).copied())).collect();
    let tabs = vec![
        Link::new(page.t("consent-log-others"), "/my/log").current(!which.own),
        Link::new(page.t("consent-log-own"), "/my/log?own=true").current(which.own),
    ];
    let (home, title) = (page.t("consent-my").phrase(), page.t("consent-log").phrase());
    let page = page.crumb(home, "/my").title(title).signed_in(true);
    Ok(Html(Log { page, rows, tabs, silent }).into_response())
}

fn row(page: &Page, vault: &Vault, e: &LogEntry, by: Option<&Answer>) -> Row {
    let t = |key: &str| page.t(key).phrase();
    let who = match (by, e.actor.split(':').next()) {
        (Some(a), _) => Phrase::text(&a.agreement.recipient.name),
        (None, _) if e.basis == "own" => t("consent-log-me"),
        (None, Some("staff")) => t("consent-log-staff"),
        (None, Some("client")) => t("consent-log-program"),
        (None, Some("resident")) => t("consent-log-resident"),
        (None, Some("device")) => t("consent-log-device"),
        _ => t("consent-log-system"),
    };
    let fields: Vec<String> = e
        .fields
        .split(',')
        .map(|name| vault.field(name).map_or_else(|| name.to_owned(), |f| f.ja.to_owned()))
        .collect();
    let why = match by {
        Some(a) => said(page, &a.agreement.now.terms.service),
        None => match e.kind.as_str() {
            "erase" => t("consent-log-erased"),
            _ => Phrase::text(vault.purpose(&e.purpose).map_or(e.purpose.as_str(), |p| p.ja)),
        },
    };
    let href =
        by.map_or_else(String::new, |a| format!("/my/consents/{}/{}", a.agreement.tenant, a.record.id));
    Row {
        when: page.day_time(e.at),
        machine: page.machine(e.at),
        who,
        what: Phrase::text(&fields.join("、")),
        why,
        href,
    }
}
