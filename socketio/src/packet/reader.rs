//! Checks packets by the rules, without a session.

use std::time::Instant;

use engineio::{Message, Revision};

use crate::clock;
use crate::io::config::IoConfig;
use crate::packet::decoder::{Decoder, DecoderLimits};
use crate::packet::error::PacketViolation;
use crate::packet::parser::Parser;

/// Checks a client's messages by the rules of packets, one after the other, exactly as its session does.
///
/// ```
/// use engineio::Revision;
/// use socketio::{IoConfig, PacketViolation, PacketReader};
///
/// let mut reader = PacketReader::new(&IoConfig::default(), Revision::V4);
/// assert_eq!(reader.read(r#"2["chat","hi"]"#.into()), Ok(true));
/// assert_eq!(reader.read(r#"51-["picture",{"_placeholder":true,"num":0}]"#.into()), Ok(false));
/// assert_eq!(reader.read(vec![1, 2, 3].into()), Ok(true));
/// assert_eq!(reader.read("2{}".into()), Err(PacketViolation::NotAnArray));
/// ```
#[derive(Debug)]
pub struct PacketReader {
    decoder: Decoder,
    parser: Parser,
    revision: Revision,
    limits: DecoderLimits,
    max_event_name: usize,
    /// Attachments have all the time in the world.
    now: Instant,
}

impl PacketReader {
    /// Creates a reader for a new session's messages. From `config`, it uses the parser and the limits of packets.
    #[must_use]
    pub fn new(config: &IoConfig, revision: Revision) -> PacketReader {
        PacketReader {
            decoder: Decoder::default(),
            parser: config.parser.clone(),
            revision,
            limits: DecoderLimits::of(config),
            max_event_name: config.max_event_name,
            now: clock::now().into_std(),
        }
    }

    /// Takes a message, the payload of an Engine.IO packet of type 4. Returns whether it completes a packet; if not,
    /// attachments are missing.
    ///
    /// # Errors
    /// The rule that is broken. It doesn't check whether the namespace is joined. Don't use the reader after an
    /// error: a session would have ended.
    pub fn read(&mut self, message: Message) -> Result<bool, PacketViolation> {
        match self.decoder.message(message, &self.parser, self.revision, self.limits, self.now)? {
            Some(packet) => packet.check_from_client(self.max_event_name).map(|()| true),
            None => Ok(false),
        }
    }

    /// How many attachments are still to come.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.decoder.missing()
    }
}
