//! `/snow`: the roads of a municipality as a sentence, a list and a map; `/staff/snow/roads`: the same for the desk,
//! without the delay on the roads that it clears.

use std::collections::BTreeMap;
use std::time::Duration;

use askama::Template;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use kenroku_access::Authz;
use kenroku_http::{App, Json, Public, Query, Result};
use kenroku_places::choose::{areas, place_name};
use kenroku_places::fold::fold;
use kenroku_places::{Municipality, Places};
use kenroku_roads::model::{Manager, Segment};
use kenroku_types::{MuniCode, Tenant};
use kenroku_ui::parts::{Age, Choice, Pattern, State};
use kenroku_ui::{Html, Link, Page, Phrase};

use super::staff::console;
use super::{
    Way, age_look, age_word, ago, delay, look, manager_word, meaning, moment, name, route_line, ways, word,
};
use crate::api::snow;
use crate::api::state::StateBody;
use crate::board::View;
use crate::model::{AgeBin, Status};
use crate::{Snow, ViewLive};

/// Rows on one page.
const SIZE: usize = 50;

/// What is asked for.
#[derive(Clone, Debug, Default)]
struct Asked {
    area: Option<MuniCode>,
    manager: Option<Manager>,
    words: String,
    states: Vec<Status>,
    by_age: bool,
    from: usize,
}

