//! How much memory clients together may use, and what happens when it runs short.

use std::sync::Arc;

use super::{ALLOWANCE, Holder, Holders, held};

/// How many bytes the process may hold for all clients together.
///
/// ```text
///   0 ───────────────────────────── 3/4 ────────────── 7/8 ────────────── 1
///   everybody may have more      those who hold     clients are        whoever holds
///                                most are put       slowed down        ALLOWANCE or more
///                                out down to here   from here          gets nothing more
/// ```
/// It is one pointer, since each session has several: to the limit, or to nothing if there is none.
#[derive(Clone, Debug, Default)]
pub struct Budget(Option<Arc<MemoryLimit>>);

#[derive(Debug)]
struct MemoryLimit {
    bytes: usize,
    holders: Arc<Holders>,
}

impl Budget {
    /// A budget of this many bytes. When they run short, it ends those of `holders` that hold most.
    #[must_use]
    pub fn new(bytes: usize, holders: Arc<Holders>) -> Budget {
        Budget(Some(Arc::new(MemoryLimit { bytes, holders })))
    }

    /// Whether `bytes` more of a client's data fit. If memory runs short, this first ends the sessions that
    /// hold most. Don't call it while you hold a lock that a [`Holder`](super::Holder) takes.
    #[must_use]
    pub fn admits(&self, bytes: usize) -> bool {
        bytes < ALLOWANCE || self.admits_beside(bytes, 0)
    }

    /// The same, if `own` of the bytes that are counted already are those to be admitted.
    pub(crate) fn admits_beside(&self, bytes: usize, own: usize) -> bool {
        let Some(limit) = self.0.as_deref().filter(|_| bytes >= ALLOWANCE) else { return true };
        let held_by_others = || held().saturating_sub(own);
        if held_by_others() < limit.short() {
            return true;
        }
        limit.relieve();
        held_by_others() < limit.bytes
    }

    /// Whether memory runs short, so that `bytes` more of a client's data should wait.
    #[must_use]
    pub fn is_short(&self, bytes: usize) -> bool {
        bytes >= ALLOWANCE && self.0.as_ref().is_some_and(|limit| held() >= limit.short())
    }

    /// Ends the sessions that hold most, if memory runs short.
    pub fn relieve(&self) {
        if let Some(limit) = &self.0
            && held() >= limit.short()
        {
            limit.relieve();
        }
    }

    /// Lists a holder among those that may be ended.
    pub(crate) fn enter<H: Holder + 'static>(&self, holder: &Arc<H>) {
        if let Some(limit) = &self.0 {
            limit.holders.enter(holder);
        }
    }

    /// Removes a holder.
    pub(crate) fn leave<H: Holder>(&self, holder: &Arc<H>) {
        if let Some(limit) = &self.0 {
            limit.holders.leave(holder);
        }
    }
}

impl MemoryLimit {
    fn relieve(&self) {
        self.holders.relieve(self.bytes);
    }

    /// From this point on clients are slowed down, and those that hold most are evicted.
    fn short(&self) -> usize {
        self.bytes - self.bytes / 8
    }
}
