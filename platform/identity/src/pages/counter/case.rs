//! Finding somebody who is registered, and what a counter does for them.

use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use kenroku_access::{Authz, Granted};
use kenroku_http::{App, Form, RequestInfo, Result};
use kenroku_types::Problem;
use kenroku_ui::parts::{Choice, Wrong};
use kenroku_ui::{Page, Phrase};

use super::{
    Desk, FIND, Said, SheetView, address, base, classes, code, documents, name_and_birth, papers, request,
    sexes, today, told,
};
use crate::counter::{AtCounter, Candidate};
use crate::model::{AccountClass, Attributes, Birth, CounterActId, DelegationId, PersonState, ProofMethod};
use crate::pages::{Action, FormView, RowView, class_name, day};
use crate::sheet::Sheet;
use crate::{Identity, ServeCounter};

fn find_form(
    by: &Granted<ServeCounter>,
    page: Page,
    said: &Said,
    wrongs: Vec<Wrong>,
    status: StatusCode,
) -> Result<Response> {
    let title = page.t("identity-counter-find").phrase();
    let mut desk = Desk::new(by, page, title)?;
    desk.lead = desk.t("identity-counter-find-lead");
    desk.wrongs = wrongs;
    let form = FormView {
        action: FIND,
        method: "post",
        fields: name_and_birth(&desk.page, said),
        checks: vec![sexes(&desk.page, &said.sex)],
        button: desk.t("identity-counter-find-go"),
        primary: true,
        ..FormView::default()
    };
    desk.forms.push((Phrase::default(), Phrase::default(), form));
    desk.notes = vec![desk.t("identity-counter-log-note")];
    Ok(desk.show(status))
}

pub(in crate::pages) async fn find_page(by: Authz<ServeCounter>, page: Page) -> Result<Response> {
    find_form(&by.granted, page, &Said::default(), Vec::new(), StatusCode::OK)
}

pub(in crate::pages) async fn find(
    by: Authz<ServeCounter>,
    app: App,
    page: Page,
    info: RequestInfo,
    Form(said): Form<Said>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let asked = match said.search(&page, today(&identity)?) {
        Ok(asked) => asked,
        Err(wrongs) => {
            return find_form(&by.granted, page, &said, wrongs, StatusCode::UNPROCESSABLE_ENTITY);
        }
    };
    let mut found = identity.find_at_counter(&by.granted, &asked, request(&info)).await?;
    if found.len() == 1
        && let Some(only) = found.pop()
    {
        return case_page(&by.granted, &identity, page, &only, &Said::default(), Vec::new(), StatusCode::OK);
    }
    if found.is_empty() {
        let none =
            Wrong { field: "id-name".to_owned(), text: page.t("identity-counter-found-none").phrase() };
        return find_form(&by.granted, page, &said, vec![none], StatusCode::OK);
    }
    let title = page.t("identity-counter-found").phrase();
    let mut desk = Desk::new(&by.granted, page, title)?;
    desk.lead = desk.t("identity-counter-found-lead");
    for c in &found {
        let lines = facts(&desk.page, c).into_iter().map(|(_, value)| value).collect();
        let action = Action {
            action: "/staff/identity/counter/open",
            hidden: vec![("person", c.row.id.to_string())],
            label: desk.t("identity-counter-open"),
        };
        let title = c.opened.as_ref().map(|o| Phrase::text(&o.attributes.name.text)).unwrap_or_default();
        desk.rows.push(RowView { title, lines, action: Some(action) });
    }
    Ok(desk.show(StatusCode::OK))
}

pub(in crate::pages) async fn open(
    by: Authz<ServeCounter>,
    app: App,
    page: Page,
    info: RequestInfo,
    Form(said): Form<Said>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let person = said.person()?;
    let found = identity.candidate(&by.granted, person, request(&info)).await?;
    let c = found.ok_or_else(Problem::not_found)?;
    case_page(&by.granted, &identity, page, &c, &Said::default(), Vec::new(), StatusCode::OK)
}

