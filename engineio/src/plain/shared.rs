//! What the application and the task of a plain WebSocket share, and the application's handles on it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Close, Outgoing, cost};
use crate::memory::{Budget, Held};
use crate::sync::Mutex;
use crate::{CloseReason, Mailbox, Message, QueueError};

/// While messages of more than this many bytes wait for the application, nothing is read.
const INBOX: usize = 64 * 1024;

/// Sends to a plain WebSocket from anywhere. Clones share it, and none of them keeps the connection open.
#[derive(Clone, Debug)]
pub struct Sender(Arc<Shared>);

impl Sender {
    /// Queues a message: a string is sent as text, bytes as binary. It never waits. While less than the
    /// [budget](super::Terms::send_budget) waits, a message of any length is accepted. While all clients together
    /// have used up the memory budget, the budget is [`ALLOWANCE`](crate::memory::ALLOWANCE).
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

    /// Waits until most of the queue has been sent. A task that waits for this before each [`send`](Sender::send) can
    /// send any amount to a peer that reads.
    ///
    /// # Errors
    /// [`QueueError::Closed`] after the end.
    pub async fn ready(&self) -> Result<(), QueueError> {
        poll_fn(|cx| self.0.mailbox.poll_space(cx)).await
    }

    /// Closes the connection once the queue has been sent, and accepts nothing more. Only the first close counts.
    ///
    /// A code that must not be sent (RFC 6455, section 7.4) becomes 1000. A reason is cut to 123 bytes, which is what
    /// a close frame holds.
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

/// The messages that a peer has sent and the application has not taken. There is one inbox for each WebSocket. If it
/// is dropped, its messages are too.
#[derive(Debug)]
pub struct Inbox(Arc<Shared>);

impl Inbox {
    /// Waits for the next whole message; `None` at the end. Nothing is lost if the future is dropped before it is
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
    /// How much memory all clients together may use.
    memory: Budget,
    /// Longer messages are sent in fragments of that many bytes.
    fragment: Option<usize>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    inbox: VecDeque<Message>,
    /// What the inbox holds, as the process counts it.
    held: Held,
    /// The task reads nothing, and must be woken when there is room again.
    deaf: bool,
    /// The application has taken a message, and not asked for the next yet.
    busy: bool,
    /// The task waits until it does.
    settling: bool,
    /// Nobody takes messages any more.
    abandoned: bool,
    /// How it ends, once either side wants it to.
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

    /// Whether there is room for a message.
    fn takes_in(&self, state: &State) -> bool {
        let cost = state.held.bytes();
        cost < INBOX && !self.memory.is_short(cost)
    }

    /// Ends it, unless it is ending already.
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

    /// The peer has closed first, even if the application has asked for another end since.
    pub(super) fn ended_by_peer(&self, close: Close) {
        self.end(close.clone());
        self.state.lock().close = Some(close);
    }

    /// How it will end.
    pub(super) fn close(&self) -> Option<Close> {
        self.state.lock().close.clone()
    }

    /// Whether messages are read: there is room for them.
    pub(super) fn listens(&self) -> bool {
        let mut state = self.state.lock();
        state.deaf = !self.takes_in(&state);
        !state.deaf
    }

    /// Whether there was no room when it was last [asked](Shared::listens).
    pub(super) fn is_deaf(&self) -> bool {
        self.state.lock().deaf
    }

    /// Whether the application has handled all messages. If not, the task is woken when it has.
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
                self.mailbox.ring();
            }
            return Poll::Pending;
        };
        state.busy = true;
        let held = state.held.bytes() - cost(&message);
        state.held.resize(held);
        self.mailbox.note_backlog(held);
        if state.inbox.is_empty() {
            // A burst has made it large, so its memory is freed.
            state.inbox = VecDeque::new();
        }
        if state.deaf && self.takes_in(&state) {
            state.deaf = false;
            drop(state);
            self.mailbox.ring();
        }
        Poll::Ready(Some(message))
    }

    /// Drops the messages.
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
        self.mailbox.ring();
    }
}
