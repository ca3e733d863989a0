//! From messages to their explanations.

use bytes::Bytes;
use bytestring::ByteString;
use engineio::websocket::FrameViolation;

use crate::frames::FRAME;
use crate::walk::{Walk, broken, count};
use crate::{Explanation, Kind, Level, Settings, guess};

/// Explains messages that one side of a session sent, in order: bodies, WebSocket messages or frames. The first may be
/// from anywhere in the session. The first message that breaks a rule is the last one explained.
#[must_use]
pub fn explain(messages: &[impl AsRef<[u8]>], settings: &Settings) -> Vec<Explanation> {
    let mut walk = Walk::new(*settings);
    let mut explanations = Vec::new();
    for message in messages {
        let explanation = walk.message(message.as_ref());
        let wrong = explanation.broken.is_some();
        explanations.push(explanation);
        if wrong {
            break;
        }
    }
    explanations
}

impl Walk {
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
                    self.part(0..wrong, Level::Frame, FRAME, "the part of the message that is UTF-8");
                    Err(broken(wrong, FrameViolation::Utf8))
                }
            },
            Kind::Binary => self.binary_packet(&Bytes::copy_from_slice(message), 0),
        };
        let broken = read.err();
        if broken.is_none() && self.packets.missing() > 0 {
            let missing = self.packets.missing();
            self.notes.push(format!("{} must still follow.", count(missing, "attachment")));
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
}
