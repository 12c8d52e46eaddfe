//! The broker's interface for more than one answer at a time: deliveries, many people in one call, subscriptions.

use axum::http::StatusCode;
use kenroku_access::{Actor, Authz};
use kenroku_http::{App, Json, Path, RequestInfo, Result};
use kenroku_types::Timestamp;
use kenroku_types::ids::SubjectId;
use kenroku_vault::Vault;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::Consent;
use crate::api::{self, ConsentFact, ConsentRefusal, names, party};
use crate::broker::Inquiry;
use crate::changes::SubscriptionId;
use crate::delivery::Delivered;
use crate::error::ConsentError;
use crate::model::RecipientKind;
use crate::module::{Deliver, Obtain};

/// People of one call at most.
pub const MANY: usize = 100;

/// A fact that is delivered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ConsentDelivered {
    /// The item's code.
    #[schema(example = "delivered.visited-on")]
    pub item: String,
    /// Its value, at most 4,096 bytes as JSON.
    #[schema(value_type = Object)]
    pub value: Value,
    /// How it was proved; empty when it was not.
    #[serde(default)]
    pub method: String,
    /// How surely; empty when it was not proved.
    #[serde(default)]
    pub assurance: String,
    /// When it was proved or written.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub verified_at: Option<Timestamp>,
}

/// A delivery.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentDelivery {
    /// The agreement's code.
    #[schema(example = "maternity.visit-report")]
    pub agreement: String,
    /// The person, by the recipient's own pseudonym.
    #[schema(value_type = String, format = Uuid)]
    pub subject: SubjectId,
    /// 1 to 20 facts, each item once.
    pub facts: Vec<ConsentDelivered>,
}

/// What was taken in.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentVersion {
    /// The item's code.
    pub item: String,
    /// Its version: 1 for the first, one more for each correction.
    pub version: i64,
}

/// Delivers facts about a person.
///
/// The person has to have said yes to the agreement, which is one for delivering. They see what was delivered, by whom
/// and when, on their own page. To correct something, deliver it again. All facts are taken in, or none.
#[utoipa::path(
    post, path = "/api/consent/v1/deliveries", tag = "consent",
    responses(
        (status = 201, description = "the version of each item", body = Vec<ConsentVersion>),
        (status = 403, description = "the person did not say yes to one of them: `consent.no-answer`, …"),
        (status = 404, description = "no such agreement of this recipient, or none for delivering"),
    ),
)]
pub async fn deliver(
    authz: Authz<Deliver>,
    app: App,
    Json(d): Json<ConsentDelivery>,
) -> Result<(StatusCode, Json<Vec<ConsentVersion>>)> {
    let (consent, vault) = (app.get::<Consent>()?, app.get::<Vault>()?);
    let Actor::Client { id, .. } = authz.actor() else { return Err(ConsentError::NotARecipient.into()) };
    let by = consent.party(authz.tenant(), RecipientKind::Client, &id.to_string()).await?;
    let names = names(&app)?;
    let fact = |f: ConsentDelivered| Delivered {
        item: f.item,
        value: f.value,
        method: f.method,
        assurance: f.assurance,
        verified_at: f.verified_at,
    };
    let facts: Vec<Delivered> = d.facts.into_iter().map(fact).collect();
    let done =
        consent.deliver(&vault, &*names.0, &authz.granted, &by, &d.agreement, d.subject, &facts).await?;
    let shown = done.into_iter().map(|(item, version)| ConsentVersion { item, version }).collect();
    Ok((StatusCode::CREATED, Json(shown)))
}

/// What is asked for, of many people.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentInquiries {
    /// The agreement's code.
    #[schema(example = "maternity.visit-support")]
    pub agreement: String,
    /// 1 to 100 people, by the recipient's own pseudonyms.
    #[schema(value_type = Vec<String>)]
    pub subjects: Vec<SubjectId>,
    /// Which items; all of the agreement when absent.
    #[serde(default)]
    pub items: Vec<String>,
}

/// What was handed on of one of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentOutcome {
    /// The person.
    #[schema(value_type = String, format = Uuid)]
    pub subject: SubjectId,
    /// The facts; none when nothing may leave.
    pub facts: Vec<ConsentFact>,
    /// What did not leave, and why.
    pub refused: Vec<ConsentRefusal>,
    /// Why nothing may leave: the code that the same question about this person alone would be refused with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Receives what many people agreed to.
