//! All histories of an [`Io`](crate::Io), and when those of sockets that are away are given up.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use engineio::Sid;
use tokio::time::Instant;

use super::history::{History, Ticket};

/// Who is known to the recovery.
#[derive(Default)]
pub(super) struct Table {
    /// The histories of all sockets that are connected or away, by pid.
    pub(super) histories: HashMap<Sid, Arc<History>>,
    /// The same in the order in which they began.
    in_order: BTreeMap<u64, Arc<History>>,
    /// Which of these is the next to be checked for old events.
    next_sweep: u64,
    /// Those that are away and not claimed, in the order in which they are given up.
    pub(super) away: BTreeMap<Ticket, Arc<History>>,
    pub(super) next_ticket: u64,
}

impl Table {
    pub(super) fn insert(&mut self, history: &Arc<History>) {
        self.histories.insert(history.pid(), Arc::clone(history));
        self.in_order.insert(history.number(), Arc::clone(history));
    }

    pub(super) fn remove(&mut self, history: &History) {
        self.histories.remove(&history.pid());
        self.in_order.remove(&history.number());
    }

    /// Drops events that clients have long received, in some of the histories: those that nothing is sent to would
    /// keep them forever. After the last history, it starts with the first again.
    pub(super) fn sweep(&mut self, now: Instant) {
        const TRAILS: usize = 16;
        let mut next = 0;
        for (number, history) in self.in_order.range(self.next_sweep..).take(TRAILS) {
            history.forget(now);
            next = number + 1;
        }
        self.next_sweep = next;
    }
}

#[cfg(test)]
impl Table {
    pub(super) fn is_empty(&self) -> bool {
        self.histories.is_empty() && self.in_order.is_empty() && self.away.is_empty()
    }
}
