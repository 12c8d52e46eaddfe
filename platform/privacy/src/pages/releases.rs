//! Tables made anonymous: upload, roles and hierarchies, what would come out, the five steps of the law, the register.

use axum::extract::Multipart;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::Authz;
use kenroku_anonymize::config::Note;
use kenroku_anonymize::privacy::{Closeness, Distance, Diversity};
use kenroku_anonymize::{Answers, ColumnConfig, Config, Hierarchy, Objective, Role, Step};
use kenroku_http::{App, Form, Path, Query, Result};
use kenroku_types::{Problem, Tenant};
use kenroku_ui::parts::{Choice, Wrong};
use kenroku_ui::{Link, Page, Phrase};
use serde::Deserialize;
use serde_json::{Value, json};

use super::export::{As, Export};
use super::forms::get;
use super::{Cell, Field, FormView, Is, Section, Table, View, staff};
use crate::book;
use crate::error::PrivacyError;
use crate::module::KeepRegisters;
use crate::privacy::Privacy;
use crate::release::{BOOK, Outcome, Registered, WorkId, WorkRow};

const HERE: &str = "/staff/privacy/releases";

fn text<'a>(v: &'a Value, at: &str) -> &'a str {
    v.pointer(at).and_then(Value::as_str).unwrap_or_default()
}

fn number(page: &Page, v: &Value, at: &str) -> Phrase {
    v.pointer(at).and_then(Value::as_u64).map_or(Phrase::text("–"), |n| Phrase::text(&page.number(n)))
}

fn percent(v: &Value, at: &str) -> Phrase {
    let n = v.pointer(at).and_then(Value::as_f64);
    n.map_or(Phrase::text("–"), |n| Phrase::text(&format!("{:.2} %", n * 100.0)))
}

/// The register, what is being worked on, and the way in.
pub(crate) async fn list(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Query(q): Query<As>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    if let Some(kind) = q.kind() {
        let head = [
            "number",
            "at",
            "kind",
            "by",
            "title",
            "recipient",
            "k",
            "rows_out",
            "sha256",
            "hash",
            "details",
        ];
        let rows = privacy.releases(authz.tenant()).await?.into_iter().map(|(e, r)| match r {
            Registered::Published { by, description: d } => json!([
                e.number,
                e.at.to_string(),
                "published",
                by,
                text(&d, "/release/title"),
                text(&d, "/release/recipient"),
                d.pointer("/achieved/k"),
                d.pointer("/rows_out"),
                text(&d, "/output_sha256"),
                e.hash_text(),
                d.to_string()
            ]),
            Registered::Handed { release, to, how, by } => json!([
                e.number,
                e.at.to_string(),
                "handed",
                by,
                format!("{release}"),
                to,
                null,
                null,
                "",
                e.hash_text(),
                how
            ]),
        });
        return Ok(Export::new("releases", &head, rows.collect()).respond(kind));
    }
    home(&privacy, page, authz.tenant(), Vec::new()).await
}

