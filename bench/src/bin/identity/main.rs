//! Tokens and sign-ins per second of the OpenID Provider beside npm oidc-provider, in one run:
//! `cargo build --release -p kenroku && cargo run --release -p kenroku-bench --bin identity [BINARY]`.
//!
//! Two loads, over the same 16 kept connections, in turns. *Tokens*: ES256 access tokens in JWT form (RFC 9068) for
//! client_credentials with client_secret_basic. *Sign-ins* at a service by somebody who is signed in and has agreed
//! before: authorization request with PKCE (S256), code, redemption with client_secret_basic, ES256 ID token. Ours
//! stores every grant, code and refresh token durably on disk, and is the whole `kenroku demo` with its simulated
//! ploughs; the peer runs alone, keeps its data in memory, and is installed from npm into a folder of its own.
//!
//! Then the size of the page on which people sign in, with its styles and scripts.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time and sets a child's environment")]

mod http;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use http::{Answer, Client, encoded, field, hidden};

const CONNECTIONS: usize = 16;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(6);
/// Before the first measured round: the peer's just-in-time compiler needs it.
const WARM: Duration = Duration::from_secs(3);
const PEER: &str = "oidc-provider@9.13";
/// `demo-machine:kenroku-demo-2026` in Base64.
const BASIC: &str = "Basic ZGVtby1tYWNoaW5lOmtlbnJva3UtZGVtby0yMDI2";

const PEER_SERVER: &str = include_str!("peer.mjs");
/// `demo-web:kenroku-demo-2026`.
const BASIC_WEB: &str = "Basic ZGVtby13ZWI6a2Vucm9rdS1kZW1vLTIwMjY=";
const PASSWORD: &str = "kenroku-demo-2026";
/// RFC 7636 appendix B
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

struct Server {
    name: &'static str,
    at: SocketAddr,
    token: &'static str,
    authorize: &'static str,
    /// Of the service. The peer asks a person every time who comes by an address on this machine.
    redirect: &'static str,
    child: Child,
    /// Of a browser in which somebody is signed in.
    cookies: BTreeMap<String, String>,
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

/// One load: a connection does it once.
type Once = fn(&mut Client, &Server) -> Result<()>;

fn main() -> Result<()> {
    let binary = std::env::args().nth(1).unwrap_or_else(|| "target/release/kenroku".to_owned());
    let binary = std::fs::canonicalize(&binary).with_context(|| format!("{binary}: build it first"))?;
    let (own_dir, peer_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
    // The first start makes the simulated data; a process that did keeps the memory that it took.
    drop(start_own(&binary, own_dir.path())?);
    let mut own = start_own(&binary, own_dir.path())?;
    println!("resident before any load: {:.0} MiB\n", resident(&own.child)?);
    let mut peer = start_peer(peer_dir.path())?;
    own.cookies = signed_in(&own).context("signing in at ours")?;
    peer.cookies = browser(&peer).context("signing in at the peer")?.cookies;
    println!("| 16 connections | per second | p50 ms | p99 ms | resident MiB |");
    println!("|---|---|---|---|---|");
    let loads: [(&str, Once); 2] =
        [("client_credentials tokens", token), ("sign-ins with code and PKCE", sign_in)];
    let mut ratios = Vec::new();
    for (what, load) in loads {
        for server in [&own, &peer] {
            drive(server, load, WARM)?;
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(drive(&own, load, ROUND)?);
            theirs.push(drive(&peer, load, ROUND)?);
        }
        let (a, b) = (row(what, &own, ours)?, row(what, &peer, theirs)?);
        ratios.push(format!("{what}: {:.1} times", a / b));
    }
    println!("\n{}\n", ratios.join("; "));
    page_size(&own)
}

/// Prints the median round; how often in a second.
fn row(what: &str, server: &Server, mut rounds: Vec<Round>) -> Result<f64> {
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    let median = &rounds[ROUNDS / 2];
    let ms = |share: f64| median.waits[(median.waits.len() as f64 * share) as usize].as_secs_f64() * 1e3;
    let resident = resident(&server.child)?;
    println!(
        "| {what}, {} | {:.0} | {:.2} | {:.2} | {resident:.0} |",
        server.name,
        median.per_second,
        ms(0.5),
        ms(0.99)
    );
    Ok(median.per_second)
}

/// Does it over all connections for this long.
fn drive(server: &Server, load: Once, span: Duration) -> Result<Round> {
    let began = Instant::now();
    let mut waits = Vec::new();
    std::thread::scope(|s| -> Result<()> {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                s.spawn(move || -> Result<Vec<Duration>> {
                    let mut client = Client::connect(server.at)?;
                    let mut waits = Vec::new();
                    while began.elapsed() < span {
                        let t = Instant::now();
                        load(&mut client, server)?;
                        waits.push(t.elapsed());
                    }
                    Ok(waits)
                })
            })
            .collect();
        for t in threads {
            waits.extend(t.join().map_err(|_| anyhow::anyhow!("a connection's thread fell over"))??);
        }
        Ok(())
    })?;
    let took = began.elapsed().as_secs_f64();
    waits.sort();
    Ok(Round { per_second: waits.len() as f64 / took, waits })
}

fn token(client: &mut Client, server: &Server) -> Result<()> {
    let headers = format!("authorization: {BASIC}\r\n");
    let body = "grant_type=client_credentials&scope=open-data.read";
    let answer = client.ask("POST", server.token, &headers, body)?;
    if answer.status != 200 || !answer.text().contains("\"access_token\":\"ey") {
        bail!("{} answered {}: {}", server.name, answer.status, answer.text());
    }
    Ok(())
}

