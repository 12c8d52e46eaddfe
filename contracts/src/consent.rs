//! What the consents of people tell other modules.

use kenroku_bus::Event;
use kenroku_types::ids::ConsentId;
use serde::{Deserialize, Serialize};

/// Somebody's consent changed, in the tenant that is responsible. It names no person: a module that received data under
/// it knows it by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentChanged {
    /// Which record.
    pub consent: ConsentId,
    /// The agreement's code.
    pub agreement: String,
    /// `asked`, `granted`, `refused`, `withdrawn` or `expired`.
    pub state: String,
}

impl Event for ConsentChanged {
    const NAME: &'static str = "consent.changed";
}
