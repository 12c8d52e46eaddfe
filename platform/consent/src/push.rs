//! Telling recipients: what changed waits until they acknowledge it. Who has a server for it is told at once, by a
//! Security Event Token (RFC 8417) pushed as RFC 8935 has it, signed with the keys of `/oidc/jwks`; a job tries again
//! with longer and longer waits. Others fetch their notices. That a server took a notice is not yet that the recipient
//! stopped using the data: that it acknowledges through the API.

use kenroku_access::Granted;
use kenroku_bus::{Done, Enqueue, Failed, Job, Running, Work};
use kenroku_http::App;
use kenroku_outbound::Outbound;
use kenroku_store::Tx;
use kenroku_types::{Tenant, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Consent;
use crate::error::{ConsentError, Result};
use crate::model::{NoticeId, RecipientId, RecordId, What};
use crate::module::ManageAgreements;
use crate::sql::{self, NoticeRow, RecipientRow};

/// The `typ` of the token (RFC 8417 §2.3).
pub const TYPE: &str = "secevent+jwt";
/// Its media type (RFC 8935 §2).
pub const MEDIA: &str = "application/secevent+jwt";
/// The event in it: somebody's consent changed.
pub const EVENT: &str = "urn:ishikawa:consent:changed";

/// Pushes one notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushNotice {
    /// Which, in the job's tenant.
    pub notice: NoticeId,
}

impl Job for PushNotice {
    const KIND: &'static str = "consent.push-notice";
}

/// The claims of the token. It names the record, and nobody: the recipient knows the record by its id.
pub fn claims(issuer: &str, to: &RecipientRow, n: &NoticeRow, agreement: &str, now: Timestamp) -> Value {
    json!({
        "iss": issuer,
        "aud": to.handle,
        "jti": n.id,
        "iat": now.micros().div_euclid(1_000_000),
        "toe": n.created_at.micros().div_euclid(1_000_000),
        "sub_id": { "format": "opaque", "id": n.record },
        "events": { EVENT: { "notice": n.id, "record": n.record, "agreement": agreement, "step": n.step.code() } },
    })
}

impl Consent {
    /// A recipient has to be told that a record changed.
    pub(crate) async fn tell(
        &self,
        tx: &mut Tx,
        tenant: Tenant,
        to: &RecipientRow,
        record: RecordId,
        step: What,
    ) -> Result<NoticeId> {
        let notice: NoticeId = self.env().id();
        sql::add_notice(tx, tenant, notice, to.id, record, step, self.env().now()).await?;
        if to.push_url.is_some() {
            self.bus().enqueue(tx, tenant, &PushNotice { notice }, Enqueue::now()).await?;
        }
        Ok(notice)
    }

    /// What a recipient has to be told and has not acknowledged.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn notices(&self, tenant: Tenant, to: RecipientId, limit: u32) -> Result<Vec<NoticeRow>> {
        Ok(sql::notices(&mut self.db().read().await?, tenant, to, limit).await?)
    }

    /// Everything of a tenant that no recipient has acknowledged, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open_notices(&self, tenant: Tenant, limit: u32) -> Result<Vec<NoticeRow>> {
        Ok(sql::open_notices(&mut self.db().read().await?, tenant, limit).await?)
    }

    /// A recipient acknowledges a notice. Doing it again changes nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn acknowledge(&self, tenant: Tenant, by: RecipientId, id: NoticeId) -> Result<bool> {
        let mut tx = self.db().begin().await?;
        let done = sql::acknowledge(&mut tx, tenant, by, id, self.env().now()).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Where a recipient wants to be told; none: it fetches its notices.
    ///
    /// # Errors
    /// [`ConsentError::Input`] for what is no address that personal matters may go to; [`ConsentError::NotFound`].
    pub async fn push_to(
        &self,
        proof: &Granted<ManageAgreements>,
        id: RecipientId,
        url: Option<&str>,
    ) -> Result<()> {
        if url.is_some_and(|u| kenroku_outbound::check(u).is_err()) {
            return Err(ConsentError::Input(vec![("push_url", "an https address".to_owned())]));
        }
        let mut tx = self.db().begin().await?;
        let known = sql::push_to(&mut tx, proof.tenant(), id, url.map(str::to_owned)).await?;
        tx.commit().await?;
        if known { Ok(()) } else { Err(ConsentError::NotFound) }
    }

    /// Pushes a notice once more, now.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`] when there is none that waits for a recipient with a server.
    pub async fn push_again(&self, proof: &Granted<ManageAgreements>, id: NoticeId) -> Result<()> {
        let tenant = proof.tenant();
        let mut tx = self.db().begin().await?;
        let n = sql::notice(&mut tx, tenant, id).await?.filter(|n| n.acknowledged_at.is_none());
        let n = n.ok_or(ConsentError::NotFound)?;
        let to = sql::recipient(&mut tx, tenant, n.recipient).await?.ok_or(ConsentError::NotFound)?;
        if to.push_url.is_none() {
            return Err(ConsentError::NotFound);
        }
        self.bus().enqueue(&mut tx, tenant, &PushNotice { notice: id }, Enqueue::now().urgent()).await?;
        Ok(tx.commit().await?)
    }

    /// The signed token and where it goes; `None` when there is nothing (any more) to push.
    async fn pushed(&self, tenant: Tenant, id: NoticeId) -> Result<Option<(String, String)>> {
        let mut tx = self.db().read().await?;
        let waiting = sql::notice(&mut tx, tenant, id).await?.filter(|n| n.acknowledged_at.is_none());
        let Some(n) = waiting else { return Ok(None) };
        let Some(to) = sql::recipient(&mut tx, tenant, n.recipient).await? else { return Ok(None) };
        let Some(url) = to.push_url.clone() else { return Ok(None) };
        let record = sql::record(&mut tx, tenant, n.record).await?.ok_or(ConsentError::NotFound)?;
        let code = self.agreement(&mut tx, tenant, record.agreement).await?.row.code;
        drop(tx);
        let signer = self.signer().ok_or(ConsentError::NoIdentity)?;
        let body = claims(&signer.issuer(), &to, &n, &code, self.env().now());
        Ok(Some((url, signer.sign(TYPE, &body).await?)))
    }
}

/// Pushes notices out.
#[derive(Clone, Debug)]
pub(crate) struct Pusher {
    app: App,
    out: Outbound,
}

impl Pusher {
    pub(crate) fn new(app: App) -> std::result::Result<Self, kenroku_outbound::OutboundError> {
        Ok(Pusher { app, out: Outbound::new()? })
    }
}

impl Work<PushNotice> for Pusher {
    async fn work(&self, run: &Running, job: PushNotice) -> std::result::Result<Done, Failed> {
        let consent = self.app.get::<Consent>().map_err(|e| Failed::never(e.0))?;
        let Some((url, token)) = consent.pushed(run.tenant(), job.notice).await.map_err(Failed::again)?
        else {
            return run.finish(run.begin().await?).await;
        };
        // RFC 8935 §2.2: 202 says that it was taken.
        let media = [("content-type".to_owned(), MEDIA.to_owned())];
        match self.out.post_text(&url, &media, token).await {
            Ok(200..=299) => {
                let mut tx = run.begin().await?;
                sql::delivered(&mut tx, run.tenant(), job.notice, consent.env().now()).await?;
                run.finish(tx).await
            }
            Ok(status) => Err(Failed::again(format!("the recipient answered {status}"))),
            Err(e) => Err(Failed::again(e.to_string())),
        }
    }
}
