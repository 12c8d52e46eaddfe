//! A provider with people and clients, and a browser that does what people do.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Method;
use axum::http::{HeaderMap, Request};
use kenroku_access::{Access, Actor, Assurance, Granted, SignIn, TenantTree, kernel};
use kenroku_http::test::Answer;
use kenroku_identity::model::{
    AccountClass, Attributes, Birth, PersonId, ProofMethod, Provenance, Sex, Written,
};
use kenroku_identity::op::{NewClient, Policy, Provider, Registered, Settings};
use kenroku_identity::person::NewPerson;
use kenroku_identity::session::Proved;
use kenroku_identity::{Identity, ManageClients};
use kenroku_module::test::TestSite;
use kenroku_oidc::jwk::{Alg, KeySet};
use kenroku_oidc::jws::{SigningKey, Unverified};
use kenroku_oidc::{Scopes, b64_encode, sha256};
use kenroku_store::Db;
use kenroku_types::Tenant;
use serde_json::{Map, Value, json};

pub const ISSUER: &str = "http://kenroku.test";
pub const REDIRECT: &str = "https://rp.example/cb";
/// RFC 7636 appendix B
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const SECRET: &str = "demo-secret";

pub struct World {
    pub site: TestSite,
    pub identity: std::sync::Arc<Identity>,
    pub op: std::sync::Arc<Provider>,
}

pub fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).unwrap()
}

/// A confidential client for codes and refresh tokens that authenticates in the header.
pub fn web_client() -> Value {
    json!({
        "redirect_uris": [REDIRECT],
        "client_name": "例示サービス",
        "grant_types": ["authorization_code", "refresh_token"],
    })
}

impl World {
    pub async fn new(db: Db) -> World {
        let site = TestSite::on(db, TenantTree::default(), [kenroku_identity::module()]).await;
        Self::of(site)
    }

    pub fn of(site: TestSite) -> World {
        let identity = site.app().get::<Identity>().unwrap();
        let op = site.app().get::<Provider>().unwrap();
        World { site, identity, op }
    }

    pub fn by() -> Granted<ManageClients> {
        Granted::for_system("test", Tenant::SHARED)
    }

    /// Registers a client with the secret [`SECRET`] where it needs one.
    pub async fn client(&self, id: &str, metadata: Value, allowed: &str) -> Registered {
        self.client_with(id, metadata, Policy { scopes: scopes(allowed), ..Policy::default() }).await
    }

    pub async fn client_with(&self, id: &str, metadata: Value, policy: Policy) -> Registered {
        let metadata = serde_json::from_value(metadata).unwrap();
        let (id, secret) = (Some(id.to_owned()), Some(SECRET.to_owned()));
        self.op.register_client(&Self::by(), NewClient { id, secret, metadata, policy }).await.unwrap()
    }

    /// As an installation for development would register it: addresses on this machine.
    pub async fn local_client(&self, id: &str, metadata: Value, allowed: &str) -> Registered {
        let app = self.site.app();
        let settings = Settings { local_http: true, ..Settings::default() };
        let vault = self.site.vault().clone();
        let op = Provider::start(app.db().clone(), app.env().clone(), vault, settings).await.unwrap();
        let metadata = serde_json::from_value(metadata).unwrap();
        let policy = Policy { scopes: scopes(allowed), ..Policy::default() };
        let (id, secret) = (Some(id.to_owned()), Some(SECRET.to_owned()));
        op.register_client(&Self::by(), NewClient { id, secret, metadata, policy }).await.unwrap()
    }

    /// Somebody who runs the installation.
    pub fn operator(&self) -> kenroku_http::test::TestApp {
        self.site.acting(Actor::Staff {
            id: kenroku_types::Id::from_uuid(uuid::Uuid::nil()),
            tenant: Tenant::SHARED,
            roles: vec![kernel::OPERATOR],
            sign_in: SignIn { assurance: Assurance::Passkey, at: self.site.app().env().now() },
        })
    }

    /// Another process on the same database.
    pub async fn again(&self) -> World {
        Self::of(self.site.beside(TenantTree::default(), [kenroku_identity::module()]).await)
    }

