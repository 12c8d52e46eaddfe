//! One-time share codes (一時的共有コード): somebody without a phone at hand, or in a hurry, reads eight characters to
//! the person at the counter; the recipient's program receives the chosen items once.

use std::collections::BTreeSet;
use std::time::Duration;

use kenroku_access::Granted;
use kenroku_contracts::personal::Pseudonyms;
use kenroku_store::{Sql, Tx, params, row, sql};
use kenroku_types::ids::{RequestId, SubjectId};
use kenroku_types::{Tenant, Timestamp, id_kind};
use kenroku_vault::ConsentId;
use ring::digest::{SHA256, digest};

use crate::broker::{Ground, Obtained};
use crate::consent::Agreement;
use crate::error::{ConsentError, Result};
use crate::model::{AgreementId, DataUse, LawfulBasis, Why};
use crate::module::Obtain;
use crate::sql::{self, RecipientRow};
use crate::{Consent, model};

id_kind! {
    /// A share code.
    Code => CodeId;
}

/// How long a code waits to be typed.
pub const LIFE: Duration = Duration::from_secs(10 * 60);
/// Characters that cannot be taken for one another.
const LETTERS: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Length of a code: 30^8, for ten minutes, behind a rate limit.
const LENGTH: usize = 8;

/// A code that was made, for the person's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRow {
    /// Which; also the basis that the access log names.
    pub id: CodeId,
    /// Whose.
    pub subject: SubjectId,
    /// For which agreement.
    pub agreement: AgreementId,
    number: i64,
    items: String,
    /// Until when it can be used.
    pub until: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}
row!(CodeRow { id, subject, agreement, number, items, until, used_at });

const ADD: &Sql = sql!(
    "insert into consent_code (tenant, id, hash, subject, agreement, number, items, created_at, until)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
);
const BY_HASH: &Sql = sql!(
    "select id, subject, agreement, number, items, until, used_at from consent_code
     where tenant = $1 and hash = $2"
);
const USE: &Sql = sql!(
    "update consent_code set used_at = $3 where tenant = $1 and id = $2 and used_at is null and until > $4"
);
const OF: &Sql = sql!(
    "select id, subject, agreement, number, items, until, used_at from consent_code
     where tenant = $1 and subject = $2 order by created_at desc, id desc limit 200"
);
const PURGE: &Sql = sql!("delete from consent_code where tenant = $1 and created_at < $2");

fn hash(code: &str) -> Vec<u8> {
    let plain: String =
        code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    digest(&SHA256, &[b"consent-code", plain.as_bytes()].concat()).as_ref().to_vec()
}

impl Consent {
    /// Makes a code that hands these items to the agreement's recipient, once, within [`LIFE`]. Returned in two groups
    /// of four.
    ///
    /// # Errors
    /// [`ConsentError::Input`] for items that are not the agreement's, or leave out what is required;
    /// [`ConsentError::NotNow`] when the agreement is over.
    pub async fn share_once(
        &self,
        agreement: &Agreement,
        subject: SubjectId,
        items: &BTreeSet<String>,
    ) -> Result<String> {
        let terms = &agreement.now.terms;
        let handed = terms.basis == LawfulBasis::Consent && terms.data_use == DataUse::Using;
        if agreement.row.ended_at.is_some() || !handed {
            return Err(ConsentError::NotNow);
        }
        let asked: BTreeSet<&str> = terms.codes().collect();
        let missing = terms.items.iter().any(|i| i.required && !items.contains(&i.code));
        if missing || items.is_empty() || !items.iter().all(|i| asked.contains(i.as_str())) {
            let why = "tick at least one, and all that are marked as needed".to_owned();
            return Err(ConsentError::Input(vec![("items", why)]));
        }
        let rng = &self.env().rng;
        let code: String =
            (0..LENGTH).map(|_| char::from(LETTERS[rng.below(LETTERS.len() as u64) as usize])).collect();
        let (id, now): (CodeId, _) = (self.env().id(), self.env().now());
        let codes = items.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let (t, row) = (agreement.tenant, &agreement.row);
        let mut tx = self.db().begin().await?;
        let values = params![t, id, hash(&code), subject, row.id, row.number, codes, now, now.plus(LIFE)];
        tx.execute(ADD, values).await?;
        tx.commit().await?;
        Ok(format!("{}-{}", &code[..4], &code[4..]))
    }

