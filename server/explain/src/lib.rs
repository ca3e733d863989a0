//! What the bytes on the wire mean, layer by layer, and which is the first wrong one.
//!
//! [`explain`] walks through messages and names each part: the frame, the payload, the Engine.IO packet, the
//! Socket.IO packet in it, its JSON. Whether they are legal it does not decide itself: the decoders of the
//! server do, and the walk only looks for the byte that they stumbled over. So it never disagrees with the
//! server.
//!
//! ```
//! use socketio_explain::{Settings, explain};
//!
//! let [legal] = &explain(&[b"42[\"chat\",\"hi\"]"], &Settings::default())[..] else { panic!() };
//! assert_eq!(legal.mistake, None);
//! assert_eq!(legal.parts[1].meaning, "type 2, EVENT");
//!
//! let [wrong] = &explain(&[b"42[{}]"], &Settings::default())[..] else { panic!() };
//! let mistake = wrong.mistake.as_ref().unwrap();
//! assert_eq!((mistake.at, mistake.rule.id), (3, "EVENT_NAME"));
//! ```

mod engine;
mod frames;
pub mod journal;
mod json;
mod records;
pub mod rules;
mod socket;

use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;
use engineio::websocket;
use engineio::{Config, Jsonp, Revision};
use socketio::PacketReader;

pub use records::explain_journal;
use rules::Rule;

/// What is known of the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The revision of Engine.IO.
    pub revision: Revision,
    /// What they came by. `None` has it guessed, for each message by itself.
    pub carrier: Option<Carrier>,
    /// Who sent them. With `None`, what only servers send is taken for a server's.
    pub sender: Option<Sender>,
    /// Whether the messages are those of Socket.IO, with its default parser. Else they are not looked into.
    pub socketio: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { revision: Revision::V4, carrier: None, sender: None, socketio: true }
    }
}

/// What bytes came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// The body of a POST, or of the answer to a poll.
    Polling,
    /// A text message of a WebSocket, without its frame.
    Text,
    /// A binary message of a WebSocket, without its frame.
    Binary,
    /// A WebSocket's frames.
    Frames,
}

/// Who sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// What one message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What it came by, given or guessed.
    pub carrier: Carrier,
    /// The revision of Engine.IO.
    pub revision: Revision,
    /// The message; what was masked in it is unmasked, and what JSONP puts around a payload is gone.
    pub bytes: Vec<u8>,
    /// Its parts from front to back. Behind one that is a whole, such as a JSON array, follow parts of it.
    pub parts: Vec<Part>,
    /// The first thing that is wrong. What stands behind it is not explained.
    pub mistake: Option<Mistake>,
    /// What else is worth knowing, a sentence each.
    pub notes: Vec<String>,
}

/// Some bytes, and what they mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where they stand in the message.
    pub range: Range<usize>,
    /// The layer that they belong to.
    pub layer: Layer,
    /// What they mean.
    pub meaning: String,
    /// The section of the protocol that says so.
    pub section: &'static str,
}

/// The layers of the wire, from below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// WebSocket frames.
    Frame,
    /// The packets of an HTTP body.
    Payload,
    /// An Engine.IO packet.
    EngineIo,
    /// A Socket.IO packet.
    SocketIo,
    /// The JSON in a packet.
    Json,
    /// What stands in that JSON.
    Element,
}

/// Where a message breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The first wrong byte; the message's length, if something is missing there.
    pub at: usize,
    /// The rule.
    pub rule: Rule,
}

/// Explains messages of one direction of one session: bodies, WebSocket messages or frames. The first may be
/// anywhere in the session. Nothing is explained behind a mistake.
#[must_use]
pub fn explain(messages: &[impl AsRef<[u8]>], settings: &Settings) -> Vec<Explanation> {
    let mut walk = Walk::new(*settings);
    let mut explanations = Vec::new();
    for message in messages {
        let explanation = walk.message(message.as_ref());
        let wrong = explanation.mistake.is_some();
        explanations.push(explanation);
        if wrong {
            break;
        }
    }
    explanations
}

/// The way through a session's messages.
struct Walk {
    settings: Settings,
    config: Config,
    frames: websocket::Reader,
    /// Where the payloads of a fragmented WebSocket message stand.
    fragments: Vec<Range<usize>>,
    packets: PacketReader,
    /// How many attachments the last Socket.IO packet announced.
    announced: usize,
    parts: Vec<Part>,
    notes: Vec<String>,
}

