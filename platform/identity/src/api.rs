//! What the companion at the card reader calls, and services with an access token.

use std::time::Duration;

use axum::response::Response;
use kenroku_access::Assurance;
use kenroku_contracts::card::{CardAnswer, CardChallenge, CardOutcome, CardTicket};
use kenroku_http::{App, Json, Public, Result};
use kenroku_oidc::Scopes;
use kenroku_types::{Problem, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::card::CardTrust;
use crate::delegation::Scope;
use crate::op::{Demand, Holder};
use crate::{Identity, ViewOwn};

/// Exchanges the code that the person reads on their page for what the card is to sign.
#[utoipa::path(
    post, path = "/api/identity/v1/card/challenges", tag = "identity",
    request_body = CardTicket,
    responses(
        (status = 200, description = "show the text, then let the card sign", body = CardChallenge),
        (status = 404, description = "no open page shows this code"),
        (status = 429, description = "too many codes were tried from this network"),
    ),
)]
pub async fn card_challenge(_: Public, app: App, Json(t): Json<CardTicket>) -> Result<Json<CardChallenge>> {
    Ok(Json(app.get::<Identity>()?.card_challenge(&t.ticket).await?))
}

/// Takes the certificates and signatures. The challenge is used up by it, whatever they are worth.
#[utoipa::path(
    post, path = "/api/identity/v1/card/answers", tag = "identity",
    request_body = CardAnswer,
    responses(
        (status = 200, description = "the browser goes on, or staff look at it first", body = CardOutcome),
        (status = 401, description = "a certificate or signature is not accepted"),
        (status = 404, description = "the session is unknown, or nobody is registered with this card"),
        (status = 409, description = "the card belongs to another registration"),
        (status = 410, description = "too late, used, or a certificate is revoked"),
        (status = 503, description = "the state of a certificate cannot be learned, or no card is accepted here"),
    ),
)]
pub async fn card_answer(_: Public, app: App, Json(a): Json<CardAnswer>) -> Result<Json<CardOutcome>> {
    let trust = app.get::<CardTrust>().map_err(|_| {
        Problem::new(503, "identity.no-cards", "No card is accepted by this installation yet")
            .next("Ask the operator to configure the certificate authorities.")
    })?;
    Ok(Json(app.get::<Identity>()?.card_answer(&trust, &a).await?))
}

/// One's own data, and whose besides: a passkey or the card, within the last hour.
pub struct OwnProfile;

impl Demand for OwnProfile {
    type Permission = ViewOwn;
    const SCOPE: &'static str = "profile";
    const ASSURANCE: Assurance = Assurance::Passkey;
    const MAX_AGE: Option<Duration> = Some(Duration::from_secs(3600));
}

/// A person as a service knows them.
#[derive(Debug, Serialize, ToSchema)]
pub struct IdentityMe {
    /// The person.
    sub: String,
    /// Who acts for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<String>,
    /// How surely the one at the keys signed in.
    acr: Option<&'static str>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    auth_time: Timestamp,
    /// What was agreed to.
    #[schema(value_type = String)]
    scope: Scopes,
    /// The attributes that were agreed to, by their names in OpenID Connect.
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// For whom the person may act at this service.
    acts_for: Vec<IdentityActsFor>,
}

/// Somebody for whom a person may act.
#[derive(Debug, Serialize, ToSchema)]
pub struct IdentityActsFor {
    /// The other, as the service knows them.
    sub: String,
    /// As what: `guardian`, `adult-guardian`, `family`, `care-manager`.
    kind: &'static str,
    /// For what: `messages`, `procedures`, `bookings`, `coupons`, `health`.
    scopes: Vec<&'static str>,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

/// Tells a service what the person behind its access token agreed to show, and for whom they may act.
#[utoipa::path(
    get, path = "/api/identity/v1/me", tag = "identity", security(("key" = [])),
    responses(
        (status = 200, description = "the person", body = IdentityMe),
        (status = 401, description = "no valid token; or a surer or younger sign-in is needed: acr_values and max_age of \
         WWW-Authenticate go into the next authorization request (RFC 9470)"),
        (status = 403, description = "the token does not have the scope profile"),
    ),
)]
pub async fn me(holder: Holder<OwnProfile>, app: App) -> Result<Response> {
    let acts_for = holder.acts_for(&app).await?.into_iter().map(|(sub, d)| IdentityActsFor {
        sub,
        kind: d.kind.code(),
        scopes: d.scopes().into_iter().map(Scope::code).collect(),
        until: d.until,
    });
    Ok(holder.answer(&IdentityMe {
        acts_for: acts_for.collect(),
        sub: holder.sub().to_owned(),
        act: holder.act().map(ToOwned::to_owned),
        acr: holder.sign_in.assurance.acr(),
        auth_time: holder.sign_in.at,
        scope: holder.scopes.clone(),
        attributes: holder.attributes(&app).await?,
    }))
}
