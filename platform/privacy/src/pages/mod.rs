//! The pages. All of them are one shape, [`View`]: sections with facts, a list, a table, a form.

pub(crate) mod ask;
pub(crate) mod breaches;
pub(crate) mod counts;
pub(crate) mod export;
pub(crate) mod files;
pub(crate) mod forms;
pub(crate) mod leave;
pub(crate) mod purposes;
pub(crate) mod received;
pub(crate) mod releases;
pub(crate) mod requests;
pub(crate) mod retention;

use askama::Template;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use kenroku_access::{Actor, Authz, Permission, SignIn};
use kenroku_places::{Places, choose};
use kenroku_types::ids::SubjectId;
use kenroku_types::{JapaneseDate, Problem, Tenant, Timestamp};
use kenroku_ui::parts::{Choice, Wrong};
use kenroku_ui::{Console, Html, Link, Locale, Page, Phrase};
use kenroku_vault::leave::Said;

use crate::book::{self, Entry};

/// What a page shows; what is empty is left out.
#[derive(Default)]
pub(crate) struct View {
    pub lead: Phrase,
    pub notice: Option<(&'static str, Phrase, Phrase)>,
    pub wrongs: Vec<Wrong>,
    pub sections: Vec<Section>,
}

/// One section, in the order of the template.
#[derive(Default)]
pub(crate) struct Section {
    /// Its anchor, unique on the page.
    pub id: &'static str,
    /// The anchor where there are many of a kind.
    pub anchor: String,
    pub title: Phrase,
    pub text: Phrase,
    pub facts: Vec<(Phrase, Phrase)>,
    pub list: Vec<Phrase>,
    pub table: Option<Table>,
    pub form: Option<FormView>,
    pub links: Vec<Link>,
}

impl Section {
    /// The anchor that counts.
    pub(crate) fn anchor(&self) -> &str {
        if self.anchor.is_empty() { self.id } else { &self.anchor }
    }
}

/// A table that stacks on small screens; the first cell of a row is its name.
pub(crate) struct Table {
    pub head: Vec<Phrase>,
    pub rows: Vec<Vec<Cell>>,
}

/// One cell.
#[derive(Default)]
pub(crate) struct Cell {
    pub text: Phrase,
    pub href: String,
}

impl<P: Into<Phrase>> From<P> for Cell {
    fn from(p: P) -> Self {
        Cell { text: p.into(), href: String::new() }
    }
}

impl Table {
    /// Cells with the heads that stand before them on small screens.
    pub(crate) fn cells<'a>(&'a self, row: &'a [Cell]) -> impl Iterator<Item = (&'a Cell, String, bool)> {
        row.iter().zip(&self.head).enumerate().map(|(i, (c, h))| (c, h.plain(), i == 0))
    }
}

/// A form that posts.
#[derive(Default)]
pub(crate) struct FormView {
    pub action: String,
    pub hidden: Vec<(&'static str, String)>,
    pub fields: Vec<Field>,
    pub button: Phrase,
    pub primary: bool,
    /// Whether it carries a file.
    pub file: bool,
}

/// What a field is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Is {
    Line,
    Area,
    Select,
    Checks,
    Radio,
}

/// One field; its id is its name unless a page has several forms.
pub(crate) struct Field {
    pub is: Is,
    pub id: String,
    pub name: String,
    pub label: Phrase,
    pub value: String,
    pub hint: Phrase,
    pub choices: Vec<Choice>,
    pub required: bool,
    pub kind: &'static str,
}

impl Field {
    pub(crate) fn new(is: Is, name: impl Into<String>, label: Phrase) -> Self {
        let name = name.into();
        Field {
            is,
            id: name.clone(),
            name,
            label,
            value: String::new(),
            hint: Phrase::default(),
            choices: Vec::new(),
            required: false,
            kind: "text",
        }
    }

    /// What can be chosen, for the template.
    pub(crate) fn options(&self) -> &[Choice] {
        &self.choices
    }

    pub(crate) fn choices(mut self, choices: Vec<Choice>) -> Self {
        self.choices = choices;
        self
    }
}

impl Field {
    /// What the template matches on.
    pub(crate) fn shape(&self) -> &'static str {
        match self.is {
            Is::Line => "line",
            Is::Area => "area",
            Is::Select => "select",
            Is::Checks => "checkbox",
            Is::Radio => "radio",
        }
    }
}

#[derive(Template)]
#[template(path = "privacy-own.html")]
struct Own {
    page: Page,
    v: View,
}

/// A page for residents.
pub(crate) fn own(page: Page, title: Phrase, v: View) -> Response {
    let page = page.title(title);
    let mut response = Html(Own { page, v }).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[derive(Template)]
#[template(path = "privacy-staff.html")]
struct Desk {
    page: Page,
    v: View,
}

/// A page of the data officer's desk; `at` is its line in the menu.
pub(crate) fn staff(
    page: Page,
    title: Phrase,
    tenant: Tenant,
    at: &str,
    v: View,
) -> kenroku_http::Result<Response> {
    let link = |key: &str, href: &str| Link::new(page.t(key), href).current(href == at);
    let menu = vec![
        page.staff_home(),
        link("privacy-requests", "/staff/privacy"),
        link("privacy-breaches", "/staff/privacy/breaches"),
        link("privacy-files", "/staff/privacy/files"),
        link("privacy-purposes", "/staff/privacy/purposes"),
        link("privacy-received", "/staff/privacy/received"),
        link("privacy-retention", "/staff/privacy/retention"),
        link("privacy-releases", "/staff/privacy/releases"),
    ];
    let console = Console {
        name: page.t("privacy-desk").phrase(),
        place: choose::government_name(&page, Places::shared()?, tenant),
        leave: Some(page.sign_out()),
        menu,
        ..Console::default()
    };
    let page = page.title(title).console(console);
    Ok(Html(Desk { page, v }).into_response())
}

/// The person whose page it is, and how they signed in.
pub(crate) fn me<P: Permission>(authz: &Authz<P>) -> Result<(SubjectId, SignIn), Problem> {
    match authz.actor() {
        Actor::Resident { subject, sign_in } => Ok((*subject, *sign_in)),
        _ => Err(Problem::not_found()),
    }
}

/// A text that is given in the three languages.
pub(crate) fn said(page: &Page, [ja, yasashii, en]: Said) -> Phrase {
    match page.locale {
        Locale::Ja => Phrase::text(ja),
        Locale::Yasashii => Phrase::markup(page.locale, yasashii),
        Locale::En => Phrase::text(en),
    }
}

/// A day with its year.
pub(crate) fn day(page: &Page, t: Timestamp) -> Phrase {
    JapaneseDate::of(t).map_or_else(|_| page.day_time(t), |date| page.date(date))
}

/// Whether a book holds, as a notice.
pub(crate) fn checked(page: &Page, entries: &[Entry]) -> (&'static str, Phrase, Phrase) {
    match book::verify(entries) {
        Ok(()) => {
            let title = page.t("privacy-book-holds").with("n", entries.len()).phrase();
            ("done", title, page.t("privacy-book-holds-text").phrase())
        }
        Err(b) => {
            let title = page.t("privacy-book-broken").with("n", b.number).phrase();
            ("error", title, page.t("privacy-book-broken-text").phrase())
        }
    }
}
