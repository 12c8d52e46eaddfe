//! Which registered statements the tests ran, and on which engine.
//!
//! Test programs write down each statement the first time it runs (`KENROKU_SQL_COVERAGE`); the binary's tests write
//! the list of all. A statement that no test runs on both engines is a defect.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};

/// Compares the list with what ran.
pub fn check(dir: &Path) -> Result<()> {
    let mut ran: BTreeSet<(String, String)> = BTreeSet::new();
    let mut all = BTreeSet::new();
    for e in std::fs::read_dir(dir)? {
        let path = e?.path();
        let text = std::fs::read_to_string(&path)?;
        if path.file_name().is_some_and(|n| n == "all.txt") {
            all.extend(text.lines().map(str::to_owned));
        } else {
            ran.extend(
                text.lines().filter_map(|l| l.split_once('\t')).map(|(e, s)| (e.to_owned(), s.to_owned())),
            );
        }
    }
    if all.is_empty() {
        bail!("no list of statements was written; the binary's tests do it");
    }
    let missing: Vec<String> = all
        .iter()
        .flat_map(|s| ["Sqlite", "Postgres"].map(|e| (e.to_owned(), s.clone())))
        .filter(|key| !ran.contains(key))
        .map(|(e, s)| format!("{s} never ran on {e}"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!("write a #[kenroku_store::test] for each:\n{}", missing.join("\n"));
}
