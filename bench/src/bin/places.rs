//! Address search beside SQLite's `like` over the same folded names, and the drawing of base map tiles:
//! `cargo run --release -p kenroku-bench --bin places`.
//!
//! The peer gets what ours gets for nothing: names already folded, in memory, one prepared statement, and the
//! query folded by our code. It answers “contains” only, without ranking, word order or forgiveness.
//!
//! Every query and tile is asked for three times and the fastest counts: the figures are about the work, not
//! about what else the machine was doing.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::time::{Duration, Instant};

use anyhow::Result;
use kenroku_places::fold::fold;
use kenroku_places::tiles::{MAX_ZOOM, MIN_ZOOM};
use kenroku_places::{BaseMap, Places, SearchOptions, Town};
use rusqlite::Connection;

fn main() -> Result<()> {
    let start = Instant::now();
    let places = Places::shared()?;
    println!("Loading the places: {:.1} ms", millis(start.elapsed()));
    let start = Instant::now();
    let map = BaseMap::shared()?;
    println!("Projecting the map: {:.1} ms\n", millis(start.elapsed()));
    search(places)?;
    println!();
    tiles(map)
}

fn search(places: &Places) -> Result<()> {
    let peer = Connection::open_in_memory()?;
    peer.execute_batch("create table name (id integer primary key, folded text not null)")?;
    for town in places.towns() {
        let row = (town.id.0, fold(&places.address(town)).replace(' ', ""));
        peer.execute("insert into name (id, folded) values (?1, ?2)", row)?;
    }
    let mut like = peer.prepare("select id from name where folded like '%' || ?1 || '%' limit 20")?;

    let names: Vec<String> = places.towns().iter().map(|t| places.address(t)).collect();
    let towns = || places.towns().iter();
    let municipality = |t: &Town| places.by_code(t.municipality).map_or("", |m| m.name);
    let kinds: [(&str, Vec<String>); 4] = [
        ("the full name of every town", names.clone()),
        ("its first two letters, as one types", towns().map(|t| t.name.chars().take(2).collect()).collect()),
        (
            "town and municipality in two words",
            towns().map(|t| format!("{} {}", t.name, municipality(t))).collect(),
        ),
        ("the full name with one letter wrong", names.iter().map(|n| misspell(n)).collect()),
    ];
    println!("| {} queries each | p50 ms | p99 ms | longest ms | peer p50 ms | peer p99 ms |", names.len());
    println!("|---|---|---|---|---|---|");
    for (what, queries) in kinds {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for query in &queries {
            ours.push(fastest(|| Ok(places.search(query, SearchOptions::default())?.len()))?);
            theirs.push(fastest(|| {
                Ok(like.query_map([fold(query).replace(' ', "")], |r| r.get::<_, i64>(0))?.count())
            })?);
        }
        let ([a, b, c], [d, e, _]) = (percentiles(ours), percentiles(theirs));
        println!("| {what} | {a:.3} | {b:.3} | {c:.3} | {d:.3} | {e:.3} |");
    }
    Ok(())
}

/// The third letter replaced by one that no name has.
fn misspell(name: &str) -> String {
    name.chars().enumerate().map(|(i, c)| if i == 2 { '檬' } else { c }).collect()
}

/// Every tile of the bounds at each level.
fn tiles(map: &BaseMap) -> Result<()> {
    println!("| level | tiles | p50 ms | p99 ms | longest ms | kB on average |");
    println!("|---|---|---|---|---|---|");
    for z in MIN_ZOOM..=MAX_ZOOM {
        let side = f64::from(1u32 << z);
        let column = |lng: f64| ((lng + 180.0) / 360.0 * side) as u32;
        let row =
            |lat: f64| ((1.0 - lat.to_radians().tan().asinh() / std::f64::consts::PI) / 2.0 * side) as u32;
        let (mut times, mut bytes, mut n) = (Vec::new(), 0, 0);
        for x in column(136.24)..=column(137.36) {
            for y in row(37.86)..=row(36.06) {
                let took = fastest(|| Ok(map.tile(z, x, y)?.len()))?;
                let tile = map.tile(z, x, y)?;
                if !tile.is_empty() {
                    (bytes, n) = (bytes + tile.len(), n + 1);
                    times.push(took);
                }
            }
        }
        let [a, b, c] = percentiles(times);
        println!(
            "| {z} | {n} | {a:.3} | {b:.3} | {c:.3} | {:.1} |",
            bytes as f64 / f64::from(n.max(1)) / 1000.0
        );
    }
    Ok(())
}

fn fastest(mut work: impl FnMut() -> Result<usize>) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        std::hint::black_box(work()?);
        best = best.min(start.elapsed());
    }
    Ok(best)
}

fn percentiles(mut times: Vec<Duration>) -> [f64; 3] {
    times.sort_unstable();
    let at = |share: f64| {
        let i = (times.len().saturating_sub(1) as f64 * share) as usize;
        times.get(i).map_or(0.0, |t| millis(*t))
    };
    [at(0.5), at(0.99), at(1.0)]
}

fn millis(t: Duration) -> f64 {
    t.as_secs_f64() * 1000.0
}
