//! How a client's session ends.

use std::time::Instant;

use super::state::State;
use super::{ClientEnding, ClientOutput, ClientSession};
use crate::deadline::deadline;
use crate::{Frame, Packet};

impl ClientSession {
    pub(super) fn close(&mut self, now: Instant, out: &mut Vec<ClientOutput>) {
        match self.state {
            State::Opening { .. } => self.end(ClientEnding::ClosedHere, out),
            State::WebSocket => {
                out.push(ClientOutput::CloseWebSocket);
                self.end(ClientEnding::ClosedHere, out);
            }
            State::Polling | State::Upgrading { .. } => {
                if self.upgrading() {
                    out.push(ClientOutput::CloseWebSocket);
                }
                self.queue(Frame::from(&Packet::Close));
                self.state = State::Closing { until: deadline(now, self.config.close_timeout) };
            }
            State::Closing { .. } | State::Over => {}
        }
    }

    /// Whether the session is being ended by this side.
    pub(super) fn closing(&self) -> bool {
        matches!(self.state, State::Closing { .. })
    }

    pub(super) fn end(&mut self, ending: ClientEnding, out: &mut Vec<ClientOutput>) {
        // A server may end the session for the very `1` that is on its way, in whatever manner. What it should have had
        // before that, and may not have, is told.
        let done = self.closing() && !self.owes_messages();
        let ending = if done { ClientEnding::ClosedHere } else { ending };
        self.state = State::Over;
        self.outbox.clear();
        self.queued = 0;
        out.push(ClientOutput::Ended(ending));
    }
}
