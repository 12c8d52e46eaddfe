//! Map of areas shaded by value: five steps, each with its own hatching.

use std::fmt::Write;

use super::{Both, figure, number, open, table, value_cell};
use crate::i18n::phrase::escaped;
use crate::parts::Drawing;
use crate::{Page, Phrase};

/// One area.
#[derive(Clone, Debug)]
pub struct Area {
    /// Its name.
    pub name: Phrase,
    /// SVG path data inside the view box of the chart: only the commands and numbers of a path are kept.
    pub path: String,
    /// Its value, or `None` when nobody knows.
    pub value: Option<f64>,
}

/// Areas shaded by value.
#[derive(Clone, Debug)]
pub struct Areas {
    /// Unique on its page; prefix of ids.
    pub id: String,
    /// What is shown.
    pub title: Phrase,
    /// Name of the first column: what the areas are.
    pub category: Phrase,
    /// Name of the second column: what is measured.
    pub measure: Phrase,
    /// Unit.
    pub unit: String,
    /// Width and height of the view box.
    pub size: (u32, u32),
    /// The areas, in the order of the table.
    pub areas: Vec<Area>,
    /// A line under the drawing; may be empty.
    pub note: Phrase,
}

const STEPS: usize = 5;
/// Hatching of the steps inside a square of 8: from none to crossed.
const HATCH: [&str; STEPS] = ["", "M0 8 8 0", "M0 4h8", "M0 4 4 0M4 8 8 4", "M0 8 8 0M0 0l8 8"];

impl Areas {
    /// Lower ends of the steps: round numbers from the lowest value up, equally wide.
    fn steps(&self) -> Option<(f64, f64)> {
        let known = self.areas.iter().filter_map(|a| a.value).filter(|v| v.is_finite());
        let (low, high) = known.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return None;
        }
        let mut width = super::round_up((high - low) / STEPS as f64);
        // Rounding the start down may push the highest value out of the last step: take the next width then.
        for _ in 0..STEPS {
            if (low / width).floor() * width + width * STEPS as f64 > high {
                break;
            }
            width = super::round_up(width * 1.01);
        }
        Some(((low / width).floor() * width, width))
    }

    fn step_of(value: f64, (start, width): (f64, f64)) -> usize {
        (((value - start) / width).floor().max(0.0) as usize).min(STEPS - 1)
    }
}

