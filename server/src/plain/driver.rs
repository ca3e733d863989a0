//! The task that owns a plain WebSocket: tokio-tungstenite has the frames, this has the queues, the keepalive
//! and the end.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use bytestring::ByteString;
use engineio::memory::Held;
use engineio::{Limit, LimitHits, Message};
use futures_util::{Sink, SinkExt as _, Stream as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message as Tungstenite};

use super::request::WebSocketLimits;
use super::watch::Watch;
use super::websocket::{Close, Shared};
use crate::drain::Turns;
use crate::net::alarm::Alarm;
use crate::net::connection::Connection;

/// What stands before the payload of a client's control frame: two bytes and the mask (RFC 6455, section 5.5).
const CONTROL_HEAD: usize = 6;

/// What a connection reads ahead. Larger messages grow the buffer.
const READ_BUFFER: usize = 4 * 1024;

/// Messages are written together up to this many bytes.
const WRITE_BUFFER: usize = 4 * 1024;

/// The most that pongs may take up while the peer doesn't read. Beyond that its pings are not read either.
const PONG_BUFFER: usize = 8 * 1024;

/// "The endpoint is going away" (RFC 6455, section 7.4.1).
const GOING_AWAY: u16 = 1001;

/// "A message that violates its policy": it takes too long.
const POLICY: u16 = 1008;

/// "Try Again Later": there is no memory for what the peer sends.
const TRY_AGAIN_LATER: u16 = 1013;

/// A plain WebSocket's stream, and what is known of its peer.
pub(super) struct Driver {
    stream: WebSocketStream<Watched>,
    shared: Arc<Shared>,
    limits: WebSocketLimits,
    hits: Arc<LimitHits>,
    /// The cost of what was taken from the queue and has not been written.
    taken: usize,
    /// The pongs that have not been written, in bytes; about.
    pongs: usize,
    /// The last sign of life.
    heard: Instant,
    /// A ping has been sent since then.
    pinged: bool,
    /// When the end is to be over.
    close_by: Option<Instant>,
    watch: Option<Watch>,
}

/// How the open state is left.
enum Leave {
    /// We have said all that we wanted to, and close.
    Asked(Close),
    /// The peer closes; the answer is tungstenite's.
    Answered,
    /// The peer has broken a rule, and is told so.
    Broken(Close),
    /// There is nobody to talk to.
    Lost,
}

