//! [`Tenant`]: whose data a row is. It leads every key of every table.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::MuniCode;
use crate::ids::IdError;

/// An organisation that owns rows: a prefecture, a municipality, or the shared tenant of the installation.
/// A local government's tenant id is derived from its code, so that every installation, export and key
/// names 能美市 by the same id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(Uuid);

/// Name space of tenant ids made from codes (a UUID of its own, RFC 9562 §5.5).
const NAMESPACE: Uuid = Uuid::from_u128(0x6b65_6e72_6f6b_7500_a000_7465_6e61_6e74_u128);

impl Tenant {
    /// Rows that belong to the installation and to no single local government.
    pub const SHARED: Tenant = Tenant(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));

    /// The tenant of a local government.
    pub fn of(code: MuniCode) -> Self {
        Tenant(Uuid::new_v5(&NAMESPACE, code.code5().as_bytes()))
    }

    /// From a stored id.
    pub const fn from_uuid(u: Uuid) -> Self {
        Tenant(u)
    }

    /// The bare UUID, for the database and the wire.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tenant({})", self.0)
    }
}
impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl FromStr for Tenant {
    type Err = IdError;
    fn from_str(s: &str) -> Result<Self, IdError> {
        Uuid::parse_str(s).map(Tenant).map_err(|_| IdError)
    }
}
impl Serialize for Tenant {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}
impl<'de> Deserialize<'de> for Tenant {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Uuid::deserialize(d).map(Tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_always_gives_the_same_tenant() {
        let nomi = MuniCode::new(17211).unwrap();
        assert_eq!(Tenant::of(nomi), Tenant::of("172111".parse().unwrap()));
        assert_ne!(Tenant::of(nomi), Tenant::of(MuniCode::new(17000).unwrap()));
        assert_eq!(Tenant::of(nomi).to_string().parse::<Tenant>().unwrap(), Tenant::of(nomi));
    }
}
