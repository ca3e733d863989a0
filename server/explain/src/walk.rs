//! Walks through the messages of one direction of one session.

use std::ops::Range;

use engineio::{EngineConfig, websocket};
use socketio::PacketReader;

use crate::rules::ProtocolRule;
use crate::{BrokenRule, Level, Part, Settings, Side};

/// Reads messages one after another, and notes the parts of each.
pub(crate) struct Walk {
    pub(crate) settings: Settings,
    pub(crate) config: EngineConfig,
    pub(crate) frames: websocket::Reader,
    /// The positions of the payloads of a fragmented WebSocket message.
    pub(crate) fragments: Vec<Range<usize>>,
    pub(crate) packets: PacketReader,
    /// How many attachments the last Socket.IO packet announced.
    pub(crate) announced: usize,
    pub(crate) parts: Vec<Part>,
    pub(crate) notes: Vec<String>,
}

impl Walk {
    pub(crate) fn new(settings: Settings) -> Walk {
        let config = EngineConfig::default();
        Walk {
            frames: websocket_reader(&config),
            fragments: Vec::new(),
            packets: PacketReader::new(&socketio::IoConfig::default(), settings.revision),
            announced: 0,
            parts: Vec::new(),
            notes: Vec::new(),
            settings,
            config,
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

pub(crate) fn websocket_reader(config: &EngineConfig) -> websocket::Reader {
    websocket::Reader::new(config.frame_limits())
}

pub(crate) fn broken(at: usize, rule: impl Into<ProtocolRule>) -> BrokenRule {
    BrokenRule { at, rule: rule.into() }
}

/// `1 byte`, `2 bytes`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
