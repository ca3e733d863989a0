//! MessagePack: a packet as one binary message, as the npm package `socket.io-msgpack-parser` has it.
//!
//! ```text
//!   84                               a map of four
//!   a4 type 02                       EVENT; types are 0 to 4, and binary values take no type of their own
//!   a4 data 92 a1 e c4 02 01 02      the payload: ["e", 2 bytes]
//!   a2 id 0c                         left out, or undefined, where there is none
//!   a3 nsp a1 /                      always there, also for `/`
//! ```
//!
//! Both directions go through JSON: see [`RawPacket`]. A value that JSON can't express becomes what
//! `JSON.stringify` makes of it: a `Date` becomes its text, NaN and the infinities become `null`, and an
//! undefined member disappears.

mod read;
mod write;

use bytes::Bytes;
use serde::ser::Error as _;

use crate::packet::error::PacketViolation;
use crate::packet::raw::{MAX_ACK_ID, RawPacket, RawPacketType};
use read::{Dates, Reader, Value};

/// Reads a packet. Its attachments share the memory of `message`. `limit` bounds the bytes of what it
/// becomes: a short message can have a long text in JSON.
pub(crate) fn decode(message: &Bytes, limit: usize) -> Result<RawPacket, PacketViolation> {
    let mut reader = Reader::new(message, limit, Dates::Old);
    let Value::Map(len) = reader.value()? else { return Err(PacketViolation::MsgPack("it is not a map")) };
    let (mut kind, mut nsp, mut id) = (None, None, None);
    for _ in 0..len {
        let Value::Text(key) = reader.value()? else {
            return Err(PacketViolation::MsgPack("a field's name is not text"));
        };
        // Where a field comes twice, the last one counts.
        match key {
            b"type" => kind = Some(packet_type(reader.value()?)?),
            b"nsp" => nsp = Some(namespace(reader.value()?)?),
            b"id" => id = ack_id(reader.value()?)?,
            b"data" => reader.payload()?,
            // Clients send other fields too, such as `options`.
            _ => reader.skip()?,
        }
    }
    let (json, attachments) = reader.finish()?;
    Ok(RawPacket {
        kind: kind.ok_or(PacketViolation::UnknownType)?,
        nsp: nsp.ok_or(PacketViolation::MsgPack("it has no namespace"))?.into(),
        id,
        payload: String::from_utf8(json).map_err(|_| PacketViolation::Json)?.into(),
        attachments,
    })
}

fn packet_type(value: Value<'_>) -> Result<RawPacketType, PacketViolation> {
    let Value::Integer(number) = value else { return Err(PacketViolation::UnknownType) };
    u8::try_from(number).ok().and_then(RawPacketType::from_number).ok_or(PacketViolation::UnknownType)
}

fn namespace(value: Value<'_>) -> Result<String, PacketViolation> {
    match value {
        Value::Text(nsp) => Ok(String::from_utf8_lossy(nsp).into_owned()),
        _ => Err(PacketViolation::MsgPack("the namespace is not text")),
    }
}

fn ack_id(value: Value<'_>) -> Result<Option<u64>, PacketViolation> {
    match value {
        Value::Undefined => Ok(None),
        Value::Integer(id) => {
            u64::try_from(id).ok().filter(|id| *id <= MAX_ACK_ID).map(Some).ok_or(PacketViolation::AckId)
        }
        _ => Err(PacketViolation::AckId),
    }
}

/// Reads a value that another node sent: JSON and attachments, like a packet's payload.
pub(crate) fn decode_value(message: &Bytes, limit: usize) -> Result<(String, Vec<Bytes>), PacketViolation> {
    let mut reader = Reader::new(message, limit, Dates::Timestamps);
    reader.payload()?;
    let (json, attachments) = reader.finish()?;
    if json.is_empty() {
        return Err(PacketViolation::MsgPack("it is undefined"));
    }
    Ok((String::from_utf8(json).map_err(|_| PacketViolation::Json)?, attachments))
}

/// Writes a value for other nodes. It fails like [`encode`].
pub(crate) fn encode_value(json: &str, attachments: &[Bytes]) -> Result<Vec<u8>, serde_json::Error> {
    let size = json.len() + attachments.iter().map(Bytes::len).sum::<usize>();
    u32::try_from(size).map_err(serde_json::Error::custom)?;
    let mut out = Vec::with_capacity(size);
    write::json(&mut out, json, attachments)?;
    Ok(out)
}

/// Writes a packet. It fails if the payload nests deeper than serde_json can read, or is longer than 4 GiB.
pub(crate) fn encode(packet: &RawPacket) -> Result<Vec<u8>, serde_json::Error> {
    let RawPacket { kind, nsp, id, payload, attachments } = packet;
    // A length has 32 bits at most.
    let size = nsp.len() + payload.len() + attachments.iter().map(Bytes::len).sum::<usize>();
    u32::try_from(size).map_err(serde_json::Error::custom)?;
    let mut out = Vec::with_capacity(32 + size);
    let fields = 2 + usize::from(!payload.is_empty()) + usize::from(id.is_some());
    write::map_of(&mut out, fields);
    write::text(&mut out, "type");
    write::unsigned(&mut out, kind.number().into());
    if !payload.is_empty() {
        write::text(&mut out, "data");
        write::json(&mut out, payload, attachments)?;
    }
    if let Some(id) = id {
        write::text(&mut out, "id");
        write::unsigned(&mut out, *id);
    }
    write::text(&mut out, "nsp");
    write::text(&mut out, nsp);
    Ok(out)
}

#[cfg(test)]
mod tests;
