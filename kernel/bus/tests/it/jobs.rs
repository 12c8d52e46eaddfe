//! Jobs: once, by whoever holds the newest fence.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use kenroku_bus::{Bus, Done, Enqueue, Failed, Job, JobState, Running, Settings, Work, Worker};
use kenroku_store::Db;
use kenroku_types::Timestamp;
use kenroku_types::ids::JobId;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::{SCHEMA, START, T, bus, effect, effects, once, worker};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Send {
    n: i64,
}
impl Job for Send {
    const KIND: &'static str = "probe.send";
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Other {}
impl Job for Other {
    const KIND: &'static str = "probe.other";
}

type Before = Arc<dyn Fn(&Running) -> Result<(), Failed> + std::marker::Send + Sync>;

/// Writes the effect, after `before` had its say.
#[derive(Clone)]
struct Doing(Before);

impl Work<Send> for Doing {
    async fn work(&self, run: &Running, job: Send) -> Result<Done, Failed> {
        let mut tx = run.begin().await?;
        effect(&mut tx, "job", job.n).await?;
        (self.0)(run)?;
        run.finish(tx).await
    }
}

fn good() -> Doing {
    Doing(Arc::new(|_| Ok(())))
}

async fn enqueue(bus: &Bus, db: &Db, n: i64, how: Enqueue) -> Option<JobId> {
    let mut tx = db.begin().await.unwrap();
    let id = bus.enqueue(&mut tx, T, &Send { n }, how).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn state(bus: &Bus, db: &Db, id: JobId) -> (JobState, u32) {
    let row = bus.job(&mut db.read().await.unwrap(), T, id).await.unwrap().unwrap();
    (row.state, row.attempts)
}

async fn drain(bus: &Bus, db: &Db, d: &Doing) -> u64 {
    worker(bus, db).job::<Send, _>(d.clone()).drain().await.unwrap().jobs
}

#[kenroku_store::test(SCHEMA)]
async fn runs_when_it_is_time_urgent_ones_first_and_each_key_once(db: Db) {
    let bus = bus();
    enqueue(&bus, &db, 1, Enqueue::now()).await;
    bus.env().clock.advance(Duration::from_millis(1));
    let later = enqueue(&bus, &db, 2, Enqueue::at(START.plus(Duration::from_secs(60)))).await.unwrap();
    assert!(enqueue(&bus, &db, 3, Enqueue::now().urgent().unique("k")).await.is_some());
    assert!(enqueue(&bus, &db, 4, Enqueue::now().urgent().unique("k")).await.is_none());
    let mut tx = db.begin().await.unwrap();
    bus.enqueue(&mut tx, T, &Send { n: 5 }, Enqueue::now()).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(drain(&bus, &db, &good()).await, 2);
    assert_eq!(effects(&db, "job").await, once([3, 1]));
    assert_eq!(state(&bus, &db, later).await, (JobState::Waiting, 0));
    bus.env().clock.advance(Duration::from_secs(60));
    assert_eq!(drain(&bus, &db, &good()).await, 1);
    assert_eq!(effects(&db, "job").await, once([3, 1, 2]));
    assert_eq!(state(&bus, &db, later).await, (JobState::Done, 1));
    assert!(enqueue(&bus, &db, 4, Enqueue::now().unique("k")).await.is_none(), "the key outlives the job");
}

#[kenroku_store::test(SCHEMA)]
async fn what_was_given_up_is_discarded_and_can_be_fetched_back(db: Db) {
    let bus = bus();
    let id = enqueue(&bus, &db, 1, Enqueue::now()).await.unwrap();
    let never = Doing(Arc::new(|_| Err(Failed::never("it is wrong"))));
    assert_eq!(drain(&bus, &db, &never).await, 1);
    let mut tx = db.begin().await.unwrap();
    assert_eq!(bus.dead_jobs(&mut tx, 9).await.unwrap().len(), 1);
    bus.discard_job(&mut tx, T, id).await.unwrap();
    assert_eq!(bus.dead_jobs(&mut tx, 9).await.unwrap(), []);
    assert!(bus.discard_job(&mut tx, T, id).await.is_err(), "once");
    tx.commit().await.unwrap();
    assert_eq!(state(&bus, &db, id).await.0, JobState::Cancelled);
    let mut tx = db.begin().await.unwrap();
    bus.revive(&mut tx, T, id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(drain(&bus, &db, &good()).await, 1);
}

#[kenroku_store::test(SCHEMA)]
async fn fails_waits_longer_and_longer_dies_and_is_revived(db: Db) {
    let bus = bus();
    let id = enqueue(&bus, &db, 1, Enqueue::now()).await.unwrap();
    let bad = Doing(Arc::new(|_| Err(Failed::again("the far end is away"))));
    assert_eq!(drain(&bus, &db, &bad).await, 1);
    assert_eq!(drain(&bus, &db, &bad).await, 0, "not due yet");
    assert_eq!(state(&bus, &db, id).await, (JobState::Waiting, 1));
    for _ in 1..12 {
        bus.env().clock.advance(Duration::from_secs(3600));
        assert_eq!(drain(&bus, &db, &bad).await, 1);
    }
    assert_eq!(state(&bus, &db, id).await, (JobState::Dead, 12));
    assert_eq!(effects(&db, "job").await, []);
    let mut tx = db.begin().await.unwrap();
    let dead = bus.dead_jobs(&mut tx, 10).await.unwrap();
    assert_eq!((dead.len(), dead[0].error.as_deref()), (1, Some("the far end is away")));
    bus.revive(&mut tx, T, id).await.unwrap();
    assert!(bus.revive(&mut tx, T, id).await.is_err(), "it is alive");
    assert!(bus.discard_job(&mut tx, T, id).await.is_err(), "only what was given up is discarded");
    tx.commit().await.unwrap();
    assert_eq!(drain(&bus, &db, &good()).await, 1);
    assert_eq!(effects(&db, "job").await, once([1]));
}

#[kenroku_store::test(SCHEMA)]
async fn hopeless_ones_die_at_once_and_a_panic_is_a_failure(db: Db) {
    let bus = bus();
    let id = enqueue(&bus, &db, 1, Enqueue::now()).await.unwrap();
    drain(&bus, &db, &Doing(Arc::new(|_| Err(Failed::never("no such address"))))).await;
    assert_eq!(state(&bus, &db, id).await, (JobState::Dead, 1));
    let id = enqueue(&bus, &db, 2, Enqueue::now()).await.unwrap();
    drain(&bus, &db, &Doing(Arc::new(|_| panic!("a bug in a job")))).await;
    assert_eq!(state(&bus, &db, id).await, (JobState::Waiting, 1));
    assert_eq!(effects(&db, "job").await, []);
}

/// A program of the previous release must not eat the jobs of the next one.
#[kenroku_store::test(SCHEMA)]
async fn an_unknown_kind_is_left_for_a_newer_program(db: Db) {
    let bus = bus();
    let mut tx = db.begin().await.unwrap();
    let id = bus.enqueue(&mut tx, T, &Other {}, Enqueue::now()).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    drain(&bus, &db, &good()).await;
    assert_eq!(state(&bus, &db, id).await, (JobState::Waiting, 0));
}

#[kenroku_store::test(SCHEMA)]
async fn a_cancelled_job_does_not_run_and_a_running_one_cannot_complete(db: Db) {
    let bus = bus();
    let id = enqueue(&bus, &db, 1, Enqueue::now()).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    bus.cancel(&mut tx, T, id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(drain(&bus, &db, &good()).await, 0);
    let mut tx = db.begin().await.unwrap();
    assert!(bus.cancel(&mut tx, T, id).await.is_err(), "it is over");
    tx.rollback().await.unwrap();

    struct CancelledMeanwhile;
    impl Work<Send> for CancelledMeanwhile {
        async fn work(&self, run: &Running, job: Send) -> Result<Done, Failed> {
            let mut tx = run.begin().await?;
            run.bus().cancel(&mut tx, run.tenant(), run.id()).await?;
            tx.commit().await?;
            let mut tx = run.begin().await?;
            effect(&mut tx, "job", job.n).await?;
            run.finish(tx).await
        }
    }
    let id = enqueue(&bus, &db, 2, Enqueue::now()).await.unwrap();
    worker(&bus, &db).job::<Send, _>(CancelledMeanwhile).drain().await.unwrap();
    assert_eq!(state(&bus, &db, id).await.0, JobState::Cancelled);
    assert_eq!(effects(&db, "job").await, []);
}

/// The first worker freezes past its lease, a second one takes over and completes; when the first wakes up it can no
/// longer write.
#[kenroku_store::test(SCHEMA)]
async fn a_frozen_worker_is_fenced_off(db: Db) {
    struct Freezes;
    impl Work<Send> for Freezes {
        async fn work(&self, run: &Running, job: Send) -> Result<Done, Failed> {
            run.bus().env().clock.advance(Settings::default().lease + Duration::from_secs(1));
            let second = Worker::new(run.bus().clone(), run.db().clone(), Settings::default());
            let done = second.job::<Send, _>(good()).drain().await?;
            assert_eq!(done.jobs, 1);
            let mut tx = run.begin().await?;
            effect(&mut tx, "job", job.n).await?;
            run.finish(tx).await
        }
    }
    let bus = bus();
    let id = enqueue(&bus, &db, 1, Enqueue::now()).await.unwrap();
    worker(&bus, &db).job::<Send, _>(Freezes).drain().await.unwrap();
    assert_eq!(effects(&db, "job").await, once([1]));
    assert_eq!(state(&bus, &db, id).await, (JobState::Done, 2));
}

/// Each time the worker dies (its future is dropped) in the middle of the job; in the end the job is given up.
#[kenroku_store::test(SCHEMA)]
async fn the_job_of_a_dead_worker_is_taken_over_and_a_deadly_one_is_given_up(db: Db) {
    struct Hangs(Arc<Notify>);
    impl Work<Send> for Hangs {
        async fn work(&self, run: &Running, job: Send) -> Result<Done, Failed> {
            let mut tx = run.begin().await?;
            effect(&mut tx, "job", job.n).await?;
            self.0.notify_one();
            std::future::pending::<()>().await;
            run.finish(tx).await
        }
    }
    let bus = bus();
    let entered = Arc::new(Notify::new());
    let die = async |n: i64| {
        let id = enqueue(&bus, &db, n, Enqueue::now()).await.unwrap();
        tokio::select! {
            _ = worker(&bus, &db).job::<Send, _>(Hangs(entered.clone())).drain() => panic!("it hangs"),
            () = entered.notified() => {}
        }
        id
    };
    let id = die(1).await;
    assert_eq!(drain(&bus, &db, &good()).await, 0, "the lease still holds");
    bus.env().clock.advance(Duration::from_secs(61));
    assert_eq!(drain(&bus, &db, &good()).await, 1);
    assert_eq!((effects(&db, "job").await, state(&bus, &db, id).await.1), (once([1]), 2));
    let id = die(2).await;
    for _ in 1..12 {
        bus.env().clock.advance(Duration::from_secs(61));
        tokio::select! {
            _ = worker(&bus, &db).job::<Send, _>(Hangs(entered.clone())).drain() => panic!("it hangs"),
            () = entered.notified() => {}
        }
    }
    bus.env().clock.advance(Duration::from_secs(61));
    drain(&bus, &db, &good()).await;
    assert_eq!(state(&bus, &db, id).await.0, JobState::Dead);
    assert_eq!(effects(&db, "job").await, once([1]));
}

/// Many workers at once on one queue.
#[kenroku_store::test(SCHEMA, concurrent)]
async fn workers_share_the_queue(db: Db) {
    let bus = bus();
    for n in 0..200 {
        enqueue(&bus, &db, n, Enqueue::now()).await;
    }
    let ran = Arc::new(AtomicI64::new(0));
    let count = Doing(Arc::new({
        let ran = ran.clone();
        move |_| {
            ran.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }));
    let workers: Vec<_> =
        (0..4).map(|_| tokio::spawn(worker(&bus, &db).job::<Send, _>(count.clone()).drain())).collect();
    for w in workers {
        w.await.unwrap().unwrap();
    }
    let mut done = effects(&db, "job").await;
    done.sort_unstable();
    assert_eq!(done, once(0..200));
    assert_eq!(ran.load(Ordering::SeqCst), 200);
}

/// Told to stop, the worker gives a long job back, at once and without counting the attempt.
#[kenroku_store::test(SCHEMA, concurrent)]
async fn stopping_gives_jobs_back(db: Db) {
    struct Long(Arc<Notify>);
    impl Work<Send> for Long {
        async fn work(&self, _: &Running, _: Send) -> Result<Done, Failed> {
            self.0.notify_one();
            std::future::pending().await
        }
    }
    let bus = bus();
    let id = enqueue(&bus, &db, 1, Enqueue::now()).await.unwrap();
    let entered = Arc::new(Notify::new());
    let settings = Settings { grace: Duration::ZERO, ..Settings::default() };
    let w = Worker::new(bus.clone(), db.clone(), settings).job::<Send, _>(Long(entered.clone()));
    w.run(async move { entered.notified().await }).await.unwrap();
    assert_eq!(state(&bus, &db, id).await, (JobState::Waiting, 0));
    let row = bus.job(&mut db.read().await.unwrap(), T, id).await.unwrap().unwrap();
    assert!(row.due_at.is_some_and(|t: Timestamp| t <= bus.env().now()));
}
