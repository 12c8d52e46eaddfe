//! [`Consumer`]: handles events in order, each once with effect.

use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kenroku_store::{Db, Sql, SqlBuilder, Tx, params, sql, sql_pair};
use kenroku_types::Timestamp;

use crate::bus::Bus;
use crate::dead;
use crate::error::{Failed, How};
use crate::event::{Event, Received, Stored};
use crate::metrics::Count;
use crate::outbox;
use crate::worker::Settings;

/// Acts upon an event.
///
/// Everything it writes goes through `tx`, which also moves the cursor: it is committed together or not at all. The
/// same event may come again after a failure, and then nothing of the earlier attempt is there. Do nothing slow and
/// nothing outside the database here; enqueue a job for that.
pub trait Handle<E: Event>: Send + Sync + 'static {
    /// Handles one event. An error is tried again, then goes to the dead letters.
    fn handle(&self, tx: &mut Tx, event: Received<E>) -> impl Future<Output = Result<(), Failed>> + Send;
}

/// A name with its cursor, and what it does with which events.
pub struct Consumer {
    pub(crate) name: &'static str,
    from_now: bool,
    handlers: Vec<(&'static str, Arc<dyn DynHandle>)>,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer").field("name", &self.name).field("events", &self.names()).finish()
    }
}

trait DynHandle: Send + Sync {
    fn call<'a>(&'a self, tx: &'a mut Tx, e: &'a Stored) -> BoxFuture<'a, Result<(), Failed>>;
}

struct Typed<E, H>(H, PhantomData<fn() -> E>);

impl<E: Event, H: Handle<E>> DynHandle for Typed<E, H> {
    fn call<'a>(&'a self, tx: &'a mut Tx, e: &'a Stored) -> BoxFuture<'a, Result<(), Failed>> {
        Box::pin(async move { self.0.handle(tx, e.decode::<E>()?).await })
    }
}

impl Consumer {
    /// A consumer without events yet. `name` is `module.purpose` and is its cursor: never change it. A new consumer
    /// begins with the oldest event that is still kept.
    pub fn new(name: &'static str) -> Self {
        Consumer { name, from_now: false, handlers: Vec::new() }
    }

    /// Handles one more event. When `h` handles several: `.on::<PassSettled, _>(h.clone())`.
    #[must_use]
    pub fn on<E: Event, H: Handle<E>>(mut self, h: H) -> Self {
        self.handlers.push((E::NAME, Arc::new(Typed(h, PhantomData::<fn() -> E>))));
        self
    }

    /// When it is new, begins with the events after its first start instead of the oldest that is kept: for what only
    /// makes sense at once, such as notifications.
    #[must_use]
    pub fn from_now(mut self) -> Self {
        self.from_now = true;
        self
    }

    /// The events it handles.
    pub fn names(&self) -> Vec<&'static str> {
        self.handlers.iter().map(|h| h.0).collect()
    }
}

const LOOK: &Sql = sql!(
    "select c.pos, c.next_at, h.last, c.attempts from bus_cursor c, bus_head h where c.consumer = $1 and h.one = 1
    /* @reference */"
);
const CREATE: &Sql = sql!(
    "insert into bus_cursor (consumer, pos, attempts, moved_at)
    select $1, case when $3 then last else 0 end, 0, $2 from bus_head where one = 1
    on conflict (consumer) do nothing /* @reference */"
);
const CLAIM: &Sql = sql_pair!(
    why: "on PostgreSQL a row lock keeps one process per consumer, ends with its connection and passes by who is busy; SQLite has one writer",
    sqlite: "select pos, attempts, '1min' from bus_cursor where consumer = $1 /* @reference */",
    postgres: "select pos, attempts, set_config('idle_in_transaction_session_timeout', '1min', true) from bus_cursor
        where consumer = $1 for update skip locked /* @reference */",
);
const MOVE: &Sql = sql!(
    "update bus_cursor set pos = $2, attempts = 0, next_at = null, error = null, moved_at = $3 where consumer = $1
    /* @reference */"
);
const PUT_OFF: &Sql = sql!(
    "update bus_cursor set attempts = $2, next_at = $3, error = $4 where consumer = $1 /* @reference */"
);

/// Passing events of no interest is written down only this often.
const SKIP: i64 = 500;
/// A batch that took this long is committed, so that other writers get their turn.
const BATCH_TIME: Duration = Duration::from_millis(50);

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There may be more at once.
    Worked,
    /// Nothing to do now; a failed event is due again at the given time.
    Nothing(Option<Timestamp>),
    /// Another process is at it.
    Busy,
}

