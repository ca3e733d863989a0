//! A WebSocket under a session: packets in, shared frames out.
//!
//! tokio-tungstenite reads and answers control frames. Outgoing packets don't pass through it: they are
//! framed already and shared between sessions, so they are written straight to the stream below it. The two
//! writers take turns at frame boundaries: [`Gate`] keeps tungstenite from writing while one of our frames is
//! half written, and we flush what tungstenite has begun before we begin a frame.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytestring::ByteString;
use engineio::{CloseReason, Frame, Packet, Revision, Violation};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::io::Io;
use crate::watch::Watch;

/// What a connection reads ahead. Larger messages grow the buffer.
const READ_BUFFER: usize = 4 * 1024;

/// The most that pongs may take up while the peer doesn't read.
const PONG_BUFFER: usize = 64 * 1024;

/// Frames under this length are copied together for one write; larger ones are written as they lie.
const COALESCE: usize = 1024;

/// The most that is copied together for one write.
const SCRATCH: usize = 32 * 1024;

thread_local! {
    /// Where small frames are copied together: one for each worker, none for each connection.
    static COPIED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The capacity that an empty queue may keep, in frames.
const KEPT_CAPACITY: usize = 64;

/// A WebSocket that carries one session.
#[derive(Debug)]
pub(crate) struct WebSocket {
    stream: WebSocketStream<Gate>,
    revision: Revision,
    /// Frames to be written.
    queue: VecDeque<Frame>,
    /// How much of the queue's first frame has been written.
    written: usize,
    /// The cost of the frames that went out since it was last asked for.
    freed: usize,
    /// Nothing that is queued can be sent any more.
    discarded: bool,
}

/// How a WebSocket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// What the session is told.
    pub(crate) reason: CloseReason,
    /// The code of the close frame that the peer is sent, if it deserves one (RFC 6455, section 7.4.1).
    pub(crate) code: Option<CloseCode>,
}

impl Ending {
    const GONE: Ending = Ending { reason: CloseReason::TransportClose, code: None };

    pub(crate) fn of(error: &Error) -> Ending {
        let code = match error {
            Error::Capacity(_) => Some(CloseCode::Size),
            Error::Utf8(_) => Some(CloseCode::Invalid),
            Error::Protocol(
                tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )
            | Error::Io(_)
            | Error::ConnectionClosed
            | Error::AlreadyClosed => return Ending::GONE,
            _ => Some(CloseCode::Protocol),
        };
        Ending { reason: CloseReason::TransportError, code }
    }
}

/// What a WebSocket brought.
#[derive(Debug)]
pub(crate) enum Incoming {
    Packet(Result<Packet, Violation>),
    Ended(Ending),
}

impl WebSocket {
    /// A WebSocket on a connection whose handshake is done. `read` is what was already read of it, and
    /// `limit` the longest message in bytes.
    pub(crate) async fn new(io: Io, read: Vec<u8>, revision: Revision, limit: usize) -> WebSocket {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(PONG_BUFFER)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        let gate = Gate { io, shut: false, refused: false, unflushed: false };
        let stream = WebSocketStream::from_partially_read(gate, read, Role::Server, Some(config)).await;
        WebSocket { stream, revision, queue: VecDeque::new(), written: 0, freed: 0, discarded: false }
    }

    /// The frames to be written, in order.
    pub(crate) fn queue(&mut self) -> &mut VecDeque<Frame> {
        &mut self.queue
    }

    /// Whether all that was queued has been written.
    pub(crate) fn is_drained(&self) -> bool {
        self.queue.is_empty() && !self.stream.get_ref().unflushed
    }

    /// The cost of the frames that went out since the last call.
    pub(crate) fn take_freed(&mut self) -> usize {
        std::mem::take(&mut self.freed)
    }

    /// Gives up what is queued: the peer has ended the connection, or broken it.
    pub(crate) fn discard(&mut self) {
        self.discarded = true;
        self.queue.clear();
    }

    /// The next packet.
    pub(crate) fn poll_packet(&mut self, cx: &mut Context<'_>, watch: Watch<'_>) -> Poll<Incoming> {
        loop {
            let message = match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                None => return Poll::Ready(Incoming::Ended(Ending::GONE)),
                Some(Err(error)) => return Poll::Ready(Incoming::Ended(Ending::of(&error))),
                Some(Ok(message)) => message,
            };
            watch_message(watch, &message);
            let packet = match message {
                Message::Text(text) => {
                    // It is UTF-8 already; the types don't know of each other.
                    let text = ByteString::try_from(bytes::Bytes::from(text)).map_err(|_| Violation::Utf8);
                    text.and_then(|text| Packet::decode_text(&text, self.revision))
                }
                Message::Binary(bytes) => Packet::decode_binary(&bytes, self.revision),
                Message::Close(_) => return Poll::Ready(Incoming::Ended(Ending::GONE)),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            return Poll::Ready(Incoming::Packet(packet));
        }
    }

