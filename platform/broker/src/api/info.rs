//! What this broker says of itself (GS CIM 009 §5.14, §6.33).

use axum::http::StatusCode;
use serde_json::json;

use crate::door::Reader;
use crate::http::{Answer, Call, Media, answer, plain};

/// The version of the API.
const VERSION: &str = "1.8.1";

pub(super) async fn identity(Reader(space): Reader, call: Call) -> Answer {
    call.allow(&[&[]])?;
    let media = call.accept(&[Media::Json, Media::LdJson])?;
    let names = call.names(&space).await?;
    let up = call.app.env().clock.monotonic().as_secs();
    let body = json!({
        "id": format!("urn:ngsi-ld:ContextSourceIdentity:{}", space.tenant),
        "type": "ContextSourceIdentity",
        "contextSourceAlias": format!("kenroku-{}", space.tenant),
        "contextSourceUptime": format!("PT{up}S"),
        "contextSourceTimeAt": call.app.env().now().to_string(),
    });
    answer(&call, &space, &names, media, body).await
}

pub(super) async fn conformance(Reader(space): Reader, call: Call) -> Answer {
    call.allow(&[&[]])?;
    Ok(plain(&space, StatusCode::OK, &json!({ "type": "NGSI-LDConformance", "ngsildConformance": VERSION })))
}
