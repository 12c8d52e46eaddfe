//! Pseudonyms: who a person is for one sector. A sector is a module of ours by its name, or `client:…` for a sector of
//! the OpenID Provider. 122 random bits in a table: nothing can be computed from one sector to another, and a sector
//! can be given new ones.

use kenroku_store::{Db, Sql, params, sql};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Env, Tenant};

use crate::Identity;
use crate::error::Result;
use crate::model::PersonId;

const GET: &Sql =
    sql!("select subject from identity_subject where tenant = $1 and sector = $2 and person = $3");
const ADD: &Sql = sql!(
    "insert into identity_subject (tenant, sector, person, subject, created_at) values ($1, $2, $3, $4, $5)
     on conflict (tenant, sector, person) do nothing"
);
const BACK: &Sql =
    sql!("select person from identity_subject where tenant = $1 and sector = $2 and subject = $3");

const T: Tenant = Tenant::SHARED;

/// The sector of this module's own pages: the person themself.
pub(crate) const OWN: &str = "identity";
/// The sector of passkeys: the user handle.
pub(crate) const PASSKEYS: &str = "identity:passkey";

/// The pseudonym of a person in a sector, made at the first question.
pub(crate) async fn of(db: &Db, env: &Env, person: PersonId, sector: &str) -> Result<SubjectId> {
    if sector == OWN {
        return Ok(SubjectId::from_uuid(person.uuid()));
    }
    let found: Option<(SubjectId,)> = db.read().await?.opt(GET, params![T, sector, person]).await?;
    if let Some((subject,)) = found {
        return Ok(subject);
    }
    // Not UUIDv7: pseudonyms made at one moment would show it.
    let fresh: SubjectId =
        SubjectId::from_uuid(uuid::Builder::from_random_bytes(env.rng.bytes()).into_uuid());
    let mut tx = db.begin().await?;
    tx.execute(ADD, params![T, sector, person, fresh, env.now()]).await?;
    let (subject,): (SubjectId,) = tx.one(GET, params![T, sector, person]).await?;
    tx.commit().await?;
    Ok(subject)
}

impl Identity {
    /// The pseudonym of a person in a sector, made at the first question.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn subject(&self, person: PersonId, sector: &str) -> Result<SubjectId> {
        of(self.db(), self.env(), person, sector).await
    }

    /// Who stands behind a pseudonym; for this module and the OpenID Provider only.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn person_of(&self, sector: &str, subject: SubjectId) -> Result<Option<PersonId>> {
        let found: Option<(PersonId,)> =
            self.db().read().await?.opt(BACK, params![T, sector, subject]).await?;
        Ok(found.map(|f| f.0))
    }
}
