//! Who may: [`Reader`] and [`Writer`], the first arguments of every handler.
//!
//! A request names its tenant by `NGSILD-Tenant` (GS CIM 009 §4.14): the code of a local government. Open tenants are read
//! without a key; everything else asks the policies.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use kenroku_access::Permission;
use kenroku_access::{Refusal, Target};
use kenroku_http::{App, Gate, Guard};
use kenroku_ngsi_ld::{Fault, NgsiError};
use kenroku_types::Tenant;

use crate::http::problem;
use crate::module::{BrokerData, tenant_named};
use crate::{Broker, ReadEntities, WriteEntities};

/// Whoever may read the tenant's entities.
#[derive(Clone, Debug)]
pub struct Reader(pub Space);

/// Whoever may write the tenant's entities.
#[derive(Clone, Debug)]
pub struct Writer(pub Space);

/// Whose data a request speaks about.
#[derive(Clone, Debug)]
pub struct Space {
    /// The tenant.
    pub tenant: Tenant,
    /// As the request named it.
    pub named: Option<String>,
}

impl Guard for Reader {
    fn gate() -> Gate {
        Gate::Needs(ReadEntities::META.id)
    }
}

impl Guard for Writer {
    fn gate() -> Gate {
        Gate::Needs(WriteEntities::META.id)
    }
}

/// Why nobody comes in.
#[derive(Debug)]
pub enum Closed {
    /// The policies say no.
    Refused(Refusal),
    /// There is no such tenant.
    Ngsi(NgsiError),
}

impl IntoResponse for Closed {
    fn into_response(self) -> Response {
        match self {
            Closed::Refused(r) => r.into_response(),
            Closed::Ngsi(e) => problem(&e),
        }
    }
}

fn space(parts: &Parts, broker: &Broker, app: &App) -> Result<Space, NgsiError> {
    let Some(header) = parts.headers.get("ngsild-tenant") else {
        return Ok(Space { tenant: broker.settings.default_tenant, named: None });
    };
    let name = header.to_str().unwrap_or_default();
    let unknown = || {
        NgsiError::new(
            Fault::NonexistentTenant,
            format!("“{}” is not the code of a tenant here", kenroku_ngsi_ld::check::short(name)),
        )
    };
    let tenant = tenant_named(name).ok_or_else(unknown)?;
    let known = tenant == broker.settings.default_tenant
        || broker.settings.open.contains(&tenant)
        || app.access().policies().tenants().all().contains(&tenant);
    if known { Ok(Space { tenant, named: Some(name.to_owned()) }) } else { Err(unknown()) }
}

async fn enter<P: Permission<On = BrokerData>>(
    parts: &mut Parts,
    app: &App,
    open: fn(&Broker, Tenant) -> bool,
) -> Result<Space, Closed> {
    let broker = app
        .get::<Broker>()
        .map_err(|e| Closed::Ngsi(NgsiError::new(Fault::InternalError, e.0.title.to_string())))?;
    let space = space(parts, &broker, app).map_err(Closed::Ngsi)?;
    if open(&broker, space.tenant) {
        return Ok(space);
    }
    let actor = app.access().authenticate(parts).await.map_err(Closed::Refused)?;
    if actor.is_anonymous() {
        return Err(Closed::Refused(Refusal::SignInNeeded));
    }
    app.access().grant::<P>(&actor, &Target::whole::<BrokerData>(space.tenant)).map_err(Closed::Refused)?;
    Ok(space)
}

impl FromRequestParts<App> for Reader {
    type Rejection = Closed;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Closed> {
        enter::<ReadEntities>(parts, app, |b, t| b.settings.open.contains(&t)).await.map(Reader)
    }
}

impl FromRequestParts<App> for Writer {
    type Rejection = Closed;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Closed> {
        let open = |b: &Broker, t: Tenant| b.settings.open_writes && b.settings.open.contains(&t);
        enter::<WriteEntities>(parts, app, open).await.map(Writer)
    }
}
