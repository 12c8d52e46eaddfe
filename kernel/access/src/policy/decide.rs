//! A decision: one question to the policies, with its reasons.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use cedar_policy::{
    Authorizer, Context, Decision as Verdict, Effect, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    Policy, PrincipalConstraint, Request, RestrictedExpression,
};
use kenroku_types::Tenant;
use uuid::Uuid;

use super::{Policies, Rule};
use crate::resource::Target;
use crate::{Actor, ActorKind, Assurance, PermissionMeta, TenantTree};

/// What the policies answered.
#[derive(Clone, Debug)]
pub struct Decision<'p> {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The rules that decided: the permits when allowed, the forbids when one of them refused, none when
    /// simply nothing permits it.
    pub reasons: Vec<&'p Rule>,
}

/// Names and contexts parsed once, because parsing them takes longer than deciding.
pub(super) struct Prepared {
    authorizer: Authorizer,
    kinds: HashMap<&'static str, EntityTypeName>,
    tenant: EntityTypeName,
    role: EntityTypeName,
    action: EntityTypeName,
    nobody: EntityUid,
    /// Index: assurance level × 2 + in_scope.
    contexts: Vec<Context>,
}

impl Prepared {
    pub(super) fn new(permissions: &[PermissionMeta]) -> Result<Self, String> {
        let name =
            |s: &str| EntityTypeName::from_str(s).map_err(|e| format!("“{s}” is not a type name: {e}"));
        let mut kinds = HashMap::new();
        for k in permissions.iter().map(|p| p.on.name).chain(ActorKind::IN_POLICIES.map(ActorKind::name)) {
            kinds.insert(k, name(k)?);
        }
        let mut contexts = Vec::new();
        for a in Assurance::ALL {
            for in_scope in [false, true] {
                let pairs = [
                    ("assurance".to_owned(), RestrictedExpression::new_long(i64::from(a.level()))),
                    ("in_scope".to_owned(), RestrictedExpression::new_bool(in_scope)),
                ];
                contexts.push(Context::from_pairs(pairs).map_err(|e| e.to_string())?);
            }
        }
        let nobody =
            EntityUid::from_type_name_and_id(name(ActorKind::Anonymous.name())?, EntityId::new("nobody"));
        Ok(Prepared {
            authorizer: Authorizer::new(),
            kinds,
            tenant: name("Tenant")?,
            role: name("Role")?,
            action: name("Action")?,
            nobody,
            contexts,
        })
    }

    pub(super) fn action(&self, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.action.clone(), EntityId::new(id))
    }

    fn tenant(&self, t: Tenant) -> EntityUid {
        uid(&self.tenant, t.uuid())
    }

    /// Who asks, as an entity. `None` for a system actor: policies do not speak of those.
    fn principal(&self, actor: &Actor) -> Option<Entity> {
        let kind = || self.kinds.get(actor.kind().name());
        let with_tenant = |u: EntityUid, tenant: Tenant, parents| {
            let attrs = HashMap::from([(
                "tenant".to_owned(),
                RestrictedExpression::new_entity_uid(self.tenant(tenant)),
            )]);
            Entity::new(u, attrs, parents).ok()
        };
        match actor {
            Actor::Anonymous => Some(Entity::with_uid(self.nobody.clone())),
            Actor::Resident { subject, .. } => Some(Entity::with_uid(uid(kind()?, subject.uuid()))),
            Actor::Staff { id, tenant, roles, .. } => {
                let role = |r: &crate::RoleId| {
                    EntityUid::from_type_name_and_id(self.role.clone(), EntityId::new(r.as_str()))
                };
                with_tenant(uid(kind()?, id.uuid()), *tenant, roles.iter().map(role).collect())
            }
            Actor::Device { id, tenant } => with_tenant(uid(kind()?, id.uuid()), *tenant, HashSet::new()),
            Actor::Client { id, tenant, .. } => with_tenant(uid(kind()?, id.uuid()), *tenant, HashSet::new()),
            Actor::System { .. } => None,
        }
    }

    /// The thing, as an entity in its tenant and in everything that tenant lies in.
    fn resource(&self, target: &Target, above: &[Tenant]) -> Option<Entity> {
        let mut attrs = HashMap::from([(
            "tenant".to_owned(),
            RestrictedExpression::new_entity_uid(self.tenant(target.tenant)),
        )]);
        if let Some(owner) = target.owner {
            let owner = uid(self.kinds.get(ActorKind::Resident.name())?, owner.uuid());
            attrs.insert("owner".to_owned(), RestrictedExpression::new_entity_uid(owner));
        }
        let parents = above.iter().map(|t| self.tenant(*t)).collect();
        Entity::new(uid(self.kinds.get(target.kind.name)?, target.id), attrs, parents).ok()
    }
}

