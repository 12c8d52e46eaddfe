//! The simulated world: ploughs that drive their tours and report where they are, and a vendor that asks people for
//! consent.
//!
//! **What it is.** [`drive::Drive`] is one plough's drive: a pure function of seed, tour and start, with stops,
//! receiver noise that has heavy tails, silences, repetitions and late reports. [`run`] sends the drives of a whole
//! fleet to a server, some as JSON batches, some by the OsmAnd protocol.
//!
//! **What it is not.** It knows no module and no database: it speaks only the public interfaces, so that whatever
//! it shows would work with real devices. It makes no data that could pass for real: the devices it uses are
//! registered as simulated (模擬データ).
//!
//! **How to add one more.** Another kind of inhabitant (a sensor, a visitor) is a module with a pure part like
//! [`drive`] and a sender; [`run`] starts it.

pub mod drive;
mod send;
mod vendor;
mod vendor_inbox;
mod vendor_log;

use std::future::Future;
use std::time::Duration;

use kenroku_roads::geo::Point;
use kenroku_types::{Clock, Rng};

pub use send::SendError;
pub use vendor::Vendor;
pub use vendor_inbox::VendorInbox;
pub use vendor_log::VendorLog;

/// One plough.
#[derive(Clone, Debug)]
pub struct Plough {
    /// The key of its device.
    pub key: String,
    /// Where it drives, from point to point; it begins again at the end.
    pub tour: Vec<Point>,
}

/// What is simulated.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// The server, such as `http://127.0.0.1:8080`.
    pub base_url: String,
    /// The same seed gives the same drives.
    pub seed: u64,
    /// The fleet.
    pub ploughs: Vec<Plough>,
    /// The time of day.
    pub clock: Clock,
    /// Seconds between two reports of a plough.
    pub interval_s: u32,
    /// The longest that a plough has been driving when the simulation begins; the reports of that time are sent
    /// first, so that a visitor finds roads already cleared.
    pub backlog: Duration,
    /// Programs of vendors.
    pub vendors: Vec<Vendor>,
}

/// Drives until told to stop. Errors of single reports are logged; the reports are sent again later.
///
/// # Errors
/// When no connection can be prepared at all.
pub async fn run(config: SimConfig, stop: impl Future<Output = ()>) -> Result<(), SendError> {
    let client = send::client()?;
    let started = config.clock.now();
    let mut tasks = tokio::task::JoinSet::new();
    for (n, plough) in config.ploughs.iter().enumerate() {
        let rng = Rng::seeded(config.seed.wrapping_mul(1_000_003).wrapping_add(n as u64));
        let by_app = n % 5 == 4;
        // A phone with the app has no memory to speak of.
        let longest = if by_app { config.backlog.min(Duration::from_secs(600)) } else { config.backlog };
        let since = started.minus(longest.mul_f64(0.4 + 0.6 * rng.unit()));
        let drive = drive::Drive::new(&plough.tour, since, config.interval_s, rng);
        let sender = send::Sender::new(client.clone(), &config.base_url, &plough.key, by_app);
        tasks.spawn(send::report(sender, drive, config.clock.clone(), config.interval_s));
    }
    for vendor in config.vendors {
        tasks.spawn(vendor::run(client.clone(), config.base_url.clone(), vendor));
    }
    stop.await;
    tasks.shutdown().await;
    Ok(())
}
