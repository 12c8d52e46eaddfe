//! What 除雪 means here: pure values and rules, no IO.
//!
//! State is kept per segment and direction, since the event (出動) began. Driving is not ploughing: only a
//! work signal, or a plough's speed on a road assigned to it, clears anything.

pub mod accept;
pub mod cover;
pub mod report;
pub mod status;
pub mod words;
pub mod work;

pub use accept::{Area, Refused, Verdict};
pub use cover::Cover;
pub use report::{Report, Task};
pub use status::{AgeBin, DirState, Status, status};
pub use work::Rule;
