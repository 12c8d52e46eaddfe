//! Signing for other modules, with the keys that clients verify tokens by.

use kenroku_contracts::personal::Answer;
use kenroku_contracts::signing::Signer;
use kenroku_oidc::jwk::Alg;
use kenroku_types::Problem;
use serde_json::Value;

use super::keys::Held;
use super::provider::Provider;

impl Signer for Provider {
    fn issuer(&self) -> String {
        match self.settings.issuer.as_str() {
            // For trying out: there is no address of our own to name.
            "" => "urn:ishikawa:id".to_owned(),
            known => known.to_owned(),
        }
    }

    fn sign<'a>(&'a self, typ: &'static str, claims: &'a Value) -> Answer<'a, String> {
        Box::pin(async move {
            let ring = self.keys(Held::FRESH).await?;
            let key = ring.signing(Alg::Es256).ok_or_else(|| Problem::unavailable("There is no key yet."))?;
            key.sign(typ, claims).map_err(|e| Problem::internal().because(&e))
        })
    }
}
