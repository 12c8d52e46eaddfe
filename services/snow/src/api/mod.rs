//! The JSON and OsmAnd interfaces.

pub mod positions;
pub mod state;
pub mod tracker_app;

use std::sync::Arc;

use axum::http::request::Parts;
use kenroku_access::{Actor, LoadResource, Resource};
use kenroku_http::{App, Error};
use kenroku_types::ids::DeviceId;
use kenroku_types::{Problem, Tenant};
use uuid::Uuid;

use crate::Snow;
use crate::module::SnowWork;
use crate::sql::fleet;

/// The service of an app.
///
/// # Errors
/// When the binary did not put it in.
pub fn snow(app: &App) -> Result<Arc<Snow>, Error> {
    app.get::<Snow>()
}

/// A device that this module knows. Operations for devices ask for `Authz<ReportPosition, Reporter>`: whoever shows a
/// device's key reports for that device and for no other.
#[derive(Clone, Copy, Debug)]
pub struct Reporter {
    /// Whose device.
    pub tenant: Tenant,
    /// Which.
    pub device: DeviceId,
}

impl Reporter {
    /// The device that somebody is; `None` when they are none, or one of another module.
    pub(crate) async fn of(snow: &Snow, actor: &Actor) -> kenroku_store::Result<Option<Self>> {
        let Actor::Device { id: device, tenant } = *actor else { return Ok(None) };
        let known = fleet::is_device(&mut snow.db().read().await?, tenant, device).await?;
        Ok(known.then_some(Reporter { tenant, device }))
    }
}

impl Resource for Reporter {
    type Kind = SnowWork;

    fn tenant(&self) -> Tenant {
        self.tenant
    }

    fn id(&self) -> Uuid {
        self.device.uuid()
    }
}

impl LoadResource<App> for Reporter {
    async fn load(_: &mut Parts, app: &App, actor: &Actor, _: &[Tenant]) -> Result<Option<Self>, Problem> {
        let snow = snow(app).map_err(|e| *e.0)?;
        Ok(Self::of(&snow, actor).await?)
    }
}
