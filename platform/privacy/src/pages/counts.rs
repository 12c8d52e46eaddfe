//! Tables of counts: small cells masked with what would give them away; counts with noise within a budget.

use axum::response::Response;
use kenroku_access::Authz;
use kenroku_anonymize::cells::{Rule, protect};
use kenroku_anonymize::csv::Reader;
use kenroku_anonymize::noise::Epsilon;
use kenroku_http::{App, Form, Result};
use kenroku_types::Tenant;
use kenroku_ui::parts::Wrong;
use kenroku_ui::{Page, Phrase};

use super::forms::get;
use super::{Cell, Field, FormView, Is, Section, Table, View, staff};
use crate::error::PrivacyError;
use crate::module::KeepRegisters;
use crate::privacy::Privacy;
use crate::release::Spent;

const RELEASES: &str = "/staff/privacy/releases";
const CELLS: &str = "/staff/privacy/releases/cells";
const NOISE: &str = "/staff/privacy/releases/noise";

/// A table of counts: names in the first row and column, numbers elsewhere.
struct Counts {
    head: Vec<String>,
    names: Vec<String>,
    counts: Vec<Vec<u64>>,
}

fn read(text: &str) -> Option<Counts> {
    let mut reader = Reader::new(text.as_bytes()).ok()?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut fields = Vec::new();
    while reader.read(&mut fields).ok()? {
        rows.push(fields.iter().map(|f| f.trim().to_owned()).collect());
    }
    let head = rows.first()?.clone();
    let body = rows.get(1..).filter(|b| !b.is_empty() && b.len() <= 200 && head.len() <= 60)?;
    let mut out = Counts { head: head.get(1..)?.to_vec(), names: Vec::new(), counts: Vec::new() };
    for row in body {
        if row.len() != head.len() {
            return None;
        }
        out.names.push(row.first()?.clone());
        out.counts.push(row.get(1..)?.iter().map(|c| c.parse().ok()).collect::<Option<_>>()?);
    }
    (!out.head.is_empty()).then_some(out)
}

/// The form.
pub(crate) async fn cells(authz: Authz<KeepRegisters>, page: Page) -> Result<Response> {
    cells_page(page, authz.tenant(), "", "10", Vec::new(), Vec::new())
}

fn cells_page(
    page: Page,
    tenant: Tenant,
    text: &str,
    threshold: &str,
    wrongs: Vec<Wrong>,
    result: Vec<Section>,
) -> Result<Response> {
    let t = |key: &str| page.t(key).phrase();
    let fields = vec![
        Field {
            value: text.to_owned(),
            hint: t("privacy-cells-hint"),
            required: true,
            ..Field::new(Is::Area, "counts", t("privacy-cells-counts"))
        },
        Field {
            value: threshold.to_owned(),
            hint: t("privacy-cells-threshold-hint"),
            required: true,
            ..Field::new(Is::Line, "threshold", t("privacy-cells-threshold"))
        },
    ];
    let form = FormView {
        action: CELLS.to_owned(),
        fields,
        button: t("privacy-cells-go"),
        primary: true,
        ..FormView::default()
    };
    let mut sections = result;
    sections.push(Section { id: "form", form: Some(form), ..Section::default() });
    let v = View { lead: t("privacy-cells-lead"), wrongs, sections, ..View::default() };
    let title = t("privacy-cells");
    staff(page, title, tenant, RELEASES, v)
}

/// The table with small cells masked. Nothing is stored: it is shown once.
pub(crate) async fn masked(
    authz: Authz<KeepRegisters>,
    page: Page,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let (text, threshold) = (get(&pairs, "counts"), get(&pairs, "threshold"));
    let wrong = |field: &str, key: &str| vec![Wrong { field: field.to_owned(), text: page.t(key).phrase() }];
    let Some(table) = read(text) else {
        let wrongs = wrong("counts", "privacy-cells-wrong");
        return cells_page(page, authz.tenant(), text, threshold, wrongs, Vec::new());
    };
    let rule = threshold.trim().parse().ok().map(|threshold| Rule { threshold, ..Rule::default() });
    let Some(safe) = rule.and_then(|rule| protect(&table.counts, rule).ok()) else {
        let wrongs = wrong("threshold", "privacy-cells-wrong-threshold");
        return cells_page(page, authz.tenant(), text, threshold, wrongs, Vec::new());
    };
    let total = page.t("privacy-cells-total").phrase();
    let names = table.names.iter().map(|n| Phrase::text(n)).chain([total.clone()]);
    let rows = names.zip(&safe.cells).map(|(name, row)| {
        let cells =
            row.iter().map(|c| Cell::from(c.map_or(Phrase::text("X"), |n| Phrase::text(&page.number(n)))));
        [Cell::from(name)].into_iter().chain(cells).collect()
    });
    let head = [Phrase::text("–")].into_iter();
    let head = head.chain(table.head.iter().map(|h| Phrase::text(h))).chain([total]).collect();
    let said = page.t("privacy-cells-masked").with("small", safe.small).with("more", safe.complementary);
    let result = Section {
        id: "result",
        title: page.t("privacy-cells-result").phrase(),
        text: said.phrase(),
        table: Some(Table { head, rows: rows.collect() }),
        ..Section::default()
    };
    cells_page(page, authz.tenant(), text, threshold, Vec::new(), vec![result])
}

/// The form and the budgets.
pub(crate) async fn noise(authz: Authz<KeepRegisters>, app: App, page: Page) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    noise_page(&privacy, page, authz.tenant(), &[], Vec::new(), Vec::new()).await
}