pub(crate) struct ConsumerRunner {
    pub consumer: Consumer,
    pub db: Db,
    pub bus: Bus,
    pub settings: Settings,
    /// After a failure inside a batch, so many events are handled one by one to find the culprit.
    pub careful: AtomicUsize,
}

impl ConsumerRunner {
    /// One batch, one replay, or nothing. An error means that the database does not answer.
    pub(crate) async fn step(&self) -> kenroku_store::Result<Step> {
        let name = self.consumer.name;
        let now = self.bus.env().now();
        let mut r = self.db.read().await?;
        let look: Option<(i64, Option<Timestamp>, i64, u32)> = r.opt(LOOK, params![name]).await?;
        let Some((pos, next_at, head, attempts)) = look else {
            drop(r);
            let mut tx = self.db.begin().await?;
            tx.execute(CREATE, params![name, now, self.consumer.from_now]).await?;
            tx.commit().await?;
            return Ok(Step::Worked);
        };
        let replay = dead::replayable(&mut r, name).await?;
        if let Some((dead, tried)) = replay {
            drop(r);
            return self.replay(dead, tried, now).await;
        }
        if let Some(t) = next_at.filter(|t| *t > now) {
            return Ok(Step::Nothing(Some(t)));
        }
        let careful = attempts > 0 || self.careful.load(Ordering::Relaxed) > 0;
        let limit = if careful { 1 } else { self.settings.batch.max(1) };
        let events = match outbox::after(&mut r, &self.consumer.names(), pos, head, limit).await {
            Ok(events) => events,
            Err(crate::Error::Store(e)) => return Err(e),
            Err(e) => return Err(kenroku_store::Error::Other(e.to_string())),
        };
        drop(r);
        if events.is_empty() {
            if head - pos >= SKIP {
                self.move_to(pos, head, now).await?;
            }
            return Ok(Step::Nothing(None));
        }
        self.batch(pos, events, now).await
    }

    /// How many events wait for it (at most 10,000) and when the oldest was published (0 when none waits).
    pub(crate) async fn behind(&self) -> kenroku_store::Result<(i64, i64)> {
        let mut r = self.db.read().await?;
        let look: Option<(i64, Option<Timestamp>, i64)> = r.opt(LOOK, params![self.consumer.name]).await?;
        let Some((pos, _, head)) = look else { return Ok((0, 0)) };
        let mut q = SqlBuilder::new(
            "select count(*), coalesce(min(made_at), 0) from (select made_at from bus_outbox",
        );
        q.push(" where pos > ").bind(pos).push(" and pos <= ").bind(head);
        q.push(" and name in ").bind_list(self.consumer.names());
        q.push(" order by pos limit 10000) as waiting /* @cross_tenant: a measure of the installation */");
        Ok(r.all_dyn(&q).await?.pop().unwrap_or((0, 0)))
    }

    /// Begins a transaction that holds this consumer, if it still stands at `pos`.
    async fn claim(&self, pos: i64) -> kenroku_store::Result<Claim> {
        let mut tx = self.db.begin().await?;
        Ok(match tx.opt::<(i64, u32)>(CLAIM, params![self.consumer.name]).await? {
            Some((p, attempts)) if p == pos => Claim::Held(tx, attempts),
            Some(_) => {
                tx.rollback().await?;
                Claim::Moved
            }
            None => {
                tx.rollback().await?;
                Claim::Busy
            }
        })
    }

