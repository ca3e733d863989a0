//! How a client goes over from polling to WebSocket.

use std::time::Instant;

use super::state::{State, Step};
use super::{ClientOutput, ClientSession};
use crate::{Packet, Violation};

/// The payload of a probe, and of its answer.
const PROBE: &str = "probe";

impl ClientSession {
    /// Whether a WebSocket is being probed.
    pub(super) fn upgrading(&self) -> bool {
        matches!(self.state, State::Upgrading { .. })
    }

    pub(super) fn websocket_opened(&mut self, out: &mut Vec<ClientOutput>) {
        if let State::Upgrading { step: Step::Connecting, until } = self.state {
            self.state = State::Upgrading { step: Step::Probing, until };
            out.push(ClientOutput::SendText("2probe".into()));
        }
    }

    pub(super) fn websocket_packet(
        &mut self,
        now: Instant,
        packet: Result<Packet, Violation>,
        out: &mut Vec<ClientOutput>,
    ) {
        match (self.state, packet) {
            (State::Opening { .. } | State::WebSocket, packet) => self.packet(now, packet, out),
            // "3probe": the server has read the probe, and has let the parked GET go, or will.
            (State::Upgrading { step: Step::Probing, until }, Ok(Packet::Pong(payload)))
                if payload == PROBE =>
            {
                self.state = State::Upgrading { step: Step::Pausing, until };
            }
            (State::Upgrading { .. }, _) => self.give_upgrade_up(out),
            (State::Polling | State::Closing { .. } | State::Over, _) => {}
        }
    }

    /// The session goes on by polling.
    pub(super) fn give_upgrade_up(&mut self, out: &mut Vec<ClientOutput>) {
        self.state = State::Polling;
        out.extend([ClientOutput::CloseWebSocket, ClientOutput::UpgradeFailed]);
    }
}
