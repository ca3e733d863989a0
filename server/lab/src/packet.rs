//! Packets as scripts see them: read with patience, so that what is wrong can be told, and written as they stand, so that a
//! script can send what no server should.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use engineio::{Message, Packet, PayloadFormat, Revision};
use serde_json::Value;

/// The most packets that are read of one payload.
const MOST: usize = 10_000;

/// An Engine.IO packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Its text, with the digit of its type: `42["hi"]`.
    Text(String),
    /// A binary message, without what a revision puts before it.
    Binary(Bytes),
}

impl Wire {
    /// As a report shows it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Wire::Text(text) => shown(text),
            Wire::Binary(bytes) => format!("{} bytes of binary", bytes.len()),
        }
    }
}

impl From<&str> for Wire {
    fn from(text: &str) -> Wire {
        Wire::Text(text.to_owned())
    }
}

impl From<String> for Wire {
    fn from(text: String) -> Wire {
        Wire::Text(text)
    }
}

impl From<&[u8]> for Wire {
    fn from(bytes: &[u8]) -> Wire {
        Wire::Binary(Bytes::copy_from_slice(bytes))
    }
}

/// Text in quotes, shortened if it is long.
#[must_use]
pub fn shown(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("`{}…` ({} bytes)", &text[..at], text.len()),
        None => format!("`{text}`"),
    }
}

/// A Socket.IO packet.
#[derive(Clone, Debug, PartialEq)]
pub struct SocketIoPacket {
    /// The digit of its type.
    pub kind: u8,
    /// How many attachments it announces.
    pub attachments: usize,
    /// Its namespace.
    pub nsp: String,
    /// Its acknowledgement id, as written.
    pub id: Option<u64>,
    /// Its payload, if that is JSON.
    pub data: Option<Value>,
    /// Its payload, as written.
    pub raw: String,
}

impl SocketIoPacket {
    /// Reads what follows the `4`.
    #[must_use]
    pub fn read(text: &str) -> Option<SocketIoPacket> {
        let mut characters = text.chars();
        let kind = u8::try_from(characters.next()?.to_digit(10)?).ok()?;
        let mut rest = characters.as_str();
        let mut attachments = 0;
        if matches!(kind, 5 | 6) {
            let (count, after) = rest.split_once('-')?;
            (attachments, rest) = (count.parse().ok()?, after);
        }
        let mut nsp = "/".to_owned();
        if rest.starts_with('/') {
            let (name, after) = rest.split_once(',').unwrap_or((rest, ""));
            (nsp, rest) = (name.to_owned(), after);
        }
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (id, raw) = rest.split_at(digits);
        let id = if id.is_empty() { None } else { Some(id.parse().ok()?) };
        Some(SocketIoPacket {
            kind,
            attachments,
            nsp,
            id,
            data: serde_json::from_str(raw).ok(),
            raw: raw.to_owned(),
        })
    }

    /// Its type as the journal names it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        const NAMES: [&str; 7] =
            ["connect", "disconnect", "event", "ack", "connect_error", "binary_event", "binary_ack"];
        NAMES.get(usize::from(self.kind)).copied().unwrap_or("unknown")
    }

    /// The name of an event.
    #[must_use]
    pub fn event(&self) -> Option<&str> {
        self.data.as_ref()?.get(0)?.as_str().filter(|_| matches!(self.kind, 2 | 5))
    }
}

/// Whether two values mean the same: `1.0` is `1`, and an object's order doesn't count.
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// Whether two texts are the same packet, whatever the spaces and the order in their JSON.
#[must_use]
pub fn same_packet(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let read = |text: &str| text.strip_prefix('4').and_then(SocketIoPacket::read);
    match (read(a), read(b)) {
        (Some(a), Some(b)) => {
            let head =
                |packet: &SocketIoPacket| (packet.kind, packet.attachments, packet.nsp.clone(), packet.id);
            head(&a) == head(&b)
                && match (&a.data, &b.data) {
                    (Some(a), Some(b)) => same(a, b),
                    _ => a.raw == b.raw,
                }
        }
        _ => false,
    }
}

