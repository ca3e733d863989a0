//! What a session needs from the code that moves its bytes.

use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::observe::Watch;
use crate::websocket::FrameViolation;
use crate::{CloseReason, Frame, Framing, Limit, Message, Payload};

/// The wires under a [`Session`](super::Session). A server moves bytes with them; in a test they are lists.
///
/// Nothing here blocks: what is not ready is [`Poll::Pending`], and wakes the task later.
pub trait Wires: Sized + 'static {
    /// A WebSocket.
    type WebSocket: WebSocketWire;
    /// The sender of the answer to a poll. If it is dropped without one, the poll learns that the session is over.
    type PollReply: Reply<Payload>;
    /// The sender that tells a POST that its packets are accepted. If it is dropped before, the POST learns that the
    /// session is over.
    type PostReply: Reply<()>;

    /// Whether the alarm is set and has not gone off.
    fn is_alarm_set(&self, now: Instant) -> bool;

    /// Sets the alarm, which wakes the task at `next` or earlier. Ready if `next` has passed.
    fn poll_alarm(&mut self, cx: &mut Context<'_>, now: Instant, next: Instant) -> Poll<()>;

    /// How long a client may read nothing while more waits for it than its budget allows.
    fn write_timeout(&self) -> Duration;

    /// How long a heartbeat may be overdue while its client is sending a WebSocket message.
    fn body_timeout(&self) -> Duration;

    /// Closes a WebSocket that was probed, with `code` and `within` that time. The session continues meanwhile.
    fn close_probe(&mut self, probe: Self::WebSocket, code: Option<u16>, within: Duration);

    /// Writes a line of the log.
    fn log(&mut self, line: Line<'_>);
}

/// A WebSocket, as its session uses it: it reads messages and writes frames.
pub trait WebSocketWire {
    /// How its messages are framed, and so which transport it is.
    fn framing(&self) -> Framing;

    /// A turn of the session begins: see [`Session::begin_turn`](super::Session::begin_turn).
    fn begin_turn(&mut self);

    /// The next message, or the end. Pings are answered, and pongs skipped.
    fn poll_message(&mut self, cx: &mut Context<'_>, watch: Watch<'_>) -> Poll<Incoming>;

    /// Frames to be written, in order.
    fn queue(&mut self) -> &mut VecDeque<Frame>;

    /// The length of the payload of frame number `at` of the queue on the wire, if it goes compressed.
    fn compressed(&mut self, at: usize) -> Option<usize> {
        let _ = at;
        None
    }

    /// Whether messages may be compressed.
    fn compresses(&self) -> bool {
        false
    }

    /// What is queued from now on goes without compression.
    fn stop_compressing(&mut self) {}

    /// Writes the queue. Ready when all of it is written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether all that was queued has been written.
    fn is_drained(&self) -> bool;

    /// The [cost](Frame::cost) of the frames that were written since the last call.
    fn take_freed(&mut self) -> usize;

    /// How many bytes of frames were written since the last call.
    fn take_moved(&mut self) -> usize;

    /// How many bytes are held for an unfinished message and for compression, if that has changed since the last call.
    fn take_grown(&mut self) -> Option<usize>;

    /// How many bytes of an unfinished message have arrived.
    fn partial(&self) -> usize;

    /// Drops the queue: the client has closed the connection, or it broke.
    fn discard(&mut self);

    /// Drops the connection too: the client is evicted, and not told.
    fn abandon(&mut self);

    /// Whether the client is gone, so that no close frame is needed.
    fn is_gone(&self) -> bool;
}

/// The sender of one answer.
pub trait Reply<T> {
    /// Whether nobody waits for it any more.
    fn is_gone(&self) -> bool;

    /// Sends it. If nobody waits for it, it is lost.
    fn send(self, answer: T);
}

/// What was received on a WebSocket.
#[derive(Debug)]
pub enum Incoming {
    /// A message, whole.
    Message(Message),
    /// The client's close frame. What comes after it is ignored.
    Closed {
        /// The status code, if it has one.
        code: Option<u16>,
        /// The code's two bytes and a reason in words, or nothing.
        payload: Bytes,
    },
    /// The end of the WebSocket without a close frame.
    Ended(Ending),
}

/// How a WebSocket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The reason with which the session ends.
    pub reason: CloseReason,
    /// The code of the close frame that the client is sent (RFC 6455, section 7.4.1).
    pub code: Option<u16>,
    /// The rule that the client broke.
    pub violation: Option<FrameViolation>,
    /// The limit that was met.
    pub limit: Option<Limit>,
}

impl Ending {
    /// The client is gone.
    pub const GONE: Ending =
        Ending { reason: CloseReason::TransportClose, code: None, violation: None, limit: None };

    /// There is no memory for what the client sends: 1013, "Try Again Later".
    pub const CROWDED: Ending = Ending {
        reason: CloseReason::TransportError,
        code: Some(1013),
        violation: None,
        limit: Some(Limit::Memory),
    };
}

impl Ending {
    /// The client has closed. "the endpoint typically echos the status code it received" (RFC 6455, section 5.5.1)
    pub(super) fn closed(code: Option<u16>) -> Ending {
        Ending { code, ..Ending::GONE }
    }
}

impl From<FrameViolation> for Ending {
    fn from(violation: FrameViolation) -> Ending {
        let (code, limit) = (Some(violation.code()), violation.limit());
        Ending { reason: CloseReason::TransportError, code, violation: Some(violation), limit }
    }
}

/// What a session has to say in the log.
#[derive(Debug)]
pub enum Line<'a> {
    /// The client broke a rule.
    Broke {
        /// The rule's name.
        rule: &'static str,
        /// Where to read it.
        section: &'static str,
        /// What was wrong.
        error: &'a dyn Error,
    },
    /// The client was evicted because of this limit.
    Evicted(Limit),
    /// The WebSocket in use can't be written to.
    CanNotWrite(&'a io::Error),
}
