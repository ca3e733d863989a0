//! The inspector: a page that shows live sessions, on an address of its own, and the records that it shows.
//!
//! ```text
//!   observations ─▶ Journal ─▶ Sink ─▶ Recent ─▶ /records ─▶ page
//!                   (a thread)         (bounded)         └─▶ page
//! ```
//!
//! The page also explains what a person pastes: `explainer` answers it.
//!
//! It needs the feature `observe`, which is on by default.

mod door;
mod explainer;
mod page;
mod recent;
mod stream;

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use engineio::Sid;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::net::admission::Admission;
use crate::observe::journal::Sink;
use crate::{Limits, net::side_listener};
use door::{Door, Entrance};
pub(crate) use recent::Recent;

/// How many pages may watch at once.
const WATCHERS: usize = 16;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What may be set about an inspector.
#[derive(Clone, Debug)]
pub struct InspectorConfig {
    /// How many bytes of records are kept for pages that come later, or are slow; 16 MB by default.
    pub memory: usize,
    /// The token that a page needs. Without one, only pages of this machine may look; on an address that other
    /// machines reach, the default is a random token.
    pub token: Option<String>,
    /// What bounds the requests of pages: those limits of [`Limits`] that are about heads, idling and writes.
    pub limits: Limits,
}

impl Default for InspectorConfig {
    fn default() -> InspectorConfig {
        InspectorConfig { memory: 16_000_000, token: None, limits: Limits::default() }
    }
}

/// Shows live sessions in a browser: what a [`Journal`](crate::observe::journal::Journal) records, as it comes.
///
/// ```no_run
/// use socketio_server::inspector::{Inspector, InspectorConfig};
/// use socketio_server::journal::Journal;
/// use socketio::Io;
/// use socketio_server::Server;
/// use tokio::net::TcpListener;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let inspector = Inspector::new(InspectorConfig::default());
/// let journal = Journal::new([inspector.sink()], false)?;
/// let server = Server::builder().socketio("/socket.io/", Io::new()).observer(journal).build()?;
/// let listening = inspector.listen(TcpListener::bind("127.0.0.1:3030").await?)?;
/// println!("inspector on {}", listening.url());
/// tokio::spawn(listening.serve());
/// # Ok(())
/// # }
/// ```
pub struct Inspector {
    recent: Arc<Recent>,
    token: Option<String>,
    limits: Limits,
}

impl Inspector {
    /// An inspector that shows nothing yet.
    #[must_use]
    pub fn new(config: InspectorConfig) -> Inspector {
        let InspectorConfig { memory, token, limits } = config;
        Inspector { recent: Arc::new(Recent::new(memory)), token, limits }
    }

    /// The sink for the journal that this inspector shows. It can show one.
    #[must_use]
    pub fn sink(&self) -> Sink {
        Sink::inspector(self.recent.clone())
    }

    /// Serves the inspector on this listener. There may be several.
    ///
    /// # Errors
    /// If the listener's address is unknown.
    pub fn listen(&self, listener: TcpListener) -> io::Result<Listening> {
        let address = listener.local_addr()?;
        let random = || (!address.ip().is_loopback()).then(|| Sid::generate().to_string());
        let token = self.token.clone().or_else(random);
        let door = Arc::new(Door::new(token, address.port()));
        let desk = Desk { recent: self.recent.clone(), door, watchers: Arc::new(Semaphore::new(WATCHERS)) };
        let admission = Arc::new(Admission::new(self.limits.clone(), Arc::default()));
        Ok(Listening { listener, address, desk, admission })
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector").finish_non_exhaustive()
    }
}

/// An [`Inspector`] on an address.
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
    desk: Desk,
    admission: Arc<Admission>,
}

impl Listening {
    /// The URL to open in a browser, with the token if there is one.
    #[must_use]
    pub fn url(&self) -> String {
        match self.desk.door.token() {
            Some(token) => format!("http://{}/?token={token}", self.address),
            None => format!("http://{}/", self.address),
        }
    }

    /// Answers requests until the future is dropped.
    pub async fn serve(self) {
        let Listening { listener, desk, admission, .. } = self;
        let answer = move |request: Request<_>| desk.clone().answer(request);
        side_listener::serve(listener, "the inspector", admission, answer).await;
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Answers the requests of one listener.
#[derive(Clone)]
struct Desk {
    recent: Arc<Recent>,
    door: Arc<Door>,
    watchers: Arc<Semaphore>,
}

impl Desk {
    async fn answer<B>(self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        let (parts, body) = request.into_parts();
        let mut response = match (self.door.admit(&parts), parts.uri.path()) {
            (Err(refused), _) => text(refused.status(), refused.text()),
            (Ok(Entrance::WithToken(cookie)), "/") => redirect(cookie),
            (Ok(_), "/records") => self.records(&parts),
            (Ok(_), "/explain") if parts.method == Method::POST => {
                let (status, json) = explainer::answer(parts.uri.query().unwrap_or_default(), body).await;
                typed(status, "application/json", json)
            }
            (Ok(_), "/explain") => {
                let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "POST\n");
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
                response
            }
            (Ok(_), path) => match page::answer(&parts.method, path) {
                Some(page) => page.map(whole),
                None => text(StatusCode::NOT_FOUND, "there is /, /records and /explain\n"),
            },
        };
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }

    /// The journal as server-sent events: recent records, and then new ones.
    fn records(&self, parts: &Parts) -> Response<Body> {
        if parts.method != Method::GET {
            return text(StatusCode::METHOD_NOT_ALLOWED, "GET\n");
        }
        let Ok(permit) = self.watchers.clone().try_acquire_owned() else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "too many pages are watching: close one of them\n");
        };
        let seen = parts.headers.get("last-event-id").and_then(|id| id.to_str().ok());
        let events = stream::events(self.recent.clone(), seen, permit);
        let mut response = Response::new(events.boxed_unsync());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::from(bytes.into()).boxed_unsync()
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    typed(status, "text/plain; charset=utf-8", text)
}

fn typed(status: StatusCode, content_type: &'static str, content: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(whole(content));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Redirects to the page without the token in its address, where others could see it, or find it in a history.
fn redirect(cookie: HeaderValue) -> Response<Body> {
    let mut response = text(StatusCode::SEE_OTHER, "");
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("/"));
    response.headers_mut().insert(SET_COOKIE, cookie);
    response
}
