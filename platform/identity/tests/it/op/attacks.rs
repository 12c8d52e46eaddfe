//! What must fail, each beside the honest request that succeeds.

use std::time::Duration;

use kenroku_identity::op::Policy;
use kenroku_identity::session::Proved;
use kenroku_oidc::client_auth::JWT_BEARER;
use kenroku_store::Db;
use serde_json::{Value, json};

use super::world::*;

/// RFC 6749 §4.1.2, RFC 9700 §4.5: a code that comes twice ends what it gave.
#[kenroku_store::test(&[], concurrent)]
async fn a_replayed_code_ends_its_tokens(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid").await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    let code = b.code(&[]).await;
    let tokens = w.redeem(&code).await.json();
    let (access, refresh) =
        (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    assert!(w.active(access).await && w.active(refresh).await);
    let replay = w.redeem(&code).await;
    assert_eq!((replay.status.as_u16(), &replay.json()["error"]), (400, &json!("invalid_grant")));
    assert!(!w.active(access).await && !w.active(refresh).await);
    assert_eq!(w.userinfo(access).await.status, 401);
    assert_eq!(w.refresh(refresh).await.json()["error"], "invalid_grant");

    let late = b.code(&[]).await;
    w.site.app().env().clock.advance(Duration::from_secs(61));
    assert_eq!(w.redeem(&late).await.json()["error"], "invalid_grant", "too old");
}

/// Two requests with one code at the same moment: one gets tokens.
#[kenroku_store::test(&[], concurrent)]
async fn of_two_redemptions_at_once_one_wins(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid").await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    for _ in 0..5 {
        let code = b.code(&[]).await;
        let (x, y, z) = futures_util::future::join3(w.redeem(&code), w.redeem(&code), w.redeem(&code)).await;
        let won = [x.status, y.status, z.status].into_iter().filter(|s| *s == 200).count();
        assert!(won <= 1, "{won} won");
    }
}

