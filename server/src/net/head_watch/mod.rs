//! Is between a connection and hyper, and sees what hyper hides.
//!
//! - **A request with both `Transfer-Encoding` and `Content-Length`.** "A server MAY reject a request that contains
//!   both Content-Length and Transfer-Encoding" and ought to, since such a request may be an attempt to smuggle
//!   another past a proxy (RFC 9112, section 6.3). hyper drops the length and goes on.
//! - **When a head begins.** hyper measures the time for a head from the end of the last answer, so it can't tell a
//!   client that idles from one that sends its head byte by byte. Here the time begins with the head's first byte.
//! - **A target that is no URI.** Node's parser takes `"`, `<`, `>` and `` ` ``, and so C, C++ and Arduino programs
//!   send them. They are escaped on their way to hyper, as a browser would.
//! - **A refusal of hyper's own,** of what it can't read: ours goes out in its place.
//! - **A client that is put out.** hyper waits for it to take what it was sent before it looks whether there is more.
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

/// As much as is read of what a client sends after an answer that ends its connection.
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
pub(crate) struct Signs {
    /// A request can be read in two ways.
    ambiguous: AtomicBool,
    /// The requests that hyper could read.
    requests: AtomicUsize,
    /// Which of them is the one of whose body more is to come; 0 for none.
    unread: AtomicUsize,
    /// A request is being answered: what is written is the answer.
    answering: AtomicBool,
    /// All of the answer was handed over, if not written.
    answered: AtomicBool,
    /// Long answers to polls that have not been written. It is seldom more than one, as hyper takes no next one while
    /// it has that much to write.
    long: Mutex<Vec<Box<Long>>>,
}

impl Signs {
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

    /// Fails a write that waits for a client that was put out.
    fn unless_put_out<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_pending() && self.long.lock().iter().any(|long| long.is_cut()) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        written
    }

    /// A request that hyper could read is being answered. Says which of the connection it is, from 1 on.
    pub(crate) fn begin(&self) -> usize {
        self.answering.store(true, Ordering::Release);
        self.answered.store(false, Ordering::Release);
        self.requests.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Whether of the body of the request of that number more is to come.
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
    signs: Arc<Signs>,
    admission: Arc<Admission>,
    /// Who refuses what hyper can't read; without it that is hyper's.
    refuser: Option<Arc<dyn Refuser>>,
    /// What was read and did not fit, since it grew when it was escaped.
    rest: Bytes,
    /// A refusal of ours that goes out in place of hyper's.
    refusal: Option<Bytes>,
    /// Goes off when the head that has begun should have ended. Most heads come whole and need none.
    deadline: Option<Pin<Box<Sleep>>>,
    end: Option<Linger>,
}

/// What is still read of a connection that has ended for us.
struct Linger {
    left: usize,
    deadline: Pin<Box<Sleep>>,
}

impl<T> Watched<T> {
    /// Watches a connection. Without a refuser hyper refuses what it can't read.
    pub(crate) fn new(
        io: T,
        admission: Arc<Admission>,
        refuser: Option<Arc<dyn Refuser>>,
    ) -> (Watched<T>, Arc<Signs>) {
        let signs = Arc::new(Signs::default());
        let watched = Watched {
            io,
            framing: Framing::new(refuser.as_ref().is_some_and(|refuser| refuser.needs_origin())),
            signs: signs.clone(),
            admission,
            refuser,
            rest: Bytes::new(),
            refusal: None,
            deadline: None,
            end: None,
        };
        (watched, signs)
    }

    /// The connection itself, when HTTP is over, and what was read of it that hyper did not get.
    pub(crate) fn into_parts(self) -> (T, Bytes) {
        (self.io, self.rest)
    }

    /// Looks at what was read, which goes to hyper as a URI has it.
    fn watch(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let mut odd = Vec::new();
        if self.framing.feed(&buf.filled()[before..], &mut odd) {
            self.signs.ambiguous.store(true, Ordering::Release);
        }
        let unread = if self.framing.in_body() { self.framing.heads() } else { 0 };
        self.signs.unread.store(unread, Ordering::Release);
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
        if !bytes.starts_with(b"HTTP/1.1 4") || self.signs.answering.load(Ordering::Acquire) {
            return None;
        }
        let status = StatusCode::from_bytes(bytes.get(9..12)?).ok()?;
        Some(self.refuser.as_ref()?.refusal_of_unread(status, self.framing.origin()))
    }
}

