//! The queue of what a session has to send, and the handle on it for the rest of the program.
//!
//! A session belongs to one task. The rest of the program holds its [`Mailbox`]: a queue of frames under a byte
//! budget, a request to close, and the waker of that task. The session has the other handle, the
//! [`MailboxReceiver`]. It is a mutex and a few words, because an empty channel needs more memory than the rest
//! of an idle session.

mod long_answer;
mod queue;
mod receiver;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use crate::memory::{ALLOWANCE, Budget, Holder};
use crate::sync::Mutex;
use crate::{CloseReason, Frame, Limit, LimitHits};

use queue::{Cut, Eviction, Queue};

pub use long_answer::LongAnswer;
pub use queue::Outlet;
pub use receiver::MailboxReceiver;

/// The bytes that may wait for a client before it is slowed down, if its budget is not smaller. While more waits,
/// [`poll_space`](Mailbox::poll_space) makes senders wait; while more than half of it waits, the client's own packets
/// wait. It is as much as the answer to a poll holds by default, and more than a connection accepts at once.
pub const HIGH_WATER: usize = 1_000_000;

/// A session's queue and doorbell, for everyone but the session. The session has the [`MailboxReceiver`], and
/// takes from it.
///
/// The fields that a broadcast reads come first, side by side, since its receivers' mailboxes are not in the
/// cache.
///
/// ```
/// use engineio::{Frame, Mailbox, QueueError};
///
/// let (mailbox, receiver) = Mailbox::new(1_000).split();
/// mailbox.push(&[Frame::text("hi")])?;
/// assert!(mailbox.cost() > 0);
///
/// drop(receiver); // The session is over.
/// assert_eq!(mailbox.push(&[Frame::text("hi")]), Err(QueueError::Closed));
/// # Ok::<_, QueueError>(())
/// ```
#[repr(C)]
pub struct Mailbox {
    /// While that many bytes or more wait, senders should wait too.
    mark: usize,
    /// While that many bytes or more wait, messages that may be refused are refused.
    budget: usize,
    /// The cost of the frames that are queued and of those that the session has taken but not yet written. It changes
    /// only under the lock on the queue.
    cost: AtomicUsize,
    queue: Mutex<Queue>,
    /// The bytes of the client's packets that have arrived and wait to be handled.
    incoming: AtomicUsize,
    /// The bytes that have arrived of an unfinished body.
    body: AtomicUsize,
    /// The bytes that have been decoded and wait for the application.
    backlog: AtomicUsize,
    /// The bytes of long answers that are being sent.
    answering: AtomicUsize,
    /// How many bytes of bodies have come, and of long answers have gone, since that was last asked.
    moved: AtomicUsize,
    /// How much memory all clients together may use.
    memory: Budget,
    /// Counts the messages that met a limit.
    hits: Option<Arc<LimitHits>>,
}

/// Why a mailbox refused a message.
///
/// ```
/// use engineio::{Frame, Mailbox, QueueError};
///
/// let (mailbox, _receiver) = Mailbox::new(10).split();
/// mailbox.push(&[Frame::text("admitted whole, while there is room")])?;
/// assert_eq!(mailbox.push(&[Frame::text("one more")]), Err(QueueError::Full));
/// # Ok::<_, QueueError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueError {
    /// The session's byte budget is used up. Nothing was queued.
    Full,
    /// The session is over. Nothing was queued.
    Closed,
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            QueueError::Full => "the client's send queue is full",
            QueueError::Closed => "the client is disconnected",
        })
    }
}

impl std::error::Error for QueueError {}

impl Mailbox {
    /// A mailbox that refuses messages while `budget` bytes or more wait (see [`Frame::cost`]).
    #[must_use]
    pub fn new(budget: usize) -> Mailbox {
        Mailbox {
            mark: budget.min(HIGH_WATER),
            budget,
            cost: AtomicUsize::new(0),
            queue: Mutex::default(),
            incoming: AtomicUsize::new(0),
            body: AtomicUsize::new(0),
            backlog: AtomicUsize::new(0),
            answering: AtomicUsize::new(0),
            moved: AtomicUsize::new(0),
            memory: Budget::default(),
            hits: None,
        }
    }

