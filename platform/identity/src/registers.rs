//! What the vault asks this module at each disclosure ([`Registered`]): whether the delegation or the grant by which
//! something of a person is opened is theirs and holds now.

use kenroku_store::{Db, Sql, params, sql};
use kenroku_types::ids::{ConsentId, SubjectId};
use kenroku_types::{Env, Problem, Tenant};
use kenroku_vault::share::Reading;
use kenroku_vault::{Asked, Field, Register, Registered, Vault};

use crate::claims::Claim;
use crate::model::{DelegationId, PersonId};
use crate::op::grants::GrantedClaims;
use crate::person::NAME;

/// Delegations: both sides see each other's name.
pub(crate) const DELEGATIONS: Register = Register { code: "identity.delegations", log: "consent" };
/// What people agreed to at the OpenID Provider.
pub(crate) const GRANTS: Register = Register { code: "identity.grants", log: "consent" };

const T: Tenant = Tenant::SHARED;

const DELEGATION: &Sql = sql!(
    "select count(*) from identity_delegation
     where tenant = $1 and id = $2 and (principal = $3 or agent = $4) and ended_at is null and until > $5"
);
const GRANT: &Sql = sql!(
    "select g.claims from identity_op_grant g
     where g.tenant = $1 and g.id = $2 and g.person = $3 and g.ended_at is null
       and (g.delegation is null or exists (select 1 from identity_delegation d
         where d.tenant = g.tenant and d.id = g.delegation and d.ended_at is null and d.until > $4))"
);

/// Adds both to the vault. They hold no more than the database, so that the vault holds nothing that holds it.
pub(crate) fn register(vault: &Vault, db: &Db, env: &Env) {
    let own = Own { db: db.clone(), env: env.clone() };
    vault.answers_for(DELEGATIONS, std::sync::Arc::new(Delegations(own.clone())));
    vault.answers_for(GRANTS, std::sync::Arc::new(Grants(own)));
}

#[derive(Clone)]
struct Own {
    db: Db,
    env: Env,
}

struct Delegations(Own);

impl Registered for Delegations {
    fn holds<'a>(&'a self, asked: &'a Asked<'a>) -> Reading<'a, bool> {
        Box::pin(async move {
            if asked.fields.iter().any(|f| **f != NAME) {
                return Ok(false);
            }
            let mut tx = self.0.db.read().await.map_err(Problem::from)?;
            for (subject, id) in asked.people {
                let (id, side) = (DelegationId::from_uuid(id.uuid()), PersonId::from_uuid(subject.uuid()));
                let row = params![T, id, side, side, self.0.env.now()];
                let (n,): (i64,) = tx.one(DELEGATION, row).await.map_err(Problem::from)?;
                if n == 0 {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }
}

struct Grants(Own);

impl Grants {
    async fn fields(&self, subject: SubjectId, id: ConsentId) -> Result<Vec<&'static Field>, Problem> {
        let mut tx = self.0.db.read().await?;
        let row = params![T, id.uuid(), PersonId::from_uuid(subject.uuid()), self.0.env.now()];
        let found: Option<(serde_json::Value,)> = tx.opt(GRANT, row).await?;
        let Some((claims,)) = found else { return Ok(Vec::new()) };
        let claims: GrantedClaims =
            serde_json::from_value(claims).map_err(|e| Problem::internal().because(&e))?;
        let names = claims.userinfo.iter().chain(&claims.id_token);
        Ok(names.filter_map(|n| Claim::of(n)?.field()).collect())
    }
}

impl Registered for Grants {
    fn holds<'a>(&'a self, asked: &'a Asked<'a>) -> Reading<'a, bool> {
        Box::pin(async move {
            for (subject, id) in asked.people {
                let agreed = self.fields(*subject, *id).await?;
                if asked.fields.iter().any(|f| !agreed.contains(f)) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }
}
