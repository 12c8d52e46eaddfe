//! [`Event`]: a fact that other modules may act upon.

use kenroku_types::ids::EventId;
use kenroku_types::{Tenant, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Failed;

/// Something that happened, said in the past tense. Its type lives in `contracts`.
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// `module.what-happened`, for example `snow.pass-settled`. Never changed, never used again for something else.
    const NAME: &'static str;
    /// Raised when older rows no longer read as this type.
    const VERSION: u16 = 1;

    /// Turns the JSON of an older version into this one; `None` when that version is unknown. Accept at least the
    /// previous version: its rows are still in the outbox while the new release starts.
    fn upgrade(version: u16, json: Value) -> Option<Value> {
        let _ = (version, json);
        None
    }
}

/// An event as a handler receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received<E> {
    /// Its id: the same at every attempt and for every consumer.
    pub id: EventId,
    /// Whose fact it is. Statements of the handler name this tenant.
    pub tenant: Tenant,
    /// When it was published.
    pub at: Timestamp,
    /// Its place in the order of all events.
    pub position: i64,
    /// The fact.
    pub event: E,
}

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub tenant: Tenant,
    pub id: EventId,
    pub name: String,
    pub version: u16,
    pub payload: String,
    pub at: Timestamp,
    pub position: i64,
}
kenroku_store::row!(Stored { tenant, id, name, version, payload, at, position });

impl Stored {
    pub(crate) fn decode<E: Event>(&self) -> Result<Received<E>, Failed> {
        let unreadable = |e: serde_json::Error| Failed::never(format!("{} is not readable: {e}", self.name));
        let event = if self.version == E::VERSION {
            serde_json::from_str(&self.payload).map_err(unreadable)?
        } else if self.version > E::VERSION {
            // A newer release runs beside us: it may be gone, or we may be replaced, in a minute.
            return Err(Failed::again(format!(
                "{} has version {}, this program reads up to {}",
                self.name,
                self.version,
                E::VERSION
            )));
        } else {
            let old = serde_json::from_str(&self.payload).map_err(unreadable)?;
            let new = E::upgrade(self.version, old).ok_or_else(|| {
                Failed::never(format!("{} has version {}, which no upgrade knows", self.name, self.version))
            })?;
            serde_json::from_value(new).map_err(unreadable)?
        };
        Ok(Received { id: self.id, tenant: self.tenant, at: self.at, position: self.position, event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Cleared {
        segment: i64,
        passes: u32,
    }
    impl Event for Cleared {
        const NAME: &'static str = "probe.cleared";
        const VERSION: u16 = 3;
        fn upgrade(version: u16, mut json: Value) -> Option<Value> {
            (version == 2).then(|| {
                json["passes"] = 1.into();
                json
            })
        }
    }

    fn stored(version: u16, payload: &str) -> Stored {
        Stored {
            tenant: Tenant::SHARED,
            id: EventId::from_uuid(Tenant::SHARED.uuid()),
            name: Cleared::NAME.to_owned(),
            version,
            payload: payload.to_owned(),
            at: Timestamp::EPOCH,
            position: 1,
        }
    }

    #[test]
    fn reads_its_own_and_the_previous_version_only() {
        let read = |v, p: &str| stored(v, p).decode::<Cleared>().map(|r| r.event).map_err(|f| f.how);
        let want = Cleared { segment: 5, passes: 1 };
        assert_eq!(read(3, r#"{"segment":5,"passes":1}"#), Ok(want));
        assert_eq!(read(2, r#"{"segment":5}"#), Ok(Cleared { segment: 5, passes: 1 }));
        use crate::error::How;
        assert_eq!(read(1, r#"{"segment":5}"#), Err(How::Never));
        assert_eq!(read(4, r#"{"segment":5}"#), Err(How::Again), "a newer release runs beside us");
        assert_eq!(read(3, "{"), Err(How::Never));
    }
}
