//! Dead letters: events a consumer gave up on. Operators see them, replay them or discard them; they are kept until
//! then.

use kenroku_store::{Sql, Tx, params, row, sql};
use kenroku_types::ids::EventId;
use kenroku_types::{Tenant, Timestamp};

use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::event::Stored;
use crate::wake::Wake;

/// An event that a consumer gave up on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadEvent {
    /// Whose event.
    pub tenant: Tenant,
    /// Who gave up.
    pub consumer: String,
    /// The event.
    pub event: EventId,
    /// Its name.
    pub name: String,
    /// Its payload, JSON.
    pub payload: String,
    /// When it was published.
    pub made_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// What the handler said last.
    pub error: String,
    /// When it was given up.
    pub died_at: Timestamp,
    /// Asked to be replayed, and not yet tried again.
    pub replay_at: Option<Timestamp>,
}
row!(DeadEvent { tenant, consumer, event, name, payload, made_at, attempts, error, died_at, replay_at });

/// A consumer that has a cursor, whether or not the program still has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerRow {
    /// Its name.
    pub consumer: String,
    /// The last position it has handled or passed.
    pub position: i64,
    /// Positions after it, of events of any name.
    pub behind: i64,
    /// Failed attempts of the event it stands before.
    pub attempts: u32,
    /// When that is tried again.
    pub next_at: Option<Timestamp>,
    /// What it said last.
    pub error: Option<String>,
    /// When it last moved.
    pub moved_at: Timestamp,
}
row!(ConsumerRow { consumer, position, behind, attempts, next_at, error, moved_at });

const CONSUMERS: &Sql = sql!(
    "select c.consumer, c.pos, h.last - c.pos, c.attempts, c.next_at, c.error, c.moved_at
    from bus_cursor c, bus_head h where h.one = 1 order by c.consumer /* @reference */"
);
const LIST: &Sql = sql!(
    "select tenant, consumer, event, name, payload, made_at, attempts, error, died_at, replay_at from bus_dead
    order by consumer, pos limit $1 /* @cross_tenant: the operator of the installation sees all */"
);
const REPLAYABLE: &Sql = sql!(
    "select tenant, event, name, version, payload, made_at, pos, attempts from bus_dead
    where consumer = $1 and replay_at is not null order by pos limit 1 /* @cross_tenant: as consumers do */"
);
const TAKE: &Sql =
    sql!("delete from bus_dead where tenant = $1 and consumer = $2 and event = $3 and replay_at is not null");
const BURY: &Sql = sql!(
    "insert into bus_dead (tenant, consumer, event, name, version, payload, made_at, pos, attempts, error, died_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    on conflict (tenant, consumer, event) do update
    set attempts = excluded.attempts, error = excluded.error, died_at = excluded.died_at, replay_at = null"
);
const REPLAY: &Sql =
    sql!("update bus_dead set replay_at = $4 where tenant = $1 and consumer = $2 and event = $3");
const REPLAY_ALL: &Sql =
    sql!("update bus_dead set replay_at = $2 where consumer = $1 /* @cross_tenant: as consumers do */");
const DISCARD: &Sql = sql!("delete from bus_dead where tenant = $1 and consumer = $2 and event = $3");
const FORGET_CURSOR: &Sql = sql!("delete from bus_cursor where consumer = $1 /* @reference */");
const FORGET_DEAD: &Sql =
    sql!("delete from bus_dead where consumer = $1 /* @cross_tenant: as consumers do */");

struct Replay(Stored, u32);
impl kenroku_store::FromRow for Replay {
    fn from_row(r: &kenroku_store::Row<'_>) -> kenroku_store::Result<Self> {
        Ok(Replay(Stored::from_row(r)?, r.get(7)?))
    }
}

/// The next dead letter somebody wants replayed, and how often it was tried.
pub(crate) async fn replayable(tx: &mut Tx, consumer: &str) -> kenroku_store::Result<Option<(Stored, u32)>> {
    Ok(tx.opt::<Replay>(REPLAYABLE, params![consumer]).await?.map(|r| (r.0, r.1)))
}

/// Takes it out of the dead letters, if it is still there to be replayed.
pub(crate) async fn take(tx: &mut Tx, consumer: &str, e: &Stored) -> kenroku_store::Result<bool> {
    Ok(tx.execute(TAKE, params![e.tenant, consumer, e.id]).await? == 1)
}

pub(crate) async fn bury(
    tx: &mut Tx,
    consumer: &str,
    e: &Stored,
    attempts: u32,
    why: &str,
    now: Timestamp,
) -> kenroku_store::Result<()> {
    let values = params![
        e.tenant,
        consumer,
        e.id,
        e.name.as_str(),
        e.version,
        e.payload.as_str(),
        e.at,
        e.position,
        attempts,
        why,
        now
    ];
    tx.execute(BURY, values).await.map(drop)
}

impl Bus {
    /// Everybody who follows the events.
    pub async fn consumers(&self, tx: &mut Tx) -> Result<Vec<ConsumerRow>> {
        Ok(tx.all(CONSUMERS, &[]).await?)
    }

    /// The dead letters, by consumer and then in the order of events.
    pub async fn dead_events(&self, tx: &mut Tx, limit: u32) -> Result<Vec<DeadEvent>> {
        Ok(tx.all(LIST, params![limit]).await?)
    }

    /// Asks the consumer to handle a dead letter again, before whatever else it has to do.
    pub async fn replay(&self, tx: &mut Tx, tenant: Tenant, consumer: &str, event: EventId) -> Result<()> {
        let n = tx.execute(REPLAY, params![tenant, consumer, event, self.env().now()]).await?;
        self.wake_after(tx, Wake::Numbered);
        if n == 1 { Ok(()) } else { Err(Error::NotThere("dead letter")) }
    }

    /// Asks for all dead letters of a consumer; how many there are.
    pub async fn replay_all(&self, tx: &mut Tx, consumer: &str) -> Result<u64> {
        let n = tx.execute(REPLAY_ALL, params![consumer, self.env().now()]).await?;
        self.wake_after(tx, Wake::Numbered);
        Ok(n)
    }

    /// Deletes a dead letter for good.
    pub async fn discard(&self, tx: &mut Tx, tenant: Tenant, consumer: &str, event: EventId) -> Result<()> {
        match tx.execute(DISCARD, params![tenant, consumer, event]).await? {
            1 => Ok(()),
            _ => Err(Error::NotThere("dead letter")),
        }
    }

    /// Forgets a consumer that the program no longer has, with its dead letters: until then its cursor keeps events
    /// from being deleted.
    pub async fn forget_consumer(&self, tx: &mut Tx, consumer: &str) -> Result<()> {
        tx.execute(FORGET_DEAD, params![consumer]).await?;
        match tx.execute(FORGET_CURSOR, params![consumer]).await? {
            1 => Ok(()),
            _ => Err(Error::NotThere("consumer")),
        }
    }
}
