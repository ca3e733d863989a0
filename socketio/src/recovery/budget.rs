//! The bytes that recovery may use.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes in use. Each kept event adds and subtracts its own.
pub(crate) struct Budget {
    pub(super) limit: usize,
    used: AtomicUsize,
}

/// How much of the budget is gone.
pub(super) enum Shortage {
    None,
    /// More than half.
    Half,
    /// More than all.
    All,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Budget {
        Budget { limit, used: AtomicUsize::new(0) }
    }

    pub(super) fn add(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn sub(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Events that connected clients may have missed can use half, so that they don't evict events that clients have
    /// missed.
    pub(super) fn shortage(&self) -> Shortage {
        match self.used() {
            used if used > self.limit => Shortage::All,
            used if used > self.limit / 2 => Shortage::Half,
            _ => Shortage::None,
        }
    }
}
