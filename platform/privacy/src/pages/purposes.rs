//! `/purposes`: what personal data is used for here, for everybody; `/staff/privacy/purposes`: the same with every version.

use axum::response::Response;
use kenroku_access::Authz;
use kenroku_http::{App, Public, Query, Result};
use kenroku_ui::{Link, Locale, Page, Phrase};
use kenroku_vault::Category;
use serde_json::json;

use super::export::{As, Export};
use super::{Cell, Section, Table, View, own, staff};
use crate::book;
use crate::module::KeepRegisters;
use crate::privacy::Privacy;
use crate::purposes::{BOOK, Stated, Version};

fn said(page: &Page, [ja, yasashii, en]: &[String; 3]) -> Phrase {
    match page.locale {
        Locale::Ja => Phrase::text(ja),
        Locale::Yasashii => Phrase::markup(page.locale, yasashii),
        Locale::En => Phrase::text(en),
    }
}

fn category(page: &Page, code: &str) -> Phrase {
    match code {
        "person" => page.t("privacy-category-person"),
        "household" => page.t("privacy-category-household"),
        "real-estate" => page.t("privacy-category-real-estate"),
        "movable-property" => page.t("privacy-category-movable-property"),
        "income" => page.t("privacy-category-income"),
        "finances" => page.t("privacy-category-finances"),
        "health" => page.t("privacy-category-health"),
        "medical" => page.t("privacy-category-medical"),
        "care" => page.t("privacy-category-care"),
        _ => page.t("privacy-category-childcare"),
    }
    .phrase()
}

fn categories(page: &Page, s: &Stated) -> Phrase {
    if s.categories.len() == Category::ALL.len() {
        return page.t("privacy-category-all").phrase();
    }
    let names: Vec<String> = s.categories.iter().map(|code| category(page, code).plain()).collect();
    Phrase::text(&names.join(if page.locale == Locale::En { ", " } else { "、" }))
}

fn basis(page: &Page, code: &str) -> Phrase {
    match code {
        "statute" => page.t("privacy-basis-statute"),
        "consent" => page.t("privacy-basis-consent"),
        "emergency" => page.t("privacy-basis-emergency"),
        _ => page.t("privacy-basis-own"),
    }
    .phrase()
}

fn class(page: &Page, code: &str) -> Phrase {
    match code {
        "pseudonymized" => page.t("privacy-class-pseudonymized"),
        "anonymized" => page.t("privacy-class-anonymized"),
        "related" => page.t("privacy-class-related"),
        _ => page.t("privacy-class-personal"),
    }
    .phrase()
}

fn kept(page: &Page, s: &Stated) -> Vec<Phrase> {
    let line = |k: &crate::purposes::Kept| {
        let what = Phrase::text(&format!("{}（{}）", k.what, k.source));
        match k.days {
            Some(n) => page.t("privacy-kept-days").with("what", what).with("n", n).phrase(),
            None => page.t("privacy-kept-registered").with("what", what).phrase(),
        }
    };
    s.retention.iter().map(line).collect()
}

/// The newest version of each purpose that is in force, by service.
fn newest(versions: &[Version]) -> Vec<&Version> {
    let mut out: Vec<&Version> = Vec::new();
    for v in versions {
        out.retain(|o| o.stated.code != v.stated.code);
        if !v.stated.ended {
            out.push(v);
        }
    }
    out.sort_by(|a, b| a.stated.code.cmp(&b.stated.code));
    out
}

