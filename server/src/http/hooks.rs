//! Hooks: an application's functions for HTTP requests, and the code that runs them.
//!
//! ```text
//!   request ─▶ middleware … ─▶ transport, session, method ─▶ allow_request ─▶ revision ─▶ generate_id
//!                 │ answers?          │ refusal                 │ denied        │ refusal      │ none
//!                 ▼                   └────────────┬────────────┴───────────────┴──────────────┘
//!              response ◀─ headers ◀─ answer       └─▶ connection_error ─▶ 400 or 403
//! ```
//!
//! Without hooks, an endpoint makes no [`RequestHead`].

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use engineio::{Attached, Limit, Query, Refusal, Sid};
use http::header::{ORIGIN, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use parking_lot::Mutex;

use crate::Peer;
use crate::http::refused::{Denied, Refused, merge};
use crate::net::admission::Admission;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Ask<T> = Box<dyn Fn(RequestHead) -> BoxFuture<T> + Send + Sync>;
type TellError = Box<dyn Fn(&ConnectionError<'_>) + Send + Sync>;
type SetHeaders = Box<dyn Fn(&mut HeaderMap, &RequestHead) + Send + Sync>;

/// An application's functions for the HTTP requests of its endpoints.
///
/// ```
/// use http::{HeaderMap, StatusCode};
/// use socketio_server::{Denied, Hooks, Next, RequestHead};
///
/// struct User(&'static str); // found again at `socket.handshake().attached`
///
/// let hooks = Hooks::new()
///     .middleware(|request: RequestHead| async move {
///         let mut headers = HeaderMap::new();
///         headers.insert("x-content-type-options", http::HeaderValue::from_static("nosniff"));
///         Next::Pass(headers)
///     })
///     .allow_request(|request: RequestHead| async move {
///         match request.query().get("token") {
///             Some(token) if token == "abc" => {
///                 request.attach(User("Anna"));
///                 Ok(())
///             }
///             _ => Err(Denied::new("no such token").status(StatusCode::UNAUTHORIZED)),
///         }
///     })
///     .connection_error(|error| eprintln!("{} {}: {}", error.code, error.message, error.refusal));
/// ```
///
/// If a hook panics, its request gets 500. If a hook takes longer than
/// [`Limits::hook_timeout`](crate::Limits::hook_timeout), it is cancelled, and the request gets 503. If its
/// client ends the connection, it is cancelled too.
#[derive(Default)]
pub struct Hooks {
    middleware: Vec<Ask<Next>>,
    allow_request: Option<Ask<Result<(), Denied>>>,
    generate_id: Option<Ask<Option<Sid>>>,
    initial_headers: Option<SetHeaders>,
    headers: Option<SetHeaders>,
    connection_error: Option<TellError>,
}

/// # For applications
impl Hooks {
    /// No hooks.
    #[must_use]
    pub fn new() -> Hooks {
        Hooks::default()
    }

    /// Adds a middleware, after those that you added before. It sees every request of every session, and
    /// passes it on or answers it: `engine.use` in JavaScript. It doesn't see a preflight that
    /// [`Cors`](crate::Cors) answers.
    #[must_use]
    pub fn middleware<F, R>(mut self, middleware: F) -> Hooks
    where
        F: Fn(RequestHead) -> R + Send + Sync + 'static,
        R: Future<Output = Next> + Send + 'static,
    {
        self.middleware.push(Box::new(move |request| Box::pin(middleware(request))));
        self
    }

    /// Accepts or refuses each handshake, by polling and by WebSocket, before the session is created. It
    /// doesn't run for later requests of a session.
    #[must_use]
    pub fn allow_request<F, R>(mut self, allow: F) -> Hooks
    where
        F: Fn(RequestHead) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Denied>> + Send + 'static,
    {
        self.allow_request = Some(Box::new(move |request| Box::pin(allow(request))));
        self
    }

    /// Makes the id of each new session. Ids must be unique across all servers of a cluster, and impossible
    /// to guess, since anyone who has an id can act as the client. If it returns no id, or one that another
    /// session has, the handshake is refused (code 3).
    #[must_use]
    pub fn generate_id<F, R>(mut self, generate: F) -> Hooks
    where
        F: Fn(RequestHead) -> R + Send + Sync + 'static,
        R: Future<Output = Option<Sid>> + Send + 'static,
    {
        self.generate_id = Some(Box::new(move |request| Box::pin(generate(request))));
        self
    }

    /// Changes the header fields of the answer to a handshake: the open packet by polling, or the 101 of a
    /// WebSocket. There, `Sec-WebSocket-Protocol` has the first subprotocol that the client offers, as in the
    /// reference; insert another to choose that one.
    #[must_use]
    pub fn initial_headers<F>(mut self, set: F) -> Hooks
    where
        F: Fn(&mut HeaderMap, &RequestHead) + Send + Sync + 'static,
    {
        self.initial_headers = Some(Box::new(set));
        self
    }

    /// Changes the header fields of each answer of a session, including the handshake's, but not of refusals.
    #[must_use]
    pub fn headers<F>(mut self, set: F) -> Hooks
    where
        F: Fn(&mut HeaderMap, &RequestHead) + Send + Sync + 'static,
    {
        self.headers = Some(Box::new(set));
        self
    }

    /// Is called for each request that is refused with a code.
    #[must_use]
    pub fn connection_error<F>(mut self, tell: F) -> Hooks
    where
        F: Fn(&ConnectionError<'_>) + Send + Sync + 'static,
    {
        self.connection_error = Some(Box::new(tell));
        self
    }
}

/// # For the endpoint
impl Hooks {
    /// The head of a request for the hooks; `None` without hooks.
    pub(crate) fn head(&self, parts: &Parts, peer: Peer) -> Option<RequestHead> {
        let Hooks { middleware, allow_request, generate_id, initial_headers, headers, connection_error } =
            self;
        let any = !middleware.is_empty()
            || allow_request.is_some()
            || generate_id.is_some()
            || initial_headers.is_some()
            || headers.is_some()
            || connection_error.is_some();
        any.then(|| RequestHead::new(parts, peer))
    }

    /// Asks the middlewares one by one. If all pass the request on, returns the header fields that they add to the
    /// answer.
    pub(crate) async fn pass(
        &self,
        head: &RequestHead,
        admission: &Admission,
    ) -> (HeaderMap, Result<Option<Next>, Denied>) {
        let mut gathered = HeaderMap::new();
        for middleware in &self.middleware {
            match in_time("middleware", async { middleware(head.clone()).await }, admission).await {
                Ok(Next::Pass(headers)) => merge(&mut gathered, headers),
                Ok(stop) => return (gathered, Ok(Some(stop))),
                Err(too_slow) => return (gathered, Err(too_slow)),
            }
        }
        (gathered, Ok(None))
    }

    /// Whether the application allows a handshake.
    pub(crate) async fn allow(&self, head: &RequestHead, admission: &Admission) -> Result<(), Denied> {
        match &self.allow_request {
            Some(allow) => in_time("allow_request", async { allow(head.clone()).await }, admission).await?,
            None => Ok(()),
        }
    }

    /// The id of a new session.
    pub(crate) async fn id(&self, head: &RequestHead, admission: &Admission) -> Result<Sid, Refused> {
        match &self.generate_id {
            Some(generate) => {
                let id = in_time("generate_id", async { generate(head.clone()).await }, admission).await?;
                Ok(id.ok_or(Refusal::NoId)?)
            }
            None => Ok(Sid::generate()),
        }
    }

    /// Changes the header of an answer; `initial` if it answers a handshake.
    pub(crate) fn answer(&self, headers: &mut HeaderMap, head: &RequestHead, initial: bool) {
        for set in self.initial_headers.iter().filter(|_| initial).chain(&self.headers) {
            set(headers, head);
        }
    }

    /// Tells of a refused request.
    pub(crate) fn refused(&self, request: &RequestHead, refusal: Refusal, reason: Option<&str>) {
        if let Some(tell) = &self.connection_error {
            let code = refusal.error_code();
            let (code, message) = (code.number(), code.message());
            tell(&ConnectionError { request, code, message, refusal, reason });
        }
    }
}

/// Waits for a hook's decision, for a limited time, and catches a panic.
pub(crate) async fn in_time<T>(
    hook: &'static str,
    deciding: impl Future<Output = T>,
    admission: &Admission,
) -> Result<T, Denied> {
    let limit = admission.limits.hook_timeout;
    let decided = tokio::time::timeout(limit, unless_it_panics(deciding)).await.map_err(|_| {
        admission.hits.count(Limit::HookTimeout);
        tracing::warn!(hook, ?limit, "a hook took longer than hook-timeout: its request gets 503");
        Denied::new("The server took too long to decide")
            .status(StatusCode::SERVICE_UNAVAILABLE)
            .header(RETRY_AFTER, HeaderValue::from_static("1"))
    })?;
    decided.ok_or_else(|| {
        tracing::error!(hook, "a hook panicked: its request gets 500");
        Denied::new("The server failed to decide").status(StatusCode::INTERNAL_SERVER_ERROR)
    })
}

/// `None` if it panics. To a proxy, a connection that ended without an answer would look like a server that is down.
async fn unless_it_panics<T>(deciding: impl Future<Output = T>) -> Option<T> {
    let mut deciding = pin!(deciding);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| deciding.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

/// A request without its body, as hooks see it. Clones share it. It keeps the buffers of the request alive,
/// so copy what you keep for long.
///
/// ```
/// use socketio_server::{Denied, Hooks, RequestHead};
///
/// struct User(String);
///
/// let hooks = Hooks::new().allow_request(|request: RequestHead| async move {
///     let Some(name) = request.query().get("user") else { return Err(Denied::new("who are you?")) };
///     request.attach(User(name.into_owned())); // `socket.handshake().attached` has it
///     Ok(())
/// });
/// ```
#[derive(Clone, Debug)]
pub struct RequestHead(Arc<Head>);

#[derive(Debug)]
struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    peer: Peer,
    attached: Mutex<Attached>,
}

impl RequestHead {
    fn new(parts: &Parts, peer: Peer) -> RequestHead {
        let (method, uri, headers) = (parts.method.clone(), parts.uri.clone(), parts.headers.clone());
        RequestHead(Arc::new(Head { method, uri, headers, peer, attached: Mutex::default() }))
    }

    pub(crate) fn attached(&self) -> Attached {
        self.0.attached.lock().clone()
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// Path and query.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.0.uri
    }

    /// The query's parameters, such as `transport`, and `sid` in all requests except a handshake.
    #[must_use]
    pub fn query(&self) -> Query<'_> {
        Query::new(self.0.uri.query().unwrap_or_default())
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// Attaches a value to this request, one of each type. The socket has the values that are attached to its
    /// handshake: `socket.handshake().attached.get::<T>()`.
    pub fn attach<T: Any + Send + Sync>(&self, value: T) {
        self.0.attached.lock().insert(value);
    }

    /// The value of this type that an earlier hook attached.
    #[must_use]
    pub fn get<T: Any + Clone + Send + Sync>(&self) -> Option<T> {
        self.0.attached.lock().get().cloned()
    }

    /// The peer that sent it.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.0.peer
    }
}

/// What a middleware does with a request.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use socketio_server::{Hooks, Next, RequestHead};
///
/// let hooks = Hooks::new().middleware(|request: RequestHead| async move {
///     if request.uri().path().contains("..") {
///         return Next::Fail;
///     }
///     let mut headers = HeaderMap::new();
///     headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
///     Next::Pass(headers)
/// });
/// ```
#[derive(Debug)]
pub enum Next {
    /// Passes the request on, and adds these header fields to its answer, even if that is a refusal.
    Pass(HeaderMap),
    /// Answers the request.
    Answer(Response<Bytes>),
    /// Refuses the request with code 3, because something failed.
    Fail,
}

impl Next {
    /// Passes the request on, and adds nothing.
    #[must_use]
    pub fn pass() -> Next {
        Next::Pass(HeaderMap::new())
    }
}

/// A request that was refused, as [`Hooks::connection_error`] sees it.
///
/// ```
/// use socketio_server::{ConnectionError, Hooks};
///
/// let hooks = Hooks::new().connection_error(|error: &ConnectionError| {
///     println!("{} {}: {}", error.request.uri(), error.code, error.refusal);
/// });
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConnectionError<'a> {
    /// The request.
    pub request: &'a RequestHead,
    /// The error's number, 0 to 5.
    pub code: u8,
    /// The error in the protocol's words.
    pub message: &'static str,
    /// What was wrong.
    pub refusal: Refusal,
    /// The application's reason, if the application refused the request.
    pub reason: Option<&'a str>,
}

impl ConnectionError<'_> {
    /// The transport that the request names.
    #[must_use]
    pub fn transport(&self) -> Option<String> {
        self.request.query().get("transport").map(Into::into)
    }

    /// The session that the request names.
    #[must_use]
    pub fn sid(&self) -> Option<String> {
        self.request.query().get("sid").map(Into::into)
    }

    /// The origin of the page that the request comes from.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.request.headers().get(ORIGIN)?.to_str().ok()
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("middleware", &self.middleware.len()).finish_non_exhaustive()
    }
}
