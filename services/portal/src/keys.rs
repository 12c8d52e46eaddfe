//! `/staff/keys`: the keys of devices and of vendors' programs of one government: issued, listed, stopped.
//!
//! A service that registers devices issues their keys on its own page; they are listed and can be stopped here too.

use askama::Template;
use axum::http::Method;
use axum::response::Redirect;
use kenroku_access::accounts::{Accounts, KeyHolder, KeyId, NewKey};
use kenroku_access::kernel::ManageKeys;
use kenroku_access::{Authz, PermissionMeta};
use kenroku_http::{App, Form, Op, Result, Routes};
use kenroku_places::Places;
use kenroku_places::choose::government_name;
use kenroku_types::{Problem, Timestamp};
use kenroku_ui::parts::Choice;
use kenroku_ui::{Console, Html, Link, Locale, Page, Phrase};
use serde::Deserialize;

/// The page's address.
pub(crate) const ADDRESS: &str = "/staff/keys";
/// Longest name of a device or program, characters.
const MAX_LABEL: usize = 40;
/// Longest life of a program's key, days; two years are long enough to forget it.
const MAX_DAYS: u32 = 730;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(Op::new(Method::GET, ADDRESS, list).staff())
        .add(Op::new(Method::POST, ADDRESS, issue).staff())
        .add(Op::new(Method::POST, "/staff/keys/revoke", revoke).staff())
}

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    page: Page,
    fresh: Option<Fresh>,
    kinds: Vec<Choice>,
    scopes: Vec<Choice>,
    rows: Vec<KeyLine>,
}

/// A key that has just been made.
struct Fresh {
    label: String,
    holder: String,
    secret: String,
}

struct KeyLine {
    id: KeyId,
    label: String,
    kind: Phrase,
    holder: String,
    scopes: String,
    since: Phrase,
    until: Option<Phrase>,
    ended: Option<Phrase>,
}

fn kind_word(page: &Page, kind: &str) -> Phrase {
    page.t(if kind == "device" { "portal-key-device" } else { "portal-key-program" }).phrase()
}

/// What a program can be given: everything but personal data, which no key ever opens.
fn grantable(app: &App) -> Vec<PermissionMeta> {
    app.access().policies().permissions().iter().filter(|p| p.data.is_none()).copied().collect()
}

async fn list(authz: Authz<ManageKeys>, app: App, page: Page) -> Result<Html<KeysPage>> {
    show(&authz, &app, page, None).await
}

async fn show(
    authz: &Authz<ManageKeys>,
    app: &App,
    page: Page,
    fresh: Option<Fresh>,
) -> Result<Html<KeysPage>> {
    let now = app.env().now();
    let keys = app.get::<Accounts>()?.list_keys(&authz.granted).await.map_err(Problem::from)?;
    let when = |t: Timestamp| page.day_time(t);
    let rows = keys.into_iter().rev().map(|k| KeyLine {
        id: k.id,
        kind: kind_word(&page, &k.kind),
        since: when(k.created_at),
        until: k.expires_at.map(when),
        ended: k.ended_at(now).map(when),
        holder: k.holder.to_string(),
        label: k.label,
        scopes: k.scopes,
    });
    let name = |p: &PermissionMeta| match page.locale {
        Locale::En => Phrase::text(p.id),
        _ => Phrase::text(&format!("{}（{}）", p.ja, p.id)),
    };
    let title = page.t("portal-keys").phrase();
    let console = Console {
        name: page.t("portal-staff").phrase(),
        place: government_name(&page, Places::shared()?, authz.tenant()),
        who: Phrase::default(),
        leave: Some(page.sign_out()),
        menu: vec![Link::new(page.t("portal-keys"), ADDRESS).current(true), page.staff_home()],
    };
    Ok(Html(KeysPage {
        fresh,
        kinds: ["device", "program"].map(|k| Choice::new(k, kind_word(&page, k), k == "device")).into(),
        scopes: grantable(app).iter().map(|p| Choice::new(p.id, name(p), false)).collect(),
        rows: rows.collect(),
        page: page.title(title).console(console),
    }))
}

/// What the form holds: `scope` may stand in it several times.
#[derive(Default)]
struct Asked {
    label: String,
    program: bool,
    scopes: Vec<String>,
    days: String,
}

impl Asked {
    fn read(fields: Vec<(String, String)>) -> Self {
        let mut asked = Asked::default();
        for (name, value) in fields {
            match name.as_str() {
                "label" => value.trim().clone_into(&mut asked.label),
                "kind" => asked.program = value == "program",
                "scope" => asked.scopes.push(value),
                "days" => value.trim().clone_into(&mut asked.days),
                _ => {}
            }
        }
        asked
    }
}

fn wrong(detail: &'static str, field: &'static str, says: &'static str) -> Problem {
    Problem::bad_request(detail).field(field, "range", says)
}

