//! What all sessions of a server share.

use std::sync::Arc;

use crate::memory::{Budget, Holders};
use crate::observe::Observers;
use crate::{Config, LimitHits};

/// Engine.IO on one server: the settings, and what counts and watches the sessions. All sessions share one `Arc` of it.
///
/// ```
/// use engineio::{Config, Engine, Limit};
///
/// let engine = Engine::new(Config { max_payload: 10_000, ..Config::default() });
/// assert_eq!(engine.hits.get(Limit::Payload), 0);
/// assert!(engine.observers.is_empty());
/// ```
#[derive(Debug, Default)]
pub struct Engine {
    /// The settings.
    pub config: Config,
    /// Counts how often each limit was met.
    pub hits: Arc<LimitHits>,
    /// The sessions that can be closed when memory runs short.
    pub holders: Arc<Holders>,
    /// The observers; none by default.
    pub observers: Observers,
}

impl Engine {
    /// One with these settings, which nobody observes.
    #[must_use]
    pub fn new(config: Config) -> Engine {
        Engine { config, ..Engine::default() }
    }

    /// What clients together may make the process hold.
    #[must_use]
    pub fn memory(&self) -> Budget {
        Budget::new(self.config.memory_budget, self.holders.clone())
    }
}
