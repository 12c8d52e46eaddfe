//! The broker's interface for the programs of recipients: `/api/consent/v1/…` with the program's key.

use axum::http::StatusCode;
use kenroku_access::{Actor, Authz, Granted};
use kenroku_contracts::personal::PseudonymsPort;
use kenroku_http::{App, Cursor, Json, PageQuery, Path, Query, RequestInfo, Result};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Tenant, Timestamp};
use kenroku_vault::ConsentId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Consent;
use crate::broker::{Inquiry, SECTOR};
use crate::consent::Agreement;
use crate::error::{ConsentError, reason};
use crate::model::{LegalClass, NoticeId, RecipientKind, State, Why};
use crate::module::Obtain;
use crate::sql::{self, RecipientRow, RecordRow};

/// Under which agreement, about whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentRequest {
    /// The agreement's code.
    #[schema(example = "maternity.visit-support")]
    pub agreement: String,
    /// The person, by the recipient's own pseudonym (`sub` of its sign-in).
    #[schema(value_type = String, format = Uuid)]
    pub subject: SubjectId,
}

/// The question that waits for the person.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentRequested {
    /// The record: what notices and the access log name.
    #[schema(value_type = String, format = Uuid)]
    pub record: ConsentId,
}

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentInquiry {
    /// The agreement's code.
    #[schema(example = "maternity.visit-support")]
    pub agreement: String,
    /// The person, by the recipient's own pseudonym.
    #[schema(value_type = String, format = Uuid)]
    pub subject: SubjectId,
    /// Which items; all of the agreement when absent.
    #[serde(default)]
    #[schema(example = json!(["identity.name"]))]
    pub items: Vec<String>,
}

/// One fact.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsentFact {
    /// The item's code.
    pub item: String,
    /// Its value.
    #[schema(value_type = Object)]
    pub value: Value,
    /// Who says so.
    pub source: String,
    /// How it was proved; empty when it was not.
    pub method: String,
    /// How surely; empty when it was not proved.
    pub assurance: String,
    /// When it was last proved or written.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub verified_at: Option<Timestamp>,
}

/// An item that did not leave.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentRefusal {
    /// The item's code.
    pub item: String,
    /// The reason: `left-out`, `withdrawn`, `expired` …
    pub code: String,
    /// The reason in a sentence.
    pub detail: String,
}

/// What was handed on.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentFacts {
    /// By which consent.
    #[schema(value_type = String, format = Uuid)]
    pub consent: ConsentId,
    /// Under which revision of the agreement.
    pub revision: i64,
    /// The facts.
    pub facts: Vec<ConsentFact>,
    /// What did not leave, and why.
    pub refused: Vec<ConsentRefusal>,
}

/// Which records.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct Verification {
    /// The agreement's code.
    pub data_agreement_id: String,
    /// The person, by the recipient's own pseudonym; everybody when absent.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub individual_id: Option<SubjectId>,
    /// Rows per page, 1–500; 50 when absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// `next` of the previous page; absent for the first one.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
}

/// A person's answer, in the shape of the GovStack Consent building block.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsentRecord {
    /// The record.
    #[schema(value_type = String, format = Uuid)]
    pub id: ConsentId,
    /// The agreement's code.
    pub data_agreement: String,
    /// The revision that was answered.
    pub data_agreement_revision: i64,
    /// SHA-256 of that revision.
    pub data_agreement_revision_hash: String,
    /// The person, by the recipient's own pseudonym.
    #[schema(value_type = String, format = Uuid)]
    pub individual: SubjectId,
    /// Whether data may leave now.
    pub opt_in: bool,
    /// `unsigned`: the answer rests on the sign-in.
    pub state: String,
    /// Where it stands: `asked`, `granted`, `refused`, `withdrawn`, `expired`.
    pub standing: String,
    /// The items agreed to that may leave now.
    pub items: Vec<String>,
    /// Until when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Who receives.
    pub recipient_service_id: String,
    /// The legal class of the data.
    pub data_class: String,
}

/// Records, page by page.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsentRecords {
    /// The records.
    pub consent_records: Vec<ConsentRecord>,
    /// The cursor of the next page; absent on the last.
    #[schema(value_type = Option<String>)]
    pub next: Option<Cursor>,
}

/// Something that changed and has to be acknowledged.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsentNotice {
    /// The notice.
    #[schema(value_type = String, format = Uuid)]
    pub id: NoticeId,
    /// About which record.
    #[schema(value_type = String, format = Uuid)]
    pub record: ConsentId,
    /// `grant`, `refuse`, `withdraw`, `expire` or `renew`; `changed`: read again.
    pub step: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

