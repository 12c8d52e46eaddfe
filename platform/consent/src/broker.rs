//! The personal-data broker: how a service of ours or of a vendor learns facts about a person from another, by the
//! person's consent, and how the person and the data officer learn of it.
//!
//! One call checks recipient, agreement and consent, opens exactly the items that may leave, and records the provision
//! (第三者提供記録, 個人情報の保護に関する法律 §29) before anything is answered. A withdrawal that is committed while
//! the sources are read still stops the answer: the decision is made again in the transaction of the record.

use std::collections::BTreeMap;

use kenroku_access::Granted;
use kenroku_contracts::personal::Pseudonyms;
use kenroku_store::Tx;
use kenroku_types::ids::{RequestId, SubjectId};
use kenroku_types::{Problem, Tenant, Timestamp};
use kenroku_vault::Disclosure;
use kenroku_vault::share::{Fact, Wanted};

use crate::Consent;
use crate::consent::Agreement;
use crate::error::{ConsentError, Result};
use crate::model::{Decision, ProvisionId, RecipientId, RecipientKind, RecordId, Why, decide};
use crate::module::{HandOn, MINE, Obtain, SHARE, ViewOwn};
use crate::sql::{self, ProvisionRow, RecipientRow, RecordRow};

/// The sector of this module's own pseudonyms.
pub(crate) const SECTOR: &str = "consent";

/// What a recipient asks for.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry<'a> {
    /// Who asks.
    pub party: &'a RecipientRow,
    /// Under which agreement.
    pub agreement: &'a str,
    /// About whom, by the recipient's own pseudonym.
    pub subject: SubjectId,
    /// Which items; empty for all of the agreement.
    pub items: &'a [String],
    /// The request it happens in.
    pub request: Option<RequestId>,
}

/// What a recipient gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Obtained {
    /// By which consent.
    pub consent: RecordId,
    /// Under which revision of the agreement.
    pub number: i64,
    /// The facts.
    pub facts: Vec<Fact>,
    /// What did not leave, and why.
    pub refused: Vec<(String, Why)>,
}

impl Consent {
    /// The recipient that a program or module is.
    ///
    /// # Errors
    /// [`ConsentError::NotARecipient`].
    pub async fn party(&self, tenant: Tenant, kind: RecipientKind, handle: &str) -> Result<RecipientRow> {
        let mut tx = self.db().read().await?;
        let found = sql::recipient_by_handle(&mut tx, tenant, kind, handle).await?;
        found.ok_or(ConsentError::NotARecipient)
    }

    /// The recipient asks a person for consent; it waits on the person's page.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`] for an agreement that is not this recipient's, or a person unknown to it.
    pub async fn request(
        &self,
        names: &dyn Pseudonyms,
        proof: &Granted<Obtain>,
        party: &RecipientRow,
        agreement: &str,
        subject: SubjectId,
    ) -> Result<RecordId> {
        let agreement = {
            let mut tx = self.db().read().await?;
            self.theirs(&mut tx, proof.tenant(), party, agreement).await?
        };
        let subject = names.translate(&party.sector, subject, SECTOR).await?.ok_or(ConsentError::NotFound)?;
        self.ask(&agreement, subject).await
    }

    /// An agreement of this recipient; those of others do not exist for it.
    pub(crate) async fn theirs(
        &self,
        tx: &mut Tx,
        tenant: Tenant,
        party: &RecipientRow,
        code: &str,
    ) -> Result<Agreement> {
        let agreement = self.agreement_by_code(tx, tenant, code).await?;
        if agreement.recipient.id == party.id { Ok(agreement) } else { Err(ConsentError::NotFound) }
    }

