//! The flows as they should go.

use kenroku_identity::op::Policy;
use kenroku_identity::session::Proved;
use kenroku_store::Db;
use serde_json::{Value, json};

use super::world::*;

#[kenroku_store::test(&[], concurrent)]
async fn code_with_pkce_to_tokens_userinfo_and_refresh(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid profile residence offline_access").await;
    let person = w.person("加賀　花子").await;
    let mut b = w.browser(person, Proved::PASSKEY).await;

    let answer = b.follow(&request(&[("scope", "openid profile residence")]), true).await.client();
    assert_eq!((answer["state"].as_str(), answer["iss"].as_str()), ("state-1", ISSUER));
    let tokens = w.redeem(&answer["code"]).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    assert_eq!(tokens.header("cache-control"), "no-store");
    let tokens = tokens.json();
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(600)));

    let id = w.claims(&tokens["id_token"]).await;
    assert_eq!((&id["iss"], &id["aud"], &id["nonce"]), (&json!(ISSUER), &json!("rp"), &json!("nonce-1")));
    assert_eq!((&id["acr"], &id["amr"]), (&json!("urn:ishikawa:passkey"), &json!(["swk", "user"])));
    assert!(id["auth_time"].is_i64() && id["sid"].is_string() && id["at_hash"].is_string());
    assert!(id.get("name").is_none(), "scopes lead to userinfo (Core §5.4)");
    let sub = id["sub"].as_str().unwrap().to_owned();
    assert_ne!(sub, person.uuid().simple().to_string(), "the person's own id never leaves");

    let access = w.claims(&tokens["access_token"]).await;
    assert_eq!((&access["client_id"], &access["sub"]), (&json!("rp"), &json!(sub)));

    let info = w.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
    assert_eq!((&info["sub"], &info["name"]), (&json!(sub), &json!("加賀　花子")));
    assert_eq!(
        (&info["urn:ishikawa:muni_code"], &info["birthdate"]),
        (&json!("17211"), &json!("1990-04-01"))
    );
    assert!(info.get("address").is_none(), "not asked for");

    let again = w.refresh(tokens["refresh_token"].as_str().unwrap()).await.json();
    let id = w.claims(&again["id_token"]).await;
    assert_eq!((&id["sub"], id.get("nonce")), (&json!(sub), None));
    assert_ne!(again["refresh_token"], tokens["refresh_token"], "each use gives a new one");
    assert!(w.active(again["access_token"].as_str().unwrap()).await);
}

#[kenroku_store::test(&[], concurrent)]
async fn nobody_is_asked_twice_and_a_no_stays_a_no(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid profile address").await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    let path = request(&[("scope", "openid profile")]);

    let asked = b.get(&path).await;
    let page = asked.header("location").to_owned();
    assert!(page.starts_with("/oidc/consent/"), "{page}");
    assert!(b.get(&page).await.text().contains("例示サービス"));
    // The name only.
    let answer = b.submit(&page, &[("decision", "allow"), ("claim", "name")]).await;
    let code = b.follow_on(answer, &page, false).await.code();
    let tokens = w.redeem(&code).await.json();
    let info = w.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
    assert_eq!((&info["name"], info.get("birthdate")), (&json!("加賀　花子"), None));

    let silent = b.follow(&request(&[("scope", "openid profile"), ("prompt", "none")]), false).await;
    assert!(silent.client().contains_key("code"));
    let more = b.follow(&request(&[("scope", "openid address"), ("prompt", "none")]), false).await;
    assert_eq!(more.error(), "consent_required");

    let page = b.get(&request(&[("scope", "openid address")])).await.header("location").to_owned();
    let answer = b.submit(&page, &[("decision", "deny")]).await;
    assert_eq!(b.follow_on(answer, &page, false).await.error(), "access_denied");
}

#[kenroku_store::test(&[], concurrent)]
async fn consent_taken_back_ends_what_the_client_holds(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid profile").await;
    let person = w.person("加賀　花子").await;
    let mut b = w.browser(person, Proved::PASSKEY).await;
    let code = b.code(&[("scope", "openid profile")]).await;
    let tokens = w.redeem(&code).await.json();
    let given = w.op.consents(person).await.unwrap();
    assert_eq!((given.len(), given[0].name.as_str()), (1, "例示サービス"));
    assert!(given[0].last_used_at.is_some() && !given[0].offline);
    // The person sees it, and one press ends it.
    let page = b.get("/id/consents").await.text();
    assert!(page.contains("例示サービス") && page.contains("name=\"client\" value=\"rp\""), "{page}");
    assert!(w.active(tokens["access_token"].as_str().unwrap()).await);
    let done = b.submit("/id/consents/withdraw", &[("client", "rp")]).await;
    assert_eq!(done.header("location"), "/id/consents?withdrawn=1");
    assert!(b.get("/id/consents?withdrawn=1").await.text().contains("同意をやめました"));
    let again = b.submit("/id/consents/withdraw", &[("client", "rp")]).await;
    assert_eq!(again.header("location"), "/id/consents");
    assert!(!w.active(tokens["access_token"].as_str().unwrap()).await);
    assert_eq!(w.refresh(tokens["refresh_token"].as_str().unwrap()).await.json()["error"], "invalid_grant");
    assert_eq!(b.follow(&request(&[("prompt", "none")]), false).await.error(), "consent_required");
}

