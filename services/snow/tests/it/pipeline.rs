//! From positions to states, on both engines.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kenroku_bus::{Bus, Consumer, Failed, Handle, Received, Worker};
use kenroku_contracts::snow_passes::PassesSettled;

use kenroku_http::test::NOW;
use kenroku_roads::model::SegmentId;
use kenroku_snow::model::{Report, Status};
use kenroku_snow::sql::matched;
use kenroku_snow::{MIGRATIONS, Snow};
use kenroku_store::{Db, Tx};
use kenroku_types::Rng;

use crate::world::{PIECE, both_ways, device, drive, fill, incoming, prefecture, snow};

async fn send(snow: &Snow, reports: &[Report]) -> kenroku_snow::ingest::Receipt {
    snow.take_in(prefecture(), device(), incoming(reports)).await.unwrap()
}

fn states(snow: &Snow, ids: &[SegmentId]) -> Vec<Status> {
    let view = snow.live();
    ids.iter().map(|id| view.segments[snow.network().index_of(*id).unwrap() as usize].status).collect()
}

async fn passes(snow: &Snow) -> Vec<String> {
    matched::passes_by_device(&mut snow.db().read().await.unwrap(), prefecture(), device()).await.unwrap()
}

/// What was announced to other modules.
async fn settled(snow: &Snow) -> Vec<PassesSettled> {
    struct Keep(Arc<Mutex<Vec<PassesSettled>>>);
    impl Handle<PassesSettled> for Keep {
        async fn handle(&self, _: &mut Tx, received: Received<PassesSettled>) -> Result<(), Failed> {
            self.0.lock().unwrap().push(received.event);
            Ok(())
        }
    }
    let kept = Arc::new(Mutex::default());
    let bus = Bus::local(snow.env().clone());
    let worker = Worker::new(bus, snow.db().clone(), kenroku_bus::Settings::default());
    let consumer = Consumer::new("test.settled").on(Keep(kept.clone()));
    worker.consumer(consumer).drain().await.unwrap();
    kept.lock().unwrap().clone()
}

/// Processes everything; the drives of these tests ended long ago, so their tracks are closed.
async fn quiet(snow: &Snow) {
    snow.settle().await.unwrap();
}

#[kenroku_store::test(&[kenroku_bus::MIGRATIONS, MIGRATIONS])]
async fn a_plough_there_and_back_clears_its_road(db: Db) {
    let (snow, ids) = snow(db);
    fill(&snow, &ids).await;
    let reports = both_ways(30);
    let receipt = send(&snow, &reports).await;
    assert_eq!((receipt.accepted, receipt.duplicate, receipt.refused), (reports.len() as u64, 0, 0));
    snow.settle().await.unwrap();
    quiet(&snow).await;
    let (done, none) = (Status::Cleared, Status::NoData);
    assert_eq!(
        states(&snow, &ids),
        [done, done, done, done, none],
        "the side street has no event of its own"
    );
    assert!(passes(&snow).await.iter().all(|p| p.contains("route true")));
    let again = send(&snow, &reports).await;
    assert_eq!((again.accepted, again.duplicate), (0, reports.len() as u64));
    let before = passes(&snow).await;
    snow.settle().await.unwrap();
    assert_eq!(passes(&snow).await, before);
}

#[kenroku_store::test(&[kenroku_bus::MIGRATIONS, MIGRATIONS])]
async fn one_direction_is_a_part_and_driving_is_nothing(db: Db) {
    let (snow, ids) = snow(db);
    fill(&snow, &ids).await;
    send(&snow, &drive(NOW.minus(Duration::from_secs(1800)), 0.0, 2.0 * PIECE, 20.0)).await;
    send(&snow, &drive(NOW.minus(Duration::from_secs(900)), 2.0 * PIECE, 4.0 * PIECE, 50.0)).await;
    snow.settle().await.unwrap();
    quiet(&snow).await;
    let (part, todo) = (Status::Partial, Status::NotCleared);
    assert_eq!(states(&snow, &ids), [part, part, todo, todo, Status::NoData]);
    assert!(passes(&snow).await.iter().any(|p| p.contains("driving false")));
}

#[kenroku_store::test(&[kenroku_bus::MIGRATIONS, MIGRATIONS])]
async fn work_is_seen_before_it_is_decided(db: Db) {
    let (snow, ids) = snow(db);
    fill(&snow, &ids).await;
    send(&snow, &drive(NOW.minus(Duration::from_secs(40)), 50.0, 250.0, 20.0)).await;
    snow.settle().await.unwrap();
    assert_eq!(states(&snow, &ids)[0], Status::Working);
    assert_eq!(snow.public().segments[0].last_work(), None, "but not by the public");
}

#[kenroku_store::test(&[kenroku_bus::MIGRATIONS, MIGRATIONS])]
async fn order_repetition_and_batches_change_nothing(db: Db) {
    let (snow, ids) = snow(db);
    fill(&snow, &ids).await;
    let rng = Rng::seeded(7);
    let mut mixed = both_ways(30);
    mixed.extend(mixed.clone());
    for i in (1..mixed.len()).rev() {
        mixed.swap(i, rng.below(i as u64 + 1) as usize);
    }
    for batch in mixed.chunks(9) {
        send(&snow, batch).await;
        snow.settle().await.unwrap();
    }
    quiet(&snow).await;
    let (shuffled, seen) = (passes(&snow).await, states(&snow, &ids));

    let (other, _) = crate::world::snow(snow.db().clone());
    let second = crate::world::id(2);
    let rides = Some((crate::world::id(10), NOW.minus(Duration::from_secs(90 * 3600))));
    other.add_device(prefecture(), second, "二号", true, rides).await.unwrap();
    other.take_in(prefecture(), second, incoming(&both_ways(30))).await.unwrap();
    quiet(&other).await;
    let mut tx = other.db().read().await.unwrap();
    assert_eq!(matched::passes_by_device(&mut tx, prefecture(), second).await.unwrap(), shuffled);
    assert_eq!(states(&other, &ids), seen);
    assert_eq!(seen[..4], [Status::Cleared; 4]);
}