async fn home(privacy: &Privacy, page: Page, tenant: Tenant, wrongs: Vec<Wrong>) -> Result<Response> {
    let t = |key: &str| page.t(key).phrase();
    let file = Field {
        kind: "file",
        hint: t("privacy-release-file-hint"),
        required: true,
        ..Field::new(Is::Line, "file", t("privacy-release-file"))
    };
    let form = FormView {
        action: HERE.to_owned(),
        fields: vec![file],
        button: t("privacy-release-upload"),
        primary: true,
        file: true,
        ..FormView::default()
    };
    let mut sections = vec![Section {
        id: "new",
        title: t("privacy-release-new"),
        text: t("privacy-release-sealed"),
        form: Some(form),
        links: vec![
            Link::new(t("privacy-cells"), format!("{HERE}/cells")),
            Link::new(t("privacy-noise"), format!("{HERE}/noise")),
        ],
        ..Section::default()
    }];
    let works = privacy.works(tenant).await?;
    if !works.is_empty() {
        let rows = works.iter().map(|w| {
            vec![
                Cell { text: Phrase::text(&w.name), href: format!("{HERE}/work/{}", w.id) },
                Phrase::text(&page.number(w.rows_in)).into(),
                page.day_time(w.expires_at).into(),
            ]
        });
        let head = ["privacy-release-file", "privacy-release-rows", "privacy-release-gone"].map(t).to_vec();
        sections.push(Section {
            id: "works",
            title: t("privacy-release-works"),
            table: Some(Table { head, rows: rows.collect() }),
            ..Section::default()
        });
    }
    let entries = privacy.releases(tenant).await?;
    let rows: Vec<Vec<Cell>> = entries
        .iter()
        .rev()
        .map(|(e, r)| match r {
            Registered::Published { description: d, .. } => vec![
                Cell {
                    text: Phrase::text(text(d, "/release/title")),
                    href: format!("{HERE}/entries/{}", e.number),
                },
                page.day_time(e.at).into(),
                Phrase::text(text(d, "/release/recipient")).into(),
                Phrase::text(&format!(
                    "k = {}",
                    d.pointer("/achieved/k").and_then(Value::as_u64).unwrap_or(0)
                ))
                .into(),
            ],
            Registered::Handed { release, to, how, .. } => vec![
                page.t("privacy-release-handed-no").with("n", *release).phrase().into(),
                page.day_time(e.at).into(),
                Phrase::text(to).into(),
                Phrase::text(how).into(),
            ],
        })
        .collect();
    let head = ["privacy-release-title", "privacy-release-at", "privacy-release-to", "privacy-release-how"];
    let none = if rows.is_empty() { t("privacy-releases-none") } else { Phrase::default() };
    sections.push(Section {
        id: "register",
        title: t("privacy-releases-register"),
        text: none,
        table: (!rows.is_empty()).then(|| Table { head: head.map(t).to_vec(), rows }),
        links: vec![
            Link::new(t("privacy-export-csv"), format!("{HERE}?as=csv")),
            Link::new(t("privacy-export-json"), format!("{HERE}?as=json")),
        ],
        ..Section::default()
    });
    let chain: Vec<_> = entries.into_iter().map(|(e, _)| e).collect();
    let notice = (!chain.is_empty()).then(|| super::checked(&page, &chain));
    let v = View { lead: t("privacy-releases-lead"), notice, wrongs, sections };
    let title = t("privacy-releases");
    staff(page, title, tenant, HERE, v)
}

/// Takes a file.
pub(crate) async fn upload(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    mut form: Multipart,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    let broken = |e: axum::extract::multipart::MultipartError| {
        Problem::new(400, "privacy.upload", "The file could not be read")
            .detail(e.body_text())
            .next("Choose a CSV file of at most 4 MiB and send it again.")
    };
    while let Some(field) = form.next_field().await.map_err(broken)? {
        if field.name() != Some("file") {
            continue;
        }
        let name = field.file_name().unwrap_or_default().to_owned();
        let bytes = field.bytes().await.map_err(broken)?.to_vec();
        return match privacy.upload(&authz.granted, &name, bytes).await {
            Ok(id) => Ok(Redirect::to(&format!("{HERE}/work/{id}")).into_response()),
            Err(PrivacyError::Input(faults)) => {
                let why = faults.first().map_or("", |(_, why)| why.as_str());
                let text = page.t("privacy-release-wrong-file").with("why", why.to_owned()).phrase();
                let wrongs = vec![Wrong { field: "file".to_owned(), text }];
                home(&privacy, page, authz.tenant(), wrongs).await
            }
            Err(e) => Err(e.into()),
        };
    }
    Ok(Redirect::to(HERE).into_response())
}

const ROLES: [(Role, &str, &str); 4] = [
    (Role::Identifier, "identifier", "privacy-role-identifier"),
    (Role::QuasiIdentifier, "quasi-identifier", "privacy-role-quasi"),
    (Role::Sensitive, "sensitive", "privacy-role-sensitive"),
    (Role::Insensitive, "insensitive", "privacy-role-insensitive"),
];
const SHAPES: [(&str, &str); 6] = [
    ("none", "privacy-shape-none"),
    ("ages", "privacy-shape-ages"),
    ("intervals", "privacy-shape-intervals"),
    ("dates", "privacy-shape-dates"),
    ("mask", "privacy-shape-mask"),
    ("places", "privacy-shape-places"),
];

