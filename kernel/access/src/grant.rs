//! [`Granted`]: the proof that a permission was given, and [`Access`], which gives it.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use axum::http::request::Parts;
use kenroku_types::{Problem, Tenant};
use uuid::Uuid;

use crate::credential::{self, Credential, WebRules};
use crate::policy::{Decision, Policies};
use crate::resource::Target;
use crate::{Actor, Permission, PermissionMeta, Refusal, Scope};

/// The proof that `actor` may do `P` in `tenant` on one thing. Application functions take it as an argument,
/// so that whoever calls them has asked; SQL takes the tenant from it.
///
/// Only this crate makes one: [`Access::grant`] asks the policies, [`Granted::for_system`] is for work that
/// no person asked for. Nothing else can:
///
/// ```compile_fail,E0451
/// use kenroku_access::{Actor, Granted, kernel::ViewMatrix};
/// let forged: Granted<ViewMatrix> = Granted {
///     actor: Actor::Anonymous,
///     tenant: kenroku_types::Tenant::SHARED,
///     resource: kenroku_types::Tenant::SHARED.uuid(),
///     proof: std::marker::PhantomData,
/// };
/// ```
///
/// A proof of one permission is no proof of another:
///
/// ```compile_fail,E0308
/// use kenroku_access::{Granted, kernel::{ManageStaff, ViewMatrix}};
/// fn disable_account(_: &Granted<ManageStaff>) {}
/// let seen: Granted<ViewMatrix> = Granted::for_system("report", kenroku_types::Tenant::SHARED);
/// disable_account(&seen);
/// ```
///
/// The same call with the right proof:
///
/// ```
/// use kenroku_access::{Granted, kernel::ManageStaff};
/// fn disable_account(_: &Granted<ManageStaff>) {}
/// let proof: Granted<ManageStaff> = Granted::for_system("retire-accounts", kenroku_types::Tenant::SHARED);
/// disable_account(&proof);
/// ```
pub struct Granted<P> {
    actor: Actor,
    tenant: Tenant,
    resource: Uuid,
    proof: PhantomData<fn() -> P>,
}

impl<P: Permission> Granted<P> {
    fn new(actor: Actor, target: &Target) -> Self {
        Granted { actor, tenant: target.tenant, resource: target.id, proof: PhantomData }
    }

    /// A proof for work that no person asked for: jobs, schedules, event handlers, the command line. Every use
    /// is found by searching for `for_system`, and the actor it leaves in logs is `system:{module}`.
    pub fn for_system(module: &'static str, tenant: Tenant) -> Self {
        Self::new(Actor::System { module }, &Target::whole::<P::On>(tenant))
    }

    /// Who was allowed.
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Whose data it was allowed on; [`Tenant::SHARED`] for what is public and prefecture-wide.
    pub const fn tenant(&self) -> Tenant {
        self.tenant
    }

    /// The thing it was allowed on; the tenant's own id for a whole tenant's matters.
    pub const fn resource(&self) -> Uuid {
        self.resource
    }

    /// The permission.
    pub const fn permission(&self) -> PermissionMeta {
        P::META
    }
}

impl<P> Clone for Granted<P> {
    fn clone(&self) -> Self {
        Granted {
            actor: self.actor.clone(),
            tenant: self.tenant,
            resource: self.resource,
            proof: PhantomData,
        }
    }
}

impl<P: Permission> fmt::Debug for Granted<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Granted({} to {} in {})", P::META.id, self.actor, self.tenant)
    }
}

/// A future that an [`Authenticator`] returns.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'a>>;

/// Turns secrets into actors. The kernel's own is the staff accounts here; the identity
/// provider brings another.
pub trait Authenticator: Send + Sync + 'static {
    /// Whose session this token belongs to; `None` when it is unknown, expired or revoked. `module` is the module
    /// that is asked: it knows a resident by a pseudonym of its own.
    fn session<'a>(&'a self, token: &'a str, module: &'a str) -> Answer<'a, Option<Actor>>;

    /// Whose API or device key this is; `None` when it is unknown, expired or revoked.
    fn key<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Actor>>;

    /// Writes down what an emergency account is about to do. Whoever gives out no such accounts has nothing to do.
    fn act<'a>(&'a self, actor: &'a Actor, what: &'a str) -> Answer<'a, ()> {
        let _ = (actor, what);
        Box::pin(async { Ok(()) })
    }
}

impl Authenticator for Box<dyn Authenticator> {
    fn session<'a>(&'a self, token: &'a str, module: &'a str) -> Answer<'a, Option<Actor>> {
        (**self).session(token, module)
    }

    fn key<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Actor>> {
        (**self).key(key)
    }

    fn act<'a>(&'a self, actor: &'a Actor, what: &'a str) -> Answer<'a, ()> {
        (**self).act(actor, what)
    }
}

/// Several authenticators, asked in their order until one knows the token or key.
impl Authenticator for Vec<Box<dyn Authenticator>> {
    fn session<'a>(&'a self, token: &'a str, module: &'a str) -> Answer<'a, Option<Actor>> {
        Box::pin(async move {
            for one in self {
                if let Some(actor) = one.session(token, module).await? {
                    return Ok(Some(actor));
                }
            }
            Ok(None)
        })
    }

    fn key<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Actor>> {
        Box::pin(async move {
            for one in self {
                if let Some(actor) = one.key(key).await? {
                    return Ok(Some(actor));
                }
            }
            Ok(None)
        })
    }

    fn act<'a>(&'a self, actor: &'a Actor, what: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            for one in self {
                one.act(actor, what).await?;
            }
            Ok(())
        })
    }
}

