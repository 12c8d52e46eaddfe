//! `/my/log`, だれが見たか: every opening of my data in every module, newest first, with who, what, for what and why; between
//! them what recipients tell from logs of their own, marked as theirs.

use std::collections::{BTreeSet, HashMap, HashSet};

use askama::Template;
use axum::response::{IntoResponse, Response};
use kenroku_access::Authz;
use kenroku_contracts::personal::PseudonymsPort;
use kenroku_http::{App, Query, Result};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Tenant, Timestamp};
use kenroku_ui::parts::State;
use kenroku_ui::{Html, Link, Page, Phrase};
use kenroku_vault::{ConsentId, LogEntry, Vault};
use serde::Deserialize;

use super::{me, said};
use crate::broker::SECTOR;
use crate::code::CodeRow;
use crate::consent::{Agreement, Answer, Consent};
use crate::emergency;
use crate::error::ConsentError;
use crate::model::{AgreementId, LawfulBasis};
use crate::module::{ViewOwn, tenants};
use crate::usage::Linked;
use crate::usage::ask::Told;
use crate::usage::protocol::Usage;

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
    /// Recipients that keep a log of their own.
    linked: Vec<LinkedLine>,
}

/// What came of asking a recipient for its own log.
struct LinkedLine {
    name: String,
    sign: State,
    said: Phrase,
    /// When it last answered, where it does not.
    last: Phrase,
}

struct Row {
    when: Phrase,
    machine: String,
    who: Phrase,
    what: Phrase,
    why: Phrase,
    href: String,
    /// Where to object.
    object: String,
    /// From a recipient's own log: we did not witness it.
    theirs: bool,
    at: Timestamp,
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
    let codes = consent.codes(&tenants(app.access()), subject).await?;
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
    let mine = format!("resident:{subject}");
    entries.retain(|e| (e.basis == "own" || e.actor == mine) == which.own);
    entries.sort_by_key(|e: &LogEntry| std::cmp::Reverse((e.at, e.seq)));
    entries.truncate(ROWS as usize);
    let laws = grounds(&consent, &tenants(app.access()), &entries).await?;
    let by_basis = bases(&answers, &codes, &laws);
    let mut rows: Vec<Row> = entries.iter().map(|e| row(&page, &vault, e, &by_basis, !which.own)).collect();
    let mut linked = Vec::new();
    if !which.own {
        for told in others(&app, subject, &answers, &codes).await? {
            rows.extend(told.usages.iter().flat_map(|u| &u.usages).map(|u| their_row(&page, &told, u)));
            linked.push(linked_line(&page, &told));
        }
        rows.sort_by_key(|r| std::cmp::Reverse(r.at));
    }
    let tabs = vec![
        Link::new(page.t("consent-log-others"), "/my/log").current(!which.own),
        Link::new(page.t("consent-log-own"), "/my/log?own=true").current(which.own),
    ];
    let (home, title) = (page.t("consent-my").phrase(), page.t("consent-log").phrase());
    let page = page.crumb(home, "/my").title(title).signed_in(true);
    Ok(Html(Log { page, rows, tabs, silent, linked }).into_response())
}

/// Asks the recipients that keep a log of their own and deal with this person; nobody else learns that the person exists.
async fn others(
    app: &App,
    subject: SubjectId,
    answers: &[Answer],
    codes: &[(CodeRow, Agreement)],
) -> Result<Vec<Told>> {
    let (consent, vault, linked) = (app.get::<Consent>()?, app.get::<Vault>()?, app.get::<Linked>()?);
    let names = app.get::<PseudonymsPort>().map_err(|_| ConsentError::NoIdentity)?;
    let all = tenants(app.access());
    let of_answers = answers.iter().map(|a| (a.agreement.tenant, a.agreement.recipient.id));
    let of_codes = codes.iter().map(|(_, a)| (a.tenant, a.recipient.id));
    let mut known: HashSet<_> = of_answers.chain(of_codes).collect();
    known
        .extend(consent.provisions_of(&all, subject, ROWS).await?.into_iter().map(|(t, p)| (t, p.recipient)));
    let mut asked = Vec::new();
    for tenant in known.iter().map(|k| k.0).collect::<BTreeSet<_>>() {
        for holder in consent.usage_holders(tenant).await? {
            if known.contains(&(tenant, holder.recipient))
                && let Some(theirs) = names.0.translate(SECTOR, subject, &holder.sector).await?
            {
                asked.push((tenant, holder, theirs));
            }
        }
    }
    Ok(linked.find(&vault, asked, app.env().now()).await)
}

fn their_row(page: &Page, told: &Told, u: &Usage) -> Row {
    let who = u.receiver_name.as_ref().unwrap_or(&u.receiver_code);
    Row {
        when: page.day_time(u.logtime),
        machine: page.machine(u.logtime),
        who: Phrase::text(&format!("{}（{who}）", told.holder.name)),
        what: Phrase::default(),
        why: Phrase::text(&u.action),
        href: String::new(),
        object: String::new(),
        theirs: true,
        at: u.logtime,
    }
}

