//! The bodies of responses.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use engineio::Payload;
use engineio::memory::Held;
use http_body::{Frame, SizeHint};

use crate::session::polling::OpenGet;

/// The body of an HTTP response. A poll's carries the guard that sees it taken.
#[derive(Debug, Default)]
pub struct Body {
    rest: Payload,
    poll: Option<OpenGet>,
    _held: Held,
}

/// The most that is handed to the connection at once. What a poll's client did not take of a large answer is
/// then known not to have been sent.
const CHUNK: usize = 64 * 1024;

impl Body {
    /// The answer to a poll, and what it takes beside the packets of its session.
    pub(crate) fn poll(payload: Payload, held: Held, poll: OpenGet) -> Body {
        Body { rest: payload, poll: Some(poll), _held: held }
    }

    /// What has not been handed to the connection.
    pub(crate) fn to_bytes(&self) -> Bytes {
        self.rest.to_bytes()
    }
}

impl From<Payload> for Body {
    fn from(payload: Payload) -> Body {
        Body { rest: payload, poll: None, _held: Held::default() }
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
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let chunk = self.rest.take(CHUNK);
        if self.rest.is_empty()
            && let Some(mut poll) = self.poll.take()
        {
            poll.written();
        }
        Poll::Ready(Some(chunk).filter(|chunk| !chunk.is_empty()).map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
