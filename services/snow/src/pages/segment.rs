//! `/snow/segments/{id}`: one road, answered in plain words.

use std::time::Duration;

use askama::Template;
use kenroku_http::{App, Path, Public, Result};
use kenroku_places::Places;
use kenroku_places::choose::place_name;
use kenroku_roads::model::SegmentId;
use kenroku_types::{Problem, Tenant};
use kenroku_ui::parts::State;
use kenroku_ui::{Html, Page, Phrase};

use super::{Way, delay, heading, look, meaning, moment, name, route_line, ways, word};
use crate::api::snow;
use crate::model::Status;
use crate::sql::matched;

#[derive(Template)]
#[template(path = "snow-segment.html")]
pub(crate) struct SegmentPage {
    page: Page,
    lead: Phrase,
    meaning: Phrase,
    asof: Phrase,
    delay: Phrase,
    simulated: bool,
    state: State,
    label: Phrase,
    route: Phrase,
    length: Phrase,
    ways: Vec<Way>,
    passes: Vec<PassLine>,
    stale: bool,
    back: String,
}

struct PassLine {
    when: Phrase,
    to: Phrase,
    rule: Phrase,
}

/// Passes shown.
const SHOWN: i64 = 30;

/// The page.
pub(crate) async fn segment(
    _: Public,
    app: App,
    page: Page,
    Path(id): Path<SegmentId>,
) -> Result<Html<SegmentPage>> {
    let snow = snow(&app)?;
    let view = snow.public();
    let Some((index, (s, v))) = view.network.index_of(id).and_then(|i| view.get(i).map(|found| (i, found)))
    else {
        return Err(Problem::not_found().into());
    };
    let (tenants, since) = snow.board(|b| {
        let tenants: Vec<Tenant> = b.sources.keys().copied().collect();
        let event = b
            .responsible(s)
            .and_then(|t| b.sources.get(&t))
            .and_then(|x| x.event.as_ref())
            .map(|e| e.started_at);
        (tenants, event.unwrap_or(view.at.minus(Duration::from_secs(24 * 3600))))
    });
    let rows = matched::passes_of(&mut snow.db().read().await?, &tenants, id, since, 4 * SHOWN).await?;
    let passes = rows
        .into_iter()
        .filter(|p| p.clears && p.t1 <= view.at)
        .take(SHOWN as usize)
        .map(|p| {
            let d = if p.dir == 0 {
                kenroku_roads::model::Direction::Forward
            } else {
                kenroku_roads::model::Direction::Backward
            };
            PassLine {
                when: moment(&page, p.t1, view.at),
                to: heading(&page, s, d),
                rule: super::staff::rule_word(&page, p.rule),
            }
        })
        .collect();
    let place = s.municipality.and_then(|c| Places::shared().ok().and_then(|p| p.by_code(c)));
    let key = match v.status {
        Status::Cleared => "snow-says-done",
        Status::Working => "snow-says-doing",
        Status::Partial => "snow-says-part",
        Status::NotCleared => "snow-says-todo",
        Status::NoData => "snow-says-unknown",
        Status::OutOfScope => "snow-says-out",
    };
    let title = name(&page, index, s);
    let area = s.municipality.map(MuniAddress::of).unwrap_or_default();
    let simulated = view.network.provenance().simulated;
    Ok(Html(SegmentPage {
        lead: page.t(key).phrase(),
        meaning: meaning(&page, v.status),
        asof: page.ta("snow-asof", [("time", page.time(view.at))]).phrase(),
        delay: delay(&page, snow.settings().public_delay),
        simulated,
        state: look(v.status),
        label: word(&page, v.status),
        route: route_line(&page, s),
        length: page.ta("snow-length", [("n", s.length_m.round() as u32)]).phrase(),
        ways: ways(&page, &view, s, v),
        passes,
        stale: v.stale && v.status != Status::OutOfScope,
        back: area.clone(),
        page: {
            let all = page.t("snow-title-all").phrase();
            let crumb = place.map(|m| page.ta("snow-title", [("place", place_name(&page, m))]).phrase());
            let simulated = page.simulated || simulated;
            let page = page.title(title).crumb(all, "/snow").simulated(simulated);
            match crumb {
                Some(c) => page.crumb(c, area),
                None => page,
            }
        },
    }))
}

/// The list of a municipality.
struct MuniAddress;

impl MuniAddress {
    fn of(code: kenroku_types::MuniCode) -> String {
        format!("/snow?area={code}")
    }
}
