//! Tokens per second of the OpenID Provider beside npm oidc-provider, in one run:
//! `cargo build --release -p kenroku && cargo run --release -p kenroku-bench --bin identity [BINARY]`.
//!
//! Both give ES256 access tokens in JWT form (RFC 9068) for client_credentials with client_secret_basic, to the same 16
//! kept connections, in turns. Ours is the whole `kenroku demo` with its simulated ploughs, storing on disk; the peer
//! runs alone, keeps its data in memory, and is installed from npm into a folder of its own.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time and sets a child's environment")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const CONNECTIONS: usize = 16;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(6);
/// Before the first measured round: the peer's just-in-time compiler needs it.
const WARM: Duration = Duration::from_secs(3);
const PEER: &str = "oidc-provider@9.13";
/// `demo-machine:kenroku-demo-2026` in Base64.
const BASIC: &str = "Basic ZGVtby1tYWNoaW5lOmtlbnJva3UtZGVtby0yMDI2";

const PEER_SERVER: &str = r#"
import Provider from 'oidc-provider';
import { generateKeyPairSync } from 'node:crypto';
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'bench' };
const info = { scope: 'open-data.read', accessTokenFormat: 'jwt', accessTokenTTL: 600, jwt: { sign: { alg: 'ES256' } } };
const provider = new Provider(`http://127.0.0.1:${process.env.PORT}`, {
  jwks: { keys: [key] },
  cookies: { keys: ['bench'] },
  clients: [{
    client_id: 'demo-machine', client_secret: 'kenroku-demo-2026', grant_types: ['client_credentials'],
    response_types: [], redirect_uris: [], id_token_signed_response_alg: 'ES256',
  }],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:bench',
      useGrantedResource: () => true,
      getResourceServerInfo: () => info,
    },
  },
});
provider.listen(Number(process.env.PORT), '127.0.0.1');
"#;

struct Server {
    name: &'static str,
    at: SocketAddr,
    path: &'static str,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What one round gave.
struct Round {
    per_second: f64,
    waits: Vec<Duration>,
}

fn main() -> Result<()> {
    let binary = std::env::args().nth(1).unwrap_or_else(|| "target/release/kenroku".to_owned());
    let binary = std::fs::canonicalize(&binary).with_context(|| format!("{binary}: build it first"))?;
    let (own_dir, peer_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let own = start_own(&binary, own_dir.path())?;
    let peer = start_peer(peer_dir.path())?;
    for server in [&own, &peer] {
        let token = Client::connect(server)?.token()?;
        if !token.contains("\"access_token\":\"ey") {
            bail!("{} gave no signed token: {token}", server.name);
        }
        drive(server, WARM)?;
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(drive(&own, ROUND)?);
        theirs.push(drive(&peer, ROUND)?);
    }
    println!(
        "| client_credentials, ES256 JWT, {CONNECTIONS} connections | tokens/s | p50 ms | p99 ms | resident MiB |"
    );
    println!("|---|---|---|---|---|");
    let (a, b) = (row(&own, ours)?, row(&peer, theirs)?);
    println!("\nratio {:.1}", a / b);
    Ok(())
}

/// Prints the median round; its tokens per second.
fn row(server: &Server, mut rounds: Vec<Round>) -> Result<f64> {
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    let median = &rounds[ROUNDS / 2];
    let ms = |share: f64| median.waits[(median.waits.len() as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "| {} | {:.0} | {:.2} | {:.2} | {:.0} |",
        server.name,
        median.per_second,
        ms(0.5),
        ms(0.99),
        resident(&server.child)?
    );
    Ok(median.per_second)
}

/// Asks for tokens over all connections for this long.
fn drive(server: &Server, span: Duration) -> Result<Round> {
    let began = Instant::now();
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut client = Client::connect(server)?;
            Ok(std::thread::spawn(move || -> Result<Vec<Duration>> {
                let mut waits = Vec::new();
                while began.elapsed() < span {
                    let t = Instant::now();
                    client.token()?;
                    waits.push(t.elapsed());
                }
                Ok(waits)
            }))
        })
        .collect::<Result<_>>()?;
    let mut waits = Vec::new();
    for t in threads {
        waits.extend(t.join().map_err(|_| anyhow::anyhow!("a connection's thread fell over"))??);
    }
    let took = began.elapsed().as_secs_f64();
    waits.sort();
    Ok(Round { per_second: waits.len() as f64 / took, waits })
}

fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn start_own(binary: &Path, dir: &Path) -> Result<Server> {
    let at = free()?;
    let child = Command::new(binary)
        .arg("demo")
        .current_dir(dir)
        .env("KENROKU_SERVER__PUBLIC", at.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    ready(Server { name: "Kenroku, everything running", at, path: "/oidc/token", child }, "/readyz")
}

fn start_peer(dir: &Path) -> Result<Server> {
    let installed = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--loglevel=error", PEER])
        .current_dir(dir)
        .stdout(Stdio::null())
        .status()?;
    if !installed.success() {
        bail!("npm could not install {PEER}");
    }
    std::fs::write(dir.join("server.mjs"), PEER_SERVER)?;
    let at = free()?;
    let child = Command::new("node")
        .arg("server.mjs")
        .current_dir(dir)
        .env("PORT", at.port().to_string())
        .env("NODE_ENV", "production")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    ready(Server { name: "npm oidc-provider 9.13", at, path: "/token", child }, "/jwks")
}

fn ready(mut server: Server, path: &str) -> Result<Server> {
    for _ in 0..30_000 {
        if let Ok(mut c) = Client::connect(&server)
            && c.ask(&format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", server.at))
                .is_ok_and(|(s, _)| s == 200)
        {
            return Ok(server);
        }
        if let Some(status) = server.child.try_wait()? {
            bail!("{} ended: {status}", server.name);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    bail!("{} did not start", server.name)
}

/// Resident set in MiB, from `/proc`.
fn resident(child: &Child) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// A client over one kept connection.
struct Client {
    stream: BufReader<TcpStream>,
    request: String,
}

impl Client {
    fn connect(server: &Server) -> Result<Self> {
        let stream = TcpStream::connect(server.at)?;
        stream.set_nodelay(true)?;
        let body = "grant_type=client_credentials&scope=open-data.read";
        let request = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nauthorization: {BASIC}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            server.path,
            server.at,
            body.len()
        );
        Ok(Client { stream: BufReader::new(stream), request })
    }

    fn token(&mut self) -> Result<String> {
        let request = std::mem::take(&mut self.request);
        let answer = self.ask(&request);
        self.request = request;
        match answer? {
            (200, body) => Ok(body),
            (status, body) => bail!("answered {status}: {body}"),
        }
    }

    /// Status and body.
    fn ask(&mut self, request: &str) -> Result<(u16, String)> {
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).context("no status")?.parse()?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(v) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = v.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, String::from_utf8(body)?))
    }
}
