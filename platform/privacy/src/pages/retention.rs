//! What was removed by the clock, what is overdue, and how many people left.

use axum::response::Response;
use kenroku_access::Authz;
use kenroku_http::{App, Query, Result};
use kenroku_types::Tenant;
use kenroku_ui::{Link, Page, Phrase};
use serde_json::json;

use super::export::{As, Export};
use super::{Cell, Section, Table, View, staff};
use crate::book;
use crate::leave::LeaveState;
use crate::module::KeepRegisters;
use crate::privacy::Privacy;

const HERE: &str = "/staff/privacy/retention";

/// The report.
pub(crate) async fn list(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Query(q): Query<As>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    let lines = privacy.purges(1_000).await?;
    if let Some(kind) = q.kind() {
        let head = ["at", "rule", "removed", "overdue"];
        let rows = lines.iter().map(|l| json!([l.at.to_string(), l.rule, l.removed, l.overdue]));
        return Ok(Export::new("retention", &head, rows.collect()).respond(kind));
    }
    let t = |key: &str| page.t(key).phrase();
    let last = lines.first().map(|l| l.at);
    let rows: Vec<Vec<Cell>> = lines
        .iter()
        .take(60)
        .map(|l| {
            let number = |n: i64| Cell::from(Phrase::text(&page.number(n)));
            vec![
                Phrase::text(&l.rule).into(),
                page.day_time(l.at).into(),
                number(l.removed),
                number(l.overdue),
            ]
        })
        .collect();
    let head = ["privacy-rule", "privacy-rule-ran", "privacy-rule-removed", "privacy-rule-overdue"];
    let none = if rows.is_empty() { t("privacy-retention-none") } else { Phrase::default() };
    let report = Section {
        id: "report",
        title: t("privacy-retention-report"),
        text: none,
        table: (!rows.is_empty()).then(|| Table { head: head.map(t).to_vec(), rows }),
        links: vec![
            Link::new(t("privacy-export-csv"), format!("{HERE}?as=csv")),
            Link::new(t("privacy-export-json"), format!("{HERE}?as=json")),
        ],
        ..Section::default()
    };
    let overdue: i64 = lines.iter().filter(|l| Some(l.at) == last).map(|l| l.overdue).sum();
    let notice = (overdue > 0).then(|| {
        let title = page.t("privacy-overdue").with("n", overdue).phrase();
        ("error", title, t("privacy-overdue-text"))
    });
    let count = |state: LeaveState, all: &[(LeaveState, i64)]| {
        let n = all.iter().find(|(s, _)| *s == state).map_or(0, |(_, n)| *n);
        Phrase::text(&page.number(n))
    };
    let left = privacy.leavings().await?;
    let mut tx = privacy.db().read().await.map_err(crate::PrivacyError::from)?;
    let entries = book::all(&mut tx, Tenant::SHARED, book::ERASURES).await?;
    let (_, chain, _) = super::checked(&page, &entries);
    let leavings = Section {
        id: "left",
        title: t("privacy-gone"),
        facts: vec![
            (t("privacy-leave-waiting"), count(LeaveState::Waiting, &left)),
            (t("privacy-leave-undone"), count(LeaveState::Undone, &left)),
            (t("privacy-leave-done"), count(LeaveState::Erased, &left)),
            (t("privacy-gone-book"), chain),
        ],
        ..Section::default()
    };
    let v = View {
        lead: t("privacy-retention-lead"),
        notice,
        sections: vec![report, leavings],
        ..View::default()
    };
    let title = t("privacy-retention");
    staff(page, title, authz.tenant(), HERE, v)
}
