//! The deadlines: for pings, for the peer, for its message, and for the application.

use std::task::Context;
use std::time::Instant;

use super::{Keepalive, PlainWebSocket, PlainWire, PlainWires, State};
use crate::deadline::deadline;
use crate::pace::is_pace;
use crate::{Limit, Stalled};

impl<W: PlainWire> PlainWebSocket<W> {
    /// Something was received from the peer.
    pub(super) fn alive(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = false;
        self.taken = 0;
    }

    /// The peer has taken so much of what waited for it. While it does that fast enough, it need not answer pings: it
    /// sees them after what was sent before.
    pub(super) fn takes(&mut self, now: Instant, bytes: usize) {
        self.taken = self.taken.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if bytes > 0 && is_pace(self.taken as usize, now.saturating_duration_since(self.heard)) {
            self.alive(now);
        }
    }

    /// Handles deadlines that have passed, and sets the alarm for the next. Returns whether one had passed.
    pub(super) fn expire(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut impl PlainWires) -> bool {
        if self.is_over() {
            return false;
        }
        if !self.noted && self.link.has_read() {
            self.noted = true;
            self.alive(now);
        }
        if self.is_open() && self.shared.is_deaf() {
            // While nothing is read from the peer, its silence means nothing.
            self.alive(now);
            self.begun = self.begun.map(|_| now);
        }
        let too_much = self.mailbox.is_over_budget() && !self.link.is_drained();
        self.stalled.note(now, too_much, std::mem::take(&mut self.moved));
        let mut passed = false;
        while let Some((at, due)) = self.deadline() {
            if at > now {
                return wires.poll_alarm(cx, now, at).is_ready() || passed;
            }
            passed = true;
            self.due(now, due);
        }
        passed
    }

    /// What is due next, and when.
    fn deadline(&self) -> Option<(Instant, Due)> {
        let settled = match self.state {
            State::Over { .. } => return None,
            State::Settling { until, .. } => Some((until, Due::Settled)),
            _ => None,
        };
        let close = self.close_by.map(|at| (at, Due::End));
        let open = self.is_open();
        let message = self
            .begun
            .filter(|_| open)
            .map(|begun| (deadline(begun, self.terms.message_timeout), Due::Message));
        let keepalive = self.terms.keepalive.filter(|_| open).map(|Keepalive { interval, grace }| {
            if self.pinged {
                (deadline(self.heard, interval.saturating_add(grace)), Due::End)
            } else {
                (deadline(self.heard, interval), Due::Ping)
            }
        });
        let stalled = self.stalled.until(self.terms.write_timeout).map(|at| (at, Due::Evicted));
        [settled, close, message, keepalive, stalled].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    fn due(&mut self, now: Instant, due: Due) {
        match due {
            Due::Ping => {
                self.pinged = true;
                self.watch().pinging();
                self.link.ping();
            }
            Due::Message => self.met(now, Limit::MessageTimeout),
            Due::Settled => self.settle(now),
            Due::Evicted => {
                self.stalled = Stalled::default();
                self.mailbox.mailbox().evict(Limit::SendBudget);
            }
            Due::End => self.over(true),
        }
    }
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// The peer is silent.
    Ping,
    /// A message takes too long.
    Message,
    /// The application's time is over.
    Settled,
    /// Too much waits, and the peer reads nothing.
    Evicted,
    /// The time for the close is over.
    End,
}
