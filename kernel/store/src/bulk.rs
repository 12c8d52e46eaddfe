//! [`Bulk`]: many rows in one go. Batching is worth thirty times, the driver is not (docs/benchmarks.md).
//!
//! On SQLite the rows run through one prepared statement inside the caller's transaction, which shares its
//! commit with others (see `lite`); on PostgreSQL they travel as arrays (`unnest`).

use std::sync::OnceLock;

use tokio_postgres::types::ToSql;

use crate::error::{Error, Result};
use crate::value::Val;
use crate::{Engine, Tx};

/// The type of a bulk column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Col {
    /// `{int}` and `{ts}`
    Int,
    /// `{real}`
    Real,
    /// `{bool}`
    Bool,
    /// `text`
    Text,
    /// `{uuid}`
    Uuid,
    /// `{json}`
    Json,
    /// `{blob}`
    Blob,
}

/// A bulk insert into one table: `static FIXES: Bulk = Bulk::new("snow_fix", &[("tenant", Col::Uuid), …],
/// "on conflict (tenant, device, at) do nothing");`. With `do update` the rows of one call must differ in their key.
#[derive(Debug)]
pub struct Bulk {
    table: &'static str,
    columns: &'static [(&'static str, Col)],
    tail: &'static str,
    lite: OnceLock<String>,
    pg: OnceLock<String>,
}

/// Rows of one PostgreSQL statement.
const CHUNK: usize = 5_000;

impl Bulk {
    /// Table, columns in the order of the rows' values, and what to do on conflict (may be empty).
    pub const fn new(
        table: &'static str,
        columns: &'static [(&'static str, Col)],
        tail: &'static str,
    ) -> Self {
        Bulk { table, columns, tail, lite: OnceLock::new(), pg: OnceLock::new() }
    }

    fn names(&self) -> String {
        self.columns.iter().map(|c| c.0).collect::<Vec<_>>().join(", ")
    }

    fn lite(&self) -> &str {
        self.lite.get_or_init(|| {
            let marks = (1..=self.columns.len()).map(|i| format!("?{i}")).collect::<Vec<_>>().join(", ");
            format!("insert into {} ({}) values ({marks}) {}", self.table, self.names(), self.tail)
        })
    }

    fn pg(&self) -> &str {
        self.pg.get_or_init(|| {
            let arrays = self
                .columns
                .iter()
                .enumerate()
                .map(|(i, c)| format!("${}::{}[]", i + 1, c.1.pg()))
                .collect::<Vec<_>>()
                .join(", ");
            format!(
                "insert into {} ({}) select * from unnest({arrays}) {}",
                self.table,
                self.names(),
                self.tail
            )
        })
    }
}

impl Col {
    fn pg(self) -> &'static str {
        match self {
            Col::Int => "bigint",
            Col::Real => "double precision",
            Col::Bool => "boolean",
            Col::Text => "text",
            Col::Uuid => "uuid",
            Col::Json => "jsonb",
            Col::Blob => "bytea",
        }
    }

    fn array<'a>(self, rows: impl Iterator<Item = &'a Val<'a>>) -> Box<dyn ToSql + Sync + Send + 'a> {
        macro_rules! take {
            ($t:ty, $p:pat => $v:expr) => {
                Box::new(
                    rows.map(|v| match v {
                        $p => Some($v),
                        _ => None,
                    })
                    .collect::<Vec<Option<$t>>>(),
                )
            };
        }
        match self {
            Col::Int => take!(i64, Val::Int(i) => *i),
            Col::Real => Box::new(
                rows.map(|v| match v {
                    Val::Real(r) => Some(*r),
                    Val::Int(i) => Some(*i as f64),
                    _ => None,
                })
                .collect::<Vec<Option<f64>>>(),
            ),
            Col::Bool => take!(bool, Val::Bool(b) => *b),
            Col::Text => take!(&'a str, Val::Text(t) => t.as_ref()),
            Col::Uuid => take!(uuid::Uuid, Val::Uuid(u) => *u),
            Col::Json => take!(&'a Val<'a>, v @ Val::Json(_) => v),
            Col::Blob => take!(&'a [u8], Val::Blob(b) => b.as_ref()),
        }
    }

    /// Whether a value may stand in this column, so that a wrong one is an error and not a NULL.
    fn fits(self, v: &Val<'_>) -> bool {
        matches!(
            (self, v),
            (_, Val::Null)
                | (Col::Int | Col::Real, Val::Int(_))
                | (Col::Real, Val::Real(_))
                | (Col::Bool, Val::Bool(_))
                | (Col::Text, Val::Text(_))
                | (Col::Uuid, Val::Uuid(_))
                | (Col::Json, Val::Json(_))
                | (Col::Blob, Val::Blob(_))
        )
    }
}

impl Tx {
    /// Inserts rows; the number that were really inserted or changed (conflicts left out by `do nothing` do not
    /// count).
    pub async fn insert_many<'v, R: AsRef<[Val<'v>]>>(
        &mut self,
        bulk: &'static Bulk,
        rows: &[R],
    ) -> Result<u64> {
        for r in rows {
            let r = r.as_ref();
            if r.len() != bulk.columns.len() || !bulk.columns.iter().zip(r).all(|(c, v)| c.1.fits(v)) {
                return Err(Error::Other(format!("a row for {} does not fit its columns", bulk.table)));
            }
        }
        let mut n = 0;
        if self.engine() == Engine::Sqlite {
            let Some(c) = self.lite() else { return Err(Error::Other("transaction is over".to_owned())) };
            let mut s = c.prepare_cached(bulk.lite())?;
            for r in rows {
                n += s.execute(rusqlite::params_from_iter(r.as_ref()))? as u64;
            }
            return Ok(n);
        }
        for chunk in rows.chunks(CHUNK) {
            let arrays: Vec<_> = bulk
                .columns
                .iter()
                .enumerate()
                .map(|(i, c)| c.1.array(chunk.iter().filter_map(move |r| r.as_ref().get(i))))
                .collect();
            let refs: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(|a| &**a as &(dyn ToSql + Sync)).collect();
            let Some(p) = self.pg() else { return Err(Error::Other("transaction is over".to_owned())) };
            p.start();
            let c = p.client()?;
            let s = c.prepare_cached(bulk.pg()).await?;
            n += c.execute(&s, &refs).await?;
            p.done();
        }
        Ok(n)
    }
}
