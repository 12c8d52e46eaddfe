//! 漏えい等: the workbook with its deadlines, and the drill.

use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::Authz;
use kenroku_http::{App, Form, Path, Query, Result};
use kenroku_types::{JapaneseDate, Tenant};
use kenroku_ui::parts::{Choice, Wrong};
use kenroku_ui::{Link, Page, Phrase};
use serde::Deserialize;
use serde_json::json;

use super::export::{As, Export};
use super::forms::{facts, fields, get, sent, wrongs};
use super::requests::nearness;
use super::{Cell, Field, FormView, Is, Section, Table, View, staff};
use crate::breach::{BreachId, BreachRow, Class, Did, Entered, ITEMS};
use crate::error::PrivacyError;
use crate::module::KeepRegisters;
use crate::privacy::Privacy;
use crate::sheet::Sheet;

const HERE: &str = "/staff/privacy/breaches";

fn class_word(page: &Page, c: Class) -> Phrase {
    match c {
        Class::SpecialCare => page.t("privacy-breach-special-care"),
        Class::Property => page.t("privacy-breach-property"),
        Class::Malicious => page.t("privacy-breach-malicious"),
        Class::Many => page.t("privacy-breach-many"),
        Class::Ordinance => page.t("privacy-breach-ordinance"),
    }
    .phrase()
}

fn did_word(page: &Page, d: Did) -> Phrase {
    match d {
        Did::First => page.t("privacy-did-first"),
        Did::Full => page.t("privacy-did-full"),
        Did::Told => page.t("privacy-did-told"),
        Did::Public => page.t("privacy-did-public"),
        Did::Note => page.t("privacy-did-note"),
        Did::End => page.t("privacy-did-end"),
    }
    .phrase()
}

fn name(page: &Page, r: &BreachRow, sheet: &Sheet) -> Phrase {
    let title = Phrase::text(sheet.get("title").map_or("", String::as_str));
    if r.drill { page.t("privacy-breach-drill-name").with("name", title).phrase() } else { title }
}

/// The workbook.
pub(crate) async fn list(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Query(q): Query<As>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    let (today, rows) = (privacy.today()?, privacy.breaches(authz.tenant()).await?);
    if let Some(kind) = q.kind() {
        let head = [
            "id", "drill", "title", "known_on", "classes", "people", "first_by", "first_on", "full_by",
            "full_on", "told_on", "ended_on",
        ];
        let date = |d: Option<JapaneseDate>| d.map_or_else(String::new, |d| d.to_string());
        let mut out = Vec::new();
        for r in &rows {
            let (sheet, due) = (r.facts()?, r.due());
            let value = |name: &str| sheet.get(name).cloned().unwrap_or_default();
            let classes: Vec<&str> = r.classes().into_iter().map(Class::code).collect();
            out.push(json!([
                r.id,
                r.drill,
                value("title"),
                r.known_on.to_string(),
                classes.join(" "),
                value("people"),
                due.first_by.to_string(),
                date(r.first_on),
                due.full_by.to_string(),
                date(r.full_on),
                date(r.told_on),
                date(r.ended_on)
            ]));
        }
        return Ok(Export::new("breaches", &head, out).respond(kind));
    }
    let t = |key: &str| page.t(key).phrase();
    let mut cells = Vec::new();
    for r in &rows {
        let sheet = r.facts()?;
        let (what, by, left) = match (r.next(), r.ended_on) {
            (Some((did, by)), _) => (did_word(&page, did), page.date(by), nearness(&page, today, by)),
            (None, Some(_)) => (t("privacy-did-end"), Phrase::text("–"), Phrase::text("–")),
            (None, None) => (t("privacy-breach-no-report"), Phrase::text("–"), Phrase::text("–")),
        };
        cells.push(vec![
            Cell { text: name(&page, r, &sheet), href: format!("{HERE}/{}", r.id) },
            page.date(r.known_on).into(),
            what.into(),
            by.into(),
            left.into(),
        ]);
    }
    let head = [
        "privacy-breach-name",
        "privacy-breach-known",
        "privacy-breach-next",
        "privacy-breach-by",
        "privacy-requests-left",
    ];
    let none = if cells.is_empty() { t("privacy-breaches-none") } else { Phrase::default() };
    let section = Section {
        id: "list",
        title: t("privacy-breaches"),
        text: none,
        table: (!cells.is_empty()).then(|| Table { head: head.map(t).to_vec(), rows: cells }),
        links: vec![
            Link::new(t("privacy-breach-new"), format!("{HERE}/new")),
            Link::new(t("privacy-export-csv"), format!("{HERE}?as=csv")),
            Link::new(t("privacy-export-json"), format!("{HERE}?as=json")),
        ],
        ..Section::default()
    };
    let v = View { lead: t("privacy-breaches-lead"), sections: vec![section], ..View::default() };
    let title = t("privacy-breaches");
    staff(page, title, authz.tenant(), HERE, v)
}

