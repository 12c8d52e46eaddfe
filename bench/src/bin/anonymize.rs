//! Anonymization of the Adult data set beside PyPI anjana, in one run: `anonymize FOLDER PYTHON`.
//!
//! FOLDER holds `adult.csv` (32,561 rows) and `hierarchies/{age,education,marital,occupation,sex,country}.csv` as in the
//! folders `examples/data` and `examples/hierarchies` of github.com/IFCA-Advanced-Computing/anjana (the data: UCI Machine
//! Learning Repository, Adult, CC BY 4.0); PYTHON is an interpreter that has anjana (`pip install anjana`).
//!
//! anjana's time is that of its functions alone, on a table already read. Ours includes reading the file's bytes, the
//! search, the release's description with its risks, and writing. Both get the same hierarchies, k, limit and rules.
//! anjana stops at the first good node of its path; its node is also put through our search, so that its loss is known by
//! the same formula.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use kenroku_anonymize::config::{ColumnConfig, Note};
use kenroku_anonymize::csv::{Reader, write_record};
use kenroku_anonymize::privacy::{Closeness, Distance, Diversity};
use kenroku_anonymize::{Answers, Config, Description, Hierarchy, Objective, Role, Table, anonymize};
use kenroku_types::{Clock, Rng};
use serde::Deserialize;

const QUASI: [(&str, &str); 6] = [
    ("age", "age"),
    ("education", "education"),
    ("marital-status", "marital"),
    ("occupation", "occupation"),
    ("sex", "sex"),
    ("native-country", "country"),
];
const SENSITIVE: &str = "salary-class";
const ROUNDS: usize = 5;

/// What is asked for.
struct Ask {
    name: &'static str,
    k: u32,
    percent: f64,
    l: Option<u32>,
    t: Option<f64>,
}

const ASKED: [Ask; 4] = [
    Ask { name: "k = 5, suppression ≤ 10 %", k: 5, percent: 10.0, l: None, t: None },
    Ask { name: "k = 10, suppression ≤ 50 %", k: 10, percent: 50.0, l: None, t: None },
    Ask { name: "the same, l = 2", k: 10, percent: 50.0, l: Some(2), t: None },
    Ask { name: "the same, l = 2, t = 0.5", k: 10, percent: 50.0, l: Some(2), t: Some(0.5) },
];

const PEER: &str = r#"
import json, sys, time, io, contextlib
import pandas as pd
from anjana.anonymity import k_anonymity, l_diversity, t_closeness
from anjana.anonymity.utils import utils
folder, asked = sys.argv[1], json.loads(sys.argv[2])
quasi = [q[0] for q in asked["quasi"]]
out = []
for a in asked["runs"]:
    data = pd.read_csv(asked["table"])
    h = {c: dict(pd.read_csv(f"{folder}/hierarchies/{f}.csv", header=None)) for c, f in asked["quasi"]}
    with contextlib.redirect_stdout(io.StringIO()):
        begin = time.perf_counter()
        if a["t"] is not None:
            r = t_closeness(data, ["race"], quasi, asked["sensitive"], a["k"], a["t"], a["percent"], h)
            r = l_diversity(r, ["race"], quasi, asked["sensitive"], a["k"], a["l"], a["percent"], h) if a["l"] else r
        elif a["l"] is not None:
            r = l_diversity(data, ["race"], quasi, asked["sensitive"], a["k"], a["l"], a["percent"], h)
        else:
            r = k_anonymity(data, ["race"], quasi, a["k"], a["percent"], h)
        took = time.perf_counter() - begin
    out.append({"rows": len(r), "seconds": took, "levels": [int(x) for x in utils.get_transformation(r, quasi, h)]})
print(json.dumps(out))
"#;

