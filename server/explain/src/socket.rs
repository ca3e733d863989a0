//! Packets of Socket.IO, as the default parser writes them.

use std::ops::Range;

use bytes::Bytes;
use engineio::{Message, Revision};
use serde::de::IgnoredAny;
use socketio::{PacketViolation, RawPacketType};

use crate::walk::{Walk, broken, count};
use crate::{BrokenRule, Level, json};

const TYPES: &str = "Socket.IO protocol 5, \"Exchange protocol\"";
const FORMAT: &str = "Socket.IO protocol 5, \"Packet encoding\", \"Format\"";
const CONNECTION: &str = "Socket.IO protocol 5, \"Connection to a namespace\"";
const DATA: &str = "Socket.IO protocol 5, \"Sending and receiving data\"";
const ACKNOWLEDGEMENT: &str = "Socket.IO protocol 5, \"Acknowledgement\"";
const DISCONNECTION: &str = "Socket.IO protocol 5, \"Disconnection from a namespace\"";

/// How deep JSON may nest: docs/protocol.md.
const MAX_DEPTH: usize = 127;

impl Walk {
    /// Explains an Engine.IO message whose payload is `range`.
    pub(crate) fn socketio(&mut self, message: Message, range: Range<usize>) -> Result<(), BrokenRule> {
        let missing = self.packets.missing();
        let read = self.packets.read(message.clone());
        match message {
            Message::Binary(bytes) => {
                read.map_err(|error| broken(range.start, error))?;
                self.attachment(&bytes, range, self.announced - missing);
                Ok(())
            }
            Message::Text(text) => {
                let header = Header::of(&text);
                let error = match read {
                    Err(PacketViolation::TextAmongAttachments) => {
                        return Err(broken(range.start, PacketViolation::TextAmongAttachments));
                    }
                    Err(PacketViolation::ConnectErrorFromClient) if self.may_be_a_servers() => None,
                    read => read.err(),
                };
                self.announced = self.packets.missing();
                let parts = self.parts.len();
                self.packet(&text, &header, range.start);
                let Some(error) = error else { return Ok(()) };
                let wrong = range.start + header.wrong(&text, error).min(text.len());
                // After the first wrong byte, parts may mean something else.
                let mut index = 0;
                self.parts.retain(|part| {
                    index += 1;
                    index <= parts || part.range.start <= wrong
                });
                Err(broken(wrong, error))
            }
        }
    }

    fn attachment(&mut self, bytes: &Bytes, range: Range<usize>, index: usize) {
        let meaning = format!(
            "attachment {index} ({} of {}): {}",
            index + 1,
            self.announced,
            count(bytes.len(), "byte")
        );
        self.part(range, Level::SocketIo, DATA, meaning);
    }

    fn packet(&mut self, text: &str, header: &Header, start: usize) {
        let at = |range: &Range<usize>| start + range.start..start + range.end;
        let level = Level::SocketIo;
        let Some((name, section)) = header.kind.and_then(kind) else { return };
        self.part(
            start..start + 1,
            level,
            section,
            format!("type {}, {name}", text.chars().next().unwrap_or(' ')),
        );
        if let Some(attachments) = &header.attachments {
            let number = header.count(text).unwrap_or_default();
            let follow =
                if number == 1 { "follows in its own message" } else { "follow, each in its own message" };
            let meaning = format!("{} {follow}", count(number, "attachment"));
            self.part(at(attachments), level, FORMAT, meaning);
        }
        let mut nsp = "/";
        if let Some(range) = &header.nsp {
            nsp = text[range.clone()].trim_end_matches(',');
            let meaning = match nsp.split_once('?') {
                Some((name, _)) if self.settings.revision == Revision::V3 => {
                    format!("the namespace {name} with a query, up to the comma")
                }
                _ if text[range.clone()].ends_with(',') => format!("the namespace {nsp}, up to the comma"),
                _ => format!("the namespace {nsp}"),
            };
            self.part(at(range), level, FORMAT, meaning);
        }
        if let Some(id) = &header.id {
            let meaning = match header.kind {
                Some(b'2' | b'5') => "acknowledgement id: the sender waits for an answer with this id",
                Some(b'3' | b'6') => "acknowledgement id: the id of the event that this answers",
                _ => "an acknowledgement id that has no meaning here",
            };
            self.part(at(id), level, ACKNOWLEDGEMENT, meaning);
        }
        self.json(&text[header.payload..], header.kind, start + header.payload);
        if header.kind == Some(b'0') && header.payload == text.len() && nsp == "/" {
            self.note("Without a name, the namespace is `/`.");
        }
    }

