//! What observers see: requests, frames, packets, sessions, and what was wrong with them.
//!
//! Metrics, the journal and the inspector implement [`Observer`], and get all that they know from it. Observers
//! can't change anything: they borrow what they see. Without observers, observations are not even made.
//!
//! This crate has no HTTP or Socket.IO. [`What`] has variants for them anyway, since all other crates build on
//! this one, and observers need one sequence.

mod watch;

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::{
    CloseReason, Frame, HandshakeRequest, Headers, Limit, Message, Packet, PacketType, Refusal, Revision,
    Sid, Transport,
};

pub use watch::Watch;

/// Sees everything that happens on a server.
///
/// The tasks that serve clients call it, in order for each session. It should be quick, and must not block.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn observe(&self, observation: &Observation<'_>) {
        let _ = observation;
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// The session; `None` before there is one, such as for a refusal.
    pub sid: Option<&'a Sid>,
    /// What happened.
    pub what: What<'a>,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum What<'a> {
    /// A request's head arrived.
    Request(Request<'a>),
    /// The body of a POST was read. It is not decoded yet, except for the form of JSONP.
    RequestBody {
        /// The [request](Request::exchange)'s number.
        exchange: u64,
        /// The body.
        body: &'a [u8],
    },
    /// A request was refused; the response follows.
    Refused {
        /// The request's number.
        exchange: u64,
        /// What was wrong with it.
        refusal: Refusal,
        /// The application's reason, if the application refused it.
        reason: Option<&'a str>,
    },
    /// A request was answered.
    Response(Response<'a>),
    /// The client left before the answer, or the server gave up.
    Aborted {
        /// The request's number.
        exchange: u64,
    },

    /// A session began. The open packet follows.
    Opened {
        /// The number of the request that opened it.
        exchange: u64,
        /// The transport that it begins with.
        transport: Transport,
        /// The protocol's revision.
        revision: Revision,
        /// Whether its polls only carry text.
        base64: bool,
        /// The request that opened it.
        handshake: &'a HandshakeRequest,
    },
    /// A WebSocket was opened for a session that polls, and is probing.
    ProbeOpened,
    /// That WebSocket was dropped. Polling goes on, or the session has ended.
    ProbeDropped,
    /// The probed WebSocket is now the session's transport. A session that has closed only sends its queue and
    /// its end on it.
    Upgraded,
    /// The session is over for the layer above. What is queued may still be sent.
    Closed {
        /// Why.
        reason: CloseReason,
        /// The transport in use.
        transport: Transport,
    },
    /// The server has freed the session. This is its last observation.
    Ended {
        /// The transport that was in use.
        transport: Transport,
    },

    /// A plain WebSocket was opened, which carries neither Engine.IO nor Socket.IO.
    PlainOpened {
        /// The number of the request that opened it.
        exchange: u64,
        /// That request.
        handshake: &'a HandshakeRequest,
    },
    /// The server has freed a plain WebSocket. This is its last observation.
    PlainEnded {
        /// The code of the close frame that came first, from either side; 1005 if it had none, and 1006 if
        /// there was none.
        code: u16,
        /// The reason in it.
        reason: &'a str,
    },

    /// A frame of a WebSocket.
    Frame(WebSocketFrame<'a>),
    /// An Engine.IO packet.
    Packet {
        /// Who sent it.
        direction: Direction,
        /// What it came or goes with.
        carrier: Carrier,
        /// The packet.
        packet: PacketView<'a>,
    },
    /// A Socket.IO packet, or the text part of one whose attachments follow. It belongs to the last Engine.IO
    /// packet of that direction.
    SocketPacket {
        /// Who sent it.
        direction: Direction,
        /// The packet.
        packet: SocketPacket<'a>,
    },
    /// An attachment of the last Socket.IO packet in that direction, in an Engine.IO packet of its own.
    Attachment {
        /// Who sent it.
        direction: Direction,
        /// The attachment.
        bytes: &'a [u8],
    },

    /// A socket joined a namespace.
    Joined {
        /// The namespace.
        nsp: &'a str,
        /// The socket's id.
        socket: &'a str,
    },
    /// A socket joined a room. Its own room, named by its id, is not shown.
    RoomJoined {
        /// The namespace.
        nsp: &'a str,
        /// The socket's id.
        socket: &'a str,
        /// The room.
        room: &'a str,
    },
    /// A socket left a room. When a socket leaves its namespace, it leaves all rooms, which is not shown.
    RoomLeft {
        /// The namespace.
        nsp: &'a str,
        /// The socket's id.
        socket: &'a str,
        /// The room.
        room: &'a str,
    },
    /// A value was stored with a socket, where other servers may see it.
    DataSet {
        /// The namespace.
        nsp: &'a str,
        /// The socket's id.
        socket: &'a str,
        /// The value's key.
        key: &'a str,
    },
    /// A socket left its namespace.
    Left {
        /// The namespace.
        nsp: &'a str,
        /// The socket's id.
        socket: &'a str,
        /// The reason, in socket.io's words.
        reason: &'static str,
    },
    /// The application says what it did for a socket.
    Note {
        /// The namespace.
        nsp: &'a str,
        /// The socket's id.
        socket: &'a str,
        /// What it did.
        note: Note<'a>,
    },
    /// The application has finished with an event: its handler, if any, has ended.
    Handled {
        /// The namespace.
        nsp: &'a str,
        /// The event's name, or `on_connect` and the like.
        name: &'a str,
        /// How long the handler ran.
        took: Duration,
    },

    /// A client broke a rule.
    Violation {
        /// The rule's name, such as `UNKNOWN_PACKET_TYPE`.
        rule: &'static str,
        /// Where the rule stands: a section of the protocol, or of `docs/protocol.md`.
        section: &'static str,
        /// What was wrong.
        error: &'a dyn Error,
    },
    /// A limit was met: something was refused, dropped, delayed or ended.
    Limit(Limit),
}

/// Who sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The client, to the server.
    In,
    /// The server, to the client.
    Out,
}

/// What carries a packet. A session has at most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// The answer to a handshake or to a poll: a GET.
    Get,
    /// The body of a POST.
    Post,
    /// The session's WebSocket.
    WebSocket,
    /// A WebSocket that is being probed.
    Probe,
}

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// A number that is unique in this process.
    pub exchange: u64,
    /// The method.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The header fields.
    pub headers: &'a Headers,
    /// The peer's address; `None` on a Unix socket.
    pub address: Option<SocketAddr>,
    /// Whether it came over TLS.
    pub secure: bool,
}