    /// Accepts less while all clients together have used up `memory`.
    #[must_use]
    pub fn within(mut self, memory: Budget) -> Mailbox {
        self.memory = memory;
        self
    }

    /// Counts messages that met a limit.
    #[must_use]
    pub fn counting(mut self, hits: Arc<LimitHits>) -> Mailbox {
        self.hits = Some(hits);
        self
    }

    /// Queues the frames of one message together. While the queue is under its budget, it accepts a message of any
    /// size. While all clients together have used up the memory budget, this queue's budget is [`ALLOWANCE`].
    ///
    /// # Errors
    /// [`QueueError::Full`] over the budget and [`QueueError::Closed`] after the end; nothing is queued then.
    pub fn push(&self, frames: &[Frame]) -> Result<(), QueueError> {
        let has_memory = self.has_memory_for(frames);
        let mut queue = self.queue.lock();
        if queue.is_shut() {
            return Err(QueueError::Closed);
        }
        let cost = self.cost();
        let limit = match cost < self.budget {
            true if has_memory => {
                self.append(&mut queue, cost, frames);
                queue.wake();
                return Ok(());
            }
            true => Limit::Memory,
            false => Limit::SendBudget,
        };
        self.count(limit);
        Err(QueueError::Full)
    }

    /// Queues a message even over the budget: an acknowledgement, or the client's copy of a broadcast. If the client
    /// reads nothing for a time while the budget is used up, its session ends. While all clients together have used
    /// up the memory budget, a session that holds more than [`ALLOWANCE`] ends at once. Returns whether the message
    /// was queued.
    pub fn push_owed(&self, frames: &[Frame]) -> bool {
        let has_memory = self.has_memory_for(frames);
        let mut queue = self.queue.lock();
        if queue.is_shut() {
            return false;
        }
        if !has_memory {
            drop(queue);
            self.evict(Limit::Memory);
            return false;
        }
        self.append(&mut queue, self.cost(), frames);
        queue.wake();
        true
    }

    /// Queues frames when frames of that cost are already queued.
    fn append(&self, queue: &mut Queue, cost: usize, frames: &[Frame]) {
        let more: usize = frames.iter().map(Frame::cost).sum();
        self.cost.store(cost + more, Ordering::Relaxed);
        queue.frames.extend(frames.iter().cloned());
    }

    /// Whether there is memory to queue these frames. It may evict the clients that hold most, including this one, so
    /// no lock is held meanwhile.
    fn has_memory_for(&self, frames: &[Frame]) -> bool {
        let cost = self.cost();
        // These frames are counted already. If they were counted again, a sender that waits for room might find some,
        // and then none once it has encoded its message, again and again.
        cost < ALLOWANCE || self.memory.admits_beside(cost, frames.iter().map(Frame::held).sum())
    }

    /// Whether `bytes` more of this client's data fit into memory. If memory runs short, this first ends the
    /// sessions that hold most.
    pub fn has_memory(&self, bytes: usize) -> bool {
        self.memory.admits(bytes)
    }

    pub(crate) fn memory(&self) -> &Budget {
        &self.memory
    }

    fn count(&self, limit: Limit) {
        if let Some(hits) = &self.hits {
            hits.count(limit);
        }
    }

    /// Ends the session at once, because its client met this limit. Drops the queue, and the rest of any answer that
    /// is being sent.
    pub fn evict(&self, limit: Limit) {
        let mut queue = self.queue.lock();
        if queue.eviction != Eviction::No {
            return;
        }
        queue.eviction = Eviction::For(limit);
        queue.closed = true;
        let frames = std::mem::take(&mut queue.frames);
        let cost = frames.iter().map(Frame::cost).sum::<usize>();
        self.cost.store(self.cost() - cost, Ordering::Relaxed);
        queue.ring();
        queue.release_waiting();
        let answers = queue.rare.take().map(|rare| rare.answers).unwrap_or_default();
        drop(queue);
        answers.iter().filter_map(Weak::upgrade).for_each(|answer| answer.cut());
        self.count(limit);
    }

