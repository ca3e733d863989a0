//! An endpoint, as the rest of the server has it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::combinators::UnsyncBoxBody;

use crate::http::body::Body;
use crate::net::drain::Turns;
use crate::net::peer::Peer;

/// The body of a request, whatever server it came to. A body that breaks off says no more than that.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, ()>;

/// The future of a [`Service`](crate::Service). It never fails.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// An endpoint, whatever its application.
pub(crate) trait Mount: Send + Sync {
    fn serves(&self, path: &str) -> bool;
    fn call(self: Arc<Self>, head: Parts, body: RequestBody, peer: Peer) -> Answering;

    /// Lets nobody in from its first poll on, and lets each client go in its turn. Ready when it has told all.
    fn drain(&self, turns: Arc<Turns>) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Waits until nobody is left.
    fn emptied(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    fn sessions(&self) -> usize;

    /// Calls `each` with what waits to be sent to each session.
    fn each_queue(&self, each: &mut dyn FnMut(usize)) {
        let _ = each;
    }
}
