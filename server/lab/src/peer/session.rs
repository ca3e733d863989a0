//! Sessions: the handshake, and who joins a namespace.

use std::sync::atomic::{AtomicU64, Ordering};

use engineio::Revision;
use serde_json::{Value, json};

use super::{LabPeer, Result, Session};
use crate::case::CaseTransport;
use crate::packet::{SocketIoPacket, Wire, encode_payload};
use crate::record::RecordPlace;
use crate::verdict::{Unmet, Verdict};
use crate::wire::head::Head;
use crate::wire::request::Request;
use socketio_explain::journal::{Carrier, Direction};

/// No two sessions of a process have the same id.
static SESSIONS: AtomicU64 = AtomicU64::new(1);

/// How an open packet is sent.
struct Opening<'a> {
    /// Its JSON, if not as it is.
    text: Option<&'a str>,
    kind: &'a str,
    cookie: Option<&'a str>,
    more: &'a [Wire],
}

impl Default for Opening<'_> {
    fn default() -> Self {
        Opening { text: None, kind: "text/plain; charset=UTF-8", cookie: None, more: &[] }
    }
}

impl LabPeer {
    /// The session's id.
    #[must_use]
    pub fn sid(&self) -> Option<&str> {
        self.session.as_ref().map(|session| session.sid.as_str())
    }