    /// Sets how much of an unfinished body has arrived.
    pub fn note_body(&self, bytes: usize) {
        self.body.store(bytes, Ordering::Relaxed);
    }

    /// Notes that so many bytes of a body have come, or of a long answer have gone.
    pub(crate) fn note_moved(&self, bytes: usize) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Registers an answer that is being sent. Returns false if the client was evicted.
    fn list(&self, answer: Weak<dyn Cut>) -> bool {
        let mut queue = self.queue.lock();
        let answers = &mut queue.rare.get_or_insert_default().answers;
        answers.retain(|answer| answer.strong_count() > 0);
        answers.push(answer);
        queue.eviction == Eviction::No
    }

    /// Sets how many bytes wait for the application.
    pub fn note_backlog(&self, bytes: usize) {
        self.backlog.store(bytes, Ordering::Relaxed);
    }

    /// Queues a message only if it can be written at once: nothing else waits, and the transport is ready.
    /// Returns whether it was queued.
    pub fn push_volatile(&self, frames: &[Frame]) -> bool {
        let mut queue = self.queue.lock();
        let open = matches!(queue.outlet, Outlet::Polled | Outlet::Open);
        let now = open && self.cost() == 0 && !queue.is_shut();
        if now {
            self.append(&mut queue, 0, frames);
            queue.wake();
        }
        now
    }

    /// Asks the session to end once the queue has been sent. The first reason counts.
    pub fn close(&self, reason: CloseReason) {
        let mut queue = self.queue.lock();
        if !queue.is_shut() {
            queue.close = Some(reason);
            queue.ring();
        }
    }

    /// Wakes the session, which then looks at its doors and polls its layer. Queued frames only make it write:
    /// [`MailboxReceiver::look`] tells the two apart.
    pub fn ring(&self) {
        self.queue.lock().ring();
    }

    /// A poll has arrived, and the session will find it. Wakes the session only if there may be something for
    /// that poll.
    pub fn polled(&self) {
        let mut queue = self.queue.lock();
        if queue.outlet == Outlet::NextPoll && queue.frames.is_empty() {
            queue.outlet = Outlet::Polled;
            queue.rung = true;
        } else {
            queue.ring();
        }
    }

    /// The bytes that may wait.
    pub fn budget(&self) -> usize {
        self.budget
    }

    /// The bytes that wait to be sent, as the budget counts them.
    pub fn cost(&self) -> usize {
        self.cost.load(Ordering::Relaxed)
    }

    /// Whether the session is over, or about to be.
    pub fn is_closed(&self) -> bool {
        self.queue.lock().is_shut()
    }

    /// Ready when most of the queue has been sent. A sender that waits for this before each message can send
    /// any amount to a client that reads: [`push`](Mailbox::push) doesn't return [`QueueError::Full`] then.
    ///
    /// # Errors
    /// [`QueueError::Closed`] after the end.
    pub fn poll_space(&self, cx: &mut Context<'_>) -> Poll<Result<(), QueueError>> {
        let mut queue = self.queue.lock();
        if queue.is_shut() {
            return Poll::Ready(Err(QueueError::Closed));
        }
        let cost = self.cost();
        if self.has_space(cost) && !self.memory.is_short(cost) {
            return Poll::Ready(Ok(()));
        }
        let waiting = &mut queue.rare.get_or_insert_default().waiting;
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Whether more may be sent while that much waits.
    fn has_space(&self, cost: usize) -> bool {
        cost == 0 || cost < self.mark
    }
}

impl Holder for Mailbox {
    fn holds(&self) -> usize {
        let others = [&self.body, &self.incoming, &self.backlog, &self.answering];
        self.cost() + others.map(|count| count.load(Ordering::Relaxed)).iter().sum::<usize>()
    }

    fn evict(&self) {
        Mailbox::evict(self, Limit::Memory);
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = self.queue.lock();
        f.debug_struct("Mailbox")
            .field("frames", &queue.frames.len())
            .field("cost", &self.cost())
            .field("closed", &queue.closed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
