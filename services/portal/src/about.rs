//! The pages every public site owes its readers. Each is a title and sections of plain paragraphs.

use askama::Template;
use kenroku_http::{App, Public, Routes};
use kenroku_ui::{Html, Link, Page, Phrase};

use crate::Operator;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/about/contact", contact)
        .get("/about/accessibility", accessibility)
        .get("/about/privacy", privacy)
        .get("/about/open-data", open_data)
        .get("/developers", developers)
}

#[derive(Template)]
#[template(path = "about.html")]
struct About {
    page: Page,
    lead: Phrase,
    sections: Vec<Section>,
}

/// A heading with paragraphs, examples to copy, and links.
struct Section {
    heading: Phrase,
    paragraphs: Vec<Phrase>,
    example: String,
    links: Vec<Link>,
}

fn section(page: &Page, heading: &str, paragraphs: &[&str]) -> Section {
    let paragraphs = paragraphs.iter().map(|key| page.t(key).phrase()).collect();
    Section { heading: page.t(heading).phrase(), paragraphs, example: String::new(), links: Vec::new() }
}

fn answer(page: Page, title: &str, lead: &str, sections: Vec<Section>) -> Html<About> {
    let (title, lead) = (page.t(title).phrase(), page.t(lead).phrase());
    let home = page.t("portal-home").phrase();
    Html(About { page: page.crumb(home, "/").title(title), lead, sections })
}

async fn contact(_: Public, app: App, page: Page) -> Html<About> {
    let operator = app.get::<Operator>().map(|o| (*o).clone()).unwrap_or_default();
    let mut who = section(&page, "portal-contact-who", &[]);
    if operator.contact.is_empty() {
        who.paragraphs.push(page.t("portal-contact-unset").phrase());
    } else {
        who.paragraphs.push(Phrase::text(&operator.name));
        who.paragraphs.push(Phrase::text(&operator.contact));
    }
    let tell = section(&page, "portal-contact-tell", &["portal-contact-tell-1", "portal-contact-tell-2"]);
    answer(page, "portal-contact", "portal-contact-lead", vec![who, tell])
}

async fn accessibility(_: Public, page: Page) -> Html<About> {
    let sections = vec![
        section(&page, "portal-a11y-aim", &["portal-a11y-aim-1", "portal-a11y-aim-2"]),
        section(&page, "portal-a11y-how", &["portal-a11y-how-1", "portal-a11y-how-2", "portal-a11y-how-3"]),
        section(&page, "portal-a11y-left", &["portal-a11y-left-1"]),
    ];
    answer(page, "portal-accessibility", "portal-a11y-lead", sections)
}

async fn privacy(_: Public, page: Page) -> Html<About> {
    let sections = vec![
        section(&page, "portal-privacy-now", &["portal-privacy-now-1", "portal-privacy-now-2"]),
        section(&page, "portal-privacy-log", &["portal-privacy-log-1"]),
        section(&page, "portal-privacy-never", &["portal-privacy-never-1"]),
    ];
    answer(page, "portal-privacy", "portal-privacy-lead", sections)
}

async fn open_data(_: Public, page: Page) -> Html<About> {
    let mut roads = section(&page, "portal-open-roads", &["portal-open-roads-1"]);
    roads.links.push(Link::new(Phrase::text("/api/snow/v1/state"), "/api/snow/v1/state"));
    let mut places = section(&page, "portal-open-places", &["portal-open-places-1"]);
    places
        .links
        .push(Link::new(Phrase::text("/api/places/v1/municipalities"), "/api/places/v1/municipalities"));
    let sources = section(&page, "portal-open-sources", &["portal-open-sources-1", "portal-open-sources-2"]);
    answer(page, "portal-open-data", "portal-open-lead", vec![roads, places, sources])
}

async fn developers(_: Public, page: Page) -> Html<About> {
    let mut try_it = section(&page, "portal-dev-try", &["portal-dev-try-1"]);
    try_it.example = "curl 'http://127.0.0.1:8080/api/places/v1/search?q=寺井町'".to_owned();
    let mut device = section(&page, "portal-dev-device", &["portal-dev-device-1", "portal-dev-device-2"]);
    device.example = concat!(
        "curl -X POST http://127.0.0.1:8080/api/snow/v1/positions \\\n",
        "  -H 'Authorization: Bearer DEVICE-KEY' -H 'Content-Type: application/json' \\\n",
        "  -d '[{\"time\":\"2026-01-14T09:30:00+09:00\",\"lat\":36.4512,\"lon\":136.5531,\"speed_kmh\":18,\"work\":true}]'"
    )
    .to_owned();
    let mut reference =
        section(&page, "portal-dev-reference", &["portal-dev-reference-1", "portal-dev-reference-2"]);
    reference.links.push(Link::new(Phrase::text("/openapi.json"), "/openapi.json"));
    let mut id = section(&page, "portal-dev-id", &["portal-dev-id-1"]);
    id.links.push(Link::new(page.t("portal-dev-id-go").phrase(), "/developers/id"));
    answer(page, "portal-developers", "portal-dev-lead", vec![id, try_it, device, reference])
}

#[cfg(test)]
mod tests {
    use kenroku_module::test::TestSite;

    #[tokio::test]
    async fn every_link_of_the_footer_leads_somewhere() {
        let app = TestSite::of([crate::module(), kenroku_staff::module()]).await;
        for (_, href) in crate::FOOTER {
            let a = app.get(href).await;
            assert_eq!(a.status, 200, "{href}");
        }
    }
}
