//! `/api/snow/v1/osmand`: for phones with the free app Traccar Client, which asks for a server's address and a device
//! identifier and nothing else. The identifier is the device's key, so it is looked up here and not by a guard.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use kenroku_access::{Refusal, Target};
use kenroku_http::{App, Public, Query, Result};
use kenroku_types::Problem;

use super::{Reporter, snow};
use crate::module::ReportPosition;
use crate::osmand::{self, Message};

type Fields = Vec<(String, String)>;

/// The older app: everything in the query.
///
/// `id` (or `deviceid`) is the device's key, `lat`, `lon`, `timestamp` (seconds, milliseconds or ISO 8601), `speed` in
/// knots, `bearing`, `accuracy`, `hdop`, `work`, `task`; other fields are kept.
#[utoipa::path(
    get, path = "/api/snow/v1/osmand", tag = "snow",
    params(("id" = String, Query, description = "the device's key"), ("lat" = f64, Query), ("lon" = f64, Query)),
    responses((status = 200, description = "taken"), (status = 400, description = "unknown or absent id")),
)]
pub async fn by_query(_: Public, app: App, Query(fields): Query<Fields>) -> Result<StatusCode> {
    let message = osmand::from_fields(fields, app.env().now());
    take(&app, message, StatusCode::BAD_REQUEST).await
}

/// A form with the fields of the query, or the newer app's JSON with `device_id` and `location` (speed in m/s).
#[utoipa::path(
    post, path = "/api/snow/v1/osmand", tag = "snow",
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "taken"), (status = 400, description = "not a message, or unknown or absent id"),
        (status = 404, description = "unknown device in a JSON message"),
    ),
)]
pub async fn by_body(
    _: Public,
    app: App,
    Query(mut fields): Query<Fields>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode> {
    let now = app.env().now();
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let looks_json = body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    if kind.to_ascii_lowercase().starts_with("application/json") || looks_json {
        return match osmand::from_json(&body, now) {
            Ok(message) => take(&app, message, StatusCode::NOT_FOUND).await,
            Err(_) => Ok(StatusCode::BAD_REQUEST),
        };
    }
    fields.extend(form(&body));
    take(&app, osmand::from_fields(fields, now), StatusCode::BAD_REQUEST).await
}

/// The fields of a form's body.
fn form(body: &[u8]) -> Fields {
    let text = String::from_utf8_lossy(body);
    let uri = format!("/?{}", text.trim());
    let parsed = uri.parse().ok().and_then(|uri| axum_query(&uri));
    parsed.unwrap_or_default()
}

#[expect(clippy::disallowed_types, reason = "the same reader as for the query, without a problem document")]
fn axum_query(uri: &axum::http::Uri) -> Option<Fields> {
    axum::extract::Query::<Fields>::try_from_uri(uri).ok().map(|q| q.0)
}

async fn take(app: &App, message: Message, unknown: StatusCode) -> Result<StatusCode> {
    let snow = snow(app)?;
    let Some(id) = message.id else { return Ok(StatusCode::BAD_REQUEST) };
    let actor = match app.access().actor_of_key(&id).await {
        Ok(actor) => actor,
        Err(Refusal::KeyUnknown) => return Ok(unknown),
        Err(other) => return Err(Problem::from(other).into()),
    };
    let Some(reporter) = Reporter::of(&snow, &actor).await? else { return Ok(unknown) };
    let granted = app.access().grant::<ReportPosition>(&actor, &Target::of(&reporter));
    let Ok(granted) = granted else { return Ok(unknown) };
    snow.take_in(granted.tenant(), reporter.device, vec![message.row]).await?;
    Ok(StatusCode::OK)
}
