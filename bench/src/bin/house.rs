//! The whole binary as a visitor and an operator meet it: start, memory, pages.
//! `cargo build --release -p kenroku && cargo run --release -p kenroku-bench --bin house [BINARY]`.
//!
//! It runs `kenroku demo` in a folder of its own, with the simulated ploughs driving. Beside each page stands what the
//! same bytes cost from a bare socket that answers at once: the physical limit of this machine and this client.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time and sets a child's environment")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Pages that a visitor opens first, and two that work hardest.
const PAGES: [&str; 7] = [
    "/",
    "/snow?area=17211",
    "/snow?area=17201&view=age",
    "/places?q=%E8%BE%B0%E5%8F%A3",
    "/design",
    "/staff/sign-in",
    "/about/privacy",
];
const REQUESTS: usize = 1_000;
const STARTS: usize = 5;

fn main() -> Result<()> {
    let binary = std::env::args().nth(1).unwrap_or_else(|| "target/release/kenroku".to_owned());
    let binary = std::fs::canonicalize(&binary).with_context(|| format!("{binary}: build it first"))?;
    let dir = tempfile::tempdir()?;
    let at: SocketAddr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;

    let (first, seeding) = start(&binary, dir.path(), at)?;
    stop(first)?;
    let mut starts = Vec::new();
    for _ in 1..STARTS {
        let (child, took) = start(&binary, dir.path(), at)?;
        stop(child)?;
        starts.push(took);
    }
    let (child, took) = start(&binary, dir.path(), at)?;
    starts.push(took);
    starts.sort();
    println!("| start to ready | s |\n|---|---|");
    println!("| first start, with seeding | {:.2} |", seeding.as_secs_f64());
    println!("| seeded, median of {STARTS} | {:.2} |", starts[STARTS / 2].as_secs_f64());

    std::thread::sleep(Duration::from_secs(20));
    println!("\n| memory with everything running | MiB |\n|---|---|");
    println!("| resident after 20 s | {:.0} |", resident(&child)?);
    let rows = PAGES.map(|page| pages(at, page));
    println!("| resident after {} requests | {:.0} |", REQUESTS * PAGES.len(), resident(&child)?);

    println!(
        "\n| page, {REQUESTS} requests one after the other | kB gzip | p50 ms | p99 ms | bare socket p50 | p99 |"
    );
    println!("|---|---|---|---|---|---|");
    for row in rows {
        println!("{}", row?);
    }
    stop(child)
}

/// Starts the demo and waits until it is ready to serve.
fn start(binary: &Path, dir: &Path, at: SocketAddr) -> Result<(Child, Duration)> {
    let began = Instant::now();
    let mut child = Command::new(binary)
        .arg("demo")
        .current_dir(dir)
        .env("KENROKU_SERVER__PUBLIC", at.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    loop {
        if let Ok(mut c) = Client::connect(at)
            && let Ok((200, _)) = c.get("/readyz")
        {
            return Ok((child, began.elapsed()));
        }
        if let Some(status) = child.try_wait()? {
            bail!("the server ended: {status}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn stop(mut child: Child) -> Result<()> {
    let asked = Command::new("kill").arg(child.id().to_string()).status()?;
    let ended = child.wait()?;
    if !asked.success() || !ended.success() {
        bail!("the server did not stop as asked: {ended}");
    }
    Ok(())
}

/// Resident set in MiB, from `/proc`.
fn resident(child: &Child) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// One row: the page and, with just as many bytes, the bare socket.
fn pages(at: SocketAddr, page: &str) -> Result<String> {
    let (size, ours) = ask(at, page)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let peer = listener.local_addr()?;
    let server = std::thread::spawn(move || bare(&listener, size));
    let (_, limit) = ask(peer, page)?;
    server.join().map_err(|_| anyhow::anyhow!("the bare server fell over"))??;
    let ms = |v: &[Duration], share: f64| v[(v.len() as f64 * share) as usize].as_secs_f64() * 1e3;
    Ok(format!(
        "| `{page}` | {:.1} | {:.2} | {:.2} | {:.2} | {:.2} |",
        size as f64 / 1000.0,
        ms(&ours, 0.5),
        ms(&ours, 0.99),
        ms(&limit, 0.5),
        ms(&limit, 0.99),
    ))
}

/// Body size and all waits, sorted.
fn ask(at: SocketAddr, page: &str) -> Result<(usize, Vec<Duration>)> {
    let mut client = Client::connect(at)?;
    let (mut size, mut waits) = (0, Vec::with_capacity(REQUESTS));
    for _ in 0..REQUESTS {
        let t = Instant::now();
        let (status, body) = client.get(page)?;
        waits.push(t.elapsed());
        if status != 200 {
            bail!("{page} answered {status}");
        }
        size = body;
    }
    waits.sort();
    Ok((size, waits))
}

/// Answers every request on one connection with `size` bytes, until the client goes away.
fn bare(listener: &TcpListener, size: usize) -> Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + size, b'x');
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        if line == "\r\n" {
            stream.write_all(&answer)?;
        }
        line.clear();
    }
    Ok(())
}

/// A client over one kept connection.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(at: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(at)?;
        stream.set_nodelay(true)?;
        Ok(Client(BufReader::new(stream)))
    }

    /// Status and size of the body.
    fn get(&mut self, path: &str) -> Result<(u16, usize)> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept-encoding: gzip\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let status = line.split(' ').nth(1).context("no status")?.parse()?;
        let (mut length, mut chunked) = (0, false);
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(v) = lower.strip_prefix("content-length:") {
                length = v.trim().parse()?;
            }
            chunked |= lower.starts_with("transfer-encoding:");
        }
        if !chunked {
            return Ok((status, self.skip(length)?));
        }
        let mut size = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            let chunk = usize::from_str_radix(line.trim(), 16)?;
            size += self.skip(chunk)?;
            line.clear();
            self.0.read_line(&mut line)?;
            if chunk == 0 {
                return Ok((status, size));
            }
        }
    }

    fn skip(&mut self, n: usize) -> Result<usize> {
        Ok(std::io::copy(&mut (&mut self.0).take(n as u64), &mut std::io::sink())? as usize)
    }
}