    fn json(&mut self, json: &str, kind: Option<u8>, start: usize) {
        let whole = start..start + json.len();
        let elements = json::elements(json);
        let (meaning, section) = match kind {
            Some(b'0') => ("payload: an object, the client's auth or the server's answer", CONNECTION),
            Some(b'4') => ("payload: an object that says why the client may not join", CONNECTION),
            Some(b'2' | b'5') => ("payload: an array of the event's name and arguments", DATA),
            Some(b'3' | b'6') => ("payload: an array of the acknowledgement's arguments", ACKNOWLEDGEMENT),
            _ => ("a payload, which this type must not have", DISCONNECTION),
        };
        self.part(whole, Level::Json, section, meaning);
        let mut placeholders = json::placeholders(json).into_iter().peekable();
        for (index, element) in elements.into_iter().enumerate() {
            let value = &json[element.clone()];
            let meaning = match kind {
                Some(b'2' | b'5') if index == 0 => "the event's name".to_owned(),
                Some(b'2' | b'5') => format!("argument {index}: {}", json::kind(value)),
                Some(b'3' | b'6') => format!("argument {}: {}", index + 1, json::kind(value)),
                Some(b'0' | b'4') => field(kind, value),
                _ => continue,
            };
            let end = element.end;
            self.part(start + element.start..start + end, Level::Element, section, meaning);
            while let Some(found) = placeholders.next_if(|found| found.range.end <= end) {
                // Without attachments it is an object like any other.
                if let (Some(num), Some(b'5' | b'6')) = (found.num, kind) {
                    let meaning = format!("placeholder: attachment {num} goes here");
                    let range = start + found.range.start..start + found.range.end;
                    self.part(range, Level::Element, DATA, meaning);
                }
            }
        }
    }
}

fn kind(digit: u8) -> Option<(&'static str, &'static str)> {
    Some(match RawPacketType::from_number(digit.wrapping_sub(b'0')) {
        Some(RawPacketType::Connect) => {
            ("CONNECT: the client asks to join a namespace, or the server accepts", CONNECTION)
        }
        Some(RawPacketType::Disconnect) => ("DISCONNECT: the sender leaves the namespace", DISCONNECTION),
        Some(RawPacketType::Event) => ("EVENT", DATA),
        Some(RawPacketType::Ack) => ("ACK: an acknowledgement", ACKNOWLEDGEMENT),
        Some(RawPacketType::ConnectError) => {
            ("CONNECT_ERROR: the server does not let the client join", CONNECTION)
        }
        None if digit == b'5' => ("BINARY_EVENT: an event with attachments", TYPES),
        None if digit == b'6' => ("BINARY_ACK: an acknowledgement with attachments", TYPES),
        None => return None,
    })
}

fn field(kind: Option<u8>, element: &str) -> String {
    match (kind, json::key(element).0) {
        (Some(b'0'), "sid") => "the socket's id, if a server sends it".to_owned(),
        (Some(b'0'), "pid") => "a secret id, with which the client can recover a lost connection".to_owned(),
        (Some(b'0'), "offset") => {
            "the last event that the client received, to recover a lost connection".to_owned()
        }
        (Some(b'0'), key) => format!("field {key:?} of the auth"),
        (_, "message") => "the error message".to_owned(),
        (_, "data") => "details of the error, from the application".to_owned(),
        (_, key) => format!("field {key:?}"),
    }
}

