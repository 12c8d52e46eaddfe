//! Acting for somebody else (代理) at a service: who may be chosen, and what of a request remains within a delegation.
//!
//! At the consent page and at the page where a device's code is typed: both ask [`shown`] and decide by [`reach`].
//!
//! Only services that the operator marked (`Policy::acting`) offer it: they read `act` (RFC 8693 §4.1) and do not take
//! `sub` for the one at the keys. What was agreed to for somebody else is not remembered: it is asked each time.

use kenroku_access::Granted;
use kenroku_oidc::Scopes;
use kenroku_store::Tx;
use kenroku_types::Problem;
use kenroku_ui::{Page, Phrase};

use super::answer::{Outcome, inner};
use super::authorize::subject;
use super::clients::Client;
use super::grants::GrantedClaims;
use super::provider::{Provider, T, Visit};
use super::sql::{self, GrantRow};
use crate::delegation::{DelegationRow, Scope};
use crate::model::{DelegationId, PersonId};
use crate::{Identity, ReleaseClaims, session};

/// The delegations by which somebody may act here, newest first.
pub(super) async fn choices(v: &Visit, client: &Client, agent: PersonId) -> Outcome<Vec<DelegationRow>> {
    if !client.policy.acting {
        return Ok(Vec::new());
    }
    let all = v.app.get::<Identity>()?.delegations(agent).await?;
    Ok(all.into_iter().filter(|d| d.agent == Some(agent)).collect())
}

/// The delegation that somebody chose.
///
/// # Errors
/// 403 when it is not theirs, not in force, or not for this service.
pub(super) async fn chosen(v: &Visit, client: &Client, agent: PersonId, id: &str) -> Outcome<DelegationRow> {
    let id: Option<DelegationId> = id.parse().ok();
    let found = choices(v, client, agent).await?.into_iter().find(|d| Some(d.id) == id);
    found.ok_or_else(|| {
        inner(
            Problem::new(403, "identity.no-delegation", "You cannot act for this person here")
                .next("Look at “代理” on your own page: the delegation may have ended."),
        )
    })
}

/// Whom a grant is about, and how far it reaches.
pub(super) struct Reach {
    /// The person that it is about: another than the session's when somebody acts for them.
    pub person: PersonId,
    /// How the client knows that person.
    pub subject: String,
    pub scope: Scopes,
    pub claims: GrantedClaims,
    /// How the client knows whoever acts, and by which delegation.
    pub act: Option<(String, DelegationId)>,
}

/// What was asked and agreed to, for oneself, or within the delegation `by` which `agent` acts for somebody else.
pub(super) async fn reach(
    v: &Visit,
    client: &Client,
    agent: PersonId,
    by: Option<&DelegationRow>,
    scope: Scopes,
    claims: GrantedClaims,
) -> Outcome<Reach> {
    let own = subject(&v.app, agent, client).await?;
    let Some(d) = by else { return Ok(Reach { person: agent, subject: own, scope, claims, act: None }) };
    Ok(Reach {
        person: d.principal,
        subject: subject(&v.app, d.principal, client).await?,
        scope: scopes_within(&scope, &d.scopes()),
        claims: claims_within(claims, &d.scopes()),
        act: Some((own, d.id)),
    })
}

/// Stores a grant. Both see that somebody acted: the one who did gave their sign-in, the other finds it in their history.
pub(super) async fn store(tx: &mut Tx, op: &Provider, client: &Client, grant: &GrantRow) -> Outcome<()> {
    sql::add_grant(tx, grant).await?;
    if grant.delegation.is_some() {
        session::note(tx, &op.env, grant.person, "changed", "delegation-used", client.name()).await?;
    }
    Ok(())
}

/// Somebody to choose, as the page shows them.
pub(super) struct Choice {
    pub id: String,
    pub name: Phrase,
    pub powers: Vec<Phrase>,
}

/// The choices with their names, which both sides agreed to show each other.
pub(super) async fn shown(v: &Visit, client: &Client, agent: PersonId) -> Outcome<Vec<Choice>> {
    let identity = v.app.get::<Identity>()?;
    let proof: Granted<ReleaseClaims> = Granted::for_system("identity", T);
    let mut out = Vec::new();
    for d in choices(v, client, agent).await? {
        let name = identity.other_name(&proof, &d, agent).await?.unwrap_or_default();
        let powers = d.scopes().into_iter().map(|s| power(&v.page, s)).collect();
        out.push(Choice { id: d.id.to_string(), name: Phrase::text(&name), powers });
    }
    Ok(out)
}

/// The words for what somebody may do for another.
pub(super) fn power(page: &Page, scope: Scope) -> Phrase {
    page.t(scope.word()).phrase()
}

/// What a request asks to do for a person, beyond knowing who they are.
pub(super) fn powers(page: &Page, scope: &Scopes) -> Vec<Phrase> {
    scope.iter().filter_map(Scope::from_code).map(|s| power(page, s)).collect()
}

/// What of the asked scopes a delegation allows. Filling in procedures needs the other's attributes; nothing else does.
pub(super) fn scopes_within(asked: &Scopes, delegation: &[Scope]) -> Scopes {
    let attributes = delegation.contains(&Scope::Procedures);
    let kept = asked.iter().filter(|name| match Scope::from_code(name) {
        Some(power) => delegation.contains(&power),
        None => matches!(*name, "openid" | "offline_access") || attributes,
    });
    Scopes::parse(&kept.collect::<Vec<_>>().join(" ")).unwrap_or_default()
}

/// As [`scopes_within`], of the attributes that were agreed to.
pub(super) fn claims_within(agreed: GrantedClaims, delegation: &[Scope]) -> GrantedClaims {
    if delegation.contains(&Scope::Procedures) { agreed } else { GrantedClaims::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_both_the_request_and_the_delegation_name_remains() {
        let asked = Scopes::parse("openid profile messages health offline_access").unwrap();
        let within = |d: &[Scope]| scopes_within(&asked, d).to_string();
        assert_eq!(within(&[Scope::Messages]), "messages offline_access openid");
        assert_eq!(within(&[Scope::Procedures]), "offline_access openid profile");
        assert_eq!(within(&[Scope::Bookings]), "offline_access openid");
        assert_eq!(within(Scope::ALL), asked.to_string());
        let claims = GrantedClaims { userinfo: vec!["name".to_owned()], id_token: Vec::new() };
        assert_eq!(claims_within(claims.clone(), &[Scope::Messages]), GrantedClaims::default());
        assert_eq!(claims_within(claims.clone(), &[Scope::Procedures]), claims);
    }

    #[test]
    fn every_power_is_a_scope_of_the_provider() {
        let all = Scopes::parse(super::super::provider::SCOPES).unwrap();
        // What is handed on about a person is decided on the portal's own pages, never at a service.
        let own = [Scope::Consents];
        assert!(Scope::ALL.iter().filter(|s| !own.contains(s)).all(|s| all.has(s.code())));
        assert!(own.iter().all(|s| !all.has(s.code())));
    }
}
