//! One path at which Engine.IO is spoken: its settings, its sessions, and what runs on them. It answers each
//! request with what the protocol says, or hands it to the session that it names.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use engineio::{
    Application, CloseReason, Config, Frame, Handshake, Headers, Method, Opened, Payload, PayloadFormat,
    Query, Refusal, Route, Session, Sid, Transport, open_packet,
};
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, SET_COOKIE, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::driver::Driver;
use crate::http_rules::is_websocket;
use crate::io::Io;
use crate::peer::Peer;
use crate::polling::{Body, OpenProbe, Shut};
use crate::registry::{Entry, Registry};
use crate::websocket::WebSocket;
use crate::{Cookie, Cors};

/// Time that the body of a POST may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// What is set about HTTP, beside the protocol; the same for all endpoints of a server.
#[derive(Debug, Default)]
pub(crate) struct HttpSettings {
    pub(crate) cors: Option<Cors>,
    pub(crate) cookie: Option<Cookie>,
}

/// One path at which Engine.IO is spoken.
#[derive(Debug)]
pub(crate) struct Endpoint<A> {
    path: Box<str>,
    config: Arc<Config>,
    http: Arc<HttpSettings>,
    application: A,
    registry: Arc<Registry>,
    /// No new sessions: the server is stopping.
    draining: AtomicBool,
}

impl<A: Application> Endpoint<A> {
    pub(crate) fn new(
        path: &str,
        application: A,
        config: Arc<Config>,
        http: Arc<HttpSettings>,
    ) -> Endpoint<A> {
        Endpoint {
            path: path.into(),
            config,
            http,
            application,
            registry: Arc::default(),
            draining: AtomicBool::new(false),
        }
    }

    /// Whether `path` is this endpoint's, with its trailing slash or without.
    pub(crate) fn serves(&self, path: &str) -> bool {
        let trim = |path| str::strip_suffix(path, '/').unwrap_or(path);
        trim(path) == trim(&self.path)
    }

