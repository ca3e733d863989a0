//! Reads packets from messages: text at once, binary ones when all attachments are there.

use std::time::{Duration, Instant};

use bytes::Bytes;
use engineio::{Message, Revision};

use crate::io::config::IoConfig;
use crate::packet::error::PacketViolation;
use crate::packet::parser::Parser;
use crate::packet::{Packet, text};

/// Reads the packets of one session from its messages.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// Boxed, since nearly always there is none.
    incomplete: Option<Box<Incomplete>>,
}

/// A binary packet whose attachments are still coming.
#[derive(Debug)]
struct Incomplete {
    packet: Packet,
    missing: usize,
    attachments: Vec<Bytes>,
    bytes: usize,
    /// `None` for never: there is no such instant.
    deadline: Option<Instant>,
}

/// What bounds a packet with attachments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecoderLimits {
    /// Attachments of a packet.
    pub(crate) attachments: usize,
    /// Bytes of a packet and its attachments. Once it has that many, it gets no further attachment.
    pub(crate) bytes: usize,
    /// How long the attachments may take.
    pub(crate) timeout: Duration,
}

impl DecoderLimits {
    pub(crate) fn of(config: &IoConfig) -> DecoderLimits {
        DecoderLimits {
            attachments: config.max_attachments,
            bytes: config.max_backlog,
            timeout: config.attachment_timeout,
        }
    }
}

impl Decoder {
    /// Takes a message, and returns the packet that it completes.
    pub(crate) fn message(
        &mut self,
        message: Message,
        parser: &Parser,
        revision: Revision,
        limits: DecoderLimits,
        now: Instant,
    ) -> Result<Option<Packet>, PacketViolation> {
        // Of parsers other than the default: one message is one packet.
        if let Some(packet) = parser.read_whole(&message, revision, limits.bytes) {
            return packet.map(Some);
        }
        match (message, self.incomplete.take()) {
            (Message::Text(text), None) => {
                let decoded = text::decode(&text, revision, limits.attachments)?;
                if decoded.attachments == 0 {
                    return Ok(Some(decoded.packet));
                }
                self.incomplete = Some(Box::new(Incomplete {
                    packet: decoded.packet,
                    missing: decoded.attachments,
                    attachments: Vec::with_capacity(decoded.attachments),
                    bytes: text.len(),
                    deadline: now.checked_add(limits.timeout),
                }));
                Ok(None)
            }
            (Message::Text(_), Some(_)) => Err(PacketViolation::TextAmongAttachments),
            (Message::Binary(_), None) => Err(PacketViolation::UnexpectedAttachment),
            (Message::Binary(bytes), Some(mut incomplete)) => {
                if incomplete.bytes > limits.bytes {
                    return Err(PacketViolation::AttachmentsTooLarge);
                }
                incomplete.bytes += bytes.len();
                incomplete.attachments.push(bytes);
                incomplete.missing -= 1;
                if incomplete.missing > 0 {
                    self.incomplete = Some(incomplete);
                    return Ok(None);
                }
                Ok(Some(incomplete.complete()))
            }
        }
    }

    /// How many bytes wait for further attachments.
    pub(crate) fn bytes(&self) -> usize {
        self.incomplete.as_ref().map_or(0, |incomplete| incomplete.bytes)
    }

    /// How many attachments are missing.
    pub(crate) fn missing(&self) -> usize {
        self.incomplete.as_ref().map_or(0, |incomplete| incomplete.missing)
    }

    /// When the missing attachments must have arrived.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.incomplete.as_ref().and_then(|incomplete| incomplete.deadline)
    }
}

