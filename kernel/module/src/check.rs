//! What must hold between modules before anything is served; the binary's test and `config check` call it.

use std::collections::{BTreeMap, BTreeSet};

use kenroku_http::{Gate, openapi};
use kenroku_ui::Locale;

use crate::Module;
use crate::settings::Raw;

/// Everything that does not fit, one sentence each; empty when all is well.
pub fn check(modules: &[Module]) -> Vec<String> {
    let mut wrong = Vec::new();
    for m in modules {
        name(m, &mut wrong);
        locales(m, &mut wrong);
        migrations(m, &mut wrong);
        routes(m, &mut wrong);
        settings(m, &mut wrong);
    }
    gates(modules, &mut wrong);
    wrong.extend(openapi::clashes(modules.iter().flat_map(|m| m.routes.ops())));
    unique("module", modules.iter().map(|m| (m.name, m.name)), &mut wrong);
    unique("entity type", modules.iter().flat_map(|m| m.entities.iter().map(|e| (*e, m.name))), &mut wrong);
    unique(
        "import kind",
        modules.iter().flat_map(|m| m.importers.iter().map(|i| (i.kind, m.name))),
        &mut wrong,
    );
    wrong
}

fn name(m: &Module, wrong: &mut Vec<String>) {
    let fits = m.name.starts_with(|c: char| c.is_ascii_lowercase())
        && m.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !fits {
        wrong.push(format!("module “{}”: a name is lower-case letters, digits and hyphens", m.name));
    }
}

fn locales(m: &Module, wrong: &mut Vec<String>) {
    if let Some(other) = m.locales.iter().find(|l| l.module != m.name) {
        wrong.push(format!("module {}: its texts are declared for {}", m.name, other.module));
    }
    if m.locales.is_empty() {
        return;
    }
    for locale in Locale::ALL {
        let files = m.locales.iter().filter(|l| l.locale == locale).count();
        if files != 1 {
            wrong.push(format!("module {}: {files} text files for {}; it needs one", m.name, locale.tag()));
        }
    }
}

fn migrations(m: &Module, wrong: &mut Vec<String>) {
    let Some(steps) = m.migrations else { return };
    if steps.module != m.name {
        wrong.push(format!("module {}: its migrations are declared for {}", m.name, steps.module));
    }
    for (i, step) in steps.steps.iter().enumerate() {
        if !step.name.starts_with(&format!("{:04}_", i + 1)) {
            wrong.push(format!(
                "module {}: migration {} should begin with {:04}_; steps are numbered without gaps and never reordered",
                m.name,
                step.name,
                i + 1
            ));
        }
    }
}

fn routes(m: &Module, wrong: &mut Vec<String>) {
    let own = format!("/api/{}/v1", m.name);
    for op in m.routes.ops().iter().map(kenroku_http::Op::info) {
        let api = op.path.starts_with("/api/");
        if api && !(op.path.starts_with(&own) && op.path[own.len()..].starts_with('/')) {
            wrong.push(format!("module {}: {} {} is not below {own}/", m.name, op.method, op.path));
        }
        if api && !op.documented {
            wrong.push(format!(
                "module {}: {} {} has no documentation; add #[utoipa::path] and use op!",
                m.name, op.method, op.path
            ));
        }
    }
    if let Err(e) = m.routes.check() {
        wrong.push(format!("module {}: {e}", m.name));
    }
    if let Some(card) = &m.card
        && !card.href.starts_with('/')
    {
        wrong.push(format!("module {}: the card's address {} does not begin with /", m.name, card.href));
    }
}

fn settings(m: &Module, wrong: &mut Vec<String>) {
    for s in &m.settings {
        if s.key.split_once('.').is_none_or(|(section, _)| section != m.name) {
            wrong.push(format!("module {}: the setting {} does not begin with {}.", m.name, s.key, m.name));
        }
        for text in [Some(s.default), s.demo].into_iter().flatten() {
            if s.kind.read(&Raw::Env(text.to_owned())).is_none() {
                wrong.push(format!("the setting {}: “{text}” is not {}", s.key, s.kind.accepted()));
            }
        }
    }
}