#[kenroku_store::test(&[kenroku_bus::MIGRATIONS, MIGRATIONS])]
async fn a_restart_in_the_middle_is_not_noticed(db: Db) {
    let (first, ids) = snow(db.clone());
    fill(&first, &ids).await;
    let reports = both_ways(30);
    for batch in reports.chunks(3) {
        // Another process takes over after each batch: nothing but the database is handed on.
        let (next, _) = snow(db.clone());
        send(&next, batch).await;
        next.settle().await.unwrap();
    }
    let (last, _) = snow(db.clone());
    quiet(&last).await;
    let pieces = passes(&last).await;
    let second = crate::world::id(2);
    let rides = Some((crate::world::id(10), NOW.minus(Duration::from_secs(90 * 3600))));
    last.add_device(prefecture(), second, "二号", true, rides).await.unwrap();
    last.take_in(prefecture(), second, incoming(&reports)).await.unwrap();
    quiet(&last).await;
    let mut tx = last.db().read().await.unwrap();
    assert_eq!(matched::passes_by_device(&mut tx, prefecture(), second).await.unwrap(), pieces);
}

#[kenroku_store::test(&[kenroku_bus::MIGRATIONS, MIGRATIONS])]
async fn late_rows_count_for_two_days(db: Db) {
    let (snow, ids) = snow(db);
    fill(&snow, &ids).await;
    let at = |hours: u64| drive(NOW.minus(Duration::from_secs(hours * 3600)), 0.0, PIECE, 20.0);
    let receipt = send(&snow, &at(47)).await;
    assert_eq!((receipt.accepted, receipt.refused), (at(47).len() as u64, 0));
    let receipt = send(&snow, &at(49)).await;
    assert_eq!((receipt.accepted, receipt.refused), (0, at(49).len() as u64));
    assert_eq!(receipt.rows[0].code, kenroku_snow::model::Refused::TooLate);
    let mut tx = snow.db().read().await.unwrap();
    let since = NOW.minus(Duration::from_secs(60));
    let counts = kenroku_snow::sql::log::quarantine_counts(&mut tx, prefecture(), since).await.unwrap();
    // The rows of this test have no raw text of their own and are kept once.
    assert_eq!((counts.len(), counts[0].0), (1, kenroku_snow::model::Refused::TooLate));
    drop(tx);
    snow.settle().await.unwrap();
    quiet(&snow).await;
    assert_eq!(states(&snow, &ids)[0], Status::NotCleared, "work before the event does not count");
    assert!(!passes(&snow).await.is_empty());
}

#[kenroku_store::test(&[kenroku_bus::MIGRATIONS, MIGRATIONS])]
async fn an_event_that_begins_later_counts_from_its_beginning(db: Db) {
    let (snow, ids) = snow(db);
    fill(&snow, &ids).await;
    send(&snow, &both_ways(60)).await;
    snow.settle().await.unwrap();
    quiet(&snow).await;
    assert_eq!(states(&snow, &ids)[0], Status::Cleared);
    snow.env().clock.advance(Duration::from_secs(400));
    snow.end_event(prefecture(), crate::world::id(100)).await.unwrap();
    let mut event = kenroku_snow::sql::fleet::EventRow {
        id: crate::world::id(101),
        started_at: snow.env().now(),
        ended_at: None,
        level: "alert".into(),
        depth_cm: None,
        simulated: true,
    };
    snow.open_event(prefecture(), &event, "test").await.unwrap();
    snow.follow().await.unwrap();
    let seen = states(&snow, &ids)[0];
    assert_eq!(seen, Status::NoData, "the source has been silent, so nobody may say 未除雪");
    event.id = crate::world::id(102);
    event.started_at = NOW.minus(Duration::from_secs(3700));
    assert!(snow.end_event(prefecture(), crate::world::id(101)).await.unwrap());
    snow.open_event(prefecture(), &event, "test").await.unwrap();
    snow.follow().await.unwrap();
    // The later of two events is in force, even when it has just ended.
    assert_eq!(states(&snow, &ids)[0], Status::NoData);
}

#[tokio::test]
async fn every_settled_pass_is_announced_once() {
    let world = kenroku_store::testing::sqlite(&[kenroku_bus::MIGRATIONS, MIGRATIONS]).await;
    let (snow, ids) = snow(world.db.clone());
    fill(&snow, &ids).await;
    send(&snow, &both_ways(30)).await;
    quiet(&snow).await;
    send(&snow, &both_ways(30)).await;
    quiet(&snow).await;
    let told = settled(&snow).await;
    assert_eq!(told.iter().map(|e| e.passes.len()).sum::<usize>(), 8);
    assert!(told.iter().flat_map(|e| &e.passes).all(|p| p.clears && p.rule == "route"));
}
