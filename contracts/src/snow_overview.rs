//! How the roads of an area are, as the public may know it. Implemented by the snow service, shown by the portal.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kenroku_types::{MuniCode, Timestamp};

/// How far the clearing of one road segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClearingState {
    /// 除雪済
    Done,
    /// 作業中
    Doing,
    /// 一部
    Part,
    /// 未除雪
    Todo,
    /// データなし
    Unknown,
    /// 対象外
    Out,
}

/// The roads of one area at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnowSummary {
    /// Number of segments in each state that occurs.
    pub counts: Vec<(ClearingState, usize)>,
    /// The moment it describes: now minus the delay.
    pub as_of: Timestamp,
    /// How much later than the work it is published.
    pub delay: Duration,
    /// Whether ploughs are out (an event is open).
    pub on_duty: bool,
    /// Whether it is simulated data.
    pub simulated: bool,
}

/// The port. Quick: answered from memory.
pub trait SnowOverview: Send + Sync {
    /// The roads of a municipality, or of the whole prefecture by its own code. `None`: nothing is known of it.
    fn summary(&self, area: MuniCode) -> Option<SnowSummary>;
}

/// How the port is put into the app. Absent: the installation has no snow service.
#[derive(Clone)]
pub struct SnowOverviewPort(pub Arc<dyn SnowOverview>);

impl fmt::Debug for SnowOverviewPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SnowOverviewPort")
    }
}
