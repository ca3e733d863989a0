//! The default parser: packets as text, followed by their attachments.
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

use bytes::Bytes;
use bytestring::ByteString;
use engineio::{Frame, Revision};

use crate::args::{ArgsWriter, ToArgs};
use crate::packet::Packet;
use crate::packet::error::PacketViolation;
use crate::packet::frames::{Frames, Tail};
use crate::packet::raw::{MAX_ACK_ID, RawPacketType};

const BINARY_EVENT: u8 = b'5';
const BINARY_ACK: u8 = b'6';

/// A packet, and how many attachments will follow.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) packet: Packet,
    pub(crate) attachments: usize,
}

/// What is in front of a packet's payload.
pub(crate) struct Header<'a> {
    /// The type on the wire.
    pub(crate) digit: u8,
    pub(crate) kind: RawPacketType,
    pub(crate) attachments: usize,
    pub(crate) nsp: &'a str,
    pub(crate) id: Option<u64>,
    pub(crate) payload: &'a str,
}

impl Header<'_> {
    pub(crate) fn read(text: &str) -> Result<Header<'_>, PacketViolation> {
        let digit = *text.as_bytes().first().ok_or(PacketViolation::UnknownType)?;
        let kind = match digit {
            BINARY_EVENT => RawPacketType::Event,
            BINARY_ACK => RawPacketType::Ack,
            digit => {
                RawPacketType::from_number(digit.wrapping_sub(b'0')).ok_or(PacketViolation::UnknownType)?
            }
        };
        let mut rest = &text[1..];

        let mut attachments = 0;
        if matches!(digit, BINARY_EVENT | BINARY_ACK) {
            let (digits, tail) = split_digits(rest);
            rest = tail.strip_prefix('-').ok_or(PacketViolation::AttachmentCount)?;
            attachments =
                digits.parse().ok().filter(|count| *count > 0).ok_or(PacketViolation::AttachmentCount)?;
        }

        let mut nsp = "/";
        if rest.starts_with('/') {
            (nsp, rest) = rest.split_once(',').unwrap_or((rest, ""));
        }

        let (digits, payload) = split_digits(rest);
        let id = match digits {
            "" => None,
            digits => Some(digits.parse().ok().filter(|id| *id <= MAX_ACK_ID).ok_or(PacketViolation::AckId)?),
        };
        Ok(Header { digit, kind, attachments, nsp, id, payload })
    }
}

/// Reads a packet, which shares the memory of `text`.
pub(crate) fn decode(
    text: &ByteString,
    revision: Revision,
    max_attachments: usize,
) -> Result<Decoded, PacketViolation> {
    let Header { kind, attachments, nsp, id, payload, .. } = Header::read(text)?;
    if attachments > max_attachments {
        return Err(PacketViolation::TooManyAttachments);
    }
    let nsp = if nsp == "/" { ByteString::from_static("/") } else { text.slice_ref(nsp) };
    let packet = Packet::read(kind, nsp, id, text.slice_ref(payload), attachments, revision)?;
    Ok(Decoded { packet, attachments })
}

/// Splits off the leading ASCII digits: `[0-9]+`, no sign, no exponent.
fn split_digits(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(digits)
}

/// Writes an event or an acknowledgement. An event's `name` is written before its arguments.
pub(crate) fn encode_args(
    kind: RawPacketType,
    nsp: &str,
    id: Option<u64>,
    name: Option<&str>,
    args: impl ToArgs,
    tail: Tail,
) -> Result<Frames, serde_json::Error> {
    let mut attachments = Vec::new();
    let text = Frame::text_with(64 + args.len_hint(), |text| {
        let start = text.len();
        write_header(text, kind, nsp);
        if let Some(id) = id {
            text.extend_from_slice(id.to_string().as_bytes());
        }
        attachments = write_array(text, name, args, tail)?;
        if !attachments.is_empty() {
            // How many there are is only known now.
            let digit = if kind == RawPacketType::Event { BINARY_EVENT } else { BINARY_ACK };
            let header = format!("{}{}-", char::from(digit), attachments.len());
            text.splice(start..=start, header.bytes());
        }
        Ok::<_, serde_json::Error>(())
    })?;
    if attachments.is_empty() {
        return Ok(Frames::One(text));
    }
    let binary = attachments.iter().map(|bytes| Frame::binary(bytes));
    Ok(Frames::Many(std::iter::once(text).chain(binary).collect()))
}

/// Writes the JSON array of an event or an acknowledgement. Returns its attachments.
pub(crate) fn write_array(
    json: &mut Vec<u8>,
    name: Option<&str>,
    args: impl ToArgs,
    tail: Tail,
) -> Result<Vec<Bytes>, serde_json::Error> {
    if let Some(name) = name {
        json.push(b'[');
        serde_json::to_writer(&mut *json, name)?;
    }
    let mut writer = ArgsWriter::new(json, name.is_some());
    args.write(&mut writer)?;
    let attachments = writer.into_attachments();
    match tail {
        Tail::None => {}
        Tail::Offset(offset) => {
            json.pop();
            json.extend_from_slice(format!(",\"{offset}\"]").as_bytes());
        }
        Tail::NoString if json.ends_with(b"\"]") => {
            json.pop();
            json.extend_from_slice(b",null]");
        }
        Tail::NoString => {}
    }
    Ok(attachments)
}

/// Writes a packet of another type. `write` appends its payload, if there is one.
pub(crate) fn encode_control(kind: RawPacketType, nsp: &str, write: impl FnOnce(&mut Vec<u8>)) -> Frame {
    let written = Frame::text_with(64, |text| {
        write_header(text, kind, nsp);
        write(text);
        Ok::<_, std::convert::Infallible>(())
    });
    match written {
        Ok(frame) => frame,
        Err(never) => match never {},
    }
}

fn write_header(text: &mut Vec<u8>, kind: RawPacketType, nsp: &str) {
    text.push(b'0' + kind.number());
    if nsp != "/" {
        text.extend_from_slice(nsp.as_bytes());
        text.push(b',');
    }
}

#[cfg(test)]
mod tests;
