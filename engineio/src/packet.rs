//! Engine.IO packets: their codes, and the two ways in which one packet is written.
//!
//! A packet is a type and an optional payload. As text, it is the type's digit followed by the payload. Only a
//! message can be binary: revision 4 sends its bytes alone, and the transport says that they are binary; revision 3
//! puts the byte `0x04` before them. (Engine.IO protocol, "Packet encoding".)

use std::fmt;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use bytestring::ByteString;

use crate::Violation;

/// Standard base64, as we write it. What clients write is [read](decode_base64) less strictly.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A revision of the Engine.IO protocol, the `EIO` parameter of a handshake.
///
/// The two differ in how payloads and binary packets are encoded and in who sends the pings.
///
/// ```
/// use engineio::Revision;
///
/// assert_eq!(Revision::V4.number(), 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Revision {
    /// `EIO=3`: socket.io clients 1 and 2.
    V3,
    /// `EIO=4`: socket.io clients 3 and 4.
    V4,
}

impl Revision {
    /// The revision's number, as the `EIO` parameter has it.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Revision::V3 => 3,
            Revision::V4 => 4,
        }
    }
}

/// Declares the types of packets from one table: `Variant = digit, "name";`, in the order of the digits.
macro_rules! packet_types {
    (
        $(#[$attribute:meta])*
        pub enum $Type:ident {$( $(#[doc = $doc:literal])+ $variant:ident = $digit:literal, $name:literal; )+}
    ) => {
        $(#[$attribute])*
        pub enum $Type {$( $(#[doc = $doc])+ $variant = $digit, )+}

        impl $Type {
            /// All types, in the order of their digits, which begin at `0`.
            pub const ALL: &[$Type] = &[$($Type::$variant,)+];

            /// The type that a packet's first character names.
            #[must_use]
            pub fn from_digit(digit: u8) -> Option<$Type> {
                Some(match digit {
                    $($digit => $Type::$variant,)+
                    _ => return None,
                })
            }

            /// The type's name, as journals and metrics give it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {$($Type::$variant => $name,)+}
            }
        }
    };
}

packet_types! {
    /// The code of a packet: the first character of its text form.
    ///
    /// ```
    /// use engineio::PacketType;
    ///
    /// assert_eq!(PacketType::from_digit(b'2'), Some(PacketType::Ping));
    /// assert_eq!(PacketType::Message.digit(), b'4');
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[repr(u8)]
    pub enum PacketType {
        /// `0`: the server's answer to a handshake.
        Open = b'0', "open";
        /// `1`: this session ends.
        Close = b'1', "close";
        /// `2`: a heartbeat that wants a pong. The server sends it in revision 4, the client in revision 3.
        Ping = b'2', "ping";
        /// `3`: the answer to a ping.
        Pong = b'3', "pong";
        /// `4`: a message of the layer above.
        Message = b'4', "message";
        /// `5`: a probed WebSocket takes over from polling.
        Upgrade = b'5', "upgrade";
        /// `6`: nothing. It ends a parked poll.
        Noop = b'6', "noop";
    }
}

impl PacketType {
    /// The packet's first character.
    #[must_use]
    pub fn digit(self) -> u8 {
        self as u8
    }
}

/// A message of the layer above: the payload of a packet of type 4.
///
/// ```
/// use engineio::Message;
///
/// let text = Message::from("hi");
/// let bytes = Message::from(vec![1, 2, 3]);
/// assert_eq!((text.len(), bytes.len()), (2, 3));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// A text message.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
}

impl Message {
    /// The length of the payload in bytes, without the packet's type.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Message::Text(text) => text.len(),
            Message::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether the payload is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<ByteString> for Message {
    fn from(text: ByteString) -> Message {
        Message::Text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Message {
        Message::Text(text.into())
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Message {
        Message::Text(text.into())
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Message {
        Message::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Message {
        Message::Binary(bytes.into())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Text(text) => write!(f, "Text({text:?})"),
            Message::Binary(bytes) => write!(f, "Binary({bytes:?})"),
        }
    }
}

/// One Engine.IO packet.
///
/// ```
/// use bytestring::ByteString;
/// use engineio::{Message, Packet, Revision};
///
/// let packet = Packet::decode_text(&ByteString::from("4hi"), Revision::V4)?;
/// assert_eq!(packet, Packet::Message(Message::from("hi")));
/// # Ok::<_, engineio::Violation>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// The open packet with its JSON; only servers send it.
    Open(ByteString),
    /// The other side closes.
    Close,
    /// A ping with its payload: empty, or `probe` on a WebSocket that is being probed.
    Ping(ByteString),
    /// A pong with its payload, which repeats the ping's.
    Pong(ByteString),
    /// A message for the layer above.
    Message(Message),
    /// The probed WebSocket takes over.
    Upgrade,
    /// Nothing.
    Noop,
}

impl Packet {
    /// Reads a packet from its text form: a WebSocket text frame, or one packet of a text payload.
    ///
    /// `b` introduces a binary message in base64, with the type's digit after it in revision 3 (`b4…`) and without
    /// one in revision 4 (`b…`). The base64 is read as Node's `Buffer` reads it, which accepts anything. The payload
    /// of a text message shares `text`'s memory.
    ///
    /// # Errors
    /// [`Violation::EmptyPacket`] or [`Violation::UnknownPacketType`].
    pub fn decode_text(text: &ByteString, revision: Revision) -> Result<Packet, Violation> {
        let first = *text.as_bytes().first().ok_or(Violation::EmptyPacket)?;
        if first == b'b' {
            return decode_base64_packet(&text[1..], revision);
        }
        let kind = PacketType::from_digit(first).ok_or(Violation::UnknownPacketType(first))?;
        let payload = || text.slice_ref(&text[1..]);
        Ok(match kind {
            PacketType::Open => Packet::Open(payload()),
            PacketType::Close => Packet::Close,
            PacketType::Ping => Packet::Ping(payload()),
            PacketType::Pong => Packet::Pong(payload()),
            PacketType::Message => Packet::Message(Message::Text(payload())),
            PacketType::Upgrade => Packet::Upgrade,
            PacketType::Noop => Packet::Noop,
        })
    }

    /// Reads a packet from its binary form: a WebSocket binary frame, or a binary entry of a revision 3
    /// payload. The payload shares `bytes`' memory.
    ///
    /// # Errors
    /// In revision 3, [`Violation::EmptyPacket`] or [`Violation::UnknownPacketType`]: its binary packets start with
    /// the type as a byte. In revision 4, all bytes are a message.
    pub fn decode_binary(bytes: &Bytes, revision: Revision) -> Result<Packet, Violation> {
        match revision {
            Revision::V4 => Ok(Packet::Message(Message::Binary(bytes.clone()))),
            Revision::V3 => match bytes.first() {
                None => Err(Violation::EmptyPacket),
                Some(4) => Ok(Packet::Message(Message::Binary(bytes.slice(1..)))),
                Some(&code) => Err(Violation::UnknownPacketType(code)),
            },
        }
    }

    /// The packet's type.
    #[must_use]
    pub fn kind(&self) -> PacketType {
        match self {
            Packet::Open(_) => PacketType::Open,
            Packet::Close => PacketType::Close,
            Packet::Ping(_) => PacketType::Ping,
            Packet::Pong(_) => PacketType::Pong,
            Packet::Message(_) => PacketType::Message,
            Packet::Upgrade => PacketType::Upgrade,
            Packet::Noop => PacketType::Noop,
        }
    }
}

fn decode_base64_packet(text: &str, revision: Revision) -> Result<Packet, Violation> {
    let encoded = match revision {
        Revision::V4 => text,
        Revision::V3 => match text.as_bytes().first() {
            None => return Err(Violation::EmptyPacket),
            Some(b'4') => &text[1..],
            Some(&code) => return Err(Violation::UnknownPacketType(code)),
        },
    };
    Ok(Packet::Message(Message::Binary(decode_base64(encoded).into())))
}

/// The bytes of a client's base64, read as Node's `Buffer` reads it, since that is what clients are tested with: both
/// alphabets, up to the first `=`. Everything else is ignored, such as the line ends of Java's encoder, and bits that
/// don't make a byte.
fn decode_base64(text: &str) -> Vec<u8> {
    if let Ok(bytes) = BASE64.decode(text) {
        return bytes;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    // The bits that have been read and not yet written, and their number.
    let (mut bits, mut count) = (0u32, 0);
    for digit in text.bytes().take_while(|byte| *byte != b'=').filter_map(base64_digit) {
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    bytes
}

/// The value of a character, in the standard alphabet or the one of URLs.
fn base64_digit(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &'static str, revision: Revision) -> Result<Packet, Violation> {
        Packet::decode_text(&ByteString::from_static(text), revision)
    }

    fn binary(bytes: &'static [u8]) -> Packet {
        Packet::Message(Message::Binary(Bytes::from_static(bytes)))
    }

    #[test]
    fn a_text_packet_is_a_digit_and_its_payload() {
        assert_eq!(text("1", Revision::V4), Ok(Packet::Close));
        assert_eq!(text("2probe", Revision::V4), Ok(Packet::Ping("probe".into())));
        assert_eq!(text("3", Revision::V3), Ok(Packet::Pong("".into())));
        assert_eq!(text("4héé", Revision::V4), Ok(Packet::Message(Message::Text("héé".into()))));
        assert_eq!(text("5", Revision::V4), Ok(Packet::Upgrade));
        assert_eq!(text("6", Revision::V4), Ok(Packet::Noop));
    }

    #[test]
    fn each_type_is_at_the_place_of_its_digit() {
        for (kind, digit) in PacketType::ALL.iter().zip(b'0'..) {
            assert_eq!(kind.digit(), digit);
            assert_eq!(PacketType::from_digit(digit), Some(*kind));
        }
    }

    #[test]
    fn an_unknown_or_missing_type_is_named() {
        assert_eq!(text("", Revision::V4), Err(Violation::EmptyPacket));
        assert_eq!(text("7", Revision::V4), Err(Violation::UnknownPacketType(b'7')));
        assert_eq!(text("éaaaa", Revision::V4), Err(Violation::UnknownPacketType(0xc3)));
    }

    // proves: protocol/payload-4
    #[test]
    fn base64_has_no_type_digit_in_revision_4_and_one_in_revision_3() {
        assert_eq!(text("bAQID", Revision::V4), Ok(binary(&[1, 2, 3])));
        assert_eq!(text("b4OHi", Revision::V4), Ok(binary(&[0xe0, 0xe1, 0xe2])));
        assert_eq!(text("b4AQID", Revision::V3), Ok(binary(&[1, 2, 3])));
        assert_eq!(text("bAQ", Revision::V4), Ok(binary(&[1])), "padding may be left out");
        assert_eq!(text("b", Revision::V4), Ok(binary(&[])));
        assert_eq!(text("b2AQID", Revision::V3), Err(Violation::UnknownPacketType(b'2')));
    }

    // proves: protocol/base64
    /// The bytes are what `Buffer.from(text, "base64")` gives in Node 20.
    #[test]
    fn base64_is_read_as_nodes_buffer_reads_it() {
        for (encoded, bytes) in [
            ("AQID", &[1, 2, 3][..]),
            // Line ends and other white space; missing padding; the alphabet of URLs, and both mixed.
            ("AQ\r\nID\n", &[1, 2, 3]),
            (" A Q\tI\nD ", &[1, 2, 3]),
            ("AQI", &[1, 2]),
            ("AQ\n=\n=", &[1]),
            ("-_8=", &[0xfb, 0xff]),
            ("AQ+/-_", &[1, 15, 0xbf, 0xfb]),
            // Too much padding, and bits that are left over.
            ("AQID====", &[1, 2, 3]),
            ("AR==", &[1]),
            ("AQIDA", &[1, 2, 3]),
            ("A", &[]),
            // What is after the padding is not read, and what is no base64 is passed over.
            ("AQ==AQID", &[1]),
            ("AQ=\nAQID", &[1]),
            ("=AQID", &[]),
            ("AQ!D", &[1, 0]),
            ("AQéI\0D", &[1, 2, 3]),
            ("!", &[]),
            ("", &[]),
        ] {
            let bytes = Packet::Message(Message::Binary(Bytes::copy_from_slice(bytes)));
            let read = |text: String, revision| Packet::decode_text(&text.into(), revision);
            assert_eq!(read(format!("b{encoded}"), Revision::V4).as_ref(), Ok(&bytes), "{encoded:?}");
            assert_eq!(read(format!("b4{encoded}"), Revision::V3).as_ref(), Ok(&bytes), "{encoded:?}");
        }
    }

    #[test]
    fn a_binary_packet_carries_its_type_in_revision_3_alone() {
        let bytes = Bytes::from_static(&[4, 1, 2]);
        assert_eq!(Packet::decode_binary(&bytes, Revision::V4), Ok(binary(&[4, 1, 2])));
        assert_eq!(Packet::decode_binary(&bytes, Revision::V3), Ok(binary(&[1, 2])));
        assert_eq!(
            Packet::decode_binary(&Bytes::from_static(&[9]), Revision::V3),
            Err(Violation::UnknownPacketType(9))
        );
        assert_eq!(Packet::decode_binary(&Bytes::new(), Revision::V3), Err(Violation::EmptyPacket));
    }
}