/// The same of everything else that serves once: a refresh token, a pushed request, a proof of possession.
#[kenroku_store::test(&[], concurrent)]
async fn of_two_uses_at_once_one_wins(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid").await;
    let person = w.person("加賀　花子").await;
    let mut b = w.browser(person, Proved::PASSKEY).await;
    let won = |all: [u16; 2], good: u16| all.into_iter().filter(|s| *s == good).count();

    let code = b.code(&[]).await;
    let tokens = w.redeem(&code).await.json();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let (x, y) = futures_util::future::join(w.refresh(refresh), w.refresh(refresh)).await;
    assert_eq!(won([x.status.as_u16(), y.status.as_u16()], 200), 1);

    let pushed = request(&[]);
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(pushed.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
    let fields: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let uri = w.as_rp("/oidc/par", &fields).await.json()["request_uri"].as_str().unwrap().to_owned();
    let at = format!("/oidc/authorize?{}", form(&[("client_id", "rp"), ("request_uri", &uri)]));
    let mut c = w.browser(person, Proved::PASSKEY).await;
    let (x, y) = futures_util::future::join(b.get(&at), c.get(&at)).await;
    assert_eq!(won([x.status.as_u16(), y.status.as_u16()], 303), 1, "{} {}", x.status, y.status);

    let key = key();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    let auth = basic("rp", SECRET);
    let first = proof(&key, &proof_claims(&w, "POST", "/oidc/token", "", None));
    let nonce = w.post("/oidc/token", &[("authorization", &auth), ("dpop", &first)], &fields).await;
    let good = proof(&key, &proof_claims(&w, "POST", "/oidc/token", nonce.header("dpop-nonce"), None));
    let headers = [("authorization", auth.as_str()), ("dpop", good.as_str())];
    let ask = || w.post("/oidc/token", &headers, &fields);
    let (x, y) = futures_util::future::join(ask(), ask()).await;
    let mut errors = [x.json()["error"].clone(), y.json()["error"].clone()].map(|e| e.to_string());
    errors.sort();
    assert_eq!(errors, ["\"invalid_dpop_proof\"", "\"invalid_grant\""], "one got as far as the token");
}

/// RFC 9700 §4.8, §4.5: a code is good only with the verifier, redirect address and client of its request.
#[kenroku_store::test(&[], concurrent)]
async fn a_stolen_code_is_good_for_nothing(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid").await;
    w.client("thief", web_client(), "openid").await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    let with = |code: &str, change: &[(&str, &str)]| {
        let mut fields: std::collections::BTreeMap<String, String> =
            code_fields(code).into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        for (k, v) in change {
            fields.insert((*k).to_owned(), (*v).to_owned());
        }
        fields.into_iter().filter(|(_, v)| !v.is_empty()).collect::<Vec<_>>()
    };
    let long = "a".repeat(43);
    for change in [
        [("code_verifier", long.as_str())],
        [("code_verifier", "")],
        [("code_verifier", CHALLENGE)],
        [("redirect_uri", "https://rp.example/other")],
        [("redirect_uri", "")],
        [("code", "unknown")],
    ] {
        let code = b.code(&[]).await;
        let fields = with(&code, &change);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(w.as_rp("/oidc/token", &fields).await.json()["error"], "invalid_grant", "{change:?}");
    }
    let code = b.code(&[]).await;
    let by_thief = [("authorization", basic("thief", SECRET))];
    let by_thief: Vec<(&str, &str)> = by_thief.iter().map(|(k, v)| (*k, v.as_str())).collect();
    assert_eq!(w.post("/oidc/token", &by_thief, &code_fields(&code)).await.json()["error"], "invalid_grant");
    assert_eq!(w.redeem(&code).await.status, 200, "and is still good for its owner");
}

/// RFC 9700 §4.8.2: without a challenge there is no verifier to check, so none is taken.
#[kenroku_store::test(&[], concurrent)]
async fn pkce_cannot_be_left_out_or_weakened(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid").await;
    let old = Policy { scopes: scopes("openid"), pkce_optional: true, ..Policy::default() };
    w.client_with("old", web_client(), old).await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    assert_eq!(b.follow(&request(&without), true).await.error(), "invalid_request");
    assert_eq!(
        b.follow(&request(&[("code_challenge_method", "plain")]), true).await.error(),
        "invalid_request"
    );
    assert_eq!(b.follow(&request(&[("code_challenge_method", "")]), true).await.error(), "invalid_request");
    assert!(b.follow(&request(&[]), true).await.client().contains_key("code"));
    // The one exception is registered, and even then a verifier out of nothing is refused.
    let mut legacy = vec![("client_id", "old")];
    legacy.extend(without);
    let code = b.code(&legacy).await;
    let auth = basic("old", SECRET);
    let redeem = |fields: Vec<(&'static str, String)>| {
        let (w, auth) = (&w, auth.clone());
        async move {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
            w.post("/oidc/token", &[("authorization", &auth)], &fields).await
        }
    };
    let base = |code: String| {
        vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code),
            ("redirect_uri", REDIRECT.to_owned()),
        ]
    };
    let mut forged = base(code);
    forged.push(("code_verifier", VERIFIER.to_owned()));
    assert_eq!(redeem(forged).await.json()["error"], "invalid_grant");
    let code = b.code(&legacy).await;
    assert_eq!(redeem(base(code)).await.status, 200);
}

/// RFC 9700 §4.1: until the address is known to be the client's, the browser goes nowhere.
#[kenroku_store::test(&[], concurrent)]
async fn no_redirect_to_an_address_that_is_not_registered(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid").await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    for trick in [
        "https://rp.example/cb/",
        "https://rp.example/cb?x=1",
        "https://rp.example/cb%2f..%2fevil",
        "https://rp.example/cb/../evil",
        "https://rp.example.evil.example/cb",
        "https://rp.example@evil.example/cb",
        "https://evil.example/cb",
        "http://rp.example/cb",
        "javascript:alert(1)",
        "",
    ] {
        let end = b.follow(&request(&[("redirect_uri", trick)]), true).await;
        assert_eq!(end.status(), 400, "{trick}");
    }
    assert_eq!(b.follow(&request(&[("client_id", "unknown")]), true).await.status(), 400);
    let twice = format!("{}&redirect_uri=https%3A%2F%2Fevil.example", request(&[]));
    assert_eq!(b.follow(&twice, true).await.status(), 400, "twice the same parameter");
    assert!(b.follow(&request(&[]), true).await.client().contains_key("code"));
}

/// RFC 9207: every answer, also of an error, names us.
#[kenroku_store::test(&[], concurrent)]
async fn answers_cannot_be_mixed_up(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid").await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    assert_eq!(b.follow(&request(&[]), true).await.client()["iss"], ISSUER);
    assert_eq!(b.follow(&request(&[("response_type", "token")]), true).await.client()["iss"], ISSUER);
}