/// A hierarchy as the form names it. Widths are numbers separated by commas.
fn hierarchy(shape: &str, widths: &str) -> Option<Hierarchy> {
    let numbers = |usual: &[u32]| -> Option<Vec<u32>> {
        if widths.trim().is_empty() {
            return Some(usual.to_vec());
        }
        widths.split(',').map(|w| w.trim().parse().ok()).collect()
    };
    let value = match shape {
        "ages" => json!({ "kind": "ages", "widths": numbers(&[5, 10, 20])?, "top": 90 }),
        "intervals" => json!({ "kind": "intervals", "widths": numbers(&[10, 100])? }),
        "dates" => json!({ "kind": "dates" }),
        "mask" => json!({ "kind": "mask", "keep": numbers(&[5, 3])? }),
        "places" => json!({ "kind": "places" }),
        _ => return Some(Hierarchy::None {}),
    };
    serde_json::from_value(value).ok()
}

fn shape_of(h: Option<&Hierarchy>) -> (&'static str, String) {
    let joined = |w: &[u32]| w.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    match h {
        Some(Hierarchy::Ages { widths, .. }) => ("ages", joined(widths)),
        Some(Hierarchy::Intervals { widths, .. }) => {
            let all: Vec<String> = widths.iter().map(|w| w.to_f64().to_string()).collect();
            ("intervals", all.join(","))
        }
        Some(Hierarchy::Dates { .. }) => ("dates", String::new()),
        Some(Hierarchy::Mask { keep }) => {
            ("mask", keep.iter().map(usize::to_string).collect::<Vec<_>>().join(","))
        }
        Some(Hierarchy::Places {}) => ("places", String::new()),
        _ => ("none", String::new()),
    }
}

/// The settings of a form, or the field that is wrong.
fn chosen(columns: &[String], pairs: &[(String, String)]) -> std::result::Result<Config, String> {
    let number = |name: &str| get(pairs, name).trim().parse::<f64>().map_err(|_| name.to_owned());
    let optional = |name: &str| match get(pairs, name).trim() {
        "" => Ok(None),
        text => text.parse::<f64>().map(Some).map_err(|_| name.to_owned()),
    };
    let note = |name: &str| get(pairs, name).trim().to_owned();
    let k = get(pairs, "k").trim().parse().map_err(|_| "k".to_owned())?;
    let mut config = Config {
        k,
        suppression: number("suppression")? / 100.0,
        objective: Objective::default(),
        seed: None,
        sampled: optional("sampled")?.map(|s| s / 100.0),
        release: Note {
            title: note("title"),
            purpose: note("purpose"),
            recipient: note("recipient"),
            approver: note("approver"),
            expires: note("expires"),
        },
        checklist: Answers::default(),
        columns: Vec::new(),
    };
    for (i, name) in columns.iter().enumerate() {
        let role = get(pairs, &format!("role-{i}"));
        let role = ROLES.iter().find(|(_, code, _)| *code == role).ok_or(format!("role-{i}"))?.0;
        let mut column = ColumnConfig::new(name.clone(), role);
        if role == Role::QuasiIdentifier {
            let (shape, widths) = (get(pairs, &format!("shape-{i}")), get(pairs, &format!("widths-{i}")));
            column.hierarchy = Some(hierarchy(shape, widths).ok_or(format!("widths-{i}"))?);
        }
        if role == Role::Sensitive {
            let l = optional(&format!("l-{i}"))?;
            column.diversity = l.map(|l| Diversity::Distinct { l: l as u32 });
            let t = optional(&format!("t-{i}"))?;
            column.closeness = t.map(|t| Closeness { t, distance: Distance::Equal, order: Vec::new() });
        }
        if role != Role::Identifier {
            column.checked = get(pairs, &format!("checked-{i}")).trim().to_owned();
        }
        config.columns.push(column);
    }
    Ok(config)
}

