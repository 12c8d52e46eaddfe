//! Roles: what a member of staff is there for. The set is small; a module may add its own.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The stable name of a role, such as `muni-admin`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoleId(Cow<'static, str>);

impl RoleId {
    /// A role named in code.
    pub const fn new(id: &'static str) -> Self {
        RoleId(Cow::Borrowed(id))
    }

    /// A role read from the database. It grants nothing unless a policy names it.
    pub fn stored(id: String) -> Self {
        RoleId(Cow::Owned(id))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which kind of tenant has such staff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RoleHome {
    /// Prefectures only.
    Prefecture,
    /// Municipalities only.
    Municipality,
    /// Prefectures and municipalities.
    Government,
    /// The installation itself ([`kenroku_types::Tenant::SHARED`]).
    Installation,
}

/// A role with its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Stable name, used in policies and accounts.
    pub id: &'static str,
    /// The name people read, in Japanese.
    pub ja: &'static str,
    /// The same in English.
    pub en: &'static str,
    /// What it is for, one sentence in Japanese for the account page.
    pub about_ja: &'static str,
    /// Who can have it.
    pub home: RoleHome,
}
