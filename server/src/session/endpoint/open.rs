//! How a session begins: its permit, its first answer, and the task that drives it.

use std::sync::Arc;
use std::time::Instant;

use engineio::observe::{Carrier, Direction, What};
use engineio::session::{self, WebSocketWire as _};
use engineio::websocket::deflate::Agreement;
use engineio::{
    Application, CloseReason, Frame, Framing, HandshakeRequest, Jsonp, Limit, Open, PayloadFormat, Refusal,
    Session, Sid, Transport, open_packet,
};
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{Response, StatusCode};

use super::Endpoint;
use crate::http::answers::{Packed, refused_by, status};
use crate::http::body::Body;
use crate::http::exchange::Exchange;
use crate::http::handshake::handshake;
use crate::http::hooks::RequestHead;
use crate::http::refused::Refused;
use crate::http::subprotocol;
use crate::http::switch::{Chosen, agree, switch};
use crate::net::admission::SessionPermit;
use crate::net::connection::Connection;
use crate::net::peer::Peer;
use crate::session::arrived::Arrived;
use crate::session::driver::Driver;
use crate::session::log::SessionLog;
use crate::session::websocket::WebSocket;
use crate::session::wires::{SessionHandle, Wires};

/// What a session begins with.
struct Opening {
    sid: Sid,
    handshake: HandshakeRequest,
    format: PayloadFormat,
    /// Whether the first answer is a script.
    jsonp: Option<Jsonp>,
    /// The origin that it is bound to, if it is bound to one.
    origin: Option<Box<[u8]>>,
    permit: SessionPermit,
}

impl<A: Application> Endpoint<A> {
    /// Answers a handshake: checks for room, asks the application, and creates a session. Without hooks, none of it
    /// waits.
    pub(super) async fn open(
        self: &Arc<Self>,
        parts: &mut Parts,
        peer: Peer,
        open: Open,
        head: Option<&RequestHead>,
    ) -> Result<Response<Body>, Refused> {
        let permit = match self.admit(peer) {
            Ok(permit) => permit,
            Err(no_room) => return Ok(no_room.response()),
        };
        let hooks = &self.http.hooks;
        if let Some(head) = head {
            hooks.allow(head, &self.admission).await?;
        }
        let format = open.format(&self.engine.config)?;
        let sid = match head {
            Some(head) => hooks.id(head, &self.admission).await?,
            None => Sid::generate(),
        };
        if self.is_draining() {
            // The decision of the application may have taken some time.
            return Ok(NoRoom::Draining.response());
        }
        let handshake = handshake(parts, peer, head);
        let origin = self.origin(parts).map(Box::from);
        let opening = Opening { sid, handshake, format, jsonp: open.jsonp, origin, permit };
        Ok(match open.transport {
            Transport::Polling => self.open_polling(parts, opening)?,
            Transport::WebSocket | Transport::WebTransport => self.clone().open_link(parts, opening)?,
        })
    }

    /// A place for a new session.
    fn admit(&self, peer: Peer) -> Result<SessionPermit, NoRoom> {
        if self.is_draining() {
            return Err(NoRoom::Draining);
        }
        self.admission.session(peer.address.map(|address| address.ip())).map_err(NoRoom::Limit)
    }

    /// A handshake by polling: the answer is the open packet, and everything else waits for the next GET.
    fn open_polling(&self, parts: &Parts, opening: Opening) -> Result<Response<Body>, Refusal> {
        let Opening { sid, format, jsonp, .. } = opening;
        let driver = self.driver(Exchange::number(parts), opening, None).ok_or(Refusal::NoId)?;
        let open = Frame::from(&open_packet(&self.engine.config, &sid, Transport::Polling, format.revision));
        self.engine.observers.see(Some(&sid), || What::Packet {
            direction: Direction::Out,
            carrier: Carrier::Get,
            packet: (&open).into(),
        });
        tokio::spawn(driver);
        let payload = format.encode(&mut [open].into(), usize::MAX).0;
        let mut response = Packed::new(payload, jsonp).response(|payload, _| payload.into());
        if let Some(cookie) = &self.http.cookie {
            response.headers_mut().append(SET_COOKIE, cookie.header(&sid));
        }
        Ok(response)
    }

