//! `POST /api/snow/v1/positions`.

use axum::body::Bytes;
use kenroku_access::Authz;
use kenroku_http::{App, Json, Result};

use super::{Reporter, snow};
use crate::ingest::{PositionRow, Receipt, rows};
use crate::module::ReportPosition;

/// Largest body as sent, bytes: hours of positions of a vehicle, or a minute of a whole fleet.
pub const BODY: usize = 4 * 1024 * 1024;

/// Takes positions in: a JSON array, or one JSON object per line (NDJSON), also gzipped.
///
/// Each row is judged by itself; rows that are not taken are named in the answer and kept for the desk. Sending the
/// same rows again changes nothing: a row is known by device and time. What the answer calls accepted survives a
/// crash.
#[utoipa::path(
    post, path = "/api/snow/v1/positions", tag = "snow",
    request_body(content = Vec<PositionRow>, content_type = "application/json"),
    params(("X-Device-Key" = Option<String>, Header, description = "the device's key, where Authorization cannot be set")),
    responses(
        (status = 200, description = "every row was judged", body = Receipt),
        (status = 400, description = "not a batch, or cut off: nothing of it was used"),
        (status = 401, description = "no device has this key"),
        (status = 404, description = "the device is not registered for this"),
        (status = 413, description = "the body is too large"),
    ),
)]
pub async fn take_positions(
    authz: Authz<ReportPosition, Reporter>,
    app: App,
    body: Bytes,
) -> Result<Json<Receipt>> {
    let receipt = snow(&app)?.take_in(authz.tenant(), authz.resource.device, rows(&body)?).await?;
    Ok(Json(receipt))
}
