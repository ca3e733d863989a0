//! What WebSockets carry, as observers see it.

use super::{Carrier, Direction, Observers, WebSocketFrame, What};
use crate::websocket::header::payload;
use crate::websocket::{FrameEvent, close_payload};
use crate::{Frame, Framing, Sid};

/// The observers of one WebSocket of a session, if there are any.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    observers: &'a Observers,
    sid: &'a Sid,
    framing: Framing,
    carrier: Carrier,
}

impl<'a> Watch<'a> {
    /// Shows the traffic of that session's `carrier`.
    #[must_use]
    pub fn new(observers: &'a Observers, sid: &'a Sid, framing: Framing, carrier: Carrier) -> Watch<'a> {
        Watch { observers, sid, framing, carrier }
    }

    /// Shows an incoming message, and its compressed length if it was compressed. A message in fragments looks like one
    /// frame.
    pub fn incoming(self, event: &FrameEvent, compressed: Option<usize>) {
        if self.observers.is_empty() {
            return;
        }
        let (opcode, payload) = match event {
            FrameEvent::Text(text) => (1, &text.as_bytes()[..]),
            FrameEvent::Binary(bytes) => (2, &bytes[..]),
            FrameEvent::Close { payload, .. } => (8, &payload[..]),
            FrameEvent::Ping(payload) => (9, &payload[..]),
            FrameEvent::Pong(payload) => (10, &payload[..]),
        };
        let compressed = compressed.filter(|_| opcode < 8);
        self.show(Direction::In, true, opcode, payload, compressed);
    }

    /// Shows a frame that is sent, and the length of its payload if that is compressed.
    pub fn outgoing(self, frame: &Frame, compressed: Option<usize>) {
        if self.observers.is_empty() {
            return;
        }
        match self.framing {
            Framing::WebSocket(revision) => {
                let frame = frame.websocket(revision);
                self.show(Direction::Out, frame[0] & 0x80 != 0, frame[0] & 0x0f, payload(frame), compressed);
            }
            Framing::WebTransport => {
                let opcode = if frame.is_binary() { 2 } else { 1 };
                self.show(Direction::Out, true, opcode, frame.packet(), None);
            }
        }
    }

    /// Shows a ping that is sent.
    pub fn pinging(self) {
        self.show(Direction::Out, true, 9, &[], None);
    }

    /// Shows a pong that is sent.
    pub fn answering(self, payload: &[u8]) {
        self.show(Direction::Out, true, 10, payload, None);
    }

    /// Shows a close frame that goes out, where there are such.
    pub fn closing(self, code: Option<u16>, reason: &str) {
        if !self.observers.is_empty() && self.framing != Framing::WebTransport {
            self.show(Direction::Out, true, 8, &close_payload(code, reason), None);
        }
    }

    fn show(self, direction: Direction, fin: bool, opcode: u8, payload: &[u8], compressed: Option<usize>) {
        let carrier = self.carrier;
        self.observers.see(Some(self.sid), || {
            What::Frame(WebSocketFrame { direction, carrier, fin, opcode, payload, compressed })
        });
    }
}
