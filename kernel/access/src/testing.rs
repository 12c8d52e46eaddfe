//! For tests of modules: a door that knows a few tokens by heart, and actors to put behind them.
//!
//! ```
//! use kenroku_access::{TenantTree, testing};
//! let nomi = kenroku_types::Tenant::SHARED;
//! let access = testing::access(TenantTree::default(), [], [("desk", testing::staff(nomi, &["muni-admin"]))]);
//! ```
//! A request then carries `Cookie: kr_session=desk` (below `/staff`: `kr_staff=desk`), or `Authorization: Bearer desk`.

use std::collections::HashMap;

use kenroku_types::ids::{DeviceId, StaffId, SubjectId};
use kenroku_types::{Tenant, Timestamp};
use uuid::Uuid;

use crate::{
    Access, Actor, Answer, Assurance, Authenticator, ModuleAccess, Policies, RoleId, SignIn, TenantTree,
    WebRules,
};

/// Tokens and keys with the actors they stand for.
#[derive(Clone, Debug)]
pub struct Known(HashMap<String, Actor>);

impl Authenticator for Known {
    fn session<'a>(&'a self, token: &'a str, _: &'a str) -> Answer<'a, Option<Actor>> {
        Box::pin(async move { Ok(self.0.get(token).cloned()) })
    }

    fn key<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Actor>> {
        Box::pin(async move { Ok(self.0.get(key).cloned()) })
    }
}

/// A door with the policies of these modules that knows these tokens.
///
/// # Panics
/// When the policies are not in order; the message says what to do.
#[expect(clippy::panic, reason = "a test cannot go on without its policies")]
pub fn access<'t>(
    tenants: TenantTree,
    modules: impl IntoIterator<Item = ModuleAccess>,
    known: impl IntoIterator<Item = (&'t str, Actor)>,
) -> Access {
    let policies = Policies::new(tenants, modules).unwrap_or_else(|e| panic!("{e}"));
    let known = known.into_iter().map(|(token, actor)| (token.to_owned(), actor)).collect();
    Access::new(policies, Known(known), WebRules::default())
}

/// A moment and a way of signing in.
const fn signed_in(assurance: Assurance) -> SignIn {
    SignIn { assurance, at: Timestamp::from_secs(1_768_350_600) }
}

/// A member of staff who signed in by password.
pub fn staff(tenant: Tenant, roles: &[&'static str]) -> Actor {
    let roles = roles.iter().map(|r| RoleId::new(r)).collect();
    let id = StaffId::from_uuid(Uuid::from_u128(1));
    Actor::Staff { id, tenant, roles, sign_in: signed_in(Assurance::Password) }
}

/// Resident number `n`, who signed in by card.
pub fn resident(n: u128) -> Actor {
    let subject = SubjectId::from_uuid(Uuid::from_u128(n));
    Actor::Resident { subject, sign_in: signed_in(Assurance::JpkiAuth) }
}

/// Device number `n`.
pub fn device(tenant: Tenant, n: u128) -> Actor {
    Actor::Device { id: DeviceId::from_uuid(Uuid::from_u128(n)), tenant }
}
