//! Dynamic registration (RFC 7591) by whoever holds an operator's key: it never widens what the operator allows.

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;
use kenroku_access::Authz;
use kenroku_http::App;
use kenroku_oidc::client::ClientMetadata;
use kenroku_oidc::{Code, Scopes};
use serde_json::{Value, json};

use super::answer::{finish, inner, json as json_answer, refused};
use super::clients::{NewClient, Policy, Realm, RegisterError};
use super::provider::Provider;
use crate::ManageClients;

/// POST /oidc/register with a key of the operator as bearer token (§3: the initial access token).
pub(super) async fn register(by: Authz<ManageClients, Realm>, app: App, body: Bytes) -> Response {
    let outcome = async {
        let op = app.get::<Provider>()?;
        let metadata: ClientMetadata = serde_json::from_slice(&body)
            .map_err(|e| refused(Code::InvalidClientMetadata, format!("the metadata cannot be read: {e}")))?;
        let scopes =
            if metadata.scope.is_empty() { Scopes::parse("openid")? } else { metadata.scope.clone() };
        if !scopes.is_within(&op.scopes) {
            return Err(refused(Code::InvalidClientMetadata, "scopes of APIs are given by the operator"));
        }
        let policy = Policy { scopes, ..Policy::default() };
        let new = NewClient { id: None, secret: None, metadata, policy };
        let done = op.register_client(&by.granted, new).await.map_err(|e| match e {
            RegisterError::Metadata(e) => e.into(),
            RegisterError::Inner(p) => inner(*p),
        })?;
        let mut answer = serde_json::to_value(&done.client.metadata)?;
        if let Some(map) = answer.as_object_mut() {
            map.insert("client_id".to_owned(), json!(done.client.id));
            map.insert("client_id_issued_at".to_owned(), json!(op.env.now().secs()));
            map.insert("scope".to_owned(), json!(done.client.policy.scopes));
            if let Some(secret) = done.secret {
                map.insert("client_secret".to_owned(), Value::from(secret));
                map.insert("client_secret_expires_at".to_owned(), json!(0));
            }
        }
        Ok(json_answer(StatusCode::CREATED, &answer))
    };
    finish(outcome.await, None)
}
