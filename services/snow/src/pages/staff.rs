//! `/staff/snow`: the desk's board, without delay.

use std::time::Duration;

use askama::Template;
use axum::response::Redirect;
use kenroku_access::Authz;
use kenroku_http::{App, Form, Result};
use kenroku_places::{Places, choose};
use kenroku_types::{Problem, Tenant, Timestamp};
use kenroku_ui::parts::{Choice, State};
use kenroku_ui::{Console, Html, Link, Page, Phrase};
use serde::Deserialize;

use super::{ago, look, moment, name, word};
use crate::api::snow;
use crate::board::View;
use crate::model::{Refused, Rule, Status};
use crate::module::{OperateEvent, ViewLive};
use crate::sql::fleet::{EventRow, SnowEventId};
use crate::sql::{fleet, log, matched};
use crate::{ManageDevices, Snow};

/// The five levels of alert (石川県 除雪計画).
pub const LEVELS: [&str; 5] = ["normal", "caution", "semi-alert", "alert", "emergency"];

#[derive(Template)]
#[template(path = "snow-board.html")]
pub(crate) struct BoardPage {
    page: Page,
    sum: Phrase,
    asof: Phrase,
    event: Option<Phrase>,
    /// The event to end.
    running: Option<EventRow>,
    levels: Vec<Choice>,
    vehicles: Vec<VehicleLine>,
    districts: Vec<DistrictLine>,
    refused: Vec<(Phrase, i64, Phrase)>,
    tally: Vec<(State, Phrase, usize)>,
}

struct VehicleLine {
    label: String,
    kind: Phrase,
    late: bool,
    /// Class and shape of the dot: work, drive, rest, late.
    dot: &'static str,
    state: Phrase,
    place: Phrase,
    seen: Phrase,
    rule: Phrase,
}

struct DistrictLine {
    name: Phrase,
    all: String,
    done: String,
    doing: String,
    left: String,
    unknown: String,
}

/// The words of a rule.
pub fn rule_word(page: &Page, r: Rule) -> Phrase {
    let key = match r {
        Rule::Signal => "snow-rule-signal",
        Rule::Route => "snow-rule-route",
        Rule::SignalOff => "snow-rule-signal-off",
        Rule::OtherTask => "snow-rule-other-task",
        Rule::Driving => "snow-rule-driving",
        Rule::Mock => "snow-rule-mock",
    };
    page.t(key).phrase()
}

/// Why a row was refused, in words.
pub(crate) fn refused_word(page: &Page, r: Refused) -> Phrase {
    let key = match r {
        Refused::Malformed => "snow-refused-malformed",
        Refused::ClockAhead => "snow-refused-clock",
        Refused::TooLate => "snow-refused-late",
        Refused::NoFix => "snow-refused-no-fix",
        Refused::NotAPlace => "snow-refused-no-place",
        Refused::Elsewhere => "snow-refused-elsewhere",
        Refused::TooFast => "snow-refused-fast",
    };
    page.t(key).phrase()
}

/// A level's word.
fn level_word(page: &Page, level: &str) -> Phrase {
    let key = match level {
        "caution" => "snow-level-caution",
        "semi-alert" => "snow-level-semi-alert",
        "alert" => "snow-level-alert",
        "emergency" => "snow-level-emergency",
        _ => "snow-level-normal",
    };
    page.t(key).phrase()
}

/// A vehicle's kind in words; an unknown kind stands as it was entered.
pub fn kind_word(page: &Page, kind: &str) -> Phrase {
    match kind {
        "truck" => page.t("snow-kind-truck").phrase(),
        "grader" => page.t("snow-kind-grader").phrase(),
        "dozer" => page.t("snow-kind-dozer").phrase(),
        "rotary" => page.t("snow-kind-rotary").phrase(),
        "spreader" => page.t("snow-kind-spreader").phrase(),
        other => Phrase::text(other),
    }
}