/// Request extension: the module whose operation a request reached, as the HTTP layer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForModule(pub &'static str);

/// The door: finds out who asks and asks the policies whether they may. Cheap to clone.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    policies: Policies,
    authenticator: Box<dyn Authenticator>,
    web: WebRules,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({:?})", self.0.policies)
    }
}

impl Access {
    /// Puts the parts together.
    pub fn new(policies: Policies, authenticator: impl Authenticator, web: WebRules) -> Self {
        Access(Arc::new(Inner { policies, authenticator: Box::new(authenticator), web }))
    }

    /// The policies, to show them.
    pub fn policies(&self) -> &Policies {
        &self.0.policies
    }

    /// How cookies are set and read.
    pub fn web(&self) -> &WebRules {
        &self.0.web
    }

    /// Who sends this request. Somebody who shows nothing is [`Actor::Anonymous`], and so is somebody whose
    /// session is over; an unknown key is refused, because a program must learn of it.
    ///
    /// The answer is kept in the request's extensions: the log and later extractors find it there.
    ///
    /// # Errors
    /// [`Refusal::KeyUnknown`]; [`Refusal::Failed`].
    pub async fn authenticate(&self, parts: &mut Parts) -> Result<Actor, Refusal> {
        if let Some(actor) = parts.extensions.get::<Actor>() {
            return Ok(actor.clone());
        }
        let module = parts.extensions.get::<ForModule>().map_or("", |m| m.0);
        let actor = match credential::of(parts, &self.0.web)? {
            Credential::None => Actor::Anonymous,
            Credential::Session(token) => {
                self.0.authenticator.session(&token, module).await?.unwrap_or(Actor::Anonymous)
            }
            Credential::Key(key) => self.actor_of_key(&key).await?,
        };
        if actor.is_break_glass() {
            // Before it happens: what cannot be written down does not happen. The pattern, never the address itself.
            let route = parts.extensions.get::<axum::extract::MatchedPath>().map_or("", |m| m.as_str());
            self.0.authenticator.act(&actor, &format!("{} {route}", parts.method)).await?;
        }
        parts.extensions.insert(actor.clone());
        Ok(actor)
    }

    /// Whose key this is, for protocols that carry it elsewhere than in `Authorization` (OsmAnd's `id`).
    ///
    /// # Errors
    /// [`Refusal::KeyUnknown`] when it is unknown, expired or revoked; [`Refusal::Failed`].
    pub async fn actor_of_key(&self, key: &str) -> Result<Actor, Refusal> {
        self.0.authenticator.key(key).await?.ok_or(Refusal::KeyUnknown)
    }

    /// Asks the policies without consequences: for showing or hiding a button, and for the matrix.
    pub fn decide(&self, actor: &Actor, permission: &PermissionMeta, target: &Target) -> Decision<'_> {
        self.0.policies.decide(actor, permission, target)
    }

    /// Asks the policies for `P` on one thing.
    ///
    /// # Errors
    /// [`Refusal::SignInNeeded`] for somebody unknown; [`Refusal::NotFound`] when the thing lies outside the
    /// actor's reach or its existence is secret; otherwise [`Refusal::Forbidden`].
    pub fn grant<P: Permission>(&self, actor: &Actor, target: &Target) -> Result<Granted<P>, Refusal> {
        let decision = self.decide(actor, &P::META, target);
        if decision.allowed {
            return Ok(Granted::new(actor.clone(), target));
        }
        let reasons: Vec<&str> = decision.reasons.iter().map(|r| r.id.as_str()).collect();
        tracing::info!(%actor, permission = P::META.id, tenant = %target.tenant, ?reasons, "refused");
        let outside =
            actor.scope().tenant().is_some_and(|own| !self.0.policies.tenants().lies_in(target.tenant, own));
        Err(if actor.is_anonymous() {
            Refusal::SignInNeeded
        } else if P::META.hidden || outside {
            Refusal::NotFound
        } else {
            Refusal::Forbidden(P::META.id)
        })
    }

    /// Asks for `P` on all matters of the actor's own tenant (of the public side for residents).
    ///
    /// # Errors
    /// As [`Access::grant`].
    pub fn grant_at_home<P: Permission>(&self, actor: &Actor) -> Result<Granted<P>, Refusal> {
        self.grant(actor, &Target::whole::<P::On>(actor.scope().tenant().unwrap_or(Tenant::SHARED)))
    }

    /// Every tenant in which the actor may do `P`: what a list over several municipalities may show.
    pub fn grants_within_reach<P: Permission>(&self, actor: &Actor) -> Vec<Granted<P>> {
        let targets = self.reach(actor).into_iter().map(Target::whole::<P::On>);
        targets
            .filter(|t| self.decide(actor, &P::META, t).allowed)
            .map(|t| Granted::new(actor.clone(), &t))
            .collect()
    }

    /// The tenants whose data the actor could possibly touch: their own first, then those below it.
    pub fn reach(&self, actor: &Actor) -> Vec<Tenant> {
        match actor.scope() {
            Scope::Tenant(own) => self.0.policies.tenants().within(own),
            Scope::Public => vec![Tenant::SHARED],
        }
    }
}
