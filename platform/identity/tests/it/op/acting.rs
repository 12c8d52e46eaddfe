//! Somebody acts for another at a service: what the tokens say, how far they reach, and when they end.

use std::time::Duration;

use kenroku_identity::delegation::{Kind, Scope};
use kenroku_identity::model::{DelegationId, PersonId};
use kenroku_identity::op::Policy;
use kenroku_identity::session::Proved;
use kenroku_oidc::client::DEVICE_CODE;
use kenroku_store::Db;
use serde_json::{Value, json};

use super::world::*;

const ASKED: &str = "openid profile messages health";

struct Family {
    w: World,
    mother: PersonId,
    child: PersonId,
    delegation: DelegationId,
}

/// A service for which people may act for others (or not), and a mother who may do this for her child.
async fn family(db: Db, acting: bool, powers: &[Scope]) -> Family {
    family_at(db, web_client(), acting, powers).await
}

async fn family_at(db: Db, client: Value, acting: bool, powers: &[Scope]) -> Family {
    let w = World::new(db).await;
    let policy = Policy { scopes: scopes(ASKED), acting, ..Policy::default() };
    w.client_with("rp", client, policy).await;
    let (mother, child) = (w.person("加賀　母").await, w.person("加賀　子").await);
    let until = w.site.app().env().now().plus(Duration::from_secs(3600));
    let delegation =
        w.identity.entrust(child, mother, Kind::Guardian, powers, "母子健康手帳", until).await.unwrap();
    Family { w, mother, child, delegation }
}

impl Family {
    /// The page that asks, in the browser of whoever signed in.
    async fn asked(&self, b: &mut Browser<'_>) -> (String, String) {
        let answer = b.get(&request(&[("scope", ASKED)])).await;
        let path = answer.header("location").to_owned();
        assert!(path.starts_with("/oidc/consent/"), "{path}");
        let page = b.get(&path).await.text();
        (path, page)
    }

    /// Tokens for the choice on that page; empty for oneself.
    async fn tokens(&self, b: &mut Browser<'_>, choice: &str) -> Value {
        let (path, _) = self.asked(b).await;
        let answer = b.submit(&path, &[("decision", "allow"), ("claim", "name"), ("for", choice)]).await;
        let code = b.follow_on(answer, &path, false).await.code();
        self.w.redeem(&code).await.json()
    }
}

fn text(v: &Value) -> &str {
    v.as_str().unwrap()
}

#[kenroku_store::test(&[], concurrent)]
async fn tokens_name_the_person_and_who_acts(db: Db) {
    let f = family(db, true, &[Scope::Procedures, Scope::Messages]).await;
    let mut b = f.w.browser(f.mother, Proved::PASSKEY).await;
    let (_, page) = f.asked(&mut b).await;
    assert!(page.contains("加賀　子") && page.contains(&f.delegation.to_string()));

    let own = f.tokens(&mut b, "").await;
    let mother = f.w.claims(&own["id_token"]).await;
    assert!(mother.get("act").is_none());
    assert_eq!(own["scope"], "health messages openid profile");

    let tokens = f.tokens(&mut b, &f.delegation.to_string()).await;
    let id = f.w.claims(&tokens["id_token"]).await;
    assert_ne!(id["sub"], mother["sub"]);
    assert_eq!(id["act"], json!({ "sub": mother["sub"] }));
    assert_eq!(tokens["scope"], "messages openid profile", "what the delegation does not say falls away");
    let access = f.w.claims(&tokens["access_token"]).await;
    assert_eq!((&access["sub"], &access["act"]), (&id["sub"], &id["act"]));
    let info = f.w.userinfo(text(&tokens["access_token"])).await.json();
    assert_eq!((&info["name"], &info["act"]), (&json!("加賀　子"), &id["act"]));
    for token in ["access_token", "refresh_token"] {
        let told = f.w.as_rp("/oidc/introspect", &[("token", text(&tokens[token]))]).await.json();
        assert_eq!((&told["active"], &told["act"]), (&json!(true), &id["act"]), "{token}");
    }
    // The child signs in alone: the same subject, and nobody acts.
    let mut c = f.w.browser(f.child, Proved::PASSKEY).await;
    let code = c.code(&[]).await;
    let child = f.w.claims(&f.w.redeem(&code).await.json()["id_token"]).await;
    assert_eq!((&child["sub"], child.get("act")), (&id["sub"], None));
    let seen = f.w.identity.history(f.child).await.unwrap();
    assert_eq!(seen.iter().filter(|r| r.way == "delegation-used").count(), 1, "the child's side sees it");
}

#[kenroku_store::test(&[], concurrent)]
async fn attributes_need_a_delegation_for_procedures(db: Db) {
    let f = family(db, true, &[Scope::Messages]).await;
    let mut b = f.w.browser(f.mother, Proved::PASSKEY).await;
    let tokens = f.tokens(&mut b, &f.delegation.to_string()).await;
    assert_eq!(tokens["scope"], "messages openid");
    let info = f.w.userinfo(text(&tokens["access_token"])).await.json();
    assert!(info.get("name").is_none() && info.get("birthdate").is_none(), "{info}");
}