/// A role that the name of a column suggests; the officer decides.
fn guess(name: &str) -> Role {
    let has = |words: &[&str]| words.iter().any(|w| name.contains(w));
    if has(&["氏名", "名前", "電話", "メール", "番号", "ID", "id"]) {
        Role::Identifier
    } else if has(&["年齢", "性別", "住所", "町", "生年", "郵便", "職業"]) {
        Role::QuasiIdentifier
    } else {
        Role::Insensitive
    }
}

fn settings(page: &Page, w: &WorkRow, columns: &[String], config: Option<&Config>) -> FormView {
    let t = |key: &str| page.t(key).phrase();
    let line = |name: &str, label: Phrase, value: String, required: bool| Field {
        value,
        required,
        ..Field::new(Is::Line, name, label)
    };
    let note = config.map(|c| &c.release);
    let mut fields = Vec::new();
    type Of = fn(&Note) -> &String;
    let notes: [(&str, &str, Of, bool); 5] = [
        ("title", "privacy-release-title", |n| &n.title, true),
        ("purpose", "privacy-release-purpose", |n| &n.purpose, true),
        ("recipient", "privacy-release-to", |n| &n.recipient, true),
        ("approver", "privacy-release-approver", |n| &n.approver, false),
        ("expires", "privacy-release-expires", |n| &n.expires, false),
    ];
    for (name, label, of, required) in notes {
        fields.push(line(name, t(label), note.map_or_else(String::new, |n| of(n).clone()), required));
    }
    let share = |s: f64| format!("{}", (s * 10_000.0).round() / 100.0);
    fields.push(line("k", t("privacy-release-k"), config.map_or("5".to_owned(), |c| c.k.to_string()), true));
    let out = config.map_or("5".to_owned(), |c| share(c.suppression));
    fields.push(line("suppression", t("privacy-release-suppression"), out, true));
    let sampled = config.and_then(|c| c.sampled).map_or_else(String::new, share);
    fields.push(Field {
        hint: t("privacy-release-sampled-hint"),
        ..line("sampled", t("privacy-release-sampled"), sampled, false)
    });
    for (i, name) in columns.iter().enumerate() {
        let known = config.and_then(|c| c.columns.get(i));
        let role = known.map_or_else(|| guess(name), |c| c.role);
        let of = |key: &str| page.t(key).with("column", Phrase::text(name)).phrase();
        let roles = ROLES.iter().map(|(r, code, key)| Choice::new(*code, t(key), *r == role));
        fields.push(
            Field::new(Is::Select, format!("role-{i}"), of("privacy-column-role")).choices(roles.collect()),
        );
        let (shape, widths) = shape_of(known.and_then(|c| c.hierarchy.as_ref()));
        let shapes = SHAPES.iter().map(|(code, key)| Choice::new(*code, t(key), *code == shape));
        fields.push(
            Field::new(Is::Select, format!("shape-{i}"), of("privacy-column-shape"))
                .choices(shapes.collect()),
        );
        fields.push(Field {
            hint: t("privacy-column-widths-hint"),
            ..line(&format!("widths-{i}"), of("privacy-column-widths"), widths, false)
        });
        let l = match known.and_then(|c| c.diversity) {
            Some(Diversity::Distinct { l }) => l.to_string(),
            _ => String::new(),
        };
        fields.push(line(&format!("l-{i}"), of("privacy-column-l"), l, false));
        let close = known.and_then(|c| c.closeness.as_ref()).map_or_else(String::new, |c| c.t.to_string());
        fields.push(line(&format!("t-{i}"), of("privacy-column-t"), close, false));
        let checked = known.map_or_else(String::new, |c| c.checked.clone());
        fields.push(line(&format!("checked-{i}"), of("privacy-column-checked"), checked, false));
    }
    FormView {
        action: format!("{HERE}/work/{}", w.id),
        hidden: vec![("act", "try".to_owned()), ("version", w.version.to_string())],
        fields,
        button: t("privacy-release-try"),
        primary: true,
        file: false,
    }
}

