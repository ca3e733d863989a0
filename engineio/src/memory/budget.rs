//! How much memory clients together may use, and what happens when it runs short.

use std::sync::Arc;

use super::{ALLOWANCE, Holders, held};

/// How many bytes the process may hold for all clients together.
///
/// ```text
///   0 ───────────────────────────── 3/4 ────────────── 7/8 ────────────── 1
///   everybody may have more      those who hold     clients are        whoever holds
///                                most are put       slowed down        ALLOWANCE or more
///                                out down to here   from here          gets nothing more
/// ```
#[derive(Clone, Debug)]
pub struct Budget {
    bytes: usize,
    /// `None` without a limit. Every mailbox begins with such a budget, which needs no memory.
    holders: Option<Arc<Holders>>,
}

impl Budget {
    /// A budget of this many bytes. When they run short, it ends those of `holders` that hold most.
    #[must_use]
    pub fn new(bytes: usize, holders: Arc<Holders>) -> Budget {
        Budget { bytes, holders: Some(holders) }
    }

    /// Whether `bytes` more of a client's data fit. If memory runs short, this first ends the sessions that
    /// hold most. Don't call it while you hold a lock that a [`Holder`](super::Holder) takes.
    #[must_use]
    pub fn admits(&self, bytes: usize) -> bool {
        bytes < ALLOWANCE || self.admits_beside(bytes, 0)
    }

    /// The same, if `own` of the bytes that are counted already are those to be admitted.
    pub(crate) fn admits_beside(&self, bytes: usize, own: usize) -> bool {
        if bytes < ALLOWANCE {
            return true;
        }
        let held_by_others = || held().saturating_sub(own);
        if held_by_others() < self.short() {
            return true;
        }
        self.relieve_holders();
        held_by_others() < self.bytes
    }

    /// Whether memory runs short, so that `bytes` more of a client's data should wait.
    #[must_use]
    pub fn is_short(&self, bytes: usize) -> bool {
        bytes >= ALLOWANCE && held() >= self.short()
    }

    /// Ends the sessions that hold most, if memory runs short.
    pub fn relieve(&self) {
        if held() >= self.short() {
            self.relieve_holders();
        }
    }

    fn relieve_holders(&self) {
        if let Some(holders) = &self.holders {
            holders.relieve(self.bytes);
        }
    }

    /// From this point on clients are slowed down, and those that hold most are evicted.
    fn short(&self) -> usize {
        self.bytes - self.bytes / 8
    }
}

impl Default for Budget {
    /// No limit.
    fn default() -> Budget {
        Budget { bytes: usize::MAX, holders: None }
    }
}
