//! SQLite: one writer whose commits are grouped, and a small pool of readers.
//!
//! **Group commit.** With `synchronous=FULL` a commit waits for the disk. When a transaction ends while others
//! wait for the writer, its work stays in the open SQLite transaction, the next caller works inside a savepoint,
//! and the last one (or the first after [`GROUP_AGE`]) commits for all. Every caller's `commit` returns only
//! after that one commit: acknowledged still means durable, and the disk waits once instead of N times.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kenroku_types::Clock;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, oneshot};

use crate::error::{Error, Result};

/// A group is committed at the latest when a transaction ends this long after the group began.
const GROUP_AGE: Duration = Duration::from_millis(5);
/// …or when this many callers wait for it.
const GROUP_SIZE: usize = 512;

/// How an embedded database is opened.
#[derive(Clone, Debug)]
pub struct LiteOptions {
    /// `true`: a commit waits until the disk confirms it (`synchronous=FULL`). `false` is for benchmarks and for
    /// the test that proves the power-cut test can fail.
    pub durable: bool,
    /// Readers that may work at the same time.
    pub readers: usize,
    /// Overwrite what is deleted or replaced (`secure_delete`), so that the file keeps no trace of it: for keys.
    /// [`Db::scrub`](crate::Db::scrub) empties the journal too.
    pub secure_delete: bool,
}

impl Default for LiteOptions {
    fn default() -> Self {
        LiteOptions { durable: true, readers: 8, secure_delete: false }
    }
}

pub(crate) struct Lite {
    writer: Arc<tokio::sync::Mutex<Writer>>,
    waiting: Arc<AtomicUsize>,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    pub(crate) path: PathBuf,
    options: LiteOptions,
    clock: Clock,
}

struct Writer {
    conn: Connection,
    group: Option<Group>,
}

struct Group {
    began: Duration,
    pending: Vec<oneshot::Sender<Result<()>>>,
}

fn open(path: &Path, o: &LiteOptions, write: bool) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_READ_WRITE
        | if write { OpenFlags::SQLITE_OPEN_CREATE } else { OpenFlags::empty() };
    let c = Connection::open_with_flags(path, flags)
        .map_err(|e| Error::Unreachable(format!("{}: {e}", path.display())))?;
    c.busy_timeout(Duration::from_secs(5))?;
    c.set_prepared_statement_cache_capacity(256);
    c.pragma_update(None, "journal_mode", "wal")?;
    c.pragma_update(None, "synchronous", if o.durable { "full" } else { "off" })?;
    c.pragma_update(None, "foreign_keys", "on")?;
    c.pragma_update(None, "temp_store", "memory")?;
    // In KiB. A reader that misses reads the file, which the system holds in memory once for all of them.
    c.pragma_update(None, "cache_size", if write { -8192 } else { -2048 })?;
    if o.secure_delete {
        c.pragma_update(None, "secure_delete", "on")?;
    }
    if !write {
        c.pragma_update(None, "query_only", "on")?;
    }
    Ok(c)
}

impl Lite {
    pub(crate) fn open(path: &Path, options: LiteOptions, clock: Clock) -> Result<Self> {
        if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
            std::fs::create_dir_all(dir)
                .map_err(|e| Error::Unreachable(format!("cannot make the folder {}: {e}", dir.display())))?;
        }
        let conn = open(path, &options, true)?;
        Ok(Lite {
            writer: Arc::new(tokio::sync::Mutex::new(Writer { conn, group: None })),
            waiting: Arc::default(),
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(options.readers.max(1))),
            path: path.to_owned(),
            options,
            clock,
        })
    }

    pub(crate) async fn read(&self) -> Result<Reader> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(Error::other)?;
        let pooled = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match pooled {
            Some(c) => c,
            None => open(&self.path, &self.options, false)?,
        };
        Ok(Reader { conn: Some(conn), in_tx: false, idle: Arc::clone(&self.idle), _permit: permit })
    }

    pub(crate) async fn begin(&self) -> Result<WriteTx> {
        let wait = Waiting::enter(&self.waiting);
        let mut w = Arc::clone(&self.writer).lock_owned().await;
        drop(wait);
        w.heal();
        let savepoint = w.group.is_some();
        if savepoint {
            w.conn.prepare_cached("savepoint one")?.execute([])?;
        } else {
            w.conn.prepare_cached("begin immediate")?.execute([])?;
            w.group = Some(Group { began: self.clock.monotonic(), pending: Vec::new() });
        }
        Ok(WriteTx {
            guard: Some(w),
            savepoint,
            writer: Arc::clone(&self.writer),
            waiting: Arc::clone(&self.waiting),
            clock: self.clock.clone(),
        })
    }

    /// Moves the journal into the file and empties it, if no reader holds it open just now.
    pub(crate) fn empty_journal(&self) -> Result<()> {
        let c = self.own_connection()?;
        c.busy_timeout(Duration::from_millis(200))?;
        blocking(|| c.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())))?;
        Ok(())
    }

    /// Runs `f` on a connection of its own, for backup and maintenance.
    pub(crate) fn own_connection(&self) -> Result<Connection> {
        open(&self.path, &self.options, false)
    }
}