    /// Writes what is queued. Ready when all of it is through.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.queue.is_empty() {
            if self.written == 0 {
                ready!(Pin::new(&mut self.stream).poll_flush(cx)).map_err(into_io)?;
            }
            let gate = self.stream.get_mut();
            let written = ready!(write_some(gate, cx, &self.queue, self.revision, self.written))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
            while let Some(frame) = self.queue.front() {
                let len = frame.websocket(self.revision).len();
                if self.written < len {
                    break;
                }
                self.written -= len;
                self.freed += frame.cost();
                self.queue.pop_front();
            }
            gate.shut = self.written > 0;
            gate.unflushed = true;
        }
        let gate = self.stream.get_mut();
        if gate.unflushed {
            ready!(Pin::new(&mut gate.io).poll_flush(cx))?;
            gate.unflushed = false;
        }
        if self.queue.capacity() > KEPT_CAPACITY {
            self.queue = VecDeque::new();
        }
        if self.stream.get_ref().refused {
            // A pong that came up behind our frame: nothing else would send it before the next packet.
            ready!(Pin::new(&mut self.stream).poll_flush(cx)).map_err(into_io)?;
            self.stream.get_mut().refused = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what is queued, says goodbye with `code` (none is allowed: RFC 6455, section 5.5.1), and waits for
    /// the peer to do the same. Without an end of its own: put a limit on it.
    pub(crate) async fn close(mut self, code: Option<CloseCode>) {
        if self.discarded {
            self.queue.clear();
            if self.written > 0 {
                // Whatever follows half a frame would be read as the rest of it.
                return;
            }
        }
        let farewell = code.map(|code| CloseFrame { code, reason: "".into() });
        if std::future::poll_fn(|cx| self.poll_write(cx)).await.is_err() {
            return;
        }
        // It fails where the peer said goodbye first; the reply to that is then what is flushed.
        drop(Pin::new(&mut self.stream).start_send(Message::Close(farewell)));
        if std::future::poll_fn(|cx| Pin::new(&mut self.stream).poll_flush(cx)).await.is_ok() {
            // Closing a socket with unread bytes resets it, and the peer may never see the close frame.
            self.stream.into_inner().io.drain().await;
        }
    }
}

/// tungstenite puts fragments together, so that each message looks like one frame.
fn watch_message(watch: Watch<'_>, message: &Message) {
    match message {
        Message::Text(text) => watch.incoming(true, 1, text.as_bytes()),
        Message::Binary(bytes) => watch.incoming(true, 2, bytes),
        Message::Close(Some(close)) => {
            let code = u16::from(close.code).to_be_bytes();
            watch.incoming(true, 8, &[&code, close.reason.as_bytes()].concat());
        }
        Message::Close(None) => watch.incoming(true, 8, &[]),
        Message::Ping(payload) => watch.incoming(true, 9, payload),
        Message::Pong(payload) => watch.incoming(true, 10, payload),
        Message::Frame(_) => {}
    }
}

fn into_io(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// One write: the frames at the front, the first from `offset` on. Says how many bytes went out.
fn write_some(
    gate: &mut Gate,
    cx: &mut Context<'_>,
    frames: &VecDeque<Frame>,
    revision: Revision,
    offset: usize,
) -> Poll<io::Result<usize>> {
    let io = Pin::new(&mut gate.io);
    let first = frames.front().map_or(&[][..], |frame| &frame.websocket(revision)[offset..]);
    if frames.len() == 1 || first.len() >= COALESCE {
        return io.poll_write(cx, first);
    }
    COPIED.with_borrow_mut(|copied| {
        copied.clear();
        copied.extend_from_slice(first);
        for frame in frames.iter().skip(1) {
            let bytes = frame.websocket(revision);
            if bytes.len() >= COALESCE || copied.len() + bytes.len() > SCRATCH {
                break;
            }
            copied.extend_from_slice(bytes);
        }
        io.poll_write(cx, copied)
    })
}

/// The stream below tungstenite. While it is shut, tungstenite's writes wait; ours go past it.
#[derive(Debug)]
struct Gate {
    io: Io,
    shut: bool,
    /// A write of tungstenite's was put off.
    refused: bool,
    /// The stream may hold back what we wrote: TLS encrypts more than it can send.
    unflushed: bool,
}

impl AsyncRead for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Gate {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.shut {
            // No waker is kept: our own write is pending, and we flush after it.
            self.refused = true;
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engineio::Message;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tokio::io::AsyncReadExt as _;
    use tokio::net::UnixStream;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
    use tokio_rustls::{TlsAcceptor, TlsConnector, client};

    use super::*;

    /// A WebSocket over TLS, and the client's side of it.
    async fn over_tls() -> (WebSocket, client::TlsStream<UnixStream>) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["test".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (ours, theirs) = tokio::join!(
            TlsAcceptor::from(Arc::new(server)).accept(Io::Unix(ours)),
            TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("test").unwrap(), theirs)
        );
        let io = Io::Tls(Box::new(ours.unwrap()));
        (WebSocket::new(io, Vec::new(), Revision::V4, 1_000_000).await, theirs.unwrap())
    }

    #[tokio::test]
    async fn what_tls_holds_back_is_not_forgotten() {
        let (mut websocket, mut client) = over_tls().await;
        let text = ByteString::from("x".repeat(10_000));
        let mut sent = 0;
        // The client doesn't read, so that at some time the socket is full and TLS keeps the rest.
        let unsent = loop {
            let frame = Frame::from(&Packet::Message(Message::Text(text.clone())));
            sent += frame.websocket(Revision::V4).len();
            websocket.queue().push_back(frame);
            let written = std::future::poll_fn(|cx| Poll::Ready(websocket.poll_write(cx))).await;
            if written.map(Result::unwrap).is_pending() {
                break websocket.queue().len();
            }
        };
        assert_eq!(unsent, 0, "the frame was taken, though not sent");
        assert!(!websocket.is_drained());
        let mut received = vec![0; sent];
        let write = std::future::poll_fn(|cx| websocket.poll_write(cx));
        let (written, read) = tokio::join!(write, client.read_exact(&mut received));
        assert!(written.is_ok() && read.is_ok());
        assert!(websocket.is_drained());
    }
}
