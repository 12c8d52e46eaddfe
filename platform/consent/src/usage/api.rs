//! The three questions as others ask them: `/api/consent/v1/usage/v2/…` with the recipient's key.

use axum::http::HeaderMap;
use kenroku_access::Authz;
use kenroku_contracts::personal::PseudonymsPort;
use kenroku_http::{App, Json, Query, Result};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Problem, Tenant, Timestamp};
use kenroku_vault::Vault;
use serde::Deserialize;

use super::own::{self, ITEM};
use super::protocol::{Heartbeat, MOST, UsagePeriod, Usages};
use crate::Consent;
use crate::api::party;
use crate::broker::{Ground, SECTOR};
use crate::consent::Agreement;
use crate::error::ConsentError;
use crate::model::{ProvisionId, Why};
use crate::module::Obtain;
use crate::sql;

/// Rows that may be skipped: whoever needs more asks for another time.
const FARTHEST: u32 = 10_000;

/// About whom, and when.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct UsageQuery {
    /// The person, by the recipient's own pseudonym.
    #[param(value_type = String, format = Uuid)]
    pub user_code: SubjectId,
    /// From when, RFC 3339; the beginning when absent.
    #[serde(default)]
    #[param(value_type = Option<String>, format = DateTime)]
    pub period_start: Option<Timestamp>,
    /// Until when; now when absent.
    #[serde(default)]
    #[param(value_type = Option<String>, format = DateTime)]
    pub period_end: Option<Timestamp>,
    /// Rows to skip; 0 when absent, at most 10,000.
    #[serde(default)]
    pub offset: Option<u32>,
    /// Rows at most, 1–1,000; 1,000 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// Who used a person's data (Andmejälgija 1.6), for a recipient to whom the person agreed to show it.
///
/// The person agrees to the item `consent.access-log` of one of the recipient's agreements. Each answer with rows is in the
/// office's record of provisions. `X-Road-UserId` names who asks: the person, by the same pseudonym as `userCode`.
#[utoipa::path(
    get, path = "/api/consent/v1/usage/v2/findUsage", tag = "consent",
    params(UsageQuery, ("X-Road-UserId" = String, Header, description = "who asks: the person's own pseudonym")),
    responses(
        (status = 200, description = "the rows, newest first", body = Usages),
        (status = 400, description = "who asks is not named, or offset or limit are too large"),
        (status = 403, description = "the person did not agree: `consent.no-answer`, `consent.withdrawn`, …; or somebody else asks"),
    ),
)]
pub async fn find(
    authz: Authz<Obtain>,
    app: App,
    headers: HeaderMap,
    Query(q): Query<UsageQuery>,
) -> Result<Json<Usages>> {
    let asking = headers.get("x-road-userid").and_then(|v| v.to_str().ok());
    let asking = asking.ok_or_else(|| Problem::bad_request("The header X-Road-UserId names who asks."))?;
    let (offset, limit) = (q.offset.unwrap_or(0), q.limit.unwrap_or(MOST));
    if offset > FARTHEST || !(1..=MOST).contains(&limit) {
        return Err(Problem::bad_request("offset is at most 10000, limit 1 to 1000.").into());
    }
    if asking.parse() != Ok(q.user_code) {
        let p = Problem::new(403, "consent.not-the-person", "Only the person asks for their own log here");
        return Err(p.next("Send the same pseudonym in X-Road-UserId and userCode.").into());
    }
    let consent = app.get::<Consent>()?;
    let party = party(&consent, &authz.granted).await?;
    let names = app.get::<PseudonymsPort>().map_err(|_| ConsentError::NoIdentity)?;
    let subject = names.0.translate(&party.sector, q.user_code, SECTOR).await?;
    let subject = subject.ok_or(ConsentError::Refused(Why::NoAnswer.code()))?;
    let (tenant, now) = (authz.tenant(), app.env().now());
    let agreements: Vec<Agreement> = consent
        .agreements(tenant)
        .await?
        .into_iter()
        .filter(|a| a.recipient.id == party.id && a.now.terms.codes().any(|c| c == ITEM))
        .collect();
    allowed(&consent, &mut consent.db().read().await?, &agreements, subject).await?;
    let period = (q.period_start.unwrap_or(Timestamp::EPOCH), q.period_end.unwrap_or(now).min(now));
    let (total_usages, rows) = own::gather(&app, subject, period, offset + limit).await?;
    let rows: Vec<_> = rows.into_iter().skip(offset as usize).collect();
    let usages = own::worded(&app, subject, &rows).await?;
    // As with every fact: decided again in the transaction that records the provision, before it is answered.
    let mut tx = consent.db().begin().await?;
    let (agreement, ground) = allowed(&consent, &mut tx, &agreements, subject).await?;
    if !usages.is_empty() {
        let id: ProvisionId = app.env().id();
        let under = (&agreement.row, ground.id, subject);
        sql::add_provision(&mut tx, tenant, id, now, party.id, under, &[ITEM.to_owned()]).await?;
    }
    tx.commit().await?;
    Ok(Json(Usages { total_usages, usages }))
}

/// The agreement under which the person lets this recipient show the log; they are read anew.
async fn allowed(
    consent: &Consent,
    tx: &mut kenroku_store::Tx,
    agreements: &[Agreement],
    subject: SubjectId,
) -> std::result::Result<(Agreement, Ground), ConsentError> {
    let mut why = Why::NoAnswer;
    for a in agreements {
        let a = consent.agreement(tx, a.tenant, a.row.id).await?;
        let (decision, ground) = consent.decide(tx, &a, subject, &[ITEM.to_owned()]).await?;
        match (ground, decision.refused.first()) {
            (Some(ground), None) => return Ok((a, ground)),
            (_, Some((_, refused))) if *refused != Why::NoAnswer => why = *refused,
            _ => {}
        }
    }
    Err(ConsentError::Refused(why.code()))
}

/// From when on `findUsage` has rows.
#[utoipa::path(
    get, path = "/api/consent/v1/usage/v2/usagePeriod", tag = "consent",
    responses((status = 200, description = "the beginning", body = UsagePeriod)),
)]
pub async fn period(authz: Authz<Obtain>, app: App) -> Result<Json<UsagePeriod>> {
    party(&*app.get::<Consent>()?, &authz.granted).await?;
    let begins = app.get::<Vault>()?.log_begins(Tenant::SHARED).await?;
    Ok(Json(UsagePeriod { period_start: begins.unwrap_or_else(|| app.env().now()), period_end: None }))
}

/// Whether `findUsage` answers now.
#[utoipa::path(
    get, path = "/api/consent/v1/usage/v2/heartbeat", tag = "consent",
    responses((status = 200, description = "`OK`, or `FAIL` with a message", body = Heartbeat)),
)]
pub async fn heartbeat(authz: Authz<Obtain>, app: App) -> Result<Json<Heartbeat>> {
    party(&*app.get::<Consent>()?, &authz.granted).await?;
    Ok(Json(match app.get::<Vault>()?.log_begins(Tenant::SHARED).await {
        Ok(_) => Heartbeat { status: "OK".to_owned(), message: None },
        Err(e) => {
            tracing::error!(error = %e, "the access log cannot be read");
            let message = Some("the access log cannot be read".to_owned());
            Heartbeat { status: "FAIL".to_owned(), message }
        }
    }))
}