    /// Refuses new sessions and ends the present ones with `server shutting down`.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.registry.for_each(|entry| entry.mailbox.close(CloseReason::ServerShuttingDown));
    }

    /// Waits until no session is left.
    pub(crate) async fn emptied(&self) {
        self.registry.emptied().await;
    }

    /// How many sessions there are.
    pub(crate) fn sessions(&self) -> usize {
        self.registry.len()
    }

    /// Answers one request.
    pub(crate) async fn call<B>(self: Arc<Self>, request: Request<B>, peer: Peer) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let (mut parts, body) = request.into_parts();
        if parts.method == http::Method::OPTIONS {
            return match &self.http.cors {
                Some(cors) => cors.preflight(&parts.headers).map(Body::from),
                None => not_allowed(),
            };
        }
        let mut response = match self.clone().answer(&mut parts, body, peer).await {
            Ok(response) => response,
            Err(refusal) => {
                let query =
                    |name| Query::new(parts.uri.query().unwrap_or_default()).get(name).map(Cow::into_owned);
                tracing::info!(
                    code = refusal.code(),
                    reason = refusal.message(),
                    method = %parts.method,
                    transport = query("transport"),
                    revision = query("EIO"),
                    address = peer.address.map(tracing::field::display),
                    "request refused"
                );
                let mut response = refuse(refusal);
                if parts.headers.contains_key(UPGRADE) {
                    // "The server supports version 13": RFC 6455, section 4.4.
                    response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
                }
                response
            }
        };
        if let Some(cors) = &self.http.cors {
            cors.grant(&parts.headers, response.headers_mut());
        }
        response
    }

    async fn answer<B>(
        self: Arc<Self>,
        parts: &mut Parts,
        body: B,
        peer: Peer,
    ) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let method = match parts.method {
            http::Method::GET => Method::Get,
            http::Method::POST => Method::Post,
            _ => Method::Other,
        };
        let query = Query::new(parts.uri.query().unwrap_or_default());
        let upgrade = is_websocket(&parts.headers);
        let mut named = None;
        let known = |sid: &Sid| {
            named = self.registry.get(sid);
            named.as_deref().map(Entry::known)
        };
        let route = Route::find(&self.config, method, query, upgrade, known)?;
        if self.http.cors.as_ref().is_some_and(|cors| cors.refuses(&parts.headers)) {
            return Err(Refusal::Forbidden);
        }
        let named = named.ok_or(Refusal::SessionUnknown);
        match route {
            Route::Open { .. } if self.draining.load(Ordering::Acquire) => {
                Ok(status(StatusCode::SERVICE_UNAVAILABLE))
            }
            Route::Open { transport: Transport::Polling, format } => {
                Ok(self.open_polling(parts, peer, format))
            }
            Route::Open { transport: Transport::WebSocket, format } => {
                Ok(self.open_websocket(parts, peer, format))
            }
            Route::Poll => park(named?).await,
            Route::Post => self.post(parts, body, named?).await,
            Route::Probe => Ok(self.open_probe(parts, named?)),
            Route::MethodNotAllowed => Ok(not_allowed()),
        }
    }

    /// A handshake by polling: the answer is the open packet, and everything else waits for the next GET.
    fn open_polling(&self, parts: &Parts, peer: Peer, format: PayloadFormat) -> Response<Body> {
        let (sid, driver) = self.open(handshake(parts, peer), format, None);
        tokio::spawn(driver);
        let open = Frame::from(&open_packet(&self.config, &sid, Transport::Polling));
        let mut response = payload(format.encode(&mut [open].into(), usize::MAX).0, Body::from);
        if let Some(cookie) = &self.http.cookie {
            response.headers_mut().append(SET_COOKIE, cookie.header(&sid));
        }
        response
    }

    /// A handshake by WebSocket: the session begins once the connection has changed its protocol.
    fn open_websocket(
        self: Arc<Self>,
        parts: &mut Parts,
        peer: Peer,
        format: PayloadFormat,
    ) -> Response<Body> {
        let handshake = handshake(parts, peer);
        switch(parts, async move |on_upgrade| {
            if let Some(websocket) = self.websocket(on_upgrade, format).await {
                let (_, driver) = self.open(handshake, format, Some(websocket));
                driver.await;
            }
        })
    }

    /// A WebSocket for a session that polls. One that comes while another is there is opened and closed.
    fn open_probe(self: Arc<Self>, parts: &mut Parts, entry: Arc<Entry>) -> Response<Body> {
        let format = entry.format;
        let probe: Result<OpenProbe, Shut> = entry.open_probe();
        switch(parts, async move |on_upgrade| {
            let Some(websocket) = self.websocket(on_upgrade, format).await else { return };
            match probe {
                Ok(probe) => probe.opened(websocket),
                Err(_) => {
                    let close = websocket.close(None);
                    drop(tokio::time::timeout(self.config.close_timeout, close).await);
                }
            }
        })
    }

    async fn websocket(&self, on_upgrade: OnUpgrade, format: PayloadFormat) -> Option<WebSocket> {
        let upgraded = match on_upgrade.await {
            Ok(upgraded) => upgraded,
            Err(error) => {
                tracing::debug!(%error, "the WebSocket handshake was not completed");
                return None;
            }
        };
        let (io, read) = Io::from_upgraded(upgraded);
        Some(WebSocket::new(io, read, format.revision, self.config.max_payload).await)
    }

    /// Makes a session and what drives it.
    fn open(
        &self,
        handshake: Handshake,
        format: PayloadFormat,
        link: Option<WebSocket>,
    ) -> (Sid, impl Future<Output = ()> + Send + use<A>) {
        let now = Instant::from(tokio::time::Instant::now());
        let transport = if link.is_some() { Transport::WebSocket } else { Transport::Polling };
        let sid = Sid::generate();
        let entry = Arc::new(Entry::new(sid, format, transport, self.config.send_budget));
        let registered = self.registry.register(entry.clone());
        if self.draining.load(Ordering::Acquire) {
            // The drain may have looked at the registry just before.
            entry.mailbox.close(CloseReason::ServerShuttingDown);
        }
        if link.is_some() {
            // It comes first, before anything that the layer queues when it opens.
            entry.mailbox.push_control(Frame::from(&open_packet(&self.config, &sid, transport)));
        }
        let mailbox = entry.mailbox.clone();
        tracing::debug!(
            transport = transport.as_str(),
            revision = format.revision.number(),
            "session opened"
        );
        let layer = self.application.open(Opened { sid, revision: format.revision, mailbox, handshake }, now);
        let driver = Driver {
            session: Session::new(self.config.clone(), format.revision, transport, now),
            layer,
            entry,
            config: self.config.clone(),
            link,
            probe: None,
            outbox: [].into(),
            close_code: None,
            inbox: None,
            out: Vec::new(),
        };
        (sid, driver.run(registered))
    }

    async fn post<B>(&self, parts: &Parts, body: B, entry: Arc<Entry>) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let format = entry.format;
        let post = match entry.open_post() {
            Ok(post) => post,
            Err(Shut::Taken) => return Ok(status(StatusCode::BAD_REQUEST)),
            Err(Shut::Ended) => return Err(Refusal::SessionUnknown),
        };
        let content_type = parts.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let binary = content_type.eq_ignore_ascii_case(b"application/octet-stream");
        if binary && format.revision == engineio::Revision::V4 {
            // Revision 4 has no binary payloads. The guard is dropped: the session ends.
            return Ok(status(StatusCode::BAD_REQUEST));
        }
        let collected = tokio::time::timeout(BODY_TIMEOUT, collect(body, self.config.max_payload)).await;
        let body = match collected {
            Ok(Ok(body)) => body,
            Ok(Err(BodyError::TooLarge)) => {
                post.release();
                tracing::info!(limit = self.config.max_payload, "a POST is over the payload limit");
                return Ok(closing(status(StatusCode::PAYLOAD_TOO_LARGE)));
            }
            Ok(Err(BodyError::Broken)) => return Ok(closing(status(StatusCode::BAD_REQUEST))),
            Err(_) => return Ok(closing(status(StatusCode::REQUEST_TIMEOUT))),
        };
        match post.submit(body, binary).await {
            Ok(()) => {
                let mut response = Response::new(Body::from("ok"));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
                response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                Ok(response)
            }
            Err(_) => Err(Refusal::SessionUnknown),
        }
    }
}

