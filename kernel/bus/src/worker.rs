//! [`Worker`]: runs consumers, jobs and schedules until told to stop.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use kenroku_store::{Db, Sql, params, sql};
use kenroku_types::Timestamp;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::bus::Bus;
use crate::consumer::{Consumer, ConsumerRunner, Step};
use crate::error::{Error, Result};
use crate::job::{self, Job};
use crate::metrics::{Count, Reading};
use crate::outbox;
use crate::retry::Backoff;
use crate::runner::{DynWork, JobRunner, Typed, Work};
use crate::schedule::{self, Schedule};
use crate::wake::Wake;

/// How a worker works. The defaults suit one machine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often it looks without being woken. Always suffices, NATS or not.
    pub poll: Duration,
    /// Most events of one consumer in one transaction.
    pub batch: usize,
    /// How long one event may take. A handler that hangs would stop its consumer, and on SQLite every writer.
    pub handler_time: Duration,
    /// Consumers working at the same time; each holds a database connection.
    pub handlers_at_once: usize,
    /// Jobs running at the same time.
    pub jobs_at_once: usize,
    /// How long a job stays with a worker that gives no sign of life (one every third of it).
    pub lease: Duration,
    /// Retries of events.
    pub events: Backoff,
    /// Retries of jobs.
    pub jobs: Backoff,
    /// How long running jobs may go on after the order to stop; then they are given back.
    pub grace: Duration,
    /// How long handled events stay.
    pub keep_events: Duration,
    /// How long ended jobs stay, and with them the memory of their unique keys.
    pub keep_jobs: Duration,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Default for Settings {
    fn default() -> Self {
        Settings {
            poll: Duration::from_secs(1),
            batch: 64,
            handler_time: Duration::from_secs(30),
            handlers_at_once: 4,
            jobs_at_once: 4,
            lease: Duration::from_secs(60),
            events: Backoff::EVENTS,
            jobs: Backoff::JOBS,
            grace: Duration::from_secs(20),
            keep_events: 7 * DAY,
            keep_jobs: 7 * DAY,
        }
    }
}

/// How often [`Worker::drain`] looks again at a consumer that another process is busy with, every 5 ms.
const DRAIN_PATIENCE: u32 = 1_000;
/// How often depths are measured.
const MEASURE: Duration = Duration::from_secs(15);
/// How often old rows are deleted.
const CLEAN: Duration = Duration::from_secs(600);

/// Everything that runs behind the pages. Any number of processes may run the same worker on one database.
pub struct Worker {
    bus: Bus,
    db: Db,
    settings: Settings,
    consumers: Vec<Consumer>,
    kinds: BTreeMap<&'static str, Arc<dyn DynWork>>,
    schedules: Vec<Schedule>,
    twice: Option<Error>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("consumers", &self.consumers)
            .field("jobs", &self.kinds.keys())
            .field("schedules", &self.schedules)
            .finish_non_exhaustive()
    }
}

/// What [`Worker::drain`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Steps of consumers that did something.
    pub steps: u64,
    /// Jobs run, failed ones included.
    pub jobs: u64,
    /// Jobs enqueued by schedules.
    pub fired: u64,
}

impl Worker {
    /// Without anything to do yet.
    pub fn new(bus: Bus, db: Db, settings: Settings) -> Self {
        Worker {
            bus,
            db,
            settings,
            consumers: Vec::new(),
            kinds: BTreeMap::new(),
            schedules: Vec::new(),
            twice: None,
        }
    }

    /// Adds a consumer.
    #[must_use]
    pub fn consumer(mut self, c: Consumer) -> Self {
        if self.consumers.iter().any(|o| o.name == c.name) {
            self.twice = Some(Error::Twice { what: "consumer", name: c.name });
        }
        self.consumers.push(c);
        self
    }

    /// Adds who does the jobs of a kind. When `w` does several kinds: `.job::<SendMail, _>(w.clone())`.
    #[must_use]
    pub fn job<J: Job, W: Work<J>>(mut self, w: W) -> Self {
        if self.kinds.insert(J::KIND, Arc::new(Typed(w, PhantomData::<fn() -> J>))).is_some() {
            self.twice = Some(Error::Twice { what: "job", name: J::KIND });
        }
        self
    }