/// Every operation asks for a permission that some module (or the kernel) declares.
fn gates(modules: &[Module], wrong: &mut Vec<String>) {
    let own = kenroku_access::kernel::access().permissions;
    let declared = modules.iter().flat_map(|m| &m.access.permissions).chain(&own);
    let declared: BTreeSet<&str> = declared.map(|p| p.id).collect();
    for m in modules {
        for op in m.routes.ops().iter().map(kenroku_http::Op::info) {
            if let Gate::Needs(permission) = op.gate
                && !declared.contains(permission)
            {
                wrong.push(format!(
                    "module {}: {} {} needs {permission}, which no module declares; add it to .permissions(…)",
                    m.name, op.method, op.path
                ));
            }
        }
    }
}

fn unique<'a>(what: &str, items: impl Iterator<Item = (&'a str, &'a str)>, wrong: &mut Vec<String>) {
    let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (item, owner) in items {
        owners.entry(item).or_default().push(owner);
    }
    for (item, owners) in owners.into_iter().filter(|(_, o)| o.len() > 1) {
        wrong.push(format!("the {what} “{item}” is declared more than once, by {}", owners.join(" and ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenroku_http::{Public, Routes, op};
    use kenroku_store::{Migration, ModuleMigrations};

    async fn page(_: Public) -> &'static str {
        "x"
    }

    const GOOD: ModuleMigrations =
        ModuleMigrations { module: "a", steps: &[step("0001_init"), step("0002_more")] };
    const GAP: ModuleMigrations =
        ModuleMigrations { module: "a", steps: &[step("0001_init"), step("0003_more")] };

    mod schemas {
        use kenroku_http::{Json, Public};
        use serde::Serialize;

        #[derive(Serialize, utoipa::ToSchema)]
        pub(super) struct Receipt {
            accepted: u64,
        }
        pub(super) mod other {
            #[derive(serde::Serialize, utoipa::ToSchema)]
            pub(crate) struct Receipt {
                pub(super) refused: bool,
            }
        }

        /// One.
        #[utoipa::path(get, path = "/api/a/v1/x", responses((status = 200, body = Receipt)))]
        pub(super) async fn a(_: Public) -> Json<Receipt> {
            Json(Receipt { accepted: 1 })
        }
        /// The same schema again.
        #[utoipa::path(get, path = "/api/b/v1/x", responses((status = 200, body = Receipt)))]
        pub(super) async fn b(_: Public) -> Json<Receipt> {
            a(Public).await
        }
        /// Another of the same name.
        #[utoipa::path(get, path = "/api/c/v1/x", responses((status = 200, body = other::Receipt)))]
        pub(super) async fn c(_: Public) -> Json<other::Receipt> {
            Json(other::Receipt { refused: false })
        }
    }

    #[test]
    fn schemas_of_one_name_must_be_one_schema() {
        let module = |name, op| Module::new(name).routes(Routes::new().add(op));
        let same = [module("a", op!(schemas::a)), module("b", op!(schemas::b))];
        assert_eq!(check(&same), Vec::<String>::new());
        let another = check(&[module("a", op!(schemas::a)), module("c", op!(schemas::c))]).concat();
        assert!(another.contains("“Receipt” of GET /api/c/v1/x"), "{another}");
        assert!(another.contains("that of GET /api/a/v1/x"), "{another}");
    }

    const fn step(name: &'static str) -> Migration {
        Migration { name, text: "", postgres: None }
    }

    fn complaints(m: Module) -> String {
        check(&[m]).join("\n")
    }

    #[test]
    fn a_sound_module_passes_and_each_flaw_is_named() {
        let good = || Module::new("a").migrations(GOOD).routes(Routes::new().get("/a", page));
        assert_eq!(complaints(good()), "");
        assert!(complaints(Module::new("A b")).contains("a name is"));
        assert!(complaints(good().migrations(GAP)).contains("should begin with 0002_"));
        let other = ModuleMigrations { module: "b", ..GOOD };
        assert!(complaints(good().migrations(other)).contains("declared for b"));
        let api = complaints(good().routes(Routes::new().get("/api/b/v1/x", page)));
        assert!(api.contains("not below /api/a/v1/") && api.contains("no documentation"));
        assert!(complaints(good().routes(Routes::new().get("/a", page))).contains("twice"));
        let twice = check(&[Module::new("a").entities(&["Road"]), Module::new("b").entities(&["Road"])]);
        assert!(twice.concat().contains("“Road” is declared more than once, by a and b"));
    }
}
