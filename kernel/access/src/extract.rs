//! [`Authz`] and [`Visitor`]: what handlers ask for.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use kenroku_types::{Problem, Tenant};
use uuid::Uuid;

use crate::resource::{LoadResource, Resource, Target};
use crate::{Access, Actor, Granted, Permission, Refusal, ResourceKind, Scope};

/// What this crate needs of an application's state.
pub trait AccessState: Send + Sync + 'static {
    /// The door.
    ///
    /// # Errors
    /// [`Refusal::Failed`] when the state was put together without one.
    fn access(&self) -> Result<Access, Refusal>;
}

impl AccessState for Access {
    fn access(&self) -> Result<Access, Refusal> {
        Ok(self.clone())
    }
}

/// Proof, at the edge, that the sender of the request may do `P`.
///
/// `Authz<P>` asks about the actor's own tenant; `Authz<P, R>` first loads `R` from the path. A handler that
/// takes one cannot run without it:
///
/// ```
/// use kenroku_access::{Authz, kernel::ViewMatrix};
/// async fn matrix(authz: Authz<ViewMatrix>) -> String {
///     format!("for {}", authz.granted.tenant())
/// }
/// ```
#[derive(Debug)]
pub struct Authz<P: Permission, R = Whole<<P as Permission>::On>> {
    /// The proof, for the application function.
    pub granted: Granted<P>,
    /// The thing.
    pub resource: R,
}

impl<P: Permission, R> Authz<P, R> {
    /// Who asks.
    pub fn actor(&self) -> &Actor {
        self.granted.actor()
    }

    /// Whose data it is about.
    pub fn tenant(&self) -> Tenant {
        self.granted.tenant()
    }
}

impl<S, P, R> FromRequestParts<S> for Authz<P, R>
where
    S: AccessState,
    P: Permission,
    R: LoadResource<S, Kind = P::On>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let access = state.access()?;
        let actor = access.authenticate(parts).await?;
        // Somebody unknown learns that sign-in is needed before anything is looked up: what exists is not
        // told, and strangers cost no query.
        if actor.is_anonymous() && !access.policies().open_to_all(&P::META) {
            return Err(Refusal::SignInNeeded);
        }
        let reach = access.reach(&actor);
        let Some(resource) = R::load(parts, state, &actor, &reach).await? else {
            return Err(Refusal::NotFound);
        };
        let granted = access.grant(&actor, &Target::of(&resource))?;
        Ok(Authz { granted, resource })
    }
}

/// All matters of kind `K` in the actor's own tenant; the public side for residents and visitors.
#[derive(Debug)]
pub struct Whole<K> {
    tenant: Tenant,
    kind: PhantomData<fn() -> K>,
}

impl<K: ResourceKind> Resource for Whole<K> {
    type Kind = K;
    fn tenant(&self) -> Tenant {
        self.tenant
    }
    fn id(&self) -> Uuid {
        self.tenant.uuid()
    }
}

impl<S: Sync, K: ResourceKind> LoadResource<S> for Whole<K> {
    async fn load(_: &mut Parts, _: &S, actor: &Actor, _: &[Tenant]) -> Result<Option<Self>, Problem> {
        let tenant = actor.scope().tenant().unwrap_or(Tenant::SHARED);
        Ok(Some(Whole { tenant, kind: PhantomData }))
    }
}

/// Whoever comes, signed in or not: for pages that are open to everybody. A handler with this needs no
/// permission, so it shows only what is public; the coverage list names it as public.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Who it is.
    pub actor: Actor,
    /// What the page speaks about: always the prefecture-wide public side.
    pub scope: Scope,
}

impl<S: AccessState> FromRequestParts<S> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let actor = state.access()?.authenticate(parts).await?;
        Ok(Visitor { actor, scope: Scope::Public })
    }
}
