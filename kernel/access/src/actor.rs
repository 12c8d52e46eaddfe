//! [`Actor`]: who asks, how surely we know it, and for whom they act.

use std::fmt;

use kenroku_types::ids::{DeviceId, StaffId, SubjectId};
use kenroku_types::{Tenant, Timestamp, id_kind};
use serde::{Deserialize, Serialize};

use crate::RoleId;

id_kind! {
    /// A vendor's program that calls the APIs.
    Client => ClientId;
}

/// The mark of an emergency account in use, among its roles. No module declares it, so nobody can be given it and no
/// rule grants anything for it.
pub const BREAK_GLASS: RoleId = RoleId::new("break-glass");

/// How surely somebody is who they say: the ladder of facts that a sign-in can rest on. The order matters:
/// a policy asks for “at least”.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assurance {
    /// Nothing was proved.
    #[default]
    None,
    /// Possession of a secret key (programs and devices).
    Key,
    /// A password alone.
    Password,
    /// A password and a one-time code.
    PasswordOtp,
    /// A passkey (WebAuthn, user verified).
    Passkey,
    /// The My Number card's certificate for user authentication (公的個人認証法 §22, 利用者証明用電子証明書).
    JpkiAuth,
    /// The My Number card's certificate for signatures (公的個人認証法 §3, 署名用電子証明書).
    JpkiSign,
}

impl Assurance {
    /// Every step, weakest first.
    pub const ALL: [Assurance; 7] = [
        Assurance::None,
        Assurance::Key,
        Assurance::Password,
        Assurance::PasswordOtp,
        Assurance::Passkey,
        Assurance::JpkiAuth,
        Assurance::JpkiSign,
    ];

    /// The number policies compare (`context.assurance >= 5`): 0, 1, 2 … in the order of [`Assurance::ALL`].
    pub const fn level(self) -> u8 {
        self as u8
    }

    /// The `acr` value (OpenID Connect Core 1.0 §2) that says the same; `None` where no person signed in.
    pub const fn acr(self) -> Option<&'static str> {
        match self {
            Assurance::None | Assurance::Key => None,
            Assurance::Password => Some("urn:ishikawa:password"),
            Assurance::PasswordOtp => Some("urn:ishikawa:password-otp"),
            Assurance::Passkey => Some("urn:ishikawa:passkey"),
            Assurance::JpkiAuth => Some("urn:ishikawa:jpki-auth"),
            Assurance::JpkiSign => Some("urn:ishikawa:jpki-sign"),
        }
    }
}

/// How and when the actor proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// What the proof rests on.
    pub assurance: Assurance,
    /// When it was given (the `auth_time` of OpenID Connect Core 1.0 §2).
    pub at: Timestamp,
}

/// Who asks. Made by the authenticator from a session, key or token; code below HTTP meets it inside a
/// [`Granted`](crate::Granted).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody who did not sign in.
    Anonymous,
    /// A person with an いしかわID, by the pseudonym that the asked module knows them by.
    Resident {
        /// The pairwise pseudonym (docs/adr/0008-vault.md).
        subject: SubjectId,
        /// How they signed in.
        sign_in: SignIn,
    },
    /// A member of staff of one tenant, or an operator of the installation ([`Tenant::SHARED`]).
    Staff {
        /// The account.
        id: StaffId,
        /// Whose staff.
        tenant: Tenant,
        /// What they are there for.
        roles: Vec<RoleId>,
        /// How they signed in.
        sign_in: SignIn,
    },
    /// A machine that reports: GPS unit, sensor, kiosk.
    Device {
        /// The device.
        id: DeviceId,
        /// Whose device.
        tenant: Tenant,
    },
    /// A vendor's program.
    Client {
        /// The program.
        id: ClientId,
        /// For whose data it was registered.
        tenant: Tenant,
        /// Ids of the permissions its key was issued for; a scope narrows, it never adds.
        scopes: Vec<String>,
    },
    /// A module working by itself (job, schedule, event handler). Never made from a request.
    System {
        /// The module's name.
        module: &'static str,
    },
}

/// Whose data a request speaks about before a single thing is named (docs/adr/0003-tenancy-and-keys.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The whole prefecture, and only what is public: pages for everybody.
    Public,
    /// One tenant: that of the staff account, or of the key.
    Tenant(Tenant),
}

impl Scope {
    /// The tenant; `None` for public pages.
    pub const fn tenant(self) -> Option<Tenant> {
        match self {
            Scope::Public => None,
            Scope::Tenant(t) => Some(t),
        }
    }
}

