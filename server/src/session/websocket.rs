//! A WebSocket under a session, or a plain one: messages in, shared frames out.
//!
//! Reading and writing are independent, except for the answers to a client's control frames: these wait in a
//! small buffer and go out at the next frame boundary. Bytes pass through memory that belongs to the worker
//! thread, so that an idle connection owns no buffer in either direction.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use engineio::memory::{Budget, Held};
use engineio::observe::Watch;
use engineio::plain;
use engineio::session::{Ending, Incoming, WebSocketWire};
use engineio::websocket::{self, FrameEvent, FrameLimits, FrameViolation, Place, Reader};
use engineio::{Frame, Message, Rate, Revision};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use crate::net::connection::Connection;

/// The most that one read takes from a connection.
const READ: usize = 64 * 1024;

/// Frames under this length are copied together for one write; larger ones are written as they lie.
const COALESCE: usize = 8 * 1024;

/// The most that is copied together for one write.
const WRITE: usize = 64 * 1024;

/// The most that pongs may take up. A client that doesn't read them is not read from either, once it is owed so
/// many.
const PONGS: usize = 4 * 1024;

/// Reads of one turn of its driver. Then other tasks have theirs, however much has come.
const READS: u8 = 4;

/// The capacity that an empty queue may keep, in frames.
const KEPT_CAPACITY: usize = 64;

