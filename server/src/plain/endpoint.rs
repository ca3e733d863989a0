//! One path at which plain WebSockets are served.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use engineio::plain::{self, PlainWebSocket};
use engineio::{Engine, Framing, Refusal, Revision};
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use tokio::sync::watch;

use super::application::Application;
use super::driver::{Driver, Stopping, stopped};
use super::request::{Accepted, Terms, WebSocketRequest};
use super::websocket::WebSocket;
use crate::Denied;
use crate::http::answers::{REJECT_REASON, refused_by, reject_reason, status};
use crate::http::body::Body;
use crate::http::exchange::Exchange;
use crate::http::handshake::handshake;
use crate::http::hooks::in_time;
use crate::http::http_rules::is_websocket;
use crate::http::mount::{Answering, Mount, RequestBody};
use crate::http::refused::{Denial, merge};
use crate::http::settings::HttpSettings;
use crate::http::subprotocol;
use crate::http::switch::{Chosen, HandshakeFault, agree, handshake_key, switch};
use crate::net::admission::Admission;
use crate::net::connection::Connection;
use crate::net::drain::DrainSchedule;
use crate::net::peer::Peer;
use crate::session::log::SessionLog;
use crate::session::turn::now;
use crate::session::websocket;

/// What an application decides about each request.
pub(crate) type Handler = dyn Fn(WebSocketRequest) -> Deciding + Send + Sync;

type Deciding = Pin<Box<dyn Future<Output = Result<Accepted, Denied>> + Send>>;

/// One path at which plain WebSockets are served.
pub(crate) struct Endpoint {
    path: Box<str>,
    engine: Arc<Engine>,
    http: Arc<HttpSettings>,
    admission: Arc<Admission>,
    handler: Box<Handler>,
    /// The schedule for closing clients, once the server is stopping. Each connection and each undecided request
    /// holds a receiver, so their number is known, and when all are gone.
    stopping: watch::Sender<Stopping>,
}

impl Endpoint {
    pub(crate) fn new(
        path: &str,
        handler: Box<Handler>,
        engine: Arc<Engine>,
        http: Arc<HttpSettings>,
        admission: Arc<Admission>,
    ) -> Endpoint {
        let path = path.strip_suffix('/').unwrap_or(path).into();
        Endpoint { path, engine, http, admission, handler, stopping: watch::Sender::new(None) }
    }

    /// Answers one request.
    async fn answer(&self, mut parts: Parts, peer: Peer) -> Response<Body> {
        let denial = match self.open(&mut parts, peer).await {
            Ok(response) => return response,
            Err(Denied(denial)) => denial,
        };
        tracing::info!(
            status = denial.status.as_u16(),
            reason = &*denial.message,
            path = &*self.path,
            method = %parts.method,
            address = peer.address.map(tracing::field::display),
            "WebSocket refused"
        );
        refusal(*denial)
    }

    async fn open(&self, parts: &mut Parts, peer: Peer) -> Result<Response<Body>, Denied> {
        check(parts)?;
        if self.http.cors.as_ref().is_some_and(|cors| cors.judge(parts).refused) {
            self.http.strangers.refused(&parts.headers);
            return Err(Denied::new(Refusal::OriginForbidden.to_string()));
        }
        let permit = match self.admission.session(peer.address.map(|address| address.ip())) {
            Ok(permit) => permit,
            Err(limit) => return Ok(refused_by(limit)),
        };
        let mut stopping = self.stopping.subscribe();
        let request =
            WebSocketRequest::new(handshake(parts, peer, None), &self.engine, &self.admission.limits);
        let deciding = async { (self.handler)(request).await };
        let accepted = tokio::select! {
            biased;
            _ = stopped(&mut stopping) => return Ok(status(StatusCode::SERVICE_UNAVAILABLE)),
            decided = in_time("websocket", deciding, &self.admission) => decided??.terms(),
        };
        let protocol = accepted.protocol.as_deref().and_then(|name| HeaderValue::from_str(name).ok());
        let (observers, holders) = (self.engine.observers.clone(), self.engine.holders.clone());
        let exchange = Exchange::number(parts);
        let path = self.path.clone();
        let deflate = agree(&parts.headers, accepted.terms.per_message_deflate.as_ref());
        let chosen = Chosen { protocol, deflate };
        let switched = switch(parts, chosen, self.engine.observers.clone(), move |io, read| {
            let Terms { handshake, terms, protocol, run, .. } = accepted;
            let log = SessionLog::begin(handshake.address);
            let link = link(io, &read, &terms).compressing(deflate);
            let (websocket, sender, inbox) =
                PlainWebSocket::open(link, terms, observers, exchange, &handshake, now());
            let application =
                Application::new(run(WebSocket::new(sender.clone(), inbox, protocol, handshake)));
            let driver = Driver::new(websocket, sender, stopping, path, holders, permit, log);
            tokio::spawn(driver.running(application));
        });
        // Over HTTP/2, or inside a server that allows no upgrades.
        let mut response = switched.map_err(|_| bad_request("this connection can't become a WebSocket"))?;
        merge(response.headers_mut(), accepted.headers);
        Ok(response)
    }
}

