//! How packets are written and read: the default parser, MessagePack, or one of the application's own.
//!
//! The default parser writes arguments straight into their frame. The others get a packet of JSON and
//! attachments, and return one: what handlers see does not depend on the parser.

use std::fmt;
use std::sync::Arc;

use engineio::{Frame, Message, Revision, Sid};
use serde::ser::Error as _;

use crate::args::ToArgs;
use crate::error::connect_error::ConnectError;
use crate::log::Excerpt;
use crate::packet::error::PacketViolation;
use crate::packet::frames::{Frames, Tail};
use crate::packet::raw::{RawPacket, RawPacketType};
use crate::packet::{Packet, msgpack, text};

/// The form that packets have on the wire. Both sides must agree on it: a client is given the same with its
/// option `parser`.
///
/// ```
/// use socketio::{IoConfig, Io, Parser};
///
/// fn application() -> Io {
///     Io::with_config(IoConfig { parser: Parser::MsgPack, ..IoConfig::default() })
/// }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Parser {
    /// JSON text, and then each binary value in a message of its own. Every client uses this unless told
    /// otherwise.
    #[default]
    Default,
    /// MessagePack, as the npm package `socket.io-msgpack-parser` has it: one binary message a packet, binary
    /// values inside.
    ///
    /// It costs more time here than the default: each packet is translated from or to JSON.
    MsgPack,
    /// A parser of your own.
    Custom(Arc<dyn PacketParser>),
}

/// A parser, which writes each packet as one message, and reads it again.
///
/// ```
/// use std::sync::Arc;
/// use engineio::Message;
/// use socketio::{IoConfig, Io, PacketParser, RawPacketType, Parser, ParserError, RawPacket};
///
/// /// `TYPE ID NAMESPACE PAYLOAD`, without binary values.
/// #[derive(Debug)]
/// struct Words;
///
/// impl PacketParser for Words {
///     fn encode(&self, packet: &RawPacket) -> Message {
///         let id = packet.id.map_or("-".to_owned(), |id| id.to_string());
///         let RawPacket { kind, nsp, payload, .. } = packet;
///         Message::Text(format!("{} {id} {nsp} {payload}", kind.number()).into())
///     }
///
///     fn decode(&self, message: Message) -> Result<RawPacket, ParserError> {
///         let Message::Text(text) = message else { return Err(ParserError::new("not text")) };
///         let [kind, id, nsp, payload] = *text.splitn(4, ' ').collect::<Vec<_>>() else {
///             return Err(ParserError::new("words are missing"));
///         };
///         let kind = kind.parse().ok().and_then(RawPacketType::from_number);
///         Ok(RawPacket {
///             kind: kind.ok_or(ParserError::new("no type"))?,
///             nsp: text.slice_ref(nsp),
///             id: id.parse().ok(),
///             payload: text.slice_ref(payload),
///             attachments: Vec::new(),
///         })
///     }
/// }
///
/// let io = Io::with_config(IoConfig { parser: Parser::Custom(Arc::new(Words)), ..IoConfig::default() });
/// ```
pub trait PacketParser: fmt::Debug + Send + Sync + 'static {
    /// Writes a packet. Its payload is JSON, of what the application sends.
    fn encode(&self, packet: &RawPacket) -> Message;

    /// Reads a packet. The rules for what is in a packet (of that type) are checked after this, JSON included; so a
    /// parser needn't check them.
    ///
    /// # Errors
    /// If this is not a packet. The session ends with `parse error`.
    fn decode(&self, message: Message) -> Result<RawPacket, ParserError>;
}

/// Why a parser did not understand a message.
///
/// ```
/// use socketio::ParserError;
///
/// assert_eq!(ParserError::new("not text").to_string(), "not text");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParserError(Box<str>);

impl ParserError {
    /// An error with this text, which is logged.
    #[must_use]
    pub fn new(what: impl Into<Box<str>>) -> ParserError {
        ParserError(what.into())
    }
}

impl fmt::Display for ParserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParserError {}

/// # Writing
impl Parser {
    /// An event. With an `id`, it asks for an acknowledgement.
    pub(crate) fn event(
        &self,
        nsp: &str,
        id: Option<u64>,
        name: &str,
        args: impl ToArgs,
        tail: Tail,
    ) -> Result<Frames, serde_json::Error> {
        self.with_args(RawPacketType::Event, nsp, id, Some(name), args, tail)
    }

    /// The acknowledgement of the event that carried `id`.
    pub(crate) fn ack(&self, nsp: &str, id: u64, args: impl ToArgs) -> Result<Frames, serde_json::Error> {
        self.with_args(RawPacketType::Ack, nsp, Some(id), None, args, Tail::None)
    }

    /// A packet with arguments: an event, which has a `name`, or an acknowledgement.
    fn with_args(
        &self,
        kind: RawPacketType,
        nsp: &str,
        id: Option<u64>,
        name: Option<&str>,
        args: impl ToArgs,
        tail: Tail,
    ) -> Result<Frames, serde_json::Error> {
        let Some(whole) = self.whole() else {
            return text::encode_args(kind, nsp, id, name, args, tail);
        };
        let mut json = Vec::with_capacity(64);
        let attachments = text::write_array(&mut json, name, args, tail)?;
        let payload = String::from_utf8(json).map_err(serde_json::Error::custom)?.into();
        Ok(Frames::One(whole.encode(&RawPacket { kind, nsp: nsp.into(), id, payload, attachments })?))
    }

