//! Sending reports as devices do: in batches with a key, or one by one as the free tracking app.

use std::time::Duration;

use kenroku_types::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::drive::{Drive, Report};

/// Rows per batch at most.
const BATCH: usize = 500;

/// The reports could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No answer.
    #[error("no answer: {0}")]
    Http(#[from] reqwest::Error),
    /// An answer that does not take them.
    #[error("the server answered {0}")]
    Refused(u16),
}

/// A client for the whole fleet.
pub(crate) fn client() -> Result<reqwest::Client, SendError> {
    // reqwest brings no cryptography of its own and refuses to start without, even for plain HTTP. A provider that
    // somebody else has installed stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().timeout(Duration::from_secs(20)).no_proxy().build()?)
}

/// How one device speaks.
pub(crate) struct Sender {
    client: reqwest::Client,
    positions: String,
    osmand: String,
    key: String,
    by_app: bool,
}

impl Sender {
    pub(crate) fn new(client: reqwest::Client, base: &str, key: &str, by_app: bool) -> Self {
        let base = base.trim_end_matches('/');
        Sender {
            client,
            positions: format!("{base}/api/snow/v1/positions"),
            osmand: format!("{base}/api/snow/v1/osmand"),
            key: key.to_owned(),
            by_app,
        }
    }

    async fn send(&self, reports: &[Report]) -> Result<(), SendError> {
        if self.by_app {
            for r in reports {
                self.one(r).await?;
            }
            return Ok(());
        }
        for batch in reports.chunks(BATCH) {
            let rows: Vec<Value> = batch.iter().map(row).collect();
            let answer = self
                .client
                .post(&self.positions)
                .header("x-device-key", &self.key)
                .json(&rows)
                .send()
                .await?;
            taken(&answer)?;
        }
        Ok(())
    }

    /// The app's query, with its speed in knots.
    async fn one(&self, r: &Report) -> Result<(), SendError> {
        let fields = [
            ("id", self.key.clone()),
            ("timestamp", r.at.secs().to_string()),
            ("lat", format!("{:.7}", r.point.lat_deg())),
            ("lon", format!("{:.7}", r.point.lon_deg())),
            ("speed", format!("{:.2}", r.speed_mps * 3600.0 / 1852.0)),
            ("bearing", format!("{:.0}", r.heading_deg)),
            ("accuracy", "5".to_owned()),
            ("batt", "80".to_owned()),
        ];
        let answer = self.client.get(&self.osmand).query(&fields).send().await?;
        taken(&answer)
    }
}

fn taken(answer: &reqwest::Response) -> Result<(), SendError> {
    if answer.status().is_success() { Ok(()) } else { Err(SendError::Refused(answer.status().as_u16())) }
}

fn row(r: &Report) -> Value {
    let mut row = json!({
        "time": r.at.to_string(), "lat": r.point.lat_deg(), "lon": r.point.lon_deg(),
        "speed_kmh": (r.speed_mps * 360.0).round() / 100.0, "heading_deg": r.heading_deg.round(), "accuracy_m": 5,
    });
    if let Some(work) = r.work {
        row["work"] = json!(work);
        row["task"] = json!("ploughing");
    }
    row
}

/// Reports a drive for ever: what is due is sent, what failed or is late is sent with the next.
pub(crate) async fn report(sender: Sender, drive: Drive, clock: Clock, interval_s: u32) {
    let mut drive = drive.peekable();
    let mut waiting: Vec<Report> = Vec::new();
    let mut held: Vec<Report> = Vec::new();
    loop {
        waiting.append(&mut held);
        let now = clock.now();
        while let Some(r) = drive.next_if(|r| r.at <= now) {
            if r.twice {
                waiting.push(r.clone());
            }
            if r.late { held.push(r) } else { waiting.push(r) }
        }
        match sender.send(&waiting).await {
            Ok(()) => waiting.clear(),
            Err(e) => tracing::debug!(error = %e, "sim.send-failed"),
        }
        let Some(next) = drive.peek() else { return };
        tokio::time::sleep(until(next.at, clock.now(), interval_s)).await;
    }
}

fn until(next: Timestamp, now: Timestamp, interval_s: u32) -> Duration {
    let micros = u64::try_from(next.since(now)).unwrap_or(0);
    Duration::from_micros(micros)
        .clamp(Duration::from_millis(200), Duration::from_secs(u64::from(interval_s.max(1)) * 10))
}
