//! WebSocket frames as bytes (RFC 6455, section 5.2), from a client's side.

use std::net::SocketAddr;

use tokio::task::JoinHandle;

use crate::{Connection, Deflate, Response};

/// A key for the handshake; any will do.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The header fields that ask for a WebSocket.
const HANDSHAKE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
];

/// A WebSocket on which frames are written as they are.
#[derive(Debug)]
pub struct WebSocket {
    connection: Connection,
}

/// What a server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
    /// A frame of a compressed message: its first byte, and its payload as it came.
    Compressed(u8, Vec<u8>),
    /// A ping frame.
    Ping(Vec<u8>),
    /// A pong frame.
    Pong(Vec<u8>),
    /// A close frame with its code, if it has one.
    Close(Option<u16>),
    /// The connection ended.
    End,
}

impl WebSocket {
    /// Opens a WebSocket, which must succeed.
    pub async fn open(address: SocketAddr, target: &str) -> WebSocket {
        WebSocket::over(Connection::open(address).await, target).await
    }

    /// The same on a connection that is there.
    pub async fn over(mut connection: Connection, target: &str) -> WebSocket {
        let response = connection.request("GET", target, &HANDSHAKE, b"").await;
        assert_eq!(response.status, 101, "a WebSocket: {response:?}");
        assert_eq!(response.header("sec-websocket-accept"), Some(ACCEPT));
        WebSocket { connection }
    }

    /// The WebSocket on a connection whose handshake is done.
    #[must_use]
    pub fn on(connection: Connection) -> WebSocket {
        WebSocket { connection }
    }

    /// Asks for a WebSocket and reads the answer.
    pub async fn handshake(
        address: SocketAddr,
        target: &str,
        headers: &[(&str, &str)],
    ) -> (Response, Connection) {
        let mut connection = Connection::open(address).await;
        let all = [&HANDSHAKE, headers].concat();
        let response = connection.request("GET", target, &all, b"").await;
        (response, connection)
    }

    /// Opens a WebSocket whose messages may be compressed, and reads what was agreed on.
    pub async fn compressed(address: SocketAddr, target: &str, offer: &str) -> (String, WebSocket) {
        let headers = [("Sec-WebSocket-Extensions", offer)];
        let (response, connection) = WebSocket::handshake(address, target, &headers).await;
        let agreed = response.header("sec-websocket-extensions").expect("an agreement");
        (agreed.to_owned(), WebSocket::on(connection))
    }

    /// Opens a WebSocket and sends frames along with the request, before its answer.
    pub async fn open_with(address: SocketAddr, target: &str, frames: &[u8]) -> WebSocket {
        let mut connection = Connection::open(address).await;
        let mut request = format!(
            "GET {target} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(frames);
        connection.write(request).await;
        assert_eq!(connection.response().await.status, 101);
        WebSocket { connection }
    }

    /// A frame as a client sends it: masked, here with zeros.
    #[must_use]
    pub fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first_byte];
        match payload.len() {
            len @ 0..126 => frame.push(0x80 | len as u8),
            len @ 126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        frame
    }

    /// Sends a text frame.
    pub async fn text(&mut self, text: impl AsRef<[u8]>) {
        self.raw(WebSocket::frame(0x81, text.as_ref())).await;
    }

    /// Sends a binary frame.
    pub async fn binary(&mut self, bytes: impl AsRef<[u8]>) {
        self.raw(WebSocket::frame(0x82, bytes.as_ref())).await;
    }

    /// Sends bytes.
    pub async fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.connection.write(bytes).await;
    }

    /// Sends bytes in a task of its own, so that reading can go on. Nothing else can be sent from then on.
    pub fn raw_in_background(&mut self, bytes: Vec<u8>) -> JoinHandle<()> {
        self.connection.write_in_background(bytes)
    }

    /// Sends bytes and reads nothing, until all are sent or the server ends the connection.
    pub async fn flood(&mut self, bytes: &[u8]) {
        self.connection.write_as_far_as_possible(bytes).await;
    }

    /// The next frame.
    pub async fn next(&mut self) -> Received {
        let Some(header) = self.take(2).await else { return Received::End };
        assert_eq!(header[1] & 0x80, 0, "a server doesn't mask");
        let length = match header[1] {
            126 => self.take(2).await.map(|len| usize::from(u16::from_be_bytes([len[0], len[1]]))),
            127 => {
                self.take(8).await.map(|len| len.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
            }
            len => Some(usize::from(len)),
        };
        let Some(length) = length else { return Received::End };
        let Some(payload) = self.take(length).await else { return Received::End };
        match header[0] {
            0x81 => Received::Text(String::from_utf8(payload).expect("text is UTF-8")),
            0x82 => Received::Binary(payload),
            first @ (0xc1 | 0xc2) => Received::Compressed(first, payload),
            0x88 => Received::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
            0x89 => Received::Ping(payload),
            0x8a => Received::Pong(payload),
            other => panic!("an unexpected frame: {other:#x}"),
        }
    }

    /// Waits until the beginning of a frame has arrived, and reads no further.
    pub async fn begun(&mut self) {
        if self.connection.rest.is_empty() {
            assert!(self.connection.fill().await, "the connection ended");
        }
    }

    /// The message of the next frame, which must be compressed.
    pub async fn next_inflated(&mut self, deflate: &mut Deflate) -> Vec<u8> {
        match self.next().await {
            Received::Compressed(_, payload) => deflate.inflate(&payload),
            other => panic!("expected a compressed message, got {other:?}"),
        }
    }

    /// The next frame, which must be text.
    pub async fn next_text(&mut self) -> String {
        match self.next().await {
            Received::Text(text) => text,
            other => panic!("expected text, got {other:?}"),
        }
    }

    /// Whatever bytes come next; `None` at the end.
    pub async fn next_bytes(&mut self) -> Option<Vec<u8>> {
        self.connection.some_bytes().await
    }

    /// The next frame must be a close frame with this code, or without one, and the connection must end.
    pub async fn expect_close(&mut self, code: Option<u16>) {
        assert_eq!(self.next().await, Received::Close(code));
        assert_eq!(self.next().await, Received::End);
    }

    /// The same, where the server waits for an answer to its close frame.
    pub async fn expect_close_and_answer(&mut self, code: u16) {
        assert_eq!(self.next().await, Received::Close(Some(code)));
        self.raw(WebSocket::frame(0x88, &code.to_be_bytes())).await;
        assert_eq!(self.next().await, Received::End);
    }

    async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.connection.rest.len() < length {
            if !self.connection.fill().await {
                return None;
            }
        }
        Some(self.connection.rest.drain(..length).collect())
    }
}
