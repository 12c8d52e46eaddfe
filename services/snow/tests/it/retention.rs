//! What was kept long enough goes, what is young stays; on both engines.

use std::time::Duration;

use kenroku_snow::ingest::{self, Incoming};
use kenroku_snow::model::Report;
use kenroku_snow::retention::{Keep, Removed};
use kenroku_snow::sql::{log, matched, refused};
use kenroku_snow::{MIGRATIONS, Snow};
use kenroku_store::Db;

use crate::world::{PIECE, device, drive, fill, incoming, prefecture, site, snow};

const DAY: Duration = Duration::from_secs(86_400);

/// A drive over the first piece that ended half an hour before the clock's present.
fn earlier(snow: &Snow) -> Vec<Report> {
    drive(snow.env().now().minus(Duration::from_secs(1800)), 0.0, PIECE, 20.0)
}

/// Rows that nobody can use.
fn unusable(from: u64, n: u64) -> Vec<Incoming> {
    let row = |i| format!("{{\"time\":\"never\",\"lat\":36.4,\"lon\":136.5,\"n\":{i}}}");
    ingest::rows((from..from + n).map(row).collect::<Vec<_>>().join("\n").as_bytes()).unwrap()
}

async fn send(snow: &Snow, rows: Vec<Incoming>) {
    snow.take_in(prefecture(), device(), rows).await.unwrap();
    snow.settle().await.unwrap();
}

async fn positions(snow: &Snow) -> usize {
    log::after(&mut snow.db().read().await.unwrap(), prefecture(), 0, 9_999).await.unwrap().len()
}

async fn passes(snow: &Snow) -> usize {
    let mut tx = snow.db().read().await.unwrap();
    matched::passes_by_device(&mut tx, prefecture(), device()).await.unwrap().len()
}

#[kenroku_store::test(&[kenroku_bus::MIGRATIONS, MIGRATIONS])]
async fn what_is_old_goes_and_what_is_young_stays(db: Db) {
    let (snow, ids) = snow(db);
    fill(&snow, &ids).await;
    let first = earlier(&snow);
    send(&snow, incoming(&first)).await;
    send(&snow, unusable(0, 3)).await;
    let early = passes(&snow).await;
    assert!(early > 0 && positions(&snow).await == first.len());
    assert_eq!(snow.clear_old().await.unwrap(), Removed::default(), "everything is young");
    snow.end_event(prefecture(), crate::world::id(100)).await.unwrap();

    let clock = snow.env().clock.clone();
    clock.advance(59 * DAY);
    let second = earlier(&snow);
    send(&snow, incoming(&second)).await;
    send(&snow, unusable(3, 1)).await;
    let removed = snow.clear_old().await.unwrap();
    let kept = Removed { states: removed.states, refused: 3, ..Removed::default() };
    assert_eq!(removed, kept, "refused rows after 30 days, states a week after the event");
    assert!(removed.states > 0);
    assert_eq!(positions(&snow).await, first.len() + second.len());
    let late = passes(&snow).await - early;
    assert!(late > 0);

    clock.advance(2 * DAY);
    let removed = snow.clear_old().await.unwrap();
    assert_eq!(removed, Removed { positions: first.len() as u64, ..Removed::default() });
    assert_eq!((positions(&snow).await, passes(&snow).await), (second.len(), early + late));
    let mut tx = snow.db().read().await.unwrap();
    assert_eq!(
        matched::positions(&mut tx, prefecture()).await.unwrap().len(),
        1,
        "the plough is on the board"
    );
    assert_eq!(refused::groups(&mut tx, prefecture(), 9).await.unwrap()[0].rows, 1);
    drop(tx);

    clock.advance(700 * DAY);
    let removed = snow.clear_old().await.unwrap();
    let all =
        Removed { positions: second.len() as u64, passes: early as u64, tracks: 1, states: 0, refused: 1 };
    assert_eq!(removed, all, "two winters after the first drive");
    assert_eq!(passes(&snow).await, late);
    assert_eq!(snow.clear_old().await.unwrap(), Removed::default(), "once more finds nothing");
}

#[kenroku_store::test(&[kenroku_bus::MIGRATIONS, MIGRATIONS])]
async fn a_position_that_was_not_matched_yet_stays(db: Db) {
    let (snow, ids) = snow(db);
    fill(&snow, &ids).await;
    let reports = earlier(&snow);
    snow.take_in(prefecture(), device(), incoming(&reports)).await.unwrap();
    snow.env().clock.advance(61 * DAY);
    assert_eq!(snow.clear_old().await.unwrap().positions, 0);
    snow.settle().await.unwrap();
    assert_eq!(snow.clear_old().await.unwrap().positions, reports.len() as u64);
}

#[tokio::test]
async fn it_is_done_by_the_clock_and_counted() {
    let (site, snow, _) = site().await;
    send(&snow, unusable(0, 2)).await;
    site.work().await;
    snow.env().clock.advance(31 * DAY);
    site.work().await;
    let metrics = site.get("/metrics").await.text();
    for line in [
        "kenroku_snow_removed_rows_total{of=\"refused\"} 2",
        "kenroku_snow_removed_rows_total{of=\"passes\"} 0",
        "kenroku_snow_unmatched_positions 0",
        "kenroku_bus_jobs_done_total{of=\"snow.clear-old\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[test]
fn spans_that_would_lose_something_are_refused_beside_the_usual_ones() {
    let module = kenroku_snow::module();
    let mut values = kenroku_module::Values::defaults(&module.settings, false);
    assert_eq!(Keep::read(&values).unwrap(), Keep::USUAL);
    let usual = values.clone();
    let origin = kenroku_module::settings::Origin::Default;
    for (key, days) in [("snow.keep_positions", 2), ("snow.keep_passes", 59), ("snow.keep_states", 1)] {
        values = usual.clone();
        values.set(key, kenroku_module::settings::Value::Span(days * DAY), origin.clone());
        assert!(Keep::read(&values).unwrap_err().to_string().starts_with(key), "{key}");
    }
}
