//! All trails of an [`Io`](crate::Io), and when those of sockets that are away are given up.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use engineio::Sid;
use tokio::time::Instant;

use super::trail::{Ticket, Trail};

/// Who is known to the recovery.
#[derive(Default)]
pub(super) struct Table {
    /// The trails of all sockets that are connected or away, by pid.
    pub(super) trails: HashMap<Sid, Arc<Trail>>,
    /// The same in the order in which they began.
    in_order: BTreeMap<u64, Arc<Trail>>,
    /// Which of these is the next to be looked at for what is too old.
    next_sweep: u64,
    /// Those that are away and not claimed, first who is given up first.
    pub(super) away: BTreeMap<Ticket, Arc<Trail>>,
    pub(super) next_ticket: u64,
    /// A task waits until the first of those is away for too long.
    pub(super) awaited: bool,
}

impl Table {
    pub(super) fn insert(&mut self, trail: &Arc<Trail>) {
        self.trails.insert(trail.pid(), Arc::clone(trail));
        self.in_order.insert(trail.number(), Arc::clone(trail));
    }

    pub(super) fn remove(&mut self, trail: &Trail) {
        self.trails.remove(&trail.pid());
        self.in_order.remove(&trail.number());
    }

    /// Has some trails let go what their clients have long got: those that nothing is sent to would keep it
    /// for good. Behind the last comes the first.
    pub(super) fn sweep(&mut self, now: Instant) {
        const TRAILS: usize = 16;
        let mut next = 0;
        for (number, trail) in self.in_order.range(self.next_sweep..).take(TRAILS) {
            trail.forget(now);
            next = number + 1;
        }
        self.next_sweep = next;
    }
}

#[cfg(test)]
impl Table {
    pub(super) fn is_empty(&self) -> bool {
        self.trails.is_empty() && self.in_order.is_empty() && self.away.is_empty()
    }
}