fn facts(page: &Page, c: &Candidate) -> Vec<(Phrase, Phrase)> {
    let t = |key: &str| page.t(key).phrase();
    let mut out = Vec::new();
    if let Some(o) = &c.opened {
        out.push((t("identity-name"), Phrase::text(&o.attributes.name.text)));
        if let Some(b) = o.attributes.birth {
            let said = b.date().map_or_else(|| Phrase::text(&b.to_string()), |d| page.date(d));
            out.push((t("identity-birth"), said));
        }
        if let Some(a) = &o.attributes.address {
            out.push((t("identity-address"), Phrase::text(&a.text)));
        }
        let how = match o.provenance.method {
            ProofMethod::Jpki => t("identity-proof-jpki"),
            ProofMethod::Counter => t("identity-proof-counter"),
            ProofMethod::Guardian => t("identity-proof-guardian"),
        };
        out.push((t("identity-proof"), how));
    }
    let class = match c.row.class {
        AccountClass::Child => t("identity-counter-is-child"),
        AccountClass::NoCard => t("identity-counter-is-no-card"),
        other => class_name(page, other),
    };
    out.push((t("identity-counter-kind"), class));
    let state = match c.row.state {
        PersonState::Active => t("identity-counter-state-active"),
        PersonState::Moved => t("identity-moved"),
        PersonState::Review => t("identity-counter-review"),
        PersonState::Closed => t("identity-counter-state-closed"),
    };
    out.push((t("identity-counter-state"), state));
    out
}

/// One person, what is registered, and what the counter can do.
fn case_page(
    by: &Granted<ServeCounter>,
    identity: &Identity,
    page: Page,
    c: &Candidate,
    said: &Said,
    wrongs: Vec<Wrong>,
    status: StatusCode,
) -> Result<Response> {
    let title = page.t("identity-counter-case").phrase();
    let mut desk = Desk::new(by, page, title)?;
    desk.lead = desk.t("identity-counter-case-lead");
    desk.wrongs = wrongs;
    desk.facts = facts(&desk.page, c);
    let hidden = || vec![("act", identity.env().uuid().to_string()), ("person", c.row.id.to_string())];
    desk.rows_title =
        if c.guardians.is_empty() { Phrase::default() } else { desk.t("identity-counter-guardians") };
    for (d, name) in &c.guardians {
        let mut of = hidden();
        of.push(("id", d.id.to_string()));
        let label = desk.t("identity-counter-guardian-end");
        let until = desk.page.t("identity-acts-until").with("time", day(&desk.page, d.until)).phrase();
        desk.rows.push(RowView {
            title: Phrase::text(name.as_deref().unwrap_or("—")),
            lines: vec![Phrase::text(&d.basis), until],
            action: Some(Action { action: "/staff/identity/counter/guardian/end", hidden: of, label }),
        });
    }
    let open = matches!(c.row.state, PersonState::Active | PersonState::Moved);
    let is_child = c.row.class == AccountClass::Child;
    let has_card = c.opened.as_ref().is_some_and(|o| o.provenance.method == ProofMethod::Jpki);
    let page = &desk.page;
    let t = |key: &str| page.t(key).phrase();
    let mut forms = Vec::new();
    if open && !is_child {
        let form = FormView {
            action: "/staff/identity/counter/recover",
            method: "post",
            id: "recover",
            hidden: hidden(),
            checks: vec![
                documents(page, &said.document),
                (
                    t("identity-counter-recover-what"),
                    "ends",
                    vec![
                        Choice::new("yes", page.t("identity-counter-ends-yes"), said.ends == "yes"),
                        Choice::new("no", page.t("identity-counter-ends-no"), said.ends == "no"),
                    ],
                    "radio",
                ),
                (
                    t("identity-counter-seen"),
                    "seen",
                    vec![Choice::new("yes", page.t("identity-counter-seen-yes"), false)],
                    "checkbox",
                ),
            ],
            button: t("identity-counter-recover-go"),
            primary: true,
            ..FormView::default()
        };
        forms.push((t("identity-counter-recover"), t("identity-counter-recover-text"), form));
    }
    if open && !has_card {
        let form = FormView {
            action: "/staff/identity/counter/move",
            method: "post",
            id: "move",
            hidden: hidden(),
            fields: vec![address(page, said)],
            checks: vec![classes(page, &said.class), documents(page, &said.document)],
            button: t("identity-counter-move-go"),
            ..FormView::default()
        };
        forms.push((t("identity-counter-move"), t("identity-counter-move-text"), form));
    }
    if open {
        let form = FormView {
            action: "/staff/identity/counter/guardian",
            method: "post",
            id: "guardian",
            hidden: hidden(),
            fields: vec![code(page, said)],
            checks: vec![papers(page, &said.paper)],
            button: t("identity-counter-guardian-go"),
            ..FormView::default()
        };
        let text =
            if is_child { "identity-counter-guardian-child" } else { "identity-counter-guardian-adult" };
        forms.push((t("identity-counter-guardian"), t(text), form));
    }
    let notes = vec![t("identity-counter-log-note")];
    (desk.forms, desk.notes) = (forms, notes);
    Ok(desk.show(status))
}

