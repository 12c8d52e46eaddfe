//! [`Report`]: one position report of a vehicle, whatever protocol brought it.

use kenroku_types::Timestamp;

use super::words::words;

/// What the vehicle does. The words in brackets are those of Digitraffic's maintenance tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// 除雪 (PLOUGHING_AND_SLUSH_REMOVAL).
    Ploughing,
    /// 排雪 (TRANSFER_OF_SNOW).
    Transfer,
    /// 拡幅 (LOWERING_OF_SNOWBANKS).
    Widening,
    /// 凍結防止剤 (SALTING).
    Salting,
    /// 砂 (LINE_SANDING).
    Sanding,
    /// 氷塊 (REMOVAL_OF_BULGE_ICE).
    Ice,
    /// パトロール (ROAD_STATE_CHECKING).
    Patrol,
}
words!(Task {
    Ploughing = "ploughing",
    Transfer = "transfer",
    Widening = "widening",
    Salting = "salting",
    Sanding = "sanding",
    Ice = "ice",
    Patrol = "patrol",
});

impl Task {
    /// Whether it takes the snow off the carriageway.
    pub const fn clears_road(self) -> bool {
        matches!(self, Task::Ploughing | Task::Widening)
    }
}

/// A position report before it is checked. Units are SI; protocols convert.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// When the place was measured.
    pub at: Timestamp,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// Speed over ground, m/s; negative or not a number means unknown.
    pub speed_mps: Option<f64>,
    /// Course over ground, degrees clockwise from north; outside 0–360 means unknown.
    pub heading_deg: Option<f64>,
    /// Horizontal dilution of precision.
    pub hdop: Option<f64>,
    /// Radius of the error, metres.
    pub accuracy_m: Option<f64>,
    /// The work signal: blade, PTO or the operator's button.
    pub work: Option<bool>,
    /// What is being done, where the device tells.
    pub task: Option<Task>,
    /// The phone says that the position was made up.
    pub mock: bool,
    /// Whatever else the device sent, as JSON text (battery, driver …).
    pub extra: Option<String>,
}

impl Report {
    /// Time and place, nothing else.
    pub const fn new(at: Timestamp, lat: f64, lon: f64) -> Self {
        Report {
            at,
            lat,
            lon,
            speed_mps: None,
            heading_deg: None,
            hdop: None,
            accuracy_m: None,
            work: None,
            task: None,
            mock: false,
            extra: None,
        }
    }
}
