//! The connection slots of a listener that refuses no one: if all are taken, a new connection evicts the one that
//! has been sent nothing for longest. So clients that idle or don't read can't block it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::net::write_hook::{Hooked, WriteHook};

/// The slots of one listener.
#[derive(Debug)]
pub(crate) struct Slots {
    size: usize,
    taken: Mutex<Vec<Arc<SlotState>>>,
    /// A clock that counts events: connections and writes.
    now: AtomicU64,
}

#[derive(Debug)]
struct SlotState {
    /// When its connection arrived, or was last sent something.
    moved: AtomicU64,
    evicted: Notify,
}

impl Slots {
    pub(crate) fn new(size: usize) -> Arc<Slots> {
        Arc::new(Slots { size, taken: Mutex::default(), now: AtomicU64::new(0) })
    }

    /// Takes a slot, which is free again once it is dropped.
    pub(crate) fn enter(self: &Arc<Slots>) -> Slot {
        let state = Arc::new(SlotState { moved: AtomicU64::new(self.tick()), evicted: Notify::new() });
        let mut taken = self.taken.lock();
        if taken.len() >= self.size {
            evict_the_oldest(&mut taken);
        }
        taken.push(state.clone());
        Slot { slots: self.clone(), state }
    }

    /// Ends the connection that has been sent nothing for longest.
    pub(crate) fn evict_one(&self) {
        evict_the_oldest(&mut self.taken.lock());
    }

    fn tick(&self) -> u64 {
        self.now.fetch_add(1, Ordering::Relaxed)
    }
}

fn evict_the_oldest(taken: &mut Vec<Arc<SlotState>>) {
    let oldest = taken.iter().enumerate().min_by_key(|(_, state)| state.moved.load(Ordering::Relaxed));
    if let Some((at, _)) = oldest {
        taken.swap_remove(at).evicted.notify_one();
    }
}

/// A connection's slot.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    state: Arc<SlotState>,
}

impl Slot {
    /// Waits until another connection has taken the slot.
    pub(crate) async fn evicted(&self) {
        self.state.evicted.notified().await;
    }

    /// A connection whose writes are noticed.
    pub(crate) fn track<T>(&self, io: T) -> Hooked<T, SlotUse> {
        Hooked { io, hook: SlotUse { slots: self.slots.clone(), state: self.state.clone() } }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken.lock().retain(|state| !Arc::ptr_eq(state, &self.state));
    }
}

/// Notices when a connection is sent something.
#[derive(Debug)]
pub(crate) struct SlotUse {
    slots: Arc<Slots>,
    state: Arc<SlotState>,
}

impl WriteHook for SlotUse {
    fn after(&mut self, _: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(result, Poll::Ready(Ok(1..))) {
            self.state.moved.store(self.slots.tick(), Ordering::Relaxed);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn a_new_connection_evicts_the_one_that_was_sent_nothing_for_longest() {
        let slots = Slots::new(3);
        let gone = |slot: &Slot| slot.evicted().now_or_never().is_some();
        let [first, second, third] = [slots.enter(), slots.enter(), slots.enter()];
        first.track(tokio::io::sink()).write_all(b"answer").await.unwrap();
        let _fourth = slots.enter();
        assert!([&first, &second, &third].map(gone) == [false, true, false]);
        // An evicted connection doesn't free the slot, which is another's now.
        drop(second);
        assert_eq!(slots.taken.lock().len(), 3);
        drop(third);
        let _fifth = slots.enter();
        assert!(!gone(&first), "there was a slot");
        slots.evict_one();
        assert!(gone(&first));
    }
}