fn uid(kind: &EntityTypeName, id: Uuid) -> EntityUid {
    let mut text = Uuid::encode_buffer();
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id.hyphenated().encode_lower(&mut text)))
}

/// Whether a permit leaves room for somebody who did not sign in.
pub(super) fn open_to_all(policy: &Policy) -> bool {
    policy.effect() == Effect::Permit
        && match policy.principal_constraint() {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Is(kind) => kind.to_string() == ActorKind::Anonymous.name(),
            _ => false,
        }
}

impl Policies {
    /// Asks the policies. Refuses, and logs, whatever it cannot ask properly: a permission that no module
    /// declared, a thing of another kind, a policy that fails while it is evaluated.
    pub fn decide(&self, actor: &Actor, permission: &PermissionMeta, target: &Target) -> Decision<'_> {
        self.decide_among(&self.tenants, actor, permission, target)
    }

    /// The same among other tenants than the installation's: the matrix asks in a made-up prefecture.
    pub(crate) fn decide_among(
        &self,
        tenants: &TenantTree,
        actor: &Actor,
        permission: &PermissionMeta,
        target: &Target,
    ) -> Decision<'_> {
        let refused = Decision { allowed: false, reasons: Vec::new() };
        let Some(action) = self.actions.get(permission.id) else {
            tracing::error!(permission = permission.id, "no module declares this permission; refused");
            return refused;
        };
        if target.kind != permission.on {
            tracing::error!(
                permission = permission.id,
                on = target.kind.name,
                "asked on the wrong kind; refused"
            );
            return refused;
        }
        let p = &self.prepared;
        let above = tenants.above(target.tenant);
        let (Some(principal), Some(resource)) = (p.principal(actor), p.resource(target, &above)) else {
            return refused;
        };
        let in_scope = match actor {
            Actor::Client { scopes, .. } => scopes.iter().any(|s| s == permission.id),
            _ => true,
        };
        let context = p.contexts[usize::from(actor.assurance().level()) * 2 + usize::from(in_scope)].clone();
        let (who, what) = (principal.uid(), resource.uid());
        let asked = Request::new(who, action.entity.uid(), what, context, None);
        let (Ok(request), Ok(entities)) =
            (asked, Entities::from_entities([principal, resource, action.entity.clone()], None))
        else {
            return refused;
        };
        let answer = p.authorizer.is_authorized(&request, &action.policies, &entities);
        // Cedar skips a policy that fails; a forbid must not be lost that way.
        if let Some(e) = answer.diagnostics().errors().next() {
            tracing::error!(permission = permission.id, error = %e, "a policy failed; refused");
            return refused;
        }
        Decision {
            allowed: answer.decision() == Verdict::Allow,
            reasons: answer.diagnostics().reason().filter_map(|id| self.rule(id.as_ref())).collect(),
        }
    }

    /// The rule of that id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.get(id)
    }

    /// Whether somebody who did not sign in could ever be allowed this.
    pub(crate) fn open_to_all(&self, permission: &PermissionMeta) -> bool {
        self.actions.get(permission.id).is_some_and(|a| a.open)
    }
}