impl Incomplete {
    fn complete(mut self) -> Packet {
        self.packet.attach(self.attachments);
        self.packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use crate::args::binary::Binary;
    use crate::packet::Body;

    const LIMITS: DecoderLimits =
        DecoderLimits { attachments: 10, bytes: 1000, timeout: Duration::from_secs(10) };

    struct Wire(Decoder, Instant);

    impl Wire {
        fn new() -> Wire {
            Wire(Decoder::default(), Instant::now())
        }

        fn text(&mut self, text: &str) -> Result<Option<Packet>, PacketViolation> {
            self.0.message(Message::Text(text.into()), &Parser::Default, Revision::V4, LIMITS, self.1)
        }

        fn binary(&mut self, bytes: impl Into<Bytes>) -> Result<Option<Packet>, PacketViolation> {
            self.0.message(Message::Binary(bytes.into()), &Parser::Default, Revision::V4, LIMITS, self.1)
        }
    }

    fn args(packet: Option<Packet>) -> Args {
        match packet.map(|packet| packet.body) {
            Some(Body::Event(event)) => event.args,
            Some(Body::Ack { args, .. }) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn attachments_complete_a_packet() {
        let mut wire = Wire::new();
        let text = r#"52-["e",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#;
        assert!(wire.text(text).unwrap().is_none());
        assert!(wire.binary("zero").unwrap().is_none());
        let (a, b): (Binary, Binary) = args(wire.binary("one").unwrap()).read().unwrap();
        assert_eq!((&a[..], &b[..]), (&b"one"[..], &b"zero"[..]));

        assert!(wire.text(r#"61-3[{"_placeholder":true,"num":0}]"#).unwrap().is_none());
        assert_eq!(args(wire.binary("").unwrap()).attachments(), [""]);
        assert_eq!(wire.0.deadline(), None);
    }

    // proves: protocol/plain-placeholders
    #[test]
    fn two_placeholders_may_share_an_attachment() {
        let mut wire = Wire::new();
        let text = r#"51-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]"#;
        assert!(wire.text(text).unwrap().is_none());
        let (a, b): (Binary, Binary) = args(wire.binary("both").unwrap()).read().unwrap();
        assert_eq!(a, b);
    }

    // proves: protocol/misplaced-attachments
    #[test]
    fn text_among_attachments_is_an_error() {
        let mut wire = Wire::new();
        assert!(wire.text(r#"51-["e",{"_placeholder":true,"num":0}]"#).unwrap().is_none());
        assert_eq!(wire.text(r#"2["e"]"#).unwrap_err(), PacketViolation::TextAmongAttachments);
    }

    // proves: protocol/misplaced-attachments
    #[test]
    fn binary_that_nothing_announced_is_an_error() {
        let mut wire = Wire::new();
        assert_eq!(wire.binary("x").unwrap_err(), PacketViolation::UnexpectedAttachment);
        assert!(wire.text(r#"51-["e",{"_placeholder":true,"num":0}]"#).unwrap().is_none());
        assert!(wire.binary("x").unwrap().is_some());
        assert_eq!(wire.binary("x").unwrap_err(), PacketViolation::UnexpectedAttachment);
    }

    // proves: protocol/attachments-in-time
    #[test]
    fn the_bytes_of_an_incomplete_packet_are_bounded() {
        let mut wire = Wire::new();
        assert!(wire.text(r#"53-["e"]"#).unwrap().is_none());
        assert!(wire.binary(vec![0; 900]).unwrap().is_none());
        assert!(wire.binary(vec![0; 900]).unwrap().is_none(), "taken whole while under the limit");
        assert_eq!(wire.binary(vec![0; 1]).unwrap_err(), PacketViolation::AttachmentsTooLarge);
    }

    // proves: features/attachments, protocol/attachments-in-time
    #[test]
    fn attachments_have_a_deadline_from_the_packet_on() {
        let mut wire = Wire::new();
        let start = wire.1;
        assert!(wire.text(r#"52-["e"]"#).unwrap().is_none());
        wire.1 += Duration::from_secs(4);
        assert!(wire.binary("x").unwrap().is_none());
        assert_eq!(wire.0.deadline(), Some(start + Duration::from_secs(10)));
    }

    #[test]
    fn a_timeout_of_attachments_may_say_never() {
        let limits = DecoderLimits { timeout: Duration::MAX, ..LIMITS };
        let mut decoder = Decoder::default();
        let text = Message::Text(r#"51-["e",{"_placeholder":true,"num":0}]"#.into());
        assert!(
            decoder.message(text, &Parser::Default, Revision::V4, limits, Instant::now()).unwrap().is_none()
        );
        assert_eq!(decoder.deadline(), None);
    }
}