impl Asked {
    fn read(fields: Vec<(String, String)>) -> Self {
        let mut asked = Asked::default();
        for (key, value) in fields {
            match key.as_str() {
                "area" => asked.area = value.parse().ok(),
                "manager" => asked.manager = Manager::from_word(&value),
                "q" => asked.words = value.chars().take(60).collect(),
                "state" => asked.states.extend(Status::from_word(&value)),
                "view" => asked.by_age = value == "age",
                "from" => asked.from = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        asked
    }

    fn shows(&self, s: Status) -> bool {
        self.states.is_empty() || self.states.contains(&s)
    }
}

#[derive(Template)]
#[template(path = "snow-areas.html")]
struct AreasPage {
    page: Page,
    asof: Phrase,
    delay: Phrase,
    simulated: bool,
    areas: Vec<Choice>,
    rows: Vec<AreaRow>,
}

struct AreaRow {
    code: String,
    name: Phrase,
    line: Phrase,
}

#[derive(Template)]
#[template(path = "snow.html")]
struct SnowPage {
    page: Page,
    list: RoadList,
}

/// The same within the desk's frame.
#[derive(Template)]
#[template(path = "snow-roads.html")]
pub(crate) struct RoadsPage {
    page: Page,
    list: RoadList,
}

/// What `snow-list.html` shows on both.
struct RoadList {
    /// Where the form leads.
    address: &'static str,
    /// Where the map's state file is.
    state_file: &'static str,
    lead: Phrase,
    asof: Phrase,
    delay: Phrase,
    simulated: bool,
    warnings: Vec<(Phrase, Phrase)>,
    areas: Vec<Choice>,
    managers: Vec<Choice>,
    words: String,
    by_age: bool,
    states: Vec<StateBox>,
    tabs: Vec<Link>,
    total: usize,
    rows: Vec<RoadRow>,
    first: String,
    next: String,
    next_size: usize,
    bounds: String,
    poll: u64,
    labels: Vec<(Pattern, Phrase)>,
    key: Vec<(Pattern, Phrase, Phrase)>,
}

impl RoadList {
    /// What the map's lines show.
    const fn view(&self) -> &'static str {
        if self.by_age { "age" } else { "state" }
    }
}

struct StateBox {
    value: &'static str,
    state: State,
    label: Phrase,
    count: usize,
    checked: bool,
}

struct RoadRow {
    index: u32,
    no: usize,
    href: String,
    name: Phrase,
    route: Phrase,
    chip: Pattern,
    label: Phrase,
    /// The state in words, where the chip shows something else.
    also: Phrase,
    ways: Vec<Way>,
    late: Phrase,
}

/// The page.
pub async fn list(
    _: Public,
    app: App,
    page: Page,
    Query(fields): Query<Vec<(String, String)>>,
) -> Result<Response> {
    let snow = snow(&app)?;
    let places = Places::shared()?;
    let asked = Asked::read(fields);
    let view = snow.public();
    let Some(m) = asked.area.and_then(|a| places.by_code(a)) else {
        return Ok(Html(all_areas(page, places, &snow, &view)).into_response());
    };
    let seen = Seen {
        view: &view,
        sources: vec![places.prefecture().tenant, m.tenant],
        everywhere: false,
        address: "/snow",
        state_file: "/api/snow/v1/state",
        poll: snow.settings().refresh,
        delay: snow.settings().public_delay,
    };
    let list = roads(&page, places, &snow, &seen, Some(m), &asked);
    let title = page.ta("snow-title", [("place", place_name(&page, m))]).phrase();
    let all = page.t("snow-title-all").phrase();
    let simulated = page.simulated || list.simulated;
    let page = page.title(title).crumb(all, "/snow").simulated(simulated);
    Ok(Html(SnowPage { page, list }).into_response())
}

/// How often the desk's map asks for what changed.
const DESK_POLL: Duration = Duration::from_secs(10);

/// The governments whose roads somebody may see without delay: their own, and those below it.
fn desks(app: &App, authz: &Authz<ViewLive>) -> Vec<Tenant> {
    app.access().grants_within_reach::<ViewLive>(authz.actor()).iter().map(|g| g.tenant()).collect()
}

/// The desk's list and map. Where no municipality is chosen: the desk's own, or all of the prefecture.
pub(crate) async fn desk_list(
    authz: Authz<ViewLive>,
    app: App,
    page: Page,
    Query(fields): Query<Vec<(String, String)>>,
) -> Result<Html<RoadsPage>> {
    let snow = snow(&app)?;
    let places = Places::shared()?;
    let asked = Asked::read(fields);
    let tenant = authz.tenant();
    let area = asked.area.and_then(|a| places.by_code(a)).or_else(|| places.by_tenant(tenant));
    let desks = desks(&app, &authz);
    let view = snow.seen_by(&desks);
    let sources = match area {
        Some(m) => vec![places.prefecture().tenant, m.tenant],
        None => desks,
    };
    let seen = Seen {
        view: &view,
        sources,
        everywhere: places.by_tenant(tenant).is_none(),
        address: "/staff/snow/roads",
        state_file: "/staff/snow/state",
        poll: DESK_POLL,
        delay: Duration::ZERO,
    };
    let list = roads(&page, places, &snow, &seen, area, &asked);
    let title = page.t("snow-roads-title").phrase();
    let simulated = page.simulated || list.simulated;
    let page = console(page.title(title).simulated(simulated), tenant, "/staff/snow/roads")?;
    Ok(Html(RoadsPage { page, list }))
}

/// The state file of the desk's map: never kept by a cache.
pub(crate) async fn desk_state(authz: Authz<ViewLive>, app: App) -> Result<Response> {
    let snow = snow(&app)?;
    let desks = desks(&app, &authz);
    let view = snow.seen_by(&desks);
    let body = StateBody::of(&snow, &view, Duration::ZERO, |t| desks.contains(&t));
    let never = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((never, Json(body)).into_response())
}

fn all_areas(page: Page, places: &'static Places, snow: &Snow, view: &View) -> AreasPage {
    let mut counts: BTreeMap<Option<MuniCode>, [usize; 2]> = BTreeMap::new();
    for (s, v) in view.network.segments().iter().zip(&view.segments) {
        let c = counts.entry(s.municipality).or_default();
        c[0] += usize::from(v.status == Status::Cleared);
        c[1] += usize::from(v.status != Status::OutOfScope);
    }
    let rows = places
        .municipalities()
        .iter()
        .map(|m| {
            let [done, all] = counts.get(&Some(m.code)).copied().unwrap_or_default();
            let line = page.t("snow-area-line").with("done", done).with("all", all).phrase();
            AreaRow { code: m.code.code5(), name: place_name(&page, m), line }
        })
        .collect();
    let simulated = view.network.provenance().simulated;
    AreasPage {
        asof: page.ta("snow-asof", [("time", page.time(view.at))]).phrase(),
        delay: delay(&page, snow.settings().public_delay),
        areas: areas(&page, places, None),
        rows,
        simulated,
        page: titled(page, "snow-title-all", simulated),
    }
}

fn titled(page: Page, key: &'static str, simulated: bool) -> Page {
    let title = page.t(key).phrase();
    let simulated = page.simulated || simulated;
    page.title(title).simulated(simulated)
}

/// What somebody looks at.
struct Seen<'a> {
    view: &'a View,
    /// Whose silence is told.
    sources: Vec<Tenant>,
    /// Whether all of the prefecture can be chosen.
    everywhere: bool,
    address: &'static str,
    state_file: &'static str,
    poll: Duration,
    delay: Duration,
}

