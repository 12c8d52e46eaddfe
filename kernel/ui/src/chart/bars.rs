//! Bar chart of one series.

use std::fmt::Write;

use super::{
    BASE, Both, LEFT, MAX_LABELS, RIGHT, figure, grid, height, label_step, number, open, table, value_cell,
};
use crate::i18n::phrase::escaped;
use crate::parts::Drawing;
use crate::{Page, Phrase};

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Name under the bar.
    pub label: Phrase,
    /// Its value, or `None` when nobody knows.
    pub value: Option<f64>,
    /// True while it is still growing: drawn dashed.
    pub partial: bool,
}

/// A bar chart of values from zero up.
#[derive(Clone, Debug)]
pub struct Bars {
    /// Unique on its page; prefix of ids.
    pub id: String,
    /// What is shown.
    pub title: Phrase,
    /// Name of the first column: what the bars are.
    pub category: Phrase,
    /// Name of the second column: what is measured.
    pub measure: Phrase,
    /// Unit, such as `km`.
    pub unit: String,
    /// The bars in order.
    pub bars: Vec<Bar>,
    /// A line under the drawing; may be empty.
    pub note: Phrase,
}

impl Bars {
    /// One sentence that says the most important thing the drawing shows.
    fn summary(&self, page: &Page) -> String {
        let top = self
            .bars
            .iter()
            .filter_map(|b| Some((b, b.value.filter(|v| v.is_finite())?)))
            .max_by(|(_, a), (_, b)| a.total_cmp(b));
        match top {
            Some((bar, value)) => page
                .t("ui-chart-bars")
                .with("n", self.bars.len())
                .with("label", &bar.label)
                .with("value", number(value, page))
                .with("unit", &self.unit)
                .plain(),
            None => page.t("ui-chart-empty").plain(),
        }
    }
}

impl Both for Bars {
    fn figure(&self, page: &Page) -> Drawing {
        let mut svg = open(&self.id, 520, 330, &self.title, &self.summary(page));
        let known = self.bars.iter().filter_map(|b| b.value).filter(|v| v.is_finite());
        let top = grid(known.fold(0.0, f64::max), page, &mut svg);
        let n = self.bars.len().max(1);
        let slot = (RIGHT - LEFT) / n as f64;
        let width = (slot * 0.55).min(48.0);
        let step = label_step(n);
        for (i, bar) in self.bars.iter().enumerate() {
            let middle = LEFT + slot * (i as f64 + 0.5);
            if let Some(value) = bar.value.filter(|v| v.is_finite()) {
                let y = height(value, top);
                let (x, h) = (middle - width / 2.0, BASE - y);
                let now = if bar.partial { " kr-chart__bar--now" } else { "" };
                let _ = write!(
                    svg,
                    r#"<rect class="kr-chart__bar{now}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{h:.1}"/>"#
                );
                if n <= MAX_LABELS {
                    let (ty, text) = (y - 7.0, number(value, page));
                    let _ = write!(
                        svg,
                        r#"<text class="is-mid is-value" x="{middle:.1}" y="{ty:.1}">{text}</text>"#
                    );
                }
            } else {
                let _ = write!(svg, r#"<text class="is-mid" x="{middle:.1}" y="{:.1}">×</text>"#, BASE - 7.0);
            }
            if i % step == 0 {
                let text = escaped(bar.label.plain());
                let _ = write!(svg, r#"<text class="is-mid" x="{middle:.1}" y="321">{text}</text>"#);
            }
        }
        figure(&svg, &self.note)
    }

    fn table(&self, page: &Page) -> Drawing {
        let rows: Vec<Vec<String>> = self
            .bars
            .iter()
            .map(|b| {
                let partial = if b.partial { page.t("ui-chart-partial").to_string() } else { String::new() };
                vec![format!("{}{partial}", b.label), value_cell(b.value, &self.unit, page)]
            })
            .collect();
        table(page, &self.title, &[self.category.to_string(), self.measure.to_string()], &rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::page;

    fn bars(values: &[Option<f64>]) -> Bars {
        let bar =
            |(i, v): (usize, &Option<f64>)| Bar { label: format!("{i}<").into(), value: *v, partial: i == 1 };
        Bars {
            id: "km".to_owned(),
            title: "km & more".into(),
            category: "h".into(),
            measure: "km".into(),
            unit: "km".to_owned(),
            bars: values.iter().enumerate().map(bar).collect(),
            note: Phrase::default(),
        }
    }

    #[test]
    fn drawing_and_table_say_the_same() {
        let page = page("/");
        let chart = bars(&[Some(6.2), Some(1_234.0), None]);
        let (svg, table) = (chart.figure(&page).to_string(), chart.table(&page).to_string());
        assert_eq!(svg.matches("<rect").count(), 2);
        assert_eq!(svg.matches("kr-chart__bar--now").count(), 1);
        for text in ["6.2", "1,234"] {
            assert!(svg.contains(text) && table.contains(text), "{text}");
        }
        assert!(table.contains("データなし") && table.contains("（途中）"));
        assert!(svg.contains("km &amp; more") && !svg.contains("0<<"), "text is escaped");
        assert!(!svg.contains("style="));
    }

    #[test]
    fn nothing_to_draw_is_said() {
        let svg = bars(&[None]).figure(&page("/?lang=en")).to_string();
        assert!(svg.contains("There is no data"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert!(!bars(&[]).both(&page("/")).to_string().contains("NaN"));
        assert!(!bars(&[Some(f64::NAN), Some(0.0)]).both(&page("/")).to_string().contains("NaN"));
    }
}
