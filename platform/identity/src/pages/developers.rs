//! For those who let people sign in to their service with an いしかわID: connected in ten minutes with a library off the
//! shelf. Addresses come from the running server, and the examples are files that a test runs as they are printed.

use askama::Template;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use kenroku_access::Assurance;
use kenroku_http::{App, Public, RequestInfo, Result};
use kenroku_types::Problem;
use kenroku_ui::{Html, Page, Phrase};
use serde_json::Value;

use super::{class_name, listed, way_name};
use crate::model::assurance_code;
use crate::{Identity, op, seed};

/// Name, and the text with places to fill in.
const EXAMPLES: [(&str, &str); 3] = [
    ("login.mjs", include_str!("../../examples/login.mjs")),
    ("login.py", include_str!("../../examples/login.py")),
    ("program.sh", include_str!("../../examples/program.sh")),
];

/// What an endpoint is called in the description, in the order in which a developer meets them.
const ENDPOINTS: [&str; 10] = [
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "end_session_endpoint",
    "pushed_authorization_request_endpoint",
    "device_authorization_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
];

#[derive(Template)]
#[template(path = "developers.html")]
struct Developers {
    page: Page,
    demo: bool,
    endpoints: Vec<(&'static str, String)>,
    examples: Vec<(&'static str, Phrase, String)>,
    accounts: Vec<(&'static str, Phrase)>,
    clients: Vec<(&'static str, Phrase)>,
    password: &'static str,
    scopes: Vec<(&'static str, Phrase)>,
    claims: Vec<(&'static str, Phrase)>,
    acrs: Vec<(&'static str, Phrase)>,
    notes: Vec<(&'static str, Phrase)>,
    errors: Vec<(&'static str, Phrase)>,
}

pub(super) async fn page(
    _: Public,
    app: App,
    page: Page,
    info: RequestInfo,
    parts: Parts,
) -> Result<Response> {
    let demo = app.get::<Identity>()?.rules().demo;
    let about = op::description(&app, &info, &parts.headers).await.ok_or_else(Problem::not_found)?;
    let said = |name: &str| about.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let issuer = said("issuer");
    let t = |key: &str| page.t(key).phrase();
    let filled = |text: &str| fill(text, &issuer, demo);
    let examples = EXAMPLES.map(|(name, text)| {
        let what = match name {
            "login.mjs" => t("identity-dev-node"),
            "login.py" => t("identity-dev-python"),
            _ => t("identity-dev-curl"),
        };
        (name, what, filled(text))
    });
    let scopes = ["openid", "profile", "address", "residence", "account", "offline_access"].map(|scope| {
        let text = match scope {
            "openid" => t("identity-dev-openid"),
            "offline_access" => t("identity-dev-offline"),
            _ => listed(&page, op::claims_of(scope).iter().map(|c| op::claim_word(&page, c))),
        };
        (scope, text)
    });
    let claims = crate::claims::Claim::ALL.map(|c| (c.name(), op::claim_word(&page, c.name())));
    let acrs = Assurance::ALL
        .into_iter()
        .filter(|a| *a > Assurance::Password)
        .filter_map(|a| Some((a.acr()?, way_name(&page, assurance_code(a)))));
    let v = Developers {
        demo,
        endpoints: ENDPOINTS.map(|name| (name, said(name))).to_vec(),
        examples: examples.to_vec(),
        accounts: seed::ACCOUNTS.map(|a| (a.login, class_name(&page, a.class))).to_vec(),
        clients: vec![
            ("demo-web", t("identity-dev-client-web")),
            ("demo-app", t("identity-dev-client-app")),
            ("demo-machine", t("identity-dev-client-machine")),
            ("demo-kiosk", t("identity-dev-client-kiosk")),
            ("demo-keyed", page.t("identity-dev-client-keyed").with("address", op::demo::JWKS_URI).phrase()),
        ],
        password: op::demo::SECRET,
        scopes: scopes.to_vec(),
        claims: claims.to_vec(),
        acrs: acrs.collect(),
        notes: vec![
            ("PKCE", t("identity-dev-pkce")),
            ("sub", t("identity-dev-sub")),
            ("acr_values", t("identity-dev-step-up")),
            ("PAR", t("identity-dev-par")),
            ("DPoP", t("identity-dev-dpop")),
            ("private_key_jwt", t("identity-dev-key")),
            ("iss", t("identity-dev-iss")),
            ("claims", t("identity-dev-claims")),
            ("logout", t("identity-dev-logout")),
        ],
        errors: vec![
            ("invalid_client", t("identity-dev-e-client")),
            ("invalid_request", t("identity-dev-e-request")),
            ("invalid_grant", t("identity-dev-e-grant")),
            ("invalid_scope", t("identity-dev-e-scope")),
            ("access_denied", t("identity-dev-e-denied")),
            ("login_required, consent_required", t("identity-dev-e-required")),
            ("use_dpop_nonce", t("identity-dev-e-nonce")),
            ("insufficient_user_authentication", t("identity-dev-e-sure")),
            ("authorization_pending, slow_down", t("identity-dev-e-pending")),
            ("temporarily_unavailable, server_error", t("identity-dev-e-later")),
        ],
        page: {
            let (up, title) = (t("identity-dev-up"), t("identity-dev"));
            page.crumb(up, "/developers").title(title)
        },
    };
    Ok(Html(v).into_response())
}

/// An example with what stands for this server; on real ones the developer's own client stands for itself.
fn fill(text: &str, issuer: &str, demo: bool) -> String {
    let (client, machine, secret) = match demo {
        true => ("demo-web", "demo-machine", op::demo::SECRET),
        false => ("YOUR-CLIENT-ID", "YOUR-CLIENT-ID", "YOUR-SECRET"),
    };
    let plain = issuer.starts_with("http://");
    let lines = text.lines().filter(|l| plain || !l.contains("allowInsecureRequests"));
    lines
        .collect::<Vec<_>>()
        .join("\n")
        .replace("__ISSUER__", issuer)
        .replace("__CLIENT__", client)
        .replace("__MACHINE__", machine)
        .replace("__SECRET__", secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_fill_in_and_https_needs_no_exception() {
        for (name, text) in EXAMPLES {
            for (issuer, demo) in [("https://id.example", false), ("http://localhost:8080", true)] {
                let filled = fill(text, issuer, demo);
                assert!(!filled.contains("__ISSUER__") && !filled.contains("__SECRET__"), "{name}");
                assert!(!filled.contains("__CLIENT__") && !filled.contains("__MACHINE__"), "{name}");
                assert_eq!(filled.contains("allowInsecure"), demo && name == "login.mjs", "{name}");
                assert_eq!(filled.contains(op::demo::SECRET), demo, "{name}");
            }
        }
    }
}
