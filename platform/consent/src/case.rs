//! Cases: somebody objects to an access to their data; the data officer looks into it and answers (個人情報の保護に
//! 関する法律 §128, 苦情処理).

use kenroku_access::Granted;
use kenroku_store::{Sql, coded, params, row, sql};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Tenant, Timestamp, id_kind};
use kenroku_vault::{
    Category, Disclosure, Field, LegalBasis, LogEntry, Purpose, RetentionClass, Sealed, Vault,
};

use crate::Consent;
use crate::error::{ConsentError, Result};
use crate::module::{HandleCases, ViewOwn};

id_kind! {
    /// An objection.
    Case => CaseId;
}

coded! {
    /// Where a case stands.
    CaseState {
        /// Nobody has answered.
        Open = "open",
        /// The data officer answered.
        Answered = "answered",
    }
}

/// As long as a complaint has to be provable. Sealed for the installation as a whole: the person reads it on pages that belong to no office.
pub const KEEP: RetentionClass = RetentionClass {
    code: "consent.cases",
    ja: "個人情報の取り扱いへの申し出",
    days: Some(1_825),
    source: "文書管理規程（苦情の処理の記録。設置者が定める）",
};
/// What the person wrote.
pub const NOTE: Field =
    Field::new("consent", "consent_case", "note", "申し出の内容", KEEP, Category::Person).shared();
/// What the data officer answered.
pub const ANSWER: Field =
    Field::new("consent", "consent_case", "answer", "申し出への回答", KEEP, Category::Person).shared();

/// The officer reads and answers.
pub(crate) const HANDLE: Purpose = Purpose {
    code: "consent.case",
    ja: "個人情報の取り扱いへの申し出を調べて答える",
    basis: LegalBasis::Statute("個人情報の保護に関する法律 第128条（苦情処理）"),
    categories: &[Category::Person],
};
/// The person reads their own.
pub(crate) const OWN_CASE: Purpose = Purpose {
    code: "consent.own-case",
    ja: "ご本人が、自分の申し出と回答を見る",
    basis: LegalBasis::Own,
    categories: &[Category::Person],
};

/// Characters of a note or an answer at most.
pub const LONGEST: usize = 2_000;

/// A case as it is stored.
#[derive(Debug)]
pub struct CaseRow {
    /// Which.
    pub id: CaseId,
    /// Whose, by this module's pseudonym.
    pub subject: SubjectId,
    /// The row of the access log.
    pub log_tenant: Tenant,
    /// Its number there.
    pub log_seq: i64,
    /// When the access was.
    pub accessed_at: Timestamp,
    /// The access in words, without names: actor, fields, purpose.
    pub what: String,
    note: Sealed<String>,
    answer: Option<Sealed<String>>,
    /// Where it stands.
    pub state: CaseState,
    /// For optimistic changes.
    pub version: i64,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
}
row!(CaseRow {
    id,
    subject,
    log_tenant,
    log_seq,
    accessed_at,
    what,
    note,
    answer,
    state,
    version,
    created_at,
    answered_at
});

/// A case, opened.
#[derive(Debug)]
pub struct OpenCase {
    /// The row.
    pub row: CaseRow,
    /// What the person wrote.
    pub note: String,
    /// What the officer answered.
    pub answer: Option<String>,
}

const ADD: &Sql = sql!(
    "insert into consent_case (tenant, id, subject, log_tenant, log_seq, accessed_at, what, note, state, version,
       created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, 'open', 1, $9)"
);
const ANSWERED: &Sql = sql!(
    "update consent_case set answer = $4, state = 'answered', answered_at = $5, version = version + 1
     where tenant = $1 and id = $2 and version = $3"
);
const BY_ID: &Sql = sql!(
    "select id, subject, log_tenant, log_seq, accessed_at, what, note, answer, state, version, created_at,
       answered_at
     from consent_case where tenant = $1 and id = $2"
);
const LIST: &Sql = sql!(
    "select id, subject, log_tenant, log_seq, accessed_at, what, note, answer, state, version, created_at,
       answered_at
     from consent_case where tenant = $1 order by state desc, created_at, id limit $2"
);
const OF: &Sql = sql!(
    "select id, subject, log_tenant, log_seq, accessed_at, what, note, answer, state, version, created_at,
       answered_at
     from consent_case where tenant = $1 and subject = $2 order by created_at desc, id"
);

