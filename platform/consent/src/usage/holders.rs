//! Recipients whose own log is asked: registered by the data officer, with how the last heartbeat went.

use kenroku_access::Granted;
use kenroku_outbound::Outbound;
use kenroku_store::{Sql, Tx, coded, params, row, sql};
use kenroku_types::{Tenant, Timestamp};
use kenroku_vault::Vault;

use super::protocol::plain;
use crate::Consent;
use crate::error::{ConsentError, Result};
use crate::model::RecipientId;
use crate::module::ManageAgreements;

/// For what the key of a holder is sealed.
pub(super) const KEY: &str = "consent.usage-key";

coded! {
    /// How the last heartbeat went.
    Beat {
        /// Nobody asked yet.
        Never = "never",
        /// It answers.
        Ok = "ok",
        /// It answers that it cannot.
        Fail = "fail",
        /// It does not answer, or with something else.
        Silent = "silent",
    }
}

/// A recipient whose own log is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Which recipient.
    pub recipient: RecipientId,
    /// Its name.
    pub name: String,
    /// Under which pseudonyms it knows people.
    pub sector: String,
    /// Where it is asked; `/v2/findUsage` follows.
    pub url: String,
    /// How it is asked, sealed.
    pub key: Vec<u8>,
    /// From when on it has rows.
    pub since: Timestamp,
    /// How the last heartbeat went.
    pub status: Beat,
    /// What it said about that.
    pub message: String,
    /// When it was last asked for a heartbeat.
    pub asked_at: Option<Timestamp>,
    /// When it last answered one well.
    pub answered_at: Option<Timestamp>,
}
row!(Holder { recipient, name, sector, url, key, since, status, message, asked_at, answered_at });

/// A holder to be registered.
#[derive(Clone, Debug)]
pub struct NewHolder {
    /// Which recipient.
    pub recipient: RecipientId,
    /// Where it is asked, without `/v2/…`.
    pub url: String,
    /// What it knows us by.
    pub key: String,
    /// From when on it has rows.
    pub since: Timestamp,
}

const SET: &Sql = sql!(
    "insert into consent_usage_holder (tenant, recipient, url, key, since, status, message, changed_at)
     values ($1, $2, $3, $4, $5, 'never', '', $6)
     on conflict (tenant, recipient) do update set url = excluded.url, key = excluded.key, since = excluded.since,
       status = excluded.status, message = excluded.message, asked_at = null, answered_at = null,
       changed_at = excluded.changed_at, ended_at = null"
);
const END: &Sql = sql!(
    "update consent_usage_holder set ended_at = $3 where tenant = $1 and recipient = $2 and ended_at is null"
);
const LIST: &Sql = sql!(
    "select h.recipient, r.name, r.sector, h.url, h.key, h.since, h.status, h.message, h.asked_at, h.answered_at
     from consent_usage_holder h join consent_recipient r on r.tenant = h.tenant and r.id = h.recipient
     where h.tenant = $1 and h.ended_at is null and r.ended_at is null order by r.name, h.recipient"
);
const BEAT: &Sql = sql!(
    "update consent_usage_holder set status = $3, message = $4, asked_at = $5
     where tenant = $1 and recipient = $2 and ended_at is null"
);
const ANSWERED: &Sql = sql!(
    "update consent_usage_holder set answered_at = $3 where tenant = $1 and recipient = $2 and ended_at is null"
);

pub(crate) async fn list(tx: &mut Tx, t: Tenant) -> kenroku_store::Result<Vec<Holder>> {
    tx.all(LIST, params![t]).await
}

pub(crate) async fn beat(
    tx: &mut Tx,
    t: Tenant,
    of: RecipientId,
    (status, message): (Beat, &str),
    now: Timestamp,
) -> kenroku_store::Result<()> {
    tx.execute(BEAT, params![t, of, status, plain(message), now]).await?;
    if status == Beat::Ok {
        tx.execute(ANSWERED, params![t, of, now]).await?;
    }
    Ok(())
}

impl Consent {
    /// The recipients of a tenant whose own log is asked.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn usage_holders(&self, tenant: Tenant) -> Result<Vec<Holder>> {
        Ok(list(&mut self.db().read().await?, tenant).await?)
    }

    /// Registers where a recipient's own log is asked; doing it again changes it.
    ///
    /// # Errors
    /// [`ConsentError::Input`] for an address that is not asked, an empty key or a beginning in the future;
    /// [`ConsentError::NotFound`] for the recipient.
    pub async fn link_usage(
        &self,
        vault: &Vault,
        proof: &Granted<ManageAgreements>,
        new: NewHolder,
    ) -> Result<()> {
        let (tenant, now) = (proof.tenant(), self.env().now());
        let url = new.url.trim().trim_end_matches('/').to_owned();
        let mut faults = Vec::new();
        if url.len() > LONGEST_URL || url.contains(['?', '#']) || Outbound::check(&url).is_err() {
            faults.push(("url", "an https address without a query".to_owned()));
        }
        if new.key.trim().is_empty()
            || new.key.len() > LONGEST_URL
            || !new.key.trim().bytes().all(|b| b.is_ascii_graphic())
        {
            faults.push(("key", "the key that it gave you, in one word".to_owned()));
        }
        if new.since > now {
            faults.push(("since", "a day that has come".to_owned()));
        }
        if !faults.is_empty() {
            return Err(ConsentError::Input(faults));
        }
        self.recipient(tenant, new.recipient).await?;
        let id = new.recipient.to_string();
        let key = vault.seal_secret(tenant, KEY, &id, new.key.trim().as_bytes()).await?;
        let mut tx = self.db().begin().await?;
        tx.execute(SET, params![tenant, new.recipient, url, key, new.since, now]).await?;
        Ok(tx.commit().await?)
    }

    /// Asks it no more.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`].
    pub async fn unlink_usage(&self, proof: &Granted<ManageAgreements>, of: RecipientId) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let n = tx.execute(END, params![proof.tenant(), of, self.env().now()]).await?;
        tx.commit().await?;
        if n > 0 { Ok(()) } else { Err(ConsentError::NotFound) }
    }
}

/// Bytes of an address or a key at most.
const LONGEST_URL: usize = 400;
