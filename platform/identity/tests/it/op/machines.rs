//! Clients without a person, devices, and what clients do with tokens.

use std::time::Duration;

use kenroku_identity::op::Policy;
use kenroku_identity::session::Proved;
use kenroku_oidc::client::DEVICE_CODE;
use kenroku_store::Db;
use serde_json::json;

use super::world::*;

fn machine() -> serde_json::Value {
    json!({ "grant_types": ["client_credentials"], "response_types": [], "client_name": "計測の仕組み" })
}

#[kenroku_store::test(&[], concurrent)]
async fn a_program_gets_a_token_of_its_own_within_what_it_may(db: Db) {
    let w = World::new(db).await;
    w.client("rp", machine(), "openid sensors.read sensors.write").await;
    let ask = |scope: &'static str| {
        let w = &w;
        async move {
            let mut fields = vec![("grant_type", "client_credentials")];
            if !scope.is_empty() {
                fields.push(("scope", scope));
            }
            w.as_rp("/oidc/token", &fields).await
        }
    };
    let token = ask("").await.json();
    assert_eq!(token["scope"], "sensors.read sensors.write");
    assert!(token.get("refresh_token").is_none() && token.get("id_token").is_none());
    let claims = w.claims(&token["access_token"]).await;
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("rp"), &json!("rp")));
    assert_eq!(ask("sensors.read").await.json()["scope"], "sensors.read");
    assert_eq!(ask("openid").await.json()["error"], "invalid_scope", "there is no person");
    assert_eq!(ask("admin").await.json()["error"], "invalid_scope");
    let other = w.as_rp("/oidc/token", &[("grant_type", "password")]).await;
    assert_eq!(other.json()["error"], "unsupported_grant_type");
    let not_own = w.as_rp("/oidc/token", &[("grant_type", "authorization_code"), ("code", "x")]).await;
    assert_eq!(not_own.json()["error"], "unauthorized_client");
    let info = w.userinfo(token["access_token"].as_str().unwrap()).await;
    assert_eq!((info.status.as_u16(), &info.json()["error"]), (403, &json!("insufficient_scope")));
}

#[kenroku_store::test(&[], concurrent)]
async fn tokens_are_told_about_to_whom_they_concern_and_revoked_by_their_owner(db: Db) {
    let w = World::new(db).await;
    w.client("rp", machine(), "sensors.read").await;
    w.client("stranger", machine(), "x").await;
    let api = Policy { scopes: scopes("x"), introspects: true, ..Policy::default() };
    w.client_with("api", machine(), api).await;
    let token = w.as_rp("/oidc/token", &[("grant_type", "client_credentials")]).await.json();
    let token = token["access_token"].as_str().unwrap().to_owned();
    let ask = |id: &'static str, path: &'static str| {
        let (w, token) = (&w, token.clone());
        async move { w.post(path, &[("authorization", &basic(id, SECRET))], &[("token", &token)]).await }
    };
    let told = ask("api", "/oidc/introspect").await.json();
    assert_eq!(
        (&told["active"], &told["scope"], &told["client_id"]),
        (&json!(true), &json!("sensors.read"), &json!("rp"))
    );
    assert_eq!(ask("stranger", "/oidc/introspect").await.json(), json!({ "active": false }));
    assert_eq!(w.post("/oidc/introspect", &[], &[("token", &token)]).await.status, 401);
    assert_eq!(ask("stranger", "/oidc/revoke").await.status, 200, "RFC 7009 §2.2");
    assert!(w.active(&token).await, "nothing of others is revoked");
    assert_eq!(ask("rp", "/oidc/revoke").await.status, 200);
    assert!(!w.active(&token).await);
    assert_eq!(w.as_rp("/oidc/revoke", &[("token", "unknown")]).await.status, 200);
}