    /// A client's CONNECT, with the JSON of its auth if it has one.
    pub(crate) fn join(&self, nsp: &str, auth: &str) -> Frame {
        self.control(RawPacketType::Connect, nsp, |json| json.extend_from_slice(auth.as_bytes()))
    }

    /// The answer to CONNECT: `{"sid":"…"}`, in revision 3 nothing. The `pid` is for a recovery.
    pub(crate) fn connect(&self, revision: Revision, nsp: &str, socket_id: &str, pid: Option<Sid>) -> Frame {
        self.control(RawPacketType::Connect, nsp, |json| {
            if revision == Revision::V4 {
                json.extend_from_slice(br#"{"sid":""#);
                json.extend_from_slice(socket_id.as_bytes());
                if let Some(pid) = pid {
                    json.extend_from_slice(br#"","pid":""#);
                    json.extend_from_slice(pid.as_str().as_bytes());
                }
                json.extend_from_slice(br#""}"#);
            }
        })
    }

    /// Tells the other side that the client is no longer in the namespace.
    pub(crate) fn disconnect(&self, nsp: &str) -> Frame {
        self.control(RawPacketType::Disconnect, nsp, |_| {})
    }

    /// The answer to CONNECT with a namespace that does not exist: an object in both revisions.
    pub(crate) fn invalid_namespace(&self, nsp: &str) -> Frame {
        self.connect_error(Revision::V4, nsp, &ConnectError::new("Invalid namespace"))
    }

    /// The refusal of a CONNECT: message and data as an object, in revision 3 the data alone or the message.
    pub(crate) fn connect_error(&self, revision: Revision, nsp: &str, error: &ConnectError) -> Frame {
        self.control(RawPacketType::ConnectError, nsp, |json| {
            let payload = match (revision, &error.data) {
                (Revision::V4, _) => serde_json::to_string(error),
                (Revision::V3, Some(payload)) => serde_json::to_string(payload),
                (Revision::V3, None) => serde_json::to_string(&error.message),
            };
            // Text and a `Value` are always JSON.
            json.extend_from_slice(payload.unwrap_or_default().as_bytes());
        })
    }

    fn control(&self, kind: RawPacketType, nsp: &str, write: impl FnOnce(&mut Vec<u8>)) -> Frame {
        let Some(whole) = self.whole() else { return text::encode_control(kind, nsp, write) };
        let mut json = Vec::new();
        write(&mut json);
        let payload = String::from_utf8(json).unwrap_or_default().into();
        let mut raw = RawPacket { kind, nsp: nsp.into(), id: None, payload, attachments: Vec::new() };
        whole.encode(&raw).unwrap_or_else(|error| {
            // Only a refusal contains data of the application, which may nest too deep.
            tracing::error!(%error, "a refusal is sent without its data");
            raw.payload = r#"{"message":"Internal error"}"#.into();
            whole.encode(&raw).unwrap_or_else(|_| Frame::binary(&[]))
        })
    }
}

/// # Reading
impl Parser {
    /// The packet that is in one message. `None` with the default parser, where a packet can take several
    /// messages: they go to the [`Decoder`](crate::packet::decoder::Decoder). `limit` bounds the bytes it may take.
    pub(crate) fn read_whole(
        &self,
        message: &Message,
        revision: Revision,
        limit: usize,
    ) -> Option<Result<Packet, PacketViolation>> {
        let raw = self.whole()?.decode(message, limit);
        Some(raw.and_then(|RawPacket { kind, nsp, id, payload, attachments }| {
            let mut packet = Packet::read(kind, nsp, id, payload, attachments.len(), revision)?;
            packet.attach(attachments);
            Ok(packet)
        }))
    }

    /// The packet in one message, without checks, for observers. `None` with the default parser.
    pub(crate) fn raw(&self, message: &Message) -> Option<Result<RawPacket, PacketViolation>> {
        Some(self.whole()?.decode(message, usize::MAX))
    }

    fn whole(&self) -> Option<Whole<'_>> {
        match self {
            Parser::Default => None,
            Parser::MsgPack => Some(Whole::MsgPack),
            Parser::Custom(parser) => Some(Whole::Custom(&**parser)),
        }
    }
}

/// A parser with one message for each packet.
#[derive(Clone, Copy)]
enum Whole<'a> {
    MsgPack,
    Custom(&'a dyn PacketParser),
}

impl Whole<'_> {
    fn encode(self, raw: &RawPacket) -> Result<Frame, serde_json::Error> {
        let message = match self {
            Whole::MsgPack => return Ok(Frame::binary(&msgpack::encode(raw)?)),
            Whole::Custom(parser) => parser.encode(raw),
        };
        Ok(match message {
            Message::Text(text) => Frame::text(&text),
            Message::Binary(bytes) => Frame::binary(&bytes),
        })
    }

    fn decode(self, message: &Message, limit: usize) -> Result<RawPacket, PacketViolation> {
        match (self, message) {
            (Whole::MsgPack, Message::Binary(bytes)) => msgpack::decode(bytes, limit),
            (Whole::MsgPack, Message::Text(_)) => Err(PacketViolation::MsgPack("text")),
            (Whole::Custom(parser), message) => parser.decode(message.clone()).map_err(|error| {
                tracing::debug!(error = %Excerpt(&error.to_string()), "a parser refused a message");
                PacketViolation::Unreadable
            }),
        }
    }
}

#[cfg(test)]
mod tests;
