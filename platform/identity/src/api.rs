//! What the companion at the card reader calls.

use kenroku_contracts::card::{CardAnswer, CardChallenge, CardOutcome, CardTicket};
use kenroku_http::{App, Json, Public, Result};
use kenroku_types::Problem;

use crate::Identity;
use crate::card::CardTrust;

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