/// The case again, with what is wrong.
async fn again(
    by: &Granted<ServeCounter>,
    identity: &Identity,
    page: Page,
    info: &RequestInfo,
    said: &Said,
    wrong: (StatusCode, Vec<Wrong>),
) -> Result<Response> {
    let found = identity.candidate(by, said.person()?, request(info)).await?;
    let c = found.ok_or_else(Problem::not_found)?;
    case_page(by, identity, page, &c, said, wrong.1, wrong.0)
}

pub(in crate::pages) async fn recover(
    by: Authz<ServeCounter>,
    app: App,
    page: Page,
    info: RequestInfo,
    parts: Parts,
    Form(said): Form<Said>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let asked = |key: &'static str| vec![Wrong { field: "main".to_owned(), text: page.t(key).phrase() }];
    let read = said.document(&page).and_then(|d| match (said.ends.as_str(), said.seen.as_str()) {
        (ends @ ("yes" | "no"), "yes") => Ok((d, ends == "yes")),
        ("yes" | "no", _) => Err(asked("identity-counter-seen-wrong")),
        _ => Err(asked("identity-counter-ends-wrong")),
    });
    let (document, ends) = match read {
        Ok(read) => read,
        Err(wrongs) => {
            let wrong = (StatusCode::UNPROCESSABLE_ENTITY, wrongs);
            return again(&by.granted, &identity, page, &info, &said, wrong).await;
        }
    };
    match identity.recover(&by.granted, said.act()?, said.person()?, document, ends).await {
        Ok(sheet) => {
            let base = base(&identity, &info, &parts);
            sheet_page(&by.granted, page, &sheet, &base, "identity-counter-did-recovered")
        }
        Err(e) => {
            let wrong = told(&page, e)?;
            again(&by.granted, &identity, page, &info, &said, wrong).await
        }
    }
}

/// The sheet alone: nothing is opened again for it, so it bears no name.
fn sheet_page(
    by: &Granted<ServeCounter>,
    page: Page,
    sheet: &Sheet,
    base: &str,
    what: &'static str,
) -> Result<Response> {
    let title = page.t("identity-counter-done").phrase();
    let mut desk = Desk::new(by, page, title)?;
    desk.notice = Some(("done", desk.t(what), desk.t("identity-counter-print")));
    desk.sheet = Some(SheetView::new(&desk.page, sheet, String::new(), base));
    Ok(desk.show(StatusCode::OK))
}

pub(in crate::pages) async fn sheet(
    by: Authz<ServeCounter>,
    app: App,
    page: Page,
    info: RequestInfo,
    parts: Parts,
    Form(said): Form<Said>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let of: CounterActId = said.id.parse().map_err(|_| Problem::not_found())?;
    match identity.sheet_again(&by.granted, said.act()?, of).await {
        Ok(sheet) => {
            let base = base(&identity, &info, &parts);
            sheet_page(&by.granted, page, &sheet, &base, "identity-counter-did-sheet")
        }
        Err(e) => {
            let (status, wrongs) = told(&page, e)?;
            let title = page.t("identity-counter").phrase();
            let mut desk = Desk::new(&by.granted, page, title)?;
            desk.wrongs = wrongs;
            Ok(desk.show(status))
        }
    }
}

