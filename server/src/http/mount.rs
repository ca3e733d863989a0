//! An endpoint, as the rest of the server sees it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::combinators::UnsyncBoxBody;

use crate::http::body::Body;
use crate::net::drain::DrainSchedule;
use crate::net::peer::Peer;

/// The body of a request, whichever HTTP server it came through. The error of an incomplete body says nothing more.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, ()>;

/// The future of a [`Service`](crate::Service). It never fails.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// An endpoint, whatever its application.
pub(crate) trait Mount: Send + Sync {
    fn serves(&self, path: &str) -> bool;
    fn call(self: Arc<Self>, head: Parts, body: RequestBody, peer: Peer) -> Answering;

    /// From the first poll on, refuses new clients, and closes each client at its scheduled time. Ready when all have
    /// been told.
    fn drain(&self, schedule: Arc<DrainSchedule>) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Waits until nobody is left.
    fn emptied(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    fn sessions(&self) -> usize;

    /// Calls `each` with what waits to be sent to each session.
    fn each_queue(&self, each: &mut dyn FnMut(usize)) {
        let _ = each;
    }
}
