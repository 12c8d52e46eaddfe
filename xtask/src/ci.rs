//! The gate: the same steps on every machine, each timed, the first failure ends it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::servers::{Servers, free_port, postgres_bin};
use crate::shell::{apt, command, has, output, root, variable};
use crate::{deps, licences, statements};

/// A step of the gate.
struct Step {
    name: &'static str,
    about: &'static str,
    run: fn() -> Result<()>,
}

/// In order: what is quick and often wrong comes first.
const STEPS: [Step; 9] = [
    Step {
        name: "tools",
        about: "PostgreSQL, NATS, Chromium, PC/SC and npm are there, or are installed",
        run: tools,
    },
    Step { name: "fmt", about: "the code is formatted", run: fmt },
    Step { name: "deps", about: "dependencies point in the right direction", run: deps::check },
    Step { name: "licences", about: "licences and sources of dependencies", run: licences::check },
    Step { name: "web", about: "styles and scripts: types, lint, build, size", run: web },
    Step { name: "clippy", about: "lints, warnings denied", run: clippy },
    Step {
        name: "test",
        about: "all tests, on SQLite and PostgreSQL, with NATS; every statement ran on both",
        run: test,
    },
    Step {
        name: "browser",
        about: "the built binary in a browser: three languages, two widths, axe",
        run: browser,
    },
    Step { name: "clean", about: "nothing that is generated differs from what is committed", run: clean },
];

/// The steps with what they do, for the help.
pub fn list() -> String {
    let known: Vec<String> = STEPS.iter().map(|s| format!("  {:10}{}", s.name, s.about)).collect();
    format!("Steps, in this order:\n{}", known.join("\n"))
}

/// Runs the gate, or the named steps.
#[expect(clippy::disallowed_methods, reason = "a tool measures its own steps")]
pub fn run(names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|n| STEPS.iter().all(|s| s.name != **n)) {
        bail!("there is no step “{unknown}”. {}", list());
    }
    let mut times = Vec::new();
    for step in STEPS.iter().filter(|s| names.is_empty() || names.iter().any(|n| n == s.name)) {
        println!("\n── {}: {}", step.name, step.about);
        let began = Instant::now();
        (step.run)().with_context(|| {
            format!("the step “{}” failed; again: cargo run -p xtask -- ci {0}", step.name)
        })?;
        times.push((step.name, began.elapsed()));
    }
    println!("\nthe gate is open");
    for (name, t) in times {
        println!("  {name:10}{:6.1} s", t.as_secs_f64());
    }
    Ok(())
}

fn tools() -> Result<()> {
    let mut missing = Vec::new();
    if postgres_bin().is_none() {
        missing.push("postgresql");
    }
    if !has("/usr/sbin/nats-server") && !has("nats-server") {
        missing.push("nats-server");
    }
    if !has("chromium") {
        missing.extend(["chromium", "fonts-noto-cjk"]);
    }
    if !has("cc") {
        missing.push("build-essential");
    }
    // The card companion links PC/SC; its tests put a simulated card into pcscd's virtual reader.
    if !has("/usr/sbin/pcscd")
        || !Path::new("/etc/reader.conf.d/vpcd").exists()
        || !Path::new("/usr/include/PCSC/winscard.h").exists()
        || !has("pkg-config")
        || !has("ip")
    {
        missing.extend(["pcscd", "vsmartcard-vpcd", "libpcsclite-dev", "pkg-config", "iproute2"]);
    }
    if !missing.is_empty() {
        apt(&missing)?;
    }
    if !has("npm") {
        bail!("npm is missing; install Node 20 or newer");
    }
    Ok(())
}

