//! [`Bus`]: what every module holds to tell and to ask.

use std::sync::Arc;

use kenroku_store::Tx;
use kenroku_types::ids::{EventId, JobId};
use kenroku_types::{Env, Tenant};
use tokio::sync::{broadcast, watch};

use crate::error::{Error, Result};
use crate::event::Event;
use crate::job::{self, Enqueue, Job};
use crate::metrics::{Count, Metrics, Reading};
use crate::nats::{self, Link, NatsLine, NatsSettings};
use crate::outbox;
use crate::wake::{Listener, Live, Update, Wake, Wakes};

/// Live updates a slow listener may fall behind before it is told to load anew.
const LISTENER_CAPACITY: usize = 1024;
/// Largest live update in bytes.
const LIVE_MAX: usize = 64 * 1024;

/// Publishes events, enqueues jobs, fans out live updates. Cheap to clone; one per process.
#[derive(Clone, Debug)]
pub struct Bus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    env: Env,
    shared: Arc<Shared>,
    nats: Option<NatsLine>,
}

/// What the bus and its NATS line both touch.
#[derive(Debug)]
pub(crate) struct Shared {
    pub wakes: Wakes,
    pub updates: broadcast::Sender<Update>,
    pub metrics: Metrics,
}

impl Bus {
    /// For a process alone on its database, or one that relies on polling.
    pub fn local(env: Env) -> Bus {
        Bus(Arc::new(Inner { env, shared: Shared::new(), nats: None }))
    }

    /// Connects in the background and for ever: returns at once whether or not the server is there. Needs a tokio
    /// runtime.
    pub fn with_nats(env: Env, settings: NatsSettings) -> Bus {
        let shared = Shared::new();
        let nats = Some(nats::start(settings, Arc::clone(&shared)));
        Bus(Arc::new(Inner { env, shared, nats }))
    }

    /// The clock and random source of this process.
    pub fn env(&self) -> &Env {
        &self.0.env
    }

    /// Tells everybody that something happened, in the transaction in which it happens. Consumers learn of it after
    /// the commit, exactly if it commits.
    pub async fn publish<E: Event>(&self, tx: &mut Tx, tenant: Tenant, event: &E) -> Result<EventId> {
        let payload = encode(E::NAME, event)?;
        let id = self.0.env.id();
        outbox::write(tx, tenant, id, E::NAME, E::VERSION, payload, self.0.env.now()).await?;
        self.wake_after(tx, Wake::Written);
        Ok(id)
    }

    /// Queues a job, in the transaction of whatever makes it necessary. `None` when a job of this kind with the same
    /// unique key is there already, ended ones included until they are cleaned up.
    pub async fn enqueue<J: Job>(
        &self,
        tx: &mut Tx,
        tenant: Tenant,
        job: &J,
        how: Enqueue,
    ) -> Result<Option<JobId>> {
        let payload = encode(J::KIND, job)?;
        self.enqueue_raw(tx, tenant, J::KIND, payload, how).await
    }

    pub(crate) async fn enqueue_raw(
        &self,
        tx: &mut Tx,
        tenant: Tenant,
        kind: &str,
        payload: String,
        how: Enqueue,
    ) -> Result<Option<JobId>> {
        let id = self.0.env.id();
        let new = job::insert(tx, tenant, id, kind, payload, how, self.0.env.now()).await?;
        self.wake_after(tx, Wake::Jobs);
        Ok(new.then_some(id))
    }

    /// Tells open pages, in this and every other process, that something changed. May be lost: the page also asks
    /// again by itself. Call it from [`Tx::after_commit`] or a consumer. No personal data in it.
    ///
    /// `subject` has the form of [`Live::subject`]: lower-case letters, digits, `-`, `_` and dots.
    pub fn fan_out(&self, subject: &str, bytes: &[u8]) {
        if !is_subject(subject) || bytes.len() > LIVE_MAX {
            tracing::error!(subject, len = bytes.len(), "live update has a wrong subject or is too large");
            return;
        }
        let live = Live { subject: subject.into(), bytes: bytes.into() };
        // Nobody listening is fine.
        let _ = self.0.shared.updates.send(Update::Live(live.clone()));
        if let Some(n) = &self.0.nats
            && !n.send(nats::Out::Live(live))
        {
            self.0.shared.metrics.add(Count::LiveDropped, "", 1);
        }
    }