thread_local! {
    /// What was read and has not been fed to a reader.
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
    /// Where small frames are copied together.
    static WRITE_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A WebSocket. What each turn of its driver looks at comes first (see there).
#[derive(Debug)]
#[repr(C)]
pub(crate) struct WebSocket {
    io: Connection,
    /// Frames to be written.
    queue: VecDeque<Frame>,
    /// How much of the queue's first frame has been written.
    written: usize,
    /// The cost of the frames that went out since it was last asked for.
    freed: usize,
    /// Control frames to be written before the next frame of the queue.
    control: Vec<u8>,
    revision: Revision,
    /// Bytes of frames went out since it was last asked.
    moved: bool,
    /// Nothing that is queued can be sent any more.
    discarded: bool,
    /// The client has ended the connection, or it has broken: nobody waits for a close frame.
    gone: bool,
    /// The stream may hold back what we wrote: TLS encrypts more than it can send.
    unflushed: bool,
    /// The reader has nothing to give until it is fed.
    hungry: bool,
    /// What has come of a message has changed since it was last asked for.
    grown: bool,
    /// Reads that are left in this turn.
    reads: u8,
    reader: Reader,
    /// What has come of a message that has not ended, and what clients together may make the process hold.
    incoming: Held,
    memory: Budget,
    /// What the control frames take that are to be written.
    answers: Held,
    /// Boxed, since mostly there is no rule of their own for them.
    pings: Option<Box<Pings>>,
}

/// What is done about a client's pings and pongs, where it is not just to answer.
#[derive(Debug)]
struct Pings {
    /// Those that came lately.
    rate: Rate,
    per_second: Option<usize>,
    unanswered: bool,
}

impl Pings {
    fn may_come(&mut self) -> bool {
        self.per_second.is_none_or(|per_second| self.rate.take(now(), 1, per_second))
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into()
}

impl WebSocket {
    /// A WebSocket on a connection whose handshake is done; `read` is what was already read of it.
    pub(crate) fn new(io: Connection, read: &[u8], revision: Revision, limits: FrameLimits) -> WebSocket {
        let mut reader = Reader::new(limits);
        reader.feed(read);
        WebSocket {
            io,
            queue: VecDeque::new(),
            written: 0,
            freed: 0,
            control: Vec::new(),
            revision,
            moved: false,
            discarded: false,
            gone: false,
            unflushed: false,
            hungry: false,
            grown: false,
            reads: READS,
            reader,
            incoming: Held::default(),
            memory: Budget::default(),
            answers: Held::default(),
            pings: None,
        }
    }

    /// The same WebSocket, which takes no long messages while clients make the process hold all of `memory`.
    pub(crate) fn within(mut self, memory: Budget) -> WebSocket {
        self.memory = memory;
        self
    }

    /// The same WebSocket, whose client may send so many pings and pongs in a second.
    pub(crate) fn limiting_pings(mut self, per_second: Option<usize>) -> WebSocket {
        if per_second.is_some() {
            self.pings().per_second = per_second;
        }
        self
    }

    /// The same WebSocket, which leaves pings unanswered.
    pub(crate) fn without_pongs(mut self) -> WebSocket {
        self.pings().unanswered = true;
        self
    }

    fn pings(&mut self) -> &mut Pings {
        self.pings.get_or_insert_with(|| {
            Box::new(Pings { rate: Rate::new(now()), per_second: None, unanswered: false })
        })
    }

    fn lost(&mut self) -> Poll<Incoming> {
        self.gone = true;
        Poll::Ready(Incoming::Ended(Ending::GONE))
    }

    /// Counts what has come of a message that has not ended. Says whether there may be more of it.
    fn may_go_on(&mut self) -> bool {
        let before = self.incoming.bytes();
        self.incoming.resize(self.reader.capacity());
        self.grown |= self.incoming.bytes() != before;
        // What is as large as it was can wait.
        self.incoming.bytes() <= before || self.memory.admits(self.reader.pending())
    }

    /// Reads from the connection once. Says how many bytes came.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
            self.reads -= 1;
            self.reader.feed(buffer.filled());
            Poll::Ready(Ok(buffer.filled().len()))
        })
    }

    /// One write: the frame that has begun, or else control frames, and what follows. Says how many bytes went out.
    fn write_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let io = Pin::new(&mut self.io);
        let mut frames = self.queue.iter().map(|frame| frame.websocket(self.revision));
        let begun = self.written > 0;
        let first = if begun || self.control.is_empty() {
            frames.next().map_or(&[][..], |frame| &frame[self.written..])
        } else {
            &self.control
        };
        // Control frames wait for no more than the frame that has begun.
        let alone = begun && !self.control.is_empty();
        if alone || frames.len() == 0 || first.len() >= COALESCE {
            return io.poll_write(cx, first);
        }
        WRITE_BUFFER.with_borrow_mut(|buffer| {
            buffer.clear();
            buffer.extend_from_slice(first);
            for frame in frames {
                if frame.len() >= COALESCE || buffer.len() + frame.len() > WRITE {
                    break;
                }
                buffer.extend_from_slice(frame);
            }
            io.poll_write(cx, buffer)
        })
    }

    /// Takes `bytes` that went out off what is queued.
    fn account(&mut self, mut bytes: usize) {
        if self.written == 0 {
            let control = bytes.min(self.control.len());
            self.control.drain(..control);
            bytes -= control;
            if self.control.is_empty() {
                self.control = Vec::new();
                self.answers.resize(0);
            }
        }
        self.written += bytes;
        self.moved |= bytes > 0;
        while let Some(frame) = self.queue.front() {
            let len = frame.websocket(self.revision).len();
            if self.written < len {
                break;
            }
            self.written -= len;
            self.freed += frame.cost();
            self.queue.pop_front();
        }
    }

    /// Sends what is queued, says goodbye with `code` (none is allowed: RFC 6455, section 5.5.1), and waits for
    /// the client to do the same. Without an end of its own: put a limit on it.
    pub(crate) async fn close(mut self, code: Option<u16>) {
        if self.discarded {
            self.queue.clear();
            if self.written > 0 {
                // Whatever follows half a frame would be read as the rest of it.
                return;
            }
        }
        if std::future::poll_fn(|cx| self.poll_write(cx)).await.is_err() {
            return;
        }
        websocket::close(code, "", &mut self.control);
        if std::future::poll_fn(|cx| self.poll_write(cx)).await.is_ok() {
            std::future::poll_fn(|cx| self.poll_linger(cx)).await;
        }
    }

    /// Ends our side and waits for the client to end its own: closing a socket with unread bytes resets it, and the
    /// client may never see the close frame. Without an end of its own.
    pub(crate) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.io.poll_drain(cx)
    }
}

