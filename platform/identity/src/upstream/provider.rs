//! Which upstream providers there are, how they are reached and what their answers are worth.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kenroku_access::Assurance;
use kenroku_contracts::card::CardSignature;
use kenroku_oidc::Scopes;
use kenroku_oidc::jwk::{Alg, KeySet};
use kenroku_oidc::jws::SigningKey;
use kenroku_oidc::upstream::{Attempt, Metadata, Registration, client_assertion};
use kenroku_outbound::{Answer, Caller, Outbound, OutboundError};
use kenroku_types::{Env, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::model::assurance_of;

/// How long what a provider says about itself is believed without asking again.
const FRESH: Duration = Duration::from_secs(600);

/// What the operator or the log is told; a person is told to try again or take another way.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamsError {
    /// The file cannot be used.
    #[error("{0}")]
    Config(String),
    /// The provider does not answer or answers wrongly.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// Its answer is not taken.
    #[error(transparent)]
    Protocol(#[from] kenroku_oidc::upstream::UpstreamError),
    /// It refused to redeem the code or to give its keys.
    #[error("{what} was answered with {status} {error}")]
    Answer {
        /// What was asked.
        what: &'static str,
        /// The status.
        status: u16,
        /// Its error code.
        error: String,
    },
}

/// One entry of the file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    title: String,
    #[serde(default)]
    title_en: String,
    issuer: String,
    client_id: String,
    redirect_uri: String,
    #[serde(default = "openid")]
    scopes: String,
    #[serde(default)]
    acr_values: Vec<String>,
    #[serde(default)]
    secret_file: String,
    #[serde(default)]
    key_file: String,
    #[serde(default = "es256")]
    algorithms: Vec<String>,
    assurance: String,
    #[serde(default)]
    shared: bool,
    #[serde(default)]
    sign_api: String,
}

fn openid() -> String {
    "openid".to_owned()
}

fn es256() -> Vec<String> {
    vec!["ES256".to_owned()]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    upstream: Vec<Entry>,
}

/// How we prove to it who we are.
enum Proof {
    /// `private_key_jwt`
    Key(Box<SigningKey>),
    /// `client_secret_basic`
    Secret(Zeroizing<String>),
}

/// An upstream provider.
pub struct Provider {
    /// Its name in addresses.
    pub name: String,
    /// What people call it, in Japanese.
    pub title: String,
    /// What people call it, in English.
    pub title_en: String,
    /// Its issuer.
    pub issuer: String,
    /// How we are known there.
    pub registration: Registration,
    /// What we ask its sign-in to be.
    pub acr_values: Vec<String>,
    /// What a sign-in by it is worth here.
    pub assurance: Assurance,
    /// Whether one of its subjects may be linked to several people here (guardian and child, staff and citizen).
    pub shared: bool,
    /// Where transactions begin by which people sign there with the certificate of their card (署名API of
    /// デジタル認証アプリ); absent where they cannot.
    pub sign_api: Option<String>,
    proof: Proof,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({}, {})", self.name, self.issuer)
    }
}

impl Provider {
    /// A provider to which we prove ourselves with a key, for programs that know it otherwise than from the file.
    pub fn with_key(
        name: &str,
        title: (&str, &str),
        issuer: &str,
        registration: Registration,
        assurance: Assurance,
        key: SigningKey,
    ) -> Self {
        Self::with(name, title, issuer, registration, assurance, Proof::Key(Box::new(key)))
    }

    /// The same with a secret.
    pub fn with_secret(
        name: &str,
        title: (&str, &str),
        issuer: &str,
        registration: Registration,
        assurance: Assurance,
        secret: &str,
    ) -> Self {
        let proof = Proof::Secret(Zeroizing::new(secret.to_owned()));
        Self::with(name, title, issuer, registration, assurance, proof)
    }

    fn with(
        name: &str,
        title: (&str, &str),
        issuer: &str,
        registration: Registration,
        assurance: Assurance,
        proof: Proof,
    ) -> Self {
        Provider {
            name: name.to_owned(),
            title: title.0.to_owned(),
            title_en: title.1.to_owned(),
            issuer: issuer.to_owned(),
            registration,
            acr_values: Vec::new(),
            assurance,
            shared: false,
            sign_api: None,
            proof,
        }
    }

    /// Lets one of its subjects be linked to several people.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Lets people sign there.
    #[must_use]
    pub fn signing(mut self, at: &str) -> Self {
        self.sign_api = Some(at.to_owned());
        self
    }

