//! Why something was not sent, answered or joined, and why a socket ended. This module has the errors that several
//! folders share, and one type for all ([`any`]). The rules for packets are in [`packet`](crate::packet), and the
//! errors between nodes in [`cluster`](crate::cluster).

use std::fmt;

use engineio::CloseReason;
use serde::{Serialize, Serializer};

use crate::args::ArgsError;

pub(crate) mod any;
pub(crate) mod connect_error;

/// Why an event or an acknowledgement was not sent. Nothing was queued.
///
/// It serialises as its message. So a handler that ends with an `emit` acknowledges with nothing, or with the
/// error.
///
/// ```
/// use socketio::{SendError, Socket};
///
/// fn position(socket: &Socket) {
///     match socket.emit("position", (3, 4)) {
///         Ok(()) => {}
///         Err(SendError::Full) => println!("the client is too slow"),
///         Err(error) => println!("{error}"),
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// More than the client's byte budget waits to be sent. [`Socket::ready`](crate::Socket::ready) waits
    /// for room.
    Full,
    /// The socket is not connected, or no longer.
    Closed,
    /// The protocol reserves the event's name, such as `disconnect`.
    ReservedEvent,
    /// The arguments can't be written as JSON.
    Serialize(serde_json::Error),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Full => f.write_str("the client's send queue is full"),
            SendError::Closed => f.write_str("the socket is not connected"),
            SendError::ReservedEvent => {
                f.write_str("this event name is reserved for the protocol: choose another")
            }
            SendError::Serialize(error) => write!(f, "the arguments can't be serialised: {error}"),
        }
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SendError::Serialize(error) => Some(error),
            SendError::Full | SendError::Closed | SendError::ReservedEvent => None,
        }
    }
}

impl Serialize for SendError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<engineio::QueueError> for SendError {
    fn from(error: engineio::QueueError) -> SendError {
        match error {
            engineio::QueueError::Full => SendError::Full,
            engineio::QueueError::Closed => SendError::Closed,
        }
    }
}

impl From<serde_json::Error> for SendError {
    fn from(error: serde_json::Error) -> SendError {
        SendError::Serialize(error)
    }
}

/// Why an event was not acknowledged. It serialises as its message.
///
/// ```
/// use socketio::{AckError, Socket};
///
/// async fn ask(socket: &Socket) {
///     match socket.emit_with_ack::<String>("your name?", ()).await {
///         Ok(name) => println!("{name}"),
///         Err(AckError::Timeout) => println!("no answer in time"),
///         Err(error) => println!("{error}"),
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum AckError {
    /// The client didn't answer in time. It may have received the event nevertheless.
    Timeout,
    /// The socket ended first.
    Disconnected,
    /// The event was not sent.
    Send(SendError),
    /// Too many acknowledgements of this socket are still missing, so the event was not sent. See
    /// [`IoConfig::max_pending_acks`](crate::IoConfig::max_pending_acks).
    TooManyPending,
    /// The client's answer can't be read as the expected type.
    Args(ArgsError),
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AckError::Timeout => f.write_str("the client did not answer in time"),
            AckError::Disconnected => f.write_str("the socket was disconnected before the client answered"),
            AckError::Send(error) => error.fmt(f),
            AckError::TooManyPending => f.write_str("too many acknowledgements are awaited from this client: wait for some, or raise `max_pending_acks`"),
            AckError::Args(error) => write!(f, "the client's acknowledgement does not have the expected arguments: {error}"),
        }
    }
}

impl std::error::Error for AckError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Its message is this one's.
            AckError::Send(error) => error.source(),
            AckError::Args(error) => Some(error),
            AckError::Timeout | AckError::Disconnected | AckError::TooManyPending => None,
        }
    }
}

impl Serialize for AckError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<SendError> for AckError {
    fn from(error: SendError) -> AckError {
        AckError::Send(error)
    }
}

