//! The order in which a socket's handlers start.
//!
//! Handlers start in the order in which their events arrived, one after the other; once started they run
//! side by side. Nothing starts before `on_connect` is through. When too many run already, events wait for
//! one to end. The last job is the socket's end.
//!
//! ```text
//!                    ┌ lane ───────────────────────────┐
//!   event, event, … ─┤ waiting … │ start, one at a time ├─► done at once (most)
//!                    │ (bytes)   │  gate: on_connect    ├─► a task of its own, at most N
//!                    └─────────────────────────────────┘
//! ```

use std::collections::VecDeque;
use std::task::Poll;
use std::time::Instant;

use engineio::Limit;
use engineio::memory::Held;
use engineio::observe::What;
use parking_lot::{Mutex, MutexGuard};

use crate::client::link::Overloaded;
use crate::error::DisconnectReason;
use crate::handler::task::{Task, finish, first_poll, guarded};
use crate::log::Excerpt;
use crate::packet::Event;
use crate::socket::Socket;

/// A socket's handlers: those that wait to start, and how many run.
#[derive(Default)]
pub(crate) struct Lane {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `on_connect` is through.
    open: bool,
    /// Somebody is starting handlers. Whoever else comes along leaves theirs to them.
    starting: bool,
    /// The last job, the socket's end, has been started.
    ended: bool,
    /// Event handlers that were started and have not ended.
    running: u32,
    /// What their events take.
    handled: Held,
    waiting: VecDeque<Job>,
}

/// While this is there, the socket does not become connected or refused.
pub(crate) struct PhaseGuard<'a> {
    _state: MutexGuard<'a, State>,
}

impl Lane {
    /// Whether no handler will run any more.
    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().is_over()
    }

    /// Keeps a socket that is pending from being let in, and the other way round. It is the lane's lock, so that
    /// a socket needs no other.
    pub(crate) fn hold_phase(&self) -> PhaseGuard<'_> {
        PhaseGuard { _state: self.state.lock() }
    }
}

/// What is started in order.
pub(crate) enum Job {
    Event(Event),
    Upgraded,
    Ended(DisconnectReason),
}

impl Job {
    /// Whether it counts among the running handlers. What happens to the socket never has to wait for them.
    fn counts(&self) -> bool {
        matches!(self, Job::Event(_))
    }

    fn cost(&self) -> usize {
        match self {
            Job::Event(event) => event.cost(),
            Job::Upgraded | Job::Ended(_) => 0,
        }
    }
}

impl State {
    /// Whether the next job of that kind may start.
    fn admits(&self, job: &Job, limit: usize) -> bool {
        self.open && !self.starting && ((self.running as usize) < limit || !job.counts())
    }

    /// Whether no handler will run any more.
    fn is_over(&self) -> bool {
        self.ended && self.running == 0
    }

    /// Gives the right to start jobs to whoever starts this one.
    fn begin(&mut self, job: &Job) {
        self.starting = true;
        self.running += u32::from(job.counts());
        self.handled.resize(self.handled.bytes() + job.cost());
    }

    /// A handler of an event of that cost has ended.
    fn end(&mut self, cost: usize) {
        self.running -= 1;
        self.handled.resize(self.handled.bytes() - cost);
    }

    /// Takes the next job that may start; with it goes the right to start jobs.
    fn next(&mut self, limit: usize) -> Option<Job> {
        let front = self.waiting.front()?;
        if !self.admits(front, limit) {
            return None;
        }
        let job = self.waiting.pop_front()?;
        self.begin(&job);
        Some(job)
    }
}

impl Socket {
    /// Runs `on_connect`, and what came meanwhile once it is through.
    pub(crate) fn start(&self) {
        let handler = self.namespace().find_handler(|table| table.connect.clone());
        let connect = || handler.map(|handler| handler(self.clone()));
        if self.run("on_connect", connect, Socket::open_lane).is_ready() {
            self.open_lane();
        }
    }

    fn open_lane(&self) {
        self.lane().state.lock().open = true;
        self.resume();
    }

