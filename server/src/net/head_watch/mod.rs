//! Sits between a connection and hyper, and sees what hyper hides.
//!
//! - **A request with both `Transfer-Encoding` and `Content-Length`.** "A server MAY reject a request that contains
//!   both Content-Length and Transfer-Encoding" and ought to, since such a request may be an attempt to smuggle
//!   another past a proxy (RFC 9112, section 6.3). hyper drops the length and goes on.
//! - **When a head begins.** hyper measures the time for a head from the end of the last answer, so it can't
//!   distinguish an idle client from one that sends its head byte by byte. Here the time begins with the head's first
//!   byte.
//! - **A target that is no URI.** Node's parser accepts `"`, `<`, `>` and `` ` ``, so C, C++ and Arduino programs
//!   send them. They are escaped on their way to hyper, as a browser would.
//! - **A refusal of hyper's own,** of what it can't read: ours is sent instead.
//! - **A client that is evicted.** hyper waits until the client has read what it was sent.
//! - **The end.** A connection that is closed while its client still sends is reset, and the answer is lost on the
//!   way. "To avoid the TCP reset problem, servers typically close a connection in stages" (RFC 9112, section 9.6).

mod framing;

use std::io::{self, IoSlice};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use engineio::{Limit, LongAnswer};
use http::StatusCode;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::net::admission::Admission;
use framing::{Framing, escape};

/// How many bytes are read from a client after an answer that ends its connection.
const LINGER_BYTES: usize = 64 << 20;

/// A long answer to a poll.
type Long = dyn Deref<Target = LongAnswer> + Send + Sync;

/// Who refuses what hyper can't read.
pub(crate) trait Refuser: Send + Sync {
    /// Whether that takes the `Origin` of the request.
    fn needs_origin(&self) -> bool;

    /// The refusal, as it is written.
    fn refusal_of_unread(&self, status: StatusCode, origin: Option<&[u8]>) -> Bytes;
}

/// What a connection's two sides tell each other.
#[derive(Default)]
pub(crate) struct Signals {
    /// A request can be read in two ways.
    ambiguous: AtomicBool,
    /// The requests that hyper could read.
    requests: AtomicUsize,
    /// The number of the request whose body is incomplete; 0 for none.
    unread: AtomicUsize,
    /// A request is being answered: what is written is the answer.
    answering: AtomicBool,
    /// All of the answer was handed over, though maybe not written.
    answered: AtomicBool,
    /// Long answers to polls that have not been written. There is seldom more than one, since hyper accepts no
    /// further one while it has that much to write.
    long: Mutex<Vec<Box<Long>>>,
}

impl Signals {
    /// Whether the connection brought a request that can be read in two ways. It is known before hyper sees that
    /// request.
    pub(crate) fn ambiguous(&self) -> bool {
        self.ambiguous.load(Ordering::Acquire)
    }

    /// All of the answer is written.
    fn written(&self) {
        if self.answering.load(Ordering::Acquire) {
            self.answering.store(false, Ordering::Release);
            self.long.lock().clear();
        }
    }

    /// Fails a write that waits for an evicted client.
    fn unless_evicted<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_pending() && self.long.lock().iter().any(|long| long.is_cut()) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        written
    }

    /// A request that hyper could read is being answered. Returns its number on the connection, from 1 on.
    pub(crate) fn begin(&self) -> usize {
        self.answering.store(true, Ordering::Release);
        self.answered.store(false, Ordering::Release);
        self.requests.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Whether the body of the request of that number is incomplete.
    pub(crate) fn is_unread(&self, number: usize) -> bool {
        self.unread.load(Ordering::Acquire) == number
    }

    /// Its answer is a long one to a poll.
    pub(crate) fn is_long(&self, answer: Box<Long>) {
        self.long.lock().push(answer);
    }

    /// All of its answer was handed over.
    pub(crate) fn handed_over(&self) {
        self.answered.store(true, Ordering::Release);
    }
}

/// A connection whose requests are watched.
pub(crate) struct Watched<T> {
    io: T,
    framing: Framing,
    signals: Arc<Signals>,
    admission: Arc<Admission>,
    /// Refuses what hyper can't read; `None` leaves that to hyper.
    refuser: Option<Arc<dyn Refuser>>,
    /// Bytes that were read and did not fit after they were escaped.
    rest: Bytes,
    /// Our refusal, which is being written instead of hyper's.
    refusal: Option<Bytes>,
    /// The time limit of the head that has begun. Most heads come whole and need none.
    deadline: Option<Pin<Box<Sleep>>>,
    end: Option<Linger>,
}

/// How much is still read from a connection that this side has ended.
struct Linger {
    left: usize,
    deadline: Pin<Box<Sleep>>,
}

