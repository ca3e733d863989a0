//! A server and its builder: endpoints, pages, settings.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use engineio::observe::Observer;
use engineio::{Application, Engine, EngineConfig};
use http::{HeaderMap, Method, Response};
use socketio::Io;

use crate::http::client_files::ClientFiles;
use crate::http::folder::Folder;
use crate::http::mount::Mount;
use crate::http::proxies::{TrustedProxies, TrustedProxy};
use crate::http::settings::HttpSettings;
use crate::net::admission::Admission;
use crate::net::drain::Drain;
use crate::observe::metrics::Metrics;
use crate::observe::operations::Operations;
use crate::plain::{self, Accepted, WebSocketRequest};
use crate::service::Service;
use crate::session::endpoint::Endpoint;
use crate::site::{Pages, Site};
#[cfg(feature = "webtransport")]
use crate::webtransport::WebTransport;
use crate::{AllowedHosts, Cookie, Cors, Denied, Hooks, LimitHits, Limits, TrailingSlash};

/// A server: endpoints and pages, ready to serve.
///
/// ```no_run
/// use socketio::Io;
/// use socketio_server::Server;
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::builder().socketio("/socket.io/", Io::new()).build()?;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// let shutdown = async { drop(tokio::signal::ctrl_c().await) };
/// server.serve(listener, shutdown).await; // until Ctrl-C and the drain
/// # Ok(())
/// # }
/// ```
pub struct Server {
    service: Service,
    #[cfg(feature = "webtransport")]
    pub(crate) webtransport: Vec<WebTransport>,
}

/// Builds a [`Server`]: see [`Server::builder`].
///
/// ```
/// use std::time::Duration;
/// use socketio::Io;
/// use socketio_server::{BuildError, Cors, Server};
///
/// fn build(io: Io, cors: Cors) -> Result<Server, BuildError> {
///     Server::builder()
///         .cors(cors)
///         .drain_timeout(Duration::from_secs(10))
///         .socketio("/socket.io/", io)
///         .build()
/// }
/// ```
pub struct Builder {
    pub(crate) engine: Engine,
    http: HttpSettings,
    limits: Limits,
    proxies: TrustedProxies,
    /// The applications' counts of how often clients met their limits.
    hits: Vec<Arc<LimitHits>>,
    ios: Vec<Io>,
    client_files: Option<ClientFiles>,
    folders: Vec<(Box<str>, Folder)>,
    pages: Option<Box<Pages>>,
    drain: Drain,
    mounts: Vec<(Box<str>, MakeMount)>,
    client_paths: Vec<Box<str>>,
}

type MakeMount = Box<dyn FnOnce(&str, Arc<Engine>, Arc<HttpSettings>, Arc<Admission>) -> Arc<dyn Mount>>;

impl Builder {
    /// Sets the protocol's settings for all endpoints.
    #[must_use]
    pub fn config(mut self, config: EngineConfig) -> Builder {
        self.engine.config = config;
        self
    }

