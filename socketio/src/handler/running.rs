//! How a socket's handlers are started, in the order of its [queue](super::queue).

use std::task::Poll;
use std::time::Instant;

use engineio::Limit;
use engineio::observe::What;

use super::queue::{HandlerQueue, Job};
use crate::client::link::Overloaded;
use crate::error::DisconnectReason;
use crate::handler::task::{Task, finish, first_poll, guarded};
use crate::log::Excerpt;
use crate::socket::Socket;

impl Socket {
    /// Runs `on_connect`, and then the events that have arrived meanwhile.
    pub(crate) fn start(&self) {
        let handler = self.namespace().find_handler(|table| table.connect.clone());
        let connect = || handler.map(|handler| handler(self.clone()));
        if self.run("on_connect", connect, Socket::open_queue).is_ready() {
            self.open_queue();
        }
    }

    fn open_queue(&self) {
        if let Some(mut queue) = self.queue() {
            queue.open();
        }
        self.resume();
    }

    /// Starts a job now, or when its turn comes.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Overloaded> {
        let config = self.config();
        let Some(mut queue) = self.queue() else { return Ok(()) };
        if job.counts() && !self.link().mailbox.has_memory(queue.handled_bytes()) {
            return Err(Overloaded(Limit::Memory));
        }
        if queue.try_begin(&job, config.max_running_handlers) {
            drop(queue);
            self.start_jobs(job);
            return Ok(());
        }
        let cost = job.cost();
        let is_crowded = queue.wait(job, config.max_running_handlers);
        // It is counted before another task can take it and subtract it.
        let held = self.link().hold(cost, config.max_backlog);
        drop(queue);
        if is_crowded {
            self.hits().count(Limit::RunningHandlers);
        }
        held
    }

    /// Forgets the events that wait.
    pub(crate) fn clear_queue(&self) {
        let waited = self.queue().map(|mut queue| queue.clear());
        self.link().release(waited.unwrap_or_default());
    }

    /// Starts what waits and may start.
    fn resume(&self) {
        let next = self.queue().and_then(|mut queue| self.next_job(&mut queue));
        if let Some(job) = next {
            self.start_jobs(job);
        }
    }

    fn next_job(&self, queue: &mut HandlerQueue) -> Option<Job> {
        let job = queue.next(self.config().max_running_handlers)?;
        self.link().release(job.cost());
        Some(job)
    }

    /// Starts a job, and then those that wait, one after the other.
    fn start_jobs(&self, first: Job) {
        let mut next = self.start_job(first);
        while let Some(job) = next {
            next = self.start_job(job);
        }
    }

    /// Starts a job. Returns the next one that may start.
    fn start_job(&self, job: Job) -> Option<Job> {
        let (counts, is_last, cost) = (job.counts(), matches!(job, Job::Ended(_)), job.cost());
        let done = match job {
            Job::Event(event) => self.start_event(event),
            Job::Upgraded => self.start_upgraded(),
            Job::Ended(reason) => self.start_end(reason),
        };
        let mut queue = self.queue()?;
        queue.started(is_last);
        if counts && done.is_ready() {
            queue.ended(cost);
        }
        let next = self.next_job(&mut queue);
        let is_over = queue.is_over();
        drop(queue);
        if is_over {
            self.drop_handlers();
        }
        next
    }

    /// A handler has ended in a task of its own. Its event had this cost.
    pub(crate) fn event_ended(&self, cost: usize) {
        let Some(mut queue) = self.queue() else { return };
        queue.ended(cost);
        let is_over = queue.is_over();
        drop(queue);
        if is_over {
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

    /// Polls user code once. If it isn't ready, a task of its own runs the rest, and then `ended`.
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

    /// A panic is a bug in the handler. It ends this socket only.
    pub(crate) fn panicked(&self, name: &str) {
        tracing::error!(
            namespace = %Excerpt(self.namespace_name()),
            handler = %Excerpt(name),
            "a handler panicked"
        );
        self.disconnect(false);
    }
}
