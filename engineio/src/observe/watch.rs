//! What WebSockets carry, as observers see it.

use super::{Carrier, Direction, Observers, WebSocketFrame, What};
use crate::websocket::{FrameEvent, close_payload};
use crate::{Frame, Revision, Sid};

/// Who watches one WebSocket of a session, if anybody does.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    observers: &'a Observers,
    sid: &'a Sid,
    revision: Revision,
    carrier: Carrier,
}

impl<'a> Watch<'a> {
    /// What is shown is `carrier`'s, of that session.
    #[must_use]
    pub fn new(observers: &'a Observers, sid: &'a Sid, revision: Revision, carrier: Carrier) -> Watch<'a> {
        Watch { observers, sid, revision, carrier }
    }

    /// Shows an incoming message. A message in fragments looks like one frame.
    pub fn incoming(self, event: &FrameEvent) {
        let (opcode, payload) = match event {
            FrameEvent::Text(text) => (1, &text.as_bytes()[..]),
            FrameEvent::Binary(bytes) => (2, &bytes[..]),
            FrameEvent::Close { payload, .. } => (8, &payload[..]),
            FrameEvent::Ping(payload) => (9, &payload[..]),
            FrameEvent::Pong(payload) => (10, &payload[..]),
        };
        self.show(Direction::In, true, opcode, payload);
    }

    /// Shows a frame that goes out.
    pub fn outgoing(self, frame: &Frame) {
        if !self.observers.is_empty() {
            let frame = frame.websocket(self.revision);
            self.show(Direction::Out, frame[0] & 0x80 != 0, frame[0] & 0x0f, payload(frame));
        }
    }

    /// Shows a ping that goes out.
    pub fn pinging(self) {
        self.show(Direction::Out, true, 9, &[]);
    }

    /// Shows a pong that goes out.
    pub fn answering(self, payload: &[u8]) {
        self.show(Direction::Out, true, 10, payload);
    }

    /// Shows a close frame that goes out.
    pub fn closing(self, code: Option<u16>, reason: &str) {
        if !self.observers.is_empty() {
            self.show(Direction::Out, true, 8, &close_payload(code, reason));
        }
    }

    fn show(self, direction: Direction, fin: bool, opcode: u8, payload: &[u8]) {
        let carrier = self.carrier;
        self.observers
            .see(Some(self.sid), || What::Frame(WebSocketFrame { direction, carrier, fin, opcode, payload }));
    }
}

/// What is after the header of a frame of ours, which masks nothing.
fn payload(frame: &[u8]) -> &[u8] {
    let header = match frame.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    &frame[header..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_a_frame_is_no_part_of_its_payload() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let bytes = vec![7; len];
            let frame = Frame::binary(&bytes);
            assert_eq!(payload(frame.websocket(Revision::V4)), bytes);
            assert_eq!(payload(frame.websocket(Revision::V3)), [&[4], &bytes[..]].concat());
        }
    }
}
