//! 第三者提供を受ける際の確認・記録: what came from others, and until when the record is kept.

use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::Authz;
use kenroku_http::{App, Form, Query, Result};
use kenroku_types::{JapaneseDate, Tenant};
use kenroku_ui::parts::{Choice, Wrong};
use kenroku_ui::{Link, Page, Phrase};
use serde_json::json;

use super::export::{As, Export};
use super::forms::{fields, get, sent, wrongs};
use super::{Cell, Field, FormView, Is, Section, Table, View, staff};
use crate::error::PrivacyError;
use crate::module::KeepRegisters;
use crate::privacy::Privacy;
use crate::received::{ITEMS, Made, ReceivedId};
use crate::sheet::Sheet;

const HERE: &str = "/staff/privacy/received";

fn made_word(page: &Page, m: Made) -> Phrase {
    match m {
        Made::Each => page.t("privacy-made-each"),
        Made::Bulk => page.t("privacy-made-bulk"),
        Made::Contract => page.t("privacy-made-contract"),
    }
    .phrase()
}

/// The records.
pub(crate) async fn list(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Query(q): Query<As>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    if let Some(kind) = q.kind() {
        let head = [
            "id",
            "made",
            "received_on",
            "last_on",
            "keep_until",
            "provider",
            "address",
            "acquired",
            "persons",
            "items",
            "consent",
        ];
        let mut out = Vec::new();
        for r in privacy.received(authz.tenant()).await? {
            let sheet = r.facts()?;
            let mut row = vec![
                json!(r.id),
                json!(r.kind.code()),
                json!(r.received_on.to_string()),
                json!(r.last_on.to_string()),
                json!(r.until.to_string()),
            ];
            row.extend(ITEMS.iter().map(|i| json!(sheet.get(i.name).map_or("", String::as_str))));
            out.push(json!(row));
        }
        return Ok(Export::new("received", &head, out).respond(kind));
    }
    let today = privacy.today()?.to_string();
    let sheet: Sheet = [("received_on".to_owned(), today)].into();
    shown(&privacy, page, authz.tenant(), &sheet, Vec::new()).await
}

async fn shown(
    privacy: &Privacy,
    page: Page,
    tenant: Tenant,
    sheet: &Sheet,
    wrongs: Vec<Wrong>,
) -> Result<Response> {
    let t = |key: &str| page.t(key).phrase();
    let mut sections = Vec::new();
    let rows = privacy.received(tenant).await?;
    let mut cells = Vec::new();
    for r in &rows {
        let facts = r.facts()?;
        let value = |name: &str| Phrase::text(facts.get(name).map_or("", String::as_str));
        cells.push(vec![
            Cell::from(value("provider")),
            made_word(&page, r.kind).into(),
            page.date(r.received_on).into(),
            page.date(r.last_on).into(),
            value("acquired").into(),
            value("items").into(),
            page.date(r.until).into(),
        ]);
    }
    let head = [
        "privacy-received-provider",
        "privacy-made",
        "privacy-received-on",
        "privacy-received-last",
        "privacy-received-acquired",
        "privacy-received-items",
        "privacy-received-until",
    ];
    let none = if cells.is_empty() { t("privacy-received-none") } else { Phrase::default() };
    sections.push(Section {
        id: "list",
        title: t("privacy-received-list"),
        text: none,
        table: (!cells.is_empty()).then(|| Table { head: head.map(t).to_vec(), rows: cells }),
        links: vec![
            Link::new(t("privacy-export-csv"), format!("{HERE}?as=csv")),
            Link::new(t("privacy-export-json"), format!("{HERE}?as=json")),
            Link::new(t("privacy-received-ours"), "/staff/consent/provisions"),
        ],
        ..Section::default()
    });
    // A row of provisions goes on: its clock begins anew.
    let going: Vec<Choice> = rows
        .iter()
        .filter(|r| r.kind != Made::Each)
        .filter_map(|r| {
            let name = r.facts().ok()?.get("provider").cloned()?;
            let value = format!("{} {}", r.id, r.version);
            Some(Choice::new(value, Phrase::text(&name), false))
        })
        .collect();
    if !going.is_empty() {
        let form = FormView {
            action: HERE.to_owned(),
            hidden: vec![("act", "again".to_owned())],
            fields: vec![Field::new(Is::Select, "which", t("privacy-received-provider")).choices(going)],
            button: t("privacy-received-again"),
            primary: false,
            file: false,
        };
        sections.push(Section {
            id: "again",
            title: t("privacy-received-again"),
            text: t("privacy-received-again-text"),
            form: Some(form),
            ..Section::default()
        });
    }
    let chosen = sheet.get("made").map_or("", String::as_str);
    let made = Made::ALL.iter().map(|m| Choice::new(m.code(), made_word(&page, *m), m.code() == chosen));
    let on = Field {
        kind: "date",
        required: true,
        value: sheet.get("received_on").cloned().unwrap_or_default(),
        ..Field::new(Is::Line, "received_on", t("privacy-received-on"))
    };
    let mut all = vec![Field::new(Is::Select, "made", t("privacy-made")).choices(made.collect()), on];
    all.extend(fields(&page, &ITEMS, sheet));
    let form = FormView {
        action: HERE.to_owned(),
        hidden: vec![("act", "add".to_owned())],
        fields: all,
        button: t("privacy-received-add"),
        primary: true,
        file: false,
    };
    sections.push(Section {
        id: "new",
        title: t("privacy-received-add"),
        text: t("privacy-received-add-text"),
        form: Some(form),
        ..Section::default()
    });
    let v = View { lead: t("privacy-received-lead"), wrongs, sections, ..View::default() };
    let title = t("privacy-received");
    staff(page, title, tenant, HERE, v)
}

/// Adds a record, or lets one go on.
pub(crate) async fn add(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    if get(&pairs, "act") == "again" {
        let which = get(&pairs, "which").split_once(' ');
        let which = which.and_then(|(id, v)| Some((id.parse::<ReceivedId>().ok()?, v.parse::<i64>().ok()?)));
        if let Some((id, version)) = which {
            privacy.received_again(&authz.granted, id, version).await?;
        }
        return Ok(Redirect::to(HERE).into_response());
    }
    let on: Option<JapaneseDate> = get(&pairs, "received_on").parse().ok();
    let made = Made::from_code(get(&pairs, "made"));
    let done = match (on, made) {
        (Some(on), Some(made)) => privacy.record_received(&authz.granted, made, on, &pairs).await,
        _ => Err(PrivacyError::Input(vec![("received_on", String::new())])),
    };
    match done {
        Ok(_) => Ok(Redirect::to(HERE).into_response()),
        Err(PrivacyError::Input(faults)) => {
            let wrongs = wrongs(&page, &ITEMS, &faults);
            shown(&privacy, page, authz.tenant(), &sent(&pairs), wrongs).await
        }
        Err(e) => Err(e.into()),
    }
}
