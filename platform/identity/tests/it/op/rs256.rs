//! ID tokens with RS256: for whoever asked for it, while the operator has imported a key.

use std::time::Duration;

use base64::Engine as _;
use kenroku_identity::op::keys::{ANNOUNCE, LINGER};
use kenroku_identity::op::{ImportError, NewClient, demo};
use kenroku_identity::session::Proved;
use kenroku_oidc::jws::Unverified;
use kenroku_oidc::pem::PemError;
use kenroku_store::Db;
use serde_json::{Value, json};

use super::world::*;

const OTHER: &[u8] = include_bytes!("../../../../../sim/card/keys/card-auth-0.der");
const THIRD: &[u8] = include_bytes!("../../../../../sim/card/keys/card-auth-1.der");
const SHORT: &[u8] = include_bytes!("../../../../../sim/card/keys/odd-1024.der");
const CURVE: &[u8] = include_bytes!("../../../../../sim/card/keys/odd-p256.der");

fn pem(der: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
}

fn rs256_client() -> Value {
    let mut c = web_client();
    c["id_token_signed_response_alg"] = json!("RS256");
    c
}

impl World {
    async fn import(&self, der: &[u8], at_once: bool) -> Result<String, ImportError> {
        self.op.import_key(&Self::by(), &pem(der), at_once).await.map(|k| k.kid)
    }

    async fn offered(&self) -> Value {
        let d = self.get("/.well-known/openid-configuration").await.json();
        d["id_token_signing_alg_values_supported"].clone()
    }
}

/// `alg` and `kid` of the ID token that a fresh sign-in gives the client `rp`.
async fn signed_by(w: &World, b: &mut Browser<'_>) -> (String, String) {
    let code = b.code(&[]).await;
    let tokens = w.redeem(&code).await.json();
    w.claims(&tokens["id_token"]).await;
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(Unverified::parse(access).unwrap().header().alg, "ES256", "our own tokens stay ours");
    let read = Unverified::parse(tokens["id_token"].as_str().unwrap()).unwrap().header().clone();
    (read.alg, read.kid.unwrap())
}

#[kenroku_store::test(&[], concurrent)]
async fn a_stock_client_with_rs256_is_served_once_there_is_a_key(db: Db) {
    let w = World::new(db).await;
    assert_eq!(w.offered().await, json!(["ES256", "EdDSA"]));
    let metadata = serde_json::from_value(rs256_client()).unwrap();
    let policy = kenroku_identity::op::Policy { scopes: scopes("openid"), ..Default::default() };
    let early = NewClient { id: None, secret: None, metadata, policy };
    assert!(w.op.register_client(&World::by(), early).await.is_err(), "no key, no RS256");

    let kid = w.import(demo::RSA_KEY, false).await.unwrap();
    assert_eq!(w.offered().await, json!(["ES256", "EdDSA", "RS256"]));
    w.client("rp", rs256_client(), "openid").await;
    let person = w.person("加賀　花子").await;
    let mut b = w.browser(person, Proved::PASSKEY).await;
    assert_eq!(signed_by(&w, &mut b).await, ("RS256".to_owned(), kid));
}

#[kenroku_store::test(&[], concurrent)]
async fn whoever_did_not_ask_never_gets_rs256(db: Db) {
    let w = World::new(db).await;
    w.import(demo::RSA_KEY, false).await.unwrap();
    w.client("rp", web_client(), "openid").await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    assert_eq!(signed_by(&w, &mut b).await.0, "ES256");
}

#[kenroku_store::test(&[], concurrent)]
async fn the_next_key_is_announced_and_a_stolen_one_ends_at_once(db: Db) {
    let w = World::new(db).await;
    let first = w.import(demo::RSA_KEY, false).await.unwrap();
    assert_eq!(w.import(demo::RSA_KEY, false).await, Err(ImportError::Known));
    w.client("rp", rs256_client(), "openid").await;
    let mut b = w.browser(w.person("加賀　花子").await, Proved::PASSKEY).await;
    let clock = w.site.app().env().clock.clone();
    let published = || async { w.get("/oidc/jwks").await.text() };

    let second = w.import(OTHER, false).await.unwrap();
    assert!(published().await.contains(&second), "announced");
    assert_eq!(signed_by(&w, &mut b).await.1, first, "and not yet in use");
    clock.advance(ANNOUNCE + Duration::from_secs(61));
    b.sign_in(w.person("加賀　次郎").await, Proved::PASSKEY).await;
    assert_eq!(signed_by(&w, &mut b).await.1, second);
    clock.advance(LINGER);
    assert!(!published().await.contains(&first));
    assert_eq!(w.import(demo::RSA_KEY, true).await, Err(ImportError::Known), "what was replaced stays away");

    b.sign_in(w.person("加賀　三郎").await, Proved::PASSKEY).await;
    let third = w.import(THIRD, true).await.unwrap();
    assert_eq!(signed_by(&w, &mut b).await.1, third);
    assert!(!published().await.contains(&second));

    // Everything is replaced: an RSA key cannot be made here.
    w.op.replace_keys_now().await.unwrap();
    assert!(!published().await.contains(&third));
    assert_eq!(w.offered().await, json!(["ES256", "EdDSA"]));
    let code = b.code(&[]).await;
    let refused = w.redeem(&code).await;
    assert_eq!((refused.status.as_u16(), refused.problem_code()), (503, "identity.no-key".to_owned()));
}