/// RFC 9700 §4.14.2
#[kenroku_store::test(&[], concurrent)]
async fn a_reused_refresh_token_ends_the_family(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid").await;
    w.client("thief", web_client(), "openid").await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    let code = b.code(&[]).await;
    let first = w.redeem(&code).await.json()["refresh_token"].as_str().unwrap().to_owned();
    let by_thief = w
        .post(
            "/oidc/token",
            &[("authorization", &basic("thief", SECRET))],
            &[("grant_type", "refresh_token"), ("refresh_token", &first)],
        )
        .await;
    assert_eq!(by_thief.json()["error"], "invalid_grant");
    let second = w.refresh(&first).await.json();
    let third = w.refresh(second["refresh_token"].as_str().unwrap()).await.json();
    assert!(w.active(third["access_token"].as_str().unwrap()).await);
    assert_eq!(w.refresh(&first).await.json()["error"], "invalid_grant");
    assert!(!w.active(third["access_token"].as_str().unwrap()).await);
    assert_eq!(w.refresh(third["refresh_token"].as_str().unwrap()).await.json()["error"], "invalid_grant");
    let wider = b.code(&[]).await;
    let token = w.redeem(&wider).await.json()["refresh_token"].as_str().unwrap().to_owned();
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("scope", "openid profile")];
    assert_eq!(w.as_rp("/oidc/token", &fields).await.json()["error"], "invalid_scope");
}

/// RFC 9700 §4.7: somebody else's interaction leads nowhere.
#[kenroku_store::test(&[], concurrent)]
async fn login_csrf_and_fixation(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid").await;
    let (victim, attacker) = (w.person("加賀　花子").await, w.person("白山　太郎").await);
    // The attacker begins and sends the victim the link.
    let mut evil = w.stranger();
    let next = evil.follow(&request(&[]), false).await.sign_in()["next"].clone();
    let mut b = w.browser(victim, Proved::PASSKEY).await;
    assert_eq!(b.follow(&next, true).await.status(), 410);
    // A cookie that the attacker planted before the sign-in is not the session afterwards.
    let before = w.browser(attacker, Proved::PASSKEY).await.cookies;
    let mut planted = w.stranger();
    planted.cookies = before.clone();
    planted.sign_in(victim, Proved::PASSKEY).await;
    let name = "kr_session";
    assert_ne!(planted.cookies[name], before[name]);
    // The attacker's own way still works.
    evil.sign_in(attacker, Proved::PASSKEY).await;
    assert!(evil.follow(&next, true).await.client().contains_key("code"));
    assert_eq!(evil.follow(&next, true).await.status(), 410, "once");
    // And a consent cannot be sent from another site.
    let page = b.get(&request(&[("prompt", "consent")])).await.header("location").to_owned();
    let cookie: Vec<String> = b.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "cross-site"),
        ("cookie", &cookie.join("; ")),
    ];
    let forged = w.site.request(axum::http::Method::POST, &page, &headers, "decision=allow".into()).await;
    assert_eq!(forged.problem_code(), "cross-site");
}

/// RFC 7523 §3, RFC 8725: assertions.
#[kenroku_store::test(&[], concurrent)]
async fn client_assertions_serve_once_and_name_us(db: Db) {
    let w = World::new(db).await;
    let (own, foreign) = (key(), key());
    let metadata = json!({
        "grant_types": ["client_credentials"],
        "response_types": [],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": { "keys": [own.public().to_jwk()] },
    });
    w.client("machine", metadata, "api").await;
    let now = w.site.app().env().now().secs();
    let good =
        |jti: &str| json!({ "iss": "machine", "sub": "machine", "aud": ISSUER, "jti": jti, "exp": now + 60 });
    let ask = |jwt: String| {
        let w = &w;
        async move {
            let fields = [
                ("grant_type", "client_credentials"),
                ("client_assertion_type", JWT_BEARER),
                ("client_assertion", &jwt),
            ];
            w.post("/oidc/token", &[], &fields).await
        }
    };
    let jwt = own.sign("JWT", &good("1")).unwrap();
    assert_eq!(ask(jwt.clone()).await.status, 200);
    let replay = ask(jwt).await;
    assert_eq!((replay.status.as_u16(), &replay.json()["error"]), (401, &json!("invalid_client")));
    let mut elsewhere = good("2");
    elsewhere["aud"] = json!("https://other.example");
    assert_eq!(ask(own.sign("JWT", &elsewhere).unwrap()).await.status, 401);
    assert_eq!(ask(foreign.sign("JWT", &good("3")).unwrap()).await.status, 401);
    // alg=none and an HMAC under the public key (RFC 8725 §2.1).
    for alg in ["none", "HS256"] {
        let head = kenroku_oidc::b64_encode(json!({ "alg": alg, "typ": "JWT" }).to_string());
        let body = kenroku_oidc::b64_encode(good("4").to_string());
        let text = format!("{head}.{body}");
        let secret =
            ring::hmac::Key::new(ring::hmac::HMAC_SHA256, own.public().to_jwk().to_string().as_bytes());
        let tag = kenroku_oidc::b64_encode(ring::hmac::sign(&secret, text.as_bytes()));
        for signature in ["", tag.as_str()] {
            assert_eq!(ask(format!("{text}.{signature}")).await.status, 401, "{alg}");
        }
    }
    // Two at the same moment.
    let jwt = own.sign("JWT", &good("5")).unwrap();
    let (a, b) = futures_util::future::join(ask(jwt.clone()), ask(jwt)).await;
    assert_eq!([a.status, b.status].into_iter().filter(|s| *s == 200).count(), 1);
}