fn fmt() -> Result<()> {
    exec(&mut command("cargo", &["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    exec(&mut command(
        "cargo",
        &["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"],
    ))
}

fn npm(args: &[&str]) -> Command {
    let mut c = Command::new("npm");
    c.args(args).current_dir(root().join("web"));
    c
}

/// Installs what the lock file names and builds `web/dist`.
pub fn assets() -> Result<()> {
    // Not `npm ci`: it demands the packages of every other platform, which not every registry mirror holds.
    exec(&mut npm(&["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    exec(&mut npm(&["run", "--silent", "build"]))
}

fn web() -> Result<()> {
    assets()?;
    exec(&mut npm(&["run", "--silent", "check"]))
}

fn test() -> Result<()> {
    let servers = Servers::start()?;
    let coverage = root().join("target/statements");
    let _ = std::fs::remove_dir_all(&coverage);
    std::fs::create_dir_all(&coverage)?;
    let mut c = command("cargo", &["test", "--workspace", "--locked", "--quiet", "--no-fail-fast"]);
    servers.arm(&mut c);
    // Backtraces of expected failures would only slow the run and fill the screen.
    c.env("KENROKU_SQL_COVERAGE", &coverage).env("RUST_BACKTRACE", "0");
    exec(&mut c)?;
    statements::check(&coverage)
}

/// The long fault runs; `KENROKU_SOAK_ROUNDS` overrides how many, `KENROKU_SEQUENCES` how many lives with consents.
pub fn soak() -> Result<()> {
    tools()?;
    let servers = Servers::start()?;
    let mut c = command(
        "cargo",
        &[
            "test",
            "--workspace",
            "--locked",
            "--",
            "--nocapture",
            "survive_cut_power",
            "processes::",
            "under_load::",
            "sequences::",
        ],
    );
    servers.arm(&mut c);
    if variable("KENROKU_SOAK_ROUNDS").is_none() {
        c.env("KENROKU_SOAK_ROUNDS", "50");
    }
    if variable("KENROKU_SEQUENCES").is_none() {
        c.env("KENROKU_SEQUENCES", "100000");
    }
    c.env("RUST_BACKTRACE", "0");
    exec(&mut c)
}

/// A running demo that ends with this value.
struct Demo {
    child: Child,
    dir: String,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn browser() -> Result<()> {
    let (_demo, base) = demo()?;
    exec(npm(&["test", "--silent"]).env("BASE_URL", &base))
}

/// The Rust crate openidconnect against a demo. It is built apart from the workspace.
pub fn openidconnect() -> Result<()> {
    let (_demo, base) = demo()?;
    let target = variable("CARGO_TARGET_DIR").unwrap_or_else(|| root().join("target").display().to_string());
    let manifest = root().join("tests/openidconnect/Cargo.toml").display().to_string();
    let mut c = command("cargo", &["run", "--locked", "--quiet", "--manifest-path", &manifest, "--", &base]);
    exec(c.env("CARGO_TARGET_DIR", format!("{target}/openidconnect")))
}

/// Builds the binary and starts a demo that answers at this address.
fn demo() -> Result<(Demo, String)> {
    exec(&mut command("cargo", &["build", "--locked", "--quiet", "-p", "kenroku"]))?;
    let port = free_port()?;
    let dir = output(Command::new("mktemp").args(["-d", "/tmp/kenroku-demo-XXXXXX"]))?.trim().to_owned();
    let target = variable("CARGO_TARGET_DIR").unwrap_or_else(|| root().join("target").display().to_string());
    let log = std::fs::File::create(format!("{target}/demo.log"))?;
    let child = Command::new(format!("{target}/debug/kenroku"))
        .arg("demo")
        .env("KENROKU_SERVER__PUBLIC", format!("127.0.0.1:{port}"))
        .current_dir(&dir)
        .stdout(log.try_clone()?)
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()?;
    let mut demo = Demo { child, dir };
    let base = format!("http://127.0.0.1:{port}");
    wait_until_ready(&base, &mut demo.child)
        .with_context(|| format!("the demo did not start; see {target}/demo.log"))?;
    Ok((demo, base))
}

#[expect(clippy::disallowed_methods, reason = "a tool waits for a server that has no other way to call it")]
fn wait_until_ready(base: &str, child: &mut Child) -> Result<()> {
    let address = base.trim_start_matches("http://").to_owned();
    for _ in 0..600 {
        if let Some(status) = child.try_wait()? {
            bail!("it ended with {status}");
        }
        if is_ready(&address) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    bail!("/readyz did not answer 200 within two minutes");
}

fn is_ready(address: &str) -> bool {
    use std::io::{Read, Write};
    let Ok(mut s) = std::net::TcpStream::connect(address) else { return false };
    let _ = s.set_read_timeout(Some(Duration::from_secs(5)));
    let mut answer = [0u8; 12];
    s.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
        .is_ok()
        && s.read_exact(&mut answer).is_ok()
        && answer.ends_with(b" 200")
}

fn clean() -> Result<()> {
    let changed = output(&mut command(
        "git",
        &[
            "status",
            "--porcelain",
            "--",
            "docs",
            "Cargo.lock",
            "web/package-lock.json",
            "kenroku.example.toml",
        ],
    ))?;
    if changed.is_empty() {
        return Ok(());
    }
    bail!("the run changed what is committed; look at it, then commit it:\n{changed}");
}

fn exec(c: &mut Command) -> Result<()> {
    crate::shell::run(c)
}
