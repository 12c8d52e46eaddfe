//! A NATS server of the test's own, on a free port of this machine.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

/// Killed when dropped.
pub(crate) struct Nats {
    port: u16,
    server: Option<Child>,
    /// Kept open: a server that cannot write its log ends.
    log: Option<BufReader<ChildStderr>>,
}

impl Nats {
    /// `None` without the program, said aloud; with `CI` set that is a failure.
    pub(crate) fn start() -> Option<Nats> {
        let Some(mut server) = ["nats-server", "/usr/sbin/nats-server"].into_iter().find_map(|p| {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            spawn(p, port).map(|server| Nats { port, server: Some(server), log: None })
        }) else {
            assert!(crate::variable("CI").is_none(), "nats-server is missing: apt-get install nats-server");
            eprintln!("NOT RUN WITH NATS: nats-server is missing (apt-get install nats-server)");
            return None;
        };
        server.wait();
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut s) = self.server.take() {
            s.kill().unwrap();
            s.wait().unwrap();
        }
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        self.server = ["nats-server", "/usr/sbin/nats-server"].into_iter().find_map(|p| spawn(p, self.port));
        self.wait();
    }

    /// Until it says that it is ready.
    fn wait(&mut self) {
        let stderr = self.server.as_mut().and_then(|s| s.stderr.take()).expect("its log is read once");
        let mut log = BufReader::new(stderr);
        let mut line = String::new();
        while !line.contains("Server is ready") {
            line.clear();
            let read = log.read_line(&mut line).unwrap();
            assert!(read > 0, "nats-server ended before it was ready on port {}", self.port);
        }
        self.log = Some(log);
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(program: &str, port: u16) -> Option<Child> {
    let port = port.to_string();
    Command::new(program)
        .args(["-a", "127.0.0.1", "-p", &port])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .ok()
}

#[expect(clippy::disallowed_methods, reason = "waits for another process, which has nothing to wait on")]
pub(crate) fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}
