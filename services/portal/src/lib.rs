//! いしかわポータル: the one entrance for the prefecture and its nineteen municipalities.
//!
//! **What it is.** The home page by area, the list of services, the pages every public site owes its readers
//! (accessibility, privacy, contact, open data, developers), and the administrators' page of keys.
//!
//! **What it is not.** It holds no facts of its own: what it shows of a service comes through a port of
//! `kenroku-contracts` or through the card the service hands in ([`kenroku_module::Card`]). Residents are signed in by platform/identity.
//!
//! **Invariants.** Everything works without signing in and without JavaScript. A chosen area is remembered on the
//! device only.
//!
//! **How to add one more.** A service adds its card in its own module value. A page of this crate is an
//! [`about`](mod@about) entry with its texts, or a handler of its own with a template.

mod about;
mod home;
mod keys;
mod rules;

use kenroku_access::Permission as _;
use kenroku_access::kernel::{ManageKeys, ViewMatrix};
use kenroku_module::Module;

/// Who runs this installation, as its pages name it; put into the app by the binary.
#[derive(Clone, Debug, Default)]
pub struct Operator {
    /// Name of the organisation or office; empty when nobody set it.
    pub name: String,
    /// How to reach it: telephone, mail or address; empty when nobody set it.
    pub contact: String,
}

/// The links at the foot of every page: key and address.
pub const FOOTER: [(&str, &str); 6] = [
    ("portal-contact", "/about/contact"),
    ("portal-accessibility", "/about/accessibility"),
    ("portal-privacy", "/about/privacy"),
    ("portal-open-data", "/about/open-data"),
    ("portal-developers", "/developers"),
    ("portal-staff", "/staff/sign-in"),
];

/// What this portal is called, for the frame of every page.
pub const NAMES: kenroku_ui::Names = kenroku_ui::Names {
    site: "portal-site",
    sub: "portal-site-sub",
    sign: "portal-sign",
    sign_in: "portal-sign-in-here",
};

/// The texts.
pub const LOCALES: [kenroku_ui::LocaleFile; 3] = kenroku_ui::locales!("portal", "../i18n");

/// The module.
pub fn module() -> Module {
    Module::new("portal")
        .routes(home::routes().merge(about::routes()).merge(keys::routes()).merge(rules::routes()))
        .tool("portal-keys", keys::ADDRESS, ManageKeys::META)
        .tool("portal-rules", rules::ADDRESS, ViewMatrix::META)
        .locales(LOCALES)
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_are_complete() {
        kenroku_ui::i18n::check(env!("CARGO_MANIFEST_DIR"), &super::LOCALES).unwrap();
    }
}
