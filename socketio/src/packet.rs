//! Socket.IO packets as text.
//!
//! ```text
//!   51-/admin,12["picture",{"_placeholder":true,"num":0}]
//!   ││ │      │ └ payload: JSON
//!   ││ │      └ acknowledgement id
//!   ││ └ namespace and a comma; nothing stands for `/`
//!   │└ number of binary attachments and a dash, in types 5 and 6 alone
//!   └ type
//! ```
//! (Socket.IO protocol, "Packet encoding".)

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use bytestring::ByteString;
use engineio::{CloseReason, Frame, Query, Revision};
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::args::{Args, ArgsWriter, ToArgs};
use crate::binary::check_placeholders;
use crate::json;
use crate::middleware::ConnectError;

/// "The following event names are reserved and must not be used by the application."
pub(crate) const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// The largest integer that a JavaScript number holds exactly.
const MAX_ACK_ID: u64 = (1 << 53) - 1;

const CONNECT: u8 = b'0';
const DISCONNECT: u8 = b'1';
const EVENT: u8 = b'2';
const ACK: u8 = b'3';
const CONNECT_ERROR: u8 = b'4';
const BINARY_EVENT: u8 = b'5';
const BINARY_ACK: u8 = b'6';

/// A packet that a client sent.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) nsp: ByteString,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    /// `0`: join the namespace. `auth` is the JSON of an object.
    Connect { auth: Option<ByteString> },
    /// `1`: leave the namespace.
    Disconnect,
    /// `2` and `5`.
    Event(Event),
    /// `3` and `6`: the answer to an event. One without an id answers nothing.
    Ack { id: Option<u64>, args: Args },
}

#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: ByteString,
    pub(crate) args: Args,
    /// The id that an acknowledgement is to carry, if the client wants one.
    pub(crate) id: Option<u64>,
}

/// What a packet that waits is counted for, beyond its bytes.
const OVERHEAD: usize = 64;

impl Packet {
    /// The bytes that it takes to keep the packet, about.
    pub(crate) fn cost(&self) -> usize {
        let body = match &self.body {
            Body::Event(event) => event.cost(),
            Body::Ack { args, .. } => args.cost(),
            Body::Connect { .. } | Body::Disconnect => 0,
        };
        self.nsp.len() + body + OVERHEAD
    }
}

impl Event {
    /// The bytes that it takes to keep the event, about.
    pub(crate) fn cost(&self) -> usize {
        self.args.cost() + OVERHEAD
    }
}

/// A packet, and how many attachments are still to come for it.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) packet: Packet,
    pub(crate) attachments: usize,
}

/// A rule of the protocol that a client's packet broke. Each ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PacketError {
    UnknownType,
    AttachmentCount,
    AckId,
    Json,
    TooDeep,
    MissingPayload,
    NotAnArray,
    EventName,
    ReservedEvent,
    AuthNotAnObject,
    DisconnectPayload,
    ConnectErrorFromClient,
    Placeholder,
    TextAmongAttachments,
    UnexpectedAttachment,
    AttachmentsTooLarge,
    AttachmentTimeout,
}

impl PacketError {
    /// How the session ends.
    pub(crate) fn close_reason(self) -> CloseReason {
        match self {
            // A well-formed packet that only a server may send.
            PacketError::ConnectErrorFromClient => CloseReason::ForcedClose,
            _ => CloseReason::ParseError,
        }
    }
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PacketError::UnknownType => "unknown packet type",
            PacketError::AttachmentCount => "illegal number of attachments",
            PacketError::AckId => "an acknowledgement id above 2^53 - 1",
            PacketError::Json => "the payload is not JSON",
            PacketError::TooDeep => "the payload nests too deep",
            PacketError::MissingPayload => "an event without a payload",
            PacketError::NotAnArray => "the payload is not an array",
            PacketError::EventName => "an event's name is neither a string nor a number",
            PacketError::ReservedEvent => "a reserved event name",
            PacketError::AuthNotAnObject => "CONNECT with a payload that is not an object",
            PacketError::DisconnectPayload => "DISCONNECT with a payload",
            PacketError::ConnectErrorFromClient => "CONNECT_ERROR from a client",
            PacketError::Placeholder => "a placeholder without its attachment",
            PacketError::TextAmongAttachments => "text where an attachment was due",
            PacketError::UnexpectedAttachment => "an attachment that no packet announced",
            PacketError::AttachmentsTooLarge => "too many bytes of attachments",
            PacketError::AttachmentTimeout => "an attachment did not come in time",
        })
    }
}

