//! What observers see of a session.

use std::error::Error;

use super::{Ending, Line, Session, SessionHandle, Wires};
use crate::observe::{Carrier, Direction, Watch, What};
use crate::{Engine, Frame, Framing, Layer, Packet, Violation};

/// # What observers see
impl<L: Layer, W: Wires> Session<L, W> {
    pub(super) fn is_watched(&self) -> bool {
        !self.machine.engine().observers.is_empty()
    }

    pub(super) fn see<'a>(&'a self, what: impl FnOnce() -> What<'a>) {
        self.machine.engine().observers.see(Some(&self.handle.sid), what);
    }

    /// The observers of one of the WebSockets.
    pub(super) fn watch(&self, framing: Framing, carrier: Carrier) -> Watch<'_> {
        watch(self.machine.engine(), &self.handle, framing, carrier)
    }

    pub(super) fn see_incoming(&self, carrier: Carrier, packet: &Result<Packet, Violation>, wires: &mut W) {
        match packet {
            Ok(packet) => {
                self.see(|| What::Packet { direction: Direction::In, carrier, packet: packet.into() });
            }
            Err(violation) => self.broke(violation.name(), violation.section(), violation, wires),
        }
    }

    /// Notes a rule that the client broke.
    pub(super) fn broke(&self, rule: &'static str, section: &'static str, error: &dyn Error, wires: &mut W) {
        wires.log(Line::Broke { rule, section, error });
        self.see(|| What::Violation { rule, section, error });
    }

    /// Notes a rule of WebSocket that the client broke, or a limit that was met.
    pub(super) fn broken(&self, ending: Ending, wires: &mut W) {
        if let Some(violation) = ending.violation {
            self.broke(violation.name(), violation.section(), &violation, wires);
        }
        if let Some(limit) = ending.limit {
            self.machine.engine().hits.count(limit);
        }
    }

    pub(super) fn see_outgoing(&mut self, carrier: Carrier, frame: &Frame) {
        if self.is_watched() {
            self.see(|| What::Packet { direction: Direction::Out, carrier, packet: frame.into() });
            self.layer.sent(frame);
        }
    }
}

/// The observers of one of a session's WebSockets. It borrows as little of the session as possible.
pub(super) fn watch<'a, W: Wires>(
    engine: &'a Engine,
    handle: &'a SessionHandle<W>,
    framing: Framing,
    carrier: Carrier,
) -> Watch<'a> {
    Watch::new(&engine.observers, &handle.sid, framing, carrier)
}
