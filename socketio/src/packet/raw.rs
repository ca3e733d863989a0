//! A packet before the rules are applied to it: its fields, and a payload of JSON.

use bytes::Bytes;
use bytestring::ByteString;

/// The largest integer that a JavaScript number holds exactly.
pub(crate) const MAX_ACK_ID: u64 = (1 << 53) - 1;

/// Declares the types of packets from one table: `Variant = number,`.
macro_rules! packet_types {
    (
        $(#[$attribute:meta])*
        pub enum $Type:ident {$( $(#[doc = $doc:literal])+ $variant:ident = $number:literal, )+}
    ) => {
        $(#[$attribute])*
        pub enum $Type {$( $(#[doc = $doc])+ $variant = $number, )+}

        impl $Type {
            /// The type of that number.
            #[must_use]
            pub fn from_number(number: u8) -> Option<$Type> {
                Some(match number {
                    $($number => $Type::$variant,)+
                    _ => return None,
                })
            }
        }
    };
}

packet_types! {
    /// The type of a packet. The default parser's binary events and binary acknowledgements, types 5 and 6, are
    /// a matter of that parser: they are events and acknowledgements with attachments.
    ///
    /// ```
    /// use socketio::RawPacketType;
    ///
    /// assert_eq!(RawPacketType::from_number(2), Some(RawPacketType::Event));
    /// assert_eq!(RawPacketType::Ack.number(), 3);
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[repr(u8)]
    pub enum RawPacketType {
        /// A client wants to join a namespace, or has joined it.
        Connect = 0,
        /// One side ends its part in a namespace.
        Disconnect = 1,
        /// An event.
        Event = 2,
        /// The acknowledgement of an event.
        Ack = 3,
        /// A client may not join a namespace.
        ConnectError = 4,
    }
}

impl RawPacketType {
    /// The type's number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// A packet between this crate and a [parser](crate::PacketParser): its fields, and a payload of JSON.
///
/// JSON can't hold bytes. In the payload, a binary value is `{"_placeholder":true,"num":n}`, and its bytes are
/// the n-th attachment.
///
/// ```
/// use socketio::{RawPacketType, RawPacket};
///
/// let packet = RawPacket {
///     kind: RawPacketType::Event,
///     nsp: "/".into(),
///     id: None,
///     payload: r#"["chat","hi"]"#.into(),
///     attachments: Vec::new(),
/// };
/// assert_eq!(packet.kind.number(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPacket {
    /// The packet's type.
    pub kind: RawPacketType,
    /// The namespace, with its leading slash.
    pub nsp: ByteString,
    /// The id of the acknowledgement that an event asks for, or that this is.
    pub id: Option<u64>,
    /// JSON, or nothing: an object in CONNECT and CONNECT_ERROR, an array in EVENT (its name first) and ACK.
    pub payload: ByteString,
    /// The bytes of the payload's binary values.
    pub attachments: Vec<Bytes>,
}
