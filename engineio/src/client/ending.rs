//! Why a client's session ended.

use std::fmt;

use super::answer::ServerRefusal;
use crate::Violation;

/// Why a session ended, as its client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEnding {
    /// The server answered a request with an error.
    Refused(ServerRefusal),
    /// A request got no answer, or the WebSocket could not be opened.
    TransportError,
    /// The WebSocket in use ended.
    TransportClosed {
        /// The status code of the server's close frame: 1005 if that has none, and `None` without such a frame, when the
        /// connection was lost.
        code: Option<u16>,
    },
    /// The server sent `1`.
    ServerClosed,
    /// The server sent nothing for as long as it promised to be heard from.
    PingTimeout,
    /// The handshake got no answer in time.
    OpenTimeout,
    /// The first packet was no open packet.
    NotOpened,
    /// The server sent something that is no packet.
    Broken(Violation),
    /// This side ended it, and the server had all that was sent before. If it may not have, another reason is told,
    /// though this side was ending the session.
    ClosedHere,
}

impl fmt::Display for ClientEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientEnding::Refused(refusal) => refusal.fmt(f),
            ClientEnding::TransportError => f.write_str("transport error"),
            ClientEnding::TransportClosed { code: None } => f.write_str("transport close"),
            ClientEnding::TransportClosed { code: Some(code) } => {
                write!(f, "transport close, with code {code}")
            }
            ClientEnding::ServerClosed => f.write_str("the server closed the session"),
            ClientEnding::PingTimeout => f.write_str("ping timeout"),
            ClientEnding::OpenTimeout => f.write_str("the handshake got no answer in time"),
            ClientEnding::NotOpened => f.write_str("the first packet is no open packet"),
            ClientEnding::Broken(violation) => write!(f, "parse error: {violation}"),
            ClientEnding::ClosedHere => f.write_str("the client closed the session"),
        }
    }
}
