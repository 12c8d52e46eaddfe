//! [`Consent`]: agreements and people's answers to them. Each command is one transaction with its revision in the chain.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use kenroku_access::{Assurance, Granted};
use kenroku_bus::Bus;
use kenroku_contracts::consent::ConsentChanged;
use kenroku_contracts::personal::{Proxies, ProxiesPort, Pseudonyms, PseudonymsPort};
use kenroku_contracts::signing::{Signer, SignerPort};
use kenroku_store::{Db, Tx};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Env, Tenant, Timestamp};
use kenroku_vault::share::Sources;

use crate::chain;
use crate::delivery;
use crate::error::{ConsentError, Result};
use crate::model::{
    AgreementId, Answered, By, DataUse, LawfulBasis, RecipientId, RecipientKind, RecordId, Standing, State,
    Step, Terms, What, ask_again_from,
};
use crate::module::ManageAgreements;
use crate::sql::{self, AgreementRow, RecipientRow, RecordRow};

/// Revisions held in memory: they never change.
const HELD: usize = 10_000;

/// A revision of an agreement as it is held.
#[derive(Debug)]
pub struct Revision {
    /// What it says.
    pub terms: Terms,
    /// SHA-256, hexadecimal.
    pub hash: String,
}

/// An agreement with the words in force.
#[derive(Clone, Debug)]
pub struct Agreement {
    /// Whose.
    pub tenant: Tenant,
    /// The head.
    pub row: AgreementRow,
    /// The revision in force.
    pub now: Arc<Revision>,
    /// Who receives.
    pub recipient: RecipientRow,
}

/// One person's answer with the agreement.
#[derive(Clone, Debug)]
pub struct Answer {
    /// To what.
    pub agreement: Agreement,
    /// Where it stands; `None` when it was never asked.
    pub record: RecordRow,
    /// Whether the recipient still has to acknowledge what changed.
    pub untold: bool,
}

/// A recipient to be registered.
#[derive(Clone, Debug)]
pub struct NewRecipient {
    /// A program or a module.
    pub kind: RecipientKind,
    /// The program's client id, or the module's name.
    pub handle: String,
    /// Under which pseudonyms it knows people; empty for some of its own.
    pub sector: String,
    /// 氏名又は名称.
    pub name: String,
    /// 住所.
    pub address: String,
    /// 代表者の氏名.
    pub representative: String,
}

/// How a person answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Grant, refuse, withdraw or renew.
    pub step: Step,
    /// The items ticked.
    pub items: BTreeSet<String>,
    /// The revision whose text was shown.
    pub shown: i64,
    /// Who answers.
    pub by: By,
    /// How surely they had signed in.
    pub assurance: Assurance,
    /// The language of the page.
    pub locale: &'static str,
}

/// Agreements and answers. Cheap to clone; put into the app by the module.
#[derive(Clone)]
pub struct Consent(Arc<Inner>);

pub(crate) struct Inner {
    db: Db,
    env: Env,
    bus: Bus,
    sources: Arc<Sources>,
    held: Mutex<HashMap<(Tenant, AgreementId, i64), Arc<Revision>>>,
    ports: OnceLock<Ports>,
}

/// What other modules lend this one; each absent where there is no いしかわID.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    /// Who a person is for others.
    pub names: Option<Arc<PseudonymsPort>>,
    /// Who decides for whom.
    pub proxies: Option<Arc<ProxiesPort>>,
    /// What signs in the installation's name.
    pub signer: Option<Arc<SignerPort>>,
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Consent")
    }
}

impl Consent {
    /// Puts the parts together.
    pub fn new(db: Db, env: Env, bus: Bus, sources: Arc<Sources>) -> Self {
        Consent(Arc::new(Inner { db, env, bus, sources, held: Mutex::default(), ports: OnceLock::new() }))
    }

    /// Takes what other modules lend, once all of them have started; the first time counts.
    pub fn connect(&self, ports: Ports) {
        let _ = self.0.ports.set(ports);
    }

    /// What answers the vault: it holds nothing that holds the vault.
    pub(crate) fn weak(&self) -> Weak<Inner> {
        Arc::downgrade(&self.0)
    }

