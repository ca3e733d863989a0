//! A server, put together: endpoints, pages, settings.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use engineio::observe::Observer;
use engineio::{Application, Config};
use http::{HeaderMap, Method, Response};
use socketio::Io;

use crate::http::client_files::ClientFiles;
use crate::http::proxies::{TrustedProxies, TrustedProxy};
use crate::net::admission::Admission;
use crate::observe::metrics::Metrics;
use crate::observe::operations::Operations;
use crate::plain::{self, Accepted, Request};
use crate::service::Service;
use crate::session::endpoint::{Endpoint, HttpSettings};
use crate::site::{Mount, Pages, Site};
use crate::{AllowedHosts, Cookie, Cors, Denied, Hooks, LimitHits, Limits, TrailingSlash};

/// A server: endpoints and pages, ready to serve.
pub struct Server {
    service: Service,
}

/// What a [`Server`] is made of.
pub struct Builder {
    config: Config,
    http: HttpSettings,
    limits: Limits,
    proxies: TrustedProxies,
    /// Where the applications count how often clients met their limits.
    hits: Vec<Arc<LimitHits>>,
    ios: Vec<Io>,
    client_files: Option<ClientFiles>,
    pages: Option<Box<Pages>>,
    drain_timeout: Duration,
    mounts: Vec<(Box<str>, MakeMount)>,
    client_paths: Vec<Box<str>>,
    observers: Vec<Arc<dyn Observer>>,
}

type MakeMount = Box<dyn FnOnce(&str, Arc<Config>, Arc<HttpSettings>, Arc<Admission>) -> Arc<dyn Mount>>;

impl Builder {
    /// Sets the settings of the protocol. They hold for all endpoints.
    #[must_use]
    pub fn config(mut self, config: Config) -> Builder {
        self.config = config;
        self
    }

