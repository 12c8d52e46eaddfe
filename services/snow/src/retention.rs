//! How long what is kept: the nightly removal of what nobody needs any more.
//!
//! Positions tell where a driver was at every moment, so they go first; passes are what reports and settlement are
//! made of and stay longest. docs/retention.md gives the reasons of the defaults.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kenroku_bus::{Done, Failed, Job, Running, Schedule, Work, Worker};
use kenroku_http::App;
use kenroku_http::metrics::Sample;
use kenroku_module::{HookError, Values};
use kenroku_store::Result;
use serde::{Deserialize, Serialize};

use crate::Snow;
use crate::model::accept::LATE;
use crate::sql::retention;

const DAY: Duration = Duration::from_secs(86_400);

/// How long what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Positions, and the last track of a device that has fallen silent.
    pub positions: Duration,
    /// Passes.
    pub passes: Duration,
    /// States of segments after the end of their event; they can be computed again from the passes.
    pub states: Duration,
    /// Rows that were refused.
    pub refused: Duration,
}

impl Keep {
    /// The usual spans.
    pub const USUAL: Keep = Keep {
        positions: DAY.saturating_mul(60),
        passes: DAY.saturating_mul(730),
        states: DAY.saturating_mul(7),
        refused: DAY.saturating_mul(30),
    };

    /// As the config file says.
    ///
    /// # Errors
    /// When positions would go while late ones still change the past, passes before their positions, or states
    /// while they are shown.
    pub fn read(values: &Values) -> std::result::Result<Self, HookError> {
        let keep = Keep {
            positions: values.span("snow.keep_positions")?,
            passes: values.span("snow.keep_passes")?,
            states: values.span("snow.keep_states")?,
            refused: values.span("snow.keep_refused")?,
        };
        if keep.positions < LATE + DAY {
            return Err(
                "snow.keep_positions must be at least 72h: positions that come 48 hours late are matched \
                        together with those before them"
                    .into(),
            );
        }
        if keep.passes < keep.positions {
            return Err("snow.keep_passes must not be shorter than snow.keep_positions".into());
        }
        if keep.states < 2 * DAY {
            return Err(
                "snow.keep_states must be at least 48h: an event that ended is shown for a day".into()
            );
        }
        Ok(keep)
    }
}

/// How many rows of each kind were removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Positions.
    pub positions: u64,
    /// Passes.
    pub passes: u64,
    /// Last tracks of devices.
    pub tracks: u64,
    /// States of segments.
    pub states: u64,
    /// Refused rows.
    pub refused: u64,
}

/// The same since this process began, for the metrics.
#[derive(Debug, Default)]
pub(crate) struct RemovedSoFar([AtomicU64; 5]);

impl RemovedSoFar {
    fn add(&self, r: &Removed) {
        let rows = [r.positions, r.passes, r.tracks, r.states, r.refused];
        for (sum, n) in self.0.iter().zip(rows) {
            sum.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// One number for each kind.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let kinds = ["positions", "passes", "tracks", "states", "refused"];
        let sample = |(of, n): (&str, &AtomicU64)| Sample {
            name: "kenroku_snow_removed_rows_total",
            help: "Rows removed because they were kept long enough, by kind.",
            counter: true,
            labels: vec![("of", of.to_owned())],
            value: n.load(Ordering::Relaxed) as f64,
        };
        kinds.into_iter().zip(&self.0).map(sample).collect()
    }
}

impl Snow {
    /// Removes what was kept long enough. Doing it twice, or in two processes at once, removes nothing else.
    ///
    /// # Errors
    /// When the database fails; what was removed until then is gone, the rest goes the next time.
    pub async fn clear_old(&self) -> Result<Removed> {
        let (db, keep, now) = (self.db(), self.settings().keep, self.env().now());
        let mut r = Removed::default();
        for (tenant, device) in retention::devices(db).await? {
            r.positions += retention::positions(db, tenant, device, now.minus(keep.positions)).await?;
            r.tracks += retention::trackers(db, tenant, device, now.minus(keep.positions)).await?;
            r.passes += retention::passes(db, tenant, device, now.minus(keep.passes)).await?;
            r.refused += retention::refused(db, tenant, device, now.minus(keep.refused)).await?;
        }
        for (tenant, event) in retention::ended_before(db, now.minus(keep.states)).await? {
            r.states += retention::states(db, tenant, event).await?;
        }
        self.removed().add(&r);
        Ok(r)
    }
}

#[derive(Serialize, Deserialize)]
struct ClearOld;

impl Job for ClearOld {
    const KIND: &'static str = "snow.clear-old";
}

struct Clearing(App);

impl Work<ClearOld> for Clearing {
    async fn work(&self, run: &Running, _: ClearOld) -> std::result::Result<Done, Failed> {
        let snow = self.0.get::<Snow>().map_err(|e| Failed::never(e.0))?;
        let Removed { positions, passes, tracks, states, refused } = snow.clear_old().await?;
        tracing::info!(positions, passes, tracks, states, refused, "removed what was kept long enough");
        run.finish(run.begin().await?).await
    }
}

/// Adds the removal to the worker: in the early afternoon, because ploughs go out at night.
pub(crate) fn work(worker: Worker, app: &App) -> std::result::Result<Worker, HookError> {
    let schedule = Schedule::new("snow.clear-old", "23 14 * * *", |_| ClearOld);
    Ok(worker.job::<ClearOld, _>(Clearing(app.clone())).schedule(schedule))
}