/// RFC 9449: bound tokens, stale proofs, nonces.
#[kenroku_store::test(&[], concurrent)]
async fn bound_tokens_need_their_key_a_fresh_proof_and_our_nonce(db: Db) {
    let w = World::new(db).await;
    let mut metadata = web_client();
    metadata["token_endpoint_auth_method"] = json!("none");
    metadata["dpop_bound_access_tokens"] = json!(true);
    w.client("rp", metadata, "openid").await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    let (own, other) = (key(), key());
    let token = |fields: Vec<(&'static str, String)>, proof: Option<String>| {
        let w = &w;
        async move {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
            let headers: Vec<(&str, &str)> = proof.iter().map(|p| ("dpop", p.as_str())).collect();
            w.post("/oidc/token", &headers, &fields).await
        }
    };
    let fields = |code: &str| {
        let mut f: Vec<(&'static str, String)> = vec![
            ("grant_type", "authorization_code".to_owned()),
            ("redirect_uri", REDIRECT.to_owned()),
            ("code_verifier", VERIFIER.to_owned()),
            ("client_id", "rp".to_owned()),
        ];
        f.push(("code", code.to_owned()));
        f
    };
    let jkt = own.public().thumbprint();
    let code = b.code(&[("dpop_jkt", &jkt)]).await;
    assert_eq!(token(fields(&code), None).await.json()["error"], "invalid_dpop_proof");
    let first =
        token(fields(&code), Some(proof(&own, &proof_claims(&w, "POST", "/oidc/token", "", None)))).await;
    assert_eq!(first.json()["error"], "use_dpop_nonce");
    let nonce = first.header("dpop-nonce").to_owned();
    let fresh = || proof_claims(&w, "POST", "/oidc/token", &nonce, None);
    let mut stale = fresh();
    stale["iat"] = json!(stale["iat"].as_i64().unwrap() - 301);
    let mut elsewhere = fresh();
    elsewhere["htu"] = json!("http://kenroku.test/oidc/userinfo");
    for wrong in [stale, elsewhere] {
        let r = token(fields(&code), Some(proof(&own, &wrong))).await;
        assert_eq!(r.json()["error"], "invalid_dpop_proof");
    }
    let good = proof(&own, &fresh());
    let tokens = token(fields(&code), Some(good.clone())).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    let tokens = tokens.json();
    assert_eq!(tokens["token_type"], "DPoP");
    let replay = token(fields("x"), Some(good)).await;
    assert_eq!(replay.json()["error"], "invalid_dpop_proof", "a proof serves once");

    // A code bound to a key is good for no other.
    let bound = b.code(&[("dpop_jkt", &jkt)]).await;
    assert_eq!(token(fields(&bound), Some(proof(&other, &fresh()))).await.json()["error"], "invalid_grant");

    let access = tokens["access_token"].as_str().unwrap();
    let userinfo = |scheme: &'static str, proof: Option<String>| {
        let (w, auth) = (&w, format!("{scheme} {access}"));
        async move {
            let mut headers = vec![("authorization", auth.as_str())];
            headers.extend(proof.iter().map(|p| ("dpop", p.as_str())));
            w.site.get_with("/oidc/userinfo", &headers).await
        }
    };
    let at_userinfo = |k| proof(k, &proof_claims(&w, "GET", "/oidc/userinfo", &nonce, Some(access)));
    assert_eq!(userinfo("DPoP", Some(at_userinfo(&own))).await.status, 200);
    assert_eq!(userinfo("DPoP", Some(at_userinfo(&other))).await.status, 401);
    assert_eq!(userinfo("DPoP", None).await.status, 401);
    assert_eq!(userinfo("Bearer", None).await.status, 401, "a bound token is no bearer token");
    let other_token = proof_claims(&w, "GET", "/oidc/userinfo", &nonce, Some("other"));
    assert_eq!(userinfo("DPoP", Some(proof(&own, &other_token))).await.status, 401);

    // The public client's refresh token is bound as well.
    let refresh = |key, token_text: &Value| {
        let f = vec![
            ("grant_type", "refresh_token".to_owned()),
            ("client_id", "rp".to_owned()),
            ("refresh_token", token_text.as_str().unwrap().to_owned()),
        ];
        token(f, Some(proof(key, &fresh())))
    };
    let renewed = refresh(&own, &tokens["refresh_token"]).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    assert_eq!(refresh(&other, &renewed.json()["refresh_token"]).await.json()["error"], "invalid_grant");
    w.site.app().env().clock.advance(Duration::from_secs(400));
    let late = token(fields("x"), Some(proof(&own, &fresh()))).await;
    assert_eq!(late.json()["error"], "use_dpop_nonce", "an old nonce");
}

