//! Waking whoever waits, inside this process; and live updates for open pages.

use std::sync::Arc;

use tokio::sync::{broadcast, watch};

/// What there may be to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// Events without a position.
    Written,
    /// Events with a position, or a dead letter to replay.
    Numbered,
    /// Jobs.
    Jobs,
}

impl Wake {
    pub(crate) const ALL: [Wake; 3] = [Wake::Written, Wake::Numbered, Wake::Jobs];

    pub(crate) fn byte(self) -> u8 {
        match self {
            Wake::Written => b'w',
            Wake::Numbered => b'n',
            Wake::Jobs => b'j',
        }
    }

    pub(crate) fn of(b: u8) -> Option<Wake> {
        Self::ALL.into_iter().find(|w| w.byte() == b)
    }
}

/// A counter per kind: a waiter that was busy while it grew finds out at its next look, so no wake-up is lost.
#[derive(Debug)]
pub(crate) struct Wakes([watch::Sender<u64>; 3]);

impl Default for Wakes {
    fn default() -> Self {
        Wakes(std::array::from_fn(|_| watch::Sender::new(0)))
    }
}

impl Wakes {
    pub(crate) fn wake(&self, w: Wake) {
        self.0[w as usize].send_modify(|n| *n += 1);
    }

    pub(crate) fn on(&self, w: Wake) -> watch::Receiver<u64> {
        self.0[w as usize].subscribe()
    }
}

/// Something changed that an open page may show. It is a hint: the page reads the truth from the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Dotted, from the general to the special: `snow.segment.17211`.
    pub subject: Arc<str>,
    /// Small, and without personal data: it leaves the machine unsealed.
    pub bytes: Arc<[u8]>,
}

/// What a [`Listener`] hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// An update.
    Live(Live),
    /// Some updates may have been missed (too slow, or the line between the machines was cut): load everything anew.
    Missed,
}

/// Hears live updates of this and, through NATS, of the other processes.
#[derive(Debug)]
pub struct Listener {
    subject: String,
    updates: broadcast::Receiver<Update>,
}

impl Listener {
    pub(crate) fn new(subject: &str, updates: broadcast::Receiver<Update>) -> Self {
        Listener { subject: subject.to_owned(), updates }
    }

    /// The next update; `None` when the bus is gone.
    pub async fn next(&mut self) -> Option<Update> {
        loop {
            match self.updates.recv().await {
                Ok(Update::Live(l)) if !covers(&self.subject, &l.subject) => {}
                Ok(u) => return Some(u),
                Err(broadcast::error::RecvError::Lagged(_)) => return Some(Update::Missed),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// `snow` covers `snow` and `snow.segment`, not `snowfall`; the empty subject covers everything.
fn covers(wanted: &str, subject: &str) -> bool {
    wanted.is_empty()
        || subject.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_covered_part_by_part() {
        assert!(covers("", "a.b") && covers("a", "a") && covers("a", "a.b") && covers("a.b", "a.b.c"));
        assert!(!covers("a", "ab") && !covers("a.b", "a"));
    }

    #[test]
    fn wakes_have_their_own_byte() {
        for w in Wake::ALL {
            assert_eq!(Wake::of(w.byte()), Some(w));
        }
        assert_eq!(Wake::of(b'x'), None);
    }
}