/// Parks a GET until its session has something for it.
async fn park(entry: Arc<Entry>) -> Result<Response<Body>, Refusal> {
    let (get, answer) = match entry.open_get() {
        Ok(open) => open,
        Err(Shut::Taken) => return Ok(status(StatusCode::BAD_REQUEST)),
        Err(Shut::Ended) => return Err(Refusal::SessionUnknown),
    };
    // The guard moves into the body with the answer. If this future is dropped before, the client went away.
    match answer.await {
        Ok(answer) => Ok(payload(answer, |bytes| Body::poll(bytes, get))),
        Err(_) => Err(Refusal::SessionUnknown),
    }
}

/// Why a body could not be read.
enum BodyError {
    /// It is longer than allowed.
    TooLarge,
    /// The connection ended before it did.
    Broken,
}

async fn collect<B>(mut body: B, limit: usize) -> Result<Bytes, BodyError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    // A length that is announced is refused before anything is read.
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut whole = Bytes::new();
    let mut parts = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        if whole.len() + parts.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge);
        }
        if whole.is_empty() && parts.is_empty() {
            // Most bodies come in one piece, which needs no copy.
            whole = chunk;
        } else {
            parts.extend_from_slice(&std::mem::take(&mut whole));
            parts.extend_from_slice(&chunk);
        }
    }
    Ok(if parts.is_empty() { whole } else { parts.freeze() })
}

/// Answers a WebSocket handshake with 101 and runs `then` on the connection, or refuses it (RFC 6455,
/// section 4.2).
fn switch<F>(parts: &mut Parts, then: impl FnOnce(OnUpgrade) -> F) -> Response<Body>
where
    F: Future<Output = ()> + Send + 'static,
{
    let version = parts.headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let key = parts.headers.get(SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes()));
    let (Some(key), true, Some(on_upgrade)) = (key, version, parts.extensions.remove::<OnUpgrade>()) else {
        let mut response = refuse(Refusal::BadRequest);
        response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return response;
    };
    let accept = derive_accept_key(key.as_bytes());
    let mut response = status(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    tokio::spawn(then(on_upgrade));
    response
}

/// "A base64-encoded value that, when decoded, is 16 bytes in length".
fn is_key(key: &[u8]) -> bool {
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(base64)
}

/// What is kept of the request that opens a session.
fn handshake(parts: &Parts, peer: Peer) -> Handshake {
    let url = parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    Handshake {
        time: SystemTime::now(),
        address: peer.address,
        secure: peer.secure,
        url: url.into(),
        headers: copy(&parts.headers),
    }
}

fn copy(headers: &HeaderMap) -> Headers {
    Headers::new(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

fn payload(payload: Payload, body: impl FnOnce(Bytes) -> Body) -> Response<Body> {
    let (content_type, bytes) = match payload {
        Payload::Text(bytes) => ("text/plain; charset=UTF-8", bytes),
        Payload::Binary(bytes) => ("application/octet-stream", bytes),
    };
    let mut response = Response::new(body(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refuse(refusal: Refusal) -> Response<Body> {
    let mut response = Response::new(Body::from(refusal.body()));
    *response.status_mut() = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A response without a body.
pub(crate) fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

fn not_allowed() -> Response<Body> {
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
    response
}

/// Ends the connection after this response: what is left of the request's body is not worth reading.
pub(crate) fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