#[kenroku_store::test(&[], concurrent)]
async fn forged_and_foreign_access_tokens(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid").await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    let code = b.code(&[]).await;
    let tokens = w.redeem(&code).await.json();
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(w.userinfo(access).await.status, 200);
    let id_token = tokens["id_token"].as_str().unwrap();
    assert_eq!(w.userinfo(id_token).await.status, 401, "an ID token is no access token (RFC 9068 §2.1)");
    let claims = w.claims(&tokens["access_token"]).await;
    let forged = key().sign("at+jwt", &claims).unwrap();
    assert_eq!(w.userinfo(&forged).await.status, 401);
    let none = kenroku_oidc::b64_encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    let body = access.split('.').nth(1).unwrap();
    assert_eq!(w.userinfo(&format!("{none}.{body}.")).await.status, 401);
    // Signed as a symmetric token under what everybody can read (RFC 8725 §2.1).
    let published = w.get("/oidc/jwks").await.json();
    let header = kenroku_oidc::b64_encode(r#"{"alg":"HS256","typ":"at+jwt"}"#);
    for secret in published["keys"].as_array().unwrap().iter().map(Value::to_string) {
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        let tag = ring::hmac::sign(&secret, format!("{header}.{body}").as_bytes());
        let confused = format!("{header}.{body}.{}", kenroku_oidc::b64_encode(tag.as_ref()));
        assert_eq!(w.userinfo(&confused).await.status, 401);
    }
    assert_eq!(w.get("/oidc/userinfo").await.status, 401);
    let challenge = w.userinfo("x").await;
    assert!(challenge.header("www-authenticate").starts_with("Bearer error=\"invalid_token\""));
    w.site.app().env().clock.advance(Duration::from_secs(601));
    assert_eq!(w.userinfo(access).await.status, 401, "expired");
}

#[kenroku_store::test(&[], concurrent)]
async fn unknown_clients_and_wrong_secrets_look_the_same(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid").await;
    let fields = [("grant_type", "authorization_code"), ("code", "x")];
    let ask = |id: &'static str, secret: &'static str| {
        let w = &w;
        async move { w.post("/oidc/token", &[("authorization", &basic(id, secret))], &fields).await }
    };
    let (unknown, wrong) = (ask("nobody", SECRET).await, ask("rp", "wrong").await);
    assert_eq!((unknown.status, unknown.text()), (wrong.status, wrong.text()));
    assert_eq!((wrong.status.as_u16(), wrong.header("www-authenticate").is_empty()), (401, false));
    assert_eq!(ask("rp", SECRET).await.json()["error"], "invalid_grant", "the right one gets further");
    w.op.set_client_state(&World::by(), "rp", false).await.unwrap();
    assert_eq!(ask("rp", SECRET).await.json()["error"], "invalid_client", "stopped by the operator");
}