/// Writes the body that a poll gets. Says whether it is binary.
#[must_use]
pub fn encode_payload(revision: Revision, base64: bool, packets: &[Wire]) -> (Vec<u8>, bool) {
    match revision {
        Revision::V4 => {
            let texts: Vec<String> = packets
                .iter()
                .map(|packet| match packet {
                    Wire::Text(text) => text.clone(),
                    Wire::Binary(bytes) => format!("b{}", STANDARD.encode(bytes)),
                })
                .collect();
            (texts.join("\u{1e}").into_bytes(), false)
        }
        Revision::V3 if base64 || packets.iter().all(|packet| matches!(packet, Wire::Text(_))) => {
            let counted = |packet: &Wire| {
                let text = match packet {
                    Wire::Text(text) => text.clone(),
                    Wire::Binary(bytes) => format!("b4{}", STANDARD.encode(bytes)),
                };
                format!("{}:{text}", text.encode_utf16().count())
            };
            (packets.iter().map(counted).collect::<String>().into_bytes(), false)
        }
        Revision::V3 => (packets.iter().flat_map(binary_entry).collect(), true),
    }
}

/// One packet of a binary payload: whether it is binary, the digits of its length, `ff`, the packet.
fn binary_entry(packet: &Wire) -> Vec<u8> {
    let (mark, bytes) = match packet {
        Wire::Text(text) => (0, text.as_bytes().to_vec()),
        Wire::Binary(bytes) => (1, [&[4], &bytes[..]].concat()),
    };
    let digits = bytes.len().to_string().bytes().map(|digit| digit - b'0').collect::<Vec<u8>>();
    [&[mark], &digits[..], &[0xff], &bytes].concat()
}

/// Reads the body of a POST.
///
/// # Errors
/// What was read before the first wrong packet, and what is wrong with it.
pub fn decode_payload(
    revision: Revision,
    body: &Bytes,
    binary: bool,
) -> Result<Vec<Wire>, (Vec<Wire>, String)> {
    let mut packets = Vec::new();
    for packet in (PayloadFormat { revision, base64: false }).reader(body.clone(), binary, MOST) {
        match packet {
            Ok(packet) => packets.push(wire(packet)),
            Err(violation) => return Err((packets, violation.to_string())),
        }
    }
    Ok(packets)
}

fn wire(packet: Packet) -> Wire {
    Wire::Text(match packet {
        Packet::Message(Message::Binary(bytes)) => return Wire::Binary(bytes),
        Packet::Message(Message::Text(text)) => format!("4{text}"),
        Packet::Open(text) => format!("0{text}"),
        Packet::Ping(text) => format!("2{text}"),
        Packet::Pong(text) => format!("3{text}"),
        Packet::Close => "1".to_owned(),
        Packet::Upgrade => "5".to_owned(),
        Packet::Noop => "6".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_written_as_each_revision_has_it() {
        let packets = [Wire::from("4€"), Wire::from(&b"\x01\x02"[..])];
        assert_eq!(encode_payload(Revision::V4, false, &packets).0, "4€\u{1e}bAQI=".as_bytes());
        assert_eq!(encode_payload(Revision::V3, true, &packets).0, "2:4€6:b4AQI=".as_bytes());
        let (binary, is_binary) = encode_payload(Revision::V3, false, &packets);
        assert!(is_binary);
        assert_eq!(binary, b"\x00\x04\xff4\xe2\x82\xac\x01\x03\xff\x04\x01\x02");
        assert_eq!(decode_payload(Revision::V3, &binary.into(), true), Ok(packets.to_vec()));
    }

    #[test]
    fn packets_are_compared_by_their_meaning() {
        assert!(same_packet("42[\"a\",1.0,{\"b\":1,\"c\":2}]", "42[\"a\", 1, {\"c\":2,\"b\":1}]"));
        assert!(!same_packet("421[\"a\"]", "42[\"a\"]"));
        assert!(!same_packet("42/x,[\"a\"]", "42[\"a\"]"));
        assert!(same_packet(
            "451-[\"a\",{\"_placeholder\":true,\"num\":0}]",
            "451-[\"a\",{\"num\":0,\"_placeholder\":true}]"
        ));
    }
}
