//! What this process holds for clients, counted in bytes: what waits to be sent to them, what is coming in, what
//! they have sent and nobody has taken.
//!
//! A frame counts once, for however many sessions it waits, so a broadcast is no heavier for its receivers. It is
//! one count for the whole process, as there is one memory, and whoever admits more compares it with
//! [`Config::memory_budget`](crate::Config::memory_budget). Each thread counts in a place of its own, or nearly:
//! this is done for every frame.

use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

/// So many bytes of one kind each session may have waiting, whatever others hold: enough for a client that does
/// nothing wrong to go on while the budget is used up.
pub const ALLOWANCE: usize = 16 * 1024;

const PLACES: usize = 16;

/// A count that shares its cache line with no other. What one thread adds another may take away.
#[repr(align(128))]
struct Place(AtomicIsize);

static COUNTS: [Place; PLACES] = [const { Place(AtomicIsize::new(0)) }; PLACES];
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static PLACE: Cell<Option<&'static Place>> = const { Cell::new(None) };
}

fn place() -> &'static Place {
    PLACE.with(|place| match place.get() {
        Some(place) => place,
        None => {
            let mine = &COUNTS[THREADS.fetch_add(1, Ordering::Relaxed) % PLACES];
            place.set(Some(mine));
            mine
        }
    })
}

pub(crate) fn add(bytes: usize) {
    place().0.fetch_add(bytes.cast_signed(), Ordering::Relaxed);
}

pub(crate) fn sub(bytes: usize) {
    place().0.fetch_sub(bytes.cast_signed(), Ordering::Relaxed);
}

/// How many bytes are held.
#[must_use]
pub fn held() -> usize {
    // While it is being added up, what has left one place may not have come to be missing from another.
    let sum: isize = COUNTS.iter().map(|place| place.0.load(Ordering::Relaxed)).sum();
    usize::try_from(sum).unwrap_or(0)
}

/// Whether something of a client's that takes `bytes` may become more, where clients together may hold `budget`.
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
            add(bytes);
            sub(self.0);
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
