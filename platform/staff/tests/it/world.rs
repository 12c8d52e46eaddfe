//! A prefecture, two municipalities, and browsers that keep their cookies.

use axum::body::Body;
use axum::http::Method;
use kenroku_access::accounts::{Accounts, NewStaff};
use kenroku_access::kernel::ManageStaff;
use kenroku_access::{Granted, RoleId, TenantTree};
use kenroku_http::test::Answer;
use kenroku_module::test::TestSite;
use kenroku_types::ids::StaffId;
use kenroku_types::{MuniCode, Tenant};

pub const GOOD: &str = "yuki-no-asa-ni-aruku-2026";

pub fn of(code: u32) -> Tenant {
    Tenant::of(MuniCode::new(code).unwrap())
}

pub async fn site() -> TestSite {
    let (pref, nomi, kaga) = (of(17000), of(17211), of(17206));
    let tree = TenantTree::new([(pref, None), (nomi, Some(pref)), (kaga, Some(pref))]).unwrap();
    TestSite::within(tree, [kenroku_staff::module()]).await
}

pub fn accounts(site: &TestSite) -> std::sync::Arc<Accounts> {
    site.app().get::<Accounts>().unwrap()
}

pub async fn hire(site: &TestSite, code: u32, login: &str, roles: &[RoleId]) -> StaffId {
    let by: Granted<ManageStaff> = Granted::for_system("test", of(code));
    let new = NewStaff { login, name: "試験 太郎", password: GOOD, roles };
    accounts(site).create_staff(&by, &new).await.unwrap()
}

/// A browser with its cookies.
pub struct Browser<'s> {
    site: &'s TestSite,
    pub cookies: std::collections::BTreeMap<String, String>,
}

impl<'s> Browser<'s> {
    pub fn new(site: &'s TestSite) -> Self {
        Browser { site, cookies: std::collections::BTreeMap::new() }
    }

    async fn ask(&mut self, method: Method, uri: &str, body: String) -> Answer {
        let cookie: Vec<String> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let cookie = cookie.join("; ");
        let headers = [
            ("cookie", cookie.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
            ("sec-fetch-site", "same-origin"),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ];
        let answer = self.site.request(method, uri, &headers, Body::from(body)).await;
        for set in answer.headers.get_all("set-cookie") {
            let (name, rest) = set.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            self.cookies.remove(name);
            if !value.is_empty() {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub async fn get(&mut self, uri: &str) -> Answer {
        self.ask(Method::GET, uri, String::new()).await
    }

    pub async fn post(&mut self, uri: &str, fields: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| -> String { text.bytes().map(|b| format!("%{b:02X}")).collect() };
        let body: Vec<String> = fields.iter().map(|(n, v)| format!("{n}={}", encode(v))).collect();
        self.ask(Method::POST, uri, body.join("&")).await
    }

    pub async fn sign_in(&mut self, login: &str) -> Answer {
        self.post("/staff/sign-in", &[("login", login), ("password", GOOD)]).await
    }
}

/// What stands between two texts of a page.
pub fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let (_, rest) = text.split_once(before).unwrap_or(("", ""));
    rest.split(after).next().unwrap_or("")
}

/// The value of a hidden field.
pub fn hidden<'t>(text: &'t str, name: &str) -> &'t str {
    between(text, &format!("name=\"{name}\" value=\""), "\"")
}
