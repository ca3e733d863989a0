//! Endpoints and pages behind one or more listeners, and their orderly end.

use std::convert::Infallible;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use engineio::{Application, Config};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socketio::Io;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::client_files::{self, ClientFiles};
use crate::endpoint::{Endpoint, HttpSettings, Peer, closing, status};
use crate::head_watch::Watched;
use crate::polling::Body;
use crate::{Cookie, Cors, http_rules};

/// How long a connection may idle between two requests, and a request's head may take.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long to wait after a failure to accept, which mostly means that there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers a request for a page: by its path, if there is such a page.
type Pages = dyn Fn(&Method, &str, &HeaderMap) -> Option<Response<Bytes>> + Send + Sync;

/// A server: endpoints and pages, ready to serve.
pub struct Server {
    endpoints: Vec<Arc<dyn Mount>>,
    /// The Socket.IO paths, under which the client's files are found.
    client_paths: Vec<Box<str>>,
    client_files: Option<ClientFiles>,
    pages: Option<Box<Pages>>,
    drain_timeout: Duration,
}

/// What a [`Server`] is made of.
pub struct Builder {
    config: Config,
    http: HttpSettings,
    client_files: Option<ClientFiles>,
    pages: Option<Box<Pages>>,
    drain_timeout: Duration,
    mounts: Vec<(Box<str>, MakeMount)>,
    client_paths: Vec<Box<str>>,
}

type MakeMount = Box<dyn FnOnce(&str, Arc<Config>, Arc<HttpSettings>) -> Arc<dyn Mount>>;

