//! [`Db`] and [`Tx`]: the façade every module works with.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use kenroku_types::Clock;
use tokio_postgres::types::ToSql;

use crate::error::{Error, Result};
use crate::lite::{Lite, LiteOptions, Reader, WriteTx};
use crate::pg::{Pg, PgOptions, PgTx};
use crate::sql::{Sql, SqlBuilder};
use crate::value::{FromRow, Row, RowRef, Val};

/// Which engine holds the data. Only `store`, backup and the metrics care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Embedded, the default.
    Sqlite,
    /// A PostgreSQL server, 15 or newer.
    Postgres,
}

/// A database. Cheap to clone.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) engine: EngineOf,
    /// Set by the test runner: what every statement answered.
    pub(crate) trace: Option<Mutex<Vec<String>>>,
}

pub(crate) enum EngineOf {
    Lite(Lite),
    Pg(Pg),
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Db({:?})", self.engine())
    }
}

impl Db {
    /// Opens (and creates) an embedded database file. The folder is made when it is missing.
    pub fn open_sqlite(path: &Path, options: LiteOptions) -> Result<Db> {
        Ok(Self::from_engine(EngineOf::Lite(Lite::open(path, options, Clock::system())?), false))
    }

    /// Prepares a pool for a PostgreSQL server; the first use connects.
    pub fn open_postgres(options: &PgOptions) -> Result<Db> {
        Ok(Self::from_engine(EngineOf::Pg(Pg::open(options)?), false))
    }

    pub(crate) fn from_engine(engine: EngineOf, trace: bool) -> Db {
        Db(Arc::new(Inner { engine, trace: trace.then(Mutex::default) }))
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Which engine this is.
    pub fn engine(&self) -> Engine {
        match self.0.engine {
            EngineOf::Lite(_) => Engine::Sqlite,
            EngineOf::Pg(_) => Engine::Postgres,
        }
    }

    /// For reading. Each statement sees the newest committed state; writing through it fails.
    pub async fn read(&self) -> Result<Tx> {
        Ok(self.tx(match &self.0.engine {
            EngineOf::Lite(l) => Conn::Reader(l.read().await?),
            EngineOf::Pg(p) => Conn::Pg(p.get().await?),
        }))
    }

    /// For reading several statements from one and the same state of the database.
    pub async fn snapshot(&self) -> Result<Tx> {
        Ok(self.tx(match &self.0.engine {
            EngineOf::Lite(l) => {
                let mut r = l.read().await?;
                r.snapshot()?;
                Conn::Reader(r)
            }
            EngineOf::Pg(p) => Conn::Pg(p.begin("begin isolation level repeatable read read only").await?),
        }))
    }

    /// Begins a transaction. Undone when dropped without [`Tx::commit`].
    ///
    /// On SQLite there is one writer: do nothing slow (no network, no waiting for people) before the commit.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(self.tx(match &self.0.engine {
            EngineOf::Lite(l) => Conn::Writer(l.begin().await?),
            EngineOf::Pg(p) => Conn::Pg(p.begin("begin").await?),
        }))
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.read().await?.one::<(i64,)>(PING, &[]).await.map(drop)
    }

    /// Removes what overwritten and deleted rows of these tables leave behind: on SQLite the journal is emptied
    /// (open the file with [`LiteOptions::secure_delete`]), on PostgreSQL the tables are vacuumed. It does its
    /// best while others read; call it again later to be sure.
    pub async fn scrub(&self, tables: &[&'static str]) -> Result<()> {
        match &self.0.engine {
            EngineOf::Lite(l) => l.empty_journal(),
            EngineOf::Pg(p) => {
                Ok(p.get().await?.client()?.batch_execute(&format!("vacuum {}", tables.join(", "))).await?)
            }
        }
    }

    fn tx(&self, conn: Conn) -> Tx {
        Tx { conn, db: self.clone(), after: Vec::new() }
    }
}

const PING: &Sql = crate::sql!("select cast(1 as bigint) /* @reference */");

enum Conn {
    Reader(Reader),
    Writer(WriteTx),
    Pg(PgTx),
}

/// A transaction (or a reader). One is passed down through a whole command; the outbox row goes into the same.
pub struct Tx {
    conn: Conn,
    db: Db,
    after: Vec<Box<dyn FnOnce() + Send>>,
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tx")
    }
}