pub(crate) async fn party(consent: &Consent, proof: &Granted<Obtain>) -> Result<RecipientRow> {
    let Actor::Client { id, .. } = proof.actor() else { return Err(ConsentError::NotARecipient.into()) };
    Ok(consent.party(proof.tenant(), RecipientKind::Client, &id.to_string()).await?)
}

pub(crate) fn names(app: &App) -> Result<std::sync::Arc<PseudonymsPort>> {
    app.get::<PseudonymsPort>().map_err(|_| ConsentError::NoIdentity.into())
}

/// Asks a person for consent.
///
/// The question waits on the person's page `/my/consents`; asking again changes nothing. What becomes of it: a notice,
/// or `GET /api/consent/v1/verification/consent-records`.
#[utoipa::path(
    post, path = "/api/consent/v1/requests", tag = "consent",
    responses(
        (status = 202, description = "the question waits for the person", body = ConsentRequested),
        (status = 403, description = "the program is not registered as a recipient"),
        (status = 404, description = "no such agreement of this recipient, or nobody known by this pseudonym"),
    ),
)]
pub async fn request(
    authz: Authz<Obtain>,
    app: App,
    Json(r): Json<ConsentRequest>,
) -> Result<(StatusCode, Json<ConsentRequested>)> {
    let consent = app.get::<Consent>()?;
    let party = party(&consent, &authz.granted).await?;
    let names = names(&app)?;
    let record = consent.request(&*names.0, &authz.granted, &party, &r.agreement, r.subject).await?;
    Ok((StatusCode::ACCEPTED, Json(ConsentRequested { record })))
}

/// Receives what a person agreed to.
///
/// Only consented items leave, each with where it comes from; the rest is named with the reason. Every call is in the
/// person's list of accesses and in the office's record of provisions before it is answered.
#[utoipa::path(
    post, path = "/api/consent/v1/facts", tag = "consent",
    responses(
        (status = 200, description = "the facts that may leave", body = ConsentFacts),
        (status = 403, description = "nothing may leave: `consent.no-answer`, `consent.withdrawn`, …"),
        (status = 404, description = "no such agreement of this recipient"),
    ),
)]
pub async fn obtain(
    authz: Authz<Obtain>,
    app: App,
    info: RequestInfo,
    Json(q): Json<ConsentInquiry>,
) -> Result<Json<ConsentFacts>> {
    let consent = app.get::<Consent>()?;
    let party = party(&consent, &authz.granted).await?;
    let names = names(&app)?;
    let inquiry = Inquiry {
        party: &party,
        agreement: &q.agreement,
        subject: q.subject,
        items: &q.items,
        request: info.id.parse().ok(),
    };
    let got = consent.obtain(&*names.0, &authz.granted, inquiry).await?;
    Ok(Json(ConsentFacts {
        consent: got.consent,
        revision: got.number,
        facts: got.facts.into_iter().map(fact).collect(),
        refused: got.refused.into_iter().map(refusal).collect(),
    }))
}

/// A code that a person reads out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentCode {
    /// As typed: case, blanks and hyphens do not matter.
    #[schema(example = "K7QM-2X9A")]
    pub code: String,
}

/// What a code gave.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentRedeemed {
    /// The person, by the recipient's own pseudonym.
    #[schema(value_type = String, format = Uuid)]
    pub subject: SubjectId,
    /// The facts.
    pub facts: Vec<ConsentFact>,
}

/// Uses a one-time share code.
///
/// The person makes it on `/my/codes` and reads it out at a counter; it holds ten minutes and works once.
#[utoipa::path(
    post, path = "/api/consent/v1/codes/redeem", tag = "consent",
    responses(
        (status = 200, description = "what the person chose", body = ConsentRedeemed),
        (status = 404, description = "the code is unknown, used, too old or another recipient's"),
    ),
)]
pub async fn redeem(
    authz: Authz<Obtain>,
    app: App,
    info: RequestInfo,
    Json(c): Json<ConsentCode>,
) -> Result<Json<ConsentRedeemed>> {
    let consent = app.get::<Consent>()?;
    let party = party(&consent, &authz.granted).await?;
    let names = names(&app)?;
    let request = info.id.parse().ok();
    let (subject, got) = consent.redeem(&*names.0, &authz.granted, &party, &c.code, request).await?;
    Ok(Json(ConsentRedeemed { subject, facts: got.facts.into_iter().map(fact).collect() }))
}

pub(crate) fn fact(f: kenroku_vault::share::Fact) -> ConsentFact {
    ConsentFact {
        item: f.code.to_owned(),
        value: f.value,
        source: f.source,
        method: f.method,
        assurance: f.assurance,
        verified_at: f.verified_at,
    }
}

pub(crate) fn refusal((item, why): (String, Why)) -> ConsentRefusal {
    ConsentRefusal { item, code: why.code().to_owned(), detail: reason(why.code()).to_owned() }
}

