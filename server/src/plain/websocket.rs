//! A plain WebSocket as its application has it.

use engineio::plain::{Close, Inbox, Outgoing, Sender};
use engineio::{HandshakeRequest, Message, QueueError};

/// A plain WebSocket. Dropped, it is closed: with 1000, or with 1011 if its task panics.
///
/// Keep calling [`next`](WebSocket::next), also if nothing is expected: it is how the end is noticed, and while
/// messages wait to be read, no more are taken from the network. It also says that the application has dealt with the
/// last message: when the peer closes, what answers its messages goes out before the answer to its close, if that takes
/// no longer than a second.
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

    /// The next message, when it has come whole; `None` at the end, which [`ended`](WebSocket::ended) then
    /// tells about. Nothing is lost if the future is dropped before it is ready.
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
