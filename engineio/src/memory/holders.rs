//! Which sessions end when memory runs short: those that hold most.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::{ALLOWANCE, held};

/// A session or a connection that holds memory, and can be ended to free it.
pub trait Holder: Send + Sync {
    /// How many bytes it holds. Shared bytes count in full.
    fn holds(&self) -> usize;

    /// Ends it. Frees what it can at once, and the rest when its task runs.
    fn evict(&self);
}

/// Everything that holds memory. Code that needs memory asks it when memory runs short; no task watches.
#[derive(Default)]
pub struct Holders {
    /// By address.
    listed: Mutex<HashMap<usize, Weak<dyn Holder>>>,
    search: Mutex<Search>,
}

#[derive(Default)]
struct Search {
    /// Those that were evicted and have not freed everything yet.
    leaving: Vec<Weak<dyn Holder>>,
    /// How many requests for memory to ignore before the next search. A search takes time for each holder, so after
    /// one that did not help, that many requests have to come first.
    rest: usize,
}

fn address<H: ?Sized>(holder: &Arc<H>) -> usize {
    Arc::as_ptr(holder).cast::<()>() as usize
}

impl Holders {
    /// Adds a holder.
    pub fn enter<H: Holder + 'static>(&self, holder: &Arc<H>) {
        let listed: Weak<H> = Arc::downgrade(holder);
        self.listed.lock().insert(address(holder), listed);
    }

    /// Removes a holder.
    pub fn leave<H: Holder>(&self, holder: &Arc<H>) {
        let mut listed = self.listed.lock();
        listed.remove(&address(holder));
        if listed.capacity() > 4 * listed.len() + 1024 {
            listed.shrink_to_fit();
        }
    }

    /// Memory runs short: evicts those that hold most, until three quarters of `budget` are held, or no holder has
    /// more than the allowance.
    pub(super) fn relieve(&self, budget: usize) {
        // Another thread is searching already.
        let Some(mut search) = self.search.try_lock() else { return };
        search.leaving.retain(|holder| holder.upgrade().is_some_and(|holder| holder.holds() > 0));
        if !search.leaving.is_empty() && held() < budget {
            // What they hold will be freed soon, so nobody else is evicted for it.
            return;
        }
        if let Some(rest) = search.rest.checked_sub(1) {
            search.rest = rest;
            return;
        }
        let enough = budget - budget / 4;
        // The bytes that will be freed soon.
        let mut leaving = 0;
        for holder in self.largest() {
            if held().saturating_sub(leaving) < enough {
                return;
            }
            holder.evict();
            let left = holder.holds();
            if left > 0 {
                leaving += left;
                search.leaving.push(Arc::downgrade(&holder));
            }
        }
        if held().saturating_sub(leaving) >= enough {
            search.rest = self.listed.lock().len();
        }
    }

    /// Those that hold more than the allowance, the largest first.
    fn largest(&self) -> impl Iterator<Item = Arc<dyn Holder>> + use<> {
        let listed = self.listed.lock();
        let mut found: Vec<_> = listed
            .values()
            .filter_map(Weak::upgrade)
            .map(|holder| (holder.holds(), holder))
            .filter(|(holds, _)| *holds >= ALLOWANCE)
            .collect();
        drop(listed);
        found.sort_unstable_by_key(|(holds, _)| Reverse(*holds));
        found.into_iter().map(|(_, holder)| holder)
    }
}

impl fmt::Debug for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holders").field("listed", &self.listed.lock().len()).finish_non_exhaustive()
    }
}
