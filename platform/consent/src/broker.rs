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
use kenroku_vault::share::{Fact, Wanted};
use kenroku_vault::{ConsentId, Disclosure, Purpose};

use crate::Consent;
use crate::consent::Agreement;
use crate::emergency::{self, Telling};
use crate::error::{ConsentError, Result};
use crate::model::{
    DataUse, Decision, LawfulBasis, ProvisionId, RecipientId, RecipientKind, RecordId, Why, decide,
};
use crate::module::{BY_LAW, HandOn, IN_DANGER, MINE, Obtain, SHARE, ViewOwn};
use crate::sql::{self, ProvisionRow, RecipientRow};

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

/// On what a provision rests: for what the vault opens, and the entry that its register is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    pub(crate) purpose: &'static Purpose,
    /// The consent, the agreement that rests on a law, or the declared danger.
    pub id: ConsentId,
}

impl Ground {
    pub(crate) const fn consent(id: ConsentId) -> Self {
        Ground { purpose: &SHARE, id }
    }
}

/// What a recipient gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Obtained {
    /// By which consent; where a law or a danger takes its place, the entry that the access log names.
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

    /// An agreement of this recipient by which data goes this way.
    pub(crate) async fn theirs_for(
        &self,
        tx: &mut Tx,
        tenant: Tenant,
        party: &RecipientRow,
        code: &str,
        way: DataUse,
    ) -> Result<Agreement> {
        let agreement = self.theirs(tx, tenant, party, code).await?;
        if agreement.now.terms.data_use == way { Ok(agreement) } else { Err(ConsentError::NotFound) }
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
    ) -> Result<(Decision, Option<Ground>)> {
        let now = self.env().now();
        let (terms, ended) = (&agreement.now.terms, agreement.row.ended_at.is_some());
        if terms.basis != LawfulBasis::Consent {
            return self.without_consent(tx, agreement, items).await;
        }
        let record = sql::record_of(tx, agreement.tenant, subject, agreement.row.id).await?;
        let Some(r) = record else { return Ok((decide(terms, ended, None, items, now), None)) };
        let mut standing = r.standing();
        if !self.mandate_holds(&r).await? {
            standing.until = Some(now);
        }
        let answered = match standing.number == agreement.row.number {
            true => std::sync::Arc::clone(&agreement.now),
            false => self.revision(tx, agreement.tenant, agreement.row.id, standing.number).await?,
        };
        let decision = decide(terms, ended, Some((&standing, &answered.terms)), items, now);
        Ok((decision, Some(Ground::consent(r.id))))
    }

    /// The same for an agreement that rests on a law, or on a danger that has to be declared.
    pub(crate) async fn without_consent(
        &self,
        tx: &mut Tx,
        agreement: &Agreement,
        items: &[String],
    ) -> Result<(Decision, Option<Ground>)> {
        let (now, terms) = (self.env().now(), &agreement.now.terms);
        let law = Ground { purpose: &BY_LAW, id: ConsentId::from_uuid(agreement.row.id.uuid()) };
        let ground = match terms.basis {
            LawfulBasis::Consent => None,
            LawfulBasis::LegalObligation | LawfulBasis::PublicTask => Some(law),
            LawfulBasis::VitalInterest => {
                let declared = emergency::in_force(tx, agreement.tenant, agreement.row.id, now).await?;
                declared.map(|e| Ground { purpose: &IN_DANGER, id: e.id })
            }
        };
        if ground.is_none() {
            let refused = items.iter().map(|c| (c.clone(), Why::NotDeclared)).collect();
            return Ok((Decision { allowed: Vec::new(), refused }, None));
        }
        Ok((decide(terms, agreement.row.ended_at.is_some(), None, items, now), ground))
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
        let (agreement, first, ground, items) = {
            let mut tx = self.db().read().await?;
            let agreement =
                self.theirs_for(&mut tx, tenant, party, inquiry.agreement, DataUse::Using).await?;
            let items = match inquiry.items.is_empty() {
                true => agreement.now.terms.codes().map(str::to_owned).collect(),
                false => inquiry.items.to_vec(),
            };
            let (first, ground) = self.decide(&mut tx, &agreement, subject, &items).await?;
            (agreement, first, ground, items)
        };
        let ground = match (first.allowed.is_empty(), ground) {
            (false, Some(g)) => g,
            _ => return Err(refusal(&first)),
        };
        let facts = match self.read(names, proof, subject, ground, &first.allowed, inquiry.request).await {
            // The vault asked again and found that it holds no more: say which reason it is by now.
            Err(ConsentError::Inner(p)) if p.code == "vault.consent-over" => {
                let mut tx = self.db().read().await?;
                let agreement = self.agreement(&mut tx, tenant, agreement.row.id).await?;
                let (now, _) = self.decide(&mut tx, &agreement, subject, &items).await?;
                return Err(if now.allowed.is_empty() { refusal(&now) } else { ConsentError::Stale });
            }
            other => other?,
        };

        let mut tx = self.db().begin().await?;
        let agreement = self.agreement(&mut tx, tenant, agreement.row.id).await?;
        let (decision, again) = self.decide(&mut tx, &agreement, subject, &items).await?;
        let Some(ground) = again.filter(|g| !decision.allowed.is_empty() && g.id == ground.id) else {
            return Err(refusal(&decision));
        };
        let facts: Vec<Fact> =
            facts.into_iter().filter(|f| decision.allowed.iter().any(|c| c == f.code)).collect();
        let left: Vec<String> = facts.iter().map(|f| f.code.to_owned()).collect();
        if !left.is_empty() {
            let (id, now): (ProvisionId, _) = (self.env().id(), self.env().now());
            let under = (&agreement.row, ground.id, subject);
            sql::add_provision(&mut tx, tenant, id, now, party.id, under, &left).await?;
            if agreement.now.terms.basis == LawfulBasis::VitalInterest {
                let (row, id) = (&agreement.row, self.env().id());
                let telling = Telling { id, subject, agreement: row.id, emergency: ground.id, items: &left };
                emergency::tell(&mut tx, tenant, telling, now).await?;
            }
        }
        tx.commit().await?;
        Ok(Obtained { consent: ground.id, number: agreement.row.number, facts, refused: decision.refused })
    }

    /// Asks the sources of the items, each by its own name for the person.
    pub(crate) async fn read(
        &self,
        names: &dyn Pseudonyms,
        proof: &Granted<Obtain>,
        subject: SubjectId,
        ground: Ground,
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
            let why = Disclosure::new(&broker, ground.purpose).handing_to(proof.actor());
            let mut why = why.consent(theirs, ground.id);
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
        let mut sources = self.sources().all();
        // First what our own modules hold, then what others delivered.
        sources.sort_by_key(|s| s.module() == SECTOR);
        for source in sources {
            let module = source.module();
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