async fn noise_page(
    privacy: &Privacy,
    page: Page,
    tenant: Tenant,
    pairs: &[(String, String)],
    wrongs: Vec<Wrong>,
    result: Vec<Section>,
) -> Result<Response> {
    let t = |key: &str| page.t(key).phrase();
    let line = |name: &'static str, label: &str, usual: &str, hint: &str| Field {
        value: match get(pairs, name) {
            "" => usual.to_owned(),
            given => given.to_owned(),
        },
        hint: if hint.is_empty() { Phrase::default() } else { t(hint) },
        required: true,
        ..Field::new(Is::Line, name, t(label))
    };
    let fields = vec![
        line("dataset", "privacy-noise-dataset", "", ""),
        line("budget", "privacy-noise-budget", "1", "privacy-noise-budget-hint"),
        line("what", "privacy-noise-what", "", ""),
        line("epsilon", "privacy-noise-epsilon", "0.1", "privacy-noise-epsilon-hint"),
        line("sensitivity", "privacy-noise-sensitivity", "1", "privacy-noise-sensitivity-hint"),
        Field {
            value: get(pairs, "counts").to_owned(),
            hint: t("privacy-noise-counts-hint"),
            required: true,
            ..Field::new(Is::Area, "counts", t("privacy-noise-counts"))
        },
    ];
    let form = FormView {
        action: NOISE.to_owned(),
        fields,
        button: t("privacy-noise-go"),
        primary: true,
        ..FormView::default()
    };
    let ledgers = privacy.budgets(tenant).await?;
    let rows: Vec<Vec<Cell>> = ledgers
        .iter()
        .map(|l| {
            vec![
                Phrase::text(l.dataset()).into(),
                Phrase::text(&l.entries().len().to_string()).into(),
                Phrase::text(&l.left().to_f64().to_string()).into(),
            ]
        })
        .collect();
    let head = ["privacy-noise-dataset", "privacy-noise-answers", "privacy-noise-left"].map(t).to_vec();
    let mut sections = result;
    sections.push(Section { id: "form", form: Some(form), ..Section::default() });
    if !rows.is_empty() {
        sections.push(Section {
            id: "budgets",
            title: t("privacy-noise-budgets"),
            table: Some(Table { head, rows }),
            ..Section::default()
        });
    }
    let v = View { lead: t("privacy-noise-lead"), wrongs, sections, ..View::default() };
    let title = t("privacy-noise");
    staff(page, title, tenant, RELEASES, v)
}

/// Six decimal places and no more: budgets add up exactly.
fn epsilon(text: &str) -> Option<Epsilon> {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    if whole.is_empty() || part.len() > 6 || whole.len() > 3 {
        return None;
    }
    let number: u64 = format!("{whole}{part:0<6}").parse().ok()?;
    Some(Epsilon::millionths(number))
}

/// The counts with noise. They are told once and not stored; what they spent is.
pub(crate) async fn noisy(
    authz: Authz<KeepRegisters>,
    app: App,
    page: Page,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    let numbers = get(&pairs, "counts").split([',', ' ', '\n', '\r', '\t']).filter(|c| !c.is_empty());
    let counts: Option<Vec<u64>> = numbers.map(|c| c.parse().ok()).collect();
    let wrong = |field: &str, key: &str| vec![Wrong { field: field.to_owned(), text: page.t(key).phrase() }];
    let asked = (
        epsilon(get(&pairs, "epsilon")),
        epsilon(get(&pairs, "budget")),
        get(&pairs, "sensitivity").trim().parse(),
    );
    let (Some(counts), (Some(epsilon), Some(budget), Ok(sensitivity))) =
        (counts.filter(|c| c.len() <= 1_000), asked)
    else {
        let wrongs = wrong("counts", "privacy-noise-wrong");
        return noise_page(&privacy, page, authz.tenant(), &pairs, wrongs, Vec::new()).await;
    };
    let what = get(&pairs, "what").trim().to_owned();
    let asked = Spent { what, epsilon, sensitivity, budget, numbers: 0, by: String::new() };
    match privacy.noisy(&authz.granted, get(&pairs, "dataset").trim(), &asked, &counts).await {
        Ok((noise, left)) => {
            let said = page.t("privacy-noise-told").with("left", left.to_f64().to_string()).phrase();
            let list = noise.iter().map(|n| Phrase::text(&n.to_string())).collect();
            let title = page.t("privacy-noise-result").phrase();
            let result = Section { id: "result", title, text: said, list, ..Section::default() };
            noise_page(&privacy, page, authz.tenant(), &[], Vec::new(), vec![result]).await
        }
        Err(PrivacyError::Input(_)) => {
            let wrongs = wrong("epsilon", "privacy-noise-refused");
            noise_page(&privacy, page, authz.tenant(), &pairs, wrongs, Vec::new()).await
        }
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_budgets_are_read_exactly() {
        let t = read("町,甲,乙\nA,1,20\nB,3,40\n").unwrap();
        assert_eq!(
            (t.head, t.names),
            (vec!["甲".to_owned(), "乙".to_owned()], vec!["A".to_owned(), "B".to_owned()])
        );
        assert_eq!(t.counts, [[1, 20], [3, 40]]);
        for bad in ["", "町,甲", "町,甲\nA,x", "町,甲\nA,1,2", "町\nA"] {
            assert!(read(bad).is_none(), "{bad}");
        }
        assert_eq!(epsilon("0.1"), Some(Epsilon::millionths(100_000)));
        assert_eq!(epsilon("2"), Some(Epsilon::millionths(2_000_000)));
        for bad in ["", "-1", "0.1234567", "x", "9999"] {
            assert_eq!(epsilon(bad), None, "{bad}");
        }
    }
}
