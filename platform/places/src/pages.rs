//! The page `/places`: address search and lists of towns, in a plain GET form.

use askama::Template;
use kenroku_http::{Public, Query, Result, Routes};
use kenroku_ui::parts::{Choice, Wrong};
use kenroku_ui::{Html, Locale, Page, Phrase};
use serde::Deserialize;

use crate::api::SearchQuery;
use crate::choose::{self, place_name, region_name};
use crate::model::{Municipality, Places, Region, Town, TownId};
use crate::search::{Hit, MAX_QUERY_CHARS, MatchKind, SearchError, SearchOptions};
use crate::tiles;

/// The pages of this module.
pub(crate) fn routes() -> Routes {
    Routes::new().get("/places", places)
}

/// Towns on one page of a municipality's list.
const PAGE_SIZE: usize = 100;

#[derive(Template)]
#[template(path = "places.html")]
struct PlacesPage {
    page: Page,
    municipality_count: usize,
    town_count: usize,
    query: String,
    areas: Vec<Choice>,
    fault: Phrase,
    wrongs: Vec<Wrong>,
    found: Option<Found>,
    regions: Vec<(Phrase, Vec<Member>)>,
    attribution: &'static str,
}

/// A list of places under its heading.
struct Found {
    heading: Phrase,
    summary: Phrase,
    rows: Vec<Row>,
    /// Whether the rows say how they fit.
    fits: bool,
    first: String,
    next: String,
    next_size: usize,
}

struct Row {
    address: String,
    /// In another language than the address; may be empty.
    municipality: Phrase,
    fit: Phrase,
    position: String,
}

struct Member {
    code: String,
    name: Phrase,
    towns: Phrase,
}

/// Where a municipality's list goes on.
#[derive(Deserialize)]
struct After {
    after: Option<TownId>,
}

async fn places(
    _: Public,
    page: Page,
    Query(search): Query<SearchQuery>,
    Query(After { after }): Query<After>,
) -> Result<Html<PlacesPage>> {
    let places = Places::shared()?;
    let municipality = search.municipality()?;
    let area = municipality.map(|code| places.by_code(code).ok_or(SearchError::NoSuchMunicipality(code)));
    let area = area.transpose()?;
    let title = page.t("places-title").phrase();
    let mut view = PlacesPage {
        municipality_count: places.municipalities().len(),
        town_count: places.towns().len(),
        query: search.q.chars().take(MAX_QUERY_CHARS).collect(),
        areas: areas(&page, places, area),
        fault: Phrase::default(),
        wrongs: Vec::new(),
        found: None,
        regions: Vec::new(),
        attribution: tiles::ATTRIBUTION,
        page: page.title(title),
    };
    let page = &view.page;
    if search.q.trim().is_empty() {
        match area {
            Some(m) => view.found = Some(list(page, places, m, after)),
            None => view.regions = regions(page, places),
        }
        return Ok(Html(view));
    }
    let limit = search.limit.unwrap_or(SearchOptions::default().limit);
    match places.search(&search.q, SearchOptions { limit, municipality }) {
        Ok(hits) => view.found = Some(answer(page, &hits, limit)),
        Err(SearchError::NoSuchMunicipality(code)) => Err(SearchError::NoSuchMunicipality(code))?,
        Err(e) => {
            let key = if e == SearchError::TooLong { "places-too-long" } else { "places-empty" };
            view.regions = regions(page, places);
            view.fault = page.t(key).phrase();
            view.wrongs = vec![Wrong { field: "places-q".to_owned(), text: view.fault.clone() }];
        }
    }
    Ok(Html(view))
}

/// All municipalities, after the choice of all of them.
fn areas(page: &Page, places: &Places, chosen: Option<&Municipality>) -> Vec<Choice> {
    let mut areas = choose::areas(page, places, chosen);
    areas.insert(0, Choice::new("", page.t("places-area-all"), chosen.is_none()));
    areas
}

fn regions(page: &Page, places: &Places) -> Vec<(Phrase, Vec<Member>)> {
    let member = |m: &Municipality| {
        let n = places.towns_of(m.code).iter().filter(|t| t.koaza.is_empty()).count();
        Member {
            code: m.code.code5(),
            name: place_name(page, m),
            towns: page.t("places-towns").with("n", n).phrase(),
        }
    };
    Region::ALL.map(|r| (region_name(page, r), places.in_region(r).map(member).collect())).into()
}

fn row(page: &Page, hit: &Hit<'_>) -> Row {
    let fit = match hit.kind {
        MatchKind::Exact => "places-fit-exact",
        MatchKind::Prefix => "places-fit-prefix",
        MatchKind::Substring => "places-fit-substring",
        MatchKind::Tokens => "places-fit-tokens",
        MatchKind::Enclosing => "places-fit-enclosing",
        MatchKind::Similar => "places-fit-similar",
    };
    let at = hit.at();
    Row {
        address: hit.address(),
        // In Japanese the address says it already.
        municipality: if page.locale == Locale::Ja {
            Phrase::default()
        } else {
            place_name(page, hit.municipality)
        },
        fit: page.t(fit).phrase(),
        position: format!("{:.5}, {:.5}", at.lat, at.lng),
    }
}

fn answer(page: &Page, hits: &[Hit<'_>], limit: usize) -> Found {
    let summary = match hits.len() {
        0 => Phrase::default(),
        n if n < limit => page.t("places-found").with("n", n).phrase(),
        n => page.t("places-found-first").with("n", n).phrase(),
    };
    Found {
        heading: page.t("places-list").phrase(),
        summary,
        rows: hits.iter().map(|hit| row(page, hit)).collect(),
        fits: true,
        first: String::new(),
        next: String::new(),
        next_size: 0,
    }
}

/// A page of the towns of a municipality, without their parts.
fn list(page: &Page, places: &Places, m: &Municipality, after: Option<TownId>) -> Found {
    let all: Vec<&Town> = places.towns_of(m.code).iter().filter(|t| t.koaza.is_empty()).collect();
    let start = after.map_or(0, |last| all.partition_point(|t| t.id <= last));
    let shown = &all[start..all.len().min(start + PAGE_SIZE)];
    let rest = all.len() - start - shown.len();
    let hit = |town: &&Town| row(page, &Hit { municipality: m, town: Some(town), kind: MatchKind::Exact });
    let next = shown.last().filter(|_| rest > 0);
    Found {
        heading: page.t("places-towns-of").with("name", place_name(page, m)).with("n", all.len()).phrase(),
        summary: Phrase::default(),
        rows: shown.iter().map(hit).collect(),
        fits: false,
        first: if start == 0 { String::new() } else { format!("/places?municipality={}", m.code) },
        next: next.map_or(String::new(), |t| page.with_query("after", &t.id.0.to_string())),
        next_size: rest.min(PAGE_SIZE),
    }
}