fn request(server: &Server) -> String {
    let redirect = encoded(server.redirect);
    let pkce = format!("code_challenge={CHALLENGE}&code_challenge_method=S256");
    let query =
        format!("client_id=demo-web&redirect_uri={redirect}&response_type=code&scope=openid&state=s&{pkce}");
    format!("{}?{query}", server.authorize)
}

/// Somebody who is signed in comes to the service; the service gets its tokens.
fn sign_in(client: &mut Client, server: &Server) -> Result<()> {
    client.cookies.clone_from(&server.cookies);
    let answer = client.ask("GET", &request(server), "accept: text/html\r\n", "")?;
    redeem(client, server, &answer)
}

fn redeem(client: &mut Client, server: &Server, back: &Answer) -> Result<()> {
    let code = back.location.strip_prefix(server.redirect).and_then(|q| q.split_once("code="));
    let Some((_, code)) = code else { bail!("{} sent no code but {}", server.name, back.status) };
    let code = code.split('&').next().unwrap_or("");
    let body = format!(
        "grant_type=authorization_code&code={code}&redirect_uri={}&code_verifier={VERIFIER}",
        encoded(server.redirect)
    );
    client.cookies.clear();
    let answer = client.ask("POST", server.token, &format!("authorization: {BASIC_WEB}\r\n"), &body)?;
    if answer.status != 200 || !answer.text().contains("\"id_token\":\"ey") {
        bail!("{} answered {}: {}", server.name, answer.status, answer.text());
    }
    Ok(())
}

/// A browser that came to the service once.
fn browser(server: &Server) -> Result<Client> {
    let mut b = Client::connect(server.at)?;
    let back = b.go("GET", &request(server), &[])?;
    let cookies = b.cookies.clone();
    redeem(&mut b, server, &back)?;
    b.cookies = cookies;
    Ok(b)
}

/// Signs in at ours with password and code, and agrees once.
fn signed_in(server: &Server) -> Result<BTreeMap<String, String>> {
    let mut b = Client::connect(server.at)?;
    let asked = b.go("GET", "/id/sign-in/password", &[])?.text();
    let mut fields = hidden(&asked);
    fields.extend([field("login", "demo-zaikin"), field("password", PASSWORD)]);
    let shown = b.go("POST", "/id/sign-in/password", &fields)?.text();
    let is_code = |t: &&str| t.len() == 6 && t.bytes().all(|b| b.is_ascii_digit());
    let code = shown.split(['<', '>', ' ', '\n']).find(is_code).context("the demo shows no code")?;
    let mut fields = hidden(&shown);
    fields.push(field("code", code));
    b.go("POST", "/id/sign-in/code", &fields)?;
    let page = b.go("GET", &request(server), &[])?.text();
    let action = page.split("<form class=\"kr-form\" action=\"").nth(1).and_then(|r| r.split('"').next());
    let mut fields = hidden(&page);
    fields.push(field("decision", "allow"));
    let back = b.go("POST", action.context("no consent page")?, &fields)?;
    let cookies = b.cookies.clone();
    redeem(&mut b, server, &back)?;
    Ok(cookies)
}

/// The page on which people sign in, with what it needs, as it travels and unpacked.
fn page_size(own: &Server) -> Result<()> {
    let mut c = Client::connect(own.at)?;
    let mut size = |path: &str| -> Result<(usize, usize)> {
        let packed = c.ask("GET", path, "accept: text/html,*/*\r\naccept-encoding: gzip\r\n", "")?;
        let plain = c.ask("GET", path, "accept: text/html,*/*\r\n", "")?;
        if packed.status != 200 || plain.status != 200 {
            bail!("{path} answered {}", packed.status);
        }
        Ok((packed.body.len(), plain.body.len()))
    };
    let (mut travels, mut unpacked) = size("/id/sign-in")?;
    println!("| /id/sign-in | kB gzip | kB unpacked |\n|---|---|---|");
    let kb = |bytes: usize| bytes as f64 / 1e3;
    println!("| the page | {:.1} | {:.1} |", kb(travels), kb(unpacked));
    let page = Client::connect(own.at)?.go("GET", "/id/sign-in", &[])?.text();
    let needs: BTreeSet<&str> = page
        .split(['"', ' '])
        .filter(|t| t.starts_with("/assets/") && [".css", ".js"].iter().any(|end| t.ends_with(end)))
        .collect();
    for path in needs {
        let (packed, plain) = size(path)?;
        (travels, unpacked) = (travels + packed, unpacked + plain);
    }
    println!("| with styles and scripts, first visit | {:.1} | {:.1} |", kb(travels), kb(unpacked));
    Ok(())
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
    let own = Server {
        name: "Kenroku, everything running",
        at,
        token: "/oidc/token",
        authorize: "/oidc/authorize",
        redirect: "http://127.0.0.1/callback",
        child,
        cookies: BTreeMap::new(),
    };
    ready(own, "/readyz")
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
    let peer = Server {
        name: "npm oidc-provider 9.13",
        at,
        token: "/token",
        authorize: "/auth",
        redirect: "https://rp.example/callback",
        child,
        cookies: BTreeMap::new(),
    };
    ready(peer, "/jwks")
}

fn ready(mut server: Server, path: &str) -> Result<Server> {
    for _ in 0..30_000 {
        if let Ok(mut c) = Client::connect(server.at)
            && c.ask("GET", path, "", "").is_ok_and(|a| a.status == 200)
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
