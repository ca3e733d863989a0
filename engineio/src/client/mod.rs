//! A client's own side of a session, without IO: what a client library does between its wires and Socket.IO.
//!
//! Answers, WebSocket messages and instants go in; requests, messages and deadlines come out.
//!
//! ```text
//!   Opening ──0──▶ Polling ──WebSocket──▶ Probing ──3probe──▶ Pausing ──5──▶ WebSocket
//!      │  │         │  ▲                    │                   │ GET and POST  │
//!      │  │         │  └────────────────────┴───────────────────┘ have ended    │
//!      │  │         │        the WebSocket ends, says something                 │
//!      │  │         │        else, or takes too long                            │
//!      │  │         └─ close ─▶ Closing, until `1` is posted ─▶ Over ◀──────────┤
//!      │  └─ a refusal, no answer, no open packet ───────────────▲              │
//!      └──0, by WebSocket ──────────────────────────────────────────────────────┘
//! ```
//!
//! An error, the server's `1` and its silence lead from each of them to Over.
//!
//! ```
//! use std::time::Instant;
//! use engineio::client::{HttpAnswer, ClientConfig, ClientInput, ClientOutput, ClientSession};
//!
//! let (now, mut out) = (Instant::now(), Vec::new());
//! let mut session = ClientSession::new(ClientConfig::default(), now, &mut out);
//! assert_eq!(out, [ClientOutput::Get]);
//!
//! out.clear();
//! let open = r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
//! let answer = HttpAnswer { status: 200, binary: false, body: open.into() };
//! session.handle(now, ClientInput::GetAnswered(answer), &mut out);
//! assert!(matches!(&out[..], [ClientOutput::Opened(opened), ClientOutput::Get] if opened.sid == "a"));
//! ```

mod answer;
mod closing;
mod config;
mod ending;
mod io;
mod opened;
mod sending;
mod state;
#[cfg(test)]
mod tests;
mod upgrade;

use std::collections::VecDeque;
use std::time::Instant;

use bytestring::ByteString;

use crate::deadline::deadline;
use crate::{Frame, Packet, PayloadFormat, QueueError, Revision, Transport, Violation};

pub use answer::{HttpAnswer, ServerRefusal};
pub use config::ClientConfig;
pub use ending::ClientEnding;
pub use io::{ClientInput, ClientOutput};
pub use opened::OpenPacket;
use state::{Heartbeat, Posted, State, Step};

/// A client's own side of a session.
#[derive(Debug)]
pub struct ClientSession {
    config: ClientConfig,
    state: State,
    opened: Option<OpenPacket>,
    heartbeat: Option<Heartbeat>,
    /// A GET has no answer yet.
    getting: bool,
    /// The POST that has no answer yet.
    posting: Option<Posted>,
    outbox: VecDeque<Frame>,
    queued: usize,
}

impl ClientSession {
    /// Begins a session: the handshake goes out.
    pub fn new(config: ClientConfig, now: Instant, out: &mut Vec<ClientOutput>) -> ClientSession {
        let polling = config.transport == Transport::Polling;
        out.push(if polling { ClientOutput::Get } else { ClientOutput::OpenWebSocket });
        ClientSession {
            state: State::Opening { until: deadline(now, config.open_timeout) },
            config,
            opened: None,
            heartbeat: None,
            getting: polling,
            posting: None,
            outbox: VecDeque::new(),
            queued: 0,
        }
    }

