//! What operators watch: counters as they happen, depths and ages as the worker last saw them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// One number for the metrics page.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// `kenroku_bus_…` with its unit at the end.
    pub name: &'static str,
    /// What it is, in one sentence.
    pub help: &'static str,
    /// Whether it only ever grows.
    pub counter: bool,
    /// Labels.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: f64,
}

/// What is counted: name and help, in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Count {
    Handled,
    HandlerFailed,
    HandlerDead,
    JobDone,
    JobFailed,
    JobDead,
    JobLost,
    ScheduleFired,
    LiveDropped,
    Outage,
}

impl Count {
    fn text(self) -> (&'static str, &'static str) {
        match self {
            Count::Handled => ("kenroku_bus_events_handled_total", "Events handled, by consumer."),
            Count::HandlerFailed => ("kenroku_bus_event_failures_total", "Failed attempts, by consumer."),
            Count::HandlerDead => ("kenroku_bus_events_dead_total", "Events given up, by consumer."),
            Count::JobDone => ("kenroku_bus_jobs_done_total", "Jobs completed, by kind."),
            Count::JobFailed => ("kenroku_bus_job_failures_total", "Failed attempts, by kind."),
            Count::JobDead => ("kenroku_bus_jobs_dead_total", "Jobs given up, by kind."),
            Count::JobLost => {
                ("kenroku_bus_jobs_lost_total", "Jobs taken over or cancelled while they ran, by kind.")
            }
            Count::ScheduleFired => {
                ("kenroku_bus_schedule_runs_total", "Jobs enqueued by the clock, by schedule.")
            }
            Count::LiveDropped => {
                ("kenroku_bus_live_dropped_total", "Live updates not sent to other machines.")
            }
            Count::Outage => {
                ("kenroku_bus_database_outages_total", "Steps put off because the database did not answer.")
            }
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    counts: Mutex<BTreeMap<(Count, &'static str), u64>>,
    gauges: Mutex<Vec<Reading>>,
}

impl Metrics {
    /// `of` is the consumer, kind or schedule; empty where there is none.
    pub(crate) fn add(&self, c: Count, of: &'static str, n: u64) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry((c, of)).or_default() += n;
    }

    pub(crate) fn set_gauges(&self, gauges: Vec<Reading>) {
        *self.gauges.lock().unwrap_or_else(PoisonError::into_inner) = gauges;
    }

    pub(crate) fn readings(&self) -> Vec<Reading> {
        let mut out = self.gauges.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for ((c, of), n) in self.counts.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let (name, help) = c.text();
            let labels = if of.is_empty() { Vec::new() } else { vec![("of", (*of).to_owned())] };
            out.push(Reading { name, help, counter: true, labels, value: *n as f64 });
        }
        out
    }
}
