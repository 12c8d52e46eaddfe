//! `/staff/snow/refused`: positions that could not be used, by device and reason, with what to do about it.

use askama::Template;
use axum::response::Redirect;
use kenroku_access::Authz;
use kenroku_http::{App, Form, Query, Result};
use kenroku_types::ids::DeviceId;
use kenroku_types::{Problem, Timestamp};
use kenroku_ui::{Html, Page, Phrase};
use serde::Deserialize;

use super::moment;
use super::staff::{console, refused_word};
use crate::api::snow;
use crate::model::Refused;
use crate::module::HandleRefused;
use crate::sql::refused::{self, Group};

/// The page's address.
const ADDRESS: &str = "/staff/snow/refused";
/// Devices and reasons on the page.
const GROUPS: i64 = 200;
/// Rows shown of one device and reason.
const ROWS: i64 = 50;

#[derive(Template)]
#[template(path = "snow-refused.html")]
pub(crate) struct RefusedPage {
    page: Page,
    groups: Vec<GroupLine>,
    chosen: Option<Chosen>,
    keep: Phrase,
}

struct GroupLine {
    href: String,
    why: Phrase,
    device: String,
    rows: i64,
    latest: Phrase,
    current: bool,
}

/// The device and reason looked at.
struct Chosen {
    title: Phrase,
    todo: Phrase,
    device: DeviceId,
    why: &'static str,
    /// What was seen: microseconds of the latest row.
    seen: i64,
    rows: Vec<RowLine>,
    more: i64,
}

struct RowLine {
    when: Phrase,
    raw: String,
    digest: String,
}

/// Which device and reason.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    device: Option<DeviceId>,
    #[serde(default)]
    why: Option<Refused>,
}

/// What somebody can do about it.
fn todo_word(page: &Page, r: Refused) -> Phrase {
    let key = match r {
        Refused::Malformed => "snow-todo-malformed",
        Refused::ClockAhead => "snow-todo-clock",
        Refused::TooLate => "snow-todo-late",
        Refused::NoFix => "snow-todo-no-fix",
        Refused::NotAPlace => "snow-todo-no-place",
        Refused::Elsewhere => "snow-todo-elsewhere",
        Refused::TooFast => "snow-todo-fast",
    };
    page.t(key).phrase()
}

fn device_name(g: &Group) -> String {
    g.label.clone().unwrap_or_else(|| g.device.to_string())
}

/// The page.
pub(crate) async fn list(
    authz: Authz<HandleRefused>,
    app: App,
    page: Page,
    Query(which): Query<Which>,
) -> Result<Html<RefusedPage>> {
    let snow = snow(&app)?;
    let tenant = authz.tenant();
    let now = snow.env().now();
    let mut tx = snow.db().read().await?;
    let groups = refused::groups(&mut tx, tenant, GROUPS).await?;
    let is_chosen = |g: &&Group| which.device == Some(g.device) && which.why == Some(g.why);
    let chosen = match groups.iter().find(is_chosen) {
        None => None,
        Some(g) => {
            let rows = refused::rows(&mut tx, tenant, g.device, g.why, ROWS).await?;
            Some(Chosen {
                title: page
                    .t("snow-refused-of")
                    .with("device", device_name(g))
                    .with("why", refused_word(&page, g.why))
                    .phrase(),
                todo: todo_word(&page, g.why),
                device: g.device,
                why: g.why.word(),
                seen: g.latest.micros(),
                more: g.rows - rows.len() as i64,
                rows: rows
                    .into_iter()
                    .map(|r| RowLine {
                        when: moment(&page, r.received_at, now),
                        raw: r.raw,
                        digest: hex::encode(r.digest),
                    })
                    .collect(),
            })
        }
    };
    drop(tx);
    let lines = groups.iter().map(|g| GroupLine {
        href: format!("{ADDRESS}?device={}&why={}#rows", g.device, g.why.word()),
        why: refused_word(&page, g.why),
        device: device_name(g),
        rows: g.rows,
        latest: moment(&page, g.latest, now),
        current: is_chosen(&g),
    });
    let days = snow.settings().keep.refused.as_secs() / 86_400;
    let title = page.t("snow-refused").phrase();
    let simulated = page.simulated || snow.network().provenance().simulated;
    Ok(Html(RefusedPage {
        groups: lines.collect(),
        chosen,
        keep: page.ta("snow-refused-keep", [("n", days)]).phrase(),
        page: console(page.title(title).simulated(simulated), tenant, ADDRESS)?,
    }))
}

/// The form that dismisses a row, or all that were seen.
#[derive(Debug, Deserialize)]
pub(crate) struct Dismiss {
    device: DeviceId,
    why: Refused,
    /// One row.
    #[serde(default)]
    digest: Option<String>,
    /// All that had come by then, in microseconds.
    #[serde(default)]
    seen: Option<i64>,
}

/// Removes rows that somebody has seen to.
pub(crate) async fn dismiss(
    authz: Authz<HandleRefused>,
    app: App,
    Form(form): Form<Dismiss>,
) -> Result<Redirect> {
    let snow = snow(&app)?;
    let tenant = authz.tenant();
    let mut tx = snow.db().begin().await?;
    let (removed, back) = match (&form.digest, form.seen) {
        (Some(digest), _) => {
            let digest = hex::decode(digest).map_err(|_| Problem::bad_request("There is no such row."))?;
            let there = refused::dismiss(&mut tx, tenant, form.device, form.why, &digest).await?;
            let back = format!("{ADDRESS}?device={}&why={}#rows", form.device, form.why.word());
            (u64::from(there), back)
        }
        (None, Some(seen)) => {
            let seen = Timestamp::from_micros(seen);
            let n = refused::dismiss_all(&mut tx, tenant, form.device, form.why, seen).await?;
            (n, ADDRESS.to_owned())
        }
        (None, None) => return Err(Problem::bad_request("Say which rows are meant.").into()),
    };
    tx.commit().await?;
    tracing::info!(actor = %authz.actor(), device = %form.device, why = form.why.word(), removed, "refused positions were dismissed");
    Ok(Redirect::to(&back))
}
