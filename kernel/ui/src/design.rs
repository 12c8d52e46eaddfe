//! `/design`: every component in every state, in three languages. The binary mounts [`routes`]; the browser
//! tests begin here, so a component that breaks at 320 px or in forced colours is found before a page uses it.

use askama::Template;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kenroku_types::{JapaneseDate, Problem, Timestamp};
use serde_json::json;

use crate::chart::{Area, Areas, Bar, Bars, Both, Lines, Series};
use crate::parts::{self, Age, Choice, Drawing, State, Step, Wrong};
use crate::{Console, Emergency, Html, Link, Page, Phrase, error};

/// The component page, the staff layout, an error page and the state file of the sample map; all public.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/design", get(async |page: Page| components(&page)))
        .route("/design/console", get(async |page: Page| console(&page)))
        .route("/design/error", get(async |page: Page| broken(page)))
        .route("/design/state.json", get(async || state_file()))
}

/// 2026-01-14 10:20 in Japan: the page shows the same whenever it is looked at.
const AT: Timestamp = Timestamp::from_secs(1_768_353_600);

#[derive(Template)]
#[template(path = "kr/design.html")]
struct Design {
    page: Page,
    at: Timestamp,
    date: Phrase,
    states: Vec<(State, Phrase)>,
    ages: Vec<(Age, Phrase)>,
    units: Drawing,
    qr: Option<Drawing>,
    counts: [usize; 6],
    rows: Vec<Row>,
    towns: Vec<Choice>,
    yes_no: Vec<Choice>,
    ticks: Vec<Choice>,
    wrongs: Vec<Wrong>,
    tabs: Vec<Link>,
    levels: Vec<Phrase>,
    steps: Vec<Step>,
    bars: Bars,
    lines: Lines,
    areas: Areas,
}

/// One row of the sample list.
struct Row {
    number: usize,
    name: Phrase,
    state: State,
    word: Phrase,
    time: Option<Timestamp>,
}

fn town(page: &Page, name: &str, reading: &str) -> Phrase {
    page.named(name, reading)
}

fn states(page: &Page) -> Vec<(State, Phrase)> {
    let word = |s: State| match s {
        State::Done => page.t("ui-design-done").phrase(),
        State::Doing => page.t("ui-design-doing").phrase(),
        State::Part => page.t("ui-design-part").phrase(),
        State::Todo => page.t("ui-design-todo").phrase(),
        State::Unknown => page.t("ui-design-unknown").phrase(),
        State::Out => page.t("ui-design-out").phrase(),
    };
    State::ALL.map(|s| (s, word(s))).into()
}

fn ages(page: &Page) -> Vec<(Age, Phrase)> {
    let word = |a: Age| match a {
        Age::H1 => page.t("ui-design-age-h1").phrase(),
        Age::H3 => page.t("ui-design-age-h3").phrase(),
        Age::H6 => page.t("ui-design-age-h6").phrase(),
        Age::H12 => page.t("ui-design-age-h12").phrase(),
        Age::H24 => page.t("ui-design-age-h24").phrase(),
        Age::Older => page.t("ui-design-age-older").phrase(),
        Age::Never => page.t("ui-design-age-never").phrase(),
    };
    Age::ALL.map(|a| (a, word(a))).into()
}

