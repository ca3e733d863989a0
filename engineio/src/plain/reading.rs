//! What a peer sends: its messages, its close, its mistakes.

use std::task::{Context, Poll};
use std::time::Instant;

use super::{Close, Farewell, PlainWebSocket, PlainWire, PlainWires, ROUND, State};
use crate::observe::{Carrier, Watch, What};
use crate::session::{Ending, Incoming, Line};
use crate::websocket::Place;
use crate::{Framing, Limit, Message, Revision};

/// "a message that violates its policy" (RFC 6455, section 7.4.1): it takes too long, or there are too many.
const POLICY: u16 = 1008;

impl<W: PlainWire> PlainWebSocket<W> {
    /// Whether the peer is read from.
    pub(super) fn reads(&self) -> bool {
        match &self.state {
            State::Open => self.shared.listens(),
            // Its messages are ignored, but its close frame may come after them.
            State::Closing(Farewell { answered, .. }) | State::Goodbye { answered } => !answered,
            State::Settling { .. } | State::Over { .. } => false,
        }
    }

    /// Reads what has arrived. Returns whether there may be more.
    pub(super) fn read(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut impl PlainWires) -> bool {
        let mut read = 0;
        while read < ROUND && self.reads() {
            let watch =
                Watch::new(&self.observers, &self.sid, Framing::WebSocket(Revision::V4), Carrier::WebSocket);
            let incoming = self.link.poll_message(cx, watch);
            if let Some(bytes) = self.link.take_grown() {
                self.mailbox.note_incoming(bytes);
            }
            let Poll::Ready(incoming) = incoming else { break };
            read += 1;
            match incoming {
                Incoming::Message(message) => self.message(now, message),
                Incoming::Closed { code, payload } => self.ends(now, Close::by_peer(code, &payload)),
                Incoming::Ended(ending) => self.broken(now, ending, wires),
            }
        }
        self.begun = match self.link.place() {
            Place::Between => None,
            // A message ended, and another began.
            Place::InFrame | Place::InMessage if read > 0 => Some(now),
            Place::InFrame | Place::InMessage => self.begun.or(Some(now)),
        };
        read == ROUND
    }

    fn message(&mut self, now: Instant, message: Message) {
        if !self.is_open() {
            return;
        }
        match self.rates.as_mut().and_then(|rates| rates.exceeded(now, message.len())) {
            Some(limit) => self.met(now, limit),
            None => self.shared.deliver(message),
        }
    }

    /// Ends it at a limit.
    pub(super) fn met(&mut self, now: Instant, limit: Limit) {
        self.terms.hits.count(limit);
        self.ends(now, Close::new(POLICY));
    }

    fn broken(&mut self, now: Instant, ending: Ending, wires: &mut impl PlainWires) {
        if let Some(violation) = ending.violation {
            let (rule, section) = (violation.name(), violation.section());
            wires.log(Line::Broke { rule, section, error: &violation });
            self.see(|| What::Violation { rule, section, error: &violation });
        }
        if let Some(limit) = ending.limit {
            self.terms.hits.count(limit);
        }
        match ending.code {
            Some(code) => self.ends(now, Close::new(code)),
            None => self.over(true),
        }
    }
}
