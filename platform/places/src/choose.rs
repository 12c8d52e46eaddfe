//! Choosing a municipality: what every page by area shares.
//!
//! A public page takes `?area=17211`; [`asked`] is the municipality, whose rows have its `tenant`. The names come
//! from the data, so a page needs no texts of this module.
//!
//! ```
//! use kenroku_places::{Places, choose};
//! let places = Places::shared().unwrap();
//! assert_eq!(choose::asked(places, "17211").map(|m| m.name), Some("能美市"));
//! assert!(choose::asked(places, "13101").is_none(), "another prefecture");
//! ```

use kenroku_types::Tenant;
use kenroku_ui::parts::Choice;
use kenroku_ui::{Locale, Page, Phrase};

use crate::model::{Municipality, Places, Region};

/// The municipality of `?area=`: its five digits, or six with the check digit. Anything else is as if nothing had been chosen.
pub fn asked<'p>(places: &'p Places, text: &str) -> Option<&'p Municipality> {
    places.by_code(text.parse().ok()?)
}

/// A municipality's name in the language of the page.
pub fn place_name(page: &Page, m: &Municipality) -> Phrase {
    match page.locale {
        Locale::En => Phrase::text(&m.english_name()),
        _ => page.named(m.name, m.kana),
    }
}

/// The prefecture's name in the language of the page.
pub fn prefecture_name(page: &Page, places: &Places) -> Phrase {
    let p = places.prefecture();
    match page.locale {
        Locale::En => Phrase::text(p.romaji),
        _ => page.named(p.name, p.kana),
    }
}

/// The name of whoever a row belongs to; empty for the tenant that all share.
pub fn government_name(page: &Page, places: &Places, tenant: Tenant) -> Phrase {
    match places.by_tenant(tenant) {
        Some(m) => place_name(page, m),
        None if tenant == places.prefecture().tenant => prefecture_name(page, places),
        None => Phrase::default(),
    }
}

/// A region's name in the language of the page.
pub fn region_name(page: &Page, region: Region) -> Phrase {
    match page.locale {
        Locale::En => Phrase::text(region.english()),
        locale => Phrase::markup(locale, region.markup()),
    }
}

/// All municipalities by region, for a `select`. A page that has a choice for all of them puts it first.
pub fn areas(page: &Page, places: &Places, chosen: Option<&Municipality>) -> Vec<Choice> {
    let choice = |m: &Municipality| {
        let is_chosen = chosen.is_some_and(|c| c.code == m.code);
        Choice::new(m.code.code5(), place_name(page, m), is_chosen).under(region_name(page, m.region))
    };
    places.municipalities().iter().map(choice).collect()
}
