//! Schedules: one job per occurrence.

use std::time::Duration;

use kenroku_bus::{Bus, Done, Failed, Job, Running, Schedule, Work, Worker};
use kenroku_store::Db;
use kenroku_types::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{SCHEMA, bus, effect, effects, once, worker};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Report {
    at: Timestamp,
}
impl Job for Report {
    const KIND: &'static str = "probe.report";
}

#[derive(Clone)]
struct Doing;
impl Work<Report> for Doing {
    async fn work(&self, run: &Running, job: Report) -> Result<Done, Failed> {
        let mut tx = run.begin().await?;
        effect(&mut tx, "report", job.at.secs()).await?;
        run.finish(tx).await
    }
}

fn with(bus: &Bus, db: &Db, cron: &str) -> Worker {
    worker(bus, db).job::<Report, _>(Doing).schedule(Schedule::new("probe.hourly", cron, |at| Report { at }))
}

fn jst(s: &str) -> i64 {
    s.parse::<Timestamp>().unwrap().secs()
}

#[kenroku_store::test(SCHEMA)]
async fn each_occurrence_once_and_missed_ones_once(db: Db) {
    let bus = bus();
    let run = async |cron: &str| with(&bus, &db, cron).drain().await.unwrap().fired;
    assert_eq!(run("0 * * * *").await, 0, "it begins with the next occurrence");
    bus.env().clock.advance(Duration::from_secs(30 * 60));
    assert_eq!((run("0 * * * *").await, run("0 * * * *").await), (1, 0));
    // Five hours of standstill: one job, for the first that was missed; then by the clock again.
    bus.env().clock.advance(Duration::from_secs(5 * 3600 + 60));
    assert_eq!((run("0 * * * *").await, run("0 * * * *").await), (1, 0));
    bus.env().clock.advance(Duration::from_secs(3600));
    assert_eq!(run("0 * * * *").await, 1);
    // Another time in a new release: what was planned by the old one is forgotten.
    assert_eq!(run("15 * * * *").await, 0);
    bus.env().clock.advance(Duration::from_secs(14 * 60));
    assert_eq!(run("15 * * * *").await, 1);
    let want = ["10:00", "11:00", "16:00", "16:15"].map(|t| jst(&format!("2026-01-14T{t}:00")));
    assert_eq!(effects(&db, "report").await, once(want));
}

#[kenroku_store::test(SCHEMA, concurrent)]
async fn several_workers_enqueue_one_job(db: Db) {
    let bus = bus();
    for round in 0..10 {
        let workers: Vec<_> = (0..4).map(|_| tokio::spawn(with(&bus, &db, "*/10 * * * *").drain())).collect();
        let mut fired = 0;
        for w in workers {
            fired += w.await.unwrap().unwrap().fired;
        }
        assert_eq!(fired, u64::from(round > 0));
        bus.env().clock.advance(Duration::from_secs(600));
    }
    let done = effects(&db, "report").await;
    assert_eq!((done.len(), done.iter().all(|d| d.1 == 1)), (9, true));
}

#[kenroku_store::test(SCHEMA)]
async fn a_wrong_time_is_told_before_anything_runs(db: Db) {
    let bus = bus();
    let e = with(&bus, &db, "0 0 30 2 *").check().unwrap_err().to_string();
    assert!(e.contains("probe.hourly") && e.contains("never happens"), "{e}");
    let mut tx = db.begin().await.unwrap();
    assert!(bus.dead_jobs(&mut tx, 1).await.unwrap().is_empty());
    assert!(bus.replay_all(&mut tx, "nobody").await.unwrap() == 0);
    assert!(bus.forget_consumer(&mut tx, "nobody").await.is_err());
    tx.rollback().await.unwrap();
}
