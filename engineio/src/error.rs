//! Who erred, and how: what a client did that the protocol forbids, and why a session ended.

use std::fmt;

/// A rule of the Engine.IO protocol that a client broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// A packet without a type: an empty text frame, or nothing between two separators of a payload.
    EmptyPacket,
    /// The first character (or, in a binary packet of revision 3, byte) is none of the packet types.
    UnknownPacketType(u8),
    /// A text packet or text payload that is not UTF-8.
    Utf8,
    /// A POST with an empty body.
    EmptyPayload,
    /// A payload of revision 3 whose length prefix is not a number, or is missing.
    PayloadLength,
    /// A payload of revision 3 that ends before the length that it announced.
    PayloadTruncated,
    /// More packets in one payload than [`Config::max_packets`](crate::Config) allows.
    TooManyPackets,
    /// A POST whose type says that it is binary, which in revision 4 none is.
    BinaryPayload,
    /// A second GET while one is open, or a second POST.
    Overlap,
    /// A request that was given up before its end: by its client, or because it took too long.
    Aborted,
    /// A client's ping in revision 4, or its pong in revision 3: there it is the other side that pings.
    Heartbeat,
    /// A probing WebSocket brought something other than `2probe` and `5`.
    Probe,
}

impl Violation {
    /// One of each.
    pub const ALL: [Violation; 12] = [
        Violation::EmptyPayload,
        Violation::EmptyPacket,
        Violation::UnknownPacketType(b'7'),
        Violation::Utf8,
        Violation::PayloadLength,
        Violation::PayloadTruncated,
        Violation::TooManyPackets,
        Violation::BinaryPayload,
        Violation::Overlap,
        Violation::Aborted,
        Violation::Heartbeat,
        Violation::Probe,
    ];

    /// The name of the rule that is broken.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Violation::EmptyPacket => "EMPTY_PACKET",
            Violation::UnknownPacketType(_) => "UNKNOWN_PACKET_TYPE",
            Violation::Utf8 => "UTF8",
            Violation::EmptyPayload => "EMPTY_PAYLOAD",
            Violation::PayloadLength => "PAYLOAD_LENGTH",
            Violation::PayloadTruncated => "PAYLOAD_TRUNCATED",
            Violation::TooManyPackets => "TOO_MANY_PACKETS",
            Violation::BinaryPayload => "BINARY_PAYLOAD",
            Violation::Overlap => "OVERLAPPING_REQUEST",
            Violation::Aborted => "ABORTED_REQUEST",
            Violation::Heartbeat => "HEARTBEAT_DIRECTION",
            Violation::Probe => "BROKEN_PROBE",
        }
    }

    /// Where the rule stands: in the protocol, or among this server's own decisions.
    #[must_use]
    pub fn section(self) -> &'static str {
        match self {
            Violation::EmptyPacket | Violation::UnknownPacketType(_) => "Engine.IO protocol 4, \"Protocol\"",
            Violation::EmptyPayload | Violation::BinaryPayload => {
                "Engine.IO protocol 4, \"Packet encoding\", \"HTTP long-polling\""
            }
            Violation::Utf8 => "Engine.IO protocol 4, \"Packet encoding\"",
            Violation::PayloadLength | Violation::PayloadTruncated => "Engine.IO protocol 3, \"Payload\"",
            Violation::TooManyPackets | Violation::Overlap | Violation::Aborted => {
                "docs/protocol.md, \"Polling\""
            }
            Violation::Heartbeat => "Engine.IO protocol 4, \"Heartbeat\"",
            Violation::Probe => "Engine.IO protocol 4, \"Upgrade\"",
        }
    }

    /// Why the session ends that broke it; `None` if it goes on, by polling.
    #[must_use]
    pub fn close_reason(self) -> Option<CloseReason> {
        match self {
            Violation::EmptyPacket
            | Violation::UnknownPacketType(_)
            | Violation::Utf8
            | Violation::EmptyPayload
            | Violation::PayloadLength
            | Violation::PayloadTruncated
            | Violation::TooManyPackets => Some(CloseReason::ParseError),
            Violation::BinaryPayload | Violation::Overlap | Violation::Aborted | Violation::Heartbeat => {
                Some(CloseReason::TransportError)
            }
            Violation::Probe => None,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::EmptyPacket => f.write_str("a packet without a type"),
            Violation::UnknownPacketType(code) => write!(f, "unknown packet type {:?}", char::from(*code)),
            Violation::Utf8 => f.write_str("a text packet that is not UTF-8"),
            Violation::EmptyPayload => f.write_str("an empty payload"),
            Violation::PayloadLength => f.write_str("a payload length that is not a number"),
            Violation::PayloadTruncated => f.write_str("a payload that is shorter than it announces"),
            Violation::TooManyPackets => f.write_str("too many packets in one payload"),
            Violation::BinaryPayload => f.write_str("a binary payload, which revision 4 has not"),
            Violation::Overlap => f.write_str("a GET or a POST while there is another one"),
            Violation::Aborted => f.write_str("a request that was given up before its end"),
            Violation::Heartbeat => f.write_str("a heartbeat in the wrong direction"),
            Violation::Probe => f.write_str("a packet other than 2probe and 5 on a probing WebSocket"),
        }
    }
}

impl std::error::Error for Violation {}

/// Why a session ended. [`as_str`](CloseReason::as_str) gives the reference implementation's words, which
/// applications compare against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The transport failed, or the client used it in a way that it can't recover from: an aborted or
    /// overlapping request, a ping in the wrong direction, a broken WebSocket frame.
    TransportError,
    /// The client went away: it sent a close packet, or its WebSocket ended.
    TransportClose,
    /// The server ended the session while it ran over WebSocket.
    ForcedClose,
    /// The server ended the session while it ran over polling.
    ForcedServerClose,
    /// No sign of life within the heartbeat's time.
    PingTimeout,
    /// The client sent something that could not be decoded.
    ParseError,
    /// The server is stopping.
    ServerShuttingDown,
}

impl CloseReason {
    /// The reason in the words that socket.io uses, such as `"ping timeout"`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CloseReason::TransportError => "transport error",
            CloseReason::TransportClose => "transport close",
            CloseReason::ForcedClose => "forced close",
            CloseReason::ForcedServerClose => "forced server close",
            CloseReason::PingTimeout => "ping timeout",
            CloseReason::ParseError => "parse error",
            CloseReason::ServerShuttingDown => "server shutting down",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