    /// The same by what answers the vault, while there is one.
    pub(crate) fn of(weak: &Weak<Inner>) -> Option<Self> {
        weak.upgrade().map(Consent)
    }

    /// Who a person is for others.
    ///
    /// # Errors
    /// [`ConsentError::NoIdentity`].
    pub(crate) fn names(&self) -> Result<&dyn Pseudonyms> {
        let port = self.0.ports.get().and_then(|p| p.names.as_deref());
        port.map(|p| &*p.0).ok_or(ConsentError::NoIdentity)
    }

    pub(crate) fn proxies(&self) -> Option<&dyn Proxies> {
        self.0.ports.get()?.proxies.as_deref().map(|p| &*p.0)
    }

    pub(crate) fn signer(&self) -> Option<&dyn Signer> {
        self.0.ports.get()?.signer.as_deref().map(|p| &*p.0)
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// The database.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// Clock and random source.
    pub fn env(&self) -> &Env {
        &self.0.env
    }

    /// Who can hand on what.
    pub fn sources(&self) -> &Sources {
        &self.0.sources
    }

    /// Registers whoever receives data; returns the id.
    ///
    /// # Errors
    /// [`ConsentError::Input`]; [`ConsentError::Taken`] when the program or module is registered already.
    pub async fn register_recipient(
        &self,
        proof: &Granted<ManageAgreements>,
        new: NewRecipient,
    ) -> Result<RecipientId> {
        let fields = [("handle", &new.handle), ("name", &new.name), ("address", &new.address)];
        let empty = fields.into_iter().filter(|(_, v)| v.trim().is_empty() || v.chars().count() > 200);
        let faults: Vec<_> = empty.map(|(f, _)| (f, "1 to 200 characters".to_owned())).collect();
        if !faults.is_empty() {
            return Err(ConsentError::Input(faults));
        }
        let id: RecipientId = self.env().id();
        let sector = if new.sector.is_empty() { format!("recipient:{id}") } else { new.sector };
        let row = RecipientRow {
            id,
            kind: new.kind,
            handle: new.handle,
            sector,
            name: new.name,
            address: new.address,
            representative: new.representative,
            push_url: None,
        };
        let mut tx = self.db().begin().await?;
        sql::add_recipient(&mut tx, proof.tenant(), &row, self.env().now()).await.map_err(taken)?;
        tx.commit().await?;
        Ok(id)
    }

    /// Ends a recipient: it receives nothing more.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`].
    pub async fn end_recipient(&self, proof: &Granted<ManageAgreements>, id: RecipientId) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let ended = sql::end_recipient(&mut tx, proof.tenant(), id, self.env().now()).await?;
        tx.commit().await?;
        if ended { Ok(()) } else { Err(ConsentError::NotFound) }
    }

