//! Line chart of up to four series.

use std::fmt::Write;

use super::{Both, LEFT, RIGHT, figure, grid, height, label_step, number, open, table, value_cell};
use crate::i18n::phrase::escaped;
use crate::parts::Drawing;
use crate::{Page, Phrase};

/// One line; each has its own dashes and marks.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name.
    pub name: Phrase,
    /// One value for each point of the axis; a missing one leaves a gap.
    pub values: Vec<Option<f64>>,
}

/// A line chart of values from zero up over an ordered axis.
#[derive(Clone, Debug)]
pub struct Lines {
    /// Unique on its page; prefix of ids.
    pub id: String,
    /// What is shown.
    pub title: Phrase,
    /// Name of the axis, also of the first column.
    pub category: Phrase,
    /// Points of the axis.
    pub points: Vec<Phrase>,
    /// Unit.
    pub unit: String,
    /// The lines; four at most can be told apart, more are drawn like the first ones again.
    pub series: Vec<Series>,
    /// A line under the drawing; may be empty.
    pub note: Phrase,
}

/// Marks of the four kinds of lines around (0, 0).
const MARKS: [&str; 4] = ["m-4-4h8v8h-8z", "m0-5 5 5-5 5-5-5z", "m0-5 5 9h-10z", "m-4-4 8 8m0-8-8 8"];

impl Lines {
    fn summary(&self, page: &Page) -> String {
        let names: Vec<String> = self.series.iter().map(|s| s.name.plain()).collect();
        let known = self.series.iter().flat_map(|s| &s.values).flatten().copied().filter(|v| v.is_finite());
        let (low, high) = known.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return page.t("ui-chart-empty").plain();
        }
        page.t("ui-chart-lines")
            .with("names", names.join(page.t("ui-chart-and").plain().as_str()))
            .with("low", number(low, page))
            .with("high", number(high, page))
            .with("unit", &self.unit)
            .plain()
    }

    fn x(&self, i: usize) -> f64 {
        LEFT + 16.0 + (RIGHT - LEFT - 32.0) * i as f64 / (self.points.len().max(2) - 1) as f64
    }
}

impl Both for Lines {
    fn figure(&self, page: &Page) -> Drawing {
        let mut svg = open(&self.id, 520, 330, &self.title, &self.summary(page));
        let known = self.series.iter().flat_map(|s| &s.values).flatten().copied().filter(|v| v.is_finite());
        let top = grid(known.fold(0.0, f64::max), page, &mut svg);
        for (k, series) in self.series.iter().enumerate() {
            let kind = k % MARKS.len();
            let (mut path, mut marks, mut pen_down) = (String::new(), String::new(), false);
            for (i, value) in series.values.iter().enumerate().take(self.points.len()) {
                let Some(value) = value.filter(|v| v.is_finite()) else {
                    pen_down = false;
                    continue;
                };
                let (x, y) = (self.x(i), height(value, top));
                let _ = write!(path, "{}{x:.1} {y:.1}", if pen_down { "L" } else { "M" });
                let _ = write!(marks, "M{x:.1} {y:.1}{}", MARKS[kind]);
                pen_down = true;
            }
            let _ = write!(
                svg,
                r#"<path class="kr-chart__line kr-chart__line--{kind}" d="{path}"/><path class="kr-chart__point kr-chart__point--{kind}" d="{marks}"/>"#
            );
        }
        let step = label_step(self.points.len());
        for (i, label) in self.points.iter().enumerate().step_by(step) {
            let (x, text) = (self.x(i), escaped(label.plain()));
            let _ = write!(svg, r#"<text class="is-mid" x="{x:.1}" y="321">{text}</text>"#);
        }
        let mut legend = String::from(r#"<ul class="kr-chart__key">"#);
        for (k, series) in self.series.iter().enumerate() {
            let kind = k % MARKS.len();
            let _ = write!(
                legend,
                r#"<li><svg viewBox="0 0 44 14" aria-hidden="true" focusable="false"><path class="kr-chart__line kr-chart__line--{kind}" d="M1 7h42"/><path class="kr-chart__point kr-chart__point--{kind}" d="M22 7{mark}"/></svg><span>{name}</span></li>"#,
                mark = MARKS[kind],
                name = series.name
            );
        }
        legend.push_str("</ul>");
        Drawing(format!("<div>{legend}{}</div>", figure(&svg, &self.note)))
    }

    fn table(&self, page: &Page) -> Drawing {
        let mut head = vec![self.category.to_string()];
        head.extend(self.series.iter().map(|s| s.name.to_string()));
        let rows: Vec<Vec<String>> = self
            .points
            .iter()
            .enumerate()
            .map(|(i, point)| {
                let cell = |s: &Series| value_cell(s.values.get(i).copied().flatten(), &self.unit, page);
                std::iter::once(point.to_string()).chain(self.series.iter().map(cell)).collect()
            })
            .collect();
        table(page, &self.title, &head, &rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::page;

    fn lines(a: &[Option<f64>], b: &[Option<f64>]) -> Lines {
        Lines {
            id: "l".to_owned(),
            title: "t".into(),
            category: "h".into(),
            points: (0..a.len()).map(|i| Phrase::from(i.to_string())).collect(),
            unit: "cm".to_owned(),
            series: vec![
                Series { name: "A".into(), values: a.to_vec() },
                Series { name: "B".into(), values: b.to_vec() },
            ],
            note: Phrase::default(),
        }
    }

    #[test]
    fn a_missing_value_leaves_a_gap() {
        let chart = lines(&[Some(1.0), None, Some(3.0)], &[Some(2.0), Some(2.0), Some(2.0)]);
        let svg = chart.figure(&page("/")).to_string();
        let first = svg.split("kr-chart__line--0\" d=\"").nth(2).unwrap().split('"').next().unwrap();
        assert_eq!((first.matches('M').count(), first.matches('L').count()), (2, 0));
        assert!(svg.contains("kr-chart__line--1") && svg.contains("kr-chart__point--1"));
        assert_eq!(chart.table(&page("/")).to_string().matches("データなし").count(), 1);
    }

    #[test]
    fn short_and_empty_series_are_drawn_without_fault() {
        for chart in
            [lines(&[], &[]), lines(&[Some(1.0)], &[]), lines(&[Some(0.0), Some(f64::NAN)], &[None, None])]
        {
            let html = chart.both(&page("/")).to_string();
            assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
        }
    }
}
