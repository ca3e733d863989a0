//! What a plain WebSocket carries, as [observers](engineio::observe) see it. Without one there is none of this.

use engineio::observe::{Carrier, Direction, Observers, WebSocketFrame, What};
use engineio::websocket::FrameViolation;
use engineio::{HandshakeRequest, Sid};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message as Tungstenite};

use super::websocket::Close;

/// Who watches a plain WebSocket.
pub(super) struct Watch {
    observers: Observers,
    /// It has no id of its own. This one is for observers alone.
    sid: Sid,
}

impl Watch {
    /// Shows that it is open, if anybody watches.
    pub(super) fn opened(
        observers: &Observers,
        exchange: u64,
        handshake: &HandshakeRequest,
    ) -> Option<Watch> {
        if observers.is_empty() {
            return None;
        }
        let watch = Watch { observers: observers.clone(), sid: Sid::generate() };
        watch.see(|| What::PlainOpened { exchange, handshake });
        Some(watch)
    }

    /// Shows what came, and the answer that tungstenite makes of it by itself.
    pub(super) fn incoming(&self, message: &Tungstenite) {
        self.show(Direction::In, message);
        match message {
            Tungstenite::Ping(payload) => self.outgoing(&Tungstenite::Pong(payload.clone())),
            Tungstenite::Close(frame) => self.outgoing(&Tungstenite::Close(frame.clone().map(answer))),
            _ => {}
        }
    }

    pub(super) fn outgoing(&self, message: &Tungstenite) {
        self.show(Direction::Out, message);
    }

    /// Shows the rule that the client broke.
    pub(super) fn broken(&self, error: &tungstenite::Error) {
        if let Some(violation) = violation(error) {
            self.see(|| What::Violation {
                rule: violation.name(),
                section: violation.section(),
                error: &violation,
            });
        }
    }

    pub(super) fn ended(&self, close: &Close) {
        self.see(|| What::PlainEnded { code: close.code, reason: &close.reason });
    }

    fn show(&self, direction: Direction, message: &Tungstenite) {
        let close;
        let (opcode, payload) = match message {
            Tungstenite::Text(text) => (1, text.as_bytes()),
            Tungstenite::Binary(bytes) => (2, &bytes[..]),
            Tungstenite::Close(frame) => {
                close = frame.as_ref().map(bytes).unwrap_or_default();
                (8, &close[..])
            }
            Tungstenite::Ping(payload) => (9, &payload[..]),
            Tungstenite::Pong(payload) => (10, &payload[..]),
            Tungstenite::Frame(frame) => (u8::from(frame.header().opcode), frame.payload()),
        };
        let carrier = Carrier::WebSocket;
        self.see(|| What::Frame(WebSocketFrame { direction, carrier, fin: true, opcode, payload }));
    }

    fn see<'a>(&'a self, what: impl FnOnce() -> What<'a>) {
        self.observers.see(Some(&self.sid), what);
    }
}

fn bytes(frame: &CloseFrame) -> Vec<u8> {
    [&u16::from(frame.code).to_be_bytes()[..], frame.reason.as_bytes()].concat()
}

/// The answer to a close frame: the same, unless its code must not be sent.
fn answer(frame: CloseFrame) -> CloseFrame {
    if frame.code.is_allowed() {
        return frame;
    }
    CloseFrame { code: CloseCode::Protocol, reason: "Protocol violation".into() }
}

/// The rule behind an error of tungstenite's.
fn violation(error: &tungstenite::Error) -> Option<FrameViolation> {
    Some(match error {
        tungstenite::Error::Capacity(_) => FrameViolation::TooLong,
        tungstenite::Error::Utf8(_) => FrameViolation::Utf8,
        tungstenite::Error::Protocol(error) => match error {
            ProtocolError::UnmaskedFrameFromClient => FrameViolation::Unmasked,
            ProtocolError::NonZeroReservedBits => FrameViolation::ReservedBit,
            ProtocolError::FragmentedControlFrame => FrameViolation::FragmentedControl,
            ProtocolError::ControlFrameTooBig => FrameViolation::LongControl,
            ProtocolError::UnknownControlFrameType(opcode)
            | ProtocolError::UnknownDataFrameType(opcode)
            | ProtocolError::InvalidOpcode(opcode) => FrameViolation::Opcode(*opcode),
            ProtocolError::UnexpectedContinueFrame => FrameViolation::LoneContinuation,
            ProtocolError::ExpectedFragment(_) => FrameViolation::Interleaved,
            ProtocolError::InvalidCloseSequence => FrameViolation::CloseLength,
            _ => return None,
        },
        _ => return None,
    })
}
