//! `/staff/rules`: who may do what, for people who answer for it. Every rule with its text and its explanation, the
//! permission matrix, and a question that the policies themselves answer: “may a 除雪担当 of 能美市 …?”

use std::collections::BTreeSet;

use askama::Template;
use axum::http::Method;
use kenroku_access::kernel::ViewMatrix;
use kenroku_access::{
    Actor, Assurance, Authz, ClientId, Matrix, PermissionMeta, Policies, RoleId, SignIn, Target, Verdict,
};
use kenroku_http::{App, Op, Query, Result, Routes};
use kenroku_places::Places;
use kenroku_places::choose::government_name;
use kenroku_types::ids::{DeviceId, StaffId, SubjectId};
use kenroku_types::{MuniCode, Tenant, Timestamp};
use kenroku_ui::parts::Choice;
use kenroku_ui::{Console, Html, Link, Locale, Page, Phrase};
use serde::Deserialize;

/// The page's address.
pub(crate) const ADDRESS: &str = "/staff/rules";
const MATRIX: &str = "/staff/rules/matrix";

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(Op::new(Method::GET, ADDRESS, rules).staff())
        .add(Op::new(Method::GET, MATRIX, matrix).staff())
}

fn dressed(page: Page, tenant: Tenant, title: &str, at: &str) -> Result<Page> {
    let link = |key: &str, href: &str| Link::new(page.t(key), href).current(href == at);
    let menu = vec![link("portal-rules", ADDRESS), link("portal-matrix", MATRIX), page.staff_home()];
    let console = Console {
        name: page.t("portal-staff").phrase(),
        place: government_name(&page, Places::shared()?, tenant),
        who: Phrase::default(),
        leave: Some(page.sign_out()),
        menu,
    };
    let title = page.t(title).phrase();
    Ok(page.title(title).console(console))
}

/// What a permission is called; there is no English word for it but its id.
fn permission_name(page: &Page, p: &PermissionMeta) -> Phrase {
    match page.locale {
        Locale::En => Phrase::text(p.id),
        _ => Phrase::text(&format!("{}（{}）", p.ja, p.id)),
    }
}

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage {
    page: Page,
    who: Vec<Choice>,
    from: Vec<Choice>,
    may: Vec<Choice>,
    whose: Vec<Choice>,
    how: Vec<Choice>,
    answer: Option<Answered>,
    files: Vec<FileView>,
}

struct Answered {
    allowed: bool,
    question: Phrase,
    reasons: Vec<(String, String)>,
}

struct FileView {
    about: &'static str,
    rules: Vec<RuleView>,
}

struct RuleView {
    id: String,
    ja: String,
    forbids: bool,
    text: String,
}

/// The question, as the address holds it.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    /// A role's id, or `resident`, `client`, `device`, `anonymous`.
    #[serde(default)]
    who: String,
    /// Where they belong: a municipality's or the prefecture's code; empty for the installation.
    #[serde(default)]
    from: String,
    /// The permission.
    #[serde(default)]
    may: String,
    /// Whose thing it is, as `from`.
    #[serde(default)]
    whose: String,
    /// How surely they signed in: 2 to 6 ([`Assurance::level`]).
    #[serde(default)]
    how: String,
}

fn tenant_of(code: &str) -> Tenant {
    code.parse::<MuniCode>().map_or(Tenant::SHARED, Tenant::of)
}

/// The person or program of the question; nobody in particular.
fn actor(policies: &Policies, asked: &Asked, may: &PermissionMeta) -> Option<Actor> {
    let level = asked.how.parse().unwrap_or(2);
    let assurance = Assurance::ALL.into_iter().find(|a| a.level() == level)?;
    let tenant = tenant_of(&asked.from);
    // Nobody's id: the rules look at kinds, roles and tenants.
    let some = Tenant::SHARED.uuid();
    let sign_in = SignIn { assurance, at: Timestamp::EPOCH };
    Some(match asked.who.as_str() {
        "anonymous" => Actor::Anonymous,
        "resident" => Actor::Resident { subject: SubjectId::from_uuid(some), sign_in },
        "device" => Actor::Device { id: DeviceId::from_uuid(some), tenant },
        "client" => Actor::Client { id: ClientId::from_uuid(some), tenant, scopes: vec![may.id.to_owned()] },
        role => {
            let role = policies.roles().iter().find(|r| r.id == role)?;
            Actor::Staff { id: StaffId::from_uuid(some), tenant, roles: vec![RoleId::new(role.id)], sign_in }
        }
    })
}

