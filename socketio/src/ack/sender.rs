//! The acknowledgement of one event, for the handler that sends it.

use std::fmt;

use crate::args::ToArgs;
use crate::error::SendError;
use crate::log::Excerpt;
use crate::socket::Socket;

/// Acknowledges one event, now or later, from any task. If you drop it, nothing is sent.
///
/// ```
/// use socketio::{AckSender, Io, Socket};
///
/// fn later(io: &Io) {
///     io.on_with_ack("sell", |_: Socket, item: String, ack: AckSender| async move {
///         tokio::spawn(async move { ack.send((item, "sold")) });
///     });
/// }
/// ```
pub struct AckSender {
    /// The socket and the id, if the client asked for an acknowledgement.
    asked: Option<(Socket, u64)>,
}

impl AckSender {
    pub(crate) fn new(socket: &Socket, id: Option<u64>) -> AckSender {
        AckSender { asked: id.map(|id| (socket.clone(), id)) }
    }

    /// Whether the client asked for an acknowledgement. If not, nothing is sent.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.asked.is_some()
    }

    /// Sends the acknowledgement, if the client wants one.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(self, args: impl ToArgs) -> Result<(), SendError> {
        let Some((socket, id)) = self.asked else { return Ok(()) };
        socket.acknowledge(id, args)
    }

    /// Sends what a handler returned, and logs an error.
    pub(crate) fn send_returned(self, args: impl ToArgs) {
        let Some((socket, id)) = self.asked else { return };
        match socket.acknowledge(id, args) {
            Ok(()) | Err(SendError::Closed | SendError::Full | SendError::ReservedEvent) => {}
            Err(error @ SendError::Serialize(_)) => {
                tracing::error!(namespace = %Excerpt(socket.namespace_name()), %error, "no acknowledgement");
            }
        }
    }
}

impl Socket {
    fn acknowledge(&self, id: u64, args: impl ToArgs) -> Result<(), SendError> {
        self.push_owed(&self.config().parser.ack(self.namespace_name(), id, args)?)
    }
}

impl fmt::Debug for AckSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.asked.as_ref().map(|(_, id)| id);
        f.debug_struct("AckSender").field("id", &id).finish_non_exhaustive()
    }
}
