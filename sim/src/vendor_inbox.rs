//! Where the vendor is told that a consent changed: it takes signed Security Event Tokens (RFC 8935), verifies each with
//! the published keys, stops using what it may not use any more, and acknowledges.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use kenroku_oidc::jwk::KeySet;
use kenroku_oidc::jws::Unverified;
use serde_json::{Value, json};

use crate::send::{self, SendError};

/// What the event is called.
const EVENT: &str = "urn:ishikawa:consent:changed";

/// The inbox. Cheap to clone.
#[derive(Clone)]
pub struct VendorInbox(Arc<Inner>);

struct Inner {
    client: reqwest::Client,
    base: String,
    key: String,
}

impl fmt::Debug for VendorInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VendorInbox")
    }
}

impl VendorInbox {
    /// For the server at `base`, to which the vendor shows `key`.
    ///
    /// # Errors
    /// When no connection can be prepared at all.
    pub fn new(base: &str, key: &str) -> Result<Self, SendError> {
        let base = base.trim_end_matches('/').to_owned();
        Ok(VendorInbox(Arc::new(Inner { client: send::client()?, base, key: key.to_owned() })))
    }

    /// Its address: `POST /events`.
    pub fn router(&self) -> Router {
        Router::new().route("/events", post(take)).with_state(self.clone())
    }

    /// The notice that a token names, once its signature is right.
    async fn verified(&self, token: &str) -> Option<String> {
        let url = format!("{}/oidc/jwks", self.0.base);
        let keys: Value = self.0.client.get(url).send().await.ok()?.json().await.ok()?;
        let token = Unverified::parse(token.trim()).ok()?;
        token.expect_type("secevent+jwt").ok()?;
        let claims = token.verify_with(&KeySet::from_jwks(&keys).ok()?).ok()?;
        Some(claims.get("events")?.get(EVENT)?.get("notice")?.as_str()?.to_owned())
    }

    async fn acknowledge(&self, notice: &str) -> Result<bool, SendError> {
        let url = format!("{}/api/consent/v1/notices/{notice}/acknowledge", self.0.base);
        let answer = self.0.client.post(url).bearer_auth(&self.0.key).json(&json!({})).send().await?;
        Ok(answer.status().is_success())
    }
}

async fn take(State(inbox): State<VendorInbox>, token: String) -> Response {
    let Some(notice) = inbox.verified(&token).await else {
        // RFC 8935 §2.3
        let body = json!({ "err": "authentication_failed", "description": "the signature is not right" });
        let kind = [(header::CONTENT_TYPE, "application/json")];
        return (StatusCode::BAD_REQUEST, kind, body.to_string()).into_response();
    };
    match inbox.acknowledge(&notice).await {
        Ok(true) => StatusCode::ACCEPTED.into_response(),
        // It comes again.
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