pub(in crate::pages) async fn moved(
    by: Authz<ServeCounter>,
    app: App,
    page: Page,
    info: RequestInfo,
    Form(said): Form<Said>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let found = identity.candidate(&by.granted, said.person()?, request(&info)).await?;
    let c = found.ok_or_else(Problem::not_found)?;
    let known = c.opened.as_ref().map(|o| o.attributes.clone()).ok_or_else(Problem::not_found)?;
    // Only the address is new; a checked text with a known name and birth shows whether it can be one.
    let birth = known.birth.and_then(Birth::date).map(|d| d.to_string()).unwrap_or_default();
    let full = Said { name: known.name.text.clone(), birth, sex: "unknown".to_owned(), ..said.clone() };
    let read = full.attributes(&page, today(&identity)?).and_then(|a| Ok((a.address, said.document(&page)?)));
    let (address, document) = match read {
        Ok(read) => read,
        Err(wrongs) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return case_page(&by.granted, &identity, page, &c, &said, wrongs, status);
        }
    };
    let who = AtCounter { act: said.act()?, attributes: Attributes { address, ..known }, document };
    let class = AccountClass::from_code(&said.class).unwrap_or(AccountClass::NoCard);
    match identity.moved_at_counter(&by.granted, c.row.id, who, class).await {
        Ok(()) => done_page(&by.granted, &identity, page, &info, &said, "identity-counter-did-moved").await,
        Err(e) => {
            let (status, wrongs) = told(&page, e)?;
            case_page(&by.granted, &identity, page, &c, &said, wrongs, status)
        }
    }
}

/// The case after something was changed.
async fn done_page(
    by: &Granted<ServeCounter>,
    identity: &Identity,
    page: Page,
    info: &RequestInfo,
    said: &Said,
    what: &'static str,
) -> Result<Response> {
    let found = identity.candidate(by, said.person()?, request(info)).await?;
    let c = found.ok_or_else(Problem::not_found)?;
    let title = page.t("identity-counter-done").phrase();
    let mut desk = Desk::new(by, page, title)?;
    desk.notice = Some(("done", desk.t(what), desk.t("identity-counter-done-text")));
    desk.facts = facts(&desk.page, &c);
    for (d, name) in &c.guardians {
        let until = desk.page.t("identity-acts-until").with("time", day(&desk.page, d.until)).phrase();
        let title = Phrase::text(name.as_deref().unwrap_or("—"));
        desk.rows.push(RowView { title, lines: vec![Phrase::text(&d.basis), until], action: None });
    }
    desk.rows_title =
        if desk.rows.is_empty() { Phrase::default() } else { desk.t("identity-counter-guardians") };
    Ok(desk.show(StatusCode::OK))
}

pub(in crate::pages) async fn guardian(
    by: Authz<ServeCounter>,
    app: App,
    page: Page,
    info: RequestInfo,
    Form(said): Form<Said>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let found = identity.candidate(&by.granted, said.person()?, request(&info)).await?;
    let c = found.ok_or_else(Problem::not_found)?;
    let guarding = match said.guarding(&page) {
        Ok(guarding) => guarding,
        Err(wrongs) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return case_page(&by.granted, &identity, page, &c, &said, wrongs, status);
        }
    };
    match identity.enter_guardian(&by.granted, said.act()?, &c, &guarding).await {
        Ok(_) => done_page(&by.granted, &identity, page, &info, &said, "identity-counter-did-guardian").await,
        Err(e) => {
            let (status, wrongs) = told(&page, e)?;
            case_page(&by.granted, &identity, page, &c, &said, wrongs, status)
        }
    }
}

pub(in crate::pages) async fn end_guardian(
    by: Authz<ServeCounter>,
    app: App,
    page: Page,
    info: RequestInfo,
    Form(said): Form<Said>,
) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let id: DelegationId = said.id.parse().map_err(|_| Problem::not_found())?;
    match identity.end_guardian(&by.granted, said.act()?, said.person()?, id).await {
        Ok(()) => {
            done_page(&by.granted, &identity, page, &info, &said, "identity-counter-did-guardian-ended").await
        }
        Err(e) => {
            let wrong = told(&page, e)?;
            again(&by.granted, &identity, page, &info, &said, wrong).await
        }
    }
}
