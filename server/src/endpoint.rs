//! One path at which Engine.IO is spoken: its settings, its sessions, and what runs on them. It answers each
//! request with what the protocol says, or hands it to the session that it names.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use engineio::observe::{Carrier, Direction, What};
use engineio::websocket::Limits;
use engineio::{
    Application, CloseReason, Config, Fault, Frame, Handshake, Jsonp, Limit, Method, Opened, PayloadFormat,
    Query, Route, Session, Sid, Transport, open_packet,
};
use http::header::{CONTENT_TYPE, HeaderValue, SET_COOKIE, UPGRADE};
use http::request::Parts;
use http::{Response, StatusCode};

use crate::admission::{Admission, SessionPlace};
use crate::answers::{Packed, Refused, accepted, closing, not_allowed, refused_by, status};
use crate::cors::foreign_origin;
use crate::driver::Driver;
use crate::exchange::{Exchange, copy};
use crate::hooks::{Hooks, Next, RequestHead, merge};
use crate::http_rules::is_websocket;
use crate::io::Io;
use crate::peer::Peer;
use crate::polling::{Body, OpenProbe, Shut};
use crate::post_body::{self, BodyError};
use crate::registry::{Entry, Registry};
use crate::switch::switch;
use crate::websocket::WebSocket;
use crate::{Cookie, Cors};

/// Whether an endpoint's path ends with a slash. A request of the other form is not the endpoint's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TrailingSlash {
    /// It may, and clients may leave it away.
    #[default]
    Optional,
    /// It does: `/socket.io/`. This is the reference's default.
    Required,
    /// It does not: `/socket.io`.
    Absent,
}

impl TrailingSlash {
    /// Whether `path` is that of an endpoint, whose own is given without a slash.
    pub(crate) fn allows(self, endpoint: &str, path: &str) -> bool {
        match path.strip_prefix(endpoint) {
            Some("/") => self != TrailingSlash::Absent,
            Some("") => self != TrailingSlash::Required,
            _ => false,
        }
    }
}

/// What is set about HTTP, beside the protocol; the same for all endpoints of a server.
#[derive(Debug)]
pub(crate) struct HttpSettings {
    pub(crate) cors: Option<Cors>,
    pub(crate) cookie: Option<Cookie>,
    pub(crate) hooks: Hooks,
    /// The length in bytes from which on answers to polls are compressed.
    pub(crate) compression: Option<usize>,
    pub(crate) trailing_slash: TrailingSlash,
    /// Whether a session belongs to the pages of the origin that opened it.
    pub(crate) bind_origin: bool,
}

impl Default for HttpSettings {
    fn default() -> HttpSettings {
        HttpSettings {
            cors: None,
            cookie: None,
            hooks: Hooks::new(),
            compression: Some(1024),
            trailing_slash: TrailingSlash::default(),
            bind_origin: false,
        }
    }
}

/// A session to be.
struct Opening {
    sid: Sid,
    handshake: Handshake,
    format: PayloadFormat,
    /// Whose pages it belongs to, where that matters.
    origin: Option<Box<[u8]>>,
    place: SessionPlace,
}