/// The answer to a request.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// The [request](Request::exchange)'s number.
    pub exchange: u64,
    /// The HTTP status.
    pub status: u16,
    /// The header fields, without those that the HTTP server adds.
    pub headers: &'a Headers,
    /// The body as it is sent: compressed, if a header field says so.
    pub body: &'a [u8],
}

/// A frame of a WebSocket (RFC 6455, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSocketFrame<'a> {
    /// Who sent it.
    pub direction: Direction,
    /// [`Carrier::WebSocket`] or [`Carrier::Probe`].
    pub carrier: Carrier,
    /// Whether it is the last of its message.
    pub fin: bool,
    /// 1 text, 2 binary, 0 a continuation of either; 8 close, 9 ping, 10 pong.
    pub opcode: u8,
    /// The payload, unmasked.
    pub payload: &'a [u8],
}

/// A view of an Engine.IO packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketView<'a> {
    /// Its type.
    pub kind: PacketType,
    /// Whether it is a binary message.
    pub binary: bool,
    /// What follows the type: UTF-8, unless it is binary.
    pub payload: &'a [u8],
}

impl<'a> From<&'a Packet> for PacketView<'a> {
    fn from(packet: &'a Packet) -> PacketView<'a> {
        let (binary, payload) = match packet {
            Packet::Message(Message::Binary(bytes)) => (true, &bytes[..]),
            Packet::Message(Message::Text(payload))
            | Packet::Open(payload)
            | Packet::Ping(payload)
            | Packet::Pong(payload) => (false, &payload.as_bytes()[..]),
            Packet::Close | Packet::Upgrade | Packet::Noop => (false, &[][..]),
        };
        PacketView { kind: packet.kind(), binary, payload }
    }
}

