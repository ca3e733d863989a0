//! What goes into the state machine, and what comes out.

use std::time::Duration;

use crate::{CloseReason, Message, Packet, Violation};

/// What happened to a session.
///
/// ```
/// use std::{sync::Arc, time::Instant};
/// use engineio::{CloseReason, Engine, Input, Output, Revision, StateMachine, Transport};
///
/// let now = Instant::now();
/// let mut session = StateMachine::new(Arc::new(Engine::default()), Revision::V4, Transport::WebSocket, now);
/// let mut out = Vec::new();
/// session.handle(now, Input::TransportClosed(CloseReason::TransportClose), &mut out);
/// assert_eq!(out, [Output::Closed(CloseReason::TransportClose)]);
/// ```
#[derive(Debug)]
pub enum Input {
    /// A GET arrived. `queued` says whether frames wait for the client.
    PollOpened {
        /// Whether the answer can be made at once.
        queued: bool,
    },
    /// The client of a GET left before the answer.
    PollAborted {
        /// Whether messages were in that answer.
        lost: bool,
    },
    /// A request broke a rule: it overlaps another one, or is a POST without a proper end.
    Broken(Violation),
    /// Frames wait for the client.
    Queued,
    /// The client read something while its own packets wait, so it is alive.
    Taken,
    /// The client is in the middle of a message, and bytes of it have moved since the heartbeat was last due. Its pong
    /// may be later, but for this alone no more than `at_most` later than it was due.
    Moved {
        /// How much later; `None` if something else limits that.
        at_most: Option<Duration>,
    },
    /// A packet from the transport in use, or the rule that it broke.
    Packet(Result<Packet, Violation>),
    /// A WebSocket was opened for this session.
    ProbeOpened,
    /// A packet from that WebSocket, or the rule that it broke.
    ProbePacket(Result<Packet, Violation>),
    /// That WebSocket ended.
    ProbeClosed,
    /// The WebSocket in use ended.
    TransportClosed(CloseReason),
    /// The server wants to end the session.
    Close(CloseReason),
    /// The session ends at once, because the client reads nothing or memory runs short. The client is not told.
    Evicted,
    /// The [deadline](super::StateMachine::deadline) passed.
    Timeout,
}

/// What the session has to do.
///
/// ```
/// use engineio::Output;
///
/// fn show(output: &Output) {
///     match output {
///         Output::Deliver(message) => println!("for the application: {message:?}"),
///         Output::Send(packet) => println!("for the client: {packet:?}"),
///         Output::Closed(reason) => println!("over: {reason}"),
///         other => println!("{other:?}"),
///     }
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Complete the parked GET.
    Answer(PollAnswer),
    /// Queue a packet for the client, after what is queued.
    Send(Packet),
    /// Send a packet on the probing WebSocket.
    SendProbe(Packet),
    /// Report that the client broke this rule. The consequences follow.
    Broken(Violation),
    /// Hand a message to the layer above.
    Deliver(Message),
    /// The probing WebSocket is the transport now: send the queue on it. If the session is closing, send
    /// nothing else.
    Upgrade,
    /// Close the probing WebSocket.
    DropProbe,
    /// The session is over for the layer above, which gets nothing after this. Send the queue on the WebSocket
    /// in use, and then close it; the same for one that a later [`Upgrade`](Output::Upgrade) brings. Comes
    /// once.
    Closed(CloseReason),
}

/// The body of a GET's answer.
///
/// ```
/// use std::{sync::Arc, time::Instant};
/// use engineio::{PollAnswer, Engine, Input, Output, Revision, StateMachine, Transport};
///
/// let now = Instant::now();
/// let mut session = StateMachine::new(Arc::new(Engine::default()), Revision::V4, Transport::Polling, now);
/// let mut out = Vec::new();
/// session.handle(now, Input::PollOpened { queued: true }, &mut out);
/// assert_eq!(out, [Output::Answer(PollAnswer::Queued)]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollAnswer {
    /// The queue.
    Queued,
    /// `6`: nothing, so that the client can continue.
    Noop,
    /// `1`: the session has ended.
    Close,
    /// `6` and `1`: the session had ended before this GET came.
    NoopClose,
}
