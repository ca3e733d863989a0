//! The order in which a socket's handlers start.
//!
//! Handlers start in the order in which their events arrived, one after the other. Once started, they run side by
//! side. Nothing starts before `on_connect` has finished. When too many run already, events wait until one ends. The
//! last job is the socket's end.
//!
//! ```text
//!                    ┌ queue ──────────────────────────┐
//!   event, event, … ─┤ waiting … │ start, one at a time ├─► done at once (most)
//!                    │ (bytes)   │  gate: on_connect    ├─► a task of its own, at most N
//!                    └─────────────────────────────────┘
//!
//!   gate:  Closed ── on_connect has finished ──▶ Open ── begin ──▶ Starting ── started, the last ──▶ Over
//!                                                 ▲                   │
//!                                                 └───── started ─────┘
//! ```

use std::collections::VecDeque;

use engineio::memory::Held;

use crate::error::DisconnectReason;
use crate::packet::Event;

/// A socket's handlers: those that wait to start, and how many run.
#[derive(Default)]
pub(crate) struct HandlerQueue {
    gate: Gate,
    /// Event handlers that were started and have not ended.
    running: u32,
    /// What their events take.
    handled: Held,
    waiting: VecDeque<Job>,
}

/// Whether the next handler may start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Gate {
    /// `on_connect` has not finished.
    #[default]
    Closed,
    Open,
    /// A thread is starting handlers. Other threads leave their jobs to it.
    Starting,
    /// The last job, the socket's end, has been started.
    Over,
}

/// What is started in order.
pub(crate) enum Job {
    Event(Event),
    Upgraded,
    Ended(DisconnectReason),
}

impl Job {
    /// Whether it counts as a running handler. A change of the socket itself never waits for those.
    pub(super) fn counts(&self) -> bool {
        matches!(self, Job::Event(_))
    }

    pub(super) fn cost(&self) -> usize {
        match self {
            Job::Event(event) => event.cost(),
            Job::Upgraded | Job::Ended(_) => 0,
        }
    }
}

impl HandlerQueue {
    /// `on_connect` has finished.
    pub(super) fn open(&mut self) {
        if self.gate == Gate::Closed {
            self.gate = Gate::Open;
        }
    }

    /// Takes a job that may start at once. Returns whether it may: then the caller alone may start jobs, until it
    /// calls [`started`](HandlerQueue::started).
    pub(super) fn try_begin(&mut self, job: &Job, limit: usize) -> bool {
        let may_begin = self.waiting.is_empty() && self.admits(job, limit);
        if may_begin {
            self.begin(job);
        }
        may_begin
    }

    /// Queues a job. Returns whether it has to wait because too many handlers run.
    pub(super) fn wait(&mut self, job: Job, limit: usize) -> bool {
        let is_crowded = self.gate != Gate::Closed && job.counts() && self.running as usize >= limit;
        self.waiting.push_back(job);
        is_crowded
    }

    /// Takes the next job that may start. Then the caller alone may start jobs.
    pub(super) fn next(&mut self, limit: usize) -> Option<Job> {
        if !self.admits(self.waiting.front()?, limit) {
            return None;
        }
        let job = self.waiting.pop_front()?;
        self.begin(&job);
        Some(job)
    }

    /// A job has been started. `was_last` says whether it was the socket's end.
    pub(super) fn started(&mut self, was_last: bool) {
        self.gate = if was_last { Gate::Over } else { Gate::Open };
    }

    /// A handler of an event of that cost has ended.
    pub(super) fn ended(&mut self, cost: usize) {
        self.running -= 1;
        self.handled.resize(self.handled.bytes() - cost);
    }

    /// Forgets what waits. Returns what it took.
    pub(super) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.waiting).iter().map(Job::cost).sum()
    }

    /// The memory of the events whose handlers are running, in bytes.
    pub(super) fn handled_bytes(&self) -> usize {
        self.handled.bytes()
    }

    /// Whether no handler will run any more.
    pub(crate) fn is_over(&self) -> bool {
        self.gate == Gate::Over && self.running == 0
    }

    fn admits(&self, job: &Job, limit: usize) -> bool {
        self.gate == Gate::Open && ((self.running as usize) < limit || !job.counts())
    }

    fn begin(&mut self, job: &Job) {
        self.gate = Gate::Starting;
        self.running += u32::from(job.counts());
        self.handled.resize(self.handled.bytes() + job.cost());
    }
}
