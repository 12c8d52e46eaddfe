//! What the staff's accounts tell other modules.

use kenroku_bus::Event;
use kenroku_types::ids::StaffId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An emergency account is in use. Whoever can wake people up should do so; the reason stands on `/staff/alarms`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakGlassUsed {
    /// The alarm.
    pub alarm: Uuid,
    /// Which account; its acts are in its history and in the access log as `break-glass:…`.
    pub staff: StaffId,
}

impl Event for BreakGlassUsed {
    const NAME: &'static str = "staff.break-glass-used";
}