impl Both for Areas {
    fn figure(&self, page: &Page) -> Drawing {
        let steps = self.steps();
        let (w, h) = self.size;
        let summary = match steps {
            Some(_) => page.t("ui-chart-areas").with("n", self.areas.len()).plain(),
            None => page.t("ui-chart-empty").plain(),
        };
        let id = escaped(&self.id);
        let mut svg = open(&self.id, w, h, &self.title, &summary);
        svg.push_str("<defs>");
        for (i, hatch) in HATCH.iter().enumerate().skip(1) {
            // Dark strokes would vanish on the two darkest steps.
            let class = if i >= 3 { "kr-chart__hatch--light" } else { "kr-chart__hatch" };
            let _ = write!(
                svg,
                r#"<pattern id="{id}-h{i}" width="8" height="8" patternUnits="userSpaceOnUse"><path class="{class}" d="{hatch}"/></pattern>"#
            );
        }
        svg.push_str("</defs>");
        for area in &self.areas {
            let path: String =
                area.path.chars().filter(|c| c.is_ascii_alphanumeric() || " ,.-+".contains(*c)).collect();
            let step = area.value.filter(|v| v.is_finite()).zip(steps).map(|(v, s)| Self::step_of(v, s));
            let class = step.map_or("none".to_owned(), |s| s.to_string());
            let _ = write!(svg, r#"<path class="kr-chart__area kr-chart__area--{class}" d="{path}"/>"#);
            if let Some(s) = step.filter(|s| *s > 0) {
                let _ = write!(svg, r#"<path fill="url(#{id}-h{s})" d="{path}"/>"#);
            }
        }
        let mut legend = String::from(r#"<ul class="kr-chart__key">"#);
        if let Some((start, width)) = steps {
            for s in 0..STEPS {
                let (from, to) = (start + width * s as f64, start + width * (s + 1) as f64);
                let hatch = if s == 0 {
                    String::new()
                } else {
                    format!(r#"<path fill="url(#{id}-h{s})" d="M0 0h28v16H0z"/>"#)
                };
                let range = page
                    .t("ui-chart-range")
                    .with("from", number(from, page))
                    .with("to", number(to, page))
                    .with("unit", &self.unit);
                let _ = write!(
                    legend,
                    r#"<li><svg viewBox="0 0 28 16" aria-hidden="true" focusable="false"><path class="kr-chart__area kr-chart__area--{s}" d="M0 0h28v16H0z"/>{hatch}</svg><span>{range}</span></li>"#
                );
            }
        }
        if self.areas.iter().any(|a| a.value.is_none_or(|v| !v.is_finite())) {
            let word = page.t("ui-chart-none");
            let _ = write!(
                legend,
                r#"<li><svg viewBox="0 0 28 16" aria-hidden="true" focusable="false"><path class="kr-chart__area kr-chart__area--none" d="M0 0h28v16H0z"/></svg><span>{word}</span></li>"#
            );
        }
        legend.push_str("</ul>");
        Drawing(format!("<div>{}{legend}</div>", figure(&svg, &self.note)))
    }

    fn table(&self, page: &Page) -> Drawing {
        let row = |a: &Area| vec![a.name.to_string(), value_cell(a.value, &self.unit, page)];
        let rows: Vec<Vec<String>> = self.areas.iter().map(row).collect();
        table(page, &self.title, &[self.category.to_string(), self.measure.to_string()], &rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::page;
    use proptest::prelude::*;

    fn areas(values: &[Option<f64>]) -> Areas {
        let area =
            |v: &Option<f64>| Area { name: "a".into(), path: "M0 0h9\"><script>".to_owned(), value: *v };
        Areas {
            id: "m".to_owned(),
            title: "t".into(),
            category: "c".into(),
            measure: "v".into(),
            unit: "cm".to_owned(),
            size: (100, 100),
            areas: values.iter().map(area).collect(),
            note: Phrase::default(),
        }
    }

    #[test]
    fn a_path_cannot_leave_its_attribute() {
        let svg = areas(&[Some(1.0)]).figure(&page("/")).to_string();
        assert!(!svg.contains("<script"));
        assert!(svg.contains(r#"d="M0 0h9script""#));
    }

    #[test]
    fn unknown_is_not_the_lowest_step() {
        let svg = areas(&[Some(0.0), None]).figure(&page("/")).to_string();
        assert!(svg.contains("kr-chart__area--none") && svg.contains("データなし"));
        assert!(!areas(&[None]).both(&page("/")).to_string().contains("NaN"));
    }

    #[test]
    fn steps_are_widened_until_the_highest_value_fits() {
        assert_eq!(areas(&[Some(-624_934.7), Some(606_568.7)]).steps(), Some((-800_000.0, 400_000.0)));
        assert_eq!(areas(&[Some(7.0)]).steps(), Some((7.0, 1.0)));
    }

    proptest! {
        #[test]
        fn every_value_lies_in_its_step(values in proptest::collection::vec(-1e6f64..1e6, 1..30)) {
            let chart = areas(&values.iter().copied().map(Some).collect::<Vec<_>>());
            let (start, width) = chart.steps().unwrap();
            for v in values {
                let s = Areas::step_of(v, (start, width)) as f64;
                prop_assert!(v >= start + width * s - width * 1e-6, "{v} {start} {width}");
                prop_assert!(v <= start + width * (s + 1.0) + width * 1e-6, "{v} {start} {width}");
            }
        }
    }
}
