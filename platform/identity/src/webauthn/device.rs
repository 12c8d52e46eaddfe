//! A passkey in software, for tests: it answers as an authenticator with user verification does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kenroku_types::Rng;
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

/// One passkey.
#[derive(Debug)]
pub struct Device {
    /// Its id.
    pub id: Vec<u8>,
    /// Whose it is; set when it was registered.
    pub user: Vec<u8>,
    /// How often it has signed.
    pub counter: u32,
    /// Whether it checks who uses it.
    pub verifies_user: bool,
    /// What stands in the address line.
    pub origin: String,
    pair: Ed25519KeyPair,
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Device {
    /// A new one that stands at `origin`.
    ///
    /// # Panics
    /// Never: any 32 bytes are a key.
    #[expect(clippy::panic, reason = "a test cannot go on without its device")]
    pub fn new(rng: &Rng, origin: &str) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&rng.bytes::<32>()).unwrap_or_else(|e| panic!("{e}"));
        let id = rng.bytes::<16>().to_vec();
        Device { id, user: Vec::new(), counter: 0, verifies_user: true, origin: origin.to_owned(), pair }
    }

    fn client_data(&self, kind: &str, challenge: &str) -> Vec<u8> {
        let data =
            json!({ "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false });
        data.to_string().into_bytes()
    }

    fn auth_data(&self, rp_id: &str, attested: bool) -> Vec<u8> {
        let mut out = digest(&SHA256, rp_id.as_bytes()).as_ref().to_vec();
        out.push(1 | if self.verifies_user { 4 } else { 0 } | if attested { 64 } else { 0 });
        out.extend_from_slice(&self.counter.to_be_bytes());
        if attested {
            out.extend_from_slice(&[0; 16]);
            out.extend_from_slice(&(self.id.len() as u16).to_be_bytes());
            out.extend_from_slice(&self.id);
            // {1: 1 (OKP), 3: -8 (EdDSA), -1: 6 (Ed25519), -2: x}
            out.extend_from_slice(&[0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20]);
            out.extend_from_slice(self.pair.public_key().as_ref());
        }
        out
    }

    /// Answers what [`creation_options`](super::creation_options) asked.
    pub fn create(&mut self, options: &Value) -> Value {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        self.user = URL_SAFE_NO_PAD.decode(text(&options["user"]["id"])).unwrap_or_default();
        let data = self.auth_data(&text(&options["rp"]["id"]), true);
        // {"fmt": "none", "attStmt": {}, "authData": h'…'}
        let mut object = vec![0xa3, 0x63];
        object.extend_from_slice(b"fmt");
        object.push(0x64);
        object.extend_from_slice(b"none");
        object.push(0x67);
        object.extend_from_slice(b"attStmt");
        object.extend_from_slice(&[0xa0, 0x68]);
        object.extend_from_slice(b"authData");
        object.extend_from_slice(&[0x58, data.len() as u8]);
        object.extend_from_slice(&data);
        let client_data = self.client_data("webauthn.create", &text(&options["challenge"]));
        json!({ "id": b64(&self.id), "rawId": b64(&self.id), "type": "public-key", "response": {
            "clientDataJSON": b64(&client_data), "attestationObject": b64(&object) } })
    }

    /// Answers what [`request_options`](super::request_options) asked.
    pub fn get(&mut self, options: &Value) -> Value {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        self.counter = self.counter.wrapping_add(1);
        let data = self.auth_data(&text(&options["rpId"]), false);
        let client_data = self.client_data("webauthn.get", &text(&options["challenge"]));
        let signature = self.pair.sign(&super::signed(&data, &client_data));
        json!({ "id": b64(&self.id), "rawId": b64(&self.id), "type": "public-key", "response": {
            "clientDataJSON": b64(&client_data), "authenticatorData": b64(&data),
            "signature": b64(signature.as_ref()), "userHandle": b64(&self.user) } })
    }
}