impl std::error::Error for PacketError {}

/// Reads a packet. What it keeps of `text` shares its memory.
pub(crate) fn decode(
    text: &ByteString,
    revision: Revision,
    max_attachments: usize,
) -> Result<Decoded, PacketError> {
    let kind = *text.as_bytes().first().ok_or(PacketError::UnknownType)?;
    if !(CONNECT..=BINARY_ACK).contains(&kind) {
        return Err(PacketError::UnknownType);
    }
    let mut rest = &text[1..];

    let mut attachments = 0;
    if let BINARY_EVENT | BINARY_ACK = kind {
        let (digits, tail) = split_digits(rest);
        rest = tail.strip_prefix('-').ok_or(PacketError::AttachmentCount)?;
        attachments = digits.parse().map_err(|_| PacketError::AttachmentCount)?;
        if !(1..=max_attachments).contains(&attachments) {
            return Err(PacketError::AttachmentCount);
        }
    }

    let mut nsp = "/";
    if rest.starts_with('/') {
        (nsp, rest) = rest.split_once(',').unwrap_or((rest, ""));
    }

    let (digits, payload) = split_digits(rest);
    let id = match digits {
        "" => None,
        digits => Some(digits.parse().ok().filter(|id| *id <= MAX_ACK_ID).ok_or(PacketError::AckId)?),
    };

    if json::too_deep(payload) {
        return Err(PacketError::TooDeep);
    }
    let payload = match json::replace_lone_surrogates(payload) {
        Cow::Borrowed(payload) => text.slice_ref(payload),
        Cow::Owned(repaired) => repaired.into(),
    };

    // "Query strings in a namespace follow the revision: part of the name in 4, cut off and offered as auth
    // in 3."
    let (nsp, query) = match revision {
        Revision::V3 => nsp.split_once('?').unwrap_or((nsp, "")),
        Revision::V4 => (nsp, ""),
    };

    let body = match kind {
        CONNECT => {
            let auth = decode_auth(payload)?;
            Body::Connect {
                auth: match revision {
                    Revision::V3 => query_as_auth(query),
                    Revision::V4 => auth,
                },
            }
        }
        DISCONNECT if payload.is_empty() => Body::Disconnect,
        DISCONNECT => return Err(PacketError::DisconnectPayload),
        EVENT | BINARY_EVENT => Body::Event(decode_event(payload, id, attachments)?),
        ACK | BINARY_ACK => Body::Ack { id, args: decode_ack(payload, attachments)? },
        _ => return Err(PacketError::ConnectErrorFromClient),
    };
    let nsp = if nsp == "/" { ByteString::from_static("/") } else { text.slice_ref(nsp) };
    Ok(Decoded { packet: Packet { nsp, body }, attachments })
}

/// Splits off the leading ASCII digits: `[0-9]+`, no sign, no exponent.
fn split_digits(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(digits)
}

fn decode_auth(payload: ByteString) -> Result<Option<ByteString>, PacketError> {
    if payload.is_empty() {
        return Ok(None);
    }
    serde_json::from_str::<IgnoredAny>(&payload).map_err(|_| PacketError::Json)?;
    if payload.trim_start().starts_with('{') { Ok(Some(payload)) } else { Err(PacketError::AuthNotAnObject) }
}