/// The frame of the desk's pages.
pub(crate) fn console(page: Page, tenant: Tenant, at: &'static str) -> Result<Page> {
    let places = Places::shared()?;
    let place = choose::government_name(&page, places, tenant);
    let link = |key: &'static str, href: &'static str| Link::new(page.t(key), href).current(at == href);
    let console = Console {
        name: page.t("snow-console").phrase(),
        place,
        who: page.t("snow-desk").phrase(),
        leave: Some(page.sign_out()),
        menu: vec![
            link("snow-menu-board", "/staff/snow"),
            link("snow-menu-roads", "/staff/snow/roads"),
            link("snow-menu-devices", "/staff/snow/devices"),
            link("snow-menu-refused", "/staff/snow/refused"),
            link("snow-menu-public", "/snow"),
            page.staff_home(),
        ],
    };
    Ok(page.console(console))
}

/// The board.
pub(crate) async fn board(authz: Authz<ViewLive>, app: App, page: Page) -> Result<Html<BoardPage>> {
    let snow = snow(&app)?;
    let tenant = authz.tenant();
    let now = snow.env().now();
    let view = snow.live();
    let mut tx = snow.db().read().await?;
    let positions = matched::positions(&mut tx, tenant).await?;
    let event = snow.event_in_force(&mut tx, tenant, now).await?;
    let day = now.minus(Duration::from_secs(24 * 3600));
    let refused = log::quarantine_counts(&mut tx, tenant, day).await?;
    drop(tx);
    let after = snow.settings().stale_after;
    let vehicles: Vec<VehicleLine> = positions.iter().map(|p| vehicle(&page, &snow, p, now, after)).collect();
    let silent = vehicles.iter().filter(|v| v.late).count();
    let own = own_roads(&snow, &view, tenant);
    let counts = view.counts(&own);
    let of = |s: Status| counts.get(&s).copied().unwrap_or(0);
    let sum = page
        .t(if silent == 0 { "snow-board-sum-all" } else { "snow-board-sum" })
        .with("all", own.len() - of(Status::OutOfScope))
        .with("done", of(Status::Cleared))
        .with("doing", of(Status::Working))
        .with("vehicles", vehicles.len())
        .with("silent", silent)
        .phrase();
    let title = page.t("snow-board-title").phrase();
    let simulated = page.simulated || view.network.provenance().simulated;
    Ok(Html(BoardPage {
        sum,
        asof: page.ta("snow-asof", [("time", page.time(now))]).phrase(),
        event: event.as_ref().map(|e| event_line(&page, e, now)),
        running: event.filter(|e| e.ended_at.is_none()),
        levels: LEVELS.iter().map(|l| Choice::new(*l, level_word(&page, l), *l == "alert")).collect(),
        vehicles,
        districts: districts(&page, &view, &own),
        refused: refused
            .into_iter()
            .map(|(r, n, t)| (refused_word(&page, r), n, moment(&page, t, now)))
            .collect(),
        tally: Status::ALL.iter().map(|s| (look(*s), word(&page, *s), of(*s))).collect(),
        page: console(page.title(title).simulated(simulated), tenant, "/staff/snow")?,
    }))
}

fn event_line(page: &Page, e: &EventRow, now: Timestamp) -> Phrase {
    let key = if e.ended_at.is_some() { "snow-event-ended" } else { "snow-event-since" };
    let time = moment(page, e.ended_at.unwrap_or(e.started_at), now);
    page.t(key).with("time", time).with("level", level_word(page, &e.level)).phrase()
}

fn vehicle(
    page: &Page,
    snow: &Snow,
    p: &matched::PositionRow,
    now: Timestamp,
    after: Duration,
) -> VehicleLine {
    let late = now > p.last_at.plus(after);
    let (dot, key) = match p.rule {
        _ if late => ("late", "snow-vehicle-silent"),
        r if r.clears() => ("work", "snow-vehicle-working"),
        _ if p.segment.is_none() => ("rest", "snow-vehicle-waiting"),
        _ => ("drive", "snow-vehicle-driving"),
    };
    let network = snow.network();
    let segment = p.segment.and_then(|s| network.index_of(crate::sql::loaded(s)));
    let place = segment.and_then(|i| network.segments().get(i as usize).map(|s| name(page, i, s)));
    VehicleLine {
        label: p.vehicle.clone().unwrap_or_else(|| p.label.clone()),
        kind: kind_word(page, p.kind.as_deref().unwrap_or("")),
        late,
        dot,
        state: page.t(key).phrase(),
        place: place.unwrap_or_else(|| page.t("snow-none").phrase()),
        seen: ago(page, p.last_at, now),
        rule: rule_word(page, p.rule),
    }
}