/// What anjana did.
#[derive(Deserialize)]
struct Peer {
    rows: usize,
    seconds: f64,
    levels: Vec<u8>,
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(folder), Some(python)) = (args.next(), args.next()) else {
        bail!("usage: anonymize FOLDER PYTHON");
    };
    let folder = Path::new(&folder);
    let raw = std::fs::read(folder.join("adult.csv")).context("adult.csv")?;
    let bytes = trimmed(&raw)?;
    let dir = tempfile::tempdir()?;
    let table = dir.path().join("adult.csv");
    std::fs::write(&table, &bytes)?;
    let peers = peer(&python, folder, &table)?;

    println!("| Adult, {} rows | | rows kept | loss | levels | seconds |", Table::read(&bytes)?.rows());
    println!("|---|---|---|---|---|---|");
    for (ask, peer) in ASKED.iter().zip(&peers) {
        let theirs = config(folder, ask, Some(&peer.levels))?;
        // What the peer's own node loses; with the rules of ours it may keep fewer rows than the peer says.
        let same = anonymize(&Table::read(&bytes)?, &theirs, &Rng::seeded(1)).map(|r| r.description);
        let loss = same.as_ref().map_or_else(ToString::to_string, |d| format!("{:.4}", d.losses.loss));
        println!(
            "| {} | anjana | {} | {loss} | {:?} | {:.2} |",
            ask.name, peer.rows, peer.levels, peer.seconds
        );
        let clock = Clock::system();
        let ours = config(folder, ask, None)?;
        let mut took = Vec::new();
        let mut done: Option<Description> = None;
        for _ in 0..ROUNDS {
            let began = clock.monotonic();
            let release = anonymize(&Table::read(&bytes)?, &ours, &Rng::seeded(1))?;
            let length = release.table.write().len();
            took.push((clock.monotonic() - began).as_secs_f64());
            anyhow::ensure!(length > 0, "nothing was written");
            done = Some(release.description);
        }
        took.sort_by(f64::total_cmp);
        let d = done.context("at least one round")?;
        let levels: Vec<u8> = d.columns.iter().filter_map(|c| c.level.map(|(l, _)| l)).collect();
        println!(
            "| | ours, {} of {} nodes looked at | {} | {:.4} | {levels:?} | {:.3} ({:.0}×) |",
            d.searched.looked_at,
            d.searched.nodes,
            d.rows_out,
            d.losses.loss,
            took[ROUNDS / 2],
            peer.seconds / took[ROUNDS / 2]
        );
    }
    Ok(())
}

/// The published file has a blank after each comma.
fn trimmed(raw: &[u8]) -> Result<Vec<u8>> {
    let mut reader = Reader::new(raw)?;
    let (mut fields, mut out) = (Vec::new(), String::new());
    while reader.read(&mut fields)? {
        write_record(&mut out, fields.iter().map(|f| f.trim()));
    }
    Ok(out.into_bytes())
}

fn peer(python: &str, folder: &Path, table: &Path) -> Result<Vec<Peer>> {
    let runs: Vec<_> = ASKED
        .iter()
        .map(|a| serde_json::json!({"k": a.k, "percent": a.percent, "l": a.l, "t": a.t}))
        .collect();
    let asked = serde_json::json!({"quasi": QUASI, "sensitive": SENSITIVE, "table": table, "runs": runs});
    let out = Command::new(python).args(["-c", PEER]).arg(folder).arg(asked.to_string()).output()?;
    anyhow::ensure!(out.status.success(), "anjana failed: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout)?;
    Ok(serde_json::from_str(text.lines().last().unwrap_or_default())?)
}

/// `fixed`: only this node.
fn config(folder: &Path, ask: &Ask, fixed: Option<&[u8]>) -> Result<Config> {
    let mut columns = vec![ColumnConfig::new("race", Role::Identifier)];
    for (i, (name, file)) in QUASI.iter().enumerate() {
        let bytes = std::fs::read(folder.join(format!("hierarchies/{file}.csv"))).context(*file)?;
        let rows = Hierarchy::records(&bytes)?;
        let mut c = ColumnConfig::new(*name, Role::QuasiIdentifier);
        c.hierarchy = Some(Hierarchy::Table { file: format!("{file}.csv"), rows });
        c.from = fixed.and_then(|f| f.get(i).copied());
        c.to = c.from;
        columns.push(c);
    }
    let mut secret = ColumnConfig::new(SENSITIVE, Role::Sensitive);
    secret.diversity = ask.l.map(|l| Diversity::Distinct { l });
    secret.closeness = ask.t.map(|t| Closeness { t, distance: Distance::Equal, order: Vec::new() });
    columns.push(secret);
    let others = [
        "workclass",
        "fnlwgt",
        "education-num",
        "relationship",
        "capital-gain",
        "capital-loss",
        "hours-per-week",
    ];
    columns.extend(others.map(|name| ColumnConfig::new(name, Role::Insensitive)));
    Ok(Config {
        k: ask.k,
        suppression: ask.percent / 100.0,
        objective: Objective::Loss,
        seed: Some(1),
        sampled: None,
        release: Note {
            title: "Adult".to_owned(),
            purpose: "benchmark".to_owned(),
            recipient: "nobody".to_owned(),
            approver: String::new(),
            expires: String::new(),
        },
        checklist: Answers::default(),
        columns,
    })
}
