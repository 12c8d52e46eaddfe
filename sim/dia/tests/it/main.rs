//! The stand-in with our relying party's code on the other side.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kenroku_oidc::jwk::{Alg, KeySet};
use kenroku_oidc::jws::SigningKey;
use kenroku_oidc::upstream::{Ask, Attempt, Metadata, Person, Registration, client_assertion};
use kenroku_oidc::{Params, Scopes};
use kenroku_sim_card::Resident;
use kenroku_sim_dia::{Client, DigitalAuthApp};
use kenroku_types::{Env, Timestamp};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use url::Url;

const BACK: &str = "https://portal.example/id/upstream/back";

struct World {
    app: DigitalAuthApp,
    env: Env,
    key: SigningKey,
    of: Metadata,
    us: Registration,
}

async fn body(r: Response) -> Value {
    let bytes = axum::body::to_bytes(r.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

impl World {
    async fn new() -> Self {
        let env = Env::fixed(Timestamp::from_secs(1_768_350_600), 7);
        let (_, key) = SigningKey::generate(Alg::Es256).unwrap();
        let keys = KeySet::from_jwks(&json!({ "keys": [key.public().to_jwk()] })).unwrap();
        let client = Client { id: "kenroku1".to_owned(), redirect_uri: BACK.to_owned(), keys };
        let app = DigitalAuthApp::new(env.clone(), "http://127.0.0.1:8081", vec![client], "salt").unwrap();
        let issuer = app.issuer();
        let document = get(&app, &format!("{issuer}/.well-known/openid-configuration"), None).await;
        let us = Registration {
            client_id: "kenroku1".to_owned(),
            redirect_uri: BACK.to_owned(),
            scopes: Scopes::parse("openid name birthdate").unwrap(),
            algs: vec![Alg::Es256],
        };
        let of = Metadata::read(&issuer, &body(document).await).unwrap();
        World { app, env, key, of, us }
    }

    fn assertion(&self, audience: &str) -> String {
        client_assertion(&self.key, "kenroku1", audience, &self.env.rng, self.env.now()).unwrap()
    }

    async fn token(&self, assertion: &str, mut form: Vec<(&str, String)>) -> (StatusCode, Value) {
        const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        form.push(("client_assertion_type", KIND.to_owned()));
        form.push(("client_assertion", assertion.to_owned()));
        let r = post(&self.app, &self.of.token_endpoint, &encoded(&form)).await;
        (r.status(), body(r).await)
    }

    /// Chooses a resident and brings the answer back.
    async fn choose(&self, address: &str, resident: &str) -> Params {
        let url = Url::parse(address).unwrap();
        let form =
            encoded(&[("request", url.query().unwrap().to_owned()), ("resident", resident.to_owned())]);
        let r = post(&self.app, address.split('?').next().unwrap(), &form).await;
        assert_eq!(r.status(), StatusCode::FOUND);
        let to = Url::parse(r.headers()["location"].to_str().unwrap()).unwrap();
        Params::parse(to.query().unwrap()).unwrap()
    }

    async fn person(&self, a: &Attempt, id_token: &str) -> Person {
        let keys = KeySet::from_jwks(&body(get(&self.app, &self.of.jwks_uri, None).await).await).unwrap();
        a.person(id_token, &keys, &self.of, &self.us, &Ask::default(), self.env.now()).unwrap()
    }
}

fn encoded(pairs: &[(&str, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn get(app: &DigitalAuthApp, address: &str, bearer: Option<&str>) -> Response {
    let mut r = Request::get(address);
    if let Some(token) = bearer {
        r = r.header("authorization", format!("Bearer {token}"));
    }
    app.router().oneshot(r.body(Body::empty()).unwrap()).await.unwrap()
}

async fn post(app: &DigitalAuthApp, address: &str, form: &str) -> Response {
    let r = Request::post(address).body(Body::from(form.to_owned())).unwrap();
    app.router().oneshot(r).await.unwrap()
}

#[tokio::test]
async fn a_resident_signs_in_once_and_only_as_the_documents_say() {
    let w = World::new().await;
    let a = Attempt::new(&w.env.rng);
    let address = a.address(&w.of, &w.us, &Ask::default()).unwrap();
    assert_eq!(get(&w.app, &address, None).await.status(), StatusCode::OK);
    let params = w.choose(&address, "3").await;
    let code = a.answer(&w.of, &params).unwrap();
    let to = w.of.token_endpoint.clone();

    // The assertion is for the token endpoint, fresh, and good once.
    let form = || a.redeem(&w.us, code);
    assert_eq!(w.token(&w.assertion(&w.app.issuer()), form()).await.1["error"], "invalid_client");
    let assertion = w.assertion(&to);
    let (status, tokens) = w.token(&assertion, form()).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert_eq!(w.token(&assertion, form()).await.1["error"], "invalid_client", "jti replayed");
    assert_eq!(w.token(&w.assertion(&to), form()).await.1["error"], "invalid_grant", "code replayed");
    let secret = post(&w.app, &to, "grant_type=client_credentials&client_id=kenroku1&client_secret=x").await;
    assert_eq!(secret.status(), StatusCode::UNAUTHORIZED);

    let p = w.person(&a, tokens["id_token"].as_str().unwrap()).await;
    let r = Resident::new(3);
    assert_eq!((p.text("name"), p.text("address")), (Some(r.name.as_str()), None), "only what was asked for");
    let info = get(&w.app, w.of.userinfo_endpoint.as_ref().unwrap(), tokens["access_token"].as_str()).await;
    assert!(p.userinfo(&body(info).await).is_ok());

    let refresh = |t: &Value| {
        vec![
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", t["refresh_token"].as_str().unwrap().to_owned()),
        ]
    };
    let (status, newer) = w.token(&w.assertion(&to), refresh(&tokens)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(w.token(&w.assertion(&to), refresh(&tokens)).await.0, StatusCode::BAD_REQUEST, "used");
    assert_ne!(newer["refresh_token"], tokens["refresh_token"]);
}

#[tokio::test]
async fn somebody_who_declines_comes_back_with_the_reason() {
    let w = World::new().await;
    let a = Attempt::new(&w.env.rng);
    let address = a.address(&w.of, &w.us, &Ask::default()).unwrap();
    let refused = a.answer(&w.of, &w.choose(&address, "none").await).unwrap_err();
    assert_eq!(refused.to_string(), "the provider refused: access_denied");
    // Errors go to the registered address only.
    let stranger = address.replace("portal.example", "evil.example");
    let page = get(&w.app, &stranger, None).await;
    assert_eq!((page.status(), page.headers().get("location")), (StatusCode::BAD_REQUEST, None));
    let without = address.replace("nonce=", "n=");
    let page = get(&w.app, &without, None).await;
    assert!(page.headers()["location"].to_str().unwrap().contains("error=invalid_request"));
}

#[tokio::test]
async fn a_document_is_signed_by_whoever_signed_in_for_it() {
    let w = World::new().await;
    let to = w.of.token_endpoint.clone();
    let grant = vec![("grant_type", "client_credentials".to_owned())];
    let (_, own) = w.token(&w.assertion(&to), grant).await;
    let own = own["access_token"].as_str();
    let at = "http://127.0.0.1:8081/api/sign-transactions";
    let begin = |digest: &str| {
        let r = Request::post(at).header("authorization", format!("Bearer {}", own.unwrap()));
        let r = r.body(Body::from(json!({ "digest": digest }).to_string())).unwrap();
        w.app.router().oneshot(r)
    };
    assert_eq!(begin("c2hvcnQ=").await.unwrap().status(), StatusCode::BAD_REQUEST);
    let digest = STANDARD.encode(kenroku_oidc::sha256(b"document"));
    let id = body(begin(&digest).await.unwrap()).await["id"].as_str().unwrap().to_owned();
    let result = format!("{at}/{id}/result");
    assert_eq!(get(&w.app, &result, None).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(get(&w.app, &result, own).await.status(), StatusCode::ACCEPTED);

    let a = Attempt::new(&w.env.rng);
    let us = Registration { scopes: Scopes::parse("openid sign").unwrap(), ..w.us.clone() };
    let ask = Ask { extra: &[("sign_transaction_id", &id)], ..Ask::default() };
    let address = a.address(&w.of, &us, &ask).unwrap();
    a.answer(&w.of, &w.choose(&address, "4").await).unwrap();
    let signed = body(get(&w.app, &result, own).await).await;
    assert_eq!(signed["status"], "completed");
    let certificate = STANDARD.decode(signed["certificate"].as_str().unwrap()).unwrap();
    let signature = STANDARD.decode(signed["signature"].as_str().unwrap()).unwrap();
    let resident = Resident::new(4);
    let pki = kenroku_sim_card::Pki::shipped().unwrap();
    let known = resident.credential(&pki, kenroku_sim_card::Purpose::Sign).unwrap();
    assert_eq!(certificate, known.certificate);
    assert_eq!(signature, known.key.sign(kenroku_sim_card::keys::Hash::Sha256, b"document").unwrap());
    assert_eq!(get(&w.app, &result, own).await.status(), StatusCode::NOT_FOUND, "given once");
}