/// Counts a caller that waits for the writer, also when its future is dropped.
struct Waiting(Arc<AtomicUsize>);
impl Waiting {
    fn enter(n: &Arc<AtomicUsize>) -> Self {
        n.fetch_add(1, Ordering::SeqCst);
        Waiting(Arc::clone(n))
    }
}
impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Writer {
    /// After an error that made SQLite roll the whole transaction back (full disk, I/O), the group is gone: say
    /// so to everybody who waits for it.
    fn heal(&mut self) {
        if self.group.is_some() && self.conn.is_autocommit() {
            self.finish(Err(Error::Unconfirmed(
                "the transaction was rolled back by an earlier error".to_owned(),
            )));
        }
    }

    fn finish(&mut self, r: Result<()>) {
        for p in self.group.take().map(|g| g.pending).unwrap_or_default() {
            let _ = p.send(r.clone());
        }
    }

    /// Commits the group. Blocks on the disk.
    fn commit(&mut self) -> Result<()> {
        self.heal();
        if self.group.is_none() {
            return Err(Error::Unconfirmed("the transaction was rolled back by an earlier error".to_owned()));
        }
        let conn = &self.conn;
        let r = blocking(|| conn.prepare_cached("commit")?.execute([]).map(drop));
        let r = r.map_err(|e| {
            if !self.conn.is_autocommit() {
                let _ = self.conn.execute_batch("rollback");
            }
            Error::from(e)
        });
        self.finish(r.clone());
        r
    }
}

/// Lets other tasks move to another thread while this one waits for the disk.
fn blocking<T>(f: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::try_current().map(|h| h.runtime_flavor()) {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(f),
        _ => f(),
    }
}

/// A reader; returns to the pool when dropped.
pub(crate) struct Reader {
    conn: Option<Connection>,
    in_tx: bool,
    idle: Arc<Mutex<Vec<Connection>>>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    pub(crate) fn snapshot(&mut self) -> Result<()> {
        self.conn()?.execute_batch("begin deferred; select count(*) from sqlite_schema")?;
        self.in_tx = true;
        Ok(())
    }

    pub(crate) fn conn(&self) -> Result<&Connection> {
        self.conn.as_ref().ok_or_else(|| Error::Other("reader is closed".to_owned()))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let Some(c) = self.conn.take() else { return };
        if self.in_tx && c.execute_batch("rollback").is_err() {
            return;
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(c);
    }
}

/// A write transaction, alone or as a member of a group.
pub(crate) struct WriteTx {
    guard: Option<OwnedMutexGuard<Writer>>,
    savepoint: bool,
    writer: Arc<tokio::sync::Mutex<Writer>>,
    waiting: Arc<AtomicUsize>,
    clock: Clock,
}

impl WriteTx {
    pub(crate) fn conn(&self) -> Result<&Connection> {
        self.guard.as_ref().map(|w| &w.conn).ok_or_else(|| Error::Other("transaction is over".to_owned()))
    }

    pub(crate) async fn commit(mut self) -> Result<()> {
        let Some(mut w) = self.guard.take() else { return Ok(()) };
        w.heal();
        if self.savepoint && w.group.is_some() {
            w.conn.prepare_cached("release one")?.execute([])?;
        }
        let hand_over = self.waiting.load(Ordering::SeqCst) > 0
            && w.group.as_ref().is_some_and(|g| {
                g.pending.len() < GROUP_SIZE && self.clock.monotonic().saturating_sub(g.began) < GROUP_AGE
            });
        if !hand_over {
            return w.commit();
        }
        let (tx, mut rx) = oneshot::channel();
        if let Some(g) = &mut w.group {
            g.pending.push(tx);
        }
        drop(w);
        // Whoever comes next normally commits for us. Should all of them give up, the writer falls to us.
        tokio::select! {
            biased;
            r = &mut rx => r.unwrap_or_else(|_| Err(Error::Unconfirmed("the writer is gone".to_owned()))),
            mut w = Arc::clone(&self.writer).lock_owned() => match rx.try_recv() {
                Ok(r) => r,
                Err(_) => {
                    let r = w.commit();
                    rx.try_recv().unwrap_or(r)
                }
            },
        }
    }
}

impl Drop for WriteTx {
    fn drop(&mut self) {
        let Some(mut w) = self.guard.take() else { return };
        w.heal();
        if w.group.is_none() {
            return;
        }
        // Nothing of this transaction may stay: the members before it are kept, it is undone.
        let undo = if self.savepoint { "rollback to one; release one" } else { "rollback" };
        if w.conn.execute_batch(undo).is_err() {
            let _ = w.conn.execute_batch("rollback");
            w.finish(Err(Error::Unconfirmed(
                "a later transaction of the group could not be undone".to_owned(),
            )));
        } else if !self.savepoint {
            w.group = None;
        }
    }
}
