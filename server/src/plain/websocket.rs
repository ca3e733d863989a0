//! A plain WebSocket as its application has it, and what it shares with the task that drives it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use engineio::memory::{Budget, Held, Holder};
use engineio::{FRAME_OVERHEAD, HIGH_WATER, HandshakeRequest, Message, QueueError};
use parking_lot::Mutex;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Messages wait for the application up to this many bytes, and one more; beyond that nothing is read.
const INBOX: usize = 64 * 1024;

/// The longest reason in a close frame: a control frame has 125 bytes, and the code takes two.
const MAX_REASON: usize = 123;

/// A plain WebSocket. Dropped, it is closed: with 1000, or with 1011 if its task panics.
///
/// Keep calling [`next`](WebSocket::next), also if nothing is expected: it is how the end is noticed, and while
/// messages wait to be read, no more are taken from the network.
#[derive(Debug)]
pub struct WebSocket {
    sender: Sender,
    protocol: Option<Box<str>>,
    handshake: HandshakeRequest,
}

impl WebSocket {
    pub(super) fn new(
        shared: Arc<Shared>,
        protocol: Option<Box<str>>,
        handshake: HandshakeRequest,
    ) -> WebSocket {
        WebSocket { sender: Sender(shared), protocol, handshake }
    }

    /// The next message, when it has come whole; `None` at the end, which [`ended`](WebSocket::ended) then
    /// tells about. Nothing is lost if the future is dropped before it is ready.
    pub async fn next(&mut self) -> Option<Message> {
        std::future::poll_fn(|cx| self.sender.0.poll_next(cx)).await
    }

    /// Sends a message. See [`Sender::send`].
    ///
    /// # Errors
    /// [`QueueError::Full`] over the budget and [`QueueError::Closed`] after the end; nothing is queued then.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), QueueError> {
        self.sender.send(message)
    }

    /// Waits until most of what was sent has gone out. See [`Sender::ready`].
    ///
    /// # Errors
    /// [`QueueError::Closed`] after the end.
    pub async fn ready(&self) -> Result<(), QueueError> {
        self.sender.ready().await
    }

    /// Closes the connection. See [`Sender::close`].
    pub fn close(&self, code: u16, reason: &str) {
        self.sender.close(code, reason);
    }

    /// What other tasks send with.
    #[must_use]
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// The subprotocol that was chosen.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// The request that opened the connection: its URL, query and header fields, and who sent it.
    #[must_use]
    pub fn handshake(&self) -> &HandshakeRequest {
        &self.handshake
    }

    /// How the connection has ended, or is about to; `None` before that.
    #[must_use]
    pub fn ended(&self) -> Option<Close> {
        self.sender.0.state.lock().close.clone()
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        // "a server is terminating the connection because it encountered an unexpected condition".
        let code = if std::thread::panicking() { 1011 } else { 1000 };
        self.close(code, "");
    }
}

/// Sends to a plain WebSocket from anywhere. Clones share it; none of them keeps it open.
#[derive(Clone, Debug)]
pub struct Sender(Arc<Shared>);

impl Sender {
    /// Queues a message: a string goes as text, bytes as binary. It never waits. A message is admitted whole
    /// while less than the [budget](crate::plain::Accept::send_budget) waits. While clients together make the
    /// process hold all that they may, the budget is [`ALLOWANCE`](engineio::memory::ALLOWANCE).
    ///
    /// # Errors
    /// [`QueueError::Full`] over the budget and [`QueueError::Closed`] after the end; nothing is queued then.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), QueueError> {
        let message = message.into();
        let room = self.0.has_room();
        let mut state = self.0.state.lock();
        if state.close.is_some() {
            return Err(QueueError::Closed);
        }
        if !room {
            return Err(QueueError::Full);
        }
        state.cost += cost(&message);
        state.count();
        state.outbox.push_back(message);
        state.wake_driver();
        Ok(())
    }

    /// Waits until most of what was sent has gone out. Whoever waits for this before each
    /// [`send`](Sender::send) can send any amount to a peer that reads.
    ///
    /// # Errors
    /// [`QueueError::Closed`] after the end.
    pub async fn ready(&self) -> Result<(), QueueError> {
        std::future::poll_fn(|cx| {
            let mut state = self.0.state.lock();
            if state.close.is_some() {
                return Poll::Ready(Err(QueueError::Closed));
            }
            if self.0.is_ready(&state) {
                return Poll::Ready(Ok(()));
            }
            if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Closes the connection behind what is queued, and takes nothing in any more. The first close stands.
    ///
    /// A code that can't be sent (RFC 6455, section 7.4) is taken for 1000, and of a reason only as much is
    /// sent as a close frame holds: 123 bytes.
    pub fn close(&self, code: u16, reason: &str) {
        let code = if CloseCode::from(code).is_allowed() { code } else { 1000 };
        let ends = reason.char_indices().map(|(start, letter)| start + letter.len_utf8());
        let length = ends.take_while(|end| *end <= MAX_REASON).last().unwrap_or(0);
        self.0.end(Close { code, reason: reason[..length].into() });
    }

    /// Whether the connection has ended, or is about to.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.state.lock().close.is_some()
    }
}

/// How a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The code of whichever close frame came first, ours or the peer's; 1005 if the peer gave none, and 1006
    /// if the connection was lost.
    pub code: u16,
    /// The reason in that frame.
    pub reason: Box<str>,
}

