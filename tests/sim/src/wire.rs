//! A client's side of HTTP and WebSocket, as bytes.

use std::future::poll_fn;
use std::io;

use bytes::Bytes;
use tokio::io::ReadBuf;

use crate::net::End;

/// A connection, and what was read of it beyond what was asked for.
pub(crate) struct Connection {
    end: End,
    rest: Vec<u8>,
}

/// A response.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) binary: bool,
    pub(crate) body: Bytes,
}

impl Connection {
    pub(crate) fn new(end: End) -> Connection {
        Connection { end, rest: Vec::new() }
    }

    pub(crate) async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = poll_fn(|cx| self.end.poll_write_shared(cx, bytes)).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Reads on. At the end that is an error.
    async fn fill(&mut self) -> io::Result<()> {
        let mut bytes = [0; 2048];
        let mut buf = ReadBuf::new(&mut bytes);
        poll_fn(|cx| self.end.poll_read_shared(cx, &mut buf)).await?;
        if buf.filled().is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.rest.extend_from_slice(buf.filled());
        Ok(())
    }

    async fn take(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.rest.len() < len {
            self.fill().await?;
        }
        Ok(self.rest.drain(..len).collect())
    }

    /// Sends a request.
    pub(crate) async fn request(
        &self,
        method: &str,
        target: &str,
        fields: &str,
        body: &[u8],
    ) -> io::Result<()> {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: sim\r\n{fields}").into_bytes();
        if method == "POST" {
            request.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
        self.write(&request).await
    }

    /// Reads a response.
    pub(crate) async fn response(&mut self) -> io::Result<Response> {
        let end = loop {
            if let Some(end) = self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.fill().await?;
        };
        let head = String::from_utf8(self.take(end).await?).map_err(io::Error::other)?.to_ascii_lowercase();
        let status =
            head.get(9..12).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let length = field("content-length: ").and_then(|length| length.parse().ok()).unwrap_or(0);
        let binary = field("content-type: ").is_some_and(|kind| kind == "application/octet-stream");
        Ok(Response { status, binary, body: self.take(length).await?.into() })
    }
}

/// A WebSocket, after its handshake. Reading and writing can be two tasks.
pub(crate) struct WebSocket {
    end: End,
    rest: std::cell::RefCell<Vec<u8>>,
}

/// What a WebSocket brings.
pub(crate) enum Frame {
    Text(Vec<u8>),
    Binary(Vec<u8>),
}

impl WebSocket {
    /// Asks for a WebSocket. Frames may follow the request at once.
    pub(crate) async fn open(
        mut connection: Connection,
        target: &str,
        early: &[u8],
    ) -> io::Result<WebSocket> {
        let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                      Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
        let request = format!("GET {target} HTTP/1.1\r\nHost: sim\r\n{fields}\r\n");
        connection.write(&[request.as_bytes(), early].concat()).await?;
        let response = connection.response().await?;
        if response.status != 101 {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(WebSocket { end: connection.end, rest: connection.rest.into() })
    }

    /// A frame as a client sends it: masked, here with zeros.
    pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        if payload.len() < 126 {
            frame.push(0x80 | payload.len() as u8);
        } else {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        frame
    }

    pub(crate) async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = poll_fn(|cx| self.end.poll_write_shared(cx, bytes)).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    async fn take(&self, len: usize) -> io::Result<Vec<u8>> {
        while self.rest.borrow().len() < len {
            let mut bytes = [0; 2048];
            let mut buf = ReadBuf::new(&mut bytes);
            poll_fn(|cx| self.end.poll_read_shared(cx, &mut buf)).await?;
            if buf.filled().is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.rest.borrow_mut().extend_from_slice(buf.filled());
        }
        Ok(self.rest.borrow_mut().drain(..len).collect())
    }

    /// The next message. A close frame is an end.
    pub(crate) async fn next(&self) -> io::Result<Frame> {
        loop {
            let head = self.take(2).await?;
            let len = match head[1] {
                126 => self.take(2).await?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
                127 => self.take(8).await?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
                len => usize::from(len),
            };
            let payload = self.take(len).await?;
            match head[0] {
                0x81 => return Ok(Frame::Text(payload)),
                0x82 => return Ok(Frame::Binary(payload)),
                0x8a => {}
                0x88 => return Err(io::ErrorKind::ConnectionAborted.into()),
                other => return Err(io::Error::other(format!("an unexpected frame {other:#x}"))),
            }
        }
    }
}