impl Tx {
    /// Which engine this is.
    pub fn engine(&self) -> Engine {
        self.db.engine()
    }

    /// Runs a statement; the number of rows it changed.
    pub async fn execute(&mut self, sql: &'static Sql, params: &[Val<'_>]) -> Result<u64> {
        sql.mark(self.engine());
        let text = sql.for_engine(self.engine());
        let n = self.run(text, params).await?;
        self.note(sql, || vec![format!("{n} changed")]);
        Ok(n)
    }

    /// Runs a statement that must change exactly one row: the check of an optimistic version or of existence.
    ///
    /// # Errors
    /// [`Error::Stale`] when it changed none or several.
    pub async fn execute_one(&mut self, sql: &'static Sql, params: &[Val<'_>]) -> Result<()> {
        match self.execute(sql, params).await? {
            1 => Ok(()),
            _ => Err(Error::Stale),
        }
    }

    /// All rows.
    pub async fn all<T: FromRow>(&mut self, sql: &'static Sql, params: &[Val<'_>]) -> Result<Vec<T>> {
        sql.mark(self.engine());
        let mut trace = self.traced();
        let rows = self.query(sql.for_engine(self.engine()), params, trace.as_mut(), usize::MAX).await?;
        self.note(sql, || trace.unwrap_or_default());
        Ok(rows)
    }

    /// The first row, if any.
    pub async fn opt<T: FromRow>(&mut self, sql: &'static Sql, params: &[Val<'_>]) -> Result<Option<T>> {
        sql.mark(self.engine());
        let mut trace = self.traced();
        let rows = self.query(sql.for_engine(self.engine()), params, trace.as_mut(), 1).await?;
        self.note(sql, || trace.unwrap_or_default());
        Ok(rows.into_iter().next())
    }

    /// The row, which must exist (aggregates, `returning`).
    pub async fn one<T: FromRow>(&mut self, sql: &'static Sql, params: &[Val<'_>]) -> Result<T> {
        self.opt(sql, params)
            .await?
            .ok_or_else(|| Error::Other("a row that must exist is missing".to_owned()))
    }

    /// All rows of a statement assembled at run time.
    pub async fn all_dyn<T: FromRow>(&mut self, b: &SqlBuilder<'_>) -> Result<Vec<T>> {
        let (text, values) = b.parts(self.engine());
        self.query(&text, values, None, usize::MAX).await
    }

    /// Runs a statement assembled at run time; the number of rows it changed.
    pub async fn execute_dyn(&mut self, b: &SqlBuilder<'_>) -> Result<u64> {
        let (text, values) = b.parts(self.engine());
        self.run(&text, values).await
    }

    /// Calls `f` once the commit is confirmed: to wake whoever waits for what was written.
    pub fn after_commit(&mut self, f: impl FnOnce() + Send + 'static) {
        self.after.push(Box::new(f));
    }

    /// Commits. When it returns `Ok`, the work survives a crash of the process and of the machine.
    pub async fn commit(self) -> Result<()> {
        let Tx { conn, after, .. } = self;
        match conn {
            Conn::Reader(_) => {}
            Conn::Writer(w) => w.commit().await?,
            Conn::Pg(p) => p.commit().await?,
        }
        for f in after {
            f();
        }
        Ok(())
    }

    /// Undoes everything. Dropping does the same, but on PostgreSQL costs a new connection.
    pub async fn rollback(self) -> Result<()> {
        match self.conn {
            Conn::Pg(p) => p.rollback().await,
            Conn::Reader(_) | Conn::Writer(_) => Ok(()),
        }
    }

    /// Runs SQL that comes from a migration file of this program, several statements at once.
    pub(crate) async fn batch(&mut self, text: &str) -> Result<()> {
        match &mut self.conn {
            Conn::Reader(r) => r.conn()?.execute_batch(text)?,
            Conn::Writer(w) => w.conn()?.execute_batch(text)?,
            Conn::Pg(p) => {
                p.start();
                let r = p.client()?.batch_execute(text).await;
                p.done();
                r?;
            }
        }
        Ok(())
    }

    /// Runs text that `store` itself made.
    pub(crate) async fn run(&mut self, text: &str, params: &[Val<'_>]) -> Result<u64> {
        match &mut self.conn {
            Conn::Reader(r) => lite_run(r.conn()?, text, params),
            Conn::Writer(w) => lite_run(w.conn()?, text, params),
            Conn::Pg(p) => {
                p.start();
                let r = pg_run(p, text, params).await;
                p.done();
                r
            }
        }
    }

    pub(crate) async fn query<T: FromRow>(
        &mut self,
        text: &str,
        params: &[Val<'_>],
        trace: Option<&mut Vec<String>>,
        limit: usize,
    ) -> Result<Vec<T>> {
        match &mut self.conn {
            Conn::Reader(r) => lite_query(r.conn()?, text, params, trace, limit),
            Conn::Writer(w) => lite_query(w.conn()?, text, params, trace, limit),
            Conn::Pg(p) => {
                p.start();
                let r = pg_query(p, text, params, trace, limit).await;
                p.done();
                r
            }
        }
    }

    /// The PostgreSQL client, for what only that engine does (bulk arrays, catalog questions).
    pub(crate) fn pg(&mut self) -> Option<&mut PgTx> {
        match &mut self.conn {
            Conn::Pg(p) => Some(p),
            Conn::Reader(_) | Conn::Writer(_) => None,
        }
    }

    /// The SQLite connection, for what only that engine does.
    pub(crate) fn lite(&self) -> Option<&rusqlite::Connection> {
        match &self.conn {
            Conn::Writer(w) => w.conn().ok(),
            Conn::Reader(r) => r.conn().ok(),
            Conn::Pg(_) => None,
        }
    }

    fn traced(&self) -> Option<Vec<String>> {
        self.db.0.trace.as_ref().map(|_| Vec::new())
    }

    fn note(&self, sql: &Sql, rows: impl FnOnce() -> Vec<String>) {
        if let Some(t) = &self.db.0.trace {
            let mut rows = rows();
            if !sql.ordered() {
                rows.sort();
            }
            t.lock().unwrap_or_else(PoisonError::into_inner).push(format!(
                "{}:{} {}",
                sql.file,
                sql.line,
                rows.join(" ⏎ ")
            ));
        }
    }
}

fn lite_run(c: &rusqlite::Connection, text: &str, params: &[Val<'_>]) -> Result<u64> {
    let mut s = c.prepare_cached(text)?;
    if s.column_count() > 0 {
        // `… returning …` whose rows nobody wants: count them.
        let mut rows = s.query(rusqlite::params_from_iter(params))?;
        let mut n = 0;
        while rows.next()?.is_some() {
            n += 1;
        }
        return Ok(n);
    }
    Ok(s.execute(rusqlite::params_from_iter(params))? as u64)
}

fn lite_query<T: FromRow>(
    c: &rusqlite::Connection,
    text: &str,
    params: &[Val<'_>],
    mut trace: Option<&mut Vec<String>>,
    limit: usize,
) -> Result<Vec<T>> {
    let mut s = c.prepare_cached(text)?;
    let mut rows = s.query(rusqlite::params_from_iter(params))?;
    let mut out = Vec::new();
    while let Some(r) = rows.next()? {
        let row = Row(RowRef::Lite(r));
        if let Some(t) = &mut trace {
            t.push(row.canonical());
        }
        out.push(T::from_row(&row)?);
        if out.len() >= limit {
            break;
        }
    }
    Ok(out)
}

async fn pg_run(p: &PgTx, text: &str, params: &[Val<'_>]) -> Result<u64> {
    let c = p.client()?;
    let s = c.prepare_cached(text).await?;
    Ok(c.execute(&s, &refs(params)).await?)
}

async fn pg_query<T: FromRow>(
    p: &PgTx,
    text: &str,
    params: &[Val<'_>],
    mut trace: Option<&mut Vec<String>>,
    limit: usize,
) -> Result<Vec<T>> {
    let c = p.client()?;
    let s = c.prepare_cached(text).await?;
    let rows = c.query(&s, &refs(params)).await?;
    let mut out = Vec::with_capacity(rows.len().min(limit));
    for r in rows.iter().take(limit) {
        let row = Row(RowRef::Pg(r));
        if let Some(t) = &mut trace {
            t.push(row.canonical());
        }
        out.push(T::from_row(&row)?);
    }
    Ok(out)
}

fn refs<'a>(params: &'a [Val<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|v| v as &(dyn ToSql + Sync)).collect()
}
