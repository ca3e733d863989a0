//! How often clients met each limit.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Limit;
use crate::observe::{Observers, What};

/// How often each limit was met.
///
/// ```
/// use engineio::{Limit, LimitHits};
///
/// let hits = LimitHits::default();
/// hits.count(Limit::SendBudget);
/// assert_eq!(hits.get(Limit::SendBudget), 1);
/// ```
pub struct LimitHits {
    counts: [AtomicU64; Limit::ALL.len()],
    observers: OnceLock<Observers>,
}

impl LimitHits {
    /// Shows each limit that is met to these observers. Only the first call has an effect.
    pub fn show_to(&self, observers: &Observers) {
        let _ = self.observers.set(observers.clone());
    }

    /// Counts that a limit was met.
    pub fn count(&self, limit: Limit) {
        self.counts[limit as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(observers) = self.observers.get() {
            observers.see(None, || What::Limit(limit));
        }
    }

    /// How often a limit was met.
    #[must_use]
    pub fn get(&self, limit: Limit) -> u64 {
        self.counts[limit as usize].load(Ordering::Relaxed)
    }
}

impl Default for LimitHits {
    fn default() -> LimitHits {
        LimitHits { counts: std::array::from_fn(|_| AtomicU64::new(0)), observers: OnceLock::new() }
    }
}

impl fmt::Debug for LimitHits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met = Limit::ALL.iter().map(|limit| (limit.name(), self.get(*limit)));
        f.debug_map().entries(met.filter(|(_, hits)| *hits > 0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_a_name_and_a_count_of_its_own() {
        let hits = LimitHits::default();
        for (n, limit) in Limit::ALL.iter().enumerate() {
            (0..=n).for_each(|_| hits.count(*limit));
        }
        for (n, limit) in Limit::ALL.iter().enumerate() {
            assert_eq!(hits.get(*limit), n as u64 + 1, "{}", limit.name());
            assert!(Limit::ALL[..n].iter().all(|other| other.name() != limit.name()));
        }
    }
}
