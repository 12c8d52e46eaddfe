//! `/staff/identity/counter`: registering people without a card and children, and helping those who lost everything.
//!
//! Nothing that identifies anybody stands in an address: what a clerk enters or opens travels in the body of a form.

use askama::Template;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kenroku_access::Granted;
use kenroku_http::{RequestInfo, Result};
use kenroku_places::{Places, choose};
use kenroku_types::ids::RequestId;
use kenroku_types::{JapaneseDate, Problem};
use kenroku_ui::parts::{Choice, Drawing, Step, Wrong};
use kenroku_ui::{Console, Html, Link, Page, Phrase};
use serde::Deserialize;

use super::{FieldView, FormView, RowView, day, site};
use crate::counter::{Did, Document, Guarding, Paper};
use crate::error::IdentityError;
use crate::model::{AccountClass, Attributes, Birth, CounterActId, PersonId, Sex, Written};
use crate::sheet::{Sheet, grouped};
use crate::{Identity, ServeCounter};

mod case;
mod enter;

pub(super) use case::{end_guardian, find, find_page, guardian, moved, open, recover, sheet};
pub(super) use enter::{child, child_page, home, person, person_page};

const HOME: &str = "/staff/identity/counter";
const PERSON: &str = "/staff/identity/counter/person";
const CHILD: &str = "/staff/identity/counter/child";
const FIND: &str = "/staff/identity/counter/find";

/// A sheet with its words.
pub(super) struct SheetView {
    pub name: String,
    pub address: String,
    pub user: String,
    pub code: String,
    pub until: Phrase,
    /// Page and user name; never the code, which would then stand in the browser's history.
    pub qr: Option<Drawing>,
}

impl SheetView {
    /// The sheet as it is printed; `base` is the address of this site.
    pub(super) fn new(page: &Page, s: &Sheet, name: String, base: &str) -> Self {
        let address = format!("{base}/id/start");
        let (until, user) = (day(page, s.until), grouped(&s.user));
        let qr =
            kenroku_ui::qr::code(&format!("{address}?user={user}"), &page.t("identity-sheet-qr").plain());
        SheetView { name, address, user, code: grouped(&s.code), until, qr }
    }
}

/// The address of this site as people type it.
pub(super) fn base(identity: &Identity, info: &RequestInfo, parts: &Parts) -> String {
    match site(identity, info, parts) {
        Some(s) => s.origin,
        None => {
            let host = parts.headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or_default();
            format!("{}://{host}", if info.https { "https" } else { "http" })
        }
    }
}

#[derive(Template)]
#[template(path = "id-counter.html")]
pub(super) struct Desk {
    page: Page,
    pub lead: Phrase,
    pub notice: Option<(&'static str, Phrase, Phrase)>,
    pub wrongs: Vec<Wrong>,
    sheet: Option<SheetView>,
    steps: Vec<Step>,
    pub facts: Vec<(Phrase, Phrase)>,
    pub rows_title: Phrase,
    pub rows: Vec<RowView>,
    pub forms: Vec<(Phrase, Phrase, FormView)>,
    pub notes: Vec<Phrase>,
}

impl Desk {
    fn new(by: &Granted<ServeCounter>, page: Page, title: Phrase) -> Result<Desk> {
        let place = choose::government_name(&page, Places::shared().map_err(Problem::from)?, by.tenant());
        let link = |key: &'static str, href: &'static str| Link::new(page.t(key), href);
        let console = Console {
            name: page.t("identity-counter").phrase(),
            place,
            who: page.t("identity-counter-clerk").phrase(),
            leave: Some(page.sign_out()),
            menu: vec![
                link("identity-counter-home", HOME),
                link("identity-counter-person", PERSON),
                link("identity-counter-child", CHILD),
                link("identity-counter-find", FIND),
                page.staff_home(),
            ],
        };
        Ok(Desk::bare(page, title, console))
    }

