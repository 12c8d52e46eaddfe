//! Passkeys: the two ceremonies of Web Authentication Level 3 as a relying party runs them (§7.1, §7.2).
//!
//! **What it is.** Pure checks: an answer of the browser against the challenge that was sent. The cryptography is
//! `ring`'s. Discoverable credentials, user verification always required, no attestation asked for: anybody may use
//! the device they have. ADR “Passkeys” says why no library is used.
//!
//! **What it is not.** It keeps nothing: the challenge lies in a ticket, which the caller consumes first.

pub mod cbor;
pub mod key;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use key::{ALGORITHMS, Key};

/// Longest credential id (§4: at most 1023 bytes).
const MAX_ID: usize = 1023;

/// For whom passkeys are made: `rp_id` is the host, `origin` what stands in the browser's address line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The host without a port.
    pub rp_id: String,
    /// Scheme, host and port.
    pub origin: String,
}

impl Site {
    /// From an origin such as `https://portal.example.jp`. Plain HTTP is for `localhost` alone, as in browsers.
    pub fn of_origin(origin: &str) -> Option<Site> {
        let (scheme, host) = origin.trim_end_matches('/').split_once("://")?;
        let rp_id = host.rsplit_once(':').map_or(host, |(h, port)| {
            if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) { h } else { host }
        });
        let named =
            !rp_id.is_empty() && rp_id.bytes().any(|b| b.is_ascii_alphabetic()) && !rp_id.contains('[');
        let safe = scheme == "https" || (scheme == "http" && rp_id == "localhost");
        (named && safe).then(|| Site { rp_id: rp_id.to_owned(), origin: format!("{scheme}://{host}") })
    }
}

/// Bytes that JSON carries as base64url without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}
impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map(Bytes).map_err(serde::de::Error::custom)
    }
}

/// What `navigator.credentials.create` answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Created {
    /// The credential's id.
    pub raw_id: Bytes,
    /// `public-key`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the authenticator said.
    pub response: CreatedResponse,
}

/// See [`Created`].
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedResponse {
    /// What the browser saw.
    #[serde(rename = "clientDataJSON")]
    pub client_data: Bytes,
    /// The new key.
    pub attestation_object: Bytes,
}

/// What `navigator.credentials.get` answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Got {
    /// The credential's id.
    pub raw_id: Bytes,
    /// `public-key`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the authenticator said.
    pub response: GotResponse,
}

/// See [`Got`].
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GotResponse {
    /// What the browser saw.
    #[serde(rename = "clientDataJSON")]
    pub client_data: Bytes,
    /// What the authenticator saw.
    pub authenticator_data: Bytes,
    /// Over both.
    pub signature: Bytes,
    /// Whose it is; discoverable credentials always tell.
    pub user_handle: Option<Bytes>,
}

/// Why an answer is not accepted: for the log, not for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The browser's account of the ceremony is not JSON of the right form, or names another ceremony.
    #[error("client data")]
    ClientData,
    /// Another challenge.
    #[error("challenge")]
    Challenge,
    /// Another site.
    #[error("origin")]
    Origin,
    /// The authenticator answered for another site.
    #[error("rp id")]
    RpId,
    /// The person did not touch it, or it did not check who they are.
    #[error("user not verified")]
    User,
    /// Bytes that are not what an authenticator writes.
    #[error("malformed")]
    Malformed,
    /// An algorithm that was not offered.
    #[error("algorithm")]
    Algorithm,
    /// An attestation that was not asked for.
    #[error("attestation")]
    Attestation,
    /// The signature is wrong.
    #[error("signature")]
    Signature,
    /// The counter did not grow: somebody may have copied the key.
    #[error("counter")]
    Counter,
    /// It answers for another person than the credential belongs to.
    #[error("user handle")]
    UserHandle,
}

