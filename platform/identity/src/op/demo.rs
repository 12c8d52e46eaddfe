//! Clients of the demo: one of each kind, so that a stock library connects in minutes (模擬データ).

use kenroku_access::Granted;
use kenroku_http::App;
use kenroku_module::HookError;
use kenroku_oidc::Scopes;
use serde_json::{Value, json};

use super::clients::{NewClient, Policy, RegisterError};
use super::keys::ImportError;
use super::provider::{Provider, T};
use crate::ManageClients;

/// The secret of every demo client that has one; `demo` serves simulated data only.
pub const SECRET: &str = "kenroku-demo-2026";

/// An RSA key in PKCS #8 (DER), known to the whole world: it signs for `demo-rs256`.
pub const RSA_KEY: &[u8] = include_bytes!("../../demo/rs256.der");

/// Where `demo-keyed` publishes its keys: whoever tries it out serves them there.
pub const JWKS_URI: &str = "http://127.0.0.1:18767/jwks";

/// The service that stands for those of the prefecture itself.
const OWN: &str = "demo-own";

fn organisation(id: &str) -> &'static str {
    if id == OWN { "石川県（模擬データ）" } else { "模擬事業者（模擬データ）" }
}

/// Id, metadata, scopes. The redirect addresses are on this machine, on any port (RFC 8252 §7.3).
fn clients() -> [(&'static str, Value, &'static str); 8] {
    let person = "account address offline_access openid profile residence";
    let local = |name: &str, method: &str| {
        json!({
            "client_name": name,
            "application_type": "native",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "post_logout_redirect_uris": ["http://127.0.0.1/"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": method,
        })
    };
    let mut rs256 = local("模擬サービス（RS256）", "client_secret_basic");
    rs256["id_token_signed_response_alg"] = json!("RS256");
    [
        ("demo-rs256", rs256, person),
        (
            "demo-acting",
            local("模擬手続サービス（代理の方も使えます）", "client_secret_basic"),
            "messages offline_access openid procedures profile residence",
        ),
        ("demo-web", local("模擬サービス", "client_secret_basic"), person),
        ("demo-app", local("模擬アプリ", "none"), person),
        (OWN, local("模擬県民ポータル", "client_secret_basic"), "openid residence"),
        (
            "demo-keyed",
            json!({
                "client_name": "鍵で名乗る模擬プログラム",
                "grant_types": ["client_credentials"],
                "response_types": [],
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks_uri": JWKS_URI,
            }),
            "open-data.read",
        ),
        (
            "demo-machine",
            json!({ "client_name": "模擬プログラム", "grant_types": ["client_credentials"], "response_types": [] }),
            "open-data.read",
        ),
        (
            "demo-kiosk",
            json!({
                "client_name": "模擬端末",
                "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
                "response_types": [],
                "token_endpoint_auth_method": "none",
            }),
            "messages openid profile",
        ),
    ]
}

/// Registers them; returns what it made.
pub(crate) async fn demo(app: &App) -> Result<String, HookError> {
    let op = app.get::<Provider>().map_err(|e| e.0)?;
    let by: Granted<ManageClients> = Granted::for_system("identity", T);
    match op.import_pkcs8(RSA_KEY, false).await {
        // The demo was begun before and broken off.
        Ok(_) | Err(ImportError::Known) => {}
        Err(e) => return Err(e.into()),
    }
    let mut made = Vec::new();
    for (id, metadata, scopes) in clients() {
        let policy = Policy {
            scopes: Scopes::parse(scopes)?,
            sector: id.to_owned(),
            organisation: organisation(id).to_owned(),
            acting: matches!(id, "demo-acting" | "demo-kiosk"),
            first_party: id == OWN,
            ..Policy::default()
        };
        let (id, secret) = (Some(id.to_owned()), Some(SECRET.to_owned()));
        let new = NewClient { id, secret, metadata: serde_json::from_value(metadata)?, policy };
        match op.register_client(&by, new).await {
            Ok(done) => made.push(done.client.id),
            // The demo was begun before and broken off.
            Err(RegisterError::Inner(p)) if p.status == 409 => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(format!("clients {}", made.join(", ")))
}
