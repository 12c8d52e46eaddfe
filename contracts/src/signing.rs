//! Signing in the installation's name: the port by which a module gives others something they can verify with the
//! published key set (`/oidc/jwks`).

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::personal::Answer;

/// Signs tokens with the keys of the OpenID Provider.
pub trait Signer: Send + Sync {
    /// Our name in tokens (`iss`).
    fn issuer(&self) -> String;

    /// A compact JWS (RFC 7515 §7.1) of these claims, ES256, with this `typ`.
    fn sign<'a>(&'a self, typ: &'static str, claims: &'a Value) -> Answer<'a, String>;
}

/// How the port is put into the app. Absent: the installation has no いしかわID, and signs nothing.
#[derive(Clone)]
pub struct SignerPort(pub Arc<dyn Signer>);

impl fmt::Debug for SignerPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignerPort")
    }
}