fn roads(
    page: &Page,
    places: &'static Places,
    snow: &Snow,
    seen: &Seen<'_>,
    area: Option<&Municipality>,
    asked: &Asked,
) -> RoadList {
    let view = seen.view;
    let wanted = Wanted::new(places, area, &asked.words);
    let mut all: Vec<u32> = (0..view.segments.len() as u32)
        .filter(|i| {
            view.get(*i).is_some_and(|(s, _)| {
                area.is_none_or(|m| s.municipality == Some(m.code))
                    && asked.manager.is_none_or(|w| w == s.manager)
                    && wanted.has(s)
            })
        })
        .collect();
    let counts = view.counts(&all);
    let of = |s: Status| counts.get(&s).copied().unwrap_or(0);
    let scope = all.len() - of(Status::OutOfScope);
    let lead = page.t("snow-lead").with("all", scope).with("done", of(Status::Cleared)).phrase();
    all.retain(|i| view.get(*i).is_some_and(|(_, v)| asked.shows(v.status)));
    sort(view, &mut all, asked.by_age);
    let total = all.len();
    let from = if asked.from < total { asked.from } else { 0 };
    let row = |(at, i): (usize, &u32)| {
        let (s, v) = view.get(*i)?;
        let age = v.age(view.at);
        let state = word(page, v.status);
        let (chip, label, also) = if asked.by_age {
            (age_look(age).into(), age_word(page, age), state)
        } else {
            (look(v.status).into(), state, Phrase::default())
        };
        Some(RoadRow {
            index: *i,
            no: from + at + 1,
            href: format!("/snow/segments/{}", s.id),
            name: name(page, *i, s),
            route: route_line(page, s),
            chip,
            label,
            also,
            ways: ways(page, view, s, v),
            late: late(page, snow, s, v.stale, v.status),
        })
    };
    let rows: Vec<RoadRow> = all.iter().skip(from).take(SIZE).enumerate().filter_map(row).collect();
    let end = from + rows.len();
    let states = Status::ALL.iter().map(|s| StateBox {
        value: s.word(),
        state: look(*s),
        label: word(page, *s),
        count: of(*s),
        checked: asked.shows(*s),
    });
    let mut managers = vec![Choice::new("", page.t("snow-all"), asked.manager.is_none())];
    managers.extend(
        [Manager::National, Manager::Prefecture, Manager::Municipality]
            .map(|w| Choice::new(w.word(), manager_word(page, w), asked.manager == Some(w))),
    );
    let mut choices = areas(page, places, area);
    if seen.everywhere {
        choices.insert(0, Choice::new("", page.t("snow-all"), area.is_none()));
    }
    let [w, s, e, n] = area.map_or_else(|| everywhere(places), |m| m.bbox);
    let key = if asked.by_age { age_key(page, view, &all) } else { state_key(page) };
    RoadList {
        address: seen.address,
        state_file: seen.state_file,
        lead,
        asof: page.ta("snow-asof", [("time", page.time(view.at))]).phrase(),
        delay: delay(page, seen.delay),
        simulated: view.network.provenance().simulated,
        warnings: warnings(page, places, snow, &seen.sources),
        areas: choices,
        managers,
        words: asked.words.clone(),
        by_age: asked.by_age,
        states: states.collect(),
        tabs: vec![
            Link::new(page.t("snow-by-state"), page.with_query("view", "state")).current(!asked.by_age),
            Link::new(page.t("snow-by-age"), page.with_query("view", "age")).current(asked.by_age),
        ],
        first: if from > 0 { page.with_query("from", "0") } else { String::new() },
        next: if end < total { page.with_query("from", &end.to_string()) } else { String::new() },
        next_size: SIZE.min(total.saturating_sub(end)),
        total,
        rows,
        bounds: format!("{w},{s},{e},{n}"),
        poll: seen.poll.as_secs(),
        labels: key.iter().map(|(p, label, _)| (*p, label.clone())).collect(),
        key,
    }
}

/// The extent of all municipalities.
fn everywhere(places: &Places) -> [f64; 4] {
    let start = [180.0_f64, 90.0, -180.0, -90.0];
    places.municipalities().iter().fold(start, |[w, s, e, n], m| {
        [w.min(m.bbox[0]), s.min(m.bbox[1]), e.max(m.bbox[2]), n.max(m.bbox[3])]
    })
}

/// Every state with what it means.
fn state_key(page: &Page) -> Vec<(Pattern, Phrase, Phrase)> {
    Status::ALL.iter().map(|s| (look(*s).into(), word(page, *s), meaning(page, *s))).collect()
}

/// Every age with how many of these segments have it.
fn age_key(page: &Page, view: &View, all: &[u32]) -> Vec<(Pattern, Phrase, Phrase)> {
    let mut counts: BTreeMap<Age, usize> = BTreeMap::new();
    for (_, v) in all.iter().filter_map(|i| view.get(*i)) {
        *counts.entry(age_look(v.age(view.at))).or_default() += 1;
    }
    let bins = AgeBin::ALL.iter().map(|a| Some(*a)).chain([None]);
    bins.map(|bin| {
        let age = age_look(bin);
        let n = counts.get(&age).copied().unwrap_or(0);
        (age.into(), age_word(page, bin), page.t("snow-n-roads").with("n", n).phrase())
    })
    .collect()
}

