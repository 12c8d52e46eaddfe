//! 個人情報ファイル簿: the officer's drafts, and what everybody can read.

use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::Authz;
use kenroku_http::{App, Form, Path, Public, Query, Result};
use kenroku_places::{Places, choose};
use kenroku_types::Tenant;
use kenroku_ui::parts::Wrong;
use kenroku_ui::{Link, Page, Phrase};
use serde::Deserialize;
use serde_json::{Value, json};

use super::export::{As, Export};
use super::forms::{facts, fields, get, sent, wrongs};
use super::{Cell, FormView, Section, Table, View, own, staff};
use crate::error::PrivacyError;
use crate::files::{FROM_PERSONS, ITEMS, PersonFileId};
use crate::module::KeepRegisters;
use crate::privacy::Privacy;
use crate::sheet::Sheet;

const HERE: &str = "/staff/privacy/files";

fn export(rows: Vec<(String, String, Sheet)>) -> Export<'static> {
    const HEAD: [&str; 18] = [
        "government",
        "published",
        "name",
        "body",
        "unit",
        "purpose",
        "records",
        "range",
        "collected",
        "special",
        "recipients",
        "desk",
        "procedure",
        "form",
        "persons",
        "proposals",
        "anonymized",
        "notes",
    ];
    let rows = rows.into_iter().map(|(office, at, sheet)| {
        let values = ITEMS.iter().map(|i| json!(sheet.get(i.name).map_or("", String::as_str)));
        Value::Array([json!(office), json!(at)].into_iter().chain(values).collect())
    });
    Export::new("personal-files", &HEAD, rows.collect())
}

/// What all governments have published.
pub(crate) async fn public(_: Public, app: App, page: Page, Query(q): Query<As>) -> Result<Response> {
    let (privacy, places) = (app.get::<Privacy>()?, Places::shared()?);
    let mut published = Vec::new();
    for tenant in privacy.tenants() {
        for (id, at, sheet) in privacy.published_files(*tenant).await? {
            published.push((*tenant, id, at, sheet));
        }
    }
    if let Some(kind) = q.kind() {
        let rows = published.into_iter().map(|(tenant, _, at, sheet)| {
            (choose::government_name(&page, places, tenant).plain(), at.to_string(), sheet)
        });
        return Ok(export(rows.collect()).respond(kind));
    }
    let t = |key: &str| page.t(key).phrase();
    let mut sections: Vec<Section> = published
        .iter()
        .map(|(tenant, id, at, sheet)| {
            let mut all = vec![(t("privacy-ask-office"), choose::government_name(&page, places, *tenant))];
            all.extend(facts(&page, &ITEMS, sheet).into_iter().skip(1));
            all.push((t("privacy-file-published"), super::day(&page, *at)));
            let title = Phrase::text(sheet.get("name").map_or("", String::as_str));
            Section { id: "file", anchor: format!("file-{id}"), title, facts: all, ..Section::default() }
        })
        .collect();
    if sections.is_empty() {
        sections.push(Section { id: "none", text: t("privacy-files-none"), ..Section::default() });
    }
    sections.push(Section {
        id: "export",
        links: vec![
            Link::new(t("privacy-export-csv"), "/personal-files?as=csv"),
            Link::new(t("privacy-export-json"), "/personal-files?as=json"),
            Link::new(t("privacy-purposes"), "/purposes"),
        ],
        ..Section::default()
    });
    let v = View { lead: t("privacy-files-lead"), sections, ..View::default() };
    let title = t("privacy-files-public");
    Ok(own(page, title, v))
}

/// The office's files.
pub(crate) async fn list(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Query(q): Query<As>,
) -> Result<Response> {
    let (privacy, tenant) = (app.get::<Privacy>()?, authz.tenant());
    let rows = privacy.files(tenant).await?;
    let t = |key: &str| page.t(key).phrase();
    let mut cells = Vec::new();
    let mut exported = Vec::new();
    for r in &rows {
        let sheet = r.draft()?;
        let few = sheet.get("persons").and_then(|n| n.parse::<u64>().ok()).is_some_and(|n| n < FROM_PERSONS);
        let state = match (r.ended_at, r.published) {
            (Some(_), _) => t("privacy-file-ended"),
            (None, Some(_)) => t("privacy-file-is-public"),
            (None, None) if few => t("privacy-file-few"),
            (None, None) => t("privacy-file-draft"),
        };
        let name = Phrase::text(sheet.get("name").map_or("", String::as_str));
        cells.push(vec![
            Cell { text: name, href: format!("{HERE}/{}", r.id) },
            state.into(),
            Phrase::text(sheet.get("persons").map_or("", String::as_str)).into(),
            super::day(&page, r.changed_at).into(),
        ]);
        exported.push((tenant.to_string(), r.published.map_or_else(String::new, |n| n.to_string()), sheet));
    }
    if let Some(kind) = q.kind() {
        return Ok(export(exported).respond(kind));
    }
    let head = ["privacy-file-name", "privacy-ask-state", "privacy-file-persons", "privacy-file-changed"];
    let none = if cells.is_empty() { t("privacy-files-none") } else { Phrase::default() };
    let list = Section {
        id: "files",
        title: t("privacy-files"),
        text: none,
        table: (!cells.is_empty()).then(|| Table { head: head.map(t).to_vec(), rows: cells }),
        links: vec![
            Link::new(t("privacy-files-public"), "/personal-files"),
            Link::new(t("privacy-export-csv"), format!("{HERE}?as=csv")),
            Link::new(t("privacy-export-json"), format!("{HERE}?as=json")),
        ],
        ..Section::default()
    };
    let ways = privacy.file_drafts().into_iter().map(|(module, sheet)| {
        let name = sheet.get("name").cloned().unwrap_or_default();
        Link::new(Phrase::text(&name), format!("{HERE}/new?from={module}"))
    });
    let ways = ways.chain([Link::new(t("privacy-file-blank"), format!("{HERE}/new"))]);
    let new = Section {
        id: "new",
        title: t("privacy-file-new"),
        text: t("privacy-file-new-text"),
        links: ways.collect(),
        ..Section::default()
    };
    let v = View { lead: t("privacy-files-staff-lead"), sections: vec![list, new], ..View::default() };
    let title = t("privacy-files");
    staff(page, title, tenant, HERE, v)
}