    /// The recipients of a tenant.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn recipients(&self, tenant: Tenant) -> Result<Vec<RecipientRow>> {
        Ok(sql::recipients(&mut self.db().read().await?, tenant).await?)
    }

    /// Makes an agreement with its first revision.
    ///
    /// # Errors
    /// [`ConsentError::Input`] with everything that is wrong; [`ConsentError::Taken`] for the code;
    /// [`ConsentError::NotFound`] for the recipient.
    pub async fn agree(
        &self,
        proof: &Granted<ManageAgreements>,
        code: &str,
        recipient: RecipientId,
        terms: &Terms,
    ) -> Result<AgreementId> {
        let mut faults = self.faults(terms);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        if code.is_empty() || code.len() > 60 || !code.chars().all(plain) {
            faults.insert(0, ("code", "small letters, digits, hyphens and dots, at most 60".to_owned()));
        }
        if !faults.is_empty() {
            return Err(ConsentError::Input(faults));
        }
        let (tenant, id, now): (_, AgreementId, _) = (proof.tenant(), self.env().id(), self.env().now());
        let mut tx = self.db().begin().await?;
        sql::recipient(&mut tx, tenant, recipient).await?.ok_or(ConsentError::NotFound)?;
        sql::add_agreement(&mut tx, tenant, id, code, recipient, now).await.map_err(taken)?;
        chain::append(&mut tx, tenant, "agreement", id.uuid(), 1, terms, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Puts new words into force; returns the number of the revision. Who agreed to less is asked again.
    ///
    /// # Errors
    /// As [`Consent::agree`]; [`ConsentError::Stale`] when `version` is not the one in force.
    pub async fn revise(
        &self,
        proof: &Granted<ManageAgreements>,
        id: AgreementId,
        version: i64,
        terms: &Terms,
    ) -> Result<i64> {
        let faults = self.faults(terms);
        if !faults.is_empty() {
            return Err(ConsentError::Input(faults));
        }
        let (tenant, now) = (proof.tenant(), self.env().now());
        let mut tx = self.db().begin().await?;
        let row = sql::agreement(&mut tx, tenant, id).await?.ok_or(ConsentError::NotFound)?;
        if row.version != version {
            return Err(ConsentError::Stale);
        }
        // Otherwise a no could be turned into a law by new words.
        let before = self.revision(&mut tx, tenant, id, row.number).await?;
        if before.terms.basis != terms.basis || before.terms.data_use != terms.data_use {
            let why = "another basis is another agreement".to_owned();
            return Err(ConsentError::Input(vec![("basis", why)]));
        }
        sql::revise(&mut tx, tenant, &row, now).await?;
        let number = row.number + 1;
        chain::append(&mut tx, tenant, "agreement", id.uuid(), number, terms, now).await?;
        tx.commit().await?;
        Ok(number)
    }

    /// Ends an agreement: nothing leaves under it any more.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`]; [`ConsentError::Stale`].
    pub async fn end_agreement(
        &self,
        proof: &Granted<ManageAgreements>,
        id: AgreementId,
        version: i64,
    ) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let row = sql::agreement(&mut tx, proof.tenant(), id).await?.ok_or(ConsentError::NotFound)?;
        if row.version != version {
            return Err(ConsentError::Stale);
        }
        sql::end_agreement(&mut tx, proof.tenant(), &row, self.env().now()).await?;
        Ok(tx.commit().await?)
    }

    fn faults(&self, terms: &Terms) -> Vec<(&'static str, String)> {
        terms.faults(|code| match terms.data_use {
            DataUse::Using => self.sources().find(code).is_some(),
            DataUse::Source => delivery::item(code).is_some(),
        })
    }

    /// A revision of an agreement.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`].
    pub async fn revision(
        &self,
        tx: &mut Tx,
        tenant: Tenant,
        id: AgreementId,
        number: i64,
    ) -> Result<Arc<Revision>> {
        let key = (tenant, id, number);
        if let Some(r) = self.0.held.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(r));
        }
        let row = sql::revision(tx, tenant, id.uuid(), number).await?.ok_or(ConsentError::NotFound)?;
        let revision = Arc::new(Revision { terms: chain::read(&row)?, hash: hex::encode(&row.hash) });
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= HELD {
            held.clear();
        }
        held.insert(key, Arc::clone(&revision));
        Ok(revision)
    }

    /// An agreement by its code.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`].
    pub async fn agreement_by_code(&self, tx: &mut Tx, tenant: Tenant, code: &str) -> Result<Agreement> {
        let row = sql::agreement_by_code(tx, tenant, code).await?.ok_or(ConsentError::NotFound)?;
        self.whole(tx, tenant, row).await
    }

    /// An agreement.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`].
    pub async fn agreement(&self, tx: &mut Tx, tenant: Tenant, id: AgreementId) -> Result<Agreement> {
        let row = sql::agreement(tx, tenant, id).await?.ok_or(ConsentError::NotFound)?;
        self.whole(tx, tenant, row).await
    }

    /// The agreements of a tenant.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn agreements(&self, tenant: Tenant) -> Result<Vec<Agreement>> {
        let mut tx = self.db().read().await?;
        let mut out = Vec::new();
        for row in sql::agreements(&mut tx, tenant).await? {
            out.push(self.whole(&mut tx, tenant, row).await?);
        }
        Ok(out)
    }

    async fn whole(&self, tx: &mut Tx, tenant: Tenant, row: AgreementRow) -> Result<Agreement> {
        let now = self.revision(tx, tenant, row.id, row.number).await?;
        let recipient = sql::recipient(tx, tenant, row.recipient).await?.ok_or(ConsentError::NotFound)?;
        Ok(Agreement { tenant, row, now, recipient })
    }

    /// The recipient asks a person; the question waits on the person's page. Asking again changes nothing.
    ///
    /// # Errors
    /// [`ConsentError::NotNow`] when the agreement is over or needs nobody's consent; [`ConsentError::TooSoon`] after a
    /// no.
    pub async fn ask(&self, agreement: &Agreement, subject: SubjectId) -> Result<RecordId> {
        let terms = &agreement.now.terms;
        if agreement.row.ended_at.is_some() || terms.basis != LawfulBasis::Consent {
            return Err(ConsentError::NotNow);
        }
        let mut tx = self.db().begin().await?;
        let record = sql::record_of(&mut tx, agreement.tenant, subject, agreement.row.id).await?;
        let mut covers = false;
        if let Some(r) = &record {
            if let Some(from) = ask_again_from(&r.standing(), r.changed_at)
                && self.env().now() < from
            {
                return Err(ConsentError::TooSoon(from));
            }
            let answered = self.revision(&mut tx, agreement.tenant, r.agreement, r.standing().number).await?;
            covers = terms.asks_no_more_than(&answered.terms);
        }
        let step = self.answered(agreement, Step::Draft, BTreeSet::new(), None, By::Recipient);
        match self.step(&mut tx, agreement, subject, record.as_ref(), step, covers).await {
            Ok(id) => {
                tx.commit().await?;
                Ok(id)
            }
            Err(ConsentError::NotNow) => record.map(|r| r.id).ok_or(ConsentError::NotNow),
            Err(e) => Err(e),
        }
    }

    /// A person answers.
    ///
    /// # Errors
    /// [`ConsentError::Stale`] when the words were changed since they were shown; [`ConsentError::Input`] for a yes
    /// that leaves out what is required, or names what was not asked; [`ConsentError::NotNow`].
    pub async fn answer(
        &self,
        tenant: Tenant,
        agreement: AgreementId,
        subject: SubjectId,
        reply: Reply,
    ) -> Result<RecordId> {
        let mut tx = self.db().begin().await?;
        let agreement = self.agreement(&mut tx, tenant, agreement).await?;
        let terms = &agreement.now.terms;
        let yes = matches!(reply.step, Step::Grant | Step::Renew);
        if yes {
            if agreement.row.ended_at.is_some() || terms.basis != LawfulBasis::Consent {
                return Err(ConsentError::NotNow);
            }
            if reply.shown != agreement.row.number {
                return Err(ConsentError::Stale);
            }
            let asked: BTreeSet<&str> = terms.codes().collect();
            let missing = terms.items.iter().any(|i| i.required && !reply.items.contains(&i.code));
            if missing || reply.items.is_empty() || !reply.items.iter().all(|i| asked.contains(i.as_str())) {
                let why = "tick at least one, and all that are marked as needed".to_owned();
                return Err(ConsentError::Input(vec![("items", why)]));
            }
        }
        let record = sql::record_of(&mut tx, tenant, subject, agreement.row.id).await?;
        let days = Duration::from_secs(u64::from(terms.valid_days) * 86_400);
        let until = yes.then(|| self.env().now().plus(days));
        let items = if yes { reply.items } else { BTreeSet::new() };
        let mut step = self.answered(&agreement, reply.step, items, until, reply.by);
        step.acr = reply.assurance.acr().unwrap_or_default().to_owned();
        step.locale = reply.locale.to_owned();
        let id = self.step(&mut tx, &agreement, subject, record.as_ref(), step, true).await?;
        tx.commit().await?;
        Ok(id)
    }

    pub(crate) fn answered(
        &self,
        agreement: &Agreement,
        step: Step,
        items: BTreeSet<String>,
        until: Option<Timestamp>,
        by: By,
    ) -> Answered {
        Answered {
            step,
            number: agreement.row.number,
            revision: agreement.now.hash.clone(),
            items,
            until,
            by,
            acr: String::new(),
            locale: String::new(),
        }
    }

    /// Writes one step: the record, its revision, what the recipient must be told, the event.
    pub(crate) async fn step(
        &self,
        tx: &mut Tx,
        agreement: &Agreement,
        subject: SubjectId,
        old: Option<&RecordRow>,
        step: Answered,
        covers: bool,
    ) -> Result<RecordId> {
        let (tenant, now) = (agreement.tenant, self.env().now());
        let standing = old.map(RecordRow::standing);
        let next = Standing::after(standing.as_ref(), &step, covers).ok_or(ConsentError::NotNow)?;
        let (id, number) = match old {
            None => {
                let id: RecordId = self.env().id();
                sql::add_record(tx, tenant, id, subject, agreement.row.id, &next, now)
                    .await
                    .map_err(stale)?;
                (id, 1)
            }
            Some(r) => {
                sql::set_record(tx, tenant, r, &next, now).await?;
                (r.id, r.steps + 1)
            }
        };
        chain::append(tx, tenant, "record", id.uuid(), number, &step, now).await?;
        if let Some(what) = What::of(step.step) {
            self.tell(tx, tenant, &agreement.recipient, id, what).await?;
        }
        let (code, state) = (agreement.row.code.clone(), next.state.code().to_owned());
        let event = ConsentChanged { consent: id, agreement: code, state };
        self.0.bus.publish(tx, tenant, &event).await?;
        Ok(id)
    }

    /// Everything a person was asked by these tenants, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn answers(&self, tenants: &[Tenant], subject: SubjectId) -> Result<Vec<Answer>> {
        let mut tx = self.db().read().await?;
        let mut out = Vec::new();
        for tenant in tenants {
            for record in sql::records_of(&mut tx, *tenant, subject).await? {
                out.push(self.with_agreement(&mut tx, *tenant, record).await?);
            }
        }
        out.sort_by_key(|a: &Answer| {
            (a.record.standing().state != State::Asked, std::cmp::Reverse(a.record.changed_at))
        });
        Ok(out)
    }

    /// One of a person's answers.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`] when it is not theirs.
    pub async fn answer_of(&self, tenant: Tenant, subject: SubjectId, id: RecordId) -> Result<Answer> {
        let mut tx = self.db().read().await?;
        let record = sql::record(&mut tx, tenant, id).await?.filter(|r| r.subject == subject);
        self.with_agreement(&mut tx, tenant, record.ok_or(ConsentError::NotFound)?).await
    }

    async fn with_agreement(&self, tx: &mut Tx, tenant: Tenant, record: RecordRow) -> Result<Answer> {
        let agreement = self.agreement(tx, tenant, record.agreement).await?;
        let untold = sql::untold(tx, tenant, record.id).await? > 0;
        Ok(Answer { agreement, record, untold })
    }

    /// The steps of one of a person's answers, oldest first, and whether the chain holds.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`] when it is not theirs.
    pub async fn steps(
        &self,
        tenant: Tenant,
        subject: SubjectId,
        id: RecordId,
    ) -> Result<(Vec<(Timestamp, Answered)>, std::result::Result<(), chain::Broken>)> {
        let mut tx = self.db().read().await?;
        let record = sql::record(&mut tx, tenant, id).await?.filter(|r| r.subject == subject);
        let record = record.ok_or(ConsentError::NotFound)?;
        let rows = sql::revisions(&mut tx, tenant, id.uuid()).await?;
        let holds = chain::verify(&rows, record.steps);
        let steps = rows.iter().map(|r| Ok((r.at, chain::read(r)?))).collect::<Result<_>>()?;
        Ok((steps, holds))
    }

    /// Checks the chain of an agreement: whether its revisions are as they were written.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`].
    pub async fn verify_agreement(
        &self,
        tenant: Tenant,
        id: AgreementId,
    ) -> Result<std::result::Result<(), chain::Broken>> {
        let mut tx = self.db().read().await?;
        let row = sql::agreement(&mut tx, tenant, id).await?.ok_or(ConsentError::NotFound)?;
        Ok(chain::verify(&sql::revisions(&mut tx, tenant, id.uuid()).await?, row.number))
    }
}

pub(crate) fn taken(e: kenroku_store::Error) -> ConsentError {
    match e {
        kenroku_store::Error::Unique(_) => ConsentError::Taken,
        other => other.into(),
    }
}

/// Two answers at once: the second finds the first one's row.
pub(crate) fn stale(e: kenroku_store::Error) -> ConsentError {
    match e {
        kenroku_store::Error::Unique(_) => ConsentError::Stale,
        other => other.into(),
    }
}