impl<T> Watched<T> {
    /// Watches a connection. Without a refuser, hyper refuses what it can't read.
    pub(crate) fn new(
        io: T,
        admission: Arc<Admission>,
        refuser: Option<Arc<dyn Refuser>>,
    ) -> (Watched<T>, Arc<Signals>) {
        let signals = Arc::new(Signals::default());
        let watched = Watched {
            io,
            framing: Framing::new(refuser.as_ref().is_some_and(|refuser| refuser.needs_origin())),
            signals: signals.clone(),
            admission,
            refuser,
            rest: Bytes::new(),
            refusal: None,
            deadline: None,
            end: None,
        };
        (watched, signals)
    }

    /// The connection itself, when HTTP is over, and bytes that were read and not passed to hyper.
    pub(crate) fn into_parts(self) -> (T, Bytes) {
        (self.io, self.rest)
    }

    /// Parses what was read, and passes it to hyper with the target escaped.
    fn watch(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let mut odd = Vec::new();
        if self.framing.feed(&buf.filled()[before..], &mut odd) {
            self.signals.ambiguous.store(true, Ordering::Release);
        }
        let unread = if self.framing.in_body() { self.framing.heads() } else { 0 };
        self.signals.unread.store(unread, Ordering::Release);
        if !odd.is_empty() {
            self.rest = escape(&buf.filled()[before..], &odd).into();
            buf.set_filled(before);
            self.hand_over_rest(buf);
        }
    }

    fn hand_over_rest(&mut self, buf: &mut ReadBuf<'_>) {
        let fits = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest.split_to(fits));
    }

    /// Our refusal, if these bytes are one of hyper's own, of a head that it could not read. It has the same status.
    fn refusal(&self, bytes: &[u8]) -> Option<Bytes> {
        if !bytes.starts_with(b"HTTP/1.1 4") || self.signals.answering.load(Ordering::Acquire) {
            return None;
        }
        let status = StatusCode::from_bytes(bytes.get(9..12)?).ok()?;
        Some(self.refuser.as_ref()?.refusal_of_unread(status, self.framing.origin()))
    }
}

impl<T: AsyncWrite + Unpin> Watched<T> {
    /// Writes our refusal instead of hyper's, which has that length.
    fn poll_refuse(&mut self, cx: &mut Context<'_>, length: usize) -> Poll<io::Result<usize>> {
        while let Some(refusal) = self.refusal.as_mut().filter(|refusal| !refusal.is_empty()) {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, refusal))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            refusal.advance(written);
        }
        self.refusal = None;
        Poll::Ready(Ok(length))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.rest.is_empty() {
            self.hand_over_rest(buf);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        self.watch(buf, before);
        if !self.framing.in_head() {
            self.deadline = None;
            return read;
        }
        let timeout = self.admission.limits.head_timeout;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        if read.is_pending() && deadline.as_mut().poll(cx).is_ready() {
            self.deadline = None;
            self.admission.hits.count(Limit::HeadTimeout);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.framing.answered();
        if self.refusal.is_none() {
            self.refusal = self.refusal(bytes);
        }
        if self.refusal.is_some() {
            return self.poll_refuse(cx, bytes.len());
        }
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.signals.unless_evicted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.framing.answered();
        let first = bytes.first().map_or(&[][..], |first| first);
        if self.refusal.is_some() || first.starts_with(b"HTTP/1.1 4") {
            return self.poll_write(cx, first);
        }
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.signals.unless_evicted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        ready!(self.signals.unless_evicted(flushed))?;
        // hyper flushes once it has written everything.
        if self.signals.answered.load(Ordering::Acquire) {
            self.signals.written();
        }
        Poll::Ready(Ok(()))
    }

    /// Ends our side. If the client still sends, that is read and discarded until it has ended its own side, up to a
    /// limit of bytes and for at most the time for a body.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let linger = match &mut this.end {
            Some(linger) => linger,
            None => {
                ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
                let sends = this.framing.in_head() || this.framing.in_body();
                let left = LINGER_BYTES;
                let timeout = this.admission.limits.body_timeout;
                // No timer is needed if nothing is incomplete.
                let mut room = [0; 1024];
                let mut came = ReadBuf::new(&mut room);
                let read = Pin::new(&mut this.io).poll_read(cx, &mut came);
                let ended = matches!(read, Poll::Ready(_)) && came.filled().is_empty();
                if ended || (read.is_pending() && !sends) {
                    return Poll::Ready(Ok(()));
                }
                this.end.insert(Linger { left, deadline: Box::pin(tokio::time::sleep(timeout)) })
            }
        };
        loop {
            let mut room = [0; 4096];
            let mut came = ReadBuf::new(&mut room);
            match Pin::new(&mut this.io).poll_read(cx, &mut came) {
                Poll::Ready(Ok(())) if !came.filled().is_empty() => {
                    linger.left = linger.left.saturating_sub(came.filled().len());
                    if linger.left == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return linger.deadline.as_mut().poll(cx).map(Ok),
            }
        }
    }
}

impl<T> std::fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("framing", &self.framing).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
