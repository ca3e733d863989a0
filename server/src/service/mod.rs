//! How a request is answered: by [`serve`](crate::serve) on the server's own listeners, and inside another HTTP server
//! as a tower layer, a tower service or a hyper service.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{Either, Map};
use http::request::Parts;
use http::{Extensions, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Either as EitherBody};

use crate::Limit;
use crate::http::answers::{status, unreadable};
use crate::http::body::Body;
use crate::http::http_rules::{self, HttpRefusal};
use crate::http::mount::{Answering, RequestBody};
use crate::net::peer::Peer;
use crate::site::{Resource, Site};

/// A server without listeners, for another HTTP server: [`Server::into_service`](crate::Server::into_service)
/// makes it. Clones share everything.
///
/// It is
///
/// - a tower **layer**, which answers the server's requests and passes all others on to the inner service: one
///   line after the routes of axum;
/// - a tower **service**, which answers all other requests with 404: for axum's `fallback_service` and the like;
/// - a **hyper service**, for a connection of hyper.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use socketio::Io;
/// use socketio_server::Server;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let socketio = Server::builder().socketio("/socket.io/", Io::new()).build()?.into_service();
/// let app = Router::new().route("/", get(|| async { "Hello" })).layer(socketio.clone());
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// let stop = async move {
///     drop(tokio::signal::ctrl_c().await);
///     socketio.drain().await;
/// };
/// axum::serve(listener, app).with_graceful_shutdown(stop).await?;
/// # Ok(())
/// # }
/// ```
///
/// The HTTP server has to allow upgrades, or there are no WebSockets: use hyper's `with_upgrades`; axum does
/// it by itself. It must not end long requests, since a poll waits until the server has something to send.
/// Over HTTP/2, clients can only poll.
#[derive(Clone)]
pub struct Service {
    site: Arc<Site>,
    peer: PeerOf,
}

/// How the peer of a request is known.
#[derive(Clone, Copy)]
enum PeerOf {
    /// Its connection's; if that is a trusted proxy, the request's fields name another.
    Connection(Peer),
    /// Its connection's, whatever the request's fields say.
    ConnectionAlone(Peer),
    Request(fn(&Extensions) -> Option<Peer>),
}

impl Service {
    pub(crate) fn new(site: Site) -> Service {
        Service { site: Arc::new(site), peer: PeerOf::Request(|extensions| extensions.get().copied()) }
    }

    /// The same service for one connection with this peer.
    #[must_use]
    pub fn for_peer(&self, peer: impl Into<Peer>) -> Service {
        Service { site: self.site.clone(), peer: PeerOf::Connection(peer.into()) }
    }

    /// The same service for one connection with this peer, whose requests can't name another.
    pub(crate) fn for_peer_alone(&self, peer: Peer) -> Service {
        Service { site: self.site.clone(), peer: PeerOf::ConnectionAlone(peer) }
    }

    /// The same service, but `find` finds the peer in a request's extensions. By default, it looks for a
    /// [`Peer`] there. If there is none, a handshake has no address.
    ///
    /// In axum, an application that is served with `into_make_service_with_connect_info::<SocketAddr>()` has
    /// the address in each request:
    ///
    /// ```
    /// use std::net::SocketAddr;
    ///
    /// use axum::extract::ConnectInfo;
    /// use socketio_server::{Peer, Service};
    ///
    /// fn with_addresses(socketio: Service) -> Service {
    ///     socketio.peer_from(|extensions| {
    ///         let ConnectInfo(address) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    ///         Some(Peer::from(*address))
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn peer_from(&self, find: fn(&Extensions) -> Option<Peer>) -> Service {
        Service { site: self.site.clone(), peer: PeerOf::Request(find) }
    }

