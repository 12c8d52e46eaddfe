//! `/`: the area first, then its roads, then the services.

use askama::Template;
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use kenroku_contracts::snow_overview::{ClearingState, SnowOverviewPort, SnowSummary};
use kenroku_http::{App, Public, Query, Result, Routes};
use kenroku_module::Cards;
use kenroku_places::{Municipality, Places, choose};
use kenroku_types::MuniCode;
use kenroku_ui::parts::{Choice, Drawing, State, units};
use kenroku_ui::{Html, Page, Phrase};
use serde::Deserialize;

/// Remembers the chosen area on this device for a year.
const COOKIE: &str = "kr-area";

pub(crate) fn routes() -> Routes {
    Routes::new().get("/", home)
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    page: Page,
    /// Why this area is shown.
    now: Phrase,
    area: Phrase,
    areas: Vec<Choice>,
    code: String,
    snow: Option<Snow>,
    /// Roads where those live for whom the visitor may read notices: name, how far, where it is shown.
    others: Vec<(Phrase, Phrase, String)>,
    tiles: Vec<(Phrase, Phrase, &'static str)>,
}

/// The roads of the area in words, a bar and a tally.
struct Snow {
    title: Phrase,
    lead: Phrase,
    as_of: Phrase,
    delay: Phrase,
    simulated: bool,
    bar: Drawing,
    tally: Vec<(State, Phrase, String)>,
}

#[derive(Deserialize)]
struct Chosen {
    area: Option<String>,
}

async fn home(
    _: Public,
    app: App,
    page: Page,
    Query(chosen): Query<Chosen>,
    parts: Parts,
) -> Result<Response> {
    let places = Places::shared()?;
    let asked = chosen.area.as_deref().and_then(|a| known(places, a));
    let remembered = cookie(&parts.headers).and_then(|a| known(places, a));
    let own = kenroku_identity::area(&app, &parts).await?;
    let municipality = asked.or(own).or(remembered).and_then(|code| places.by_code(code));
    let code = municipality.map_or(places.prefecture().code, |m| m.code);

    let area = match municipality {
        Some(m) => choose::place_name(&page, m),
        None => choose::prefecture_name(&page, places),
    };
    let port = app.get::<SnowOverviewPort>().ok();
    let summary = |code| port.as_ref().and_then(|port| port.0.summary(code));
    let snow = summary(code).map(|s| roads(&page, &area, &s));
    let elsewhere = kenroku_identity::areas_of_others(&app, &parts).await?.into_iter();
    let elsewhere = elsewhere.filter(|other| *other != code).filter_map(|other| {
        let (m, s) = (places.by_code(other)?, summary(other)?);
        Some((choose::place_name(&page, m), progress(&page, &s), format!("/snow?area={other}")))
    });
    let others = elsewhere.collect();
    let tiles = app.get::<Cards>().map(|t| t.0.clone()).unwrap_or_default();
    let tiles = tiles.iter().map(|t| (page.t(t.title).phrase(), page.t(t.about).phrase(), t.href)).collect();
    let areas = areas(&page, places, municipality);
    let now = if own.is_some() && own == municipality.map(|m| m.code) {
        page.t("portal-area-own").phrase()
    } else {
        page.t("portal-area-now").phrase()
    };
    let page = page.title(area.clone());
    let mut response =
        Html(Home { page, now, area, areas, code: code.code5(), snow, others, tiles }).into_response();
    if let Some(code) = asked
        && let Ok(cookie) = HeaderValue::from_str(&format!(
            "{COOKIE}={code}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly"
        ))
    {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// A code of this prefecture or one of its municipalities; anything else is as if nothing had been chosen.
fn known(places: &Places, text: &str) -> Option<MuniCode> {
    let code: MuniCode = text.parse().ok()?;
    (code == places.prefecture().code || places.by_code(code).is_some()).then_some(code)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(axum::http::header::COOKIE).into_iter().filter_map(|v| v.to_str().ok());
    all.flat_map(|v| v.split(';')).find_map(|c| c.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// The prefecture and its municipalities.
fn areas(page: &Page, places: &Places, chosen: Option<&Municipality>) -> Vec<Choice> {
    let whole = places.prefecture().code.code5();
    let mut list = choose::areas(page, places, chosen);
    list.insert(0, Choice::new(whole, page.t("portal-area-all"), chosen.is_none()));
    list
}

fn count(s: &SnowSummary, state: ClearingState) -> usize {
    s.counts.iter().find(|(k, _)| *k == state).map_or(0, |(_, n)| *n)
}

/// How far the clearing is, in a sentence.
fn progress(page: &Page, s: &SnowSummary) -> Phrase {
    let done = count(s, ClearingState::Done);
    let targets: usize = s.counts.iter().filter(|(k, _)| *k != ClearingState::Out).map(|(_, n)| n).sum();
    if s.on_duty {
        page.t("portal-snow-lead").with("all", page.number(targets)).with("done", page.number(done)).phrase()
    } else {
        page.t("portal-snow-rest").phrase()
    }
}

fn roads(page: &Page, area: &Phrase, s: &SnowSummary) -> Snow {
    let of = |state| count(s, state);
    let shown = [
        (ClearingState::Done, State::Done, "portal-state-done"),
        (ClearingState::Doing, State::Doing, "portal-state-doing"),
        (ClearingState::Part, State::Part, "portal-state-part"),
        (ClearingState::Todo, State::Todo, "portal-state-todo"),
        (ClearingState::Unknown, State::Unknown, "portal-state-unknown"),
    ];
    let tally: Vec<_> =
        shown.iter().map(|(k, state, key)| (*state, page.t(key).phrase(), page.number(of(*k)))).collect();
    let words: Vec<String> = tally.iter().map(|(_, word, n)| format!("{} {n}", word.plain())).collect();
    let counts: Vec<_> = shown.iter().map(|(k, state, _)| (*state, of(*k))).collect();
    // In the words of the page about the roads.
    let delay = match s.delay.as_secs() {
        n if n < 120 => page.t("portal-snow-delay-seconds").with("n", n.to_string()),
        n => page.t("portal-snow-delay-minutes").with("n", (n / 60).to_string()),
    };
    Snow {
        title: page.t("portal-snow-title").with("area", area).phrase(),
        lead: progress(page, s),
        as_of: page.time(s.as_of),
        delay: delay.phrase(),
        simulated: s.simulated,
        bar: units(&counts, &words.join(" ")),
        tally,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenroku_contracts::snow_overview::SnowOverview;
    use kenroku_http::AppBuilder;
    use kenroku_http::test::NOW;
    use kenroku_module::HookFuture;
    use kenroku_module::test::TestSite;
    use std::sync::Arc;
    use std::time::Duration;

    struct Fixed;
    impl SnowOverview for Fixed {
        fn summary(&self, area: MuniCode) -> Option<SnowSummary> {
            (area.number() == 17211).then(|| SnowSummary {
                counts: vec![(ClearingState::Done, 5), (ClearingState::Todo, 6), (ClearingState::Out, 3)],
                as_of: NOW,
                delay: Duration::from_secs(600),
                on_duty: true,
                simulated: true,
            })
        }
    }

    async fn app(with_snow: bool) -> TestSite {
        let with: fn(&mut AppBuilder) -> HookFuture<'_, ()> = |b| {
            b.put(SnowOverviewPort(Arc::new(Fixed)));
            Box::pin(async { Ok(()) })
        };
        let portal = crate::module();
        TestSite::of([if with_snow { portal.start(with) } else { portal }]).await
    }

    #[tokio::test]
    async fn the_chosen_area_leads_and_is_remembered() {
        let a = app(true).await.get("/?area=17211").await;
        assert_eq!(a.status, 200);
        let cookie = a.headers.get(SET_COOKIE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        assert!(cookie.starts_with("kr-area=17211;"), "{cookie}");
        assert!(a.text().contains("能美市") && a.text().contains("kr-units"), "{}", a.text());
    }

    #[tokio::test]
    async fn nonsense_and_foreign_codes_are_the_whole_prefecture() {
        for q in ["/?area=x", "/?area=13101", "/", "/?area=%00"] {
            let a = app(true).await.get(q).await;
            assert_eq!(a.status, 200, "{q}");
            assert!(a.headers.get(SET_COOKIE).is_none(), "{q}");
            assert!(a.text().contains("石川県"));
        }
    }

    #[tokio::test]
    async fn without_a_snow_service_the_page_stands() {
        let a = app(false).await.get("/?area=17211").await;
        assert_eq!(a.status, 200);
        assert!(!a.text().contains("kr-units"));
    }
}