    /// A recipient uses a code: it receives what the person chose, once.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`] for a code that is unknown, used, too old or another recipient's: it is not told
    /// which.
    pub async fn redeem(
        &self,
        names: &dyn Pseudonyms,
        proof: &Granted<Obtain>,
        party: &RecipientRow,
        code: &str,
        request: Option<RequestId>,
    ) -> Result<(SubjectId, Obtained)> {
        let (tenant, now) = (proof.tenant(), self.env().now());
        let mut tx = self.db().begin().await?;
        let found: Option<CodeRow> = tx.opt(BY_HASH, params![tenant, hash(code)]).await?;
        let row = found.ok_or(ConsentError::NotFound)?;
        let agreement = self.agreement(&mut tx, tenant, row.agreement).await?;
        if agreement.recipient.id != party.id || agreement.row.ended_at.is_some() {
            return Err(ConsentError::NotFound);
        }
        if agreement.row.number != row.number {
            return Err(ConsentError::Refused(Why::Outdated.code()));
        }
        if tx.execute(USE, params![tenant, row.id, now, now]).await? == 0 {
            return Err(ConsentError::NotFound);
        }
        // The code is spent before anything is opened: two who type it at once do not both receive.
        tx.commit().await?;
        let items: Vec<String> = row.items.split_whitespace().map(str::to_owned).collect();
        let consent = ConsentId::from_uuid(row.id.uuid());
        let ground = Ground::consent(consent);
        let facts = self.read(names, proof, row.subject, ground, &items, request).await?;
        let mut tx = self.db().begin().await?;
        let left: Vec<String> = facts.iter().map(|f| f.code.to_owned()).collect();
        if !left.is_empty() {
            let id: model::ProvisionId = self.env().id();
            let under = (&agreement.row, consent, row.subject);
            sql::add_provision(&mut tx, tenant, id, self.env().now(), party.id, under, &left).await?;
        }
        tx.commit().await?;
        let theirs = names.translate(crate::broker::SECTOR, row.subject, &party.sector).await?;
        let obtained = Obtained { consent, number: row.number, facts, refused: Vec::new() };
        Ok((theirs.ok_or(ConsentError::NotFound)?, obtained))
    }

    /// The codes that a person made in these tenants, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn codes(&self, tenants: &[Tenant], subject: SubjectId) -> Result<Vec<(CodeRow, Agreement)>> {
        let mut tx = self.db().read().await?;
        let mut out = Vec::new();
        for tenant in tenants {
            let rows: Vec<CodeRow> = tx.all(OF, params![*tenant, subject]).await?;
            for row in rows {
                let agreement = self.agreement(&mut tx, *tenant, row.agreement).await?;
                out.push((row, agreement));
            }
        }
        Ok(out)
    }
}

const OPENS: &Sql =
    sql!("select items from consent_code where tenant = $1 and id = $2 and subject = $3 and used_at >= $4");

/// What a code that was just used lets out.
pub(crate) async fn opens(
    tx: &mut Tx,
    t: Tenant,
    id: CodeId,
    subject: SubjectId,
    since: Timestamp,
) -> kenroku_store::Result<Vec<String>> {
    let found: Option<(String,)> = tx.opt(OPENS, params![t, id, subject, since]).await?;
    Ok(found.map(|(items,)| items.split_whitespace().map(str::to_owned).collect()).unwrap_or_default())
}

/// Removes codes from before a moment, used or not.
pub(crate) async fn purge(tx: &mut Tx, tenant: Tenant, before: Timestamp) -> kenroku_store::Result<u64> {
    tx.execute(PURGE, params![tenant, before]).await
}