    /// How many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.site.sessions()
    }

    /// How often clients met a limit, on all endpoints.
    #[must_use]
    pub fn limit_hits(&self, limit: Limit) -> u64 {
        self.site.limit_hits(limit)
    }

    /// Waits for the [`drain_wait`](crate::Builder::drain_wait). Then it refuses new sessions with 503, sends
    /// each client what is queued for it, and closes the sessions; many of them [one after the
    /// other](crate::Builder::drain_spread). It returns when all are closed, or at the
    /// [`drain_timeout`](crate::Builder::drain_timeout).
    ///
    /// The HTTP server must still accept connections, since a client that polls learns of the end by its next
    /// request.
    pub async fn drain(&self) {
        self.site.drain(std::future::ready(())).await;
    }

    /// Whether the server drains: true as soon as [`drain`](Service::drain) is called, even while the server
    /// still accepts clients. Answer a load balancer that asks whether the server is ready with this.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.site.is_draining()
    }

    pub(crate) fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// Whether a request for a session of another protocol gets in, before it has said what for: by HTTP's rules, its path,
    /// and the page that it comes from.
    #[cfg(feature = "webtransport")]
    pub(crate) fn admits(&self, parts: &Parts) -> Result<(), StatusCode> {
        self.check(parts).map_err(|refusal| self.refuse(parts, refusal).status())?;
        if !matches!(self.site.find(parts), Some(Resource::Endpoint(_))) {
            return Err(StatusCode::NOT_FOUND);
        }
        match &self.site.http.cors {
            Some(cors) if cors.judge(parts).refused => Err(StatusCode::FORBIDDEN),
            _ => Ok(()),
        }
    }

    /// Answers a request, with 404 if it asks for something else.
    pub(crate) fn respond<B>(&self, request: Request<B>) -> Answering
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
    {
        let (parts, body) = request.into_parts();
        let resource = self.site.find(&parts);
        self.answer(resource, parts, body)
    }

    /// Refuses a request that could be read in two ways.
    pub(crate) fn refuse_ambiguous<B>(&self, request: Request<B>) -> Answering {
        let refusal = self.refuse(&request.into_parts().0, HttpRefusal::LENGTH_BESIDE_ENCODING);
        Box::pin(std::future::ready(Ok(refusal)))
    }

    /// Refuses what HTTP forbids.
    fn check(&self, parts: &Parts) -> Result<(), HttpRefusal> {
        http_rules::check(parts, self.site.admission.limits.max_head)?;
        match &self.site.http.allowed_hosts {
            Some(hosts) if !hosts.allow(parts) => Err(HttpRefusal::OTHER_HOST),
            _ => Ok(()),
        }
    }

    fn refuse(&self, parts: &Parts, refusal: HttpRefusal) -> Response<Body> {
        if refusal.status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE {
            self.site.admission.hits.count(Limit::Head);
        }
        tracing::info!(
            status = refusal.status.as_u16(),
            reason = refusal.reason,
            host = parts.headers.get(http::header::HOST).map(tracing::field::debug),
            method = %parts.method,
            address = self.peer_of(parts).address.map(tracing::field::display),
            "request refused"
        );
        let mut response = unreadable(refusal.status);
        if let Some(cors) = &self.site.http.cors {
            cors.grant(cors.judge(parts), response.headers_mut());
        }
        response
    }

    /// The peer of a connection, if this is the service of one.
    pub(crate) fn peer(&self) -> Option<Peer> {
        match self.peer {
            PeerOf::Connection(peer) | PeerOf::ConnectionAlone(peer) => Some(peer),
            PeerOf::Request(_) => None,
        }
    }

    fn peer_of(&self, parts: &Parts) -> Peer {
        let peer = match self.peer {
            PeerOf::Connection(peer) => peer,
            PeerOf::ConnectionAlone(peer) => return peer,
            PeerOf::Request(find) => find(&parts.extensions).unwrap_or_default(),
        };
        self.site.proxies.client(peer, &parts.headers)
    }

    fn answer<B>(&self, resource: Option<Resource>, parts: Parts, body: B) -> Answering
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
    {
        let response = match (self.check(&parts), resource) {
            (Err(refusal), _) => self.refuse(&parts, refusal),
            (Ok(()), None) => status(StatusCode::NOT_FOUND),
            (Ok(()), Some(Resource::Ready(response))) => response.map(Body::from),
            (Ok(()), Some(Resource::Endpoint(endpoint))) => {
                let peer = self.peer_of(&parts);
                // A GET has no body, so there is nothing to box.
                let none = body.is_end_stream();
                let body = if none { RequestBody::default() } else { body.map_err(|_| ()).boxed_unsync() };
                return endpoint.call(parts, body, peer);
            }
        };
        Box::pin(std::future::ready(Ok(response)))
    }
}

impl<B> hyper::service::Service<Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<B>) -> Answering {
        self.respond(request)
    }
}

impl<B> tower_service::Service<Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answering {
        self.respond(request)
    }
}

impl<S> tower_layer::Layer<S> for Service {
    type Service = Layered<S>;

    fn layer(&self, inner: S) -> Layered<S> {
        Layered { socketio: self.clone(), inner }
    }
}

/// A [`Service`] in front of another one, which gets the requests that are not the server's.
///
/// ```
/// use axum::Router;
/// use socketio::Io;
/// use socketio_server::Server;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), socketio_server::BuildError> {
/// // `layer` wraps each route in a `Layered`.
/// let socketio = Server::builder().socketio("/socket.io/", Io::new()).build()?.into_service();
/// let app: Router = Router::new().layer(socketio);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Layered<S> {
    socketio: Service,
    inner: S,
}

impl<S, B, R> tower_service::Service<Request<B>> for Layered<S>
where
    S: tower_service::Service<Request<B>, Response = Response<R>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<EitherBody<Body, R>>;
    type Error = S::Error;
    type Future = Either<Ours<R, S::Error>, Theirs<S::Future, R, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        match self.socketio.site.find(&parts) {
            None => Either::Right(self.inner.call(Request::from_parts(parts, body)).map(theirs as _)),
            found => Either::Left(self.socketio.answer(found, parts, body).map(ours as _)),
        }
    }
}

/// What a [`Layered`] service answers.
type Answer<R, E> = Result<Response<EitherBody<Body, R>>, E>;
type Ours<R, E> = Map<Answering, fn(Result<Response<Body>, Infallible>) -> Answer<R, E>>;
type Theirs<F, R, E> = Map<F, fn(Result<Response<R>, E>) -> Answer<R, E>>;

fn ours<R, E>(answer: Result<Response<Body>, Infallible>) -> Answer<R, E> {
    match answer {
        Ok(response) => Ok(response.map(EitherBody::Left)),
        Err(never) => match never {},
    }
}

fn theirs<R, E>(answer: Result<Response<R>, E>) -> Answer<R, E> {
    answer.map(|response| response.map(EitherBody::Right))
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("sessions", &self.sessions()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