impl Close {
    pub(super) const LOST: u16 = 1006;

    pub(super) fn new(code: u16) -> Close {
        Close { code, reason: "".into() }
    }

    pub(super) fn by_peer(frame: Option<CloseFrame>) -> Close {
        match frame {
            Some(frame) => Close { code: frame.code.into(), reason: frame.reason.as_str().into() },
            None => Close::new(1005),
        }
    }

    pub(super) fn frame(&self) -> CloseFrame {
        CloseFrame { code: self.code.into(), reason: (&*self.reason).into() }
    }
}

/// What a message costs of the budget.
fn cost(message: &Message) -> usize {
    message.len() + FRAME_OVERHEAD
}

/// What the application and the driver share.
#[derive(Debug)]
pub(super) struct Shared {
    budget: usize,
    /// What clients together may make the process hold.
    memory: Budget,
    /// What has come of a message that has not ended.
    incoming: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    outbox: VecDeque<Message>,
    /// The cost of what is above, and of what the driver has taken but not yet written.
    cost: usize,
    inbox: VecDeque<Message>,
    inbox_cost: usize,
    /// What both of these cost, as the process counts it. A message that several WebSockets are to send counts for each.
    held: Held,
    /// The driver takes nothing in, and is to be woken when there is room again.
    deaf: bool,
    /// Memory ran short, and much was held for it.
    put_out: bool,
    /// How it ends, as soon as either side wants it to.
    close: Option<Close>,
    driver: Option<Waker>,
    reader: Option<Waker>,
    /// Senders that wait for room.
    waiting: Vec<Waker>,
}

impl State {
    fn count(&mut self) {
        self.held.resize(self.cost + self.inbox_cost);
    }

    fn end(&mut self, close: Close) {
        self.close.get_or_insert(close);
        self.wake_driver();
        self.waiting.drain(..).chain(self.reader.take()).for_each(Waker::wake);
    }

    fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }
}

impl Shared {
    pub(super) fn new(budget: usize, memory: Budget) -> Arc<Shared> {
        Arc::new(Shared { budget, memory, incoming: AtomicUsize::new(0), state: Mutex::default() })
    }

    /// Whether a message may be queued. To be asked without the lock: it may be this one who is put out for it.
    fn has_room(&self) -> bool {
        let cost = self.state.lock().cost;
        cost < self.budget && self.memory.admits(cost)
    }

    /// Whether whoever waits before it sends may send more.
    fn is_ready(&self, state: &State) -> bool {
        let mark = self.budget.min(HIGH_WATER);
        (state.cost == 0 || state.cost < mark) && !self.memory.is_short(state.cost)
    }

    /// Whether a message may be taken in.
    fn takes_in(&self, state: &State) -> bool {
        state.inbox_cost < INBOX && !self.memory.is_short(state.inbox_cost)
    }

