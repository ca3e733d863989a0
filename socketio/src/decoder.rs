//! Puts a binary packet and its attachments together again.

use std::time::{Duration, Instant};

use bytes::Bytes;
use engineio::{Message, Revision};

use crate::packet::{self, Body, Packet, PacketError};

/// The packets of one session, out of its messages.
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
    deadline: Instant,
}

/// What bounds a packet with attachments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Attachments of a packet.
    pub(crate) attachments: usize,
    /// Bytes of a packet with its attachments.
    pub(crate) bytes: usize,
    /// How long the attachments may take.
    pub(crate) timeout: Duration,
}

impl Decoder {
    /// Takes a message; gives the packet that it completes.
    pub(crate) fn message(
        &mut self,
        message: Message,
        revision: Revision,
        limits: Limits,
        now: Instant,
    ) -> Result<Option<Packet>, PacketError> {
        match (message, self.incomplete.take()) {
            (Message::Text(text), None) => {
                let decoded = packet::decode(&text, revision, limits.attachments)?;
                if decoded.attachments == 0 {
                    return Ok(Some(decoded.packet));
                }
                self.incomplete = Some(Box::new(Incomplete {
                    packet: decoded.packet,
                    missing: decoded.attachments,
                    attachments: Vec::with_capacity(decoded.attachments),
                    bytes: text.len(),
                    deadline: now + limits.timeout,
                }));
                Ok(None)
            }
            (Message::Text(_), Some(_)) => Err(PacketError::TextAmongAttachments),
            (Message::Binary(_), None) => Err(PacketError::UnexpectedAttachment),
            (Message::Binary(bytes), Some(mut incomplete)) => {
                incomplete.bytes += bytes.len();
                if incomplete.bytes > limits.bytes {
                    return Err(PacketError::AttachmentsTooLarge);
                }
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

    /// When the missing attachments must have come.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.incomplete.as_ref().map(|incomplete| incomplete.deadline)
    }
}

impl Incomplete {
    fn complete(mut self) -> Packet {
        if let Body::Event(packet::Event { args, .. }) | Body::Ack { args, .. } = &mut self.packet.body {
            args.attach(self.attachments);
        }
        self.packet
    }
}