async fn issue(
    authz: Authz<ManageKeys>,
    app: App,
    page: Page,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Html<KeysPage>> {
    let asked = Asked::read(fields);
    if asked.label.is_empty() || asked.label.chars().count() > MAX_LABEL {
        return Err(wrong("The name is missing or too long.", "label", "1 to 40 characters").into());
    }
    let days = match asked.days.parse::<u32>() {
        _ if asked.days.is_empty() => None,
        Ok(d) if (1..=MAX_DAYS).contains(&d) => Some(d),
        _ => return Err(wrong("The days are a whole number.", "days", "1 to 730, or nothing").into()),
    };
    // A device needs no scope: what it may do is in the policies.
    let known = grantable(&app).into_iter();
    let scopes: Vec<_> = known.filter(|p| asked.program && asked.scopes.iter().any(|s| s == p.id)).collect();
    if asked.program && scopes.is_empty() {
        return Err(wrong("A program needs to know what for.", "scope", "at least one").into());
    }
    let env = app.env();
    let holder = if asked.program { KeyHolder::Client(env.id()) } else { KeyHolder::Device(env.id()) };
    let day = std::time::Duration::from_secs(24 * 3600);
    let expires = days.map(|d| env.now().plus(day * d));
    let new = NewKey { holder, scopes: &scopes, label: &asked.label, expires };
    let key = app.get::<Accounts>()?.issue_key(&authz.granted, &new).await.map_err(Problem::from)?;
    let holder = match holder {
        KeyHolder::Device(id) => id.to_string(),
        KeyHolder::Client(id) => id.to_string(),
    };
    show(&authz, &app, page, Some(Fresh { label: asked.label, holder, secret: key.secret })).await
}

#[derive(Deserialize)]
struct Which {
    id: KeyId,
}

async fn revoke(authz: Authz<ManageKeys>, app: App, Form(f): Form<Which>) -> Result<Redirect> {
    app.get::<Accounts>()?.revoke_key(&authz.granted, f.id).await.map_err(Problem::from)?;
    Ok(Redirect::to(ADDRESS))
}

#[cfg(test)]
mod tests {
    use kenroku_access::testing::staff;
    use kenroku_module::test::TestSite;
    use kenroku_types::{MuniCode, Tenant};

    use super::*;

    fn code(html: &str, prefix: &str) -> String {
        html.split("<code>")
            .find_map(|t| t.split("</code>").next().filter(|k| k.starts_with(prefix)))
            .unwrap()
            .to_owned()
    }

    #[tokio::test]
    async fn the_administrator_issues_lists_and_stops_keys() {
        let site = TestSite::of([crate::module()]).await;
        let of = |code: u32| MuniCode::new(code).map(Tenant::of).unwrap();
        let admin = site.acting(staff(of(17211), &["muni-admin"]));
        let made = admin.post_form(ADDRESS, &[], "label=gauge&kind=device").await;
        assert_eq!(made.status, 200, "{}", made.text());
        let key = code(&made.text(), "krd_");
        let with = [("x-device-key", key.as_str())];
        // Known, but no policy lets a device in here; unknown once it is stopped.
        assert_eq!(site.get_with(ADDRESS, &with).await.status, 403);
        let html = admin.get(ADDRESS).await.text();
        assert!(html.contains("gauge") && html.contains("能美市") && !html.contains(&key), "{html}");
        let (_, rest) = html.split_once("name=\"id\" value=\"").unwrap();
        let one = format!("id={}", rest.split('"').next().unwrap());

        let other = site.acting(staff(of(17203), &["muni-admin"]));
        assert!(!other.get(ADDRESS).await.text().contains("gauge"), "another government's");
        assert_eq!(other.post_form("/staff/keys/revoke", &[], &one).await.status, 404);
        let desk = site.acting(staff(of(17211), &["data-officer"]));
        assert_eq!(desk.post_form("/staff/keys/revoke", &[], &one).await.status, 403);
        assert_eq!(site.get(ADDRESS).await.status, 401);
        assert_eq!(admin.post_form("/staff/keys/revoke", &[], &one).await.status, 303);
        assert_eq!(site.get_with(ADDRESS, &with).await.status, 401);
    }

    #[tokio::test]
    async fn a_program_needs_scopes_and_gets_no_personal_data() {
        let site = TestSite::of([crate::module()]).await;
        let nomi = MuniCode::new(17211).map(Tenant::of).unwrap();
        let admin = site.acting(staff(nomi, &["muni-admin"]));
        let status = async |fields: &str| admin.post_form(ADDRESS, &[], fields).await.status.as_u16();
        assert_eq!(status("label=vendor&kind=program").await, 400);
        assert_eq!(status("label=vendor&kind=program&scope=access.view-disclosures").await, 400);
        assert_eq!(status("label=&kind=device").await, 400);
        assert_eq!(status("label=vendor&kind=device&days=9999").await, 400);
        let fields = "label=vendor&kind=program&scope=access.view-matrix&scope=access.view-staff&days=30";
        let made = admin.post_form(ADDRESS, &[], fields).await;
        assert!(made.text().contains("access.view-matrix access.view-staff"), "{}", made.text());
        assert!(code(&made.text(), "krc_").len() == 44);
        for lang in ["ja-x-yasashii", "en"] {
            assert_eq!(admin.get(&format!("{ADDRESS}?lang={lang}")).await.status, 200);
        }
    }
}
