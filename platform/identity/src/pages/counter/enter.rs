//! Registering somebody without a card, and a child with a guardian.

use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use kenroku_access::{Authz, Granted};
use kenroku_http::{App, Form, RequestInfo, Result};
use kenroku_ui::parts::{Step, Wrong};
use kenroku_ui::{Page, Phrase};

use super::{
    CHILD, Desk, FIND, PERSON, Said, SheetView, address, base, classes, code, did, documents, name_and_birth,
    papers, request, sexes, today, told,
};
use crate::counter::{AtCounter, Did, Entered};
use crate::model::AccountClass;
use crate::pages::{Action, FormView, RowView, day};
use crate::{Identity, ServeCounter};

/// The first page: what there is to do, and what was done last.
pub(in crate::pages) async fn home(by: Authz<ServeCounter>, app: App, page: Page) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let title = page.t("identity-counter").phrase();
    let mut desk = Desk::new(&by.granted, page, title)?;
    desk.lead = desk.t("identity-counter-lead");
    let step = |title, text, href: &str| Step {
        title: desk.t(title),
        text: desk.t(text),
        time: Phrase::default(),
        href: href.to_owned(),
    };
    let steps = vec![
        step("identity-counter-person", "identity-counter-person-text", PERSON),
        step("identity-counter-child", "identity-counter-child-text", CHILD),
        step("identity-counter-find", "identity-counter-find-text", FIND),
    ];
    desk.steps = steps;
    desk.rows_title = desk.t("identity-counter-latest");
    for act in identity.counter_acts(&by.granted).await? {
        let prints = matches!(act.what, Did::Registered | Did::Recovered | Did::Sheet);
        let action = prints.then(|| Action {
            action: "/staff/identity/counter/sheet",
            hidden: vec![("id", act.id.to_string()), ("act", identity.env().uuid().to_string())],
            label: desk.t("identity-counter-print-again"),
        });
        let lines = vec![desk.page.day_time(act.at)];
        desk.rows.push(RowView { title: did(&desk.page, act.what), lines, action });
    }
    desk.notes = vec![desk.t("identity-counter-log-note")];
    Ok(desk.show(StatusCode::OK))
}

/// Whom a form registers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum New {
    /// Somebody without a card.
    Person,
    /// A child, with the guardian who is there.
    Child,
}

/// The form, with what was said before and what is wrong with it.
fn form(
    by: &Granted<ServeCounter>,
    identity: &Identity,
    page: Page,
    new: New,
    said: &Said,
    (status, wrongs): (StatusCode, Vec<Wrong>),
) -> Result<Response> {
    let (action, title, lead) = match new {
        New::Person => (PERSON, "identity-counter-person", "identity-counter-person-lead"),
        New::Child => (CHILD, "identity-counter-child", "identity-counter-child-lead"),
    };
    let title = page.t(title).phrase();
    let mut desk = Desk::new(by, page, title)?;
    (desk.lead, desk.wrongs) = (desk.t(lead), wrongs);
    let page = &desk.page;
    let mut fields = Vec::new();
    if new == New::Child {
        fields.push(code(page, said));
    }
    fields.extend(name_and_birth(page, said));
    fields.push(address(page, said));
    let kind = match new {
        New::Person => classes(page, &said.class),
        New::Child => papers(page, &said.paper),
    };
    let form = FormView {
        action,
        method: "post",
        hidden: vec![("act", identity.env().uuid().to_string())],
        fields,
        checks: vec![sexes(page, &said.sex), kind, documents(page, &said.document)],
        button: desk.t("identity-counter-register-go"),
        primary: true,
        ..FormView::default()
    };
    desk.forms.push((Phrase::default(), Phrase::default(), form));
    desk.notes = vec![desk.t("identity-counter-number-note"), desk.t("identity-counter-log-note")];
    Ok(desk.show(status))
}

/// The form as it is opened.
fn blank(by: &Granted<ServeCounter>, app: &App, page: Page, new: New) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    form(by, &identity, page, new, &Said::default(), (StatusCode::OK, Vec::new()))
}

pub(in crate::pages) async fn person_page(by: Authz<ServeCounter>, app: App, page: Page) -> Result<Response> {
    blank(&by.granted, &app, page, New::Person)
}

pub(in crate::pages) async fn person(
    by: Authz<ServeCounter>,
    app: App,
    page: Page,
    info: RequestInfo,
    parts: Parts,
    Form(said): Form<Said>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let read = said.attributes(&page, today(&identity)?).and_then(|a| Ok((a, said.document(&page)?)));
    let (attributes, document) = match read {
        Ok(read) => read,
        Err(wrongs) => {
            let wrong = (StatusCode::UNPROCESSABLE_ENTITY, wrongs);
            return form(&by.granted, &identity, page, New::Person, &said, wrong);
        }
    };
    let name = attributes.name.text.clone();
    let who = AtCounter { act: said.act()?, attributes, document };
    let class = AccountClass::from_code(&said.class).unwrap_or(AccountClass::NoCard);
    match identity.register_at_counter(&by.granted, who, class, request(&info)).await {
        Ok(entered) => {
            let base = base(&identity, &info, &parts);
            entered_page(&by.granted, page, entered, name, &base)
        }
        Err(e) => {
            let wrong = told(&page, e)?;
            form(&by.granted, &identity, page, New::Person, &said, wrong)
        }
    }
}

/// What was done, with the sheet to print.
fn entered_page(
    by: &Granted<ServeCounter>,
    page: Page,
    entered: Entered,
    name: String,
    base: &str,
) -> Result<Response> {
    let title = page.t("identity-counter-done").phrase();
    let mut desk = Desk::new(by, page, title)?;
    desk.notice = Some(if entered.review {
        ("info", desk.t("identity-counter-review"), desk.t("identity-counter-review-text"))
    } else if entered.sheet.is_some() {
        ("done", desk.t("identity-counter-did-registered"), desk.t("identity-counter-print"))
    } else {
        ("done", desk.t("identity-counter-did-child"), desk.t("identity-counter-child-done"))
    });
    if let Some(until) = entered.until {
        desk.facts = vec![
            (desk.t("identity-name"), Phrase::text(&name)),
            (desk.t("identity-counter-guardian-until"), day(&desk.page, until)),
        ];
    }
    desk.sheet = entered.sheet.map(|s| SheetView::new(&desk.page, &s, name, base));
    Ok(desk.show(StatusCode::OK))
}

pub(in crate::pages) async fn child_page(by: Authz<ServeCounter>, app: App, page: Page) -> Result<Response> {
    blank(&by.granted, &app, page, New::Child)
}

pub(in crate::pages) async fn child(
    by: Authz<ServeCounter>,
    app: App,
    page: Page,
    info: RequestInfo,
    Form(said): Form<Said>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let read = said
        .attributes(&page, today(&identity)?)
        .and_then(|a| Ok((a, said.document(&page)?, said.guarding(&page)?)));
    let (attributes, document, guarding) = match read {
        Ok(read) => read,
        Err(wrongs) => {
            let wrong = (StatusCode::UNPROCESSABLE_ENTITY, wrongs);
            return form(&by.granted, &identity, page, New::Child, &said, wrong);
        }
    };
    let name = attributes.name.text.clone();
    let who = AtCounter { act: said.act()?, attributes, document };
    match identity.register_child(&by.granted, who, &guarding, request(&info)).await {
        Ok(entered) => entered_page(&by.granted, page, entered, name, ""),
        Err(e) => {
            let wrong = told(&page, e)?;
            form(&by.granted, &identity, page, New::Child, &said, wrong)
        }
    }
}
