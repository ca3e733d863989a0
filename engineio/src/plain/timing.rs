//! What is due when: pings, the end of patience with a peer, with its message, and with the application.

use std::task::Context;
use std::time::Instant;

use super::{Keepalive, PlainWebSocket, State, Wire, Wires};
use crate::deadline::after;
use crate::{Limit, Stalled};

impl<W: Wire> PlainWebSocket<W> {
    /// The peer lives.
    pub(super) fn alive(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = false;
    }

    /// Sees to deadlines that have passed, and sets the alarm for the next. Says whether one had passed.
    pub(super) fn expire(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut impl Wires) -> bool {
        if self.is_over() {
            return false;
        }
        if !self.noted && self.link.has_read() {
            self.noted = true;
            self.alive(now);
        }
        if self.is_open() && self.shared.is_deaf() {
            // A peer that isn't read from can't be expected to be heard.
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
        let message =
            self.begun.filter(|_| open).map(|begun| (after(begun, self.terms.message_timeout), Due::Message));
        let keepalive = self.terms.keepalive.filter(|_| open).map(|Keepalive { interval, grace }| {
            if self.pinged {
                (after(self.heard, interval.saturating_add(grace)), Due::End)
            } else {
                (after(self.heard, interval), Due::Ping)
            }
        });
        let stalled = self.stalled.until(self.terms.write_timeout).map(|at| (at, Due::PutOut));
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
            Due::PutOut => {
                self.stalled = Stalled::default();
                self.mailbox.mailbox().put_out(Limit::SendBudget);
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
    /// The application was given enough time.
    Settled,
    /// The peer takes nothing of too much.
    PutOut,
    /// Nothing is to be expected of the peer any more.
    End,
}
