//! The rules of WebSocket that a client can break.

use crate::Limit;

crate::rules! {
    /// A rule of RFC 6455 that a client broke, or a limit that its message exceeds.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum FrameViolation {
        /// A reserved bit is set though no extension was negotiated that gives it a meaning there: section 5.2.
        ReservedBit => "WEBSOCKET_RESERVED_BIT",
            "a frame with a reserved bit",
            "RFC 6455, section 5.2";
        /// An opcode that is reserved: section 5.2.
        Opcode(opcode: u8 = 3) => "WEBSOCKET_OPCODE",
            "a frame with the reserved opcode {opcode}",
            "RFC 6455, section 5.2";
        /// A frame without a mask: section 5.1.
        Unmasked => "WEBSOCKET_UNMASKED",
            "a frame without a mask",
            "RFC 6455, section 5.1";
        /// A length whose most significant bit is set: section 5.2.
        Length => "WEBSOCKET_LENGTH",
            "a frame length over 63 bits",
            "RFC 6455, section 5.2";
        /// A fragmented control frame: section 5.5.
        FragmentedControl => "WEBSOCKET_FRAGMENTED_CONTROL",
            "a control frame in fragments",
            "RFC 6455, section 5.5";
        /// A control frame over 125 bytes: section 5.5.
        LongControl => "WEBSOCKET_LONG_CONTROL",
            "a control frame over 125 bytes",
            "RFC 6455, section 5.5";
        /// A continuation frame without a message to continue: section 5.4.
        LoneContinuation => "WEBSOCKET_LONE_CONTINUATION",
            "a continuation frame without a message to continue",
            "RFC 6455, section 5.4";
        /// A new message in the middle of a fragmented one: section 5.4.
        Interleaved => "WEBSOCKET_INTERLEAVED",
            "a new message before the last fragment of another",
            "RFC 6455, section 5.4";
        /// A close frame with a single byte where its code should be: section 5.5.1.
        CloseLength => "WEBSOCKET_CLOSE_LENGTH",
            "a close frame of one byte",
            "RFC 6455, section 5.5.1";
        /// A close frame with a code that must not be sent: section 7.4.
        CloseCode(code: u16 = 1005) => "WEBSOCKET_CLOSE_CODE",
            "a close frame with the code {code}",
            "RFC 6455, section 7.4";
        /// Text, or the reason of a close frame, that is not UTF-8: section 8.1.
        Utf8 => "WEBSOCKET_UTF8",
            "text that is not UTF-8",
            "RFC 6455, section 8.1";
        /// A compressed message that can't be inflated.
        Deflate => "WEBSOCKET_DEFLATE",
            "a compressed message that is not DEFLATE",
            "RFC 7692, section 7.2.2";
        /// A message over [`FrameLimits::message`](super::FrameLimits::message), also once it is inflated.
        TooLong => "WEBSOCKET_TOO_LONG",
            "a message larger than the payload limit",
            "RFC 6455, section 10.4";
        /// A message of more fragments than [`FrameLimits::fragments`](super::FrameLimits::fragments).
        TooManyFragments => "WEBSOCKET_TOO_MANY_FRAGMENTS",
            "a message with too many fragments",
            "RFC 6455, section 10.4";
        /// More pings and pongs in a second than [`EngineConfig::pings_per_second`](crate::EngineConfig::pings_per_second).
        TooManyPings => "WEBSOCKET_TOO_MANY_PINGS",
            "too many pings in a second",
            "RFC 6455, section 10.4";
    }
}

impl FrameViolation {
    /// The status code of the close frame that tells the client: section 7.4.1.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            // "data within a message that was not consistent with the type of the message"
            FrameViolation::Utf8 | FrameViolation::Deflate => 1007,
            FrameViolation::TooManyFragments | FrameViolation::TooManyPings => 1008,
            FrameViolation::TooLong => 1009,
            _ => 1002,
        }
    }

    /// The limit that was met, if that is what was wrong.
    #[must_use]
    pub fn limit(self) -> Option<Limit> {
        match self {
            FrameViolation::TooLong => Some(Limit::Payload),
            FrameViolation::TooManyFragments => Some(Limit::Fragments),
            FrameViolation::TooManyPings => Some(Limit::PingRate),
            _ => None,
        }
    }
}
