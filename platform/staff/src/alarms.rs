//! `/staff/alarms`: what administrators and data officers must see, and the emergency accounts it is about.

use askama::Template;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use kenroku_access::Authz;
use kenroku_access::accounts::{AccountError, Accounts, AlarmId, AlarmRow, SealRow};
use kenroku_access::kernel::{AcknowledgeAlarms, ViewAlarms};
use kenroku_http::{App, Form, Op, Result, Routes};
use kenroku_places::Places;
use kenroku_places::choose::government_name;
use kenroku_types::Problem;
use kenroku_ui::parts::Wrong;
use kenroku_ui::{Html, Page, Phrase};
use serde::Deserialize;

use crate::door::{refusal, see_other};
use crate::{console, role_names};

/// The page's address.
pub(crate) const ADDRESS: &str = "/staff/alarms";

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(Op::new(Method::GET, ADDRESS, list).staff())
        .add(Op::new(Method::POST, "/staff/alarms/seen", seen).staff())
}

#[derive(Template)]
#[template(path = "alarms.html")]
struct Alarms {
    page: Page,
    alarms: Vec<Line>,
    seals: Vec<SealLine>,
    wrongs: Vec<Wrong>,
}

struct Line {
    id: AlarmId,
    place: Phrase,
    kind: Phrase,
    subject: String,
    at: Phrase,
    reason: String,
    /// What was done about it: when, by whom, in which words.
    seen: Option<(Phrase, String, String)>,
    /// Whether the reader may say so.
    may: bool,
}

struct SealLine {
    login: String,
    roles: String,
    sealed: bool,
    at: Phrase,
}

async fn list(authz: Authz<ViewAlarms>, app: App, page: Page) -> Result<Html<Alarms>> {
    show(&authz, &app, page, Vec::new()).await
}

async fn show(authz: &Authz<ViewAlarms>, app: &App, page: Page, wrongs: Vec<Wrong>) -> Result<Html<Alarms>> {
    let accounts = app.get::<Accounts>()?;
    // Those of one's own government, whole; of those below it, what is still open.
    let own = authz.tenant();
    let mut all = accounts.alarms(&authz.granted).await.map_err(Problem::from)?;
    let mut below = app.access().grants_within_reach::<ViewAlarms>(authz.actor());
    below.retain(|g| g.tenant() != own);
    all.extend(accounts.open_alarms(&below).await.map_err(Problem::from)?);
    all.sort_by_key(|a| (a.seen_at.is_some(), std::cmp::Reverse(a.at)));
    let may = app.access().grant_at_home::<AcknowledgeAlarms>(authz.actor()).is_ok()
        && !authz.actor().is_break_glass();
    let places = Places::shared()?;
    let line = |a: AlarmRow| Line {
        id: a.id,
        place: government_name(&page, places, a.tenant),
        at: page.day_time(a.at),
        seen: a.seen_at.map(|t| (page.day_time(t), a.seen_by, a.note)),
        may: may && a.tenant == own && a.seen_at.is_none(),
        kind: page
            .t(if a.kind == "contract" { "staff-alarm-contract" } else { "staff-alarm-glass" })
            .phrase(),
        subject: a.subject,
        reason: a.reason,
    };
    let seal = |s: SealRow| SealLine {
        roles: role_names(app, &page, &s.roles()),
        at: page.day_time(s.changed_at),
        sealed: s.sealed,
        login: s.login,
    };
    let seals = accounts.seals(&authz.granted).await.map_err(Problem::from)?.into_iter().map(seal).collect();
    let alarms = all.into_iter().map(line).collect();
    let title = page.t("staff-alarms").phrase();
    let frame = console(&page, own, ("staff-alarms", ADDRESS));
    Ok(Html(Alarms { page: page.title(title).console(frame), alarms, seals, wrongs }))
}

#[derive(Deserialize)]
struct Seen {
    id: AlarmId,
    #[serde(default)]
    note: String,
}

async fn seen(
    authz: Authz<AcknowledgeAlarms>,
    app: App,
    page: Page,
    Form(f): Form<Seen>,
) -> Result<Response> {
    match app.get::<Accounts>()?.acknowledge(&authz.granted, f.id, &f.note).await {
        Ok(()) => Ok(see_other(ADDRESS)),
        Err(e @ AccountError::Words) => {
            let (status, wrong) = refusal(&page, e, &format!("staff-note-{}", f.id), "staff-words")?;
            let granted = app.access().grant_at_home::<ViewAlarms>(authz.actor()).map_err(Problem::from)?;
            let resource = authz.resource;
            let shown = show(&Authz { granted, resource }, &app, page, vec![wrong]).await?;
            Ok((status, shown).into_response())
        }
        Err(e) => Err(Problem::from(e).into()),
    }
}