    /// What may leave of these items now (GovStack `/service/verification`); opens nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn decide(
        &self,
        tx: &mut Tx,
        agreement: &Agreement,
        subject: SubjectId,
        items: &[String],
    ) -> Result<(Decision, Option<RecordRow>)> {
        let record = sql::record_of(tx, agreement.tenant, subject, agreement.row.id).await?;
        let now = self.env().now();
        let (terms, ended) = (&agreement.now.terms, agreement.row.ended_at.is_some());
        let Some(r) = record else { return Ok((decide(terms, ended, None, items, now), None)) };
        let standing = r.standing();
        let answered = match standing.number == agreement.row.number {
            true => std::sync::Arc::clone(&agreement.now),
            false => self.revision(tx, agreement.tenant, agreement.row.id, standing.number).await?,
        };
        Ok((decide(terms, ended, Some((&standing, &answered.terms)), items, now), Some(r)))
    }

    /// Hands on what the person agreed to.
    ///
    /// # Errors
    /// [`ConsentError::Refused`] when nothing of it may leave; [`ConsentError::NotFound`] for an agreement that is
    /// not this recipient's. A person unknown to the recipient is answered as one who was not asked.
    pub async fn obtain(
        &self,
        names: &dyn Pseudonyms,
        proof: &Granted<Obtain>,
        inquiry: Inquiry<'_>,
    ) -> Result<Obtained> {
        let (tenant, party) = (proof.tenant(), inquiry.party);
        let subject = names.translate(&party.sector, inquiry.subject, SECTOR).await?;
        let subject = subject.ok_or(ConsentError::Refused(Why::NoAnswer.code()))?;
        let (agreement, first, record, items) = {
            let mut tx = self.db().read().await?;
            let agreement = self.theirs(&mut tx, tenant, party, inquiry.agreement).await?;
            let items = match inquiry.items.is_empty() {
                true => agreement.now.terms.codes().map(str::to_owned).collect(),
                false => inquiry.items.to_vec(),
            };
            let (first, record) = self.decide(&mut tx, &agreement, subject, &items).await?;
            (agreement, first, record, items)
        };
        let record = match (first.allowed.is_empty(), record) {
            (false, Some(r)) => r,
            _ => return Err(refusal(&first)),
        };
        let facts = self.read(names, proof, subject, record.id, &first.allowed, inquiry.request).await?;

        let mut tx = self.db().begin().await?;
        let agreement = self.agreement(&mut tx, tenant, agreement.row.id).await?;
        let (decision, again) = self.decide(&mut tx, &agreement, subject, &items).await?;
        let Some(record) = again.filter(|_| !decision.allowed.is_empty()) else {
            return Err(refusal(&decision));
        };
        let facts: Vec<Fact> =
            facts.into_iter().filter(|f| decision.allowed.iter().any(|c| c == f.code)).collect();
        let left: Vec<String> = facts.iter().map(|f| f.code.to_owned()).collect();
        if !left.is_empty() {
            let (id, now): (ProvisionId, _) = (self.env().id(), self.env().now());
            let under = (&agreement.row, record.id, record.subject);
            sql::add_provision(&mut tx, tenant, id, now, party.id, under, &left).await?;
        }
        tx.commit().await?;
        Ok(Obtained { consent: record.id, number: agreement.row.number, facts, refused: decision.refused })
    }

    /// Asks the sources of the items, each by its own name for the person.
    pub(crate) async fn read(
        &self,
        names: &dyn Pseudonyms,
        proof: &Granted<Obtain>,
        subject: SubjectId,
        consent: RecordId,
        codes: &[String],
        request: Option<RequestId>,
    ) -> Result<Vec<Fact>> {
        let mut by_source = BTreeMap::new();
        for code in codes {
            if let Some((source, item)) = self.sources().find(code) {
                by_source.entry(source.module()).or_insert_with(|| (source, Vec::new())).1.push(item.code);
            }
        }
        // A key opens nothing (kernel.wall-personal): the broker does, and the log names who receives.
        let broker: Granted<HandOn> = Granted::for_system("consent", proof.tenant());
        let mut facts = Vec::new();
        for (module, (source, items)) in by_source {
            let Some(theirs) = names.translate(SECTOR, subject, module).await? else { continue };
            let mut why = Disclosure::new(&broker, &SHARE).handing_to(proof.actor()).consent(theirs, consent);
            if source.tenants().contains(&Tenant::SHARED) {
                why = why.of_everybody();
            }
            if let Some(id) = request {
                why = why.request(id);
            }
            facts.extend(source.read(&Wanted { why, subject: theirs, items }).await?);
        }
        Ok(facts)
    }

    /// The provisions of a tenant before a moment, newest first: the register of the data officer.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn provisions(
        &self,
        tenant: Tenant,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<ProvisionRow>> {
        Ok(sql::provisions(&mut self.db().read().await?, tenant, before, limit).await?)
    }

    /// What was handed on of one person by these tenants, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn provisions_of(
        &self,
        tenants: &[Tenant],
        subject: SubjectId,
        limit: u32,
    ) -> Result<Vec<(Tenant, ProvisionRow)>> {
        let mut tx = self.db().read().await?;
        let mut out = Vec::new();
        for tenant in tenants {
            let rows = sql::provisions_of(&mut tx, *tenant, subject, limit).await?;
            out.extend(rows.into_iter().map(|r| (*tenant, r)));
        }
        out.sort_by_key(|(_, r)| std::cmp::Reverse((r.at, r.id)));
        out.truncate(limit as usize);
        Ok(out)
    }

    /// Removes provisions and codes from before these moments; how many of each.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn purge(&self, tenant: Tenant, provisions: Timestamp, codes: Timestamp) -> Result<(u64, u64)> {
        let mut tx = self.db().begin().await?;
        let provisions = sql::purge_provisions(&mut tx, tenant, provisions).await?;
        let codes = crate::code::purge(&mut tx, tenant, codes).await?;
        tx.commit().await?;
        Ok((provisions, codes))
    }

    /// Who a recipient is, for showing it.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`].
    pub async fn recipient(&self, tenant: Tenant, id: RecipientId) -> Result<RecipientRow> {
        sql::recipient(&mut self.db().read().await?, tenant, id).await?.ok_or(ConsentError::NotFound)
    }
}

