//! The one alarm of a session, and what each deadline does: the protocol's, the layer's, and that of a client that takes
//! nothing of what waits for it.

use std::task::Context;
use std::time::{Duration, Instant};

use super::progress::{Moved, Reached};
use super::wires::{WebSocketWire as _, Wires};
use super::{Input, Session};
use crate::{Layer, Limit};

impl<L: Layer, W: Wires> Session<L, W> {
    /// Handles deadlines that have passed, and sets the alarm for the next. Returns whether one had passed.
    pub(super) fn expire(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut W) -> bool {
        if !std::mem::take(&mut self.stirred) && wires.is_alarm_set(now) {
            return false;
        }
        let layer = self.layer.deadline().filter(|_| self.machine.is_open());
        let session = self.machine.deadline();
        let stalled = self.stalled.until(wires.write_timeout());
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if passed(session) {
            self.put_off_heartbeat(now, wires);
            self.input(now, Input::Timeout, wires);
        }
        if passed(layer) && self.machine.is_open() {
            self.poll_layer(now);
        }
        if passed(stalled) {
            self.mailbox.mailbox().evict(Limit::SendBudget);
        }
        if passed(session) || passed(layer) || passed(stalled) {
            return true;
        }
        let next = session.into_iter().chain(layer).chain(stalled).min();
        self.stirred = next.is_some_and(|next| wires.poll_alarm(cx, now, next).is_ready());
        self.stirred
    }

    /// A client that is in the middle of a message has longer for its heartbeat while bytes move.
    fn put_off_heartbeat(&mut self, now: Instant, wires: &mut W) {
        if self.machine.engine().config.strict_heartbeat || !self.machine.is_heartbeat_due(now) {
            return;
        }
        let (by_http, body, answering) = self.mailbox.take_moved_by_http();
        let waits = self.link.as_ref().is_some_and(|link| !link.is_drained());
        let reached = Reached {
            partial: self.link.as_ref().map_or(0, W::WebSocket::partial),
            under_way: body || answering || waits,
        };
        let bytes = std::mem::take(&mut self.taken) as usize + by_http;
        // How long a body may take is limited already.
        let time = if body { Duration::ZERO } else { self.machine.engine().config.ping_timeout };
        match self.progress.since_last(reached, bytes, time) {
            Some(Moved::Apace) => self.input(now, Input::Moved { at_most: None }, wires),
            Some(Moved::Incoming) => {
                self.input(now, Input::Moved { at_most: Some(wires.body_timeout()) }, wires);
            }
            None => {}
        }
    }
}
