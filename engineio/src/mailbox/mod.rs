//! What the rest of the program leaves for a session.
//!
//! A session belongs to one task. The rest of the program holds its [`Mailbox`]: a queue of frames under a byte
//! budget, a request to close, and the waker of that task. The session has the other handle, the
//! [`MailboxReceiver`]. It is a mutex and a few words, because an empty channel needs more memory than the rest
//! of an idle session.

mod long_answer;
mod receiver;

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use crate::memory::{ALLOWANCE, Budget, Holder};
use crate::sync::Mutex;
use crate::{CloseReason, Frame, Limit, LimitHits};

pub use long_answer::LongAnswer;
pub use receiver::MailboxReceiver;

/// What may wait for a client before it is slowed down, in bytes, as far as its budget allows: while more waits,
/// [`poll_room`](Mailbox::poll_room) makes senders wait, and while half of it does, the client's packets wait. It
/// is what the answer to a poll holds by default, and more than a connection takes at once.
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
    /// While so many bytes or more wait, senders should wait too.
    mark: usize,
    /// While so many bytes or more wait, refusable messages are refused.
    budget: usize,
    /// The cost of the frames that are queued and of those that the session has taken but not yet written. Only
    /// who holds the queue changes it.
    cost: AtomicUsize,
    queue: Mutex<Queue>,
    /// What has come of the client's packets and waits to be taken in.
    incoming: AtomicUsize,
    /// What has come of a body that has not ended.
    body: AtomicUsize,
    /// What has been taken in and waits for the application.
    backlog: AtomicUsize,
    /// What is on its way in long answers.
    answering: AtomicUsize,
    /// What clients together may make the process hold.
    memory: Budget,
    /// Counts the messages that met a limit.
    hits: Option<Arc<LimitHits>>,
}

#[derive(Default)]
#[repr(C)]
struct Queue {
    outlet: Outlet,
    close: Option<CloseReason>,
    closed: bool,
    put_out: PutOut,
    /// Something other than frames was left since the session last looked.
    rung: bool,
    /// The session will look before it sleeps, so nobody has to wake it.
    awake: bool,
    waker: Option<Waker>,
    frames: VecDeque<Frame>,
    /// Most mailboxes never need it, and it takes no memory in these.
    seldom: Option<Box<Seldom>>,
}

/// What few mailboxes have.
#[derive(Default)]
struct Seldom {
    /// Senders that wait for room.
    waiting: Vec<Waker>,
    /// Long answers on their way; seldom more than one.
    answers: Vec<Weak<dyn Cut>>,
}

/// What is on its way and is dropped when the client is put out.
trait Cut: Send + Sync {
    /// The client is put out.
    fn cut(&self);
}

/// Whether a client is put out: its session ends at once, and nothing of it is sent any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum PutOut {
    #[default]
    No,
    /// For that limit, and the session has not seen it yet.
    For(Limit),
    Seen,
}