/// The kinds of actor, as policies, the matrix and log rows name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActorKind {
    /// See [`Actor::Anonymous`].
    Anonymous,
    /// See [`Actor::Resident`].
    Resident,
    /// See [`Actor::Staff`].
    Staff,
    /// See [`Actor::Device`].
    Device,
    /// See [`Actor::Client`].
    Client,
    /// See [`Actor::System`].
    System,
}

impl ActorKind {
    /// The kinds a policy can speak of: everyone who can stand at the door.
    pub const IN_POLICIES: [ActorKind; 5] =
        [ActorKind::Anonymous, ActorKind::Resident, ActorKind::Staff, ActorKind::Device, ActorKind::Client];

    /// The entity type in Cedar, and the label in logs when lower-cased.
    pub const fn name(self) -> &'static str {
        match self {
            ActorKind::Anonymous => "Anonymous",
            ActorKind::Resident => "Resident",
            ActorKind::Staff => "Staff",
            ActorKind::Device => "Device",
            ActorKind::Client => "Client",
            ActorKind::System => "System",
        }
    }
}

impl Actor {
    /// Which kind this is.
    pub const fn kind(&self) -> ActorKind {
        match self {
            Actor::Anonymous => ActorKind::Anonymous,
            Actor::Resident { .. } => ActorKind::Resident,
            Actor::Staff { .. } => ActorKind::Staff,
            Actor::Device { .. } => ActorKind::Device,
            Actor::Client { .. } => ActorKind::Client,
            Actor::System { .. } => ActorKind::System,
        }
    }

    /// Whether nobody signed in and no key was shown.
    pub const fn is_anonymous(&self) -> bool {
        matches!(self, Actor::Anonymous)
    }

    /// Whether it is an emergency account in use.
    pub fn is_break_glass(&self) -> bool {
        matches!(self, Actor::Staff { roles, .. } if roles.contains(&BREAK_GLASS))
    }

    /// The scope that follows from who it is: staff and keys act for their tenant, everybody else sees the
    /// public, prefecture-wide side.
    pub const fn scope(&self) -> Scope {
        match self {
            Actor::Staff { tenant, .. } | Actor::Device { tenant, .. } | Actor::Client { tenant, .. } => {
                Scope::Tenant(*tenant)
            }
            Actor::Anonymous | Actor::Resident { .. } | Actor::System { .. } => Scope::Public,
        }
    }

    /// How surely they are who they say.
    pub const fn assurance(&self) -> Assurance {
        match self {
            Actor::Anonymous => Assurance::None,
            Actor::Resident { sign_in, .. } | Actor::Staff { sign_in, .. } => sign_in.assurance,
            Actor::Device { .. } | Actor::Client { .. } | Actor::System { .. } => Assurance::Key,
        }
    }
}

impl fmt::Display for Actor {
    /// A stable label for logs and the disclosure record: `staff:019449a0-…`, `system:snow`, `anonymous`. Whatever an
    /// emergency account does is marked in it: `break-glass:019449a0-…`.
    /// It holds pseudonyms only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Anonymous => f.write_str("anonymous"),
            Actor::Resident { subject, .. } => write!(f, "resident:{subject}"),
            Actor::Staff { id, .. } if self.is_break_glass() => write!(f, "break-glass:{id}"),
            Actor::Staff { id, .. } => write!(f, "staff:{id}"),
            Actor::Device { id, .. } => write!(f, "device:{id}"),
            Actor::Client { id, .. } => write!(f, "client:{id}"),
            Actor::System { module } => write!(f, "system:{module}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_is_ordered_and_numbered() {
        for (n, a) in Assurance::ALL.iter().enumerate() {
            assert_eq!(usize::from(a.level()), n);
        }
        assert!(Assurance::ALL.is_sorted());
        assert!(Assurance::Password.acr().is_some() && Assurance::Key.acr().is_none());
    }

    #[test]
    fn an_emergency_account_is_marked_in_every_log() {
        let acting = |roles: &[&'static str]| crate::testing::staff(Tenant::SHARED, roles);
        assert!(acting(&["operator"]).to_string().starts_with("staff:"));
        assert!(acting(&["operator", "break-glass"]).to_string().starts_with("break-glass:"));
    }

    #[test]
    fn the_tenant_follows_from_the_actor() {
        let device = Actor::Device { id: DeviceId::from_uuid(uuid::Uuid::nil()), tenant: Tenant::SHARED };
        assert_eq!(device.scope(), Scope::Tenant(Tenant::SHARED));
        assert_eq!(Actor::Anonymous.scope(), Scope::Public);
        assert_eq!(device.to_string(), "device:00000000-0000-0000-0000-000000000000");
    }
}
