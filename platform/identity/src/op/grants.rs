//! Grants: what a person let a client have, and what was agreed to before.

use std::collections::BTreeSet;

use kenroku_oidc::Scopes;
use kenroku_oidc::authorize::AuthorizationRequest;
use kenroku_oidc::claims::{ClaimsRequest, of_scope};
use kenroku_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::acting::Reach;
use super::answer::Outcome;
use super::clients::Client;
use super::provider::Provider;
use super::sql::{self, GrantRow};
use crate::claims::Claim;
use crate::model::PersonId;
use crate::session::Session;
use crate::{Identity, IdentityError};

/// The attributes of our own scopes.
fn of_own_scope(scope: &str) -> &'static [&'static str] {
    match scope {
        "residence" => &["urn:ishikawa:muni_code"],
        "account" => &["urn:ishikawa:account_class", "urn:ishikawa:is_adult"],
        _ => &[],
    }
}

/// Those of the named attributes that exist, in the order in which people read them.
fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let named: BTreeSet<&str> = names.collect();
    let known = Claim::ALL.into_iter().map(Claim::name);
    known.filter(|n| named.contains(n)).map(ToOwned::to_owned).collect()
}

/// Every attribute that a request asks for, by scope or one by one.
pub(super) fn attributes(scope: &Scopes, claims: &ClaimsRequest) -> Vec<String> {
    let by_scope = scope.iter().flat_map(|s| of_scope(s).iter().chain(of_own_scope(s)).copied());
    in_order(by_scope.chain(claims.names()))
}

/// The attributes that a scope alone asks for.
pub(crate) fn claims_of(scope: &str) -> Vec<String> {
    Scopes::parse(scope).map(|s| attributes(&s, &ClaimsRequest::default())).unwrap_or_default()
}

/// Attributes of a grant, by where they are told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct GrantedClaims {
    /// At the userinfo endpoint.
    pub userinfo: Vec<String>,
    /// In the ID token.
    pub id_token: Vec<String>,
}

/// What a person agreed to for a client.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Agreed {
    /// The attributes.
    pub claims: BTreeSet<String>,
}

impl Agreed {
    /// What of it this request asks for. Scopes lead to the userinfo endpoint (Core §5.4), the `claims` parameter to
    /// where it says.
    pub(super) fn within(&self, request: &AuthorizationRequest) -> GrantedClaims {
        let keep = |names: Vec<String>| names.into_iter().filter(|n| self.claims.contains(n)).collect();
        let at_userinfo =
            ClaimsRequest { userinfo: request.claims.userinfo.clone(), ..ClaimsRequest::default() };
        let in_token =
            ClaimsRequest { id_token: request.claims.id_token.clone(), ..ClaimsRequest::default() };
        GrantedClaims {
            userinfo: keep(attributes(&request.scope, &at_userinfo)),
            id_token: keep(attributes(&Scopes::default(), &in_token)),
        }
    }
}

/// A grant to be made.
pub(super) struct NewGrant<'a> {
    pub issuer: &'a str,
    pub client: &'a Client,
    pub session: &'a Session,
    pub reach: Reach,
}

/// How a client knows a session: not by the id that other clients get, or two of them could compare.
pub(super) fn sid_for(client: &str, sid: crate::model::SessionId) -> String {
    let text = [b"kenroku-op-sid/1".as_slice(), sid.uuid().as_bytes(), client.as_bytes()].concat();
    kenroku_oidc::b64_encode(&kenroku_oidc::sha256(&text)[..16])
}

/// What was stored of an agreement.
#[derive(Serialize, Deserialize)]
pub(super) struct Decided {
    /// Agreed to.
    pub yes: BTreeSet<String>,
    /// Asked and not agreed to: not asked again at every sign-in.
    pub no: BTreeSet<String>,
}

impl Provider {
    /// What was agreed to, when nothing of this request is left to ask.
    pub(super) async fn agreed(
        &self,
        client: &Client,
        person: PersonId,
        request: &AuthorizationRequest,
        attributes: &[String],
    ) -> Outcome<Option<Agreed>> {
        if client.policy.first_party {
            return Ok(Some(Agreed { claims: attributes.iter().cloned().collect() }));
        }
        let mut tx = self.db.read().await?;
        let Some((scope, claims)) = sql::consent(&mut tx, person, &client.id).await? else { return Ok(None) };
        let decided: Decided = serde_json::from_value(claims)?;
        let known = Scopes::parse(&scope)?;
        let all = attributes.iter().all(|a| decided.yes.contains(a) || decided.no.contains(a));
        Ok((request.scope.is_within(&known) && all).then_some(Agreed { claims: decided.yes }))
    }