/// The wire of a connection after its handshake; `read` has the bytes that were already read.
fn link(io: Connection, read: &[u8], terms: &plain::Terms) -> websocket::WebSocket {
    let link = websocket::WebSocket::new(io, read, Framing::WebSocket(Revision::V4), terms.frames)
        .within(terms.memory.clone())
        .limiting_pings(terms.pings_per_second);
    if terms.auto_pong { link } else { link.without_pongs() }
}

/// Refuses a handshake that breaks one of the rules of RFC 6455, section 4.2.1.
fn check(parts: &Parts) -> Result<(), Denied> {
    if parts.method != Method::GET {
        let denied =
            Denied::new("a WebSocket handshake must be a GET request").status(StatusCode::METHOD_NOT_ALLOWED);
        return Err(denied.header(ALLOW, HeaderValue::from_static("GET")));
    }
    if !parts.headers.contains_key(UPGRADE) {
        return Err(upgrade_required("this path only serves WebSockets"));
    }
    if !is_websocket(&parts.headers) {
        return Err(bad_request("the Upgrade field must be websocket"));
    }
    match (handshake_key(&parts.headers), subprotocol::first(&parts.headers)) {
        (Err(HandshakeFault::Key), _) => Err(bad_request("Sec-WebSocket-Key is not 16 bytes in base64")),
        (_, Err(refusal)) => Err(bad_request(&refusal.to_string())),
        // "an appropriate HTTP error code (such as 426 Upgrade Required)" (section 4.2.2).
        (Err(HandshakeFault::Version), Ok(_)) => Err(upgrade_required("Sec-WebSocket-Version must be 13")),
        (Ok(_), Ok(_)) => Ok(()),
    }
}

/// 426: "The server MUST send an Upgrade header field in a 426 response" (RFC 9110, section 15.5.22).
fn upgrade_required(reason: &str) -> Denied {
    ours(Denied::new(reason).status(StatusCode::UPGRADE_REQUIRED))
        .header(UPGRADE, HeaderValue::from_static("websocket"))
        .header(CONNECTION, HeaderValue::from_static("upgrade"))
}

fn bad_request(reason: &str) -> Denied {
    ours(Denied::new(reason).status(StatusCode::BAD_REQUEST))
}

/// Says which version is spoken here.
fn ours(denied: Denied) -> Denied {
    denied.header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
}

/// A refusal. Few WebSocket clients show the body of a refusal, so the reason is in the header too.
fn refusal(denial: Denial) -> Response<Body> {
    let Denial { status, headers, message, json } = denial;
    let content_type = if json.is_some() { "application/json" } else { "text/plain; charset=utf-8" };
    let reason = reject_reason(&message);
    let mut response = Response::new(match json {
        Some(json) => Body::from(json),
        None => Body::from(format!("{message}\n")),
    });
    *response.status_mut() = status;
    if let Some(reason) = reason {
        response.headers_mut().insert(REJECT_REASON, reason);
    }
    merge(response.headers_mut(), headers);
    response.headers_mut().entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
    response
}

impl Mount for Endpoint {
    fn serves(&self, path: &str) -> bool {
        self.http.trailing_slash.allows(&self.path, path)
    }

    fn call(self: Arc<Self>, mut head: Parts, _: RequestBody, peer: Peer) -> Answering {
        Box::pin(async move {
            let exchange = Exchange::begin(&self.engine.observers, &mut head, peer);
            let response = self.answer(head, peer).await;
            if let Some(exchange) = exchange {
                exchange.end(&response);
            }
            Ok(response)
        })
    }

    /// Each connection waits for its own moment, so nothing else has to be done.
    fn drain(&self, schedule: Arc<DrainSchedule>) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            self.stopping.send_replace(Some(schedule));
        })
    }

    fn emptied(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.stopping.closed())
    }

    fn sessions(&self) -> usize {
        self.stopping.receiver_count()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("path", &self.path).finish_non_exhaustive()
    }
}
