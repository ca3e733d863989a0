//! What a session needs from the code that moves its bytes.

use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::observe::Watch;
use crate::websocket::FrameViolation;
use crate::{CloseReason, Frame, Limit, Message, Payload};

/// The wires under a [`Session`](super::Session). A server moves bytes with them; in a test they are lists.
///
/// Nothing here waits: what is not there yet is [`Poll::Pending`], and the task is woken when it is.
pub trait Wires: Sized + 'static {
    /// A WebSocket.
    type WebSocket: WebSocketWire;
    /// Where the answer to a GET goes. Dropped without one, it tells the GET that the session is over.
    type Answer: Reply<Payload>;
    /// Where a POST is told that its packets are accepted. Dropped without a word, it tells the POST that the session
    /// is over.
    type Accepted: Reply<()>;

    /// Whether the alarm is set and has not gone off.
    fn is_alarm_set(&self, now: Instant) -> bool;

    /// Sets the alarm, which wakes the task at `next` at the latest, and maybe earlier. Ready if that has passed.
    fn poll_alarm(&mut self, cx: &mut Context<'_>, now: Instant, next: Instant) -> Poll<()>;

    /// How long a client may take nothing while more waits for it than its budget allows.
    fn write_timeout(&self) -> Duration;

    /// Closes a WebSocket that was probed, with `code` and `within` that time. The session goes on meanwhile.
    fn close_probe(&mut self, probe: Self::WebSocket, code: Option<u16>, within: Duration);

    /// Writes a line of the log.
    fn log(&mut self, line: Line<'_>);
}

/// A WebSocket, as its session has it: messages come out and frames go in.
pub trait WebSocketWire {
    /// A turn of the session begins: see [`Session::begin_turn`](super::Session::begin_turn).
    fn begin_turn(&mut self);

    /// The next message, or the end. Pings are answered, and pongs skipped.
    fn poll_message(&mut self, cx: &mut Context<'_>, watch: Watch<'_>) -> Poll<Incoming>;

    /// Frames to be written, in order.
    fn queue(&mut self) -> &mut VecDeque<Frame>;

    /// Writes what is queued. Ready when all of it is through.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether all that was queued has been written.
    fn is_drained(&self) -> bool;

    /// The [cost](Frame::cost) of the frames that went out since the last call.
    fn take_freed(&mut self) -> usize;

    /// Whether bytes of frames went out since the last call.
    fn take_moved(&mut self) -> bool;

    /// What has come of a message that has not ended, if that has changed since the last call.
    fn take_grown(&mut self) -> Option<usize>;

    /// Gives up what is queued: the client has ended the connection, or broken it.
    fn discard(&mut self);

    /// Gives up the connection as well: the client is put out, and nobody waits for it to hear so.
    fn abandon(&mut self);

    /// Whether there is nobody to say goodbye to.
    fn is_gone(&self) -> bool;
}

/// Somebody who waits for one answer.
pub trait Reply<T> {
    /// Whether nobody waits for it any more.
    fn is_gone(&self) -> bool;

    /// Sends it. If nobody waits for it, it is lost.
    fn send(self, answer: T);
}

/// What a WebSocket brought.
#[derive(Debug)]
pub enum Incoming {
    /// A message, whole.
    Message(Message),
    /// The client's close frame. Nothing counts that comes after it.
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
    /// The reason for the session.
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

    /// There is no memory left for what the client sends: 1013, "Try Again Later".
    pub const CROWDED: Ending = Ending {
        reason: CloseReason::TransportError,
        code: Some(1013),
        violation: None,
        limit: Some(Limit::Memory),
    };
}

impl Ending {
    /// The client said goodbye. "the endpoint typically echos the status code it received" (RFC 6455, section 5.5.1)
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
        /// Where it stands.
        section: &'static str,
        /// What was wrong.
        error: &'a dyn Error,
    },
    /// The client was put out at this limit.
    PutOut(Limit),
    /// The WebSocket in use can't be written to.
    CanNotWrite(&'a io::Error),
}