fn good(text: &str, field: &'static str) -> Result<String> {
    let text = text.trim();
    match text.chars().count() {
        1..=LONGEST => Ok(text.to_owned()),
        _ => Err(ConsentError::Input(vec![(field, format!("write 1 to {LONGEST} characters"))])),
    }
}

impl Consent {
    /// Somebody objects to an access; `tenant` is the office that answers. One case for each access.
    ///
    /// # Errors
    /// [`ConsentError::Input`]; [`ConsentError::Taken`] when there is a case for this access already.
    pub async fn object(
        &self,
        vault: &Vault,
        tenant: Tenant,
        subject: SubjectId,
        entry: &LogEntry,
        note: &str,
    ) -> Result<CaseId> {
        let note = good(note, "note")?;
        let (id, now): (CaseId, _) = (self.env().id(), self.env().now());
        let sealed = vault.seal(Tenant::SHARED, NOTE.at(subject, id.uuid()), &note).await?;
        let what = format!("{} · {} · {}", entry.actor, entry.fields, entry.purpose);
        let mut tx = self.db().begin().await?;
        let row = params![tenant, id, subject, entry.tenant, entry.seq, entry.at, what, sealed, now];
        tx.execute(ADD, row).await.map_err(crate::consent::taken)?;
        tx.commit().await?;
        tracing::warn!(case = %id, %tenant, "somebody objects to an access to their data");
        Ok(id)
    }

    /// The cases of an office, open ones first, opened for the data officer.
    ///
    /// # Errors
    /// When the store or the vault fails.
    pub async fn cases(&self, vault: &Vault, proof: &Granted<HandleCases>) -> Result<Vec<OpenCase>> {
        let rows: Vec<CaseRow> = self.db().read().await?.all(LIST, params![proof.tenant(), 200]).await?;
        open(vault, &Disclosure::new(proof, &HANDLE).of_everybody(), rows).await
    }

    /// The cases of one person in these tenants, opened for the person.
    ///
    /// # Errors
    /// When the store or the vault fails.
    pub async fn own_cases(
        &self,
        vault: &Vault,
        proof: &Granted<ViewOwn>,
        tenants: &[Tenant],
        subject: SubjectId,
    ) -> Result<Vec<OpenCase>> {
        let mut out = Vec::new();
        for tenant in tenants {
            let rows: Vec<CaseRow> = self.db().read().await?.all(OF, params![*tenant, subject]).await?;
            if !rows.is_empty() {
                let why = Disclosure::new(proof, &OWN_CASE);
                out.extend(open(vault, &why, rows).await?);
            }
        }
        Ok(out)
    }

    /// The data officer answers.
    ///
    /// # Errors
    /// [`ConsentError::NotFound`]; [`ConsentError::Stale`]; [`ConsentError::Input`].
    pub async fn answer_case(
        &self,
        vault: &Vault,
        proof: &Granted<HandleCases>,
        id: CaseId,
        version: i64,
        answer: &str,
    ) -> Result<()> {
        let (answer, tenant) = (good(answer, "answer")?, proof.tenant());
        let found: Option<CaseRow> = self.db().read().await?.opt(BY_ID, params![tenant, id]).await?;
        let row = found.ok_or(ConsentError::NotFound)?;
        let sealed = vault.seal(Tenant::SHARED, ANSWER.at(row.subject, id.uuid()), &answer).await?;
        let mut tx = self.db().begin().await?;
        tx.execute_one(ANSWERED, params![tenant, id, version, sealed, self.env().now()]).await?;
        Ok(tx.commit().await?)
    }
}

async fn open(vault: &Vault, why: &Disclosure, rows: Vec<CaseRow>) -> Result<Vec<OpenCase>> {
    let subjects: Vec<SubjectId> = rows.iter().map(|r| r.subject).collect();
    let reader = vault.disclose(why, &subjects, &[&NOTE, &ANSWER]).await?;
    let mut out = Vec::with_capacity(rows.len());
    for row in rows {
        let note = reader.open(NOTE.at(row.subject, row.id.uuid()), &row.note)?.into_value();
        let answer = match &row.answer {
            Some(a) => Some(reader.open(ANSWER.at(row.subject, row.id.uuid()), a)?.into_value()),
            None => None,
        };
        out.push(OpenCase { row, note, answer });
    }
    Ok(out)
}