/// From which module.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct From {
    #[serde(default)]
    from: String,
}

/// A new sheet, filled with what the module declares.
pub(crate) async fn blank(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Query(q): Query<From>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    let known = privacy.file_drafts().into_iter().find(|(m, _)| *m == q.from).map(|(_, s)| s);
    let mut sheet = known.unwrap_or_default();
    let body = choose::government_name(&page, Places::shared()?, authz.tenant()).plain();
    sheet.entry("body".to_owned()).or_insert(body);
    let form = form(&page, format!("{HERE}/new"), &sheet, Vec::new());
    let title = page.t("privacy-file-new").phrase();
    staff(page, title, authz.tenant(), HERE, View { sections: vec![form], ..View::default() })
}

fn form(page: &Page, action: String, sheet: &Sheet, hidden: Vec<(&'static str, String)>) -> Section {
    let fields = fields(page, &ITEMS, sheet);
    let button = page.t("privacy-file-save").phrase();
    let form = FormView { action, hidden, fields, button, primary: true, file: false };
    Section {
        id: "form",
        title: page.t("privacy-file-form-title").phrase(),
        text: page.t("privacy-file-form-text").phrase(),
        form: Some(form),
        ..Section::default()
    }
}

/// The sheet is kept as a draft.
pub(crate) async fn add(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    match privacy.draft_file(&authz.granted, None, &pairs).await {
        Ok(id) => Ok(Redirect::to(&format!("{HERE}/{id}")).into_response()),
        Err(PrivacyError::Input(faults)) => {
            let section = form(&page, format!("{HERE}/new"), &sent(&pairs), Vec::new());
            let wrongs = wrongs(&page, &ITEMS, &faults);
            let title = page.t("privacy-file-new").phrase();
            staff(
                page,
                title,
                authz.tenant(),
                HERE,
                View { wrongs, sections: vec![section], ..View::default() },
            )
        }
        Err(e) => Err(e.into()),
    }
}

/// One sheet with its steps.
pub(crate) async fn one(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Path(id): Path<PersonFileId>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    shown(&privacy, page, authz.tenant(), id, None).await
}

async fn shown(
    privacy: &Privacy,
    page: Page,
    tenant: Tenant,
    id: PersonFileId,
    again: Option<(Sheet, Vec<Wrong>)>,
) -> Result<Response> {
    let row = privacy.file(tenant, id).await?;
    let stored = row.draft()?;
    let (sheet, wrongs) = again.unwrap_or_else(|| (stored.clone(), Vec::new()));
    let t = |key: &str| page.t(key).phrase();
    let action = format!("{HERE}/{id}");
    let mut sections = Vec::new();
    if row.ended_at.is_none() {
        let act = |act: &str| vec![("act", act.to_owned()), ("version", row.version.to_string())];
        let button = |id: &'static str, title: &str, text: &str, primary: bool| Section {
            id,
            title: t(title),
            text: t(text),
            form: Some(FormView {
                action: action.clone(),
                hidden: act(id),
                button: t(title),
                primary,
                ..FormView::default()
            }),
            ..Section::default()
        };
        sections.push(button("publish", "privacy-file-publish", "privacy-file-publish-text", true));
        sections.push(form(&page, action.clone(), &sheet, act("save")));
        sections.push(button("end", "privacy-file-end", "privacy-file-end-text", false));
    } else {
        sections.push(Section { id: "facts", facts: facts(&page, &ITEMS, &sheet), ..Section::default() });
    }
    let notice = match (row.ended_at, row.published) {
        (Some(_), _) => Some(("info", t("privacy-file-ended"), t("privacy-file-ended-text"))),
        (None, Some(_)) => Some(("done", t("privacy-file-is-public"), t("privacy-file-is-public-text"))),
        (None, None) => None,
    };
    let title = Phrase::text(stored.get("name").map_or("", String::as_str));
    staff(page, title, tenant, HERE, View { notice, wrongs, sections, ..View::default() })
}

/// Saves, publishes or ends.
pub(crate) async fn change(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Path(id): Path<PersonFileId>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    let version: i64 = get(&pairs, "version").parse().unwrap_or(0);
    let done = match get(&pairs, "act") {
        "publish" => privacy.publish_file(&authz.granted, id, version, false).await.map(drop),
        "end" => privacy.publish_file(&authz.granted, id, version, true).await.map(drop),
        _ => privacy.draft_file(&authz.granted, Some((id, version)), &pairs).await.map(drop),
    };
    match done {
        Ok(()) => Ok(Redirect::to(&format!("{HERE}/{id}")).into_response()),
        Err(PrivacyError::Input(faults)) => {
            let wrongs = wrongs(&page, &ITEMS, &faults);
            shown(&privacy, page, authz.tenant(), id, Some((sent(&pairs), wrongs))).await
        }
        Err(e) => Err(e.into()),
    }
}