    async fn move_to(&self, pos: i64, to: i64, now: Timestamp) -> kenroku_store::Result<()> {
        if let Claim::Held(mut tx, _) = self.claim(pos).await? {
            tx.execute_one(MOVE, params![self.consumer.name, to, now]).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn batch(&self, pos: i64, events: Vec<Stored>, now: Timestamp) -> kenroku_store::Result<Step> {
        let mut tx = match self.claim(pos).await? {
            Claim::Held(tx, _) => tx,
            Claim::Moved => return Ok(Step::Worked),
            Claim::Busy => return Ok(Step::Busy),
        };
        let began = self.bus.env().clock.monotonic();
        let (mut done, mut last) = (0, pos);
        for e in &events {
            if let Err(f) = self.call(&mut tx, e).await {
                undo(tx).await;
                return self.failed(pos, &events, e, f, now).await;
            }
            (done, last) = (done + 1, e.position);
            if self.bus.env().clock.monotonic().saturating_sub(began) > BATCH_TIME {
                break;
            }
        }
        let r = match tx.execute_one(MOVE, params![self.consumer.name, last, now]).await {
            Ok(()) => tx.commit().await,
            Err(e) => Err(e),
        };
        if let Err(e) = r {
            // A handler may have swallowed an error that spoilt the transaction.
            let culprit = events.iter().find(|e| e.position == last);
            return match culprit {
                Some(c) => self.failed(pos, &events, c, e.into(), now).await,
                None => Err(e),
            };
        }
        self.bus.metrics().add(Count::Handled, self.consumer.name, done as u64);
        let careful = self.careful.load(Ordering::Relaxed);
        self.careful.store(careful.saturating_sub(done), Ordering::Relaxed);
        Ok(Step::Worked)
    }

    async fn call(&self, tx: &mut Tx, e: &Stored) -> Result<(), Failed> {
        let Some((_, h)) = self.consumer.handlers.iter().find(|h| h.0 == e.name) else { return Ok(()) };
        let call = AssertUnwindSafe(h.call(tx, e)).catch_unwind();
        match tokio::time::timeout(self.settings.handler_time, call).await {
            Ok(Ok(r)) => r,
            Ok(Err(_)) => Err(Failed::again("the handler panicked; the log has the place")),
            Err(_) => Err(Failed::again("the handler took too long; slow work belongs into a job")),
        }
    }

    /// Nothing of the batch is in the database now.
    async fn failed(
        &self,
        pos: i64,
        events: &[Stored],
        e: &Stored,
        f: Failed,
        now: Timestamp,
    ) -> kenroku_store::Result<Step> {
        if f.how == How::Outage {
            return Err(kenroku_store::Error::Busy(f.why));
        }
        if events.len() > 1 {
            self.careful.store(events.len(), Ordering::Relaxed);
            return Ok(Step::Worked);
        }
        let name = self.consumer.name;
        let Claim::Held(mut tx, attempts) = self.claim(pos).await? else { return Ok(Step::Worked) };
        let attempts = attempts.saturating_add(1);
        let backoff = self.settings.events;
        self.bus.metrics().add(Count::HandlerFailed, name, 1);
        if f.how == How::Never || attempts >= backoff.attempts {
            dead::bury(&mut tx, name, e, attempts, &f.why, now).await?;
            tx.execute_one(MOVE, params![name, e.position, now]).await?;
            tx.commit().await?;
            self.careful.store(0, Ordering::Relaxed);
            self.bus.metrics().add(Count::HandlerDead, name, 1);
            tracing::error!(consumer = name, event = %e.id, name = e.name, attempts, error = f.why, "event given up");
            return Ok(Step::Worked);
        }
        let next = now.plus(backoff.wait(attempts, &self.bus.env().rng));
        tx.execute_one(PUT_OFF, params![name, attempts, next, f.why.as_str()]).await?;
        tx.commit().await?;
        tracing::warn!(consumer = name, event = %e.id, name = e.name, attempts, error = f.why, "event failed");
        Ok(Step::Nothing(Some(next)))
    }

    /// Handles a dead letter again. It leaves the dead letters in the transaction of the handler's writes.
    async fn replay(&self, e: Stored, attempts: u32, now: Timestamp) -> kenroku_store::Result<Step> {
        let name = self.consumer.name;
        let mut tx = self.db.begin().await?;
        if tx.opt::<(i64, u32)>(CLAIM, params![name]).await?.is_none() {
            tx.rollback().await?;
            return Ok(Step::Busy);
        }
        if !dead::take(&mut tx, name, &e).await? {
            tx.rollback().await?;
            return Ok(Step::Worked);
        }
        let r = match self.call(&mut tx, &e).await {
            Ok(()) => tx.commit().await.map_err(Failed::from),
            Err(f) => {
                undo(tx).await;
                Err(f)
            }
        };
        match r {
            Ok(()) => self.bus.metrics().add(Count::Handled, name, 1),
            Err(f) if f.how == How::Outage => return Err(kenroku_store::Error::Busy(f.why)),
            Err(f) => {
                let mut tx = self.db.begin().await?;
                dead::bury(&mut tx, name, &e, attempts.saturating_add(1), &f.why, now).await?;
                tx.commit().await?;
                self.bus.metrics().add(Count::HandlerFailed, name, 1);
            }
        }
        Ok(Step::Worked)
    }
}

/// Waits until the server has undone it: a dropped transaction holds its locks until the server notices, and the
/// next step would find this consumer busy with nothing.
async fn undo(tx: Tx) {
    if let Err(e) = tx.rollback().await {
        tracing::debug!(error = %e, "undone by losing the connection");
    }
}

#[expect(clippy::large_enum_variant, reason = "lives for a moment on the stack")]
enum Claim {
    Held(Tx, u32),
    Moved,
    Busy,
}