    pub async fn person(&self, name: &str) -> PersonId {
        let env = self.site.app().env();
        let id = env.id();
        let attributes = Attributes {
            name: Written::plain(name),
            birth: Some(Birth::of("1990-04-01".parse().unwrap())),
            sex: Some(Sex::Female),
            address: Some(Written::plain("石川県能美市寺井町１２３")),
        };
        let provenance = Provenance {
            method: ProofMethod::Jpki,
            assurance: Assurance::JpkiSign,
            source: "card".to_owned(),
            verified_at: env.now(),
        };
        let new = NewPerson {
            id,
            class: AccountClass::Resident,
            attributes,
            provenance,
            credentials: Vec::new(),
            simulated: true,
        };
        self.identity.register(new).await.unwrap();
        id
    }

    /// A browser in which this person has just signed in.
    pub async fn browser(&self, person: PersonId, how: Proved) -> Browser<'_> {
        let mut b = self.stranger();
        b.sign_in(person, how).await;
        b
    }

    /// A browser in which nobody has.
    pub fn stranger(&self) -> Browser<'_> {
        Browser { world: self, cookies: BTreeMap::new() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.site.get_with(path, &[]).await
    }

    /// POST of a form to an endpoint for programs.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
        let body = form(fields);
        let all = [headers, &[("content-type", "application/x-www-form-urlencoded")]].concat();
        self.site.request(Method::POST, path, &all, Body::from(body)).await
    }

    /// POST by the client `rp` with its secret.
    pub async fn as_rp(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post(path, &[("authorization", &basic("rp", SECRET))], fields).await
    }

    /// A code for tokens, by the client `rp`.
    pub async fn redeem(&self, code: &str) -> Answer {
        self.as_rp("/oidc/token", &code_fields(code)).await
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        self.as_rp("/oidc/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    pub async fn userinfo(&self, token: &str) -> Answer {
        self.site.get_with("/oidc/userinfo", &[("authorization", &format!("Bearer {token}"))]).await
    }

    /// Whether a token is active, as the client `rp` is told.
    pub async fn active(&self, token: &str) -> bool {
        self.as_rp("/oidc/introspect", &[("token", token)]).await.json()["active"] == json!(true)
    }

    /// The claims of a token of ours, verified with the published keys.
    pub async fn claims(&self, token: &Value) -> Map<String, Value> {
        let keys = KeySet::from_jwks(&self.get("/oidc/jwks").await.json()).unwrap();
        let token = token.as_str().unwrap();
        Unverified::parse(token).unwrap().verify_with(&keys).unwrap().into_map()
    }
}

pub fn code_fields(code: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ]
}

pub fn basic(id: &str, secret: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
}

