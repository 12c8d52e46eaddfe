//! Sheets as forms and as facts.

use kenroku_ui::parts::Wrong;
use kenroku_ui::{Page, Phrase};

use super::{Field, Is};
use crate::sheet::{Item, Sheet};

/// The fields of a form, filled with what is known.
pub(crate) fn fields(page: &Page, items: &'static [Item], sheet: &Sheet) -> Vec<Field> {
    let field = |i: &Item| Field {
        value: sheet.get(i.name).cloned().unwrap_or_default(),
        required: i.required,
        ..Field::new(if i.long { Is::Area } else { Is::Line }, i.name, page.t(i.label).phrase())
    };
    items.iter().map(field).collect()
}

/// What is filled in, as facts.
pub(crate) fn facts(page: &Page, items: &'static [Item], sheet: &Sheet) -> Vec<(Phrase, Phrase)> {
    let known = items.iter().filter_map(|i| Some((i, sheet.get(i.name)?)));
    known.map(|(i, v)| (page.t(i.label).phrase(), Phrase::text(v))).collect()
}

/// What is wrong, each with its label.
pub(crate) fn wrongs(page: &Page, items: &'static [Item], faults: &[(&'static str, String)]) -> Vec<Wrong> {
    let wrong = |name: &str| {
        let label = items.iter().find(|i| i.name == name).map(|i| page.t(i.label).phrase());
        let text = match label {
            Some(label) => page.t("privacy-wrong-field").with("field", label).phrase(),
            None => page.t("privacy-ask-wrong-date").phrase(),
        };
        Wrong { field: name.to_owned(), text }
    };
    faults.iter().map(|(name, _)| wrong(name)).collect()
}

/// What was sent, as a sheet: to show a form again as it was filled in.
pub(crate) fn sent(pairs: &[(String, String)]) -> Sheet {
    pairs.iter().cloned().collect()
}

/// One value of a form.
pub(crate) fn get<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
}