/// Why a socket did not join a room. It serialises as its message.
///
/// ```
/// use socketio::{JoinError, Socket};
///
/// fn enter(socket: &Socket, room: &str) {
///     if let Err(JoinError::TooManyRooms) = socket.join(room) {
///         println!("leave a room first");
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// The socket was not accepted, or has ended.
    Closed,
    /// The socket is in too many rooms. See [`IoConfig::max_rooms`](crate::IoConfig::max_rooms).
    TooManyRooms,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JoinError::Closed => "the socket is disconnected",
            JoinError::TooManyRooms => "the socket is in too many rooms: leave one, or raise `max_rooms`",
        })
    }
}

impl std::error::Error for JoinError {}

impl Serialize for JoinError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a socket ended. [`as_str`](DisconnectReason::as_str) gives socket.io's words.
///
/// ```
/// use socketio::{DisconnectReason, Io, Socket};
///
/// fn watch(io: &Io) {
///     io.on_disconnect(|socket: Socket, reason: DisconnectReason| async move {
///         if reason == DisconnectReason::PingTimeout {
///             println!("{} fell silent", socket.id());
///         }
///     });
/// }
/// assert_eq!(DisconnectReason::PingTimeout.as_str(), "ping timeout");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The transport failed.
    TransportError,
    /// The client ended the connection.
    TransportClose,
    /// The server ended the session while it ran over WebSocket.
    ForcedClose,
    /// The server ended the session while it ran over polling.
    ForcedServerClose,
    /// The client gave no sign of life.
    PingTimeout,
    /// The client sent something that the protocol doesn't allow.
    ParseError,
    /// The server is stopping.
    ServerShuttingDown,
    /// The client left the namespace.
    ClientNamespaceDisconnect,
    /// The server disconnected the client from the namespace, with
    /// [`Socket::disconnect`](crate::Socket::disconnect).
    ServerNamespaceDisconnect,
}

impl DisconnectReason {
    /// The reason in the words of socket.io, such as `"client namespace disconnect"`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DisconnectReason::TransportError => "transport error",
            DisconnectReason::TransportClose => "transport close",
            DisconnectReason::ForcedClose => "forced close",
            DisconnectReason::ForcedServerClose => "forced server close",
            DisconnectReason::PingTimeout => "ping timeout",
            DisconnectReason::ParseError => "parse error",
            DisconnectReason::ServerShuttingDown => "server shutting down",
            DisconnectReason::ClientNamespaceDisconnect => "client namespace disconnect",
            DisconnectReason::ServerNamespaceDisconnect => "server namespace disconnect",
        }
    }
}

impl DisconnectReason {
    /// Whether the client may recover its socket: neither side ended it on purpose. The same reasons as in the
    /// reference, except a server that shuts down.
    pub(crate) fn is_lost_connection(self) -> bool {
        match self {
            DisconnectReason::TransportError
            | DisconnectReason::TransportClose
            | DisconnectReason::ForcedClose
            | DisconnectReason::ForcedServerClose
            | DisconnectReason::PingTimeout => true,
            DisconnectReason::ParseError
            | DisconnectReason::ServerShuttingDown
            | DisconnectReason::ClientNamespaceDisconnect
            | DisconnectReason::ServerNamespaceDisconnect => false,
        }
    }
}

impl From<CloseReason> for DisconnectReason {
    fn from(reason: CloseReason) -> DisconnectReason {
        match reason {
            CloseReason::TransportError => DisconnectReason::TransportError,
            CloseReason::TransportClose => DisconnectReason::TransportClose,
            CloseReason::ForcedClose => DisconnectReason::ForcedClose,
            CloseReason::ForcedServerClose => DisconnectReason::ForcedServerClose,
            CloseReason::PingTimeout => DisconnectReason::PingTimeout,
            CloseReason::ParseError => DisconnectReason::ParseError,
            CloseReason::ServerShuttingDown => DisconnectReason::ServerShuttingDown,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: features/disconnect-reasons
    #[test]
    fn a_sessions_reason_keeps_its_words() {
        for reason in [
            CloseReason::TransportError,
            CloseReason::TransportClose,
            CloseReason::ForcedClose,
            CloseReason::ForcedServerClose,
            CloseReason::PingTimeout,
            CloseReason::ParseError,
            CloseReason::ServerShuttingDown,
        ] {
            assert_eq!(DisconnectReason::from(reason).as_str(), reason.as_str());
        }
    }
}
