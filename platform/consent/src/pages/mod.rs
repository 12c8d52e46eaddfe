//! The pages: my data, my consents, who looked; for the data officer the agreements and the record of provisions.

pub(crate) mod bring;
pub(crate) mod cases;
pub(crate) mod codes;
pub(crate) mod danger;
pub(crate) mod data;
pub(crate) mod form;
pub(crate) mod law;
pub(crate) mod log;
pub(crate) mod notices;
pub(crate) mod own;
pub(crate) mod proxy;
pub(crate) mod recipients;
pub(crate) mod staff;

use kenroku_access::{Actor, Assurance, Authz, Permission};
use kenroku_types::ids::SubjectId;
use kenroku_types::{JapaneseDate, Problem, Timestamp};
use kenroku_ui::{Locale, Page, Phrase};
use kenroku_vault::share::Item;

use crate::Consent;
use crate::model::Texts;

/// The person whose page it is, and how surely they signed in.
fn me<P: Permission>(authz: &Authz<P>) -> Result<(SubjectId, Assurance), Problem> {
    match authz.actor() {
        Actor::Resident { subject, sign_in } => Ok((*subject, sign_in.assurance)),
        _ => Err(Problem::not_found()),
    }
}

/// A text in the language of the page.
fn said(page: &Page, t: &Texts) -> Phrase {
    match page.locale {
        Locale::Ja => Phrase::text(&t.ja),
        // An office writes readings as `漢字《かんじ》`, as the texts of the portal do.
        Locale::Yasashii => Phrase::markup(page.locale, &t.yasashii),
        Locale::En => Phrase::text(&t.en),
    }
}

/// An item's name in the language of the page.
fn item_name(page: &Page, item: &Item) -> Phrase {
    named(page, item.names)
}

/// A name that is given in the three languages.
fn named(page: &Page, [ja, yasashii, en]: [&str; 3]) -> Phrase {
    match page.locale {
        Locale::Ja => Phrase::text(ja),
        Locale::Yasashii => Phrase::markup(page.locale, yasashii),
        Locale::En => Phrase::text(en),
    }
}

/// The name of an item by its code; the code itself when nobody can hand it on any more.
fn code_name(page: &Page, consent: &Consent, code: &str) -> Phrase {
    consent.sources().find(code).map_or_else(|| Phrase::text(code), |(_, item)| item_name(page, item))
}

/// A day with its year.
fn day(page: &Page, t: Timestamp) -> Phrase {
    JapaneseDate::of(t).map_or_else(|_| page.day_time(t), |date| page.date(date))
}
