//! Typed ids: a UUIDv7 that knows what it names, so that two of them cannot be mixed up.
//!
//! To add a kind, add a line to the `kinds!` list when several crates use it, or call
//! [`id_kind!`](crate::id_kind) in the crate that owns the concept.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of a `K`. Made by [`Env::id`](crate::Env::id), never by a database.
pub struct Id<K>(Uuid, PhantomData<fn() -> K>);

impl<K> Id<K> {
    /// Wraps a UUID that is known to name a `K` (read from its table or made fresh).
    pub const fn from_uuid(u: Uuid) -> Self {
        Id(u, PhantomData)
    }

    /// The bare UUID, for the database and the wire.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, o: &Self) -> bool {
        self.0 == o.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, o: &Self) -> Option<Ordering> {
        Some(self.cmp(o))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, o: &Self) -> Ordering {
        self.0.cmp(&o.0)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, h: &mut H) {
        self.0.hash(h);
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = std::any::type_name::<K>();
        write!(f, "{}({})", kind.rsplit("::").next().unwrap_or(kind), self.0)
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id; an id is a UUID such as 019449a0-5d3e-7c3a-8f00-000000000000")]
pub struct IdError;

impl<K> FromStr for Id<K> {
    type Err = IdError;
    fn from_str(s: &str) -> Result<Self, IdError> {
        Uuid::parse_str(s).map(Self::from_uuid).map_err(|_| IdError)
    }
}
impl<K> Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}
impl<'de, K> Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Uuid::deserialize(d).map(Self::from_uuid)
    }
}

/// Declares a kind of id: `id_kind!(/// A plough or grader. Vehicle => VehicleId);`.
#[macro_export]
macro_rules! id_kind {
    ($($(#[$doc:meta])* $kind:ident => $alias:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $kind {}
        $(#[$doc])*
        pub type $alias = $crate::Id<$kind>;
    )+};
}

id_kind! {
    /// A person as one module knows them: pairwise, so two modules cannot join on it (docs/adr/0008-vault.md).
    Subject => SubjectId;
    /// A member of staff or an operator account.
    Staff => StaffId;
    /// A connected machine: GPS unit, sensor, kiosk.
    Device => DeviceId;
    /// A consent that a person gave: the basis of a disclosure (platform/consent keeps it).
    Consent => ConsentId;
    /// A request as seen in logs and problem documents.
    Request => RequestId;
    /// A domain event in the outbox.
    Event => EventId;
    /// A job of the queue.
    Job => JobId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_round_trip() {
        let id: DeviceId = "019449a0-5d3e-7c3a-8f00-000000000000".parse().unwrap();
        assert_eq!(serde_json::from_str::<DeviceId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        assert_eq!(format!("{id:?}"), "Device(019449a0-5d3e-7c3a-8f00-000000000000)");
        assert_eq!("x".parse::<DeviceId>(), Err(IdError));
    }
}