#[kenroku_store::test(&[], concurrent)]
async fn with_a_refresh_token_everything_is_revoked(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid").await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    let code = b.code(&[]).await;
    let tokens = w.redeem(&code).await.json();
    let (access, refresh) =
        (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    assert!(w.active(refresh).await);
    assert_eq!(w.as_rp("/oidc/revoke", &[("token", refresh)]).await.status, 200);
    assert!(!w.active(refresh).await && !w.active(access).await);
}

#[kenroku_store::test(&[], concurrent)]
async fn a_television_signs_in_by_a_typed_code(db: Db) {
    let w = World::new(db).await;
    let tv = json!({ "grant_types": [DEVICE_CODE, "refresh_token"], "response_types": [], "client_name": "館内端末" });
    w.client("rp", tv, "openid profile").await;
    let begin =
        || async { w.as_rp("/oidc/device_authorization", &[("scope", "openid profile")]).await.json() };
    let poll = |code: String| {
        let w = &w;
        async move { w.as_rp("/oidc/token", &[("grant_type", DEVICE_CODE), ("device_code", &code)]).await.json() }
    };
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    let started = begin().await;
    let (device, user) = (text(&started["device_code"]), text(&started["user_code"]));
    assert_eq!(poll(device.clone()).await["error"], "authorization_pending");
    assert_eq!(poll(device.clone()).await["error"], "slow_down", "RFC 8628 §3.5");

    let page = format!("/oidc/device?{}", form(&[("user_code", &user)]));
    let mut stranger = w.stranger();
    assert!(stranger.follow(&page, false).await.sign_in()["next"].starts_with("/oidc/device?user_code="));
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    assert!(b.get(&page).await.text().contains("館内端末"));
    assert_eq!(b.get("/oidc/device?user_code=BCDF-BCDF").await.status, 422, "a guess");
    let done =
        b.submit("/oidc/device", &[("user_code", &user), ("decision", "allow"), ("claim", "name")]).await;
    assert!(done.text().contains("op-device-done"));
    w.site.app().env().clock.advance(Duration::from_secs(5));
    let tokens = poll(device.clone()).await;
    let info = w.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
    assert_eq!((&info["name"], info.get("birthdate")), (&json!("加賀　花子"), None));
    assert_eq!(poll(device).await["error"], "invalid_grant", "once");
    assert_eq!(b.submit("/oidc/device", &[("user_code", &user), ("decision", "allow")]).await.status, 422);

    let denied = begin().await;
    b.submit("/oidc/device", &[("user_code", &text(&denied["user_code"])), ("decision", "deny")]).await;
    assert_eq!(poll(text(&denied["device_code"])).await["error"], "access_denied");
    let late = begin().await;
    w.site.app().env().clock.advance(Duration::from_secs(601));
    assert_eq!(poll(text(&late["device_code"])).await["error"], "expired_token");
    assert_eq!(poll("unknown".to_owned()).await["error"], "invalid_grant");
}

#[kenroku_store::test(&[], concurrent)]
async fn clients_register_with_the_operators_key_only(db: Db) {
    use kenroku_access::{Actor, ClientId};
    use kenroku_types::Tenant;
    let w = World::new(db).await;
    let body = json!({ "redirect_uris": ["https://new.example/cb"], "client_name": "新しいサービス", "scope": "openid profile" });
    assert_eq!(w.site.post_json("/oidc/register", &body).await.status, 401);
    let with = |tenant: Tenant, scopes: &[&str]| {
        w.site.acting(Actor::Client {
            id: ClientId::from_uuid(uuid::Uuid::nil()),
            tenant,
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
        })
    };
    let shared = Tenant::SHARED;
    assert!(with(shared, &["other"]).post_json("/oidc/register", &body).await.status.is_client_error());
    let nomi = Tenant::of(kenroku_types::MuniCode::new(17211).unwrap());
    let city = with(nomi, &["identity.manage-clients"]).post_json("/oidc/register", &body).await;
    assert_eq!(city.status, 404, "a city's key manages the city's things");
    let admin = w.site.acting(Actor::Staff {
        id: kenroku_types::Id::from_uuid(uuid::Uuid::nil()),
        tenant: nomi,
        roles: vec![kenroku_access::kernel::MUNI_ADMIN],
        sign_in: kenroku_access::SignIn {
            assurance: kenroku_access::Assurance::Passkey,
            at: w.site.app().env().now(),
        },
    });
    assert_eq!(admin.post_json("/oidc/register", &body).await.status, 404);
    let key = with(shared, &["identity.manage-clients"]);
    let made = key.post_json("/oidc/register", &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!(made["id_token_signed_response_alg"], "ES256");
    let (id, secret) = (made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());
    let fields = [("grant_type", "authorization_code"), ("code", "x")];
    let used = w.post("/oidc/token", &[("authorization", &basic(id, secret))], &fields).await;
    assert_eq!(used.json()["error"], "invalid_grant", "it authenticates");
    let mut wrong = body.clone();
    wrong["redirect_uris"] = json!(["https://new.example/*"]);
    assert_eq!(key.post_json("/oidc/register", &wrong).await.json()["error"], "invalid_redirect_uri");
    let mut wrong = body;
    wrong["scope"] = json!("openid everything");
    assert_eq!(key.post_json("/oidc/register", &wrong).await.json()["error"], "invalid_client_metadata");
}

#[kenroku_store::test(&[], concurrent)]
async fn the_operator_registers_and_stops_services_on_a_page(db: Db) {
    use kenroku_access::{Actor, Assurance, SignIn, kernel};
    use kenroku_types::{Id, Tenant};
    let w = World::new(db).await;
    let staff = |tenant, role| {
        w.site.acting(Actor::Staff {
            id: Id::from_uuid(uuid::Uuid::nil()),
            tenant,
            roles: vec![role],
            sign_in: SignIn { assurance: Assurance::Passkey, at: w.site.app().env().now() },
        })
    };
    let prefecture = Tenant::of(kenroku_types::MuniCode::new(17000).unwrap());
    let page = "/staff/identity/clients";
    assert_eq!(staff(prefecture, kernel::PREF_ADMIN).get(page).await.status, 404);
    let operator = staff(Tenant::SHARED, kernel::OPERATOR);
    assert_eq!(operator.get(page).await.status, 200);
    let fields = |redirect: &str| {
        form(&[
            ("name", "新しいサービス"),
            ("organisation", "例示株式会社"),
            ("redirects", redirect),
            ("method", "client_secret_basic"),
            ("scopes", "openid profile"),
            ("until", "2026-03-31"),
        ])
    };
    let wrong = operator.post_form(page, &[], &fields("https://rp.example/*")).await.text();
    assert!(wrong.contains("kr-wrongs") && !wrong.contains("client_secret <code>"), "{wrong}");
    let made = operator.post_form(page, &[], &fields(REDIRECT)).await.text();
    let value = |name: &str| {
        let rest = made.split(&format!("{name} <code>")).nth(1).unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    let (id, secret) = (value("client_id"), value("client_secret"));
    contracts_are_watched(&w, &operator).await;
    let error = || async {
        let auth = basic(&id, &secret);
        let fields = [("grant_type", "authorization_code"), ("code", "x")];
        w.post("/oidc/token", &[("authorization", &auth)], &fields).await.json()["error"].clone()
    };
    assert_eq!(error().await, "invalid_grant", "it authenticates");
    let state = |active: &'static str| {
        let (operator, body) = (&operator, form(&[("id", &id), ("active", active)]));
        async move { operator.post_form("/staff/identity/clients/state", &[], &body).await }
    };
    assert_eq!(state("false").await.status, 303);
    assert_eq!(error().await, "invalid_client");
    assert_eq!(state("true").await.status, 303);
    assert_eq!(error().await, "invalid_grant");
    w.site.app().env().clock.advance(Duration::from_secs(100 * 86_400));
    assert_eq!(error().await, "invalid_client", "the contract is over");
    let contract = |from: &'static str, until: &'static str| {
        let (operator, body) = (&operator, form(&[("id", &id), ("from", from), ("until", until)]));
        async move { operator.post_form("/staff/identity/clients/contract", &[], &body).await }
    };
    for (from, until) in [("2026-04-01", "2026-03-31"), ("", "31/3"), ("x", "")] {
        let refused = contract(from, until).await;
        assert!(refused.status == 200 && refused.text().contains("kr-wrongs"), "{from} {until}");
        assert!(
            refused.text().contains(&format!("value=\"{until}\"")),
            "what was written stands there again"
        );
        assert_eq!(error().await, "invalid_client");
    }
    assert_eq!(contract("2026-04-01", "2027-03-31").await.status, 303);
    assert_eq!(error().await, "invalid_grant", "it was renewed");
    let shown = operator.get(&format!("{page}?contract={id}")).await.text();
    assert!(shown.contains("value=\"2026-04-01\"") && shown.contains("value=\"2027-03-31\""), "{shown}");
    assert!(!operator.get(&format!("{page}?contract=nobody")).await.text().contains("op-contract-until"));
    assert_eq!(contract("2030-04-01", "").await.status, 303);
    assert_eq!(error().await, "invalid_client", "it has not begun");
    assert_eq!(contract("", "").await.status, 303);
    assert_eq!(error().await, "invalid_grant", "open on both sides");
    let body = form(&[("id", "nobody"), ("until", "")]);
    assert_eq!(operator.post_form("/staff/identity/clients/contract", &[], &body).await.status, 404);
    let keys = |body: &'static str| operator.post_form("/staff/identity/clients/keys", &[], body);
    assert_eq!(keys("").await.status, 422);
    assert_eq!(keys("sure=true").await.status, 303);
}

/// The contract of the service runs until 2026-03-31; it is January.
async fn contracts_are_watched(w: &World, operator: &kenroku_http::test::TestApp) {
    use kenroku_access::Granted;
    use kenroku_access::accounts::Accounts;
    use kenroku_access::kernel::ViewAlarms;
    use kenroku_types::Tenant;
    let accounts = w.site.app().get::<Accounts>().unwrap();
    let see: Granted<ViewAlarms> = Granted::for_system("test", Tenant::SHARED);
    let warned =
        async || operator.get("/staff/identity/clients?lang=en").await.text().contains("Contracts that end");
    let alarms = async || accounts.alarms(&see).await.unwrap().len();
    w.site.work().await;
    assert!(!warned().await && alarms().await == 0, "far away");
    let clock = &w.site.app().env().clock;
    let now = clock.now();
    for (day, many) in [(50, 1), (51, 1), (80, 2)] {
        clock.set(now.plus(Duration::from_secs(day * 86_400)));
        w.site.work().await;
        assert!(warned().await);
        assert_eq!(alarms().await, many, "day {day}: one at thirty days, one at the end");
    }
    clock.set(now);
}
