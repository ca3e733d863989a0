//! Payloads and packets of Engine.IO.

use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;
use engineio::{Message, Packet, PacketType, PayloadFormat, Revision, Violation};

use crate::walk::{Walk, broken, count};
use crate::{BrokenRule, Level, Side, json};

/// Separates the packets of a revision 4 payload.
pub(crate) const SEPARATOR: u8 = 0x1e;

const PACKETS: &str = "Engine.IO protocol 4, \"Protocol\"";
const POLLING: &str = "Engine.IO protocol 4, \"Packet encoding\", \"HTTP long-polling\"";
const WEBSOCKET: &str = "Engine.IO protocol 4, \"Packet encoding\", \"WebSocket\"";
const HANDSHAKE: &str = "Engine.IO protocol 4, \"Handshake\"";
const HEARTBEAT: &str = "Engine.IO protocol 4, \"Heartbeat\"";
const UPGRADE: &str = "Engine.IO protocol 4, \"Upgrade\"";
const MESSAGE: &str = "Engine.IO protocol 4, \"Message\"";
const V3_PACKET: &str = "Engine.IO protocol 3, \"Packet\"";
const V3_PAYLOAD: &str = "Engine.IO protocol 3, \"Payload\"";
const V3_TIMEOUTS: &str = "Engine.IO protocol 3, \"Timeouts\"";

/// Whether a body begins as the binary form of revision 3 does.
pub(crate) fn is_binary_payload(body: &[u8]) -> bool {
    matches!(body, [0 | 1, ..]) && body.iter().skip(1).find(|byte| **byte > 9) == Some(&0xff)
}

