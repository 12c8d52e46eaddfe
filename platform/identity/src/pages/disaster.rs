//! `/staff/identity/disaster`: declaring disaster mode with reason and end, ending it, and how the last comparisons with
//! the lists of revoked certificates went.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use kenroku_access::Authz;
use kenroku_http::{App, Form, Result};
use kenroku_ui::parts::{Choice, Wrong};
use kenroku_ui::{Console, Page, Phrase};
use serde::Deserialize;

use super::counter::Desk;
use super::{Action, FieldView, FormView, RowView, see_other};
use crate::disaster::{self, Declared};
use crate::error::IdentityError;
use crate::revocation::CheckOutcome;
use crate::{DeclareDisaster, Identity};

const HERE: &str = "/staff/identity/disaster";
/// What can be chosen, in hours; the longest is [`disaster::LONGEST`].
const HOURS: [u64; 4] = [6, 12, 24, 72];

/// What pages say while it holds.
pub(super) fn notice(page: &Page, d: &Declared) -> (&'static str, Phrase, Phrase) {
    let text = page
        .t("identity-disaster-holds-text")
        .with("time", page.day_time(d.until))
        .with("reason", Phrase::text(&d.reason));
    ("info", page.t("identity-disaster-holds").phrase(), text.phrase())
}

/// The form that declares it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Said {
    reason: String,
    hours: String,
    sure: String,
}

async fn show(
    identity: &Identity,
    page: Page,
    said: &Said,
    wrongs: Vec<Wrong>,
    status: StatusCode,
) -> Result<Response> {
    let title = page.t("identity-disaster").phrase();
    let (leave, menu) = (Some(page.sign_out()), vec![page.staff_home()]);
    let console = Console { name: title.clone(), leave, menu, ..Console::default() };
    let current = identity.disaster().await?;
    let all = identity.disasters().await?;
    let checks = identity.revocation_checks().await?;
    let t = |key: &str| page.t(key).phrase();
    let rows = all.iter().map(|d| {
        let holds = current.as_ref().is_some_and(|c| c.id == d.id);
        let end = d.ended_at.unwrap_or(d.until);
        let key = if holds { "identity-disaster-until" } else { "identity-disaster-ended" };
        RowView {
            title: Phrase::text(&d.reason),
            lines: vec![
                page.t("identity-disaster-since").with("time", page.day_time(d.declared_at)).phrase(),
                page.t(key).with("time", page.day_time(end)).phrase(),
            ],
            action: holds.then(|| Action {
                action: "/staff/identity/disaster/end",
                hidden: Vec::new(),
                label: t("identity-disaster-end"),
            }),
        }
    });
    let rows: Vec<RowView> = rows.collect();
    let facts = checks.iter().map(|c| {
        let how = match c.outcome {
            CheckOutcome::Whole => page.t("identity-revocation-whole"),
            CheckOutcome::Partly => page.t("identity-revocation-partly"),
            CheckOutcome::Failed => page.t("identity-revocation-failed"),
        };
        let how = how.with("revoked", c.revoked).with("expired", c.expired).with("moved", c.moved);
        (page.day_time(c.at), how.phrase())
    });
    let mut facts: Vec<(Phrase, Phrase)> = facts.collect();
    if facts.is_empty() {
        facts.push((t("identity-revocation"), t("identity-revocation-none")));
    }
    let mut reason = FieldView::new("id-reason", "reason", t("identity-disaster-reason"));
    (reason.value, reason.hint) = (said.reason.clone(), t("identity-disaster-reason-hint"));
    let hours = HOURS.map(|h| {
        let label = page.t("identity-disaster-hours-n").with("n", h).phrase();
        Choice::new(h.to_string(), label, said.hours == h.to_string())
    });
    let sure = vec![Choice::new("yes", page.t("identity-disaster-sure-yes"), false)];
    let form = FormView {
        action: HERE,
        method: "post",
        id: "declare",
        fields: vec![reason],
        checks: vec![
            (t("identity-disaster-hours"), "hours", hours.to_vec(), "radio"),
            (t("identity-disaster-sure"), "sure", sure, "checkbox"),
        ],
        button: t("identity-disaster-go"),
        primary: true,
        ..FormView::default()
    };
    let declare = (t("identity-disaster-declare"), t("identity-disaster-declare-text"), form);
    let (lead, rows_title) = (t("identity-disaster-lead"), t("identity-disaster-list"));
    let notes = vec![t("identity-revocation-note")];
    let notice = current.as_ref().map(|d| notice(&page, d));
    let mut desk = Desk::bare(page, title, console);
    (desk.lead, desk.notice, desk.wrongs, desk.facts, desk.notes) = (lead, notice, wrongs, facts, notes);
    if !rows.is_empty() {
        (desk.rows_title, desk.rows) = (rows_title, rows);
    }
    if current.is_none() {
        desk.forms.push(declare);
    }
    Ok(desk.show(status))
}

pub(super) async fn page(_: Authz<DeclareDisaster>, app: App, page: Page) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    show(&identity, page, &Said::default(), Vec::new(), StatusCode::OK).await
}

pub(super) async fn declare(
    by: Authz<DeclareDisaster>,
    app: App,
    page: Page,
    Form(said): Form<Said>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let hours = said.hours.parse().ok().filter(|h| HOURS.contains(h));
    let wrong = |field: &str, key: &str| Wrong { field: field.to_owned(), text: page.t(key).phrase() };
    let (status, wrong) = match hours {
        _ if said.sure != "yes" => {
            (StatusCode::UNPROCESSABLE_ENTITY, wrong("main", "identity-disaster-sure-wrong"))
        }
        None => (StatusCode::UNPROCESSABLE_ENTITY, wrong("main", "identity-disaster-hours-wrong")),
        Some(hours) => {
            let (who, lasting) = (by.actor().to_string(), Duration::from_secs(hours * 3600));
            match disaster::declare(identity.db(), identity.env(), &who, &said.reason, lasting).await {
                Ok(_) => return Ok(see_other(HERE)),
                Err(IdentityError::Stale) => (StatusCode::CONFLICT, wrong("main", "identity-disaster-twice")),
                Err(IdentityError::Input("reason", ..)) => {
                    let status = StatusCode::UNPROCESSABLE_ENTITY;
                    (status, wrong("id-reason", "identity-disaster-reason-wrong"))
                }
                Err(e) => return Err(e.into()),
            }
        }
    };
    show(&identity, page, &said, vec![wrong], status).await
}

pub(super) async fn end(by: Authz<DeclareDisaster>, app: App) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    match disaster::end(identity.db(), identity.env(), &by.actor().to_string()).await {
        Ok(()) | Err(IdentityError::NotFound) => Ok(see_other(HERE)),
        Err(e) => Err(e.into()),
    }
}
