//! What this process holds for clients, counted in bytes: what waits to be sent to them, what is coming in, what
//! they have sent and nobody has taken.
//!
//! A frame counts once, for however many sessions it waits, so a broadcast is no heavier for its receivers. It is
//! one count for the whole process, as there is one memory. Each thread counts for itself, since this is done for
//! every frame. Whoever admits more asks a [`Budget`], which puts out those who hold most when memory runs short.

use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};

use parking_lot::Mutex;

mod budget;
mod holders;

pub use budget::Budget;
pub use holders::{Holder, Holders};

/// So many bytes of one kind each session may have waiting, whatever others hold: enough for a client that does
/// nothing wrong to go on while the budget is used up.
pub const ALLOWANCE: usize = 16 * 1024;

/// What one thread has counted: less than nothing, where it let go of what others hold. It alone writes here,
/// so that it takes no locked instruction, and no other count shares the cache line.
#[derive(Default)]
#[repr(align(128))]
struct Count(AtomicIsize);

/// The counts of the threads that run.
static RUNNING: Mutex<Vec<Arc<Count>>> = Mutex::new(Vec::new());
/// What threads have left behind that run no more.
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
        // Whoever adds up meanwhile waits, and finds it in one place.
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
        // The thread is ending, and lets go of what it had.
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
    // While it is being added up, what has left one place may not have come to be missing from another.
    let counted: isize = running.iter().map(|count| count.0.load(Ordering::Relaxed)).sum();
    usize::try_from(ENDED.load(Ordering::Relaxed) + counted).unwrap_or(0)
}

/// Whether something of a client's that takes `bytes` may become more, where clients together may hold `budget`. It
/// puts nobody out: see [`Budget::admits`].
#[must_use]
pub fn admits(bytes: usize, budget: usize) -> bool {
    bytes < ALLOWANCE || held() < budget
}

/// Bytes that are held for as long as this is.
#[derive(Debug, Default)]
pub struct Held(usize);

impl Held {
    /// So many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Held {
        add(bytes);
        Held(bytes)
    }

    /// It is so many bytes now.
    pub fn resize(&mut self, bytes: usize) {
        if bytes != self.0 {
            change(bytes.cast_signed() - self.0.cast_signed());
            self.0 = bytes;
        }
    }

    /// How many bytes it is.
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
