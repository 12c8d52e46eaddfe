//! The places of the prefecture: 石川県, its nineteen municipalities, their boundaries and their towns.
//!
//! **What it is.** Reference data that ships inside the program and needs no network: [`Places`] answers
//! which municipality a point lies in, which towns are near it, and what an address means; [`search`] finds
//! a town by its written name in old or new characters, full or half width; [`tiles`] draws the base map.
//! Every later service takes its municipalities, tenants and towns from here; the kernel knows none of them.
//!
//! **What it is not.** No road, no building, no lot number and no postal code: an address is understood down
//! to 町丁目 or 小字 and what follows is left to the reader. The source has no readings of towns, so a town
//! is found by kana only where its name is written in kana; the readings of the municipalities are known.
//! Boundaries are simplified for maps and are no legal boundaries.
//!
//! **Invariants.** [`Places`] never changes after loading. Every town lies in one of the nineteen
//! municipalities and has a position. The same version of the data gives the same tile bytes on every machine.
//!
//! **How to add one more.** Another prefecture is another set of the three files in `data/` (its `README.md`
//! tells how they are made). A further spelling that people use goes into the table in [`kanji`] or, if it is
//! a rule, into [`fold`]; what another page by area needs is in [`choose`]; a further map layer is a function in [`tiles`] and an entry of its TileJSON.

mod api;
pub mod choose;
pub mod fold;
pub mod geometry;
pub mod kanji;
pub mod model;
mod pages;
pub mod search;
pub mod tiles;
pub mod vector;

use kenroku_module::{Card, Module};

pub use geometry::{Boundary, LatLng};
pub use model::{DataError, Municipality, Places, Prefecture, Region, Town, TownId};
pub use search::{Hit, MatchKind, SearchError, SearchOptions};
pub use tiles::{BaseMap, TileError};

/// What the binary needs to know of the places.
pub fn module() -> Module {
    Module::new("places")
        .routes(api::routes())
        .routes(pages::routes())
        .locales(kenroku_ui::locales!("places", "../i18n"))
        // Parsing takes a few milliseconds; the first request should not wait for it.
        .start(|_| Box::pin(async { BaseMap::shared().map(|_| ()).map_err(Into::into) }))
        .card(Card::new("places-card-title", "places-card-text", "/places").order(900))
}