/// The parameters of a revision 3 namespace as a JSON object of strings.
fn query_as_auth(query: &str) -> Option<ByteString> {
    let parameters: BTreeMap<_, _> = Query::new(query).iter().collect();
    if parameters.is_empty() {
        return None;
    }
    serde_json::to_string(&parameters).ok().map(ByteString::from)
}

fn decode_event(payload: ByteString, id: Option<u64>, attachments: usize) -> Result<Event, PacketError> {
    if payload.is_empty() {
        return Err(PacketError::MissingPayload);
    }
    let JsonArray { first, len } = decode_array(&payload, attachments)?;
    let raw_name = first.ok_or(PacketError::EventName)?;
    let name = match raw_name.as_bytes()[0] {
        b'"' => match raw_name[1..raw_name.len() - 1].find('\\') {
            None => payload.slice_ref(&raw_name[1..raw_name.len() - 1]),
            Some(_) => serde_json::from_str::<String>(raw_name).map_err(|_| PacketError::Json)?.into(),
        },
        // A client may use numbers as names. JavaScript makes no difference between 5 and "5" there.
        b'-' | b'0'..=b'9' => payload.slice_ref(raw_name),
        _ => return Err(PacketError::EventName),
    };
    if RESERVED_EVENTS.contains(&&*name) {
        return Err(PacketError::ReservedEvent);
    }
    // The first argument stands behind the comma; the closing bracket stands there if there is none.
    let after_name = raw_name.as_ptr().addr() - payload.as_ptr().addr() + raw_name.len();
    let separator = payload[after_name..].find([',', ']']).unwrap_or_default();
    let start = after_name + separator + usize::from(len > 1);
    Ok(Event { name, args: Args::from_array(payload, 1, start, len - 1), id })
}

fn decode_ack(payload: ByteString, attachments: usize) -> Result<Args, PacketError> {
    if payload.is_empty() {
        return Ok(Args::none());
    }
    let len = decode_array(&payload, attachments)?.len;
    let start = payload.find('[').map_or(0, |at| at + 1);
    Ok(Args::from_array(payload, 0, start, len))
}

fn decode_array(payload: &str, attachments: usize) -> Result<JsonArray<'_>, PacketError> {
    // JSON may begin with a space. Here it would stand where an ack id can, and the reference reads it as 0.
    if payload.starts_with(|first: char| first.is_ascii_whitespace()) {
        return Err(PacketError::Json);
    }
    let array = serde_json::from_str::<JsonArray<'_>>(payload)
        .map_err(|error| if error.is_data() { PacketError::NotAnArray } else { PacketError::Json })?;
    if attachments > 0 {
        check_placeholders(payload, attachments).map_err(|_| PacketError::Placeholder)?;
    }
    Ok(array)
}

/// A valid JSON array: its length and the text of its first element.
struct JsonArray<'a> {
    first: Option<&'a str>,
    len: usize,
}

impl<'de> Deserialize<'de> for JsonArray<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ArrayVisitor;

        impl<'de> Visitor<'de> for ArrayVisitor {
            type Value = JsonArray<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<JsonArray<'de>, A::Error> {
                let Some(first) = seq.next_element::<&RawValue>()? else {
                    return Ok(JsonArray { first: None, len: 0 });
                };
                let mut len = 1;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    len += 1;
                }
                Ok(JsonArray { first: Some(first.get()), len })
            }
        }

        deserializer.deserialize_seq(ArrayVisitor)
    }
}

/// The frames of one packet: its text, and its attachments behind it.
#[derive(Clone, Debug)]
pub(crate) enum Frames {
    Text(Frame),
    Binary(Vec<Frame>),
}

impl Frames {
    pub(crate) fn as_slice(&self) -> &[Frame] {
        match self {
            Frames::Text(frame) => std::slice::from_ref(frame),
            Frames::Binary(frames) => frames,
        }
    }
}