    /// Sets the limits of requests, connections and sessions.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Builder {
        self.limits = limits;
        self
    }

    /// Takes the word of these proxies for where a request comes from: the last address in `X-Forwarded-For`
    /// that none of them has is the client's, and `X-Forwarded-Proto` says whether the client speaks TLS. It
    /// holds for the address of a handshake, for the log and for limits by address; connections of these
    /// proxies are not counted by address. Without it a client's address is its connection's, and those fields
    /// are only fields.
    #[must_use]
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = TrustedProxy>) -> Builder {
        self.proxies.add(proxies);
        self
    }

    /// Shows everything that happens to somebody: see [`engineio::observe`]. There may be several.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Builder {
        self.observers.push(observer);
        self
    }

    /// Says which origins' pages may connect; all others are refused. Without it, no CORS header is sent, and pages
    /// of any origin can connect by WebSocket, which browsers don't restrict.
    #[must_use]
    pub fn cors(mut self, cors: Cors) -> Builder {
        self.http.cors = Some(cors);
        self
    }

    /// Binds each session to the pages of the origin that opened it: a request of another's that names it is
    /// answered 403, whether or not [`cors`](Builder::cors) lets that origin in. The server's own pages, by
    /// what `Host` says, and whatever sends no `Origin` are one, so a proxy has to pass `Host` on. Off unless set,
    /// as in the reference, for whom the id alone counts.
    #[must_use]
    pub fn bind_origin(mut self, bind: bool) -> Builder {
        self.http.bind_origin = bind;
        self
    }

    /// Answers for these hosts alone: a request whose `Host` is another is answered 403. Without it the name is not
    /// looked at, and a page that rebinds its own name to the server's address is taken for the server's own.
    #[must_use]
    pub fn allowed_hosts(mut self, hosts: AllowedHosts) -> Builder {
        self.http.allowed_hosts = Some(hosts);
        self
    }

    /// Sends a cookie with the session's id on a handshake by polling, for load balancers.
    #[must_use]
    pub fn cookie(mut self, cookie: Cookie) -> Builder {
        self.http.cookie = Some(cookie);
        self
    }

    /// Gives the application a say in what requests get.
    #[must_use]
    pub fn hooks(mut self, hooks: Hooks) -> Builder {
        self.http.hooks = hooks;
        self
    }

    /// The length in bytes from which on answers to polls are compressed, with gzip, Brotli or deflate as the
    /// client prefers; 1,024 unless set. `None` switches it off.
    ///
    /// It needs the feature `compression`, which is on by default.
    #[must_use]
    #[cfg(feature = "compression")]
    pub fn http_compression(mut self, threshold: Option<usize>) -> Builder {
        self.http.compression = threshold;
        self
    }

    /// Whether the endpoints' paths end with a slash; optional unless set.
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

    /// Answers requests to paths that are no endpoint's. Where `pages` has nothing, the answer is a 404.
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

    /// How long a server waits at its end for clients to be told; 30 s unless set.
    #[must_use]
    pub fn drain_timeout(mut self, timeout: Duration) -> Builder {
        self.drain_timeout = timeout;
        self
    }

    /// Speaks Socket.IO at `path`, such as `/socket.io/`.
    #[must_use]
    pub fn socketio(mut self, path: &str, io: Io) -> Builder {
        self.client_paths.push(path.into());
        self.hits.push(io.config().hits.clone());
        // It may be spoken with at several paths.
        if !self.ios.iter().any(|other| std::ptr::eq(other.config(), io.config())) {
            self.ios.push(io.clone());
        }
        self.engineio(path, io)
    }

    /// Speaks Engine.IO at `path`, with an application of one's own on it.
    #[must_use]
    pub fn engineio<A: Application>(mut self, path: &str, application: A) -> Builder {
        let make: MakeMount = Box::new(move |path, config, http, admission| {
            Arc::new(Endpoint::new(path, application, config, http, admission))
        });
        self.mounts.push((path.into(), make));
        self
    }

    /// Serves plain WebSockets at `path`, such as `/ws`: `handler` decides about each request, and says what
    /// runs on those that it lets in. See [`plain`].
    #[must_use]
    pub fn websocket<F, R>(mut self, path: &str, handler: F) -> Builder
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Accepted, Denied>> + Send + 'static,
    {
        let handler: Box<plain::Handler> = Box::new(move |request| Box::pin(handler(request)));
        let make: MakeMount = Box::new(move |path, config, http, admission| {
            Arc::new(plain::Endpoint::new(path, handler, config, http, admission))
        });
        self.mounts.push((path.into(), make));
        self
    }

    /// The server.
    ///
    /// # Errors
    /// A path that is none, or that two endpoints have; a setting with which the protocol can't work.
    pub fn build(mut self) -> Result<Server, BuildError> {
        if self.config.ping_interval.is_zero() {
            return Err(BuildError::Zero("ping_interval"));
        }
        if self.config.ping_timeout.is_zero() {
            return Err(BuildError::Zero("ping_timeout"));
        }
        if self.config.max_payload == 0 {
            return Err(BuildError::Zero("max_payload"));
        }
        if !self.config.polling && !self.config.websocket {
            return Err(BuildError::NoTransport);
        }
        self.observers.into_iter().for_each(|observer| self.config.observers.add(observer));
        let mut hits = self.hits;
        hits.push(self.config.hits.clone());
        // An application may count where the server does.
        hits.sort_by_key(Arc::as_ptr);
        hits.dedup_by(|one, other| Arc::ptr_eq(one, other));
        let admission = Arc::new(Admission::new(self.limits, self.config.hits.clone()));
        hits.iter().for_each(|hits| hits.show_to(&self.config.observers));
        let config = Arc::new(self.config);
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
            endpoints.push(make(&path, config.clone(), http.clone(), admission.clone()));
        }
        let site = Site {
            endpoints,
            client_paths: self.client_paths,
            client_files: self.client_files,
            http,
            pages: self.pages,
            drain_timeout: self.drain_timeout,
            admission,
            proxies: self.proxies,
            hits,
            ios: self.ios,
            draining: AtomicBool::new(false),
        };
        Ok(Server { service: Service::new(site) })
    }
}

impl Server {
    /// A server to be: without endpoints, with the protocol's default settings.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            config: Config::default(),
            http: HttpSettings::default(),
            limits: Limits::default(),
            proxies: TrustedProxies::default(),
            hits: Vec::new(),
            ios: Vec::new(),
            client_files: None,
            pages: None,
            drain_timeout: Duration::from_secs(30),
            mounts: Vec::new(),
            client_paths: Vec::new(),
            observers: Vec::new(),
        }
    }

    /// What answers questions about this server, for a listener of its own. `metrics` is one of its
    /// [observers](Builder::observer), or counts nothing.
    #[must_use]
    pub fn operations(&self, metrics: Arc<Metrics>) -> Operations {
        Operations::new(self.service.site().clone(), metrics)
    }

    /// The server without listeners, for somebody else's HTTP server: axum's, hyper's, or what tower has
    /// around them.
    #[must_use]
    pub fn into_service(self) -> Service {
        self.service
    }

    /// The same beside the server: to ask how many sessions there are, also while it serves.
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
    /// Neither of the two transports is offered.
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