/// What came out: numbers, risks by attacker, columns, findings.
fn described(page: &Page, d: &Value) -> Vec<Section> {
    let t = |key: &str| page.t(key).phrase();
    let numbers = Section {
        id: "outcome",
        title: t("privacy-release-outcome"),
        facts: vec![
            (t("privacy-release-rows-in"), number(page, d, "/rows_in")),
            (t("privacy-release-rows-out"), number(page, d, "/rows_out")),
            (t("privacy-release-suppressed"), number(page, d, "/suppressed")),
            (t("privacy-release-achieved"), number(page, d, "/achieved/k")),
            (t("privacy-release-classes"), number(page, d, "/achieved/classes")),
            (t("privacy-release-loss"), percent(d, "/losses/loss")),
        ],
        ..Section::default()
    };
    let risk = |key: &str, at: &str| {
        vec![
            Cell::from(t(key)),
            percent(d, &format!("/risks_before{at}")).into(),
            percent(d, &format!("/risks{at}")).into(),
        ]
    };
    let head = ["privacy-risk-who", "privacy-risk-before", "privacy-risk-after"].map(t).to_vec();
    let rows = vec![
        risk("privacy-risk-prosecutor", "/prosecutor/highest"),
        risk("privacy-risk-prosecutor-average", "/prosecutor/average"),
        risk("privacy-risk-journalist", "/journalist/highest"),
        risk("privacy-risk-marketer", "/marketer"),
    ];
    let risks = Section {
        id: "risks",
        title: t("privacy-risks"),
        text: t("privacy-risks-text"),
        table: Some(Table { head, rows }),
        ..Section::default()
    };
    let list = |at: &str| d.pointer(at).and_then(Value::as_array).cloned().unwrap_or_default();
    let columns = list("/columns");
    let rows = columns.iter().map(|c| {
        let level = match (
            c.pointer("/level/0").and_then(Value::as_u64),
            c.pointer("/level/1").and_then(Value::as_u64),
        ) {
            (Some(at), Some(of)) => format!("{at} / {}", of.saturating_sub(1)),
            _ => "–".to_owned(),
        };
        let role = ROLES.iter().find(|(_, code, _)| *code == text(c, "/role")).map(|(.., key)| t(key));
        vec![
            Cell::from(Phrase::text(text(c, "/name"))),
            role.unwrap_or_default().into(),
            Phrase::text(&level).into(),
            number(page, c, "/values").into(),
        ]
    });
    let head =
        ["privacy-release-column", "privacy-release-role", "privacy-release-level", "privacy-release-values"];
    let done = Section {
        id: "columns",
        title: t("privacy-release-columns"),
        table: Some(Table { head: head.map(t).to_vec(), rows: rows.collect() }),
        ..Section::default()
    };
    let mut out = vec![numbers, risks, done];
    let findings = list("/findings");
    if !findings.is_empty() {
        let line = |f: &Value| {
            let (column, looks) = (text(f, "/column").to_owned(), text(f, "/looks").to_owned());
            page.t("privacy-release-finding").with("column", column).with("looks", looks).phrase()
        };
        out.push(Section {
            id: "findings",
            title: t("privacy-release-findings"),
            text: t("privacy-release-findings-text"),
            list: findings.iter().map(line).collect(),
            ..Section::default()
        });
    }
    out
}

const STEPS: [(&str, Step); 5] = [
    ("identifying", Step::Identifying),
    ("codes", Step::Codes),
    ("linking", Step::Linking),
    ("peculiar", Step::Peculiar),
    ("whole", Step::Whole),
];

/// What came back from a step.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Came {
    #[serde(default)]
    not: String,
}

