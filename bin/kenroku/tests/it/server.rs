use std::process::Command;

use crate::process::{Server, kenroku, run};

#[test]
fn it_serves_refuses_a_second_one_and_stops_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(kenroku(dir.path()));
    assert_eq!(server.get("/readyz").0, 200);
    let (status, page) = server.get("/");
    assert!(status == 200 && page.contains("<html lang=\"ja\""), "{status}");
    let (status, page) = server.get("/no-such-page");
    assert!(status == 404 && page.contains("<html"), "people get a page: {status}");
    assert_eq!(server.get("/metrics").0, 200);

    let (code, _, said) = run(kenroku(dir.path()).arg("serve"));
    assert!(code == 75 && said.contains("another kenroku uses"), "{code} {said}");
    let other = tempfile::tempdir().unwrap();
    let (code, _, said) = run(kenroku(other.path()).arg("serve").env("KENROKU_SERVER__PUBLIC", &server.addr));
    assert!(
        code == 71 && said.contains("is in use by another program") && said.contains("server.public"),
        "{said}"
    );
    std::fs::write(dir.path().join("kenroku-x.db"), "").unwrap();
    let (code, _, said) = run(kenroku(dir.path()).arg("restore").arg(dir.path().join("kenroku-x.db")));
    assert!(code == 75, "{code} {said}");

    assert_eq!(server.stop(), 0);
}

/// Whoever is called at night searches for the names that the runbook gives.
#[test]
fn the_metrics_of_the_runbook_are_there() {
    let runbook =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/runbook/README.md"))
            .unwrap();
    let names = runbook.split('`').filter(|n| n.starts_with("kenroku_") || n.starts_with("process_"));
    // This one is there only where NATS is configured, as the runbook says.
    let names: Vec<&str> = names.filter(|n| *n != "kenroku_bus_nats_connected").collect();
    assert!(names.len() > 5, "{names:?}");
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(kenroku(dir.path()));
    let missing = || {
        let (_, metrics) = server.get("/metrics");
        names.iter().filter(|n| !metrics.contains(**n)).copied().collect::<Vec<_>>()
    };
    // The worker measures its depths a moment after the server answers.
    let mut left = missing();
    for _ in 0..5_000 {
        if left.is_empty() {
            break;
        }
        left = missing();
    }
    assert_eq!(left, Vec::<&str>::new());
    assert_eq!(server.stop(), 0);
}

#[test]
fn after_a_kill_it_starts_again() {
    let dir = tempfile::tempdir().unwrap();
    drop(Server::start(kenroku(dir.path())));
    let again = Server::start(kenroku(dir.path()));
    assert_eq!((again.get("/readyz").0, again.stop()), (200, 0));
}

/// On a file system of three megabytes in a mount namespace of its own.
#[test]
fn a_full_disk_is_told_and_nothing_is_half_done() {
    let dir = tempfile::tempdir().unwrap();
    let small = dir.path().join("small");
    std::fs::create_dir(&small).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=3m none {0} && head -c 2900k /dev/zero > {0}/filler; exec {1} migrate",
        small.display(),
        env!("CARGO_BIN_EXE_kenroku"),
    );
    let mut c = Command::new("unshare");
    c.args(["--map-root-user", "--user", "--mount", "sh", "-c", &script]);
    c.env("KENROKU_DATA__FOLDER", small.join("data")).current_dir(dir.path());
    let (code, _, said) = run(&mut c);
    assert!(code == 74 && said.contains("space"), "{code} {said}");
}
