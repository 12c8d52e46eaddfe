//! Random interleavings of publishing, handling, failing and dying, against a model that is a list.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use kenroku_bus::{Bus, Consumer, Failed, Handle, Received, Settings, Worker};
use kenroku_store::{Db, Engine, Tx};
use kenroku_types::{Env, Rng};

use crate::{Cleared, SCHEMA, START, T, effect, effects, once};

/// Now and then fails, panics or never comes back, before or after its write.
#[derive(Clone)]
struct Moody {
    who: &'static str,
    rng: Rng,
    /// Out of a hundred.
    trouble: Arc<AtomicU64>,
    hung: Arc<tokio::sync::Notify>,
}

impl Handle<Cleared> for Moody {
    async fn handle(&self, tx: &mut Tx, e: Received<Cleared>) -> Result<(), Failed> {
        let trouble = self.rng.below(100) < self.trouble.load(Ordering::SeqCst);
        let how = self.rng.below(6);
        if !trouble || how.is_multiple_of(2) {
            effect(tx, self.who, e.event.n).await?;
        }
        match how / 2 {
            _ if !trouble => Ok(()),
            0 => Err(Failed::again("a bad day")),
            1 => panic!("a very bad day"),
            _ => {
                self.hung.notify_one();
                std::future::pending().await
            }
        }
    }
}

struct World {
    db: Db,
    bus: Bus,
    rng: Rng,
    moody: Vec<Moody>,
}

impl World {
    /// A fresh worker, as after a restart.
    async fn work(&self, trouble: u64) {
        // Failing for ever is another test.
        let events = kenroku_bus::Backoff { attempts: u32::MAX, ..kenroku_bus::Backoff::EVENTS };
        let batch = 1 + self.rng.below(5) as usize;
        let settings = Settings { batch, events, ..Settings::default() };
        let w = self.moody.iter().fold(Worker::new(self.bus.clone(), self.db.clone(), settings), |w, m| {
            m.trouble.store(trouble, Ordering::SeqCst);
            w.consumer(Consumer::new(m.who).on(m.clone()))
        });
        let hung = &self.moody[0].hung;
        // In a troubled time the process also dies between two statements, wherever it happens to wait.
        let steps = if trouble > 0 && self.rng.below(2) == 0 { self.rng.below(60) } else { u64::MAX };
        tokio::select! {
            r = dies_after(steps, w.drain()) => drop(r.transpose().unwrap()),
            () = hung.notified() => {}
        }
    }
}

/// Drops the future, with whatever it holds, when it has been polled so many times.
async fn dies_after<F: Future>(mut polls: u64, f: F) -> Option<F::Output> {
    let mut f = std::pin::pin!(f);
    std::future::poll_fn(|cx| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        f.as_mut().poll(cx).map(Some)
    })
    .await
}

#[kenroku_store::test(SCHEMA, concurrent)]
async fn whatever_happens_every_fact_has_its_effect_once(db: Db) {
    let fresh = crate::seed();
    for (base, seed) in [(0, 1), (1_000, fresh)] {
        eprintln!("seed {seed}");
        one_run(db.clone(), seed, base).await;
    }
}

async fn one_run(db: Db, seed: u64, base: i64) {
    let rng = Rng::seeded(seed);
    // Another time for each run, so that the same seed twice does not give the same ids.
    let start = START.plus(Duration::from_secs(base.unsigned_abs() * 1_000_000));
    let bus = Bus::local(Env::fixed(start, seed));
    let hung = Arc::new(tokio::sync::Notify::new());
    let moody =
        ["a", "b"].map(|who| Moody { who, rng: rng.clone(), trouble: Arc::default(), hung: hung.clone() });
    let w = World { db: db.clone(), bus, rng: rng.clone(), moody: moody.to_vec() };
    let before = effects(&db, "a").await.len();
    let (mut open, mut committed): (Vec<(Tx, Vec<i64>)>, Vec<i64>) = (Vec::new(), Vec::new());
    let most_open = if db.engine() == Engine::Sqlite { 1 } else { 4 };
    let mut n = base;
    for _ in 0..250 {
        match rng.below(10) {
            0..=2 if open.len() < most_open => open.push((db.begin().await.unwrap(), Vec::new())),
            0..=4 if !open.is_empty() => {
                let i = rng.below(open.len() as u64) as usize;
                n += 1;
                w.bus.publish(&mut open[i].0, T, &Cleared { n }).await.unwrap();
                open[i].1.push(n);
            }
            5 | 6 if !open.is_empty() => {
                let (tx, ns) = open.swap_remove(rng.below(open.len() as u64) as usize);
                match rng.below(5) {
                    0 => drop(tx),
                    1 => tx.rollback().await.unwrap(),
                    _ => {
                        tx.commit().await.unwrap();
                        committed.extend(ns);
                    }
                }
            }
            7 => w.bus.env().clock.advance(Duration::from_secs(rng.below(400))),
            // On SQLite the one writer would wait for the open transaction.
            _ if db.engine() == Engine::Postgres || open.is_empty() => w.work(15).await,
            _ => {}
        }
    }
    drop(open);
    for _ in 0..3 {
        w.bus.env().clock.advance(Duration::from_secs(400));
        w.work(0).await;
    }
    let (a, b) = (effects(&db, "a").await, effects(&db, "b").await);
    assert_eq!(a, b, "every consumer sees the same order (seed {seed})");
    let mut mine: Vec<_> = a.into_iter().skip(before).collect();
    mine.sort_unstable();
    committed.sort_unstable();
    assert_eq!(mine, once(committed), "seed {seed}");
}
