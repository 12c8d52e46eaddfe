//! Consumers: once, in order, past failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use kenroku_bus::{Backoff, Bus, Consumer, Failed, Handle, Received, Settings, Worker};
use kenroku_store::{Db, Tx};

use crate::{Blocked, Cleared, SCHEMA, START, T, bus, effect, effects, once, publish, worker};

/// Writes down what it gets; fails for one event as long as it is told to.
#[derive(Clone)]
struct Note {
    who: &'static str,
    bad: i64,
    failures: Arc<AtomicI64>,
    how: fn() -> Failed,
}

impl Note {
    fn good(who: &'static str) -> Self {
        Note { who, bad: -1, failures: Arc::default(), how: || Failed::again("never said") }
    }
    fn failing(who: &'static str, bad: i64, times: i64, how: fn() -> Failed) -> Self {
        Note { who, bad, failures: Arc::new(AtomicI64::new(times)), how }
    }
}

impl Handle<Cleared> for Note {
    async fn handle(&self, tx: &mut Tx, e: Received<Cleared>) -> Result<(), Failed> {
        // Written before the failure: it must be undone with it.
        effect(tx, self.who, e.event.n).await?;
        if e.event.n == self.bad && self.failures.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err((self.how)());
        }
        Ok(())
    }
}

impl Handle<Blocked> for Note {
    async fn handle(&self, tx: &mut Tx, e: Received<Blocked>) -> Result<(), Failed> {
        Ok(effect(tx, self.who, 1000 + e.event.n).await?)
    }
}

fn consumer(n: &Note) -> Consumer {
    Consumer::new(n.who).on::<Cleared, _>(n.clone())
}

async fn drain(bus: &Bus, db: &Db, notes: &[&Note]) {
    let w = notes.iter().fold(worker(bus, db), |w, n| w.consumer(consumer(n)));
    w.drain().await.unwrap();
}

#[kenroku_store::test(SCHEMA)]
async fn only_what_is_committed_is_told_and_each_once(db: Db) {
    let bus = bus();
    let mut tx = db.begin().await.unwrap();
    bus.publish(&mut tx, T, &Cleared { n: 1 }).await.unwrap();
    bus.publish(&mut tx, T, &Blocked { n: 2 }).await.unwrap();
    bus.publish(&mut tx, T, &Cleared { n: 3 }).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = db.begin().await.unwrap();
    bus.publish(&mut tx, T, &Cleared { n: 4 }).await.unwrap();
    tx.rollback().await.unwrap();
    let both = Note::good("both");
    let one = Note::good("one");
    for _ in 0..2 {
        worker(&bus, &db)
            .consumer(Consumer::new("both").on::<Cleared, _>(both.clone()).on::<Blocked, _>(both.clone()))
            .consumer(consumer(&one))
            .drain()
            .await
            .unwrap();
        assert_eq!(effects(&db, "both").await, once([1, 1002, 3]));
        assert_eq!(effects(&db, "one").await, once([1, 3]));
    }
}

#[kenroku_store::test(SCHEMA)]
async fn a_failure_is_retried_later_and_delays_nobody_else(db: Db) {
    let bus = bus();
    for n in 0..10 {
        publish(&bus, &db, n).await;
    }
    let (bad, good) = (Note::failing("bad", 5, 2, || Failed::again("not yet")), Note::good("good"));
    drain(&bus, &db, &[&bad, &good]).await;
    assert_eq!(effects(&db, "bad").await, once(0..5), "those before it are kept, it is undone");
    assert_eq!(effects(&db, "good").await, once(0..10));
    // Not due yet: nothing happens.
    drain(&bus, &db, &[&bad, &good]).await;
    assert_eq!(effects(&db, "bad").await, once(0..5));
    for _ in 0..2 {
        bus.env().clock.advance(Duration::from_secs(2));
        drain(&bus, &db, &[&bad, &good]).await;
    }
    assert_eq!(effects(&db, "bad").await, once(0..10));
    let mut tx = db.read().await.unwrap();
    assert_eq!(bus.dead_events(&mut tx, 10).await.unwrap(), []);
}