/// A new passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPasskey {
    /// Its id.
    pub id: Vec<u8>,
    /// Its COSE key, to be stored.
    pub cose: Vec<u8>,
    /// How often it has signed.
    pub counter: u32,
    /// Whether it is copied between devices of its owner (§6.1.3).
    pub backed_up: bool,
}

/// A passkey that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// How often it has signed.
    pub counter: u32,
}

/// What `navigator.credentials.create` is asked (§5.4). `user` is the person's handle for passkeys, `name` what the
/// device shows in its list; `known` the credentials that the person has.
pub fn creation_options(
    site: &Site,
    challenge: &[u8],
    user: &[u8],
    name: &str,
    known: &[Vec<u8>],
) -> serde_json::Value {
    let b64 = |b: &[u8]| URL_SAFE_NO_PAD.encode(b);
    json!({
        "rp": { "id": site.rp_id, "name": "いしかわID" },
        "user": { "id": b64(user), "name": name, "displayName": name },
        "challenge": b64(challenge),
        "pubKeyCredParams": ALGORITHMS.map(|alg| json!({ "type": "public-key", "alg": alg })),
        "timeout": 300_000,
        "attestation": "none",
        "authenticatorSelection": { "residentKey": "required", "requireResidentKey": true, "userVerification": "required" },
        "excludeCredentials": known.iter().map(|id| json!({ "type": "public-key", "id": b64(id) })).collect::<Vec<_>>(),
    })
}

/// What `navigator.credentials.get` is asked (§5.5): any passkey of this site.
pub fn request_options(site: &Site, challenge: &[u8]) -> serde_json::Value {
    json!({
        "rpId": site.rp_id,
        "challenge": URL_SAFE_NO_PAD.encode(challenge),
        "timeout": 300_000,
        "userVerification": "required",
        "allowCredentials": [],
    })
}

/// Checks a new passkey (§7.1).
///
/// # Errors
/// [`Refused`], the first thing that is wrong.
pub fn verify_created(site: &Site, challenge: &[u8], answer: &Created) -> Result<NewPasskey, Refused> {
    if answer.kind != "public-key" {
        return Err(Refused::Malformed);
    }
    client_data(&answer.response.client_data.0, "webauthn.create", challenge, site)?;
    let (object, rest) = cbor::read(&answer.response.attestation_object.0).ok_or(Refused::Malformed)?;
    let data = object.get("authData").and_then(cbor::Value::bytes).ok_or(Refused::Malformed)?;
    if !rest.is_empty() {
        return Err(Refused::Malformed);
    }
    let seen = AuthData::read(data)?;
    seen.check(site)?;
    let (id, cose) = seen.credential.ok_or(Refused::Malformed)?;
    if id.is_empty() || id.len() > MAX_ID || id != answer.raw_id.0 {
        return Err(Refused::Malformed);
    }
    let (parsed, _) = cbor::read(cose).ok_or(Refused::Malformed)?;
    let key = Key::of(&parsed).ok_or(Refused::Algorithm)?;
    attestation(&object, data, &answer.response.client_data.0, &key)?;
    Ok(NewPasskey {
        id: id.to_vec(),
        cose: cose.to_vec(),
        counter: seen.counter,
        backed_up: seen.flags & BACKED_UP != 0,
    })
}

/// No attestation, or one that the new key itself has signed (§8.2, without certificates): both say nothing about the
/// device, and nothing is what was asked for.
fn attestation(object: &cbor::Value<'_>, data: &[u8], client_data: &[u8], key: &Key) -> Result<(), Refused> {
    let statement = object.get("attStmt").ok_or(Refused::Malformed)?;
    match object.get("fmt").and_then(cbor::Value::text) {
        Some("none") if *statement == cbor::Value::Map(Vec::new()) => Ok(()),
        Some("packed") if statement.get("x5c").is_none() => {
            let alg = statement.get("alg").and_then(cbor::Value::int);
            let signature = statement.get("sig").and_then(cbor::Value::bytes).unwrap_or_default();
            let right = alg == Some(key.algorithm()) && key.verifies(&signed(data, client_data), signature);
            if right { Ok(()) } else { Err(Refused::Attestation) }
        }
        _ => Err(Refused::Attestation),
    }
}

