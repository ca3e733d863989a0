//! How a session begins: a place for it, its first answer, and the task that drives it.

use std::sync::Arc;
use std::time::Instant;

use engineio::observe::{Carrier, Direction, What};
use engineio::session;
use engineio::websocket::FrameLimits;
use engineio::{
    Application, CloseReason, Frame, HandshakeRequest, Jsonp, Limit, Open, PayloadFormat, Refusal, Session,
    Sid, Transport, open_packet,
};
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};

use super::Endpoint;
use crate::http::answers::{Packed, refused_by, status};
use crate::http::body::Body;
use crate::http::exchange::Exchange;
use crate::http::handshake::handshake;
use crate::http::hooks::RequestHead;
use crate::http::refused::Refused;
use crate::http::subprotocol;
use crate::http::switch::switch;
use crate::net::admission::SessionPlace;
use crate::net::connection::Connection;
use crate::net::peer::Peer;
use crate::session::driver::Driver;
use crate::session::life::Life;
use crate::session::websocket::WebSocket;
use crate::session::wires::{SessionHandle, Wires};

/// A session that is about to begin.
struct Opening {
    sid: Sid,
    handshake: HandshakeRequest,
    format: PayloadFormat,
    /// Whether the first answer is to be a script.
    jsonp: Option<Jsonp>,
    /// Whose pages it belongs to, where that matters.
    origin: Option<Box<[u8]>>,
    place: SessionPlace,
}

impl<A: Application> Endpoint<A> {
    /// Answers a handshake: whether there is a place, what the application says to it, and a session. Without hooks,
    /// nothing of it waits.
    pub(super) async fn open(
        self: &Arc<Self>,
        parts: &mut Parts,
        peer: Peer,
        open: Open,
        head: Option<&RequestHead>,
    ) -> Result<Response<Body>, Refused> {
        let place = match self.admit(peer) {
            Ok(place) => place,
            Err(no_place) => return Ok(no_place.response()),
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
            // The application may have taken its time to allow it.
            return Ok(NoPlace::Draining.response());
        }
        let handshake = handshake(parts, peer, head);
        let origin = self.origin(parts).map(Box::from);
        let opening = Opening { sid, handshake, format, jsonp: open.jsonp, origin, place };
        Ok(match open.transport {
            Transport::Polling => self.open_polling(parts, opening)?,
            Transport::WebSocket => self.clone().open_websocket(parts, opening)?,
        })
    }

    /// A place for a new session.
    fn admit(&self, peer: Peer) -> Result<SessionPlace, NoPlace> {
        if self.is_draining() {
            return Err(NoPlace::Draining);
        }
        self.admission.session(peer.address.map(|address| address.ip())).map_err(NoPlace::Limit)
    }

    /// A handshake by polling: the answer is the open packet, and everything else waits for the next GET.
    fn open_polling(&self, parts: &Parts, opening: Opening) -> Result<Response<Body>, Refusal> {
        let Opening { sid, format, jsonp, .. } = opening;
        let driver = self.driver(Exchange::number(parts), opening, None).ok_or(Refusal::NoId)?;
        let open = Frame::from(&open_packet(&self.engine.config, &sid, Transport::Polling));
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

    /// A handshake by WebSocket: the session begins once the connection has changed its protocol.
    fn open_websocket(
        self: Arc<Self>,
        parts: &mut Parts,
        opening: Opening,
    ) -> Result<Response<Body>, Refusal> {
        if self.registry.get(&opening.sid).is_some() {
            return Err(Refusal::NoId);
        }
        let exchange = Exchange::number(parts);
        let protocol = agreed(parts)?;
        switch(parts, protocol, self.engine.observers.clone(), move |io, read| {
            let websocket = self.websocket(io, &read, opening.format);
            if let Some(driver) = self.driver(exchange, opening, Some(websocket)) {
                tokio::spawn(driver);
            }
        })
    }

    pub(super) fn websocket(&self, io: Connection, read: &[u8], format: PayloadFormat) -> WebSocket {
        let limits = FrameLimits {
            message: self.engine.config.max_payload,
            fragments: self.engine.config.max_fragments,
        };
        WebSocket::new(io, read, format.revision, limits)
            .within(self.engine.memory())
            .limiting_pings(self.engine.config.pings_per_second)
    }

    /// Makes a session and what drives it; `None` if there is one of that id already.
    fn driver(&self, exchange: u64, opening: Opening, link: Option<WebSocket>) -> Option<Driver<A::Layer>> {
        let Opening { sid, handshake, format, origin, place, .. } = opening;
        let now = Instant::from(tokio::time::Instant::now());
        let transport = if link.is_some() { Transport::WebSocket } else { Transport::Polling };
        let (handle, mailbox) = SessionHandle::new(sid, format, transport, origin, &self.engine);
        let registered = self.registry.register(handle.clone())?;
        if self.is_draining() {
            // The drain may have looked at the registry just before.
            handle.mailbox.close(CloseReason::ServerShuttingDown);
        }
        let life = Life::begin(handshake.address);
        if let Some(life) = &life {
            life.session_opened(transport, format.revision);
        }
        let opening = session::Opening { handle, mailbox, link, handshake, exchange };
        let session = Session::open(&self.application, opening, self.engine.clone(), now);
        Some(Driver::new(session, Wires::new(place), registered, life))
    }
}

/// The subprotocol that a WebSocket is opened with: the client's first, as in the reference. The application's
/// hooks may put another in its place.
pub(super) fn agreed(parts: &Parts) -> Result<Option<HeaderValue>, Refusal> {
    subprotocol::first(&parts.headers).map_err(|_| Refusal::Subprotocols)
}

/// Why there is no place for a new session.
enum NoPlace {
    Draining,
    Limit(Limit),
}

impl NoPlace {
    fn response(self) -> Response<Body> {
        match self {
            NoPlace::Draining => status(StatusCode::SERVICE_UNAVAILABLE),
            NoPlace::Limit(limit) => refused_by(limit),
        }
    }
}