    /// A handshake by another transport: the session begins once the connection has changed its protocol.
    fn open_link(self: Arc<Self>, parts: &mut Parts, opening: Opening) -> Result<Response<Body>, Refusal> {
        if self.registry.get(&opening.sid).is_some() {
            return Err(Refusal::NoId);
        }
        let (exchange, format) = (Exchange::number(parts), opening.format);
        self.clone().take_link(parts, format, move |link| {
            if let Some(driver) = self.driver(exchange, opening, Some(link)) {
                tokio::spawn(driver);
            }
        })
    }

    /// What a WebSocket is opened with. The subprotocol is the client's first, as in the reference; the application's hooks
    /// may put another in its place.
    fn choose(&self, parts: &Parts) -> Result<Chosen, Refusal> {
        let protocol = subprotocol::first(&parts.headers)?;
        let deflate = agree(&parts.headers, self.engine.config.per_message_deflate.as_ref());
        Ok(Chosen { protocol, deflate })
    }

    /// Calls `then` with the connection that a request changes into a WebSocket, or that came before it.
    pub(super) fn take_link(
        self: Arc<Self>,
        parts: &mut Parts,
        format: PayloadFormat,
        then: impl FnOnce(WebSocket) + Send + 'static,
    ) -> Result<Response<Body>, Refusal> {
        if let Some(arrived) = parts.extensions.remove::<Arrived>() {
            then(arrived.take().ok_or(Refusal::TransportHandshake)?);
            return Ok(status(StatusCode::OK));
        }
        let chosen = self.choose(parts)?;
        let deflate = chosen.deflate;
        switch(parts, chosen, self.engine.observers.clone(), move |io, read| {
            then(self.websocket(io, &read, format, deflate));
        })
    }

    fn websocket(
        &self,
        io: Connection,
        read: &[u8],
        format: PayloadFormat,
        deflate: Option<Agreement>,
    ) -> WebSocket {
        let limits = self.engine.config.frame_limits();
        WebSocket::new(io, read, Framing::WebSocket(format.revision), limits)
            .within(self.engine.memory())
            .limiting_pings(self.engine.config.pings_per_second)
            .compressing(deflate)
    }

    /// Makes a session and its driver; `None` if there is one of that id already.
    fn driver(&self, exchange: u64, opening: Opening, link: Option<WebSocket>) -> Option<Driver<A::Layer>> {
        let Opening { sid, handshake, format, origin, permit, .. } = opening;
        let now = Instant::from(tokio::time::Instant::now());
        let transport = link.as_ref().map_or(Transport::Polling, |link| link.framing().transport());
        let (handle, mailbox) = SessionHandle::new(sid, format, transport, origin, &self.engine);
        let registered = self.registry.register(handle.clone())?;
        if self.is_draining() {
            // A drain may have gone through the registry just before.
            handle.mailbox.close(CloseReason::ServerShuttingDown);
        }
        let log = SessionLog::begin(handshake.address);
        if let Some(log) = &log {
            log.session_opened(transport, format.revision);
        }
        let opening = session::Opening { handle, mailbox, link, handshake, exchange };
        let session = Session::open(&self.application, opening, self.engine.clone(), now);
        Some(Driver::new(session, Wires::new(permit), registered, log))
    }
}

/// Why there is no room for a new session.
enum NoRoom {
    Draining,
    Limit(Limit),
}

impl NoRoom {
    fn response(self) -> Response<Body> {
        match self {
            NoRoom::Draining => status(StatusCode::SERVICE_UNAVAILABLE),
            NoRoom::Limit(limit) => refused_by(limit),
        }
    }
}