    /// Whether the session is on a WebSocket.
    #[must_use]
    pub fn on_websocket(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.websocket.is_some())
    }

    /// Whether the client has closed the session's WebSocket.
    pub(super) fn websocket_has_gone(&self) -> bool {
        let websocket = self.session.as_ref().and_then(|session| session.websocket.as_ref());
        websocket.is_some_and(|websocket| self.closed.contains(&websocket.connection))
    }

    /// The next request that would open a session.
    pub async fn handshake(&mut self) -> Result<Request> {
        let within = self.patience;
        let request = self.wait(within, |peer| peer.handshakes.pop_front()).await;
        request.ok_or_else(|| {
            let wanted = match self.seen.handshakes {
                0 => "a request that opens a session",
                _ => "a request that opens another session, as of a client that reconnects",
            };
            Unmet::fail(wanted, format!("none came within {within:?}"))
        })
    }

    /// Whether no session is opened for a time.
    pub async fn no_handshake_for(&mut self, time: std::time::Duration) -> Result {
        match self.wait(time, |peer| peer.handshakes.front().map(|request| request.head.target.clone())).await
        {
            None => Ok(()),
            Some(target) => Err(Unmet::fail("no new session", format!("a request for {target}"))),
        }
    }

    /// The open packet's content, as a right server has it.
    #[must_use]
    pub fn open_packet(&self) -> Value {
        let upgrades: &[&str] = if self.transport == CaseTransport::Upgrade { &["websocket"] } else { &[] };
        json!({
            "sid": format!("lab-{}", SESSIONS.fetch_add(1, Ordering::Relaxed)),
            "upgrades": upgrades,
            "pingInterval": 25_000,
            "pingTimeout": 20_000,
            "maxPayload": 1_000_000,
        })
    }

    /// Opens a session for the next handshake. Returns its head.
    pub async fn open(&mut self) -> Result<Head> {
        let open = self.open_packet();
        self.open_with(&open).await
    }

    /// The same with an open packet of any content; it must have a `sid`.
    pub async fn open_with(&mut self, open: &Value) -> Result<Head> {
        let request = self.handshake().await?;
        if let Err(unmet) = self.check_transport(&request) {
            let told = format!("this case is about {}\n", unmet.expected);
            request
                .answer(400, &[("Content-Type", "text/plain"), ("Connection", "close")], told.as_bytes())
                .await;
            return Err(unmet);
        }
        self.answer_handshake(request, open).await
    }

    /// Opens a session for a handshake.
    pub async fn answer_handshake(&mut self, request: Request, open: &Value) -> Result<Head> {
        self.answer_opening(request, open, Opening::default()).await
    }

    /// The same with the open packet's JSON as it is written.
    pub async fn answer_handshake_as(&mut self, request: Request, open: &Value, text: &str) -> Result<Head> {
        self.answer_opening(request, open, Opening { text: Some(text), ..Opening::default() }).await
    }

    /// The same with another type of the body.
    pub async fn answer_handshake_typed(
        &mut self,
        request: Request,
        open: &Value,
        kind: &str,
    ) -> Result<Head> {
        self.answer_opening(request, open, Opening { kind, ..Opening::default() }).await
    }

    /// The same with a cookie.
    pub async fn answer_handshake_cookie(
        &mut self,
        request: Request,
        open: &Value,
        cookie: &str,
    ) -> Result<Head> {
        self.answer_opening(request, open, Opening { cookie: Some(cookie), ..Opening::default() }).await
    }

    /// The same with more packets in the same payload.
    pub async fn answer_handshake_with(
        &mut self,
        request: Request,
        open: &Value,
        more: &[Wire],
    ) -> Result<Head> {
        self.answer_opening(request, open, Opening { more, ..Opening::default() }).await
    }

    async fn answer_opening(&mut self, request: Request, open: &Value, how: Opening<'_>) -> Result<Head> {
        let head = request.head.clone();
        let sid = open["sid"].as_str().unwrap_or_default().to_owned();
        let base64 = head.query("b64").is_some_and(|value| !value.is_empty());
        let (record, is_websocket) = (request.record, head.is_websocket());
        let transport = if is_websocket { "websocket" } else { "polling" };
        self.session =
            Some(Session { sid: sid.clone(), websocket: None, parked: None, base64, closing: false });
        self.packets.clear();
        self.pings = 0;
        self.joined = false;
        self.seen.end = None;
        let packet = Wire::Text(format!("0{}", how.text.map_or_else(|| open.to_string(), str::to_owned)));
        if is_websocket {
            let websocket = request.accept().await;
            self.recorder.opened(record, &sid, transport, self.revision, base64);
            if let Some(session) = &mut self.session {
                session.websocket = Some(websocket);
            }
            self.send(packet).await?;
            self.send_all(how.more).await?;
        } else {
            self.recorder.opened(record, &sid, transport, self.revision, base64);
            let packets = [&[packet], how.more].concat();
            for packet in &packets {
                let (direction, carrier) = (Some(Direction::Out), Some(Carrier::Get));
                self.recorder
                    .packet(RecordPlace { sid: Some(&sid), direction, carrier, from: record }, packet);
            }
            let (body, _) = encode_payload(self.revision, true, &packets);
            let mut headers = vec![("Content-Type", how.kind)];
            headers.extend(how.cookie.map(|cookie| ("Set-Cookie", cookie)));
            request.answer(200, &headers, &body).await;
        }
        Ok(head)
    }

    /// The next handshake, or none if the application is told something first.
    pub async fn wait_for_handshake_or(&mut self, told: &str) -> Result<Option<Request>> {
        let within = self.patience;
        let found = self
            .wait(within, |peer| match peer.handshakes.pop_front() {
                Some(request) => Some(Some(request)),
                None => peer.observations.iter().any(|seen| seen.saw == told).then_some(None),
            })
            .await;
        found.ok_or_else(|| Unmet::fail(format!("another request, or `{told}`"), "neither came"))
    }

    fn check_transport(&self, request: &Request) -> Result {
        let by_websocket = request.head.is_websocket();
        let (wrong, wanted) = match self.transport {
            CaseTransport::Polling | CaseTransport::Upgrade => (by_websocket, "polling"),
            CaseTransport::WebSocket => (!by_websocket, "WebSocket"),
            CaseTransport::Any => (false, "any"),
        };
        if wrong {
            let seen = if by_websocket { "a WebSocket handshake" } else { "a request by polling" };
            return Err(Unmet::fail(format!("a session by {wanted}"), seen).rather(Verdict::NotRun));
        }
        Ok(())
    }

    /// Opens a session, and lets the client join the main namespace. Returns the head of the handshake.
    pub async fn join(&mut self) -> Result<Head> {
        let open = self.open_packet();
        self.join_with(&open).await
    }

    /// The same with an open packet of any content.
    pub async fn join_with(&mut self, open: &Value) -> Result<Head> {
        let head = self.open_with(open).await?;
        self.let_in().await?;
        Ok(head)
    }

    /// Lets a client in that comes again: with a new session, or with a CONNECT in the one that it has.
    pub async fn join_again(&mut self) -> Result {
        let within = self.patience;
        let opens = self.wait(within, |peer| {
            let connects = |packet: &Wire| matches!(packet, Wire::Text(text) if text.starts_with("40"));
            if let Some(at) = peer.packets.iter().position(connects) {
                peer.packets.drain(..at);
                return Some(false);
            }
            (!peer.handshakes.is_empty()).then_some(true)
        });
        match opens.await {
            Some(true) => self.join().await.map(drop),
            Some(false) => self.let_in().await.map(drop),
            None => Err(Unmet::fail("a new session, or a CONNECT", "neither came")),
        }
    }

    /// Lets the client join the main namespace of the session that is open. Returns the CONNECT packet of revision 4.
    pub async fn let_in(&mut self) -> Result<Option<SocketIoPacket>> {
        if self.revision == Revision::V3 {
            self.send("40").await?;
            self.joined = true;
            return Ok(None);
        }
        let connect = self.connect_packet("/").await?;
        self.send("40{\"sid\":\"socket-1\"}").await?;
        self.joined = true;
        Ok(Some(connect))
    }

    /// Waits for a CONNECT to a namespace, and lets the client join it. Returns the packet.
    pub async fn let_in_to(&mut self, nsp: &str) -> Result<SocketIoPacket> {
        let connect = self.connect_packet(nsp).await?;
        let answer = match self.revision {
            Revision::V3 => format!("40{nsp},"),
            Revision::V4 => format!("40{nsp},{{\"sid\":\"socket{}\"}}", nsp.replace('/', "-")),
        };
        self.send(answer).await?;
        Ok(connect)
    }

    /// Waits for a CONNECT to a namespace. In revision 3 it may have a query.
    pub async fn connect_packet(&mut self, nsp: &str) -> Result<SocketIoPacket> {
        let packet = self.socket_packet(&format!("a CONNECT to {nsp}")).await?;
        let name = match self.revision {
            Revision::V3 => packet.nsp.split('?').next().unwrap_or_default(),
            Revision::V4 => &packet.nsp,
        };
        if packet.kind != 0 || name != nsp {
            let seen = format!("{} for {}", packet.name(), packet.nsp);
            return Err(Unmet::fail(format!("a CONNECT to {nsp}"), seen));
        }
        Ok(packet)
    }
}
