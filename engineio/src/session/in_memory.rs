//! Wires without a network, for tests, fuzzing and stepping through a session by hand.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::wires::{Incoming, Line, Reply, WebSocketWire, Wires};
use crate::observe::Watch;
use crate::websocket::Place;
use crate::{Frame, Framing, Payload, plain};

/// The wires of a session without a network. They wake nobody: after a change, give the session a turn.
#[derive(Debug)]
pub struct InMemory {
    /// When the session wants its next turn.
    pub alarm: Option<Instant>,
    /// How long a client may read nothing while too much waits.
    pub write_timeout: Duration,
    /// How much later a heartbeat may be for a message that comes in.
    pub body_timeout: Duration,
    /// The probing WebSockets that were closed.
    pub given_up: Vec<InMemoryWebSocket>,
}

impl Default for InMemory {
    fn default() -> InMemory {
        let half_a_minute = Duration::from_secs(30);
        InMemory {
            alarm: None,
            write_timeout: half_a_minute,
            body_timeout: half_a_minute,
            given_up: Vec::new(),
        }
    }
}

impl Wires for InMemory {
    type WebSocket = InMemoryWebSocket;
    type PollReply = Slot<Payload>;
    type PostReply = Slot<()>;

    fn is_alarm_set(&self, now: Instant) -> bool {
        self.alarm.is_some_and(|alarm| now < alarm)
    }

    fn poll_alarm(&mut self, _: &mut Context<'_>, now: Instant, next: Instant) -> Poll<()> {
        if next <= now {
            return Poll::Ready(());
        }
        self.alarm = Some(next);
        Poll::Pending
    }

    fn write_timeout(&self) -> Duration {
        self.write_timeout
    }

    fn body_timeout(&self) -> Duration {
        self.body_timeout
    }

    fn close_probe(&mut self, probe: InMemoryWebSocket, _: Option<u16>, _: Duration) {
        self.given_up.push(probe);
    }

    fn log(&mut self, _: Line<'_>) {}
}

impl plain::PlainWires for InMemory {
    fn poll_alarm(&mut self, cx: &mut Context<'_>, now: Instant, next: Instant) -> Poll<()> {
        Wires::poll_alarm(self, cx, now, next)
    }

    fn log(&mut self, _: Line<'_>) {}
}

/// Where one answer is left. Clones share it. It is gone if this is the only one.
#[derive(Clone, Debug)]
pub struct Slot<T>(Arc<Mutex<Option<T>>>);

impl<T> Slot<T> {
    /// Takes the answer, if there is one.
    pub fn take(&self) -> Option<T> {
        self.0.lock().take()
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot(Arc::default())
    }
}

impl<T> Reply<T> for Slot<T> {
    fn is_gone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    fn send(self, answer: T) {
        *self.0.lock() = Some(answer);
    }
}

/// A WebSocket whose client sends what is given to it, and reads as much as it has room for.
#[derive(Debug, Default)]
pub struct InMemoryWebSocket {
    /// What the client has sent.
    pub incoming: VecDeque<Incoming>,
    /// How much of a message has come that isn't whole.
    pub partial: usize,
    /// How many bytes of packets may be written.
    pub room: usize,
    /// What the client has received.
    pub sent: Vec<Frame>,
    /// Whether bytes came in this turn, and the position after them.
    pub has_read: bool,
    /// See [`Place`].
    pub place: Place,
    /// The close frame that the client has received from a plain WebSocket: its code, and how many frames came before
    /// it.
    pub closed: Option<(Option<u16>, usize)>,
    /// How many bytes are held for it, once that has changed.
    pub grown: Option<usize>,
    /// Whether messages may be compressed.
    pub compresses: bool,
    /// How many frames were compressed for it.
    pub compressed: usize,
    /// Nothing more is compressed.
    pub stopped: bool,
    queue: VecDeque<Frame>,
    /// How much of the first frame has been written.
    begun: usize,
    freed: usize,
    moved: usize,
    gone: bool,
}

impl InMemoryWebSocket {
    /// A WebSocket that accepts that many bytes.
    #[must_use]
    pub fn new(room: usize) -> InMemoryWebSocket {
        InMemoryWebSocket { room, ..InMemoryWebSocket::default() }
    }
}

impl WebSocketWire for InMemoryWebSocket {
    fn framing(&self) -> Framing {
        Framing::WebSocket(crate::Revision::V4)
    }

    fn begin_turn(&mut self) {}

    fn poll_message(&mut self, _: &mut Context<'_>, _: Watch<'_>) -> Poll<Incoming> {
        self.incoming.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn queue(&mut self) -> &mut VecDeque<Frame> {
        &mut self.queue
    }

    fn compresses(&self) -> bool {
        self.compresses
    }

    fn compressed(&mut self, _: usize) -> Option<usize> {
        self.compressed += usize::from(!self.stopped);
        None
    }

    fn stop_compressing(&mut self) {
        self.stopped = true;
    }

    fn poll_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(frame) = self.queue.front() {
            let left = frame.packet().len() - self.begun;
            let most = left.min(self.room);
            self.moved += most;
            self.room -= most;
            if most < left {
                self.begun += most;
                return Poll::Pending;
            }
            self.begun = 0;
            self.freed += frame.cost();
            self.sent.extend(self.queue.pop_front());
        }
        Poll::Ready(Ok(()))
    }

    fn is_drained(&self) -> bool {
        self.queue.is_empty()
    }

    fn take_freed(&mut self) -> usize {
        std::mem::take(&mut self.freed)
    }

    fn take_moved(&mut self) -> usize {
        std::mem::take(&mut self.moved)
    }

    fn take_grown(&mut self) -> Option<usize> {
        self.grown.take()
    }

    fn partial(&self) -> usize {
        self.partial
    }

    fn discard(&mut self) {
        self.queue.clear();
    }

    fn abandon(&mut self) {
        self.queue.clear();
        self.gone = true;
    }

    fn is_gone(&self) -> bool {
        self.gone
    }
}

impl plain::PlainWire for InMemoryWebSocket {
    fn has_read(&self) -> bool {
        self.has_read
    }

    fn place(&self) -> Place {
        self.place
    }

    fn ping(&mut self) {}

    fn close(&mut self, code: Option<u16>, _: &str) {
        self.closed = Some((code, self.sent.len()));
    }
}