/// What moves comes first: roads being worked on, then those done, the latest on top; below them what waits and
/// what nobody knows, by road (国道, 県道, then the others, each by number and name). By time: the latest work.
fn sort(view: &View, all: &mut [u32], by_age: bool) {
    if by_age {
        all.sort_by_cached_key(|i| view.get(*i).map(|(_, v)| (std::cmp::Reverse(v.last_work()), *i)));
        return;
    }
    all.sort_by_cached_key(|i| {
        view.get(*i).map(|(s, v)| {
            let digits: String =
                s.route_no.as_deref().unwrap_or("").chars().filter(char::is_ascii_digit).collect();
            let rank = match v.status {
                Status::Working => 0,
                Status::Cleared => 1,
                Status::Partial => 2,
                Status::NotCleared => 3,
                Status::NoData => 4,
                Status::OutOfScope => 5,
            };
            (
                rank,
                std::cmp::Reverse(v.last_work()),
                s.manager,
                digits.parse::<u32>().unwrap_or(u32::MAX),
                s.name.as_deref().map(ToOwned::to_owned),
                *i,
            )
        })
    });
}

/// What the words in the search field mean.
struct Wanted {
    key: String,
    /// Points of the towns that fit.
    towns: Vec<kenroku_roads::geo::Point>,
    any: bool,
}

/// A segment within this distance of a town's point belongs to the town.
const NEAR_M: f64 = 400.0;

impl Wanted {
    fn new(places: &'static Places, area: Option<&Municipality>, words: &str) -> Self {
        let key = fold(words);
        let options = kenroku_places::SearchOptions { limit: 20, municipality: area.map(|m| m.code) };
        let hits =
            if key.is_empty() { Vec::new() } else { places.search(words, options).unwrap_or_default() };
        let towns = hits
            .iter()
            .filter(|h| h.kind < kenroku_places::MatchKind::Similar)
            .filter_map(|h| h.town)
            .filter_map(|t| kenroku_roads::geo::Point::from_degrees(t.at.lng, t.at.lat))
            .collect();
        Wanted { any: key.is_empty(), key, towns }
    }

    fn has(&self, s: &Segment) -> bool {
        if self.any {
            return true;
        }
        let text = [s.name.as_deref(), s.route_no.as_deref()].into_iter().flatten();
        text.into_iter().any(|t| fold(t).contains(&self.key)) || {
            let ends = [s.points.first(), s.points.last()];
            let near = |t| ends.into_iter().flatten().any(|p| kenroku_roads::geo::distance_m(*p, t) < NEAR_M);
            self.towns.iter().any(|t| near(*t))
        }
    }
}

/// A line for every source that is silent during an event.
fn warnings(page: &Page, places: &Places, snow: &Snow, sources: &[Tenant]) -> Vec<(Phrase, Phrase)> {
    let (now, after) = (snow.env().now(), snow.settings().stale_after);
    snow.board(|b| {
        let silent =
            |t: &Tenant| b.sources.get(t).is_some_and(|s| s.event.is_some()) && b.is_stale(*t, now, after);
        let line = |t: Tenant| {
            let who = places.tenant_name(t).unwrap_or_default();
            match b.sources.get(&t).and_then(|s| s.heard) {
                Some(heard) => (
                    page.t("snow-silent").with("who", who).with("ago", ago(page, heard, now)).phrase(),
                    page.t("snow-silent-until")
                        .with("who", who)
                        .with("time", moment(page, heard, now))
                        .phrase(),
                ),
                None => (
                    page.ta("snow-silent-always", [("who", who)]).phrase(),
                    page.ta("snow-silent-unknown", [("who", who)]).phrase(),
                ),
            }
        };
        sources.iter().copied().filter(silent).map(line).collect()
    })
}

fn late(page: &Page, snow: &Snow, s: &Segment, stale: bool, status: Status) -> Phrase {
    if !stale || status == Status::OutOfScope {
        return Phrase::default();
    }
    snow.board(|b| {
        let source = b.responsible(s).and_then(|t| b.sources.get(&t));
        match source {
            None => page.ta("snow-absent", [("manager", manager_word(page, s.manager))]).phrase(),
            Some(source) => source
                .heard
                .map_or_else(Phrase::default, |h| page.ta("snow-no-news", [("time", page.time(h))]).phrase()),
        }
    })
}
