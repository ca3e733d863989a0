//! The bytes that this process holds for clients: messages that wait to be sent, data that is coming in, and
//! packets that wait to be handled.
//!
//! A frame counts once, however many sessions it waits for. There is one count for the whole process; each
//! thread has its own part of it, since every frame is counted. Before it accepts more, code asks a [`Budget`],
//! which ends the sessions that hold most when memory runs short.

use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};

use parking_lot::Mutex;

mod budget;
mod holders;

pub use budget::Budget;
pub use holders::{Holder, Holders};

/// How many bytes of each kind a session may hold even when the budget is used up, so that well-behaved clients can
/// continue.
pub const ALLOWANCE: usize = 16 * 1024;

/// What one thread has counted. It is negative if the thread has freed what other threads counted. Only that thread
/// writes here, so it needs no locked instruction, and no other count shares the cache line.
#[derive(Default)]
#[repr(align(128))]
struct Count(AtomicIsize);

/// The counts of the threads that run.
static RUNNING: Mutex<Vec<Arc<Count>>> = Mutex::new(Vec::new());
/// The sum of threads that have ended.
static ENDED: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    static MINE: Mine = Mine::begin();
}

struct Mine(Arc<Count>);

impl Mine {
    fn begin() -> Mine {
        let count = Arc::default();
        RUNNING.lock().push(Arc::clone(&count));
        Mine(count)
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        // A thread that sums up meanwhile waits for the lock, so it sees the count in exactly one place.
        let mut running = RUNNING.lock();
        ENDED.fetch_add(self.0.0.load(Ordering::Relaxed), Ordering::Relaxed);
        running.retain(|count| !Arc::ptr_eq(count, &self.0));
    }
}

fn change(bytes: isize) {
    let counted = MINE.try_with(|Mine(count)| {
        count.0.store(count.0.load(Ordering::Relaxed) + bytes, Ordering::Relaxed);
    });
    if counted.is_err() {
        // The thread is ending and drops what it had.
        ENDED.fetch_add(bytes, Ordering::Relaxed);
    }
}

pub(crate) fn add(bytes: usize) {
    change(bytes.cast_signed());
}

pub(crate) fn sub(bytes: usize) {
    change(-bytes.cast_signed());
}

/// How many bytes are held.
#[must_use]
pub fn held() -> usize {
    let running = RUNNING.lock();
    // Counts change during the sum, so it may be slightly wrong, even negative.
    let counted: isize = running.iter().map(|count| count.0.load(Ordering::Relaxed)).sum();
    usize::try_from(ENDED.load(Ordering::Relaxed) + counted).unwrap_or(0)
}

/// Whether `bytes` more fit, if clients together may hold `budget`. This ends no session: see
/// [`Budget::admits`].
#[must_use]
pub fn admits(bytes: usize, budget: usize) -> bool {
    bytes < ALLOWANCE || held() < budget
}

/// Counts bytes until it is dropped.
#[derive(Debug, Default)]
pub struct Held(usize);

impl Held {
    /// Counts this many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Held {
        add(bytes);
        Held(bytes)
    }

    /// Changes the number of bytes.
    pub fn resize(&mut self, bytes: usize) {
        if bytes != self.0 {
            change(bytes.cast_signed() - self.0.cast_signed());
            self.0 = bytes;
        }
    }

    /// The number of bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0
    }
}

impl Clone for Held {
    fn clone(&self) -> Held {
        Held::new(self.0)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        sub(self.0);
    }
}
