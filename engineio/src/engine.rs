//! What all sessions of a server share.

use std::sync::{Arc, OnceLock};

use crate::memory::{Budget, Holders};
use crate::observe::Observers;
use crate::{EngineConfig, LimitHits};

/// Engine.IO on one server: the settings, the counts, and the observers. All sessions share one `Arc` of it.
///
/// ```
/// use engineio::{EngineConfig, Engine, Limit};
///
/// let engine = Engine::new(EngineConfig { max_payload: 10_000, ..EngineConfig::default() });
/// assert_eq!(engine.hits.get(Limit::Payload), 0);
/// assert!(engine.observers.is_empty());
/// ```
#[derive(Debug, Default)]
pub struct Engine {
    /// The settings.
    pub config: EngineConfig,
    /// Counts how often each limit was met.
    pub hits: Arc<LimitHits>,
    /// The sessions that can be closed when memory runs short.
    pub holders: Arc<Holders>,
    /// The observers; none by default.
    pub observers: Observers,
    memory: OnceLock<Budget>,
}

impl Engine {
    /// Creates an `Engine` with these settings and no observers.
    #[must_use]
    pub fn new(config: EngineConfig) -> Engine {
        Engine { config, ..Engine::default() }
    }

    /// How much memory all clients together may use, as the settings say when this is first asked.
    #[must_use]
    pub fn memory(&self) -> Budget {
        self.memory.get_or_init(|| Budget::new(self.config.memory_budget, self.holders.clone())).clone()
    }
}
