//! What the application and the task of a plain WebSocket share, and the application's handles on it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Close, Outgoing, cost};
use crate::memory::{Budget, Held};
use crate::sync::Mutex;
use crate::{CloseReason, Mailbox, Message, QueueError};

/// Messages wait for the application up to this many bytes, and one more; beyond that nothing is read.
const INBOX: usize = 64 * 1024;

/// Sends to a plain WebSocket from anywhere. Clones share it; none of them keeps it open.
#[derive(Clone, Debug)]
pub struct Sender(Arc<Shared>);

impl Sender {
    /// Queues a message: a string goes as text, bytes as binary. It never waits. A message is admitted whole
    /// while less than the [budget](super::Terms::send_budget) waits. While clients together make the
    /// process hold all that they may, the budget is [`ALLOWANCE`](crate::memory::ALLOWANCE).
    ///
    /// # Errors
    /// [`QueueError::Full`] over the budget and [`QueueError::Closed`] after the end; nothing is queued then.
    pub fn send(&self, message: impl Into<Outgoing>) -> Result<(), QueueError> {
        let Shared { mailbox, fragment, .. } = &*self.0;
        let message = message.into();
        match *fragment {
            Some(fragment) if message.len() > fragment => mailbox.push(&message.frame().fragments(fragment)),
            _ => mailbox.push(std::slice::from_ref(message.frame())),
        }
    }

    /// Waits until most of what was sent has gone out. A task that waits for this before each
    /// [`send`](Sender::send) can send any amount to a peer that reads.
    ///
    /// # Errors
    /// [`QueueError::Closed`] after the end.
    pub async fn ready(&self) -> Result<(), QueueError> {
        poll_fn(|cx| self.0.mailbox.poll_room(cx)).await
    }

    /// Closes the connection after everything that is queued, and takes nothing in any more. Only the first close counts.
    ///
    /// A code that can't be sent (RFC 6455, section 7.4) is taken for 1000, and of a reason only as much is
    /// sent as a close frame holds: 123 bytes.
    pub fn close(&self, code: u16, reason: &str) {
        self.0.end(Close::asked(code, reason));
    }

    /// Whether the connection has ended, or is about to.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.state.lock().close.is_some()
    }

    /// How the connection has ended, or is about to; `None` before that.
    #[must_use]
    pub fn ended(&self) -> Option<Close> {
        self.0.close()
    }
}

/// What a peer has sent and the application has not taken. There is one, and it drops what is left when it is dropped.
#[derive(Debug)]
pub struct Inbox(Arc<Shared>);

impl Inbox {
    /// The next message, when it has come whole; `None` at the end. Nothing is lost if the future is dropped before it is
    /// ready.
    pub async fn next(&mut self) -> Option<Message> {
        poll_fn(|cx| self.0.poll_next(cx)).await
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// What the application and the task share.
#[derive(Debug)]
pub(super) struct Shared {
    mailbox: Arc<Mailbox>,
    /// What clients together may make the process hold.
    memory: Budget,
    /// Longer messages go out in fragments of so many bytes.
    fragment: Option<usize>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    inbox: VecDeque<Message>,
    /// What it costs, as the process counts it.
    held: Held,
    /// The task takes nothing in, and is to be woken when there is room again.
    deaf: bool,
    /// The application has a message, and has not asked for the next.
    busy: bool,
    /// The task waits until it does.
    settling: bool,
    /// Nobody takes messages any more.
    abandoned: bool,
    /// How it ends, as soon as either side wants it to.
    close: Option<Close>,
    reader: Option<Waker>,
}

impl Shared {
    pub(super) fn new(mailbox: Arc<Mailbox>, memory: Budget, fragment: Option<usize>) -> Shared {
        Shared { mailbox, memory, fragment: fragment.map(|bytes| bytes.max(1)), state: Mutex::default() }
    }

    pub(super) fn handles(self: &Arc<Shared>) -> (Sender, Inbox) {
        (Sender(self.clone()), Inbox(self.clone()))
    }

    /// Whether a message may be taken in.
    fn takes_in(&self, state: &State) -> bool {
        let cost = state.held.bytes();
        cost < INBOX && !self.memory.is_short(cost)
    }

    /// It ends, if it doesn't already.
    pub(super) fn end(&self, close: Close) {
        let mut state = self.state.lock();
        if state.close.is_some() {
            return;
        }
        state.close = Some(close);
        let reader = state.reader.take();
        drop(state);
        self.mailbox.close(CloseReason::ForcedClose);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The peer's end was the first, though the application may have asked for another since.
    pub(super) fn ended_by_peer(&self, close: Close) {
        self.end(close.clone());
        self.state.lock().close = Some(close);
    }

    /// How it is to end.
    pub(super) fn close(&self) -> Option<Close> {
        self.state.lock().close.clone()
    }

    /// Whether messages are taken in: there is room for them.
    pub(super) fn listens(&self) -> bool {
        let mut state = self.state.lock();
        state.deaf = !self.takes_in(&state);
        !state.deaf
    }

    /// Whether nothing was taken in when it was last [asked](Shared::listens).
    pub(super) fn is_deaf(&self) -> bool {
        self.state.lock().deaf
    }

    /// Whether the application has dealt with all that has come. If not, the task is woken when it has.
    pub(super) fn is_settled(&self) -> bool {
        let mut state = self.state.lock();
        let waits = state.abandoned || state.close.is_some();
        state.settling = !waits && (state.busy || !state.inbox.is_empty());
        !state.settling
    }

    /// A message has come.
    pub(super) fn deliver(&self, message: Message) {
        let mut state = self.state.lock();
        if state.close.is_some() || state.abandoned {
            return;
        }
        let held = state.held.bytes() + cost(&message);
        state.held.resize(held);
        state.inbox.push_back(message);
        self.mailbox.note_backlog(held);
        if let Some(reader) = state.reader.take() {
            drop(state);
            reader.wake();
        }
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut state = self.state.lock();
        let Some(message) = state.inbox.pop_front() else {
            if state.close.is_some() {
                return Poll::Ready(None);
            }
            match &mut state.reader {
                Some(reader) => reader.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            state.busy = false;
            if std::mem::take(&mut state.settling) {
                drop(state);
                self.mailbox.wake();
            }
            return Poll::Pending;
        };
        state.busy = true;
        let held = state.held.bytes() - cost(&message);
        state.held.resize(held);
        self.mailbox.note_backlog(held);
        if state.inbox.is_empty() {
            // Nothing is kept of a burst.
            state.inbox = VecDeque::new();
        }
        if state.deaf && self.takes_in(&state) {
            state.deaf = false;
            drop(state);
            self.mailbox.wake();
        }
        Poll::Ready(Some(message))
    }

    /// Drops what has come.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock();
        let inbox = std::mem::take(&mut state.inbox);
        state.held.resize(0);
        self.mailbox.note_backlog(0);
        drop(state);
        drop(inbox);
    }

    /// The application takes nothing any more.
    fn abandon(&self) {
        self.state.lock().abandoned = true;
        self.clear();
        self.mailbox.wake();
    }
}
