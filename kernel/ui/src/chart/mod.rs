//! Charts drawn on the server: an SVG and the table with the same figures.
//!
//! Every chart is a plain value with two faces: `figure` (the drawing, with a title and a sentence for people
//! who do not see it) and `table`; [`Both`] puts them side by side. Colour never stands alone: unfinished bars
//! are dashed, lines differ in dashes and marks, areas in hatching. Drawings carry classes, never styles.
//!
//! A missing value is `None` and is shown as データなし, never as zero.

mod areas;
mod bars;
mod lines;

use std::fmt::Write;

pub use areas::{Area, Areas};
pub use bars::{Bar, Bars};
pub use lines::{Lines, Series};

use crate::i18n::phrase::escaped;
use crate::parts::Drawing;
use crate::{Page, Phrase};

/// The drawing and the table of a chart, side by side where there is room.
pub trait Both {
    /// The drawing.
    fn figure(&self, page: &Page) -> Drawing;
    /// The same figures as a table.
    fn table(&self, page: &Page) -> Drawing;
    /// Both.
    fn both(&self, page: &Page) -> Drawing {
        let (figure, table) = (self.figure(page), self.table(page));
        Drawing(format!(r#"<div class="kr-panes kr-panes--half kr-panes--flush">{figure}{table}</div>"#))
    }
}

/// The plot area of bar and line charts inside a view box of 520 × 330.
const LEFT: f64 = 48.0;
const RIGHT: f64 = 516.0;
const TOP: f64 = 26.0;
const BASE: f64 = 296.0;
/// More labels than this would touch each other on a phone.
const MAX_LABELS: usize = 8;

/// Grid lines and their numbers from zero to a round number above `max`, which is returned.
fn grid(max: f64, page: &Page, out: &mut String) -> f64 {
    let step = round_up(max / 4.0);
    for i in 0..=4 {
        let value = step * f64::from(i);
        let y = height(value, step * 4.0);
        let class = if i == 0 { "base" } else { "grid" };
        let _ = write!(
            out,
            r#"<path class="kr-chart__{class}" d="M{LEFT} {y:.1}H{RIGHT}"/><text class="is-end" x="{x}" y="{ty:.1}">{n}</text>"#,
            x = LEFT - 8.0,
            ty = y + 5.0,
            n = number(value, page)
        );
    }
    step * 4.0
}

/// The y of a value.
fn height(value: f64, top: f64) -> f64 {
    BASE - (value.max(0.0) / top) * (BASE - TOP)
}

/// A round number (1, 1.5, 2, 2.5, 3, 4, 5 times a power of ten) of at least `x`; 1 when there is nothing to show.
fn round_up(x: f64) -> f64 {
    if !x.is_finite() || x <= 0.0 {
        return 1.0;
    }
    let power = 10.0_f64.powf(x.log10().floor());
    [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|v| *v >= x * 0.999_999)
        .unwrap_or(x)
}

/// A value with at most one decimal, in groups of three.
fn number(value: f64, page: &Page) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    if rounded.fract() == 0.0 { page.number(rounded) } else { page.number(format!("{rounded:.1}")) }
}

/// A value with its unit, or the word for none.
fn value_cell(value: Option<f64>, unit: &str, page: &Page) -> String {
    match value {
        Some(v) if v.is_finite() => format!("{} {}", number(v, page), escaped(unit)),
        _ => page.t("ui-chart-none").to_string(),
    }
}

/// Opens the SVG with its title and description.
fn open(id: &str, width: u32, height: u32, title: &Phrase, desc: &str) -> String {
    let (id, title, desc) = (escaped(id), escaped(title.plain()), escaped(desc));
    format!(
        r#"<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{id}-t {id}-d"><title id="{id}-t">{title}</title><desc id="{id}-d">{desc}</desc>"#
    )
}

/// Wraps a drawing with the line under it.
fn figure(svg: &str, note: &Phrase) -> Drawing {
    let caption = if note.is_empty() {
        String::new()
    } else {
        format!(r#"<figcaption class="kr-note">{note}</figcaption>"#)
    };
    Drawing(format!(r#"<figure class="kr-chart">{svg}</svg>{caption}</figure>"#))
}

/// A table with a hidden caption: `head` names the columns, the first cell of a row is its heading.
fn table(page: &Page, title: &Phrase, head: &[String], rows: &[Vec<String>]) -> Drawing {
    let caption = page.t("ui-chart-table").with("title", title);
    let mut out = format!(
        r#"<table class="kr-data kr-data--dense"><caption class="kr-hidden">{caption}</caption><thead><tr>"#
    );
    for (i, name) in head.iter().enumerate() {
        let class = if i == 0 { "" } else { r#" class="is-num""# };
        let _ = write!(out, r#"<th scope="col"{class}>{name}</th>"#);
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            let _ = if i == 0 {
                write!(out, r#"<th scope="row">{cell}</th>"#)
            } else {
                write!(out, r#"<td class="is-num">{cell}</td>"#)
            };
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table>");
    Drawing(out)
}

/// Every how many labels one is written, so that at most [`MAX_LABELS`] are.
fn label_step(n: usize) -> usize {
    n.div_ceil(MAX_LABELS).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn steps_are_round() {
        assert_eq!(round_up(3.65), 4.0);
        assert_eq!(round_up(0.21), 0.25);
        assert_eq!(round_up(20.0), 20.0);
        assert_eq!(round_up(0.0), 1.0);
        assert_eq!(round_up(f64::NAN), 1.0);
    }

    #[test]
    fn few_labels_are_written() {
        assert_eq!(label_step(7), 1);
        assert_eq!(label_step(24), 3);
        assert_eq!(label_step(0), 1);
    }

    proptest! {
        #[test]
        fn the_scale_holds_every_value(max in 0.001f64..1e12) {
            prop_assert!(round_up(max / 4.0) * 4.0 >= max * 0.99);
            prop_assert!(height(max, round_up(max / 4.0) * 4.0) >= TOP - 1.0);
        }
    }
}
