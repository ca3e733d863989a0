//! What a client did that the protocol forbids, and why a session ended.

use std::fmt;

crate::rules! {
    /// A rule of the Engine.IO protocol that a client broke.
    ///
    /// ```
    /// use bytestring::ByteString;
    /// use engineio::{CloseReason, Packet, Revision};
    ///
    /// let broken = Packet::decode_text(&ByteString::from("9"), Revision::V4).unwrap_err();
    /// assert_eq!(broken.close_reason(), Some(CloseReason::ParseError));
    /// println!("{broken}");
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Violation {
        /// A packet without a type: an empty text frame, or nothing between two separators of a payload.
        EmptyPacket => "EMPTY_PACKET",
            "a packet without a type",
            "Engine.IO protocol 4, \"Protocol\"";
        /// The first character (or, in a binary packet of revision 3, byte) is not a packet type.
        UnknownPacketType(code: u8 = b'7') => "UNKNOWN_PACKET_TYPE",
            "unknown packet type {:?}" (char::from(*code)),
            "Engine.IO protocol 4, \"Protocol\"";
        /// A text packet or text payload that is not UTF-8.
        Utf8 => "UTF8",
            "a text packet that is not UTF-8",
            "Engine.IO protocol 4, \"Packet encoding\"";
        /// A POST with an empty body.
        EmptyPayload => "EMPTY_PAYLOAD",
            "an empty payload",
            "Engine.IO protocol 4, \"Packet encoding\", \"HTTP long-polling\"";
        /// A payload of revision 3 whose length prefix is not a number, or is missing.
        PayloadLength => "PAYLOAD_LENGTH",
            "a payload length that is not a number",
            "Engine.IO protocol 3, \"Payload\"";
        /// A payload of revision 3 that is shorter than its length prefix says.
        PayloadTruncated => "PAYLOAD_TRUNCATED",
            "a payload that is shorter than its length says",
            "Engine.IO protocol 3, \"Payload\"";
        /// More packets in one payload than [`EngineConfig::max_packets`](crate::EngineConfig) allows.
        TooManyPackets => "TOO_MANY_PACKETS",
            "too many packets in one payload",
            "docs/protocol.md, \"Polling\"";
        /// A POST with a binary content type in revision 4, where all payloads are text.
        BinaryPayload => "BINARY_PAYLOAD",
            "a binary payload, which Engine.IO 4 does not have",
            "Engine.IO protocol 4, \"Packet encoding\", \"HTTP long-polling\"";
        /// A second GET while one is open, or a second POST.
        Overlap => "OVERLAPPING_REQUEST",
            "a second GET or POST while the first is still open",
            "docs/protocol.md, \"Polling\"";
        /// A request that was not completed: its client left, or it took too long.
        Aborted => "ABORTED_REQUEST",
            "a request that the client abandoned",
            "docs/protocol.md, \"Polling\"";
        /// A client's ping in revision 4, where the server pings, or its pong in revision 3, where the client pings.
        Heartbeat => "HEARTBEAT_DIRECTION",
            "a heartbeat in the wrong direction",
            "Engine.IO protocol 4, \"Heartbeat\"";
        /// A probing WebSocket received something other than `2probe` and `5`.
        Probe => "BROKEN_PROBE",
            "a packet other than 2probe and 5 on a probing WebSocket",
            "Engine.IO protocol 4, \"Upgrade\"";
    }
}

impl Violation {
    /// The reason with which the session ends; `None` if only the probing WebSocket ends.
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

    /// Whether a request as a whole broke it, and nothing that the request carries.
    #[must_use]
    pub fn is_of_request(self) -> bool {
        match self {
            Violation::BinaryPayload | Violation::Overlap | Violation::Aborted => true,
            Violation::EmptyPacket
            | Violation::UnknownPacketType(_)
            | Violation::Utf8
            | Violation::EmptyPayload
            | Violation::PayloadLength
            | Violation::PayloadTruncated
            | Violation::TooManyPackets
            | Violation::Heartbeat
            | Violation::Probe => false,
        }
    }
}

/// Why a session ended. [`as_str`](CloseReason::as_str) gives the reference implementation's words, which
/// applications compare against.
///
/// ```
/// use engineio::CloseReason;
///
/// assert_eq!(CloseReason::PingTimeout.to_string(), "ping timeout");
/// ```
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
    /// Nothing was received within the heartbeat's time.
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
