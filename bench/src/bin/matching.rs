//! Map matching against real drives with known routes: `matching FOLDER [SECONDS…]`.
//!
//! FOLDER holds one folder per track of the benchmark of Kubička et al. (2015, doi 10.1109/ivs.2015.7225829):
//! `.nodes`, `.arcs`, `.track`, `.route`. The error is that of Newson and Krumm (2009): length wrongly added
//! plus length missed, over true length, on directed arcs as a multiset. Every sampling keeps the first fix,
//! every n-th and the last. Speed is fixes put in per second of matching on one thread, without the
//! reading of files and building of graphs.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use kenroku_roads::benchmark::{Score, Track};
use kenroku_roads::graph::{Graph, Search};
use kenroku_roads::matching::{Config, Fix, Matcher, Pass, match_track};
use kenroku_types::Clock;

/// Published elsewhere, not measured here: Valhalla Meili 3.9.1 on the same 67 tracks (length-weighted error,
/// fixes per second on a quiet machine of this kind, with its JSON and Python).
const MEILI: [(u32, f64, u32); 4] =
    [(1, 0.0270, 36_600), (10, 0.0243, 6_190), (30, 0.0300, 1_370), (60, 0.0445, 383)];

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().context("usage: matching FOLDER [SECONDS…]")?;
    let rates: Vec<u32> = args.map(|a| a.parse().context("a number of seconds")).collect::<Result<_>>()?;
    let rates = if rates.is_empty() { MEILI.map(|m| m.0).to_vec() } else { rates };
    let mut names: Vec<_> = std::fs::read_dir(&folder)?.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
    names.sort();
    let clock = Clock::system();
    let mut sums: Vec<Sum> = rates.iter().map(|_| Sum::default()).collect();
    let verbose = rates.len() == 1;
    for path in names.iter().filter(|p| p.is_dir()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let track = read(path).with_context(|| path.display().to_string())?;
        let graph = Graph::new(track.network.clone());
        let mut search = Search::new(&graph);
        for (rate, sum) in rates.iter().zip(&mut sums) {
            let fixes = track.every(*rate as usize);
            let t = clock.monotonic();
            let (passes, counts) = match_track(&mut search, believing(Config::BATCH), &fixes);
            sum.batch += clock.monotonic() - t;
            let t = clock.monotonic();
            let live = online(&mut search, &fixes)?;
            sum.online += clock.monotonic() - t;
            let score = track.score(&graph, &passes);
            let live = track.score(&graph, &live);
            if verbose {
                println!(
                    "{name} {:7.3} km  error {:.4} (online {:.4})  added {:.0} missed {:.0}  {counts:?}",
                    score.length / 1000.0,
                    score.error(),
                    live.error(),
                    score.added,
                    score.missed
                );
            }
            sum.fixes += fixes.len();
            sum.scores.push(score);
            sum.live.push(live);
        }
    }
    println!("{} tracks", sums.first().map_or(0, |s| s.scores.len()));
    println!(
        "| sampling | fixes | median | mean | length-weighted | recall | > 10 % | fixes/s | online: length-weighted | fixes/s | Meili* | fixes/s* |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for (rate, sum) in rates.iter().zip(&sums) {
        let peer = MEILI
            .iter()
            .find(|m| m.0 == *rate)
            .map_or(["–".to_owned(), "–".to_owned()], |m| [format!("{:.4}", m.1), m.2.to_string()]);
        println!("| {rate} s | {} | {} | {} |", sum.fixes, sum.row(), peer.join(" | "));
    }
    println!("* published, not measured in this run");
    Ok(())
}

/// The true routes run through the pauses of the receiver, so a silence does not end a track here.
fn believing(config: Config) -> Config {
    Config { gap_secs: 1e9, ..config }
}

fn read(path: &Path) -> Result<Track> {
    let name = path.file_name().context("a name")?.to_string_lossy().into_owned();
    let text = |ext: &str| std::fs::read_to_string(path.join(format!("{name}.{ext}")));
    Ok(Track::read(&text("nodes")?, &text("arcs")?, &text("track")?, &text("route")?)?)
}

fn online(search: &mut Search<'_>, fixes: &[Fix]) -> Result<Vec<Pass>> {
    let mut matcher = Matcher::new(believing(Config::ONLINE), search.graph());
    let mut out = Vec::new();
    for &fix in fixes {
        out.extend(matcher.push(search, fix)?);
    }
    out.extend(matcher.flush(search.graph())?);
    Ok(out)
}

#[derive(Default)]
struct Sum {
    fixes: usize,
    scores: Vec<Score>,
    live: Vec<Score>,
    batch: Duration,
    online: Duration,
}

impl Sum {
    fn row(&self) -> String {
        let mut errors: Vec<f64> = self.scores.iter().map(Score::error).collect();
        errors.sort_by(f64::total_cmp);
        let n = errors.len().max(1);
        let median = (errors.get((n - 1) / 2).unwrap_or(&0.0) + errors.get(n / 2).unwrap_or(&0.0)) / 2.0;
        let mean = errors.iter().sum::<f64>() / n as f64;
        let weighted = |scores: &[Score]| {
            let length: f64 = scores.iter().map(|s| s.length).sum();
            scores.iter().map(|s| s.added + s.missed).sum::<f64>() / length.max(1.0)
        };
        let length: f64 = self.scores.iter().map(|s| s.length).sum();
        let recall = 1.0 - self.scores.iter().map(|s| s.missed).sum::<f64>() / length.max(1.0);
        let bad = errors.iter().filter(|&&e| e > 0.1).count();
        let per_sec = |d: Duration| self.fixes as f64 / d.as_secs_f64().max(1e-9);
        format!(
            "{median:.4} | {mean:.4} | **{:.4}** | {recall:.4} | {bad} | {:.0} | {:.4} | {:.0}",
            weighted(&self.scores),
            per_sec(self.batch),
            weighted(&self.live),
            per_sec(self.online)
        )
    }
}