/// When a message that is queued now can go out.
///
/// ```text
///   the session says   Shut      NextPoll ── polled ──▶ Polled      Open
///   a poll that comes  wakes it  doesn't                            (wakes it)
///   a volatile message is lost   is lost                is queued   is queued
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outlet {
    /// Not before the session has looked once more, at whatever keeps it.
    #[default]
    Shut,
    /// With the next poll. While nothing is queued, one that comes can do no more than wait, so the session may
    /// sleep on: it notices the poll when it looks for another reason, a message or a deadline.
    NextPoll,
    /// With a poll that has come and that the session has not noticed. The mailbox's own: no session says so.
    Polled,
    /// At once.
    Open,
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
            memory: Budget::default(),
            hits: None,
        }
    }

    /// Accepts less while clients together use up `memory`.
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

    /// Queues the frames of one message together. While the queue is under its budget, it accepts a message of
    /// any size. While clients together use up the memory budget, this queue's budget is [`ALLOWANCE`].
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

    /// Queues a message even over the budget: an acknowledgement, or the client's copy of a broadcast. If the
    /// client takes nothing for a time while the budget is used up, its session ends. While all clients
    /// together use up the memory budget, a session that holds more than [`ALLOWANCE`] ends at once. Returns
    /// whether the message was queued.
    pub fn push_owed(&self, frames: &[Frame]) -> bool {
        let has_memory = self.has_memory_for(frames);
        let mut queue = self.queue.lock();
        if queue.is_shut() {
            return false;
        }
        if !has_memory {
            drop(queue);
            self.put_out(Limit::Memory);
            return false;
        }
        self.append(&mut queue, self.cost(), frames);
        queue.wake();
        true
    }

    /// Queues frames after others, which have that cost.
    fn append(&self, queue: &mut Queue, cost: usize, frames: &[Frame]) {
        let more: usize = frames.iter().map(Frame::cost).sum();
        self.cost.store(cost + more, Ordering::Relaxed);
        queue.frames.extend(frames.iter().cloned());
    }

    /// Whether there is memory to queue these frames. It may put out those who hold most, this one too, so no
    /// lock is held meanwhile.
    fn has_memory_for(&self, frames: &[Frame]) -> bool {
        let cost = self.cost();
        // They are held already. If they counted here, whoever waits for room might find some, and none when it
        // has made its message, over and over.
        cost < ALLOWANCE || self.memory.admits_beside(cost, frames.iter().map(Frame::held).sum())
    }

    /// Whether `bytes` more of this client's data fit into memory. If memory runs short, this first ends the
    /// sessions that hold most.
    pub fn has_memory(&self, bytes: usize) -> bool {
        self.memory.admits(bytes)
    }

    fn count(&self, limit: Limit) {
        if let Some(hits) = &self.hits {
            hits.count(limit);
        }
    }

    /// Ends the session at once, because its client met this limit. Drops the queue, and the rest of answers
    /// that are being sent.
    pub fn put_out(&self, limit: Limit) {
        let mut queue = self.queue.lock();
        if queue.put_out != PutOut::No {
            return;
        }
        queue.put_out = PutOut::For(limit);
        queue.closed = true;
        let frames = std::mem::take(&mut queue.frames);
        let cost = frames.iter().map(Frame::cost).sum::<usize>();
        self.cost.store(self.cost() - cost, Ordering::Relaxed);
        queue.ring();
        queue.release_waiting();
        let answers = queue.seldom.take().map(|seldom| seldom.answers).unwrap_or_default();
        drop(queue);
        answers.iter().filter_map(Weak::upgrade).for_each(|answer| answer.cut());
        self.count(limit);
    }

    /// Sets how much of an unfinished body has arrived.
    pub fn note_body(&self, bytes: usize) {
        self.body.store(bytes, Ordering::Relaxed);
    }

    /// Notes an answer that is on its way. Says whether it may go on: the client was not put out.
    fn list(&self, answer: Weak<dyn Cut>) -> bool {
        let mut queue = self.queue.lock();
        let answers = &mut queue.seldom.get_or_insert_default().answers;
        answers.retain(|answer| answer.strong_count() > 0);
        answers.push(answer);
        queue.put_out == PutOut::No
    }

    /// Sets how much waits for the application.
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

    /// Asks the session to end when the queue has been sent. The first reason counts.
    pub fn close(&self, reason: CloseReason) {
        let mut queue = self.queue.lock();
        if !queue.is_shut() {
            queue.close = Some(reason);
            queue.ring();
        }
    }

    /// Wakes the session, which then polls the layer above.
    pub fn wake(&self) {
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
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), QueueError>> {
        let mut queue = self.queue.lock();
        if queue.is_shut() {
            return Poll::Ready(Err(QueueError::Closed));
        }
        let cost = self.cost();
        if self.is_room(cost) && !self.memory.is_short(cost) {
            return Poll::Ready(Ok(()));
        }
        let waiting = &mut queue.seldom.get_or_insert_default().waiting;
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Whether more may be sent while that much waits.
    fn is_room(&self, cost: usize) -> bool {
        cost == 0 || cost < self.mark
    }
}

impl Holder for Mailbox {
    fn holds(&self) -> usize {
        let others = [&self.body, &self.incoming, &self.backlog, &self.answering];
        self.cost() + others.map(|count| count.load(Ordering::Relaxed)).iter().sum::<usize>()
    }

    fn put_out(&self) {
        Mailbox::put_out(self, Limit::Memory);
    }
}

impl Queue {
    /// Whether the session is over, or about to be.
    fn is_shut(&self) -> bool {
        self.closed || self.close.is_some()
    }

    fn ring(&mut self) {
        self.rung = true;
        self.wake();
    }

    fn wake(&mut self) {
        if !std::mem::replace(&mut self.awake, true)
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }

    /// Nothing is admitted any more, and who waits for room is told.
    fn shut(&mut self) {
        self.closed = true;
        self.release_waiting();
    }

    fn release_waiting(&mut self) {
        if let Some(seldom) = &mut self.seldom {
            seldom.waiting.drain(..).for_each(Waker::wake);
        }
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
