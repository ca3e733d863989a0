//! Sees what hyper hides: a request with both `Transfer-Encoding` and `Content-Length`, and when a head begins.
//!
//! "A server MAY reject a request that contains both Content-Length and Transfer-Encoding" and ought to, since
//! such a request may be an attempt to smuggle another past a proxy (RFC 9112, section 6.3). hyper drops the
//! length and goes on, so the bytes are looked at on their way to it.
//!
//! hyper measures the time for a head from the end of the last answer, so it can't tell a client that idles from
//! one that sends its head byte by byte. Here the time begins with the head's first byte.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use engineio::Limit;
use memchr::memchr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::admission::Admission;

/// As much of a line as is kept: enough for the names that matter, and for any length that is allowed.
const KEPT: usize = 48;

/// A connection whose requests are watched.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    io: T,
    watch: HeadWatch,
    ambiguous: Arc<AtomicBool>,
    admission: Arc<Admission>,
    /// Goes off when the head that has begun should have ended. Most heads come whole and need none.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<T> Watched<T> {
    /// Watches a connection. The flag is set once it brings a request that can be read in two ways; it is set
    /// before hyper sees that request.
    pub(crate) fn new(io: T, admission: Arc<Admission>) -> (Watched<T>, Arc<AtomicBool>) {
        let ambiguous = Arc::new(AtomicBool::new(false));
        let watch = HeadWatch::default();
        (Watched { io, watch, ambiguous: ambiguous.clone(), admission, deadline: None }, ambiguous)
    }

    /// The connection itself, when HTTP is over.
    pub(crate) fn into_inner(self) -> T {
        self.io
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if self.watch.feed(&buf.filled()[before..]) {
            self.ambiguous.store(true, Ordering::Release);
        }
        if !self.watch.in_head() {
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

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Follows the framing of HTTP/1.1 requests as far as it takes to tell heads from bodies.
#[derive(Debug, Default)]
struct HeadWatch {
    part: Part,
    line: Line,
}

#[derive(Debug, Default)]
enum Part {
    /// Before a request's first line; empty lines are skipped there.
    #[default]
    Start,
    /// In a head: whether it has a transfer encoding so far, and its length.
    Head { encoded: bool, length: Option<u64> },
    /// In a body, that many bytes before its end.
    Body(u64),
    /// At the line of a chunk's size.
    ChunkSize,
    /// In a chunk and the line's end behind it.
    Chunk(u64),
    /// Behind the last chunk.
    Trailers,
    /// What came can't be framed; hyper refuses it.
    Lost,
}

/// The line that is being read.
#[derive(Debug)]
struct Line {
    kept: [u8; KEPT],
    len: usize,
}

impl Default for Line {
    fn default() -> Line {
        Line { kept: [0; KEPT], len: 0 }
    }
}

impl Line {
    fn extend(&mut self, bytes: &[u8]) {
        let room = &mut self.kept[self.len.min(KEPT)..];
        let kept = bytes.len().min(room.len());
        room[..kept].copy_from_slice(&bytes[..kept]);
        self.len += bytes.len();
    }

    /// The line as far as it was kept.
    fn text(&self) -> &[u8] {
        &self.kept[..self.len.min(KEPT)]
    }
}

/// The value of a line, if it is that field's.
fn value<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (field, value) = line.split_at_checked(name.len())?;
    let value = value.strip_prefix(b":")?;
    field.eq_ignore_ascii_case(name.as_bytes()).then_some(value.trim_ascii())
}

impl HeadWatch {
    /// Whether a head has begun and not ended.
    fn in_head(&self) -> bool {
        match self.part {
            Part::Start => self.line.len > 0,
            Part::Head { .. } => true,
            Part::Body(_) | Part::ChunkSize | Part::Chunk(_) | Part::Trailers | Part::Lost => false,
        }
    }

    /// Looks at what came. Says whether a head in it was ambiguous.
    fn feed(&mut self, mut bytes: &[u8]) -> bool {
        let mut ambiguous = false;
        while !bytes.is_empty() {
            match &mut self.part {
                Part::Lost => return ambiguous,
                Part::Body(left) | Part::Chunk(left) => {
                    let skipped = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= skipped as u64;
                    bytes = &bytes[skipped..];
                    if *left == 0 {
                        self.part = if let Part::Body(_) = self.part { Part::Start } else { Part::ChunkSize };
                    }
                }
                Part::Start | Part::Head { .. } | Part::ChunkSize | Part::Trailers => {
                    let Some(end) = memchr(b'\n', bytes) else {
                        self.line.extend(bytes);
                        return ambiguous;
                    };
                    let line = &bytes[..end];
                    bytes = &bytes[end + 1..];
                    if self.line.len == 0 {
                        // Nearly always it comes whole.
                        if self.part.ignores(line) {
                            continue;
                        }
                        ambiguous |= self.part.end_line(&line[..end.min(KEPT)]);
                    } else {
                        self.line.extend(line);
                        ambiguous |= self.part.end_line(self.line.text());
                        self.line.len = 0;
                    }
                }
            }
        }
        ambiguous
    }
}

impl Part {
    /// Whether a line is of no interest, as its first letter tells of most.
    fn ignores(&self, line: &[u8]) -> bool {
        let may_matter = matches!(line.first(), None | Some(b'\r' | b'T' | b't' | b'C' | b'c'));
        matches!(self, Part::Head { .. }) && !may_matter
    }

    /// Goes on behind a line. Says whether it ends a head that was ambiguous.
    fn end_line(&mut self, line: &[u8]) -> bool {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let empty = line.is_empty();
        match self {
            Part::Start if !empty => *self = Part::Head { encoded: false, length: None },
            Part::Head { encoded, length } if empty => {
                let ambiguous = *encoded && length.is_some();
                *self = match (*encoded, *length) {
                    (true, _) => Part::ChunkSize,
                    (false, Some(1..)) => Part::Body(length.unwrap_or_default()),
                    (false, _) => Part::Start,
                };
                return ambiguous;
            }
            Part::Head { encoded, length } => {
                if value(line, "transfer-encoding").is_some() {
                    *encoded = true;
                } else if let Some(value) = value(line, "content-length") {
                    match std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()) {
                        Some(value) => *length = Some(value),
                        None if *encoded => *length = Some(0),
                        None => *self = Part::Lost,
                    }
                }
            }
            Part::ChunkSize => {
                let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
                let size = std::str::from_utf8(digits.trim_ascii()).ok();
                *self = match size.and_then(|size| u64::from_str_radix(size, 16).ok()) {
                    Some(0) => Part::Trailers,
                    // The line's end behind the chunk is skipped with it.
                    Some(size) => size.checked_add(2).map_or(Part::Lost, Part::Chunk),
                    None => Part::Lost,
                };
            }
            Part::Trailers if empty => *self = Part::Start,
            Part::Start | Part::Trailers | Part::Body(_) | Part::Chunk(_) | Part::Lost => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes at once, and byte by byte.
    fn ambiguous(bytes: &str) -> bool {
        let whole = HeadWatch::default().feed(bytes.as_bytes());
        let mut watch = HeadWatch::default();
        let split = bytes.as_bytes().iter().filter(|byte| watch.feed(&[**byte])).count() > 0;
        assert_eq!(whole, split, "{bytes:?}");
        whole
    }

    const BOTH: &str = "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn both_fields_are_seen_in_either_order() {
        assert!(ambiguous(BOTH));
        assert!(ambiguous("POST / HTTP/1.1\r\ntransfer-encoding:chunked\r\nCONTENT-LENGTH: x\r\n\r\n"));
        assert!(ambiguous("POST / HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length: 3\n\n"));
    }

    #[test]
    fn one_of_them_is_fine() {
        assert!(!ambiguous("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"));
        assert!(!ambiguous("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
        assert!(!ambiguous(
            "GET /?Transfer-Encoding: HTTP/1.1\r\nContent-Length: 0\r\nX: transfer-encoding: a\r\n\r\n"
        ));
    }

    #[test]
    fn a_body_is_not_read_as_a_head() {
        let length = BOTH.len();
        assert!(!ambiguous(&format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{BOTH}")));
        let chunk = format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{length:x};x=y\r\n{BOTH}\r\n0\r\n\r\n"
        );
        assert!(!ambiguous(&chunk));
        assert!(ambiguous(&format!("{chunk}{BOTH}")), "and what follows it is");
        let trailers = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n";
        assert!(!ambiguous(trailers));
        assert!(ambiguous(&format!("{trailers}\r\n{BOTH}")));
    }

    #[test]
    fn long_lines_are_cut_and_the_next_is_read_anew() {
        let long = format!(
            "GET /{} HTTP/1.1\r\nCookie: {}\r\nContent-Length: 1\r\n\r\n",
            "a".repeat(999),
            "b".repeat(999)
        );
        assert!(!ambiguous(&format!("{long}x")));
        assert!(ambiguous(&format!("{long}x{BOTH}")));
    }

    #[test]
    fn what_can_not_be_framed_is_left_to_hyper() {
        assert!(!ambiguous(&format!("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n{BOTH}")));
        assert!(!ambiguous(&format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{BOTH}"
        )));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_from_its_first_byte_on() {
        use std::time::Duration;
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
        use tokio::time::{Instant, sleep};

        let admission = Arc::new(Admission::new(crate::Limits::default(), Arc::default()));
        let timeout = admission.limits.head_timeout;
        let (ours, mut peer) = duplex(1000);
        let (mut ours, _) = Watched::new(ours, admission.clone());
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