/// Checks the use of a passkey (§7.2) against its stored key, counter and owner.
///
/// # Errors
/// [`Refused`], the first thing that is wrong.
pub fn verify_got(
    site: &Site,
    challenge: &[u8],
    answer: &Got,
    owner: &[u8],
    cose: &[u8],
    counter: u32,
) -> Result<Used, Refused> {
    if answer.kind != "public-key" {
        return Err(Refused::Malformed);
    }
    let r = &answer.response;
    if r.user_handle.as_ref().is_none_or(|h| h.0 != owner) {
        return Err(Refused::UserHandle);
    }
    client_data(&r.client_data.0, "webauthn.get", challenge, site)?;
    let seen = AuthData::read(&r.authenticator_data.0)?;
    seen.check(site)?;
    let (parsed, _) = cbor::read(cose).ok_or(Refused::Malformed)?;
    let key = Key::of(&parsed).ok_or(Refused::Algorithm)?;
    if !key.verifies(&signed(&r.authenticator_data.0, &r.client_data.0), &r.signature.0) {
        return Err(Refused::Signature);
    }
    // Passkeys that are copied between devices always say zero.
    if (seen.counter != 0 || counter != 0) && seen.counter <= counter {
        return Err(Refused::Counter);
    }
    Ok(Used { counter: seen.counter })
}

fn signed(data: &[u8], client_data: &[u8]) -> Vec<u8> {
    [data, digest(&SHA256, client_data).as_ref()].concat()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: Bytes,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

fn client_data(bytes: &[u8], kind: &str, challenge: &[u8], site: &Site) -> Result<(), Refused> {
    let c: ClientData = serde_json::from_slice(bytes).map_err(|_| Refused::ClientData)?;
    if c.kind != kind {
        return Err(Refused::ClientData);
    }
    if c.challenge.0 != challenge {
        return Err(Refused::Challenge);
    }
    if c.origin != site.origin || c.cross_origin {
        return Err(Refused::Origin);
    }
    Ok(())
}

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;

/// Authenticator data (§6.1).
struct AuthData<'a> {
    rp_hash: &'a [u8],
    flags: u8,
    counter: u32,
    credential: Option<(&'a [u8], &'a [u8])>,
}

impl<'a> AuthData<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Refused> {
        Self::parse(bytes).ok_or(Refused::Malformed)
    }

    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (rp_hash, rest) = bytes.split_at_checked(32)?;
        let (flags, rest) = rest.split_first()?;
        let (counter, mut rest) = rest.split_first_chunk::<4>()?;
        let mut credential = None;
        if flags & ATTESTED != 0 {
            let (_aaguid, more) = rest.split_at_checked(16)?;
            let (len, more) = more.split_first_chunk::<2>()?;
            let (id, more) = more.split_at_checked(u16::from_be_bytes(*len).into())?;
            let (_, after) = cbor::read(more)?;
            credential = Some((id, more.get(..more.len() - after.len())?));
            rest = after;
        }
        if flags & EXTENSIONS != 0 {
            rest = cbor::read(rest)?.1;
        }
        rest.is_empty().then_some(AuthData {
            rp_hash,
            flags: *flags,
            counter: u32::from_be_bytes(*counter),
            credential,
        })
    }

    fn check(&self, site: &Site) -> Result<(), Refused> {
        if self.rp_hash != digest(&SHA256, site.rp_id.as_bytes()).as_ref() {
            return Err(Refused::RpId);
        }
        if self.flags & (USER_PRESENT | USER_VERIFIED) != USER_PRESENT | USER_VERIFIED {
            return Err(Refused::User);
        }
        Ok(())
    }
}

#[cfg(any(test, feature = "testing"))]
pub mod device;

#[cfg(test)]
mod tests;
