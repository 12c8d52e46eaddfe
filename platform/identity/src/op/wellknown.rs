//! The provider's description of itself and its public keys.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kenroku_http::{App, Public, RequestInfo};
use kenroku_oidc::discovery::{Provider as Described, document};
use serde_json::Value;

use super::answer::{Outcome, json, open_to_all};
use super::provider::{Provider, acr_values};
use crate::claims::Claim;

/// Short enough that a new key is known everywhere before it signs ([`super::keys::ANNOUNCE`]).
const CACHE: &str = "public, max-age=600";

fn cached(outcome: Outcome<Value>) -> Response {
    match outcome {
        Ok(body) => {
            let mut response = json(StatusCode::OK, &body);
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE));
            open_to_all(headers);
            response
        }
        Err(e) => e.into_response(),
    }
}

/// GET /.well-known/openid-configuration and /.well-known/oauth-authorization-server
pub(super) async fn configuration(_: Public, app: App, info: RequestInfo, parts: Parts) -> Response {
    cached(described(&app, &info, &parts.headers).await)
}

async fn described(app: &App, info: &RequestInfo, headers: &HeaderMap) -> Outcome<Value> {
    let op = app.get::<Provider>()?;
    let issuer = op.issuer(info, headers)?;
    let ring = op.ring().await?;
    let claims = Claim::ALL.map(Claim::name);
    Ok(document(&Described {
        issuer: &issuer,
        scopes: &op.scopes,
        claims: &claims,
        acr: &acr_values(),
        id_token_algs: &ring.algs(),
        ui_locales: &["ja", "en"],
    }))
}

/// The same, for the page that explains it; `None` where the provider has no name.
pub(crate) async fn description(app: &App, info: &RequestInfo, headers: &HeaderMap) -> Option<Value> {
    described(app, info, headers).await.ok()
}

/// GET /oidc/jwks
pub(super) async fn jwks(_: Public, app: App) -> Response {
    let outcome = async {
        let op = app.get::<Provider>()?;
        Ok(op.ring().await?.public().to_jwks())
    };
    cached(outcome.await)
}