#[kenroku_store::test(&[], concurrent)]
async fn single_claims_go_where_they_were_asked_for(db: Db) {
    let w = World::new(db).await;
    w.client_with(
        "rp",
        web_client(),
        Policy { scopes: scopes("openid"), first_party: true, ..Policy::default() },
    )
    .await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::CARD).await;
    let claims = r#"{"id_token":{"urn:ishikawa:is_adult":{"essential":true}},"userinfo":{"given_name":null,"email":null}}"#;
    let code = b.code(&[("claims", claims)]).await;
    let tokens = w.redeem(&code).await.json();
    let id = w.claims(&tokens["id_token"]).await;
    assert_eq!((&id["urn:ishikawa:is_adult"], id.get("given_name")), (&json!(true), None));
    let info = w.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
    assert_eq!((&info["given_name"], info.get("email")), (&json!("花子"), None));
}

#[kenroku_store::test(&[], concurrent)]
async fn each_sector_knows_another_subject_and_one_sector_the_same(db: Db) {
    let w = World::new(db).await;
    for (id, sector) in [("rp", "a.example"), ("other", "b.example"), ("sister", "a.example")] {
        let policy = Policy {
            scopes: scopes("openid"),
            sector: sector.to_owned(),
            first_party: true,
            ..Policy::default()
        };
        w.client_with(id, web_client(), policy).await;
    }
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    let mut seen = Vec::new();
    for id in ["rp", "other", "sister"] {
        let code = b.code(&[("client_id", id)]).await;
        let tokens =
            w.post("/oidc/token", &[("authorization", &basic(id, SECRET))], &code_fields(&code)).await.json();
        let claims = w.claims(&tokens["id_token"]).await;
        seen.push((claims["sub"].clone(), claims["sid"].clone()));
    }
    assert_ne!(seen[0].0, seen[1].0);
    assert_eq!(seen[0].0, seen[2].0);
    assert_ne!(seen[0].1, seen[2].1, "not even the session can be compared");
}

#[kenroku_store::test(&[], concurrent)]
async fn the_person_signs_in_first_and_as_surely_as_needed(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid").await;
    let person = w.person("加賀　花子").await;
    let mut b = w.stranger();
    let at = b.follow(&request(&[("acr_values", "urn:ishikawa:jpki-auth")]), false).await.sign_in();
    assert_eq!((at["need"].as_str(), at["fresh"].as_str()), ("urn:ishikawa:jpki-auth", "0"));
    assert_eq!(b.follow(&request(&[("prompt", "none")]), false).await.error(), "login_required");

    b.sign_in(person, Proved::PASSKEY).await;
    let step_up = b.follow(&at["next"], true).await.sign_in();
    assert_eq!(step_up["fresh"], "1", "RFC 9470: a passkey is not enough");
    b.sign_in(person, Proved::CARD).await;
    let code = b.follow(&at["next"], true).await.code();
    let id = w.claims(&w.redeem(&code).await.json()["id_token"]).await;
    assert_eq!(id["acr"], "urn:ishikawa:jpki-auth");

    w.site.app().env().clock.advance(std::time::Duration::from_secs(1));
    let again = b.follow(&request(&[("prompt", "login")]), false).await.sign_in();
    assert_eq!(again["fresh"], "1");
    w.site.app().env().clock.advance(std::time::Duration::from_secs(120));
    assert_eq!(b.follow(&request(&[("max_age", "60")]), false).await.sign_in()["fresh"], "1");
    assert!(b.follow(&request(&[("max_age", "10000")]), true).await.client().contains_key("code"));
}

#[kenroku_store::test(&[], concurrent)]
async fn whoever_does_not_want_to_sign_in_goes_back(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid").await;
    let mut b = w.stranger();
    let next = b.follow(&request(&[]), false).await.sign_in()["next"].clone();
    let cancel = next.replace("/continue/", "/cancel/");
    for page in ["/id/sign-in", "/id/sign-in/password"] {
        let text = b.get(&format!("{page}?next={next}")).await.text();
        assert!(text.contains(&format!("href=\"{cancel}\"")), "{page} leads back: {text}");
    }
    assert!(b.get(&format!("/id/sign-in?next={next}")).await.text().contains("例示サービス"));
    let stranger = w.stranger().get(&format!("/id/sign-in?next={next}")).await.text();
    assert!(!stranger.contains("例示サービス"), "another browser learns nothing of it");
    assert_eq!(b.follow(&cancel, false).await.error(), "access_denied");
    assert_eq!(b.follow(&next, false).await.status(), 410, "and the request is over");
}

