//! Answers on connections that are [watched](crate::net::head_watch), and what they tell the connection.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Frame, SizeHint};

use crate::http::answers::closing;
use crate::http::body::Body;
use crate::http::mount::Answering;
use crate::net::head_watch::Signals;

/// An answer that is passed to hyper. If the request's body is incomplete, it ends the connection.
pub(crate) struct WatchedAnswer {
    answering: Answering,
    /// The number of its request on the connection, from 1 on.
    number: usize,
    signals: Option<Arc<Signals>>,
}

impl WatchedAnswer {
    /// The answer to a request that hyper could read.
    pub(crate) fn begin(signals: &Arc<Signals>, answering: Answering) -> WatchedAnswer {
        WatchedAnswer { answering, number: signals.begin(), signals: Some(signals.clone()) }
    }
}

impl Future for WatchedAnswer {
    type Output = Result<Response<Answered>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(mut response) = ready!(self.answering.as_mut().poll(cx));
        let signals = self.signals.take();
        if signals.as_ref().is_some_and(|signals| signals.is_unread(self.number))
            && response.status() != StatusCode::SWITCHING_PROTOCOLS
        {
            response = closing(response);
        }
        if let Some(long) = response.body().long()
            && let Some(signals) = &signals
        {
            signals.is_long(Box::new(long.clone()));
        }
        Poll::Ready(Ok(response.map(|body| Answered { body, signals })))
    }
}

/// The body of an answer. When it is dropped, all of it has been handed over.
pub(crate) struct Answered {
    body: Body,
    signals: Option<Arc<Signals>>,
}

impl http_body::Body for Answered {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        if let Some(signals) = &self.signals {
            signals.handed_over();
        }
    }
}