/// The segments that a tenant's own vehicles are responsible for.
fn own_roads(snow: &Snow, view: &View, tenant: Tenant) -> Vec<u32> {
    snow.board(|b| {
        let own =
            view.network.segments().iter().enumerate().filter(|(_, s)| b.responsible(s) == Some(tenant));
        own.map(|(i, _)| i as u32).collect()
    })
}

/// Kilometres by 土木事務所 where the network knows them, else in one line.
fn districts(page: &Page, view: &View, own: &[u32]) -> Vec<DistrictLine> {
    let names = view.network.districts();
    let mut metres: std::collections::BTreeMap<usize, [f64; 5]> = std::collections::BTreeMap::new();
    for (s, v) in own.iter().filter_map(|i| view.get(*i)).filter(|(_, v)| v.status != Status::OutOfScope) {
        let sums = metres.entry(s.district.map_or(names.len(), usize::from)).or_default();
        let at = match v.status {
            Status::Cleared => 1,
            Status::Working => 2,
            Status::Partial | Status::NotCleared => 3,
            Status::NoData | Status::OutOfScope => 4,
        };
        sums[0] += f64::from(s.length_m);
        sums[at] += f64::from(s.length_m);
    }
    let km = |m: f64| format!("{:.1}", m / 1000.0);
    let line = |(d, m): (usize, [f64; 5])| DistrictLine {
        name: names.get(d).map_or_else(|| page.t("snow-district-none").phrase(), |n| Phrase::text(n)),
        all: km(m[0]),
        done: km(m[1]),
        doing: km(m[2]),
        left: km(m[3]),
        unknown: km(m[4]),
    };
    metres.into_iter().map(line).collect()
}

/// The form that begins an event.
#[derive(Debug, Deserialize)]
pub(crate) struct Begin {
    level: String,
    #[serde(default)]
    depth_cm: Option<String>,
}

/// Begins an event.
pub(crate) async fn begin_event(
    authz: Authz<OperateEvent>,
    app: App,
    Form(begin): Form<Begin>,
) -> Result<Redirect> {
    let snow = snow(&app)?;
    let depth = begin.depth_cm.as_deref().map(str::trim).filter(|d| !d.is_empty());
    let depth_cm = match depth.map(str::parse::<i64>) {
        None => None,
        Some(Ok(d)) if (0..=1000).contains(&d) => Some(d),
        Some(_) => {
            let wrong = Problem::bad_request("The snow depth is a whole number of centimetres.");
            return Err(wrong.field("depth_cm", "range", "0 to 1000").into());
        }
    };
    if !LEVELS.contains(&begin.level.as_str()) {
        return Err(Problem::bad_request("The level is not one of the five.").into());
    }
    let now = snow.env().now();
    let event = EventRow {
        id: snow.env().id(),
        started_at: now,
        ended_at: None,
        level: begin.level,
        depth_cm,
        simulated: false,
    };
    let mut tx = snow.db().read().await?;
    if fleet::current_event(&mut tx, authz.tenant(), now, now).await?.is_some_and(|e| e.ended_at.is_none()) {
        return Err(Problem::conflict("An event is on already; end it first.").into());
    }
    drop(tx);
    snow.open_event(authz.tenant(), &event, "desk").await?;
    snow.follow().await?;
    Ok(Redirect::to("/staff/snow"))
}

/// The form that ends an event.
#[derive(Debug, Deserialize)]
pub(crate) struct End {
    id: SnowEventId,
}

/// Ends an event.
pub(crate) async fn end_event(
    authz: Authz<OperateEvent>,
    app: App,
    Form(end): Form<End>,
) -> Result<Redirect> {
    let snow = snow(&app)?;
    snow.end_event(authz.tenant(), end.id).await?;
    snow.follow().await?;
    Ok(Redirect::to("/staff/snow"))
}

/// Kept here so that the frame's menu and its permissions stand together.
pub(crate) type Devices = Authz<ManageDevices>;