/// Whether a body begins as the text form of revision 3 does.
pub(crate) fn is_counted_payload(body: &[u8]) -> bool {
    let digits = digits(body);
    digits > 0 && body.get(digits) == Some(&b':')
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// # Payloads
impl Walk {
    pub(crate) fn payload(&mut self, body: &Bytes) -> Result<(), BrokenRule> {
        let revision = self.settings.revision;
        let binary = revision == Revision::V3 && is_binary_payload(body);
        let packets =
            PayloadFormat { revision, base64: false }.reader(body.clone(), binary, self.config.max_packets);
        let mut at = 0;
        for packet in packets {
            if let Err(violation @ (Violation::EmptyPayload | Violation::TooManyPackets)) = packet {
                return Err(broken(at, violation));
            }
            let entry = match revision {
                Revision::V4 => self.separated(body, at),
                Revision::V3 if binary => self.binary_entry(body, at, packet.as_ref().err()),
                Revision::V3 => self.counted(body, at, packet.as_ref().err()),
            }?;
            let (packet_at, end) = (entry.start, entry.end);
            let violation = packet.err();
            let bytes = body.slice(entry);
            if binary && body[at] == 1 {
                self.binary_packet(&bytes, packet_at)?;
            } else {
                match std::str::from_utf8(&bytes) {
                    Ok(text) => self.text_packet(&text.into(), packet_at)?,
                    Err(error) => {
                        let wrong = packet_at + error.valid_up_to();
                        self.part(
                            packet_at..wrong,
                            Level::EngineIo,
                            POLLING,
                            "the part of the packet that is UTF-8",
                        );
                        return Err(broken(wrong, Violation::Utf8));
                    }
                }
            }
            // The walk through the packet did not find it, so it is shown at the packet's beginning.
            if let Some(violation) = violation {
                return Err(broken(packet_at, violation));
            }
            at = end;
            if revision == Revision::V4 && at < body.len() {
                self.part(at..at + 1, Level::Payload, POLLING, "record separator: another packet follows");
                at += 1;
            }
        }
        Ok(())
    }

    fn separated(&self, body: &[u8], at: usize) -> Result<Range<usize>, BrokenRule> {
        let rest = &body[at..];
        Ok(at..at + rest.iter().position(|byte| *byte == SEPARATOR).unwrap_or(rest.len()))
    }

    /// The text form of revision 3: `<length>:<packet>`.
    fn counted(
        &mut self,
        body: &[u8],
        at: usize,
        violation: Option<&Violation>,
    ) -> Result<Range<usize>, BrokenRule> {
        let rest = &body[at..];
        let digits = digits(rest);
        if violation == Some(&Violation::PayloadLength) {
            let meaning = "length of a packet, without a colon after it";
            self.part(at..at + digits.min(10), Level::Payload, V3_PAYLOAD, meaning);
            return Err(broken(at + digits.min(10), Violation::PayloadLength));
        }
        let units: usize = String::from_utf8_lossy(&rest[..digits]).parse().unwrap_or_default();
        let meaning = format!("length of the next packet: {}", count(units, "UTF-16 unit"));
        self.part(at..at + digits + 1, Level::Payload, V3_PAYLOAD, meaning);
        let start = at + digits + 1;
        let text = body[start..].utf8_chunks().next();
        let (valid, invalid) = text.map_or(("", &[][..]), |chunk| (chunk.valid(), chunk.invalid()));
        let mut left = units;
        for (index, character) in valid.char_indices() {
            if left == 0 {
                return Ok(start..start + index);
            }
            let Some(less) = left.checked_sub(character.len_utf16()) else {
                let what_there_is = start..start + index;
                self.part(what_there_is, Level::Payload, V3_PAYLOAD, "an incomplete packet");
                return Err(broken(start + index, Violation::PayloadTruncated));
            };
            left = less;
        }
        let what_there_is = start..start + valid.len();
        match (left, invalid) {
            (0, _) => Ok(what_there_is),
            // The decoder says which it is.
            _ => {
                let wrong = what_there_is.end;
                self.part(what_there_is, Level::Payload, V3_PAYLOAD, "an incomplete packet");
                Err(broken(wrong, *violation.unwrap_or(&Violation::PayloadTruncated)))
            }
        }
    }

    /// The binary form of revision 3: `00` or `01`, decimal digits as bytes, `ff`, the packet.
    fn binary_entry(
        &mut self,
        body: &[u8],
        at: usize,
        violation: Option<&Violation>,
    ) -> Result<Range<usize>, BrokenRule> {
        let rest = &body[at..];
        let digits = rest.iter().skip(1).take_while(|byte| **byte <= 9).count();
        // The length is checked before the form.
        match violation {
            Some(violation @ Violation::PayloadLength) => {
                let wrong = at + (1 + digits).min(11);
                let meaning = "form and length of a packet, without an end";
                self.part(at..wrong, Level::Payload, V3_PAYLOAD, meaning);
                return Err(broken(wrong, *violation));
            }
            Some(violation @ Violation::UnknownPacketType(_)) if rest[0] > 1 => {
                return Err(broken(at, *violation));
            }
            _ => {}
        }
        let form = if rest[0] == 0 { "a text packet follows" } else { "a binary packet follows" };
        self.part(at..at + 1, Level::Payload, V3_PAYLOAD, form);
        let len = rest[1..=digits].iter().fold(0, |len: usize, digit| len * 10 + usize::from(*digit));
        let meaning = format!("length of the packet, one byte for each digit: {}", count(len, "byte"));
        self.part(at + 1..at + 1 + digits, Level::Payload, V3_PAYLOAD, meaning);
        let mark = at + 1 + digits;
        self.part(mark..mark + 1, Level::Payload, V3_PAYLOAD, "end of the length");
        if let Some(violation @ Violation::PayloadTruncated) = violation {
            self.part(mark + 1..body.len(), Level::Payload, V3_PAYLOAD, "an incomplete packet");
            return Err(broken(body.len(), *violation));
        }
        Ok(mark + 1..mark + 1 + len)
    }
}

/// # Packets
impl Walk {
    /// A packet in its text form.
    pub(crate) fn text_packet(&mut self, text: &ByteString, at: usize) -> Result<(), BrokenRule> {
        let revision = self.settings.revision;
        let packet = Packet::decode_text(text, revision).map_err(|violation| {
            // After the `b` of revision 3.
            let wrong = usize::from(text.starts_with('b'));
            let section = if revision == Revision::V3 { V3_PAYLOAD } else { POLLING };
            self.part(at..at + wrong, Level::EngineIo, section, "a binary message in base64");
            broken(at + wrong, violation)
        })?;
        let end = at + text.len();
        if text.starts_with('b') {
            return self.base64(packet, text, at);
        }
        let (meaning, section) = match &packet {
            Packet::Ping(probe) if probe == "probe" => ("type 2, ping", UPGRADE),
            Packet::Pong(probe) if probe == "probe" => ("type 3, pong", UPGRADE),
            _ => kind(packet.kind(), revision),
        };
        let payload = at + 1..end;
        let level = Level::EngineIo;
        self.part(at..at + 1, level, section, meaning);
        let heartbeat = matches!(
            (&packet, revision),
            (Packet::Ping(probe), Revision::V4) | (Packet::Pong(probe), Revision::V3) if probe != "probe"
        );
        if heartbeat && self.settings.sender == Some(Side::Client) {
            self.note(&format!(
                "Only the server sends this. A client that sends it breaks {}, and its session ends with `transport error`.",
                Violation::Heartbeat.name()
            ));
        }
        match packet {
            Packet::Open(json) => {
                self.part(payload, level, HANDSHAKE, "the settings of the session, as JSON");
                for element in json::elements(&json) {
                    let meaning = opened(&json[element.clone()]);
                    self.part(at + 1 + element.start..at + 1 + element.end, Level::Json, HANDSHAKE, meaning);
                }
            }
            Packet::Ping(text) | Packet::Pong(text) => {
                if text == "probe" {
                    self.part(payload, level, UPGRADE, "a test of this WebSocket before the upgrade");
                } else {
                    self.part(payload, level, section, "a payload that has no meaning here");
                    if !text.is_empty() {
                        self.note("A ping or pong carries only `probe`, or nothing. If you meant a Socket.IO packet, write a `4` before it, the type of an Engine.IO message.");
                    }
                }
            }
            Packet::Message(message) => self.message_packet(message, at + 1..end)?,
            Packet::Close | Packet::Upgrade | Packet::Noop => self.part(payload, level, section, "ignored"),
        }
        Ok(())
    }

    fn base64(&mut self, packet: Packet, text: &str, at: usize) -> Result<(), BrokenRule> {
        let revision = self.settings.revision;
        let section = if revision == Revision::V3 { V3_PAYLOAD } else { POLLING };
        self.part(at..at + 1, Level::EngineIo, section, "a binary message in base64");
        let data = if revision == Revision::V3 {
            self.part(at + 1..at + 2, Level::EngineIo, V3_PACKET, "type 4, message");
            at + 2
        } else {
            at + 1
        };
        match packet {
            Packet::Message(message) => self.message_packet(message, data..at + text.len()),
            _ => Ok(()),
        }
    }

    /// A packet in its binary form.
    pub(crate) fn binary_packet(&mut self, bytes: &Bytes, at: usize) -> Result<(), BrokenRule> {
        let revision = self.settings.revision;
        let packet = Packet::decode_binary(bytes, revision).map_err(|violation| broken(at, violation))?;
        let data = match revision {
            Revision::V3 => {
                self.part(at..at + 1, Level::EngineIo, V3_PACKET, "type 4, message, as one byte");
                at + 1
            }
            Revision::V4 => at,
        };
        match packet {
            Packet::Message(message) => self.message_packet(message, data..at + bytes.len()),
            _ => Ok(()),
        }
    }

    fn message_packet(&mut self, message: Message, range: Range<usize>) -> Result<(), BrokenRule> {
        if self.settings.socketio {
            return self.socketio(message, range);
        }
        let (section, form) = match &message {
            Message::Text(text) => (MESSAGE, format!("the message: {} of text", count(text.len(), "byte"))),
            Message::Binary(bytes) => (WEBSOCKET, format!("the message: {}", count(bytes.len(), "byte"))),
        };
        self.part(range, Level::EngineIo, section, form);
        Ok(())
    }
}

fn kind(kind: PacketType, revision: Revision) -> (&'static str, &'static str) {
    let pinging = if revision == Revision::V4 { Side::Server } else { Side::Client };
    let heartbeat = if revision == Revision::V4 { HEARTBEAT } else { V3_TIMEOUTS };
    match (kind, pinging) {
        (PacketType::Open, _) => ("type 0, open: the server opens the session", HANDSHAKE),
        (PacketType::Close, _) => ("type 1, close: the sender ends the session", PACKETS),
        (PacketType::Ping, Side::Server) => ("type 2, ping: sent by the server", heartbeat),
        (PacketType::Ping, Side::Client) => ("type 2, ping: sent by the client, in revision 3", heartbeat),
        (PacketType::Pong, Side::Server) => ("type 3, pong: sent by the client", heartbeat),
        (PacketType::Pong, Side::Client) => ("type 3, pong: sent by the server, in revision 3", heartbeat),
        (PacketType::Message, _) => ("type 4, message: the rest is for the layer above", MESSAGE),
        (PacketType::Upgrade, _) => ("type 5, upgrade: this WebSocket replaces polling", UPGRADE),
        (PacketType::Noop, _) => ("type 6, noop: it only answers a waiting poll", UPGRADE),
    }
}

/// A field of the open packet.
fn opened(element: &str) -> String {
    let (key, value) = json::key(element);
    match key {
        "sid" => format!("the session's id, which every later request must contain: {value}"),
        "upgrades" => format!("transports to which the session can upgrade: {value}"),
        "pingInterval" => format!("time between two heartbeats: {value} ms"),
        "pingTimeout" => format!("time to answer a heartbeat: {value} ms"),
        "maxPayload" => format!("the largest body of a POST: {value} bytes"),
        _ => "a field that the protocol does not define".to_owned(),
    }
}
