//! The session's handle on its mailbox.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use super::Mailbox;
use super::queue::{Eviction, Outlet, Queue};
use crate::memory::ALLOWANCE;
use crate::sync::MutexGuard;
use crate::{CloseReason, Frame, Limit};

/// The session's handle on its [`Mailbox`]. Only it can take from the queue, and say that the session is over.
/// [`Mailbox::split`] makes the only one; applications can't get it from their handle:
///
/// ```compile_fail,E0599
/// fn application(mailbox: &engineio::Mailbox) {
///     mailbox.shut();
/// }
/// ```
///
/// Dropping it ends the session: it drops the queue, and the mailbox accepts nothing more.
pub struct MailboxReceiver {
    mailbox: Arc<Mailbox>,
}

impl Mailbox {
    /// The two handles: one to clone for everyone, and the session's.
    #[must_use]
    pub fn split(self) -> (Arc<Mailbox>, MailboxReceiver) {
        let mailbox = Arc::new(self);
        (mailbox.clone(), MailboxReceiver { mailbox })
    }

    /// Drops the queue, without the lock.
    fn let_go(&self, mut queue: MutexGuard<'_, Queue>) {
        let frames = std::mem::take(&mut queue.frames);
        for count in [&self.cost, &self.incoming] {
            count.store(0, Ordering::Relaxed);
        }
        drop(queue);
        drop(frames);
    }
}

impl MailboxReceiver {
    /// The handle for everyone else.
    #[must_use]
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// Queues a packet of the protocol itself, such as a ping, even over the budget.
    pub fn push_control(&self, frame: Frame) {
        let mut queue = self.mailbox.queue.lock();
        self.mailbox.append(&mut queue, self.mailbox.cost(), &[frame]);
    }

    /// A round begins. Returns whether something other than frames was left. Until the session sleeps again, nobody
    /// wakes it. `outlet` is as for [`poll_left`](MailboxReceiver::poll_left): the transport may have changed since
    /// the last round.
    pub fn look(&self, outlet: Outlet) -> bool {
        let mut queue = self.mailbox.queue.lock();
        // The session finds the poll in this round.
        queue.outlet = if queue.outlet == Outlet::Polled { Outlet::Open } else { outlet };
        queue.awake = true;
        std::mem::take(&mut queue.rung)
    }

    /// The session may sleep. Ready if it needs another turn first. While the `outlet` is open, frames are a reason
    /// for a turn, and [`push_volatile`](Mailbox::push_volatile) may queue.
    pub fn poll_left(&self, cx: &mut Context<'_>, outlet: Outlet) -> Poll<()> {
        let mut queue = self.mailbox.queue.lock();
        if queue.rung || (outlet == Outlet::Open && !queue.frames.is_empty()) {
            return Poll::Ready(());
        }
        queue.outlet = outlet;
        queue.awake = false;
        match &mut queue.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Moves all queued frames to the end of `taken`. They count against the budget until
    /// [`written`](MailboxReceiver::written).
    pub fn take(&self, taken: &mut VecDeque<Frame>) {
        self.take_some(taken, usize::MAX);
    }

    /// Moves queued frames to the end of `taken`, until it has packets of `bytes` or more. The others stay in the
    /// queue, which is dropped at once if the client is [evicted](Mailbox::evict).
    pub fn take_some(&self, taken: &mut VecDeque<Frame>, bytes: usize) {
        let mut queue = self.mailbox.queue.lock();
        if taken.is_empty() && self.mailbox.cost() <= bytes {
            return std::mem::swap(&mut queue.frames, taken);
        }
        let length = |frame: &Frame| frame.packet().len() + 1;
        let mut have = taken.iter().map(length).sum::<usize>();
        while have < bytes
            && let Some(frame) = queue.frames.pop_front()
        {
            have += length(&frame);
            taken.push_back(frame);
        }
        if queue.frames.is_empty() {
            // A burst has made it large, so its memory is freed.
            queue.frames = VecDeque::new();
        }
    }

    /// Whether more than half of [`HIGH_WATER`](crate::HIGH_WATER) waits: then the client should read something
    /// before its packets are handled.
    pub fn is_crowded(&self) -> bool {
        let cost = self.mailbox.cost();
        cost > self.mailbox.mark / 2 || self.mailbox.memory.is_short(cost + ALLOWANCE / 2)
    }

    /// Whether the budget is used up.
    pub fn is_over_budget(&self) -> bool {
        self.mailbox.cost() >= self.mailbox.budget
    }

    /// Whether more of the client's packets may wait to be handled, besides `bytes` that already do.
    pub fn may_bring(&self, bytes: usize) -> bool {
        bytes < self.mailbox.budget && self.mailbox.has_memory(bytes)
    }

    /// Sets how many bytes of the client's packets wait to be handled.
    pub fn note_incoming(&self, bytes: usize) {
        self.mailbox.incoming.store(bytes, Ordering::Relaxed);
    }

    /// How many bytes of bodies have come and of long answers have gone since the last call, and whether a body
    /// is coming, and an answer going.
    pub fn take_moved_by_http(&self) -> (usize, bool, bool) {
        let [body, answering] =
            [&self.mailbox.body, &self.mailbox.answering].map(|count| count.load(Ordering::Relaxed));
        (self.mailbox.moved.swap(0, Ordering::Relaxed), body > 0, answering > 0)
    }

    /// Whether frames wait to be taken.
    pub fn has_frames(&self) -> bool {
        !self.mailbox.queue.lock().frames.is_empty()
    }

    /// Counts frames that are sent before the queue and were never in it.
    pub fn charge(&self, cost: usize) {
        let _queue = self.mailbox.queue.lock();
        self.mailbox.cost.store(self.mailbox.cost() + cost, Ordering::Relaxed);
    }

    /// Subtracts the cost of frames that were written, or made into the answer to a poll.
    pub fn written(&self, cost: usize) {
        let mut queue = self.mailbox.queue.lock();
        let left = self.mailbox.cost() - cost;
        self.mailbox.cost.store(left, Ordering::Relaxed);
        if self.mailbox.has_space(left) {
            queue.release_waiting();
        }
    }

    /// The reason of a requested close, once.
    pub fn take_close(&self) -> Option<CloseReason> {
        let mut queue = self.mailbox.queue.lock();
        let reason = queue.close.take();
        queue.closed |= reason.is_some();
        reason
    }

    /// The limit because of which the client is evicted, once.
    pub fn take_evicted(&self) -> Option<Limit> {
        let mut queue = self.mailbox.queue.lock();
        let Eviction::For(limit) = queue.eviction else { return None };
        queue.eviction = Eviction::Seen;
        Some(limit)
    }

    /// Drops the queue: the client is gone.
    pub fn let_go(&self) {
        self.mailbox.let_go(self.mailbox.queue.lock());
    }

    /// Refuses further messages, since the session has ended. What is queued can still be taken.
    pub fn shut(&self) {
        self.mailbox.queue.lock().shut();
    }
}

impl Drop for MailboxReceiver {
    fn drop(&mut self) {
        let mut queue = self.mailbox.queue.lock();
        queue.shut();
        // An application may keep its sockets, and with them the mailbox.
        self.mailbox.let_go(queue);
    }
}

impl fmt::Debug for MailboxReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MailboxReceiver").field(&self.mailbox).finish()
    }
}
