//! Signing out, telling clients, and keys that are renewed.

use std::time::Duration;

use kenroku_identity::op::keys::{ANNOUNCE, LINGER};
use kenroku_identity::session::Proved;
use kenroku_oidc::jws::Unverified;
use kenroku_store::Db;
use serde_json::json;

use super::world::*;

#[kenroku_store::test(&[], concurrent)]
async fn a_client_signs_its_person_out_and_others_are_asked(db: Db) {
    let w = World::new(db).await;
    let mut metadata = web_client();
    metadata["post_logout_redirect_uris"] = json!(["https://rp.example/bye"]);
    w.client("rp", metadata, "openid").await;
    let person = w.person("加賀　花子").await;
    let mut b = w.browser(person, Proved::PASSKEY).await;
    let code = b.code(&[]).await;
    let tokens = w.redeem(&code).await.json();
    let hint = tokens["id_token"].as_str().unwrap();
    let path = |fields: &[(&str, &str)]| format!("/oidc/logout?{}", form(fields));
    let bye = ("post_logout_redirect_uri", "https://rp.example/bye");

    for wrong in [
        vec![bye],
        vec![("id_token_hint", hint), ("post_logout_redirect_uri", "https://evil.example/bye")],
        vec![("id_token_hint", "x.y.z"), bye],
        vec![("id_token_hint", hint), ("client_id", "other"), bye],
    ] {
        assert_eq!(b.follow(&path(&wrong), false).await.status(), 400, "{wrong:?}");
    }
    // Without a hint any page could do it: the person is asked, and is still signed in.
    assert_eq!(b.follow(&path(&[("client_id", "rp"), bye]), false).await.status(), 200);
    assert!(b.follow(&request(&[("prompt", "none")]), false).await.client().contains_key("code"));
    let confirmed = b.submit("/oidc/logout/confirm", &[("client_id", "rp"), bye, ("state", "s")]).await;
    assert_eq!(b.follow_on(confirmed, "/oidc/logout/confirm", false).await.client()["state"], "s");
    assert_eq!(b.follow(&request(&[("prompt", "none")]), false).await.error(), "login_required");

    // With the hint of this very session at once.
    let mut b = w.browser(person, Proved::PASSKEY).await;
    let code = b.code(&[]).await;
    let tokens = w.redeem(&code).await.json();
    let hint = tokens["id_token"].as_str().unwrap();
    assert_eq!(
        b.follow(&path(&[("id_token_hint", hint), bye, ("state", "t")]), false).await.client()["state"],
        "t"
    );
    assert_eq!(b.follow(&request(&[("prompt", "none")]), false).await.error(), "login_required");
}

#[kenroku_store::test(&[], concurrent)]
async fn what_hangs_on_a_session_ends_with_it_and_offline_access_does_not(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid offline_access").await;
    let person = w.person("加賀　花子").await;
    let mut b = w.browser(person, Proved::PASSKEY).await;
    let (online, offline) = (b.code(&[]).await, b.code(&[("scope", "openid offline_access")]).await);
    let (online, offline) = (w.redeem(&online).await.json(), w.redeem(&offline).await.json());
    w.identity.end_sessions(person, None).await.unwrap();
    w.site.work().await;
    assert!(!w.active(online["access_token"].as_str().unwrap()).await);
    assert!(w.active(offline["access_token"].as_str().unwrap()).await);
    assert_eq!(w.refresh(offline["refresh_token"].as_str().unwrap()).await.status, 200);
}

/// Back-Channel Logout 1.0 §2.5
#[kenroku_store::test(&[], concurrent)]
async fn clients_are_told_that_a_session_is_over(db: Db) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let w = World::new(db).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let told = format!("http://127.0.0.1:{}/told", listener.local_addr().unwrap().port());
    let mut metadata = web_client();
    metadata["backchannel_logout_uri"] = json!(told);
    w.local_client("rp", metadata, "openid").await;
    let person = w.person("加賀　花子").await;
    let mut b = w.browser(person, Proved::PASSKEY).await;
    let code = b.code(&[]).await;
    let id = w.claims(&w.redeem(&code).await.json()["id_token"]).await;
    w.identity.end_sessions(person, None).await.unwrap();
    let client = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut text = String::new();
        let mut buffer = [0; 4096];
        while !text.contains("logout_token=")
            || !text.ends_with(|c: char| c.is_ascii_alphanumeric() || "-_".contains(c))
        {
            let n = socket.read(&mut buffer).await.unwrap();
            text.push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        text
    });
    w.site.work().await;
    w.site.work().await;
    let text = client.await.unwrap();
    let token = text.split_once("logout_token=").unwrap().1;
    let parsed = Unverified::parse(token).unwrap();
    parsed.expect_type("logout+jwt").unwrap();
    let claims = w.claims(&json!(token)).await;
    assert_eq!((&claims["sub"], &claims["sid"], &claims["aud"]), (&id["sub"], &id["sid"], &json!("rp")));
    assert!(claims["events"].get("http://schemas.openid.net/event/backchannel-logout").is_some());
    assert!(claims.get("nonce").is_none());
}

