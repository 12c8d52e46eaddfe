//! The line to the other machines: wakes them and carries live updates. Everything here may fail at any time; then
//! the others notice by polling.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};

use crate::bus::Shared;
use crate::metrics::Count;
use crate::wake::{Live, Update, Wake};

/// Messages that may wait to be sent.
const QUEUE: usize = 1024;

/// How NATS is reached.
#[derive(Clone)]
pub struct NatsSettings {
    /// `nats://host:4222`, with `user:password@` or `token@` and `tls://` where needed.
    pub url: String,
    /// Separates installations that share a server: lower-case letters, digits and `-`.
    pub installation: String,
}

impl std::fmt::Debug for NatsSettings {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NatsSettings").field("installation", &self.installation).finish_non_exhaustive()
    }
}

/// The state of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// NATS is not configured.
    None,
    /// Not connected; trying again all the time.
    Down,
    /// Connected.
    Connected,
}

pub(crate) enum Out {
    Wake(Wake),
    Live(Live),
}

#[derive(Debug)]
pub(crate) struct NatsLine {
    queue: mpsc::Sender<Out>,
    state: Arc<watch::Sender<Link>>,
}

impl NatsLine {
    /// Whether it was taken.
    pub(crate) fn send(&self, o: Out) -> bool {
        self.state() == Link::Connected && self.queue.try_send(o).is_ok()
    }

    pub(crate) fn state(&self) -> Link {
        *self.state.borrow()
    }

    /// Follows the state.
    pub(crate) fn follow(&self) -> watch::Receiver<Link> {
        self.state.subscribe()
    }
}

pub(crate) fn start(settings: NatsSettings, shared: Arc<Shared>) -> NatsLine {
    let (queue, out) = mpsc::channel(QUEUE);
    let state = Arc::new(watch::Sender::new(Link::Down));
    tokio::spawn(run(settings, shared, out, Arc::clone(&state)));
    NatsLine { queue, state }
}

/// Ends when the bus is dropped.
async fn run(
    settings: NatsSettings,
    shared: Arc<Shared>,
    mut out: mpsc::Receiver<Out>,
    state: Arc<watch::Sender<Link>>,
) {
    let (wake, live) = (
        format!("kenroku.{}.wake", settings.installation),
        format!("kenroku.{}.live.", settings.installation),
    );
    let client = loop {
        let (s, sh) = (Arc::clone(&state), Arc::clone(&shared));
        let options = async_nats::ConnectOptions::new()
            .name("kenroku")
            .no_echo()
            .retry_on_initial_connect()
            .max_reconnects(None)
            .ping_interval(Duration::from_secs(10))
            .reconnect_delay_callback(|n| Duration::from_millis((100u64 << n.min(5)).min(2_000)))
            .event_callback(move |event| {
                let (s, sh) = (Arc::clone(&s), Arc::clone(&sh));
                async move { changed(&event, &s, &sh) }
            });
        match options.connect(&settings.url).await {
            Ok(c) => break c,
            // Only settings that cannot be right end here; the process works on without the line.
            Err(e) => tracing::error!(error = %e, "NATS cannot be used; other processes notice by polling"),
        }
        if matches!(tokio::time::timeout(Duration::from_secs(30), out.recv()).await, Ok(None)) {
            return;
        }
    };
    let (wakes, lives) = (client.subscribe(wake.clone()).await, client.subscribe(format!("{live}>")).await);
    let (Ok(mut wakes), Ok(mut lives)) = (wakes, lives) else {
        tracing::error!("NATS refuses the subjects; other processes notice by polling");
        return;
    };
    loop {
        tokio::select! {
            o = out.recv() => {
                let Some(first) = o else { return };
                send(&client, &shared, &wake, &live, first, &mut out).await;
            }
            Some(m) = wakes.next() => {
                for w in m.payload.iter().filter_map(|b| Wake::of(*b)) {
                    shared.wakes.wake(w);
                }
            }
            Some(m) = lives.next() => {
                if let Some(subject) = m.subject.as_str().strip_prefix(&live) {
                    let live = Live { subject: subject.into(), bytes: m.payload.as_ref().into() };
                    let _ = shared.updates.send(Update::Live(live));
                }
            }
        }
    }
}

/// Sends what is queued; wake-ups that wait together become one message.
async fn send(
    client: &async_nats::Client,
    shared: &Shared,
    wake: &str,
    live: &str,
    first: Out,
    out: &mut mpsc::Receiver<Out>,
) {
    let mut bytes = Vec::new();
    let mut next = Some(first);
    while let Some(o) = next {
        match o {
            Out::Wake(w) if !bytes.contains(&w.byte()) => bytes.push(w.byte()),
            Out::Wake(_) => {}
            Out::Live(l) => {
                if !publish(client, shared, format!("{live}{}", l.subject), l.bytes.to_vec()).await {
                    // A server that stands still: what is queued behind would only be late as well.
                    while out.try_recv().is_ok() {}
                    return;
                }
            }
        }
        next = out.try_recv().ok();
    }
    if !bytes.is_empty() {
        publish(client, shared, wake.to_owned(), bytes).await;
    }
}

async fn publish(client: &async_nats::Client, shared: &Shared, subject: String, bytes: Vec<u8>) -> bool {
    // While the server is away the client's own queue fills up and would wait for ever.
    let sent = tokio::time::timeout(Duration::from_millis(200), client.publish(subject, bytes.into())).await;
    let sent = matches!(sent, Ok(Ok(())));
    if !sent {
        shared.metrics.add(Count::LiveDropped, "", 1);
    }
    sent
}

fn changed(event: &async_nats::Event, state: &watch::Sender<Link>, shared: &Shared) {
    match event {
        async_nats::Event::Connected => {
            tracing::info!("NATS is connected");
            state.send_replace(Link::Connected);
            // Whatever was said while the line was cut is unknown.
            for w in Wake::ALL {
                shared.wakes.wake(w);
            }
            let _ = shared.updates.send(Update::Missed);
        }
        async_nats::Event::Disconnected | async_nats::Event::Closed => {
            if state.send_replace(Link::Down) == Link::Connected {
                tracing::warn!("NATS is away; other processes notice by polling until it is back");
            }
        }
        async_nats::Event::SlowConsumer(_) => {
            let _ = shared.updates.send(Update::Missed);
        }
        other => tracing::debug!(event = %other, "NATS"),
    }
}