#[kenroku_store::test(SCHEMA)]
async fn what_never_succeeds_dies_is_seen_and_can_be_replayed(db: Db) {
    let bus = bus();
    for n in 0..3 {
        publish(&bus, &db, n).await;
    }
    // The batch fails, then the event alone eight times, which is all it gets; the first replay fails too.
    let bad = Note::failing("bad", 1, 10, || Failed::again("broken"));
    for _ in 0..8 {
        drain(&bus, &db, &[&bad]).await;
        bus.env().clock.advance(Duration::from_secs(300));
    }
    assert_eq!(effects(&db, "bad").await, once([0, 2]));
    let mut tx = db.begin().await.unwrap();
    let dead = bus.dead_events(&mut tx, 10).await.unwrap();
    assert_eq!((dead.len(), dead[0].attempts, dead[0].error.as_str()), (1, 8, "broken"));
    assert_eq!(dead[0].payload, r#"{"n":1}"#);
    bus.replay(&mut tx, T, "bad", dead[0].event).await.unwrap();
    assert!(bus.replay(&mut tx, T, "good", dead[0].event).await.is_err(), "no such dead letter");
    tx.commit().await.unwrap();
    drain(&bus, &db, &[&bad]).await;
    let mut tx = db.begin().await.unwrap();
    let dead = bus.dead_events(&mut tx, 10).await.unwrap();
    assert_eq!((dead.len(), dead[0].attempts, dead[0].replay_at), (1, 9, None));
    assert_eq!(bus.replay_all(&mut tx, "bad").await.unwrap(), 1);
    tx.commit().await.unwrap();
    drain(&bus, &db, &[&bad]).await;
    assert_eq!(effects(&db, "bad").await, once([0, 2, 1]));
    let mut tx = db.begin().await.unwrap();
    assert_eq!(bus.dead_events(&mut tx, 10).await.unwrap(), []);
    tx.rollback().await.unwrap();
}

#[kenroku_store::test(SCHEMA)]
async fn hopeless_and_unreadable_events_die_at_once(db: Db) {
    let bus = bus();
    for n in 0..3 {
        publish(&bus, &db, n).await;
    }
    let bad = Note::failing("bad", 1, i64::MAX, || Failed::never("not for me"));
    drain(&bus, &db, &[&bad]).await;
    assert_eq!(effects(&db, "bad").await, once([0, 2]));
    let mut tx = db.begin().await.unwrap();
    let dead = bus.dead_events(&mut tx, 10).await.unwrap();
    assert_eq!((dead.len(), dead[0].attempts), (1, 1));
    bus.discard(&mut tx, T, "bad", dead[0].event).await.unwrap();
    assert!(bus.discard(&mut tx, T, "bad", dead[0].event).await.is_err());
    tx.commit().await.unwrap();
}

struct Panics(AtomicUsize);
impl Handle<Cleared> for Panics {
    async fn handle(&self, tx: &mut Tx, e: Received<Cleared>) -> Result<(), Failed> {
        effect(tx, "panics", e.event.n).await?;
        assert!(e.event.n != 1 || self.0.fetch_add(1, Ordering::SeqCst) > 2, "a bug in a handler");
        Ok(())
    }
}

#[kenroku_store::test(SCHEMA)]
async fn a_panic_is_a_failure_like_any_other(db: Db) {
    let bus = bus();
    for n in 0..3 {
        publish(&bus, &db, n).await;
    }
    let handler = Arc::new(Panics(AtomicUsize::new(0)));
    struct Shared(Arc<Panics>);
    impl Handle<Cleared> for Shared {
        async fn handle(&self, tx: &mut Tx, e: Received<Cleared>) -> Result<(), Failed> {
            self.0.handle(tx, e).await
        }
    }
    for _ in 0..4 {
        let c = Consumer::new("panics").on::<Cleared, _>(Shared(handler.clone()));
        worker(&bus, &db).consumer(c).drain().await.unwrap();
        bus.env().clock.advance(Duration::from_secs(300));
    }
    assert_eq!(effects(&db, "panics").await, once([0, 1, 2]));
}

#[kenroku_store::test(SCHEMA)]
async fn a_handler_that_hangs_is_a_failure_like_any_other(db: Db) {
    struct Hangs;
    impl Handle<Cleared> for Hangs {
        async fn handle(&self, tx: &mut Tx, e: Received<Cleared>) -> Result<(), Failed> {
            effect(tx, "hangs", e.event.n).await?;
            if e.event.n == 1 { std::future::pending().await } else { Ok(()) }
        }
    }
    let bus = bus();
    for n in 0..3 {
        publish(&bus, &db, n).await;
    }
    let once_only = Backoff { attempts: 1, ..Backoff::EVENTS };
    let settings =
        Settings { handler_time: Duration::from_millis(5), events: once_only, ..Settings::default() };
    let w = Worker::new(bus.clone(), db.clone(), settings).consumer(Consumer::new("hangs").on(Hangs));
    w.drain().await.unwrap();
    let done = effects(&db, "hangs").await;
    assert!(!done.iter().any(|d| d.0 == 1), "{done:?}");
    let dead = bus.dead_events(&mut db.read().await.unwrap(), 10).await.unwrap();
    assert!(dead.iter().any(|d| d.payload == r#"{"n":1}"# && d.error.contains("too long")), "{dead:?}");
}

#[kenroku_store::test(SCHEMA)]
async fn names_are_used_once(db: Db) {
    let bus = bus();
    let n = Note::good("one");
    assert!(worker(&bus, &db).consumer(consumer(&n)).check().is_ok());
    assert!(worker(&bus, &db).consumer(consumer(&n)).consumer(consumer(&n)).check().is_err());
    let twice = consumer(&n).on::<Cleared, _>(n.clone());
    assert!(worker(&bus, &db).consumer(twice).check().is_err());
}

#[kenroku_store::test(SCHEMA)]
async fn a_new_consumer_may_begin_now_and_an_old_one_be_forgotten(db: Db) {
    let bus = bus();
    publish(&bus, &db, 1).await;
    drain(&bus, &db, &[&Note::good("all")]).await;
    let late = Note::good("late");
    let run = async || worker(&bus, &db).consumer(consumer(&late).from_now()).drain().await.unwrap();
    run().await;
    publish(&bus, &db, 2).await;
    run().await;
    assert_eq!(effects(&db, "late").await, once([2]));
    let mut tx = db.begin().await.unwrap();
    let rows = bus.consumers(&mut tx).await.unwrap();
    let rows: Vec<_> = rows.iter().map(|r| (r.consumer.as_str(), r.position, r.behind)).collect();
    assert_eq!(rows, [("all", 1, 1), ("late", 2, 0)]);
    bus.forget_consumer(&mut tx, "all").await.unwrap();
    assert_eq!(bus.consumers(&mut tx).await.unwrap().len(), 1);
    tx.commit().await.unwrap();
}

/// Old events go when everybody has passed them, and not before.
#[kenroku_store::test(SCHEMA)]
async fn a_late_consumer_still_finds_what_others_have_handled(db: Db) {
    let bus = bus();
    for n in 0..700 {
        publish(&bus, &db, n).await;
    }
    let (first, late) = (Note::good("first"), Note::good("late"));
    drain(&bus, &db, &[&first]).await;
    bus.env().clock.set(START.plus(Duration::from_secs(86_400)));
    drain(&bus, &db, &[&late]).await;
    assert_eq!(effects(&db, "late").await, once(0..700));
}