/// A new one.
pub(crate) async fn blank(authz: Authz<KeepRegisters>, app: App, page: Page) -> Result<Response> {
    let today = app.get::<Privacy>()?.today()?.to_string();
    let sheet: Sheet = [("known_on".to_owned(), today)].into();
    entry(page, authz.tenant(), &sheet, &[], Vec::new())
}

fn boxes(page: &Page, ticked: &[Class]) -> Field {
    let classes = Class::ALL.iter().map(|c| Choice::new(c.code(), class_word(page, *c), ticked.contains(c)));
    Field::new(Is::Checks, "class", page.t("privacy-breach-classes").phrase()).choices(classes.collect())
}

fn entry(
    page: Page,
    tenant: Tenant,
    sheet: &Sheet,
    ticked: &[Class],
    wrongs: Vec<Wrong>,
) -> Result<Response> {
    let t = |key: &str| page.t(key).phrase();
    let known = Field {
        kind: "date",
        required: true,
        hint: t("privacy-breach-known-hint"),
        value: sheet.get("known_on").cloned().unwrap_or_default(),
        ..Field::new(Is::Line, "known_on", t("privacy-breach-known"))
    };
    let drill = Choice::new("yes", t("privacy-breach-drill"), sheet.contains_key("drill"));
    let mut all =
        vec![Field::new(Is::Checks, "drill", t("privacy-breach-drill-label")).choices(vec![drill]), known];
    all.extend(fields(&page, &ITEMS, sheet));
    all.push(boxes(&page, ticked));
    let form = FormView {
        action: format!("{HERE}/new"),
        fields: all,
        button: t("privacy-breach-enter"),
        primary: true,
        ..FormView::default()
    };
    let sections = vec![Section { id: "form", form: Some(form), ..Section::default() }];
    let v = View { lead: t("privacy-breach-new-lead"), wrongs, sections, ..View::default() };
    let title = t("privacy-breach-new");
    staff(page, title, tenant, HERE, v)
}

fn entered(pairs: Vec<(String, String)>) -> Option<Entered> {
    let classes =
        pairs.iter().filter(|(n, _)| n == "class").filter_map(|(_, v)| Class::from_code(v)).collect();
    let known_on = get(&pairs, "known_on").parse().ok()?;
    Some(Entered { drill: !get(&pairs, "drill").is_empty(), known_on, classes, pairs })
}

/// Enters it.
pub(crate) async fn add(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    let sheet = sent(&pairs);
    let Some(e) = entered(pairs) else {
        let wrongs = wrongs(&page, &ITEMS, &[("known_on", String::new())]);
        return entry(page, authz.tenant(), &sheet, &[], wrongs);
    };
    match privacy.enter_breach(&authz.granted, &e).await {
        Ok(id) => Ok(Redirect::to(&format!("{HERE}/{id}")).into_response()),
        Err(PrivacyError::Input(faults)) => {
            let wrongs = wrongs(&page, &ITEMS, &faults);
            entry(page, authz.tenant(), &sheet, &e.classes, wrongs)
        }
        Err(other) => Err(other.into()),
    }
}

/// What came back from a step.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Came {
    #[serde(default)]
    not: String,
}