    /// The protocol's parameters for the next request of that transport: `EIO=4&transport=polling&sid=…`.
    #[must_use]
    pub fn query(&self, transport: Transport) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("EIO", &self.config.revision.number().to_string());
        query.append_pair("transport", transport.as_str());
        if let Some(opened) = &self.opened {
            query.append_pair("sid", &opened.sid);
        }
        query.finish()
    }

    /// What the server said when it opened the session.
    #[must_use]
    pub fn opened(&self) -> Option<&OpenPacket> {
        self.opened.as_ref()
    }

    /// The transport that carries messages now; `None` before the session is open and after its end.
    #[must_use]
    pub fn transport(&self) -> Option<Transport> {
        match self.state {
            State::Polling | State::Upgrading { .. } | State::Closing { .. } => Some(Transport::Polling),
            State::WebSocket => Some(Transport::WebSocket),
            State::Opening { .. } | State::Over => None,
        }
    }

    /// The bytes of the messages that wait to be sent.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// When the session wants to be told that time has [passed](ClientInput::Timeout).
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let state = match self.state {
            State::Opening { until } | State::Upgrading { until, .. } | State::Closing { until } => {
                Some(until)
            }
            State::Polling | State::WebSocket => None,
            State::Over => return None,
        };
        let heartbeat = self.heartbeat.map(|(Heartbeat::PingAt(at) | Heartbeat::HeardBy(at))| at);
        state.into_iter().chain(heartbeat).min()
    }

    /// Sends messages together, with nothing between them. Those of a session that isn't open yet go out when it is.
    ///
    /// # Errors
    /// If [as much waits](ClientConfig::send_budget) as may, or if the session is over.
    pub fn send(&mut self, frames: &[Frame], out: &mut Vec<ClientOutput>) -> Result<(), QueueError> {
        match self.state {
            State::Closing { .. } | State::Over => return Err(QueueError::Closed),
            _ if self.queued >= self.config.send_budget => return Err(QueueError::Full),
            _ => {}
        }
        for frame in frames {
            self.queue(frame.clone());
        }
        self.flush(out);
        Ok(())
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Instant, input: ClientInput, out: &mut Vec<ClientOutput>) {
        if self.state == State::Over {
            return;
        }
        match input {
            ClientInput::GetAnswered(answer) => {
                self.getting = false;
                self.payload(now, answer, out);
            }
            ClientInput::PostAnswered(answer) => {
                if answer.status != 200 {
                    return self.end(ClientEnding::Refused(ServerRefusal::of(&answer)), out);
                }
                self.posting = None;
            }
            ClientInput::RequestFailed => return self.end(ClientEnding::TransportError, out),
            ClientInput::WebSocketOpened => self.websocket_opened(out),
            ClientInput::WebSocketRefused(answer) => match self.state {
                State::Opening { .. } => {
                    return self.end(ClientEnding::Refused(ServerRefusal::of(&answer)), out);
                }
                State::Upgrading { .. } => self.give_upgrade_up(out),
                // That of an upgrade that was given up before.
                _ => {}
            },
            ClientInput::Text(text) => {
                let packet = Packet::decode_text(&text, self.config.revision);
                self.websocket_packet(now, packet, out);
            }
            ClientInput::Binary(bytes) => {
                let packet = Packet::decode_binary(&bytes, self.config.revision);
                self.websocket_packet(now, packet, out);
            }
            ClientInput::WebSocketClosed { code } => match self.state {
                State::Opening { .. } => return self.end(ClientEnding::TransportError, out),
                State::Upgrading { .. } => self.give_upgrade_up(out),
                State::WebSocket => return self.end(ClientEnding::TransportClosed { code }, out),
                _ => {}
            },
            ClientInput::Close => self.close(now, out),
            ClientInput::Timeout => self.timeout(now, out),
        }
        self.go_on(out);
    }

    /// The packets of a poll.
    fn payload(&mut self, now: Instant, answer: HttpAnswer, out: &mut Vec<ClientOutput>) {
        if answer.status != 200 {
            return self.end(ClientEnding::Refused(ServerRefusal::of(&answer)), out);
        }
        let format = PayloadFormat { revision: self.config.revision, base64: false };
        for packet in format.reader(answer.body, answer.binary, self.config.max_packets) {
            self.packet(now, packet, out);
            if self.state == State::Over {
                return;
            }
        }
    }

    /// A packet of the transport in use.
    fn packet(&mut self, now: Instant, packet: Result<Packet, Violation>, out: &mut Vec<ClientOutput>) {
        let packet = match packet {
            Ok(packet) => packet,
            Err(violation) => return self.end(ClientEnding::Broken(violation), out),
        };
        if let State::Opening { .. } = self.state {
            return match OpenPacket::read(&packet) {
                Some(opened) => self.open(now, opened, out),
                None => self.end(ClientEnding::NotOpened, out),
            };
        }
        self.heard(now, &packet);
        match packet {
            // Revision 4 alone: in revision 3 it is this side that pings.
            Packet::Ping(_) if self.config.revision == Revision::V4 && !self.closing() => {
                self.queue(Frame::from(&Packet::Pong(ByteString::new())));
            }
            Packet::Message(message) => out.push(ClientOutput::Message(message)),
            Packet::Close => self.end(ClientEnding::ServerClosed, out),
            Packet::Open(_) | Packet::Ping(_) | Packet::Pong(_) | Packet::Upgrade | Packet::Noop => {}
        }
    }

    fn open(&mut self, now: Instant, opened: OpenPacket, out: &mut Vec<ClientOutput>) {
        self.heartbeat = Some(match self.config.revision {
            Revision::V4 => Heartbeat::HeardBy(deadline(now, opened.ping_interval + opened.ping_timeout)),
            Revision::V3 => Heartbeat::PingAt(deadline(now, opened.ping_interval)),
        });
        self.state = match self.config.transport {
            // Both carry one packet after the other, and have no upgrade.
            Transport::WebSocket | Transport::WebTransport => State::WebSocket,
            Transport::Polling => State::Polling,
        };
        out.push(ClientOutput::Opened(opened.clone()));
        let upgrades = self.config.upgrade && opened.upgrades.iter().any(|name| name == "websocket");
        self.opened = Some(opened);
        if upgrades && self.state == State::Polling {
            let until = deadline(now, self.config.upgrade_timeout);
            self.state = State::Upgrading { step: Step::Connecting, until };
            out.push(ClientOutput::OpenWebSocket);
        }
    }

    /// A packet shows that the server lives.
    fn heard(&mut self, now: Instant, packet: &Packet) {
        let (Some(opened), Some(heartbeat)) = (&self.opened, &mut self.heartbeat) else { return };
        match (self.config.revision, packet) {
            (Revision::V4, _) => {
                *heartbeat = Heartbeat::HeardBy(deadline(now, opened.ping_interval + opened.ping_timeout));
            }
            (Revision::V3, Packet::Pong(_)) => {
                *heartbeat = Heartbeat::PingAt(deadline(now, opened.ping_interval));
            }
            (Revision::V3, _) => {
                if let Heartbeat::HeardBy(until) = heartbeat {
                    *until = deadline(now, opened.ping_timeout);
                }
            }
        }
    }

    fn timeout(&mut self, now: Instant, out: &mut Vec<ClientOutput>) {
        match self.state {
            State::Opening { until } if until <= now => return self.end(ClientEnding::OpenTimeout, out),
            State::Closing { until } if until <= now => return self.end(ClientEnding::TransportError, out),
            State::Upgrading { until, .. } if until <= now => self.give_upgrade_up(out),
            _ => {}
        }
        match self.heartbeat {
            Some(Heartbeat::HeardBy(until)) if until <= now => self.end(ClientEnding::PingTimeout, out),
            // Nothing goes out after `1`.
            Some(Heartbeat::PingAt(_)) if self.closing() => self.heartbeat = None,
            Some(Heartbeat::PingAt(at)) if at <= now => {
                let timeout =
                    self.opened.as_ref().map_or(self.config.open_timeout, |opened| opened.ping_timeout);
                self.heartbeat = Some(Heartbeat::HeardBy(deadline(now, timeout)));
                self.queue(Frame::from(&Packet::Ping(ByteString::new())));
            }
            Some(_) | None => {}
        }
    }
}
