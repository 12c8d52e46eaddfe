//! Running the binary.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The binary in `dir`, with nothing in its environment but what a shell needs.
pub fn kenroku(dir: &Path) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_kenroku"));
    c.current_dir(dir).env_clear().stdin(Stdio::null());
    c.env("KENROKU_DATA__FOLDER", dir.join("data")).env("KENROKU_SERVER__PUBLIC", "127.0.0.1:0");
    c
}

/// Exit code, standard output, standard error of a command that ends.
pub fn run(c: &mut Command) -> (i32, String, String) {
    let out = c.output().unwrap();
    let text = |b: Vec<u8>| String::from_utf8_lossy(&b).into_owned();
    (out.status.code().unwrap_or(-1), text(out.stdout), text(out.stderr))
}

/// A server that is killed when the test ends.
pub struct Server {
    child: Child,
    pub addr: String,
}

impl Server {
    /// Starts `serve` and waits until it listens.
    pub fn start(mut c: Command) -> Self {
        let mut child = c.arg("serve").stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let addr = loop {
            let Some(Ok(line)) = lines.next() else { panic!("it ended before it listened: {said}") };
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if event["message"] == "listening" {
                break event["addr"].as_str().unwrap().to_owned();
            }
            said.push_str(&line);
        };
        // Somebody must read on, or the server stops when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Server { child, addr }
    }

    /// Its number, to kill it by.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Status and body of a GET.
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut s = TcpStream::connect(&self.addr).unwrap();
        write!(s, "GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        s.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        (status, answer.split_once("\r\n\r\n").map(|(_, b)| b.to_owned()).unwrap_or_default())
    }

    /// Asks it to stop and waits; the exit code.
    pub fn stop(mut self) -> i32 {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
