//! What observers borrow: requests, responses, frames and packets.

use std::net::SocketAddr;
use std::time::Duration;

use crate::{Frame, Framing, Headers, Message, Packet, PacketType};

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
    /// A connection that is being probed, of either transport.
    Probe,
    /// The session's stream of WebTransport.
    WebTransport,
}

/// What carries a session whose messages are framed like that.
impl From<Framing> for Carrier {
    fn from(framing: Framing) -> Carrier {
        match framing {
            Framing::WebSocket(_) => Carrier::WebSocket,
            Framing::WebTransport => Carrier::WebTransport,
        }
    }
}

/// A view of a request's head.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
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

/// A view of the answer to a request.
#[derive(Clone, Copy, Debug)]
pub struct ResponseView<'a> {
    /// The [request](RequestView::exchange)'s number.
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
    /// The payload, unmasked and inflated.
    pub payload: &'a [u8],
    /// The payload's length on the wire, if it is compressed (RFC 7692).
    pub compressed: Option<usize>,
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
    /// The kind of thing, such as `hook`.
    pub source: &'a str,
    /// Its name, such as `connect`.
    pub name: &'a str,
    /// How it went, in a line.
    pub text: &'a str,
    /// How long it took, up to now.
    pub took: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

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
