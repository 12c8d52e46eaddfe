//! [`Schedule`]: jobs by the clock of Japan.

use kenroku_store::{Db, Sql, params, sql};
use kenroku_types::{Tenant, Timestamp};

use crate::bus::{Bus, encode};
use crate::cron::Cron;
use crate::error::{Error, Result};
use crate::job::{Enqueue, Job};
use crate::metrics::Count;

type Make = Box<dyn Fn(Timestamp) -> Result<String> + Send + Sync>;

/// Enqueues one job per occurrence, however many workers there are. After a standstill the missed occurrences are
/// made up by one job, not by many.
pub struct Schedule {
    pub(crate) name: &'static str,
    cron: std::result::Result<Cron, crate::cron::CronError>,
    tenant: Tenant,
    pub(crate) kind: &'static str,
    make: Make,
}

impl std::fmt::Debug for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schedule").field("name", &self.name).field("cron", &self.cron).finish_non_exhaustive()
    }
}

impl Schedule {
    /// `name` is `module.what`, `cron` five fields in Japan time (see [`Cron`]); `make` gets the instant for which
    /// the job runs. The job belongs to [`Tenant::SHARED`].
    pub fn new<J: Job>(
        name: &'static str,
        cron: &str,
        make: impl Fn(Timestamp) -> J + Send + Sync + 'static,
    ) -> Self {
        Schedule {
            name,
            cron: cron.parse(),
            tenant: Tenant::SHARED,
            kind: J::KIND,
            make: Box::new(move |at| encode(J::KIND, &make(at))),
        }
    }

    /// The job belongs to `tenant`. Several tenants: one schedule each, or one job that fans out.
    #[must_use]
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = tenant;
        self
    }

    pub(crate) fn check(&self) -> Result<&Cron> {
        self.cron.as_ref().map_err(|why| Error::Schedule { name: self.name, why: why.clone() })
    }
}

const LOOK: &Sql = sql!("select cron, next_at from bus_schedule where name = $1 /* @reference */");
const CREATE: &Sql = sql!(
    "insert into bus_schedule (name, cron, next_at) values ($1, $2, $3) on conflict (name) do nothing
    /* @reference */"
);
const CHANGE: &Sql =
    sql!("update bus_schedule set cron = $2, next_at = $3 where name = $1 and cron = $4 /* @reference */");
const FIRE: &Sql = sql!(
    "update bus_schedule set next_at = $3, last_at = $2 where name = $1 and next_at = $2 and cron = $4
    /* @reference */"
);

/// Enqueues what is due; how many jobs.
pub(crate) async fn step(db: &Db, bus: &Bus, schedules: &[Schedule]) -> Result<u64> {
    let mut fired = 0;
    for s in schedules {
        let cron = s.check()?;
        let text = cron.to_string();
        let now = bus.env().now();
        // The end of the calendar stands for “never again”.
        let next = cron.next_after(now).unwrap_or(Timestamp::from_micros(i64::MAX));
        let row: Option<(String, Timestamp)> = db.read().await?.opt(LOOK, params![s.name]).await?;
        let mut tx = match &row {
            Some((t, due)) if *t == text && *due > now => continue,
            _ => db.begin().await?,
        };
        match row {
            None => {
                tx.execute(CREATE, params![s.name, text.as_str(), next]).await?;
            }
            Some((old, _)) if old != text => {
                tx.execute(CHANGE, params![s.name, text.as_str(), next, old]).await?;
            }
            Some((_, due)) => {
                // Whoever changes the row enqueues: on PostgreSQL a second worker waits for it and finds no such row.
                if tx.execute(FIRE, params![s.name, due, next, text.as_str()]).await? == 1 {
                    let how = Enqueue::now().unique(format!("{}@{due}", s.name));
                    bus.enqueue_raw(&mut tx, s.tenant, s.kind, (s.make)(due)?, how).await?;
                    bus.metrics().add(Count::ScheduleFired, s.name, 1);
                    fired += 1;
                }
            }
        }
        tx.commit().await?;
    }
    Ok(fired)
}