    fn read(e: Entry, read: &dyn Fn(&str) -> std::io::Result<Vec<u8>>) -> Result<Self, String> {
        let plain = |s: &str| {
            !s.is_empty() && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !plain(&e.name) {
            return Err("name: small letters, digits and hyphens".to_owned());
        }
        let scopes = Scopes::parse(&e.scopes).map_err(|_| "scopes: not a list of scopes".to_owned())?;
        if !scopes.has("openid") {
            return Err("scopes: openid must be among them".to_owned());
        }
        let algs: Option<Vec<Alg>> = e.algorithms.iter().map(|a| Alg::named(a)).collect();
        let algs = algs.filter(|a| !a.is_empty()).ok_or("algorithms: ES256, EdDSA or RS256")?;
        let assurance = assurance_of(&e.assurance);
        if assurance == Assurance::None || assurance >= Assurance::JpkiSign {
            // Attributes come from a certificate for signatures that we checked ourselves, never from hearsay.
            return Err("assurance: password, password-otp, passkey or jpki-auth".to_owned());
        }
        let bytes = |path: &str| read(path).map(Zeroizing::new).map_err(|err| format!("{path}: {err}"));
        let proof = match (e.key_file.as_str(), e.secret_file.as_str()) {
            (path, "") if !path.is_empty() => {
                let key = SigningKey::from_pkcs8(Alg::Es256, &bytes(path)?);
                Proof::Key(Box::new(key.map_err(|_| format!("{path}: not an EC P-256 key in PKCS #8 DER"))?))
            }
            ("", path) if !path.is_empty() => {
                let text =
                    String::from_utf8(bytes(path)?.to_vec()).map_err(|_| format!("{path}: not text"))?;
                Proof::Secret(Zeroizing::new(text.trim().to_owned()))
            }
            _ => return Err("give either key_file or secret_file".to_owned()),
        };
        Ok(Provider {
            name: e.name,
            title_en: if e.title_en.is_empty() { e.title.clone() } else { e.title_en },
            title: e.title,
            issuer: e.issuer,
            registration: Registration { client_id: e.client_id, redirect_uri: e.redirect_uri, scopes, algs },
            acr_values: e.acr_values,
            assurance,
            shared: e.shared,
            sign_api: Some(e.sign_api).filter(|a| !a.is_empty()),
            proof,
        })
    }
}

#[derive(Clone)]
struct Known {
    metadata: Metadata,
    keys: KeySet,
    read_at: Timestamp,
}

/// All upstream providers. Cheap to clone; put into the app by the module.
#[derive(Clone)]
pub struct Providers(Arc<Inner>);

struct Inner {
    all: Vec<Provider>,
    out: Outbound,
    known: Mutex<HashMap<String, Known>>,
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0.all).finish()
    }
}

impl Providers {
    /// Of these.
    ///
    /// # Errors
    /// When the TLS client cannot start, or two have one name.
    pub fn new(all: Vec<Provider>) -> Result<Self, UpstreamsError> {
        for (n, p) in all.iter().enumerate() {
            if all.iter().take(n).any(|q| q.name == p.name) {
                return Err(UpstreamsError::Config(format!("two upstreams are called {}", p.name)));
            }
        }
        Ok(Providers(Arc::new(Inner { all, out: Outbound::new()?, known: Mutex::default() })))
    }

    /// Reads the file of `identity.upstreams`; none when the path is empty.
    ///
    /// # Errors
    /// [`UpstreamsError::Config`] naming the file, the entry and what is wrong.
    pub fn from_file(path: &str) -> Result<Self, UpstreamsError> {
        if path.is_empty() {
            return Self::new(Vec::new());
        }
        let wrong = |what: String| UpstreamsError::Config(format!("identity.upstreams, {path}: {what}"));
        let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
        let file: File = toml::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        let folder = Path::new(path).parent().unwrap_or(Path::new(".")).to_owned();
        let read = |p: &str| std::fs::read(folder.join(p));
        let entries = file.upstream.into_iter().map(|e| {
            let name = e.name.clone();
            Provider::read(e, &read).map_err(|what| wrong(format!("[[upstream]] {name}: {what}")))
        });
        Self::new(entries.collect::<Result<_, _>>()?)
    }

    /// Every one, in the order of the file.
    pub fn all(&self) -> &[Provider] {
        &self.0.all
    }

    /// The one of this name.
    pub fn named(&self, name: &str) -> Option<&Provider> {
        self.0.all.iter().find(|p| p.name == name)
    }

    /// What the provider says about itself, asked for at most every ten minutes.
    ///
    /// # Errors
    /// [`UpstreamsError`].
    pub async fn metadata(&self, p: &Provider, now: Timestamp) -> Result<Metadata, UpstreamsError> {
        Ok(self.known(p, now, false).await?.metadata)
    }