    /// Hears the live updates of `subject` and everything below it; the empty subject means all.
    pub fn listen(&self, subject: &str) -> Listener {
        Listener::new(subject, self.0.shared.updates.subscribe())
    }

    /// How the line to the other machines is. Never a reason to be “not ready”: polling suffices.
    pub fn link(&self) -> Link {
        self.0.nats.as_ref().map_or(Link::None, NatsLine::state)
    }

    /// Waits until the line is as wanted; whether it can become so at all.
    pub async fn link_becomes(&self, want: Link) -> bool {
        match &self.0.nats {
            None => want == Link::None,
            Some(line) => line.follow().wait_for(|state| *state == want).await.is_ok(),
        }
    }

    /// Everything worth watching, ready at once: counters are live, depths are as the worker of this process last
    /// saw them.
    pub fn readings(&self) -> Vec<Reading> {
        let mut out = self.0.shared.metrics.readings();
        if self.0.nats.is_some() {
            out.push(Reading {
                name: "kenroku_bus_nats_connected",
                help: "1 while the line to NATS stands; without it other processes notice by polling.",
                counter: false,
                labels: Vec::new(),
                value: f64::from(u8::from(self.link() == Link::Connected)),
            });
        }
        out
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.shared.metrics
    }

    /// Wakes this process and, through NATS, the others.
    pub(crate) fn wake(&self, w: Wake) {
        self.0.shared.wakes.wake(w);
        if let Some(n) = &self.0.nats {
            // A full queue holds wake-ups already.
            n.send(nats::Out::Wake(w));
        }
    }

    pub(crate) fn wake_after(&self, tx: &mut Tx, w: Wake) {
        let bus = self.clone();
        tx.after_commit(move || bus.wake(w));
    }

    pub(crate) fn on(&self, w: Wake) -> watch::Receiver<u64> {
        self.0.shared.wakes.on(w)
    }
}

impl Shared {
    fn new() -> Arc<Shared> {
        Arc::new(Shared {
            wakes: Wakes::default(),
            updates: broadcast::Sender::new(LISTENER_CAPACITY),
            metrics: Metrics::default(),
        })
    }
}

pub(crate) fn encode(name: &'static str, v: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(v).map_err(|e| Error::Encode { name, why: e.to_string() })
}

fn is_subject(s: &str) -> bool {
    s.len() <= 200
        && s.split('.').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_cannot_carry_wildcards_or_spaces() {
        assert!(is_subject("snow.segment.17211"));
        for bad in ["", ".", "a..b", "a.*", ">", "a b", "A", "雪"] {
            assert!(!is_subject(bad), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_slow_listener_is_told_to_load_anew() {
        let bus = Bus::local(Env::fixed(kenroku_types::Timestamp::EPOCH, 1));
        let (mut all, mut snow) = (bus.listen(""), bus.listen("snow"));
        bus.fan_out("rain.a", b"1");
        bus.fan_out("snow.a", b"2");
        bus.fan_out("snow *", b"refused");
        let live = |s: &str, b: &[u8]| Some(Update::Live(Live { subject: s.into(), bytes: b.into() }));
        assert_eq!(all.next().await, live("rain.a", b"1"));
        assert_eq!(snow.next().await, live("snow.a", b"2"));
        for _ in 0..=LISTENER_CAPACITY {
            bus.fan_out("snow.a", b"3");
        }
        assert_eq!(snow.next().await, Some(Update::Missed));
        assert_eq!(snow.next().await, live("snow.a", b"3"));
    }
}
