//! The order of events: nothing is stepped over, whoever commits when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kenroku_bus::{Bus, Consumer, Failed, Handle, Received, Settings, Worker};
use kenroku_store::{Db, Engine, SqlBuilder, Tx};
use kenroku_types::{Env, Rng};

use crate::{Cleared, SCHEMA, START, T, bus, effect, effects, once, publish, worker};

#[derive(Clone)]
struct Note(&'static str);
impl Handle<Cleared> for Note {
    async fn handle(&self, tx: &mut Tx, e: Received<Cleared>) -> Result<(), Failed> {
        Ok(effect(tx, self.0, e.event.n).await?)
    }
}

fn note(who: &'static str) -> Consumer {
    Consumer::new(who).on(Note(who))
}

async fn drain(bus: &Bus, db: &Db) {
    worker(bus, db).consumer(note("a")).drain().await.unwrap();
}

async fn rows(db: &Db, what: &'static str) -> Vec<i64> {
    let q = SqlBuilder::new(what);
    let rows: Vec<(i64,)> = db.read().await.unwrap().all_dyn(&q).await.unwrap();
    rows.into_iter().map(|r| r.0).collect()
}

/// Two open PostgreSQL transactions; the one that wrote first commits last. A cursor over numbers taken while
/// writing steps over it; ours does not.
#[kenroku_store::test(SCHEMA, concurrent)]
async fn what_is_written_first_and_committed_last_is_not_stepped_over(db: Db) {
    if db.engine() == Engine::Sqlite {
        return; // One writer: the second transaction could not begin.
    }
    let bus = bus();
    let mut early = db.begin().await.unwrap();
    bus.publish(&mut early, T, &Cleared { n: 1 }).await.unwrap();
    publish(&bus, &db, 2).await;
    let mut third = db.begin().await.unwrap();
    bus.publish(&mut third, T, &Cleared { n: 3 }).await.unwrap();
    drain(&bus, &db).await;
    assert_eq!(effects(&db, "a").await, once([2]), "open transactions delay nobody");
    // The trap is real: the number taken while writing was seen at 2 and is about to appear at 1.
    let seen = rows(&db, "select ord from bus_outbox /* @cross_tenant: test */").await;
    early.commit().await.unwrap();
    let all = rows(&db, "select ord from bus_outbox order by ord /* @cross_tenant: test */").await;
    assert!(all[0] < seen[0], "{all:?} {seen:?}");
    drain(&bus, &db).await;
    assert_eq!(effects(&db, "a").await, once([2, 1]));
    third.rollback().await.unwrap();
    publish(&bus, &db, 4).await;
    drain(&bus, &db).await;
    assert_eq!(effects(&db, "a").await, once([2, 1, 4]), "what was undone leaves no gap to wait for");
    let pos =
        rows(&db, "select pos from bus_outbox order by pos nulls first /* @cross_tenant: test */").await;
    assert_eq!(pos, [1, 2, 3]);
}

/// What committed before another was published comes first, also when both get their position in one step.
#[kenroku_store::test(SCHEMA)]
async fn causes_come_before_their_consequences(db: Db) {
    let (bus, other) = (bus(), Bus::local(Env::fixed(START.minus(Duration::from_secs(3600)), 8)));
    for n in 0..50 {
        // Two machines whose clocks differ by an hour take turns.
        publish(if n % 2 == 0 { &bus } else { &other }, &db, n).await;
    }
    drain(&bus, &db).await;
    assert_eq!(effects(&db, "a").await, once(0..50));
}

/// Many writers that commit at odd times, two workers, and a reader that must never see a position appear below
/// one it has seen.
#[kenroku_store::test(SCHEMA, concurrent)]
async fn positions_appear_in_their_order_under_load(db: Db) {
    let seed = crate::seed();
    let rng = Rng::seeded(seed);
    let bus = Bus::local(Env { clock: kenroku_types::Clock::system(), rng: rng.clone() });
    let over = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (db, over) = (db.clone(), over.clone());
        async move {
            let mut last = 0;
            loop {
                let end = over.load(Ordering::SeqCst);
                let mut q = SqlBuilder::new("select pos from bus_outbox where pos > ");
                q.bind(last).push(" order by pos /* @cross_tenant: test */");
                let got: Vec<(i64,)> = db.read().await.unwrap().all_dyn(&q).await.unwrap();
                for (pos,) in got {
                    assert_eq!(pos, last + 1, "seed {seed}");
                    last = pos;
                }
                if end {
                    return last;
                }
                tokio::task::yield_now().await;
            }
        }
    });
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let settings = Settings { poll: Duration::from_millis(5), batch: 7, ..Settings::default() };
            let w = Worker::new(bus.clone(), db.clone(), settings).consumer(note("a")).consumer(note("b"));
            let mut stopped = stopped.clone();
            tokio::spawn(w.run(async move {
                let _ = stopped.wait_for(|s| *s).await;
            }))
        })
        .collect();
    let writers: Vec<_> = (0..6i64)
        .map(|w| {
            let (db, bus, rng) = (db.clone(), bus.clone(), rng.clone());
            tokio::spawn(async move {
                let mut committed = Vec::new();
                for i in 0..40 {
                    let n = w * 1000 + i;
                    let mut tx = db.begin().await.unwrap();
                    bus.publish(&mut tx, T, &Cleared { n }).await.unwrap();
                    for _ in 0..rng.below(20) {
                        tokio::task::yield_now().await;
                    }
                    if rng.below(8) == 0 {
                        tx.rollback().await.unwrap();
                    } else {
                        tx.commit().await.unwrap();
                        committed.push(n);
                    }
                }
                committed
            })
        })
        .collect();
    let mut committed = Vec::new();
    for w in writers {
        committed.extend(w.await.unwrap());
    }
    stop.send_replace(true);
    for w in workers {
        w.await.unwrap().unwrap();
    }
    worker(&bus, &db).consumer(note("a")).consumer(note("b")).drain().await.unwrap();
    over.store(true, Ordering::SeqCst);
    assert_eq!(reader.await.unwrap(), i64::try_from(committed.len()).unwrap());
    let (a, b) = (effects(&db, "a").await, effects(&db, "b").await);
    assert_eq!(a, b, "every consumer sees the same order (seed {seed})");
    let mut sorted = a;
    sorted.sort_unstable();
    committed.sort_unstable();
    assert_eq!(sorted, once(committed), "seed {seed}");
}