/// Writes an event. With an `id` the client is to acknowledge it.
pub(crate) fn encode_event(
    nsp: &str,
    id: Option<u64>,
    name: &str,
    args: impl ToArgs,
) -> Result<Frames, serde_json::Error> {
    encode_args(EVENT, BINARY_EVENT, nsp, id, Some(name), args)
}

/// Writes the acknowledgement of the event that carried `id`.
pub(crate) fn encode_ack(nsp: &str, id: u64, args: impl ToArgs) -> Result<Frames, serde_json::Error> {
    encode_args(ACK, BINARY_ACK, nsp, Some(id), None, args)
}

fn encode_args(
    kind: u8,
    binary_kind: u8,
    nsp: &str,
    id: Option<u64>,
    name: Option<&str>,
    args: impl ToArgs,
) -> Result<Frames, serde_json::Error> {
    let mut attachments = Vec::new();
    let text = Frame::text_with(64, |text| {
        let start = text.len();
        write_header(text, kind, nsp);
        if let Some(id) = id {
            text.extend_from_slice(id.to_string().as_bytes());
        }
        if let Some(name) = name {
            text.push(b'[');
            serde_json::to_writer(&mut *text, name)?;
        }
        let mut writer = ArgsWriter::new(text, name.is_some());
        args.write(&mut writer)?;
        attachments = writer.into_attachments();
        if !attachments.is_empty() {
            // How many there are is only known now.
            let header = format!("{}{}-", char::from(binary_kind), attachments.len());
            text.splice(start..=start, header.bytes());
        }
        Ok::<_, serde_json::Error>(())
    })?;
    if attachments.is_empty() {
        return Ok(Frames::Text(text));
    }
    let binary = attachments.iter().map(|bytes| Frame::binary(bytes));
    Ok(Frames::Binary(std::iter::once(text).chain(binary).collect()))
}

/// The answer to CONNECT: `40{"sid":"…"}`, in revision 3 a bare `40`.
pub(crate) fn encode_connect(revision: Revision, nsp: &str, socket_id: &str) -> Frame {
    write(|text| {
        write_header(text, CONNECT, nsp);
        if revision == Revision::V4 {
            text.extend_from_slice(br#"{"sid":""#);
            text.extend_from_slice(socket_id.as_bytes());
            text.extend_from_slice(br#""}"#);
        }
    })
}

/// Tells the client that it is no longer in the namespace.
pub(crate) fn encode_disconnect(nsp: &str) -> Frame {
    write(|text| write_header(text, DISCONNECT, nsp))
}

/// The answer to CONNECT with a namespace that does not exist: an object in both revisions.
pub(crate) fn encode_invalid_namespace(nsp: &str) -> Frame {
    write(|text| {
        write_header(text, CONNECT_ERROR, nsp);
        text.extend_from_slice(br#"{"message":"Invalid namespace"}"#);
    })
}

/// The refusal of a CONNECT: message and data as an object, in revision 3 the data alone or the message.
pub(crate) fn encode_connect_error(revision: Revision, nsp: &str, error: &ConnectError) -> Frame {
    write(|text| {
        write_header(text, CONNECT_ERROR, nsp);
        let payload = match (revision, &error.data) {
            (Revision::V4, _) => serde_json::to_string(error),
            (Revision::V3, Some(payload)) => serde_json::to_string(payload),
            (Revision::V3, None) => serde_json::to_string(&error.message),
        };
        // Text and a `Value` are always JSON.
        text.extend_from_slice(payload.unwrap_or_default().as_bytes());
    })
}

fn write_header(text: &mut Vec<u8>, kind: u8, nsp: &str) {
    text.push(kind);
    if nsp != "/" {
        text.extend_from_slice(nsp.as_bytes());
        text.push(b',');
    }
}

fn write(write: impl FnOnce(&mut Vec<u8>)) -> Frame {
    let written = Frame::text_with(64, |text| {
        write(text);
        Ok::<_, std::convert::Infallible>(())
    });
    match written {
        Ok(frame) => frame,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests;