impl WebSocketWire for WebSocket {
    fn queue(&mut self) -> &mut VecDeque<Frame> {
        &mut self.queue
    }

    fn is_drained(&self) -> bool {
        self.queue.is_empty() && self.control.is_empty() && !self.unflushed
    }

    fn take_freed(&mut self) -> usize {
        std::mem::take(&mut self.freed)
    }

    fn begin_turn(&mut self) {
        self.reads = READS;
    }

    fn take_grown(&mut self) -> Option<usize> {
        std::mem::take(&mut self.grown).then(|| self.incoming.bytes())
    }

    fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    fn discard(&mut self) {
        self.discarded = true;
        self.queue.clear();
    }

    fn abandon(&mut self) {
        self.discard();
        self.gone = true;
    }

    /// What answers a control frame is left for [`poll_write`](WebSocketWire::poll_write).
    fn poll_message(&mut self, cx: &mut Context<'_>, watch: Watch<'_>) -> Poll<Incoming> {
        loop {
            if self.control.len() >= PONGS && ready!(self.poll_write(cx)).is_err() {
                return self.lost();
            }
            if self.hungry {
                if self.reads == 0 {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                match ready!(self.poll_fill(cx)) {
                    Ok(1..) => self.hungry = false,
                    Ok(0) | Err(_) => return self.lost(),
                }
            }
            let event = match self.reader.next() {
                Ok(Some(event)) => event,
                Ok(None) if !self.may_go_on() => return Poll::Ready(Incoming::Ended(Ending::CROWDED)),
                Ok(None) => {
                    self.hungry = true;
                    continue;
                }
                Err(violation) => return Poll::Ready(Incoming::Ended(violation.into())),
            };
            watch.incoming(&event);
            if let (FrameEvent::Ping(_) | FrameEvent::Pong(_), Some(pings)) = (&event, &mut self.pings)
                && !pings.may_come()
            {
                return Poll::Ready(Incoming::Ended(FrameViolation::TooManyPings.into()));
            }
            return Poll::Ready(match event {
                FrameEvent::Text(text) => Incoming::Message(Message::Text(text)),
                FrameEvent::Binary(bytes) => Incoming::Message(Message::Binary(bytes)),
                FrameEvent::Ping(_) if self.pings.as_ref().is_some_and(|pings| pings.unanswered) => continue,
                FrameEvent::Ping(payload) => {
                    watch.answering(&payload);
                    websocket::pong(&payload, &mut self.control);
                    self.answers.resize(self.control.capacity());
                    continue;
                }
                FrameEvent::Pong(_) => continue,
                FrameEvent::Close { code, payload } => Incoming::Closed { code, payload },
            });
        }
    }

    fn is_gone(&self) -> bool {
        self.gone
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !(self.queue.is_empty() && self.control.is_empty()) {
            let written = ready!(self.write_some(cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            self.account(written);
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        if self.queue.capacity() > KEPT_CAPACITY {
            self.queue = VecDeque::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl plain::Wire for WebSocket {
    fn has_read(&self) -> bool {
        self.reads < READS
    }

    fn place(&self) -> Place {
        self.reader.place()
    }

    fn ping(&mut self) {
        websocket::ping(&mut self.control);
    }

    fn close(&mut self, code: Option<u16>, reason: &str) {
        websocket::close(code, reason, &mut self.control);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytestring::ByteString;
    use engineio::Packet;
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
            TlsAcceptor::from(Arc::new(server)).accept(ours.into()),
            TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("test").unwrap(), theirs)
        );
        let io = Connection::from(ours.unwrap());
        (
            WebSocket::new(io, &[], Revision::V4, FrameLimits { message: 1_000_000, fragments: 16 }),
            theirs.unwrap(),
        )
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