///
/// Each person is decided about, recorded and logged by themself, as if asked about alone; one person's no is not the
/// others'.
#[utoipa::path(
    post, path = "/api/consent/v1/facts/bulk", tag = "consent",
    responses(
        (status = 200, description = "one outcome for each person, in the order asked", body = Vec<ConsentOutcome>),
        (status = 404, description = "no such agreement of this recipient"),
        (status = 422, description = "nobody, or more than 100 people"),
    ),
)]
pub async fn obtain_many(
    authz: Authz<Obtain>,
    app: App,
    info: RequestInfo,
    Json(q): Json<ConsentInquiries>,
) -> Result<Json<Vec<ConsentOutcome>>> {
    if q.subjects.is_empty() || q.subjects.len() > MANY {
        return Err(ConsentError::Input(vec![("subjects", format!("1 to {MANY} people"))]).into());
    }
    let consent = app.get::<Consent>()?;
    let party = party(&consent, &authz.granted).await?;
    let names = names(&app)?;
    let mut out = Vec::with_capacity(q.subjects.len());
    for subject in q.subjects {
        let (agreement, items, request) = (q.agreement.as_str(), q.items.as_slice(), info.id.parse().ok());
        let inquiry = Inquiry { party: &party, agreement, subject, items, request };
        let outcome = match consent.obtain(&*names.0, &authz.granted, inquiry).await {
            Ok(got) => ConsentOutcome {
                subject,
                facts: got.facts.into_iter().map(api::fact).collect(),
                refused: got.refused.into_iter().map(api::refusal).collect(),
                code: None,
            },
            Err(ConsentError::Refused(why)) => {
                let code = Some(format!("consent.{why}"));
                ConsentOutcome { subject, facts: Vec::new(), refused: Vec::new(), code }
            }
            // The same for everybody: there is nothing to go on with.
            Err(e) => return Err(e.into()),
        };
        out.push(outcome);
    }
    Ok(Json(out))
}

/// To changes under which agreement.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentSubscribe {
    /// The agreement's code.
    #[schema(example = "maternity.visit-support")]
    pub agreement: String,
}

/// A subscription.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsentSubscription {
    /// The subscription.
    #[schema(value_type = String, format = Uuid)]
    pub id: SubscriptionId,
    /// The agreement's code.
    pub agreement: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// Subscribes to changes of what people let this recipient see.
///
/// A change gives a notice `changed` that names the consent and carries no data: ask again for the facts. It is pushed
/// to recipients with an address for notices. Subscribing again gives the same subscription.
#[utoipa::path(
    post, path = "/api/consent/v1/subscriptions", tag = "consent",
    responses(
        (status = 201, description = "the subscription", body = ConsentSubscription),
        (status = 404, description = "no such agreement of this recipient that rests on consent"),
    ),
)]
pub async fn subscribe(
    authz: Authz<Obtain>,
    app: App,
    Json(s): Json<ConsentSubscribe>,
) -> Result<(StatusCode, Json<ConsentSubscription>)> {
    let consent = app.get::<Consent>()?;
    let party = party(&consent, &authz.granted).await?;
    let row = consent.subscribe(&authz.granted, &party, &s.agreement).await?;
    let (id, agreement, created_at) = (row.id, s.agreement, row.created_at);
    Ok((StatusCode::CREATED, Json(ConsentSubscription { id, agreement, created_at })))
}

/// This recipient's subscriptions.
#[utoipa::path(
    get, path = "/api/consent/v1/subscriptions", tag = "consent",
    responses((status = 200, description = "the subscriptions", body = Vec<ConsentSubscription>)),
)]
pub async fn subscriptions(authz: Authz<Obtain>, app: App) -> Result<Json<Vec<ConsentSubscription>>> {
    let consent = app.get::<Consent>()?;
    let party = party(&consent, &authz.granted).await?;
    let all = consent.subscriptions(authz.tenant(), party.id).await?;
    let shown = all.into_iter().map(|(s, agreement)| ConsentSubscription {
        id: s.id,
        agreement,
        created_at: s.created_at,
    });
    Ok(Json(shown.collect()))
}

/// Ends a subscription.
#[utoipa::path(
    delete, path = "/api/consent/v1/subscriptions/{id}", tag = "consent",
    params(("id" = String, Path, description = "the subscription")),
    responses(
        (status = 204, description = "ended"),
        (status = 404, description = "no such subscription of this recipient"),
    ),
)]
pub async fn unsubscribe(
    authz: Authz<Obtain>,
    app: App,
    Path(id): Path<SubscriptionId>,
) -> Result<StatusCode> {
    let consent = app.get::<Consent>()?;
    let party = party(&consent, &authz.granted).await?;
    consent.unsubscribe(authz.tenant(), party.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