/// The component page.
fn components(page: &Page) -> Response {
    let t = |key: &'static str| page.t(key).phrase();
    let notice = Emergency {
        title: t("ui-design-emergency"),
        text: t("ui-design-emergency-text"),
        link: Some(Link::new(t("ui-design-emergency-link"), "#state")),
        issued: page.t("ui-design-issued").with("time", page.day_time(AT)).phrase(),
    };
    let places = [
        town(page, "北町", "きたまち"),
        town(page, "東町", "ひがしまち"),
        town(page, "南町", "みなみまち"),
        town(page, "西町", "にしまち"),
    ];
    let states = states(page);
    let rows = states.iter().enumerate().map(|(i, (state, word))| Row {
        number: i + 1,
        name: places[i % places.len()].clone(),
        state: *state,
        word: word.clone(),
        time: (*state != State::Unknown).then_some(AT),
    });
    let counts = [5, 2, 2, 1, 1, 0];
    let shares: Vec<(State, usize)> = State::ALL.into_iter().zip(counts).collect();
    let (north, south) = (t("ui-design-north"), t("ui-design-south"));
    let step = |title: &'static str, text: &'static str, n: u32| Step {
        title: t(title),
        text: t(text),
        time: page.t("ui-design-seconds").with("n", n).phrase(),
        href: "#ladder".to_owned(),
    };
    let hours = |h: u8| page.t("ui-design-hour").with("n", h).phrase();
    let bars = Bars {
        id: "bars".to_owned(),
        title: t("ui-design-bars"),
        category: t("ui-design-hours"),
        measure: t("ui-design-length"),
        unit: "km".to_owned(),
        bars: [Some(6.2), Some(11.8), Some(14.6), Some(12.4), None, Some(3.5)]
            .into_iter()
            .zip(4u8..)
            .map(|(value, h)| Bar { label: hours(h), value, partial: h == 9 })
            .collect(),
        note: page.t("ui-design-bars-note").with("time", page.time(AT)).phrase(),
    };
    let lines = Lines {
        id: "lines".to_owned(),
        title: t("ui-design-lines"),
        category: t("ui-design-hours"),
        points: (0u8..12).map(hours).collect(),
        unit: "cm".to_owned(),
        series: places
            .iter()
            .take(3)
            .zip(0u8..)
            .map(|(name, k)| Series {
                name: name.clone(),
                values: (0u8..12)
                    .map(|h| (k != 1 || h != 5).then(|| f64::from(h) * f64::from(4 - k) * 0.9 + 5.0))
                    .collect(),
            })
            .collect(),
        note: Phrase::default(),
    };
    let squares = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)];
    let areas = Areas {
        id: "areas".to_owned(),
        title: t("ui-design-areas"),
        category: t("ui-design-place"),
        measure: t("ui-design-depth"),
        unit: "cm".to_owned(),
        size: (320, 220),
        areas: squares
            .into_iter()
            .zip([Some(4.0), Some(12.0), Some(23.0), Some(31.0), Some(42.0), None])
            .zip(places.iter().cycle())
            .map(|(((x, y), value), name)| Area {
                name: name.clone(),
                path: format!("M{} {}h96l8 50-8 50h-96l8-50z", x * 100 + 6, y * 106 + 6),
                value,
            })
            .collect(),
        note: t("ui-design-areas-note"),
    };
    let built = Design {
        at: AT,
        date: JapaneseDate::of(AT).map(|d| page.date(d)).unwrap_or_default(),
        units: parts::units(&shares, &page.t("ui-design-units").plain()),
        qr: crate::qr::code("https://portal.example.jp/", &page.t("ui-design-qr").plain()),
        counts,
        rows: rows.collect(),
        towns: vec![
            Choice::new("1", places[0].clone(), false).under(&north),
            Choice::new("2", places[1].clone(), true).under(&north),
            Choice::new("3", places[2].clone(), false).under(&south),
        ],
        yes_no: vec![
            Choice::new("yes", t("ui-design-yes"), false),
            Choice::new("no", t("ui-design-no"), false),
        ],
        ticks: vec![
            Choice::new("a", places[0].clone(), true),
            Choice::new("b", places[1].clone(), false),
            Choice::new("c", places[3].clone(), false),
        ],
        wrongs: vec![
            Wrong { field: "f-wrong".to_owned(), text: t("ui-design-field-wrong") },
            Wrong { field: "f-select".to_owned(), text: t("ui-design-select-wrong") },
        ],
        tabs: vec![
            Link::new(t("ui-design-tab-state"), "#tabs").current(true),
            Link::new(t("ui-design-tab-age"), "#tabs"),
        ],
        levels: ["ui-design-level-0", "ui-design-level-1", "ui-design-level-2", "ui-design-level-3"]
            .into_iter()
            .map(t)
            .collect(),
        steps: vec![
            step("ui-design-step-1", "ui-design-step-1-text", 20),
            step("ui-design-step-2", "ui-design-step-2-text", 5),
        ],
        states,
        ages: ages(page),
        bars,
        lines,
        areas,
        page: page
            .clone()
            .title(t("ui-design"))
            .crumb(t("ui-error-home"), "/")
            .simulated(true)
            .emergency(Some(notice))
            .signed_in(true),
    };
    Html(built).into_response()
}

#[derive(Template)]
#[template(path = "kr/design-console.html")]
struct Staff {
    page: Page,
    rows: Vec<Row>,
    bars: Bars,
}

/// The layout of staff pages.
fn console(page: &Page) -> Response {
    let t = |key: &'static str| page.t(key).phrase();
    let rows = states(page).into_iter().enumerate().map(|(i, (state, word))| Row {
        number: 101 + i,
        name: town(page, "東町", "ひがしまち"),
        state,
        word,
        time: (state != State::Unknown).then_some(AT),
    });
    let bars = Bars {
        id: "bars".to_owned(),
        title: t("ui-design-bars"),
        category: t("ui-design-hours"),
        measure: t("ui-design-length"),
        unit: "km".to_owned(),
        bars: (0u8..24)
            .map(|h| Bar {
                label: page.t("ui-design-hour").with("n", h).phrase(),
                value: Some(f64::from(h % 7) * 120.5),
                partial: h == 23,
            })
            .collect(),
        note: Phrase::default(),
    };
    let frame = Console {
        name: t("ui-design-tool"),
        place: t("ui-design-north"),
        who: t("ui-design-role"),
        leave: Some(Link::new(t("ui-design-leave"), "/design")),
        menu: vec![
            Link::new(t("ui-design-tab-state"), "/design/console").current(true),
            Link::new(t("ui-design"), "/design"),
        ],
    };
    let framed = page.clone().title(t("ui-design-staff")).simulated(true).console(frame);
    Html(Staff { rows: rows.collect(), bars, page: framed }).into_response()
}

/// An error page.
fn broken(page: Page) -> Response {
    error::page(
        &Problem::unavailable("the sample service is asleep").field("/lat", "range", "latitude is −90…90"),
        page,
    )
}

/// A state file as `<kr-map>` reads it.
fn state_file() -> Response {
    let states =
        json!({ "done": [1, 7], "doing": [2], "part": [3], "todo": [4], "unknown": [5], "out": [6] });
    let ages = json!({ "h1": [1, 2], "h3": [7], "h6": [3], "h12": [8], "h24": [9], "older": [10] });
    let file = json!({ "at": AT.to_string(), "text": "10:20", "states": states, "ages": ages });
    ([(CONTENT_TYPE, "application/json")], file.to_string()).into_response()
}
