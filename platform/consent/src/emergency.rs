//! 緊急時の提供: in a declared danger one agreement hands on its items without a consent. Who may declare it is a
//! permission, on which article is a type, for how long is bounded; the data officer is alarmed, and every person whose
//! data was handed on is told afterwards. The telling is written in the transaction of the provision: it cannot be left
//! out.

use std::time::Duration;

use kenroku_access::Granted;
use kenroku_store::{Sql, Tx, coded, params, row, sql};
use kenroku_types::ids::{ConsentId, SubjectId};
use kenroku_types::{Tenant, Timestamp, id_kind};

use crate::Consent;
use crate::consent::Agreement;
use crate::error::{ConsentError, Result};
use crate::model::{AgreementId, LawfulBasis};
use crate::module::{DeclareEmergency, ViewEmergencies};

id_kind! {
    /// Something a person has to be told afterwards.
    Told => ToldId;
}

coded! {
    /// The articles by which personal data may be handed on in a danger without the person's consent.
    Article {
        /// 本人以外の者に提供することが明らかに本人の利益になるとき.
        Benefit = "appi-69-2-4",
        /// 人の生命、身体又は財産の保護のために必要で、本人の同意を得ることが困難なとき.
        Protection = "appi-27-1-2",
        /// 災害が発生し、避難行動要支援者の生命又は身体を災害から保護するために特に必要なとき.
        Disaster = "disaster-49-11-3",
    }
}

impl Article {
    /// The law and its article.
    pub const fn citation(self) -> &'static str {
        match self {
            Article::Benefit => "個人情報の保護に関する法律 第69条第2項第4号",
            Article::Protection => "個人情報の保護に関する法律 第27条第1項第2号",
            Article::Disaster => "災害対策基本法 第49条の11第3項",
        }
    }
}

/// Longest that a danger can be declared for at once; it can be declared again, with a reason again.
pub const LONGEST: Duration = Duration::from_secs(72 * 3_600);
/// Characters of a reason.
pub const REASON: std::ops::RangeInclusive<usize> = 10..=400;

/// A declared danger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmergencyRow {
    /// Which; also the basis that the access log names.
    pub id: ConsentId,
    /// What hands on.
    pub agreement: AgreementId,
    /// On which article.
    pub article: Article,
    /// Why, in words, about nobody in particular.
    pub reason: String,
    /// By whom.
    pub declared_by: String,
    /// Since when.
    pub declared_at: Timestamp,
    /// Until when at most.
    pub until: Timestamp,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
    /// When the data officer confirmed the alarm.
    pub seen_at: Option<Timestamp>,
}
row!(EmergencyRow { id, agreement, article, reason, declared_by, declared_at, until, ended_at, seen_at });

impl EmergencyRow {
    /// Whether it lets anything out at a moment.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.until
    }
}

/// What a person is told afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldRow {
    /// Which.
    pub id: ToldId,
    /// Under what.
    pub agreement: AgreementId,
    /// In which danger.
    pub emergency: ConsentId,
    /// When.
    pub at: Timestamp,
    items: String,
    /// When the person read it.
    pub seen_at: Option<Timestamp>,
}
row!(ToldRow { id, agreement, emergency, at, items, seen_at });

impl ToldRow {
    /// What was handed on.
    pub fn items(&self) -> Vec<&str> {
        self.items.split_whitespace().collect()
    }
}

const DECLARE: &Sql = sql!(
    "insert into consent_emergency (tenant, id, agreement, article, reason, declared_by, declared_at, until)
     values ($1, $2, $3, $4, $5, $6, $7, $8)"
);
const END: &Sql = sql!(
    "update consent_emergency set ended_at = $3, ended_by = $4 where tenant = $1 and id = $2 and ended_at is null"
);
const CONFIRM: &Sql = sql!(
    "update consent_emergency set seen_at = $3, seen_by = $4 where tenant = $1 and id = $2 and seen_at is null"
);
const GET: &Sql = sql!(
    "select id, agreement, article, reason, declared_by, declared_at, until, ended_at, seen_at
     from consent_emergency where tenant = $1 and id = $2"
);
const LIST: &Sql = sql!(
    "select id, agreement, article, reason, declared_by, declared_at, until, ended_at, seen_at
     from consent_emergency where tenant = $1 order by declared_at desc, id desc limit 100"
);
const IN_FORCE: &Sql = sql!(
    "select id, agreement, article, reason, declared_by, declared_at, until, ended_at, seen_at
     from consent_emergency where tenant = $1 and agreement = $2 and until > $3 and ended_at is null
     order by declared_at, id limit 1"
);
const TELL: &Sql = sql!(
    "insert into consent_told (tenant, id, subject, agreement, emergency, at, items) values ($1, $2, $3, $4, $5, $6, $7)"
);
const TOLD: &Sql = sql!(
    "select id, agreement, emergency, at, items, seen_at from consent_told
     where tenant = $1 and subject = $2 order by at desc, id desc limit 200"
);
const SEEN: &Sql =
    sql!("update consent_told set seen_at = $3 where tenant = $1 and subject = $2 and seen_at is null");
const PEOPLE: &Sql =
    sql!("select count(distinct subject) from consent_told where tenant = $1 and emergency = $2");

pub(crate) async fn get(
    tx: &mut Tx,
    t: Tenant,
    id: ConsentId,
) -> kenroku_store::Result<Option<EmergencyRow>> {
    tx.opt(GET, params![t, id]).await
}

