//! Clients of the demo: one of each kind, so that a stock library connects in minutes (模擬データ).

use kenroku_access::Granted;
use kenroku_http::App;
use kenroku_module::HookError;
use kenroku_oidc::Scopes;
use serde_json::{Value, json};

use super::clients::{NewClient, Policy, RegisterError};
use super::provider::{Provider, T};
use crate::ManageClients;

/// The secret of every demo client that has one; `demo` serves simulated data only.
pub const SECRET: &str = "kenroku-demo-2026";

/// Id, metadata, scopes. The redirect addresses are on this machine, on any port (RFC 8252 §7.3).
fn clients() -> [(&'static str, Value, &'static str); 4] {
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
    [
        ("demo-web", local("模擬サービス", "client_secret_basic"), person),
        ("demo-app", local("模擬アプリ", "none"), person),
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
            "openid profile",
        ),
    ]
}

/// Registers them; returns what it made.
pub(crate) async fn demo(app: &App) -> Result<String, HookError> {
    let op = app.get::<Provider>().map_err(|e| e.0)?;
    let by: Granted<ManageClients> = Granted::for_system("identity", T);
    let mut made = Vec::new();
    for (id, metadata, scopes) in clients() {
        let policy = Policy {
            scopes: Scopes::parse(scopes)?,
            sector: id.to_owned(),
            organisation: "模擬事業者（模擬データ）".to_owned(),
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