/// One table: settings, what would come out, the five steps.
pub(crate) async fn work(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Path(id): Path<WorkId>,
    Query(came): Query<Came>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    let w = privacy.work(authz.tenant(), id).await?;
    let t = |key: &str| page.t(key).phrase();
    let (columns, config, outcome) = (w.columns()?, w.config()?, w.outcome()?);
    let mut sections = Vec::new();
    let mut notice = match came.not.as_str() {
        "" => None,
        "open-steps" => Some(("error", t("privacy-not"), t("privacy-release-open"))),
        "no-release" => Some(("error", t("privacy-not"), t("privacy-release-none"))),
        field => {
            let text = page.t("privacy-release-wrong").with("field", field.to_owned()).phrase();
            Some(("error", t("privacy-not"), text))
        }
    };
    match &outcome {
        Some(Outcome::Done(d)) => {
            sections.extend(described(&page, d));
            let items = d.pointer("/checklist/items").and_then(Value::as_array).cloned().unwrap_or_default();
            let fields = STEPS.iter().enumerate().map(|(i, (name, step))| {
                let seen = items.get(i).and_then(|x| x.pointer("/seen")).and_then(Value::as_array);
                let seen: Vec<&str> = seen.into_iter().flatten().filter_map(Value::as_str).collect();
                Field {
                    hint: Phrase::text(&seen.join(" ")),
                    required: true,
                    ..Field::new(Is::Area, *name, Phrase::text(step.ja()))
                }
            });
            let form = FormView {
                action: format!("{HERE}/work/{id}"),
                hidden: vec![("act", "publish".to_owned())],
                fields: fields.collect(),
                button: t("privacy-release-publish"),
                primary: true,
                file: false,
            };
            sections.push(Section {
                id: "steps",
                title: t("privacy-release-steps"),
                text: t("privacy-release-steps-text"),
                form: Some(form),
                ..Section::default()
            });
        }
        Some(Outcome::Failed(why)) => {
            notice = notice.or(Some(("error", t("privacy-release-failed"), Phrase::text(why))));
        }
        None => {}
    }
    sections.push(Section {
        id: "settings",
        title: t("privacy-release-settings"),
        text: page.t("privacy-release-settings-text").with("time", page.day_time(w.expires_at)).phrase(),
        form: Some(settings(&page, &w, &columns, config.as_ref())),
        ..Section::default()
    });
    let title = Phrase::text(&w.name);
    staff(page, title, authz.tenant(), HERE, View { notice, sections, ..View::default() })
}