fn answer(page: &Page, policies: &Policies, asked: &Asked) -> Option<Answered> {
    let may = policies.permissions().iter().find(|p| p.id == asked.may)?;
    let actor = actor(policies, asked, may)?;
    let tenant = tenant_of(&asked.whose);
    let target = Target { kind: may.on, id: tenant.uuid(), tenant, owner: None };
    let decision = policies.decide(&actor, may, &target);
    let reasons = decision.reasons.iter().map(|r| (r.ja.clone(), r.id.clone())).collect();
    Some(Answered { allowed: decision.allowed, question: permission_name(page, may), reasons })
}

async fn rules(
    authz: Authz<ViewMatrix>,
    app: App,
    page: Page,
    Query(asked): Query<Asked>,
) -> Result<Html<RulesPage>> {
    let places = Places::shared()?;
    let policies = app.access().policies();
    let t = |key: &str| page.t(key).phrase();
    let of = |value: &str, label: Phrase, chosen: &str| Choice::new(value, label, value == chosen);
    let mut who: Vec<Choice> = policies
        .roles()
        .iter()
        .map(|r| {
            let name = if page.locale == Locale::En { r.en } else { r.ja };
            of(r.id, Phrase::text(name), &asked.who)
        })
        .collect();
    for (value, key) in [
        ("resident", "portal-rules-resident"),
        ("client", "portal-rules-client"),
        ("device", "portal-rules-device"),
        ("anonymous", "portal-rules-anonymous"),
    ] {
        who.push(of(value, t(key), &asked.who));
    }
    let governments = |chosen: &str| {
        let prefecture = places.prefecture();
        let mut list = vec![of(
            prefecture.code.code5().as_str(),
            kenroku_places::choose::prefecture_name(&page, places),
            chosen,
        )];
        list.extend(places.municipalities().iter().map(|m| {
            let code = m.code.code5();
            of(code.as_str(), kenroku_places::choose::place_name(&page, m), chosen)
        }));
        list.push(of("", t("portal-rules-shared"), chosen));
        list
    };
    let may = policies.permissions().iter();
    let may = may.map(|p| of(p.id, permission_name(&page, p), &asked.may)).collect();
    let how = [
        ("2", "portal-rules-password"),
        ("3", "portal-rules-otp"),
        ("4", "portal-rules-passkey"),
        ("5", "portal-rules-card"),
        ("6", "portal-rules-card-sign"),
    ]
    .map(|(value, key)| of(value, t(key), &asked.how));
    let files = policies.files().iter().map(|file| FileView {
        about: file.explanation_ja,
        rules: policies
            .rules()
            .filter(|r| r.module == file.module && file.text.contains(&format!("@id(\"{}\")", r.id)))
            .map(|r| RuleView {
                id: r.id.clone(),
                ja: r.ja.clone(),
                forbids: r.forbids,
                text: r.text.clone(),
            })
            .collect(),
    });
    let view = RulesPage {
        who,
        from: governments(&asked.from),
        may,
        whose: governments(&asked.whose),
        how: how.into(),
        answer: answer(&page, policies, &asked),
        files: files.collect(),
        page: dressed(page.clone(), authz.tenant(), "portal-rules", ADDRESS)?,
    };
    Ok(Html(view))
}

#[derive(Template)]
#[template(path = "matrix.html")]
struct MatrixPage {
    page: Page,
    modules: Vec<Choice>,
    tables: Vec<TableView>,
}

