//! What all clients count together.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use socketio_load::Histogram;
use std::time::Duration;
use tokio::sync::Notify;

/// Counts, and the times since somebody looked last.
#[derive(Debug)]
pub(super) struct Figures {
    sent: AtomicU64,
    back: AtomicU64,
    /// As many as are to come back, once that is known.
    expected: AtomicU64,
    all_back: Notify,
    times: Mutex<Times>,
}

/// How long messages took.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// From when they were due until they were back.
    pub(super) latency: Histogram,
    /// From when they were due until they were given to their sessions: the part of that which is the bench's own.
    pub(super) late: Histogram,
    /// When the last of those that count was back, since the first message of all was due.
    pub(super) last_back: Duration,
}

impl Default for Figures {
    fn default() -> Figures {
        Figures {
            sent: AtomicU64::new(0),
            back: AtomicU64::new(0),
            expected: AtomicU64::new(u64::MAX),
            all_back: Notify::new(),
            times: Mutex::default(),
        }
    }
}

impl Figures {
    /// A message was sent; so long after it was due, if that counts.
    pub(super) fn count_sent(&self, late: Option<Duration>) {
        self.sent.fetch_add(1, Ordering::AcqRel);
        if let Some(late) = late {
            self.times.lock().late.record(late, 1);
        }
    }

    /// A message is back, at that time since the first of all was due; so long after it was due itself, if that counts.
    pub(super) fn count_back(&self, at: Duration, latency: Option<Duration>) {
        if let Some(latency) = latency {
            let mut times = self.times.lock();
            times.latency.record(latency, 1);
            times.last_back = times.last_back.max(at);
        }
        if self.back.fetch_add(1, Ordering::AcqRel) + 1 >= self.expected.load(Ordering::Acquire) {
            self.all_back.notify_one();
        }
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    pub(super) fn back(&self) -> u64 {
        self.back.load(Ordering::Acquire)
    }

    /// The times since this was called last.
    pub(super) fn take_times(&self) -> Times {
        std::mem::take(&mut *self.times.lock())
    }

    /// Waits until so many are back.
    pub(super) async fn all_back(&self, expected: u64) {
        self.expected.store(expected, Ordering::Release);
        while self.back() < expected {
            self.all_back.notified().await;
        }
    }
}