    /// Adds a schedule.
    #[must_use]
    pub fn schedule(mut self, s: Schedule) -> Self {
        if self.schedules.iter().any(|o| o.name == s.name) {
            self.twice = Some(Error::Twice { what: "schedule", name: s.name });
        }
        self.schedules.push(s);
        self
    }

    /// Whether names are unique, events handled once per consumer, and schedules readable. [`Worker::run`] asks first.
    pub fn check(&self) -> Result<()> {
        if let Some(e) = &self.twice {
            return Err(e.clone());
        }
        for c in &self.consumers {
            let mut seen = BTreeSet::new();
            if let Some(name) = c.names().into_iter().find(|n| !seen.insert(*n)) {
                return Err(Error::Twice { what: "event of a consumer", name });
            }
        }
        self.schedules.iter().try_for_each(|s| s.check().map(drop))
    }

    /// Works until `stop` is ready, then ends what is under way: consumers their batch, jobs within their grace.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<()> {
        self.check()?;
        let (said, heard) = watch::channel(false);
        let parts = self.parts();
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&parts).number(heard.clone()));
        tasks.spawn(Arc::clone(&parts).fire(heard.clone()));
        tasks.spawn(Arc::clone(&parts).look_after(heard.clone()));
        if !parts.jobs.kinds.is_empty() {
            tasks.spawn(Arc::clone(&parts).work(heard.clone()));
        }
        for i in 0..parts.consumers.len() {
            tasks.spawn(Arc::clone(&parts).consume(i, heard.clone()));
        }
        let broken = tokio::select! {
            () = stop => None,
            // None of them ends by itself, unless this crate has a bug: better to restart than to limp.
            r = tasks.join_next() => Some(Error::Broken(r.and_then(|r| r.err()).map(|e| e.to_string()).unwrap_or_default())),
        };
        said.send_replace(true);
        while tasks.join_next().await.is_some() {}
        broken.map_or(Ok(()), Err)
    }

    /// Does everything that is due now, one after the other, until nothing is left: for tests and for imports that
    /// want their consequences at once. Retries that are due later stay.
    pub async fn drain(self) -> Result<Drained> {
        self.check()?;
        let parts = self.parts();
        // Kept until the end: a closed channel would read as the order to stop.
        let (_said, heard) = watch::channel(false);
        let mut all = Drained::default();
        loop {
            let before = all;
            all.fired += schedule::step(&parts.db, &parts.bus, &parts.schedules).await?;
            outbox::number(&parts.db).await?;
            for c in &parts.consumers {
                let mut patience = DRAIN_PATIENCE;
                loop {
                    match c.step().await? {
                        Step::Worked => all.steps += 1,
                        Step::Busy if patience > 0 => {
                            patience -= 1;
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                        Step::Nothing(_) | Step::Busy => break,
                    }
                }
            }
            for claimed in parts.jobs.claim(64).await? {
                parts.jobs.run(claimed, heard.clone()).await;
                all.jobs += 1;
            }
            if all == before {
                return Ok(all);
            }
        }
    }

    fn parts(self) -> Arc<Parts> {
        let Worker { bus, db, settings, consumers, kinds, schedules, .. } = self;
        let consumers = consumers
            .into_iter()
            .map(|consumer| ConsumerRunner {
                consumer,
                db: db.clone(),
                bus: bus.clone(),
                settings: settings.clone(),
                careful: AtomicUsize::new(0),
            })
            .collect();
        let jobs = JobRunner { db: db.clone(), bus: bus.clone(), settings: settings.clone(), kinds };
        let turns = Semaphore::new(settings.handlers_at_once.max(1));
        Arc::new(Parts { bus, db, settings, consumers, jobs, schedules, turns })
    }
}

