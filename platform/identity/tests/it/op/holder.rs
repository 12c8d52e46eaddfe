//! A resource of the house that services call with an access token.

use std::time::Duration;

use kenroku_identity::delegation::{Kind, LONGEST, Scope};
use kenroku_identity::op::Policy;
use kenroku_identity::session::Proved;
use kenroku_store::Db;
use serde_json::{Value, json};

use super::world::*;

const ME: &str = "/api/identity/v1/me";

async fn world(db: Db) -> World {
    let w = World::new(db).await;
    let policy = Policy { scopes: scopes("openid profile"), acting: true, ..Policy::default() };
    w.client_with("rp", web_client(), policy).await;
    w
}

async fn tokens(w: &World, b: &mut Browser<'_>, change: &[(&str, &str)]) -> Value {
    let code = b.code(change).await;
    w.redeem(&code).await.json()
}

async fn me(w: &World, scheme: &str, token: &Value) -> kenroku_http::test::Answer {
    let value = format!("{scheme} {}", token.as_str().unwrap());
    w.site.get_with(ME, &[("authorization", &value)]).await
}

/// RFC 9470: the challenge names what is missing; with it the client comes back and is let in.
#[kenroku_store::test(&[], concurrent)]
async fn a_challenge_leads_to_a_surer_sign_in_and_that_succeeds(db: Db) {
    let w = world(db).await;
    let person = w.person("加賀　花子").await;
    let mut b = w.browser(person, Proved::PASSWORD_OTP).await;
    let weak = tokens(&w, &mut b, &[("scope", "openid profile")]).await;
    let refused = me(&w, "Bearer", &weak["access_token"]).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["error"]),
        (401, &json!("insufficient_user_authentication"))
    );
    let asks = refused.header("www-authenticate").to_owned();
    assert!(
        asks.contains("acr_values=\"urn:ishikawa:passkey\"") && asks.contains("max_age=\"3600\""),
        "{asks}"
    );

    let again = [("scope", "openid profile"), ("acr_values", "urn:ishikawa:passkey"), ("max_age", "3600")];
    let waiting = b.follow(&request(&again), true).await.sign_in();
    assert_eq!((waiting["need"].as_str(), waiting["fresh"].as_str()), ("urn:ishikawa:passkey", "1"));
    b.sign_in(person, Proved::PASSKEY).await;
    let code = b.follow(&waiting["next"], true).await.code();
    let sure = w.redeem(&code).await.json();
    let answer = me(&w, "Bearer", &sure["access_token"]).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"));
    let told = answer.json();
    let sub = w.claims(&sure["id_token"]).await["sub"].clone();
    assert_eq!((&told["sub"], &told["acr"]), (&sub, &json!("urn:ishikawa:passkey")));
    assert_eq!(told["attributes"]["name"], "加賀　花子");

    // A renewed token still rests on the old sign-in.
    w.site.app().env().clock.advance(Duration::from_secs(3601));
    let renewed = w.refresh(sure["refresh_token"].as_str().unwrap()).await.json();
    let old = me(&w, "Bearer", &renewed["access_token"]).await;
    assert_eq!(old.json()["error"], "insufficient_user_authentication", "too long ago");
}

#[kenroku_store::test(&[], concurrent)]
async fn bound_tokens_need_their_proof_here_too(db: Db) {
    let w = world(db).await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    let code = b.code(&[("scope", "openid profile")]).await;
    let key = key();
    let auth = basic("rp", SECRET);
    let redeem = |nonce: String| {
        let (w, key, auth) = (&w, &key, &auth);
        let code = code.clone();
        async move {
            let p = proof(key, &proof_claims(w, "POST", "/oidc/token", &nonce, None));
            w.post("/oidc/token", &[("authorization", auth), ("dpop", &p)], &code_fields(&code)).await
        }
    };
    let nonce = redeem(String::new()).await.header("dpop-nonce").to_owned();
    let token = redeem(nonce.clone()).await.json()["access_token"].clone();
    assert_eq!(me(&w, "Bearer", &token).await.json()["error"], "invalid_token", "RFC 9449 §7.2");
    let text = token.as_str().unwrap();
    let shown = |key: kenroku_oidc::jws::SigningKey, path: &'static str| {
        let (w, nonce) = (&w, nonce.clone());
        async move {
            let p = proof(&key, &proof_claims(w, "GET", path, &nonce, Some(text)));
            let value = format!("DPoP {text}");
            w.site.get_with(ME, &[("authorization", &value), ("dpop", &p)]).await
        }
    };
    assert_eq!(shown(super::world::key(), ME).await.status, 401, "another key");
    let answer = shown(key, ME).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.header("dpop-nonce").is_empty());
}

#[kenroku_store::test(&[], concurrent)]
async fn a_token_opens_what_asks_for_it_and_nothing_else(db: Db) {
    let w = world(db).await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    let full = tokens(&w, &mut b, &[("scope", "openid profile")]).await["access_token"].clone();
    assert_eq!(me(&w, "Bearer", &full).await.status, 200);
    let narrow = tokens(&w, &mut b, &[]).await["access_token"].clone();
    let refused = me(&w, "Bearer", &narrow).await;
    assert_eq!(refused.status, 403);
    assert!(refused.header("www-authenticate").contains("scope=\"profile\""));
    assert_eq!(w.get(ME).await.status, 401);
    assert_eq!(me(&w, "Basic", &full).await.status, 400);
    // The person's own pages do not know tokens of services.
    let value = format!("Bearer {}", full.as_str().unwrap());
    assert_eq!(w.site.get_with("/id/profile", &[("authorization", &value)]).await.status, 401);
    // What was taken back is refused here at once.
    w.as_rp("/oidc/revoke", &[("token", full.as_str().unwrap())]).await;
    assert_eq!(me(&w, "Bearer", &full).await.json()["error"], "invalid_token");
}

#[kenroku_store::test(&[], concurrent)]
async fn it_tells_for_whom_somebody_may_act(db: Db) {
    let w = world(db).await;
    let (mother, child) = (w.person("加賀　母").await, w.person("加賀　子").await);
    let until = w.site.app().env().now().plus(LONGEST);
    let powers = [Scope::Procedures, Scope::Messages];
    let id = w.identity.entrust(child, mother, Kind::Guardian, &powers, "母子健康手帳", until).await.unwrap();
    let mut b = w.browser(mother, Proved::PASSKEY).await;
    let asked = [("scope", "openid profile")];
    let own = tokens(&w, &mut b, &asked).await;
    let told = me(&w, "Bearer", &own["access_token"]).await.json();
    assert!(told.get("act").is_none());
    assert_eq!(told["acts_for"][0]["kind"], "guardian");
    assert_eq!(told["acts_for"][0]["scopes"], json!(["messages", "procedures"]));

    let answer = b.get(&request(&asked)).await;
    let path = answer.header("location").to_owned();
    let fields = [("decision", "allow"), ("claim", "name"), ("for", &*id.to_string())];
    let answer = b.submit(&path, &fields).await;
    let code = b.follow_on(answer, &path, false).await.code();
    let acted = w.redeem(&code).await.json();
    let about_child = me(&w, "Bearer", &acted["access_token"]).await.json();
    assert_eq!((&about_child["sub"], &about_child["act"]), (&told["acts_for"][0]["sub"], &told["sub"]));
    assert_eq!(about_child["attributes"]["name"], "加賀　子");
    assert_eq!(about_child["acts_for"], json!([]));
}