    /// Sets the limits of requests, connections and sessions.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Builder {
        self.limits = limits;
        self
    }

    /// Trusts these proxies when they say who the client is. The client's address is then the last one in
    /// `X-Forwarded-For` that is not a trusted proxy's, and `X-Forwarded-Proto` says whether the client uses
    /// TLS. Handshakes, the log and limits by address use them. Connections of these proxies don't count for
    /// limits by address. Without trusted proxies, the client's address is the connection's, and these fields
    /// are ignored.
    #[must_use]
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = TrustedProxy>) -> Builder {
        self.proxies.add(proxies);
        self
    }

    /// Adds an observer, which sees everything that happens: see [`engineio::observe`]. You can add several.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Builder {
        self.engine.observers.add(observer);
        self
    }

    /// Sets which origins' pages may connect; the server refuses all others. Without this, it sends no CORS
    /// header, and pages of any origin can connect by WebSocket, which browsers don't restrict.
    #[must_use]
    pub fn cors(mut self, cors: Cors) -> Builder {
        self.http.cors = Some(cors);
        self
    }

    /// Binds each session to the origin that opened it: the server answers 403 to requests for it from pages
    /// of another origin, even if [`cors`](Builder::cors) allows that origin. The server's own pages (by
    /// `Host`, so a proxy has to forward `Host`) and requests without `Origin` count as one origin. Off by
    /// default, as in the reference, where the id is enough.
    #[must_use]
    pub fn bind_origin(mut self, bind: bool) -> Builder {
        self.http.bind_origin = bind;
        self
    }

    /// Sets the hosts that the server answers for; a request with another `Host` gets 403. Without this, the
    /// server doesn't check the name, and takes a page for its own if the page's name resolves to the
    /// server's address (DNS rebinding).
    #[must_use]
    pub fn allowed_hosts(mut self, hosts: AllowedHosts) -> Builder {
        self.http.allowed_hosts = Some(hosts);
        self
    }

    /// Adds a cookie with the session's id to answers to handshakes by polling, for load balancers.
    #[must_use]
    pub fn cookie(mut self, cookie: Cookie) -> Builder {
        self.http.cookie = Some(cookie);
        self
    }

    /// Sets the application's hooks for HTTP requests.
    #[must_use]
    pub fn hooks(mut self, hooks: Hooks) -> Builder {
        self.http.hooks = hooks;
        self
    }

    /// The length in bytes from which the server compresses answers to polls, with gzip, Brotli or deflate as
    /// the client prefers. 1,024 by default. `None` turns compression off.
    ///
    /// It needs the feature `compression`, which is on by default.
    #[must_use]
    #[cfg(feature = "compression")]
    pub fn http_compression(mut self, threshold: Option<usize>) -> Builder {
        self.http.compression = threshold;
        self
    }

    /// Whether the endpoints' paths end with a slash. By default, the slash is optional.
    #[must_use]
    pub fn trailing_slash(mut self, trailing_slash: TrailingSlash) -> Builder {
        self.http.trailing_slash = trailing_slash;
        self
    }

    /// Serves the official client's files under the Socket.IO paths.
    #[must_use]
    pub fn client_files(mut self, files: ClientFiles) -> Builder {
        self.client_files = Some(files);
        self
    }

    /// Serves the files of a folder under `path`, such as `/admin/`.
    #[must_use]
    pub fn folder(mut self, path: &str, folder: Folder) -> Builder {
        self.folders.push((path.trim_end_matches('/').into(), folder));
        self
    }

    /// Answers requests for all other paths. If `pages` returns `None`, the answer is 404.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::Response;
    /// use socketio_server::Server;
    ///
    /// let hello = Response::new(Bytes::from_static(b"Hello"));
    /// let builder = Server::builder().pages(move |_, path, _| (path == "/").then(|| hello.clone()));
    /// ```
    #[must_use]
    pub fn pages<F>(mut self, pages: F) -> Builder
    where
        F: Fn(&Method, &str, &HeaderMap) -> Option<Response<Bytes>> + Send + Sync + 'static,
    {
        self.pages = Some(Box::new(pages));
        self
    }

    /// How long the server waits for clients to leave when it stops, from the first one that it closes. 30 s by
    /// default.
    #[must_use]
    pub fn drain_timeout(mut self, timeout: Duration) -> Builder {
        self.drain.timeout = timeout;
        self
    }

    /// The time over which a server that stops closes its clients, one after the other, if it has more than
    /// 500. All of them reconnect, and all at once may be more than the other servers can take. 10 s by
    /// default, and never more than half of the [`drain_timeout`](Builder::drain_timeout). Zero closes all
    /// clients at once.
    #[must_use]
    pub fn drain_spread(mut self, spread: Duration) -> Builder {
        self.drain.spread = spread;
        self
    }

    /// How long the server goes on as before when it has been told to stop, except that it says that it
    /// [drains](Service::is_draining). Load balancers need this time to notice. Zero by default.
    #[must_use]
    pub fn drain_wait(mut self, wait: Duration) -> Builder {
        self.drain.wait = wait;
        self
    }

    /// Serves Socket.IO at `path`, such as `/socket.io/`.
    #[must_use]
    pub fn socketio(mut self, path: &str, io: Io) -> Builder {
        self.client_paths.push(path.into());
        self.hits.push(io.limit_hits().clone());
        // An `Io` may be served at several paths.
        if !self.ios.iter().any(|other| std::ptr::eq(other.config(), io.config())) {
            self.ios.push(io.clone());
        }
        self.engineio(path, io)
    }

    /// Serves Engine.IO at `path`, with your own application.
    #[must_use]
    pub fn engineio<A: Application>(mut self, path: &str, application: A) -> Builder {
        let make: MakeMount = Box::new(move |path, engine, http, admission| {
            Arc::new(Endpoint::new(path, application, engine, http, admission))
        });
        self.mounts.push((path.into(), make));
        self
    }

    /// Serves plain WebSockets at `path`, such as `/ws`. `handler` accepts or refuses each request, and says
    /// what runs on the WebSocket. See [`plain`].
    #[must_use]
    pub fn websocket<F, R>(mut self, path: &str, handler: F) -> Builder
    where
        F: Fn(WebSocketRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Accepted, Denied>> + Send + 'static,
    {
        let handler: Box<plain::Handler> = Box::new(move |request| Box::pin(handler(request)));
        let make: MakeMount = Box::new(move |path, engine, http, admission| {
            Arc::new(plain::Endpoint::new(path, handler, engine, http, admission))
        });
        self.mounts.push((path.into(), make));
        self
    }

    /// Builds the server.
    ///
    /// # Errors
    /// If a path is invalid, two endpoints have the same path, or the protocol can't work with a setting.
    pub fn build(self) -> Result<Server, BuildError> {
        let config = &self.engine.config;
        if config.ping_interval.is_zero() {
            return Err(BuildError::Zero("ping_interval"));
        }
        if config.ping_timeout.is_zero() {
            return Err(BuildError::Zero("ping_timeout"));
        }
        if config.max_payload == 0 {
            return Err(BuildError::Zero("max_payload"));
        }
        if !config.polling && !config.websocket {
            return Err(BuildError::NoTransport);
        }
        let engine = Arc::new(self.engine);
        let mut hits = self.hits;
        hits.push(engine.hits.clone());
        // An application may share the server's counts.
        hits.sort_by_key(Arc::as_ptr);
        hits.dedup_by(|one, other| Arc::ptr_eq(one, other));
        let admission = Arc::new(Admission::new(self.limits, engine.hits.clone()));
        hits.iter().for_each(|hits| hits.show_to(&engine.observers));
        let http = Arc::new(self.http);
        let mut endpoints: Vec<Arc<dyn Mount>> = Vec::new();
        for (path, make) in self.mounts {
            if !path.starts_with('/') || path.contains(['?', '#']) {
                return Err(BuildError::Path(path));
            }
            let bare = path.strip_suffix('/').unwrap_or(&path);
            let forms = [bare.to_owned(), format!("{bare}/")];
            if endpoints.iter().any(|endpoint| forms.iter().any(|form| endpoint.serves(form))) {
                return Err(BuildError::PathTaken(path));
            }
            endpoints.push(make(&path, engine.clone(), http.clone(), admission.clone()));
        }
        let site = Site {
            endpoints,
            client_paths: self.client_paths,
            client_files: self.client_files,
            folders: self.folders,
            http,
            pages: self.pages,
            drain: self.drain,
            admission,
            #[cfg(feature = "webtransport")]
            engine,
            proxies: self.proxies,
            hits,
            ios: self.ios,
            draining: AtomicBool::new(false),
        };
        Ok(Server {
            service: Service::new(site),
            #[cfg(feature = "webtransport")]
            webtransport: Vec::new(),
        })
    }
}