impl Walk {
    fn new(settings: Settings) -> Walk {
        let config = Config::default();
        Walk {
            frames: websocket_reader(&config),
            fragments: Vec::new(),
            packets: PacketReader::new(&socketio::Config::default(), settings.revision),
            announced: 0,
            parts: Vec::new(),
            notes: Vec::new(),
            settings,
            config,
        }
    }

    fn message(&mut self, message: &[u8]) -> Explanation {
        let may_be_polling = matches!(self.settings.carrier, None | Some(Carrier::Polling));
        let payload = out_of_jsonp(message).filter(|_| may_be_polling);
        if payload.is_some() {
            self.note("JSONP had put a form or a script around it.");
        }
        let given = self.settings.carrier.or(payload.is_some().then_some(Carrier::Polling));
        let message = payload.as_deref().unwrap_or(message);
        let carrier =
            given.unwrap_or_else(|| guess(message, self.settings.revision, self.packets.missing() > 0));
        let mut bytes = message.to_vec();
        let read = match carrier {
            Carrier::Polling => self.payload(&Bytes::copy_from_slice(message)),
            Carrier::Frames => self.websocket_frames(&mut bytes),
            Carrier::Text => match std::str::from_utf8(message) {
                Ok(text) => self.text_packet(&ByteString::from(text), 0),
                Err(error) => {
                    let wrong = error.valid_up_to();
                    self.part(0..wrong, Layer::Frame, frames::FRAME, "what is UTF-8 of a message");
                    Err(mistake(wrong, websocket::Breach::Utf8))
                }
            },
            Carrier::Binary => self.binary_packet(&Bytes::copy_from_slice(message), 0),
        };
        let mistake = read.err();
        if mistake.is_none() && self.packets.missing() > 0 {
            let missing = self.packets.missing();
            let those = if missing == 1 {
                "One attachment is".to_owned()
            } else {
                format!("{missing} attachments are")
            };
            self.notes.push(format!("{those} still to come."));
        }
        Explanation {
            carrier,
            revision: self.settings.revision,
            bytes,
            parts: std::mem::take(&mut self.parts),
            mistake,
            notes: std::mem::take(&mut self.notes),
        }
    }

    fn part(&mut self, range: Range<usize>, layer: Layer, section: &'static str, meaning: impl Into<String>) {
        if !range.is_empty() {
            self.parts.push(Part { range, layer, meaning: meaning.into(), section });
        }
    }

    fn note(&mut self, note: &str) {
        if !self.notes.iter().any(|known| known == note) {
            self.notes.push(note.to_owned());
        }
    }

    /// Whether what only servers send is to be taken for theirs.
    fn may_be_a_servers(&self) -> bool {
        self.settings.sender != Some(Sender::Client)
    }
}

fn websocket_reader(config: &Config) -> websocket::Reader {
    websocket::Reader::new(websocket::Limits { message: config.max_payload, fragments: config.max_fragments })
}

fn mistake(at: usize, rule: impl Into<Rule>) -> Mistake {
    Mistake { at, rule: rule.into() }
}

/// The payload in what JSONP puts around it: a form's field in a POST, a call in the answer to a poll.
fn out_of_jsonp(message: &[u8]) -> Option<Bytes> {
    if message.starts_with(b"d=") {
        return Some(Jsonp::payload(message));
    }
    let call = message.strip_prefix(b"___eio[")?.strip_suffix(b");")?;
    let string = call.iter().position(|byte| *byte == b'(').map(|at| &call[at + 1..])?;
    serde_json::from_slice(string).ok().map(|payload: String| payload.into())
}

/// What bytes most likely came by. Where an attachment is awaited, whatever doesn't begin as a text packet is it.
fn guess(message: &[u8], revision: Revision, awaits_attachment: bool) -> Carrier {
    let payload = match revision {
        Revision::V4 => message.contains(&engine::SEPARATOR),
        Revision::V3 => engine::is_binary_payload(message) || engine::is_counted_payload(message),
    };
    // In revision 3 a byte 4 in front is a binary message's.
    let typed = revision == Revision::V3 && message.starts_with(&[4]);
    let framed = !message.is_empty() && frames::are_frames(message);
    let attachment = awaits_attachment && !framed && !matches!(message, [b'0'..=b'6' | b'b', ..]);
    if attachment && revision == Revision::V4 {
        Carrier::Binary
    } else if message.is_empty() || payload {
        Carrier::Polling
    } else if framed {
        Carrier::Frames
    } else if typed || std::str::from_utf8(message).is_err() {
        Carrier::Binary
    } else {
        Carrier::Text
    }
}

#[cfg(test)]
mod tests;
