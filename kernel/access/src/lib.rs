//! Who may: actors, permissions as types, Cedar policies, the permission matrix, staff accounts and keys.
//!
//! **What it is.** The one place that finds out who sends a request ([`Actor`]), asks the policies whether
//! they may do it ([`Policies`]), and hands out the proof ([`Granted`]) that application functions take as an
//! argument. Handlers ask for [`Authz`]; whoever has no such argument has asked nobody.
//!
//! **What it is not.** It does not decide on personal data by itself: reading it also needs a purpose and
//! leaves a record (kernel/vault). It is not the residents' identity provider (platform/identity), which plugs
//! in as another [`Authenticator`]. It knows no service: a service brings its permissions, roles and policies
//! in its module value ([`ModuleAccess`]).
//!
//! **Invariants.**
//! - Nothing is allowed unless a policy permits it, and a forbid of the kernel wins over every permit.
//! - Staff, devices and programs never touch another tenant's things; they look like “not found” to them.
//!   A prefecture's staff reach its municipalities as far as a policy says so.
//! - A [`Granted`] comes only from the policies, or from `for_system`, which is easy to search for.
//! - Whatever cannot be asked properly (undeclared permission, failing policy) is refused and logged.
//! - Secrets are stored as hashes only; sessions and keys are looked up by hash.
//!
//! **How to add one more.** A permission: a line in the service's `permission!` list, its `META` in the module
//! value, and a policy in the service's `policies/*.cedar` with `@id("service.name")` and
//! `@ja("…")` that names the action; then look at the change in `docs/permission-matrix.txt`. A role: a
//! [`Role`] in the module value. A kind of thing: `resource_kind!`, and [`LoadResource`] on the type that the
//! handler loads from its path.
//!
//! ```
//! use kenroku_access::{
//!     Authz, ModuleAccess, Permission, Policies, PolicyFile, Role, RoleHome, TenantTree, permission,
//!     resource_kind,
//! };
//! resource_kind! {
//!     /// 除雪の区域
//!     pub SnowArea;
//! }
//! permission! {
//!     /// 除雪の状況を遅れなしで見る
//!     pub ViewLiveSnow = "snow.view-live" on SnowArea, view;
//! }
//! async fn live(authz: Authz<ViewLiveSnow>) -> String {
//!     format!("the roads of {}", authz.tenant())
//! }
//! let snow = ModuleAccess {
//!     module: "snow",
//!     permissions: vec![ViewLiveSnow::META],
//!     roles: vec![Role {
//!         id: "snow-desk",
//!         ja: "除雪担当",
//!         en: "Snow desk",
//!         about_ja: "除雪の手配と状況の確認をします。",
//!         home: RoleHome::Government,
//!     }],
//!     policies: vec![PolicyFile {
//!         module: "snow",
//!         text: r#"
//!             @id("snow.desk-views-live")
//!             @ja("除雪担当は、除雪の状況を遅れなしで見られる。")
//!             permit (principal in Role::"snow-desk", action == Action::"snow.view-live", resource);
//!         "#,
//!         explanation_ja: "除雪の状況をだれが見られるか。",
//!     }],
//! };
//! Policies::new(TenantTree::default(), [snow]).unwrap();
//! ```

pub mod accounts;
mod actor;
mod credential;
mod extract;
mod grant;
pub mod kernel;
mod matrix;
mod permission;
mod policy;
mod refusal;
mod resource;
mod role;
mod tenants;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod totp;

pub use actor::{Actor, ActorKind, Assurance, BREAK_GLASS, ClientId, Scope, SignIn};
pub use credential::{Door, Https, SecureCookies, WebRules};
pub use extract::{AccessState, Authz, Visitor, Whole};
pub use grant::{Access, Answer, Authenticator, ForModule, Granted};
pub use matrix::{Matrix, MatrixRow, Reach, Verdict, Who};
pub use permission::{Act, DataClass, KindMeta, Permission, PermissionMeta, ResourceKind};
pub use policy::{Decision, ModuleAccess, Policies, PolicyErrors, PolicyFile, Rule};
pub use refusal::Refusal;
pub use resource::{LoadResource, Resource, Target};
pub use role::{Role, RoleHome, RoleId};
pub use tenants::{TenantTree, TenantTreeError};