    /// A page of the same form for other staff.
    pub(super) fn bare(page: Page, title: Phrase, console: Console) -> Desk {
        Desk {
            page: page.title(title).console(console),
            lead: Phrase::default(),
            notice: None,
            wrongs: Vec::new(),
            sheet: None,
            steps: Vec::new(),
            facts: Vec::new(),
            rows_title: Phrase::default(),
            rows: Vec::new(),
            forms: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn t(&self, key: &'static str) -> Phrase {
        self.page.t(key).phrase()
    }

    /// Codes and people stand on these pages: no copy stays behind on the counter's computer.
    pub(super) fn show(self, status: StatusCode) -> Response {
        let mut response = Html(self).into_response();
        *response.status_mut() = status;
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Everything that a form of the counter can say.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Said {
    act: String,
    person: String,
    id: String,
    name: String,
    birth: String,
    sex: String,
    address: String,
    class: String,
    document: String,
    code: String,
    paper: String,
    ends: String,
    seen: String,
}

impl Said {
    fn act(&self) -> Result<CounterActId> {
        Ok(self.act.parse().map_err(|_| Problem::bad_request("Open the form again."))?)
    }

    fn person(&self) -> Result<PersonId> {
        Ok(self.person.parse().map_err(|_| Problem::bad_request("Look for the person again."))?)
    }

    /// What the papers say, or every field that cannot be understood.
    fn attributes(&self, page: &Page, today: JapaneseDate) -> std::result::Result<Attributes, Vec<Wrong>> {
        let mut wrongs = Vec::new();
        let mut wrong = |field: &str, key: &'static str| {
            wrongs.push(Wrong { field: field.to_owned(), text: page.t(key).phrase() });
        };
        let name = self.name.split_whitespace().collect::<Vec<_>>().join("\u{3000}");
        if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            wrong("id-name", "identity-counter-name-wrong");
        }
        let birth = self.birth.parse::<JapaneseDate>().ok().filter(|b| *b <= today);
        if birth.is_none() {
            wrong("id-birth", "identity-counter-birth-wrong");
        }
        let sex = match self.sex.as_str() {
            "male" => Some(Sex::Male),
            "female" => Some(Sex::Female),
            "unknown" => Some(Sex::Unknown),
            _ => None,
        };
        if sex.is_none() {
            wrong("main", "identity-counter-sex-wrong");
        }
        let address: String = self.address.split_whitespace().collect();
        let head: String = address.chars().take(4).collect();
        if !(6..=200).contains(&address.chars().count()) || !head.contains(['都', '道', '府', '県']) {
            wrong("id-address", "identity-counter-address-wrong");
        }
        if wrongs.is_empty() {
            let (birth, address) = (birth.map(Birth::of), Some(Written::plain(address)));
            Ok(Attributes { name: Written::plain(name), birth, sex, address })
        } else {
            Err(wrongs)
        }
    }

    /// The same without the address: for looking somebody up.
    fn search(&self, page: &Page, today: JapaneseDate) -> std::result::Result<Attributes, Vec<Wrong>> {
        Said { address: "石川県石川県".to_owned(), ..self.clone() }.attributes(page, today)
    }

    fn document(&self, page: &Page) -> std::result::Result<Document, Vec<Wrong>> {
        let none =
            || Wrong { field: "main".to_owned(), text: page.t("identity-counter-document-wrong").phrase() };
        Document::from_code(&self.document).ok_or_else(|| vec![none()])
    }

    fn guarding(&self, page: &Page) -> std::result::Result<Guarding, Vec<Wrong>> {
        let none =
            || Wrong { field: "main".to_owned(), text: page.t("identity-counter-paper-wrong").phrase() };
        let paper = Paper::from_code(&self.paper).ok_or_else(|| vec![none()])?;
        Ok(Guarding { code: self.code.clone(), paper })
    }
}

/// The request, for the vault's log.
fn request(info: &RequestInfo) -> Option<RequestId> {
    info.id.parse().ok()
}

fn today(identity: &Identity) -> Result<JapaneseDate> {
    Ok(JapaneseDate::of(identity.env().now()).map_err(|_| Problem::internal())?)
}

/// What is wrong in the clerk's words; other errors are passed on.
fn told(page: &Page, e: IdentityError) -> Result<(StatusCode, Vec<Wrong>)> {
    let (status, field, key) = match &e {
        IdentityError::Stale => (StatusCode::CONFLICT, "main", "identity-counter-twice"),
        IdentityError::Over => (StatusCode::GONE, "main", "identity-counter-late"),
        IdentityError::Duplicate => (StatusCode::CONFLICT, "main", "identity-counter-other-person"),
        IdentityError::Input(_, code, _) => {
            let (field, key) = match *code {
                "identity.counter-class" => ("main", "identity-counter-class-wrong"),
                "identity.counter-code" => ("id-code", "identity-counter-code-wrong"),
                "identity.counter-guardian" => ("id-code", "identity-counter-guardian-wrong"),
                "identity.counter-birth" => ("id-birth", "identity-counter-birth-wrong"),
                "identity.counter-grown" => ("id-birth", "identity-counter-grown"),
                "identity.counter-child-sheet" => ("main", "identity-counter-child-sheet"),
                "identity.counter-closed" => ("main", "identity-counter-closed"),
                "identity.counter-has-card" => ("main", "identity-counter-has-card"),
                "identity.counter-paper" => ("main", "identity-counter-court"),
                _ => return Err(e.into()),
            };
            (StatusCode::UNPROCESSABLE_ENTITY, field, key)
        }
        _ => return Err(e.into()),
    };
    Ok((status, vec![Wrong { field: field.to_owned(), text: page.t(key).phrase() }]))
}

fn did(page: &Page, what: Did) -> Phrase {
    match what {
        Did::Registered => page.t("identity-counter-did-registered"),
        Did::Child => page.t("identity-counter-did-child"),
        Did::Moved => page.t("identity-counter-did-moved"),
        Did::Recovered => page.t("identity-counter-did-recovered"),
        Did::Guardian => page.t("identity-counter-did-guardian"),
        Did::GuardianEnded => page.t("identity-counter-did-guardian-ended"),
        Did::Sheet => page.t("identity-counter-did-sheet"),
    }
    .phrase()
}

fn documents(page: &Page, chosen: &str) -> (Phrase, &'static str, Vec<Choice>, &'static str) {
    let choices = Document::ALL.iter().map(|d| {
        let label = match d {
            Document::DrivingLicence => page.t("identity-counter-driving-licence"),
            Document::DrivingHistory => page.t("identity-counter-driving-history"),
            Document::MyNumberCard => page.t("identity-counter-my-number-card"),
            Document::Passport => page.t("identity-counter-passport"),
            Document::ResidenceCard => page.t("identity-counter-residence-card"),
            Document::Disability => page.t("identity-counter-disability"),
            Document::TwoPapers => page.t("identity-counter-two-papers"),
        };
        Choice::new(d.code(), label, d.code() == chosen)
    });
    (page.t("identity-counter-document").phrase(), "document", choices.collect(), "radio")
}

fn papers(page: &Page, chosen: &str) -> (Phrase, &'static str, Vec<Choice>, &'static str) {
    let choices = Paper::ALL.iter().map(|p| {
        let label = match p {
            Paper::MaternalHandbook => page.t("identity-counter-maternal"),
            Paper::ResidentRecord => page.t("identity-counter-resident-record"),
            Paper::FamilyRegister => page.t("identity-counter-family-register"),
            Paper::CourtRecord => page.t("identity-counter-court-record"),
        };
        Choice::new(p.code(), label, p.code() == chosen)
    });
    (page.t("identity-counter-paper").phrase(), "paper", choices.collect(), "radio")
}

fn sexes(page: &Page, chosen: &str) -> (Phrase, &'static str, Vec<Choice>, &'static str) {
    let choice = |value: &'static str, key: &'static str| Choice::new(value, page.t(key), value == chosen);
    let all = vec![
        choice("male", "identity-sex-male"),
        choice("female", "identity-sex-female"),
        choice("unknown", "identity-sex-unknown"),
    ];
    (page.t("identity-sex").phrase(), "sex", all, "radio")
}

fn classes(page: &Page, chosen: &str) -> (Phrase, &'static str, Vec<Choice>, &'static str) {
    let choice = |c: AccountClass, key: &'static str| Choice::new(c.code(), page.t(key), c.code() == chosen);
    let all = vec![
        choice(AccountClass::NoCard, "identity-counter-class-here"),
        choice(AccountClass::Homecoming, "identity-counter-class-homecoming"),
        choice(AccountClass::Worker, "identity-counter-class-worker"),
    ];
    (page.t("identity-counter-class").phrase(), "class", all, "radio")
}

fn name_and_birth(page: &Page, said: &Said) -> Vec<FieldView> {
    let mut name = FieldView::new("id-name", "name", page.t("identity-name").phrase());
    (name.value, name.hint) = (said.name.clone(), page.t("identity-counter-name-hint").phrase());
    let mut birth = FieldView::new("id-birth", "birth", page.t("identity-birth").phrase());
    (birth.value, birth.hint) = (said.birth.clone(), page.t("identity-counter-birth-hint").phrase());
    vec![name, birth]
}

fn address(page: &Page, said: &Said) -> FieldView {
    let mut address = FieldView::new("id-address", "address", page.t("identity-address").phrase());
    (address.value, address.hint) = (said.address.clone(), page.t("identity-counter-address-hint").phrase());
    address
}

fn code(page: &Page, said: &Said) -> FieldView {
    let mut code = FieldView::new("id-code", "code", page.t("identity-counter-code").phrase());
    (code.value, code.hint) = (said.code.clone(), page.t("identity-counter-code-hint").phrase());
    code
}
