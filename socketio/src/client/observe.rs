//! What a session's messages mean, for [observers](engineio::observe).
//!
//! Both directions are read the same way, message by message: a packet is shown with its text, then its attachments.
//! What is not a packet is not shown; if a client sent it, the violation is.

use bytes::Bytes;
use engineio::observe::{Direction, SocketPacket, What};
use engineio::{Frame, Message};

use crate::client::link::Link;
use crate::packet::parser::Parser;
use crate::packet::raw::RawPacket;
use crate::packet::text::Header;

/// Reads a text packet of the default parser up to its payload, which may be anything. `None` if even that is
/// malformed.
#[must_use]
pub fn read_text(text: &str) -> Option<SocketPacket<'_>> {
    let Header { digit, attachments, nsp, id, payload, .. } = Header::read(text).ok()?;
    Some(SocketPacket { kind: digit - b'0', attachments, nsp, id, payload })
}

impl Link {
    /// Shows what came.
    pub(crate) fn see_incoming(&self, message: &Message, parser: &Parser) {
        if self.is_watched() {
            self.see_message(Direction::In, message, parser);
        }
    }

    /// Shows what goes out, if it is a message.
    pub(crate) fn see_outgoing(&self, frame: &Frame, parser: &Parser) {
        let message = match frame.packet() {
            bytes if frame.is_binary() => Message::Binary(Bytes::copy_from_slice(bytes)),
            [b'4', text @ ..] => Message::Text(String::from_utf8_lossy(text).into_owned().into()),
            _ => return,
        };
        self.see_message(Direction::Out, &message, parser);
    }

    fn see_message(&self, direction: Direction, message: &Message, parser: &Parser) {
        match (parser.raw(message), message) {
            (Some(Ok(raw)), _) => {
                let RawPacket { kind, nsp, id, payload, attachments } = &raw;
                let attachments = attachments.len();
                let packet = SocketPacket { kind: kind.number(), attachments, nsp, id: *id, payload };
                self.see(|| What::SocketPacket { direction, packet });
            }
            (Some(Err(_)), _) => {}
            (None, Message::Binary(bytes)) => self.see(|| What::Attachment { direction, bytes }),
            (None, Message::Text(text)) => {
                if let Some(packet) = read_text(text) {
                    self.see(|| What::SocketPacket { direction, packet });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_either_side_is_read_as_far_as_its_payload() {
        let read = |text| {
            read_text(text)
                .map(|packet| (packet.kind, packet.attachments, packet.nsp, packet.id, packet.payload))
        };
        assert_eq!(read(r#"51-/a,12["e",…"#), Some((5, 1, "/a", Some(12), r#"["e",…"#)));
        assert_eq!(read(r#"4{"message":"no"}"#), Some((4, 0, "/", None, r#"{"message":"no"}"#)));
        assert_eq!(read("1/a"), Some((1, 0, "/a", None, "")));
        assert_eq!(read("51["), None);
        assert_eq!(read("9"), None);
    }
}