/// What people answered to an agreement of this recipient.
#[utoipa::path(
    get, path = "/api/consent/v1/verification/consent-records", tag = "consent",
    params(Verification),
    responses(
        (status = 200, description = "the records", body = ConsentRecords),
        (status = 404, description = "no such agreement of this recipient"),
    ),
)]
pub async fn verify(
    authz: Authz<Obtain>,
    app: App,
    Query(v): Query<Verification>,
) -> Result<Json<ConsentRecords>> {
    let consent = app.get::<Consent>()?;
    let party = party(&consent, &authz.granted).await?;
    let names = names(&app)?;
    let tenant = authz.tenant();
    let mut tx = consent.db().read().await?;
    let agreement = consent.theirs(&mut tx, tenant, &party, &v.data_agreement_id).await?;
    let (rows, next) = match v.individual_id {
        Some(theirs) => {
            let ours = names.0.translate(&party.sector, theirs, SECTOR).await?;
            let row = match ours {
                Some(s) => sql::record_of(&mut tx, tenant, s, agreement.row.id).await?,
                None => None,
            };
            (row.into_iter().collect(), None)
        }
        None => {
            let paged = PageQuery { limit: v.limit, cursor: v.cursor };
            let after = paged.cursor.as_ref().map_or(Ok(Uuid::nil()), |c| c.key::<Uuid>())?;
            let limit = paged.limit();
            let rows = sql::records_for(&mut tx, tenant, agreement.row.id, after, limit).await?;
            let last = rows.last().filter(|_| rows.len() == limit as usize);
            let next = last.map(|r| Cursor::after(&r.id.uuid()));
            (rows, next)
        }
    };
    let mut out = Vec::with_capacity(rows.len());
    for r in rows {
        let Some(individual) = names.0.translate(SECTOR, r.subject, &party.sector).await? else { continue };
        out.push(shown(&consent, &mut tx, tenant, &agreement, r, individual).await?);
    }
    Ok(Json(ConsentRecords { consent_records: out, next }))
}

async fn shown(
    consent: &Consent,
    tx: &mut kenroku_store::Tx,
    tenant: Tenant,
    agreement: &Agreement,
    r: RecordRow,
    individual: SubjectId,
) -> Result<ConsentRecord> {
    let standing = r.standing();
    let answered = consent.revision(tx, tenant, agreement.row.id, standing.number).await?;
    let codes: Vec<String> = agreement.now.terms.codes().map(str::to_owned).collect();
    let (decision, _) = consent.decide(tx, agreement, r.subject, &codes).await?;
    let special = codes.iter().any(|c| {
        let item = consent.sources().find(c).map(|(_, i)| i);
        item.and_then(|i| i.field).is_some_and(|f| f.data == kenroku_access::DataClass::SpecialCare)
    });
    let class = if special { LegalClass::SpecialCare } else { LegalClass::Personal };
    Ok(ConsentRecord {
        id: r.id,
        data_agreement: agreement.row.code.clone(),
        data_agreement_revision: standing.number,
        data_agreement_revision_hash: answered.hash.clone(),
        individual,
        opt_in: standing.state == State::Granted && !decision.allowed.is_empty(),
        state: "unsigned".to_owned(),
        standing: standing.state.code().to_owned(),
        items: decision.allowed,
        expires_at: standing.until,
        recipient_service_id: agreement.recipient.id.to_string(),
        data_class: class.code().to_owned(),
    })
}

/// What changed and has to be acknowledged, oldest first, at most 500.
#[utoipa::path(
    get, path = "/api/consent/v1/notices", tag = "consent",
    responses((status = 200, description = "the notices", body = Vec<ConsentNotice>)),
)]
pub async fn notices(authz: Authz<Obtain>, app: App) -> Result<Json<Vec<ConsentNotice>>> {
    let consent = app.get::<Consent>()?;
    let party = party(&consent, &authz.granted).await?;
    let rows = consent.notices(authz.tenant(), party.id, 500).await?;
    let notice = |n: sql::NoticeRow| ConsentNotice {
        id: n.id,
        record: n.record,
        step: n.step.code().to_owned(),
        at: n.created_at,
    };
    Ok(Json(rows.into_iter().map(notice).collect()))
}

/// Acknowledges a notice: the data that no longer may be used is no longer used. Doing it again changes nothing.
#[utoipa::path(
    post, path = "/api/consent/v1/notices/{id}/acknowledge", tag = "consent",
    params(("id" = String, Path, description = "the notice")),
    responses((status = 204, description = "acknowledged")),
)]
pub async fn acknowledge(authz: Authz<Obtain>, app: App, Path(id): Path<NoticeId>) -> Result<StatusCode> {
    let consent = app.get::<Consent>()?;
    let party = party(&consent, &authz.granted).await?;
    consent.acknowledge(authz.tenant(), party.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