impl<'a> From<&'a Frame> for PacketView<'a> {
    fn from(frame: &'a Frame) -> PacketView<'a> {
        match frame.packet() {
            [digit, payload @ ..] if !frame.is_binary() => {
                let kind = PacketType::from_digit(*digit).unwrap_or(PacketType::Message);
                PacketView { kind, binary: false, payload }
            }
            payload => PacketView { kind: PacketType::Message, binary: true, payload },
        }
    }
}

/// The fields of a Socket.IO packet. Those of a client's packet may break any rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketPacket<'a> {
    /// The type on the wire: 0 CONNECT, 1 DISCONNECT, 2 EVENT, 3 ACK, 4 CONNECT_ERROR, 5 BINARY_EVENT,
    /// 6 BINARY_ACK.
    pub kind: u8,
    /// How many attachments it has.
    pub attachments: usize,
    /// The namespace.
    pub nsp: &'a str,
    /// The id of the requested acknowledgement, or of this one.
    pub id: Option<u64>,
    /// JSON, or empty.
    pub payload: &'a str,
}

/// What an application did for a socket elsewhere, such as a call of another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    /// What kind of thing, in one word that is the same for all of them: `hook`.
    pub source: &'a str,
    /// Which of them: `connect`.
    pub name: &'a str,
    /// How it went, in a line.
    pub text: &'a str,
    /// How long it took, up to now.
    pub took: Option<Duration>,
}

/// All observers, if there are any. Clones share them. It is one word large.
#[derive(Clone, Default)]
pub struct Observers(Option<Arc<Vec<Arc<dyn Observer>>>>);

impl Observers {
    /// Whether there are no observers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Adds an observer.
    pub fn add(&mut self, observer: Arc<dyn Observer>) {
        Arc::make_mut(self.0.get_or_insert_default()).push(observer);
    }

    /// Shows something to all observers. `what` is only called if there are some.
    pub fn see<'a>(&self, sid: Option<&'a Sid>, what: impl FnOnce() -> What<'a>) {
        if let Some(observers) = &self.0 {
            let observation = Observation { sid, what: what() };
            observers.iter().for_each(|observer| observer.observe(&observation));
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observers({})", self.0.as_ref().map_or(0, |observers| observers.len()))
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    #[derive(Default)]
    struct Limits(Mutex<Vec<Limit>>);

    impl Observer for Limits {
        fn observe(&self, observation: &Observation<'_>) {
            if let What::Limit(limit) = observation.what {
                self.0.lock().push(limit);
            }
        }
    }

    #[test]
    fn nothing_is_put_together_for_nobody() {
        Observers::default().see(None, || panic!("nobody watches"));
        assert!(Observers::default().is_empty());
        assert_eq!(size_of::<Observers>(), size_of::<usize>());
    }

    #[test]
    fn all_observers_see_the_same() {
        let (first, second) = (Arc::new(Limits::default()), Arc::new(Limits::default()));
        let mut observers = Observers::default();
        observers.add(first.clone());
        observers.clone().add(Arc::new(Limits::default()));
        observers.add(second.clone());
        observers.see(None, || What::Limit(Limit::Payload));
        assert_eq!(
            (&first.0.lock()[..], &second.0.lock()[..]),
            (&[Limit::Payload][..], &[Limit::Payload][..])
        );
        assert_eq!(format!("{observers:?}"), "Observers(2)");
    }

    #[test]
    fn a_packet_and_its_frame_look_the_same() {
        let packets = [
            Packet::Open("{}".into()),
            Packet::Ping("probe".into()),
            Packet::Noop,
            Packet::Message("hé".into()),
            Packet::Message(vec![4, 0].into()),
            Packet::Message(Message::Binary(bytes::Bytes::new())),
        ];
        for packet in packets {
            assert_eq!(PacketView::from(&packet), PacketView::from(&Frame::from(&packet)));
        }
    }
}
