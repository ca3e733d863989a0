//! What everybody in a run shares: its plan, the server of the moment, and what the run is about to do.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::Notify;

use crate::plan::{Plan, Sabotage};
use crate::server::Server;
use crate::trace::step;

/// What a run is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Everything may happen.
    Storm,
    /// Nothing bad happens, and whoever is away comes back.
    Calm,
    /// The server stops: clients wait to be told.
    Drain,
    /// Clients go.
    End,
}

/// What everybody in a run shares.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) server: RefCell<Rc<Server>>,
    phase: Cell<Phase>,
    pub(crate) changed: Notify,
}

impl World {
    pub(crate) fn new(plan: Plan, server: Rc<Server>) -> World {
        World { plan, server: server.into(), phase: Cell::new(Phase::Storm), changed: Notify::new() }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        step!("== {phase:?}");
        self.phase.set(phase);
        self.changed.notify_waiters();
    }

    pub(crate) fn sabotages(&self, sabotage: Sabotage) -> bool {
        self.plan.sabotage == Some(sabotage)
    }
}