#[kenroku_store::test(&[], concurrent)]
async fn keys_are_announced_before_they_sign_and_stay_until_nothing_needs_them(db: Db) {
    let w = World::new(db).await;
    w.client("rp", json!({ "grant_types": ["client_credentials"], "response_types": [] }), "x").await;
    let kids = || async {
        let keys = w.get("/oidc/jwks").await.json();
        let mut k: Vec<String> =
            keys["keys"].as_array().unwrap().iter().map(|k| k["kid"].as_str().unwrap().to_owned()).collect();
        k.sort();
        k
    };
    let signer = || async {
        let t = w.as_rp("/oidc/token", &[("grant_type", "client_credentials")]).await.json();
        Unverified::parse(t["access_token"].as_str().unwrap()).unwrap().header().kid.clone().unwrap()
    };
    let clock = w.site.app().env().clock.clone();
    let (first, old) = (kids().await, signer().await);
    assert_eq!(first.len(), 2);
    assert_eq!(w.op.renew_keys().await.unwrap(), 0, "not yet");
    clock.advance(Duration::from_secs(90 * 86_400));
    assert_eq!(w.op.renew_keys().await.unwrap(), 2);
    assert_eq!(w.op.renew_keys().await.unwrap(), 0, "once");
    assert_eq!((kids().await.len(), signer().await), (4, old.clone()), "published and not yet in use");
    clock.advance(ANNOUNCE + Duration::from_secs(61));
    let new = signer().await;
    assert_ne!(new, old);
    assert!(kids().await.contains(&old), "what it signed can still be verified");
    clock.advance(LINGER);
    assert!(!kids().await.contains(&old));
    // An operator fears theft: at once.
    let token = w.as_rp("/oidc/token", &[("grant_type", "client_credentials")]).await.json();
    w.op.replace_keys_now().await.unwrap();
    assert!(!kids().await.contains(&new));
    assert!(!w.active(token["access_token"].as_str().unwrap()).await);
    assert_ne!(signer().await, new);
}

/// Two `serve` on one database: what one makes the other takes.
#[kenroku_store::test(&[], concurrent)]
async fn two_processes_give_the_same_answers(db: Db) {
    let one = World::new(db.clone()).await;
    one.client("rp", web_client(), "openid").await;
    let person = one.person("加賀　花子").await;
    let mut b = one.browser(person, Proved::PASSKEY).await;
    let code = b.code(&[]).await;
    let tokens = one.redeem(&code).await.json();
    // A second process has the database and its own memory, nothing else. (It shares the vault in this test.)
    let two = one.again().await;
    assert!(two.active(tokens["access_token"].as_str().unwrap()).await);
    let mut there = two.stranger();
    there.cookies = b.cookies.clone();
    let code = there.code(&[]).await;
    let (x, y) = futures_util::future::join(one.redeem(&code), two.redeem(&code)).await;
    assert_eq!([x.status, y.status].into_iter().filter(|s| *s == 200).count(), 1);
}

#[kenroku_store::test(&[], concurrent)]
async fn every_night_what_is_over_is_removed_and_keys_are_looked_after(db: Db) {
    let w = World::new(db).await;
    w.client("rp", web_client(), "openid").await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    let code = b.code(&[]).await;
    let old = w.redeem(&code).await.json();
    w.site.work().await;
    let clock = w.site.app().env().clock.clone();
    clock.advance(Duration::from_secs(95 * 86_400));
    let done = w.site.work().await;
    assert!(done.jobs > 0, "{done:?}");
    let keys = w.get("/oidc/jwks").await.json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 4, "the next keys are announced");
    assert_eq!(w.redeem(&code).await.json()["error"], "invalid_grant");
    assert_eq!(w.refresh(old["refresh_token"].as_str().unwrap()).await.json()["error"], "invalid_grant");
    assert_eq!(w.op.all_clients(&World::by()).await.unwrap().len(), 1, "clients stay");
}
