//! The line between a server and PostgreSQL, on which the server can be killed just before a commit leaves or just after
//! it was answered.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// A commit as the protocol sends it by itself (message Query).
const COMMIT: &[u8] = b"Q\x00\x00\x00\x0bcommit\x00";
const SOCKET: &str = ".s.PGSQL.5432";

/// Whom to kill, and at which of its moments from now on: an odd one is before a commit, an even one after.
#[derive(Clone, Copy)]
struct Death {
    process: u32,
    moments: u32,
}

impl Death {
    fn strike(self) {
        Command::new("kill").args(["-KILL", &self.process.to_string()]).status().unwrap();
    }
}

/// A folder with a socket that leads to the cluster.
pub struct Line {
    death: Arc<Mutex<Option<Death>>>,
}

impl Line {
    /// Listens in `folder` and leads to the cluster of `conninfo` (`host=/path/to/socket …`).
    pub fn new(folder: &Path, conninfo: &str) -> Self {
        let host = conninfo.split_whitespace().find_map(|p| p.strip_prefix("host=")).unwrap();
        let cluster = Path::new(host).join(SOCKET);
        let listener = UnixListener::bind(folder.join(SOCKET)).unwrap();
        let death = Arc::default();
        let shared = Arc::clone(&death);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                carry(client, &cluster, &shared);
            }
        });
        Line { death }
    }

    /// Kills this process at the `n`-th moment from now on; 1 is before the first commit, 2 after it.
    pub fn kill_after(&self, process: u32, n: u32) {
        *self.death.lock().unwrap() = Some(Death { process, moments: n });
    }
}

/// Carries one connection, each way in a thread of its own.
fn carry(client: UnixStream, cluster: &PathBuf, death: &Arc<Mutex<Option<Death>>>) {
    let Ok(server) = UnixStream::connect(cluster) else { return };
    let (from_client, from_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    // Once a commit was passed on whose answer the process must not live to see.
    let doomed: Arc<Mutex<Option<Death>>> = Arc::default();
    let (death, mark) = (Arc::clone(death), Arc::clone(&doomed));
    std::thread::spawn(move || {
        pass(from_client, server, |bytes| {
            if bytes != COMMIT {
                return true;
            }
            let mut death = death.lock().unwrap();
            let Some(due) = *death else { return true };
            match due.moments {
                1 => {
                    *death = None;
                    due.strike();
                    return false;
                }
                2 => {
                    *death = None;
                    *mark.lock().unwrap() = Some(due);
                }
                more => *death = Some(Death { moments: more - 2, ..due }),
            }
            true
        });
    });
    std::thread::spawn(move || {
        pass(from_server, client, |_| match doomed.lock().unwrap().take() {
            Some(due) => {
                due.strike();
                false
            }
            None => true,
        });
    });
}

/// Passes on what comes until either side ends or `goes` says no.
fn pass(mut from: UnixStream, mut to: UnixStream, goes: impl Fn(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        if !goes(&buffer[..n]) || to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}
