//! What kind of message bytes most likely are.

use bytes::Bytes;
use engineio::{Jsonp, Revision};

use crate::{Kind, engine, frames};

/// The payload inside JSONP: in a POST it is a field of a form, in the answer to a poll an argument in a script.
pub(crate) fn out_of_jsonp(message: &[u8]) -> Option<Bytes> {
    if message.starts_with(b"d=") {
        return Some(Jsonp::payload(message));
    }
    let call = message.strip_prefix(b"___eio[")?.strip_suffix(b");")?;
    let string = call.iter().position(|byte| *byte == b'(').map(|at| &call[at + 1..])?;
    serde_json::from_slice(string).ok().map(|payload: String| payload.into())
}

/// What these bytes most likely are. If an attachment is due, everything that doesn't begin like a text packet is one.
pub(crate) fn kind(message: &[u8], revision: Revision, awaits_attachment: bool) -> Kind {
    let payload = match revision {
        Revision::V4 => message.contains(&engine::SEPARATOR),
        Revision::V3 => engine::is_binary_payload(message) || engine::is_counted_payload(message),
    };
    // In revision 3 a binary message begins with a byte 4.
    let typed = revision == Revision::V3 && message.starts_with(&[4]);
    let framed = !message.is_empty() && frames::are_frames(message);
    let attachment = awaits_attachment && !framed && !matches!(message, [b'0'..=b'6' | b'b', ..]);
    if attachment && revision == Revision::V4 {
        Kind::Binary
    } else if message.is_empty() || payload {
        Kind::Payload
    } else if framed {
        Kind::Frames
    } else if typed || std::str::from_utf8(message).is_err() {
        Kind::Binary
    } else {
        Kind::Text
    }
}