#[kenroku_store::test(&[], concurrent)]
async fn requests_by_post_and_answers_by_form(db: Db) {
    let w = World::new(db).await;
    let policy = Policy { scopes: scopes("openid"), first_party: true, ..Policy::default() };
    w.client_with("rp", web_client(), policy).await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    let body = request(&[("response_mode", "form_post")]);
    let body = body.split_once('?').unwrap().1.to_owned();
    // The browser sends no cookie of the session with a form of another site.
    let session = std::mem::take(&mut b.cookies);
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")];
    let posted = w.site.request(axum::http::Method::POST, "/oidc/authorize", &headers, body.into()).await;
    assert_eq!(posted.status, 303);
    let cookie = posted.header("set-cookie").split(';').next().unwrap().split_once('=').unwrap();
    b.cookies = session;
    b.cookies.insert(cookie.0.to_owned(), cookie.1.to_owned());
    let page = b.get(posted.header("location")).await;
    assert!(page.header("content-security-policy").contains("form-action 'self' https://rp.example;"));
    let text = page.text();
    assert!(text.contains(&format!("action=\"{REDIRECT}\"")) && text.contains("name=\"code\""), "{text}");
}

#[kenroku_store::test(&[], concurrent)]
async fn pushed_requests_serve_once_and_for_their_client(db: Db) {
    let w = World::new(db).await;
    let policy = Policy { scopes: scopes("openid"), first_party: true, ..Policy::default() };
    let mut only_pushed = web_client();
    only_pushed["require_pushed_authorization_requests"] = json!(true);
    w.client_with("rp", only_pushed, policy.clone()).await;
    w.client_with("other", web_client(), policy).await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    assert_eq!(b.follow(&request(&[]), false).await.error(), "invalid_request", "only pushed ones");

    let path = request(&[]);
    let fields: Vec<(String, String)> =
        url::form_urlencoded::parse(path.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let push = || async { w.as_rp("/oidc/par", &fields).await };
    let pushed = push().await;
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    let uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
    let at = |client: &str, uri: &str| {
        format!("/oidc/authorize?{}", form(&[("client_id", client), ("request_uri", uri)]))
    };
    assert_eq!(b.follow(&at("other", &uri), false).await.status(), 400, "another client's");
    let code = b.follow(&at("rp", &uri), false).await.code();
    assert_eq!(w.redeem(&code).await.status, 200);
    assert_eq!(b.follow(&at("rp", &uri), false).await.status(), 400, "used");
    let late = push().await.json()["request_uri"].as_str().unwrap().to_owned();
    w.site.app().env().clock.advance(std::time::Duration::from_secs(91));
    assert_eq!(b.follow(&at("rp", &late), false).await.status(), 400, "too old");

    let wrong =
        w.as_rp("/oidc/par", &[("client_id", "rp"), ("redirect_uri", "https://evil.example/cb")]).await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["error"]), (400, &json!("invalid_request")));
}

#[kenroku_store::test(&[], concurrent)]
async fn the_provider_describes_itself(db: Db) {
    let w = World::new(db).await;
    let d = w.get("/.well-known/openid-configuration").await;
    assert_eq!((d.status.as_u16(), d.header("access-control-allow-origin")), (200, "*"));
    let d = d.json();
    assert_eq!(d["issuer"], ISSUER);
    assert_eq!(d["id_token_signing_alg_values_supported"], json!(["ES256", "EdDSA"]));
    assert_eq!(w.get("/.well-known/oauth-authorization-server").await.json(), d);
    let keys = w.get("/oidc/jwks").await.json();
    let keys = keys["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|k| k.get("d").is_none() && k["use"] == "sig" && k["kid"].is_string()));
    let asked = w
        .site
        .request(
            axum::http::Method::OPTIONS,
            "/oidc/token",
            &[("origin", "https://spa.example")],
            Value::Null.to_string().into(),
        )
        .await;
    assert!(asked.header("access-control-allow-headers").contains("dpop"));
}

/// Nobody is asked there, so nothing can be taken back; but everybody can see what it receives.
#[kenroku_store::test(&[], concurrent)]
async fn services_of_the_prefecture_are_listed_with_what_they_receive(db: Db) {
    let w = World::new(db).await;
    let policy = Policy { scopes: scopes("openid residence"), first_party: true, ..Policy::default() };
    w.client_with("rp", web_client(), policy).await;
    let person = w.person("加賀　花子").await;
    let mut b = w.browser(person, Proved::PASSKEY).await;
    let list = async |b: &mut Browser<'_>| b.get("/id/consents?lang=en").await.text();
    let before = list(&mut b).await;
    assert!(before.contains("例示サービス") && before.contains("Not used yet"), "{before}");
    assert!(before.contains("City or town you live in") && !before.contains("value=\"rp\""), "{before}");
    let End::Client(_) = b.follow(&request(&[("scope", "openid residence")]), false).await else { panic!() };
    assert!(list(&mut b).await.contains("Last used on"));
    w.op.set_client_state(&World::by(), "rp", false).await.unwrap();
    assert!(!list(&mut b).await.contains("例示サービス"), "it is stopped");
}