/// An endpoint, whatever its application.
trait Mount: Send + Sync {
    fn serves(&self, path: &str) -> bool;
    fn call(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> BoxFuture<Response<Body>>;
    fn drain(&self);
    fn emptied(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    fn sessions(&self) -> usize;
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<A: Application> Mount for Endpoint<A> {
    fn serves(&self, path: &str) -> bool {
        Endpoint::serves(self, path)
    }

    fn call(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> BoxFuture<Response<Body>> {
        Box::pin(Endpoint::call(self, request, peer))
    }

    fn drain(&self) {
        Endpoint::drain(self);
    }

    fn emptied(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Endpoint::emptied(self))
    }

    fn sessions(&self) -> usize {
        Endpoint::sessions(self)
    }
}

impl Builder {
    /// Sets the settings of the protocol. They hold for all endpoints.
    #[must_use]
    pub fn config(mut self, config: Config) -> Builder {
        self.config = config;
        self
    }

    /// Lets pages of other origins in. Without it no CORS header is sent.
    #[must_use]
    pub fn cors(mut self, cors: Cors) -> Builder {
        self.http.cors = Some(cors);
        self
    }

    /// Sends a cookie with the session's id on a handshake by polling, for load balancers.
    #[must_use]
    pub fn cookie(mut self, cookie: Cookie) -> Builder {
        self.http.cookie = Some(cookie);
        self
    }

    /// Serves the official client's files under the Socket.IO paths.
    #[must_use]
    pub fn client_files(mut self, files: ClientFiles) -> Builder {
        self.client_files = Some(files);
        self
    }

    /// Answers requests to paths that are no endpoint's. Where `pages` has nothing, the answer is a 404.
    #[must_use]
    pub fn pages<F>(mut self, pages: F) -> Builder
    where
        F: Fn(&Method, &str, &HeaderMap) -> Option<Response<Bytes>> + Send + Sync + 'static,
    {
        self.pages = Some(Box::new(pages));
        self
    }

    /// How long [`Server::serve`] waits at its end for clients to be told; 30 s unless set.
    #[must_use]
    pub fn drain_timeout(mut self, timeout: Duration) -> Builder {
        self.drain_timeout = timeout;
        self
    }

    /// Speaks Socket.IO at `path`, such as `/socket.io/`.
    #[must_use]
    pub fn socketio(mut self, path: &str, io: Io) -> Builder {
        self.client_paths.push(path.into());
        self.engineio(path, io)
    }

    /// Speaks Engine.IO at `path`, with an application of one's own on it.
    #[must_use]
    pub fn engineio<A: Application>(mut self, path: &str, application: A) -> Builder {
        let make: MakeMount =
            Box::new(move |path, config, http| Arc::new(Endpoint::new(path, application, config, http)));
        self.mounts.push((path.into(), make));
        self
    }

    /// The server.
    ///
    /// # Errors
    /// A path that is none, or that two endpoints have; a setting with which the protocol can't work.
    pub fn build(self) -> Result<Server, BuildError> {
        if self.config.ping_interval.is_zero() {
            return Err(BuildError::Zero("ping_interval"));
        }
        if self.config.ping_timeout.is_zero() {
            return Err(BuildError::Zero("ping_timeout"));
        }
        if self.config.max_payload == 0 {
            return Err(BuildError::Zero("max_payload"));
        }
        let config = Arc::new(self.config);
        let http = Arc::new(self.http);
        let mut endpoints: Vec<Arc<dyn Mount>> = Vec::new();
        for (path, make) in self.mounts {
            if !path.starts_with('/') || path.contains(['?', '#']) {
                return Err(BuildError::Path(path));
            }
            if endpoints.iter().any(|endpoint| endpoint.serves(&path)) {
                return Err(BuildError::PathTaken(path));
            }
            endpoints.push(make(&path, config.clone(), http.clone()));
        }
        Ok(Server {
            endpoints,
            client_paths: self.client_paths,
            client_files: self.client_files,
            pages: self.pages,
            drain_timeout: self.drain_timeout,
        })
    }
}

impl Server {
    /// A server to be: without endpoints, with the protocol's default settings.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            config: Config::default(),
            http: HttpSettings::default(),
            client_files: None,
            pages: None,
            drain_timeout: Duration::from_secs(30),
            mounts: Vec::new(),
            client_paths: Vec::new(),
        }
    }

    /// Serves until `shutdown` is ready, and then drains: new sessions are refused with 503, present ones are
    /// closed behind what is queued for them and their parked polls answered. It returns when all of them
    /// are gone, or at the drain timeout.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let server = Arc::new(self);
        // Each connection holds a receiver: it learns of the end by it, and the sender knows when all are gone.
        let stop = watch::Sender::new(());
        let accept = async {
            loop {
                match listener.accept().await {
                    Ok((stream, address)) => {
                        // Packets are small and wanted at once.
                        drop(stream.set_nodelay(true));
                        let peer = Peer { address: Some(address), secure: false };
                        tokio::spawn(server.clone().connection(stream, peer, stop.subscribe()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        let mut accept = pin!(accept);
        tokio::select! {
            () = &mut accept => {}
            () = shutdown => {}
        }
        let left = || server.endpoints.iter().map(|endpoint| endpoint.sessions()).sum::<usize>();
        tracing::info!(sessions = left(), "draining");
        server.endpoints.iter().for_each(|endpoint| endpoint.drain());
        let drained = tokio::time::timeout(server.drain_timeout, async {
            // A client that polls learns of the end by a GET, so connections are accepted meanwhile.
            tokio::select! {
                () = &mut accept => {}
                () = server.emptied() => {}
            }
            // Without connections nobody listens, which is as good.
            let _ = stop.send(());
            stop.closed().await;
        });
        if drained.await.is_err() {
            tracing::warn!(sessions = left(), "not all clients could be told by the drain timeout");
        }
    }

    async fn emptied(&self) {
        for endpoint in &self.endpoints {
            endpoint.emptied().await;
        }
    }

    /// Serves one connection.
    async fn connection(self: Arc<Self>, stream: TcpStream, peer: Peer, mut stopping: watch::Receiver<()>) {
        let (stream, ambiguous) = Watched::new(stream);
        let service = service_fn(|request| {
            let server = self.clone();
            let ambiguous = ambiguous.load(Ordering::Acquire);
            async move {
                let refused = ambiguous.then(|| closing(status(StatusCode::BAD_REQUEST)));
                Ok::<_, Infallible>(match refused {
                    Some(response) => response,
                    None => server.answer(request, peer).await,
                })
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let served = tokio::select! {
            served = &mut connection => served,
            _ = stopping.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a connection failed");
        }
    }

    /// Answers one request: an endpoint's, a client file's, a page's.
    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if let Err(code) = http_rules::check(&parts) {
            return status(code);
        }
        let path = parts.uri.path();
        if let Some(endpoint) = self.endpoints.iter().find(|endpoint| endpoint.serves(path)) {
            return endpoint.clone().call(Request::from_parts(parts, body), peer).await;
        }
        let name = self
            .client_paths
            .iter()
            .find_map(|client_path| path.strip_prefix(client_path.trim_end_matches('/'))?.strip_prefix('/'));
        let file = name.and_then(|name| {
            client_files::answer(self.client_files.as_ref(), &parts.method, name, &parts.headers)
        });
        let page = || self.pages.as_ref().and_then(|pages| pages(&parts.method, path, &parts.headers));
        match file.or_else(page) {
            Some(response) => response.map(Body::from),
            None => status(StatusCode::NOT_FOUND),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("endpoints", &self.endpoints.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Why a server could not be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// An endpoint's path doesn't begin with a slash, or has a query.
    Path(Box<str>),
    /// Two endpoints have this path.
    PathTaken(Box<str>),
    /// This setting is zero and can't be.
    Zero(&'static str),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Path(path) => {
                write!(f, "an endpoint's path begins with a slash and has no query: {path:?}")
            }
            BuildError::PathTaken(path) => write!(f, "two endpoints have the path {path:?}"),
            BuildError::Zero(setting) => write!(f, "{setting} must not be zero"),
        }
    }
}

impl std::error::Error for BuildError {}
