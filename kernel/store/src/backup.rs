//! Online backup and restore of one database.
//!
//! SQLite is copied page by page by its own backup interface while others read and write; PostgreSQL by its own
//! `pg_dump` and `pg_restore`, which must be installed beside the program (Debian: `postgresql-client`).

use std::path::{Path, PathBuf};
use std::process::Stdio;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::db::EngineOf;
use crate::error::{Error, Result};
use crate::{Db, PgOptions};

/// How far a backup is: pages (SQLite) done and in all, or 0 of 0 where the engine does not tell.
pub type Progress<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

/// Pages copied before others may write again.
const PAGES: i32 = 1024;

impl Db {
    /// Writes a consistent copy to `dest`, which appears only when it is complete and on the disk.
    ///
    /// # Errors
    /// [`Error::Full`] when the disk fills; [`Error::Unreachable`] when `dest` cannot be written or a PostgreSQL
    /// tool is missing.
    pub async fn backup(&self, dest: &Path, progress: Progress<'_>) -> Result<u64> {
        let part = with_suffix(dest, "part");
        let _ = std::fs::remove_file(&part);
        match &self.inner().engine {
            EngineOf::Lite(l) => {
                let source = l.own_connection()?;
                copy_pages(&source, &part, progress).await?;
                check_file(&part)?;
            }
            EngineOf::Pg(p) => {
                tool(
                    "pg_dump",
                    &["--format=custom", "--no-owner", "--no-privileges", "--dbname", &p.conninfo],
                    &part,
                    Io::Out,
                )
                .await?;
            }
        }
        let io = |e: std::io::Error| Error::Unreachable(format!("{}: {e}", dest.display()));
        let file = std::fs::File::open(&part).map_err(io)?;
        file.sync_all().map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        std::fs::rename(&part, dest).map_err(io)?;
        if let Some(dir) = dest.parent().filter(|d| !d.as_os_str().is_empty()) {
            std::fs::File::open(dir).and_then(|d| d.sync_all()).map_err(io)?;
        }
        Ok(bytes)
    }
}

/// Puts a backup in place of an embedded database that no process has open. What was there before is kept beside
/// it under the returned name.
pub async fn restore_sqlite(backup: &Path, path: &Path) -> Result<Option<PathBuf>> {
    check_file(backup)?;
    let io = |e: std::io::Error| Error::Unreachable(format!("{}: {e}", path.display()));
    if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).map_err(io)?;
    }
    let part = with_suffix(path, "restoring");
    std::fs::copy(backup, &part).map_err(io)?;
    std::fs::File::open(&part).and_then(|f| f.sync_all()).map_err(io)?;
    let mut kept = None;
    if path.exists() {
        let aside = with_suffix(path, "before-restore");
        std::fs::rename(path, &aside).map_err(io)?;
        for s in ["-wal", "-shm"] {
            let name = |p: &Path| PathBuf::from(format!("{}{s}", p.display()));
            if name(path).exists() {
                std::fs::rename(name(path), name(&aside)).map_err(io)?;
            }
        }
        kept = Some(aside);
    }
    std::fs::rename(&part, path).map_err(io)?;
    Ok(kept)
}

/// Restores a dump into an existing PostgreSQL database, in one transaction: either all of it or nothing.
pub async fn restore_postgres(backup: &Path, options: &PgOptions) -> Result<()> {
    tool(
        "pg_restore",
        &[
            "--clean",
            "--if-exists",
            "--no-owner",
            "--no-privileges",
            "--single-transaction",
            "--dbname",
            &options.conninfo,
        ],
        backup,
        Io::In,
    )
    .await
}

async fn copy_pages(source: &Connection, dest: &Path, progress: Progress<'_>) -> Result<()> {
    let mut to =
        Connection::open(dest).map_err(|e| Error::Unreachable(format!("{}: {e}", dest.display())))?;
    let mut failed = 0;
    loop {
        // The backup object borrows both connections and is not `Send`, so it lives only between two awaits.
        let step = {
            let b = Backup::new(source, &mut to)?;
            let mut r = b.step(PAGES)?;
            while r == StepResult::More {
                let p = b.progress();
                progress((p.pagecount - p.remaining).max(0) as u64, p.pagecount.max(0) as u64);
                r = b.step(PAGES)?;
            }
            let p = b.progress();
            progress(p.pagecount.max(0) as u64, p.pagecount.max(0) as u64);
            r
        };
        match step {
            StepResult::Done => return Ok(()),
            _ if failed < 50 => {
                failed += 1;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            _ => return Err(Error::Busy("the database stayed locked during the backup".to_owned())),
        }
    }
}

/// Opens a copy and lets SQLite check it, so that a damaged backup is found now and not when it is needed.
fn check_file(path: &Path) -> Result<()> {
    let what = |e: String| Error::Unreachable(format!("{} is not a usable backup: {e}", path.display()));
    // Looking at it makes these two, and a reader may not remove them itself.
    let beside = ["-wal", "-shm"].map(|s| PathBuf::from(format!("{}{s}", path.display())));
    let made: Vec<_> = beside.into_iter().filter(|p| !p.exists()).collect();
    let c =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|e| what(e.to_string()))?;
    let r: rusqlite::Result<String> = c.query_row("pragma quick_check", [], |r| r.get(0));
    drop(c);
    for file in made {
        let _ = std::fs::remove_file(file);
    }
    let r = r.map_err(|e| what(e.to_string()))?;
    if r == "ok" { Ok(()) } else { Err(what(r)) }
}

fn with_suffix(p: &Path, s: &str) -> PathBuf {
    PathBuf::from(format!("{}.{s}", p.display()))
}

enum Io {
    In,
    Out,
}

async fn tool(name: &str, args: &[&str], file: &Path, io: Io) -> Result<()> {
    let file_error = |e: std::io::Error| Error::Unreachable(format!("{}: {e}", file.display()));
    let mut c = tokio::process::Command::new(name);
    c.args(args).stderr(Stdio::piped()).kill_on_drop(true);
    match io {
        Io::Out => c.stdin(Stdio::null()).stdout(std::fs::File::create(file).map_err(file_error)?),
        Io::In => c.stdin(std::fs::File::open(file).map_err(file_error)?).stdout(Stdio::null()),
    };
    let missing = |e: std::io::Error| {
        Error::Unreachable(format!(
            "{name} could not be started ({e}); install it: apt-get install postgresql-client"
        ))
    };
    // Not `output()`: that would take the standard output away from the file.
    let out = c.spawn().map_err(missing)?.wait_with_output().await.map_err(Error::other)?;
    if out.status.success() {
        return Ok(());
    }
    Err(Error::Other(format!("{name}: {}", String::from_utf8_lossy(&out.stderr).trim())))
}