#[kenroku_store::test(&[], concurrent)]
async fn what_is_no_such_key_is_refused_by_its_name(db: Db) {
    let w = World::new(db).await;
    for der in [SHORT, CURVE, b"\x30\x00"] {
        assert_eq!(w.import(der, false).await, Err(ImportError::Kind));
    }
    let old = pem(demo::RSA_KEY).replace("PRIVATE KEY", "RSA PRIVATE KEY");
    let refused = w.op.import_key(&World::by(), &old, false).await;
    assert_eq!(refused, Err(ImportError::Pem(PemError::OtherForm)));
    assert!(w.op.import_key(&World::by(), &pem(demo::RSA_KEY), false).await.is_ok());
}

#[kenroku_store::test(&[], concurrent)]
async fn the_operator_imports_keys_and_enters_those_of_services_on_a_page(db: Db) {
    let w = World::new(db).await;
    let operator = w.operator();
    let page = "/staff/identity/clients";
    let import = |pem: String| {
        let (operator, body) = (&operator, form(&[("pem", &pem)]));
        async move { operator.post_form("/staff/identity/clients/import", &[], &body).await }
    };
    let refused = import(pem(CURVE)).await;
    assert!(refused.text().contains("kr-wrongs") && !refused.text().contains("BEGIN PRIVATE"), "never shown");
    assert!(!operator.get(page).await.text().contains("<code>RS256 "));
    assert_eq!(import(pem(demo::RSA_KEY)).await.status, 303);
    assert!(operator.get(page).await.text().contains("<code>RS256 "));

    let key = key();
    let register = |jwks: String, alg: &'static str| {
        let body = form(&[
            ("name", "署名するサービス"),
            ("redirects", REDIRECT),
            ("method", "private_key_jwt"),
            ("jwks", &jwks),
            ("alg", alg),
            ("acting", "true"),
            ("scopes", "openid"),
        ]);
        let operator = &operator;
        async move { operator.post_form(page, &[], &body).await.text() }
    };
    for wrong in ["", "https://10.0.0.1/jwks", r#"{"kty":"oct","k":"AAAA"}"#] {
        let answer = register(wrong.to_owned(), "ES256").await;
        assert!(answer.contains("kr-wrongs") && !answer.contains("client_id <code>"), "{wrong}: {answer}");
    }
    let made = register(key.public().to_jwk().to_string(), "RS256").await;
    assert!(!made.contains("client_secret <code>"), "a key instead of a secret");
    let id = made.split("client_id <code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let client = w.op.client(&id).await.unwrap().unwrap();
    assert_eq!(
        (client.metadata.id_token_signed_response_alg.as_str(), client.policy.acting),
        ("RS256", true)
    );

    let error = |key: &kenroku_oidc::jws::SigningKey| {
        let now = w.site.app().env().now().secs();
        let jti = w.site.app().env().uuid().to_string();
        let claims = json!({ "iss": id, "sub": id, "aud": ISSUER, "jti": jti, "iat": now, "exp": now + 60 });
        let assertion = key.sign("JWT", &claims).unwrap();
        let w = &w;
        async move {
            let fields = [
                ("grant_type", "authorization_code"),
                ("code", "x"),
                ("client_assertion_type", kenroku_oidc::client_auth::JWT_BEARER),
                ("client_assertion", assertion.as_str()),
            ];
            w.post("/oidc/token", &[], &fields).await.json()["error"].clone()
        }
    };
    assert_eq!(error(&key).await, "invalid_grant", "it authenticates");
    let next = super::world::key();
    let renew = |jwks: String| {
        let (operator, body) = (&operator, form(&[("id", &id), ("jwks", &jwks)]));
        async move { operator.post_form("/staff/identity/clients/jwks", &[], &body).await }
    };
    for wrong in ["{", "http://rp.example/jwks"] {
        assert!(renew(wrong.to_owned()).await.text().contains("kr-wrongs"), "{wrong}");
    }
    assert_eq!(renew("https://rp.example/jwks".to_owned()).await.status, 303);
    let moved = w.op.client(&id).await.unwrap().unwrap().metadata.clone();
    assert_eq!((moved.jwks, moved.jwks_uri.as_deref()), (None, Some("https://rp.example/jwks")));
    assert_eq!(renew(next.public().to_jwk().to_string()).await.status, 303);
    assert_eq!((error(&key).await, error(&next).await), (json!("invalid_client"), json!("invalid_grant")));
}
