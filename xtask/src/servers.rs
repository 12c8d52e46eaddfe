//! The private PostgreSQL cluster and NATS server of a test run. Both live in a temporary folder and end with it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::shell::{self, is_root, output, run, variable};

/// Servers that stop when this is dropped.
pub struct Servers {
    dir: PathBuf,
    pg_bin: PathBuf,
    nats: Child,
    /// For `KENROKU_TEST_PG`.
    pub postgres: String,
    /// For `KENROKU_TEST_NATS`.
    pub nats_url: String,
}

/// Where Debian keeps the newest PostgreSQL's programs.
pub fn postgres_bin() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|e| Some(e.ok()?.path().join("bin")))
        .filter(|p| p.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

impl Servers {
    /// Starts both.
    pub fn start() -> Result<Self> {
        let pg_bin = postgres_bin().context("PostgreSQL is not installed: apt-get install postgresql")?;
        let dir =
            PathBuf::from(output(Command::new("mktemp").args(["-d", "/tmp/kenroku-test-XXXXXX"]))?.trim());
        if is_root() {
            // PostgreSQL refuses to run as root.
            run(Command::new("chown").arg("postgres").arg(&dir))?;
        }
        let data = dir.join("pg");
        let socket = dir.display().to_string();
        pg(
            &pg_bin,
            "initdb",
            &[
                "-D",
                &data.display().to_string(),
                "-U",
                "postgres",
                "-A",
                "trust",
                "--locale=C.UTF-8",
                "-E",
                "UTF8",
                "-N",
            ],
        )?;
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{socket}' -c fsync=off -c max_connections=300 -c shared_buffers=64MB"
        );
        let log = dir.join("pg.log").display().to_string();
        pg(
            &pg_bin,
            "pg_ctl",
            &["-D", &data.display().to_string(), "-w", "-t", "60", "-l", &log, "-o", &options, "start"],
        )?;
        let port = free_port()?;
        let program =
            ["/usr/sbin/nats-server", "/usr/bin/nats-server"].into_iter().find(|p| Path::new(p).exists());
        let nats = Command::new(program.context("NATS is not installed: apt-get install nats-server")?)
            .args(["-a", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("nats-server could not be started")?;
        Ok(Servers {
            postgres: format!("host={socket} user=postgres dbname=postgres"),
            nats_url: format!("nats://127.0.0.1:{port}"),
            dir,
            pg_bin,
            nats,
        })
    }

    /// Tells a command where they are.
    pub fn arm(&self, c: &mut Command) {
        let data = shell::root().join("../shared/data");
        c.env("KENROKU_TEST_PG", &self.postgres).env("KENROKU_TEST_NATS", &self.nats_url);
        if data.is_dir() && variable("KENROKU_TEST_DATA").is_none() {
            c.env("KENROKU_TEST_DATA", data);
        }
        c.env("PATH", format!("{}:{}", self.pg_bin.display(), variable("PATH").unwrap_or_default()));
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.nats.kill();
        let _ = self.nats.wait();
        let data = self.dir.join("pg").display().to_string();
        let _ = pg(&self.pg_bin, "pg_ctl", &["-D", &data, "-m", "immediate", "-w", "stop"]);
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn pg(bin: &Path, program: &str, args: &[&str]) -> Result<()> {
    let program = bin.join(program).display().to_string();
    let mut c = if is_root() {
        let mut c = Command::new("runuser");
        c.args(["-u", "postgres", "--", &program]);
        c
    } else {
        Command::new(&program)
    };
    // Not captured: the server would keep a pipe open.
    let status = c
        .args(args)
        .current_dir("/tmp")
        .stdout(Stdio::null())
        .status()
        .context("PostgreSQL's tools could not be started")?;
    if !status.success() {
        bail!("{program} failed ({status})");
    }
    Ok(())
}

/// A port of this machine that nobody listens on.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