struct Parts {
    bus: Bus,
    db: Db,
    settings: Settings,
    consumers: Vec<ConsumerRunner>,
    jobs: JobRunner,
    schedules: Vec<Schedule>,
    turns: Semaphore,
}

type Stop = watch::Receiver<bool>;

/// Waits to be woken, for the time to pass or for the order to stop; whether to go on.
async fn pause(wake: &mut watch::Receiver<u64>, stop: &mut Stop, time: Duration) -> bool {
    tokio::select! {
        _ = stop.wait_for(|s| *s) => false,
        _ = wake.changed() => true,
        () = tokio::time::sleep(time) => true,
    }
}

impl Parts {
    /// The wait after the database did not answer; logged by whoever found out.
    fn outage(&self, what: &'static str, e: &dyn std::error::Error) -> Duration {
        tracing::warn!(what, error = %e, "the database does not answer; trying again");
        self.bus.metrics().add(Count::Outage, "", 1);
        self.settings.poll
    }

    async fn number(self: Arc<Self>, mut stop: Stop) {
        let mut wake = self.bus.on(Wake::Written);
        loop {
            wake.mark_unchanged();
            let wait = match outbox::number(&self.db).await {
                Ok(n) => {
                    if n > 0 {
                        self.bus.wake(Wake::Numbered);
                    }
                    self.settings.poll
                }
                Err(e) => self.outage("outbox", &e),
            };
            if !pause(&mut wake, &mut stop, wait).await {
                return;
            }
        }
    }

    async fn consume(self: Arc<Self>, i: usize, mut stop: Stop) {
        let Some(c) = self.consumers.get(i) else { return };
        let mut wake = self.bus.on(Wake::Numbered);
        while !*stop.borrow() {
            wake.mark_unchanged();
            let turn = self.turns.acquire().await;
            let step = c.step().await;
            drop(turn);
            let wait = match step {
                Ok(Step::Worked) => continue,
                Ok(Step::Busy) => self.settings.poll,
                Ok(Step::Nothing(until)) => until.map_or(self.settings.poll, |t| self.until(t)),
                Err(e) => self.outage(c.consumer.name, &e),
            };
            if !pause(&mut wake, &mut stop, wait).await {
                return;
            }
        }
    }

    /// At most a poll, at least a moment.
    fn until(&self, t: Timestamp) -> Duration {
        let us = t.since(self.bus.env().now()).max(1_000);
        Duration::from_micros(u64::try_from(us).unwrap_or(1_000)).min(self.settings.poll)
    }

    async fn work(self: Arc<Self>, mut stop: Stop) {
        let mut wake = self.bus.on(Wake::Jobs);
        let mut running = JoinSet::new();
        let (said, back) = watch::channel(false);
        let most = self.settings.jobs_at_once.max(1);
        while !*stop.borrow() {
            wake.mark_unchanged();
            while running.try_join_next().is_some() {}
            let free = most.saturating_sub(running.len());
            let wait = match self.jobs.claim(free).await {
                Ok(claimed) => {
                    let full = claimed.len() == free;
                    for c in claimed {
                        let (parts, back) = (Arc::clone(&self), back.clone());
                        running.spawn(async move { parts.jobs.run(c, back).await });
                    }
                    // With all hands busy the end of a job is what to wait for.
                    if full { DAY } else { self.next_job().await }
                }
                Err(e) => self.outage("jobs", &e),
            };
            tokio::select! {
                go = pause(&mut wake, &mut stop, wait) => if !go { break },
                _ = running.join_next(), if !running.is_empty() => {}
            }
        }
        let all = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(self.settings.grace, all).await.is_err() {
            said.send_replace(true);
            while running.join_next().await.is_some() {}
        }
    }

    async fn next_job(&self) -> Duration {
        let next = async { job::next_due(&mut self.db.read().await?).await };
        match next.await {
            Ok(Some(t)) => self.until(t),
            _ => self.settings.poll,
        }
    }

