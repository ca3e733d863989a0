//! The states of a client's session: the diagram of the module shows the ways between them.

use std::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Opening { until: Instant },
    Polling,
    Upgrading { step: Step, until: Instant },
    WebSocket,
    Closing { until: Instant },
    Over,
}

/// How far an upgrade has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The WebSocket is being opened.
    Connecting,
    /// `2probe` was sent.
    Probing,
    /// `3probe` has come: no further request begins.
    Pausing,
}

/// What a POST carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// Messages, and perhaps more.
    Messages,
    /// Heartbeats or the goodbye.
    NoMessages,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Heartbeat {
    /// This side pings then: revision 3.
    PingAt(Instant),
    /// The server must have sent something by then.
    HeardBy(Instant),
}
