//! What it shows while it goes on, on standard error.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use socketio_load::Histogram;

use super::figures::Figures;
use super::report::{Connects, ms};
use crate::output;

/// How often a line comes where nobody watches, in seconds.
const SELDOM: u64 = 10;

/// A line that is written again each second; where there is no terminal, a line now and then.
pub(super) struct Progress {
    terminal: bool,
    shown: u64,
    sent: u64,
    back: u64,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress { terminal: io::stderr().is_terminal(), shown: 0, sent: 0, back: 0 }
    }

    pub(super) fn connecting(&mut self, elapsed: Duration, connects: &Connects) {
        let (joined, asked, failed) = (connects.times.count(), connects.asked, connects.failed());
        self.show(&format!(
            "{} s: {joined} of {asked} clients connected, {failed} failed",
            elapsed.as_secs()
        ));
    }

    /// `latency` is that of the last second.
    pub(super) fn measuring(&mut self, elapsed: Duration, figures: &Figures, latency: &Histogram) {
        let (sent, back) = (figures.sent(), figures.back());
        let times = match latency.count() {
            // Nothing came back, or nothing that counts.
            0 => String::new(),
            _ => format!(", p50 {}, p99 {}", ms(latency.percentile(0.5)), ms(latency.percentile(0.99))),
        };
        self.show(&format!(
            "{} s: {} sent and {} back in the last second{times}",
            elapsed.as_secs(),
            sent - self.sent,
            back - self.back,
        ));
        (self.sent, self.back) = (sent, back);
    }

    fn show(&mut self, line: &str) {
        if self.terminal {
            output::complain(&format!("\r{line}\x1b[K"));
        } else if self.shown.is_multiple_of(SELDOM) {
            output::complain(&format!("{line}\n"));
        }
        self.shown += 1;
    }

    /// Leaves the terminal as it was.
    pub(super) fn end(&self) {
        if self.terminal {
            output::complain("\r\x1b[K");
        }
    }
}
