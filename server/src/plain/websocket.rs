//! A plain WebSocket, for its application.

use engineio::plain::{Close, Inbox, Outgoing, Sender};
use engineio::{HandshakeRequest, Message, QueueError};

/// A plain WebSocket. Dropping it closes it with 1000, or with 1011 if what runs on it panics.
///
/// Keep calling [`next`](WebSocket::next), even if you expect nothing: it tells you when the connection ends,
/// and while messages are unread, the server stops reading from the network.
#[derive(Debug)]
pub struct WebSocket {
    sender: Sender,
    inbox: Inbox,
    protocol: Option<Box<str>>,
    handshake: HandshakeRequest,
}

impl WebSocket {
    pub(super) fn new(
        sender: Sender,
        inbox: Inbox,
        protocol: Option<Box<str>>,
        handshake: HandshakeRequest,
    ) -> WebSocket {
        WebSocket { sender, inbox, protocol, handshake }
    }

    /// The next whole message; `None` at the end, which [`ended`](WebSocket::ended) then describes. Nothing is
    /// lost if the future is dropped before it is ready.
    pub async fn next(&mut self) -> Option<Message> {
        self.inbox.next().await
    }

    /// Sends a message. See [`Sender::send`].
    ///
    /// # Errors
    /// [`QueueError::Full`] over the budget and [`QueueError::Closed`] after the end; nothing is queued then.
    pub fn send(&self, message: impl Into<Outgoing>) -> Result<(), QueueError> {
        self.sender.send(message)
    }

    /// Waits until most of the queue has been sent. See [`Sender::ready`].
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

    /// Sends from other tasks.
    #[must_use]
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// The chosen subprotocol.
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
        self.sender.ended()
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        // "a server is terminating the connection because it encountered an unexpected condition".
        let code = if std::thread::panicking() { 1011 } else { 1000 };
        self.close(code, "");
    }
}