/// For everybody.
pub(crate) async fn public(_: Public, app: App, page: Page, Query(q): Query<As>) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    let versions = privacy.purpose_versions().await?;
    if let Some(kind) = q.kind() {
        return Ok(export(newest(&versions)).respond(kind));
    }
    let t = |key: &str| page.t(key).phrase();
    let shown = newest(&versions);
    let sections = shown.iter().map(|v| {
        let s = &v.stated;
        let mut facts = vec![
            (t("privacy-purpose-service"), said(&page, &s.service)),
            (t("privacy-purpose-data"), categories(&page, s)),
            (t("privacy-purpose-class"), class(&page, &s.class)),
            (t("privacy-purpose-to"), said(&page, &s.recipients)),
            (t("privacy-purpose-basis"), basis(&page, &s.basis)),
            (t("privacy-leave-law"), Phrase::text(&s.article)),
        ];
        let since =
            page.t("privacy-purpose-since").with("n", v.version).with("time", super::day(&page, v.at));
        facts.push((t("privacy-purpose-version"), since.phrase()));
        Section {
            id: "purpose",
            anchor: format!("purpose-{}", s.code.replace('.', "-")),
            title: said(&page, &s.what),
            facts,
            list: kept(&page, s),
            ..Section::default()
        }
    });
    let mut sections: Vec<Section> = sections.collect();
    sections.push(Section {
        id: "files",
        text: t("privacy-purposes-files"),
        links: vec![
            Link::new(t("privacy-files-public"), "/personal-files"),
            Link::new(t("privacy-export-csv"), "/purposes?as=csv"),
            Link::new(t("privacy-export-json"), "/purposes?as=json"),
        ],
        ..Section::default()
    });
    let v = View { lead: t("privacy-purposes-lead"), sections, ..View::default() };
    let title = t("privacy-purposes");
    Ok(own(page, title, v))
}

const HEAD: [&str; 13] = [
    "number",
    "code",
    "version",
    "since",
    "service",
    "purpose",
    "purpose_en",
    "categories",
    "class",
    "recipients",
    "basis",
    "article",
    "retention",
];

fn export(rows: Vec<&Version>) -> Export<'static> {
    let rows = rows.into_iter().map(|v| {
        let s = &v.stated;
        let kept: Vec<String> = s
            .retention
            .iter()
            .map(|k| {
                format!(
                    "{} {}（{}）",
                    k.what,
                    k.days.map_or_else(|| "登録中".to_owned(), |d| format!("{d}日")),
                    k.source
                )
            })
            .collect();
        json!([
            v.number,
            s.code,
            v.version,
            v.at.to_string(),
            s.service[0],
            s.what[0],
            s.what[2],
            s.categories.join(" "),
            s.class,
            s.recipients[0],
            s.basis,
            s.article,
            kept.join("、")
        ])
    });
    Export::new("purposes", &HEAD, rows.collect())
}

/// For the officer: every version, with the check of the book.
pub(crate) async fn list(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Query(q): Query<As>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    let versions = privacy.purpose_versions().await?;
    if let Some(kind) = q.kind() {
        return Ok(export(versions.iter().collect()).respond(kind));
    }
    let entries = book::all(
        &mut privacy.db().read().await.map_err(crate::PrivacyError::from)?,
        kenroku_types::Tenant::SHARED,
        BOOK,
    )
    .await?;
    let t = |key: &str| page.t(key).phrase();
    let rows = versions.iter().rev().map(|v| {
        let s = &v.stated;
        let state = if s.ended { t("privacy-purpose-ended") } else { basis(&page, &s.basis) };
        vec![
            Cell::from(said(&page, &s.what)),
            Phrase::text(&format!("{}（{}）", s.code, v.version)).into(),
            super::day(&page, v.at).into(),
            state.into(),
            Phrase::text(&s.article).into(),
        ]
    });
    let head = [
        "privacy-purpose-what",
        "privacy-purpose-code",
        "privacy-purpose-from",
        "privacy-purpose-basis",
        "privacy-leave-law",
    ];
    let rows = rows.collect();
    let links = vec![
        Link::new(t("privacy-purposes"), "/purposes"),
        Link::new(t("privacy-export-csv"), "/staff/privacy/purposes?as=csv"),
        Link::new(t("privacy-export-json"), "/staff/privacy/purposes?as=json"),
    ];
    let table = Section {
        id: "versions",
        title: t("privacy-purposes-versions"),
        table: Some(Table { head: head.map(t).to_vec(), rows }),
        links,
        ..Section::default()
    };
    let notice = Some(super::checked(&page, &entries));
    let v = View { lead: t("privacy-purposes-staff-lead"), notice, sections: vec![table], ..View::default() };
    let title = t("privacy-purposes");
    staff(page, title, authz.tenant(), "/staff/privacy/purposes", v)
}
