//! `/staff/consent/witness`: whether the access log is as it was witnessed. The newest checkpoint, who keeps it, how the
//! last comparison came out; what is wrong stands first.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::Authz;
use kenroku_http::{App, Result};
use kenroku_module::chores::{FILE_WITNESS, LogWitnesses, TENANT_WITNESS};
use kenroku_places::{Places, choose};
use kenroku_types::{Tenant, Timestamp};
use kenroku_ui::parts::State;
use kenroku_ui::{Html, Page, Phrase};
use kenroku_vault::{LogState, Vault};

use crate::module::ViewProvisions;
use crate::pages::staff;

/// Rows wait for a checkpoint no longer than this; the job runs every minute.
const LATE_US: i64 = 10 * 60 * 1_000_000;
/// The comparison runs every night.
const STALE_US: i64 = 36 * 3_600 * 1_000_000;

#[derive(Template)]
#[template(path = "consent-witness.html")]
pub(crate) struct Watch {
    page: Page,
    alarms: Vec<Phrase>,
    logs: Vec<LogView>,
}

struct LogView {
    title: Phrase,
    rows: u64,
    sealed: Phrase,
    waiting: u64,
    witnesses: Vec<WitnessView>,
}

struct WitnessView {
    name: Phrase,
    holds: Phrase,
    sign: State,
    outcome: Phrase,
    when: Phrase,
}

fn witness_name(page: &Page, name: &str) -> Phrase {
    match name {
        TENANT_WITNESS => page.t("consent-witness-tenant").phrase(),
        FILE_WITNESS => page.t("consent-witness-file").phrase(),
        other => Phrase::text(other),
    }
}

async fn one(
    page: &Page,
    witnesses: &LogWitnesses,
    (tenant, title): (Tenant, Phrase),
    state: LogState,
    now: Timestamp,
    alarms: &mut Vec<Phrase>,
) -> LogView {
    let (number, size) = state.sealed.map_or((0, 0), |s| (s.number, s.size));
    let waiting = state.rows.saturating_sub(size);
    let last = state.sealed.map_or(Timestamp::EPOCH, |s| s.at);
    if waiting > 0 && now.since(last) > LATE_US && state.sealed.is_some() {
        alarms.push(page.t("consent-witness-late").with("log", &title).phrase());
    }
    let mut views = Vec::new();
    for (name, witness) in &witnesses.0 {
        let who = witness_name(page, name);
        let holds = match witness.last(tenant).await {
            Ok(last) => {
                let last = last.unwrap_or(0);
                if last < number && now.since(last_at(&state)) > LATE_US {
                    alarms.push(
                        page.t("consent-witness-behind").with("log", &title).with("who", &who).phrase(),
                    );
                }
                page.t("consent-witness-holds").with("n", last).phrase()
            }
            Err(e) => {
                tracing::error!(error = %e, witness = name, "a witness of the access log does not answer");
                alarms.push(page.t("consent-witness-away").with("who", &who).phrase());
                page.t("consent-witness-no-answer").phrase()
            }
        };
        let (sign, outcome, when) = match state.checks.iter().find(|c| c.witness == *name) {
            None => (State::Todo, page.t("consent-witness-unchecked").phrase(), Phrase::default()),
            Some(c) => {
                if now.since(c.at) > STALE_US {
                    alarms.push(page.t("consent-witness-stale").with("log", &title).phrase());
                }
                match &c.first {
                    None => {
                        let said = page.t("consent-witness-intact").with("n", c.witnessed_rows);
                        (State::Done, said.phrase(), page.day_time(c.at))
                    }
                    Some((row, what)) => {
                        let said = page
                            .t("consent-witness-found")
                            .with("n", c.findings)
                            .with("row", *row)
                            .with("what", what.as_str());
                        alarms.push(
                            page.t("consent-witness-changed").with("log", &title).with("row", *row).phrase(),
                        );
                        (State::Part, said.phrase(), page.day_time(c.at))
                    }
                }
            }
        };
        views.push(WitnessView { name: who, holds, sign, outcome, when });
    }
    let sealed = match state.sealed {
        Some(s) => {
            let at = page.day_time(s.at);
            page.t("consent-witness-sealed")
                .with("n", s.number)
                .with("size", s.size)
                .with("time", at)
                .phrase()
        }
        None => page.t("consent-witness-unsealed").phrase(),
    };
    LogView { title, rows: state.rows, sealed, waiting, witnesses: views }
}

fn last_at(state: &LogState) -> Timestamp {
    state.sealed.map_or(Timestamp::EPOCH, |s| s.at)
}

/// The state of my office's log, and of the one that all share.
pub(crate) async fn page(authz: Authz<ViewProvisions>, app: App, page: Page) -> Result<Html<Watch>> {
    let (vault, witnesses) = (app.get::<Vault>()?, app.get::<LogWitnesses>()?);
    let (tenant, now) = (authz.tenant(), app.env().now());
    let own = choose::government_name(
        &page,
        Places::shared().map_err(|e| kenroku_types::Problem::internal().because(&e))?,
        tenant,
    );
    let shared = page.t("consent-witness-shared").phrase();
    let (mut alarms, mut logs) = (Vec::new(), Vec::new());
    if witnesses.0.iter().all(|(name, _)| *name != FILE_WITNESS) {
        alarms.push(page.t("consent-witness-no-file").phrase());
    }
    for of in [(tenant, own), (Tenant::SHARED, shared)] {
        let state = vault.log_state(of.0).await?;
        logs.push(one(&page, &witnesses, of, state, now, &mut alarms).await);
    }
    let title = page.t("consent-witness").phrase();
    let page = staff::console(page.title(title), tenant, "/staff/consent/witness")?;
    Ok(Html(Watch { page, alarms, logs }))
}

/// Compares now.
pub(crate) async fn check(_: Authz<ViewProvisions>, app: App) -> Result<Response> {
    let (vault, witnesses) = (app.get::<Vault>()?, app.get::<LogWitnesses>()?);
    for (name, witness) in &witnesses.0 {
        vault.check_log(name, &**witness).await?;
    }
    Ok(Redirect::to("/staff/consent/witness").into_response())
}
