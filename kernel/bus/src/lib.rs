//! The bus: what happened is told to everybody who must know, and what must be done later is done once.
//!
//! **What it is.** [`Bus::publish`] writes a typed [`Event`] into the outbox in the transaction of the fact;
//! [`Consumer`]s follow the outbox with a cursor that moves in the transaction of their own writes;
//! [`Bus::enqueue`] queues a [`Job`]; [`Schedule`]s enqueue one by the clock of Japan; a [`Worker`] runs all of
//! them. [`Bus::fan_out`] tells open pages of every process that something changed.
//!
//! **What it is not.** No message broker: the database is the only truth, and a process that polls it once a
//! second misses nothing. NATS, when there is one, makes the same things happen sooner. Nothing that must not be
//! lost ever travels through it, and no personal data.
//!
//! # Invariants
//! - This is the only crate that names NATS.
//! - An event exists exactly when its fact does: same transaction.
//! - Positions become visible in their order: whoever has seen position N has seen everything below it.
//! - A consumer's writes and its cursor commit together: every event is handled once *with effect*, however often
//!   a process dies. What a handler does outside its transaction (mail, HTTP) is not covered: enqueue a job for it.
//! - One consumer handles one event at a time, in order, over all processes.
//! - A job's last writes and its completion commit together, and only for whoever holds the newest fence.
//! - Events, jobs, errors and live updates name people only by `SubjectId`.
//!
//! # How to add an event
//! In `contracts`: a struct with serde and `impl Event` (name `module.what-happened`, version 1). Changing it: raise
//! `VERSION` and write `upgrade`, so that rows of the previous release still read; add fields with a default.
//!
//! # How to add a consumer
//! A struct that implements [`Handle`] for the event, then `Consumer::new("module.purpose").on(MyHandler { … })` in
//! your module. Never rename a consumer: its name is its cursor.
//!
//! # How to add a job or a schedule
//! A struct with serde and `impl Job`; a struct that implements [`Work`] for it; `Worker::job`. By the clock:
//! `Schedule::new("module.what", "30 4 * * *", |at| MyJob { … })` and `Worker::schedule`.

mod bus;
mod consumer;
pub mod cron;
mod dead;
mod error;
mod event;
mod job;
mod metrics;
mod nats;
mod outbox;
mod retry;
mod runner;
mod schedule;
mod wake;
mod worker;

pub use bus::Bus;
pub use consumer::{Consumer, Handle};
pub use cron::Cron;
pub use dead::{ConsumerRow, DeadEvent};
pub use error::{Error, Failed, Result};
pub use event::{Event, Received};
pub use job::{Enqueue, Job, JobRow, JobState};
pub use metrics::Reading;
pub use nats::{Link, NatsSettings};
pub use retry::Backoff;
pub use runner::{Done, Running, Work};
pub use schedule::Schedule;
pub use wake::{Listener, Live, Update};
pub use worker::{Drained, Settings, Worker};

use kenroku_store::{ModuleMigrations, migrations};

/// The bus's tables; first in every program's list of migrations.
pub const MIGRATIONS: ModuleMigrations = migrations!(
    "bus",
    [
        pair "0001_outbox",
        "0002_outbox_position",
        "0003_cursor",
        "0004_job",
        "0005_job_due",
        "0006_job_unique",
        "0007_schedule",
        "0008_dead_consumer",
        "0009_job_ended",
    ]
);