    /// It ends, if it doesn't already.
    pub(super) fn end(&self, close: Close) {
        let mut state = self.state.lock();
        if state.close.is_none() {
            state.end(close);
        }
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut state = self.state.lock();
        let Some(message) = state.inbox.pop_front() else {
            if state.close.is_some() {
                return Poll::Ready(None);
            }
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        state.inbox_cost -= cost(&message);
        state.count();
        if state.deaf && self.takes_in(&state) {
            state.deaf = false;
            state.wake_driver();
        }
        Poll::Ready(Some(message))
    }
}

/// Whoever is put out hears nothing of it: what waits for it is given up.
impl Holder for Shared {
    fn holds(&self) -> usize {
        let state = self.state.lock();
        state.cost + state.inbox_cost + self.incoming.load(Ordering::Relaxed)
    }

    fn put_out(&self) {
        let mut state = self.state.lock();
        state.put_out = true;
        state.end(Close::new(Close::LOST));
        (state.inbox, state.outbox) = (VecDeque::new(), VecDeque::new());
        (state.inbox_cost, state.cost) = (0, 0);
        state.count();
    }
}

/// # For the driver
impl Shared {
    /// Whether so much may come of a message.
    pub(super) fn may_come(&self, bytes: usize) -> bool {
        self.memory.admits(bytes)
    }

    /// So much has come of a message that has not ended.
    pub(super) fn has_come(&self, bytes: usize) {
        self.incoming.store(bytes, Ordering::Relaxed);
    }

    /// Whether it is to end without a word.
    pub(super) fn is_put_out(&self) -> bool {
        self.state.lock().put_out
    }

    /// Has the driver woken when something changes. To be called before it looks at anything else here.
    pub(super) fn register(&self, cx: &Context<'_>) {
        let mut state = self.state.lock();
        if !state.driver.as_ref().is_some_and(|driver| driver.will_wake(cx.waker())) {
            state.driver = Some(cx.waker().clone());
        }
    }

    /// How it is to end.
    pub(super) fn wish(&self) -> Option<Close> {
        self.state.lock().close.clone()
    }

    /// Whether messages are taken in: there is room for them, or nobody who wants them.
    pub(super) fn listens(&self) -> bool {
        let mut state = self.state.lock();
        state.deaf = !self.takes_in(&state) && state.close.is_none();
        !state.deaf
    }

    /// A message has come.
    pub(super) fn deliver(&self, message: Message) {
        let mut state = self.state.lock();
        if state.close.is_some() {
            return;
        }
        state.inbox_cost += cost(&message);
        state.count();
        state.inbox.push_back(message);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// The next message to be written, and its cost.
    pub(super) fn take(&self) -> Option<(Message, usize)> {
        let message = self.state.lock().outbox.pop_front()?;
        let cost = cost(&message);
        Some((message, cost))
    }

    /// The driver is gone: what it has not written goes nowhere, and senders may stay for long.
    pub(super) fn abandon(&self) {
        let mut state = self.state.lock();
        state.outbox = VecDeque::new();
        state.cost = 0;
        state.count();
        state.driver = None;
    }

    /// Messages of this cost have been written.
    pub(super) fn written(&self, cost: usize) {
        if cost == 0 {
            return;
        }
        let mut state = self.state.lock();
        // Whoever was put out has nothing left.
        state.cost = state.cost.saturating_sub(cost);
        state.count();
        if self.is_ready(&state) {
            state.waiting.drain(..).for_each(Waker::wake);
        }
        if state.outbox.is_empty() {
            // Nothing is kept of a burst.
            state.outbox = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: protocol/plain-unread
    #[test]
    fn no_more_is_taken_in_than_the_application_reads() {
        let shared = Shared::new(1_000, Budget::default());
        let mut cx = Context::from_waker(Waker::noop());
        shared.deliver(Message::from(vec![0; INBOX - FRAME_OVERHEAD - 1]));
        assert!(shared.listens());
        shared.deliver(Message::from("one more"));
        assert!(!shared.listens());
        assert!(shared.poll_next(&mut cx).is_ready());
        assert!(shared.listens());
        shared.deliver(Message::from(vec![0; INBOX]));
        shared.end(Close::new(1000));
        assert!(shared.listens(), "the peer's close frame may be behind it");
        shared.deliver(Message::from("too late"));
        assert_eq!(shared.poll_next(&mut cx), Poll::Ready(Some(Message::from("one more"))));
        assert!(matches!(shared.poll_next(&mut cx), Poll::Ready(Some(_))));
        assert_eq!(shared.poll_next(&mut cx), Poll::Ready(None));
    }
}