    /// Starts a job now, or when its turn comes.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Overloaded> {
        let config = self.config();
        let mut state = self.lane().state.lock();
        if job.counts() && !self.link().mailbox.has_memory(state.handled.bytes()) {
            return Err(Overloaded(Limit::Memory));
        }
        if state.waiting.is_empty() && state.admits(&job, config.max_running_handlers) {
            state.begin(&job);
            drop(state);
            self.start_jobs(Some(job));
            return Ok(());
        }
        let cost = job.cost();
        let waits_for_others =
            state.open && job.counts() && state.running as usize >= config.max_running_handlers;
        state.waiting.push_back(job);
        drop(state);
        if waits_for_others {
            config.hits.count(Limit::RunningHandlers);
        }
        self.link().hold(cost, config.max_backlog)
    }

    /// Forgets the events that wait.
    pub(crate) fn clear_lane(&self) {
        let waiting = std::mem::take(&mut self.lane().state.lock().waiting);
        self.link().release(waiting.iter().map(Job::cost).sum());
    }

    /// Starts what waits and may start.
    fn resume(&self) {
        let next = self.next_job(&mut self.lane().state.lock());
        self.start_jobs(next);
    }

    fn next_job(&self, state: &mut State) -> Option<Job> {
        let job = state.next(self.config().max_running_handlers)?;
        self.link().release(job.cost());
        Some(job)
    }

    /// Starts jobs one after the other for as long as there are any.
    fn start_jobs(&self, mut next: Option<Job>) {
        while let Some(job) = next {
            let (counts, ends, cost) = (job.counts(), matches!(job, Job::Ended(_)), job.cost());
            let done = match job {
                Job::Event(event) => self.start_event(event),
                Job::Upgraded => self.start_upgraded(),
                Job::Ended(reason) => self.start_end(reason),
            };
            let mut state = self.lane().state.lock();
            state.starting = false;
            if counts && done.is_ready() {
                state.end(cost);
            }
            state.ended |= ends;
            next = self.next_job(&mut state);
            let over = state.is_over();
            drop(state);
            if over {
                self.drop_handlers();
            }
        }
    }

    /// The handler of an event of that cost ended in its task.
    pub(crate) fn event_ended(&self, cost: usize) {
        let mut state = self.lane().state.lock();
        state.end(cost);
        let over = state.is_over();
        drop(state);
        if over {
            self.drop_handlers();
        }
        self.resume();
    }

    fn start_upgraded(&self) -> Poll<()> {
        let own = self.handlers().and_then(|own| own.look(|table| table.upgrade.clone()));
        let upgrade = self.namespace().find_handler(|table| table.upgrade.clone());
        for handler in [own, upgrade].into_iter().flatten() {
            let _ = self.run("on_upgrade", || Some(handler(self.clone())), |_| {});
        }
        Poll::Ready(())
    }

    fn start_end(&self, reason: DisconnectReason) -> Poll<()> {
        let own = self
            .handlers()
            .map(|own| own.look(|table| [table.disconnecting.clone(), table.disconnect.clone()]));
        let [own_disconnecting, own_disconnect] = own.unwrap_or_default();
        let disconnecting = self.namespace().find_handler(|table| table.disconnecting.clone());
        let disconnect = self.namespace().find_handler(|table| table.disconnect.clone());
        let disconnecting = [own_disconnecting, disconnecting].map(|handler| ("on_disconnecting", handler));
        let disconnect = [own_disconnect, disconnect].map(|handler| ("on_disconnect", handler));
        for (name, handler) in disconnecting.into_iter().chain(disconnect) {
            if let Some(handler) = handler {
                let _ = self.run(name, || Some(handler(self.clone(), reason)), |_| {});
            }
        }
        self.settle();
        Poll::Ready(())
    }

    /// Runs user code as far as it goes at once, and the rest in a task of its own, with `ended` at that
    /// task's end. Ready if there was no rest.
    pub(crate) fn run(
        &self,
        name: &str,
        start: impl FnOnce() -> Option<Task>,
        ended: impl FnOnce(&Socket) + Send + 'static,
    ) -> Poll<()> {
        let began = self.link().is_watched().then(Instant::now);
        let started = guarded(start).and_then(|task| match task {
            Some(mut task) => Ok(first_poll(&mut task)?.is_pending().then_some(task)),
            None => Ok(None),
        });
        match started {
            Ok(None) => {
                self.see_handled(name, began);
                Poll::Ready(())
            }
            Ok(Some(rest)) => {
                let (socket, name) = (self.clone(), Box::from(name));
                tokio::spawn(async move {
                    if finish(rest).await.is_err() {
                        socket.panicked(&name);
                    }
                    socket.see_handled(&name, began);
                    ended(&socket);
                });
                Poll::Pending
            }
            Err(_) => {
                self.panicked(name);
                Poll::Ready(())
            }
        }
    }

    fn see_handled(&self, name: &str, began: Option<Instant>) {
        if let Some(began) = began {
            let (nsp, took) = (self.namespace_name(), began.elapsed());
            self.link().see(|| What::Handled { nsp, name, took });
        }
    }

    /// A panic is a bug in the handler; it ends this socket and nothing else.
    pub(crate) fn panicked(&self, name: &str) {
        tracing::error!(
            namespace = %Excerpt(self.namespace_name()),
            handler = %Excerpt(name),
            "a handler panicked"
        );
        self.disconnect(false);
    }
}
