//! A page for the unit tests of this crate.

use std::sync::Arc;

use axum::http::HeaderMap;

use crate::{Page, Shell, Texts};

/// The page of an address, in Japanese unless the address asks for another language.
pub fn page(uri: &str) -> Page {
    Page::new(Arc::new(Shell::new(Texts::own())), &uri.parse().unwrap(), &HeaderMap::new())
}
