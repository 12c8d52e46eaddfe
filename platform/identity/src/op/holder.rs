//! [`Holder`]: operations of the house that services call with an access token for a person.
//!
//! An operation takes it as its first argument and says by a type what it demands ([`Demand`]): the scope, and how sure
//! and how young the sign-in has to be. What is missing is told as a challenge that a client's library understands: a
//! surer or younger sign-in by RFC 9470 §3, so that it can send the person to sign in again and come back.
//!
//! A token opens only operations that ask for one. Everywhere else it is an unknown key: somebody's agreement that a
//! service reads their profile must not become that service's way to everything the person may do.
//!
//! The policies are asked about the person as for every operation, so a token gives nothing that the person may not do
//! themselves.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use kenroku_access::{Actor, Assurance, ForModule, Granted, Permission, SignIn};
use kenroku_http::{App, Gate, Guard};
use kenroku_oidc::{Code, OAuthError, Scopes};
use kenroku_types::Problem;
use kenroku_types::ids::SubjectId;
use serde::Serialize;
use serde_json::{Map, Value};

use super::answer::{Fault, Outcome, finish, inner, json, refused};
use super::authorize::subject;
use super::grants::GrantedClaims;
use super::provider::{Call, assurance, missing, missing_client};
use super::resource::challenge;
use super::sql::GrantRow;
use crate::Identity;
use crate::delegation::DelegationRow;

/// What an operation demands of an access token.
pub trait Demand: Send + Sync + 'static {
    /// What the person must be allowed to do.
    type Permission: Permission;
    /// The scope that the person agreed to.
    const SCOPE: &'static str;
    /// How surely they signed in, at least.
    const ASSURANCE: Assurance = Assurance::None;
    /// How long ago, at most.
    const MAX_AGE: Option<Duration> = None;
}

/// A service that calls for a person, within what the person agreed to.
#[derive(Debug)]
pub struct Holder<D: Demand> {
    /// That the policies allow it, to the person.
    pub granted: Granted<D::Permission>,
    /// The person, as the module that is asked knows them.
    pub subject: SubjectId,
    /// Who acts for them, as that module knows them, and by which delegation.
    pub acting: Option<(SubjectId, DelegationRow)>,
    /// What was agreed to.
    pub scopes: Scopes,
    /// How the one at the keys signed in.
    pub sign_in: SignIn,
    /// The service's id.
    pub client: String,
    grant: GrantRow,
    nonce: Option<String>,
}

impl<D: Demand> Guard for Holder<D> {
    fn gate() -> Gate {
        Gate::Needs(D::Permission::META.id)
    }
}

impl<D: Demand> FromRequestParts<App> for Holder<D> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let call = Call::read(app, parts.clone(), &[]).map_err(|e| finish(Err(e), None))?;
        match Self::of(&call).await {
            Ok(holder) => {
                // For the log, and for extractors that ask who it is.
                parts.extensions.insert(holder.granted.actor().clone());
                Ok(holder)
            }
            Err(Fault::OAuth(e)) => Err(call.answer(Ok(challenge(&e, &wanted::<D>(&e))))),
            Err(e) => Err(call.answer(Err(e))),
        }
    }
}

/// What would satisfy the operation (RFC 6750 §3, RFC 9470 §3).
fn wanted<D: Demand>(e: &OAuthError) -> Vec<(&'static str, String)> {
    match e.code {
        Code::InsufficientScope => vec![("scope", D::SCOPE.to_owned())],
        Code::InsufficientUserAuthentication => {
            let acr = D::ASSURANCE.acr().map(|acr| ("acr_values", acr.to_owned()));
            let age = D::MAX_AGE.map(|age| ("max_age", age.as_secs().to_string()));
            acr.into_iter().chain(age).collect()
        }
        _ => Vec::new(),
    }
}

impl<D: Demand> Holder<D> {
    async fn of(call: &Call) -> Outcome<Self> {
        let valid = call.token().await?;
        let scopes = valid.scope();
        valid.reaches(D::ASSURANCE, D::MAX_AGE, call.op.env.now())?;
        let grant = valid.grant.filter(|_| scopes.has(D::SCOPE));
        let grant = grant.ok_or_else(|| refused(Code::InsufficientScope, "the scope does not reach here"))?;
        let identity = call.app.get::<Identity>()?;
        let module = call.parts.extensions.get::<ForModule>().map_or("", |m| m.0);
        let acting = match grant.delegation {
            None => None,
            Some(id) => {
                let all = identity.delegations(grant.person).await?;
                let d = all.into_iter().find(|d| d.id == id).ok_or_else(|| missing("the delegation"))?;
                let agent = d.agent.ok_or_else(|| missing("the agent"))?;
                Some((identity.subject(agent, module).await?, d))
            }
        };
        let subject = identity.subject(grant.person, module).await?;
        let sign_in = SignIn { assurance: assurance(&grant.acr).unwrap_or_default(), at: grant.auth_time };
        let granted = call.app.access().grant_at_home(&Actor::Resident { subject, sign_in });
        let granted = granted.map_err(|refusal| inner(Problem::from(refusal)))?;
        let (client, nonce) = (grant.client.clone(), call.nonce());
        Ok(Holder { granted, subject, acting, scopes, sign_in, client, grant, nonce })
    }

    /// The answer: JSON that nobody keeps, with the nonce for the next proof.
    pub fn answer(&self, body: &impl Serialize) -> Response {
        finish(Ok(json(StatusCode::OK, body)), self.nonce.clone())
    }

    /// The person as the service knows them.
    pub(crate) fn sub(&self) -> &str {
        &self.grant.subject
    }

    /// Who acts, as the service knows them.
    pub(crate) fn act(&self) -> Option<&str> {
        self.grant.actor_subject.as_deref()
    }

    /// The attributes that the person agreed to show this service.
    pub(crate) async fn attributes(&self, app: &App) -> kenroku_http::Result<Map<String, Value>> {
        let claims: GrantedClaims = serde_json::from_value(self.grant.claims.clone())
            .map_err(|e| kenroku_http::Error::internal(&e))?;
        let (op, identity) = (app.get::<super::Provider>()?, app.get::<Identity>()?);
        op.release(&identity, &self.grant, &claims.userinfo).await.map_err(Fault::into_error)
    }

    /// For whom the person may act at this service, each as the service knows them.
    pub(crate) async fn acts_for(&self, app: &App) -> kenroku_http::Result<Vec<(String, DelegationRow)>> {
        let op = app.get::<super::Provider>()?;
        let client = op.client(&self.client).await?.ok_or_else(|| missing_client().into_error())?;
        if !client.policy.acting || self.acting.is_some() {
            return Ok(Vec::new());
        }
        let mut out = Vec::new();
        for d in app.get::<Identity>()?.delegations(self.grant.person).await? {
            if d.agent == Some(self.grant.person) {
                let sub = subject(app, d.principal, &client).await.map_err(Fault::into_error)?;
                out.push((sub, d));
            }
        }
        Ok(out)
    }
}
