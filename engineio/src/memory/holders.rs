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

    /// Ends it. Frees what it holds, as far as possible at once, and the rest when its task runs.
    fn put_out(&self);
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
    /// Those who were put out and have not let go of everything.
    leaving: Vec<Weak<dyn Holder>>,
    /// How often it may be asked until it looks again. To look costs as much as there are holders, so after a look
    /// that did not help, that many have to ask first.
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

    /// Memory runs short: puts out those who hold most, until three quarters of `budget` are held or nobody is left
    /// who holds more than everybody may.
    pub(super) fn relieve(&self, budget: usize) {
        // Whoever comes while another looks leaves it to that one.
        let Some(mut search) = self.search.try_lock() else { return };
        search.leaving.retain(|holder| holder.upgrade().is_some_and(|holder| holder.holds() > 0));
        if !search.leaving.is_empty() && held() < budget {
            // What they hold is about to come free, and nobody else has to go for it.
            return;
        }
        if let Some(rest) = search.rest.checked_sub(1) {
            search.rest = rest;
            return;
        }
        let enough = budget - budget / 4;
        // What is about to come free.
        let mut leaving = 0;
        for holder in self.largest() {
            if held().saturating_sub(leaving) < enough {
                return;
            }
            holder.put_out();
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

    /// Those who hold more than everybody may, the largest first.
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
