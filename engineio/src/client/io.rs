//! What goes into a client's session, and what comes out of it.

use bytes::Bytes;
use bytestring::ByteString;

use super::answer::HttpAnswer;
use super::ending::ClientEnding;
use super::opened::OpenPacket;
use crate::Message;

/// What happened to a session's wires.
#[derive(Clone, Debug)]
pub enum ClientInput {
    /// The GET was answered.
    GetAnswered(HttpAnswer),
    /// The POST was answered.
    PostAnswered(HttpAnswer),
    /// The GET or the POST got no answer.
    RequestFailed,
    /// The WebSocket is open.
    WebSocketOpened,
    /// The server refused the WebSocket.
    WebSocketRefused(HttpAnswer),
    /// A text message came by WebSocket.
    Text(ByteString),
    /// A binary message came by WebSocket.
    Binary(Bytes),
    /// The WebSocket ended, or could not be opened.
    WebSocketClosed {
        /// The status code of the server's close frame: 1005 if it has none. `None` without such a frame.
        code: Option<u16>,
    },
    /// This side ends the session.
    Close,
    /// The [deadline](super::ClientSession::deadline) passed.
    Timeout,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientOutput {
    /// Send a GET with the [query](super::ClientSession::query) of polling.
    Get,
    /// Send a POST with this body, which is text.
    Post(Bytes),
    /// Open a WebSocket with the query of WebSocket.
    OpenWebSocket,
    /// Send a text message by WebSocket.
    SendText(ByteString),
    /// Send a binary message by WebSocket.
    SendBinary(Bytes),
    /// Close the WebSocket, once what was sent on it has gone out.
    CloseWebSocket,
    /// The server has opened the session.
    Opened(OpenPacket),
    /// A message for the layer above.
    Message(Message),
    /// The WebSocket has taken over from polling.
    Upgraded,
    /// There will be no upgrade. The session goes on by polling.
    UpgradeFailed,
    /// The session is over. Whatever is still open on the wires can go. Comes once, as the last.
    Ended(ClientEnding),
}
