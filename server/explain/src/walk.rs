//! The way through the messages of one direction of one session.

use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;
use engineio::{Config, websocket};
use socketio::PacketReader;

use crate::rules::Rule;
use crate::{BrokenRule, Explanation, Kind, Level, Part, Settings, Side, engine, frames, guess};

/// Reads messages one after another, and notes the parts of each.
pub(crate) struct Walk {
    pub(crate) settings: Settings,
    pub(crate) config: Config,
    pub(crate) frames: websocket::Reader,
    /// The places of the payloads of a fragmented WebSocket message.
    pub(crate) fragments: Vec<Range<usize>>,
    pub(crate) packets: PacketReader,
    /// How many attachments the last Socket.IO packet announced.
    pub(crate) announced: usize,
    pub(crate) parts: Vec<Part>,
    notes: Vec<String>,
}

impl Walk {
    pub(crate) fn new(settings: Settings) -> Walk {
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

    pub(crate) fn message(&mut self, message: &[u8]) -> Explanation {
        let may_be_polling = matches!(self.settings.kind, None | Some(Kind::Payload));
        let payload = guess::out_of_jsonp(message).filter(|_| may_be_polling);
        if payload.is_some() {
            self.note("It was inside a JSONP form or script, which is not shown.");
        }
        let given = self.settings.kind.or(payload.is_some().then_some(Kind::Payload));
        let message = payload.as_deref().unwrap_or(message);
        let kind =
            given.unwrap_or_else(|| guess::kind(message, self.settings.revision, self.packets.missing() > 0));
        let mut bytes = message.to_vec();
        let read = match kind {
            Kind::Payload => self.payload(&Bytes::copy_from_slice(message)),
            Kind::Frames => self.websocket_frames(&mut bytes),
            Kind::Text => match std::str::from_utf8(message) {
                Ok(text) => self.text_packet(&ByteString::from(text), 0),
                Err(error) => {
                    let wrong = error.valid_up_to();
                    self.part(0..wrong, Level::Frame, frames::FRAME, "the part of the message that is UTF-8");
                    Err(broken(wrong, websocket::FrameViolation::Utf8))
                }
            },
            Kind::Binary => self.binary_packet(&Bytes::copy_from_slice(message), 0),
        };
        let broken = read.err();
        if broken.is_none() && self.packets.missing() > 0 {
            let missing = self.packets.missing();
            self.notes.push(format!("{} must still follow.", engine::count(missing, "attachment")));
        }
        Explanation {
            kind,
            revision: self.settings.revision,
            bytes,
            parts: std::mem::take(&mut self.parts),
            broken,
            notes: std::mem::take(&mut self.notes),
        }
    }

    pub(crate) fn part(
        &mut self,
        range: Range<usize>,
        level: Level,
        section: &'static str,
        meaning: impl Into<String>,
    ) {
        if !range.is_empty() {
            self.parts.push(Part { range, level, meaning: meaning.into(), section });
        }
    }

    pub(crate) fn note(&mut self, note: &str) {
        if !self.notes.iter().any(|known| known == note) {
            self.notes.push(note.to_owned());
        }
    }

    /// Whether packets that only servers send are read as a server's.
    pub(crate) fn may_be_a_servers(&self) -> bool {
        self.settings.sender != Some(Side::Client)
    }
}

pub(crate) fn websocket_reader(config: &Config) -> websocket::Reader {
    websocket::Reader::new(websocket::FrameLimits {
        message: config.max_payload,
        fragments: config.max_fragments,
    })
}

pub(crate) fn broken(at: usize, rule: impl Into<Rule>) -> BrokenRule {
    BrokenRule { at, rule: rule.into() }
}