/// One breach: deadlines, what was done, the form.
pub(crate) async fn one(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Path(id): Path<BreachId>,
    Query(came): Query<Came>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    let not = match came.not.as_str() {
        "" => None,
        "text" => Some("privacy-not-text"),
        "input" => Some("privacy-breach-not-input"),
        _ => Some("privacy-breach-not-end"),
    };
    let (row, today) = (privacy.breach(authz.tenant(), id).await?, privacy.today()?);
    let (sheet, due) = (row.facts()?, row.due());
    let t = |key: &str| page.t(key).phrase();
    let done = |on: Option<JapaneseDate>| on.map_or(Phrase::text("–"), |d| page.date(d));
    let span = |from: JapaneseDate, to: JapaneseDate| {
        page.t("privacy-breach-span").with("from", page.date(from)).with("to", page.date(to)).phrase()
    };
    let mut sections = Vec::new();
    let classes = row.classes();
    let clocks = match classes.is_empty() {
        true => Section { id: "due", text: t("privacy-breach-no-report-text"), ..Section::default() },
        false => Section {
            id: "due",
            title: t("privacy-breach-clocks"),
            facts: vec![
                (t("privacy-breach-known"), page.date(row.known_on)),
                (t("privacy-breach-first-by"), span(due.first_from, due.first_by)),
                (t("privacy-did-first"), done(row.first_on)),
                (t("privacy-breach-full-by"), page.date(due.full_by)),
                (t("privacy-did-full"), done(row.full_on)),
                (t("privacy-did-told"), done(row.told_on)),
            ],
            list: classes.iter().map(|c| class_word(&page, *c)).collect(),
            ..Section::default()
        },
    };
    sections.push(clocks);
    let steps = privacy.breach_steps(authz.tenant(), id).await?;
    if !steps.is_empty() {
        let rows = steps.iter().map(|s| {
            let (kind, at) = (did_word(&page, s.kind), page.day_time(s.at));
            vec![Cell::from(kind), at.into(), Phrase::text(&s.text).into()]
        });
        let head = ["privacy-breach-did", "privacy-breach-at", "privacy-breach-words"].map(t).to_vec();
        sections.push(Section {
            id: "steps",
            title: t("privacy-breach-steps"),
            table: Some(Table { head, rows: rows.collect() }),
            ..Section::default()
        });
    }
    if row.ended_on.is_none() {
        let action = format!("{HERE}/{id}");
        let act = |what: &str| vec![("act", what.to_owned()), ("version", row.version.to_string())];
        let dids = Did::ALL.iter().map(|d| Choice::new(d.code(), did_word(&page, *d), false)).collect();
        let words = Field { required: true, ..Field::new(Is::Area, "text", t("privacy-breach-words")) };
        let step = FormView {
            action: action.clone(),
            hidden: act("did"),
            fields: vec![Field::new(Is::Select, "did", t("privacy-breach-did")).choices(dids), words],
            button: t("privacy-breach-do"),
            primary: true,
            file: false,
        };
        sections.push(Section {
            id: "do",
            title: t("privacy-breach-do"),
            text: t("privacy-breach-do-text"),
            form: Some(step),
            ..Section::default()
        });
        let mut all = fields(&page, &ITEMS, &sheet);
        all.push(boxes(&page, &classes));
        let mut hidden = act("rewrite");
        hidden.push(("known_on", row.known_on.to_string()));
        let button = t("privacy-file-save");
        let form = FormView { action, hidden, fields: all, button, primary: false, file: false };
        sections.push(Section {
            id: "form",
            title: t("privacy-breach-facts"),
            text: t("privacy-breach-facts-text"),
            form: Some(form),
            ..Section::default()
        });
    } else {
        let title = t("privacy-breach-facts");
        sections.push(Section {
            id: "facts",
            title,
            facts: facts(&page, &ITEMS, &sheet),
            ..Section::default()
        });
    }
    let notice = match (not, row.next()) {
        (Some(key), _) => Some(("error", t("privacy-not"), t(key))),
        (None, Some((did, by))) => {
            let text =
                page.t("privacy-breach-waits").with("what", did_word(&page, did)).with("by", page.date(by));
            Some(("info", text.phrase(), nearness(&page, today, by)))
        }
        (None, None) => None,
    };
    let title = name(&page, &row, &sheet);
    staff(page, title, authz.tenant(), HERE, View { notice, sections, ..View::default() })
}

/// Something was done, or more is known.
pub(crate) async fn change(
    authz: Authz<KeepRegisters>,
    app: App,
    Path(id): Path<BreachId>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Redirect> {
    let privacy = app.get::<Privacy>()?;
    let here = format!("{HERE}/{id}");
    let version: i64 = get(&pairs, "version").parse().unwrap_or(0);
    let done = match (get(&pairs, "act"), Did::from_code(get(&pairs, "did"))) {
        ("did", Some(did)) => privacy.do_breach(&authz.granted, id, version, did, get(&pairs, "text")).await,
        _ => match entered(pairs) {
            Some(e) => privacy.rewrite_breach(&authz.granted, id, version, &e).await,
            None => Err(PrivacyError::Input(Vec::new())),
        },
    };
    match done {
        Ok(()) => Ok(Redirect::to(&here)),
        Err(PrivacyError::Refused(code)) => Ok(Redirect::to(&format!("{here}?not={code}"))),
        Err(PrivacyError::Input(_)) => Ok(Redirect::to(&format!("{here}?not=input"))),
        Err(e) => Err(e.into()),
    }
}