pub fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The usual authorization request of the client `rp`, with changes; an empty value leaves a parameter out.
pub fn request(change: &[(&str, &str)]) -> String {
    let base = [
        ("client_id", "rp"),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", "openid"),
        ("state", "state-1"),
        ("nonce", "nonce-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let mut all: BTreeMap<&str, &str> = base.into();
    all.extend(change.iter().copied());
    let kept: Vec<(&str, &str)> = all.into_iter().filter(|(_, v)| !v.is_empty()).collect();
    format!("/oidc/authorize?{}", form(&kept))
}

/// Cookies and what a person clicks.
pub struct Browser<'w> {
    pub world: &'w World,
    pub cookies: BTreeMap<String, String>,
}

/// Where a browser ended.
#[derive(Debug, PartialEq)]
pub enum End {
    /// At the client, with these parameters.
    Client(BTreeMap<String, String>),
    /// At our sign-in page, with its query.
    SignIn(BTreeMap<String, String>),
    /// At a page of ours, with its status and text.
    Page(u16, String),
}

impl End {
    pub fn client(self) -> BTreeMap<String, String> {
        match self {
            End::Client(p) => p,
            other => panic!("not at the client: {other:?}"),
        }
    }
    pub fn code(self) -> String {
        self.client().get("code").cloned().unwrap()
    }
    pub fn error(self) -> String {
        self.client().get("error").cloned().unwrap_or_default()
    }
    pub fn sign_in(self) -> BTreeMap<String, String> {
        match self {
            End::SignIn(p) => p,
            other => panic!("not at the sign-in page: {other:?}"),
        }
    }
    pub fn status(&self) -> u16 {
        match self {
            End::Page(s, _) => *s,
            other => panic!("not a page: {other:?}"),
        }
    }
}

fn query(text: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

impl Browser<'_> {
    pub async fn sign_in(&mut self, person: PersonId, how: Proved) {
        let started = self.world.identity.start_session(person, how, "test", None).await.unwrap();
        let access = self.world.site.app().get::<Access>().unwrap();
        let parts = Request::builder().uri("/").body(()).unwrap().into_parts().0;
        let mut headers = HeaderMap::new();
        started.set_cookies(&access, &parts, &mut headers);
        self.take(&headers);
    }

    fn take(&mut self, headers: &HeaderMap) {
        for line in headers.get_all("set-cookie") {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    fn cookie(&self) -> String {
        let pairs: Vec<String> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.join("; ")
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let cookie = self.cookie();
        let answer = self.world.site.get_with(path, &[("cookie", &cookie), ("accept", "text/html")]).await;
        self.take(&answer.headers);
        answer
    }

    /// Sends a form of one of our pages.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let cookie = self.cookie();
        let answer = self.world.site.post_form(path, &[("cookie", &cookie)], &form(fields)).await;
        self.take(&answer.headers);
        answer
    }

    /// Follows redirects of ours until somebody else's site, the sign-in page, or a page is reached. At the page that
    /// asks, agrees to everything when `agree`.
    pub async fn follow(&mut self, path: &str, agree: bool) -> End {
        let answer = self.get(path).await;
        self.follow_on(answer, path, agree).await
    }

    pub async fn follow_on(&mut self, mut answer: Answer, from: &str, agree: bool) -> End {
        let mut path = from.to_owned();
        for _ in 0..10 {
            if let Some(to) = answer.header("refresh").strip_prefix("0; url=") {
                return End::Client(query(to.split_once('?').map_or("", |(_, q)| q)));
            }
            let location = answer.header("location").to_owned();
            if answer.status == 303 && !location.starts_with('/') {
                return End::Client(query(location.split_once('?').map_or("", |(_, q)| q)));
            }
            if let Some(q) = location.strip_prefix("/id/sign-in?") {
                return End::SignIn(query(q));
            }
            if answer.status == 303 {
                path = location;
                answer = self.get(&path).await;
            } else if path.starts_with("/oidc/consent/") && answer.status == 200 && agree {
                let page = answer.text();
                let names: Vec<&str> = page
                    .match_indices("name=\"claim\" value=\"")
                    .map(|(at, found)| page[at + found.len()..].split('"').next().unwrap())
                    .collect();
                let mut fields = vec![("decision", "allow")];
                fields.extend(names.iter().map(|n| ("claim", *n)));
                answer = self.submit(&path, &fields).await;
            } else {
                return End::Page(answer.status.as_u16(), answer.text());
            }
        }
        panic!("redirected in a circle");
    }

    /// A code for the client `rp`.
    pub async fn code(&mut self, change: &[(&str, &str)]) -> String {
        self.follow(&request(change), true).await.code()
    }
}

/// A DPoP proof.
pub fn proof(key: &SigningKey, claims: &Value) -> String {
    let header = json!({ "alg": key.alg().name(), "typ": "dpop+jwt", "jwk": key.public().to_jwk() });
    key.sign_with(&header, claims).unwrap()
}

/// The claims of a proof for this request.
pub fn proof_claims(w: &World, method: &str, path: &str, nonce: &str, token: Option<&str>) -> Value {
    let env = w.site.app().env();
    let mut c = json!({
        "jti": env.uuid().to_string(),
        "htm": method,
        "htu": format!("{ISSUER}{path}"),
        "iat": env.now().secs(),
        "nonce": nonce,
    });
    if let Some(t) = token {
        c["ath"] = b64_encode(sha256(t.as_bytes())).into();
    }
    c
}

pub fn key() -> SigningKey {
    SigningKey::generate(Alg::Es256).unwrap().1
}
