//! The things permissions are asked on, and how a handler gets one from its path.

use std::future::Future;

use axum::http::request::Parts;
use kenroku_types::ids::SubjectId;
use kenroku_types::{Problem, Tenant};
use uuid::Uuid;

use crate::{Actor, KindMeta, ResourceKind};

/// A single thing that a policy can be asked about.
pub trait Resource: Send + Sync + Sized + 'static {
    /// Its kind.
    type Kind: ResourceKind;

    /// Whose it is.
    fn tenant(&self) -> Tenant;

    /// Its id.
    fn id(&self) -> Uuid;

    /// The person whose own thing it is, if it is somebody's (an application, a consent).
    fn owner(&self) -> Option<SubjectId> {
        None
    }
}

/// A [`Resource`] that a handler can ask for by path: `Authz<P, R>` loads it before the policy is asked.
pub trait LoadResource<S>: Resource {
    /// Finds the thing that the path names; `Ok(None)` when there is none. Statements filter by tenant: take
    /// it from the path, or try `reach` (the actor's own tenant first, then those below it).
    ///
    /// # Errors
    /// A [`Problem`] when the path cannot be understood (400) or the store fails (5xx).
    fn load(
        parts: &mut Parts,
        state: &S,
        actor: &Actor,
        reach: &[Tenant],
    ) -> impl Future<Output = Result<Option<Self>, Problem>> + Send;
}

/// The facts of a resource that a decision looks at, detached from its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The kind.
    pub kind: KindMeta,
    /// The id; for a whole tenant's matters, the tenant's own.
    pub id: Uuid,
    /// Whose it is; [`Tenant::SHARED`] for what is public and prefecture-wide.
    pub tenant: Tenant,
    /// The person whose own thing it is.
    pub owner: Option<SubjectId>,
}

impl Target {
    /// The facts of `r`.
    pub fn of<R: Resource>(r: &R) -> Self {
        Target { kind: R::Kind::META, id: r.id(), tenant: r.tenant(), owner: r.owner() }
    }

    /// All matters of a kind in one tenant: what a list page or an upload without a path asks about.
    pub fn whole<K: ResourceKind>(tenant: Tenant) -> Self {
        Target { kind: K::META, id: tenant.uuid(), tenant, owner: None }
    }
}
