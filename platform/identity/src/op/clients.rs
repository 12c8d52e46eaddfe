//! Clients: what they registered and what the operator allows them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::http::request::Parts;
use kenroku_access::{Actor, Granted, LoadResource, Resource};
use kenroku_oidc::client::{ClientMetadata, Rules};
use kenroku_oidc::{Code, OAuthError, Scopes, sha256};
use kenroku_types::{Problem, Tenant, Timestamp};
use serde::{Deserialize, Serialize};

use super::provider::{Provider, T};
use super::sql;
use crate::{IshikawaId, ManageClients};

/// What whoever manages clients asks for: the provider of the whole installation. An administrator of a municipality
/// manages their own tenant, and this is not it.
#[derive(Clone, Copy, Debug)]
pub struct Realm;

impl Resource for Realm {
    type Kind = IshikawaId;
    fn tenant(&self) -> Tenant {
        T
    }
    fn id(&self) -> uuid::Uuid {
        T.uuid()
    }
}

impl<S: Sync> LoadResource<S> for Realm {
    async fn load(_: &mut Parts, _: &S, _: &Actor, _: &[Tenant]) -> Result<Option<Self>, Problem> {
        Ok(Some(Realm))
    }
}

/// Refuses a proof that was given for another tenant than the provider's.
pub(super) fn for_realm(by: &Granted<ManageClients>) -> Result<(), Problem> {
    if by.tenant() == T { Ok(()) } else { Err(Problem::not_found()) }
}

/// What the operator allows a client; never what the client says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Scopes that it may ask for. Those about people must exist here; others name APIs.
    pub scopes: Scopes,
    /// Its sector: clients of one sector know a person by the same subject (Core §8.1).
    pub sector: String,
    /// Whether PKCE may be left out, for confidential clients of old (RFC 9700 §2.1.1).
    #[serde(default)]
    pub pkce_optional: bool,
    /// A service of the prefecture itself, covered by the terms of the ID: nobody is asked for consent.
    #[serde(default)]
    pub first_party: bool,
    /// People may act for others here: the service reads `act`, and knows that `sub` is not the one at the keys.
    #[serde(default)]
    pub acting: bool,
    /// May ask about tokens of other clients: it serves an API (RFC 7662 §4).
    #[serde(default)]
    pub introspects: bool,
    /// Who runs it.
    #[serde(default)]
    pub organisation: String,
    /// From when on the contract holds.
    #[serde(default)]
    pub valid_from: Option<Timestamp>,
    /// Until when.
    #[serde(default)]
    pub valid_until: Option<Timestamp>,
}

/// A client.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// What it registered.
    pub metadata: ClientMetadata,
    /// What it may.
    pub policy: Policy,
    /// SHA-256 of its secret.
    pub secret_hash: Option<Vec<u8>>,
    /// `active` or `stopped`.
    pub state: String,
}

impl Client {
    /// Whether it may act at this time.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.state == "active"
            && self.policy.valid_from.is_none_or(|t| t <= now)
            && self.policy.valid_until.is_none_or(|t| now < t)
    }

    /// Its name for people; its id when it has none.
    pub fn name(&self) -> &str {
        if self.metadata.client_name.is_empty() { &self.id } else { &self.metadata.client_name }
    }
}

/// What is registered.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// An id of the operator's choice; otherwise random.
    pub id: Option<String>,
    /// A secret of the operator's choice (the demo); otherwise random where one is needed.
    pub secret: Option<String>,
    /// What it says of itself.
    pub metadata: ClientMetadata,
    /// What it may.
    pub policy: Policy,
}

/// The public keys of a client.
#[derive(Clone, Debug, PartialEq)]
pub enum PublicKeys {
    /// A JWK Set.
    Here(serde_json::Value),
    /// Where it publishes them (`jwks_uri`).
    At(String),
}

impl PublicKeys {
    /// Puts them where a client registers them; it has either the one or the other (RFC 7591 §2).
    pub fn put(self, metadata: &mut ClientMetadata) {
        (metadata.jwks, metadata.jwks_uri) = match self {
            PublicKeys::Here(jwks) => (Some(jwks), None),
            PublicKeys::At(address) => (None, Some(address)),
        };
    }
}

/// A client that was registered; the secret is shown this once.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The client.
    pub client: Client,
    /// Its secret, when it has one.
    pub secret: Option<String>,
}

/// Clients read lately.
#[derive(Default)]
pub(super) struct Clients(HashMap<String, (Duration, Option<Arc<Client>>)>);

/// For so long a change by another process may go unseen.
const FRESH: Duration = Duration::from_secs(5);
/// More than there are contracts; unknown ids cannot fill the memory.
const MOST: usize = 10_000;

