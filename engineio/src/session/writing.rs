//! How the queue is sent to a client: as the answer to a poll, or on the WebSocket in use.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Instant;

use super::doors::Probe;
use super::wires::{Line, Reply as _, WebSocketWire, Wires};
use super::{Input, PollAnswer, Session};
use crate::observe::{Carrier, What};
use crate::pace::is_pace;
use crate::{CloseReason, Frame, Layer, Packet};

/// What is taken from the mailbox for a WebSocket at once, in bytes. What stays there is dropped at once when the
/// client is evicted.
const LOAD: usize = 256 * 1024;

/// The same if messages are compressed, which takes much longer than writing, or if the session is observed.
/// Observers are told each frame's compressed length, so frames are compressed when they are taken.
const SHORT_LOAD: usize = 64 * 1024;

impl<L: Layer, W: Wires> Session<L, W> {
    /// Has the state machine answer a parked poll if frames wait for it.
    pub(super) fn answer_if_queued(&mut self, now: Instant, wires: &mut W) {
        if self.machine.is_parked() && self.mailbox.has_frames() {
            self.input(now, Input::Queued, wires);
        }
    }

    /// Answers the parked poll.
    pub(super) fn answer_poll(&mut self, answer: PollAnswer) {
        let messages = answer == PollAnswer::Queued;
        // The client is gone. Its guard (`OpenGet`) tells the session.
        let Some(waiting) = self.handle.doors.lock().take_waiting(messages) else { return };
        let format = self.handle.format;
        let packets: &[Packet] = match answer {
            PollAnswer::Queued => {
                let is_watched = self.is_watched();
                let outbox = self.outbox.frames();
                self.mailbox.take_some(outbox, self.machine.engine().config.max_payload);
                let before = is_watched.then(|| outbox.clone());
                let queued = outbox.len();
                let (payload, cost) = format.encode(outbox, self.machine.engine().config.max_payload);
                let left = outbox.len();
                self.sent = self.sent.wrapping_add((queued - left) as u32);
                self.mailbox.written(cost);
                self.moved = true;
                self.taken = self.taken.saturating_add(u32::try_from(cost).unwrap_or(u32::MAX));
                if let Some(mut before) = before {
                    before.truncate(before.len() - left);
                    before.iter().for_each(|frame| self.see_outgoing(Carrier::Get, frame));
                }
                // If the client goes before it has the answer, its guard tells the session.
                return waiting.send(payload);
            }
            PollAnswer::Noop => &[Packet::Noop],
            PollAnswer::Close => &[Packet::Close],
            PollAnswer::NoopClose => &[Packet::Noop, Packet::Close],
        };
        let mut frames: VecDeque<Frame> = packets.iter().map(Frame::from).collect();
        frames.iter().for_each(|frame| self.see_outgoing(Carrier::Get, frame));
        self.sent = self.sent.wrapping_add(frames.len() as u32);
        let (payload, _) = format.encode(&mut frames, usize::MAX);
        waiting.send(payload);
    }

    /// Writes the queue to the WebSocket in use.
    pub(super) fn write(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut W) {
        if !self.machine.is_open() {
            return;
        }
        if self.link.as_ref().is_some_and(W::WebSocket::is_drained) {
            self.load(self.most());
        }
        // Once something is written, the client's packets may be handled again.
        let waited = self.link.is_some() && !self.listens();
        let Some(link) = &mut self.link else { return };
        let written = link.poll_write(cx);
        let moved = link.take_moved();
        self.taken = self.taken.saturating_add(u32::try_from(moved).unwrap_or(u32::MAX));
        let (moved, drained) = (moved > 0, link.is_drained());
        if let Some(bytes) = link.take_grown() {
            self.mailbox.note_incoming(bytes);
        }
        match link.take_freed() {
            0 => {}
            freed => self.mailbox.written(freed),
        }
        if let Poll::Ready(Err(error)) = written {
            wires.log(Line::CanNotWrite(&error));
            link.discard();
            self.input(now, Input::TransportClosed(CloseReason::TransportError), wires);
        } else if moved
            && waited
            && (drained || is_pace(self.taken as usize, self.machine.engine().config.ping_timeout))
        {
            self.input(now, Input::Taken, wires);
        }
        self.moved |= moved;
    }

    /// How much of the queue is moved at once.
    pub(super) fn most(&self) -> usize {
        let compresses = self.link.as_ref().is_some_and(W::WebSocket::compresses);
        if compresses || self.is_watched() { SHORT_LOAD } else { LOAD }
    }

    /// Moves that much of the queue to the WebSocket in use.
    pub(super) fn load(&mut self, bytes: usize) {
        let Some(link) = &mut self.link else { return };
        let loaded = link.queue().len();
        self.mailbox.take_some(link.queue(), bytes);
        self.sent = self.sent.wrapping_add((link.queue().len() - loaded) as u32);
        self.see_loaded(loaded);
    }

    /// The probing WebSocket is the one in use from now on.
    pub(super) fn upgrade(&mut self) {
        let Some(probe) = self.probe.take() else { return };
        let Probe { websocket: mut link, request } = *probe;
        // What was sent to a probe has not been counted until now. If `5` comes right after `2probe`, `3probe` still
        // waits.
        link.take_freed();
        let unsent = link.queue().len();
        self.mailbox.charge(link.queue().iter().map(Frame::cost).sum());
        link.queue().extend(self.outbox.take());
        self.inbox.shrink();
        let transport = link.framing().transport();
        self.link = Some(link);
        self.handle.upgraded(transport);
        self.see(|| What::Upgraded { transport });
        self.see_loaded(unsent);
        // A closing session upgrades only to tell the client, and its layer is already done.
        if self.machine.is_open() {
            self.layer.upgraded(transport, request.map(|request| *request));
        }
    }

    /// Shows the frames that were queued for the WebSocket in use, from `loaded` on.
    fn see_loaded(&mut self, loaded: usize) {
        if !self.is_watched() {
            return;
        }
        let Some(link) = &mut self.link else { return };
        let framing = link.framing();
        let loaded = loaded..link.queue().len();
        let frames: Vec<_> = loaded.map(|at| (link.queue()[at].clone(), link.compressed(at))).collect();
        for (frame, compressed) in frames {
            self.watch(framing, framing.into()).outgoing(&frame, compressed);
            self.see_outgoing(framing.into(), &frame);
        }
    }
}