    /// Its keys; `anew` after a signature that none of the known ones made, for it may have renewed them.
    pub(super) async fn keys(
        &self,
        p: &Provider,
        now: Timestamp,
        anew: bool,
    ) -> Result<KeySet, UpstreamsError> {
        Ok(self.known(p, now, anew).await?.keys)
    }

    async fn known(&self, p: &Provider, now: Timestamp, anew: bool) -> Result<Known, UpstreamsError> {
        let kept = self.0.known.lock().unwrap_or_else(PoisonError::into_inner).get(&p.name).cloned();
        if let Some(known) = kept.filter(|k| !anew && k.read_at.plus(FRESH) > now) {
            return Ok(known);
        }
        let at = format!("{}/.well-known/openid-configuration", p.issuer.trim_end_matches('/'));
        let metadata = Metadata::read(&p.issuer, &self.get("its description of itself", &at).await?)?;
        let jwks = self.get("the request for its keys", &metadata.jwks_uri).await?;
        let keys = KeySet::from_jwks(&jwks).map_err(|e| UpstreamsError::Config(e.to_string()))?;
        let known = Known { metadata, keys, read_at: now };
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner).insert(p.name.clone(), known.clone());
        Ok(known)
    }

    async fn get(&self, what: &'static str, at: &str) -> Result<Value, UpstreamsError> {
        let answer = self.0.out.get(at, Caller::Nobody).await?;
        if answer.is_ok() {
            Ok(answer.json)
        } else {
            Err(UpstreamsError::Answer { what, status: answer.status, error: String::new() })
        }
    }

    /// Adds to a form for the provider what proves who we are.
    fn prove<'p>(
        &self,
        p: &'p Provider,
        of: &Metadata,
        env: &Env,
        form: &mut Vec<(&'static str, String)>,
    ) -> Result<Caller<'p>, UpstreamsError> {
        const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let id = &p.registration.client_id;
        match &p.proof {
            Proof::Key(key) => {
                let jwt = client_assertion(key, id, &of.token_endpoint, &env.rng, env.now())
                    .map_err(|e| UpstreamsError::Config(e.to_string()))?;
                form.push(("client_assertion_type", JWT_BEARER.to_owned()));
                form.push(("client_assertion", jwt));
                Ok(Caller::Nobody)
            }
            Proof::Secret(secret) => Ok(Caller::Basic(id, secret)),
        }
    }

    /// Redeems a code.
    pub(super) async fn redeem(
        &self,
        p: &Provider,
        of: &Metadata,
        attempt: &Attempt,
        code: &str,
        env: &Env,
    ) -> Result<Redeemed, UpstreamsError> {
        let mut form = attempt.redeem(&p.registration, code);
        let caller = self.prove(p, of, env, &mut form)?;
        let answer = self.0.out.post_form(&of.token_endpoint, caller, &form).await?;
        match said(&answer, "id_token") {
            Some(id_token) if answer.is_ok() => {
                // The refresh token stands for everything that came with it (RFC 7009 §2.1).
                let token = said(&answer, "refresh_token").or_else(|| said(&answer, "access_token"));
                let token = token.filter(|_| of.revocation_endpoint.is_some()).map(Zeroizing::new);
                Ok(Redeemed { id_token, token })
            }
            _ => Err(refused("the code", &answer)),
        }
    }

    /// Gives a token back (RFC 7009 §2.1).
    pub(super) async fn revoke(&self, p: &Provider, token: &str, env: &Env) -> Result<(), UpstreamsError> {
        let of = self.metadata(p, env.now()).await?;
        let at = of.revocation_endpoint.clone().unwrap_or_default();
        let mut form = vec![("token", token.to_owned())];
        let caller = self.prove(p, &of, env, &mut form)?;
        let answer = self.0.out.post_form(&at, caller, &form).await?;
        if answer.is_ok() { Ok(()) } else { Err(refused("a token given back", &answer)) }
    }

    /// A token of our own, for what concerns nobody in particular (RFC 6749 §4.4).
    async fn own_token(&self, p: &Provider, env: &Env) -> Result<Zeroizing<String>, UpstreamsError> {
        let of = self.metadata(p, env.now()).await?;
        let mut form = vec![("grant_type", "client_credentials".to_owned())];
        let caller = self.prove(p, &of, env, &mut form)?;
        let answer = self.0.out.post_form(&of.token_endpoint, caller, &form).await?;
        match said(&answer, "access_token") {
            Some(token) if answer.is_ok() => Ok(Zeroizing::new(token)),
            _ => Err(refused("the request for a token of ours", &answer)),
        }
    }

    /// Begins a signature over the SHA-256 of a text: the id of the transaction.
    ///
    /// # Errors
    /// [`UpstreamsError::Config`] where people cannot sign.
    pub(super) async fn begin_signing(
        &self,
        p: &Provider,
        digest: &[u8; 32],
        env: &Env,
    ) -> Result<String, UpstreamsError> {
        let at = p.sign_api.as_deref().ok_or_else(|| cannot_sign(p))?;
        let token = self.own_token(p, env).await?;
        let body = serde_json::json!({ "digest": STANDARD.encode(digest) });
        let answer = self.0.out.post_json(at, Caller::Bearer(&token), &body).await?;
        // It goes into an address and comes back in one: nothing but what a UUID is made of.
        let plain = |id: &String| {
            (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        match said(&answer, "id").filter(plain) {
            Some(id) if answer.is_ok() => Ok(id),
            _ => Err(refused("the request to sign", &answer)),
        }
    }

    /// What was signed in a transaction: certificate and signature, in base64 as a card reader would send them.
    pub(super) async fn signed(
        &self,
        p: &Provider,
        transaction: &str,
        env: &Env,
    ) -> Result<CardSignature, UpstreamsError> {
        let at = p.sign_api.as_deref().ok_or_else(|| cannot_sign(p))?;
        let token = self.own_token(p, env).await?;
        let at = format!("{}/{transaction}/result", at.trim_end_matches('/'));
        let answer = self.0.out.get(&at, Caller::Bearer(&token)).await?;
        match (said(&answer, "certificate"), said(&answer, "signature")) {
            (Some(certificate), Some(signature)) if answer.is_ok() => {
                Ok(CardSignature { certificate, signature })
            }
            _ => Err(refused("the result of signing", &answer)),
        }
    }
}

/// What came for a code.
pub(super) struct Redeemed {
    /// Who it is.
    pub id_token: String,
    /// What we give back when the link ends; absent where the provider takes nothing back.
    pub token: Option<Zeroizing<String>>,
}

fn said(answer: &Answer, name: &str) -> Option<String> {
    answer.json.get(name).and_then(Value::as_str).map(ToOwned::to_owned)
}

fn refused(what: &'static str, answer: &Answer) -> UpstreamsError {
    let error = said(answer, "error").unwrap_or_default();
    let error = error.chars().filter(char::is_ascii_graphic).take(64).collect();
    UpstreamsError::Answer { what, status: answer.status, error }
}

fn cannot_sign(p: &Provider) -> UpstreamsError {
    UpstreamsError::Config(format!("[[upstream]] {} has no sign_api", p.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(change: &str) -> Result<Provider, String> {
        let text = format!(
            "name = 'kaga'\ntitle = '加賀市のID'\nissuer = 'https://id.example'\nclient_id = 'kenroku'\n\
             redirect_uri = 'https://portal.example/id/upstream/back'\n{change}"
        );
        let e: Entry = toml::from_str(&text).map_err(|e| e.message().to_owned())?;
        Provider::read(e, &|path| match path {
            "secret" => Ok(b"s3cret\n".to_vec()),
            "key" => Ok(SigningKey::generate(Alg::Es256).map(|k| k.0.to_vec()).unwrap_or_default()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        })
    }

    #[test]
    fn a_wrong_entry_says_what_is_wrong() {
        let p = entry("secret_file = 'secret'\nassurance = 'password'").unwrap();
        assert_eq!((p.title_en.as_str(), p.shared, p.registration.algs.len()), ("加賀市のID", false, 1));
        assert!(entry("key_file = 'key'\nassurance = 'jpki-auth'\nscopes = 'openid name'").is_ok());
        for (change, says) in [
            ("assurance = 'password'", "give either"),
            ("assurance = 'password'\nkey_file = 'key'\nsecret_file = 'secret'", "give either"),
            ("assurance = 'password'\nkey_file = 'none'", "none: "),
            ("assurance = 'password'\nkey_file = 'secret'", "not an EC P-256 key"),
            ("assurance = 'jpki-sign'\nsecret_file = 'secret'", "assurance"),
            ("assurance = 'great'\nsecret_file = 'secret'", "assurance"),
            ("assurance = 'password'\nsecret_file = 'secret'\nscopes = 'name'", "openid"),
            ("assurance = 'password'\nsecret_file = 'secret'\nalgorithms = ['none']", "algorithms"),
            ("assurance = 'password'\nsecret_file = 'secret'\nsecret = 'x'", "unknown field"),
        ] {
            let e = entry(change).unwrap_err();
            assert!(e.contains(says), "{change}: {e}");
        }
    }
}