#[kenroku_store::test(&[], concurrent)]
async fn an_ended_delegation_ends_its_tokens(db: Db) {
    let f = family(db, true, Scope::ALL).await;
    let mut b = f.w.browser(f.mother, Proved::PASSKEY).await;
    let (own, acted) = (f.tokens(&mut b, "").await, f.tokens(&mut b, &f.delegation.to_string()).await);
    let renewed = f.w.refresh(text(&acted["refresh_token"])).await.json();
    let (access, refresh) = (text(&renewed["access_token"]), text(&renewed["refresh_token"]));
    assert!(f.w.active(access).await && f.w.active(refresh).await, "while it is in force");
    f.w.identity.end_delegation(f.child, f.delegation).await.unwrap();
    assert!(!f.w.active(access).await && !f.w.active(refresh).await);
    assert_eq!(f.w.refresh(refresh).await.json()["error"], "invalid_grant");
    assert_eq!(f.w.userinfo(access).await.status, 401);
    assert!(f.w.active(text(&own["access_token"])).await, "the mother's own stay");
}

#[kenroku_store::test(&[], concurrent)]
async fn tokens_end_with_the_delegation_by_the_clock(db: Db) {
    let f = family(db, true, Scope::ALL).await;
    let mut b = f.w.browser(f.mother, Proved::PASSKEY).await;
    let acted = f.tokens(&mut b, &f.delegation.to_string()).await;
    f.w.site.app().env().clock.advance(Duration::from_secs(3599));
    let renewed = f.w.refresh(text(&acted["refresh_token"])).await.json();
    f.w.site.app().env().clock.advance(Duration::from_secs(1));
    assert_eq!(f.w.refresh(text(&renewed["refresh_token"])).await.json()["error"], "invalid_grant");
}

#[kenroku_store::test(&[], concurrent)]
async fn nobody_acts_by_a_delegation_that_is_not_theirs(db: Db) {
    let f = family(db, true, Scope::ALL).await;
    let stranger = f.w.person("白山　太郎").await;
    let choose = |who: PersonId, choice: String| {
        let f = &f;
        async move {
            let mut b = f.w.browser(who, Proved::PASSKEY).await;
            let (path, _) = f.asked(&mut b).await;
            let answer = b.submit(&path, &[("decision", "allow"), ("for", &choice)]).await;
            b.follow_on(answer, &path, false).await
        }
    };
    let id = f.delegation.to_string();
    assert!(matches!(choose(f.mother, id.clone()).await, End::Client(_)));
    assert_eq!(choose(stranger, id.clone()).await.status(), 403);
    assert_eq!(choose(f.child, id.clone()).await.status(), 403, "one way");
    assert_eq!(choose(f.mother, "x".to_owned()).await.status(), 403);
    f.w.identity.end_delegation(f.mother, f.delegation).await.unwrap();
    assert_eq!(choose(f.mother, id).await.status(), 403, "it is over");
}

#[kenroku_store::test(&[], concurrent)]
async fn a_service_that_does_not_read_act_never_gets_it(db: Db) {
    let f = family(db, false, Scope::ALL).await;
    let mut b = f.w.browser(f.mother, Proved::PASSKEY).await;
    let (path, page) = f.asked(&mut b).await;
    assert!(!page.contains(&f.delegation.to_string()));
    let forged = [("decision", "allow"), ("for", &*f.delegation.to_string())];
    assert_eq!(b.submit(&path, &forged).await.status, 403);
    let answer = b.submit(&path, &[("decision", "allow")]).await;
    let code = b.follow_on(answer, &path, false).await.code();
    assert!(f.w.claims(&f.w.redeem(&code).await.json()["id_token"]).await.get("act").is_none());
}

/// `prompt=none` cannot ask for whom: people act for themselves then.
#[kenroku_store::test(&[], concurrent)]
async fn silently_people_act_for_themselves(db: Db) {
    let f = family(db, true, Scope::ALL).await;
    let mut b = f.w.browser(f.mother, Proved::PASSKEY).await;
    f.tokens(&mut b, &f.delegation.to_string()).await;
    let silent = request(&[("scope", ASKED), ("prompt", "none")]);
    assert_eq!(
        b.follow(&silent, false).await.error(),
        "consent_required",
        "a choice for a child is none for her"
    );
    f.tokens(&mut b, "").await;
    let code = b.follow(&silent, false).await.code();
    assert!(f.w.claims(&f.w.redeem(&code).await.json()["id_token"]).await.get("act").is_none());
}

/// A terminal in a hall, as a service that shows a code.
struct Terminal<'w>(&'w World);

impl Terminal<'_> {
    fn client() -> Value {
        json!({ "grant_types": [DEVICE_CODE, "refresh_token"], "response_types": [], "client_name": "館内端末" })
    }

    /// The code of the device, and the one that a person types.
    async fn begin(&self) -> (String, String) {
        let begun = self.0.as_rp("/oidc/device_authorization", &[("scope", ASKED)]).await.json();
        (text(&begun["device_code"]).to_owned(), text(&begun["user_code"]).to_owned())
    }

    async fn tokens(&self, device: &str) -> Value {
        self.0.as_rp("/oidc/token", &[("grant_type", DEVICE_CODE), ("device_code", device)]).await.json()
    }
}

