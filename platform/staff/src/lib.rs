//! Staff at their desks: the door, one's own account, everybody's accounts, the emergency account and its alarm.
//!
//! **What it is.** `/staff` and the pages on accounts below it, over the accounts, sessions and alarms of kernel/access.
//!
//! **What it is not.** It keeps nothing of its own but the sealed seeds of one-time codes, which it hands to
//! kernel/access. Residents sign in at platform/identity, by another door with another cookie. A directory keeps accounts
//! by platform/scim.
//!
//! **Invariants.**
//! - Nobody changes their own roles, and nobody sees a password or a seed of somebody else.
//! - An emergency account opens only with a reason; the alarm and the event are in the transaction of its use.
//! - A one-time link is shown once, to whoever made it.
//!
//! **How to add one more page.** A handler with `Authz<…>`, a template on `kr/console.html`, texts in the three
//! languages; `Op::new(…).staff()` in the file of its subject.

mod accounts;
mod alarms;
mod door;
mod glass;
mod own;
mod seed;
mod set_up;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kenroku_access::Permission as _;
use kenroku_access::kernel::{ViewAlarms, ViewStaff};
use kenroku_http::App;
use kenroku_http::metrics::Sample;
use kenroku_module::Module;
use kenroku_places::Places;
use kenroku_places::choose::government_name;
use kenroku_types::Tenant;
use kenroku_ui::{Console, Link, Page, Phrase};

/// The texts.
pub const LOCALES: [kenroku_ui::LocaleFile; 3] = kenroku_ui::locales!("staff", "../i18n");

/// How often this process saw an emergency account being used.
#[derive(Debug, Default)]
struct Uses(AtomicU64);

/// The module.
pub fn module() -> Module {
    Module::new("staff")
        .routes(door::routes().merge(own::routes()).merge(set_up::routes()))
        .routes(accounts::routes().merge(alarms::routes()).merge(glass::routes()))
        .tool("staff-accounts", accounts::ADDRESS, ViewStaff::META)
        .tool("staff-alarms", alarms::ADDRESS, ViewAlarms::META)
        .locales(LOCALES)
        .start(|builder| {
            Box::pin(async move {
                let uses = Arc::new(Uses::default());
                builder.put_shared(Arc::clone(&uses));
                builder.metrics().source(move || {
                    vec![Sample {
                        name: "kenroku_break_glass_uses_total",
                        help: "Emergency accounts used since this process started; each one is an alarm.",
                        counter: true,
                        labels: Vec::new(),
                        value: uses.0.load(Ordering::Relaxed) as f64,
                    }]
                });
                Ok(())
            })
        })
}

/// The frame of the pages here.
fn console(page: &Page, tenant: Tenant, here: (&'static str, &'static str)) -> Console {
    let place = Places::shared().map(|p| government_name(page, p, tenant)).unwrap_or_default();
    let mut menu = vec![Link::new(page.t(here.0), here.1).current(true)];
    if here.1 != own::ADDRESS {
        menu.push(Link::new(page.t("staff-own"), own::ADDRESS));
    }
    menu.push(page.staff_home());
    Console {
        name: page.t("staff-home").phrase(),
        place,
        who: Phrase::default(),
        leave: Some(page.sign_out()),
        menu,
    }
}

/// The names of roles, for people.
fn role_names(app: &App, page: &Page, roles: &[kenroku_access::RoleId]) -> String {
    let known = app.access().policies().roles();
    let name = |id: &kenroku_access::RoleId| match known.iter().find(|r| r.id == id.as_str()) {
        Some(r) if page.locale == kenroku_ui::Locale::En => r.en.to_owned(),
        Some(r) => r.ja.to_owned(),
        None => id.to_string(),
    };
    roles.iter().map(name).collect::<Vec<_>>().join("、")
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_are_complete() {
        kenroku_ui::i18n::check(env!("CARGO_MANIFEST_DIR"), &crate::LOCALES).unwrap();
    }

    #[test]
    fn the_module_fits_together() {
        assert_eq!(kenroku_module::check(&[crate::module()]), Vec::<String>::new());
    }
}
