//! What the vault asks this module at each disclosure ([`Registered`]): whether the consent, the agreement that rests on
//! a law, or the declared danger by which something is opened holds now, is about this person, and covers the fields.

use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use kenroku_types::Tenant;
use kenroku_types::ids::{ConsentId, SubjectId};
use kenroku_vault::share::Reading;
use kenroku_vault::{Asked, Field, Register, Registered, Vault};

use crate::Consent;
use crate::broker::{Ground, SECTOR};
use crate::code::CodeId;
use crate::consent::Inner;
use crate::error::{ConsentError, Result};
use crate::model::{AgreementId, DataUse, LawfulBasis};
use crate::sql;

/// Consents of people, and their share codes.
pub const CONSENTS: Register = Register { code: "consent.records", log: "consent" };
/// Agreements that rest on a law.
pub const LAWS: Register = Register { code: "consent.laws", log: "law" };
/// Declared dangers.
pub const EMERGENCIES: Register = Register { code: "consent.emergencies", log: "emergency" };

/// How long after its use a share code opens what was chosen: as long as that one call takes.
const CODE_OPENS: Duration = Duration::from_secs(60);

/// Adds all three to the vault.
pub(crate) fn register(vault: &Vault, consent: &Consent) {
    for (kind, of) in [(CONSENTS, Kind::Consent), (LAWS, Kind::Law), (EMERGENCIES, Kind::Emergency)] {
        vault.answers_for(kind, Arc::new(Answers { consent: consent.weak(), of }));
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Consent,
    Law,
    Emergency,
}

/// Holds nothing that holds the vault.
struct Answers {
    consent: Weak<Inner>,
    of: Kind,
}

impl Registered for Answers {
    fn holds<'a>(&'a self, asked: &'a Asked<'a>) -> Reading<'a, bool> {
        Box::pin(async move {
            let Some(c) = Consent::of(&self.consent) else { return Ok(false) };
            let holds = match self.of {
                Kind::Consent => all(&c, asked, |me, id| c.by_consent(asked.office, me, id)).await,
                Kind::Law => all(&c, asked, |_, id| c.by_law(asked.office, id)).await,
                Kind::Emergency => all(&c, asked, |_, id| c.by_emergency(asked.office, id)).await,
            };
            Ok(holds?)
        })
    }
}

/// Whether for each person the items that the entry lets out cover every field.
async fn all<F: Future<Output = Result<Vec<String>>>>(
    c: &Consent,
    asked: &Asked<'_>,
    allowed: impl Fn(SubjectId, ConsentId) -> F,
) -> Result<bool> {
    for (subject, id) in asked.people {
        for f in asked.fields {
            // The name of the module that holds it is also the sector of its pseudonyms.
            let Some(me) = c.names()?.translate(f.module, *subject, SECTOR).await? else { return Ok(false) };
            if !covers(c, &allowed(me, *id).await?, f) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn covers(c: &Consent, items: &[String], field: &Field) -> bool {
    items.iter().any(|code| c.sources().find(code).and_then(|(_, i)| i.field).is_some_and(|f| f == field))
}

fn none_if_not_found(found: Result<Vec<String>>) -> Result<Vec<String>> {
    match found {
        Err(ConsentError::NotFound) => Ok(Vec::new()),
        other => other,
    }
}

impl Consent {
    async fn by_consent(&self, tenant: Tenant, me: SubjectId, id: ConsentId) -> Result<Vec<String>> {
        let mut tx = self.db().read().await?;
        let Some(record) = sql::record(&mut tx, tenant, id).await?.filter(|r| r.subject == me) else {
            let since = self.env().now().minus(CODE_OPENS);
            let code = CodeId::from_uuid(id.uuid());
            return Ok(crate::code::opens(&mut tx, tenant, code, me, since).await?);
        };
        let agreement = self.agreement(&mut tx, tenant, record.agreement).await?;
        let all: Vec<String> = agreement.now.terms.codes().map(str::to_owned).collect();
        let terms = &agreement.now.terms;
        if terms.basis != LawfulBasis::Consent || terms.data_use != DataUse::Using {
            return Ok(Vec::new());
        }
        Ok(self.decide(&mut tx, &agreement, me, &all).await?.0.allowed)
    }

    async fn by_law(&self, tenant: Tenant, id: ConsentId) -> Result<Vec<String>> {
        none_if_not_found(self.grounded(tenant, AgreementId::from_uuid(id.uuid()), id).await)
    }

    async fn by_emergency(&self, tenant: Tenant, id: ConsentId) -> Result<Vec<String>> {
        let declared = crate::emergency::get(&mut self.db().read().await?, tenant, id).await?;
        let Some(e) = declared else { return Ok(Vec::new()) };
        none_if_not_found(self.grounded(tenant, e.agreement, id).await)
    }

    /// What an agreement that needs no consent lets out now on the ground that was named.
    async fn grounded(&self, tenant: Tenant, id: AgreementId, named: ConsentId) -> Result<Vec<String>> {
        let mut tx = self.db().read().await?;
        let agreement = self.agreement(&mut tx, tenant, id).await?;
        let all: Vec<String> = agreement.now.terms.codes().map(str::to_owned).collect();
        let (decision, ground) = self.without_consent(&mut tx, &agreement, &all).await?;
        let same = |g: Ground| g.id == named;
        Ok(if ground.is_some_and(same) { decision.allowed } else { Vec::new() })
    }
}