    async fn fire(self: Arc<Self>, mut stop: Stop) {
        // Nobody wakes this one: the clock does.
        let (_keep, mut wake) = watch::channel(0);
        loop {
            if let Err(e) = schedule::step(&self.db, &self.bus, &self.schedules).await {
                self.outage("schedules", &e);
            }
            if !pause(&mut wake, &mut stop, self.settings.poll).await {
                return;
            }
        }
    }

    async fn look_after(self: Arc<Self>, mut stop: Stop) {
        let (_keep, mut wake) = watch::channel(0);
        let mut cleaned: Option<Duration> = None;
        loop {
            match self.measure().await {
                Ok(gauges) => self.bus.metrics().set_gauges(gauges),
                Err(e) => drop(self.outage("measuring", &e)),
            }
            let now = self.bus.env().clock.monotonic();
            if cleaned.is_none_or(|c| now.saturating_sub(c) > CLEAN) {
                match self.clean().await {
                    Ok(()) => cleaned = Some(now),
                    Err(e) => drop(self.outage("cleaning", &e)),
                }
            }
            if !pause(&mut wake, &mut stop, MEASURE).await {
                return;
            }
        }
    }

    async fn clean(&self) -> Result<()> {
        let now = self.bus.env().now();
        outbox::forget(&self.db, now.minus(self.settings.keep_events)).await?;
        loop {
            let mut tx = self.db.begin().await?;
            let n = tx.execute(job::FORGET, params![now.minus(self.settings.keep_jobs)]).await?;
            tx.commit().await?;
            if n == 0 {
                return Ok(());
            }
        }
    }

    async fn measure(&self) -> Result<Vec<Reading>> {
        let gauge = |name, help, of: Option<&str>, value: f64| Reading {
            name,
            help,
            counter: false,
            labels: of.map(|o| vec![("of", o.to_owned())]).unwrap_or_default(),
            value,
        };
        let now = self.bus.env().now();
        let age = |t: i64| if t == 0 { 0.0 } else { now.micros().saturating_sub(t).max(0) as f64 / 1e6 };
        let mut tx = self.db.read().await?;
        let (n, oldest): (i64, i64) = tx.one(UNNUMBERED, &[]).await?;
        let mut out = vec![
            gauge(
                "kenroku_bus_outbox_unnumbered_rows",
                "Events without a place in the order yet.",
                None,
                n as f64,
            ),
            gauge(
                "kenroku_bus_outbox_unnumbered_age_seconds",
                "Age of the oldest of them.",
                None,
                age(oldest),
            ),
        ];
        let (n, oldest): (i64, i64) = tx.one(job::DUE, params![now]).await?;
        out.push(gauge(
            "kenroku_bus_jobs_due_rows",
            "Jobs that could run now, at most 10000.",
            None,
            n as f64,
        ));
        out.push(gauge(
            "kenroku_bus_jobs_due_age_seconds",
            "How long the oldest of them waits.",
            None,
            age(oldest),
        ));
        let (n,): (i64,) = tx.one(DEAD_JOBS, &[]).await?;
        out.push(gauge("kenroku_bus_jobs_dead_rows", "Jobs given up.", None, n as f64));
        for c in &self.consumers {
            let name = c.consumer.name;
            let (n, oldest) = c.behind().await?;
            out.push(gauge(
                "kenroku_bus_behind_rows",
                "Events a consumer has not handled, at most 10000.",
                Some(name),
                n as f64,
            ));
            out.push(gauge(
                "kenroku_bus_behind_age_seconds",
                "Age of the oldest of them.",
                Some(name),
                age(oldest),
            ));
            let (n,): (i64,) = tx.one(DEAD_EVENTS, params![name]).await?;
            out.push(gauge(
                "kenroku_bus_dead_events_rows",
                "Dead letters of a consumer.",
                Some(name),
                n as f64,
            ));
        }
        Ok(out)
    }
}