struct TableView {
    title: Phrase,
    about: String,
    rows: Vec<(String, [&'static str; 4], Phrase, String)>,
}

/// Which module.
#[derive(Debug, Default, Deserialize)]
struct Of {
    #[serde(default)]
    of: String,
}

fn module_of(p: &PermissionMeta) -> &'static str {
    p.id.split('.').next().unwrap_or(p.id)
}

async fn matrix(
    authz: Authz<ViewMatrix>,
    app: App,
    page: Page,
    Query(asked): Query<Of>,
) -> Result<Html<MatrixPage>> {
    let policies = app.access().policies();
    let modules: BTreeSet<&str> = policies.permissions().iter().map(module_of).collect();
    let of = modules.get(asked.of.as_str()).or(modules.first()).copied().unwrap_or_default();
    let mut tables: Vec<TableView> = Vec::new();
    for row in Matrix::of(policies, |p| module_of(p) == of).rows {
        let title = permission_name(&page, &row.permission);
        if tables.last().is_none_or(|t| t.title.plain() != title.plain()) {
            let p = row.permission;
            let law = p.data.map_or(String::new(), |d| format!(" · {}", d.ja()));
            let about = format!("{} · {}{law}", p.act.ja(), p.on.ja);
            tables.push(TableView { title, about, rows: Vec::new() });
        }
        let Some(from) = row.from else { continue };
        let marks = row.verdicts.map(|v| match v {
            Verdict::Yes => "○",
            Verdict::No => "–",
            Verdict::NotAsked => "",
        });
        let from = match from {
            Assurance::None => page.t("portal-rules-none"),
            Assurance::Key => page.t("portal-rules-key"),
            Assurance::Password => page.t("portal-rules-password"),
            Assurance::PasswordOtp => page.t("portal-rules-otp"),
            Assurance::Passkey => page.t("portal-rules-passkey"),
            Assurance::JpkiAuth => page.t("portal-rules-card"),
            Assurance::JpkiSign => page.t("portal-rules-card-sign"),
        };
        if let Some(table) = tables.last_mut() {
            table.rows.push((row.who.ja, marks, from.phrase(), row.because.join(" ")));
        }
    }
    let modules = modules.iter().map(|m| Choice::new(*m, Phrase::text(m), *m == of)).collect();
    let page = dressed(page, authz.tenant(), "portal-matrix", MATRIX)?;
    Ok(Html(MatrixPage { page, modules, tables }))
}

#[cfg(test)]
mod tests {
    use kenroku_access::{TenantTree, testing};
    use kenroku_module::test::TestSite;

    use super::*;

    #[tokio::test]
    async fn the_officer_reads_the_rules_and_asks_what_they_would_answer() {
        let pref = tenant_of("17000");
        let nomi = tenant_of("17211");
        let tree = TenantTree::new([(pref, None), (nomi, Some(pref))]).unwrap();
        let site = TestSite::within(tree, [crate::module()]).await;
        let officer = site.acting(testing::staff(nomi, &["data-officer"]));
        let page = officer.get(ADDRESS).await.text();
        assert!(page.contains("kernel.wall-staff") && page.contains("forbid (principal is Staff"));
        let ask = |who: &str, whose: &str| {
            format!("{ADDRESS}?who={who}&from=17211&may=access.view-matrix&whose={whose}&how=2")
        };
        let yes = officer.get(&ask("data-officer", "17211")).await.text();
        assert!(yes.contains("kr-notice--done") && yes.contains("kernel.data-officer-reviews"));
        let other = officer.get(&ask("data-officer", "17000")).await.text();
        assert!(other.contains("kr-notice--info") && other.contains("kernel.wall-staff"));
        let nobody = officer.get(&ask("anonymous", "17211")).await.text();
        assert!(nobody.contains("kr-notice--info") && nobody.contains("許しているきまりがありません"));
        assert!(!officer.get(&ask("nonsense", "17211")).await.text().contains("kr-notice--"));
        let matrix = officer.get("/staff/rules/matrix?of=access").await.text();
        assert!(matrix.contains("access.view-matrix") && !matrix.contains("bus.view-dead"));
        let clerk = site.acting(testing::staff(nomi, &["nobody"]));
        assert_ne!(clerk.get(ADDRESS).await.status, 200);
    }
}