pub(crate) async fn in_force(
    tx: &mut Tx,
    t: Tenant,
    agreement: AgreementId,
    now: Timestamp,
) -> kenroku_store::Result<Option<EmergencyRow>> {
    tx.opt(IN_FORCE, params![t, agreement, now]).await
}

/// A new telling.
pub(crate) struct Telling<'a> {
    pub id: ToldId,
    pub subject: SubjectId,
    pub agreement: AgreementId,
    pub emergency: ConsentId,
    pub items: &'a [String],
}

pub(crate) async fn tell(
    tx: &mut Tx,
    t: Tenant,
    new: Telling<'_>,
    now: Timestamp,
) -> kenroku_store::Result<()> {
    let row = params![t, new.id, new.subject, new.agreement, new.emergency, now, new.items.join(" ")];
    tx.execute(TELL, row).await.map(drop)
}

impl Consent {
    /// Declares a danger: until `lasting` is over or it is ended, the agreement hands on. The data officer is alarmed.
    ///
    /// # Errors
    /// [`ConsentError::Input`] for a reason that is too short or too long, or a time that is too long;
    /// [`ConsentError::NotNow`] for an agreement of another basis, that is over, or has a danger declared already;
    /// [`ConsentError::NotFound`].
    pub async fn declare_emergency(
        &self,
        proof: &Granted<DeclareEmergency>,
        agreement: AgreementId,
        article: Article,
        reason: &str,
        lasting: Duration,
    ) -> Result<ConsentId> {
        let reason = reason.trim();
        let mut faults = Vec::new();
        if !REASON.contains(&reason.chars().count()) {
            faults.push(("reason", format!("write {} to {} characters", REASON.start(), REASON.end())));
        }
        if lasting.is_zero() || lasting > LONGEST {
            faults.push(("hours", "72 hours at most".to_owned()));
        }
        if !faults.is_empty() {
            return Err(ConsentError::Input(faults));
        }
        let (tenant, now, id): (_, _, ConsentId) = (proof.tenant(), self.env().now(), self.env().id());
        let mut tx = self.db().begin().await?;
        let a = self.agreement(&mut tx, tenant, agreement).await?;
        let fits = a.row.ended_at.is_none() && a.now.terms.basis == LawfulBasis::VitalInterest;
        if !fits || in_force(&mut tx, tenant, agreement, now).await?.is_some() {
            return Err(ConsentError::NotNow);
        }
        let by = proof.actor().to_string();
        let row = params![tenant, id, agreement, article, reason, by, now, now.plus(lasting)];
        tx.execute(DECLARE, row).await?;
        tx.commit().await?;
        tracing::warn!(emergency = %id, %tenant, article = article.code(), "a danger was declared: personal data is handed on without consent");
        Ok(id)
    }

    /// Ends a danger: from now on nothing is handed on by it.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`] when there is none of the tenant's that holds.
    pub async fn end_emergency(&self, proof: &Granted<DeclareEmergency>, id: ConsentId) -> Result<()> {
        self.change(END, proof.tenant(), id, &proof.actor().to_string()).await
    }

    /// The data officer confirms the alarm.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`].
    pub async fn confirm_emergency(&self, proof: &Granted<ViewEmergencies>, id: ConsentId) -> Result<()> {
        self.change(CONFIRM, proof.tenant(), id, &proof.actor().to_string()).await
    }

    async fn change(&self, statement: &'static Sql, t: Tenant, id: ConsentId, by: &str) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let changed = tx.execute(statement, params![t, id, self.env().now(), by]).await?;
        tx.commit().await?;
        if changed > 0 { Ok(()) } else { Err(ConsentError::NotFound) }
    }

    /// The dangers of a tenant, newest first, each with its agreement and how many people's data was handed on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn emergencies(&self, tenant: Tenant) -> Result<Vec<(EmergencyRow, Agreement, i64)>> {
        let mut tx = self.db().read().await?;
        let mut out = Vec::new();
        let rows: Vec<EmergencyRow> = tx.all(LIST, params![tenant]).await?;
        for e in rows {
            let agreement = self.agreement(&mut tx, tenant, e.agreement).await?;
            let (people,): (i64,) = tx.one(PEOPLE, params![tenant, e.id]).await?;
            out.push((e, agreement, people));
        }
        Ok(out)
    }

    /// What a person was told of by these tenants, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn told(
        &self,
        tenants: &[Tenant],
        subject: SubjectId,
    ) -> Result<Vec<(ToldRow, EmergencyRow, Agreement)>> {
        let mut tx = self.db().read().await?;
        let mut out = Vec::new();
        for tenant in tenants {
            let rows: Vec<ToldRow> = tx.all(TOLD, params![*tenant, subject]).await?;
            for t in rows {
                let agreement = self.agreement(&mut tx, *tenant, t.agreement).await?;
                let e = get(&mut tx, *tenant, t.emergency).await?.ok_or(ConsentError::NotFound)?;
                out.push((t, e, agreement));
            }
        }
        out.sort_by_key(|(t, ..)| std::cmp::Reverse((t.at, t.id)));
        Ok(out)
    }

    /// The person has read what they were told.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read_told(&self, tenants: &[Tenant], subject: SubjectId) -> Result<()> {
        let mut tx = self.db().begin().await?;
        for tenant in tenants {
            tx.execute(SEEN, params![*tenant, subject, self.env().now()]).await?;
        }
        Ok(tx.commit().await?)
    }
}