impl Driver {
    /// Takes a connection whose handshake is done; `read` is what was already read of it.
    pub(super) async fn new(
        io: Connection,
        read: Vec<u8>,
        limits: WebSocketLimits,
        hits: Arc<LimitHits>,
        watch: Option<Watch>,
    ) -> (Driver, Arc<Shared>) {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(limits.max_payload))
            .max_frame_size(Some(limits.max_payload));
        let shared = Shared::new(limits.send_budget, limits.memory.clone());
        let unfinished = Unfinished::new(shared.clone(), read.len());
        let watched = Watched { io, heard: false, stuck: false, unfinished };
        let stream = WebSocketStream::from_partially_read(watched, read, Role::Server, Some(config)).await;
        let driver = Driver {
            stream,
            shared: shared.clone(),
            limits,
            hits,
            taken: 0,
            pongs: 0,
            heard: now(),
            pinged: false,
            close_by: None,
            watch,
        };
        (driver, shared)
    }

    /// Drives the connection to its end, and says what that was.
    pub(super) async fn run(mut self, mut stopping: watch::Receiver<Stopping>) -> Option<Close> {
        let shared = self.shared.clone();
        let leave = {
            let mut alarm = Alarm::new();
            let mut open = pin!(std::future::poll_fn(|cx| self.poll(cx, &mut alarm)));
            tokio::select! {
                leave = &mut open => leave,
                () = let_go(&mut stopping) => {
                    shared.end(Close::new(GOING_AWAY));
                    open.await
                }
            }
        };
        // Whoever waits for a message or for room is told before the goodbye, which may take a while.
        shared.end(Close::new(Close::LOST));
        let watch = self.watch.take();
        if let (Some(watch), Leave::Asked(close) | Leave::Broken(close)) = (&watch, &leave) {
            watch.outgoing(&Tungstenite::Close(Some(close.frame())));
        }
        let close_by = self.close_by.unwrap_or_else(|| now() + self.limits.close_timeout);
        drop(tokio::time::timeout_at(close_by.into(), self.leave(leave)).await);
        shared.abandon();
        let close = shared.wish();
        if let (Some(watch), Some(close)) = (watch, &close) {
            watch.ended(close);
        }
        close
    }

    /// Ready when the connection is no longer open.
    fn poll(&mut self, cx: &mut Context<'_>, alarm: &mut Alarm) -> Poll<Leave> {
        loop {
            self.shared.register(cx);
            if self.shared.is_put_out() {
                self.hits.count(Limit::Memory);
                return Poll::Ready(Leave::Lost);
            }
            let wish = self.shared.wish();
            if wish.is_some() {
                self.close_by.get_or_insert_with(|| now() + self.limits.close_timeout);
            }
            if let Poll::Ready(leave) = self.poll_read(cx) {
                return Poll::Ready(leave);
            }
            let pings_unread = self.pongs >= PONG_BUFFER;
            match (self.poll_write(cx), wish) {
                (Poll::Ready(Err(_)), _) => return Poll::Ready(Leave::Lost),
                // What was queued before the wish is through.
                (Poll::Ready(Ok(())), Some(close)) => return Poll::Ready(Leave::Asked(close)),
                (Poll::Ready(Ok(())), None) if pings_unread => continue,
                (Poll::Ready(Ok(())) | Poll::Pending, _) => {}
            }
            match self.poll_time(cx, alarm) {
                Poll::Ready(Some(leave)) => return Poll::Ready(leave),
                Poll::Ready(None) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Takes in what has come. Ready if that ends the connection.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Leave> {
        while self.pongs < PONG_BUFFER && self.shared.listens() {
            let Poll::Ready(message) = Pin::new(&mut self.stream).poll_next(cx) else { break };
            let message = match message {
                None => return Poll::Ready(Leave::Lost),
                Some(Err(error)) => return Poll::Ready(self.broken(&error)),
                Some(Ok(message)) => message,
            };
            if let Some(watch) = &self.watch {
                watch.incoming(&message);
            }
            match message {
                // It is UTF-8 already; the types don't know of each other.
                Tungstenite::Text(text) => {
                    self.unfinished().end();
                    if let Ok(text) = ByteString::try_from(Bytes::from(text)) {
                        self.shared.deliver(Message::Text(text));
                    }
                }
                Tungstenite::Binary(bytes) => {
                    self.unfinished().end();
                    self.shared.deliver(Message::Binary(bytes));
                }
                Tungstenite::Close(frame) => {
                    self.shared.end(Close::by_peer(frame));
                    return Poll::Ready(Leave::Answered);
                }
                Tungstenite::Ping(payload) => {
                    self.unfinished().leave_out(payload.len());
                    self.pongs += payload.len() + 2;
                }
                Tungstenite::Pong(payload) => self.unfinished().leave_out(payload.len()),
                Tungstenite::Frame(_) => {}
            }
        }
        Poll::Pending
    }

    fn unfinished(&mut self) -> &mut Unfinished {
        &mut self.stream.get_mut().unfinished
    }

    /// Ends the connection at a limit.
    fn met(&self, limit: Limit, code: u16) -> Leave {
        tracing::debug!(limit = limit.name(), "a WebSocket is closed at a limit");
        self.hits.count(limit);
        let close = Close::new(code);
        self.shared.end(close.clone());
        Leave::Broken(close)
    }

    fn broken(&self, error: &tungstenite::Error) -> Leave {
        if self.stream.get_ref().unfinished.refused {
            return self.met(Limit::Memory, TRY_AGAIN_LATER);
        }
        match close_code(error) {
            None => Leave::Lost,
            Some(code) => {
                tracing::debug!(%error, "a WebSocket's peer broke a rule");
                if let Some(watch) = &self.watch {
                    watch.broken(error);
                }
                let close = Close::new(code.into());
                self.shared.end(close.clone());
                Leave::Broken(close)
            }
        }
    }

    /// Writes what is queued. Ready when all of it is through.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<tungstenite::Result<()>> {
        let mut stream = Pin::new(&mut self.stream);
        // tungstenite holds a buffer's worth, and one message more if that can't be written.
        loop {
            ready!(stream.as_mut().poll_ready(cx))?;
            let Some((message, cost)) = self.shared.take() else { break };
            self.taken += cost;
            let frame = frame(message);
            if let Some(watch) = &self.watch {
                watch.outgoing(&frame);
            }
            stream.as_mut().start_send(frame)?;
        }
        ready!(stream.as_mut().poll_flush(cx))?;
        self.shared.written(std::mem::take(&mut self.taken));
        self.pongs = 0;
        Poll::Ready(Ok(()))
    }

    /// Looks at the clock. Ready if that ends the connection, or if there is something to write.
    fn poll_time(&mut self, cx: &mut Context<'_>, alarm: &mut Alarm) -> Poll<Option<Leave>> {
        let now = now();
        // A peer that we don't listen to can't be expected to be heard.
        let listens = self.shared.listens();
        if std::mem::take(&mut self.stream.get_mut().heard) || !listens {
            self.heard = now;
            self.pinged = false;
        }
        if !listens {
            self.unfinished().put_off(now);
        }
        let begun = self.unfinished().begun.filter(|_| self.close_by.is_none());
        let message = begun.map(|begun| begun + self.limits.message_timeout);
        if message.is_some_and(|deadline| deadline <= now) {
            return Poll::Ready(Some(self.met(Limit::MessageTimeout, POLICY)));
        }
        let deadline = match (self.close_by, self.limits.keepalive) {
            (Some(close_by), _) => Some(close_by),
            (None, Some(keepalive)) if self.pinged => Some(self.heard + keepalive.interval + keepalive.grace),
            (None, Some(keepalive)) => Some(self.heard + keepalive.interval),
            (None, None) => None,
        };
        if deadline.is_none_or(|deadline| now < deadline) {
            return match deadline.into_iter().chain(message).min() {
                Some(next) => alarm.poll(cx, now, next).map(|()| None),
                None => Poll::Pending,
            };
        }
        if self.close_by.is_some() || self.pinged {
            return Poll::Ready(Some(Leave::Lost));
        }
        self.pinged = true;
        let ping = Tungstenite::Ping(Bytes::new());
        if let Some(watch) = &self.watch {
            watch.outgoing(&ping);
        }
        let pinged = Pin::new(&mut self.stream).start_send(ping);
        Poll::Ready(pinged.is_err().then_some(Leave::Lost))
    }

    /// The closing handshake. Without an end of its own: put a limit on it.
    async fn leave(self, leave: Leave) {
        let mut stream = self.stream;
        let said = match &leave {
            Leave::Lost => return,
            Leave::Answered => stream.flush().await,
            Leave::Asked(close) | Leave::Broken(close) => {
                stream.send(Tungstenite::Close(Some(close.frame()))).await
            }
        };
        if said.is_err() {
            return;
        }
        if let Leave::Asked(_) = leave {
            // The peer answers, behind whatever it was about to say.
            while matches!(stream.next().await, Some(Ok(message)) if !message.is_close()) {}
            drop(stream.flush().await);
        }
        // Closing a socket with unread bytes resets it, and the peer may never see the close frame.
        stream.into_inner().io.drain().await;
    }
}

/// The code of the close frame that a peer is sent for its error (RFC 6455, section 7.4.1); `None` if the
/// connection is gone.
fn close_code(error: &tungstenite::Error) -> Option<CloseCode> {
    match error {
        tungstenite::Error::Capacity(_) => Some(CloseCode::Size),
        tungstenite::Error::Utf8(_) => Some(CloseCode::Invalid),
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | tungstenite::Error::Io(_)
        | tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed => None,
        _ => Some(CloseCode::Protocol),
    }
}

/// Whether the server stops, and when its clients are to go.
pub(super) type Stopping = Option<Arc<Turns>>;

/// Waits until the server stops.
pub(super) async fn stopped(stopping: &mut watch::Receiver<Stopping>) -> Stopping {
    stopping.wait_for(Option::is_some).await.ok()?.clone()
}

/// Waits for this client's turn to go.
async fn let_go(stopping: &mut watch::Receiver<Stopping>) {
    if let Some(turns) = stopped(stopping).await {
        turns.next().await;
    }
}

/// A message as one frame. Its text is known to be UTF-8, so it is not looked at again.
fn frame(message: Message) -> Tungstenite {
    let (payload, kind) = match message {
        Message::Text(text) => (text.into_bytes(), Data::Text),
        Message::Binary(bytes) => (bytes, Data::Binary),
    };
    Tungstenite::Frame(Frame::message(payload, OpCode::Data(kind), true))
}

/// The time as tokio has it, so that tests can turn it.
fn now() -> Instant {
    tokio::time::Instant::now().into()
}

/// What has come of a message that has not ended.
#[derive(Debug)]
struct Unfinished {
    /// When it began. What has come of the next message along with the end of one is noticed when more comes.
    begun: Option<Instant>,
    held: Held,
    shared: Arc<Shared>,
    /// There was no memory for more.
    refused: bool,
}

impl Unfinished {
    fn new(shared: Arc<Shared>, read: usize) -> Unfinished {
        Unfinished { begun: (read > 0).then(now), held: Held::new(read), shared, refused: false }
    }

    fn is_now(&mut self, bytes: usize) {
        self.held.resize(bytes);
        self.shared.has_come(bytes);
    }

    /// Whether more of it may be read.
    fn may_go_on(&mut self) -> bool {
        self.refused = !self.shared.may_come(self.held.bytes());
        !self.refused
    }

    fn more(&mut self, bytes: usize) {
        if bytes > 0 {
            self.begun.get_or_insert_with(now);
            self.is_now(self.held.bytes() + bytes);
        }
    }

    /// Of what has come, a control frame was none of it.
    fn leave_out(&mut self, payload: usize) {
        self.is_now(self.held.bytes().saturating_sub(CONTROL_HEAD + payload));
        if self.held.bytes() == 0 {
            self.begun = None;
        }
    }

    /// Nobody reads on: that is not the peer's fault.
    fn put_off(&mut self, now: Instant) {
        self.begun = self.begun.map(|_| now);
    }

    fn end(&mut self) {
        self.begun = None;
        self.is_now(0);
    }
}

/// A stream that notices signs of life: bytes that come in, and a write that goes on after it was stuck, since
/// the peer has then taken what was in its way.
#[derive(Debug)]
struct Watched {
    io: Connection,
    heard: bool,
    stuck: bool,
    unfinished: Unfinished,
}

impl Watched {
    fn wrote<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.heard |= self.stuck && matches!(written, Poll::Ready(Ok(_)));
        self.stuck = written.is_pending();
        written
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.unfinished.may_go_on() {
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        let bytes = buf.filled().len() - before;
        self.heard |= bytes > 0;
        self.unfinished.more(bytes);
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.wrote(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
