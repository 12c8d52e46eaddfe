//! PostgreSQL: a pool, one connection per transaction, never returned to the pool in the middle of one.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio_postgres::NoTls;

use crate::error::{Error, Result};

/// How a PostgreSQL server is reached.
#[derive(Clone, Debug)]
pub struct PgOptions {
    /// libpq connection string or URL, e.g. `host=/run/postgresql dbname=kenroku user=kenroku`.
    pub conninfo: String,
    /// Most connections this process opens.
    pub connections: usize,
    /// How long a caller waits for a free connection, and a new one for the server.
    pub wait: Duration,
}

impl PgOptions {
    /// Sixteen connections, five seconds of patience.
    pub fn new(conninfo: impl Into<String>) -> Self {
        PgOptions { conninfo: conninfo.into(), connections: 16, wait: Duration::from_secs(5) }
    }
}

pub(crate) struct Pg {
    pool: Pool,
    pub(crate) conninfo: String,
}

impl Pg {
    pub(crate) fn open(o: &PgOptions) -> Result<Self> {
        let mut config: tokio_postgres::Config = o
            .conninfo
            .parse()
            .map_err(|e| Error::Unreachable(format!("the connection string is wrong: {e}")))?;
        config.connect_timeout(o.wait);
        if config.get_application_name().is_none() {
            config.application_name("kenroku");
        }
        let manager =
            Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(o.connections.max(2))
            .wait_timeout(Some(o.wait))
            .create_timeout(Some(o.wait))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(Error::other)?;
        Ok(Pg { pool, conninfo: o.conninfo.clone() })
    }

    pub(crate) async fn get(&self) -> Result<PgTx> {
        Ok(PgTx { client: Some(self.pool.get().await?), open: false, busy: false })
    }

    pub(crate) async fn begin(&self, how: &str) -> Result<PgTx> {
        let mut tx = self.get().await?;
        tx.open = true;
        tx.client()?.batch_execute(how).await?;
        Ok(tx)
    }
}

/// A connection, in a transaction or not.
pub(crate) struct PgTx {
    client: Option<Object>,
    /// A transaction is open on it.
    open: bool,
    /// A statement is under way: its future may have been dropped.
    busy: bool,
}

impl PgTx {
    pub(crate) fn client(&self) -> Result<&Object> {
        self.client.as_ref().ok_or_else(|| Error::Other("transaction is over".to_owned()))
    }

    /// Marks the connection as unfit for the pool until [`PgTx::done`].
    pub(crate) fn start(&mut self) {
        self.busy = true;
    }

    pub(crate) fn done(&mut self) {
        self.busy = false;
    }

    pub(crate) async fn commit(mut self) -> Result<()> {
        if self.open {
            let r = self.client()?.batch_execute("commit").await;
            // On an error the connection is dropped, still marked open; the outcome of the commit is unknown.
            r.map_err(|e| match e.into() {
                Error::Unreachable(t) => Error::Unconfirmed(t),
                known => known,
            })?;
            self.open = false;
        }
        Ok(())
    }

    pub(crate) async fn rollback(mut self) -> Result<()> {
        if self.open {
            self.client()?.batch_execute("rollback").await?;
            self.open = false;
        }
        Ok(())
    }
}

impl Drop for PgTx {
    fn drop(&mut self) {
        if let Some(c) = self.client.take()
            && (self.open || self.busy)
        {
            // Closing the connection ends the transaction on the server; the pool makes a new one.
            drop(Object::take(c));
        }
    }
}
