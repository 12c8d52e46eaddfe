//! How far a long command is: a line that moves on a terminal, a line now and then in a log.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use kenroku_types::Clock;

/// Tells on standard error how far something is.
pub struct Progress {
    what: &'static str,
    clock: Clock,
    started: Duration,
    told: Option<Duration>,
    terminal: bool,
}

impl Progress {
    /// Begins to count the time.
    pub fn new(what: &'static str) -> Self {
        let clock = Clock::system();
        let started = clock.monotonic();
        Progress { what, started, told: None, clock, terminal: std::io::stderr().is_terminal() }
    }

    /// `done` of `all` (0: unknown). Says so at most five times a second on a terminal, every ten seconds else.
    pub fn at(&mut self, done: u64, all: u64) {
        let now = self.clock.monotonic();
        let pause = if self.terminal { Duration::from_millis(200) } else { Duration::from_secs(10) };
        if self.told.is_some_and(|t| now.saturating_sub(t) < pause) {
            return;
        }
        self.told = Some(now);
        let share = (done * 100).checked_div(all).map_or_else(|| done.to_string(), |p| format!("{p:3} %"));
        let end = if self.terminal { "\r" } else { "\n" };
        let _ = write!(std::io::stderr(), "{}: {share}{end}", self.what);
    }

    /// Seconds since the beginning, for the summary; ends the moving line.
    pub fn finish(self) -> f64 {
        if self.terminal && self.told.is_some() {
            let _ = writeln!(std::io::stderr());
        }
        self.clock.monotonic().saturating_sub(self.started).as_secs_f64()
    }
}