impl Provider {
    /// A client by its id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn client(&self, id: &str) -> Result<Option<Arc<Client>>, Problem> {
        if id.len() > 255 {
            return Ok(None);
        }
        let now = self.env.clock.monotonic();
        {
            let held = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, client)) = held.0.get(id)
                && now.saturating_sub(*at) < FRESH
            {
                return Ok(client.clone());
            }
        }
        let mut tx = self.db.read().await.map_err(Problem::from)?;
        let client = sql::client(&mut tx, id).await.map_err(Problem::from)?.map(Arc::new);
        let mut held = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0.len() >= MOST {
            held.0.clear();
        }
        held.0.insert(id.to_owned(), (now, client.clone()));
        Ok(client)
    }

    /// Registers a client.
    ///
    /// # Errors
    /// `invalid_redirect_uri` or `invalid_client_metadata`; a conflict when the id is taken.
    pub async fn register_client(
        &self,
        by: &Granted<ManageClients>,
        new: NewClient,
    ) -> Result<Registered, RegisterError> {
        for_realm(by)?;
        let ring = self.keys(super::keys::Held::FRESH).await?;
        let rules = Rules {
            scopes: &self.scopes.or(&new.policy.scopes),
            id_token_algs: &ring.algs(),
            local_http: self.settings.local_http,
        };
        new.metadata.check(&rules)?;
        let mut policy = new.policy;
        if policy.sector.is_empty() {
            policy.sector = new.metadata.sector().unwrap_or_default();
        }
        let id = new.id.unwrap_or_else(|| self.env.uuid().simple().to_string());
        if policy.sector.is_empty() {
            if !new.metadata.redirect_uris.is_empty() {
                return Err(OAuthError::new(
                    Code::InvalidClientMetadata,
                    "redirect addresses on several hosts need a sector that the operator names",
                )
                .into());
            }
            policy.sector.clone_from(&id);
        }
        let secret = new
            .metadata
            .token_endpoint_auth_method
            .needs_secret()
            .then(|| new.secret.unwrap_or_else(|| self.secret()));
        let client = Client {
            id,
            metadata: new.metadata,
            policy,
            secret_hash: secret.as_ref().map(|s| sha256(s.as_bytes()).to_vec()),
            state: "active".to_owned(),
        };
        let mut tx = self.db.begin().await.map_err(Problem::from)?;
        if !sql::add_client(&mut tx, &client, self.env.now()).await.map_err(Problem::from)? {
            tx.rollback().await.map_err(Problem::from)?;
            return Err(Problem::conflict("a client with this id exists").into());
        }
        tx.commit().await.map_err(Problem::from)?;
        self.forget_client(&client.id);
        Ok(Registered { client, secret })
    }

    /// Replaces the public keys of a client, or says where it publishes them: it has new ones, or lost the old.
    ///
    /// # Errors
    /// `invalid_client_metadata`; not found.
    pub async fn replace_client_keys(
        &self,
        by: &Granted<ManageClients>,
        id: &str,
        keys: PublicKeys,
    ) -> Result<(), RegisterError> {
        for_realm(by)?;
        let mut tx = self.db.begin().await.map_err(Problem::from)?;
        let Some(mut client) = sql::client(&mut tx, id).await.map_err(Problem::from)? else {
            return Err(Problem::not_found().into());
        };
        keys.put(&mut client.metadata);
        client.metadata.check_keys(self.settings.local_http)?;
        sql::set_client_metadata(&mut tx, &client, self.env.now()).await.map_err(Problem::from)?;
        tx.commit().await.map_err(Problem::from)?;
        self.forget_client(id);
        Ok(())
    }

    /// Sets from when until when the contract of a client holds; `None` leaves that side open.
    ///
    /// # Errors
    /// `invalid_client_metadata` for a contract that ends before it begins; not found.
    pub async fn set_contract(
        &self,
        by: &Granted<ManageClients>,
        id: &str,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<(), RegisterError> {
        for_realm(by)?;
        if from.zip(until).is_some_and(|(from, until)| until <= from) {
            let why = "the contract ends before it begins";
            return Err(OAuthError::new(Code::InvalidClientMetadata, why).into());
        }
        let mut tx = self.db.begin().await.map_err(Problem::from)?;
        let Some(mut client) = sql::client(&mut tx, id).await.map_err(Problem::from)? else {
            return Err(Problem::not_found().into());
        };
        (client.policy.valid_from, client.policy.valid_until) = (from, until);
        sql::set_client_policy(&mut tx, &client, self.env.now()).await.map_err(Problem::from)?;
        tx.commit().await.map_err(Problem::from)?;
        self.forget_client(id);
        Ok(())
    }

    /// Stops a client, or lets it act again. What it holds is refused from then on.
    ///
    /// # Errors
    /// Not found.
    pub async fn set_client_state(
        &self,
        by: &Granted<ManageClients>,
        id: &str,
        active: bool,
    ) -> Result<(), Problem> {
        for_realm(by)?;
        let mut tx = self.db.begin().await.map_err(Problem::from)?;
        let state = if active { "active" } else { "stopped" };
        if !sql::set_client_state(&mut tx, id, state, self.env.now()).await.map_err(Problem::from)? {
            return Err(Problem::not_found());
        }
        tx.commit().await.map_err(Problem::from)?;
        self.forget_client(id);
        Ok(())
    }

    /// Every client, by its id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn all_clients(&self, by: &Granted<ManageClients>) -> Result<Vec<Client>, Problem> {
        for_realm(by)?;
        let mut tx = self.db.read().await.map_err(Problem::from)?;
        sql::clients(&mut tx).await.map_err(Problem::from)
    }

    fn forget_client(&self, id: &str) {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).0.remove(id);
    }
}

/// Why a client was not registered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RegisterError {
    /// What it says of itself cannot be.
    #[error(transparent)]
    Metadata(#[from] OAuthError),
    /// Something else.
    #[error("{0}")]
    Inner(Box<Problem>),
}

impl From<Problem> for RegisterError {
    fn from(p: Problem) -> Self {
        RegisterError::Inner(Box::new(p))
    }
}
