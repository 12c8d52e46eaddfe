//! Who may decide for whom what is handed on about them: the port [`Proxies`], from the delegations with
//! [`Scope::Consents`].

use kenroku_access::Granted;
use kenroku_contracts::personal::{Answer, MandateId, Proxies, Proxy};
use kenroku_store::{Sql, params, sql};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Problem, Tenant};

use crate::delegation::{DelegationRow, Kind, Scope};
use crate::error::Result;
use crate::model::DelegationId;
use crate::{Identity, ReleaseClaims};

const T: Tenant = Tenant::SHARED;

const BY_ID: &Sql = sql!(
    "select id, kind, principal, agent, scopes, basis, created_at, until from identity_delegation
     where tenant = $1 and id = $2 and agent is not null and ended_at is null and until > $3"
);

impl Identity {
    async fn proxies(&self, sector: &str, agent: SubjectId) -> Result<Vec<Proxy>> {
        let Some(me) = self.person_of(sector, agent).await? else { return Ok(Vec::new()) };
        let proof: Granted<ReleaseClaims> = Granted::for_system("identity", T);
        let mut out = Vec::new();
        for d in self.delegations(me).await? {
            if d.agent != Some(me) || !d.scopes().contains(&Scope::Consents) {
                continue;
            }
            out.push(Proxy {
                mandate: MandateId::from_uuid(d.id.uuid()),
                principal: self.subject(d.principal, sector).await?,
                agent,
                name: self.other_name(&proof, &d, me).await?.unwrap_or_default(),
                child: d.kind == Kind::Guardian,
                until: d.until,
            });
        }
        Ok(out)
    }

    async fn mandate(&self, id: MandateId) -> Result<bool> {
        let row = params![T, DelegationId::from_uuid(id.uuid()), self.env().now()];
        let found: Option<DelegationRow> = self.db().read().await?.opt(BY_ID, row).await?;
        Ok(found.is_some_and(|d| d.scopes().contains(&Scope::Consents)))
    }
}

impl Proxies for Identity {
    fn of<'a>(&'a self, sector: &'a str, agent: SubjectId) -> Answer<'a, Vec<Proxy>> {
        Box::pin(async move { self.proxies(sector, agent).await.map_err(Problem::from) })
    }

    fn in_force<'a>(&'a self, mandate: MandateId) -> Answer<'a, bool> {
        Box::pin(async move { self.mandate(mandate).await.map_err(Problem::from) })
    }
}