/// Tries settings, or publishes.
pub(crate) async fn go(
    authz: Authz<KeepRegisters>,
    app: App,
    Path(id): Path<WorkId>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Redirect> {
    let privacy = app.get::<Privacy>()?;
    let here = format!("{HERE}/work/{id}");
    let w = privacy.work(authz.tenant(), id).await?;
    if get(&pairs, "act") == "publish" {
        let Some(mut config) = w.config()? else { return Ok(Redirect::to(&here)) };
        let answer = |name: &str| get(&pairs, name).trim().to_owned();
        config.checklist = Answers {
            identifying: answer("identifying"),
            codes: answer("codes"),
            linking: answer("linking"),
            peculiar: answer("peculiar"),
            whole: answer("whole"),
            ..Answers::default()
        };
        return match privacy.publish_release(&authz.granted, id, &config).await {
            Ok(number) => Ok(Redirect::to(&format!("{HERE}/entries/{number}"))),
            Err(PrivacyError::Refused(code)) => Ok(Redirect::to(&format!("{here}?not={code}"))),
            Err(e) => Err(e.into()),
        };
    }
    let version: i64 = get(&pairs, "version").parse().unwrap_or(0);
    match chosen(&w.columns()?, &pairs) {
        Ok(config) => {
            privacy.try_release(&authz.granted, id, version, &config).await?;
            Ok(Redirect::to(&here))
        }
        Err(field) => Ok(Redirect::to(&format!("{here}?not={field}"))),
    }
}

/// One release of the register.
pub(crate) async fn one(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Path(no): Path<i64>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    shown(&privacy, page, authz.tenant(), no, Vec::new()).await
}

async fn shown(
    privacy: &Privacy,
    page: Page,
    tenant: Tenant,
    no: i64,
    wrongs: Vec<Wrong>,
) -> Result<Response> {
    let all = privacy.releases(tenant).await?;
    let found = all.iter().find(|(e, _)| e.number == no);
    let Some((entry, Registered::Published { by, description: d })) = found else {
        return Err(Problem::not_found().into());
    };
    let t = |key: &str| page.t(key).phrase();
    let said = |at: &str| Phrase::text(text(d, at));
    let mut sections = vec![Section {
        id: "register",
        facts: vec![
            (t("privacy-release-at"), page.day_time(entry.at)),
            (t("privacy-release-by"), Phrase::text(by)),
            (t("privacy-release-purpose"), said("/release/purpose")),
            (t("privacy-release-to"), said("/release/recipient")),
            (t("privacy-release-approver"), said("/release/approver")),
            (t("privacy-release-expires"), said("/release/expires")),
            (t("privacy-release-sha"), said("/output_sha256")),
            (t("privacy-leave-book"), Phrase::text(&format!("{BOOK} {}", entry.number))),
            (t("privacy-leave-hash"), Phrase::text(&entry.hash_text())),
        ],
        links: vec![Link::new(t("privacy-release-download"), format!("{HERE}/entries/{no}/file"))],
        ..Section::default()
    }];
    sections.extend(described(&page, d));
    let items = d.pointer("/checklist/items").and_then(Value::as_array).cloned().unwrap_or_default();
    let step = |i: &Value| (Phrase::text(text(i, "/asks")), Phrase::text(text(i, "/done")));
    sections.push(Section {
        id: "steps",
        title: t("privacy-release-steps"),
        facts: items.iter().map(step).collect(),
        ..Section::default()
    });
    let handed = all.iter().filter_map(|(e, r)| match r {
        Registered::Handed { release, to, how, .. } if *release == no => {
            Some(vec![Cell::from(Phrase::text(to)), page.day_time(e.at).into(), Phrase::text(how).into()])
        }
        _ => None,
    });
    let rows: Vec<Vec<Cell>> = handed.collect();
    let head = ["privacy-release-to", "privacy-release-at", "privacy-release-how"].map(t).to_vec();
    let line = |name: &'static str, key: &str| Field { required: true, ..Field::new(Is::Line, name, t(key)) };
    let form = FormView {
        action: format!("{HERE}/entries/{no}"),
        fields: vec![line("to", "privacy-release-to"), line("how", "privacy-release-how")],
        button: t("privacy-release-hand"),
        ..FormView::default()
    };
    sections.push(Section {
        id: "handed",
        title: t("privacy-release-handed"),
        table: (!rows.is_empty()).then_some(Table { head, rows }),
        form: Some(form),
        ..Section::default()
    });
    let chain: Vec<book::Entry> = all.iter().map(|(e, _)| e.clone()).collect();
    let notice = Some(super::checked(&page, &chain));
    let title = said("/release/title");
    staff(page, title, tenant, HERE, View { notice, wrongs, sections, ..View::default() })
}

/// It was handed to somebody.
pub(crate) async fn hand(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Path(no): Path<i64>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    match privacy.hand_release(&authz.granted, no, get(&pairs, "to"), get(&pairs, "how")).await {
        Ok(_) => Ok(Redirect::to(&format!("{HERE}/entries/{no}")).into_response()),
        Err(PrivacyError::Input(_)) => {
            let text = page.t("privacy-release-wrong-hand").phrase();
            let wrongs = vec![Wrong { field: "to".to_owned(), text }];
            shown(&privacy, page, authz.tenant(), no, wrongs).await
        }
        Err(e) => Err(e.into()),
    }
}

/// The published file.
pub(crate) async fn file(authz: Authz<KeepRegisters>, app: App, Path(no): Path<i64>) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    let mut body = "\u{feff}".as_bytes().to_vec();
    body.extend(privacy.release_file(&authz.granted, no).await?);
    let name = HeaderValue::from_str(&format!("attachment; filename=\"release-{no}.csv\""));
    let name = name.map_err(|e| Problem::internal().because(&e))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, body).into_response())
}