/// One path at which Engine.IO is spoken.
#[derive(Debug)]
pub(crate) struct Endpoint<A> {
    path: Box<str>,
    config: Arc<Config>,
    http: Arc<HttpSettings>,
    admission: Arc<Admission>,
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
        admission: Arc<Admission>,
    ) -> Endpoint<A> {
        Endpoint {
            path: path.strip_suffix('/').unwrap_or(path).into(),
            registry: Arc::new(Registry::new(config.observers.clone())),
            config,
            http,
            admission,
            application,
            draining: AtomicBool::new(false),
        }
    }

    /// Whether `path` is this endpoint's.
    pub(crate) fn serves(&self, path: &str) -> bool {
        self.http.trailing_slash.allows(&self.path, path)
    }

    /// Refuses new sessions and ends the present ones with `server shutting down`.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.registry.for_each(|entry| entry.mailbox.close(CloseReason::ServerShuttingDown));
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Waits until no session is left.
    pub(crate) async fn emptied(&self) {
        self.registry.emptied().await;
    }

    /// Calls `each` with what waits to be sent to each session.
    pub(crate) fn each_queue(&self, each: &mut dyn FnMut(usize)) {
        self.registry.for_each(|entry| each(entry.mailbox.cost()));
    }

    /// How many sessions there are.
    pub(crate) fn sessions(&self) -> usize {
        self.registry.len()
    }

    /// Answers one request.
    pub(crate) async fn call<B>(
        self: &Arc<Self>,
        parts: &mut Parts,
        body: B,
        peer: Peer,
    ) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let exchange = Exchange::begin(&self.config.observers, parts, peer);
        let response = self.respond(parts, body, peer).await;
        if let Some(exchange) = exchange {
            exchange.end(&response);
        }
        response
    }

    async fn respond<B>(self: &Arc<Self>, parts: &mut Parts, body: B, peer: Peer) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let judged = self.http.cors.as_ref().map(|cors| (cors, cors.judge(parts)));
        if let Some((cors, verdict)) = judged.as_ref().filter(|_| parts.method == http::Method::OPTIONS) {
            return cors.preflight(verdict.clone(), &parts.headers).map(Body::from);
        }
        let foreign = judged.as_ref().is_some_and(|(_, verdict)| verdict.refused);
        let mut response = match self.http.hooks.head(parts, peer) {
            None => {
                let answer = self.answer(parts, body, peer, foreign, None).await;
                answer.unwrap_or_else(|refused| self.refuse(parts, peer, refused, None))
            }
            // Boxed, so that requests which nothing hooks into don't carry its weight.
            Some(head) => Box::pin(self.hooked(parts, body, peer, foreign, &head)).await,
        };
        if let Some((cors, verdict)) = judged {
            cors.grant(verdict, response.headers_mut());
        }
        response
    }

    /// Answers a request that the application has a say in.
    async fn hooked<B>(
        self: &Arc<Self>,
        parts: &mut Parts,
        body: B,
        peer: Peer,
        foreign: bool,
        head: &RequestHead,
    ) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let (fields, stop) = self.http.hooks.pass(head).await;
        let answer = match stop {
            None | Some(Next::Pass(_)) => self.answer(parts, body, peer, foreign, Some(head)).await,
            Some(Next::Answer(response)) => Ok(response.map(Body::from)),
            Some(Next::Fail) => Err(Fault::MiddlewareFailed.into()),
        };
        let mut response = answer.unwrap_or_else(|refused| self.refuse(parts, peer, refused, Some(head)));
        merge(response.headers_mut(), fields);
        response
    }

    /// Refuses a request, and tells whoever is to know of it.
    fn refuse(
        &self,
        parts: &Parts,
        peer: Peer,
        refused: Refused,
        head: Option<&RequestHead>,
    ) -> Response<Body> {
        let fault = refused.fault();
        let query = |name| Query::new(parts.uri.query().unwrap_or_default()).get(name).map(Cow::into_owned);
        tracing::info!(
            code = fault.refusal().code(),
            reason = refused.reason().unwrap_or(fault.refusal().message()),
            %fault,
            method = %parts.method,
            transport = query("transport"),
            revision = query("EIO"),
            address = peer.address.map(tracing::field::display),
            "request refused"
        );
        let (exchange, reason) = (Exchange::number(parts), refused.reason());
        self.config.observers.see(None, || What::Refused { exchange, fault, reason });
        if let Some(head) = head {
            self.http.hooks.refused(head, fault, reason);
        }
        refused.response(parts.headers.contains_key(UPGRADE))
    }

    /// Does what a request asks for. `foreign` says whether it comes from a page that is not allowed.
    async fn answer<B>(
        self: &Arc<Self>,
        parts: &mut Parts,
        body: B,
        peer: Peer,
        foreign: bool,
        head: Option<&RequestHead>,
    ) -> Result<Response<Body>, Refused>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let method = match parts.method {
            http::Method::GET => Method::Get,
            http::Method::POST => Method::Post,
            http::Method::OPTIONS => return Ok(not_allowed()),
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
        let origin = self.http.bind_origin.then(|| foreign_origin(&parts.headers)).flatten();
        let strange = named.as_ref().is_some_and(|entry| entry.origin.as_deref() != origin);
        if foreign || strange {
            return Err(Fault::OriginForbidden.into());
        }
        let hooks = &self.http.hooks;
        let initial = matches!(route, Route::Open { .. });
        let named = named.ok_or(Fault::SessionUnknown);
        let mut response = match route {
            Route::Open { .. } if self.is_draining() => return Ok(status(StatusCode::SERVICE_UNAVAILABLE)),
            Route::Open { transport, format, jsonp } => {
                let address = peer.address.map(|address| address.ip());
                let place = match self.admission.session(address) {
                    Ok(place) => place,
                    Err(limit) => return Ok(refused_by(limit)),
                };
                hooks.allow(head).await?;
                let format = format?;
                let sid = hooks.id(head).await?;
                if self.is_draining() {
                    // The application may have taken its time.
                    return Ok(status(StatusCode::SERVICE_UNAVAILABLE));
                }
                let opening = Opening {
                    sid,
                    handshake: handshake(parts, peer, head),
                    format,
                    origin: origin.map(Box::from),
                    place,
                };
                match transport {
                    Transport::Polling => self.open_polling(parts, opening, jsonp)?,
                    Transport::WebSocket => self.clone().open_websocket(parts, opening)?,
                }
            }
            Route::Poll { jsonp } => self.park(parts, named?, jsonp).await?,
            Route::Post { jsonp } => self.post(parts, body, named?, jsonp).await?,
            Route::Probe => self.clone().open_probe(parts, named?)?,
            Route::MethodNotAllowed => not_allowed(),
        };
        let served = matches!(response.status(), StatusCode::OK | StatusCode::SWITCHING_PROTOCOLS);
        if let Some(head) = head.filter(|_| served) {
            self.http.hooks.answer(response.headers_mut(), head, initial);
        }
        Ok(response)
    }

    /// A handshake by polling: the answer is the open packet, and everything else waits for the next GET.
    fn open_polling(
        &self,
        parts: &Parts,
        opening: Opening,
        jsonp: Option<Jsonp>,
    ) -> Result<Response<Body>, Fault> {
        let Opening { sid, format, .. } = opening;
        let driver = self.open(Exchange::number(parts), opening, None).ok_or(Fault::NoId)?;
        let open = Frame::from(&open_packet(&self.config, &sid, Transport::Polling));
        self.config.observers.see(Some(&sid), || What::Packet {
            direction: Direction::Out,
            carrier: Carrier::Get,
            packet: (&open).into(),
        });
        tokio::spawn(driver);
        let payload = format.encode(&mut [open].into(), usize::MAX).0;
        let mut response = Packed::new(payload, jsonp).response(Body::from);
        if let Some(cookie) = &self.http.cookie {
            response.headers_mut().append(SET_COOKIE, cookie.header(&sid));
        }
        Ok(response)
    }

    /// A handshake by WebSocket: the session begins once the connection has changed its protocol.
    fn open_websocket(self: Arc<Self>, parts: &mut Parts, opening: Opening) -> Result<Response<Body>, Fault> {
        if self.registry.get(&opening.sid).is_some() {
            return Err(Fault::NoId);
        }
        let exchange = Exchange::number(parts);
        switch(parts, move |io, read| {
            let websocket = self.websocket(io, &read, opening.format);
            if let Some(driver) = self.open(exchange, opening, Some(websocket)) {
                tokio::spawn(driver);
            }
        })
    }

    /// A WebSocket for a session that polls. One that comes while another is there is opened and closed.
    fn open_probe(self: Arc<Self>, parts: &mut Parts, entry: Arc<Entry>) -> Result<Response<Body>, Fault> {
        let format = entry.format;
        let probe: Result<OpenProbe, Shut> = entry.open_probe();
        switch(parts, move |io, read| {
            let websocket = self.websocket(io, &read, format);
            match probe {
                Ok(probe) => probe.opened(websocket),
                Err(_) => {
                    tokio::spawn(tokio::time::timeout(self.config.close_timeout, websocket.close(None)));
                }
            }
        })
    }

    fn websocket(&self, io: Io, read: &[u8], format: PayloadFormat) -> WebSocket {
        let limits = Limits { message: self.config.max_payload, fragments: self.config.max_fragments };
        WebSocket::new(io, read, format.revision, limits).limiting_pings(self.config.pings_per_second)
    }

    /// Makes a session and what drives it; `None` if there is one of that id already.
    fn open(
        &self,
        exchange: u64,
        opening: Opening,
        link: Option<WebSocket>,
    ) -> Option<impl Future<Output = ()> + Send + use<A>> {
        let Opening { sid, handshake, format, origin, place } = opening;
        let now = Instant::from(tokio::time::Instant::now());
        let transport = if link.is_some() { Transport::WebSocket } else { Transport::Polling };
        let entry = Arc::new(Entry::new(sid, format, transport, origin, &self.config));
        let registered = self.registry.register(entry.clone(), place)?;
        if self.is_draining() {
            // The drain may have looked at the registry just before.
            entry.mailbox.close(CloseReason::ServerShuttingDown);
        }
        if link.is_some() {
            // It comes first, before anything that the layer queues when it opens.
            entry.mailbox.push_control(Frame::from(&open_packet(&self.config, &sid, transport)));
        }
        let mailbox = entry.mailbox.clone();
        let PayloadFormat { revision, base64 } = format;
        tracing::debug!(transport = transport.as_str(), revision = revision.number(), "session opened");
        let observers = self.config.observers.clone();
        observers.see(Some(&sid), || What::Opened {
            exchange,
            transport,
            revision,
            base64,
            handshake: &handshake,
        });
        let opened = Opened { sid, revision, transport, mailbox, handshake, observers };
        let layer = self.application.open(opened, now);
        let driver = Driver {
            session: Session::new(self.config.clone(), revision, transport, now),
            layer,
            entry,
            config: self.config.clone(),
            link,
            probe: None,
            outbox: [].into(),
            close_code: None,
            inbox: [].into(),
            out: Vec::new(),
        };
        Some(driver.run(registered))
    }

    /// Parks a GET until its session has something for it.
    async fn park(
        &self,
        parts: &Parts,
        entry: Arc<Entry>,
        jsonp: Option<Jsonp>,
    ) -> Result<Response<Body>, Fault> {
        let (get, answer) = match entry.open_get() {
            Ok(open) => open,
            Err(Shut::Taken) => return Ok(status(StatusCode::BAD_REQUEST)),
            Err(Shut::Ended) => return Err(Fault::SessionUnknown),
        };
        let payload = answer.await.map_err(|_| Fault::SessionUnknown)?;
        // The guard moves into the body with the answer. If this future is dropped before, parked or while it
        // compresses, the client went away.
        let packed = Packed::new(payload, jsonp).compress(&parts.headers, self.http.compression).await;
        Ok(packed.response(|bytes| Body::poll(bytes, get)))
    }

    /// Reads a POST and hands it to its session.
    async fn post<B>(
        &self,
        parts: &Parts,
        body: B,
        entry: Arc<Entry>,
        jsonp: Option<Jsonp>,
    ) -> Result<Response<Body>, Fault>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let (format, sid) = (entry.format, entry.sid);
        let post = match entry.open_post() {
            Ok(post) => post,
            Err(Shut::Taken) => return Ok(status(StatusCode::BAD_REQUEST)),
            Err(Shut::Ended) => return Err(Fault::SessionUnknown),
        };
        let content_type = parts.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let binary = jsonp.is_none() && content_type.eq_ignore_ascii_case(b"application/octet-stream");
        if binary && format.revision == engineio::Revision::V4 {
            // Revision 4 has no binary payloads. The guard is dropped: the session ends.
            return Ok(status(StatusCode::BAD_REQUEST));
        }
        let body =
            match post_body::read(body, self.config.max_payload, self.admission.limits.body_timeout).await {
                Ok(body) => body,
                Err(BodyError::TooLarge) => {
                    post.release();
                    self.config.hits.count(Limit::Payload);
                    tracing::info!(limit = self.config.max_payload, "a POST is over the payload limit");
                    return Ok(closing(status(StatusCode::PAYLOAD_TOO_LARGE)));
                }
                Err(BodyError::Broken) => return Ok(closing(status(StatusCode::BAD_REQUEST))),
                Err(BodyError::Slow) => {
                    self.config.hits.count(Limit::BodyTimeout);
                    return Ok(closing(status(StatusCode::REQUEST_TIMEOUT)));
                }
            };
        let body = if jsonp.is_some() { Jsonp::payload(&body) } else { body };
        let exchange = Exchange::number(parts);
        self.config.observers.see(Some(&sid), || What::RequestBody { exchange, body: &body });
        match post.submit(body, binary).await {
            Ok(()) => Ok(accepted()),
            Err(_) => Err(Fault::SessionUnknown),
        }
    }
}

/// What is kept of the request that opens a session.
pub(crate) fn handshake(parts: &Parts, peer: Peer, head: Option<&RequestHead>) -> Handshake {
    let url = parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    Handshake {
        time: SystemTime::now(),
        address: peer.address,
        secure: peer.secure,
        url: url.into(),
        headers: copy(&parts.headers),
        attached: head.map(RequestHead::attached).unwrap_or_default(),
    }
}