impl<T: AsyncWrite + Unpin> Watched<T> {
    /// Writes our refusal in place of hyper's, which has that length.
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
        self.signs.unless_put_out(written)
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
        self.signs.unless_put_out(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        ready!(self.signs.unless_put_out(flushed))?;
        // hyper flushes once it has written all that it has.
        if self.signs.answered.load(Ordering::Acquire) {
            self.signs.written();
        }
        Poll::Ready(Ok(()))
    }

    /// Ends our side. If the client still sends, what comes is read and thrown away until it has ended its own, or
    /// for as long as a body may take, or up to a bound.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let linger = match &mut this.end {
            Some(linger) => linger,
            None => {
                ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
                let sends = this.framing.in_head() || this.framing.in_body();
                let left = LINGER_BYTES;
                let timeout = this.admission.limits.body_timeout;
                // Its timer is not needed where nothing is under way.
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
mod tests {
    use super::*;

    fn admission() -> Arc<Admission> {
        Arc::new(Admission::new(crate::Limits::default(), Arc::default()))
    }

    /// How long the end of a connection takes, whose client sent `begin` and then a byte now and then.
    async fn end(begin: &str) -> std::time::Duration {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
        use tokio::time::{Duration, Instant, sleep};

        let (ours, mut peer) = duplex(1000);
        let (mut ours, _) = Watched::new(ours, admission(), None);
        peer.write_all(begin.as_bytes()).await.unwrap();
        ours.read_exact(&mut vec![0; begin.len()]).await.unwrap();
        tokio::spawn(async move {
            loop {
                sleep(Duration::from_millis(400)).await;
                if peer.write_all(b"x").await.is_err() {
                    return;
                }
            }
        });
        let began = Instant::now();
        ours.shutdown().await.unwrap();
        began.elapsed()
    }

    // proves: protocol/early-answers
    #[tokio::test(start_paused = true)]
    async fn what_a_client_still_sends_is_read_for_as_long_as_a_body_may_take() {
        let timeout = admission().limits.body_timeout;
        let post = "POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n";
        assert_eq!(end(post).await, timeout);
        assert_eq!(end("POST / HT").await, timeout);
        assert!(end("GET / HTTP/1.1\r\n\r\n").await.is_zero(), "nothing is under way");
    }

    // proves: protocol/early-answers
    #[tokio::test]
    async fn what_a_client_still_sends_is_read_up_to_a_bound() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

        let (ours, mut peer) = duplex(1 << 20);
        let (mut ours, _) = Watched::new(ours, admission(), None);
        let head = b"POST / HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n";
        peer.write_all(head).await.unwrap();
        ours.read_exact(&mut vec![0; head.len()]).await.unwrap();
        let sent = tokio::spawn(async move {
            let mut sent = 0;
            while peer.write_all(&[b'x'; 65536]).await.is_ok() {
                sent += 65536;
            }
            sent
        });
        ours.shutdown().await.unwrap();
        drop(ours);
        let sent = sent.await.unwrap();
        assert!((LINGER_BYTES..LINGER_BYTES + (2 << 20)).contains(&sent), "{sent}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_from_its_first_byte_on() {
        use std::time::Duration;
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
        use tokio::time::{Instant, sleep};

        let admission = admission();
        let timeout = admission.limits.head_timeout;
        let (ours, mut peer) = duplex(1000);
        let (mut ours, _) = Watched::new(ours, admission.clone(), None);
        let client = tokio::spawn(async move {
            // Idling costs nothing, nor does a body that takes its time.
            sleep(5 * timeout).await;
            peer.write_all(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nx").await.unwrap();
            sleep(5 * timeout).await;
            peer.write_all(b"xGET").await.unwrap();
            let began = Instant::now();
            // A byte now and then does not help.
            while peer.write_all(b" ").await.is_ok() {
                sleep(Duration::from_millis(400)).await;
            }
            began
        });
        let error = ours.read_to_end(&mut Vec::new()).await.unwrap_err();
        let ended = Instant::now();
        drop(ours);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(ended - client.await.unwrap(), timeout);
        assert_eq!(admission.hits.get(Limit::HeadTimeout), 1);
    }
}