/// What a person sees of themself: the facts of one source, or why they cannot be shown now.
#[derive(Debug)]
pub struct OwnFacts {
    /// The source.
    pub module: &'static str,
    /// What people call it, in the three languages.
    pub names: [&'static str; 3],
    /// Its facts.
    pub facts: std::result::Result<Vec<Fact>, Box<Problem>>,
}

impl Consent {
    /// Everything that the sources hold of a person, for the person (開示, 個人情報の保護に関する法律 §76).
    ///
    /// # Errors
    /// When the pseudonyms cannot be told; a source that fails is named in the answer.
    pub async fn own_facts(
        &self,
        names: &dyn Pseudonyms,
        proof: &Granted<ViewOwn>,
        subject: SubjectId,
        request: Option<RequestId>,
    ) -> Result<Vec<OwnFacts>> {
        let mut out = Vec::new();
        for source in self.sources().all() {
            let module = source.module();
            // Who looked has a page of its own.
            if module == SECTOR {
                continue;
            }
            let Some(theirs) = names.translate(SECTOR, subject, module).await? else { continue };
            let mut why = Disclosure::new(proof, &MINE);
            if let Some(id) = request {
                why = why.request(id);
            }
            let items = source.items().iter().map(|i| i.code).collect();
            let facts = source.read(&Wanted { why, subject: theirs, items }).await.map_err(Box::new);
            out.push(OwnFacts { module, names: source.names(), facts });
        }
        Ok(out)
    }
}

fn refusal(d: &Decision) -> ConsentError {
    ConsentError::Refused(d.refused.first().map_or(Why::NotAgreedUpon, |(_, why)| *why).code())
}
