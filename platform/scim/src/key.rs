//! [`Directory`]: the first argument of every handler. It is `Authz<ProvisionStaff>` whose refusals have the shape of
//! RFC 7644, with the second proof for roles that watch over others where the key has it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use kenroku_access::accounts::Steward;
use kenroku_access::kernel::{ProvisionOverseers, ProvisionStaff};
use kenroku_access::{Authz, Granted, Permission as _, Refusal};
use kenroku_http::{App, Gate, Guard};
use kenroku_types::{Problem, Tenant};

use crate::error::ScimError;

/// Proof that a directory's key was shown.
pub(crate) struct Directory {
    by: Granted<ProvisionStaff>,
    overseers: Option<Granted<ProvisionOverseers>>,
}

impl Directory {
    /// Who keeps the accounts.
    pub fn steward(&self) -> Steward<'_> {
        Steward::Directory { by: &self.by, overseers: self.overseers.as_ref() }
    }

    /// Whose accounts.
    pub fn tenant(&self) -> Tenant {
        self.by.tenant()
    }
}

impl Guard for Directory {
    fn gate() -> Gate {
        Gate::Needs(ProvisionStaff::META.id)
    }
}

impl FromRequestParts<App> for Directory {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ScimError> {
        let authz = <Authz<ProvisionStaff> as FromRequestParts<App>>::from_request_parts(parts, app).await;
        let by = authz.map_err(|r: Refusal| Problem::from(r))?.granted;
        let overseers = app.access().grant_at_home::<ProvisionOverseers>(by.actor()).ok();
        Ok(Directory { by, overseers })
    }
}