fn linked_line(page: &Page, told: &Told) -> LinkedLine {
    let name = told.holder.name.clone();
    let last = match told.holder.answered_at {
        Some(at) => page.t("consent-linked-last").with("time", page.day_time(at)).phrase(),
        None => page.t("consent-linked-never").phrase(),
    };
    match &told.usages {
        Some(u) => {
            let said = page.t("consent-linked-answered").with("n", u.total_usages).phrase();
            LinkedLine { name, sign: State::Done, said, last: Phrase::default() }
        }
        None => {
            let said = page.t("consent-linked-silent").phrase();
            LinkedLine { name, sign: State::Unknown, said, last }
        }
    }
}

/// The agreements by which something was handed on, by the basis that a row of the log names.
fn bases<'a>(
    answers: &'a [Answer],
    codes: &'a [(CodeRow, Agreement)],
    laws: &'a [(String, Agreement)],
) -> HashMap<String, (&'a Agreement, String)> {
    let of_answers = answers.iter().map(|a| {
        let href = format!("/my/consents/{}/{}", a.agreement.tenant, a.record.id);
        (format!("consent:{}", a.record.id), (&a.agreement, href))
    });
    let of_codes = codes.iter().map(|(c, a)| (format!("consent:{}", c.id), (a, String::new())));
    let of_laws =
        laws.iter().map(|(basis, a)| (basis.clone(), (a, format!("/my/law/{}/{}", a.tenant, a.row.id))));
    of_answers.chain(of_codes).chain(of_laws).collect()
}

/// The agreements behind rows that rest on a law or a danger; the row names the entry, not the office.
async fn grounds(
    consent: &Consent,
    all: &[Tenant],
    entries: &[LogEntry],
) -> Result<Vec<(String, Agreement)>> {
    let mut out: Vec<(String, Agreement)> = Vec::new();
    for e in entries {
        let Some((kind @ ("law" | "emergency"), id)) = e.basis.split_once(':') else { continue };
        let Ok(id) = id.parse::<ConsentId>() else { continue };
        if out.iter().any(|(basis, _)| *basis == e.basis) {
            continue;
        }
        let mut tx = consent.db().read().await?;
        for tenant in all {
            let agreement = match kind {
                "law" => Some(AgreementId::from_uuid(id.uuid())),
                _ => emergency::get(&mut tx, *tenant, id).await?.map(|d| d.agreement),
            };
            let Some(agreement) = agreement else { continue };
            if let Ok(a) = consent.agreement(&mut tx, *tenant, agreement).await {
                out.push((e.basis.clone(), a));
                break;
            }
        }
    }
    Ok(out)
}

/// Who, what and for what, for the form that objects.
pub(super) async fn facts(
    app: &App,
    page: &Page,
    subject: SubjectId,
    e: &LogEntry,
) -> Result<Vec<(Phrase, Phrase)>> {
    let (consent, vault) = (app.get::<Consent>()?, app.get::<Vault>()?);
    let all = tenants(app.access());
    let (answers, codes) = (consent.answers(&all, subject).await?, consent.codes(&all, subject).await?);
    let laws = grounds(&consent, &all, std::slice::from_ref(e)).await?;
    let r = row(page, &vault, e, &bases(&answers, &codes, &laws), false);
    let t = |key: &str| page.t(key).phrase();
    Ok(vec![
        (t("consent-col-when"), r.when),
        (t("consent-log-who"), r.who),
        (t("consent-log-what"), r.what),
        (t("consent-log-why"), r.why),
    ])
}

fn row(
    page: &Page,
    vault: &Vault,
    e: &LogEntry,
    by: &HashMap<String, (&Agreement, String)>,
    objects: bool,
) -> Row {
    let by = by.get(&e.basis);
    let t = |key: &str| page.t(key).phrase();
    let who = match (by, e.actor.split(':').next()) {
        (Some((a, _)), _) => Phrase::text(&a.recipient.name),
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
        Some((a, _)) if a.now.terms.basis != LawfulBasis::Consent => page
            .t("consent-log-law")
            .with("service", said(page, &a.now.terms.service))
            .with("article", Phrase::text(&a.now.terms.article))
            .phrase(),
        Some((a, _)) => said(page, &a.now.terms.service),
        None => match e.kind.as_str() {
            "erase" => t("consent-log-erased"),
            _ => Phrase::text(vault.purpose(&e.purpose).map_or(e.purpose.as_str(), |p| p.ja)),
        },
    };
    let href = by.map_or_else(String::new, |(_, href)| href.clone());
    let object = if objects { format!("/my/log/{}/{}", e.tenant, e.seq) } else { String::new() };
    Row {
        when: page.day_time(e.at),
        machine: page.machine(e.at),
        who,
        what: Phrase::text(&fields.join("、")),
        why,
        href,
        object,
        theirs: false,
        at: e.at,
    }
}
