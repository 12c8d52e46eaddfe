//! The line between machines: it makes things happen sooner, and its absence loses nothing.

use std::time::Duration;

use kenroku_bus::{
    Bus, Consumer, Failed, Handle, Link, Listener, NatsSettings, Received, Settings, Update, Worker,
};
use kenroku_store::{Db, Tx};
use kenroku_types::Env;

use crate::nats::Nats;
use crate::{Cleared, SCHEMA, START, effect, effects, once, publish};

/// Tells open pages what it did.
struct Tell(Bus);
impl Handle<Cleared> for Tell {
    async fn handle(&self, tx: &mut Tx, e: Received<Cleared>) -> Result<(), Failed> {
        effect(tx, "tell", e.event.n).await?;
        let bus = self.0.clone();
        tx.after_commit(move || bus.fan_out("probe.cleared", e.event.n.to_string().as_bytes()));
        Ok(())
    }
}

fn start(
    bus: &Bus,
    db: &Db,
    poll: Duration,
) -> (tokio::sync::oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let w = Worker::new(bus.clone(), db.clone(), Settings { poll, ..Settings::default() })
        .consumer(Consumer::new("tell").on(Tell(bus.clone())));
    let task = tokio::spawn(async move {
        w.run(async {
            let _ = stopped.await;
        })
        .await
        .unwrap();
    });
    (stop, task)
}

async fn hear(l: &mut Listener) -> Update {
    tokio::time::timeout(Duration::from_secs(30), l.next()).await.expect("nothing was heard").unwrap()
}

async fn hear_live(l: &mut Listener) -> String {
    loop {
        if let Update::Live(live) = hear(l).await {
            return String::from_utf8(live.bytes.to_vec()).unwrap();
        }
    }
}

/// Hears of what is done until everything of `want` is.
async fn hear_until(l: &mut Listener, db: &Db, want: std::ops::Range<i64>) {
    while effects(db, "tell").await != once(want.clone()) {
        hear(l).await;
    }
}

async fn becomes(buses: [&Bus; 2], want: Link) {
    let all = async {
        for bus in buses {
            assert!(bus.link_becomes(want).await);
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("the line stays as it is");
}

const NEVER: Duration = Duration::from_secs(3600);

#[kenroku_store::test(SCHEMA, concurrent)]
async fn a_fact_made_here_is_handled_there_and_seen_here(db: Db) {
    let Some(mut nats) = Nats::start() else { return };
    let settings = NatsSettings { url: nats.url(), installation: "test".to_owned() };
    let bus = |seed| Bus::with_nats(Env::fixed(START, seed), settings.clone());
    let (here, there) = (bus(1), bus(2));
    let mut pages = here.listen("probe");
    becomes([&here, &there], Link::Connected).await;
    // The worker polls once an hour: what it learns it learns through NATS.
    let (stop, task) = start(&there, &db, NEVER);
    publish(&here, &db, 0).await;
    assert_eq!(hear_live(&mut pages).await, "0", "the worker has begun");
    publish(&here, &db, 1).await;
    assert_eq!(hear_live(&mut pages).await, "1");
    assert_eq!(effects(&db, "tell").await, once([0, 1]));
    let mut done = there.listen("probe");

    nats.kill();
    publish(&here, &db, 2).await;
    becomes([&here, &there], Link::Down).await;
    publish(&here, &db, 3).await;
    nats.restart();
    // Whoever comes back looks for what was missed.
    hear_until(&mut done, &db, 0..4).await;
    becomes([&here, &there], Link::Connected).await;
    let mut pages = here.listen("probe");
    publish(&here, &db, 4).await;
    while hear_live(&mut pages).await != "4" {}
    stop.send(()).unwrap();
    task.await.unwrap();
}

#[kenroku_store::test(SCHEMA, concurrent)]
async fn without_nats_polling_suffices(db: Db) {
    // A port that nobody listens on any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = NatsSettings { url: format!("nats://127.0.0.1:{port}"), installation: "test".to_owned() };
    let here = Bus::with_nats(Env::fixed(START, 1), settings);
    let there = Bus::local(Env::fixed(START, 2));
    let mut done = there.listen("probe");
    let (stop, task) = start(&there, &db, Duration::from_millis(20));
    for n in 0..3 {
        publish(&here, &db, n).await;
    }
    hear_until(&mut done, &db, 0..3).await;
    assert_eq!(here.link(), Link::Down);
    let connected = here.readings().into_iter().find(|r| r.name == "kenroku_bus_nats_connected").unwrap();
    assert!(connected.value < 0.5);
    stop.send(()).unwrap();
    task.await.unwrap();
}

/// One process alone is woken without NATS and without polling.
#[kenroku_store::test(SCHEMA, concurrent)]
async fn one_process_wakes_itself_and_measures(db: Db) {
    let bus = Bus::local(Env::fixed(START, 1));
    let mut pages = bus.listen("");
    let (stop, task) = start(&bus, &db, NEVER);
    for n in 0..3 {
        publish(&bus, &db, n).await;
        assert_eq!(hear_live(&mut pages).await, n.to_string());
    }
    stop.send(()).unwrap();
    task.await.unwrap();
    assert_eq!(effects(&db, "tell").await, once(0..3));
    let readings = bus.readings();
    let value = |name: &str| readings.iter().find(|r| r.name == name).map(|r| r.value);
    assert_eq!(value("kenroku_bus_events_handled_total"), Some(3.0));
    for gauge in
        ["kenroku_bus_behind_rows", "kenroku_bus_jobs_due_age_seconds", "kenroku_bus_dead_events_rows"]
    {
        assert!(value(gauge).is_some(), "{gauge}: {readings:?}");
    }
}