    /// A grant, not yet stored.
    pub(super) fn new_grant(&self, new: NewGrant<'_>) -> Outcome<GrantRow> {
        let (s, reach) = (new.session, new.reach);
        let (actor_subject, delegation) = reach.act.unzip();
        Ok(GrantRow {
            id: self.env.id(),
            issuer: new.issuer.to_owned(),
            client: new.client.id.clone(),
            person: reach.person,
            subject: reach.subject,
            sid: Some(s.sid),
            scope: reach.scope.to_string(),
            claims: serde_json::to_value(&reach.claims)?,
            acr: s.sign_in.assurance.acr().unwrap_or("").to_owned(),
            amr: s.amr.join(" "),
            auth_time: s.sign_in.at,
            offline: reach.scope.has("offline_access"),
            created_at: self.env.now(),
            ended_at: None,
            actor_subject,
            delegation,
            held: true,
        })
    }

    /// The attributes of a grant. Nothing of somebody whose proof is no longer valid: the client sees who it is and
    /// that nothing is certain until the person proves it anew.
    pub(super) async fn release(
        &self,
        identity: &Identity,
        grant: &GrantRow,
        names: &[String],
    ) -> Outcome<Map<String, Value>> {
        let asked: Vec<Claim> = names.iter().filter_map(|n| Claim::of(n)).collect();
        if asked.is_empty() {
            return Ok(Map::new());
        }
        // The grant is the record of the agreement to exactly this.
        let consent = kenroku_vault::ConsentId::from_uuid(grant.id.uuid());
        match identity.release(grant.person, &asked, consent, None).await {
            Ok(map) => Ok(map),
            Err(IdentityError::ProveAgain | IdentityError::NotFound) => Ok(Map::new()),
            Err(e) => Err(e.into()),
        }
    }

    /// What the person agreed to, per client: for their own page.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn consents(&self, person: PersonId) -> Result<Vec<Agreement>, kenroku_types::Problem> {
        let mut tx = self.db.read().await?;
        let rows = sql::consents(&mut tx, person).await?;
        let uses = sql::uses(&mut tx, person).await?;
        drop(tx);
        let mut out = Vec::with_capacity(rows.len());
        for (client, scope, claims, given_at) in rows {
            let known = self.client(&client).await?;
            let name = known.as_ref().map_or_else(|| client.clone(), |c| c.name().to_owned());
            let organisation = known.map(|c| c.policy.organisation.clone()).unwrap_or_default();
            let offline = Scopes::parse(&scope).is_ok_and(|s| s.has("offline_access"));
            let last_used_at = last_use(&uses, &client);
            let decided: Option<Decided> = serde_json::from_value(claims).ok();
            let claims = decided.map(|d| in_order(d.yes.iter().map(String::as_str))).unwrap_or_default();
            let given_at = Some(given_at);
            out.push(Agreement { client, name, organisation, claims, offline, given_at, last_used_at });
        }
        Ok(out)
    }

    /// The services of the prefecture itself: the terms of the ID cover them, and they ask nobody. What they may
    /// receive is told all the same, also before somebody uses them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn services_that_ask_nobody(
        &self,
        person: PersonId,
    ) -> Result<Vec<Agreement>, kenroku_types::Problem> {
        let mut tx = self.db.read().await?;
        let all = sql::clients(&mut tx).await?;
        let uses = sql::uses(&mut tx, person).await?;
        drop(tx);
        let now = self.env.now();
        let own = all.into_iter().filter(|c| c.policy.first_party && c.is_active(now));
        Ok(own
            .map(|c| Agreement {
                name: c.name().to_owned(),
                claims: attributes(&c.policy.scopes, &ClaimsRequest::default()),
                offline: c.policy.scopes.has("offline_access"),
                given_at: None,
                last_used_at: last_use(&uses, &c.id),
                organisation: c.policy.organisation,
                client: c.id,
            })
            .collect())
    }

    /// The person takes an agreement back: what the client holds ends at once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn withdraw_consent(
        &self,
        person: PersonId,
        client: &str,
    ) -> Result<bool, kenroku_types::Problem> {
        let mut tx = self.db.begin().await?;
        let was = sql::withdraw(&mut tx, person, client).await?;
        sql::end_grants_of_client(&mut tx, person, client, self.env.now()).await?;
        if was {
            crate::session::note(&mut tx, &self.env, person, "changed", "consent-withdrawn", "").await?;
        }
        tx.commit().await?;
        Ok(was)
    }
}

/// When somebody last signed in at a client, or it renewed its tokens.
fn last_use(uses: &[(String, Timestamp, Option<Timestamp>)], client: &str) -> Option<Timestamp> {
    let of_it = uses.iter().filter(|u| u.0 == client);
    of_it.map(|(_, begun, renewed)| renewed.map_or(*begun, |r| r.max(*begun))).max()
}

/// What one client may have about a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// The client's id.
    pub client: String,
    /// Its name.
    pub name: String,
    /// Who runs it; empty when nobody said.
    pub organisation: String,
    /// The attributes it may have.
    pub claims: Vec<String>,
    /// Whether it may look them up while the person is away.
    pub offline: bool,
    /// When the person agreed; absent for a service that asks nobody.
    pub given_at: Option<Timestamp>,
    /// When the person last signed in there or it renewed its tokens; absent when all of that is long over.
    pub last_used_at: Option<Timestamp>,
}