/// The positions of the fields before the payload, even if something in them is wrong.
struct Header {
    /// The type's character.
    kind: Option<u8>,
    /// In types 5 and 6: digits and a dash, as far as they are there.
    attachments: Option<Range<usize>>,
    /// With its comma.
    nsp: Option<Range<usize>>,
    id: Option<Range<usize>>,
    payload: usize,
}

impl Header {
    fn of(text: &str) -> Header {
        let bytes = text.as_bytes();
        let digits = |at: usize| at + bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let kind = bytes.first().copied();
        let mut at = text.chars().next().map_or(0, char::len_utf8);
        let mut attachments = None;
        if matches!(kind, Some(b'5' | b'6')) {
            let digits = digits(at);
            let end = digits + usize::from(bytes.get(digits) == Some(&b'-'));
            attachments = Some(at..end);
            at = end;
        }
        let mut nsp = None;
        if bytes.get(at) == Some(&b'/') {
            let end =
                bytes[at..].iter().position(|byte| *byte == b',').map_or(bytes.len(), |comma| at + comma + 1);
            nsp = Some(at..end);
            at = end;
        }
        let payload = digits(at);
        Header { kind, attachments, nsp, id: Some(at..payload).filter(|id| !id.is_empty()), payload }
    }

    /// The digits of the number of attachments.
    fn digits<'a>(&self, text: &'a str) -> &'a str {
        self.attachments.as_ref().map_or("", |range| text[range.clone()].trim_end_matches('-'))
    }

    fn count(&self, text: &str) -> Option<usize> {
        self.digits(text).parse().ok()
    }

    /// The first byte that breaks the rule.
    fn wrong(&self, text: &str, error: PacketViolation) -> usize {
        let json = &text[self.payload..];
        let elements = json::elements(json);
        let within = match error {
            PacketViolation::UnknownType | PacketViolation::ConnectErrorFromClient => return 0,
            PacketViolation::AttachmentCount | PacketViolation::TooManyAttachments => {
                let digits = self.digits(text);
                let dash = self.attachments.as_ref().is_some_and(|range| range.end > 1 + digits.len());
                // An illegal number, or else no number or no dash after it.
                return if dash && !digits.is_empty() { 1 } else { 1 + digits.len() };
            }
            PacketViolation::AckId => return self.id.as_ref().map_or(self.payload, |id| id.start),
            PacketViolation::Json if json.starts_with(|first: char| first.is_ascii_whitespace()) => 0,
            PacketViolation::Json => match serde_json::from_str::<IgnoredAny>(json) {
                Err(error) => json::error_at(json, &error),
                Ok(_) => elements.first().map_or(0, |name| name.start),
            },
            PacketViolation::TooDeep => json::too_deep(json, MAX_DEPTH).unwrap_or_default(),
            PacketViolation::EventName => match elements.first() {
                Some(name) => name.start,
                // It is missing, and the bracket is in its place.
                None => json.find(']').unwrap_or_default(),
            },
            PacketViolation::EventNameTooLong | PacketViolation::ReservedEvent => {
                elements.first().map_or(0, |name| name.start)
            }
            PacketViolation::AuthNotAnObject => json.len() - json.trim_start().len(),
            PacketViolation::Placeholder => self.wrong_placeholder(text, json),
            _ => 0,
        };
        self.payload + within
    }

    /// The `num` of the first placeholder that names no attachment.
    fn wrong_placeholder(&self, text: &str, json: &str) -> usize {
        let count = self.count(text).unwrap_or_default() as u64;
        let wrong = |found: &json::Placeholder| found.num.is_none_or(|num| num >= count);
        let Some(found) = json::placeholders(json).into_iter().find(wrong) else { return 0 };
        let fields = &json[found.range.clone()];
        for element in json::elements(fields) {
            let (key, value) = json::key(&fields[element.clone()]);
            if key == "num" {
                return found.range.start + element.end - value.len();
            }
        }
        found.range.start
    }
}
