//! Two registrations that look like one person: an operator looks at both and decides.

use kenroku_access::Granted;
use kenroku_store::{Sql, params, row, sql};
use kenroku_types::ids::RequestId;
use kenroku_types::{Tenant, Timestamp};
use kenroku_vault::{Disclosure, Field};

use crate::error::{IdentityError, Result};
use crate::model::{PersonId, ReviewId, coded};
use crate::module::REVIEW;
use crate::person::{ADDRESS, BIRTH, NAME, Opened, SEX};
use crate::{Identity, ReviewPeople, session};

const T: Tenant = Tenant::SHARED;
/// Reviews on one page, oldest first.
const PAGE: i64 = 20;

coded! {
    /// What the operator found.
    Decision {
        /// One person: what the newcomer signs in with goes to the known one, who proves themselves again.
        Same = "same",
        /// Two people: the newcomer may sign in.
        Different = "different",
    }
}

/// An open question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewRow {
    /// Which.
    pub id: ReviewId,
    /// Who came.
    pub newcomer: PersonId,
    /// Whom they look like.
    pub known: PersonId,
    /// Why it was asked: `looks-alike`, `claims`.
    pub why: String,
    /// Since when.
    pub created_at: Timestamp,
    /// For optimistic changes.
    pub version: i64,
}
row!(ReviewRow { id, newcomer, known, why, created_at, version });

const OPEN: &Sql = sql!(
    "select id, newcomer, known, why, created_at, version from identity_review
     where tenant = $1 and decided_at is null order by created_at, id limit $2"
);
const DECIDE: &Sql = sql!(
    "update identity_review set decided_at = $4, decision = $5, decided_by = $6, version = version + 1
     where tenant = $1 and id = $2 and version = $3 and decided_at is null
     returning id, newcomer, known, why, created_at, version"
);
const ADMIT: &Sql = sql!(
    "update identity_person set state = 'active', version = version + 1, changed_at = $3
     where tenant = $1 and id = $2 and state = 'review'"
);
const CLOSE: &Sql = sql!(
    "update identity_person set state = 'closed', version = version + 1, changed_at = $3
     where tenant = $1 and id = $2 and state = 'review'"
);
const ASK_AGAIN: &Sql = sql!(
    "update identity_person set state = 'moved', version = version + 1, changed_at = $3
     where tenant = $1 and id = $2 and state = 'active'"
);
const END_CARDS: &Sql = sql!(
    "update identity_credential set ended_at = $3, ended_why = 'replaced'
     where tenant = $1 and person = $2 and kind in ('jpki-auth', 'jpki-sign') and ended_at is null"
);
const HAND_OVER: &Sql =
    sql!("update identity_credential set person = $3 where tenant = $1 and person = $2 and ended_at is null");
/// A sheet that the newcomer took home, and guardians entered for the newcomer, are the known person's.
const HAND_SHEETS: &Sql = sql!(
    "update identity_ticket set person = $3 where tenant = $1 and person = $2 and kind = 'sheet' and used_at is null"
);
const HAND_GUARDIANS: &Sql = sql!(
    "update identity_delegation set principal = $3 where tenant = $1 and principal = $2 and ended_at is null"
);
const OPEN_OF: &Sql =
    sql!("select count(*) from identity_review where tenant = $1 and newcomer = $2 and decided_at is null");

impl Identity {
    /// The open questions, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn reviews(&self, _: &Granted<ReviewPeople>) -> Result<Vec<ReviewRow>> {
        Ok(self.db().read().await?.all(OPEN, params![T, PAGE]).await?)
    }

    /// What both sides of a question have proved; the access log names the operator.
    ///
    /// # Errors
    /// What the vault refuses.
    pub async fn both_sides(
        &self,
        by: &Granted<ReviewPeople>,
        r: &ReviewRow,
        request: Option<RequestId>,
    ) -> Result<[Option<Opened>; 2]> {
        let fields: [&'static Field; 4] = [&NAME, &BIRTH, &SEX, &ADDRESS];
        let mut why = Disclosure::new(by, &REVIEW).of_everybody();
        if let Some(id) = request {
            why = why.request(id);
        }
        Ok([
            self.attributes(&why, r.newcomer, &fields).await?,
            self.attributes(&why, r.known, &fields).await?,
        ])
    }

    /// Decides a question, in one transaction. Of several about one newcomer, each is decided by itself: “different”
    /// from all lets them in, “same” as one ends it.
    ///
    /// # Errors
    /// [`IdentityError::Stale`] when somebody else decided it first.
    pub async fn decide(
        &self,
        by: &Granted<ReviewPeople>,
        id: ReviewId,
        version: i64,
        decision: Decision,
    ) -> Result<()> {
        let (now, who) = (self.env().now(), by.actor().to_string());
        let mut tx = self.db().begin().await?;
        let row: Option<ReviewRow> = tx.opt(DECIDE, params![T, id, version, now, decision, &who]).await?;
        let Some(r) = row else {
            tx.rollback().await?;
            return Err(IdentityError::Stale);
        };
        match decision {
            Decision::Different => {
                let (left,): (i64,) = tx.one(OPEN_OF, params![T, r.newcomer]).await?;
                if left == 0 {
                    tx.execute(ADMIT, params![T, r.newcomer, now]).await?;
                }
            }
            Decision::Same => {
                tx.execute(CLOSE, params![T, r.newcomer, now]).await?;
                // The old card is gone with the old proof; passkeys and passwords stay.
                tx.execute(END_CARDS, params![T, r.known, now]).await?;
                for moved in [HAND_OVER, HAND_SHEETS, HAND_GUARDIANS] {
                    tx.execute(moved, params![T, r.newcomer, r.known]).await?;
                }
                tx.execute(ASK_AGAIN, params![T, r.known, now]).await?;
                session::note(&mut tx, self.env(), r.known, "changed", "joined", "").await?;
            }
        }
        tx.commit().await?;
        tracing::info!(review = %id, by = %by.actor(), decision = decision.code(), "a registration was reviewed");
        Ok(())
    }
}
