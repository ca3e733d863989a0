//! What a client's session sends, and when.

use bytes::{BufMut as _, BytesMut};
use bytestring::ByteString;

use super::state::{Posted, State, Step};
use super::{ClientEnding, ClientOutput, ClientSession};
use crate::{Frame, PacketType, PayloadFormat, Revision};

impl ClientSession {
    /// What can begin now: the end of an upgrade, the next poll, what is queued.
    pub(super) fn go_on(&mut self, out: &mut Vec<ClientOutput>) {
        let paused = !self.getting && self.posting.is_none();
        match self.state {
            // "5": nothing is left on the old transport.
            State::Upgrading { step: Step::Pausing, .. } if paused => {
                self.state = State::WebSocket;
                out.extend([ClientOutput::SendText("5".into()), ClientOutput::Upgraded]);
            }
            // All of it was posted, `1` as the last.
            State::Closing { .. } if self.posting.is_none() && self.outbox.is_empty() => {
                return self.end(ClientEnding::ClosedHere, out);
            }
            State::Polling | State::Upgrading { step: Step::Connecting | Step::Probing, .. }
                if !self.getting =>
            {
                self.getting = true;
                out.push(ClientOutput::Get);
            }
            _ => {}
        }
        self.flush(out);
    }

    pub(super) fn queue(&mut self, frame: Frame) {
        self.queued += frame.cost();
        self.outbox.push_back(frame);
    }

    /// Sends what is queued, as far as the transport takes it now.
    pub(super) fn flush(&mut self, out: &mut Vec<ClientOutput>) {
        match self.state {
            State::WebSocket => {
                self.queued = 0;
                let revision = self.config.revision;
                out.extend(self.outbox.drain(..).map(|frame| websocket_message(&frame, revision)));
            }
            State::Polling
            | State::Upgrading { step: Step::Connecting | Step::Probing, .. }
            | State::Closing { .. }
                if self.posting.is_none() && !self.outbox.is_empty() =>
            {
                // Base64 goes through everywhere: a proxy may change bytes, and a server their type.
                let format = PayloadFormat { revision: self.config.revision, base64: true };
                let limit = self.opened.as_ref().and_then(|opened| opened.max_payload).unwrap_or(usize::MAX);
                let before_messages = self.outbox.iter().take_while(|frame| !is_message(frame)).count();
                let all = self.outbox.len();
                let (payload, cost) = format.encode(&mut self.outbox, limit);
                self.queued -= cost;
                let taken = all - self.outbox.len();
                self.posting =
                    Some(if taken > before_messages { Posted::Messages } else { Posted::NoMessages });
                out.push(ClientOutput::Post(payload.to_bytes()));
            }
            _ => {}
        }
    }

    /// Whether messages are left that the server has not said to have.
    pub(super) fn owes_messages(&self) -> bool {
        self.posting == Some(Posted::Messages) || self.outbox.iter().any(is_message)
    }
}

/// Whether a packet is one of the layer above.
fn is_message(frame: &Frame) -> bool {
    frame.is_binary() || frame.packet().first() == Some(&PacketType::Message.digit())
}

/// A packet as a message of a WebSocket. In revision 3, bytes have their type in front.
fn websocket_message(frame: &Frame, revision: Revision) -> ClientOutput {
    let packet = frame.shared_packet();
    match (frame.is_binary(), revision) {
        (true, Revision::V4) => ClientOutput::SendBinary(packet),
        (true, Revision::V3) => {
            let mut bytes = BytesMut::with_capacity(packet.len() + 1);
            bytes.put_u8(4);
            bytes.extend_from_slice(&packet);
            ClientOutput::SendBinary(bytes.freeze())
        }
        // A frame of text is UTF-8: it is made of text.
        (false, _) => ClientOutput::SendText(ByteString::try_from(packet).unwrap_or_default()),
    }
}
