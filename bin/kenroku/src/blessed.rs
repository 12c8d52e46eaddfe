//! Files that are made from the code and committed, so that a change of a contract is seen in review.

/// Compares a committed file with what the code says now; with `KENROKU_BLESS=1` writes it instead.
///
/// # Panics
/// When they differ.
#[expect(clippy::disallowed_methods, reason = "the test runner is told by the environment to renew files")]
pub fn check(path: &str, now: &str) {
    if std::env::var("KENROKU_BLESS").is_ok_and(|v| v == "1") {
        if let Some(dir) = std::path::Path::new(path).parent() {
            std::fs::create_dir_all(dir).unwrap();
        }
        std::fs::write(path, now).unwrap();
        return;
    }
    compare(path, now, "run the tests of `kenroku` with KENROKU_BLESS=1");
}

/// Compares a list that people must read before it changes: it is never renewed by a switch. What it should say
/// is left in `target/` for whoever has read the difference.
///
/// # Panics
/// When they differ.
pub fn by_hand(path: &str, now: &str) {
    let name = std::path::Path::new(path).file_name().unwrap();
    let proposal = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target").join(name);
    std::fs::write(&proposal, now).unwrap();
    let path_now = proposal.canonicalize().unwrap();
    compare(path, now, &format!("if that is what you mean: cp {} {path}", path_now.display()));
}

fn compare(path: &str, now: &str, then: &str) {
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let changed: Vec<String> = now
        .lines()
        .filter(|l| !committed.lines().any(|c| c == *l))
        .map(|l| format!("+ {l}"))
        .chain(committed.lines().filter(|c| !now.lines().any(|l| l == *c)).map(|l| format!("- {l}")))
        .take(40)
        .collect();
    assert!(
        committed == now,
        "{path} is not what the code says now; look at the change, then {then}:\n{}",
        changed.join("\n")
    );
}