impl Server {
    /// Starts to build a server: without endpoints, and with the protocol's default settings.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            engine: Engine::default(),
            http: HttpSettings::default(),
            limits: Limits::default(),
            proxies: TrustedProxies::default(),
            hits: Vec::new(),
            ios: Vec::new(),
            client_files: None,
            folders: Vec::new(),
            pages: None,
            drain: Drain::default(),
            mounts: Vec::new(),
            client_paths: Vec::new(),
        }
    }

    /// The metrics and health checks of this server, for a separate listener. `metrics` counts nothing unless
    /// it is one of the server's [observers](Builder::observer).
    #[must_use]
    pub fn operations(&self, metrics: Arc<Metrics>) -> Operations {
        Operations::new(self.service.site().clone(), metrics)
    }

    /// Accepts clients by WebTransport too, from when it [serves](Server::serve) on.
    ///
    /// It needs the feature `webtransport`, which is off by default.
    #[must_use]
    #[cfg(feature = "webtransport")]
    pub fn webtransport(mut self, listener: WebTransport) -> Server {
        self.webtransport.push(listener);
        self
    }

    /// Turns the server into a service for another HTTP server: axum, hyper, or anything that uses tower.
    #[must_use]
    pub fn into_service(self) -> Service {
        self.service
    }

    /// A service that shares this server's sessions, for example to ask how many there are while it serves.
    #[must_use]
    pub fn service(&self) -> Service {
        self.service.clone()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("endpoints", &self.service.site().endpoints.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("config", &self.engine.config).finish_non_exhaustive()
    }
}

/// Why a server could not be built.
///
/// ```
/// use socketio::Io;
/// use socketio_server::{BuildError, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let error = Server::builder().socketio("no slash", Io::new()).build().err();
/// assert!(matches!(error, Some(BuildError::Path(_))));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// An endpoint's path doesn't begin with a slash, or has a query.
    Path(Box<str>),
    /// Two endpoints have this path.
    PathTaken(Box<str>),
    /// This setting must not be zero.
    Zero(&'static str),
    /// Both transports are switched off.
    NoTransport,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Path(path) => {
                write!(
                    f,
                    "{path:?} can't be an endpoint's path: it must begin with a slash, and have no query"
                )
            }
            BuildError::PathTaken(path) => {
                write!(f, "two endpoints have the path {path:?}: give each its own")
            }
            BuildError::Zero(setting) => write!(f, "{setting} must not be zero"),
            BuildError::NoTransport => f.write_str("no transport is on: turn on polling, WebSocket or both"),
        }
    }
}

impl std::error::Error for BuildError {}
