//! The bodies of responses.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use engineio::Payload;
use engineio::memory::Held;
use http_body::SizeHint;

use crate::session::wires::{Long, OpenGet};

/// The body of an HTTP response. A poll's has a guard that learns when all of it was handed over. It fails if the
/// server disconnects the client before all of the answer is sent.
///
/// ```
/// use http::Response;
/// use socketio_server::Body;
///
/// let page: Response<Body> = Response::new(Body::from("<h1>Hello</h1>"));
/// ```
#[derive(Debug, Default)]
pub struct Body {
    /// The bytes that have not been taken, unless it is a long answer.
    rest: Payload,
    long: Option<Long>,
    poll: Option<OpenGet>,
    _held: Held,
}

/// The most that is handed to the connection at once, so that it is known how much of a large answer was not sent.
const CHUNK: usize = 64 * 1024;

impl Body {
    /// The answer to a poll, and the memory that it needs besides the packets of its session.
    pub(crate) fn for_poll(payload: Payload, held: Held, poll: OpenGet, long: Option<Long>) -> Body {
        let rest = match &long {
            Some(long) => {
                long.load(payload);
                Payload::default()
            }
            None => payload,
        };
        Body { rest, long, poll: Some(poll), _held: held }
    }

    /// The rest that has not been handed to the connection.
    pub(crate) fn to_bytes(&self) -> Bytes {
        self.long.as_ref().map_or_else(|| self.rest.to_bytes(), |long| long.to_bytes())
    }

    /// The answer to a poll, if it is a long one.
    pub(crate) fn long(&self) -> Option<&Long> {
        self.long.as_ref()
    }
}

impl From<Payload> for Body {
    fn from(payload: Payload) -> Body {
        Body { rest: payload, ..Body::default() }
    }
}

macro_rules! body_from {
    ($($bytes:ty),+) => {$(
        impl From<$bytes> for Body {
            fn from(bytes: $bytes) -> Body {
                Body::from(Payload::from(Bytes::from(bytes)))
            }
        }
    )+};
}

body_from!(Bytes, String, Vec<u8>, &'static str, &'static [u8]);

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let chunk = match &self.long {
            None => self.rest.take(CHUNK),
            Some(long) => match long.take(CHUNK, cx.waker()) {
                Some(chunk) => chunk,
                None => return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into()))),
            },
        };
        if self.is_end_stream()
            && let Some(mut poll) = self.poll.take()
        {
            poll.written();
        }
        Poll::Ready(
            Some(chunk).filter(|chunk| !chunk.is_empty()).map(|chunk| Ok(http_body::Frame::data(chunk))),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.long.as_ref().map_or_else(|| self.rest.is_empty(), |long| long.is_taken())
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.long.as_ref().map_or_else(|| self.rest.len(), |long| long.left()) as u64)
    }
}
