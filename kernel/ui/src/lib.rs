//! What people see: page layout, components, texts in three languages, charts, assets.
//!
//! **What it is.** Everything pages share. [`mount`] dresses a router (language, headers, error pages), a
//! handler takes a [`Page`], fills a template that extends `kr/base.html` (public) or `kr/console.html`
//! (staff), and answers with [`Html`]. Components are the macros of `templates/kr/parts.html` and the values
//! of [`parts`]; [`design`] shows all of them in every state.
//!
//! **What it is not.** It knows no service, asks no database and decides no permission. It loads nothing from
//! another host, and no page needs JavaScript: scripts only add to what the HTML already does.
//!
//! **Invariants.** No inline style or script (the CSP forbids both). Colour never stands alone: a pattern and
//! a word say the same. Every key exists in every language ([`i18n::check`]). Text from outside reaches HTML
//! only through escaping. Without `web/dist` everything works with a small built-in style sheet.
//!
//! **How to add a page.** In the crate: `askama.toml` with
//! `dirs = ["templates", "../../kernel/ui/templates"]`, `i18n/{ja,ja-x-yasashii,en}.ftl`, then
//!
//! ```text
//! #[derive(askama::Template)]
//! #[template(path = "snow.html")]      // {% extends "kr/base.html" %} {% block main %} … {% endblock %}
//! struct Snow { page: Page, rows: Vec<Row> }
//!
//! async fn snow(page: Page) -> Html<Snow> {
//!     let title = page.t("snow-title").phrase();
//!     Html(Snow { page: page.title(title), rows })
//! }
//! ```
//!
//! **How to add a component.** A macro in `parts.html` (or a value in [`parts`] when there is logic), its
//! rules in `web/css`, and every state of it on [`design`]; a test of that page fails if a class has no rule.

// Templates name this crate by its name, so that they work in this crate and in others alike.
extern crate self as kenroku_ui;

pub mod assets;
pub mod chart;
pub mod design;
pub mod error;
pub mod i18n;
mod page;
pub mod parts;
pub mod qr;
mod shell;

#[cfg(test)]
mod testing;

pub use i18n::{Locale, LocaleFile, Message, Phrase, Texts};
pub use page::{Console, Emergency, Given, Link, Page, SIGNED_IN_COOKIE};
pub use shell::{Html, Names, Shell, mount};