#[kenroku_store::test(&[], concurrent)]
async fn at_a_terminal_too_somebody_acts_within_the_delegation(db: Db) {
    let f = family_at(db, Terminal::client(), true, &[Scope::Procedures, Scope::Messages]).await;
    let terminal = Terminal(&f.w);
    let mut b = f.w.browser(f.mother, Proved::PASSKEY).await;
    let decide = async |b: &mut Browser<'_>, choice: &str| {
        let (device, user) = terminal.begin().await;
        let page = b.get(&format!("/oidc/device?{}", form(&[("user_code", &user)]))).await.text();
        let fields = [("user_code", &*user), ("decision", "allow"), ("claim", "name"), ("for", choice)];
        let done = b.submit("/oidc/device", &fields).await;
        (device, page, done)
    };
    let id = f.delegation.to_string();
    let (device, page, done) = decide(&mut b, &id).await;
    assert!(page.contains("加賀　子") && page.contains(&id));
    assert!(done.text().contains("op-device-done"));
    let acted = terminal.tokens(&device).await;
    let (own, ..) = decide(&mut b, "").await;
    let own = terminal.tokens(&own).await;
    let mother = f.w.claims(&own["id_token"]).await;
    let child = f.w.claims(&acted["id_token"]).await;
    assert_eq!((mother.get("act"), &child["act"]), (None, &json!({ "sub": mother["sub"] })));
    assert_ne!(child["sub"], mother["sub"]);
    assert_eq!(acted["scope"], "messages openid profile", "health is not in the delegation");
    let info = f.w.userinfo(text(&acted["access_token"])).await.json();
    assert_eq!((&info["name"], &info["act"]), (&json!("加賀　子"), &child["act"]));
    let seen = f.w.identity.history(f.child).await.unwrap();
    assert_eq!(seen.iter().filter(|r| r.way == "delegation-used").count(), 1, "the child's side sees it");

    // Nobody acts by what is not theirs, and with the delegation everything ends.
    let mut stranger = f.w.browser(f.w.person("白山　太郎").await, Proved::PASSKEY).await;
    let (device, page, refused) = decide(&mut stranger, &id).await;
    assert!(!page.contains(&id) && refused.status == 403);
    assert_eq!(terminal.tokens(&device).await["error"], "authorization_pending");
    f.w.identity.end_delegation(f.child, f.delegation).await.unwrap();
    assert!(!f.w.active(text(&acted["access_token"])).await && f.w.active(text(&own["access_token"])).await);
    assert_eq!(f.w.refresh(text(&acted["refresh_token"])).await.json()["error"], "invalid_grant");
    assert_eq!(decide(&mut b, &id).await.2.status, 403, "it is over");
}

#[kenroku_store::test(&[], concurrent)]
async fn a_terminal_that_does_not_read_act_never_gets_it(db: Db) {
    let f = family_at(db, Terminal::client(), false, Scope::ALL).await;
    let (device, user) = Terminal(&f.w).begin().await;
    let mut b = f.w.browser(f.mother, Proved::PASSKEY).await;
    let forged = [("user_code", &*user), ("decision", "allow"), ("for", &*f.delegation.to_string())];
    assert_eq!(b.submit("/oidc/device", &forged).await.status, 403);
    let own = [("user_code", &*user), ("decision", "allow")];
    assert_eq!(b.submit("/oidc/device", &own).await.status, 200);
    let tokens = Terminal(&f.w).tokens(&device).await;
    assert!(f.w.claims(&tokens["id_token"]).await.get("act").is_none());
}

/// What a page of ours shows about those for whom somebody reads notices.
#[kenroku_store::test(&[], concurrent)]
async fn pages_show_the_areas_of_those_whose_notices_one_reads(db: Db) {
    let f = family(db, true, &[Scope::Messages]).await;
    let nomi = kenroku_types::MuniCode::new(17211).unwrap();
    let areas = async |b: &Browser<'_>| {
        let cookies: Vec<String> = b.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let request = axum::http::Request::get("/").header("cookie", cookies.join("; ")).body(()).unwrap();
        kenroku_identity::areas_of_others(f.w.site.app(), &request.into_parts().0).await.unwrap()
    };
    let mother = f.w.browser(f.mother, Proved::PASSKEY).await;
    assert_eq!(areas(&mother).await, [nomi]);
    assert_eq!(areas(&f.w.browser(f.child, Proved::PASSKEY).await).await, [], "one way");
    assert_eq!(areas(&f.w.stranger()).await, []);
    f.w.identity.end_delegation(f.child, f.delegation).await.unwrap();
    assert_eq!(areas(&mother).await, [], "at once");
    let until = f.w.site.app().env().now().plus(Duration::from_secs(3600));
    let other = [Scope::Bookings];
    f.w.identity.entrust(f.child, f.mother, Kind::Guardian, &other, "母子健康手帳", until).await.unwrap();
    assert_eq!(areas(&mother).await, [], "notices were not entrusted");
}
