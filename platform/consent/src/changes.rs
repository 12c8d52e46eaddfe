//! Subscriptions: a recipient is told that something changed which people let it see. The notice carries no data and
//! names nobody but the consent: the recipient reads again, and the broker decides again.

use kenroku_access::Granted;
use kenroku_bus::{Done, Enqueue, Failed, Handle, Job, Received, Running, Work};
use kenroku_contracts::personal::FactsChanged;
use kenroku_http::App;
use kenroku_store::{Sql, Tx, params, row, sql};
use kenroku_types::{Tenant, Timestamp, id_kind};
use serde::{Deserialize, Serialize};

use crate::Consent;
use crate::broker::SECTOR;
use crate::error::{ConsentError, Result};
use crate::model::{AgreementId, DataUse, LawfulBasis, RecipientId, What};
use crate::module::{Obtain, tenants};
use crate::sql::RecipientRow;

id_kind! {
    /// A subscription.
    Subscription => SubscriptionId;
}

/// A subscription in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// Which.
    pub id: SubscriptionId,
    /// Whose.
    pub recipient: RecipientId,
    /// To changes under which agreement.
    pub agreement: AgreementId,
    /// Since when.
    pub created_at: Timestamp,
}
row!(SubscriptionRow { id, recipient, agreement, created_at });

const ADD: &Sql = sql!(
    "insert into consent_subscription (tenant, id, recipient, agreement, created_at) values ($1, $2, $3, $4, $5)"
);
const ALL: &Sql = sql!(
    "select id, recipient, agreement, created_at from consent_subscription
     where tenant = $1 and ended_at is null order by created_at, id"
);
const END: &Sql = sql!(
    "update consent_subscription set ended_at = $4
     where tenant = $1 and id = $2 and recipient = $3 and ended_at is null"
);
const WAITING: &Sql = sql!(
    "select count(*) from consent_notice
     where tenant = $1 and record = $2 and step = 'changed' and acknowledged_at is null"
);

/// Tells everybody who subscribed that something about a person changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TellChanges {
    changed: FactsChanged,
}

impl Job for TellChanges {
    const KIND: &'static str = "consent.tell-changes";
}

impl Consent {
    /// Subscribes a recipient to changes under one of its agreements. Doing it again gives the same subscription.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`] for an agreement that is not its own, is for delivering, or needs no consent.
    pub async fn subscribe(
        &self,
        proof: &Granted<Obtain>,
        party: &RecipientRow,
        agreement: &str,
    ) -> Result<SubscriptionRow> {
        let tenant = proof.tenant();
        let mut tx = self.db().begin().await?;
        let a = self.theirs_for(&mut tx, tenant, party, agreement, DataUse::Using).await?;
        if a.now.terms.basis != LawfulBasis::Consent || a.row.ended_at.is_some() {
            return Err(ConsentError::NotFound);
        }
        let all: Vec<SubscriptionRow> = tx.all(ALL, params![tenant]).await?;
        if let Some(same) = all.into_iter().find(|s| s.agreement == a.row.id) {
            return Ok(same);
        }
        let (id, created_at) = (self.env().id(), self.env().now());
        let row = SubscriptionRow { id, recipient: party.id, agreement: a.row.id, created_at };
        tx.execute(ADD, params![tenant, row.id, row.recipient, row.agreement, created_at]).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// A recipient's subscriptions, each with its agreement's code.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn subscriptions(
        &self,
        tenant: Tenant,
        party: RecipientId,
    ) -> Result<Vec<(SubscriptionRow, String)>> {
        let mut tx = self.db().read().await?;
        let all: Vec<SubscriptionRow> = tx.all(ALL, params![tenant]).await?;
        let mut out = Vec::new();
        for s in all.into_iter().filter(|s| s.recipient == party) {
            let code = self.agreement(&mut tx, tenant, s.agreement).await?.row.code;
            out.push((s, code));
        }
        Ok(out)
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`] when it is not the recipient's.
    pub async fn unsubscribe(&self, tenant: Tenant, party: RecipientId, id: SubscriptionId) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let ended = tx.execute(END, params![tenant, id, party, self.env().now()]).await?;
        tx.commit().await?;
        if ended > 0 { Ok(()) } else { Err(ConsentError::NotFound) }
    }

    /// Tells the subscribers of one tenant who may see one of the changed items now; returns how many. A subscriber that
    /// has not acknowledged the last such notice of a person is not told twice.
    ///
    /// # Errors
    /// When the store or the pseudonyms fail.
    pub async fn tell_changes(&self, tenant: Tenant, c: &FactsChanged) -> Result<usize> {
        let all: Vec<SubscriptionRow> = self.db().read().await?.all(ALL, params![tenant]).await?;
        if all.is_empty() {
            return Ok(0);
        }
        let Some(me) = self.names()?.translate(&c.module, c.subject, SECTOR).await? else { return Ok(0) };
        let mut told = 0;
        for s in all {
            let mut tx = self.db().begin().await?;
            let a = self.agreement(&mut tx, tenant, s.agreement).await?;
            let (decision, ground) = self.decide(&mut tx, &a, me, &c.items).await?;
            let Some(record) = ground.filter(|_| !decision.allowed.is_empty()) else { continue };
            let (waiting,): (i64,) = tx.one(WAITING, params![tenant, record.id]).await?;
            if waiting == 0 {
                self.tell(&mut tx, tenant, &a.recipient, record.id, What::Changed).await?;
                told += 1;
            }
            tx.commit().await?;
        }
        Ok(told)
    }
}

/// Hears of changes. Finding out whom they concern may write pseudonyms, so that a job does it, outside of the
/// consumer's transaction.
#[derive(Clone, Debug)]
pub(crate) struct Listening(pub(crate) App);

impl Handle<FactsChanged> for Listening {
    async fn handle(&self, tx: &mut Tx, e: Received<FactsChanged>) -> std::result::Result<(), Failed> {
        let job = TellChanges { changed: e.event };
        let once = Enqueue::now().unique(e.id.to_string());
        Ok(self.0.bus().enqueue(tx, e.tenant, &job, once).await.map(drop)?)
    }
}

impl Work<TellChanges> for Listening {
    async fn work(&self, run: &Running, job: TellChanges) -> std::result::Result<Done, Failed> {
        let consent = self.0.get::<Consent>().map_err(|e| Failed::never(e.0))?;
        for tenant in tenants(self.0.access()) {
            consent.tell_changes(tenant, &job.changed).await.map_err(Failed::again)?;
        }
        run.finish(run.begin().await?).await
    }
}
