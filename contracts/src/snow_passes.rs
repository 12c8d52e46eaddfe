//! What ploughs cleared, as soon as it is settled. Published by the snow service; for reports, billing, open data.

use kenroku_bus::Event;
use kenroku_types::Timestamp;
use kenroku_types::ids::DeviceId;
use serde::{Deserialize, Serialize};

/// Passes of one device that are final, at most those of one track of fixes or a part of it. Rows of the log that come
/// late make some of them wrong: then `replaces` names the tracks whose earlier passes no longer count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassesSettled {
    /// Which device. A machine, never a person.
    pub device: DeviceId,
    /// Version of the road network that the segments belong to.
    pub network: String,
    /// First and last beginning of the tracks that are taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<(Timestamp, Timestamp)>,
    /// The passes, in order.
    pub passes: Vec<SettledPass>,
}

/// A part of a segment that was driven along, by one rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SettledPass {
    /// When its track began; with `n` the pass's name.
    pub track: Timestamp,
    /// Number within the track.
    pub n: u32,
    /// The segment's key, 16 hexadecimal digits.
    pub segment: String,
    /// Along the geometry.
    pub forward: bool,
    /// Metres along the geometry where it begins.
    pub from_m: f32,
    /// Where it ends.
    pub to_m: f32,
    /// When it began.
    pub t0: Timestamp,
    /// When it ended.
    pub t1: Timestamp,
    /// Which rule decided (`signal`, `route`, `driving` …).
    pub rule: String,
    /// Whether it counts as cleared.
    pub clears: bool,
}

impl Event for PassesSettled {
    const NAME: &'static str = "snow.pass-settled";
}
