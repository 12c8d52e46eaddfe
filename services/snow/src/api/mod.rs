//! The JSON and OsmAnd interfaces.

pub mod positions;
pub mod state;
pub mod tracker_app;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use kenroku_access::Permission as _;
use kenroku_http::{App, Error, Gate, Guard, Result};
use kenroku_types::ids::DeviceId;
use kenroku_types::{Problem, Tenant};

use crate::module::ReportPosition;
use crate::sql::fleet;
use crate::{Snow, keys};

/// The service of an app.
///
/// # Errors
/// When the binary did not put it in.
pub fn snow(app: &App) -> Result<Arc<Snow>> {
    app.get::<Snow>()
}

/// First argument of operations for devices: whoever shows a device's key reports for that device and for no other.
#[derive(Clone, Copy, Debug)]
pub struct Reporting {
    /// Whose device.
    pub tenant: Tenant,
    /// Which.
    pub device: DeviceId,
}

impl Guard for Reporting {
    fn gate() -> Gate {
        Gate::Needs(ReportPosition::META.id)
    }
}

impl Reporting {
    /// The device of a key.
    pub(crate) async fn of_key(snow: &Snow, key: &str) -> Result<Option<Self>> {
        let found = fleet::device_of_key(&mut snow.db().read().await?, &keys::hash(key)).await?;
        Ok(found.map(|(tenant, device)| Reporting { tenant, device }))
    }
}

impl FromRequestParts<App> for Reporting {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let text = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok());
        let bearer = text(header::AUTHORIZATION.as_str()).and_then(|v| v.split_once(' '));
        let bearer =
            bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| key.trim());
        let Some(key) = bearer.or(text("x-device-key")) else {
            return Err(Problem::new(401, "snow.key-missing", "A device's key is needed")
                .next("Send the key as `Authorization: Bearer …` or `X-Device-Key`.")
                .into());
        };
        Self::of_key(&*snow(app)?, key).await?.ok_or_else(|| {
            Problem::new(401, "snow.device-unknown", "No device has this key")
                .next("Check the key; a key that was lost or revoked is replaced by registering the device again.")
                .into()
        })
    }
}
