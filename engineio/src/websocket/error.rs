//! What a client may do wrong on a WebSocket.

use std::fmt;

use crate::Limit;

/// A rule of RFC 6455 that a client broke, or a limit that its message is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Breach {
    /// A reserved bit is set though no extension was negotiated: section 5.2.
    ReservedBit,
    /// An opcode that is reserved: section 5.2.
    Opcode(u8),
    /// A frame without a mask: section 5.1.
    Unmasked,
    /// A length whose most significant bit is set: section 5.2.
    Length,
    /// A fragmented control frame: section 5.5.
    FragmentedControl,
    /// A control frame over 125 bytes: section 5.5.
    LongControl,
    /// A continuation of no message: section 5.4.
    LoneContinuation,
    /// A new message in the middle of a fragmented one: section 5.4.
    Interleaved,
    /// A close frame with a single byte where its code should be: section 5.5.1.
    CloseLength,
    /// A close frame with a code that must not be sent: section 7.4.
    CloseCode(u16),
    /// Text, or the reason of a close frame, that is not UTF-8: section 8.1.
    Utf8,
    /// A message over [`Limits::message`](super::Limits::message).
    TooLong,
    /// A message of more fragments than [`Limits::fragments`](super::Limits::fragments).
    TooManyFragments,
    /// More pings and pongs in a second than [`Config::pings_per_second`](crate::Config::pings_per_second).
    TooManyPings,
}

impl Breach {
    /// One of each.
    pub const ALL: [Breach; 14] = [
        Breach::ReservedBit,
        Breach::Opcode(3),
        Breach::Unmasked,
        Breach::Length,
        Breach::FragmentedControl,
        Breach::LongControl,
        Breach::LoneContinuation,
        Breach::Interleaved,
        Breach::CloseLength,
        Breach::CloseCode(1005),
        Breach::Utf8,
        Breach::TooLong,
        Breach::TooManyFragments,
        Breach::TooManyPings,
    ];

    /// The status code of the close frame that tells the client: section 7.4.1.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Breach::Utf8 => 1007,
            Breach::TooManyFragments | Breach::TooManyPings => 1008,
            Breach::TooLong => 1009,
            _ => 1002,
        }
    }

    /// The name of the rule that is broken.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Breach::ReservedBit => "WEBSOCKET_RESERVED_BIT",
            Breach::Opcode(_) => "WEBSOCKET_OPCODE",
            Breach::Unmasked => "WEBSOCKET_UNMASKED",
            Breach::Length => "WEBSOCKET_LENGTH",
            Breach::FragmentedControl => "WEBSOCKET_FRAGMENTED_CONTROL",
            Breach::LongControl => "WEBSOCKET_LONG_CONTROL",
            Breach::LoneContinuation => "WEBSOCKET_LONE_CONTINUATION",
            Breach::Interleaved => "WEBSOCKET_INTERLEAVED",
            Breach::CloseLength => "WEBSOCKET_CLOSE_LENGTH",
            Breach::CloseCode(_) => "WEBSOCKET_CLOSE_CODE",
            Breach::Utf8 => "WEBSOCKET_UTF8",
            Breach::TooLong => "WEBSOCKET_TOO_LONG",
            Breach::TooManyFragments => "WEBSOCKET_TOO_MANY_FRAGMENTS",
            Breach::TooManyPings => "WEBSOCKET_TOO_MANY_PINGS",
        }
    }

    /// Where the rule stands: in the protocol, or among this server's own decisions.
    #[must_use]
    pub fn section(self) -> &'static str {
        match self {
            Breach::ReservedBit | Breach::Opcode(_) | Breach::Length => "RFC 6455, section 5.2",
            Breach::Unmasked => "RFC 6455, section 5.1",
            Breach::FragmentedControl | Breach::LongControl => "RFC 6455, section 5.5",
            Breach::LoneContinuation | Breach::Interleaved => "RFC 6455, section 5.4",
            Breach::CloseLength => "RFC 6455, section 5.5.1",
            Breach::CloseCode(_) => "RFC 6455, section 7.4",
            Breach::Utf8 => "RFC 6455, section 8.1",
            Breach::TooLong | Breach::TooManyFragments | Breach::TooManyPings => "RFC 6455, section 10.4",
        }
    }

    /// The limit that was met, if that is what was wrong.
    #[must_use]
    pub fn limit(self) -> Option<Limit> {
        match self {
            Breach::TooLong => Some(Limit::Payload),
            Breach::TooManyFragments => Some(Limit::Fragments),
            Breach::TooManyPings => Some(Limit::PingRate),
            _ => None,
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breach::ReservedBit => f.write_str("a frame with a reserved bit"),
            Breach::Opcode(opcode) => write!(f, "a frame of the reserved opcode {opcode}"),
            Breach::Unmasked => f.write_str("a frame without a mask"),
            Breach::Length => f.write_str("a frame length over 63 bits"),
            Breach::FragmentedControl => f.write_str("a control frame in fragments"),
            Breach::LongControl => f.write_str("a control frame over 125 bytes"),
            Breach::LoneContinuation => f.write_str("a continuation of no message"),
            Breach::Interleaved => f.write_str("a new message within another's fragments"),
            Breach::CloseLength => f.write_str("a close frame of one byte"),
            Breach::CloseCode(code) => write!(f, "a close frame with the code {code}"),
            Breach::Utf8 => f.write_str("text that is not UTF-8"),
            Breach::TooLong => f.write_str("a message over the payload limit"),
            Breach::TooManyFragments => f.write_str("a message of too many fragments"),
            Breach::TooManyPings => f.write_str("too many pings in a second"),
        }
    }
}

impl std::error::Error for Breach {}