const UNNUMBERED: &Sql = sql!(
    "select count(*), coalesce(min(made_at), 0) from (
        select made_at, tenant from bus_outbox where pos is null limit 10000) as waiting
    /* @cross_tenant: a measure of the installation */"
);
const DEAD_JOBS: &Sql = sql!(
    "select count(*) from bus_job where state = 'dead' and ended_at is not null /* @cross_tenant: a measure of the installation */"
);
const DEAD_EVENTS: &Sql = sql!(
    "select count(*) from bus_dead where consumer = $1 /* @cross_tenant: a measure of the installation */"
);

#[cfg(test)]
mod tests {
    use kenroku_store::{SqlBuilder, Tx};
    use kenroku_types::{Env, Tenant};
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{Done, Enqueue, Event, Failed, Handle, Received, Running};

    const T: Tenant = Tenant::SHARED;

    #[derive(Serialize, Deserialize)]
    struct Said {}
    impl Event for Said {
        const NAME: &'static str = "probe.said";
    }

    #[derive(Serialize, Deserialize)]
    struct Try {
        well: bool,
    }
    impl Job for Try {
        const KIND: &'static str = "probe.try";
    }

    struct Probe;
    impl Handle<Said> for Probe {
        async fn handle(&self, _: &mut Tx, _: Received<Said>) -> std::result::Result<(), Failed> {
            Ok(())
        }
    }
    impl Work<Try> for Probe {
        async fn work(&self, run: &Running, job: Try) -> std::result::Result<Done, Failed> {
            if !job.well {
                return Err(Failed::never("it never works"));
            }
            run.finish(run.begin().await?).await
        }
    }

    fn worker(bus: &Bus, db: &Db) -> Worker {
        let w = Worker::new(bus.clone(), db.clone(), Settings::default());
        w.consumer(Consumer::new("probe.all").on(Probe)).job::<Try, _>(Probe)
    }

    async fn say(bus: &Bus, db: &Db) {
        let mut tx = db.begin().await.unwrap();
        bus.publish(&mut tx, T, &Said {}).await.unwrap();
        for well in [true, false] {
            bus.enqueue(&mut tx, T, &Try { well }, Enqueue::now()).await.unwrap();
            bus.env().clock.advance(Duration::from_millis(1));
        }
        tx.commit().await.unwrap();
    }

    async fn left(db: &Db) -> (i64, Vec<(String,)>) {
        let mut tx = db.read().await.unwrap();
        let events = SqlBuilder::new("select count(*) from bus_outbox /* @reference */");
        let jobs = SqlBuilder::new("select state from bus_job order by state /* @reference */");
        let events: Vec<(i64,)> = tx.all_dyn(&events).await.unwrap();
        (events[0].0, tx.all_dyn(&jobs).await.unwrap())
    }

    // PostgreSQL hands out due jobs in an order of its own.
    #[kenroku_store::test(&[crate::MIGRATIONS], concurrent)]
    async fn what_is_handled_and_done_goes_after_its_time_and_the_rest_stays(db: Db) {
        let bus = Bus::local(Env::fixed(Timestamp::from_secs(1_768_350_600), 7));
        let states = |all: &[&str]| all.iter().map(|s| ((*s).to_owned(),)).collect::<Vec<_>>();
        say(&bus, &db).await;
        worker(&bus, &db).drain().await.unwrap();
        let clean = || async { worker(&bus, &db).parts().clean().await.unwrap() };
        clean().await;
        assert_eq!(left(&db).await, (1, states(&["dead", "done"])), "everything is young");

        bus.env().clock.advance(8 * DAY);
        say(&bus, &db).await;
        worker(&bus, &db).drain().await.unwrap();
        clean().await;
        let kept = states(&["dead", "dead", "done"]);
        assert_eq!(left(&db).await, (1, kept), "dead letters wait for the operator");

        say(&bus, &db).await;
        outbox::number(&db).await.unwrap();
        bus.env().clock.advance(8 * DAY);
        clean().await;
        let kept = states(&["dead", "dead", "waiting", "waiting"]);
        assert_eq!(left(&db).await, (1, kept), "what nobody has handled stays, however old");
        worker(&bus, &db).drain().await.unwrap();
        clean().await;
        assert_eq!(left(&db).await.0, 0, "handled at last");
    }
}
