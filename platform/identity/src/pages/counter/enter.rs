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

/// The form for somebody without a card, with what was said before and what is wrong with it.
fn person_form(
    by: &Granted<ServeCounter>,
    identity: &Identity,
    page: Page,
    said: &Said,
    wrongs: Vec<Wrong>,
    status: StatusCode,
) -> Result<Response> {
    let title = page.t("identity-counter-person").phrase();
    let mut desk = Desk::new(by, page, title)?;
    desk.lead = desk.t("identity-counter-person-lead");
    desk.wrongs = wrongs;
    let mut fields = name_and_birth(&desk.page, said);
    fields.push(address(&desk.page, said));
    let form = FormView {
        action: PERSON,
        method: "post",
        hidden: vec![("act", identity.env().uuid().to_string())],
        fields,
        checks: vec![
            sexes(&desk.page, &said.sex),
            classes(&desk.page, &said.class),
            documents(&desk.page, &said.document),
        ],
        button: desk.t("identity-counter-register-go"),
        primary: true,
        ..FormView::default()
    };
    desk.forms.push((Phrase::default(), Phrase::default(), form));
    desk.notes = vec![desk.t("identity-counter-number-note"), desk.t("identity-counter-log-note")];
    Ok(desk.show(status))
}

pub(in crate::pages) async fn person_page(by: Authz<ServeCounter>, app: App, page: Page) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    person_form(&by.granted, &identity, page, &Said::default(), Vec::new(), StatusCode::OK)
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
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return person_form(&by.granted, &identity, page, &said, wrongs, status);
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
            let (status, wrongs) = told(&page, e)?;
            person_form(&by.granted, &identity, page, &said, wrongs, status)
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

fn child_form(
    by: &Granted<ServeCounter>,
    identity: &Identity,
    page: Page,
    said: &Said,
    wrongs: Vec<Wrong>,
    status: StatusCode,
) -> Result<Response> {
    let title = page.t("identity-counter-child").phrase();
    let mut desk = Desk::new(by, page, title)?;
    desk.lead = desk.t("identity-counter-child-lead");
    desk.wrongs = wrongs;
    let mut fields = vec![code(&desk.page, said)];
    fields.extend(name_and_birth(&desk.page, said));
    fields.push(address(&desk.page, said));
    let form = FormView {
        action: CHILD,
        method: "post",
        hidden: vec![("act", identity.env().uuid().to_string())],
        fields,
        checks: vec![
            sexes(&desk.page, &said.sex),
            papers(&desk.page, &said.paper),
            documents(&desk.page, &said.document),
        ],
        button: desk.t("identity-counter-register-go"),
        primary: true,
        ..FormView::default()
    };
    desk.forms.push((Phrase::default(), Phrase::default(), form));
    desk.notes = vec![desk.t("identity-counter-number-note"), desk.t("identity-counter-log-note")];
    Ok(desk.show(status))
}

pub(in crate::pages) async fn child_page(by: Authz<ServeCounter>, app: App, page: Page) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    child_form(&by.granted, &identity, page, &Said::default(), Vec::new(), StatusCode::OK)
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
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return child_form(&by.granted, &identity, page, &said, wrongs, status);
        }
    };
    let name = attributes.name.text.clone();
    let who = AtCounter { act: said.act()?, attributes, document };
    match identity.register_child(&by.granted, who, &guarding, request(&info)).await {
        Ok(entered) => entered_page(&by.granted, page, entered, name, ""),
        Err(e) => {
            let (status, wrongs) = told(&page, e)?;
            child_form(&by.granted, &identity, page, &said, wrongs, status)
        }
    }
}
